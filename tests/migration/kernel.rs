//! The kernel's own bridges, in a network namespace of the test's own.

use std::process::{Command, Stdio};

use testbed::{Host, host};

use crate::{agent_properties, domain};

/// Makes a network namespace, its sysfs and its devices, then becomes the hook.
const IN_NAMESPACE: &str = "mount -t sysfs sysfs /sys && eval \"$0\" && exec \"$@\"";

/// Asserts that after these commands a VM on the bridge `before` arrives on `after`, and a record has these words.
#[track_caller]
fn becomes(commands: &str, before: &str, after: &str, words: &str) -> String {
    let Some(host) = with_a_kernel() else { return String::new() };
    agent_properties(&host, "guest.network.device=cloudbr0\n");
    let namespace = ["--net", "sh", "-ec", IN_NAMESPACE, commands];
    let call = host.event("migrate").stdin(domain(&[before])).through("/usr/bin/unshare", &namespace);
    let finished = call.run();
    let expected = if before == after { String::new() } else { domain(&[after]) };
    assert_eq!((finished.code, finished.stdout), (Some(0), expected), "{}{}", finished.stderr, host.log().text);
    assert!(host.log().text.contains(words), "{}", host.log().text);
    host.log().text
}

/// A host that can have devices of its own, or nothing where that can't be had here.
fn with_a_kernel() -> Option<Host> {
    let host = host!();
    host.folder("sys");
    let mut trial = Command::new("unshare");
    trial.args(["--map-root-user", "--net", "ip", "link", "add", "br0", "type", "bridge"]).stderr(Stdio::null());
    if trial.status().is_ok_and(|status| status.success()) {
        return Some(host);
    }
    assert!(std::env::var_os("CI").is_none(), "this test needs `ip` and network namespaces, and may not be left out");
    eprintln!("left out: needs `ip` and network namespaces");
    None
}

/// A guest bridge without ports, and two physical devices.
const BRIDGE: &str = "ip link add cloudbr0 type bridge; ip link add eth1 type veth peer name far1; \
                      ip link add eth2 type veth peer name far2;";

#[test]
fn the_first_port_of_a_real_bridge_is_the_guest_device() {
    let commands = format!("{BRIDGE} ip link set eth1 master cloudbr0; ip link set eth2 master cloudbr0");
    becomes(&commands, "cloudVirBr100", "breth1-100", "bridge cloudVirBr100 becomes breth1-100");
    becomes(&commands, "brens3-100", "breth1-100", "bridge brens3-100 becomes breth1-100");
    becomes(&commands, "breth2-100", "breth2-100", "");
}

#[test]
fn a_port_that_was_taken_out_and_added_again_is_still_the_guest_device() {
    let commands = format!(
        "{BRIDGE} ip tuntap add vnet0 mode tap; ip link set eth1 master cloudbr0; ip link set eth1 nomaster; \
         ip link set vnet0 master cloudbr0; ip link set eth1 master cloudbr0; \
         test $(cat /sys/class/net/cloudbr0/brif/eth1/port_no) = 0x2"
    );
    becomes(&commands, "cloudVirBr100", "breth1-100", "becomes breth1-100");
}

#[test]
fn guests_taps_on_a_real_bridge_are_not_the_guest_device() {
    let commands = format!(
        "{BRIDGE} ip tuntap add vnet0 mode tap; ip tuntap add tap7 mode tap; ip link set vnet0 master cloudbr0; \
         ip link set tap7 master cloudbr0; ip link set eth1 master cloudbr0; \
         test $(cat /sys/class/net/cloudbr0/brif/vnet0/port_no) = 0x1"
    );
    becomes(&commands, "cloudVirBr100", "breth1-100", "becomes breth1-100");
}

#[test]
fn a_port_with_a_vlan_in_its_name_is_cut_at_the_dot() {
    let commands = format!("{BRIDGE} ip link set eth1 name eth1.200; ip link set eth1.200 master cloudbr0");
    becomes(&commands, "cloudVirBr100", "breth1-100", "becomes breth1-100");
}

#[test]
fn without_the_guest_bridge_the_name_stays_and_a_line_says_why() {
    becomes(":", "cloudVirBr100", "cloudVirBr100", "the guest bridge cloudbr0 does not exist here");
}

#[test]
fn a_guest_bridge_with_no_port_but_taps_is_explained() {
    let commands = format!("{BRIDGE} ip tuntap add vnet0 mode tap; ip link set vnet0 master cloudbr0");
    becomes(&commands, "cloudVirBr100", "cloudVirBr100", "no port of the guest bridge cloudbr0 is a physical device");
}

#[test]
fn a_bridge_that_is_there_already_is_not_missed() {
    let commands = format!("{BRIDGE} ip link set eth1 master cloudbr0; ip link add breth1-100 type bridge");
    let log = becomes(&commands, "cloudVirBr100", "breth1-100", "becomes breth1-100");
    assert!(!log.contains("WARN"), "{log}");
}
