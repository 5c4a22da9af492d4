//! What scripts print: however much, and whatever it is.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::time::Duration;

use testbed::{Host, LOG, host};
use virt_hooks::record::Record;

use crate::{assert_witnessed, eventually_logged, unharmed, unharmed_within, with_witness};

/// Room for bash and the hook, and for nothing that grows with what is printed.
const LITTLE_MEMORY: &str = "ulimit -v 60000";

/// What is printed shall all be logged.
const UNBOUNDED: &str = "maxOutputBytes = 2000000000\n";

/// Calls `see` with every line of the log.
fn each_line(host: &Host, mut see: impl FnMut(&[u8])) {
    let mut log = BufReader::with_capacity(1 << 20, File::open(host.path(LOG)).unwrap());
    let mut line = Vec::new();
    while log.read_until(b'\n', &mut line).unwrap() > 0 {
        see(&line);
        line.clear();
    }
}

/// What a script printed to stdout, put together from its records. Every line of the log must be one, without a
/// character that is not printed as it stands.
#[track_caller]
fn printed(host: &Host, script: &str) -> Vec<u8> {
    let mut printed = Vec::new();
    let mut begun = false;
    each_line(host, |line| {
        let shown = String::from_utf8_lossy(line);
        let plain = |character: char| !character.is_control() && !matches!(character, '\u{2028}'..='\u{202e}');
        assert!(shown.trim_end_matches('\n').chars().all(plain), "{}", line.escape_ascii());
        let record = Record::parse(line).unwrap_or_else(|| panic!("not a record: {}", line.escape_ascii()));
        if record.script.as_deref() != Some(script.as_bytes()) {
            return;
        }
        if let Some(rest) = record.message.strip_prefix(b"stdout, continued: ") {
            printed.extend_from_slice(rest);
        } else if let Some(rest) = record.message.strip_prefix(b"stdout: ") {
            if std::mem::replace(&mut begun, true) {
                printed.push(b'\n');
            }
            printed.extend_from_slice(rest);
        }
    });
    printed
}

#[test]
fn a_gigabyte_of_output_is_logged_whole_in_bounded_memory() {
    let host = host!();
    host.settings(UNBOUNDED);
    host.bash("start_x", "yes \"$(printf 'x%.0s' {1..9999})\" | head -c 1000000000");
    with_witness(&host);
    unharmed_within(Duration::from_secs(50), host.event("start").after(LITTLE_MEMORY));
    let mut lines = 0;
    let line_of_x = [b'x'; 9999];
    each_line(&host, |line| {
        let text = line.strip_suffix(b"\n").expect("no line is torn");
        lines += usize::from(text.strip_suffix(&line_of_x).is_some_and(|start| start.ends_with(b"start_x: stdout: ")));
    });
    assert_eq!(lines, 100_000, "nothing is lost");
    let end = std::process::Command::new("tail").args(["-n", "4"]).arg(host.path(LOG)).output().unwrap().stdout;
    let end = String::from_utf8_lossy(&end);
    assert!(end.contains(" start_x: exited with 0 after "), "{end}");
    assert!(end.contains(" all_zz_witness: exited with 0 after "), "{end}");
}

#[test]
fn a_line_of_a_hundred_megabytes_is_logged_in_pieces_in_bounded_memory() {
    let host = host!();
    host.settings(UNBOUNDED);
    host.bash("start_x", "head -c 100000000 /dev/zero | tr '\\0' x; echo; echo after it");
    with_witness(&host);
    unharmed_within(Duration::from_secs(40), host.event("start").after(LITTLE_MEMORY));
    let (mut printed, mut longest, mut after) = (0, 0, false);
    each_line(&host, |line| {
        longest = longest.max(line.len());
        let text = line.strip_suffix(b"\n").expect("no line is torn");
        let xs = text.iter().rev().take_while(|&&byte| byte == b'x').count();
        let start = text.get(..text.len() - xs).unwrap();
        if start.ends_with(b"start_x: stdout: ") || start.ends_with(b"start_x: stdout, continued: ") {
            printed += xs;
        }
        after |= text.ends_with(b"start_x: stdout: after it");
    });
    assert_eq!(printed, 100_000_000, "nothing is lost");
    assert!(longest < 100_000, "{longest} bytes are no line for a person or a program");
    assert!(after, "what follows it is a line of its own");
    assert_witnessed(&host);
}

#[test]
fn binary_output_can_be_taken_back_from_the_log_to_the_byte() {
    let host = host!();
    host.script(
        "start_x",
        "#!/usr/bin/python\nimport random, sys\nrandom.seed(5)\ndata = random.randbytes(1_000_000) + b'end'\n\
         open('/tmp/printed', 'wb').write(data)\nsys.stdout.buffer.write(data)\n",
    );
    with_witness(&host);
    unharmed(host.event("start"));
    let expected = std::fs::read(host.path("/tmp/printed")).unwrap();
    assert_eq!(expected.len(), 1_000_003);
    assert!(printed(&host, "start_x") == expected, "byte for byte");
    assert_witnessed(&host);
}

#[test]
fn nothing_but_nuls_is_logged_as_what_it_is() {
    let host = host!();
    host.bash("start_x", "head -c 3000000 /dev/zero");
    with_witness(&host);
    unharmed(host.event("start").after(LITTLE_MEMORY));
    assert!(printed(&host, "start_x") == vec![0; 3_000_000]);
    host.log().assert_says("INFO", "start_x", r"stdout: \x00\x00\x00");
    assert_witnessed(&host);
}

#[test]
fn no_control_sequence_reaches_the_terminal_of_whoever_reads_the_log() {
    // Clears the screen, sets its title, resets it, answers by typing, rings, overwrites the line and the character
    // before, begins a C1 sequence, and turns the text around.
    let sequences = "\u{1b}[2J\u{1b}]0;title\u{7}\u{1b}c\u{1b}[6n\u{5}\u{1b}P$q\u{1b}\\\u{7}overwrite\rwith\u{8}\u{8}\u{9b}31m\u{9d}x\u{9c}\
                     \u{202e}desrever\u{2028}line\u{2029}\u{85}\u{7f}\u{b}\u{c}\u{0}\u{e}\u{f}";
    let host = host!();
    host.file("/tmp/sequences", sequences, 0o644);
    host.bash("start_x", "cat /tmp/sequences; cat /tmp/sequences >&2; exit 3");
    with_witness(&host);
    unharmed(host.event("start"));
    assert!(printed(&host, "start_x") == sequences.as_bytes());
    host.log().assert_says("INFO", "start_x", r"stderr: \x1b[2J\x1b]0;title\x07\x1bc");
    host.log().assert_says("ERROR", "start_x", "exited with 3");
    assert_witnessed(&host);
}

#[test]
fn a_script_that_prints_without_end_is_ended_at_its_deadline() {
    let host = host!();
    host.settings("timeoutSeconds = 1\ngraceSeconds = 1\n");
    host.bash(
        "start_x",
        "echo $$ > /tmp/left; trap '' TERM; yes \"$(printf 'x%.0s' {1..999})\" & while :; do echo flood >&2; done",
    );
    with_witness(&host);
    unharmed_within(Duration::from_secs(13), host.event("start").after(LITTLE_MEMORY));
    let mut said = Vec::new();
    each_line(&host, |line| {
        assert!(line.ends_with(b"\n"), "no line is torn");
        if !line.windows(10).any(|part| part == b"x: stdout:" || part == b"x: stderr:") {
            said.push(String::from_utf8_lossy(line).into_owned());
        }
    });
    let said = said.concat();
    assert!(said.contains("start_x: sent SIGKILL to its remaining processes: "), "{said}");
    assert!(said.contains("start_x: timed out after 1 s"), "{said}");
    assert!(said.contains("all_zz_witness: exited with 0"), "{said}");
}

#[test]
fn a_script_that_closes_its_stdin_stdout_and_stderr_runs_to_its_end() {
    let host = host!();
    host.bash("start_x", "echo before; exec <&- >&- 2>&-; sleep 0.3; touch /tmp/ran; exit 3");
    with_witness(&host);
    let finished = unharmed(host.event("start"));
    assert!(finished.took >= Duration::from_millis(300));
    assert!(host.path("/tmp/ran").exists());
    host.log().assert_says("INFO", "start_x", "stdout: before");
    host.log().assert_says("ERROR", "start_x", "exited with 3");
    assert_witnessed(&host);
}

#[test]
fn a_daemon_left_behind_that_goes_on_printing_lives_and_all_of_it_is_logged() {
    let host = host!();
    host.bash(
        "start_x",
        "setsid bash -c 'for i in {1..40}; do echo line $i; sleep 0.02; done; echo end >&2; exec sleep 300' & echo $! > /tmp/left",
    );
    with_witness(&host);
    let finished = unharmed(host.event("start"));
    assert!(finished.took < Duration::from_secs(10), "{:?}", finished.took);
    host.log().assert_says("INFO", "start_x", "left something running that holds its output");
    eventually_logged(&host, "start_x: stderr: end");
    let expected = (1..=40).map(|number| format!("line {number}")).collect::<Vec<_>>().join("\n");
    assert_eq!(String::from_utf8_lossy(&printed(&host, "start_x")), expected);
    let pid = host.read("/tmp/left");
    assert!(std::path::Path::new(&format!("/proc/{}", pid.trim())).exists(), "it lives");
    assert_witnessed(&host);
}
