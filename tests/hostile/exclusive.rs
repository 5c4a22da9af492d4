//! `exclusive = true`: never twice at once.

use std::time::{Duration, Instant};

use testbed::{Host, eventually, host};

use crate::{unharmed, unharmed_within};

/// Reports that it runs, and holds its lock until `/tmp/go` exists.
const HOLD: &str = "touch /tmp/runs; until [ -e /tmp/go ]; do sleep 0.05; done";

fn with_exclusive(commands: &str, more: &str) -> Host {
    let host = host!();
    host.bash("start_x", commands);
    host.settings(&format!("{more}\n[[script]]\nname = \"start_x\"\nexclusive = true\n"));
    host.bash("start_z", ":");
    host
}

#[test]
fn an_exclusive_script_never_runs_twice_at_once() {
    // Fails where the folder is there already.
    let host =
        with_exclusive("mkdir /tmp/alone || touch /tmp/twice; sleep 0.1; rmdir /tmp/alone; echo >> /tmp/runs", "");
    let calls: Vec<_> = (0..8).map(|_| host.event("start").spawn()).collect();
    for call in calls {
        assert_eq!(call.output().status.code(), Some(0));
    }
    assert!(!host.path("/tmp/twice").exists());
    assert_eq!(host.read("/tmp/runs").lines().count(), 8);
    host.log().assert_only_records();
}

#[test]
fn scripts_that_are_not_exclusive_do_run_at_once() {
    let host = host!();
    host.bash("start_x", "mkdir /tmp/alone || touch /tmp/twice; sleep 1; rmdir /tmp/alone");
    let calls: Vec<_> = (0..3).map(|_| host.event("start").spawn()).collect();
    for call in calls {
        call.output();
    }
    assert!(host.path("/tmp/twice").exists());
}

#[test]
fn waiting_for_the_other_run_counts_against_the_deadline_and_names_it() {
    let host = with_exclusive(HOLD, "timeoutSeconds = 30");
    let first = host.event("start").spawn();
    eventually("it runs", || host.path("/tmp/runs").exists());
    host.settings("timeoutSeconds = 1\n[[script]]\nname = \"start_x\"\nexclusive = true\n");
    let finished = unharmed_within(Duration::from_secs(6), host.event("start"));
    assert!(finished.took >= Duration::from_secs(1), "{:?}", finished.took);
    let log = host.log();
    let pid = first.pid();
    log.assert_says("INFO", "start_x", &format!("waits for its other run, that of vm (process {pid}), to end"));
    log.assert_says(
        "WARN",
        "start_x",
        &format!(
            "not started: timed out after 1 s, in which it waited for its other run, that of vm (process {pid}), to end"
        ),
    );
    log.assert_says("INFO", "start_z", "exited with 0");
    host.file("tmp/go", "", 0o644);
    first.output();
}

#[test]
fn the_lock_ends_with_the_run_and_with_a_hook_that_is_killed() {
    let host = with_exclusive("touch /tmp/runs; exec sleep 3", "");
    let first = host.event("start").spawn();
    eventually("it runs", || host.path("/tmp/runs").exists());
    let pid = rustix::process::Pid::from_raw(first.pid() as i32).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    first.output();
    host.bash("start_x", ":");
    unharmed(host.event("start"));
    assert!(!host.log().text.contains("waits for"), "{}", host.log().text);
}

#[test]
fn a_daemon_that_an_exclusive_script_leaves_behind_does_not_hold_its_lock() {
    let host = with_exclusive("sleep 30 & echo $! >> /tmp/left", "timeoutSeconds = 5");
    unharmed(host.event("start"));
    unharmed(host.event("start"));
    assert_eq!(host.log().of("start_x").iter().filter(|message| message.starts_with("exited with 0")).count(), 2);
}

#[test]
fn a_vms_own_script_has_a_lock_of_its_own() {
    let host = with_exclusive("touch /tmp/runs; exec sleep 60", "timeoutSeconds = 600");
    host.folder("etc/libvirt/hooks/custom/other");
    host.script("other/start_x", "#!/bin/bash\n:\n");
    let first = host.event("start").spawn();
    eventually("it runs", || host.path("/tmp/runs").exists());
    host.settings("timeoutSeconds = 1\n[[script]]\nname = \"start_x\"\nexclusive = true\n");
    unharmed(host.hook(["other", "start", "begin", "-"]));
    // The shared one's lock is held all the while, the VM's own is free.
    host.log().assert_says("WARN", "start_x", "not started: timed out after 1 s");
    host.log().assert_says("INFO", "other/start_x", "exited with 0");
    let pid = rustix::process::Pid::from_raw(first.pid() as i32).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    first.output();
}

#[test]
fn without_a_lock_an_exclusive_script_does_not_run_and_a_line_says_why() {
    let host = with_exclusive("touch /tmp/ran", "");
    host.file("run/virt-hooks", "", 0o600);
    unharmed(host.event("start"));
    assert!(!host.path("/tmp/ran").exists());
    host.log().assert_says(
        "WARN",
        "start_x",
        "not started: exclusive = true is set for it, and its lock can't be had: ",
    );
    host.log().assert_says("INFO", "start_z", "exited with 0");
}

#[test]
fn a_hook_that_is_told_to_end_while_a_script_waits_for_its_lock_ends() {
    let host = with_exclusive(HOLD, "timeoutSeconds = 30");
    let first = host.event("start").spawn();
    eventually("it runs", || host.path("/tmp/runs").exists());
    let second = host.event("start").spawn();
    eventually("the second waits", || host.log().text.contains("waits for its other run"));
    let pid = rustix::process::Pid::from_raw(second.pid() as i32).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    let begun = Instant::now();
    assert_eq!(second.output().status.code(), Some(0));
    assert!(begun.elapsed() < Duration::from_secs(15));
    assert!(!host.log().text.contains("exited with 0"), "the lock was not held: {}", host.log().text);
    host.file("tmp/go", "", 0o644);
    first.output();
}

#[test]
fn a_script_that_gets_its_lock_late_is_not_started_for_no_time() {
    let host = with_exclusive("sleep 1.5", "timeoutSeconds = 1\ngraceSeconds = 0");
    let calls: Vec<_> = (0..6).map(|_| host.event("start").spawn()).collect();
    for call in calls {
        assert_eq!(call.output().status.code(), Some(0));
    }
    assert!(!host.log().text.contains("its 0 s are over"), "{}", host.log().text);
}

#[test]
fn a_fifo_or_a_folder_in_the_locks_place_keeps_nothing_waiting() {
    let host = with_exclusive("touch /tmp/ran", "");
    for folder in ["run/virt-hooks", "run/virt-hooks/qemu/locks"] {
        std::fs::set_permissions(host.folder(folder), std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    }
    let lock = host.path("run/virt-hooks/qemu/locks/start_x");
    for make in [
        (|lock| rustix::fs::mkfifoat(rustix::fs::CWD, lock, rustix::fs::Mode::RWXU).unwrap()) as fn(&std::path::Path),
        |lock| {
            std::fs::remove_file(lock).unwrap();
            std::fs::create_dir(lock).unwrap();
        },
    ] {
        make(&lock);
        unharmed(host.event("start"));
        let words = "its lock can't be had: the file /run/virt-hooks/qemu/locks/start_x: ";
        host.log().assert_says("WARN", "start_x", words);
        host.log().assert_says("INFO", "start_z", "exited with 0");
    }
    assert!(!host.path("/tmp/ran").exists());
}

#[test]
fn scripts_with_names_that_are_alike_have_locks_of_their_own() {
    let long = "v".repeat(240);
    let host = host!();
    host.folder(format!("etc/libvirt/hooks/custom/{long}"));
    host.script(format!("{long}/start_a"), "#!/bin/bash\ntouch /tmp/a; exec sleep 60\n");
    host.script(format!("{long}/start_b"), "#!/bin/bash\necho b\n");
    host.settings("[[script]]\nname = \"start_*\"\nexclusive = true\n");
    let first = host.hook([long.as_str(), "start", "begin", "-"]).spawn();
    eventually("it runs", || host.path("/tmp/a").exists());
    std::fs::remove_file(host.path(format!("etc/libvirt/hooks/custom/{long}/start_a"))).unwrap();
    unharmed(host.hook([long.as_str(), "start", "begin", "-"]));
    assert!(host.log().text.contains("stdout: b") && !host.log().text.contains("waits for"), "{}", host.log().text);
    let pid = rustix::process::Pid::from_raw(first.pid() as i32).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    first.output();
}

#[test]
fn what_has_become_of_the_folders_during_a_wait_counts() {
    let host = with_exclusive(&format!("echo ran; {HOLD}"), "");
    let first = host.event("start").spawn();
    eventually("it runs", || host.path("/tmp/runs").exists());
    let second = host.event("start").spawn();
    eventually("the second waits", || host.log().text.contains("waits for its other run"));
    std::fs::set_permissions(
        host.path("etc/libvirt/hooks/custom"),
        std::os::unix::fs::PermissionsExt::from_mode(0o777),
    )
    .unwrap();
    host.file("tmp/go", "", 0o644);
    first.output();
    second.output();
    host.log().assert_says(
        "WARN",
        "start_x",
        "not started: it can't be trusted: /etc/libvirt/hooks/custom is writable by users other than its owner",
    );
    std::fs::set_permissions(
        host.path("etc/libvirt/hooks/custom"),
        std::os::unix::fs::PermissionsExt::from_mode(0o755),
    )
    .unwrap();
}
