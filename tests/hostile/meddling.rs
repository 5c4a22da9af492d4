//! Scripts that change what the hook works with: the next script, themselves, the folder, the hook.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};
use testbed::{CUSTOM, eventually, host};

use crate::{assert_witnessed, unharmed, unharmed_within, with_witness};

#[test]
fn a_script_that_is_replaced_before_its_turn_runs_as_what_it_is_by_then() {
    let host = host!();
    host.bash(
        "start_a",
        "cd /etc/libvirt/hooks/custom; printf '#!/bin/bash\\necho new\\n' > .new; chmod 755 .new; mv .new start_b",
    );
    host.bash("start_b", "echo old");
    with_witness(&host);
    unharmed(host.event("start"));
    host.log().assert_says("INFO", "start_b", "stdout: new");
    assert!(!host.log().text.contains("stdout: old"));
    assert_witnessed(&host);
}

#[test]
fn a_script_that_is_replaced_before_its_turn_is_judged_as_what_it_is_by_then() {
    let replacements = [
        ("chmod 777 start_b", "WARN", "not started: it can't be trusted: "),
        ("chmod 644 start_b", "WARN", "not executable"),
        ("rm start_b; mkdir start_b", "WARN", "it is a folder"),
        ("rm start_b; mkfifo -m 755 start_b", "WARN", "not started: it is a FIFO, not a file"),
        ("ln -sf /nowhere start_b", "WARN", "it is a dangling link"),
        ("rm start_b; ln -s start_b start_b", "WARN", "it cannot be inspected: "),
        (": > start_b", "WARN", "not started: it is empty"),
        (
            "mkdir /tmp/open; chmod 777 /tmp/open; mv start_b /tmp/open; ln -s /tmp/open/start_b .",
            "WARN",
            "chmod go-w /tmp/open",
        ),
    ];
    for (replace, level, words) in replacements {
        let host = host!();
        host.bash("start_a", &format!("cd /etc/libvirt/hooks/custom; {replace}"));
        host.bash("start_b", "touch /tmp/ran");
        with_witness(&host);
        unharmed(host.event("start"));
        host.log().assert_says(level, "start_b", words);
        assert!(!host.path("/tmp/ran").exists(), "{replace}");
        assert_witnessed(&host);
    }
}

#[test]
fn a_script_that_rewrites_itself_while_it_runs_is_run_to_its_end_and_anew_at_the_next_event() {
    let host = host!();
    // bash reads as it goes: what is appended runs at once; what takes the name's place, at the next event.
    host.bash(
        "start_x",
        "echo one; echo 'echo two' >> \"$0\"; sed 's/one/three/' \"$0\" > \"$0.new\"; chmod 755 \"$0.new\"; sleep 0.2",
    );
    host.bash(
        "start_y",
        "cd /etc/libvirt/hooks/custom; printf '#!/bin/bash\\necho new\\n' > .y; chmod 755 .y; mv .y start_y; echo old",
    );
    host.bash("start_z", ": > \"$0\"; exit 3");
    with_witness(&host);
    unharmed(host.event("start"));
    let log = host.log();
    log.assert_only_records();
    log.assert_says("INFO", "start_x", "stdout: one");
    log.assert_says("INFO", "start_x", "stdout: two");
    log.assert_says("INFO", "start_y", "stdout: old");
    assert!(log.of("start_z").iter().any(|line| line.starts_with("exited with ")), "{}", log.text);
    assert_witnessed(&host);
    unharmed(host.event("start"));
    host.log().assert_says("INFO", "start_y", "stdout: new");
    host.log().assert_says("WARN", "start_z", "not started: it is empty");
}

#[test]
fn scripts_that_are_added_during_an_event_run_from_the_next_one_on() {
    let host = host!();
    let add = "cd /etc/libvirt/hooks/custom; for name in start_a start_z; do printf '#!/bin/bash\\n:\\n' > .x; chmod 755 .x; mv .x $name; done";
    host.bash("start_m", add);
    with_witness(&host);
    unharmed(host.event("start"));
    assert_eq!(host.log().started(), ["start_m", "all_zz_witness"]);
    unharmed(host.event("start"));
    assert_eq!(host.log().started(), ["start_m", "all_zz_witness", "start_a", "start_m", "start_z", "all_zz_witness"]);
    assert_witnessed(&host);
}

#[test]
fn a_custom_folder_that_a_script_removes_or_opens_to_others_costs_what_is_in_it_and_no_vm() {
    let changes = [
        ("rm -r custom", "not started: it has been removed since its folder was read"),
        ("mv custom other", "not started: it has been removed since its folder was read"),
        ("rm -r custom; touch custom", "not started: "),
        ("chmod 777 custom", "fix: chmod go-w /etc/libvirt/hooks/custom"),
    ];
    for (change, words) in changes {
        let host = host!();
        host.bash("start_a", &format!("cd /etc/libvirt/hooks; {change}"));
        host.bash("start_b", "touch /tmp/ran");
        unharmed(host.event("start"));
        host.log().assert_says("INFO", "start_a", "exited with 0");
        host.log().assert_says("WARN", "start_b", words);
        host.log().assert_only_records();
        assert!(!host.path("/tmp/ran").exists(), "{change}");
        // Put right, it is as before.
        _ = fs::remove_file(host.path(CUSTOM));
        host.folder(CUSTOM);
        host.bash("start_a", ":");
        with_witness(&host);
        unharmed(host.event("start"));
        assert_witnessed(&host);
    }
}

#[test]
fn a_custom_folder_that_becomes_a_link_of_root_is_followed() {
    let host = host!();
    host.bash("start_a", "cd /etc/libvirt/hooks; mv custom moved; ln -s moved custom");
    with_witness(&host);
    unharmed(host.event("start"));
    assert_witnessed(&host);
}

#[test]
fn a_script_that_tells_the_hook_to_end_is_ended_and_fails_no_vm() {
    for name in ["TERM", "INT", "HUP", "QUIT"] {
        let host = host!();
        host.settings("graceSeconds = 1\n");
        host.bash("start_x", &format!("echo $$ > /tmp/left; kill -{name} $PPID; sleep 60"));
        with_witness(&host);
        let finished = unharmed(host.event("start"));
        assert!(finished.took < Duration::from_secs(10), "{:?}", finished.took);
        host.log().assert_says("WARN", "start_x", &format!("(SIG{name}); still running: "));
        host.log().assert_says("WARN", "all_zz_witness", &format!("(SIG{name})"));
        assert!(!Path::new(&format!("/proc/{}", host.read("/tmp/left").trim())).exists());
        // The rest was skipped for that event only.
        host.bash("start_x", ":");
        unharmed(host.event("start"));
        assert_witnessed(&host);
    }
}

#[test]
fn a_hook_ended_by_sigkill_leaves_whole_records_no_one_waiting_and_the_next_event_unharmed() {
    let host = host!();
    host.bash("start_x", "echo said; echo $$ > /tmp/left; until [ -e /tmp/dead ]; do sleep 0.05; done; touch /tmp/survived; echo nobody listens; touch /tmp/unreached");
    with_witness(&host);
    let call = host.event("start").spawn();
    let hook = Pid::from_raw(call.pid() as i32).unwrap();
    eventually("the script runs", || host.log().text.contains("stdout: said") && host.path("/tmp/left").exists());
    let killed = Instant::now();
    rustix::process::kill_process(hook, Signal::KILL).unwrap();
    let output = call.output();
    assert!(killed.elapsed() < Duration::from_secs(5), "libvirt waits for nobody: {:?}", killed.elapsed());
    assert_eq!(output.status.code(), None, "it was a signal, and libvirt takes that for a failure");
    let log = host.log();
    log.assert_only_records();
    assert!(log.text.ends_with('\n'));
    log.assert_says("INFO", "start_x", "stdout: said");
    // The script goes on, on its own, until it next prints.
    host.file("/tmp/dead", "", 0o644);
    eventually("the script has gone on", || host.path("/tmp/survived").exists());
    eventually("the script has ended", || !Path::new(&format!("/proc/{}", host.read("/tmp/left").trim())).exists());
    assert!(!host.path("/tmp/unreached").exists(), "it was ended by SIGPIPE");
    host.bash("start_x", "test -s \"$VIRT_HOOKS_LIVE_XML\"");
    unharmed(host.event("start"));
    host.log().assert_says("INFO", "start_x", "exited with 0");
    host.log().assert_only_records();
    assert_witnessed(&host);
}

#[test]
fn a_script_that_kills_the_hook_harms_no_other_event() {
    let host = host!();
    host.bash("start_x", "[ \"$1\" = vm ] && kill -KILL $PPID; :");
    with_witness(&host);
    assert_eq!(host.event("start").run().code, None);
    unharmed(host.hook(["other", "start", "begin", "-"]).stdin("<domain/>"));
    host.log().assert_only_records();
    assert_witnessed(&host);
}

#[test]
fn a_script_that_hangs_in_virsh_is_ended_and_told_what_to_do_instead() {
    let host = host!();
    host.settings("timeoutSeconds = 1\ngraceSeconds = 1\n");
    host.file("/extra/bin/virsh", "#!/bin/bash\necho $$ >> /tmp/left\nwhile :; do sleep 0.1; done\n", 0o755);
    host.bash("start_x", "virsh dumpxml \"$1\"");
    with_witness(&host);
    unharmed_within(Duration::from_secs(13), host.event("start"));
    host.log().assert_says(
        "WARN",
        "start_x",
        "virsh dumpxml vm) was talking to libvirt. A script can't call libvirt on its own VM",
    );
    host.log().assert_says("ERROR", "start_x", "timed out after 1 s");
    assert!(!Path::new(&format!("/proc/{}", host.read("/tmp/left").trim())).exists());
    assert_witnessed(&host);
}

#[test]
fn nothing_in_the_environment_of_libvirts_daemon_moves_a_path_or_names_a_file() {
    let host = host!();
    host.bash("start_x", "echo $VIRT_HOOKS_LOG $VIRT_HOOKS_DOMAIN $VIRT_HOOKS_LIVE_XML");
    with_witness(&host);
    host.folder("/tmp/evil");
    for program in ["bash", "sh", "qemu", "virt-hooks", "sleep"] {
        host.file(format!("/tmp/evil/{program}"), "#!/bin/sh\ntouch /tmp/ran\n", 0o755);
    }
    let mut call = host.event("start").without_variables();
    for name in [
        "VIRT_HOOKS_LOG",
        "VIRT_HOOKS_ROOT",
        "VIRT_HOOKS_DOMAIN",
        "VIRT_HOOKS_LIVE_XML",
        "HOME",
        "TMPDIR",
        "XDG_RUNTIME_DIR",
        "XDG_CONFIG_HOME",
        "LD_LIBRARY_PATH",
        "RUST_LOG",
        "SHELL",
        "ROOT",
        "TZDIR",
    ] {
        call = call.variable(name, "/tmp/evil");
    }
    unharmed(call.variable("PATH", "/tmp/evil:/usr/bin:/bin").variable("RUST_BACKTRACE", "full"));
    host.log().assert_says(
        "INFO",
        "start_x",
        "stdout: /var/log/libvirt/qemu-hook.log vm /run/virt-hooks/qemu/live/vm.xml",
    );
    assert!(!host.path("/tmp/ran").exists());
    assert_eq!(fs::read_dir(host.path("/tmp/evil")).unwrap().count(), 5, "nothing was written there");
    assert_witnessed(&host);
}

#[test]
fn without_a_run_folder_scripts_run_and_the_next_event_has_its_live_xml() {
    let host = host!();
    host.bash("start_x", "test -s \"$VIRT_HOOKS_LIVE_XML\" && echo kept");
    with_witness(&host);
    fs::remove_dir(host.path("run")).unwrap();
    unharmed(host.event("start"));
    host.log().assert_says("INFO", "start_x", "stdout: kept");
    let mode = fs::metadata(host.path("run/virt-hooks")).unwrap().permissions().mode() & 0o7777;
    assert_eq!(mode, 0o700);
    fs::remove_dir_all(host.path("run")).unwrap();
    host.file("run", "a file", 0o644);
    unharmed(host.event("start"));
    host.log().assert_says("WARN", "-", "the live XML can't be kept for stopped and release: ");
    assert_eq!(host.read("run"), "a file");
    assert_witnessed(&host);
}
