//! `virt-hooks status` and `virt-hooks stop`: what runs now, and its end.

use testbed::{Host, Running, eventually, host};

use crate::assert_looks_like;

/// Starts an event whose script `label` hangs, and returns it with the script's process id.
fn hanging(host: &Host, operation: &'static str, label: &str) -> (Running, u32) {
    let event = host.event(operation).spawn();
    let words = format!("{label}: started as pid ");
    eventually("the script runs", || host.log().text.contains(&words));
    let log = host.log().text;
    let pid = log.split(&words).nth(1).and_then(|rest| rest.split(' ').next()).expect("a process id");
    (event, pid.parse().expect("a process id"))
}

fn json(host: &Host) -> (Option<i32>, serde_json::Value) {
    let finished = host.command(["status", "--json"]).run();
    (finished.code, serde_json::from_str(&finished.stdout).expect("JSON"))
}

#[test]
fn where_nothing_runs_and_nothing_is_wrong() {
    let host = host!();
    host.bash("start_a", ":");
    let finished = host.command(["status"]).run();
    assert_eq!((finished.code, finished.stderr.as_str()), (Some(0), ""), "{}", finished.stdout);
    assert_looks_like("status.txt", &finished.stdout);
}

#[test]
fn what_runs_now_is_shown_and_ended_as_at_its_deadline() {
    let host = host!();
    // It has become another program, which says nothing of the script.
    host.bash("start_1-hang", "trap '' TERM; sleep 300 & echo $! > /tmp/left; exec sleep 300");
    host.bash("start_2-next", "touch /tmp/next");
    host.settings("graceSeconds = 1\ntimeoutSeconds = 200\n");
    let (event, pid) = hanging(&host, "start", "start_1-hang");
    let (code, status) = json(&host);
    let run = &status["running"][0];
    assert_eq!((code, status["running"].as_array().map(Vec::len)), (Some(0), Some(1)), "{status:#}");
    assert_eq!((&run["run"], &run["script"]), (&pid.into(), &"start_1-hang".into()), "{status:#}");
    assert_eq!((&run["domain"], &run["operation"]), (&"vm".into(), &"start".into()), "{status:#}");
    let time = |field: &str| run[field].as_str().and_then(|time| time.parse::<jiff::Timestamp>().ok()).expect("a time");
    assert_eq!(time("deadline").as_second() - time("since").as_second(), 200, "{status:#}");
    let age = jiff::Timestamp::now().as_second() - time("since").as_second();
    assert!((-2..60).contains(&age), "{status:#}");
    let shown = host.command(["status"]).run().stdout;
    assert!(shown.contains(&pid.to_string()) && shown.contains("start_1-hang"), "{shown}");

    let stopped = host.command(["stop", &pid.to_string()]).run();
    assert_eq!((stopped.code, stopped.stderr.as_str()), (Some(0), ""), "{}", stopped.stdout);
    let output = event.output();
    assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(0), &b""[..]));
    assert!(host.path("/tmp/next").exists(), "the rest of the event goes on");
    let log = host.log();
    log.assert_only_records();
    log.assert_says("WARN", "start_1-hang", "virt-hooks stop; still running: ");
    log.assert_says("WARN", "start_1-hang", "sent SIGKILL to its remaining processes");
    log.assert_says("WARN", "start_1-hang", "ended by virt-hooks stop after ");
    log.assert_says("INFO", "start_2-next", "exited with 0");
    let (code, status) = json(&host);
    assert_eq!((code, &status["failed"]["runs"]), (Some(1), &1.into()), "{status:#}");
    assert_eq!(status["running"], serde_json::json!([]), "{status:#}");
}

#[test]
fn a_script_that_libvirt_does_not_wait_for_is_shown_and_ended_too() {
    let host = host!();
    host.bash("start_later", "exec sleep 300");
    host.settings("[[script]]\nname = \"start_later\"\nwait = false\n");
    let (event, pid) = hanging(&host, "start", "start_later");
    assert_eq!(event.output().status.code(), Some(0));
    let (_code, status) = json(&host);
    assert_eq!(
        (&status["running"][0]["run"], &status["running"][0]["waits"]),
        (&pid.into(), &false.into()),
        "{status:#}"
    );
    assert_eq!(host.command(["stop", &pid.to_string()]).run().code, Some(0));
    eventually("it has ended", || host.log().text.contains("start_later: ended by virt-hooks stop"));
}

#[test]
fn what_is_no_run_is_not_ended() {
    let host = host!();
    let bystander = host.shell("exec sleep 300").spawn();
    host.file("/tmp/left", format!("{}\n", bystander.pid()), 0o644);
    host.bash("start_1-leaves", "setsid sleep 300 & echo $! >> /tmp/left");
    host.bash("start_2-hang", "exec sleep 300");
    let (event, pid) = hanging(&host, "start", "start_2-hang");
    let hook = event.pid();
    let left = host.read("/tmp/left");
    let left = left.lines().nth(1).expect("what the first script left").trim();
    for no_run in [bystander.pid().to_string(), hook.to_string(), left.to_owned(), "1".to_owned(), "0".to_owned()] {
        let refused = host.command(["stop", &no_run]).run();
        assert_eq!((refused.code, refused.stdout.as_str()), (Some(1), ""), "{no_run}");
        assert!(refused.stderr.contains("is not a run of a script; fix: virt-hooks status"), "{}", refused.stderr);
    }
    // The signal alone ends nothing: a script may send it.
    assert_eq!(host.shell(&format!("kill -USR2 {hook}; sleep 0.3; kill -0 {pid}")).run().code, Some(0));
    assert_eq!(host.command(["stop", &pid.to_string()]).run().code, Some(0));
    assert_eq!(event.output().status.code(), Some(0));
    assert!(std::path::Path::new(&format!("/proc/{left}")).exists(), "what was left behind on purpose lives");
}

#[test]
fn a_failure_of_the_last_day_a_pause_and_a_missing_hook_are_wrong() {
    let host = host!();
    host.bash("start_a", "exit 3");
    assert_eq!(host.event("start").run().code, Some(0));
    let finished = host.command(["status"]).run();
    assert_eq!(finished.code, Some(1));
    assert_looks_like("status-failed.txt", &finished.stdout);
    let other = host!();
    other.command(["pause"]).run();
    assert_eq!(other.command(["status"]).run().code, Some(1));
    assert_looks_like("status-paused.txt", &other.command(["status"]).run().stdout);
    let other = host!();
    std::fs::remove_file(other.path("/etc/libvirt/hooks/qemu")).expect("a host without a hook");
    let finished = other.command(["status"]).run();
    assert_eq!(finished.code, Some(1));
    assert!(finished.stdout.contains("the hook is not there") && finished.stdout.contains("fix: virt-hooks install"));
}

#[test]
fn a_run_by_hand_that_failed_is_no_failure_of_the_host() {
    let host = host!();
    host.bash("start_a", "exit 3");
    host.command(["run", "start", "vm", "--xml", "/dev/null"]).run();
    assert_eq!(host.command(["status"]).run().code, Some(0));
}

#[test]
fn a_script_of_another_drivers_hook_is_shown_too() {
    let host = host!();
    let make = "cd /etc/libvirt/hooks; cp qemu network; mkdir custom-network; printf '#!/bin/bash\\nexec sleep 300\\n' > \
                custom-network/started_x; chmod 755 custom-network/started_x";
    assert_eq!(host.shell(make).run().code, Some(0));
    let event = host.shell("exec /etc/libvirt/hooks/network net started begin -").spawn();
    eventually("the script runs", || host.log().text.contains("started_x: started as pid "));
    let (_code, status) = json(&host);
    assert_eq!(status["running"][0]["script"], "started_x", "{status:#}");
    let run = status["running"][0]["run"].to_string();
    assert_eq!(host.command(["stop", &run]).run().code, Some(0));
    assert_eq!(event.output().status.code(), Some(0));
}
