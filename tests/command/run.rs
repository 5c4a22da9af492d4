//! `virt-hooks run`: the hook's own path.

use testbed::{Host, host};

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
        ("start_b: stdout: /srv/try/run/virt-hooks/live/my vm.xml", ""),
        ("start_b: stderr: oops", ""),
        ("start_b: exited with 0 after ", " ms"),
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
    let last = finished.stderr.lines().last().unwrap_or_default();
    assert!(last.starts_with("virt-hooks: the script start_a refused start: exited with 3"), "{}", finished.stderr);
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
    assert!(finished.stderr.contains("to mend it: chmod go-w /srv/try\n"), "{}", finished.stderr);
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
