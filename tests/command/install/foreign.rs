//! Another hook in the place.

use std::fs;
use std::os::unix::fs::symlink;

use testbed::Host;

use super::tree::Tree;
use super::{BACKUP, CUSTOM, HOOK, LATER, SETTINGS, SHIPPED_SETTINGS, bare, done, refused, with_hook};
use crate::assert_looks_like;

/// What CloudStack's hook is known by, with a limit that an operator has changed.
pub(super) const CLOUDSTACK: &str = "#!/usr/bin/python3\n\
    import logging\n\
    logFile = '/var/log/libvirt/qemu-hook.log'\n\
    customDir = '/etc/libvirt/hooks/custom/'\n\
    timeoutSeconds = 20 * 60\n\
    def migrate(bridge):\n    return bridge.startswith('cloudVirBr')\n";

const THEIRS: &str = "#!/bin/sh\necho theirs \"$@\" >> /tmp/theirs\n";

fn unchanged_cloudstack() -> String {
    CLOUDSTACK.replace("20 * 60", "10 * 60")
}

fn is_ours(host: &Host, path: &str) -> bool {
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
            let quoting = "#!/bin/sh\n# virt-hooks, called as libvirt's qemu hook, takes four arguments\n";
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
    let kinds: [Make; 5] = [
        |host| drop(host.file(HOOK, THEIRS, 0o700)),
        |host| symlink("/etc/hostname", host.path(HOOK)).expect("a symlink"),
        |host| symlink("custom/nothing", host.path(HOOK)).expect("a symlink"),
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
    assert_eq!(host.read(format!("{LATER}/qemu")), THEIRS);
    let again = done(&host, &["install"]);
    assert!(again.contains("nothing was changed"), "{again}");
    assert_looks_like("uninstall-kept.txt", &done(&host, &["uninstall"]));
    assert_eq!(Tree::of(&host), before);
}

#[test]
fn one_that_is_not_executable_is_kept_and_told_of() {
    let host = with_hook(THEIRS);
    host.file(HOOK, THEIRS, 0o644);
    let said = done(&host, &["install", "--keep-existing"]);
    let told =
        format!("warning    {LATER}/qemu is not executable, so libvirt does not run it; to have it run: chmod +x");
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
    assert!(refused(&host, &words).contains("it is a folder, which libvirt can't run from another folder"));

    let host = with_hook(THEIRS);
    host.folder(LATER);
    host.file(format!("{LATER}/qemu"), "#!/bin/sh\n", 0o755);
    assert!(refused(&host, &words).contains(&format!("{LATER}/qemu is there already")));

    for (program, version, taken) in [
        ("libvirtd", "libvirtd (libvirt) 6.4.0", false),
        ("libvirtd", "libvirtd (libvirt) 6.5.0", true),
        ("libvirtd", "libvirtd (libvirt) 11.0.0", true),
    ] {
        let host = with_hook(THEIRS);
        host.folder("/extra/sbin");
        host.file(format!("/extra/sbin/{program}"), format!("#!/bin/sh\necho '{version}'\n"), 0o755);
        if taken {
            done(&host, &words);
        } else {
            let said = refused(&host, &words);
            assert!(said.contains("libvirt is 6.4, as libvirtd tells, and runs what is in"), "{said}");
        }
    }
}

#[test]
fn cloudstack_s_hook_is_taken_over_with_its_limit() {
    let host = with_hook(CLOUDSTACK);
    assert_looks_like("install-cloudstack.txt", &done(&host, &["install"]));
    assert!(is_ours(&host, HOOK));
    assert_eq!(host.read(BACKUP), CLOUDSTACK);
    let expected = SHIPPED_SETTINGS.replacen("#timeoutSeconds = 600", "timeoutSeconds = 1200", 1);
    assert_eq!(host.read(SETTINGS), expected);

    // The agent's package puts its own there at every upgrade.
    fs::remove_file(host.path(HOOK)).expect("the hook");
    host.file(HOOK, CLOUDSTACK, 0o755);
    assert_looks_like("install-cloudstack-again.txt", &done(&host, &["install"]));
    assert!(!host.path(format!("{BACKUP}.1")).exists());

    assert_looks_like("uninstall-cloudstack.txt", &done(&host, &["uninstall"]));
    assert_eq!(host.read(HOOK), CLOUDSTACK);
    assert!(!host.path(SETTINGS).exists(), "they are as install wrote them");
}

#[test]
fn one_with_the_usual_limit_changes_no_settings() {
    for text in [unchanged_cloudstack(), CLOUDSTACK.replace("20 * 60", "600")] {
        let host = with_hook(&text);
        done(&host, &["install"]);
        assert_eq!(host.read(SETTINGS), SHIPPED_SETTINGS);
    }
}

#[test]
fn a_limit_goes_into_settings_that_do_not_say_it_and_they_stay_valid() {
    let host = with_hook(CLOUDSTACK);
    host.file(SETTINGS, "[[script]]\nname = \"start_a\"\ntimeoutSeconds = 5\n", 0o600);
    let said = done(&host, &["install"]);
    assert!(said.contains(&format!("changed    {SETTINGS}: timeoutSeconds = 1200, as CloudStack's hook had it\n")));
    let expected = "timeoutSeconds = 1200\n[[script]]\nname = \"start_a\"\ntimeoutSeconds = 5\n";
    assert_eq!(host.read(SETTINGS), expected);
    assert_eq!(Tree::of(&host).mode(SETTINGS), Some(0o600));
}

#[test]
fn a_limit_does_not_go_into_settings_that_say_it_or_can_t_be_read() {
    for (settings, told) in [
        ("timeoutSeconds = 5\n", "kept       /etc/libvirt/hooks/virt-hooks.toml: its timeoutSeconds holds"),
        (
            "timeoutSeconds = 5 * 60\n",
            "warning    /etc/libvirt/hooks/virt-hooks.toml was left as it is; set in it timeoutSeconds = 1200",
        ),
    ] {
        let host = with_hook(CLOUDSTACK);
        host.settings(settings);
        let said = done(&host, &["install"]);
        assert!(said.contains(told), "{said}");
        assert_eq!(host.read(SETTINGS), settings);
    }
}

#[test]
fn a_script_that_has_not_all_of_cloudstack_s_traits_is_not_taken_over() {
    for (from, to) in [("qemu-hook.log", "other.log"), ("cloudVirBr", "br"), ("#!/usr/bin/python3", "#!/bin/sh")] {
        let host = with_hook(&CLOUDSTACK.replace(from, to));
        refused(&host, &["install"]);
    }
}

#[test]
fn a_take_over_tells_what_changes_for_the_operator_s_scripts() {
    let host = with_hook(CLOUDSTACK);
    host.folder(CUSTOM);
    host.bash("start_good.sh", ":");
    host.bash("start_open.sh", ":");
    host.file(format!("{CUSTOM}/start_open.sh"), "#!/bin/bash\n", 0o777);
    host.bash("all_edited.sh~", ":");
    // These did not run before, either.
    host.file(format!("{CUSTOM}/start_off.sh"), "#!/bin/bash\n", 0o644);
    host.file(format!("{CUSTOM}/all_old.sh.bak"), "#!/bin/bash\n", 0o644);
    host.bash("notes", ":");
    host.folder(format!("{CUSTOM}/a vm"));
    host.bash("a vm/start_own.sh~", ":");
    assert_looks_like("install-changes.txt", &done(&host, &["install", "--dry-run"]));
    let said = done(&host, &["install"]);
    assert!(said.contains(&format!("warning    {CUSTOM}/start_open.sh will not run: ")), "{said}");
    assert!(!done(&host, &["install"]).contains("warning"), "it is told once; after that by check");
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

#[test]
fn what_runs_the_scripts_a_second_time_is_told_of() {
    let host = bare();
    host.folder(LATER);
    symlink("/usr/bin/virt-hooks", host.path(format!("{LATER}/ours"))).expect("a symlink");
    host.file(format!("{LATER}/cloudstack"), CLOUDSTACK, 0o755);
    host.file(format!("{LATER}/other"), THEIRS, 0o755);
    let said = done(&host, &["install"]);
    for (name, told) in [("ours", true), ("cloudstack", true), ("other", false)] {
        let line = format!(
            "warning    {LATER}/{name} runs the same scripts, each a second time; to mend it: rm {LATER}/{name}\n"
        );
        assert_eq!(said.contains(&line), told, "{said}");
    }
}

#[test]
fn settings_that_are_a_symlink_are_left_to_whoever_made_it() {
    let host = with_hook(CLOUDSTACK);
    host.file("/etc/site.toml", "", 0o644);
    symlink("/etc/site.toml", host.path(SETTINGS)).expect("a symlink");
    let said = done(&host, &["install"]);
    assert!(said.contains("was left as it is; set in it timeoutSeconds = 1200, as CloudStack's hook had it"), "{said}");
    assert_eq!(host.read("/etc/site.toml"), "");
}
