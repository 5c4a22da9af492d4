//! Limits that whatever started libvirt's daemon may have set: descriptors, processes, memory, sizes of files.

use std::fs;
use std::os::unix::fs::{chown, symlink};
use std::path::Path;
use std::time::Duration;

use testbed::{CUSTOM, Call, Host, XML, host};

use crate::{assert_witnessed, eventually_logged, unharmed, unharmed_within, with_witness};

/// Timeout, grace period, the second that the design allows, and what a busy machine takes.
const BOUND: Duration = Duration::from_secs(13);

/// Calls the hook with room for twelve descriptors, of which nothing takes any that only whoever runs the tests has open.
fn with_twelve_descriptors(host: &Host) -> Call<'_> {
    let limited = "import os, resource, sys\nos.closerange(3, 4096)\n\
                   resource.setrlimit(resource.RLIMIT_NOFILE, (12, 12))\nos.execv(sys.argv[1], sys.argv[1:])";
    host.event("start").through("/usr/bin/python3", &["-c", limited])
}

#[test]
fn twelve_descriptors_are_enough() {
    let host = host!();
    host.settings("timeoutSeconds = 1\ngraceSeconds = 1\n");
    host.bash("start_a", "cat > /tmp/a; echo out; echo err >&2");
    host.bash("start_x", "cat > /tmp/x; trap '' TERM; setsid sleep 60 & echo $! > /tmp/left; sleep 60; sleep 60");
    with_witness(&host);
    unharmed_within(BOUND, with_twelve_descriptors(&host));
    assert_eq!((host.read("/tmp/a"), host.read("/tmp/x")), (XML.to_owned(), XML.to_owned()));
    let log = host.log();
    log.assert_only_records();
    log.assert_says("INFO", "start_a", "stdout: out");
    log.assert_says("INFO", "start_a", "stderr: err");
    log.assert_says("WARN", "start_x", "(sleep 60)");
    log.assert_says("ERROR", "start_x", "timed out after 1 s");
    let left = host.read("/tmp/left");
    assert!(!left.is_empty() && !Path::new(&format!("/proc/{}", left.trim())).exists(), "what it started has ended");
    assert_witnessed(&host);
}

#[test]
fn twelve_descriptors_are_enough_for_scripts_that_libvirt_does_not_wait_for() {
    let host = host!();
    host.bash("start_x", "cat > /tmp/x; cat \"$VIRT_HOOKS_LIVE_XML\" > /tmp/live; echo out");
    host.settings("[[script]]\nname = \"start_x\"\nwait = false\n");
    with_witness(&host);
    unharmed(with_twelve_descriptors(&host));
    assert_witnessed(&host);
    eventually_logged(&host, "start_x: exited with 0");
    host.log().assert_says("INFO", "start_x", "stdout: out");
    assert_eq!((host.read("/tmp/x"), host.read("/tmp/live")), (XML.to_owned(), XML.to_owned()));
}

#[test]
fn twelve_descriptors_are_enough_for_a_daemon_left_behind() {
    let host = host!();
    host.bash("start_x", "(sleep 0.5; echo late; exec sleep 300) & echo $! > /tmp/left");
    with_witness(&host);
    unharmed(with_twelve_descriptors(&host));
    assert_witnessed(&host);
    eventually_logged(&host, "start_x: stdout: late");
}

/// Calls the hook as a user of its own, who may have so many processes. Root has no such limit.
fn with_processes<'a>(host: &'a Host, user: u32, limit: &str) -> Call<'a> {
    for folder in ["var/log/libvirt", "run", "tmp"] {
        chown(host.path(folder), Some(user), Some(user)).unwrap();
    }
    for script in fs::read_dir(host.path(CUSTOM)).unwrap() {
        chown(script.unwrap().path(), Some(user), Some(user)).unwrap();
    }
    // Any other user than root has a session, whose log is in the home.
    host.settings("sessions = true\n");
    host.file("/etc/passwd", format!("u:x:{user}:{user}::/run:/bin/sh\n"), 0o644);
    let own = host.path("run/.local/state/virt-hooks");
    if !own.exists() {
        fs::create_dir_all(own.parent().unwrap()).unwrap();
        symlink("/var/log/libvirt", own).unwrap();
    }
    let (user, group) = (format!("--reuid={user}"), format!("--regid={user}"));
    let call = host.event("start").through("/usr/bin/setpriv", &[&user, &group, "--clear-groups"]);
    call.through("/usr/bin/prlimit", &[&format!("--nproc={limit}")])
}

#[test]
fn a_limit_on_processes_that_is_reached_is_told_for_each_script_and_the_next_event_goes_well() {
    let Some(host) = host!().or_leave_out() else { return };
    host.bash("start_x", "touch /tmp/ran");
    host.bash("start_y", "touch /tmp/ran");
    with_witness(&host);
    let finished = unharmed(with_processes(&host, 54401, "1"));
    assert!(finished.took < Duration::from_secs(5), "nothing is waited for: {:?}", finished.took);
    assert!(!host.path("/tmp/ran").exists());
    let log = host.log();
    log.assert_only_records();
    for script in ["start_x", "start_y", "all_zz_witness"] {
        log.assert_says("WARN", script, "not started: ");
        log.assert_says("WARN", script, "Resource temporarily unavailable (os error 11); fix: raise TasksMax");
    }
    unharmed(with_processes(&host, 54401, "50"));
    assert!(host.path("/tmp/ran").exists(), "{}", host.log().text);
    assert_witnessed(&host);
}

#[test]
fn a_limit_on_processes_that_is_reached_leaves_a_daemon_alone_and_says_that_nobody_listens_to_it() {
    let Some(host) = host!().or_leave_out() else { return };
    // The script lowers the limit of the hook itself.
    host.bash("start_x", "sleep 30 & echo $! > /tmp/left; prlimit --pid $PPID --nproc=1:1");
    with_witness(&host);
    unharmed(with_processes(&host, 54402, "50"));
    let log = host.log();
    log.assert_says("INFO", "start_x", "exited with 0");
    log.assert_says("WARN", "start_x", "nothing can be started to log it: Resource temporarily unavailable");
    log.assert_says("WARN", "all_zz_witness", "Resource temporarily unavailable (os error 11)");
    let left = host.read("/tmp/left");
    assert!(Path::new(&format!("/proc/{}", left.trim())).exists(), "it was left behind on purpose");
    host.bash("start_x", ":");
    unharmed(with_processes(&host, 54402, "50"));
    assert_witnessed(&host);
}

#[test]
fn without_room_for_a_copy_of_the_xml_scripts_run_without_it() {
    let host = host!();
    host.bash("start_x", "echo \"has $(wc -c)\"");
    with_witness(&host);
    // A file in memory may not grow beyond the limit either (setrlimit(2), memfd_create(2)).
    let call = host.event("start").stdin("x".repeat(100_000)).through("/usr/bin/prlimit", &["--fsize=65536"]);
    unharmed(call);
    let log = host.log();
    log.assert_only_records();
    log.assert_says("WARN", "-", "the live XML can't be kept for stopped and release: ");
    log.assert_says("WARN", "start_x", "starts without the XML on stdin: File too large (os error 27)");
    log.assert_says("INFO", "start_x", "stdout: has 0");
    assert_witnessed(&host);
}

#[test]
fn without_memory_for_the_xml_scripts_get_what_there_was_room_for() {
    let host = host!();
    host.bash("start_x", "head -c 1");
    with_witness(&host);
    let zeros = fs::File::open("/dev/zero").unwrap();
    unharmed_within(Duration::from_secs(20), host.event("start").stdin_from(zeros).after("ulimit -v 60000"));
    let log = host.log();
    log.assert_only_records();
    log.assert_says("WARN", "-", "the VM's XML could not be read: out of memory");
    log.assert_says("INFO", "start_x", r"stdout: \x00");
    assert_witnessed(&host);
    assert!(!host.path("run/virt-hooks/qemu/live/vm.xml").exists(), "half a document is worse than none");
}
