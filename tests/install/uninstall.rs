//! `make uninstall` takes back what `make install` put there, and only that.

use crate::files::Files;
use crate::machine::{BINARY, CUSTOM, HOOK, LOG, Machine, SETTINGS};

const EXAMPLES: &str = "/usr/share/doc/virt-hooks/examples";

#[test]
fn it_takes_everything_back() {
    let machine = Machine::new();
    machine.make(&["install"]).success();
    // What an installation leaves that is cut off.
    let draft = "/usr/sbin/.virt-hooks.virt-hooks-new";
    machine.write(draft, "half of it", 0o600);
    machine.make(&["uninstall"]).success();
    for path in [draft, HOOK, BINARY, SETTINGS, CUSTOM, EXAMPLES, "/usr/share/doc/virt-hooks"] {
        assert!(!machine.exists(path), "{path} is still there");
    }
    assert!(machine.exists("/etc/libvirt/hooks"), "the folder is libvirt's");
}

#[test]
fn it_leaves_what_is_the_operator_s_and_says_so() {
    let machine = Machine::new();
    machine.make(&["install"]).success();
    let script = format!("{CUSTOM}/start_mine.sh");
    let notes = format!("{EXAMPLES}/notes");
    let changed = format!("{EXAMPLES}/all_log-event.sh");
    for (path, content) in [
        (script.as_str(), "#!/bin/bash\n"),
        (SETTINGS, "graceSeconds = 1\n"),
        (LOG, "logged\n"),
        (&notes, ""),
        (&changed, ""),
    ] {
        machine.write(path, content, 0o755);
    }

    let said = machine.make(&["uninstall"]).success();

    for path in [CUSTOM, SETTINGS, LOG, EXAMPLES, &changed] {
        assert!(said.contains(&format!("left       {path}: ")), "{path} is not spoken of:\n{said}");
    }
    for path in [&script, SETTINGS, LOG, &notes, &changed] {
        assert!(machine.exists(path), "{path} is gone");
    }
    assert!(!machine.exists(HOOK) && !machine.exists(BINARY));
}

#[test]
fn it_removes_an_older_version_of_the_program_too() {
    let machine = Machine::new();
    machine.make(&["install"]).success();
    machine.shell(&format!("for file in {HOOK} {BINARY}; do echo older >> $file; done"));
    machine.make(&["uninstall"]).success();
    assert!(!machine.exists(HOOK) && !machine.exists(BINARY));
}

#[test]
fn where_nothing_is_installed_it_changes_nothing() {
    let machine = Machine::new();
    let before = machine.changes();
    machine.make(&["uninstall"]).success();
    assert_eq!(machine.changes(), before);
}

#[test]
fn below_destdir_it_touches_nothing_else() {
    let machine = Machine::new();
    machine.make(&["install"]).success();
    let before = machine.changes();
    machine.make(&["install", "DESTDIR=/mnt/stage"]).success();
    machine.make(&["uninstall", "DESTDIR=/mnt/stage"]).success();
    assert_eq!(Files::below(&machine.path("/mnt/stage")).without_folders().listed(), []);
    assert_eq!(machine.changes(), before);
}
