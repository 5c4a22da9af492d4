//! A panic in the hook itself must not fail a VM.

use std::ffi::OsString;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use testbed::host;
use virt_hooks::driver::{Event, QEMU};
use virt_hooks::hook;
use virt_hooks::paths::Paths;
use virt_hooks::process::{Interruption, Launch, Progress, Supervisor};

const ROOT: &str = "VIRT_HOOKS_TEST_PANIC_UNDER";

/// The hook has no known panic; so this test is its own second process, which panics while a script runs.
#[test]
fn a_panic_kills_what_runs_is_logged_and_leaves_exit_code_0() {
    if let Some(root) = std::env::var_os(ROOT) {
        panic_while_a_script_runs(Path::new(&root));
    }
    let host = host!();
    host.bash("start_x", "echo $$ > \"$VIRT_HOOKS_TEST_PANIC_UNDER/tmp/left\"; sleep 60; echo survived");
    let this = "panics::a_panic_kills_what_runs_is_logged_and_leaves_exit_code_0";
    let mut call = Command::new(std::env::current_exe().unwrap());
    call.args([this, "--exact", "--nocapture"]).env(ROOT, host.path("")).stdout(Stdio::null()).stderr(Stdio::null());
    assert_eq!(call.status().unwrap().code(), Some(0));
    host.log().assert_says("ERROR", "-", "an error in virt-hooks itself ended the hook");
    host.log().assert_says("ERROR", "-", "what would a panic be without a word");
    host.log().assert_only_records();
    let pid = host.read("/tmp/left");
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
    assert!(!pid.is_empty() && !stat.contains(") S "), "the script was killed: {stat}");
}

fn panic_while_a_script_runs(root: &Path) -> ! {
    let arguments = ["vm", "start", "begin", "-"].map(OsString::from);
    let event = Event::parse(&QEMU, arguments.to_vec()).unwrap();
    let paths = Paths::under(root);
    hook::panic::never_fails_a_vm(&paths, &event, std::process::id());
    let task = Launch {
        program: &paths.custom().join("start_x"),
        arguments: event.arguments(),
        environment: &[],
        stdin: Stdio::null(),
        timeout: Duration::from_secs(30),
        grace: Duration::from_secs(1),
        stops: None,
    };
    let ended = Supervisor::new(Interruption::watch()).run(task, &mut |progress| {
        assert!(matches!(progress, Progress::Started { .. }));
        while !std::fs::read(root.join("tmp/left")).is_ok_and(|text| text.ends_with(b"\n")) {}
        panic!("what would a panic be without a word\nor two");
    });
    unreachable!("it panics: {ended:?}");
}
