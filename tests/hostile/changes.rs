//! Scripts that are changed between the look at them and their start, and how much of what they print is kept.

use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use testbed::{Host, XML, host, open_pipe};

use crate::{assert_witnessed, eventually_logged, unharmed, with_witness};

/// Has `change` made after the look at `prepare_x`, which waits for the VM's XML, and before its start.
fn changed_meanwhile(change: impl FnOnce(&Host)) -> Host {
    let host = host!();
    with_witness(&host);
    // Nobody waits for the XML at prepare before a script is to get it.
    host.bash("prepare_x", "touch /tmp/ran; echo first");
    let (reader, mut writer) = open_pipe();
    let call = host.event("prepare").stdin_from(reader).spawn();
    std::thread::sleep(Duration::from_secs(1));
    change(&host);
    writer.write_all(XML.as_bytes()).unwrap();
    drop(writer);
    assert_eq!(call.output().status.code(), Some(0));
    assert_witnessed(&host);
    host
}

const SCRIPT: &str = "etc/libvirt/hooks/custom/prepare_x";

#[test]
fn a_script_that_others_may_write_to_by_now_is_not_started() {
    let host = changed_meanwhile(|host| {
        std::fs::set_permissions(host.path(SCRIPT), std::fs::Permissions::from_mode(0o777)).unwrap();
    });
    assert!(!host.path("/tmp/ran").exists());
    host.log().assert_says("WARN", "prepare_x", "not started: it can't be trusted");
}

#[test]
fn a_script_in_whose_place_there_is_another_is_looked_at_anew() {
    let host = changed_meanwhile(|host| {
        let new = host.file("etc/libvirt/hooks/custom/.new", "#!/bin/bash\necho second\n", 0o755);
        std::fs::rename(new, host.path(SCRIPT)).unwrap();
    });
    host.log().assert_says("INFO", "prepare_x", "stdout: second");

    let host = changed_meanwhile(|host| {
        let new = host.file("etc/libvirt/hooks/custom/.new", "#!/bin/bash\necho second\n", 0o757);
        std::fs::rename(new, host.path(SCRIPT)).unwrap();
    });
    host.log().assert_says("WARN", "prepare_x", "not started: it can't be trusted");
    assert!(!host.log().text.contains("second"));
}

#[test]
fn a_script_that_is_gone_masked_or_not_executable_by_now_is_not_started() {
    for (change, words) in [
        ((|host| std::fs::remove_file(host.path(SCRIPT)).unwrap()) as fn(&Host), "not started: it has been removed"),
        (
            |host| {
                std::fs::remove_file(host.path(SCRIPT)).unwrap();
                std::os::unix::fs::symlink("/dev/null", host.path(SCRIPT)).unwrap();
            },
            "ignored, switched off",
        ),
        (
            |host| std::fs::set_permissions(host.path(SCRIPT), std::fs::Permissions::from_mode(0o644)).unwrap(),
            "not executable, so it is ignored",
        ),
    ] {
        let host = changed_meanwhile(change);
        assert!(!host.path("/tmp/ran").exists());
        let said = host.log().of("prepare_x");
        assert!(said.iter().any(|line| line.contains(words)), "{said:?}");
    }
}

#[test]
fn what_exceeds_max_output_bytes_is_counted_and_not_kept() {
    let host = host!();
    host.settings("maxOutputBytes = 1000\n");
    host.bash("start_x", "head -c 1500 /dev/zero | tr '\\0' a; echo b >&2; echo done > /tmp/done");
    with_witness(&host);
    unharmed(host.event("start"));
    let log = host.log();
    log.assert_says("WARN", "start_x", "has reached maxOutputBytes (1000); the rest is counted");
    let letters = |letter: char| {
        let said = log.of("start_x").into_iter().filter(|line| line.starts_with("std"));
        said.map(|line| line.split_once(": ").unwrap().1.matches(letter).count()).sum::<usize>()
    };
    let (a, b) = (letters('a'), letters('b'));
    let dropped = 1500 + 2 - 1000;
    log.assert_says("WARN", "start_x", &format!("not logged by maxOutputBytes: {dropped} bytes"));
    assert!((998..=1000).contains(&a) && b <= 1, "{a} {b}");
    assert_eq!(host.read("/tmp/done"), "done\n", "it was not kept from printing");
    assert_witnessed(&host);
}

#[test]
fn each_run_has_its_own_max_output_bytes_and_zero_keeps_nothing() {
    let host = host!();
    host.settings("maxOutputBytes = 6\n");
    host.bash("start_a", "echo 12345");
    host.bash("start_b", "echo 12345; echo 7");
    unharmed(host.event("start"));
    host.log().assert_says("INFO", "start_a", "stdout: 12345");
    host.log().assert_says("INFO", "start_b", "stdout: 12345");
    host.log().assert_says("WARN", "start_b", "not logged by maxOutputBytes: 2 bytes");
    assert!(!host.log().of("start_a").iter().any(|line| line.contains("not logged")));

    let host = host!();
    host.settings("maxOutputBytes = 0\n");
    host.bash("start_a", "echo 12345");
    unharmed(host.event("start"));
    host.log().assert_says("WARN", "start_a", "not logged by maxOutputBytes: 6 bytes");
    assert!(!host.log().text.contains("12345"));
}

#[test]
fn what_a_daemon_prints_counts_as_its_scripts() {
    let host = host!();
    host.settings("maxOutputBytes = 10\n");
    host.bash("start_a", "echo 12345; (sleep 0.5; echo 789; echo abc; sleep 0.5) & echo $! > /tmp/left");
    unharmed(host.event("start"));
    eventually_logged(&host, "by maxOutputBytes");
    host.log().assert_says("INFO", "start_a", "stdout: 789");
    host.log().assert_says("WARN", "start_a", "not logged by maxOutputBytes: 4 bytes");
    assert!(!host.log().text.contains("abc"));
}
