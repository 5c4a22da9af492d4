//! Somebody else's hook in the place is never overwritten.

use crate::machine::{BINARY, CUSTOM, HOOK, Machine};

const THEIRS: &str = "#!/usr/bin/python3\nprint('theirs')\n";

/// Installs, which has to be refused, and makes sure that nothing was changed. Returns what was said.
#[track_caller]
fn refused(machine: &Machine) -> String {
    let before = machine.changes();
    let said = machine.make(&["install"]).failure();
    assert_eq!(machine.changes(), before);
    assert!(said.contains(&format!("there is another hook at {HOOK}, and it was left alone")), "{said}");
    assert!(said.contains("Nothing was changed"), "{said}");
    said
}

#[test]
fn a_python_script_is_left_alone_and_the_way_on_is_told() {
    let machine = Machine::new();
    machine.write(HOOK, THEIRS, 0o755);
    let said = refused(&machine);
    assert!(said.contains("a file that begins with: #!/usr/bin/python3"), "{said}");

    // What is told works as it stands.
    let command = said.lines().map(str::trim).find(|line| line.starts_with("mkdir -p ")).unwrap();
    machine.shell(command);
    machine.make(&["install"]).success();
    assert_eq!(machine.read("/etc/libvirt/hooks/qemu.d/qemu"), THEIRS);
    machine.run(["cmp", HOOK, BINARY]).success();
}

#[test]
fn a_hook_that_runs_the_custom_scripts_itself_is_not_to_be_kept_beside_ours() {
    let machine = Machine::new();
    machine.write(HOOK, "#!/usr/bin/python3\ncustomDir = '/etc/libvirt/hooks/custom/'\n", 0o755);
    let said = refused(&machine);
    assert!(said.contains("each of them would run twice"), "{said}");
    assert!(!said.contains("qemu.d"), "{said}");

    let command = said.lines().map(str::trim).find(|line| line.starts_with("mv ")).unwrap();
    machine.shell(command);
    machine.make(&["install"]).success();
}

#[test]
fn another_program_is_left_alone() {
    let machine = Machine::new();
    machine.shell(&format!("mkdir -p {CUSTOM} && cp /bin/true {HOOK}"));
    refused(&machine);
}

#[test]
fn a_script_that_only_speaks_of_ours_is_left_alone() {
    let machine = Machine::new();
    let quoting = "#!/bin/sh\n# virt-hooks, called as libvirt's qemu hook, takes four arguments\n";
    machine.write(HOOK, quoting, 0o755);
    refused(&machine);
}

#[test]
fn a_symlink_is_left_alone_wherever_it_leads() {
    let machine = Machine::new();
    machine.shell(&format!("mkdir -p {CUSTOM} && cp /mnt/virt-hooks /usr/local/sbin/ours"));
    for target in ["/usr/local/sbin/ours", "/etc/hostname", "/nonexistent", "custom", "/dev/null"] {
        machine.shell(&format!("ln -sfnT {target} {HOOK}"));
        let said = refused(&machine);
        assert!(said.contains(&format!("It is a symlink to {target}")), "{said}");
    }
}

#[test]
fn a_folder_or_an_empty_file_is_left_alone() {
    let machine = Machine::new();
    machine.shell(&format!("mkdir -p {HOOK}"));
    let said = refused(&machine);
    assert!(said.contains("It is a folder"), "{said}");

    machine.shell(&format!("rmdir {HOOK} && touch {HOOK}"));
    let said = refused(&machine);
    assert!(said.contains("It is an empty file"), "{said}");
}

#[test]
fn its_first_line_can_t_play_tricks_on_the_terminal() {
    let machine = Machine::new();
    machine.write(HOOK, "#!/bin/sh\u{1b}[2J\u{7}\n", 0o755);
    let said = refused(&machine);
    assert!(!said.contains(['\u{1b}', '\u{7}']), "{said:?}");
}

#[test]
fn below_destdir_it_is_left_alone_too() {
    let machine = Machine::new();
    machine.write(&format!("/mnt/stage{HOOK}"), THEIRS, 0o755);
    let said = machine.make(&["install", "DESTDIR=/mnt/stage"]).failure();
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
