//! `docs/tour.md`, walked again: its commands, one after another, on a real host with a real VM, from a real terminal.
//!
//! What they show has to be what stands in the document, save for what is another each time: times, process ids, and how
//! long things took. `TOUR=overwrite` writes the document's transcripts anew.

use std::fmt::Write;
use std::fs;

use crate::guest::Guest;
use crate::host::Host;

const DOCUMENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/tour.md");

/// What stands before a command that a person types as root.
const PROMPT: &str = "# ";

/// A hook with the traits of Apache CloudStack's, in which somebody has raised the limit.
const THEIR_HOOK: &str = r#"#!/usr/bin/python3
import os, subprocess, sys
# It logs to /var/log/libvirt/qemu-hook.log and renames bridges such as cloudVirBr100 at migrations.
timeoutSeconds = 20 * 60
custom = "/etc/libvirt/hooks/custom"
for name in sorted(os.listdir(custom)):
    if name.split("_")[0] in (sys.argv[2], "all"):
        subprocess.run([os.path.join(custom, name)] + sys.argv[1:], stdout=subprocess.DEVNULL)
"#;

#[test]
fn the_tour_shows_what_its_reader_sees() {
    let host = host_of_the_tour();
    let document = fs::read_to_string(DOCUMENT).unwrap();
    let walked = walk(&document, &host);
    if std::env::var_os("TOUR").is_some_and(|value| value == "overwrite") {
        return fs::write(DOCUMENT, &walked).unwrap();
    }
    for (expected, seen) in still(&document).lines().zip(still(&walked).lines()) {
        assert_eq!(expected, seen, "what is seen:\n{walked}");
    }
    assert_eq!(document.lines().count(), walked.lines().count(), "what is seen:\n{walked}");
}

/// The host that the document describes in its first lines.
fn host_of_the_tour() -> Host {
    let host = Host::bare();
    // The program, as it is in the path of whoever has installed it, and nothing else of the machine's own.
    host.shell("mount -t tmpfs -o mode=0755 sbin /usr/local/sbin && rm -f /etc/libvirt/hooks/custom/*");
    host.write("/usr/local/sbin/virt-hooks", fs::read(crate::host::binary()).unwrap(), 0o755);
    host.shell("mkdir -p /etc/logrotate.d && rm -f /etc/logrotate.d/virt-hooks");
    host.write("/etc/libvirt/hooks/qemu", THEIR_HOOK, 0o755);
    host.custom("start_10-firewall.sh", "#!/bin/bash\nsleep 1.5\necho \"rules for $1 are in place\"\n");
    host.custom("all_20-audit.sh", "#!/bin/bash\necho \"$1: $2/$3\"\n");
    host.chmod("/etc/libvirt/hooks/custom/all_20-audit.sh", 0o775);
    host.start_libvirtd();
    let guest = Guest::named("i-2-10-VM");
    host.virsh(["define", &host.xml_of(&guest)]);
    host
}

/// The document with what its commands show now.
fn walk(document: &str, host: &Host) -> String {
    let mut walked = String::new();
    let mut transcript = false;
    for line in document.lines() {
        match line {
            "```console" => transcript = true,
            "```" => transcript = false,
            _ => {}
        }
        match line.strip_prefix(PROMPT).filter(|_| transcript) {
            Some(command) => {
                let shown = on_a_terminal(host, command);
                _ = write!(walked, "{line}\n{shown}");
            }
            // What it showed before.
            None if transcript && line != "```console" => {}
            None => walked.push_str(&format!("{line}\n")),
        }
    }
    walked
}

/// What a person sees on a terminal of 100 columns. Colours can't be had in a document.
fn on_a_terminal(host: &Host, command: &str) -> String {
    host.write("/run/typed", format!("stty cols 100\n{command}\n"), 0o644);
    let reply = host.run("script", ["-qec", "LANG=C.UTF-8 TERM=xterm bash /run/typed", "/dev/null"]);
    let coloured = regex::Regex::new("\x1b\\[[0-9;]*m").unwrap();
    let shown = coloured.replace_all(&reply.stdout, "").replace('\r', "");
    // virsh misses a daemon that this host, unlike its reader's, does not have.
    let lines = shown.lines().map(str::trim_end).filter(|line| !line.starts_with("Authorization not available."));
    let lines: Vec<&str> = lines.collect();
    let text = lines.join("\n").trim_end().to_owned();
    if text.is_empty() { text } else { text + "\n" }
}

/// The same text whenever it is shown.
fn still(text: &str) -> String {
    let mut still = text.to_owned();
    for (pattern, instead) in [
        (r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?([+-]\d\d:\d\d)?", "<TIME>"),
        (r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "<UUID>"),
        (r"\b(pid |process |qemu-hook\[)\d+", "$1<PID>"),
        (r"\d+(\.\d+)? (ms|s|min)\b", "<LONG>"),
        (r"[▏▎▍▌▋▊▉█▐░│]+", "<BAR>"),
        (r" +", " "),
        (r"( ?<BAR> ?)+", " <BAR> "),
        // Which of two scripts that take some milliseconds takes longer is another each time.
        (r"(?m)^( (?:all_20|started_30)\S+ <BAR> <LONG>) slowest$", "$1"),
        (r"(?m)^(?:all_20|started_30)\S+ \d .*$", "<A SHORT SCRIPT>"),
    ] {
        still = regex::Regex::new(pattern).unwrap().replace_all(&still, instead).into_owned();
    }
    still
}
