//! Somebody else's hook in the place: `make` says what the program says, before it changes anything, and passes on what
//! is to become of it. What the program makes of every kind of thing there is in `tests/command/install`.

use crate::machine::{BINARY, HOOK, Machine};

const THEIRS: &str = "#!/usr/bin/python3\nprint('theirs')\n";

/// Installs, which has to be refused, and makes sure that nothing was changed. Returns what was said.
#[track_caller]
fn refused(machine: &Machine, words: &[&str]) -> String {
    let before = machine.changes();
    let said = machine.make(words).failure();
    assert_eq!(machine.changes(), before);
    assert!(said.contains("there is another hook at "), "{said}");
    assert!(said.contains("Nothing was changed"), "{said}");
    said
}

#[test]
fn it_is_left_alone_and_what_make_can_do_is_told() {
    let machine = Machine::new();
    machine.write(HOOK, THEIRS, 0o755);
    let said = refused(&machine, &["install"]);
    for words in ["a file that begins with: #!/usr/bin/python3", "REPLACE=1", "KEEP_EXISTING=1"] {
        assert!(said.contains(words), "{words}\n{said}");
    }
}

#[test]
fn it_is_replaced_where_make_is_told_so_and_put_back_at_the_end() {
    let machine = Machine::new();
    machine.write(HOOK, THEIRS, 0o755);
    machine.make(&["install", "REPLACE=1"]).success();
    machine.run(["cmp", HOOK, BINARY]).success();
    machine.make(&["uninstall"]).success();
    assert_eq!(machine.read(HOOK), THEIRS);
    assert!(!machine.exists(BINARY));
}

#[test]
fn it_is_kept_where_make_is_told_so_and_put_back_at_the_end() {
    let machine = Machine::new();
    machine.write(HOOK, THEIRS, 0o755);
    machine.make(&["install", "KEEP_EXISTING=1"]).success();
    machine.run(["cmp", HOOK, BINARY]).success();
    assert_eq!(machine.read("/etc/libvirt/hooks/qemu.kept-by-virt-hooks"), THEIRS);
    machine.make(&["uninstall"]).success();
    assert_eq!(machine.read(HOOK), THEIRS);
}

#[test]
fn below_destdir_it_is_left_alone_too() {
    let machine = Machine::new();
    machine.write(&format!("/mnt/stage{HOOK}"), THEIRS, 0o755);
    let said = refused(&machine, &["install", "DESTDIR=/mnt/stage"]);
    assert!(said.contains(&format!("there is another hook at /mnt/stage{HOOK}")), "{said}");
    assert!(!machine.exists("/mnt/stage/usr"));
}

#[test]
fn uninstalling_leaves_it_in_place() {
    let machine = Machine::new();
    machine.make(&["install"]).success();
    machine.shell(&format!("rm {HOOK}"));
    machine.write(HOOK, THEIRS, 0o755);
    let said = machine.make(&["uninstall"]).success();
    assert!(said.contains(&format!("left       {HOOK}: it is not virt-hooks")), "{said}");
    assert_eq!(machine.read(HOOK), THEIRS);
    assert!(!machine.exists(BINARY));
}

#[test]
fn without_the_command_a_hook_is_left_and_how_it_is_taken_out_is_told() {
    let machine = Machine::new();
    machine.make(&["install"]).success();
    machine.shell(&format!("rm {BINARY}"));
    // `make` here names a program; who has none is told of it.
    let said = machine.run(["make", "uninstall"]).success();
    assert!(said.contains(&format!("left       {HOOK}: without {BINARY} it is unknown")), "{said}");
    assert!(machine.exists(HOOK));
    machine.make(&["uninstall"]).success();
    assert!(!machine.exists(HOOK));
}
