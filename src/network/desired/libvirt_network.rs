//! libvirt's networks, as its files describe them: who gets which address there.
//!
//! libvirt itself can't be asked from a hook, since it waits for the hook.

use std::fs::OpenOptions;
use std::io::{self, Read};
use std::net::{IpAddr, Ipv4Addr};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use ipnet::IpNet;
use roxmltree::Node;
use rustix::fs::OFlags;
use rustix::io::Errno;

use crate::domain::{MAXIMUM_PARSED, Unreadable, attribute, child, children, is, parse_tree};
use crate::paths::Paths;

/// A network of libvirt.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Network {
    /// Its bridge.
    pub bridge: Option<String>,
    /// Its forward mode: `nat`, `route`, `open`, `bridge`, ...; `None` if it is isolated.
    pub forward_mode: Option<String>,
    /// Its own addresses, each with the length of its subnet's prefix.
    pub addresses: Vec<IpNet>,
    /// Addresses reserved for certain guests.
    pub reservations: Vec<Reservation>,
}

/// A `<host>` in a network's `<dhcp>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reservation {
    /// The guest's MAC address.
    pub mac: Option<Mac>,
    /// The DUID by which the guest asks over IPv6.
    pub id: Option<String>,
    /// The guest's name.
    pub name: Option<String>,
    /// The address that it gets.
    pub address: IpAddr,
}

/// A MAC address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mac([u8; 6]);

/// Reason why a network cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum Unknown {
    /// There is no such network.
    #[error("there is no libvirt network of that name on this host")]
    NoSuch,
    /// Its file can't be read.
    #[error("its description can't be read: {0}")]
    File(#[from] io::Error),
    /// The description cannot be parsed.
    #[error("its description {0}")]
    Xml(#[from] Unreadable),
    /// The description is of something else.
    #[error("its description is of something else")]
    NotANetwork,
}

/// Source of networks.
pub trait Networks {
    /// Returns the network of this name.
    ///
    /// # Errors
    /// The network cannot be read.
    fn network(&self, name: &str) -> Result<Network, Unknown>;
}

/// The networks of this host.
#[derive(Debug)]
pub struct ThisHostsNetworks<'a> {
    paths: &'a Paths,
}

impl<'a> ThisHostsNetworks<'a> {
    /// Below these paths.
    pub const fn of(paths: &'a Paths) -> Self {
        Self { paths }
    }
}

/// Folders of libvirt's descriptions of networks: of active ones, then of all defined ones. The first has the changes
/// by `virsh net-update --live` (libvirt, `src/network/bridge_driver.c`).
const FOLDERS: [&str; 2] = ["run/libvirt/network", "etc/libvirt/qemu/networks"];

impl Networks for ThisHostsNetworks<'_> {
    fn network(&self, name: &str) -> Result<Network, Unknown> {
        // The name comes from a VM's XML and must not lead to another folder. libvirt refuses such names, too.
        if matches!(name, "" | "." | "..") || name.contains(['/', '\0']) {
            return Err(Unknown::NoSuch);
        }
        for folder in FOLDERS {
            match read(&self.paths.elsewhere(folder).join(format!("{name}.xml"))) {
                Ok(xml) => return Network::parse(&xml),
                Err(error) if is_missing(&error) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(Unknown::NoSuch)
    }
}

fn is_missing(error: &io::Error) -> bool {
    // A name that is too long for a file has none.
    error.kind() == io::ErrorKind::NotFound || error.raw_os_error() == Some(Errno::NAMETOOLONG.raw_os_error())
}

fn read(file: &PathBuf) -> io::Result<Vec<u8>> {
    // NONBLOCK, should a FIFO be in its place.
    let flags = i32::try_from((OFlags::NONBLOCK | OFlags::NOCTTY).bits()).unwrap_or_default();
    let file = OpenOptions::new().read(true).custom_flags(flags).open(file)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("it is not a file"));
    }
    let mut xml = Vec::new();
    // One byte more than the limit, to detect a longer file.
    file.take(MAXIMUM_PARSED as u64 + 1).read_to_end(&mut xml)?;
    Ok(xml)
}

impl Network {
    /// Parses a network's description: a `<network>`, or one in a `<networkstatus>`.
    ///
    /// # Errors
    /// The description is of something else, or cannot be parsed.
    pub fn parse(xml: &[u8]) -> Result<Self, Unknown> {
        let tree = parse_tree(xml)?;
        let root = tree.root_element();
        let network = if is(root, "networkstatus") { child(root, "network") } else { Some(root) };
        let network = network.filter(|network| is(*network, "network")).ok_or(Unknown::NotANetwork)?;
        let value = |node: Option<Node<'_, '_>>, name: &str| text(node?, name).map(str::to_owned);
        let mut read = Self {
            bridge: value(child(network, "bridge"), "name"),
            // The default mode of a `<forward>` is NAT (libvirt, `docs/formatnetwork`).
            forward_mode: child(network, "forward").map(|forward| text(forward, "mode").unwrap_or("nat").to_owned()),
            ..Self::default()
        };
        for ip in children(network, "ip") {
            read.addresses.extend(own_address(ip));
            for host in children(ip, "dhcp").flat_map(|dhcp| children(dhcp, "host")) {
                read.reservations.extend(reservation(host));
            }
        }
        Ok(read)
    }

    /// The addresses that it keeps for a guest with this MAC address.
    ///
    /// Over IPv6 guests have no MAC address: they are known by a DUID, which ends with the MAC address where it is made
    /// from one, or by the name that they ask with: that of the same guest's other reservation, or the VM's.
    pub fn reserved_for(&self, mac: Mac, domain: &str) -> Vec<IpAddr> {
        let has_mac = |reservation: &&Reservation| reservation.mac == Some(mac);
        let names: Vec<&str> = self.reservations.iter().filter(has_mac).filter_map(|own| own.name.as_deref()).collect();
        let is_own = |reservation: &&Reservation| match (reservation.mac, &reservation.id, &reservation.name) {
            (Some(own), _, _) => own == mac,
            (None, Some(id), _) => mac.is_in(id),
            (None, None, Some(name)) => names.contains(&name.as_str()) || name == domain,
            (None, None, None) => false,
        };
        let mut addresses: Vec<IpAddr> = self.reservations.iter().filter(is_own).map(|own| own.address).collect();
        addresses.sort();
        addresses.dedup();
        addresses
    }

    /// Returns true if an address is in one of its subnets.
    pub fn has(&self, address: IpAddr) -> bool {
        self.addresses.iter().any(|subnet| subnet.contains(&address))
    }
}

fn text<'t>(node: Node<'t, '_>, name: &str) -> Option<&'t str> {
    attribute(node, name).map(|attribute| attribute.value())
}

/// Returns the address of an `<ip>`, with its prefix or, as in libvirt, that of its class or 64.
fn own_address(ip: Node<'_, '_>) -> Option<IpNet> {
    let address: IpAddr = text(ip, "address")?.parse().ok()?;
    let length = match (text(ip, "prefix"), text(ip, "netmask"), address) {
        (Some(prefix), _, _) => prefix.parse().ok()?,
        (None, Some(netmask), _) => ipnet::ip_mask_to_prefix(netmask.parse().ok()?).ok()?,
        (None, None, IpAddr::V6(_)) => 64,
        (None, None, IpAddr::V4(address)) => match address.octets() {
            [0..=127, ..] => 8,
            [128..=191, ..] => 16,
            [192..=223, ..] => 24,
            _ => 32,
        },
    };
    IpNet::new(address, length).ok()
}

fn reservation(host: Node<'_, '_>) -> Option<Reservation> {
    Some(Reservation {
        mac: text(host, "mac").and_then(Mac::parse),
        id: text(host, "id").map(str::to_owned),
        name: text(host, "name").map(str::to_owned),
        address: text(host, "ip")?.parse().ok().filter(|address| *address != IpAddr::V4(Ipv4Addr::UNSPECIFIED))?,
    })
}

impl Mac {
    /// Reads one as libvirt does: six numbers of one or two digits, with colons between them.
    pub fn parse(text: &str) -> Option<Self> {
        let octets = octets(text)?;
        octets.try_into().ok().map(Self)
    }

    /// Returns true if a DUID contains the MAC address: DUID-LLT or DUID-LL of Ethernet (RFC 8415, 11.2 and 11.4).
    fn is_in(self, id: &str) -> bool {
        match octets(id).as_deref() {
            Some([0, 1, 0, 1, _, _, _, _, mac @ ..] | [0, 3, 0, 1, mac @ ..]) => mac == self.0,
            _ => false,
        }
    }
}

impl std::fmt::Display for Mac {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [a, b, c, d, e, f] = self.0;
        write!(formatter, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{f:02x}")
    }
}

fn octets(text: &str) -> Option<Vec<u8>> {
    let octet = |digits: &str| {
        let plain = matches!(digits.len(), 1..=2) && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        plain.then(|| u8::from_str_radix(digits, 16).ok()).flatten()
    };
    text.split(':').map(octet).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATUS: &[u8] = b"<networkstatus>
  <class_id bitmap='0-2'/>
  <floor sum='0'/>
  <network>
    <name>default</name>
    <uuid>5d4b4d1c-54c8-4b45-a0a9-d1b5c22b1d5c</uuid>
    <forward mode='nat'><nat><port start='1024' end='65535'/></nat></forward>
    <bridge name='virbr0' stp='on' delay='0'/>
    <mac address='52:54:00:11:22:33'/>
    <ip address='192.168.122.1' netmask='255.255.255.0'>
      <dhcp>
        <range start='192.168.122.2' end='192.168.122.254'/>
        <host mac='52:54:00:AA:bb:01' name='web' ip='192.168.122.10'/>
        <host mac='52:54:00:aa:bb:02' ip='192.168.122.11'/>
      </dhcp>
    </ip>
    <ip family='ipv6' address='fd00:122::1' prefix='64'>
      <dhcp>
        <range start='fd00:122::100' end='fd00:122::1ff'/>
        <host name='web' ip='fd00:122::10'/>
        <host id='0:1:0:1:18:aa:62:fe:52:54:0:aa:bb:2' ip='fd00:122::11'/>
        <host id='0:3:0:1:52:54:0:aa:bb:3' ip='fd00:122::12'/>
        <host name='my-vm' ip='fd00:122::13'/>
      </dhcp>
    </ip>
  </network>
</networkstatus>";

    fn shown<T: ToString>(values: &[T]) -> Vec<String> {
        values.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn addresses_are_reserved_by_mac_duid_and_name() {
        let network = Network::parse(STATUS).expect("a network");
        assert_eq!((network.bridge.as_deref(), network.forward_mode.as_deref()), (Some("virbr0"), Some("nat")));
        assert_eq!(shown(&network.addresses), ["192.168.122.1/24", "fd00:122::1/64"]);
        for (mac, domain, expected) in [
            ("52:54:00:aa:bb:01", "a", vec!["192.168.122.10", "fd00:122::10"]),
            ("52:54:0:AA:BB:2", "a", vec!["192.168.122.11", "fd00:122::11"]),
            ("52:54:00:aa:bb:03", "a", vec!["fd00:122::12"]),
            ("52:54:00:aa:bb:04", "a", vec![]),
            ("52:54:00:aa:bb:04", "my-vm", vec!["fd00:122::13"]),
            // The IPv4 reservation of that name is another MAC's.
            ("52:54:00:aa:bb:04", "web", vec!["fd00:122::10"]),
        ] {
            let reserved = network.reserved_for(Mac::parse(mac).expect("a MAC"), domain);
            assert_eq!(shown(&reserved), expected, "{mac} {domain}");
        }
        assert!(network.has("192.168.122.77".parse().expect("an address")));
        assert!(!network.has("192.168.123.77".parse().expect("an address")));
    }

    #[test]
    fn a_definition_is_read_without_a_state_around_it() {
        let xml =
            b"<!-- WARNING: AUTO-GENERATED --><network><name>a</name><forward dev='eth0'/><ip address='10.1.2.3'/>\
                    <ip family='ipv6' address='2001:db8::1'/><ip address='x'/></network>";
        let network = Network::parse(xml).expect("a network");
        assert_eq!((network.bridge, network.forward_mode.as_deref()), (None, Some("nat")));
        assert_eq!(shown(&network.addresses), ["10.1.2.3/8", "2001:db8::1/64"]);
        let isolated = Network::parse(b"<network><bridge name='virbr1'/></network>").expect("a network");
        assert_eq!(isolated.forward_mode, None);
    }

    #[test]
    fn a_mac_address_is_read_as_libvirt_reads_it() {
        assert_eq!(Mac::parse("52:54:0:AA:bb:1").map(|mac| mac.to_string()).as_deref(), Some("52:54:00:aa:bb:01"));
        for text in [
            "",
            "52:54:00:aa:bb",
            "52:54:00:aa:bb:01:02",
            "52-54-00-aa-bb-01",
            "52:54:00:aa:bb:001",
            "g:0:0:0:0:0",
            "+1:0:0:0:0:0",
        ] {
            assert_eq!(Mac::parse(text), None, "{text}");
        }
    }

    #[test]
    fn what_is_no_network_is_not_taken() {
        for xml in
            [b"<domain/>".as_slice(), b"<networkstatus/>", b"<networkstatus><o:network xmlns:o='x'/></networkstatus>"]
        {
            assert!(matches!(Network::parse(xml), Err(Unknown::NotANetwork)), "{}", String::from_utf8_lossy(xml));
        }
        for xml in [b"".as_slice(), b"<network>", b"\xff", b"<!DOCTYPE network []><network/>"] {
            assert!(matches!(Network::parse(xml), Err(Unknown::Xml(_))), "{}", String::from_utf8_lossy(xml));
        }
    }

    #[test]
    fn a_network_that_is_up_is_read_before_its_definition_and_no_name_leads_elsewhere() {
        let root = tempfile::tempdir().expect("a folder");
        let paths = Paths::under(root.path());
        let networks = ThisHostsNetworks::of(&paths);
        let put = |path: &str, bridge: &str| {
            let file = root.path().join(path);
            std::fs::create_dir_all(file.parent().expect("a folder")).expect("made");
            std::fs::write(file, format!("<network><bridge name='{bridge}'/></network>")).expect("written");
        };
        let bridge = |name: &str| networks.network(name).ok().and_then(|network| network.bridge);
        assert_eq!(bridge("a"), None);
        put("etc/libvirt/qemu/networks/a.xml", "defined");
        assert_eq!(bridge("a").as_deref(), Some("defined"));
        put("run/libvirt/network/a.xml", "active");
        assert_eq!(bridge("a").as_deref(), Some("active"));
        put("run/libvirt/b.xml", "elsewhere");
        let long = "x".repeat(5000);
        for name in ["../b", "", ".", "..", "a/../a", "a\0", long.as_str()] {
            assert!(matches!(networks.network(name), Err(Unknown::NoSuch)), "{name}");
        }
        std::fs::create_dir(root.path().join("run/libvirt/network/c.xml")).expect("a folder");
        assert!(matches!(networks.network("c"), Err(Unknown::File(_))));
    }
}
