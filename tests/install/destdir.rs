//! With DESTDIR: for packages and images, without root, and with nothing else touched.

use crate::files::{Files, INSTALLED};
use crate::machine::Machine;

/// Debian's user `nobody`.
const NOBODY: u32 = 65534;

#[test]
fn root_installs_exactly_these_files_below_it_and_nothing_elsewhere() {
    let machine = Machine::new();
    machine.shell("mkdir /mnt/stage");
    let before = machine.changes();

    machine.make(&["install", "DESTDIR=/mnt/stage"]).success();

    let staged = Files::below(&machine.path("/mnt/stage"));
    assert!(staged.all_belong_to(0));
    assert_eq!(staged.without_folders().listed(), INSTALLED);
    assert_eq!(machine.mode("/mnt/stage/etc/libvirt/hooks/custom"), 0o755);
    assert_eq!(machine.changes(), before);
}

#[test]
fn anybody_installs_the_same_below_a_folder_of_theirs() {
    let machine = Machine::new();
    machine.shell("mkdir /mnt/stage && chown nobody /mnt/stage");
    // sudo, if it were called, would fail: nobody may use it.
    let before = machine.changes();

    machine.make_as_nobody(&["install", "DESTDIR=/mnt/stage"]).success();

    let staged = Files::below(&machine.path("/mnt/stage"));
    assert!(staged.all_belong_to(NOBODY));
    assert_eq!(staged.without_folders().listed(), INSTALLED);
    assert_eq!(machine.changes(), before);

    machine.make_as_nobody(&["uninstall", "DESTDIR=/mnt/stage"]).success();
    let left = Files::below(&machine.path("/mnt/stage")).without_folders();
    assert_eq!(left.listed(), []);
}

#[test]
fn a_narrow_umask_makes_nothing_unreadable() {
    let machine = Machine::new();
    machine.shell("umask 077; make install BINARY=/mnt/virt-hooks DESTDIR=/mnt/stage");
    for folder in ["etc", "etc/libvirt", "etc/libvirt/hooks/custom", "usr/sbin", "usr/share/doc/virt-hooks/examples"] {
        assert_eq!(machine.mode(&format!("/mnt/stage/{folder}")), 0o755, "{folder}");
    }
}

#[test]
fn its_name_may_hold_blanks_and_quotes_and_may_be_relative() {
    let machine = Machine::new();
    for folder in ["a stage", "it's \"the\" stage; echo", "-f", "$(HOME) *", "größe"] {
        machine.shell("rm -rf ./-f ./stages && mkdir stages");
        // From the environment make passes it on as it is, `$` and all.
        let relative = format!("DESTDIR=stages/../{folder}/stage");
        machine.run(["env", &relative, "make", "install", "BINARY=/mnt/virt-hooks"]).success();
        let staged = Files::below(&machine.path(&format!("/mnt/checkout/{folder}/stage")));
        assert_eq!(staged.without_folders().listed(), INSTALLED, "{folder}");

        let absolute = format!("DESTDIR=/mnt/checkout/{folder}/stage");
        machine.run(["env", &absolute, "make", "uninstall"]).success();
        let left = Files::below(&machine.path(&format!("/mnt/checkout/{folder}/stage")));
        assert_eq!(left.without_folders().listed(), [], "{folder}");
    }
}

#[test]
fn no_daemon_is_reloaded() {
    let machine = Machine::new();
    machine.write("/usr/local/bin/systemctl", "#!/bin/sh\necho called >> /run/systemctl-calls\n", 0o755);
    machine.shell("mkdir -p /run/systemd/system");
    let said = machine.make(&["install", "DESTDIR=/mnt/stage"]).success();
    assert!(!said.contains("reloaded"), "{said}");
    machine.make(&["uninstall", "DESTDIR=/mnt/stage"]).success();
    assert!(!machine.exists("/run/systemctl-calls"));
}

#[test]
fn elsewhere_than_on_debian_zsh_looks_for_completions_in_another_place() {
    let machine = Machine::new();
    machine.shell("rm /etc/debian_version");
    machine.make(&["install", "DESTDIR=/mnt/stage"]).success();
    assert!(machine.exists("/mnt/stage/usr/share/zsh/site-functions/_virt-hooks"));
    machine.make(&["uninstall", "DESTDIR=/mnt/stage"]).success();
    assert_eq!(Files::below(&machine.path("/mnt/stage")).without_folders().listed(), []);
}
