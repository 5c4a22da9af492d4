//! Another hook in the place.

use std::fs;
use std::os::unix::fs::symlink;

use testbed::Host;

use super::cloudstack::CLOUDSTACK;
use super::tree::Tree;
use super::{BACKUP, CUSTOM, HOOK, KEPT, LATER, bare, done, refused, with_hook};
use crate::assert_looks_like;

const THEIRS: &str = "#!/bin/sh\necho theirs \"$@\" >> /tmp/theirs\n";

pub(super) fn is_ours(host: &Host, path: &str) -> bool {
    fs::read(host.path(path)).unwrap_or_default() == fs::read(host.path("/extra/bin/virt-hooks")).unwrap_or_default()
}

#[test]
fn a_script_is_left_alone_and_what_can_be_done_is_told() {
    let host = with_hook(THEIRS);
    assert_looks_like("install-refused.txt", &refused(&host, &["install"]));
    assert_looks_like("install-refused.txt", &refused(&host, &["install", "--dry-run"]));
    assert_looks_like("install-refused-terminal.txt", &host.command(["install"]).on_a_terminal(80).stdout);
}

#[test]
fn every_kind_of_thing_is_left_alone_and_named() {
    let host = bare();
    host.folder(CUSTOM);
    let hook = host.path(HOOK);
    let clear = || {
        _ = fs::remove_file(host.path(HOOK));
        _ = fs::remove_dir(host.path(HOOK));
    };
    for target in ["/usr/bin/virt-hooks", "/etc/hostname", "/nonexistent", "custom", "/dev/null", "qemu"] {
        clear();
        symlink(target, &hook).expect("a symlink");
        let said = refused(&host, &["install"]);
        assert!(said.contains(&format!("\nIt is a symlink to {target}\n")), "{said}");
    }
    type Make = fn(&Host);
    let kinds: [(&str, Make); 6] = [
        ("a folder", |host| drop(host.folder(HOOK))),
        ("an empty file", |host| drop(host.file(HOOK, "", 0o755))),
        ("a FIFO", |host| {
            let made = std::process::Command::new("mkfifo").arg(host.path(HOOK)).status();
            assert!(made.expect("mkfifo").success());
        }),
        ("a file that begins with: \\x7fELF", |host| {
            drop(host.file(HOOK, fs::read("/bin/true").unwrap_or_default(), 0o755));
        }),
        // It only speaks of ours.
        ("a file that begins with: #!/bin/sh", |host| {
            let quoting = "#!/bin/sh\n# virt-hooks, called as libvirt's hook, takes four arguments\n";
            drop(host.file(HOOK, quoting, 0o755));
        }),
        // Its first line must not play tricks on a terminal.
        ("a file that begins with: #!/bin/sh\\x1b[2J\\x07", |host| {
            drop(host.file(HOOK, "#!/bin/sh\u{1b}[2J\u{7}\n", 0o755));
        }),
    ];
    for (what, make) in kinds {
        clear();
        make(&host);
        let said = refused(&host, &["install"]);
        assert!(said.contains(&format!("there is another hook at {HOOK}, and it was left alone")), "{said}");
        assert!(said.contains(&format!("\nIt is {what}")), "{said}");
    }
}

#[test]
fn each_of_them_can_be_replaced_and_comes_back_at_the_end() {
    type Make = fn(&Host);
    let kinds: [Make; 4] = [
        |host| drop(host.file(HOOK, THEIRS, 0o700)),
        |host| {
            host.file("/etc/site-hook", THEIRS, 0o755);
            symlink("/etc/site-hook", host.path(HOOK)).expect("a symlink");
        },
        |host| {
            host.folder(HOOK);
            host.file(format!("{HOOK}/note"), "in a folder", 0o644);
        },
        |host| drop(host.file(HOOK, "", 0o644)),
    ];
    for make in kinds {
        let host = bare();
        host.folder("/etc/libvirt/hooks");
        make(&host);
        let before = Tree::of(&host);
        done(&host, &["install", "--replace"]);
        assert!(is_ours(&host, HOOK) && fs::symlink_metadata(host.path(BACKUP)).is_ok());
        assert!(!fs::symlink_metadata(host.path(HOOK)).expect("the hook").is_symlink());
        done(&host, &["uninstall"]);
        assert_eq!(Tree::of(&host), before);
    }
}

#[test]
fn a_symlink_is_replaced_and_never_written_through() {
    let host = bare();
    host.folder("/etc/libvirt/hooks");
    host.file("/etc/site-hook", THEIRS, 0o755);
    symlink("/etc/site-hook", host.path(HOOK)).expect("a symlink");
    done(&host, &["install", "--replace"]);
    assert_eq!(host.read("/etc/site-hook"), THEIRS);
    assert!(is_ours(&host, HOOK));
}

#[test]
fn a_hook_that_is_replaced_is_kept_and_none_is_lost_or_kept_twice() {
    let host = with_hook("#!/bin/sh\n# first\n");
    assert_looks_like("install-replace.txt", &done(&host, &["install", "--replace"]));
    for (text, kept) in [
        ("#!/bin/sh\n# second\n", ["second", "first", "-"]),
        ("#!/bin/sh\n# third\n", ["third", "first", "second"]),
        // The last one, again.
        ("#!/bin/sh\n# third\n", ["third", "first", "second"]),
        // An older one: it is what has to come back.
        ("#!/bin/sh\n# first\n", ["first", "third", "second"]),
    ] {
        fs::remove_file(host.path(HOOK)).expect("the hook");
        host.file(HOOK, text, 0o755);
        done(&host, &["install", "--replace"]);
        let mut seen: Vec<String> = ["", ".1", ".2", ".3"].map(|end| host.read(format!("{BACKUP}{end}"))).into();
        seen.retain(|text| !text.is_empty());
        // Which number an older one has is of no matter.
        let last = seen.remove(0);
        assert_eq!(last, text);
        let mut older: Vec<&str> = seen.iter().map(|text| text.trim_start_matches("#!/bin/sh\n# ").trim()).collect();
        older.sort_unstable();
        let [_, rest @ ..] = kept;
        let mut expected: Vec<&str> = rest.into_iter().filter(|name| *name != "-").collect();
        expected.sort_unstable();
        assert_eq!(older, expected, "after {text}");
    }
    done(&host, &["uninstall"]);
    assert_eq!(host.read(HOOK), "#!/bin/sh\n# first\n");
}

#[test]
fn a_hook_that_is_kept_runs_after_ours_and_comes_back_at_the_end() {
    let host = with_hook(THEIRS);
    let before = Tree::of(&host);
    assert_looks_like("install-keep.txt", &done(&host, &["install", "--keep-existing"]));
    assert!(is_ours(&host, HOOK));
    assert_eq!(host.read(KEPT), THEIRS);
    let again = done(&host, &["install"]);
    assert!(again.contains("nothing was changed"), "{again}");
    assert_looks_like("uninstall-kept.txt", &done(&host, &["uninstall"]));
    assert_eq!(Tree::of(&host), before);
}

#[test]
fn a_link_that_leads_nowhere_is_kept_and_not_put_back() {
    for target in ["custom/nothing", "qemu.before-virt-hooks"] {
        let host = bare();
        host.folder("/etc/libvirt/hooks");
        symlink(target, host.path(HOOK)).expect("a symlink");
        done(&host, &["install", "--replace"]);
        let said = done(&host, &["uninstall"]);
        assert!(said.contains(&format!("left       {BACKUP}: a link that leads nowhere\n")), "{said}");
        assert_eq!(Tree::of(&host).mode(HOOK), None);
    }
}

#[test]
fn what_an_admin_has_in_qemu_d_is_never_taken_for_a_hook_that_was_kept() {
    const ADMIN_S: &str = "#!/bin/sh\n# an admin's own\n";
    for before in ["", CLOUDSTACK] {
        let host = bare();
        host.folder(LATER);
        host.file(format!("{LATER}/qemu"), ADMIN_S, 0o755);
        if !before.is_empty() {
            host.file(HOOK, before, 0o755);
        }
        let tree = Tree::of(&host);
        done(&host, &["install"]);
        done(&host, &["uninstall"]);
        assert_eq!(host.read(HOOK), before);
        assert_eq!(host.read(format!("{LATER}/qemu")), ADMIN_S);
        assert_eq!(Tree::of(&host), tree);
    }
}

#[test]
fn the_hook_that_was_there_last_is_the_one_that_comes_back() {
    // Kept to run later, and then the agent's package put its own in place of ours.
    let host = with_hook(THEIRS);
    done(&host, &["install", "--keep-existing"]);
    fs::remove_file(host.path(HOOK)).expect("the hook");
    host.file(HOOK, CLOUDSTACK, 0o755);
    done(&host, &["install"]);
    let said = done(&host, &["uninstall"]);
    assert_eq!(host.read(HOOK), CLOUDSTACK);
    assert_eq!(host.read(KEPT), THEIRS);
    assert!(said.contains(&format!("left       {KEPT}: a hook that was kept\n")));

    // Replaced, and then another one was kept to run later.
    let host = with_hook("#!/bin/sh\n# first\n");
    done(&host, &["install", "--replace"]);
    fs::remove_file(host.path(HOOK)).expect("the hook");
    host.file(HOOK, THEIRS, 0o755);
    done(&host, &["install", "--keep-existing"]);
    let said = done(&host, &["uninstall"]);
    assert_eq!(host.read(HOOK), THEIRS, "{said}");
    assert_eq!(host.read(format!("{BACKUP}.1")), "#!/bin/sh\n# first\n");
}

#[test]
fn one_that_was_kept_already_is_no_obstacle() {
    let host = with_hook(THEIRS);
    host.file(KEPT, THEIRS, 0o755);
    done(&host, &["install", "--keep-existing"]);
    assert!(is_ours(&host, HOOK));
    assert_eq!(host.read(KEPT), THEIRS);
    done(&host, &["uninstall"]);
    assert_eq!(host.read(HOOK), THEIRS);
}

#[test]
fn one_that_is_not_executable_is_kept_and_told_of() {
    let host = with_hook(THEIRS);
    host.file(HOOK, THEIRS, 0o644);
    let said = done(&host, &["install", "--keep-existing"]);
    let told = format!("warning    {KEPT} is not executable, and does not run; fix: chmod +x {KEPT}");
    assert!(said.contains(&told), "{said}");
}

#[test]
fn what_can_t_run_beside_ours_is_not_kept() {
    let words = ["install", "--keep-existing"];
    let host = with_hook("#!/bin/sh\nfor script in /etc/libvirt/hooks/custom/*; do $script; done\n");
    assert_looks_like("install-refused-twice.txt", &refused(&host, &["install"]));
    assert!(refused(&host, &words).contains("each of them would run twice"));

    let host = with_hook(CLOUDSTACK);
    assert!(refused(&host, &words).contains("each of them would run twice"));

    let host = bare();
    host.folder(HOOK);
    assert!(refused(&host, &words).contains("it is a folder, which can't be run"));

    let host = with_hook(THEIRS);
    host.file(KEPT, "#!/bin/sh\n", 0o755);
    assert!(refused(&host, &words).contains(&format!("{KEPT} is there already")));
}

#[test]
fn what_runs_the_scripts_a_second_time_is_told_of() {
    let host = bare();
    host.folder(LATER);
    symlink("/usr/bin/virt-hooks", host.path(format!("{LATER}/ours"))).expect("a symlink");
    host.file(format!("{LATER}/cloudstack"), CLOUDSTACK, 0o755);
    host.file(format!("{LATER}/other"), THEIRS, 0o755);
    let said = done(&host, &["install"]);
    for (name, told) in [("ours", true), ("cloudstack", true), ("other", false)] {
        let line =
            format!("warning    {LATER}/{name} runs the same scripts, each a second time; fix: rm {LATER}/{name}\n");
        assert_eq!(said.contains(&line), told, "{said}");
    }
}

#[test]
fn where_the_hook_before_ran_no_custom_scripts_nothing_changes_for_them() {
    for (text, words) in [("#!/bin/sh\n", ["install", "--replace"].as_slice()), ("", &["install"])] {
        let host = if text.is_empty() { bare() } else { with_hook(text) };
        host.folder(format!("{CUSTOM}/a-vm"));
        let said = done(&host, words);
        assert!(!said.contains("a-vm"), "{said}");
    }
}
