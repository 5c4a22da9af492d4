//! `virt-hooks log --timeline`: events with their scripts as bars.

use testbed::Finished;

use crate::assert_looks_like;
use crate::log::{DAY, by_hand, log, with_log};

#[track_caller]
fn timeline(text: &str, arguments: &[&str]) -> String {
    let host = with_log(text);
    let finished: Finished = log(&host, &[&["--timeline"], arguments].concat()).run();
    assert_eq!((finished.code, finished.stderr.as_str()), (Some(0), ""));
    finished.stdout
}

/// The headings' times and VMs.
fn events(shown: &str) -> Vec<&str> {
    let headings = shown.lines().filter(|line| line.starts_with("2026"));
    headings.map(|line| line.split_whitespace().nth(2).expect("a VM")).collect()
}

#[test]
fn a_timeline_draws_each_event_over_its_own_time() {
    let host = with_log(DAY);
    assert_looks_like("log-timeline.txt", &timeline(DAY, &[]));
    assert_looks_like("log-timeline-120.txt", &log(&host, &["--timeline"]).on_a_terminal(120).stdout);
    assert_looks_like("log-timeline-80.txt", &log(&host, &["--timeline"]).on_a_terminal(80).stdout);
    assert_looks_like("log-timeline-40.txt", &log(&host, &["--timeline"]).on_a_terminal(40).stdout);
    let signs = log(&host, &["--timeline"]).variable("LC_ALL", "C").run().stdout;
    assert_looks_like("log-timeline-signs.txt", &signs);
}

#[test]
fn no_line_of_a_timeline_is_wider_than_the_terminal() {
    let host = with_log(DAY);
    for columns in [30, 40, 59, 60, 80, 97, 120] {
        let seen = log(&host, &["--timeline"]).variable("NO_COLOR", "1").on_a_terminal(columns).stdout;
        for line in seen.lines() {
            let width = unicode_width::UnicodeWidthStr::width(line);
            assert!(width <= usize::from(columns), "{width} columns of {columns}: {line}");
        }
    }
}

#[test]
fn bars_and_durations_of_all_events_stand_below_each_other() {
    // `120 ms`, `3.2 s`, `10m10s`; the sentence below an event has none at its end.
    let duration = regex::Regex::new(r" (\d+ ms|[\d.]+ s|\d+m\d\ds)(  |$)").expect("a pattern");
    for columns in [60, 80, 100, 120, 200] {
        let host = with_log(DAY);
        let seen = log(&host, &["--timeline"]).variable("NO_COLOR", "1").on_a_terminal(columns).stdout;
        let rows = seen.lines().filter(|line| line.starts_with("  ") || line.starts_with("2026"));
        let ends = rows.filter_map(|line| {
            let end = duration.captures(line)?.get(1).expect("a duration").end();
            Some(unicode_width::UnicodeWidthStr::width(&line[..end]))
        });
        let ends: Vec<usize> = ends.collect();
        assert_eq!(ends.len(), 13, "{seen}");
        assert!(ends.iter().all(|end| *end == ends[0]), "{ends:?}\n{seen}");
        let bars = seen.lines().filter_map(|line| line.find('█').map(|at| (line, at)));
        let begins = bars.map(|(line, at)| unicode_width::UnicodeWidthStr::width(&line[..at]));
        assert!(begins.min() >= Some(usize::from(columns) / 4 + 4), "{seen}");
    }
}

#[test]
fn an_event_by_hand_is_marked_so_and_one_of_libvirts_is_not() {
    let text = by_hand();
    let seen = timeline(&text, &[]);
    let headings: Vec<&str> = seen.lines().filter(|line| line.starts_with("2026")).collect();
    let marked: Vec<bool> = headings.iter().map(|line| line.contains("start  by hand  ")).collect();
    assert_eq!(marked, [true, false, false, false], "{seen}");
    assert!(events(&timeline(&text, &["--script", "start_a"])).len() == 4);
    let host = with_log(&text);
    let narrow = log(&host, &["--timeline", "-n", "4"]).variable("NO_COLOR", "1").on_a_terminal(40).stdout;
    assert_eq!(narrow.lines().filter(|line| *line == " by hand").count(), 1, "{narrow}");
}

#[test]
fn a_timeline_shows_the_events_that_are_asked_for() {
    assert_eq!(events(&timeline(DAY, &[])), ["i-2-10-VM", "i-2-11-VM", "web", "\"my"]);
    assert_eq!(events(&timeline(DAY, &["-n", "2"])), ["web", "\"my"]);
    assert_eq!(events(&timeline(DAY, &["--domain", "i-2-*"])), ["i-2-10-VM", "i-2-11-VM"]);
    assert_eq!(events(&timeline(DAY, &["--operation", "prepare"])), ["web"]);
    assert_eq!(events(&timeline(DAY, &["--failed"])), ["i-2-10-VM", "web"]);
    assert_eq!(events(&timeline(DAY, &["--script", "prepare_x.sh"])), ["web"]);
    assert_eq!(events(&timeline(DAY, &["--since", "2026-11-22T14:22:45+01:00"])), ["i-2-11-VM", "web", "\"my"]);
    assert_eq!(events(&timeline(DAY, &["--until", "2026-11-22T14:24:14+01:00"])), ["i-2-10-VM", "i-2-11-VM", "web"]);
    // An event is shown whole, whichever of its scripts it was asked for by.
    assert!(timeline(DAY, &["--failed", "-n", "1"]).contains("prepare_old.sh"));
}

#[test]
fn a_process_id_that_is_used_again_is_another_event() {
    let run = |time: &str, script: &str| {
        let record =
            |message: &str| format!("2026-11-22T{time}+01:00 INFO  qemu-hook[7] vm start/begin {script}: {message}\n");
        record("started as pid 9 with arguments vm start begin -") + &record("exited with 0 after 0 ms")
    };
    let same_script = run("10:00:00.000", "start_a") + &run("10:00:05.000", "start_a");
    assert_eq!(events(&timeline(&same_script, &[])).len(), 2);
    let after_a_long_time = run("10:00:00.000", "start_a") + &run("12:00:00.000", "start_b");
    assert_eq!(events(&timeline(&after_a_long_time, &[])).len(), 2);
    let one = run("10:00:00.000", "start_a") + &run("10:00:00.001", "start_b");
    assert_eq!(events(&timeline(&one, &[])).len(), 1);
}
