//! `virt-hooks get` in a network's script.

use testbed::host;

use super::{PORT, hook_data};

#[track_caller]
fn get(what: &str, xml: &str) -> (i32, String) {
    let host = host!();
    let got = host.command(["get", what]).stdin(xml).run();
    (got.code.unwrap_or(-1), if got.code == Some(0) { got.stdout } else { got.stderr })
}

#[test]
fn a_network_and_its_port_are_found_in_hook_data() {
    let with_port = hook_data(PORT);
    for (what, expected) in [
        ("name", "net\n"),
        ("network", "net\n"),
        ("uuid", "5f2f9f0e-6b0c-4a57-a1c3-0d9a3c4c2f11\n"),
        ("bridge", "virbr7\n"),
        ("mac", "52:54:00:aa:bb:cc\n"),
        ("owner", "web-1\n"),
        ("tap", ""),
        ("interfaces", "52:54:00:aa:bb:cc network virbr7 -\n"),
    ] {
        assert_eq!(get(what, &with_port), (0, expected.to_owned()), "{what}");
    }
    assert_eq!(get("mac", &hook_data("")), (0, String::new()), "the network's own MAC is no port's");
    assert_eq!(get("owner", &hook_data("")).0, 1);
}

#[test]
fn the_interface_of_older_versions_has_a_tap() {
    let interface = "<interface type='network'><mac address='52:54:00:00:00:01'/><source network='net' bridge='virbr7'/>\
                     <target dev='vnet3'/></interface>\n";
    let xml = hook_data(interface);
    assert_eq!(get("tap", &xml), (0, "vnet3\n".to_owned()));
    assert_eq!(get("mac", &xml), (0, "52:54:00:00:00:01\n".to_owned()));
}

#[test]
fn hook_data_that_is_not_of_one_network_is_refused() {
    for (xml, why) in [
        ("<hookData/>", "has 0 networks, and not one"),
        ("<hookData><network/><network/></hookData>", "has 2 networks, and not one"),
        ("<hookData><network></hookData>", "is not well-formed"),
        ("<network/>", "is not a <domain>"),
        ("<hookData><network><bridge/></network></hookData>", "has no name"),
    ] {
        let (code, why_not) = get("name", xml);
        assert!(code == 1 && why_not.contains(why), "{xml} {why_not}");
    }
    let long = hook_data(&format!("<metadata>{}</metadata>\n", "x".repeat(4 << 20)));
    assert_eq!(get("bridges", &long), (0, "virbr7\n".to_owned()));
}
