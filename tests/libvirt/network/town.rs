//! A host with libvirt's own NAT network, and whoever it is joined to.
//!
//! ```text
//! client ────────────── host ────────────── far
//!  198.51.100.7    .1    │    203.0.113.1   203.0.113.9
//!  2001:db8:51::7  ::1   │  2001:db8:113::1 2001:db8:113::9
//!                     virbr0
//!                   192.168.122.1, fd00:122::1
//!                        │
//!                      guests
//!                   192.168.122.10, fd00:122::10 and so on, by libvirt's reservations
//! ```

use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::process::Command;
use std::time::Duration;

use testbed::{Reply, eventually};

use crate::guest::{Guest, mac};
use crate::host::{Host, binary};
use crate::machine::Machine;
use crate::traffic::Answer;

/// Where declarations stand.
const DECLARATIONS: &str = "/etc/libvirt/hooks/virt-hooks-network.toml";
const COMMAND: &str = "/run/virt-hooks-command";

/// How long a guest's shell may take for a line, on a machine that is busy with other tests.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long a guest that may not have booted is waited for, before it is tried again.
const AGAIN: Duration = Duration::from_millis(500);

pub(crate) struct Town {
    /// Outside, and knows no way but through the host.
    pub(crate) client: Machine,
    pub(crate) host: Host,
    /// The host's network, as a client and a server in it see it.
    pub(crate) itself: Machine,
    /// Behind the host as the client is before it: what goes between the two is in transit.
    pub(crate) far: Machine,
}

impl Town {
    /// One whose host has the hook and these declarations.
    pub(crate) fn declaring(declarations: &str) -> Self {
        Self::numbered(1, declarations)
    }

    /// Two such towns. Their hosts are joined by a cable over which guests move.
    pub(crate) fn pair(declarations: &str) -> (Self, Self) {
        let (one, two) = (Self::numbered(1, declarations), Self::numbered(2, declarations));
        one.host.join("br0", &two.host, "br0");
        (one, two)
    }

    fn numbered(number: u8, declarations: &str) -> Self {
        let host = Host::numbered(number);
        let [client, far] = ["client", "far"].map(Machine::new);
        let shared = format!("--net=/proc/{}/ns/net", host.process());
        let itself = Machine::held_by("host", Command::new("nsenter").arg(shared).arg("unshare"));
        client.join("eth0", &itself, "eth0");
        far.join("eth0", &itself, "eth1");
        for (machine, device, addresses) in [
            (&itself, "eth0", ["198.51.100.1/24", "2001:db8:51::1/64"]),
            (&itself, "eth1", ["203.0.113.1/24", "2001:db8:113::1/64"]),
            (&client, "eth0", ["198.51.100.7/24", "2001:db8:51::7/64"]),
            (&far, "eth0", ["203.0.113.9/24", "2001:db8:113::9/64"]),
        ] {
            for address in addresses {
                machine.shell(&format!("ip address add {address} dev {device}"));
            }
        }
        for (machine, gateways) in
            [(&client, ["198.51.100.1", "2001:db8:51::1"]), (&far, ["203.0.113.1", "2001:db8:113::1"])]
        {
            for gateway in gateways {
                machine.shell(&format!("ip route add default via {gateway}"));
            }
        }
        host.install_hook();
        host.write(COMMAND, std::fs::read(binary()).unwrap(), 0o755);
        host.start_libvirtd();
        host.write("/run/default.xml", network(), 0o644);
        host.virsh(["net-define", "/run/default.xml"]);
        host.virsh(["net-start", "default"]);
        let town = Self { client, host, itself, far };
        town.declares(declarations);
        town
    }

    /// Has the operator declare this.
    pub(crate) fn declares(&self, declarations: &str) {
        self.host.write(DECLARATIONS, declarations, 0o644);
    }

    /// Starts a guest, waits until it has booted and has its addresses, and has its services serve: one that is called
    /// `guest` at port 80 of TCP and port 53 of UDP, and `last` at port 83.
    pub(crate) fn boots(&self, guest: &Guest) {
        self.host.create(guest);
        self.serves(guest);
    }

    /// The rest of [`Town::boots`].
    pub(crate) fn serves(&self, guest: &Guest) {
        let four = guest.address;
        let number = four.rsplit('.').next().unwrap();
        eventually("the guest answers at the address that libvirt's network reserves for it", || {
            self.try_in(guest, "ip -4 address show dev eth0").is_some()
        });
        self.in_guest(
            guest,
            &format!(
                "ip address add fd00:122::{number}/64 dev eth0; ip -6 route add default via fd00:122::1; \
                 for port in 80:guest 83:last; do peer serve ${{port#*:}} tcp [::]:${{port%:*}} > /dev/null 2>&1 & done; \
                 for address in {four} [fd00:122::{number}]; do \
                 peer serve guest udp $address:53 > /dev/null 2>&1 & done"
            ),
        );
        eventually("the guest serves", || {
            let listening = self.in_guest(guest, "netstat -ln");
            listening.matches(":53 ").count() == 2 && listening.contains(":80 ") && listening.contains(":83 ")
        });
    }

    /// What a line of shell prints in a guest.
    pub(crate) fn in_guest(&self, guest: &Guest, line: &str) -> String {
        self.try_in(guest, line).unwrap_or_else(|| panic!("the guest does not answer: {line}"))
    }

    /// The same, and nothing where it has not booted yet.
    fn try_in(&self, guest: &Guest, line: &str) -> Option<String> {
        let shell: SocketAddr = (guest.address.parse::<IpAddr>().unwrap(), 7000).into();
        let mut shell = self.itself.within(|| TcpStream::connect_timeout(&shell, AGAIN)).ok()?;
        shell.set_read_timeout(Some(PATIENCE)).unwrap();
        shell.write_all(format!("{line}\nexit\n").as_bytes()).ok()?;
        let mut said = String::new();
        shell.read_to_string(&mut said).ok()?;
        Some(said)
    }

    /// What comes of asking from within a guest.
    pub(crate) fn guest_asks(&self, guest: &Guest, protocol: &str, address: &str) -> Answer {
        let said = self.in_guest(guest, &format!("peer ask {protocol} {address}"));
        match said.split_once(' ') {
            Some(("refused:", _)) => Answer::Refused,
            Some(("timed", _)) => Answer::TimedOut,
            Some((name, _)) => Answer::By(name.to_owned()),
            None => panic!("{said:?}"),
        }
    }

    /// Runs the operator's command, which may fail.
    pub(crate) fn try_virt_hooks(&self, line: &str) -> Reply {
        self.host.run(COMMAND, line.split(' '))
    }

    /// Runs the operator's command, which has to succeed.
    #[track_caller]
    pub(crate) fn virt_hooks(&self, line: &str) -> String {
        let reply = self.try_virt_hooks(line);
        assert!(reply.success, "virt-hooks {line}: {reply:?}\n{}", self.host.log());
        reply.stdout
    }

    /// All that is left on the host of what VMs were given: elements, rules, routes, answers for others, state.
    pub(crate) fn left(&self) -> String {
        self.host.shell(
            "nft list tables | grep virt-hooks || true
             for tables in iptables-save ip6tables-save; do $tables 2> /dev/null | grep -i -e 0x1000000 -e virt-hooks || true; done
             ip route show proto 118; ip -6 route show proto 118
             ip neigh show proxy; ip -6 neigh show proxy
             grep -H 1 /proc/sys/net/ipv6/conf/*/proxy_ndp || true
             for folder in qemu/given network; do
                 if [ -e /run/virt-hooks/$folder ]; then
                     find /run/virt-hooks/$folder -type f ! -name lock
                 fi
             done",
        )
    }
}

/// libvirt's network, which reserves addresses for guests 10 to 19, and refuses whatever is for them from outside. Its bridge
/// has the same MAC address everywhere, so that a guest that has moved finds its gateway.
fn network() -> String {
    let host = |number: u8| {
        let address = format!("192.168.122.{number}");
        let mac = mac(&address);
        (format!("<host mac='{mac}' ip='{address}'/>"), format!("<host id='0:3:0:1:{mac}' ip='fd00:122::{number}'/>"))
    };
    let (four, six): (String, String) = (10..20).map(host).unzip();
    format!(
        "<network><name>default</name><forward mode='nat'><nat ipv6='yes'/></forward>\
         <bridge name='virbr0' stp='off' delay='0'/><mac address='52:54:00:00:01:01'/>\
         <ip address='192.168.122.1' netmask='255.255.255.0'><dhcp>\
         <range start='192.168.122.100' end='192.168.122.200'/>{four}</dhcp></ip>\
         <ip family='ipv6' address='fd00:122::1' prefix='64'><dhcp>\
         <range start='fd00:122::100' end='fd00:122::1ff'/>{six}</dhcp></ip></network>"
    )
}
