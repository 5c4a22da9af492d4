//! `wait = false`: libvirt goes on, and the script is supervised all the same.

use std::time::Duration;

use testbed::{Host, XML, eventually, host};

use crate::{eventually_logged, unharmed, unharmed_within};

/// A host on which `start_x` runs in the background.
fn with_detached(commands: &str, more: &str) -> Host {
    let host = host!();
    host.bash("start_x", commands);
    host.settings(&format!("graceSeconds = 1\n{more}\n[[script]]\nname = \"start_x\"\nwait = false\n"));
    host.bash("start_z", ":");
    host
}

/// The scripts wait for a minute at most for what the test makes once the hook has returned: [`go`].
const SOON: Duration = Duration::from_secs(15);

/// What a script begins with that is to run longer than the hook.
const UNTIL_GO: &str = "for i in {1..600}; do [ -e /tmp/go ] && break; sleep 0.1; done; ";

/// Lets such scripts go on.
fn go(host: &Host) {
    host.file("/tmp/go", "", 0o644);
}

#[test]
fn libvirt_is_not_kept_waiting_and_the_script_is_supervised_and_logged_all_the_same() {
    let host = with_detached(&format!("{UNTIL_GO} echo \"$@\"; cat > /tmp/xml; echo oops >&2; exit 7"), "");
    unharmed_within(SOON, host.event("start"));
    let log = host.log();
    log.assert_says("INFO", "start_x", "goes to the background");
    log.assert_says("INFO", "start_z", "exited with 0");
    assert!(!log.text.contains("exited with 7"));
    go(&host);
    eventually_logged(&host, "exited with 7 after ");
    let log = host.log();
    log.assert_says("INFO", "start_x", "stdout: vm start begin -");
    log.assert_says("INFO", "start_x", "stderr: oops");
    log.assert_says("ERROR", "start_x", "exited with 7");
    log.assert_only_records();
    assert_eq!(host.read("/tmp/xml"), XML, "its own copy of the XML");
    // All of it is the event's, by the hook's process id.
    let ids = log.text.lines().filter_map(|line| line.split_once("qemu-hook[")?.1.split_once(']'));
    let ids: std::collections::BTreeSet<&str> = ids.map(|(id, _)| id).collect();
    assert_eq!(ids.len(), 1, "{}", log.text);
}

#[test]
fn it_has_a_copy_of_the_live_xml_that_outlives_the_vm() {
    let host = with_detached(
        "for i in {1..600}; do [ -e /tmp/go ] && break; sleep 0.1; done; cat \"$VIRT_HOOKS_LIVE_XML\" > /tmp/live; cat \"$VIRT_HOOKS_LIVE_XML\" >> /tmp/live",
        "",
    );
    unharmed_within(SOON, host.event("start"));
    unharmed_within(SOON, host.event("release"));
    assert!(!host.path("run/virt-hooks/qemu/live/vm.xml").exists());
    go(&host);
    eventually_logged(&host, "start_x: exited with 0");
    assert_eq!(host.read("/tmp/live"), format!("{XML}{XML}"));
}

#[test]
fn without_a_live_xml_it_is_told_of_none() {
    let host = host!();
    host.bash("stopped_x", "echo \"live: ${VIRT_HOOKS_LIVE_XML-none}\"");
    host.settings("[[script]]\nname = \"*\"\nwait = false\n");
    unharmed_within(SOON, host.event("stopped"));
    eventually_logged(&host, "stdout: live: none");
}

#[test]
fn its_deadline_ends_it_with_all_that_it_started() {
    let host = with_detached("trap '' TERM; sleep 600 & echo $! > /tmp/left; sleep 600", "timeoutSeconds = 1");
    unharmed_within(SOON, host.event("start"));
    eventually_logged(&host, "start_x: timed out after 1 s");
    let left = host.read("/tmp/left");
    assert!(!std::path::Path::new(&format!("/proc/{}", left.trim())).exists());
}

#[test]
fn its_supervisor_holds_none_of_libvirts_pipes_and_has_a_session_of_its_own() {
    let host = with_detached(&format!("{UNTIL_GO} ps -o sid= -p $PPID; echo $PPID; ls -l /proc/$PPID/fd/2"), "");
    // `run` reads to the end of the hook's stdout and stderr, as libvirt does.
    unharmed_within(SOON, host.event("start"));
    go(&host);
    eventually_logged(&host, "start_x: exited with 0");
    let said = host.log().of("start_x");
    let lines: Vec<&str> = said.iter().filter_map(|line| line.strip_prefix("stdout: ")).map(str::trim).collect();
    assert_eq!(lines[0], lines[1], "it leads its session");
    assert!(lines[2].ends_with("/dev/null"), "{lines:?}");
}

#[test]
fn a_later_script_that_times_out_leaves_it_alone() {
    let host = with_detached(&format!("{UNTIL_GO} echo survived"), "");
    host.bash("start_y", "sleep 60");
    host.settings("graceSeconds = 1\n[[script]]\nname = \"start_x\"\nwait = false\n[[script]]\nname = \"start_y\"\ntimeoutSeconds = 1\n");
    unharmed(host.event("start"));
    host.log().assert_says("ERROR", "start_y", "timed out after 1 s");
    go(&host);
    eventually_logged(&host, "start_x: stdout: survived");
}

#[test]
fn its_failures_to_start_are_logged_as_any_others() {
    let host = with_detached(":", "");
    host.script("start_x", "#!/no/such/interpreter\n");
    unharmed_within(SOON, host.event("start"));
    eventually_logged(&host, "start_x: not started: its interpreter /no/such/interpreter does not exist");

    let host = with_detached(":", "");
    std::fs::set_permissions(
        host.path("etc/libvirt/hooks/custom/start_x"),
        std::os::unix::fs::PermissionsExt::from_mode(0o777),
    )
    .unwrap();
    unharmed_within(SOON, host.event("start"));
    host.log().assert_says("WARN", "start_x", "not started: it can't be trusted");
}

#[test]
fn the_bound_of_the_event_is_not_its() {
    let host = with_detached(&format!("{UNTIL_GO} echo whole"), "eventTimeoutSeconds = 1");
    unharmed_within(SOON, host.event("start"));
    std::thread::sleep(Duration::from_millis(1500));
    go(&host);
    eventually_logged(&host, "stdout: whole");
}

#[test]
fn exclusive_holds_in_the_background_too() {
    let host =
        with_detached("mkdir /tmp/alone || touch /tmp/twice; sleep 0.3; rmdir /tmp/alone; echo >> /tmp/runs", "");
    host.settings("[[script]]\nname = \"start_x\"\nwait = false\nexclusive = true\n");
    for _ in 0..4 {
        unharmed_within(SOON, host.event("start"));
    }
    eventually("all four have run", || host.read("/tmp/runs").lines().count() >= 4);
    assert!(!host.path("/tmp/twice").exists());
}

#[test]
fn a_veto_or_a_filter_by_another_table_is_waited_for_and_said_to_be() {
    let host = host!();
    host.bash("start_gate", "sleep 1; exit 3");
    host.settings("[[script]]\nname = \"*\"\nwait = false\n[[script]]\nname = \"start_gate\"\nonFailure = \"abort\"\n");
    let finished = host.event("start").run();
    assert_eq!(finished.code, Some(1));
    host.log().assert_says("WARN", "start_gate", "wait = false does not count");
}

#[test]
fn its_supervisor_that_is_told_to_end_ends_it_in_order() {
    let host = with_detached("trap 'echo bye; exit 0' TERM; echo $PPID > /tmp/supervisor; sleep 60 & wait", "");
    unharmed_within(SOON, host.event("start"));
    eventually("the supervisor is known", || !host.read("/tmp/supervisor").is_empty());
    let pid = rustix::process::Pid::from_raw(host.read("/tmp/supervisor").trim().parse().unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    eventually_logged(&host, "since the hook received signal 15 (SIGTERM)");
    eventually_logged(&host, "stdout: bye");
}

#[test]
fn what_it_leaves_behind_survives_a_later_scripts_timeout_and_is_logged_as_the_events() {
    let host = with_detached(
        "(for i in 1 2 3 4 5 6; do sleep 0.7; echo tick; done; touch /tmp/lived) & echo $! > /tmp/left",
        "",
    );
    host.bash("start_y", "sleep 60");
    host.settings("graceSeconds = 1\n[[script]]\nname = \"start_x\"\nwait = false\n[[script]]\nname = \"start_y\"\ntimeoutSeconds = 2\n");
    unharmed(host.event("start"));
    eventually("it lives on", || host.path("/tmp/lived").exists());
    eventually_logged(&host, "stdout: tick");
    let log = host.log();
    assert!(!log.text.contains("SIGKILL to what still ran"), "{}", log.text);
    let ids = log.text.lines().filter_map(|line| line.split_once("qemu-hook[")?.1.split_once(']'));
    let ids: std::collections::BTreeSet<&str> = ids.map(|(id, _)| id).collect();
    assert_eq!(ids.len(), 1, "{}", log.text);
}

#[test]
fn its_records_come_after_the_one_that_says_where_it_runs() {
    let host = with_detached("cat > /dev/null", "");
    for _ in 0..20 {
        unharmed(host.event("start"));
    }
    eventually("all have ended", || {
        host.log().of("start_x").iter().filter(|line| line.starts_with("exited")).count() >= 20
    });
    let mut told = std::collections::BTreeSet::new();
    for line in host.log().text.lines().filter(|line| line.contains(" start_x: ")) {
        let id = line.split_once("qemu-hook[").unwrap().1.split_once(']').unwrap().0.to_owned();
        if line.contains("goes to the background") {
            told.insert(id);
        } else {
            assert!(told.contains(&id), "{line}");
        }
    }
}

#[test]
fn it_follows_the_log_when_it_is_rotated() {
    let host = with_detached(&format!("echo one; {UNTIL_GO} echo two"), "");
    unharmed_within(SOON, host.event("start"));
    eventually_logged(&host, "stdout: one");
    let log = host.path(testbed::LOG);
    std::fs::rename(&log, log.with_extension("log.1")).unwrap();
    go(&host);
    eventually_logged(&host, "stdout: two");
    eventually_logged(&host, "start_x: exited with 0");
}

#[test]
fn without_proc_libvirt_waits_for_it_after_all() {
    let host = with_detached("echo ran", "");
    unharmed(host.event("start").after("umount -l \"$root/proc\""));
    let log = host.log();
    log.assert_says(
        "WARN",
        "start_x",
        "libvirt waits for it after all: no supervisor can be started in the background",
    );
    log.assert_says("INFO", "start_x", "stdout: ran");
    log.assert_says("INFO", "start_x", "exited with 0");
}

#[test]
fn where_child_signals_are_ignored_it_runs_once() {
    let host = with_detached("echo >> /tmp/runs", "");
    let ignoring =
        "import os, signal, sys; signal.signal(signal.SIGCHLD, signal.SIG_IGN); os.execv(sys.argv[1], sys.argv[1:])";
    unharmed(host.event("start").through("/usr/bin/python3", &["-c", ignoring]));
    eventually_logged(&host, "start_x: exited with 0");
    assert_eq!(host.log().started().iter().filter(|script| *script == "start_x").count(), 1, "{}", host.log().text);
    assert_eq!(host.read("/tmp/runs"), "\n");
}

#[test]
fn one_that_is_switched_off_meanwhile_is_told_of() {
    let host = with_detached(":", "");
    std::fs::remove_file(host.path("etc/libvirt/hooks/custom/start_x")).unwrap();
    std::os::unix::fs::symlink("/dev/null", host.path("etc/libvirt/hooks/custom/start_x")).unwrap();
    let arguments = [
        "supervise",
        "qemu",
        "/",
        "4711",
        "",
        "/etc/libvirt/hooks/custom/start_x",
        "start_x",
        "vm",
        "start",
        "begin",
        "-",
    ];
    host.command(arguments).through("/bin/bash", &["-c", "exec -a virt-hooks-detached \"$0\" \"$@\""]).run();
    host.log().assert_says("WARN", "start_x", "it did not run: since the event it has been switched off");
    assert!(host.log().text.contains("qemu-hook[4711]"));
}
