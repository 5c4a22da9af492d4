//! What a script is given: arguments, the domain's XML, the live XML, a place in the log.

use crate::guest::Guest;
use crate::host::Host;
use crate::witness::{STARTING, release_tells_the_reason};

#[test]
fn every_script_gets_the_whole_xml_on_its_stdin() {
    let host = Host::new();
    let guest = Guest::named("i-2-10-VM");
    let parse = r#"#!/bin/bash
xml=$(cat)
uuid=$(sed -n 's|.*<uuid>\(.*\)</uuid>.*|\1|p' <<< "$xml")
echo "$(basename "$0") $2 $uuid ${xml##*$'\n'}" >> /run/parsed
"#;
    host.custom("all_10-first.sh", parse);
    host.custom("all_20-second.sh", parse);

    host.create(&guest);
    host.destroy(&guest);

    let operations = ["prepare", "start", "started", "stopped", "release"];
    let expected: String = operations
        .iter()
        .flat_map(|operation| {
            ["all_10-first.sh", "all_20-second.sh"]
                .map(|script| format!("{script} {operation} {} </domain>\n", guest.uuid))
        })
        .collect();
    assert_eq!(host.read("/run/parsed"), expected);
}

#[test]
fn stopped_and_release_know_the_name_of_the_tap() {
    let host = Host::new();
    let guest = Guest::named("i-2-10-VM");
    let taps = r#"#!/bin/bash
given=$(grep -o 'vnet[0-9]*')
kept=$(grep -o 'vnet[0-9]*' "$VIRT_HOOKS_LIVE_XML")
echo "$2: stdin has '$given', the live XML has '$kept'" >> /run/taps
echo "$VIRT_HOOKS_LIVE_XML" > /run/live-xml
"#;
    host.custom("stopped_taps.sh", taps);
    host.custom("release_taps.sh", taps);

    host.create(&guest);
    host.witnessed(&guest, &STARTING);
    host.pings(&guest);
    let tap = host.shell("virsh domiflist i-2-10-VM | grep -o 'vnet[0-9]*'").trim().to_owned();
    // What the hook has kept outlives the daemon.
    host.restart_libvirtd();
    host.witnessed(&guest, &["reconnect begin -"]);
    host.destroy(&guest);

    assert_eq!(
        host.read("/run/taps"),
        format!("stopped: stdin has '', the live XML has '{tap}'\nrelease: stdin has '', the live XML has '{tap}'\n")
    );
    let live_xml = host.read("/run/live-xml").trim().to_owned();
    assert!(live_xml.starts_with('/'), "{live_xml}");
    assert!(!host.path(&live_xml).exists(), "{live_xml} is still there after release");
}

#[test]
fn names_with_blanks_other_scripts_and_a_leading_dash_are_passed_on_as_they_are() {
    let host = Host::new();
    let spaced = Guest::named("Gäste VM  № 1");
    let dashed = Guest::named("--help").at("10.0.0.101");
    host.custom_folder(&spaced.name);
    host.custom("Gäste VM  № 1/started_own.sh", "#!/bin/bash\necho \"$1\" > /run/own\n");

    for guest in [&spaced, &dashed] {
        host.create(guest);
        host.witnessed(guest, &STARTING);
    }
    for guest in [&spaced, &dashed] {
        host.pings(guest);
        host.destroy(guest);
        host.witnessed(guest, &["stopped end -", "release end destroyed"]);
    }

    assert_eq!(host.read("/run/own"), "Gäste VM  № 1\n");
    let log = host.log();
    for (head, script) in [
        ("\"Gäste VM  № 1\" start/begin", "all_00-witness.sh"),
        ("\"Gäste VM  № 1\" started/begin", "started_own.sh"),
        ("--help start/begin", "all_00-witness.sh"),
    ] {
        let told = log.lines().any(|line| {
            line.contains(&format!("] {head} ")) && line.contains(script) && line.contains(": exited with 0 ")
        });
        assert!(told, "no end of {script} in {head}");
    }
}

#[test]
fn the_log_has_the_start_and_the_end_of_every_run() {
    let host = Host::new();
    let guest = Guest::named("i-2-10-VM");
    let script = "#!/bin/bash\necho \"hello from $2\"\necho \"and once more\" >&2\n";
    host.custom("all_b.sh", script);
    host.custom("start_a.py", script);

    host.create(&guest);
    host.destroy(&guest);

    let ran = |script: &str, event: &str| {
        let (operation, sub) = event.split_once('/').unwrap();
        let mut records = host.records_of(script);
        records.retain(|record| record.event == event);
        assert!(records.iter().all(|record| record.domain == "i-2-10-VM"));
        let (first, last) = (records.remove(0), records.pop().unwrap());
        assert_eq!([first.level, last.level], ["INFO", "INFO"]);
        let started = first.message.strip_prefix("started as pid ").unwrap();
        let (pid, arguments) = started.split_once(' ').unwrap();
        assert!(pid.parse::<u32>().is_ok(), "{started}");
        let extra = if event == "release/end" && release_tells_the_reason() { "destroyed" } else { "-" };
        assert_eq!(arguments, format!("with arguments i-2-10-VM {operation} {sub} {extra}"));
        assert!(last.message.starts_with("exited with 0 after "), "{}", last.message);
        // The two streams are two pipes, and which of them is read first is a matter of chance.
        let mut lines: Vec<_> = records.into_iter().map(|record| record.message).collect();
        lines.sort();
        let hello = format!("stdout: hello from {operation}");
        assert_eq!(lines, ["stderr: and once more", &hello]);
    };
    for event in ["prepare/begin", "start/begin", "started/begin", "stopped/end", "release/end"] {
        ran("all_b.sh", event);
    }
    ran("start_a.py", "start/begin");
    assert_eq!(host.records_of("start_a.py").len(), 4);
    assert_eq!(host.records_of("all_b.sh").len(), 5 * 4);
}
