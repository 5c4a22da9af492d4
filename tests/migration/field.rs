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
        "interface 52:54:00:00:00:00: bridge cloudVirBr5 does not exist here and stays as it is, since what it is called \
         here can't be told: {why}"
    );
    host.log().assert_says("WARN", "-", &words);
    assert_eq!(host.log().records().len(), 1, "{}", host.log().text);
}

#[test]
fn a_guest_device_that_can_not_be_told_is_explained() {
    const PROPERTIES: &str = "/etc/cloudstack/agent/agent.properties";
    stays(|_| {}, &format!("{PROPERTIES} does not exist, which would name it; is this a CloudStack host?"));
    stays(
        |host| agent_properties(host, "guest.network.device=cloudbr9\n"),
        &format!(
            "{PROPERTIES} names the guest bridge cloudbr9, and there is no such device here; check guest.network.device \
             there, and `ip link`"
        ),
    );
    stays(
        |host| agent_properties(host, "private.network.device=../../etc\n"),
        &format!("{PROPERTIES} names the guest bridge ../../etc, and there is no such device here; check private."),
    );
    stays(
        |host| agent_properties(host, "zone=1\n"),
        &format!(
            "{PROPERTIES} names the guest bridge cloudbr1, and there is no such device here; check guest.network.device and private.network.device there"
        ),
    );
    stays(
        |host| {
            agent_properties(host, "guest.network.device=cloudbr0\n");
            port(host, "cloudbr0", "vnet0", 1);
            port(host, "cloudbr0", "tap1", 2);
        },
        "no port of the guest bridge cloudbr0 is a physical device; to mend it: ip link set DEVICE master cloudbr0",
    );
    stays(
        |host| {
            agent_properties(host, "guest.network.device=cloudbr0\n");
            port(host, "cloudbr0", "eth1", 1);
            host.file("sys/class/net/cloudbr0/brif/eth1/port_no", "one\n", 0o444);
        },
        "no port of the guest bridge cloudbr0",
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
        &format!("{PROPERTIES} can't be read: it is not a file"),
    );
    stays(
        |host| agent_properties(host, vec![b'#'; 2 << 20]),
        &format!("{PROPERTIES} can't be read: it is longer than 1048576 bytes"),
    );
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
