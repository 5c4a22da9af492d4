//! "The KVM Libvirt Hook script allows for"

use testbed::host;

use crate::OPERATIONS;

/// "the parameters that can be passed to the qemu script, based on what actions KVM and Libvirt are carrying out on each
/// VM: 'prepare', 'start', 'started', 'stopped', 'release', 'migrate', 'restore', 'reconnect' and 'attach'."
#[test]
fn every_action_of_libvirt_can_be_passed() {
    let host = host!();
    for operation in OPERATIONS {
        host.bash(format!("{operation}_x.sh"), "echo \"this is $2\"");
    }
    for operation in OPERATIONS {
        assert_eq!(host.event(operation).run().code, Some(0), "{operation}");
        let script = format!("{operation}_x.sh");
        host.log().assert_says("INFO", &script, &format!("stdout: this is {operation}"));
        assert_eq!(host.log().started().len(), OPERATIONS.iter().position(|o| *o == operation).map_or(0, |at| at + 1));
    }
}

/// "The inclusion and execution of custom scripts to perform additional networking configuration tasks."
#[test]
fn custom_scripts_are_included_and_executed() {
    let host = host!();
    host.bash("started_route.sh", "ip link show lo > /tmp/links && echo 'route added'");
    assert_eq!(host.event("started").run().code, Some(0));
    assert!(host.read("/tmp/links").contains("lo:"), "the task was done");
    host.log().assert_says("INFO", "started_route.sh", "stdout: route added");
}

/// "The included custom scripts can be bash scripts and/or python scripts."
#[test]
fn custom_scripts_can_be_bash_scripts_and_or_python_scripts() {
    let host = host!();
    host.script("start_a.sh", "#!/bin/bash\necho \"bash $BASH_VERSION\"\n");
    host.script("start_b.py", "#!/usr/bin/python\nimport sys\nprint('python', sys.version)\n");
    host.event("start").run();
    host.log().assert_says("INFO", "start_a.sh", "stdout: bash 5");
    host.log().assert_says("INFO", "start_b.py", "stdout: python 3");
}

/// "Each custom script's start-up and return commands are captured and logged."
#[test]
fn each_custom_scripts_start_up_and_return_commands_are_captured_and_logged() {
    let host = host!();
    host.bash("start_a.sh", "exit 0");
    host.bash("start_b.sh", "exit 3");
    host.bash("start_c.sh", "kill -KILL $$");
    host.event("start").run();
    let log = host.log();
    for script in ["start_a.sh", "start_b.sh", "start_c.sh"] {
        let said = log.of(script);
        assert_eq!(said.len(), 2, "{said:?}");
        assert!(said[0].starts_with("started as pid "), "{said:?}");
        assert!(said[0].ends_with(" with arguments vm start begin -"), "{said:?}");
    }
    log.assert_says("INFO", "start_a.sh", "exited with 0 after ");
    log.assert_says("ERROR", "start_b.sh", "exited with 3 after ");
    log.assert_says("ERROR", "start_c.sh", "killed by signal 9 (SIGKILL) after ");
    log.assert_only_records();
}

/// "There are no limits to the number of custom scripts that can be included or called."
#[test]
fn there_are_no_limits_to_the_number_of_custom_scripts() {
    let host = host!();
    let names: Vec<String> = (0..1500).map(|number| format!("all_{number:05}")).collect();
    for name in &names {
        host.script(name, "#!/bin/sh\n:\n");
    }
    assert_eq!(host.event("start").run().code, Some(0));
    assert_eq!(host.log().started(), names);
    // The end of each is seen when it comes, not when somebody looks again.
    let ends = host.log().records().into_iter().filter_map(|record| {
        record.message.strip_prefix("exited with 0 after ")?.strip_suffix(" ms")?.parse::<u32>().ok()
    });
    let (quick, late): (Vec<u32>, Vec<u32>) = ends.partition(|after| *after < 1000);
    assert_eq!(quick.len() + late.len(), names.len());
    assert!(late.len() <= 1, "{late:?} ms");
}
