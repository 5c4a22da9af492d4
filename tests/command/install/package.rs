//! On a host that has the package: settings and rotation are the package's, and what the operator wants holds beyond upgrades.

use std::fs::{self, File};

use super::cloudstack::CLOUDSTACK;
use super::foreign::is_ours;
use super::tree::Tree;
use super::{BACKUP, CUSTOM, HOOK, LOGROTATE, SETTINGS, SHIPPED_LOGROTATE, SHIPPED_SETTINGS, bare, done};
use crate::assert_looks_like;
use rustix::fs::FlockOperation;
use testbed::{Finished, Host};

const DROP_IN: &str = "/etc/libvirt/hooks/virt-hooks.d/00-cloudstack.toml";
const NOTE: &str = "/var/lib/virt-hooks/taken-out";

/// What the package's scripts call.
const CONFIGURED: [&str; 2] = ["install", "--packaged"];
const CLOUDSTACK_CAME: [&str; 3] = ["install", "--packaged", "--only-over-cloudstack"];
const REMOVED: [&str; 2] = ["uninstall", "--packaged"];

/// A host on which a package's files are, and the hook not yet.
fn packaged() -> Host {
    packaged_by("deb")
}

fn packaged_by(whom: &str) -> Host {
    let host = bare();
    host.folder("/extra/share/virt-hooks");
    host.file("/extra/share/virt-hooks/package", format!("{whom}\n"), 0o644);
    host.folder(CUSTOM);
    host.folder("/etc/libvirt/hooks/virt-hooks.d");
    host.file(SETTINGS, SHIPPED_SETTINGS, 0o644);
    host.file(LOGROTATE, SHIPPED_LOGROTATE, 0o644);
    host
}

fn cloudstack_comes(host: &Host) {
    _ = fs::remove_file(host.path(HOOK));
    host.file(HOOK, CLOUDSTACK, 0o755);
}

#[test]
fn the_package_puts_the_hook_in_place_and_nothing_else() {
    let host = packaged();
    let mut before = Tree::of(&host);
    assert_looks_like("install-packaged.txt", &done(&host, &CONFIGURED));
    assert!(is_ours(&host, HOOK));
    let mut after = Tree::of(&host);
    for tree in [&mut before, &mut after] {
        tree.forget(HOOK);
    }
    assert_eq!(after, before);
    assert_eq!(done(&host, &CONFIGURED), "", "an upgrade that changes nothing is silent");
}

#[test]
fn what_is_the_package_s_and_was_removed_stays_so() {
    let host = packaged();
    for path in [SETTINGS, LOGROTATE] {
        fs::remove_file(host.path(path)).expect("a file of the package");
    }
    done(&host, &CONFIGURED);
    done(&host, &["install"]);
    for path in [SETTINGS, LOGROTATE] {
        assert!(!host.path(path).exists(), "{path}");
    }
}

#[test]
fn a_limit_of_cloudstack_s_hook_goes_beside_the_settings_and_goes_with_it() {
    let host = packaged();
    cloudstack_comes(&host);
    assert_looks_like("install-packaged-cloudstack.txt", &done(&host, &CONFIGURED));
    assert_eq!(host.read(SETTINGS), SHIPPED_SETTINGS);
    // It is what the hook reads.
    host.bash("start_a", "sleep 0");
    assert!(done(&host, &["list", "start"]).contains("1200 s"), "{}", done(&host, &["list", "start"]));

    cloudstack_comes(&host);
    let said = done(&host, &CLOUDSTACK_CAME);
    assert!(said.contains(&format!("kept       {DROP_IN}\n")), "{said}");
    assert_looks_like("uninstall-packaged-cloudstack.txt", &done(&host, &REMOVED));
    assert_eq!(host.read(HOOK), CLOUDSTACK);
    assert!(!host.path(DROP_IN).exists());
    assert_eq!(host.read(SETTINGS), SHIPPED_SETTINGS);
}

#[test]
fn a_limit_that_the_operator_has_set_holds_and_one_that_was_edited_stays() {
    let host = packaged();
    cloudstack_comes(&host);
    host.settings("timeoutSeconds = 5\n");
    let said = done(&host, &CONFIGURED);
    assert!(
        said.contains(&format!("kept       {SETTINGS}: its timeoutSeconds holds; CloudStack's hook had 1200\n")),
        "{said}"
    );
    assert!(!host.path(DROP_IN).exists());

    let host = packaged();
    cloudstack_comes(&host);
    done(&host, &CONFIGURED);
    host.file(DROP_IN, "timeoutSeconds = 7\n", 0o644);
    done(&host, &REMOVED);
    assert_eq!(host.read(DROP_IN), "timeoutSeconds = 7\n");
}

#[test]
fn a_limit_that_the_operator_sets_later_does_not_hold_and_check_tells() {
    let host = packaged();
    cloudstack_comes(&host);
    done(&host, &CONFIGURED);
    host.settings("timeoutSeconds = 5\n");
    let said = done(&host, &["check"]);
    let told = format!(
        "its timeoutSeconds does not hold, since {DROP_IN} is read after it and has that of CloudStack's hook\n         fix: rm {DROP_IN}\n"
    );
    assert!(said.contains(&told), "{said}");
    fs::remove_file(host.path(DROP_IN)).expect("the remedy");
    let said = done(&host, &["check"]);
    assert!(!said.contains("does not hold"), "{said}");
}

#[test]
fn cloudstack_s_own_is_replaced_and_nothing_else_is() {
    let host = packaged();
    done(&host, &CONFIGURED);
    let before = Tree::of(&host);
    assert_eq!(done(&host, &CLOUDSTACK_CAME), "");
    assert_eq!(Tree::of(&host), before);

    cloudstack_comes(&host);
    assert_looks_like("install-packaged-again.txt", &done(&host, &CLOUDSTACK_CAME));
    assert!(is_ours(&host, HOOK));

    for (text, what) in [("#!/bin/sh\n", "somebody else's"), ("", "a file without a word")] {
        fs::remove_file(host.path(HOOK)).expect("the hook");
        host.file(HOOK, text, 0o755);
        assert_eq!(done(&host, &CLOUDSTACK_CAME), "", "{what}");
        assert_eq!(host.read(HOOK), text, "{what}");
    }
    fs::remove_file(host.path(HOOK)).expect("the hook");
    assert_eq!(done(&host, &CLOUDSTACK_CAME), "");
    assert!(!host.path(HOOK).exists());
}

#[test]
fn who_takes_the_hook_out_finds_it_out_after_every_upgrade_until_it_is_put_back() {
    for (whom, removal) in [("deb", "apt-get remove virt-hooks"), ("rpm", "rpm --erase virt-hooks")] {
        let host = packaged_by(whom);
        cloudstack_comes(&host);
        done(&host, &CONFIGURED);
        let said = done(&host, &["uninstall"]);
        assert!(
            said.contains(&format!(
                "noted      {NOTE}: upgrades leave the hook out; to remove the package: {removal}\n"
            )),
            "{said}"
        );
        assert_eq!(host.read(HOOK), CLOUDSTACK);
        for path in [SETTINGS, LOGROTATE, CUSTOM] {
            assert!(host.path(path).exists(), "{path} is the package's");
        }

        let before = Tree::of(&host);
        assert_looks_like("install-packaged-out.txt", &done(&host, &CONFIGURED));
        assert_eq!(done(&host, &CLOUDSTACK_CAME), "");
        assert_eq!(Tree::of(&host), before);
        let finding = host.command(["check"]).run();
        assert_eq!(finding.code, Some(1));
        assert!(finding.stdout.contains("virt-hooks uninstall has taken this one out"), "{}", finding.stdout);
        // A second time there is nothing to note.
        assert!(done(&host, &["uninstall"]).contains(&format!("kept       {NOTE}")));

        let said = done(&host, &["install"]);
        assert!(said.contains(&format!("removed    {NOTE}: upgrades renew the hook again\n")), "{said}");
        assert!(is_ours(&host, HOOK));
        cloudstack_comes(&host);
        assert_ne!(done(&host, &CLOUDSTACK_CAME), "");
        assert!(is_ours(&host, HOOK));
    }
}

#[test]
fn without_a_hook_of_ours_uninstall_keeps_ours_out_as_well() {
    let host = packaged();
    cloudstack_comes(&host);
    done(&host, &["uninstall"]);
    assert_eq!(done(&host, &CLOUDSTACK_CAME), "");
    assert_eq!(host.read(HOOK), CLOUDSTACK);
    assert!(!host.path(BACKUP).exists());
}

#[test]
fn a_dry_run_notes_nothing() {
    let host = packaged();
    done(&host, &CONFIGURED);
    let before = Tree::of(&host);
    let planned = done(&host, &["uninstall", "--dry-run"]);
    assert_eq!(Tree::of(&host), before);
    assert_eq!(planned, format!("This would be done; nothing is changed:\n{}", done(&host, &["uninstall"])));
    let before = Tree::of(&host);
    done(&host, &["install", "--dry-run"]);
    assert_eq!(Tree::of(&host), before);
}

#[test]
fn a_removal_keeps_no_note_and_another_installation_has_the_hook() {
    let host = packaged();
    done(&host, &CONFIGURED);
    done(&host, &REMOVED);
    assert!(!host.path(HOOK).exists() && !host.path(NOTE).exists());
    done(&host, &CONFIGURED);
    assert!(is_ours(&host, HOOK));
}

#[test]
fn a_package_waits_for_an_installation_by_hand_and_that_does_not_wait_long() {
    let host = packaged();
    let etc = File::open(host.path("/etc")).expect("the folder");
    rustix::fs::flock(&etc, FlockOperation::LockExclusive).expect("a lock");
    let Finished { code, stderr, .. } = host.command(["install"]).run();
    assert_eq!(code, Some(1));
    assert!(stderr.contains("another virt-hooks install or uninstall is under way"), "{stderr}");

    std::thread::scope(|scope| {
        let configured = scope.spawn(|| done(&host, &CONFIGURED));
        std::thread::sleep(std::time::Duration::from_millis(500));
        assert!(!host.path(HOOK).exists());
        rustix::fs::flock(&etc, FlockOperation::Unlock).expect("no lock");
        assert!(configured.join().expect("an installation").contains("installed"));
    });
}

#[test]
fn below_a_folder_its_own_package_counts() {
    let host = bare();
    host.folder("/srv/image/usr/share/virt-hooks");
    host.file("/srv/image/usr/share/virt-hooks/package", "rpm\n", 0o644);
    done(&host, &["--root", "/srv/image", "install", "--packaged"]);
    assert!(host.path(format!("/srv/image{HOOK}")).exists());
    assert!(!host.path(format!("/srv/image{SETTINGS}")).exists(), "it is the package's");
    done(&host, &["--root", "/srv/image", "uninstall"]);
    assert!(host.path(format!("/srv/image{NOTE}")).exists());
    assert!(!host.path(NOTE).exists());
}
