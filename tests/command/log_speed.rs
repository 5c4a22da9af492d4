//! `virt-hooks log` over logs that are large, or made to be hard on it: what it shows stays right, and its memory small.

use testbed::Host;

use crate::log::{log, with_log};

/// What any log may cost in memory, in KiB: much less than there is of any log here that tests it.
const MEMORY: u32 = 20 << 10;

/// Runs a program and says at the end of stderr how much memory it had at most, in KiB.
const MEASURE: &str = "\
import resource, subprocess, sys
code = subprocess.call(sys.argv[1:])
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, file=sys.stderr)
sys.exit(code)";

/// What is shown in that much memory.
#[track_caller]
fn shown(host: &Host, arguments: &[&str]) -> String {
    let finished = log(host, arguments).through("/usr/bin/python3", &["-c", MEASURE]).run();
    assert_eq!(finished.code, Some(0), "{arguments:?}: {}", finished.stderr);
    // What else is on stderr, is no number.
    let peak: u32 = finished.stderr.trim_end().parse().expect(&finished.stderr);
    assert!(peak < MEMORY, "{arguments:?}: {peak} KiB");
    finished.stdout
}

fn record(number: u32, level: &str, pid: u32, message: &str) -> String {
    let (hour, minute, second) = (number / 3600 % 24, number / 60 % 60, number % 60);
    let day = 1 + number / 86_400;
    format!(
        "2026-11-{day:02}T{hour:02}:{minute:02}:{second:02}.000+01:00 {level:<5} qemu-hook[{pid}] i-2-{}-VM start/begin start_a.sh: {message}\n",
        number % 2000
    )
}

/// A run of three records at this second.
fn run(number: u32, fails: bool) -> String {
    let pid = 1000 + number;
    let end = if fails {
        record(number, "ERROR", pid, "exited with 1 after 5 ms")
    } else {
        record(number, "INFO", pid, "exited with 0 after 5 ms")
    };
    record(number, "INFO", pid, "started as pid 9 with arguments a start begin -")
        + &record(number, "INFO", pid, "stdout: x")
        + &end
}

#[test]
fn filters_find_the_same_as_a_search_line_by_line() {
    let text: String = (0..40_000).map(|number| run(number, number % 97 == 0)).collect();
    let host = with_log(&text);
    let with =
        |word: &str| text.lines().filter(|line| line.contains(word)).fold(String::new(), |all, line| all + line + "\n");
    assert!(shown(&host, &["--domain", "i-2-1234-VM"]) == with("] i-2-1234-VM "));
    assert!(shown(&host, &["--domain", "*-1234-*"]) == with("] i-2-1234-VM "));
    let failed: String = (0..40_000).filter(|number| number % 97 == 0).map(|number| run(number, true)).collect();
    assert!(shown(&host, &["--failed"]) == failed);
    assert!(shown(&host, &["--failed", "--script", "start_a.sh"]) == failed);
    assert!(
        shown(&host, &["--failed", "--since", "2026-11-01T10:00:00+01:00"])
            == failed
                .lines()
                .filter(|line| *line >= "2026-11-01T10")
                .fold(String::new(), |all, line| all + line + "\n")
    );
    for hour in ["00", "05", "10"] {
        let since = format!("2026-11-01T{hour}:30:00+01:00");
        let expected = text.lines().filter(|line| *line >= since.as_str()).count();
        assert_eq!(shown(&host, &["--since", &since]).lines().count(), expected, "{since}");
    }
    for count in ["1", "10", "12345"] {
        let expected: Vec<&str> = text.lines().rev().take(count.parse().expect("a number")).collect();
        assert!(shown(&host, &["-n", count]).lines().rev().eq(expected.iter().copied()), "{count}");
    }
}

#[test]
fn sixty_thousand_runs_that_failed_or_never_ended_are_shown_in_bounded_memory() {
    let why = "nobody knows why ".repeat(60);
    let mut text = String::new();
    for number in 0..60_000 {
        // Half of them never started, a tenth has no end.
        text += &match number % 10 {
            0 => record(number, "INFO", number, "started as pid 9 with arguments a start begin -"),
            1..=5 => record(number, "WARN", number, &format!("not started: {why}")),
            _ => record(number, "ERROR", number, "killed by signal 9 (SIGKILL) after 2 ms"),
        };
    }
    let host = with_log(&text);
    assert!(text.len() > 32 << 20, "{}", text.len());
    assert_eq!(shown(&host, &["--failed"]).lines().count(), 54_000);
    assert_eq!(shown(&host, &["--stats", "--json"]).matches("\"failed\":54000").count(), 1);
    assert!(!shown(&host, &["--timeline", "-n", "3"]).is_empty());
}

#[test]
fn sixty_four_megabytes_are_filtered_in_bounded_memory() {
    let runs: String = (0..20_000).map(|number| run(number, false)).collect();
    let text = runs.repeat((64 << 20) / runs.len() + 1);
    let host = with_log(&text);
    let expected = text.lines().filter(|line| line.contains("] i-2-1234-VM ")).count();
    assert_eq!(shown(&host, &["--domain", "i-2-1234-VM"]).lines().count(), expected);
}

#[test]
fn a_line_without_end_and_rubbish_are_shown_in_bounded_memory() {
    let mut text = run(1, true).into_bytes();
    text.extend(std::iter::repeat_n(b"0123456789abcdef".as_slice(), (3 << 20) / 2).flatten());
    text.push(b'\n');
    text.extend((0..1_000_000_u32).map(|number| (number.wrapping_mul(2_654_435_761) >> 24) as u8));
    text.push(b'\n');
    text.extend(run(2, true).bytes());
    let host = with_log(&text);
    let both = run(1, true) + &run(2, true);
    assert_eq!(shown(&host, &["--failed"]), both);
    assert_eq!(shown(&host, &["--domain", "i-2-*"]), both);
    assert_eq!(shown(&host, &["-n", "3"]), run(2, true));
    let all = shown(&host, &[]);
    assert!(all.len() > 24 << 20 && !all.replace('\n', "").contains(char::is_control));
}
