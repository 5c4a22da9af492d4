//! What is kept of a VM while it runs.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use testbed::host;

use crate::{assert_witnessed, unharmed, with_witness};

const KEPT: &str = "run/virt-hooks/qemu/live/vm.xml";

#[test]
fn the_xml_of_start_started_and_reconnect_is_kept_until_release() {
    let host = host!();
    host.bash("all_x", "echo \"$2 $(cat \"$VIRT_HOOKS_LIVE_XML\" 2>/dev/null)\" >> /tmp/seen");
    let call = |operation: &str, xml: &str| unharmed(host.event(operation).stdin(xml));
    call("prepare", "<p/>");
    call("start", "<start/>");
    call("started", "<started/>");
    call("reconnect", "<reconnect/>");
    call("stopped", "<inactive/>");
    call("release", "<inactive/>");
    assert_eq!(host.read(KEPT), "");
    call("release", "<inactive/>");
    let expected = "prepare \nstart <start/>\nstarted <started/>\nreconnect <reconnect/>\nstopped <reconnect/>\nrelease <reconnect/>\nrelease \n";
    assert_eq!(host.read("/tmp/seen"), expected);
}

#[test]
fn it_is_for_root_alone() {
    let host = host!();
    unharmed(host.event("start").after("umask 0"));
    let mode = |path: &str| fs::metadata(host.path(path)).unwrap().permissions().mode() & 0o7777;
    assert_eq!((mode("run/virt-hooks"), mode("run/virt-hooks/qemu/live"), mode(KEPT)), (0o700, 0o700, 0o600));
    assert_eq!(fs::read_dir(host.path("run/virt-hooks/qemu/live")).unwrap().count(), 1, "no draft is left");
}

#[test]
fn a_life_whose_release_was_never_told_leaves_nothing_to_the_next() {
    let host = host!();
    unharmed(host.event("started").stdin("<old/>"));
    host.bash("prepare_x", "echo \"live: $VIRT_HOOKS_LIVE_XML.\"");
    unharmed(host.event("prepare"));
    host.log().assert_says("INFO", "prepare_x", "stdout: live: .");
}

#[test]
fn a_file_or_a_link_in_the_state_folders_place_is_told_and_nothing_is_written_through_it() {
    for what in ["file", "link", "open folder"] {
        let host = host!();
        let state = host.path("run/virt-hooks");
        let elsewhere = host.folder("srv/elsewhere");
        match what {
            "file" => fs::write(&state, "x").unwrap(),
            "link" => symlink(&elsewhere, &state).unwrap(),
            _ => {
                fs::create_dir(&state).unwrap();
                fs::set_permissions(&state, fs::Permissions::from_mode(0o777)).unwrap();
            }
        }
        with_witness(&host);
        unharmed(host.event("start"));
        host.log().assert_says("WARN", "-", "the live XML can't be kept for stopped and release: ");
        assert_witnessed(&host);
        assert_eq!(fs::read_dir(elsewhere).unwrap().count(), 0, "{what}");
    }
}

#[test]
fn a_planted_link_is_replaced_and_not_followed() {
    let host = host!();
    unharmed(host.event("start"));
    fs::remove_file(host.path(KEPT)).unwrap();
    host.file("etc/precious", "precious", 0o600);
    symlink("/etc/precious", host.path(KEPT)).unwrap();
    unharmed(host.event("started"));
    assert_eq!(host.read("etc/precious"), "precious");
    assert_eq!(host.read(KEPT), testbed::XML);
}

#[test]
fn a_read_only_or_full_state_folder_is_told_and_leaves_what_was_kept() {
    let host = host!();
    with_witness(&host);
    unharmed(host.event("start").after("mount -t tmpfs -o ro tmpfs \"$root/run\""));
    host.log().assert_says("WARN", "-", "the live XML can't be kept");
    let xml = "x".repeat(100_000);
    let full = "mount -t tmpfs -o size=8k tmpfs \"$root/run\"";
    unharmed(host.event("start").stdin(xml).after(full));
    host.log().assert_says("WARN", "-", "No space left on device");
    assert_witnessed(&host);
}

#[test]
fn nothing_but_the_state_folder_ever_holds_the_xml() {
    let host = host!();
    host.bash("all_x", "cat > /dev/null");
    let secret = "<domain><graphics type='vnc' passwd='hunter2'/></domain>";
    for operation in ["prepare", "start", "started", "stopped", "release", "migrate", "restore", "reconnect", "attach"]
    {
        unharmed(host.event(operation).stdin(secret));
    }
    assert!(!host.log().text.contains("hunter2"));
    assert!(!host.log().text.contains("domain>"));
}
