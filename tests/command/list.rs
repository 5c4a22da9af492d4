//! `virt-hooks list`: what runs, in which order, and why the rest does not.

use testbed::{CUSTOM, Host, host};

use crate::assert_looks_like;

/// A host with a bit of everything in its folder for scripts.
fn with_everything() -> Host {
    let host = host!();
    for name in
        ["all_20-audit.sh", "start_10-gate.sh", "start_9-late", "migrate_disks.sh", "release_x", "strat_typo.sh"]
    {
        host.bash(name, ":");
    }
    host.file(format!("{CUSTOM}/start_15-off.sh"), "#!/bin/bash\n", 0o644);
    host.script("start_30-snake.py", "#!/usr/bin/no-python\n");
    host.folder(format!("{CUSTOM}/i-2-10-VM"));
    host.bash("i-2-10-VM/start_12-own.sh", ":");
    host.shell("cd /etc/libvirt/hooks/custom; ln -s /dev/null all_masked; touch README lib.sh start_9-late~").run();
    host.settings(
        "timeoutSeconds = 120\n[[script]]\nname = \"start_10-gate.sh\"\ndomains = [\"i-2-*\", \"web\"]\ntimeoutSeconds = 30\n\
         onFailure = \"abort\"\n[[script]]\nname = \"all_*\"\nexclusive = true\nwait = false\n[[script]]\nname = \"migrate_*\"\n\
         filter = true\n",
    );
    host
}

#[test]
fn everything_in_a_pipe() {
    let finished = with_everything().command(["list"]).run();
    assert_eq!((finished.code, finished.stderr.as_str()), (Some(0), ""));
    assert_looks_like("list.txt", &finished.stdout);
}

#[test]
fn everything_on_a_terminal() {
    let finished = with_everything().command(["list"]).on_a_terminal(80);
    assert_looks_like("list-terminal.txt", &finished.stdout);
    let plain = with_everything().command(["list"]).variable("NO_COLOR", "1").on_a_terminal(80).stdout;
    assert!(!plain.contains('\u{1b}'), "{plain}");
}

#[test]
fn everything_as_json() {
    let finished = with_everything().command(["list", "--json"]).run();
    assert_looks_like("list.json", &finished.stdout);
}

#[test]
fn one_operation_s_scripts_in_the_order_in_which_they_run() {
    let host = with_everything();
    let finished = host.command(["list", "start"]).run();
    assert_looks_like("list-start.txt", &finished.stdout);

    // It is the order in which the hook runs them.
    let listed = host.command(["list", "start", "--domain", "i-2-10-VM", "--json"]).run().stdout;
    let listed: Vec<serde_json::Value> = serde_json::from_str(&listed).expect("JSON");
    let listed = listed.iter().filter(|row| row["runs"] == true).map(|row| row["name"].as_str().unwrap_or_default());
    let event = host.hook(["i-2-10-VM", "start", "begin", "-"]).run();
    assert_eq!(event.code, Some(0));
    let listed: Vec<&str> = listed.collect();
    assert_eq!(listed, ["start_10-gate.sh", "i-2-10-VM/start_12-own.sh", "all_20-audit.sh", "start_9-late"]);
    testbed::eventually("all of them ran", || host.log().started().len() == listed.len());
    let mut ran = host.log().started();
    ran.retain(|script| script != "all_20-audit.sh");
    assert_eq!(ran, ["start_10-gate.sh", "i-2-10-VM/start_12-own.sh", "start_9-late"]);
}

#[test]
fn for_a_vm_that_the_settings_leave_out_the_script_does_not_run_and_the_reason_is_told() {
    let host = with_everything();
    let listed = host.command(["list", "start", "--domain", "db"]).run().stdout;
    assert!(!listed.contains("start_12-own.sh"), "{listed}");
    assert!(listed.contains("domains in the settings is for i-2-*, web, not for db"), "{listed}");
    assert!(listed.contains("start_9-late"), "{listed}");
}

#[test]
fn nothing_at_all() {
    let host = host!();
    let finished = host.command(["list"]).run();
    let expected = "/etc/libvirt/hooks/custom has no such script. To make one: virt-hooks new start hello.sh\n";
    assert_eq!(finished.stdout, expected);
    std::fs::remove_dir(host.path(CUSTOM)).expect("no folder");
    let finished = host.command(["list"]).run();
    assert_eq!(finished.code, Some(0));
    assert!(finished.stdout.starts_with("/etc/libvirt/hooks/custom does not exist."), "{}", finished.stdout);
}

#[test]
fn names_are_shown_as_they_are_and_play_no_tricks() {
    let host = host!();
    for name in ["start_my script", "start_größe", "start_\u{1b}[31m", "start_世界.sh"] {
        host.bash(name, ":");
    }
    let shown = host.command(["list"]).on_a_terminal(100).stdout;
    assert_looks_like("list-names.txt", &shown);
    assert!(!shown.contains("\u{1b}[31m"), "{shown:?}");
}

#[test]
fn a_pause_and_mistakes_in_the_settings_are_told() {
    let host = with_everything();
    host.settings("timeoutSecond = 1\n");
    host.command(["pause"]).run();
    let listed = host.command(["list"]).run().stdout;
    let told: Vec<&str> = listed.lines().take(2).collect();
    let expected = [
        "paused until resumed; to have scripts run again: virt-hooks resume",
        "there are mistakes in the settings; to see them: virt-hooks check",
    ];
    assert_eq!(told, expected);
}

#[test]
fn ten_thousand_files_that_are_no_scripts_take_a_line() {
    let host = host!();
    host.bash("start_a", ":");
    host.shell("cd /etc/libvirt/hooks/custom; seq -f data-%g 10000 | xargs touch").run();
    let listed = host.command(["list"]).run().stdout;
    assert_eq!(listed.lines().count(), 3, "{listed}");
    assert!(
        listed.contains("no scripts by their names: data-1, data-10, data-100, data-1000, data-10000 and 9995 more")
    );
}

#[test]
fn a_folder_that_may_not_be_read_is_said() {
    let Some(host) = host!().or_leave_out() else { return };
    host.shell("chmod 700 /etc/libvirt/hooks").run();
    let nobody = host.command(["list"]).through("/usr/bin/setpriv", &["--reuid=4711", "--clear-groups"]).run();
    assert_eq!(nobody.code, Some(1));
    assert_eq!(
        nobody.stderr,
        "virt-hooks: /etc/libvirt/hooks/custom can't be read: Permission denied (os error 13); run it as root\n"
    );
}

#[test]
fn a_reader_who_has_seen_enough_is_no_failure() {
    let host = host!();
    // More than a pipe holds, so that the reader is gone before all of it is written.
    host.shell("cd /etc/libvirt/hooks/custom; for i in {1..3000}; do echo > start_$i; done").run();
    for verb in ["list", "list --json", "check", "check --json"] {
        let line = format!("virt-hooks {verb} | head -1 | wc -l; echo ${{PIPESTATUS[0]}}");
        let finished = host.shell(&line).run();
        assert_eq!((finished.stdout.as_str(), finished.stderr.as_str()), ("1\n0\n", ""), "{verb}");
        let full = host.shell(&format!("virt-hooks {verb} > /dev/full")).run();
        assert_eq!(full.code, Some(1), "{verb}");
        let expected = "virt-hooks: the output can't be written: No space left on device (os error 28)\n";
        assert_eq!(full.stderr, expected, "{verb}");
    }
}

#[test]
fn names_that_are_no_utf8_make_json_all_the_same() {
    let host = host!();
    host.shell("cd /etc/libvirt/hooks/custom; printf '#!/bin/bash\n' > $'start_\\xff'; chmod 755 *").run();
    let finished = host.command(["list", "--json"]).run();
    assert_eq!((finished.code, finished.stderr.as_str()), (Some(0), ""));
    let rows: Vec<serde_json::Value> = serde_json::from_str(&finished.stdout).expect("JSON");
    assert_eq!(rows.len(), 1);
    assert!(rows.iter().all(|row| row["name"] == "start_\u{fffd}"), "{rows:?}");
}

#[test]
fn a_root_that_is_no_folder_is_refused() {
    let host = host!();
    host.file("/tmp/file", "x", 0o644);
    let finished = host.command(["--root", "/tmp/file", "list"]).run();
    assert_eq!(finished.code, Some(2));
    assert_eq!(finished.stderr, "virt-hooks: --root /tmp/file: it is no folder\n");
}

#[test]
fn names_of_any_length_are_whole_in_a_pipe_and_fit_on_a_terminal() {
    let host = host!();
    let (script, vm) = (format!("start_{}end", "x".repeat(71)), format!("vm-{}end", "y".repeat(60)));
    host.folder(format!("{CUSTOM}/{vm}"));
    host.bash(format!("{vm}/{script}"), ":");
    let piped = host.command(["list"]).run().stdout;
    assert!(piped.contains(&format!("{vm}/{script}")), "{piped}");
    for (columns, variable, width) in [(80, "", 80), (200, "70", 70), (60, "", 60)] {
        let shown = host.command(["list"]).variable("NO_COLOR", "1").variable("COLUMNS", variable);
        let shown = shown.on_a_terminal(columns).stdout;
        let row = shown.lines().find(|line| line.contains("vm-y")).expect("the script's row");
        assert!(row.trim_end().chars().count() <= width, "{width}: {shown}");
        assert!(row.contains("xend"), "both ends of what matters stay: {shown}");
    }
}

#[test]
fn json_has_no_character_that_plays_tricks_on_a_terminal() {
    let host = host!();
    let name = "start_\u{9b}31m\u{202e}back \\ \u{e9}";
    host.file(format!("{CUSTOM}/{name}"), "#!/bin/bash\n", 0o644);
    for verb in ["list", "check"] {
        let said = host.command([verb, "--json"]).run().stdout;
        assert!(!said.contains(['\u{9b}', '\u{202e}']), "{said}");
        assert!(said.contains("\\u009b31m\\u202eback") || verb == "check", "{said}");
        let read: serde_json::Value = serde_json::from_str(&said).expect("JSON");
        assert!(verb == "check" || read[0]["name"] == name, "{said}");
    }
}
