//! Many events at once.

use std::collections::HashMap;
use std::time::Duration;

use testbed::host;
use virt_hooks::record::Record;

use crate::unharmed_within;

const EVENTS: usize = 500;

/// Makes 500 calls of what it is given at once on two processors, and writes down how long all of them took, in
/// milliseconds, and the exit codes that are not 0. First the script alone is called so, and then the hook.
const STORM: &str = r#"
taskset -cp 0,1 $$ > /dev/null 2>&1
storm() {
    local begun=$(date +%s%N) pids=() number
    for number in {1..500}; do
        "$2" "vm$number" start begin - < /tmp/xml >> /tmp/alone 2>&1 & pids+=($!)
    done
    for pid in "${pids[@]}"; do wait "$pid" || echo "$1: $?" >> /tmp/failed; done
    echo $((($(date +%s%N) - begun) / 1000000)) > "/tmp/$1"
}
storm scripts /etc/libvirt/hooks/custom/all_x
storm events "$1"
"#;

#[test]
fn five_hundred_events_at_once_tear_no_record_and_lose_none_and_take_little_longer_than_their_scripts() {
    let host = host!();
    host.file("/tmp/xml", testbed::XML, 0o644);
    host.bash("all_x", "for i in {1..10}; do echo \"$1 out $i\"; echo \"$1 err $i\" >&2; done; [ $(wc -l) = 4 ]");
    unharmed_within(Duration::from_secs(50), host.event("start").through("/bin/bash", &["-c", STORM, "storm"]));
    assert_eq!(host.read("/tmp/failed"), "", "every exit code is 0");

    let log = host.log().text;
    assert_eq!(log.lines().count(), EVENTS * 22, "22 records an event");
    let mut of_events: HashMap<Vec<u8>, Vec<(u32, String)>> = HashMap::new();
    for line in log.lines() {
        let record = Record::parse(line.as_bytes()).unwrap_or_else(|| panic!("not a record: {line}"));
        let said = (record.heading.pid, String::from_utf8_lossy(&record.message).into_owned());
        of_events.entry(record.heading.domain.into_owned()).or_default().push(said);
    }
    assert_eq!(of_events.len(), EVENTS);
    for number in 1..=EVENTS {
        let said = of_events.get(format!("vm{number}").as_bytes()).unwrap();
        let pid = said.first().unwrap().0;
        assert!(said.iter().all(|(other, _)| *other == pid), "one event, one process: {said:?}");
        let messages: Vec<&str> = said.iter().map(|(_, message)| message.as_str()).collect();
        assert!(messages.first().unwrap().starts_with("started as pid "), "{messages:?}");
        assert!(messages.last().unwrap().starts_with("exited with 0 after "), "{messages:?}");
        for (label, stream) in [("stdout", "out"), ("stderr", "err")] {
            let printed: Vec<&str> = messages.iter().copied().filter(|message| message.starts_with(label)).collect();
            let expected: Vec<String> = (1..=10).map(|line| format!("{label}: vm{number} {stream} {line}")).collect();
            assert_eq!(printed, expected, "in order");
        }
    }

    let milliseconds = |name: &str| host.read(format!("/tmp/{name}")).trim().parse::<f64>().unwrap();
    let (events, scripts) = (milliseconds("events"), milliseconds("scripts"));
    println!("{EVENTS} events: {events} ms; their scripts alone: {scripts} ms; ratio {:.2}", events / scripts);
    // Nothing waits for anything: what is left of the bound is for a busy machine and a program that is not optimised.
    assert!(events < scripts * 5.0 + 5000.0, "{events} ms beside {scripts} ms");
}
