use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::Path;

use super::*;
use crate::domain::{AttributeValue, DomainXml};
use crate::network::declaration::parse_for;

/// Networks that a test imagines, by name.
struct Imagined(BTreeMap<&'static str, &'static str>);

impl Networks for Imagined {
    fn network(&self, name: &str) -> Result<Network, Unknown> {
        self.0.get(name).map_or(Err(Unknown::NoSuch), |xml| Network::parse(xml.as_bytes()))
    }
}

const NAT: &str = "<network><forward/><bridge name='virbr0'/>
    <ip address='192.168.122.1' netmask='255.255.255.0'><dhcp>
      <host mac='52:54:00:00:00:01' name='one' ip='192.168.122.10'/>
    </dhcp></ip>
    <ip family='ipv6' address='fd00:122::1' prefix='64'><dhcp><host name='one' ip='fd00:122::10'/></dhcp></ip>
    </network>";

const BRIDGED: &str = "<network><forward mode='bridge'/><bridge name='br0'/></network>";

const ONE: &str = "<interface type='network'><mac address='52:54:00:00:00:01'/>
    <source network='nat' bridge='virbr0'/><target dev='vnet0'/></interface>";
const TWO: &str = "<interface type='network'><mac address='52:54:00:00:00:02'/>
    <source network='nat' bridge='virbr0'/><target dev='vnet1'/></interface>";
const PLAIN: &str = "<interface type='bridge'><mac address='52:54:00:00:00:01'/>
    <source bridge='br0'/><target dev='vnet2'/></interface>";

/// Resolves the declarations of a file and of metadata with these interfaces.
fn resolved_with(metadata: &str, interfaces: &str, declared: &str) -> Plan {
    let xml = format!("<domain><name>vm</name><metadata>{metadata}</metadata><devices>{interfaces}</devices></domain>");
    let xml = DomainXml::parse(xml.as_bytes()).expect("XML");
    let (mut declarations, problems) = parse_for(declared, Path::new("f"), OsStr::new("vm"));
    assert_eq!(problems, []);
    assert_eq!(declarations.take_metadata(&xml), []);
    let interfaces: Vec<_> = xml.interfaces().collect();
    let networks = Imagined([("nat", NAT), ("bridged", BRIDGED), ("broken", "<network>")].into());
    resolve(&declarations, OsStr::new("vm"), &interfaces, &networks)
}

fn resolved(interfaces: &str, declared: &str) -> Plan {
    resolved_with("", interfaces, declared)
}

/// The forwards, as they are shown.
fn forwards(resolved: &Plan) -> Vec<String> {
    resolved.forwards.iter().map(|(forward, _)| forward.to_string()).collect()
}

fn faults(resolved: &Plan) -> Vec<String> {
    resolved.faults.iter().map(ToString::to_string).collect()
}

fn forward(keys: &str) -> String {
    format!("[[forward]]\ndomain = \"vm\"\n{keys}\n")
}

#[test]
fn an_address_that_is_declared_is_taken_as_it_is() {
    let resolved =
        resolved(PLAIN, &forward("port = \"8000-8010\"\nto = \"10.0.0.5\"\ntoPort = 80\nlisten = \"203.0.113.7\""));
    assert_eq!(forwards(&resolved), ["tcp 203.0.113.7:8000-8010 to 10.0.0.5:80-90"]);
    assert_eq!(resolved.links, ["br0".to_owned()].into());
    assert_eq!(resolved.faults, []);
}

#[test]
fn without_an_address_the_reserved_ones_of_the_families_that_are_meant_are_taken() {
    for (keys, expected) in [
        ("port = 80", vec!["tcp port 80 to 192.168.122.10:80", "tcp port 80 to [fd00:122::10]:80"]),
        ("port = 80\nlisten = \"203.0.113.7\"", vec!["tcp 203.0.113.7:80 to 192.168.122.10:80"]),
        ("port = 80\nlisten = \"0.0.0.0\"", vec!["tcp port 80 to 192.168.122.10:80"]),
        ("port = 80\nlisten = \"::\"", vec!["tcp port 80 to [fd00:122::10]:80"]),
        // Only these sources: not everybody over IPv6.
        ("port = 80\nfrom = \"10.0.0.0/8\"", vec!["tcp port 80 to 192.168.122.10:80 from 10.0.0.0/8"]),
        (
            "port = 80\nfrom = [\"10.0.0.0/8\", \"fd00::/8\"]",
            vec!["tcp port 80 to 192.168.122.10:80 from 10.0.0.0/8", "tcp port 80 to [fd00:122::10]:80 from fd00::/8"],
        ),
    ] {
        let resolved = resolved(ONE, &forward(keys));
        assert_eq!(
            (forwards(&resolved), faults(&resolved)),
            (expected.into_iter().map(str::to_owned).collect(), vec![]),
            "{keys}"
        );
    }
    // The interface with a reservation counts of the two, and both links.
    let resolved = resolved(&[PLAIN, TWO, ONE].concat(), &forward("port = 80\nlisten = \"0.0.0.0\""));
    assert_eq!(forwards(&resolved), ["tcp port 80 to 192.168.122.10:80"]);
    assert_eq!(resolved.links, ["br0".to_owned(), "virbr0".to_owned()].into());
}

#[test]
fn what_can_not_be_had_is_told_with_what_mends_it() {
    let direct = "<interface type='direct'><source dev='eth0' mode='bridge'/><target dev='macvtap0'/></interface>";
    let on = |network: &str| {
        format!(
            "<interface type='network'><mac address='52:54:00:00:00:09'/><source network='{network}' bridge='virbr0'/></interface>"
        )
    };
    for (interfaces, keys, said) in [
        (String::new(), "port = 80", vec!["has no network interface", "attach one"]),
        (direct.to_owned(), "port = 80\nto = \"10.0.0.1\"", vec!["lead past the host", "(type direct)"]),
        (PLAIN.to_owned(), "port = 80", vec!["on no libvirt network that gives out any addresses", "write \"to\""]),
        (on("bridged"), "port = 80", vec!["on no libvirt network"]),
        (on("gone"), "port = 80", vec!["\"gone\" reserves", "no libvirt network of that name"]),
        (on("broken"), "port = 80", vec!["\"broken\" reserves", "ends within an element"]),
        (
            on("nat"),
            "port = 80",
            vec![
                "\"nat\" reserves no address for 52:54:00:00:00:09",
                "one of 192.168.122.0/24: virsh net-update nat add ip-dhcp-host \"<host mac='52:54:00:00:00:09' ip='ADDRESS'/>\" --live --config",
            ],
        ),
        (
            on("nat"),
            "port = 80\nfrom = \"fd00::/8\"",
            vec![
                "reserves no IPv6 address",
                "fd00:122::/64",
                "<host id='0:3:0:1:52:54:00:00:00:09' ip='ADDRESS'/>\" --live --config --parent-index 1",
            ],
        ),
    ] {
        let resolved = resolved(&interfaces, &forward(keys));
        let [told] = faults(&resolved).try_into().expect("one fault");
        assert!(
            resolved.forwards.is_empty()
                && resolved.routes.is_empty()
                && told.starts_with("f line 1 comes to nothing: "),
            "{told}"
        );
        assert!(said.iter().all(|said| told.contains(said)), "{told}");
    }
}

#[test]
fn of_two_that_overlap_the_earlier_is_given() {
    let declared = [
        forward("port = 80\nto = \"10.0.0.5\""),
        forward("port = \"79-81\"\nto = \"10.0.0.6\""),
        forward("port = 80\nto = \"10.0.0.5\""),
        forward("port = 80\nprotocol = \"udp\"\nto = \"10.0.0.5\""),
    ];
    let resolved = resolved(PLAIN, &declared.concat());
    assert_eq!(forwards(&resolved), ["tcp port 80 to 10.0.0.5:80", "udp port 80 to 10.0.0.5:80"]);
    assert_eq!(
        faults(&resolved),
        [
            "f line 5 comes to nothing: tcp port 79-81 to 10.0.0.6:79-81 overlaps what f line 1 has declared for the same VM \
             before, tcp port 80 to 10.0.0.5:80; fix: change one of them"
        ]
    );
}

#[test]
fn routes_go_to_the_first_device_that_the_host_has() {
    let direct = "<interface type='direct'><target dev='macvtap0'/></interface>";
    let tap = "<interface type='ethernet'><target dev='tap7'/></interface>";
    let route = |keys: &str| format!("[[route]]\ndomain = \"vm\"\n{keys}\n");
    let declared = [
        route("to = \"198.51.100.9\"\nproxy = \"eth0\""),
        route("to = \"198.51.100.9/32\""),
        route("to = \"2001:db8::/64\""),
    ];
    let resolved = resolved(&[direct, tap, PLAIN].concat(), &declared.concat());
    let routes: Vec<String> = resolved.routes.iter().map(|(route, _)| route.to_string()).collect();
    assert_eq!(routes, ["198.51.100.9/32 to tap7, answered for on eth0", "2001:db8::/64 to tap7"]);
    assert!(
        faults(&resolved).len() == 1 && faults(&resolved)[0].contains("f line 1 has declared the same destination")
    );
}

#[test]
fn metadata_forwards_to_what_is_reserved_for_the_vm_only() {
    let rules = "[network]\nmetadata = true\nlisten = \"*\"\nports = \"8000-8999\"\n";
    let claim = |to: &str| {
        let forward = format!("<n:forward xmlns:n='urn:virt-hooks:network:1' port='8080' {to}/>");
        resolved_with(&forward, ONE, rules)
    };
    assert_eq!(forwards(&claim("to='192.168.122.10' toPort='80'")), ["tcp port 8080 to 192.168.122.10:80"]);
    assert_eq!(forwards(&claim("listen='0.0.0.0'")), ["tcp port 8080 to 192.168.122.10:8080"]);
    for to in ["10.0.0.1", "192.168.122.11", "fd00:122::11"] {
        let resolved = claim(&format!("to='{to}'"));
        assert_eq!(resolved.forwards, []);
        let [told] = faults(&resolved).try_into().expect("one fault");
        assert!(told.starts_with("the VM's metadata, declaration 1 comes to nothing: ") && told.contains(to), "{told}");
    }
}

#[test]
fn a_device_that_none_can_be_called_is_no_link() {
    for name in ["", "a b", "a/b", "..", "a_name_that_is_too_long"] {
        let bridge = AttributeValue { text: name, place: 0..0 };
        let interface = Interface {
            mac: None,
            bridge: Some(bridge),
            kind: Some("bridge"),
            source: None,
            network: None,
            target: None,
        };
        assert_eq!(link(&interface), None, "{name:?}");
    }
}
