//! The rehearsal: the installed program plays a VM's life with the example scripts, apart from everything real.

use crate::machine::{BINARY, CUSTOM, HOOK, LOG, Machine};

#[test]
fn it_takes_two_lines_and_names_the_way_to_see_all() {
    let machine = Machine::new();
    let said = machine.make(&["install"]).success();
    let (_, from_here) = said.split_once("rehearsal  ").unwrap();
    let lines: Vec<&str> = from_here.lines().take(2).collect();
    assert_eq!(
        lines,
        [
            "5 events of a domain that does not exist, 12 runs of the example scripts: no error",
            "           make install VERBOSE=1 prints their log"
        ]
    );
    assert!(!said.contains(" qemu-hook["), "{said}");
}

#[test]
fn verbose_it_prints_the_whole_lifecycle() {
    let machine = Machine::new();
    let said = machine.make(&["install", "VERBOSE=1"]).success();
    let (_, from_here) = said.split_once("--- rehearsal").unwrap();
    let (shown, _) = from_here.split_once("rehearsal  5 events").unwrap();

    let mut seen: Vec<&str> = shown.lines().filter_map(|line| line.split(' ').nth(5)).collect();
    seen.retain(|steps| steps.contains('/'));
    seen.dedup();
    assert_eq!(seen, ["prepare/begin", "start/begin", "started/begin", "stopped/end", "release/end"]);
    for line in [
        "start_show-interfaces.py: stdout: i-2-10-VM: tap vnet0 on bridge breth1-100, MAC address 02:00:4c:5a:00:0a",
        "started/begin all_forward-port.sh: stdout: would run: iptables",
        "stopped/end all_forward-port.sh: stdout: would run: iptables",
        "release_use-live-xml.sh: stdout: would clean up after vnet0 of i-2-10-VM",
        "release_use-live-xml.sh: stdout: would clean up after vnet1 of i-2-10-VM",
    ] {
        assert!(shown.contains(line), "{line}\n{shown}");
    }
}

#[test]
fn the_operator_s_scripts_log_and_state_have_no_part_in_it() {
    let machine = Machine::new();
    machine.write(&format!("{CUSTOM}/all_mine.sh"), "#!/bin/bash\ntouch /run/it-ran\n", 0o755);
    machine.write(LOG, "mine\n", 0o640);
    machine.make(&["install"]).success();
    assert!(!machine.exists("/run/it-ran"));
    assert!(!machine.exists("/run/virt-hooks"));
    assert_eq!(machine.read(LOG), "mine\n");
    assert_eq!(machine.shell("ls -A /tmp/target"), "", "the throwaway folder is still there");
}

#[test]
fn where_it_fails_the_installation_fails_and_the_hook_is_not_put_in_place() {
    let machine = Machine::new();
    machine.write("/mnt/checkout/examples/started_broken.sh", "#!/bin/bash\necho on fire >&2\nexit 3\n", 0o755);

    let said = machine.make(&["install"]).failure();

    for words in
        ["stderr: on fire", "exited with 3", "the rehearsal failed at started", "the hook was not put in place"]
    {
        assert!(said.contains(words), "{words}\n{said}");
    }
    assert!(!machine.exists(HOOK));
    assert!(machine.exists(BINARY));
    assert_eq!(machine.shell("ls -A /tmp/target"), "", "the throwaway folder is still there");

    machine.shell("rm examples/started_broken.sh");
    machine.make(&["install"]).success();
    assert!(machine.exists(HOOK));
}

#[test]
fn settings_that_can_t_be_read_as_they_are_shipped_fail_it() {
    let machine = Machine::new();
    machine.write("/mnt/checkout/packaging/virt-hooks.toml", "timeoutSecond = 20 * 60\n", 0o644);
    let said = machine.make(&["install"]).failure();
    assert!(said.contains("the rehearsal failed"), "{said}");
}

#[test]
fn every_setting_that_is_shipped_as_a_comment_is_one() {
    let machine = Machine::new();
    let shipped = machine.read("/mnt/checkout/packaging/virt-hooks.toml");
    let settings: Vec<&str> = shipped.lines().filter_map(|line| line.strip_prefix('#')).collect();
    // A sentence begins with a blank, a setting does not.
    let settings: Vec<&str> = settings.into_iter().filter(|line| !line.starts_with(' ') && !line.is_empty()).collect();
    for key in
        ["timeoutSeconds", "graceSeconds", "eventTimeoutSeconds", "trust", "[[script]]", "name", "domains", "onFailure"]
    {
        assert!(settings.iter().any(|line| line.starts_with(key)), "{key} is not in it");
    }
    machine.write("/mnt/checkout/packaging/virt-hooks.toml", &(settings.join("\n") + "\n"), 0o644);
    machine.make(&["install"]).success();
}

#[test]
fn without_python_the_python_example_is_left_out() {
    let machine = Machine::new();
    machine.shell("rm -f /usr/bin/python3");
    let said = machine.make(&["install"]).success();
    assert!(said.contains("rehearsal  without the Python examples, since /usr/bin/python3 does not exist\n"), "{said}");
    assert!(!said.contains("show-interfaces.py: "), "{said}");
}

#[test]
fn a_checkout_that_a_group_may_write_to_does_no_harm() {
    let machine = Machine::new();
    machine.shell("chmod -R g+w /mnt/checkout");
    machine.shell("umask 002; make install BINARY=/mnt/virt-hooks CARGO_TARGET_DIR=/tmp/target");
}
