//! Settings that are broken cost as little as can be, and are told of with line and caret.

use std::fs;

use testbed::{SETTINGS, host};

use crate::{assert_witnessed, unharmed, with_witness};

/// Runs an event with these settings and asserts the lines that are logged of them, without file, time and level.
#[track_caller]
fn told(settings: &str, expected: &[&str]) {
    let host = host!();
    host.settings(settings);
    with_witness(&host);
    unharmed(host.event("start"));
    let said = host.log().of("-");
    let file = "settings /etc/libvirt/hooks/virt-hooks.toml: ";
    let said: Vec<&str> = said.iter().map(|line| line.strip_prefix(file).unwrap_or(line)).collect();
    assert_eq!(said, expected);
    assert_witnessed(&host);
}

#[test]
fn an_unknown_key_costs_itself_and_is_told_the_nearest_known_one() {
    told(
        "graceSeconds = 1\ntimeoutSecond = 5\n",
        &[
            "line 2, column 1: the key \"timeoutSecond\" is not known and is ignored; did you mean \"timeoutSeconds\"?",
            "  2 | timeoutSecond = 5",
            "    | ^^^^^^^^^^^^^",
        ],
    );
    told(
        "[[script]]\nname = \"x\"\ndomain = [\"a\"]\n",
        &[
            "line 3, column 1: the key \"domain\" is not known and is ignored; did you mean \"domains\"?",
            "  3 | domain = [\"a\"]",
            "    | ^^^^^^",
        ],
    );
    told(
        "zzz = 1\n",
        &[
            "line 1, column 1: the key \"zzz\" is not known and is ignored; \
             valid keys are timeoutSeconds, graceSeconds, eventTimeoutSeconds, maxOutputBytes, trust, sessions, script",
            "  1 | zzz = 1",
            "    | ^^^",
        ],
    );
}

#[test]
fn a_wrong_value_costs_itself() {
    for (line, words) in [
        ("timeoutSeconds = 0", "\"timeoutSeconds\" must be at least 1, in whole seconds; this line is ignored"),
        ("timeoutSeconds = -5", "\"timeoutSeconds\" must be at least 1, in whole seconds; this line is ignored"),
        ("graceSeconds = -1", "\"graceSeconds\" must be at least 0, in whole seconds; this line is ignored"),
        (
            "timeoutSeconds = \"20 * 60\"",
            "\"timeoutSeconds\" must be a number of seconds such as 1200, not \"20 * 60\"; this line is ignored",
        ),
        (
            "timeoutSeconds = 1.5",
            "must be a number of seconds such as 1200, not a value of type float; this line is ignored",
        ),
        ("eventTimeoutSeconds = true", "must be a number of seconds such as 1200, not true; this line is ignored"),
        ("trust = \"strikt\"", "\"trust\" must be \"strict\" or \"warn\", not \"strikt\"; this line is ignored"),
        ("trust = 1", "\"trust\" must be \"strict\" or \"warn\", not 1; this line is ignored"),
        ("script = 1", "\"script\" is written [[script]], in double brackets; it is ignored"),
        ("[[script]]", "this [[script]] has no \"name\"; it is ignored"),
        ("[[script]]\nname = 5", "\"name\" must be a pattern such as \"i-2-*\", not 5; this line is ignored"),
        ("[[script]]\nname = \"a[\"", "\"name\" is not a pattern: "),
        (
            "[[script]]\nname = \"a\"\nonFailure = \"stop\"",
            "\"onFailure\" must be \"continue\" or \"abort\", not \"stop\"; this line is ignored",
        ),
        ("maxOutputBytes = -1", "\"maxOutputBytes\" must be a number of bytes, 0 or more; this line is ignored"),
        (
            "maxOutputBytes = \"64M\"",
            "\"maxOutputBytes\" must be a number of bytes such as 67108864, not \"64M\"; this line is ignored",
        ),
        ("[[script]]\nname = \"a\"\nexclusive = 1", "\"exclusive\" must be true or false, not 1; this line is ignored"),
        ("[[script]]\nname = \"a\"\nwait = \"no\"", "\"wait\" must be true or false, not \"no\"; this line is ignored"),
        (
            "[[script]]\nname = \"a\"\nwait = false\nfilter = true",
            "wait = false is ignored, since libvirt has to wait for a filter and for a veto",
        ),
        (
            "[[script]]\nname = \"a\"\nwait = false\nonFailure = \"abort\"",
            "wait = false is ignored, since libvirt has to wait for a filter and for a veto",
        ),
        (
            "[[script]]\nname = \"a\"\nfilter = \"yes\"",
            "\"filter\" must be true or false, not \"yes\"; the output of these scripts is neither used nor logged",
        ),
        (
            "[[script]]\nname = \"a\"\nfiltr = true",
            "the key \"filtr\" is not known and is ignored; did you mean \"filter\"?",
        ),
        (
            "[[script]]\nname = \"a\"\ndomains = [1]",
            "\"domains\" must be a pattern such as \"i-2-*\", not 1; it matches no VM",
        ),
    ] {
        let host = host!();
        host.settings(&format!("{line}\n"));
        host.bash("start_x", "sleep 0.1");
        unharmed(host.event("start"));
        host.log().assert_says("ERROR", "-", words);
        host.log().assert_says("INFO", "start_x", "exited with 0");
        host.log().assert_only_records();
    }
}

#[test]
fn a_file_that_is_no_toml_leaves_the_defaults_in_force() {
    told(
        "timeoutSeconds = 1\n[[script\n",
        &[
            "line 2, column 9: the whole file is ignored: the other settings files and the defaults are in force; \
             unclosed array table, expected `]]`",
            "  2 | [[script",
            "    |         ^",
        ],
    );
}

#[test]
fn a_file_that_can_not_be_read_as_settings_keeps_nothing_from_running() {
    for (content, words) in [
        (b"\xff\xfe".to_vec(), "it is not UTF-8"),
        (vec![b'#'; 2 << 20], "it is longer than 1048576 bytes"),
        ([b"a=".to_vec(), vec![b'['; 100_000]].concat(), "the whole file is ignored"),
    ] {
        let host = host!();
        host.file(SETTINGS, content, 0o644);
        with_witness(&host);
        unharmed(host.event("start"));
        host.log().assert_says("ERROR", "-", words);
        assert_witnessed(&host);
    }
    let host = host!();
    assert!(std::process::Command::new("mkfifo").arg(host.path(SETTINGS)).status().unwrap().success());
    with_witness(&host);
    unharmed(host.event("start"));
    host.log().assert_says("ERROR", "-", "it is a FIFO, not a file");
    assert_witnessed(&host);
}

#[test]
fn what_was_last_valid_stays_in_force() {
    let host = host!();
    host.bash("start_x", "touch /tmp/ran");
    host.settings("[[script]]\nname = \"start_x\"\ndomains = [\"other\"]\n");
    with_witness(&host);
    unharmed(host.event("start"));
    assert!(!host.path("/tmp/ran").exists());
    host.settings("[[script]]\nname = \"start_x\ndomains = [\"other\"]\n");
    unharmed(host.event("start"));
    assert!(!host.path("/tmp/ran").exists(), "a typing error lets no script loose on other VMs");
    host.log().assert_says("ERROR", "-", "the last valid version of this file stays in force");
    host.settings("");
    unharmed(host.event("start"));
    assert!(host.path("/tmp/ran").exists());
}

#[test]
fn drop_ins_are_read_after_the_main_file_in_bytewise_order() {
    let host = host!();
    host.folder("etc/libvirt/hooks/virt-hooks.d");
    host.settings("timeoutSeconds = 100\n");
    let drop_in = |name: &str, text: &str| host.file(format!("etc/libvirt/hooks/virt-hooks.d/{name}"), text, 0o644);
    drop_in("10-slow.toml", "timeoutSeconds = 50\n");
    drop_in("9-fast.toml", "timeoutSeconds = 1\n");
    drop_in("99.toml.bak", "timeoutSeconds = 200\n");
    drop_in(".hidden.toml", "timeoutSeconds = 200\n");
    drop_in("broken.toml", "timeoutSeconds = \n");
    host.bash("start_x", "sleep 30");
    unharmed(host.event("start"));
    host.log().assert_says("ERROR", "start_x", "timed out after 1 s");
    host.log().assert_says("ERROR", "-", "/etc/libvirt/hooks/virt-hooks.d/broken.toml: line 1, column ");
}

#[test]
fn the_whole_event_can_be_bounded() {
    let host = host!();
    host.settings("eventTimeoutSeconds = 2\ngraceSeconds = 0\n");
    host.bash("start_a", "sleep 1.2");
    host.bash("start_b", "sleep 30");
    host.bash("start_c", "touch /tmp/ran");
    unharmed(host.event("start"));
    host.log().assert_says("INFO", "start_a", "exited with 0");
    host.log().assert_says("ERROR", "start_b", " ms, ended after ");
    host.log().assert_says(
        "WARN",
        "start_c",
        "not started: the 2 s that eventTimeoutSeconds gives the event are used up",
    );
    assert!(!host.path("/tmp/ran").exists());
}

#[test]
fn settings_are_not_read_where_nothing_needs_them() {
    let host = host!();
    host.settings("nonsense\n");
    unharmed(host.event("start"));
    assert_eq!(host.log().text, "");
    fs::remove_file(host.path(SETTINGS)).unwrap();
}

#[test]
fn a_script_can_have_a_timeout_of_its_own() {
    let host = host!();
    host.settings("timeoutSeconds = 60\ngraceSeconds = 0\n[[script]]\nname = \"start_x\"\ntimeoutSeconds = 1\n");
    host.bash("start_x", "sleep 30");
    host.bash("start_y", "sleep 1.5");
    unharmed(host.event("start"));
    host.log().assert_says("ERROR", "start_x", "timed out after 1 s");
    host.log().assert_says("INFO", "start_y", "exited with 0");
}

#[test]
fn a_table_of_a_drop_in_wins_over_one_of_the_main_file() {
    let host = host!();
    host.settings("[[script]]\nname = \"*\"\ndomains = [\"other\"]\n");
    host.folder("etc/libvirt/hooks/virt-hooks.d");
    host.file("etc/libvirt/hooks/virt-hooks.d/a.toml", "[[script]]\nname = \"start_x\"\ndomains = [\"vm\"]\n", 0o644);
    host.bash("start_x", ":");
    host.bash("start_y", ":");
    unharmed(host.event("start"));
    assert_eq!(host.log().started(), ["start_x"]);
}

#[test]
fn the_defaults_are_those_of_the_readme() {
    let settings = virt_hooks::settings::Settings::default();
    let seconds = std::time::Duration::from_secs;
    assert_eq!((settings.timeout, settings.grace, settings.event_timeout), (seconds(600), seconds(10), None));
    assert_eq!(settings.trust, virt_hooks::settings::Trust::Strict);
}

#[test]
fn however_much_is_wrong_a_few_lines_are_logged_and_the_scripts_run() {
    let many_keys: String = (0..100_000).map(|number| format!("k{number}=1\n")).collect();
    let one_long_line = format!("[[script]]\nname=\"a\"\ndomains=[{}]\n", "1,".repeat(500_000));
    let tables = format!("script=[{}]\n", "{},".repeat(100_000));
    for text in [many_keys, one_long_line, tables] {
        let host = host!();
        host.settings(&text);
        with_witness(&host);
        unharmed(host.event("start"));
        assert_witnessed(&host);
        let log = host.log();
        log.assert_only_records();
        log.assert_says("ERROR", "-", " more in this file");
        assert!(log.text.len() < 40_000, "{} bytes", log.text.len());
    }
}

#[test]
fn settings_that_were_taken_away_do_not_come_back() {
    let host = host!();
    host.bash("start_x", "touch /tmp/ran");
    host.settings("[[script]]\nname = \"start_x\"\ndomains = [\"other\"]\n");
    unharmed(host.event("start"));
    fs::remove_file(host.path(SETTINGS)).unwrap();
    unharmed(host.event("start"));
    fs::remove_file(host.path("/tmp/ran")).unwrap();
    host.settings("nonsense");
    unharmed(host.event("start"));
    assert!(host.path("/tmp/ran").exists(), "{}", host.log().text);
}

#[test]
fn drop_ins_that_were_taken_away_do_not_come_back_either() {
    let host = host!();
    host.bash("start_x", "exit 3");
    host.folder("etc/libvirt/hooks/virt-hooks.d");
    let veto = "[[script]]\nname = \"start_x\"\nonFailure = \"abort\"\n";
    let file = host.file("etc/libvirt/hooks/virt-hooks.d/x.toml", veto, 0o644);
    assert_eq!(host.event("start").run().code, Some(1));
    fs::remove_file(&file).unwrap();
    assert_eq!(host.event("start").run().code, Some(0));
    fs::write(&file, "broken [").unwrap();
    assert_eq!(host.event("start").run().code, Some(0), "{}", host.log().text);
}

#[test]
fn only_a_product_is_answered_with_its_value() {
    let host = host!();
    host.bash("start_x", ":");
    host.settings("timeoutSeconds = 30\ntimeoutSeconds = 30\n");
    unharmed(host.event("start"));
    assert!(!host.log().text.contains("does not calculate"), "{}", host.log().text);
    host.settings("timeoutSeconds = 20 * 60  # as it was\n");
    unharmed(host.event("start"));
    host.log().assert_says("ERROR", "-", "TOML does not calculate: write timeoutSeconds = 1200");
}

#[test]
fn the_bound_on_an_event_counts_the_wait_for_its_stdin() {
    let host = host!();
    host.settings("eventTimeoutSeconds = 1\n");
    host.bash("prepare_x", "touch /tmp/ran");
    let (reader, writer) = testbed::open_pipe();
    let call = host.event("prepare").stdin_from(reader).spawn();
    std::thread::sleep(std::time::Duration::from_millis(1500));
    drop(writer);
    assert_eq!(call.output().status.code(), Some(0));
    host.log().assert_says(
        "WARN",
        "prepare_x",
        "not started: the 1 s that eventTimeoutSeconds gives the event are used up",
    );
    assert!(!host.path("/tmp/ran").exists());
}
