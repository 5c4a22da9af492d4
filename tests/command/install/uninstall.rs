//! Taking it out again.

use super::tree::Tree;
use super::{BACKUP, CUSTOM, HOOK, LOGROTATE, SETTINGS, bare, done, with_hook};
use crate::assert_looks_like;

#[test]
fn it_takes_everything_back_and_a_second_time_there_is_nothing_to_do() {
    let host = bare();
    host.folder("/etc/libvirt/hooks");
    let before = Tree::of(&host);
    done(&host, &["install"]);
    host.event("start").run();
    assert!(host.path("/run/virt-hooks").exists());

    let installed = Tree::of(&host);
    let planned = done(&host, &["uninstall", "--dry-run"]);
    assert_eq!(Tree::of(&host), installed);
    let said = done(&host, &["uninstall"]);
    assert_eq!(planned, format!("This would be done; nothing is changed:\n{said}"));
    assert_looks_like("uninstall.txt", &said);
    assert_eq!(Tree::of(&host), before);
    assert_looks_like("uninstall-again.txt", &done(&host, &["uninstall"]));
    assert_eq!(Tree::of(&host), before);
}

#[test]
fn on_a_terminal_it_is_the_same_in_colour() {
    let host = bare();
    done(&host, &["install"]);
    assert_looks_like("uninstall-terminal.txt", &host.command(["uninstall"]).on_a_terminal(80).stdout);
}

#[test]
fn it_leaves_what_is_the_operator_s_and_names_it() {
    let host = bare();
    done(&host, &["install"]);
    host.bash("start_mine", ":");
    host.settings("graceSeconds = 1\n");
    host.folder("/etc/libvirt/hooks/virt-hooks.d");
    host.file(LOGROTATE, "/var/log/libvirt/qemu-hook.log {\n  daily\n}\n", 0o644);
    host.file("/var/log/libvirt/qemu-hook.log", "a line\n", 0o640);
    host.file(format!("{BACKUP}.1"), "#!/bin/sh\n", 0o755);
    let before = Tree::of(&host);
    assert_looks_like("uninstall-left.txt", &done(&host, &["uninstall"]));
    let after = Tree::of(&host);
    assert_eq!(after.mode(HOOK), None);
    assert_eq!(after.outside(HOOK).outside("/run"), before.outside(HOOK).outside("/run"));
}

#[test]
fn an_older_version_is_taken_out_as_well() {
    let host = bare();
    done(&host, &["install"]);
    let older = [std::fs::read(host.path(HOOK)).unwrap_or_default(), b"older".to_vec()].concat();
    host.file(HOOK, older, 0o755);
    done(&host, &["uninstall"]);
    assert!(!host.path(HOOK).exists());
}

#[test]
fn a_hook_that_is_not_ours_is_left_in_place() {
    let host = with_hook("#!/bin/sh\n");
    let before = Tree::of(&host);
    let said = done(&host, &["uninstall"]);
    assert!(said.contains(&format!("left       {HOOK}: it is not virt-hooks\n")), "{said}");
    assert_eq!(Tree::of(&host), before);
}

#[test]
fn a_folder_of_scripts_with_something_in_it_stays() {
    let host = bare();
    done(&host, &["install"]);
    host.folder(format!("{CUSTOM}/a-vm"));
    let said = done(&host, &["uninstall"]);
    assert!(said.contains(&format!("left       {CUSTOM}: there is something in it\n")), "{said}");
    assert!(!host.path(SETTINGS).exists());
}
