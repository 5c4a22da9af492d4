//! "Usage"

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use testbed::{XML, host};

use crate::OPERATIONS;

/// "The input arguments are: Name of the object ..., Name of the operation ..., Sub-operation indication, or '-' ..., An
/// extra argument string, or '-' if there is none."
#[test]
fn the_four_input_arguments_are_taken_in_this_order() {
    let host = host!();
    host.bash("release_x.sh", r#"printf '<%s>' "$1" "$2" "$3" "$4" > /tmp/seen"#);
    assert_eq!(host.hook(["i-2-10-VM", "release", "end", "from snapshot"]).run().code, Some(0));
    assert_eq!(host.read("/tmp/seen"), "<i-2-10-VM><release><end><from snapshot>");
}

/// With fewer arguments nothing can be known; the caller is a person.
#[test]
fn fewer_than_four_arguments_are_refused_with_a_usage_line_and_nothing_runs() {
    let host = host!();
    host.bash("all_x.sh", "touch /tmp/ran");
    for count in 0..4 {
        let finished = host.hook(["vm", "start", "begin"].iter().take(count)).run();
        assert_eq!(finished.code, Some(2), "{count} arguments");
        assert!(finished.stderr.contains("takes four arguments: OBJECT OPERATION SUB-OPERATION EXTRA"));
        assert_eq!(finished.stderr.lines().count(), 1);
        assert_eq!(finished.stdout, "");
    }
    assert_eq!(host.log().text, "");
    assert!(!host.path("/tmp/ran").exists());
}

/// "If an invalid operation argument is received, the qemu script will log the fact, not execute any custom scripts and
/// exit."
#[test]
fn an_invalid_operation_argument_is_logged_and_no_custom_script_is_executed() {
    let host = host!();
    host.bash("all_x.sh", "touch /tmp/ran");
    let invalid: [&[u8]; 9] = [b"all", b"", b"Start", b"starts", b"start ", b"../start", b"a\nb", b"\xff", b"begin"];
    for operation in invalid {
        let arguments = [OsStr::new("vm"), OsStr::from_bytes(operation), OsStr::new("begin"), OsStr::new("-")];
        let finished = host.hook(arguments).run();
        assert_eq!((finished.code, finished.stdout.as_str()), (Some(0), ""), "{}", operation.escape_ascii());
    }
    let log = host.log();
    assert_eq!(log.text.matches("is not a valid libvirt qemu operation").count(), invalid.len());
    assert_eq!(log.text.lines().count(), invalid.len());
    log.assert_says("ERROR", "-", "starts is not a valid libvirt qemu operation; no script runs");
    assert!(!host.path("/tmp/ran").exists());
}

/// "All input arguments that are passed to the qemu script will also be passed to each custom script."
#[test]
fn all_input_arguments_are_also_passed_to_each_custom_script() {
    let host = host!();
    let record = r#"for a in "$0" "$@"; do printf '%s\0' "$a"; done > /tmp/"$(basename "$0")""#;
    host.bash("start_a", record);
    host.bash("all_b", record);
    let arguments: [&[u8]; 6] =
        [b"a 'quoted' \"vm\"\n\xff\xfe", b"start", b"", b"-", b"fifth", "sechstes ä".as_bytes()];
    assert_eq!(host.hook(arguments.map(OsStr::from_bytes)).run().code, Some(0));
    for script in ["start_a", "all_b"] {
        let mut expected = format!("/etc/libvirt/hooks/custom/{script}\0").into_bytes();
        for argument in arguments {
            expected.extend([argument, b"\0"].concat());
        }
        assert_eq!(std::fs::read(host.path("/tmp").join(script)).unwrap(), expected, "{script}");
    }
}

/// "For each of the above actions, the qemu script will find and run scripts by the name "<action>_<custom script name>"
/// in a custom include path /etc/libvirt/hooks/custom/."
#[test]
fn scripts_named_for_the_action_are_found_and_run() {
    for operation in OPERATIONS {
        let host = host!();
        for other in OPERATIONS {
            host.bash(format!("{other}_custom.sh"), ":");
        }
        // Only in that path, and not in folders below it, which are those of VMs with other names.
        host.bash(format!("../{operation}_beside.sh"), ":");
        host.folder("etc/libvirt/hooks/custom/other");
        host.bash(format!("other/{operation}_below.sh"), ":");
        host.event(operation).run();
        assert_eq!(host.log().started(), [format!("{operation}_custom.sh")], "{operation}");
    }
}

/// "Custom scripts that do not follow this naming convention will be ignored and not be executed."
#[test]
fn scripts_that_do_not_follow_the_naming_convention_are_ignored() {
    let host = host!();
    let foreign = [
        "start.sh",
        "start",
        "start_",
        "all_",
        "all",
        "START_a",
        "Start_a",
        "start-a",
        ".start_a",
        " start_a",
        "xstart_a",
        "started_a",
        "startx_a",
        "allx_a",
        "README",
        "start_a~",
        "start_a.bak",
        "start_a.dpkg-old",
        "start_a.rpmnew",
        "start_a.orig",
        "start_a.swp",
    ];
    for name in foreign {
        host.bash(name, "touch /tmp/ran");
    }
    assert_eq!(host.event("start").run().code, Some(0));
    assert_eq!(host.log().text, "", "not even a line");
    assert!(!host.path("/tmp/ran").exists());
}

/// "These custom scripts will run every time the qemu script is called with a valid Libvirt action."
#[test]
fn all_scripts_run_every_time_the_hook_is_called_with_a_valid_action() {
    let host = host!();
    host.bash("all_custom.sh", "echo $2 >> /tmp/seen");
    for operation in OPERATIONS {
        host.event(operation).run();
    }
    assert_eq!(host.read("/tmp/seen").lines().collect::<Vec<_>>(), OPERATIONS);
}

/// "if there are two custom script files in the directory: all_cde.sh, migrate_abc.py; they will be sorted and executed in
/// this order: migrate_abc.py, all_cde.sh."
#[test]
fn migrate_abc_py_runs_before_all_cde_sh() {
    let host = host!();
    host.bash("all_cde.sh", ":");
    host.script("migrate_abc.py", "#!/usr/bin/python\n");
    host.event("migrate").run();
    assert_eq!(host.log().started(), ["migrate_abc.py", "all_cde.sh"]);
}

/// "In the case of multiple custom scripts, they will be executed in sorted (alphabetical) order. The alphabetical ordering
/// will use the file name part after the prefix and underscore have been removed from the file name."
#[test]
fn multiple_scripts_run_in_the_order_of_the_name_part_after_the_prefix() {
    let host = host!();
    for name in ["start_zz", "all_a", "start_B", "all_10", "start_9", "all_b_c", "start_same", "all_same", "all_ä"] {
        host.bash(name, ":");
    }
    host.event("start").run();
    let expected = ["all_10", "start_9", "start_B", "all_a", "all_b_c", "all_same", "start_same", "start_zz", "all_ä"];
    assert_eq!(host.log().started(), expected);
}

/// "Custom scripts must be executable by the underlying host operating system. Non-executable scripts will be logged and
/// ignored."
#[test]
fn non_executable_scripts_are_logged_and_ignored() {
    let host = host!();
    host.file("/etc/libvirt/hooks/custom/start_a.sh", "#!/bin/bash\ntouch /tmp/ran\n", 0o644);
    host.bash("start_b.sh", ":");
    assert_eq!(host.event("start").run().code, Some(0));
    let said = host.log().of("start_a.sh");
    assert_eq!(said.len(), 1, "{said:?}");
    host.log().assert_says("WARN", "start_a.sh", "not executable");
    host.log().assert_says("WARN", "start_a.sh", "chmod +x /etc/libvirt/hooks/custom/start_a.sh");
    assert_eq!(host.log().started(), ["start_b.sh"]);
    assert!(!host.path("/tmp/ran").exists());
}

/// "During execution of a custom script, the standard out (stdout) and standard error (stderr) outputs of the custom script
/// will be logged (appended) to /var/log/libvirt/qemu-hook.log."
#[test]
fn stdout_and_stderr_are_appended_to_the_log_during_execution() {
    let host = host!();
    host.file("/var/log/libvirt/qemu-hook.log", "what was there\n", 0o640);
    host.bash(
        "start_a.sh",
        "echo to stdout; echo to stderr >&2; printf 'no newline'
         for i in {1..100}; do grep -q 'stdout: to stdout' /var/log/libvirt/qemu-hook.log && break; sleep 0.05; done
         [ $i -lt 100 ] && echo && echo 'seen while I ran'",
    );
    host.event("start").run();
    let log = host.log();
    assert!(log.text.starts_with("what was there\n"));
    log.assert_says("INFO", "start_a.sh", "stdout: to stdout");
    log.assert_says("INFO", "start_a.sh", "stderr: to stderr");
    log.assert_says("INFO", "start_a.sh", "stdout: no newline");
    log.assert_says("INFO", "start_a.sh", "stdout: seen while I ran");
}

/// "If the custom script needs to log anything, it can also use this file for logging purposes."
#[test]
fn a_custom_script_can_also_use_the_log_file_itself() {
    let host = host!();
    host.bash("start_a.sh", "echo my own line >> /var/log/libvirt/qemu-hook.log; echo printed");
    host.bash("start_b.sh", "printf 'a line without its end' >> \"$VIRT_HOOKS_LOG\"");
    host.bash("start_c.sh", ":");
    host.event("start").run();
    let log = host.log();
    assert!(log.text.lines().any(|line| line == "my own line"));
    assert!(log.text.lines().any(|line| line == "a line without its end"), "no record is glued to it");
    log.assert_says("INFO", "start_a.sh", "stdout: printed");
    for script in ["start_a.sh", "start_b.sh", "start_c.sh"] {
        log.assert_says("INFO", script, "exited with 0");
    }
}

/// The hook's own stdin is the VM's XML, and "All input" would be worth little if the first script ate it for the others.
#[test]
fn every_script_gets_the_whole_xml_on_stdin() {
    let host = host!();
    host.bash("all_a.sh", "cat > /tmp/a");
    host.script("all_b.py", "#!/usr/bin/python\nimport sys\nopen('/tmp/b', 'w').write(sys.stdin.read())\n");
    host.bash("all_c.sh", "head -c 5 > /tmp/c");
    host.bash("all_d.sh", "cat > /tmp/d");
    for operation in OPERATIONS {
        host.event(operation).run();
        for (file, expected) in [("/tmp/a", XML), ("/tmp/b", XML), ("/tmp/c", &XML[..5]), ("/tmp/d", XML)] {
            assert_eq!(host.read(file), expected, "{operation} {file}");
            std::fs::remove_file(host.path(file)).unwrap();
        }
    }
}
