//! What may befall the hook's own process.

use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};
use testbed::{Call, Host, Running, eventually, host};

use crate::{assert_witnessed, unharmed, unharmed_within, with_witness};

fn wait_for(host: &Host, file: &str) {
    eventually(&format!("{file} appears"), || !host.read(file).is_empty());
}

fn signal(call: &Running, signal: Signal) {
    let pid = Pid::from_raw(call.pid() as i32).unwrap();
    rustix::process::kill_process(pid, signal).unwrap();
}

#[test]
fn a_signal_to_the_hook_ends_the_script_skips_the_rest_and_fails_no_vm() {
    for (sent, name) in [(Signal::TERM, "15 (SIGTERM)"), (Signal::INT, "2 (SIGINT)"), (Signal::HUP, "1 (SIGHUP)")] {
        let host = host!();
        host.settings("graceSeconds = 1\n[[script]]\nname = \"*\"\nonFailure = \"abort\"\n");
        host.bash("start_x", "trap 'echo bye; exit 1' TERM; echo $$ > /tmp/left; sleep 60 & wait");
        host.bash("start_y", "touch /tmp/ran");
        let call = host.event("start").spawn();
        wait_for(&host, "/tmp/left");
        signal(&call, sent);
        let output = call.output();
        assert_eq!(output.status.code(), Some(0), "{name}");
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "a hook that is told to end vetoes nothing");
        let log = host.log();
        log.assert_says("WARN", "start_x", &format!("the hook received signal {name}; still running: "));
        log.assert_says("INFO", "start_x", "stdout: bye");
        log.assert_says("WARN", "start_y", &format!("skipped: the hook received signal {name}"));
        assert!(!host.path("/tmp/ran").exists());
    }
}

#[test]
fn a_signal_to_the_hook_while_it_waits_for_its_stdin_fails_no_vm() {
    let host = host!();
    host.bash("start_y", "touch /tmp/ran");
    let (reader, writer) = testbed::open_pipe();
    let call = host.event("start").stdin_from(reader).spawn();
    thread::sleep(Duration::from_millis(700));
    signal(&call, Signal::TERM);
    let signalled = Instant::now();
    assert_eq!(call.output().status.code(), Some(0));
    assert!(signalled.elapsed() < Duration::from_secs(5), "it waits no longer: {:?}", signalled.elapsed());
    drop(writer);
    assert!(!host.path("/tmp/ran").exists());
    host.log().assert_says("WARN", "start_y", "skipped: the hook received signal 15 (SIGTERM)");
}

#[test]
fn closed_standard_descriptors_keep_nothing_from_running() {
    for closed in ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"] {
        let host = host!();
        host.bash("start_x", "echo out; echo err >&2; cat");
        with_witness(&host);
        let call = host.hook(["vm", "start", "begin", "-"]).after(&format!("exec {closed}")).spawn();
        assert_eq!(call.output().status.code(), Some(0), "{closed}");
        host.log().assert_says("INFO", "start_x", "stdout: out");
        host.log().assert_says("INFO", "start_x", "stderr: err");
        assert_witnessed(&host);
    }
}

#[test]
fn libvirt_gone_with_every_pipe_broken_keeps_nothing_from_running() {
    let host = host!();
    host.bash("start_x", "echo out; echo err >&2");
    with_witness(&host);
    let broken = "mkfifo \"$root/tmp/out\"; sleep 0.3 < \"$root/tmp/out\" & exec > \"$root/tmp/out\" 2>&1; wait";
    unharmed(host.event("start").after(broken));
    assert_witnessed(&host);
    // Nor does what the hook itself has to say change its answer.
    host.settings("[[script]]\nname = \"all_zz*\"\nonFailure = \"abort\"\n");
    host.bash("all_zz_witness", "exit 3");
    std::fs::remove_file(host.path("/tmp/out")).unwrap();
    assert_eq!(host.event("start").after(broken).run().code, Some(1));
}

/// Calls the hook with room for so many descriptors.
fn with_descriptors(host: &Host, limit: u32) -> Call<'_> {
    let limit = format!("--nofile={limit}");
    host.event("start").through("/usr/bin/prlimit", &[&limit])
}

#[test]
fn sixteen_descriptors_are_enough() {
    let host = host!();
    host.settings("timeoutSeconds = 1\ngraceSeconds = 1\n");
    host.bash("start_x", "cat > /tmp/xml; echo out; echo err >&2; sleep 60");
    with_witness(&host);
    unharmed_within(Duration::from_secs(13), with_descriptors(&host, 16));
    assert_eq!(host.read("/tmp/xml"), testbed::XML);
    host.log().assert_says("WARN", "start_x", "(sleep 60)");
    assert_witnessed(&host);
}

#[test]
fn too_few_descriptors_fail_no_vm() {
    // With fewer, a binary that is not static finds no libraries.
    for limit in 7..16 {
        let host = host!();
        host.bash("start_x", ":");
        let finished = unharmed(with_descriptors(&host, limit));
        let log = host.log();
        log.assert_only_records();
        let told =
            log.text.contains("exited with 0") || format!("{}{}", log.text, finished.stderr).contains("(os error 24)");
        assert!(told, "with {limit} descriptors: {}", log.text);
    }
}

#[test]
fn signals_that_were_ignored_or_blocked_before_lose_no_exit_code() {
    let host = host!();
    host.file(
        "/tmp/with-signals",
        "#!/usr/bin/python\nimport os, signal, sys\nsignal.signal(signal.SIGCHLD, signal.SIG_IGN)\nsignal.pthread_sigmask(signal.SIG_BLOCK, range(1, 32))\nos.execv(sys.argv[1], sys.argv[1:])\n",
        0o755,
    );
    host.bash("start_x", "exit 7");
    with_witness(&host);
    let call = host.event("start").through("/tmp/with-signals", &[]);
    unharmed(call);
    host.log().assert_says("ERROR", "start_x", "exited with 7");
    assert_witnessed(&host);
}

#[test]
fn whatever_signal_a_script_sends_to_the_hook_fails_no_vm() {
    for name in [
        "QUIT", "ABRT", "USR1", "USR2", "ALRM", "VTALRM", "PROF", "IO", "XCPU", "XFSZ", "SYS", "TSTP", "TRAP", "PWR",
        "STKFLT", "TTIN", "TTOU", "PIPE",
    ] {
        let host = host!();
        host.bash("start_x", &format!("kill -{name} $PPID; sleep 0.1"));
        unharmed(host.event("start"));
    }
}

#[test]
fn scripts_hear_every_signal_as_if_the_hook_had_none_of_its_own() {
    let host = host!();
    host.script(
        "start_x",
        "#!/usr/bin/python\nimport signal\nprint([s.name for s in signal.valid_signals() if s in list(signal.Signals) \
         and signal.getsignal(s) == signal.SIG_IGN and s not in (signal.SIGPIPE, signal.SIGXFSZ)], \
         signal.pthread_sigmask(signal.SIG_BLOCK, []))\n",
    );
    unharmed(host.event("start"));
    // Under nohup, SIGHUP arrives ignored.
    unharmed(host.event("start").through("/usr/bin/env", &["--ignore-signal=HUP,INT,QUIT,TERM"]));
    let printed: Vec<String> =
        host.log().of("start_x").into_iter().filter(|message| message.contains("stdout")).collect();
    assert_eq!(printed, ["stdout: [] set()"; 2]);
}

#[test]
fn a_hook_that_inherits_sighup_ignored_still_ends_on_it() {
    let host = host!();
    host.settings("graceSeconds = 1\n");
    host.bash("start_x", "trap 'echo bye; exit 1' TERM; echo $$ > /tmp/left; sleep 60 & wait");
    let call = host.event("start").through("/usr/bin/env", &["--ignore-signal=HUP"]).spawn();
    wait_for(&host, "/tmp/left");
    signal(&call, Signal::HUP);
    assert_eq!(call.output().status.code(), Some(0));
    host.log().assert_says("WARN", "start_x", "the hook received signal 1 (SIGHUP); still running: ");
}

#[test]
fn a_hook_whose_process_group_lies_outside_its_pid_namespace_spares_what_a_script_left_behind() {
    let Some(host) = host!().or_leave_out() else { return };
    host.settings("timeoutSeconds = 1\ngraceSeconds = 1\n");
    // All of these processes end with the namespace, and their ids mean nothing outside of it.
    host.bash("start_10", "setsid sleep 60 > /dev/null 2>&1 & echo $! > /tmp/kept");
    host.bash("start_20", "setsid sleep 60 > /dev/null 2>&1 & echo $! > /tmp/swept; sleep 60");
    host.bash(
        "start_30",
        "ps -o pgrp= -p 1 | tr -d ' '; for name in kept swept; do kill -0 $(cat /tmp/$name) 2> /dev/null && echo $name; done; :",
    );
    let call = host.event("start").through(
        "/usr/bin/unshare",
        &["--pid", "--fork", "--kill-child", "sh", "-c", "mount -t proc proc /proc; exec \"$@\"", "sh"],
    );
    unharmed_within(Duration::from_secs(13), call);
    let log = host.log();
    log.assert_says("ERROR", "start_20", "timed out after 1 s");
    let printed: Vec<String> = log.of("start_30").into_iter().filter(|message| message.contains("stdout")).collect();
    assert_eq!(printed, ["stdout: 0", "stdout: kept"], "{}", log.text);
}

#[test]
fn the_time_zone_in_the_environment_opens_no_file() {
    let host = host!();
    host.bash("start_x", ":");
    assert!(std::process::Command::new("mkfifo").arg(host.path("/tmp/fifo")).status().unwrap().success());
    for zone in ["/tmp/fifo", ":/tmp/fifo", "/dev/zero", "LMT-0:19:32", "Asia/Kolkata"] {
        unharmed(host.event("start").variable("TZ", zone));
    }
    assert_eq!(host.log().text.matches("+00:00 INFO").count(), 10, "{}", host.log().text);
}

#[test]
fn scripts_start_in_the_root_folder_wherever_the_hook_does() {
    let host = host!();
    host.bash("start_x", "pwd");
    unharmed(host.event("start").through("/usr/bin/env", &["-C", "/tmp"]));
    assert_eq!(host.log().of("start_x")[1], "stdout: /");
}

#[test]
fn in_qemu_d_the_program_is_the_hook_whatever_its_name() {
    let host = host!();
    host.folder("etc/libvirt/hooks/qemu.d");
    std::fs::copy(host.path("etc/libvirt/hooks/qemu"), host.path("etc/libvirt/hooks/qemu.d/10-virt-hooks")).unwrap();
    host.bash("start_x", ":");
    let call = host
        .event("start")
        .through("/usr/bin/env", &["/etc/libvirt/hooks/qemu.d/10-virt-hooks", "vm", "start", "begin", "-"]);
    unharmed(call);
    assert_eq!(host.log().started(), ["start_x"]);
}
