//! A log whose explanations are all worded in another way is the same log to `virt-hooks log`.

use testbed::{CUSTOM, Host, LOG, host};
use virt_hooks::record::{Fields, Record};

use crate::log::{DAY, by_hand, log, with_log};

/// The log with other explanations: one that nobody has written, and one that reads like an outcome.
fn reworded(text: &str, words: &str) -> String {
    let line = |line: &str| {
        let fields = Fields::split(line.as_bytes()).expect(line);
        let mut message = fields.read_message();
        message.reword(words);
        let mut written = Vec::new();
        message.write(&mut written);
        let record = Record { message: b""[..].into(), ..Record::read(&fields).expect(line) };
        format!("{record}{}\n", String::from_utf8(written).expect("text"))
    };
    text.lines().map(line).collect()
}

/// A log that the hook wrote of scripts that end in every way.
fn of_the_hook() -> String {
    let host = host!();
    host.settings("maxOutputBytes = 100\n[[script]]\nname = \"start_slow\"\ntimeoutSeconds = 1\n");
    host.bash("start_bad", "echo out; echo err >&2; exit 7");
    host.bash("start_good", "seq 100");
    host.bash("start_killed", "kill -9 $$");
    host.bash("start_slow", "sleep 100");
    host.script("start_lost", "#!/bin/no-such-interpreter\n");
    host.file(format!("{CUSTOM}/start_off"), "#!/bin/bash\n", 0o644);
    assert_eq!(host.event("start").run().code, Some(0));
    assert_eq!(host.event("begin").run().code, Some(0));
    assert_eq!(host.command(["pause"]).run().code, Some(0));
    assert_eq!(host.event("start").run().code, Some(0));
    host.read(LOG)
}

/// The output of a call that goes well, the messages of records left out.
#[track_caller]
fn shown(host: &Host, arguments: &[&str]) -> Vec<String> {
    let finished = log(host, arguments).run();
    assert_eq!(finished.code, Some(0), "{arguments:?}: {}", finished.stderr);
    let without_message = |line: &str| {
        if let Ok(serde_json::Value::Object(mut object)) = serde_json::from_str(line) {
            object.remove("message");
            return serde_json::Value::Object(object).to_string();
        }
        let Some(fields) = Fields::split(line.as_bytes()) else { return line.to_owned() };
        let mut message = fields.read_message();
        message.reword("");
        format!("{} {:?} {message:?}", fields.time, String::from_utf8_lossy(fields.run))
    };
    finished.stdout.lines().map(without_message).collect()
}

#[test]
fn other_explanations_change_nothing_that_log_works_out() {
    for text in [DAY.to_owned(), by_hand(), of_the_hook()] {
        let before = with_log(&text);
        for words in ["whatever", "exited with 0 after 7 ms", "started as pid 3 with arguments x"] {
            let other = reworded(&text, words);
            assert!(other.contains(words) || !text.contains("not "), "it is reworded: {other}");
            let after = with_log(other);
            for arguments in [
                &["--json"][..],
                &["--failed"],
                &["--failed", "--json"],
                &["--failed", "-n", "3"],
                &["--stats"],
                &["--stats", "--json"],
                &["--stats", "--failed"],
                &["--timeline"],
                &["--timeline", "--failed"],
                &["--script", "start_*"],
            ] {
                assert_eq!(shown(&after, arguments), shown(&before, arguments), "{arguments:?} {words}");
            }
        }
    }
}
