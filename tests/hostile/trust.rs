//! What root may run: nothing that others can change.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, lchown, symlink};

use testbed::{CUSTOM, Host, SETTINGS, host};

use crate::{assert_witnessed, unharmed, with_witness};

/// Calls the hook and asserts that the script was refused with a WARN line that ends with `remedy`, that it did not run,
/// and that after the remedy it does.
#[track_caller]
fn refused_until(host: &Host, remedy: &str, mend: impl FnOnce()) {
    with_witness(host);
    unharmed(host.event("start"));
    let said = host.log().of("start_x").join("\n");
    assert!(said.starts_with("not started: it can't be trusted: "), "{said}");
    assert!(said.ends_with(&format!("; fix: {remedy}")), "{said}");
    host.log().assert_says("WARN", "start_x", "can't be trusted");
    assert!(!host.path("/tmp/ran").exists());
    mend();
    unharmed(host.event("start"));
    assert!(host.path("/tmp/ran").exists(), "after the remedy it runs:\n{}", host.log().text);
}

fn set_mode(path: &std::path::Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn a_script_that_its_group_or_others_may_write_to_is_refused() {
    for mode in [0o775, 0o757, 0o777] {
        let host = host!();
        let script = host.bash("start_x", "touch /tmp/ran");
        set_mode(&script, mode);
        refused_until(&host, "chmod go-w /etc/libvirt/hooks/custom/start_x", || set_mode(&script, 0o755));
    }
}

#[test]
fn a_set_user_id_or_set_group_id_script_is_refused() {
    for mode in [0o4755, 0o2755, 0o6755] {
        let host = host!();
        let script = host.bash("start_x", "touch /tmp/ran");
        set_mode(&script, mode);
        refused_until(&host, "chmod ug-s /etc/libvirt/hooks/custom/start_x", || set_mode(&script, 0o755));
    }
}

#[test]
fn a_script_of_somebody_else_is_refused() {
    let Some(host) = host!().or_leave_out() else { return };
    let script = host.bash("start_x", "touch /tmp/ran");
    chown(&script, Some(1), None).unwrap();
    refused_until(&host, "chown root /etc/libvirt/hooks/custom/start_x", || chown(&script, Some(0), None).unwrap());
}

#[test]
fn a_script_in_a_folder_that_others_may_write_to_is_refused() {
    for folder in [CUSTOM, "etc/libvirt/hooks", "etc/libvirt", "etc"] {
        let host = host!();
        host.bash("start_x", "touch /tmp/ran");
        set_mode(&host.path(folder), 0o775);
        let mend = || set_mode(&host.path(folder), 0o755);
        with_witness(&host);
        unharmed(host.event("start"));
        host.log().assert_says("WARN", "all_zz_witness", "can't be trusted");
        fs::remove_file(host.path("var/log/libvirt/qemu-hook.log")).unwrap();
        refused_until(&host, &format!("chmod go-w /{folder}"), mend);
    }
}

#[test]
fn a_sticky_folder_counts_as_one_that_others_can_not_write_to() {
    let host = host!();
    host.bash("start_x", "touch /tmp/ran");
    set_mode(&host.path("etc"), 0o1777);
    unharmed(host.event("start"));
    assert!(host.path("/tmp/ran").exists(), "{}", host.log().text);
}

#[test]
fn a_link_of_root_to_a_script_elsewhere_is_followed_and_judged_there() {
    let host = host!();
    let folder = host.folder("opt/scripts");
    host.file("opt/scripts/real.sh", "#!/bin/bash\ntouch /tmp/ran; echo \"$0\"\n", 0o755);
    symlink("../../../../opt/scripts/real.sh", host.path(CUSTOM).join("start_x")).unwrap();
    set_mode(&folder, 0o777);
    refused_until(&host, "chmod go-w /opt/scripts", || set_mode(&folder, 0o755));
    host.log().assert_says("INFO", "start_x", "stdout: /etc/libvirt/hooks/custom/start_x");
}

#[test]
fn a_link_of_somebody_else_is_refused_even_in_a_sticky_folder() {
    let Some(host) = host!().or_leave_out() else { return };
    host.folder("opt/scripts");
    host.file("opt/scripts/real.sh", "#!/bin/bash\ntouch /tmp/ran\n", 0o755);
    let link = host.path("tmp/link");
    set_mode(&host.path("tmp"), 0o1777);
    symlink("/opt/scripts/real.sh", &link).unwrap();
    lchown(&link, Some(1), None).unwrap();
    symlink("/tmp/link", host.path(CUSTOM).join("start_x")).unwrap();
    refused_until(&host, "chown -h root /tmp/link", || lchown(&link, Some(0), None).unwrap());
}

#[test]
fn remedies_can_be_pasted_whatever_the_script_is_called() {
    let host = host!();
    let script = host.bash("start_it's $(x)", ":");
    set_mode(&script, 0o777);
    unharmed(host.event("start"));
    let log = host.log();
    assert!(log.text.contains(r#"chmod go-w "/etc/libvirt/hooks/custom/start_it's "'$(x)'"#), "{}", log.text);
}

#[test]
fn trust_warn_runs_the_script_all_the_same_and_says_so() {
    let host = host!();
    host.settings("trust = \"warn\"\n");
    let script = host.bash("start_x", "touch /tmp/ran");
    set_mode(&script, 0o777);
    with_witness(&host);
    unharmed(host.event("start"));
    assert!(host.path("/tmp/ran").exists());
    let said = host.log().of("start_x");
    assert_eq!(said.len(), 3, "{said:?}");
    host.log().assert_says(
        "WARN",
        "start_x",
        "runs since trust = \"warn\": /etc/libvirt/hooks/custom/start_x is writable by users other than its owner",
    );
    assert_witnessed(&host);
}

#[test]
fn settings_that_others_may_write_to_are_not_believed() {
    let host = host!();
    host.settings("trust = \"warn\"\n");
    set_mode(&host.path(SETTINGS), 0o666);
    let script = host.bash("start_x", "touch /tmp/ran");
    set_mode(&script, 0o777);
    unharmed(host.event("start"));
    assert!(!host.path("/tmp/ran").exists());
    host.log().assert_says(
        "ERROR",
        "-",
        "it can't be trusted: /etc/libvirt/hooks/virt-hooks.toml is writable by users other than its owner",
    );
    host.log().assert_says("ERROR", "-", "chmod go-w /etc/libvirt/hooks/virt-hooks.toml");
}

#[test]
fn a_folder_of_somebody_else_is_refused() {
    let Some(host) = host!().or_leave_out() else { return };
    host.folder("opt/scripts");
    host.file("opt/scripts/real.sh", "#!/bin/bash\ntouch /tmp/ran\n", 0o755);
    symlink("/opt/scripts/real.sh", host.path(CUSTOM).join("start_x")).unwrap();
    chown(host.path("opt/scripts"), Some(1), None).unwrap();
    // A chown of the folder would take it from its owner.
    let copy = "install -o root -m 755 /opt/scripts/real.sh /etc/libvirt/hooks/custom/start_x";
    host.file("/etc/passwd", "root:x:0:0::/root:/bin/sh\n", 0o644);
    refused_until(&host, copy, || assert_eq!(host.shell(copy).run().code, Some(0)));
    assert_eq!(fs::metadata(host.path("opt/scripts")).unwrap().uid(), 1);
}

#[test]
fn a_sticky_bit_makes_no_script_trusted() {
    let host = host!();
    let script = host.bash("start_x", "touch /tmp/ran");
    set_mode(&script, 0o1777);
    refused_until(&host, "chmod go-w /etc/libvirt/hooks/custom/start_x", || set_mode(&script, 0o755));
}
