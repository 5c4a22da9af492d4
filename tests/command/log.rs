//! `virt-hooks log`: which records are shown, and how.

use std::fmt::Write;
use std::fs::File;
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, SystemTime};

use testbed::{Call, Finished, Host, LOG, host};

use crate::assert_looks_like;

/// A day of a host with several VMs: scripts that go well, fail, hang, and are not started.
pub(crate) const DAY: &str = "\
2026-11-22T14:22:44.123+01:00 INFO  qemu-hook[4821] i-2-10-VM start/begin all_prepare.sh: started as pid 4822 with arguments i-2-10-VM start begin -
2026-11-22T14:22:44.243+01:00 INFO  qemu-hook[4821] i-2-10-VM start/begin all_prepare.sh: exited with 0 after 120 ms
2026-11-22T14:22:44.244+01:00 INFO  qemu-hook[4821] i-2-10-VM start/begin start_firewall.sh: started as pid 4830 with arguments i-2-10-VM start begin -
2026-11-22T14:22:44.250+01:00 INFO  qemu-hook[4821] i-2-10-VM start/begin start_firewall.sh: stderr: waiting for the xtables lock
2026-11-22T14:22:45.100+01:00 INFO  qemu-hook[4900] i-2-11-VM stopped/end all_prepare.sh: started as pid 4901 with arguments i-2-11-VM stopped end -
2026-11-22T14:22:45.100+01:00 INFO  qemu-hook[4900] i-2-11-VM stopped/end all_prepare.sh: exited with 0 after 0 ms
2026-11-22T14:22:45.101+01:00 INFO  qemu-hook[4900] i-2-11-VM stopped/end stopped_clean.sh: started as pid 4902 with arguments i-2-11-VM stopped end -
2026-11-22T14:22:45.101+01:00 INFO  qemu-hook[4900] i-2-11-VM stopped/end stopped_clean.sh: exited with 0 after 0 ms
2026-11-22T14:22:47.448+01:00 INFO  qemu-hook[4821] i-2-10-VM start/begin start_firewall.sh: exited with 0 after 3204 ms
2026-11-22T14:22:47.449+01:00 INFO  qemu-hook[4821] i-2-10-VM start/begin start_notify.py: started as pid 4840 with arguments i-2-10-VM start begin -
2026-11-22T14:22:47.470+01:00 INFO  qemu-hook[4821] i-2-10-VM start/begin start_notify.py: stderr: connection refused
2026-11-22T14:22:47.490+01:00 ERROR qemu-hook[4821] i-2-10-VM start/begin start_notify.py: exited with 3 after 41 ms
2026-11-22T14:22:47.491+01:00 INFO  qemu-hook[4821] i-2-10-VM start/begin start_zbackup.sh: goes to the background
2026-11-22T14:22:47.495+01:00 INFO  qemu-hook[4821] i-2-10-VM start/begin start_zbackup.sh: started as pid 4850 with arguments i-2-10-VM start begin -
2026-11-22T14:23:07.495+01:00 INFO  qemu-hook[4821] i-2-10-VM start/begin start_zbackup.sh: exited with 0 after 20000 ms
2026-11-22T14:24:14.000+01:00 WARN  qemu-hook[5200] web prepare/begin prepare_gate: not started: its interpreter /usr/bin/pyhton3 does not exist
2026-11-22T14:24:14.001+01:00 WARN  qemu-hook[5200] web prepare/begin prepare_old.sh: not executable, so it is ignored; to have it run: chmod +x /etc/libvirt/hooks/custom/prepare_old.sh
2026-11-22T14:24:14.002+01:00 INFO  qemu-hook[5200] web prepare/begin web/prepare_storage.sh: started as pid 5201 with arguments web prepare begin -
2026-11-22T14:24:14.100+01:00 INFO  qemu-hook[5300] \"my vm\" reconnect/begin \"my vm/all_日本語スクリプトの名前がとても長い.sh\": started as pid 5301 with arguments \"my vm\" reconnect begin -
2026-11-22T14:24:14.800+01:00 INFO  qemu-hook[5300] \"my vm\" reconnect/begin \"my vm/all_日本語スクリプトの名前がとても長い.sh\": exited with 0 after 700 ms
2026-11-22T14:34:14.002+01:00 WARN  qemu-hook[5200] web prepare/begin web/prepare_storage.sh: its 600 s are over; still running: 5201 (virsh dumpxml web); sent SIGTERM to its process group, SIGKILL follows after 10 s
2026-11-22T14:34:24.004+01:00 ERROR qemu-hook[5200] web prepare/begin web/prepare_storage.sh: timed out after 600 s, ended after 610002 ms
2026-11-22T14:34:24.010+01:00 INFO  qemu-hook[5200] web prepare/begin prepare_x.sh: started as pid 5400 with arguments web prepare begin -
2026-11-22T14:34:24.018+01:00 ERROR qemu-hook[5200] web prepare/begin prepare_x.sh: killed by signal 9 (SIGKILL) after 8 ms
2026-11-22T14:35:00.000+01:00 ERROR qemu-hook[5500] db begin/begin -: begin is not a valid libvirt qemu operation; no script runs
";

/// An event called by hand, one of libvirt's at the same time, one without scripts, and one that has the first one's
/// process id two days later. In one of libvirt's, a script prints what a rehearsal begins with.
pub(crate) fn by_hand() -> String {
    let line = |day: u32, pid: u32, script: &str, message: &str| {
        format!("2026-11-{day}T14:00:00.000+01:00 INFO  qemu-hook[{pid}] vm start/begin {script}: {message}\n")
    };
    let by_hand = "called by hand, by virt-hooks run";
    let (begin, end) = ("started as pid 9 with arguments vm start begin -", "exited with 0 after 5 ms");
    let mut text = line(20, 7, "-", by_hand) + &line(20, 6, "-", by_hand) + &line(20, 7, "start_a", begin);
    text += &(line(20, 8, "start_a", begin) + &line(20, 8, "start_a", &format!("stdout: {by_hand}")));
    text += &(line(20, 7, "start_a", end) + &line(20, 8, "start_a", end));
    text += &(line(20, 9, "start_a", begin) + &line(20, 9, "start_a", by_hand) + &line(20, 9, "start_a", end));
    text + &line(22, 7, "start_a", begin) + &line(22, 7, "start_a", end)
}

/// A host whose log this is.
pub(crate) fn with_log(text: impl AsRef<[u8]>) -> Host {
    let host = host!();
    host.file(LOG, text, 0o640);
    host
}

/// Beside the log, a file that rotation has put aside, last written to so many hours ago.
pub(crate) fn rotated(host: &Host, ending: &str, content: &[u8], hours: u64) {
    let path = host.file(format!("{LOG}{ending}"), content, 0o640);
    let time = SystemTime::now() - Duration::from_secs(3600 * hours);
    File::options().write(true).open(path).expect("the file").set_modified(time).expect("its time");
}

pub(crate) fn log<'a>(host: &'a Host, arguments: &[&str]) -> Call<'a> {
    host.command(["log"].iter().chain(arguments)).variable("LC_ALL", "C.UTF-8")
}

/// The lines that are shown, of a call that goes well.
#[track_caller]
fn shown(host: &Host, arguments: &[&str]) -> Vec<String> {
    let finished = log(host, arguments).run();
    assert_eq!((finished.code, finished.stderr.as_str()), (Some(0), ""), "{arguments:?}");
    finished.stdout.lines().map(str::to_owned).collect()
}

/// Nothing is shown, and from when to when the log goes is told.
#[track_caller]
fn assert_nothing_fits(host: &Host, arguments: &[&str]) {
    let finished = log(host, arguments).run();
    assert_eq!((finished.code, finished.stdout.as_str()), (Some(0), ""), "{arguments:?}");
    let log = host.read(LOG);
    let time = |line: Option<&str>| line.and_then(|line| line.get(..29)).expect("a time").to_owned();
    let (first, last) = (time(log.lines().next()), time(log.lines().last()));
    let told = format!("virt-hooks: no record matches; the log goes from {first} to {last}\n");
    assert_eq!(finished.stderr, told, "{arguments:?}");
}

/// The lines of a log that have one of these words.
fn with(text: &str, words: &[&str]) -> Vec<String> {
    text.lines().filter(|line| words.iter().any(|word| line.contains(word))).map(str::to_owned).collect()
}

#[track_caller]
fn assert_fails(finished: &Finished, code: i32, words: &[&str]) {
    assert_eq!(finished.code, Some(code), "{}", finished.stderr);
    for words in words {
        assert!(finished.stderr.contains(words), "{words:?} in {}", finished.stderr);
    }
}

#[test]
fn log_shows_all_as_it_stands_there() {
    let host = with_log(DAY);
    let finished = log(&host, &[]).run();
    assert_eq!((finished.code, finished.stdout.as_str()), (Some(0), DAY));
}

#[test]
fn log_on_a_terminal_is_coloured_by_level() {
    let host = with_log(DAY);
    assert_looks_like("log-terminal.txt", &log(&host, &["-n", "8"]).on_a_terminal(80).stdout);
    let plain = log(&host, &[]).variable("NO_COLOR", "1").on_a_terminal(80);
    assert_eq!(plain.stdout, DAY);
}

#[test]
fn log_filters_by_domain() {
    let host = with_log(DAY);
    assert_eq!(shown(&host, &["--domain", "i-2-10-VM"]), with(DAY, &["] i-2-10-VM "]));
    assert_eq!(shown(&host, &["--domain", "i-2-*"]), with(DAY, &["] i-2-"]));
    assert_eq!(shown(&host, &["--domain", "i-2-1[!0]-VM"]), with(DAY, &["] i-2-11"]));
    assert_eq!(shown(&host, &["--domain", "my vm"]), with(DAY, &["] \"my vm\" "]));
    assert_eq!(shown(&host, &["--domain", "*"]), with(DAY, &["qemu-hook"]));
    // Part of a name is not the name, and a word in a message is no name.
    assert_nothing_fits(&host, &["--domain", "i-2-1"]);
    assert_nothing_fits(&host, &["--domain", "virsh"]);
}

#[test]
fn log_filters_by_script_with_or_without_the_vms_folder() {
    let host = with_log(DAY);
    assert_eq!(shown(&host, &["--script", "start_notify.py"]), with(DAY, &[" start_notify.py: "]));
    assert_eq!(shown(&host, &["--script", "prepare_storage.sh"]), with(DAY, &["web/prepare_storage.sh: "]));
    assert_eq!(shown(&host, &["--script", "web/prepare_storage.sh"]), with(DAY, &["web/prepare_storage.sh: "]));
    assert_eq!(shown(&host, &["--script", "*_prepare.sh"]), with(DAY, &[" all_prepare.sh: "]));
    assert_eq!(shown(&host, &["--script", "all_日本*"]), with(DAY, &["\"my vm/all_"]));
    assert_nothing_fits(&host, &["--script", "db/prepare_storage.sh"]);
}

#[test]
fn log_filters_by_operation() {
    let host = with_log(DAY);
    assert_eq!(shown(&host, &["--operation", "stopped"]), with(DAY, &[" stopped/end "]));
    assert_eq!(shown(&host, &["--operation", "start"]), with(DAY, &[" start/begin "]));
    assert_nothing_fits(&host, &["--operation", "started"]);
}

#[test]
fn log_filters_by_time() {
    let host = with_log(DAY);
    let all: Vec<&str> = DAY.lines().collect();
    assert_eq!(shown(&host, &["--since", "2026-11-22T14:24:14.100+01:00"]), all[18..]);
    assert_eq!(shown(&host, &["--since", "2026-11-22T13:34:24.010Z"]), all[22..]);
    assert_eq!(shown(&host, &["--until", "2026-11-22T14:22:44.250+01:00"]), all[..4]);
    assert_eq!(
        shown(&host, &["--since", "2026-11-22T14:22:45.101+01:00", "--until", "2026-11-22T14:22:47.448+01:00"]),
        all[6..9]
    );
    // The host's zone is read as the hook reads it; this one has none.
    assert_eq!(shown(&host, &["--since", "2026-11-22T13:34"]), all[20..]);
    assert_eq!(shown(&host, &["--since", "2026-11-22", "--until", "2026-11-22"]), all);
    assert_nothing_fits(&host, &["--since", "2026-11-23"]);
    assert_nothing_fits(&host, &["--until", "2026-11-21"]);
}

#[test]
fn log_filters_by_how_long_ago() {
    let host = host!();
    host.bash("start_a", "echo hello");
    assert_eq!(host.event("start").run().code, Some(0));
    for since in ["1h", "90s", "15m", "7d"] {
        assert_eq!(shown(&host, &["--since", since]).len(), 3, "{since}");
        assert_nothing_fits(&host, &["--until", since]);
    }
}

#[test]
fn log_shows_what_is_logged_of_runs_that_failed_and_of_no_others() {
    let host = with_log(DAY);
    let failed = [" start_notify.py: ", " prepare_gate: ", "web/prepare_storage.sh: ", " prepare_x.sh: "];
    assert_eq!(shown(&host, &["--failed"]), with(DAY, &failed));
}

#[test]
fn where_nothing_fits_it_is_told_from_when_to_when_the_log_goes() {
    let told = |host: &Host, arguments: &[&str]| {
        let finished = log(host, arguments).run();
        assert_eq!(finished.code, Some(0), "{arguments:?}: {}", finished.stderr);
        (finished.stdout, finished.stderr)
    };
    let goes = "the log goes from 2026-11-22T14:22:44.123+01:00 to 2026-11-22T14:35:00.000+01:00\n";
    // Lines of others are of no time.
    let host = with_log(format!("not ours\n{DAY}nor is this\n"));
    for (arguments, stdout, what) in [
        (["--domain", "nobody"].as_slice(), "", "no record"),
        (&["--domain", "nobody", "-n", "5"], "", "no record"),
        (&["--failed", "--operation", "stopped"], "", "no record"),
        (&["--since", "2027-01-01", "--json"], "", "no record"),
        (&["--stats", "--script", "nosuch"], "", "no run of a script"),
        (&["--stats", "--json", "--script", "nosuch"], "[]\n", "no run of a script"),
        (&["--timeline", "--domain", "db"], "", "no event in which a script ran"),
        (&["--timeline", "-n", "2", "--since", "2027-01-01"], "", "no event in which a script ran"),
    ] {
        let expected = (stdout.to_owned(), format!("virt-hooks: {what} matches; {goes}"));
        assert_eq!(told(&host, arguments), expected, "{arguments:?}");
    }
    assert_eq!(told(&host, &["-n", "0"]), (String::new(), String::new()), "which is what was asked for");
    // Rotated files count, those too that are too old to be looked into.
    let lines: Vec<&str> = DAY.lines().collect();
    let host = with_log("");
    rotated(&host, ".2.gz", &packed("gzip", (lines[..4].join("\n") + "\n").as_bytes()), 24 * 400);
    rotated(&host, ".1.xz", &packed("xz", (lines[4..].join("\n") + "\n").as_bytes()), 24 * 300);
    let expected = (String::new(), format!("virt-hooks: no record matches; {goes}"));
    assert_eq!(told(&host, &["--since", "1h"]), expected);
    let nothing = (String::new(), "virt-hooks: no record matches; the log has no record\n".to_owned());
    assert_eq!(told(&with_log(""), &[]), nothing);
    assert_eq!(told(&with_log("not ours\n"), &["--failed"]), nothing);
}

#[test]
fn filters_combine() {
    let host = with_log(DAY);
    assert_eq!(
        shown(&host, &["--failed", "--domain", "web", "--script", "prepare_x*"]),
        with(DAY, &[" prepare_x.sh: "])
    );
    assert_eq!(shown(&host, &["--failed", "--operation", "start", "-n", "1"]), with(DAY, &["exited with 3"]));
    assert_eq!(
        shown(&host, &["--domain", "i-2-*", "--operation", "stopped", "-n", "1"]),
        with(DAY, &["stopped_clean.sh: exited"])
    );
    assert_eq!(
        shown(&host, &["--failed", "--since", "2026-11-22T14:34:24.004+01:00"]),
        with(DAY, &["timed out", " prepare_x.sh: "])
    );
}

#[test]
fn a_run_is_known_by_its_process_id_and_by_what_it_is_of() {
    let line = |time: u32, pid: u32, domain: &str, script: &str, message: &str| {
        let level = if message.contains("with 1") { "ERROR" } else { "INFO" };
        format!(
            "2026-11-22T14:00:{time:02}.000+01:00 {level:<5} qemu-hook[{pid}] {domain} start/begin {script}: {message}\n"
        )
    };
    let mut text = String::new();
    let (begin, good, bad) =
        ("started as pid 9 with arguments vm start begin -", "exited with 0 after 5 ms", "exited with 1 after 5 ms");
    // The same process id again, later: the first run of it went well.
    for (time, message) in [
        (1, begin),
        (2, "stdout: one"),
        (3, good),
        (4, "stdout: a daemon's"),
        (11, begin),
        (12, "stdout: two"),
        (14, bad),
        (15, "stdout: late"),
    ] {
        text += &line(time, 7, "vm", "start_a", message);
    }
    // Others at the same time, with all but one thing the same. The last one was never told the end of.
    for (pid, domain, script) in [(8, "vm", "start_a"), (7, "vn", "start_a"), (7, "vm", "start_b")] {
        text += &line(20, pid, domain, script, begin);
        text += &line(20, pid, domain, script, "stdout: not failed");
    }
    text += &line(21, 8, "vm", "start_a", good);
    text += &line(22, 7, "vm", "start_a", "stdout: exited with 1 after 5 ms");
    let host = with_log(&text);
    let seen = shown(&host, &["--failed"]);
    let messages: Vec<&str> = seen.iter().map(|line| line.split_once("start_a: ").expect("of start_a").1).collect();
    assert_eq!(messages, [begin, "stdout: two", bad]);
}

#[test]
fn a_failed_run_is_shown_whole_however_its_records_lie_in_the_files() {
    // Its beginning is in a compressed file, its end in the log, and much is in between.
    let failed = with(DAY, &["web/prepare_storage.sh: "]);
    let good =
        DAY.lines().filter(|line| line.contains("all_prepare.sh")).fold(String::new(), |text, line| text + line + "\n");
    let much = good.repeat(3000);
    let host = with_log(format!("{much}{}\n{}\n{much}", failed[1], failed[2]));
    rotated(&host, ".2.gz", &packed("gzip", format!("{much}{}\n", failed[0]).as_bytes()), 2);
    rotated(&host, ".1", much.as_bytes(), 1);
    assert_eq!(shown(&host, &["--failed"]), failed);
    assert_eq!(shown(&host, &["--failed", "-n", "2"]), failed[1..]);
    assert_eq!(shown(&host, &["--failed", "--domain", "web"]), failed);
}

#[test]
fn log_shows_the_last_records_that_fit() {
    let host = with_log(DAY);
    let all: Vec<&str> = DAY.lines().collect();
    assert_eq!(shown(&host, &["-n", "3"]), all[all.len() - 3..]);
    assert_eq!(shown(&host, &["-n", "1000"]), all);
    assert!(shown(&host, &["-n", "0"]).is_empty());
    let of_web = with(DAY, &["] web "]);
    assert_eq!(shown(&host, &["--domain", "web", "-n", "2"]), of_web[of_web.len() - 2..]);
    // Across files, compressed ones too.
    rotated(&host, ".1", b"one\ntwo\n", 1);
    rotated(&host, ".2.gz", &packed("gzip", b"zero\nzero and a half\n"), 2);
    let count = (all.len() + 3).to_string();
    assert_eq!(shown(&host, &["-n", &count])[..4], ["zero and a half", "one", "two", all[0]]);
}

/// What this program makes of it.
fn packed(program: &str, content: &[u8]) -> Vec<u8> {
    use std::io::Write as _;
    use std::process::{Command, Stdio};
    let mut child =
        Command::new(program).arg("-c").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("the program");
    let mut stdin = child.stdin.take().expect("its stdin");
    let content = content.to_vec();
    let writer = std::thread::spawn(move || stdin.write_all(&content).expect("to be read"));
    let output = child.wait_with_output().expect("its output");
    writer.join().expect("the writer");
    output.stdout
}

#[test]
fn log_reads_rotated_and_compressed_files_oldest_first() {
    let host = with_log("now\n");
    rotated(&host, "-20261101", b"first\n", 50);
    rotated(&host, "-20261102.gz", &packed("gzip", b"second\n"), 40);
    rotated(&host, ".4.xz", &packed("xz", b"third\n"), 30);
    rotated(&host, ".3.zst", &packed("zstd", b"fourth\n"), 20);
    rotated(&host, ".2.bz2", &packed("bzip2", b"fifth\n"), 10);
    rotated(&host, ".1", b"sixth\n", 1);
    rotated(&host, ".bak", b"somebody else's\n", 1);
    assert_eq!(shown(&host, &[]), ["first", "second", "third", "fourth", "fifth", "sixth", "now"]);
}

#[test]
fn log_is_shown_where_only_rotated_files_are_left() {
    let host = host!();
    rotated(&host, ".1", b"one\n", 1);
    assert_eq!(shown(&host, &[]), ["one"]);
}

#[test]
fn a_missing_program_and_a_broken_file_are_told_and_the_rest_is_shown() {
    let host = with_log("now\n");
    let mut broken = packed("gzip", b"two\n");
    broken.truncate(15);
    rotated(&host, ".2.gz", &broken, 2);
    rotated(&host, ".1.xz", &packed("xz", b"one\n"), 1);
    host.folder("nothing");
    let finished = log(&host, &[]).run();
    assert_fails(&finished, 1, &["qemu-hook.log.2.gz can't be read: "]);
    assert_eq!(finished.stdout, "two\none\nnow\n", "what could be read of it is shown");
    assert_eq!(finished.stderr.lines().count(), 1, "{}", finished.stderr);
    let hidden = "for name in gzip xz; do mount --bind /dev/null \"$root/usr/bin/$name\"; done";
    let finished = log(&host, &["-n", "5"]).after(hidden).run();
    let missing = ["log.1.xz can't be read: there is no xz here; install xz or xz-utils", "no gzip here; install gzip"];
    assert_fails(&finished, 1, &missing);
    assert_eq!(finished.stdout, "now\n");
}

#[test]
fn programs_for_compressed_files_are_not_looked_for_where_the_caller_says() {
    let host = with_log("now\n");
    rotated(&host, ".1.gz", &packed("gzip", b"one\n"), 1);
    host.file("tmp/gzip", "#!/bin/sh\necho forged\n", 0o755);
    for path in ["/tmp:/usr/bin", "/nothing", ""] {
        let finished = log(&host, &[]).through("/usr/bin/env", &[&format!("PATH={path}")]).run();
        assert_eq!((finished.stdout.as_str(), finished.stderr.as_str()), ("one\nnow\n", ""), "{path}");
    }
}

#[test]
fn lines_of_others_are_shown_escaped_and_fit_no_filter() {
    let lines = with(DAY, &["stopped_clean.sh"]);
    let mut text = b"\x1b[31mred\nC:\\temp\ttab\n\xff\xfe\n14:22:44,0 qemu-hook INFO old\n".to_vec();
    text.extend(format!("{}\n\n{}", lines[0], lines[1]).as_bytes());
    text.extend(b"\x1b]0;forged\x07\n2026-11-22T14:22:45.101+01:00 INFO  qemu-hook[1] vm start/begin x: \xff \\q\n");
    let host = with_log(&text);
    let expected = [
        "\\x1b[31mred",
        "C:\\\\temp\\ttab",
        "\\xff\\xfe",
        "14:22:44,0 qemu-hook INFO old",
        &lines[0],
        "",
        &(lines[1].clone() + "\\x1b]0;forged\\x07"),
        "2026-11-22T14:22:45.101+01:00 INFO  qemu-hook[1] vm start/begin x: \\xff \\\\q",
    ];
    assert_eq!(shown(&host, &[]), expected);
    let seen = log(&host, &[]).variable("NO_COLOR", "1").on_a_terminal(80).stdout;
    assert_eq!(seen.lines().collect::<Vec<_>>(), expected);
    assert_eq!(shown(&host, &["--script", "*"]).len(), 3);
    assert_eq!(shown(&host, &["--json"]).len(), 2);
}

#[test]
fn an_unfinished_last_line_is_shown_too() {
    let host = with_log(DAY.trim_end());
    assert_eq!(log(&host, &[]).run().stdout, DAY);
    assert_eq!(shown(&host, &["-n", "1"]), with(DAY, &["5500"]));
}

#[test]
fn log_as_json_is_an_object_a_line() {
    let host = with_log(DAY);
    assert_looks_like("log.json", &log(&host, &["--json"]).run().stdout);
    let lines = shown(&host, &["--json", "--script", "start_notify.py", "-n", "1"]);
    assert_eq!(
        lines,
        [concat!(
            r#"{"time":"2026-11-22T14:22:47.490+01:00","level":"ERROR","pid":4821,"domain":"i-2-10-VM","operation":"start","#,
            r#""subOperation":"begin","script":"start_notify.py","message":"exited with 3 after 41 ms","exitCode":3,"durationMs":41}"#
        )]
    );
    // What a script printed is given back as it was, but for what moves a terminal's cursor.
    let host = with_log(
        "2026-11-22T14:22:47.490+01:00 INFO  qemu-hook[1] vm start/begin a: stdout: a\\tb\\x1b\\u{202e}\\u{9b}\\\\\n",
    );
    assert!(shown(&host, &["--json"])[0].ends_with(r#""message":"stdout: a\tb\u001b\u202e\u009b\\"}"#));
}

#[test]
fn a_wrong_filter_is_told_with_what_is_taken() {
    let host = with_log(DAY);
    for (arguments, words) in [
        (["--operation", "strat"].as_slice(), ["strat", "'start'"].as_slice()),
        (&["--domain", "[a"], &["--domain [a is not a pattern", "* is any text"]),
        (&["--script", "a**b"], &["--script a**b is not a pattern"]),
        (&["--since", "yesterday"], &["--since yesterday is not a time", "90s, 15m, 1h, 7d, 14:22, 2026-11-22"]),
        (&["--until", "1\u{1b}"], &["--until 1\\x1b is not a time"]),
        (&["-n", "x"], &["x"]),
        (&["--follow", "--timeline"], &["--timeline"]),
    ] {
        assert_fails(&log(&host, arguments).run(), 2, words);
    }
}

#[test]
fn no_log_yet_is_said_and_is_no_failure() {
    let host = host!();
    for arguments in [[].as_slice(), &["--failed"], &["--timeline"], &["-n", "3"], &["--json"]] {
        let finished = log(&host, arguments).run();
        assert_eq!((finished.code, finished.stdout.as_str()), (Some(0), ""), "{arguments:?}");
        assert_eq!(finished.stderr, "virt-hooks: no log yet at /var/log/libvirt/qemu-hook.log: no script has run\n");
    }
}

#[test]
fn a_log_that_is_no_file_or_may_not_be_read_is_told() {
    let host = host!();
    host.folder(LOG);
    assert_fails(
        &log(&host, &[]).run(),
        1,
        &["/var/log/libvirt/qemu-hook.log can't be read: it is not a regular file"],
    );
    let host = host!();
    host.file("tmp/elsewhere", DAY, 0o644);
    std::os::unix::fs::symlink("/tmp/elsewhere", host.path(LOG)).expect("a link");
    for arguments in [[].as_slice(), &["--stats", "--json"], &["--follow"]] {
        let finished = log(&host, arguments).run();
        assert_fails(&finished, 1, &["the log /var/log/libvirt/qemu-hook.log is a symlink", "; fix: rm /var/log/"]);
        assert_eq!(finished.stdout, "");
    }
    let Some(host) = with_log(DAY).or_leave_out() else { return };
    std::fs::set_permissions(host.path(LOG), std::fs::Permissions::from_mode(0o600)).expect("its mode");
    let finished = log(&host, &[]).through("/usr/bin/setpriv", &["--reuid=65534", "--clear-groups", "--"]).run();
    assert_fails(
        &finished,
        1,
        &["the log /var/log/libvirt/qemu-hook.log cannot be read by this user; run this as root"],
    );
}

#[test]
fn a_reader_who_has_seen_enough_is_no_failure() {
    let host = with_log(DAY.repeat(200));
    for arguments in ["", "--domain web", "--failed", "--json", "--timeline", "-n 1000"] {
        let command = format!("virt-hooks log {arguments} | head -n 1; echo \"${{PIPESTATUS[0]}}\"");
        let finished = host.command(["unused"]).through("/bin/bash", &["-c", &command]).run();
        assert_eq!(finished.stderr, "", "{arguments}");
        assert_eq!(finished.stdout.lines().last(), Some("0"), "{arguments}: {}", finished.stdout);
    }
}

#[test]
fn the_time_of_the_hosts_zone_is_taken() {
    let host = with_log(DAY);
    host.file("etc/localtime", zone(5 * 3600 + 1800, "TST-5:30"), 0o644);
    // 19:04 there is 14:34 in the log's +01:00.
    assert_eq!(shown(&host, &["--since", "2026-11-22T19:04"]), DAY.lines().skip(20).collect::<Vec<_>>());
}

/// A TZif file (RFC 8536) of a zone that is always so many seconds ahead of UTC, which `rule` says as TZ does.
fn zone(ahead: i32, rule: &str) -> Vec<u8> {
    let mut file = Vec::new();
    // All is said twice: in 32 bits and in 64, which differ in transitions alone, and there are none.
    for _ in 0..2 {
        file.extend(b"TZif2");
        file.extend([0; 15]);
        // How many indicators, indicators, leap seconds, transitions, kinds of time, and bytes of names.
        file.extend([0_u32, 0, 0, 0, 1, 4].map(u32::to_be_bytes).concat());
        file.extend(ahead.to_be_bytes());
        file.extend([0, 0]);
        file.extend(b"TST\0");
    }
    file.extend(format!("\n{rule}\n").bytes());
    file
}

#[test]
fn stats_tell_of_each_script_how_often_it_ran_and_how_long() {
    let host = with_log(DAY);
    assert_looks_like("log-stats.txt", &log(&host, &["--stats"]).run().stdout);
    assert_looks_like("log-stats-80.txt", &log(&host, &["--stats"]).on_a_terminal(80).stdout);
    assert_looks_like("log-stats-40.txt", &log(&host, &["--stats"]).on_a_terminal(40).stdout);
    assert_looks_like("log-stats.json", &log(&host, &["--stats", "--json"]).run().stdout);
    let of_one = shown(&host, &["--stats", "--json", "--script", "prepare_x.sh"]);
    assert_eq!(
        of_one,
        [r#"[{"script":"prepare_x.sh","runs":1,"failed":1,"timedOut":0,"p50Ms":8,"p95Ms":8,"maxMs":8,"totalMs":8}]"#]
    );
}

#[test]
fn stats_leave_out_what_ran_by_hand() {
    let host = with_log(by_hand());
    for arguments in
        [[].as_slice(), &["--script", "start_a"], &["--domain", "vm"], &["--since", "2026-11-20T14:00:00+01:00"]]
    {
        let seen = shown(&host, &[&["--stats", "--json"], arguments].concat()).concat();
        assert!(seen.contains(r#""script":"start_a","runs":3,"#), "{arguments:?}: {seen}");
    }
}

#[test]
fn filters_of_stats_are_those_of_runs() {
    let host = with_log(DAY);
    let runs = |arguments: &[&str]| {
        let seen = shown(&host, &[&["--stats", "--json"], arguments].concat()).concat();
        let rows: serde_json::Value = serde_json::from_str(&seen).expect("JSON");
        rows.as_array().expect("an array").iter().filter_map(|row| row["runs"].as_u64()).sum::<u64>()
    };
    assert_eq!(runs(&[]), 10);
    assert_eq!(runs(&["--failed"]), 4);
    assert_eq!(runs(&["--failed", "--domain", "web"]), 3);
    assert_eq!(runs(&["--since", "2026-11-22T14:24:14+01:00"]), 4);
    assert_eq!(runs(&["--until", "2026-11-22T14:22:45.101+01:00"]), 3);
    assert_eq!(runs(&["--script", "*_prepare.sh"]), 2);
}

#[test]
fn percentiles_are_those_of_all_runs() {
    let mut text = String::new();
    for after in 1..=100 {
        writeln!(
            text,
            "2026-11-22T14:00:00.000+01:00 INFO  qemu-hook[{after}] vm start/begin a: exited with 0 after {after} ms"
        )
        .expect("text");
    }
    let host = with_log(text);
    let seen = shown(&host, &["--stats", "--json"]).concat();
    assert!(
        seen.contains(r#""runs":100,"failed":0,"timedOut":0,"p50Ms":50,"p95Ms":95,"maxMs":100,"totalMs":5050"#),
        "{seen}"
    );
}
