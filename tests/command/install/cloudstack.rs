//! Apache CloudStack's own hook in the place: it is taken over.

use std::fs;
use std::os::unix::fs::symlink;

use super::foreign::is_ours;
use super::tree::Tree;
use super::{BACKUP, CUSTOM, HOOK, SETTINGS, SHIPPED_SETTINGS, done, refused, with_hook};
use crate::assert_looks_like;

/// What CloudStack's hook is known by, with a limit that an operator has changed.
pub(super) const CLOUDSTACK: &str = "#!/usr/bin/python3\n\
    import logging\n\
    logFile = '/var/log/libvirt/qemu-hook.log'\n\
    customDir = '/etc/libvirt/hooks/custom/'\n\
    timeoutSeconds = 20 * 60\n\
    def migrate(bridge):\n    return bridge.startswith('cloudVirBr')\n";

fn unchanged_cloudstack() -> String {
    CLOUDSTACK.replace("20 * 60", "10 * 60")
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
fn a_limit_that_is_neither_a_number_nor_a_product_is_reported() {
    for (notation, told) in [
        ("minutes * 60", "minutes * 60"),
        ("(20 * 60)", "(20 * 60)"),
        ("1200.0", "1200.0"),
        ("5 + \u{1b}[2J", "5 + \\x1b[2J"),
    ] {
        let host = with_hook(&CLOUDSTACK.replace("20 * 60", notation));
        let said = done(&host, &["install"]);
        let expected = format!(
            "warning    the limit of CloudStack's hook can't be told from its line \"timeoutSeconds = {told}\"; to have it \
             hold: set timeoutSeconds in {SETTINGS} to as many seconds\n"
        );
        assert!(said.contains(&expected), "{said}");
        assert_eq!(host.read(SETTINGS), SHIPPED_SETTINGS);

        // Who has set it is told nothing at the next upgrade of the agent.
        host.settings("timeoutSeconds = 7\n");
        fs::remove_file(host.path(HOOK)).expect("the hook");
        host.file(HOOK, CLOUDSTACK.replace("20 * 60", notation), 0o755);
        assert!(!done(&host, &["install"]).contains("warning"));
    }
}

#[test]
fn a_link_to_cloudstack_s_hook_has_its_limit_as_well() {
    let theirs = "/usr/share/cloudstack-agent/lib/libvirtqemuhook";
    for root in ["", "/srv/image"] {
        let host = with_hook("");
        host.folder(format!("{root}/etc/libvirt/hooks"));
        let place = if root.is_empty() {
            "/extra/share/cloudstack-agent/lib".to_owned()
        } else {
            format!("{root}/usr/share/cloudstack-agent/lib")
        };
        host.folder(&place);
        host.file(format!("{place}/libvirtqemuhook"), CLOUDSTACK, 0o755);
        _ = fs::remove_file(host.path(HOOK));
        symlink(theirs, host.path(format!("{root}{HOOK}"))).expect("a symlink");
        let call: Vec<&str> = if root.is_empty() { Vec::new() } else { vec!["--root", root] };
        done(&host, &[call.as_slice(), &["install", "--replace"]].concat());
        assert!(host.read(format!("{root}{SETTINGS}")).contains("\ntimeoutSeconds = 1200\n"));
        done(&host, &[call.as_slice(), &["uninstall"]].concat());
        assert!(!host.path(format!("{root}{SETTINGS}")).exists(), "they are as install wrote them");
        let link = fs::read_link(host.path(format!("{root}{HOOK}"))).expect("the symlink");
        assert_eq!(link.to_str(), Some(theirs));
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
fn scripts_that_cloudstack_s_hook_ran_from_another_folder_are_told_of() {
    let host = with_hook(&CLOUDSTACK.replace("/etc/libvirt/hooks/custom/", "/srv/hooks"));
    let said = done(&host, &["install"]);
    let told = format!(
        "warning    scripts in /srv/hooks, which the hook before ran, will not run; to have them run: move them to {CUSTOM}\n"
    );
    assert!(said.contains(&told), "{said}");
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
