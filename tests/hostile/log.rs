//! A log that can't be had keeps nothing from running.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use testbed::{Host, LOG, host};

use crate::unharmed;

fn host_with_script() -> Host {
    let host = host!();
    host.bash("all_x", "touch /tmp/ran; echo said");
    host
}

/// Asserts that the script ran and that a person who tries the hook by hand is told what is wrong.
#[track_caller]
fn runs_without(host: &Host, before: &str, fault: &str) {
    let finished = unharmed(host.event("start").after(before));
    assert!(host.path("/tmp/ran").exists());
    assert!(
        finished.stderr.contains("records could not be written to /var/log/libvirt/qemu-hook.log"),
        "{}",
        finished.stderr
    );
    assert!(finished.stderr.contains(fault), "{}", finished.stderr);
}

#[test]
fn a_missing_folder_for_the_log_is_made() {
    let host = host_with_script();
    fs::remove_dir_all(host.path("var")).unwrap();
    unharmed(host.event("start"));
    host.log().assert_says("INFO", "all_x", "stdout: said");
    assert_eq!(fs::metadata(host.path("var/log/libvirt")).unwrap().permissions().mode() & 0o7777, 0o755);
}

#[test]
fn a_new_log_is_for_root_to_write_and_its_group_to_read() {
    let host = host_with_script();
    unharmed(host.event("start").after("umask 0"));
    assert_eq!(fs::metadata(host.path(LOG)).unwrap().permissions().mode() & 0o7777, 0o640);
}

#[test]
fn a_log_that_is_a_folder_keeps_nothing_from_running() {
    let host = host_with_script();
    host.folder(LOG);
    runs_without(&host, "", "Is a directory");
}

#[test]
fn a_log_that_is_a_fifo_is_not_waited_for() {
    let host = host_with_script();
    assert!(std::process::Command::new("mkfifo").arg(host.path(LOG)).status().unwrap().success());
    runs_without(&host, "", "it is not a regular file");
}

#[test]
fn a_log_that_is_a_link_is_not_followed() {
    let host = host_with_script();
    host.file("etc/precious", "precious", 0o600);
    symlink("/etc/precious", host.path(LOG)).unwrap();
    runs_without(&host, "", "(os error 40)");
    assert_eq!(host.read("etc/precious"), "precious");
}

#[test]
fn a_read_only_log_keeps_nothing_from_running() {
    let host = host_with_script();
    runs_without(&host, "mount -t tmpfs -o ro tmpfs \"$root/var/log/libvirt\"", "Read-only file system");
}

#[test]
fn a_full_disk_keeps_nothing_from_running() {
    let host = host_with_script();
    let full = "mount -t tmpfs -o size=4k tmpfs \"$root/var/log/libvirt\"; head -c 4096 /dev/zero > \"$root/var/log/libvirt/full\"";
    runs_without(&host, full, "No space left on device");
}

#[test]
fn a_disk_that_fills_and_empties_again_tells_what_was_lost() {
    let host = host_with_script();
    host.bash("all_a", "head -c 100000 /dev/zero > /var/log/libvirt/full; seq 2000");
    host.bash("all_b", "rm /var/log/libvirt/full; echo found");
    let small = "mount -t tmpfs -o size=16k tmpfs \"$root/var/log/libvirt\"";
    let keep = format!("{small}; trap : EXIT");
    // The mount ends with the call, so the last script copies the log out of it.
    host.bash("all_zz", "cp /var/log/libvirt/qemu-hook.log /tmp/log");
    unharmed(host.event("start").after(&keep));
    let text = host.read("/tmp/log");
    assert!(text.contains(" -: records lost before this one: "), "{text}");
    assert!(text.contains(", since No space left on device"), "{text}");
    assert!(text.contains("all_b: stdout: found"), "{text}");
    assert!(text.lines().all(|line| line.contains("qemu-hook[") || line.len() < 200), "{text}");
}

#[test]
fn a_limit_on_file_size_ends_nothing() {
    let host = host_with_script();
    // SIGXFSZ would end a process that does not ignore it; the record is lost, the script is not.
    let finished = host.event("start").after("ulimit -f 0").run();
    assert!(host.path("/tmp/ran").exists(), "{}", finished.stderr);
    assert_eq!(finished.code, Some(0));
}

#[test]
fn a_rotated_log_is_written_to_its_end_by_the_event_that_opened_it() {
    let host = host!();
    host.bash(
        "all_a",
        "until [ -s $VIRT_HOOKS_LOG ]; do sleep 0.02; done; mv $VIRT_HOOKS_LOG $VIRT_HOOKS_LOG.1; echo in the old one",
    );
    unharmed(host.event("start"));
    assert!(host.read("var/log/libvirt/qemu-hook.log.1").contains("stdout: in the old one"));
    host.bash("all_a", ":");
    unharmed(host.event("start"));
    assert!(host.log().text.contains("exited with 0"));
}

#[test]
fn records_are_in_local_time_with_its_offset() {
    let host = host!();
    host.folder("etc");
    symlink("/usr/share/zoneinfo/Asia/Kolkata", host.path("etc/localtime")).unwrap();
    host.bash("all_x", ":");
    unharmed(host.event("start"));
    let text = host.log().text;
    assert!(text.lines().all(|line| line.get(23..29) == Some("+05:30")), "{text}");
    fs::remove_file(host.path("etc/localtime")).unwrap();
    fs::write(host.path("etc/localtime"), "nonsense").unwrap();
    unharmed(host.event("start"));
    assert_eq!(host.log().text.lines().last().and_then(|line| line.get(23..29)), Some("+00:00"));
}

#[test]
fn no_record_is_glued_to_what_a_script_has_not_finished() {
    let host = host!();
    host.bash(
        "start_x",
        "printf 'no end' >> \"$VIRT_HOOKS_LOG\"; echo hi; sleep 0.1; echo; printf x >> \"$VIRT_HOOKS_LOG\"; exit 3",
    );
    unharmed(host.event("start"));
    let log = host.log();
    assert!(log.text.lines().any(|line| line == "no end"), "{}", log.text);
    log.assert_says("INFO", "start_x", "stdout: hi");
    log.assert_says("ERROR", "start_x", "exited with 3");
}

#[test]
fn messages_with_foreign_text_can_be_read_back() {
    let host = host!();
    host.bash("start_x", ":");
    host.settings("\"it's\" = 1\ntrust = \"\\\\q\u{202e}\"\n\"a\\\\q\" = 1\n[[script]]\nname = \"[\\u0007\"\n");
    for name in ["plain", "back\\slash", "v\u{9b}2Jm", &"long\\q\u{202e}".repeat(60)] {
        unharmed(host.hook([name, "start", "begin", "-"]).stdin("<domain/>"));
    }
    host.settings("a\\q = ");
    unharmed(host.event("start"));
    let text = host.log().text;
    for line in text.lines() {
        assert!(virt_hooks::record::Record::parse(line.as_bytes()).is_some(), "{line}");
        assert!(!line.contains(|character: char| character.is_control() || character == '\u{202e}'), "{line:?}");
    }
}

#[test]
fn whoever_writes_to_the_log_without_lines_and_without_a_pause_hides_no_record() {
    let host = host!();
    host.bash(
        "start_x",
        "(end=$((SECONDS + 5)); while ((SECONDS < end)); do printf . >> \"$VIRT_HOOKS_LOG\"; done) > /dev/null 2>&1 & echo $! > /tmp/left
         for i in {1..20}; do echo $i; sleep 0.01; done; exit 3",
    );
    unharmed(host.event("start"));
    let log = host.log();
    log.assert_says("ERROR", "start_x", "exited with 3");
    let took = log
        .of("start_x")
        .iter()
        .find_map(|line| line.strip_prefix("exited with 3 after ")?.strip_suffix(" ms")?.parse::<u32>().ok());
    assert!(took < Some(1500), "it is waited for once, not at every record: {took:?}");
}
