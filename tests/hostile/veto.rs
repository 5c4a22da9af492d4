//! The veto: only where the settings ask for it, and where nothing runs yet.

use testbed::{Host, host};

const REFUSABLE: [&str; 4] = ["prepare", "start", "migrate", "restore"];
const OTHERS: [&str; 5] = ["started", "stopped", "release", "reconnect", "attach"];

fn with_gate(commands: &str) -> Host {
    let host = host!();
    host.settings("timeoutSeconds = 1\n[[script]]\nname = \"*_gate\"\nonFailure = \"abort\"\n");
    host.bash("all_gate", commands);
    host.bash("all_z", "touch /tmp/ran");
    host
}

#[test]
fn a_failed_gate_refuses_the_operation_and_says_why_in_one_line() {
    for operation in REFUSABLE {
        let host = with_gate("echo first >&2; echo 'no licence left' >&2; echo; echo >&2; exit 3");
        let finished = host.event(operation).run();
        assert_eq!(finished.code, Some(1), "{operation}");
        let expected = format!("virt-hooks: the script all_gate refused {operation}: exited with 3 after ");
        assert!(finished.stderr.starts_with(&expected), "{}", finished.stderr);
        assert!(finished.stderr.ends_with(" ms: no licence left\n"), "{}", finished.stderr);
        assert_eq!(finished.stderr.lines().count(), 1);
        assert_eq!(finished.stdout, "");
        assert!(!host.path("/tmp/ran").exists(), "the rest is skipped");
        host.log().assert_says("WARN", "all_z", "skipped: all_gate refused the operation");
        host.log().assert_says("ERROR", "all_gate", &format!("{operation} is refused, since onFailure = \"abort\""));
    }
}

#[test]
fn where_something_runs_already_a_failed_gate_refuses_nothing() {
    for operation in OTHERS {
        let host = with_gate("exit 3");
        let finished = host.event(operation).run();
        assert_eq!((finished.code, finished.stderr.as_str()), (Some(0), ""), "{operation}");
        host.log().assert_says("WARN", "all_gate", &format!("onFailure = \"abort\" does not count on {operation}"));
        assert!(host.path("/tmp/ran").exists());
    }
}

#[test]
fn a_gate_that_can_not_be_asked_does_not_open() {
    type Gate = (&'static str, fn(&Host));
    let gates: [Gate; 4] = [
        ("timed out after 1 s", |host| _ = host.bash("all_gate", "sleep 60")),
        ("killed by signal 9 (SIGKILL)", |host| _ = host.bash("all_gate", "kill -9 $$")),
        ("its interpreter /no/such does not exist", |host| _ = host.script("all_gate", "#!/no/such\n")),
        ("it can't be trusted", |host| {
            let gate = host.bash("all_gate", ":");
            std::fs::set_permissions(gate, std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
        }),
    ];
    for (cause, make) in gates {
        let host = with_gate(":");
        make(&host);
        let finished = host.event("start").run();
        assert_eq!(finished.code, Some(1), "{cause}");
        assert!(finished.stderr.contains(cause), "{}", finished.stderr);
    }
}

#[test]
fn a_gate_that_no_time_is_left_for_does_not_open() {
    let host = with_gate(":");
    host.settings(
        "eventTimeoutSeconds = 1\ngraceSeconds = 0\n[[script]]\nname = \"all_gate\"\nonFailure = \"abort\"\n",
    );
    host.bash("all_a", "sleep 30");
    let finished = host.event("start").run();
    assert_eq!(finished.code, Some(1));
    assert!(finished.stderr.contains("that eventTimeoutSeconds gives the event are used up"), "{}", finished.stderr);
}

#[test]
fn a_gate_that_is_not_executable_is_no_failure() {
    let host = with_gate(":");
    host.file("/etc/libvirt/hooks/custom/all_gate", "#!/bin/bash\nexit 1\n", 0o644);
    assert_eq!(host.event("start").run().code, Some(0));
    assert!(host.path("/tmp/ran").exists());
}

#[test]
fn a_failed_script_without_the_setting_refuses_nothing() {
    for operation in REFUSABLE {
        let host = host!();
        host.bash("all_a", "exit 1");
        host.bash("all_z", "touch /tmp/ran");
        assert_eq!(host.event(operation).run().code, Some(0));
        assert!(host.path("/tmp/ran").exists());
    }
}

#[test]
fn a_gate_for_other_vms_is_not_asked() {
    let host = with_gate("exit 3");
    host.settings("[[script]]\nname = \"all_gate\"\ndomains = [\"db-*\"]\nonFailure = \"abort\"\n");
    assert_eq!(host.event("start").run().code, Some(0));
    assert_eq!(host.hook(["db-1", "start", "begin", "-"]).run().code, Some(1));
}

#[test]
fn all_that_a_gate_printed_before_it_ended_is_read_for_its_last_words() {
    let host = with_gate("");
    host.script(
        "all_gate",
        "#!/usr/bin/python\nimport fcntl, os\nfcntl.fcntl(2, 1031, 1 << 20)\nos.write(2, b'\\n' * 1000000 + b'no licence for this VM\\n')\nos._exit(3)\n",
    );
    let finished = host.event("start").run();
    assert!(finished.stderr.ends_with(": no licence for this VM\n"), "{}", finished.stderr);
    assert!(!host.log().text.contains("left something running"));
}
