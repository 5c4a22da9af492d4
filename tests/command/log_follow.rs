//! `virt-hooks log --follow`: what comes, whatever is rotated meanwhile.

use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use testbed::{Host, LOG, Running, host};

use crate::log::{DAY, log, rotated, with_log};

/// How long a line may take to be shown.
const PATIENCE: Duration = Duration::from_secs(20);

/// Long enough for what must not be shown to be shown.
const A_WHILE: Duration = Duration::from_millis(700);

/// Somebody who follows the log.
struct Reader {
    lines: Receiver<String>,
    running: Running,
}

/// The lines go through a FIFO of the host, since a call under way keeps its output to itself.
fn follow(host: &Host, arguments: &[&str]) -> Reader {
    let fifo = host.path("tmp/shown");
    rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, 0o600.into(), 0).expect("a FIFO");
    let call = log(host, &[&["--follow"], arguments].concat());
    let running = call.after("exec > \"$root/tmp/shown\"").spawn();
    let (sender, lines) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(File::open(fifo).expect("the FIFO")).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    Reader { lines, running }
}

impl Reader {
    #[track_caller]
    fn sees(&self, expected: &[&str]) {
        for expected in expected {
            let line = self.lines.recv_timeout(PATIENCE).expect("a line");
            assert_eq!(&line, expected);
        }
    }

    #[track_caller]
    fn sees_nothing(&self) {
        assert_eq!(self.lines.recv_timeout(A_WHILE), Err(RecvTimeoutError::Timeout));
    }

    /// Goes away, which ends what it read from.
    fn goes(self) {
        drop(self.lines);
        let pid = rustix::process::Pid::from_raw(self.running.pid() as i32).expect("a process id");
        _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        self.running.output();
    }
}

fn append(host: &Host, text: &str) {
    let mut file = OpenOptions::new().append(true).create(true).open(host.path(LOG)).expect("the log");
    file.write_all(text.as_bytes()).expect("to be written");
}

#[test]
fn follow_shows_the_last_ten_and_what_comes() {
    let host = with_log((1..=20).map(|number| format!("line {number}\n")).collect::<String>());
    let reader = follow(&host, &[]);
    reader.sees(&[
        "line 11", "line 12", "line 13", "line 14", "line 15", "line 16", "line 17", "line 18", "line 19", "line 20",
    ]);
    append(&host, "line 21\nline 2");
    reader.sees(&["line 21"]);
    reader.sees_nothing();
    append(&host, "2\n");
    reader.sees(&["line 22"]);
    reader.goes();
}

#[test]
fn follow_with_a_count_and_an_unfinished_line() {
    let host = with_log("one\ntwo\nthr");
    let reader = follow(&host, &["-n", "1"]);
    reader.sees(&["two"]);
    append(&host, "ee\n");
    reader.sees(&["three"]);
    reader.goes();
}

#[test]
fn follow_outlives_a_rotation_by_renaming_and_reads_what_events_still_write_to_the_old_file() {
    let host = with_log("one\n");
    let reader = follow(&host, &[]);
    reader.sees(&["one"]);
    let mut old = OpenOptions::new().append(true).open(host.path(LOG)).expect("the log");
    fs::rename(host.path(LOG), host.path(format!("{LOG}.1"))).expect("a rotation");
    old.write_all(b"two\n").expect("to be written");
    reader.sees(&["two"]);
    append(&host, "three\n");
    reader.sees(&["three"]);
    old.write_all(b"four\n").expect("to be written");
    reader.sees(&["four"]);
    append(&host, "five\n");
    reader.sees(&["five"]);
    reader.goes();
}

#[test]
fn follow_outlives_a_rotation_by_copying_and_emptying() {
    let host = with_log("one\ntwo\nthree\n");
    let reader = follow(&host, &["-n", "1"]);
    reader.sees(&["three"]);
    host.file(LOG, "", 0o640);
    reader.sees_nothing();
    append(&host, "four\n");
    reader.sees(&["four"]);
    // Emptied, and filled again before anybody looked, with more than there was.
    host.file(LOG, "new one, longer than all that was there before\nnew two\n", 0o640);
    reader.sees(&["new one, longer than all that was there before", "new two"]);
    reader.goes();
}

#[test]
fn follow_waits_for_a_log_that_is_not_there_yet() {
    let host = host!();
    let reader = follow(&host, &[]);
    reader.sees_nothing();
    append(&host, "one\n");
    reader.sees(&["one"]);
    reader.goes();
}

#[test]
fn follow_filters() {
    let host = with_log(DAY);
    let lines: Vec<&str> = DAY.lines().filter(|line| line.contains("] i-2-11-VM ")).collect();
    rotated(&host, ".1", DAY.as_bytes(), 1);
    let reader = follow(&host, &["--domain", "i-2-11-VM", "-n", "2"]);
    reader.sees(&lines[2..]);
    append(&host, DAY);
    reader.sees(&lines);
    reader.sees_nothing();
    reader.goes();
}

#[test]
fn follow_shows_a_failed_run_once_it_has_failed() {
    let lines: Vec<&str> =
        DAY.lines().filter(|line| line.contains("start_notify.py") || line.contains("stopped_clean")).collect();
    let [good_begin, good_end, begin, printed, end] = lines[..] else { unreachable!("five lines") };
    let host = with_log(format!("{good_begin}\n{begin}\n"));
    let reader = follow(&host, &["--failed"]);
    append(&host, &format!("{printed}\n{good_end}\n"));
    reader.sees_nothing();
    append(&host, &format!("{end}\n"));
    reader.sees(&[begin, printed, end]);
    append(
        &host,
        &DAY.lines().filter(|line| line.contains("prepare_gate")).map(|line| format!("{line}\n")).collect::<String>(),
    );
    assert!(reader.lines.recv_timeout(PATIENCE).expect("a line").contains("not started: "));
    reader.goes();
}

#[test]
fn follow_ends_silently_when_its_reader_goes_away() {
    let host = with_log("one\n");
    let command = "virt-hooks log --follow | head -n 1; echo \"${PIPESTATUS[0]}\"";
    let finished = host.command(["unused"]).through("/bin/bash", &["-c", command]).run();
    assert_eq!((finished.stdout.as_str(), finished.stderr.as_str()), ("one\n0\n", ""));
}
