//! VMs with names that a folder, a record or a shell would stumble over, and the folders of their own scripts.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;

use testbed::{CUSTOM, host};

use crate::unharmed;

#[test]
fn a_vms_own_scripts_are_merged_into_the_order() {
    let host = host!();
    host.folder(format!("{CUSTOM}/vm"));
    host.folder(format!("{CUSTOM}/other"));
    for name in
        ["start_a", "all_c", "vm/start_b", "vm/all_c", "vm/start_c", "vm/started_d", "other/start_a", "vm/README"]
    {
        host.bash(name, ":");
    }
    unharmed(host.event("start"));
    assert_eq!(host.log().started(), ["start_a", "vm/start_b", "all_c", "vm/all_c", "vm/start_c"]);
}

#[test]
fn a_vms_folder_that_is_called_like_a_script_is_no_script_of_its_own() {
    let host = host!();
    host.folder(format!("{CUSTOM}/start_x"));
    host.bash("start_x/start_a", ":");
    unharmed(host.hook(["start_x", "start", "begin", "-"]));
    assert_eq!(host.log().started(), ["start_x/start_a"]);
    assert_eq!(host.log().of("start_x"), [""; 0]);
}

#[test]
fn a_script_that_is_called_like_a_vm_is_a_script() {
    let host = host!();
    host.bash("start_x", ":");
    unharmed(host.hook(["start_x", "start", "begin", "-"]));
    assert_eq!(host.log().started(), ["start_x"]);
}

#[test]
fn every_name_of_a_vm_gets_its_events() {
    let host = host!();
    host.bash("all_x", "printf %s \"$VIRT_HOOKS_DOMAIN\" > /tmp/seen; printf %s \"$1\" > /tmp/argument");
    // Were a folder taken from these names, it would be one that holds something else.
    host.bash("../start_above", "touch /tmp/ran");
    host.folder("etc/passwd.d");
    let long = "n".repeat(5000);
    let names: [&[u8]; 14] = [
        b"",
        b".",
        b"..",
        b"-",
        b"--help",
        b"a/b",
        b"../../etc",
        b"/etc",
        b"my vm",
        b"a\nb",
        b"\xff\xfe",
        "Grüße 世界".as_bytes(),
        b"$(touch /tmp/ran)`id`;'\"",
        long.as_bytes(),
    ];
    for operation in ["prepare", "start", "started", "stopped", "release"] {
        for name in names {
            let arguments = [OsStr::from_bytes(name), OsStr::new(operation), OsStr::new("begin"), OsStr::new("-")];
            unharmed(host.hook(arguments).stdin("<domain/>"));
            assert_eq!(std::fs::read(host.path("/tmp/seen")).unwrap(), name, "{}", name.escape_ascii());
            assert_eq!(std::fs::read(host.path("/tmp/argument")).unwrap(), name, "{}", name.escape_ascii());
        }
    }
    assert!(!host.path("/tmp/ran").exists());
    assert_eq!(host.log().text.matches("exited with 0").count(), 5 * names.len());
    assert_eq!(host.log().text.matches('\n').count(), host.log().text.matches("qemu-hook[").count());
}

#[test]
fn a_vms_folder_behind_a_link_is_followed_and_judged() {
    let host = host!();
    host.folder("srv/scripts");
    host.file("srv/scripts/start_x", "#!/bin/bash\n:\n", 0o755);
    symlink("/srv/scripts", host.path(CUSTOM).join("vm")).unwrap();
    unharmed(host.event("start"));
    assert_eq!(host.log().started(), ["vm/start_x"]);
    std::fs::set_permissions(host.path("srv"), std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
    unharmed(host.event("start"));
    host.log().assert_says("WARN", "vm/start_x", "chmod go-w /srv");
}

#[test]
fn scripts_get_the_variables_that_the_readme_names() {
    let host = host!();
    host.bash("release_x", "env | grep -E '^(VIRT_HOOKS_|PATH=|HOME=|LC_ALL=|USER=)' | sort; pwd");
    unharmed(
        host.hook(["my vm", "release", "end", "shutdown"])
            .without_variables()
            .variable("VIRT_HOOKS_LIVE_XML", "/forged"),
    );
    let said = host.log().of("release_x");
    let printed: Vec<&str> = said.iter().filter_map(|line| line.strip_prefix("stdout: ")).collect();
    let expected = [
        "HOME=/root",
        "LC_ALL=C",
        "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "VIRT_HOOKS_DOMAIN=my vm",
        "VIRT_HOOKS_DRIVER=qemu",
        "VIRT_HOOKS_EXTRA=shutdown",
        "VIRT_HOOKS_LOG=/var/log/libvirt/qemu-hook.log",
        "VIRT_HOOKS_OPERATION=release",
        "VIRT_HOOKS_SUB_OPERATION=end",
        "/",
    ];
    assert_eq!(printed, expected);
}

#[test]
fn what_libvirt_passes_in_the_environment_is_passed_on() {
    let host = host!();
    host.bash("start_x", "echo $PATH; echo $HOME; echo $USER");
    let call = host
        .event("start")
        .without_variables()
        .variable("PATH", "/usr/bin:/x")
        .variable("HOME", "/h")
        .variable("USER", "u");
    unharmed(call);
    for value in ["/usr/bin:/x", "/h", "u"] {
        host.log().assert_says("INFO", "start_x", &format!("stdout: {value}"));
    }
}

#[test]
fn a_dangling_link_that_is_called_like_the_vm_and_a_script_is_told_of() {
    let host = host!();
    symlink("/nowhere", host.path(CUSTOM).join("start_x")).unwrap();
    unharmed(host.hook(["start_x", "start", "begin", "-"]));
    host.log().assert_says("WARN", "start_x", "it is a dangling link: /nowhere does not exist");
}
