//! On a host: with and without libvirt, the first time and again, as root and with sudo.

use testbed::eventually;

use crate::files::INSTALLED;
use crate::machine::{BINARY, CUSTOM, HOOK, LOG, Machine, SETTINGS};

/// A custom script that tells which events it saw.
const WITNESS: &str = "#!/bin/bash\necho \"$1 $2\" >> /run/witness\n";

#[test]
fn without_libvirt_everything_is_put_in_place_for_the_day_it_comes() {
    let machine = Machine::new();
    let before = machine.changes();

    let said = machine.make(&["install"]).success();

    assert_eq!(machine.changes().changed_since(&before).listed(), INSTALLED);
    assert!(machine.changes().changed_since(&before).all_belong_to(0));
    assert_eq!(machine.mode(CUSTOM), 0o755);
    assert_eq!(machine.bytes(HOOK), machine.bytes(BINARY));
    assert!(said.contains("neither libvirtd nor virtqemud runs here: the hook is found when one starts"), "{said}");
    for place in [CUSTOM, LOG, SETTINGS] {
        assert!(said.contains(place), "{place} is not named:\n{said}");
    }
    // The machine's hook is the hook.
    machine.run([HOOK, "vm", "start"]).failure();
    machine.run([HOOK, "vm", "start", "begin", "-"]).success();
}

#[test]
fn a_running_libvirtd_is_reloaded_and_calls_the_hook_at_the_next_start_of_a_vm() {
    let machine = Machine::new();
    machine.start_libvirtd();
    machine.write(&format!("{CUSTOM}/all_witness.sh"), WITNESS, 0o755);
    machine.start_and_destroy_a_vm();
    assert!(!machine.exists("/run/witness"), "there is no hook yet");

    let said = machine.make(&["install"]).success();
    assert!(said.contains("reloaded   libvirtd (SIGHUP to process "), "{said}");

    // libvirt reloads in the background, and nothing but a call of the hook tells that it has.
    eventually("libvirt calls the hook", || {
        machine.start_and_destroy_a_vm();
        machine.exists("/run/witness")
    });
    machine.shell("rm /run/witness");
    machine.start_and_destroy_a_vm();
    let expected = "empty prepare\nempty start\nempty started\nempty stopped\nempty release\n";
    assert_eq!(machine.read("/run/witness"), expected);
    assert!(machine.read(LOG).contains("all_witness.sh: exited with 0"));

    machine.make(&["uninstall"]).success();
    machine.shell("rm /run/witness");
    machine.start_and_destroy_a_vm();
    assert!(!machine.exists("/run/witness"), "the hook has been taken away");
}

#[test]
fn a_vm_that_runs_already_has_its_live_xml_when_it_ends() {
    let machine = Machine::new();
    machine.start_libvirtd();
    machine.start_a_vm();
    let script = "#!/bin/bash\ngrep -o '<name>.*</name>' \"$VIRT_HOOKS_LIVE_XML\" > /run/live-name\n";
    machine.write(&format!("{CUSTOM}/release_live.sh"), script, 0o755);

    let said = machine.make(&["install"]).success();
    assert!(said.contains("seeded     the live XML of 1 VM that runs already"), "{said}");
    assert_eq!(machine.mode("/run/virt-hooks/qemu/live/empty.xml"), 0o600);

    // libvirt reloads in the background: other VMs tell when it has.
    let other = machine.read("/run/empty.xml").replace("<name>empty</name>", "<name>other</name>");
    machine.write("/run/other.xml", &other, 0o644);
    eventually("libvirt calls the hook", || {
        machine.shell("virsh create /run/other.xml && virsh destroy other");
        machine.read(LOG).contains(" other ") || machine.exists("/run/live-name")
    });
    machine.shell("rm -f /run/live-name; virsh destroy empty");
    assert_eq!(machine.read("/run/live-name"), "<name>empty</name>\n");
    assert!(!machine.exists("/run/virt-hooks/qemu/live/empty.xml"));
}

#[test]
fn a_second_installation_keeps_what_the_operator_has_changed_and_renews_the_rest() {
    let machine = Machine::new();
    machine.make(&["install"]).success();
    let script = format!("{CUSTOM}/start_mine.sh");
    machine.write(&script, WITNESS, 0o750);
    machine.write(SETTINGS, "timeoutSeconds = 5\n", 0o600);
    machine.write(LOG, "what was logged\n", 0o640);
    machine.shell(&format!("chmod 0700 {CUSTOM}; chgrp 65534 {CUSTOM}"));
    let before = machine.changes();
    // An older version of ours.
    machine.shell(&format!("for file in {HOOK} {BINARY}; do echo older >> $file; done"));
    let example = "/usr/share/doc/virt-hooks/examples/all_log-event.sh";
    machine.write(example, "older", 0o644);

    let said = machine.make(&["install"]).success();

    assert_eq!(machine.changes(), before);
    assert_eq!(machine.mode(CUSTOM), 0o700);
    assert_eq!(machine.read(&script), WITNESS);
    assert!(said.contains(&format!("kept       {SETTINGS}")), "{said}");
}

#[test]
fn the_hook_is_replaced_in_one_step_even_while_it_runs() {
    let machine = Machine::new();
    machine.make(&["install"]).success();
    machine.write(
        &format!("{CUSTOM}/start_slow.sh"),
        "#!/bin/bash\nwhile [ -e /run/wait ]; do sleep 0.1; done\n",
        0o755,
    );
    machine.write("/run/wait", "", 0o644);
    let pid = machine.shell(&format!("{HOOK} vm start begin - < /dev/null > /dev/null 2>&1 & echo $!"));
    machine.make(&["install"]).success();
    machine.shell(&format!("kill -0 {} && rm /run/wait", pid.trim()));
    let left = machine.shell("ls -A /etc/libvirt/hooks /usr/sbin | grep virt-hooks-new || true");
    assert_eq!(left, "");
}

#[test]
fn a_user_installs_with_sudo_only_where_it_must_be() {
    let machine = Machine::new();
    machine.write("/etc/sudoers.d/nobody", "Defaults:nobody !requiretty\nnobody ALL=(ALL) NOPASSWD: ALL\n", 0o440);
    let before = machine.changes();

    machine.make_as_nobody(&["install"]).success();

    let installed = machine.changes().changed_since(&before);
    let installed: Vec<_> = installed.listed().into_iter().filter(|(_, path)| !is_sudos_own(path)).collect();
    assert_eq!(installed, INSTALLED);
    for (_, path) in INSTALLED {
        assert_eq!(machine.shell(&format!("stat -c %U {path}")), "root\n", "{path}");
    }
    // What is left of the build and the rehearsal is the user's.
    assert_eq!(machine.shell("stat -c %U /tmp/target; find /mnt/checkout -user root"), "nobody\n");

    machine.make_as_nobody(&["uninstall"]).success();
    assert!(!machine.exists(HOOK) && !machine.exists(BINARY));
}

#[test]
fn without_sudo_a_user_is_told_that_it_needs_root() {
    let machine = Machine::new();
    machine.shell("rm -f /usr/bin/sudo");
    let before = machine.changes();
    let said = machine.make_as_nobody(&["install"]).failure();
    assert!(said.contains("this needs root, and there is no sudo here: run it as root"), "{said}");
    assert_eq!(machine.changes(), before);
}

#[test]
fn what_is_not_this_program_is_not_installed() {
    let machine = Machine::new();
    let before = machine.changes();
    for other in ["/bin/true", "/mnt/checkout/Makefile", "/nonexistent"] {
        let said = machine.run(["make", "install", &format!("BINARY={other}")]).failure();
        assert!(said.contains(&format!("{other} is not virt-hooks; nothing was changed")), "{said}");
    }
    assert_eq!(machine.changes(), before);
}

/// sudo notes whom it has lectured, and for whom it has asked for a password.
fn is_sudos_own(path: &str) -> bool {
    path.starts_with("/run/sudo/") || path.starts_with("/var/lib/sudo/") || path.starts_with("/var/log/")
}
