//! `virt-hooks install` and `uninstall`: what they make of every kind of host.

mod cloudstack;
mod failures;
mod foreign;
mod kept;
mod libvirt;
mod package;
mod tree;
mod uninstall;
mod unread;
mod vfio;

use testbed::{Finished, Host, host};

use self::tree::Tree;
use crate::assert_looks_like;

pub(crate) const HOOK: &str = "/etc/libvirt/hooks/qemu";
const BACKUP: &str = "/etc/libvirt/hooks/qemu.before-virt-hooks";
const LATER: &str = "/etc/libvirt/hooks/qemu.d";
const KEPT: &str = "/etc/libvirt/hooks/qemu.kept-by-virt-hooks";
const SETTINGS: &str = "/etc/libvirt/hooks/virt-hooks.toml";
const CUSTOM: &str = "/etc/libvirt/hooks/custom";
const LOGROTATE: &str = "/etc/logrotate.d/virt-hooks";

const SHIPPED_SETTINGS: &str = include_str!("../../../packaging/virt-hooks.toml");
const SHIPPED_LOGROTATE: &str = include_str!("../../../packaging/logrotate");

/// A host on which libvirt has never been, with logrotate.
fn bare() -> Host {
    let host = host!();
    std::fs::remove_dir_all(host.path("/etc/libvirt")).expect("the testbed's own hook");
    host.folder("/etc/logrotate.d");
    host
}

/// A host with another hook.
fn with_hook(text: &str) -> Host {
    let host = bare();
    host.folder("/etc/libvirt/hooks");
    host.file(HOOK, text, 0o755);
    host
}

#[track_caller]
fn done(host: &Host, words: &[&str]) -> String {
    let Finished { code, stdout, stderr, .. } = host.command(words).run();
    assert_eq!((code, stderr.as_str()), (Some(0), ""), "{stdout}");
    stdout
}

/// What an installation says that it does, without what there is to do next.
fn steps(said: &str) -> &str {
    said.split_once("\nYour scripts go into ").map_or(said, |(steps, _)| steps)
}

/// What a refused installation says; nothing is changed by it.
#[track_caller]
fn refused(host: &Host, words: &[&str]) -> String {
    let before = Tree::of(host);
    let Finished { code, stdout, stderr, .. } = host.command(words).run();
    assert_eq!((code, stdout.as_str()), (Some(1), ""), "{stderr}");
    assert_eq!(Tree::of(host), before);
    stderr
}

#[test]
fn it_puts_everything_in_place_and_tells_what_and_what_to_do_next() {
    let host = bare();
    let said = done(&host, &["install"]);
    assert_looks_like("install-first.txt", &said);
    let tree = Tree::of(&host);
    let expected = [
        (0o755, "/etc/libvirt"),
        (0o755, "/etc/libvirt/hooks"),
        (0o755, CUSTOM),
        (0o755, HOOK),
        (0o644, SETTINGS),
        (0o644, LOGROTATE),
    ];
    for (mode, path) in expected {
        assert_eq!(tree.mode(path), Some(mode), "{path}");
    }
    assert_eq!(host.read(SETTINGS), SHIPPED_SETTINGS);
    assert_eq!(host.read(LOGROTATE), SHIPPED_LOGROTATE);
    // What is in its place is the hook.
    host.bash("all_a", "touch /tmp/ran");
    assert_eq!(host.event("start").run().code, Some(0));
    assert!(host.path("/tmp/ran").exists());
}

#[test]
fn where_something_is_declared_it_tells_how_vms_that_run_get_it() {
    let host = bare();
    assert!(!done(&host, &["install"]).contains("network apply"));
    let host = bare();
    host.folder("/etc/libvirt/hooks");
    host.file("/etc/libvirt/hooks/virt-hooks-network.toml", "", 0o644);
    let said = done(&host, &["install"]);
    assert!(said.ends_with("is open after\n    virt-hooks network apply\n"), "{said}");
}

#[test]
fn on_a_terminal_it_is_the_same_in_colour() {
    let host = bare();
    assert_looks_like("install-first-terminal.txt", &host.command(["install"]).on_a_terminal(80).stdout);
}

#[test]
fn a_second_time_it_changes_nothing_and_says_so() {
    let host = bare();
    done(&host, &["install"]);
    let before = Tree::of(&host);
    assert_looks_like("install-again.txt", &done(&host, &["install"]));
    assert_eq!(Tree::of(&host), before, "not even a time");
}

#[test]
fn a_dry_run_changes_nothing_and_tells_the_same() {
    for (host, words) in [
        (bare(), ["install"].as_slice()),
        (with_hook(cloudstack::CLOUDSTACK), &["install"]),
        (with_hook("#!/bin/sh\n"), &["install", "--replace"]),
        (with_hook("#!/bin/sh\n"), &["install", "--keep-existing"]),
    ] {
        let before = Tree::of(&host);
        let planned = done(&host, &[words, &["--dry-run"]].concat());
        assert_eq!(Tree::of(&host), before);
        let told = planned.strip_prefix("This would be done; nothing is changed:\n").unwrap_or_default();
        assert_eq!(told, steps(&done(&host, words)));
    }
}

#[test]
fn an_older_one_is_updated_and_what_the_operator_changed_stays() {
    let host = bare();
    done(&host, &["install"]);
    host.bash("start_mine", ":");
    host.settings("graceSeconds = 1\n");
    host.file(LOGROTATE, "/var/log/libvirt/qemu-hook.log {\n  daily\n}\n", 0o600);
    let mut expected = Tree::of(&host);
    let older = [std::fs::read(host.path(HOOK)).unwrap_or_default(), b"older".to_vec()].concat();
    host.file(HOOK, older, 0o755);
    let said = done(&host, &["install"]);
    assert_looks_like("install-update.txt", &said);
    let mut seen = Tree::of(&host);
    // The hook is another file with the same bytes.
    for tree in [&mut expected, &mut seen] {
        tree.forget_time(HOOK);
    }
    assert_eq!(seen, expected);
}

#[test]
fn one_that_can_t_be_run_as_it_stands_there_is_put_in_place_anew() {
    let host = bare();
    done(&host, &["install"]);
    let whole = std::fs::read(host.path(HOOK)).unwrap_or_default();
    host.file(HOOK, whole, 0o644);
    let said = done(&host, &["install"]);
    assert!(said.contains(&format!("updated    {HOOK}\n")), "{said}");
    assert_eq!(Tree::of(&host).mode(HOOK), Some(0o755));
}

#[test]
fn below_a_folder_it_touches_nothing_else_and_needs_nothing() {
    let host = bare();
    host.folder("/srv/image");
    let before = Tree::of(&host);
    let said = done(&host, &["--root", "/srv/image", "install"]);
    assert_looks_like("install-root.txt", &said);
    assert_eq!(Tree::of(&host).outside("/srv"), before.outside("/srv"));
    assert!(host.path(format!("/srv/image{HOOK}")).exists());
    assert!(!host.path("/srv/image/run").exists(), "the state is the host's that the image becomes");

    let before = Tree::of(&host);
    let said = done(&host, &["--root", "/srv/image", "install"]);
    assert!(said.contains("nothing was changed"), "{said}");
    assert_eq!(Tree::of(&host), before);
    done(&host, &["--root", "/srv/image", "uninstall"]);
    assert!(!host.path(format!("/srv/image{HOOK}")).exists());
}

#[test]
fn whatever_the_umask_is_others_can_read_what_they_must() {
    let host = bare();
    let finished = host.command(["install"]).after("umask 077").run();
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    let tree = Tree::of(&host);
    for (path, mode) in [(CUSTOM, 0o755), (HOOK, 0o755), (SETTINGS, 0o644), (LOGROTATE, 0o644)] {
        assert_eq!(tree.mode(path), Some(mode), "{path}");
    }
}

#[test]
fn a_log_that_is_rotated_already_gets_no_second_rotation() {
    for (file, text, covered) in [
        ("/etc/logrotate.d/site", "/var/log/libvirt/*.log {\n  daily\n}\n", true),
        ("/etc/logrotate.d/libvirtd.qemu", "/var/log/libvirt/qemu/*.log {\n  weekly\n}\n", false),
        ("/etc/logrotate.d/site.dpkg-old", "/var/log/libvirt/*.log {\n  daily\n}\n", false),
        ("/etc/logrotate.conf", "weekly\n/var/log/libvirt/qemu-hook.log {\n}\n", true),
    ] {
        let host = bare();
        host.file(file, text, 0o644);
        let said = done(&host, &["install"]);
        assert_eq!(!host.path(LOGROTATE).exists(), covered, "{said}");
        let told = format!("kept       {file}: it rotates the log already\n");
        assert_eq!(said.contains(&told), covered, "{said}");
    }
    let host = bare();
    std::fs::remove_dir(host.path("/etc/logrotate.d")).expect("the folder");
    let said = done(&host, &["install"]);
    assert!(!said.contains("logrotate"), "{said}");
    assert!(!host.path("/etc/logrotate.d").exists());
}

#[test]
fn what_is_shipped_for_logrotate_is_what_logrotate_takes() {
    let host = bare();
    done(&host, &["install"]);
    host.file("/var/log/libvirt/qemu-hook.log", "a line\n", 0o640);
    let call = "logrotate --force --state /tmp/state /etc/logrotate.d/virt-hooks";
    let finished = host.command(["--version"]).through("sh", &["-c", call]).run();
    assert_eq!((finished.code, finished.stderr.as_str()), (Some(0), ""));
    assert_eq!(host.read("/var/log/libvirt/qemu-hook.log.1"), "a line\n");
}

#[test]
fn who_is_not_root_is_told_before_anything_else() {
    let Some(host) = bare().or_leave_out() else { return };
    for verb in ["install", "uninstall"] {
        let before = Tree::of(&host);
        let finished = host.command([verb]).through("setpriv", &["--reuid=65534", "--clear-groups"]).run();
        assert_eq!((finished.code, finished.stdout.as_str()), (Some(1), ""));
        let expected = format!(
            "virt-hooks: {verb} needs root; fix: sudo virt-hooks {verb}; below a folder of yours: virt-hooks \
             --root DIR {verb}\n"
        );
        assert_eq!(finished.stderr, expected);
        assert_eq!(Tree::of(&host), before);
    }
}

#[test]
fn a_reader_who_goes_away_keeps_nothing_from_being_done() {
    let host = bare();
    let gone = "mkfifo \"$root/tmp/out\"; head -c 1 < \"$root/tmp/out\" > /dev/null & exec > \"$root/tmp/out\"";
    let finished = host.command(["install"]).after(gone).run();
    assert_eq!((finished.code, finished.stderr.as_str()), (Some(0), ""));
    assert_eq!(Tree::of(&host).mode(HOOK), Some(0o755));
    let finished = host.command(["install"]).after("exec > /dev/full").run();
    assert_eq!(finished.code, Some(1), "what can't be told is not hidden");
    assert!(finished.stderr.contains("the output can't be written"), "{}", finished.stderr);
}
