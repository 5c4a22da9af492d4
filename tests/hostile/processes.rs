//! Scripts that will not end, and what they leave behind.

use std::thread;
use std::time::{Duration, Instant};

use testbed::{Host, eventually, host};

use crate::{assert_witnessed, eventually_logged, unharmed, unharmed_within, with_witness};

/// A host on which a script has a second, and another one after SIGTERM.
fn impatient() -> Host {
    let host = host!();
    host.settings("timeoutSeconds = 1\ngraceSeconds = 1\n");
    with_witness(&host);
    host
}

/// Timeout, grace period, the second that the design allows, and what a busy machine takes.
const BOUND: Duration = Duration::from_secs(13);

fn is_alive(pid: &str) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with(['Z', 'X']))
}

/// Asserts that the processes whose ids the script wrote down have ended.
#[track_caller]
fn assert_ended(host: &Host) {
    let pids = host.read("/tmp/left");
    assert!(!pids.trim().is_empty(), "the script wrote down what it started");
    for pid in pids.split_whitespace() {
        assert!(!is_alive(pid), "{pid} is still alive");
    }
}

#[test]
fn a_script_that_ignores_sigterm_is_killed_after_the_grace_period() {
    let host = impatient();
    host.bash("start_x", "trap '' TERM; echo $$ > /tmp/left; while :; do sleep 0.1; done");
    let finished = unharmed_within(BOUND, host.event("start"));
    assert!(finished.took >= Duration::from_secs(2), "it had its grace period");
    host.log().assert_says("WARN", "start_x", "sent SIGKILL to its remaining processes: ");
    host.log().assert_says("ERROR", "start_x", "timed out after 1 s, ended after ");
    assert_ended(&host);
    assert_witnessed(&host);
}

#[test]
fn a_script_that_stops_itself_goes_on_to_hear_sigterm() {
    let host = impatient();
    host.bash("start_x", "trap 'echo bye; exit' TERM; echo $$ > /tmp/left; kill -STOP $$; sleep 60");
    unharmed_within(BOUND, host.event("start"));
    host.log().assert_says("INFO", "start_x", "stdout: bye");
    assert!(!host.log().text.contains("sent SIGKILL"), "{}", host.log().text);
    host.log().assert_says("ERROR", "start_x", "timed out after 1 s");
    assert_ended(&host);
    assert_witnessed(&host);
}

/// How long after SIGTERM the script's last record came, by the records' own times, in milliseconds.
fn milliseconds_of_grace(host: &Host) -> i64 {
    let millisecond_of_day = |line: &str| {
        let digits = |range: std::ops::Range<usize>| line.get(range).and_then(|text| text.parse::<i64>().ok()).unwrap();
        ((digits(11..13) * 60 + digits(14..16)) * 60 + digits(17..19)) * 1000 + digits(20..23)
    };
    let text = host.log().text;
    let time_of = |words: &str| text.lines().find(|line| line.contains(words)).map(millisecond_of_day).unwrap();
    (time_of("timed out after") - time_of("sent SIGTERM")).rem_euclid(24 * 60 * 60 * 1000)
}

#[test]
fn the_grace_period_is_what_the_settings_say() {
    for (grace, range) in [(0, 0..900), (1, 1000..2000), (3, 3000..4000)] {
        // A busy machine may be late once, not every time.
        let late = (0..3).all(|_| {
            let host = host!();
            host.settings(&format!("timeoutSeconds = 1\ngraceSeconds = {grace}\n"));
            host.bash("start_x", "trap '' TERM; echo $$ > /tmp/left; while :; do sleep 0.1; done");
            unharmed_within(BOUND, host.event("start"));
            let took = milliseconds_of_grace(&host);
            assert!(took >= range.start, "it had its grace period: {took} ms");
            !range.contains(&took)
        });
        assert!(!late, "no more than a second beyond {grace} s");
    }
}

#[test]
fn waiting_for_the_end_of_a_grace_period_costs_no_processor_time() {
    let host = host!();
    host.settings("timeoutSeconds = 1\ngraceSeconds = 4\n");
    // The leader ends at SIGTERM, and what it leaves in its group does not.
    host.bash("start_x", "(trap '' TERM; echo $BASHPID > /tmp/left; exec sleep 30) & wait");
    let timed = ["-c", "\"$@\"; cut -d ' ' -f 14,15 /proc/self/stat > /dev/null; times > /tmp/times", "timed"];
    unharmed_within(BOUND, host.event("start").through("/bin/bash", &timed));
    // The children's user and system time, in the second line: `0m0.012s 0m0.034s`.
    let times = host.read("/tmp/times");
    let seconds = |word: &str| -> Option<f64> { word.strip_prefix("0m")?.strip_suffix('s')?.parse().ok() };
    let spent: f64 = times.lines().nth(1).unwrap().split_whitespace().filter_map(seconds).sum();
    assert!(spent < 2.0, "{spent} s of 5: {times}");
}

#[test]
fn a_child_under_bash_is_ended_with_its_script() {
    let host = impatient();
    host.bash("start_x", "echo $$ > /tmp/left; sleep 60 & echo $! >> /tmp/left; wait");
    unharmed_within(BOUND, host.event("start"));
    assert!(
        !host.log().of("start_x").iter().any(|line| line.starts_with("sent SIGKILL")),
        "SIGTERM to the group was enough"
    );
    host.log().assert_says("WARN", "start_x", "(sleep 60)");
    assert_ended(&host);
    assert_witnessed(&host);
}

#[test]
fn a_child_that_ignores_sigterm_has_its_grace_period_though_its_script_has_ended() {
    let host = impatient();
    host.bash("start_x", "(trap '' TERM; sleep 0.5; sleep 1.2; sleep 60) & echo $! > /tmp/left; wait");
    let finished = unharmed_within(BOUND, host.event("start"));
    assert!(finished.took >= Duration::from_secs(2), "{:?}", finished.took);
    assert_ended(&host);
    assert_witnessed(&host);
}

#[test]
fn children_in_sessions_of_their_own_are_ended_after_a_timeout() {
    let host = impatient();
    host.bash(
        "start_x",
        "setsid sleep 60 & echo $! > /tmp/left
         setsid bash -c 'trap \"\" TERM; (setsid sleep 60 & echo $! >> /tmp/left); echo $$ >> /tmp/left; sleep 60; sleep 60' &
         (setsid sleep 60 < /dev/null > /dev/null 2>&1 & echo $! >> /tmp/left) &
         sleep 60",
    );
    unharmed_within(BOUND, host.event("start"));
    assert_ended(&host);
    assert_eq!(host.read("/tmp/left").split_whitespace().count(), 4);
    assert_witnessed(&host);
}

/// Forks wherever it can, as a user who may have 100 processes, in sessions of their own. It gives up by itself should
/// nobody end it.
const BOMB: &str = "#!/usr/bin/python
import os, resource, time
end = time.time() + 20
resource.setrlimit(resource.RLIMIT_NPROC, (100, 100))
open('/tmp/left', 'w').write(str(os.getpid()))
os.nice(19)  # the tests beside it are to go on
os.setgid(54321); os.setuid(54321)
os.setsid() if os.fork() == 0 else time.sleep(20)
while time.time() < end:
    try:
        if os.fork() == 0: os.setpgid(0, 0)
    except OSError: time.sleep(0.001)
";

#[test]
fn a_script_that_forks_without_end_is_ended() {
    let Some(host) = impatient().or_leave_out() else { return };
    host.script("start_x", BOMB);
    unharmed_within(BOUND, host.event("start"));
    assert_ended(&host);
    let of_bomb = || std::process::Command::new("pgrep").args(["-u", "54321"]).output().unwrap().stdout;
    assert_eq!(String::from_utf8_lossy(&of_bomb()), "", "nothing of it is left");
    assert_witnessed(&host);
}

#[test]
fn a_daemon_left_behind_on_purpose_survives_and_is_not_waited_for() {
    let host = impatient();
    host.bash("start_x", "sleep 30 & echo $! > /tmp/left; setsid sleep 30 & echo $! >> /tmp/left; echo done");
    unharmed(host.event("start"));
    host.log().assert_says("INFO", "start_x", "exited with 0");
    host.log().assert_says("INFO", "start_x", "left something running that holds its output");
    assert_witnessed(&host);
    for pid in host.read("/tmp/left").split_whitespace() {
        assert!(is_alive(pid), "{pid} was left behind on purpose");
    }
}

#[test]
fn what_a_daemon_prints_after_its_script_ended_is_logged() {
    let host = impatient();
    host.bash(
        "start_x",
        "(sleep 0.7; echo late; echo too late >&2; sleep 0.3; echo still alive) & echo $! > /tmp/left",
    );
    unharmed(host.event("start"));
    let end = Instant::now() + Duration::from_secs(10);
    while !host.log().text.contains("still alive") && Instant::now() < end {
        thread::sleep(Duration::from_millis(50));
    }
    host.log().assert_says("INFO", "start_x", "stdout: late");
    host.log().assert_says("INFO", "start_x", "stderr: too late");
    host.log().assert_says("INFO", "start_x", "stdout: still alive");
    let log = host.log();
    log.assert_only_records();
    let mut pids: Vec<&str> = log.text.split("qemu-hook[").skip(1).filter_map(|rest| rest.split(']').next()).collect();
    pids.dedup();
    assert_eq!(pids.len(), 1, "all of it stands under the event's own process id");
}

#[test]
fn a_later_scripts_timeout_spares_what_an_earlier_one_left_behind() {
    let host = impatient();
    host.bash(
        "start_a",
        "setsid sleep 30 > /dev/null 2>&1 & echo $! > /tmp/left; sleep 30 > /dev/null 2>&1 & echo $! >> /tmp/left",
    );
    host.bash("start_b", "setsid sleep 60 & echo $! > /tmp/swept; sleep 60");
    unharmed_within(BOUND, host.event("start"));
    host.log().assert_says("ERROR", "start_b", "timed out after 1 s");
    for pid in host.read("/tmp/left").split_whitespace() {
        assert!(is_alive(pid), "{pid} was left behind by a script that ended by itself");
    }
    assert!(!is_alive(&host.read("/tmp/swept")));
    assert_witnessed(&host);
}

#[test]
fn a_daemon_that_detached_only_after_its_script_had_ended_is_spared_too() {
    let host = host!();
    host.settings("timeoutSeconds = 3\ngraceSeconds = 1\n");
    // It is there before the script ends; what it starts only later can't be told from what the next script starts.
    let wait = "until [ -s /tmp/left ]; do sleep 0.01; done";
    let detach = "(setsid sleep 30 > /dev/null 2>&1 & echo $! > /tmp/left; sleep 1) > /dev/null 2>&1 &";
    host.bash("start_a", &format!("{detach}\n{wait}"));
    host.bash("start_b", "sleep 60");
    unharmed_within(BOUND, host.event("start"));
    host.log().assert_says("ERROR", "start_b", "timed out after 3 s");
    assert!(is_alive(host.read("/tmp/left").trim()), "{}", host.log().text);
}

#[test]
fn a_program_whose_first_thread_has_ended_is_ended_all_the_same() {
    let host = impatient();
    host.script(
        "start_x",
        "#!/usr/bin/python
import ctypes, os, threading, time
if os.fork() == 0:
    os.setsid()
    open('/tmp/left', 'w').write(str(os.getpid()))
    threading.Thread(target=time.sleep, args=(60,)).start()
    ctypes.CDLL(None).syscall(60, 0)  # exit of this thread alone
time.sleep(60)
",
    );
    unharmed_within(BOUND, host.event("start"));
    let pid = host.read("/tmp/left");
    assert!(!pid.is_empty());
    assert!(!std::path::Path::new(&format!("/proc/{}/task", pid.trim())).exists() || !is_running(pid.trim()));
    assert_witnessed(&host);
}

/// Whether a thread of a process runs, be it the first or not.
fn is_running(pid: &str) -> bool {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let stats = tasks.filter_map(|task| std::fs::read_to_string(task.path().join("stat")).ok());
    stats.filter_map(|stat| Some(stat.rsplit_once(") ")?.1.to_owned())).any(|rest| !rest.starts_with(['Z', 'X']))
}

#[test]
fn what_a_script_loses_does_not_pile_up_as_zombies() {
    let host = host!();
    host.bash(
        "start_x",
        "for i in {1..300}; do (: &); done; sleep 0.5; grep -sl \"^PPid:.$PPID$\" /proc/[0-9]*/status | wc -l",
    );
    unharmed(host.event("start"));
    let said = host.log().of("start_x");
    let children: u32 = said.iter().find_map(|line| line.strip_prefix("stdout: ")?.parse().ok()).unwrap();
    assert!(children < 20, "the hook has {children} children");
}

#[test]
fn what_a_chatty_script_loses_does_not_pile_up_either() {
    let host = host!();
    host.bash(
        "start_x",
        "(while :; do echo chatter; done) & chatter=$!
         for i in {1..100}; do (sleep 0.01 &); sleep 0.01; done
         kill $chatter; sleep 0.3; echo \"children: $(grep -sl \"^PPid:.$PPID$\" /proc/[0-9]*/status | wc -l)\"",
    );
    unharmed(host.event("start"));
    let said = host.log().of("start_x");
    let children: u32 = said.iter().find_map(|line| line.strip_prefix("stdout: children: ")?.parse().ok()).unwrap();
    assert!(children < 20, "the hook has {children} children");
}

#[test]
fn a_limit_on_file_size_ends_no_daemon_by_way_of_the_log() {
    let host = host!();
    host.bash(
        "start_x",
        "(sleep 0.3; for i in {1..30}; do head -c 3000 /dev/zero | tr '\\0' x; echo; sleep 0.01; done; mkdir /tmp/survived) &
         echo $! > /tmp/left",
    );
    unharmed(host.event("start").through("/usr/bin/prlimit", &["--fsize=8192"]));
    eventually("the daemon lives on", || host.path("/tmp/survived").exists());
}

#[test]
fn a_hook_that_is_replaced_while_a_script_runs_still_logs_what_a_daemon_prints() {
    let host = host!();
    host.bash(
        "start_x",
        "cp /etc/libvirt/hooks/qemu /etc/libvirt/hooks/.new; mv /etc/libvirt/hooks/.new /etc/libvirt/hooks/qemu
         (sleep 0.5; echo late) & echo $! > /tmp/left",
    );
    unharmed(host.event("start"));
    eventually_logged(&host, "stdout: late");
}

#[test]
fn a_daemons_output_follows_the_log_when_it_is_rotated() {
    let host = host!();
    host.bash(
        "start_x",
        "(sleep 0.3; echo one; while ! [ -e /tmp/rotated ]; do sleep 0.05; done; echo two) & echo $! > /tmp/left",
    );
    unharmed(host.event("start"));
    eventually_logged(&host, "stdout: one");
    let log = host.path(testbed::LOG);
    std::fs::rename(&log, log.with_extension("log.1")).unwrap();
    host.file("/tmp/rotated", "", 0o644);
    eventually_logged(&host, "stdout: two");
}

#[test]
fn the_background_process_is_in_a_session_of_its_own_and_not_called_qemu() {
    let host = host!();
    host.bash(
        "start_x",
        "(sleep 0.5; cat /proc/[0-9]*/stat 2>/dev/null | grep '(virt-hooks)'; echo end) & echo $! > /tmp/left",
    );
    unharmed(host.event("start"));
    eventually_logged(&host, "stdout: end");
    let said = host.log().of("start_x").join("\n");
    // Others of that name may run on this machine.
    let mut stats = said.lines().filter_map(|line| line.strip_prefix("stdout: ")?.split_once(" (virt-hooks) "));
    assert!(stats.any(|(pid, rest)| rest.split(' ').nth(3) == Some(pid)), "it leads its session: {said}");
}

#[test]
fn a_daemon_is_drained_for_a_tenth_of_a_second_and_no_longer() {
    // A busy machine may be late once, not every time.
    let quick = (0..3).any(|_| {
        let host = host!();
        host.bash("start_a", "sleep 20 & echo $! > /tmp/left");
        host.bash("start_b", "echo $(($(date +%s%N) / 1000000 - $(stat -c %.3Y /tmp/left | tr -d .)))");
        unharmed(host.event("start"));
        let said = host.log().of("start_b");
        let after: i64 = said.iter().find_map(|line| line.strip_prefix("stdout: ")?.parse().ok()).unwrap();
        after < 500
    });
    assert!(quick, "the next script starts soon");
}

#[test]
fn a_script_that_closes_its_output_is_waited_for_all_the_same() {
    let host = host!();
    host.bash("start_x", "exec < /dev/null > /dev/null 2>&1; exec 1>&- 2>&-; sleep 0.5; touch /tmp/ran");
    for _ in 0..5 {
        unharmed(host.event("start"));
    }
    assert!(host.path("/tmp/ran").exists());
    let took = |line: &String| line.strip_prefix("exited with 0 after ")?.strip_suffix(" ms")?.parse::<u32>().ok();
    let took: Vec<u32> = host.log().of("start_x").iter().filter_map(took).collect();
    assert_eq!(took.len(), 5);
    let fastest = took.iter().min().copied().unwrap_or_default();
    assert!((500..950).contains(&fastest), "its end is seen when it comes: {took:?}");
}

#[test]
fn without_proc_the_process_group_is_ended_and_that_is_logged() {
    let host = impatient();
    host.bash(
        "start_x",
        "echo $$ > /tmp/left; trap '' TERM; sleep 60 & echo $! >> /tmp/left; wait; sleep 60; sleep 60",
    );
    unharmed_within(BOUND, host.event("start").after("umount -l \"$root/proc\""));
    host.log().assert_says(
        "WARN",
        "start_x",
        "what has left the group can't be found and goes on, since the process table can't be read",
    );
    // Without the table the hook cannot see when SIGKILL has taken effect.
    testbed::eventually("all of the group has ended", || {
        host.read("/tmp/left").split_whitespace().all(|pid| !is_alive(pid))
    });
    assert_witnessed(&host);
}

#[test]
fn every_script_gets_its_xml_without_proc_too() {
    let host = host!();
    host.bash("start_a", "cat > /tmp/a");
    host.bash("start_b", "cat > /tmp/b");
    unharmed(host.event("start").after("umount -l \"$root/proc\""));
    assert_eq!((host.read("/tmp/a"), host.read("/tmp/b")), (testbed::XML.to_owned(), testbed::XML.to_owned()));
}

#[test]
fn a_script_that_waits_for_libvirt_is_told_why() {
    let host = impatient();
    host.folder("run/libvirt");
    host.script(
        "start_x",
        "#!/usr/bin/python
import socket, time, os
server = socket.socket(socket.AF_UNIX); server.bind('/run/libvirt/libvirt-sock'); server.listen()
if os.fork() == 0:
    client = socket.socket(socket.AF_UNIX); client.connect('/run/libvirt/libvirt-sock'); time.sleep(60)
served = server.accept()
time.sleep(60)
",
    );
    unharmed_within(BOUND, host.event("start"));
    host.log().assert_says("WARN", "start_x", "was talking to libvirt. A script can't call libvirt on its own VM");
    assert_witnessed(&host);
}

#[test]
fn eighty_events_at_once_tear_no_record_and_lose_none() {
    let host = host!();
    host.bash("all_x", "for i in 1 2 3 4 5 6 7 8 9 10; do echo \"$1 line $i\"; echo \"$1 line $i\" >&2; done");
    let calls: Vec<_> = (0..80)
        .map(|number| host.hook([&format!("vm{number}"), "start", "begin", "-"]).stdin("<domain/>").spawn())
        .collect();
    for call in calls {
        assert_eq!(call.output().status.code(), Some(0));
    }
    let log = host.log();
    log.assert_only_records();
    assert_eq!(log.text.lines().count(), 80 * 22);
    for number in 0..80 {
        assert_eq!(log.text.matches(&format!(" vm{number} start/begin all_x: stdout: vm{number} line ")).count(), 10);
    }
}

#[test]
fn a_signal_that_ends_script_and_hook_together_is_no_failure_of_the_script() {
    let host = impatient();
    host.settings("[[script]]\nname = \"start_x\"\nonFailure = \"abort\"\n");
    host.bash("start_x", "kill -TERM $PPID; kill -TERM $$; sleep 60");
    let finished = host.event("start").run();
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    host.log().assert_says("WARN", "start_x", ", since the hook received signal 15 (SIGTERM)");
}

#[test]
fn an_old_request_to_stop_another_process_of_the_same_id_stops_nothing() {
    for (age, runs_on) in [("-d '1 hour ago'", true), ("", false)] {
        let host = impatient();
        host.folder("run/virt-hooks/stop");
        let request = format!("touch {age} /run/virt-hooks/stop/$$ && kill -USR2 $PPID");
        host.bash("start_x", &format!("{request}; sleep 0.3; touch /tmp/ran"));
        unharmed(host.event("start"));
        assert_eq!(host.path("/tmp/ran").exists(), runs_on, "{}", host.read("/var/log/libvirt/qemu-hook.log"));
    }
}
