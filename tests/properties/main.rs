//! Properties that hold for whatever comes: the record format, the order of scripts, settings, declarations, and a domain's XML.

#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "what is outside of a test's own function ends the test too"
)]

mod agent_properties;
mod declarations;
mod domain;
mod messages;
mod names;
mod network;
mod records;
mod rewrite;
mod seeds;
mod settings;

use std::borrow::Cow;
use std::cmp::Ordering;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

use proptest::collection::vec;
use proptest::prelude::*;
use virt_hooks::driver::{Event, QEMU};
use virt_hooks::record::{Heading, Journal, Level, Record};
use virt_hooks::script::order;

/// Bytes as they come from outside: any, and those that records are made of more often.
fn foreign() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        any::<u8>().prop_map(|byte| vec![byte]),
        any::<char>().prop_map(|character| character.to_string().into_bytes()),
        prop_oneof![
            Just("\n"),
            Just("\\"),
            Just("\""),
            Just(" "),
            Just(": "),
            Just("/"),
            Just("-"),
            Just("] "),
            Just("\\x0a")
        ]
        .prop_map(|text| text.as_bytes().to_vec()),
    ];
    vec(piece, 0..20).prop_map(|pieces| pieces.concat())
}

/// A key of a forward with a value that it may take, whether or not it fits the rest.
fn key() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("protocol = \"udp\"\n".to_owned()),
        any::<std::net::Ipv4Addr>().prop_map(|address| format!("listen = \"{address}\"\n")),
        any::<std::net::IpAddr>().prop_map(|address| format!("to = \"{address}\"\n")),
        any::<u16>().prop_map(|port| format!("toPort = {port}\n")),
        vec((any::<u32>(), 0..=32_u8), 0..6).prop_map(|prefixes| {
            let prefix = |(bits, length): (u32, u8)| {
                let network =
                    std::net::Ipv4Addr::from(bits & u32::MAX.checked_shl(32 - u32::from(length)).unwrap_or(0));
                format!("\"{network}/{length}\"")
            };
            format!("from = [{}]\n", prefixes.into_iter().map(prefix).collect::<Vec<_>>().join(", "))
        }),
    ]
}

prop_compose! {
    fn record()(
        level in prop_oneof![Just(Level::Info), Just(Level::Warn), Just(Level::Error)],
        pid in any::<u32>(),
        domain in foreign(),
        operation in foreign(),
        sub_operation in foreign(),
        script in proptest::option::of(foreign().prop_filter("a dash stands for no script", |name| name != b"-")),
        message in foreign(),
    ) -> Record<'static> {
        Record {
            time: Cow::Borrowed("2026-11-22T14:22:44.123+01:00"),
            level,
            heading: Heading {
                driver: &QEMU,
                pid,
                domain: Cow::Owned(domain),
                operation: Cow::Owned(operation),
                sub_operation: Cow::Owned(sub_operation),
            },
            script: script.map(Cow::Owned),
            message: Cow::Owned(message),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn a_record_is_one_printable_line_and_is_read_back_as_it_was(record in record()) {
        let mut line = Vec::new();
        record.write(&mut line);
        prop_assert_eq!(line.iter().filter(|byte| **byte == b'\n').count(), 1);
        prop_assert!(line.ends_with(b"\n"));
        let text = std::str::from_utf8(&line).map_err(|error| TestCaseError::fail(error.to_string()))?;
        prop_assert!(!text.trim_end_matches('\n').contains(char::is_control));
        prop_assert_eq!(Record::parse(&line), Some(record));
    }

    #[test]
    fn whatever_line_is_read_is_read_the_same_once_it_is_written_again(line in foreign()) {
        records::read_and_written_again(&line);
    }

    #[test]
    fn what_the_journal_writes_is_records_whatever_is_said_and_printed(
        domain in foreign(),
        script in foreign().prop_filter("a dash stands for no script", |name| name != b"-"),
        message in any::<String>(),
        printed in vec(foreign(), 1..4),
    ) {
        let folder = tempfile::tempdir().map_err(|error| TestCaseError::fail(error.to_string()))?;
        let log = folder.path().join("log");
        let without_nul = |bytes: &[u8]| OsString::from_vec(bytes.iter().copied().filter(|byte| *byte != 0).collect());
        let domain = without_nul(&domain);
        let arguments = vec![domain.clone(), "start".into(), "begin".into(), "-".into()];
        let event = Event::parse(&QEMU, arguments).ok_or_else(|| TestCaseError::fail("four arguments"))?;
        let mut journal = Journal::new(&log, &event, 7);
        journal.error(None, &message);
        journal.output(&script, virt_hooks::record::Printed::Stdout, printed.iter().map(Vec::as_slice));
        let text = std::fs::read(&log).map_err(|error| TestCaseError::fail(error.to_string()))?;
        let records: Option<Vec<Record<'_>>> = text.split_inclusive(|byte| *byte == b'\n').map(Record::parse).collect();
        let Some(records) = records else {
            return Err(TestCaseError::fail(String::from_utf8_lossy(&text).into_owned()));
        };
        prop_assert_eq!(records.len(), 1 + printed.len());
        for record in &records {
            prop_assert_eq!(record.heading.domain.as_ref(), domain.as_encoded_bytes());
        }
        for (record, line) in records.iter().skip(1).zip(&printed) {
            prop_assert_eq!(record.script.as_deref(), Some(script.as_slice()));
            prop_assert_eq!(record.message.as_ref(), [b"stdout: ".as_slice(), line].concat());
        }
        prop_assert!(!String::from_utf8_lossy(&text).replace('\n', "").contains(char::is_control));
    }

    #[test]
    fn the_order_is_total_and_goes_by_what_is_behind_the_prefix(a in foreign(), b in foreign(), c in foreign()) {
        let names = |rest: &[u8]| [b"start_".as_slice(), rest].concat();
        let (a, b, c) = (names(&a), names(&b), names(&c));
        prop_assert_eq!(order(&a, &b), order(&b, &a).reverse());
        prop_assert_eq!(order(&a, &b) == Ordering::Equal, a == b);
        if order(&a, &b).is_lt() && order(&b, &c).is_lt() {
            prop_assert!(order(&a, &c).is_lt());
        }
        let all = |name: &[u8]| [b"all_".as_slice(), &name[6..]].concat();
        prop_assert_eq!(order(&all(&a), &b), a[6..].cmp(&b[6..]).then(Ordering::Less));
    }

    #[test]
    fn names_lead_nowhere_else(words in vec(foreign(), 0..6)) {
        names::lead_nowhere_else(&words.join(&0));
    }

    #[test]
    fn no_settings_make_the_hook_panic(text in "\\PC{0,60}|(timeoutSeconds|trust|\\[\\[script\\]\\]|name|domains|=|\"[a-z*\\[]*\"|[0-9*_x-]{1,9}|\n|\\[|\\]|,| ){0,30}") {
        settings::cost_only_themselves(text.as_bytes());
    }

    #[test]
    fn no_declarations_make_the_hook_panic(text in "\\PC{0,60}|(\\[\\[forward\\]\\]\n|\\[\\[route\\]\\]\n|\\[network\\]\n|domain|port|ports|to|from|listen|proxy|metadata|=|\"[a*\\[]*\"|\"[0-9./:-]{1,12}\"|[0-9]{1,5}|\n|\\[|\\]|,| |\"\"\"){0,30}") {
        declarations::cost_only_themselves(text.as_bytes());
    }

    #[test]
    fn a_valid_declaration_is_read_as_it_was_written(
        domain in "[a-z*?-]{1,8}",
        keys in vec(key(), 0..6),
        port in prop_oneof![(1..=65535_u16).prop_map(|port| port.to_string()), Just("\"8000-8010\"".to_owned())],
    ) {
        let text = format!("[[forward]]\ndomain = \"{domain}\"\nport = {port}\n{}", keys.concat());
        declarations::cost_only_themselves(text.as_bytes());
    }
}
