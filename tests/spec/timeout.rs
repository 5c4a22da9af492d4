//! "Timeout Configuration"

use std::time::Duration;

use testbed::host;

/// "There is a timeout setting in the qemu script that counts down at the start of every execution of a custom script."
#[test]
fn the_timeout_counts_down_at_the_start_of_every_execution() {
    let host = host!();
    host.settings("timeoutSeconds = 2\n");
    for name in ["start_a", "start_b", "start_c"] {
        host.bash(name, "sleep 1");
    }
    let finished = host.event("start").run();
    assert!(finished.took > Duration::from_secs(3), "together they take longer than the timeout");
    for name in ["start_a", "start_b", "start_c"] {
        host.log().assert_says("INFO", name, "exited with 0");
    }
}

/// "If the custom script is still executing after the timeout time has elapsed, the custom script will be gracefully
/// terminated."
#[test]
fn a_script_still_executing_after_the_timeout_is_gracefully_terminated() {
    let host = host!();
    host.settings("timeoutSeconds = 1\n");
    host.bash("start_a.sh", "trap 'echo cleaning up; exit 0' TERM; sleep 30 & wait");
    host.bash("start_b.sh", "echo next");
    let finished = host.event("start").run();
    assert_eq!(finished.code, Some(0));
    assert!(finished.took < Duration::from_secs(9), "not even the grace period was used up: {:?}", finished.took);
    host.log().assert_says("WARN", "start_a.sh", "its 1 s are over; still running: ");
    host.log().assert_says("INFO", "start_a.sh", "stdout: cleaning up");
    host.log().assert_says("ERROR", "start_a.sh", "timed out after 1 s, ended after ");
    assert!(!host.log().text.contains("sent SIGKILL"), "SIGTERM was enough");
    host.log().assert_says("INFO", "start_b.sh", "stdout: next");
}

/// "The timeout setting called "timeoutSeconds" ... has a default timeout setting of 10 minutes"
#[test]
fn the_default_timeout_is_ten_minutes() {
    assert_eq!(virt_hooks::settings::Settings::default().timeout, Duration::from_secs(10 * 60));
    let host = host!();
    host.bash("start_a.sh", "sleep 3; echo still here");
    host.event("start").run();
    host.log().assert_says("INFO", "start_a.sh", "stdout: still here");
}

/// "and can be manually modified if a different timeout is required." "Change the 10 * 60 value to a preferred timeout
/// value. For example 20 * 60, for a 20-minute timeout."
#[test]
fn the_timeout_can_be_manually_modified() {
    let host = host!();
    host.bash("start_a.sh", "sleep 1.5");
    host.settings("timeoutSeconds = 1200\n");
    host.event("start").run();
    host.log().assert_says("INFO", "start_a.sh", "exited with 0");
    host.settings("timeoutSeconds = 1\n");
    host.event("start").run();
    host.log().assert_says("ERROR", "start_a.sh", "timed out after 1 s");
}

/// The specification's own `20 * 60` can't stand in a settings file; whoever writes it is told what to write.
#[test]
fn a_product_as_in_the_specification_is_answered_with_its_value() {
    let host = host!();
    host.bash("start_a.sh", ":");
    host.settings("# my settings\ntimeoutSeconds = 20 * 60\n");
    assert_eq!(host.event("start").run().code, Some(0));
    let log = host.log();
    log.assert_says("ERROR", "-", "/etc/libvirt/hooks/virt-hooks.toml: line 2, column ");
    log.assert_says("ERROR", "-", "TOML does not calculate: write timeoutSeconds = 1200");
    log.assert_says("ERROR", "-", "  2 | timeoutSeconds = 20 * 60");
    log.assert_says("ERROR", "-", "^");
    log.assert_says("INFO", "start_a.sh", "exited with 0");
}
