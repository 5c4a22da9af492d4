//! What fails in the field with CloudStack's own hook, and what this one does instead.

use std::os::unix::fs::PermissionsExt;

use testbed::{Host, host};

use crate::{agent_properties, becomes, cloudstack_host, device, domain, migrate, port};

#[test]
fn the_guest_device_is_the_lowest_port_that_is_no_guests_tap() {
    type Case = (&'static [(&'static str, u32)], &'static str);
    let cases: [Case; 7] = [
        (&[("eth1", 1)], "breth1-5"),
        // Taken out and added again, it has the next number.
        (&[("eth1", 2)], "breth1-5"),
        (&[("vnet0", 1), ("tap7", 2), ("eth1", 3)], "breth1-5"),
        // Hexadecimal, and not in the order of the names.
        (&[("aaa", 0x10), ("eth1", 0xf)], "breth1-5"),
        (&[("bond0", 3), ("eth1", 0x1f), ("vnet3", 1)], "brbond0-5"),
        (&[("eth1.100", 1)], "breth1-5"),
        (&[("bond0.7.8", 1)], "brbond0-5"),
    ];
    for (ports, after) in cases {
        let host = host!();
        agent_properties(&host, "guest.network.device=cloudbr0\n");
        for (name, number) in ports {
            port(&host, "cloudbr0", name, *number);
        }
        becomes(&host, "cloudVirBr5", after);
    }
}

#[test]
fn without_a_guest_network_device_the_private_one_counts_as_for_the_agent() {
    for (properties, after) in [
        ("guest.network.device=cloudbr0\nprivate.network.device=cloudbr2\n", "breth0-5"),
        ("private.network.device=cloudbr2\n#guest.network.device=cloudbr0\n", "breth2-5"),
        ("guest.network.device=\nprivate.network.device=cloudbr2\n", "breth2-5"),
        ("guest.network.device=   \nprivate.network.device=cloudbr2\n", "breth2-5"),
        // The agent's own default.
        ("zone=1\n", "breth1-5"),
        ("", "breth1-5"),
    ] {
        let host = host!();
        agent_properties(&host, properties);
        for number in [0, 1, 2] {
            port(&host, &format!("cloudbr{number}"), &format!("eth{number}"), 1);
        }
        becomes(&host, "cloudVirBr5", after);
    }
}

#[test]
fn a_guest_network_device_that_is_no_bridge_is_the_physical_one_itself_as_for_the_agent() {
    let host = host!();
    agent_properties(&host, "guest.network.device=bond1\n");
    device(&host, "bond1");
    becomes(&host, "cloudVirBr5", "brbond1-5");
}

/// Makes a host on which the guest device can't be told, and asserts that the bridge stays and a line says why.
#[track_caller]
fn stays(make: impl FnOnce(&Host), why: &str) {
    let host = host!();
    device(&host, "lo");
    make(&host);
    becomes(&host, "cloudVirBr5", "cloudVirBr5");
    let words = format!(
        "interface 52:54:00:00:00:00: bridge cloudVirBr5 does not exist here and stays as it is, since this host's \
         guest device is not known: {why}"
    );
    host.log().assert_says("WARN", "-", &words);
    assert_eq!(host.log().records().len(), 1, "{}", host.log().text);
}

#[test]
fn a_guest_device_that_can_not_be_told_is_explained() {
    const PROPERTIES: &str = "/etc/cloudstack/agent/agent.properties";
    stays(
        |_| {},
        &format!("the file that names the guest bridge, {PROPERTIES}, does not exist; is this a CloudStack host?"),
    );
    stays(
        |host| agent_properties(host, "guest.network.device=cloudbr9\n"),
        &format!(
            "the guest bridge cloudbr9 does not exist here; check guest.network.device in {PROPERTIES}, and: ip link"
        ),
    );
    stays(
        |host| agent_properties(host, "zone=1\n"),
        &format!(
            "{PROPERTIES} names no guest bridge, and cloudbr1, which the agent then takes, does not exist here; set \
             guest.network.device there"
        ),
    );
    stays(
        |host| {
            agent_properties(host, "guest.network.device=cloudbr0\n");
            port(host, "cloudbr0", "vnet0", 1);
            port(host, "cloudbr0", "tap1", 2);
        },
        "no port of the guest bridge cloudbr0 is a physical device; fix: ip link set DEVICE master cloudbr0",
    );
    stays(
        |host| {
            agent_properties(host, "guest.network.device=cloudbr0\n");
            port(host, "cloudbr0", "eth1", 1);
            host.file("sys/class/net/cloudbr0/brif/eth1/port_no", "one\n", 0o444);
        },
        "the ports of the guest bridge cloudbr0 can't be read: one has a port_no that is no number; check: grep . \
         /sys/class/net/cloudbr0/brif/*/port_no",
    );
    stays(
        |host| {
            agent_properties(host, "guest.network.device=cloudbr0\n");
            host.folder("sys/class/net/cloudbr0");
            host.file("sys/class/net/cloudbr0/brif", "", 0o644);
        },
        "the ports of the guest bridge cloudbr0 can't be read: Not a directory",
    );
    stays(
        |host| _ = host.folder(PROPERTIES.trim_start_matches('/')),
        &format!("{PROPERTIES} can't be read: it is not a file; check: ls -l {PROPERTIES}"),
    );
    stays(
        |host| agent_properties(host, vec![b'#'; 2 << 20]),
        &format!("{PROPERTIES} can't be read: it is longer than 1048576 bytes"),
    );
}

#[test]
fn what_can_be_no_device_is_not_shown_since_it_may_be_anything() {
    let long = "x".repeat(1 << 19);
    for text in [
        "private.network.device=../../etc\n",
        "private.network.device=\\\nkeystore.passphrase=s3cret-of-the-display\n",
        &format!("private.network.device={long}\n"),
        "private.network.device=two words\n",
    ] {
        stays(
            |host| agent_properties(host, text),
            "what private.network.device is in /etc/cloudstack/agent/agent.properties is no name of a network device; \
             check it there",
        );
    }
}

#[test]
fn a_port_that_is_no_device_is_passed_over() {
    let host = host!();
    agent_properties(&host, "guest.network.device=cloudbr0\n");
    port(&host, "cloudbr0", ".100", 1);
    port(&host, "cloudbr0", "eth1", 2);
    // The folder of one that is just being taken out.
    host.folder("sys/class/net/cloudbr0/brif/eth0");
    becomes(&host, "cloudVirBr5", "breth1-5");
}

#[test]
fn a_name_that_is_too_long_is_an_error_even_if_the_bridge_exists_here() {
    let host = cloudstack_host();
    device(&host, "cloudVirBr12345");
    becomes(&host, "cloudVirBr12345", "breth1-12345");
    let host = host!();
    agent_properties(&host, "guest.network.device=enp129s0f0np0\n");
    device(&host, "enp129s0f0np0");
    device(&host, "brlan-100");
    becomes(&host, "brlan-100", "brlan-100");
    host.log().assert_says("ERROR", "-", "bridge brlan-100 stays as it is: here it would be brenp129s0f0np0-100");
}

#[test]
fn agent_properties_that_are_a_fifo_keep_nothing_waiting() {
    let host = host!();
    host.folder("etc/cloudstack/agent");
    let fifo = host.path("etc/cloudstack/agent/agent.properties");
    rustix::fs::mkfifoat(rustix::fs::CWD, &fifo, rustix::fs::Mode::RUSR).unwrap();
    let finished = migrate(&host, domain(&["cloudVirBr5"]));
    assert!(finished.took.as_secs() < 10, "{:?}", finished.took);
    host.log().assert_says("WARN", "-", "can't be read: it is not a file");
}

#[test]
fn a_bridge_that_exists_here_as_it_is_called_needs_nobody_to_act() {
    let host = host!();
    device(&host, "brlan-1");
    becomes(&host, "brlan-1", "brlan-1");
    assert_eq!(host.log().text, "");
}

#[test]
fn the_guest_device_is_looked_for_only_where_a_bridge_needs_it() {
    let host = host!();
    agent_properties(&host, "guest.network.device=cloudbr9\n");
    becomes(&host, "virbr0", "virbr0");
    assert_eq!(host.log().text, "");
}

#[test]
fn properties_that_only_root_can_read_are_read_by_root() {
    let host = cloudstack_host();
    let file = host.path("etc/cloudstack/agent/agent.properties");
    std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o600)).unwrap();
    becomes(&host, "cloudVirBr5", "breth1-5");
}
