//! Hooks of libvirt's other drivers: real networks and a real daemon.

use std::time::{Duration, Instant};

use testbed::eventually;

use crate::guest::Guest;
use crate::host::Host;

const NET: &str = "<network><name>net</name><bridge name='virbr7'/></network>";

/// Writes down each event of its driver.
const TELL: &str = "#!/bin/bash\necho \"$*\" >> /run/told\n";

/// A host with the hook of this driver and a script for all of its operations.
fn host_with(driver: &str) -> Host {
    let host = Host::bare();
    host.install_hook();
    host.install_hook_of(driver);
    host.write(&format!("/etc/libvirt/hooks/custom-{driver}/all_00-tell"), TELL, 0o755);
    host
}

/// Waits until exactly these events have been told of, in this order.
#[track_caller]
fn assert_told(host: &Host, expected: &[&str]) {
    let told = || host.shell("cat /run/told 2> /dev/null; true");
    eventually("as many events", || told().lines().count() >= expected.len());
    assert_eq!(told().lines().collect::<Vec<_>>(), expected);
}

#[test]
fn a_network_starts_has_ports_is_updated_and_ends() {
    let host = host_with("network");
    host.start_libvirtd();
    host.write("/run/net.xml", NET, 0o644);
    host.virsh(["net-define", "/run/net.xml"]);
    host.virsh(["net-start", "net"]);
    let mut events = vec!["net start begin -", "net started begin -"];
    assert_told(&host, &events);

    let guest = Guest::named("web-1");
    host.create(&guest);
    let mac = "52:54:00:aa:00:01";
    host.write(
        "/etc/libvirt/hooks/custom-network/port-created_10-get",
        "#!/bin/bash\n/etc/libvirt/virt-hooks get owner >> /run/got; /etc/libvirt/virt-hooks get mac >> /run/got\n",
        0o755,
    );
    host.shell("ln /etc/libvirt/hooks/network /etc/libvirt/virt-hooks");
    host.virsh(["attach-interface", &guest.domain(), "network", "net", "--mac", mac, "--live"]);
    assert_eq!(host.shell("cat /run/got"), format!("web-1\n{mac}\n"));
    host.destroy(&guest);
    events.extend(["net port-created begin -", "net port-deleted begin -"]);
    assert_told(&host, &events);

    let port_group = "<portgroup name='a'/>";
    host.virsh(["net-update", "net", "add", "portgroup", port_group, "--live"]);
    host.virsh(["net-destroy", "net"]);
    events.extend(["net updated begin -", "net stopped end -"]);
    assert_told(&host, &events);
}

#[test]
fn a_veto_keeps_a_network_from_starting_and_a_guest_from_joining() {
    let host = host_with("network");
    host.settings("[[script]]\nname = \"*_50-gate\"\ndriver = \"network\"\nonFailure = \"abort\"\n");
    host.start_libvirtd();
    host.write("/run/net.xml", NET, 0o644);
    host.virsh(["net-define", "/run/net.xml"]);
    let gate = |operation: &str| format!("/etc/libvirt/hooks/custom-network/{operation}_50-gate");
    host.write(&gate("start"), "#!/bin/bash\necho not today >&2; exit 1\n", 0o755);
    let refused = host.try_virsh(["net-start", "net"]);
    assert!(!refused.success && refused.stderr.contains("not today"), "{refused:?}");
    assert!(!host.shell("virsh net-list --name").contains("net"), "it does not run");

    host.shell(&format!("mv {} {}", gate("start"), gate("port-created")));
    host.virsh(["net-start", "net"]);
    let guest = Guest::named("web-1");
    host.create(&guest);
    let words = ["attach-interface", &guest.domain(), "network", "net", "--live"];
    let refused = host.try_virsh(words);
    assert!(!refused.success && refused.stderr.contains("not today"), "{refused:?}");
    host.shell(&format!("rm {}", gate("port-created")));
    host.virsh(words);
}

#[test]
fn a_script_that_fails_at_started_destroys_no_network() {
    let host = host_with("network");
    host.settings("[[script]]\nname = \"*\"\ndriver = \"network\"\nonFailure = \"abort\"\n");
    host.write("/etc/libvirt/hooks/custom-network/started_50-fails", "#!/bin/bash\nexit 1\n", 0o755);
    host.start_libvirtd();
    host.write("/run/net.xml", NET, 0o644);
    host.virsh(["net-create", "/run/net.xml"]);
    assert!(host.shell("virsh net-list --name").contains("net"), "it runs");
    let log = host.shell("cat /var/log/libvirt/qemu-hook.log");
    assert!(log.contains("it would destroy the running network"), "{log}");
}

#[test]
fn failing_and_hanging_scripts_keep_no_daemon_from_starting() {
    let host = host_with("daemon");
    host.settings(
        "eventTimeoutSeconds = 3\ngraceSeconds = 0\n[[script]]\nname = \"*\"\ndriver = \"daemon\"\nonFailure = \"abort\"\n",
    );
    host.write("/etc/libvirt/hooks/custom-daemon/start_10-fails", "#!/bin/bash\nexit 1\n", 0o755);
    host.write("/etc/libvirt/hooks/custom-daemon/start_20-hangs", "#!/bin/bash\nsleep 600\n", 0o755);
    let begun = Instant::now();
    host.start_libvirtd();
    host.virsh(["version"]);
    assert!(begun.elapsed() < Duration::from_secs(40), "{:?}", begun.elapsed());
    let mut events = vec!["- start - start"];
    assert_told(&host, &events);
    let log = host.shell("cat /var/log/libvirt/qemu-hook.log");
    assert!(log.contains("start_10-fails: exited with 1") && log.contains("start_20-hangs: timed out after"), "{log}");

    host.shell("kill -HUP $(cat /run/libvirtd.pid)");
    events.push("- reload begin SIGHUP");
    assert_told(&host, &events);
    host.shell("kill $(cat /run/libvirtd.pid)");
    events.push("- shutdown - shutdown");
    assert_told(&host, &events);
}
