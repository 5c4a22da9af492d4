//! Drivers share the log, the settings files and the state directory, and nothing else.

use std::time::Duration;

use testbed::{XML, eventually, host};

use super::hook_data;

const LXC: &str = "/etc/libvirt/hooks/lxc";

#[test]
fn a_container_and_a_vm_of_one_name_share_neither_scripts_nor_live_xml() {
    let host = host!();
    host.folder("etc/libvirt/hooks/custom-lxc/vm");
    host.bash("all_x", "echo qemu >> /tmp/ran; cat \"$VIRT_HOOKS_LIVE_XML\" >> /tmp/qemu");
    host.file(
        "etc/libvirt/hooks/custom-lxc/vm/all_x",
        "#!/bin/bash\necho lxc >> /tmp/ran; cat \"$VIRT_HOOKS_LIVE_XML\" >> /tmp/lxc\n",
        0o755,
    );
    let container = "<domain type='lxc'><name>vm</name></domain>\n";
    host.event("started").run();
    host.hook_at(LXC, ["vm", "started", "begin", "-"]).stdin(container).run();
    host.hook_at(LXC, ["vm", "release", "end", "-"]).stdin("<domain/>").run();
    host.event("stopped").stdin("<domain/>").run();
    assert_eq!(host.read("tmp/ran"), "qemu\nlxc\nlxc\nqemu\n");
    assert_eq!(host.read("tmp/lxc"), container.repeat(2));
    assert_eq!(host.read("tmp/qemu"), XML.repeat(2));
}

#[test]
fn a_table_without_a_driver_is_for_qemu_and_a_wrong_driver_is_for_none() {
    for (driver, expected) in [
        ("", [1, 0]),
        ("driver = \"qemu\"", [1, 0]),
        ("driver = \"network\"", [0, 1]),
        ("driver = \"netwrok\"", [0, 0]),
        ("driver = 7", [0, 0]),
    ] {
        let host = host!();
        host.folder("etc/libvirt/hooks/custom-network");
        host.bash("start_x", "false");
        host.file("etc/libvirt/hooks/custom-network/start_x", "#!/bin/bash\nfalse\n", 0o755);
        host.settings(&format!("[[script]]\nname = \"*\"\n{driver}\nonFailure = \"abort\"\n"));
        let qemu = host.event("start").run().code;
        let network =
            host.hook_at("/etc/libvirt/hooks/network", ["n", "start", "begin", "-"]).stdin(hook_data("")).run();
        assert_eq!([qemu, network.code], expected.map(Some), "{driver}");
    }
}

#[test]
fn a_script_that_is_not_waited_for_knows_its_driver() {
    let host = host!();
    host.folder("etc/libvirt/hooks/custom-network");
    host.file(
        "etc/libvirt/hooks/custom-network/started_x",
        "#!/bin/bash\nsleep 0.3; echo \"$VIRT_HOOKS_DRIVER $2\"; touch /tmp/ended\n",
        0o755,
    );
    host.settings("[[script]]\nname = \"*\"\ndriver = \"network\"\nwait = false\n");
    host.hook_at("/etc/libvirt/hooks/network", ["n", "started", "begin", "-"]).stdin(hook_data("")).run();
    eventually("the script has ended", || {
        host.log().of("started_x").iter().any(|line| line.starts_with("exited with 0"))
    });
    host.log().assert_says("INFO", "started_x", "stdout: network started");
    let log = host.log().text;
    assert_eq!(log.lines().count(), log.matches(" network-hook[").count(), "{log}");
}

#[test]
fn what_a_daemon_left_behind_prints_is_logged_under_the_driver() {
    let host = host!();
    host.folder("etc/libvirt/hooks/custom-daemon");
    host.file("etc/libvirt/hooks/custom-daemon/start_x", "#!/bin/bash\n(sleep 0.5; echo later) &\n", 0o755);
    let called = host.hook_at("/etc/libvirt/hooks/daemon", ["-", "start", "-", "start"]).run();
    assert_eq!(called.code, Some(0));
    eventually("it was logged", || host.log().of("start_x").iter().any(|line| line == "stdout: later"));
    let log = host.log().text;
    assert_eq!(log.lines().count(), log.matches(" daemon-hook[").count(), "{log}");
}

#[test]
fn hanging_scripts_keep_no_daemon_from_starting() {
    let host = host!();
    host.folder("etc/libvirt/hooks/custom-daemon");
    for name in ["start_1", "start_2"] {
        host.file(format!("etc/libvirt/hooks/custom-daemon/{name}"), "#!/bin/bash\nsleep 60\n", 0o755);
    }
    host.settings("eventTimeoutSeconds = 1\ngraceSeconds = 0\n");
    let called = host.hook_at("/etc/libvirt/hooks/daemon", ["-", "start", "-", "start"]).run();
    assert_eq!(called.code, Some(0));
    assert!(called.took < Duration::from_secs(10), "{:?}", called.took);
    host.log().assert_says("WARN", "start_2", "are used up");
}
