//! `virt-hooks run`: the hook's own path.

use testbed::{Host, host};

use crate::assert_looks_like;

/// Where a person tries scripts out.
const TRY: &str = "/srv/try";

/// A host on which somebody has put these scripts below a folder of their own.
fn with_scripts(scripts: &[(&str, &str)]) -> Host {
    let host = host!();
    host.folder(format!("{TRY}/etc/libvirt/hooks/custom"));
    for (name, commands) in scripts {
        let script = format!("#!/bin/bash\n{commands}\n");
        host.file(format!("{TRY}/etc/libvirt/hooks/custom/{name}"), script, 0o755);
    }
    host.bash("all_real", "touch /tmp/ran");
    host
}

fn run<'a>(host: &'a Host, arguments: &[&str]) -> testbed::Call<'a> {
    host.command(["run", "--root", TRY].iter().chain(arguments))
}

#[test]
fn run_plays_an_event_below_a_folder_and_shows_what_is_logged() {
    let host = with_scripts(&[
        ("start_b", "echo \"$@\"; cat; echo \"$VIRT_HOOKS_LIVE_XML\"; echo oops >&2"),
        ("all_a", "echo \"$VIRT_HOOKS_LOG\""),
        ("stopped_c", "echo never"),
    ]);
    host.file("/tmp/vm.xml", "<domain/>\n", 0o644);
    let finished = run(&host, &["--xml", "/tmp/vm.xml", "start", "my vm"]).run();
    assert_eq!((finished.code, finished.stdout.as_str()), (Some(0), ""), "{}", finished.stderr);
    let shown: Vec<&str> = finished.stderr.lines().collect();
    let expected = [
        ("all_a: started as pid ", " with arguments \"my vm\" start begin -"),
        ("all_a: stdout: /srv/try/var/log/libvirt/qemu-hook.log", ""),
        ("all_a: exited with 0 after ", " ms"),
        ("start_b: started as pid ", " with arguments \"my vm\" start begin -"),
        ("start_b: stdout: my vm start begin -", ""),
        ("start_b: stdout: <domain/>", ""),
        ("start_b: stdout: /srv/try/run/virt-hooks/qemu/rehearsed/my vm.xml", ""),
        ("start_b: stderr: oops", ""),
        ("start_b: exited with 0 after ", " ms"),
        ("2 scripts ran well", ""),
    ];
    assert_eq!(shown.len(), expected.len(), "{shown:#?}");
    for (begin, end) in expected {
        assert!(shown.iter().any(|line| line.starts_with(begin) && line.ends_with(end)), "{begin} in {shown:#?}");
    }
    // The host's own scripts, log and state have no part in it.
    assert_eq!(host.log().text, "");
    assert!(!host.path("/tmp/ran").exists() && !host.path("/run/virt-hooks").exists());
    assert_eq!(host.read(format!("{TRY}/var/log/libvirt/qemu-hook.log")).lines().count(), expected.len());
}

#[test]
fn run_gives_scripts_the_sub_operation_and_the_extra_argument_of_libvirt_or_those_told() {
    let host = with_scripts(&[("all_a", "echo \"$*\"")]);
    for (arguments, expected) in [
        (["release", "vm"].as_slice(), "vm release end -"),
        (["migrate", "vm"].as_slice(), "vm migrate begin -"),
        (["--extra", "from snapshot", "release", "vm"].as_slice(), "vm release end from snapshot"),
        (["--sub-operation", "-", "start", "-vm"].as_slice(), "-vm start - -"),
    ] {
        let finished = run(&host, arguments).run();
        assert!(finished.stderr.contains(&format!("stdout: {expected}\n")), "{}", finished.stderr);
    }
}

#[test]
fn run_takes_the_xml_from_its_stdin() {
    let host = with_scripts(&[("all_a", "cat")]);
    let finished = run(&host, &["--xml", "-", "start", "vm"]).stdin("<domain/>").run();
    assert!(finished.stderr.contains("all_a: stdout: <domain/>"), "{}", finished.stderr);
}

#[test]
fn run_exits_with_1_where_a_script_failed_and_says_so() {
    let host = with_scripts(&[("start_a", "exit 3"), ("start_b", ":")]);
    let finished = run(&host, &["start", "vm"]).run();
    assert_eq!(finished.code, Some(1));
    assert!(finished.stderr.contains("start_a: ERROR exited with 3 after "), "{}", finished.stderr);
    assert!(finished.stderr.contains("start_b: exited with 0 after "), "{}", finished.stderr);
}

#[test]
fn run_shows_a_veto() {
    let host = with_scripts(&[("start_a", "echo no >&2; exit 3")]);
    let settings = "[[script]]\nname = \"start_a\"\nonFailure = \"abort\"\n";
    host.file(format!("{TRY}/etc/libvirt/hooks/virt-hooks.toml"), settings, 0o644);
    let finished = run(&host, &["start", "vm"]).run();
    assert_eq!(finished.code, Some(1));
    let last: Vec<&str> = finished.stderr.lines().rev().take(2).collect();
    assert!(last[1].starts_with("virt-hooks: the script start_a refused start: exited with 3"), "{}", finished.stderr);
    assert_eq!(last[0], "0 of 1 scripts ran well; failed: start_a");
}

#[test]
fn run_judges_trust_from_the_folder_downwards() {
    let host = with_scripts(&[("start_a", ":")]);
    let open = |path: &str, mode| {
        std::fs::set_permissions(host.path(path), std::os::unix::fs::PermissionsExt::from_mode(mode))
            .unwrap_or_default();
    };
    open("/srv", 0o777);
    assert_eq!(run(&host, &["start", "vm"]).run().code, Some(0), "what is above the folder is not judged");
    open(TRY, 0o777);
    let finished = run(&host, &["start", "vm"]).run();
    assert_eq!(finished.code, Some(1));
    assert!(finished.stderr.contains("fix: chmod go-w /srv/try\n"), "{}", finished.stderr);
}

#[test]
fn a_wrong_command_line_exits_with_2_and_runs_nothing() {
    let host = with_scripts(&[("all_a", "touch /tmp/ran")]);
    for (arguments, words) in [
        (["run", "--root", TRY, "begin", "vm"].as_slice(), "invalid value 'begin' for '<OPERATION>'"),
        (["run", "--root", "/no/such", "start", "vm"].as_slice(), "--root /no/such: No such file or directory"),
        (["run", "--root", TRY, "start"].as_slice(), "<VM>"),
        (["run", "--root", TRY, "--xml", "/no/such", "start", "vm"].as_slice(), "/no/such: No such file or directory"),
        (["walk"].as_slice(), "walk"),
        ([].as_slice(), "Usage: virt-hooks"),
    ] {
        let finished = host.command(arguments).run();
        assert_eq!(finished.code, Some(2), "{arguments:?}: {}", finished.stderr);
        assert!(finished.stderr.contains(words), "{}", finished.stderr);
    }
    assert!(!host.path("/tmp/ran").exists());
}

#[test]
fn a_reader_who_goes_away_ends_nothing() {
    let host = with_scripts(&[("start_a", "echo one; sleep 0.3; echo two; touch /tmp/ran-to-its-end")]);
    let gone = "mkfifo \"$root/tmp/err\"; head -c 1 < \"$root/tmp/err\" > /dev/null & exec 2> \"$root/tmp/err\"";
    assert_eq!(run(&host, &["start", "vm"]).after(gone).run().code, Some(0));
    assert!(host.path("/tmp/ran-to-its-end").exists());
}

/// A host on which libvirt has the VM `my-vm`.
fn with_libvirt() -> Host {
    let host = host!();
    let virsh = "#!/bin/bash\n[ \"$*\" = '-c qemu:///system -q dumpxml --domain my-vm' ] && echo '<domain><name>my-vm</name></domain>' ||\n\
                 { echo \"error: failed to get domain '${*: -1}'\" >&2; exit 1; }\n";
    host.file("/extra/bin/virsh", virsh, 0o755);
    host
}

#[test]
fn on_the_host_libvirt_is_asked_for_the_vm_s_xml() {
    let host = with_libvirt();
    host.bash("start_a", "cat");
    let finished = host.command(["run", "start", "my-vm"]).run();
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    host.log().assert_says("INFO", "start_a", "stdout: <domain><name>my-vm</name></domain>");
    // It is in the same log as everything else.
    assert!(host.log().text.contains("] my-vm start/begin start_a: exited with 0"), "{}", host.log().text);
}

#[test]
fn a_vm_that_libvirt_has_not_needs_its_xml_in_a_file() {
    let host = with_libvirt();
    host.bash("start_a", "touch /tmp/ran");
    let finished = host.command(["run", "start", "other"]).run();
    assert_eq!(finished.code, Some(1));
    assert_eq!(
        finished.stderr,
        "virt-hooks: the XML of other can't be had: virsh says: error: failed to get domain 'other'; give a VM that \
         libvirt has, or its XML by --xml FILE (--xml /dev/null for none)\n"
    );
    assert!(!host.path("/tmp/ran").exists());
    assert_eq!(host.command(["run", "start", "other", "--xml", "/dev/null"]).run().code, Some(0));
}

#[test]
fn a_libvirt_that_does_not_answer_is_not_waited_for_without_end() {
    let host = host!();
    host.file("/extra/bin/virsh", "#!/bin/bash\nsleep 1000\n", 0o755);
    let finished = host.command(["run", "start", "my-vm"]).run();
    assert_eq!(finished.code, Some(1));
    assert!(finished.stderr.contains("virsh timed out after 20 s"), "{}", finished.stderr);
}

#[test]
fn what_is_known_of_a_vm_that_really_runs_stays_as_it_is_and_is_shown() {
    let host = with_libvirt();
    let real = "<domain><name>my-vm</name><!-- as it runs --></domain>";
    host.bash("all_a", "echo \"$2: $(cat \"$VIRT_HOOKS_LIVE_XML\")\"");
    assert_eq!(host.hook(["my-vm", "started", "begin", "-"]).stdin(real).run().code, Some(0));
    for operation in ["prepare", "release", "start", "stopped", "release"] {
        host.command(["run", operation, "my-vm"]).run();
        assert_eq!(host.read("/run/virt-hooks/qemu/live/my-vm.xml"), real, "{operation}");
    }
    let said = host.log().of("all_a");
    let shown: Vec<&str> = said.iter().filter_map(|message| message.strip_prefix("stdout: ")).collect();
    let rehearsed = "<domain><name>my-vm</name></domain>";
    assert_eq!(
        shown,
        [
            format!("started: {real}"),
            format!("prepare: {real}"),
            format!("release: {real}"),
            format!("start: {rehearsed}"),
            format!("stopped: {rehearsed}"),
            format!("release: {rehearsed}"),
        ]
    );
    assert_eq!(host.shell("ls /run/virt-hooks/qemu/rehearsed").run().stdout, "", "a rehearsed release ends it");
}

#[test]
fn on_the_host_it_is_root_s() {
    let Some(host) = with_libvirt().or_leave_out() else { return };
    let nobody =
        host.command(["run", "start", "my-vm"]).through("/usr/bin/setpriv", &["--reuid=4711", "--clear-groups"]).run();
    assert_eq!(nobody.code, Some(1));
    assert!(
        nobody.stderr.contains("run it as root, or try the scripts below a folder of your own"),
        "{}",
        nobody.stderr
    );
}

#[test]
fn a_pause_does_not_hold_for_what_is_called_by_hand() {
    let host = with_libvirt();
    host.bash("start_a", "touch /tmp/ran");
    host.command(["pause"]).run();
    let finished = host.command(["run", "start", "my-vm"]).run();
    assert!(finished.stderr.starts_with("paused until resumed, for libvirt's events; "), "{}", finished.stderr);
    assert!(host.path("/tmp/ran").exists());
}

#[test]
fn a_dry_run_shows_what_would_run_and_runs_nothing() {
    let host = with_libvirt();
    host.bash("start_a", "touch /tmp/ran");
    host.bash("all_b", "touch /tmp/ran");
    host.bash("stopped_c", ":");
    host.settings("[[script]]\nname = \"start_a\"\ntimeoutSeconds = 5\nonFailure = \"abort\"\n");
    let finished = host.command(["run", "start", "my-vm", "--dry-run"]).run();
    assert_eq!((finished.code, finished.stderr.as_str()), (Some(0), ""));
    assert_looks_like("run-dry.txt", &finished.stdout);
    let json = host.command(["run", "start", "my-vm", "--dry-run", "--json"]).run().stdout;
    assert_looks_like("run-dry.json", &json);
    assert!(!host.path("/tmp/ran").exists() && host.log().text.is_empty());
}

/// A host with scripts that end well, badly and not at all.
fn with_all_ends() -> Host {
    let host = with_libvirt();
    host.bash("start_10-good", "echo out; echo err >&2");
    host.bash("start_20-bad", "echo oops >&2; exit 3");
    host.bash("start_30-slow", "sleep 1000");
    host.file(format!("{}/start_40-off", testbed::CUSTOM), "#!/bin/bash\n", 0o644);
    host.script("start_50-lost", "#!/no/such/interpreter\n");
    host.settings("[[script]]\nname = \"*slow\"\ntimeoutSeconds = 1\n");
    host
}

#[test]
fn progress_in_a_pipe() {
    let finished = with_all_ends().command(["run", "start", "my-vm"]).run();
    assert_eq!((finished.code, finished.stdout.as_str()), (Some(1), ""));
    assert_looks_like("run.txt", &in_order(&finished.stderr));
}

#[test]
fn progress_on_a_terminal() {
    let finished = with_all_ends().command(["run", "start", "my-vm"]).on_a_terminal(80);
    assert_looks_like("run-terminal.txt", &in_order(&finished.stdout));
}

/// The two lines that come by two pipes, in one order.
fn in_order(shown: &str) -> String {
    let mut lines: Vec<&str> = shown.lines().collect();
    let at = |end: &str| lines.iter().position(|line| line.ends_with(end));
    if let (Some(out), Some(err)) = (at(": stdout: out"), at(": stderr: err")) {
        lines.swap(out.min(err), out);
    }
    lines.iter().map(|line| format!("{line}\n")).collect()
}

#[test]
fn scripts_show_what_they_print_while_they_run() {
    let host = with_libvirt();
    host.bash("start_a", "echo first; until [ -e /tmp/seen ]; do sleep 0.05; done");
    let watch = "virt-hooks run start my-vm 2>&1 | while read -r line; do \
                 case $line in *'stdout: first') touch /tmp/seen;; esac; done; ls /tmp/seen";
    assert_eq!(host.shell(watch).run().stdout, "/tmp/seen\n");
}

#[test]
fn a_script_that_libvirt_would_not_wait_for_is_waited_for() {
    let host = with_libvirt();
    host.bash("start_a", "exit 3");
    host.settings("[[script]]\nname = \"start_a\"\nwait = false\n");
    let finished = host.command(["run", "start", "my-vm"]).run();
    assert_eq!(finished.code, Some(1), "{}", finished.stderr);
    assert!(finished.stderr.contains("is waited for, since this was called by hand"), "{}", finished.stderr);
    assert!(finished.stderr.ends_with("0 of 1 scripts ran well; failed: start_a\n"), "{}", finished.stderr);
}

#[test]
fn the_log_tells_what_was_called_by_hand() {
    let host = with_libvirt();
    host.bash("start_a", ":");
    host.command(["run", "start", "my-vm"]).run();
    assert_eq!(host.log().of("-"), ["called by hand, by virt-hooks run"]);
    host.event("start").run();
    assert_eq!(host.log().of("-").len(), 1);
}

#[test]
fn xml_that_can_t_be_printed_is_a_failure() {
    let host = with_libvirt();
    host.bash("migrate_a", "sed s/my-vm/my-vm/; echo '<!-- changed -->'");
    host.settings("[[script]]\nname = \"migrate_a\"\nfilter = true\n");
    let finished = host.shell("virt-hooks run migrate my-vm > /dev/full").run();
    assert_eq!(finished.code, Some(1), "{}", finished.stderr);
    assert!(finished.stderr.contains("the changed XML could not be printed"), "{}", finished.stderr);
}

#[test]
fn a_fifo_without_a_writer_is_not_waited_for() {
    let host = with_libvirt();
    let finished = host.shell("mkfifo /tmp/fifo; virt-hooks run start my-vm --xml /tmp/fifo").run();
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
}
