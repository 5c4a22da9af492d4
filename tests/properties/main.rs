//! Properties that hold for whatever comes: the record format, the order of scripts, and settings.

use std::borrow::Cow;
use std::cmp::Ordering;

use proptest::collection::vec;
use proptest::prelude::*;
use virt_hooks::event::Operation;
use virt_hooks::journal::{Heading, Level, Record};
use virt_hooks::script::{order, rest_for};
use virt_hooks::settings::{Settings, parse};

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
    fn no_line_makes_the_parser_panic_and_what_it_reads_is_written_the_same(line in foreign()) {
        let _ = Record::parse(&line);
        let start = b"2026-11-22T14:22:44.123+01:00 INFO  qemu-hook[1] vm start/begin ";
        let _ = Record::parse(&[start.as_slice(), &line].concat());
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
    fn a_name_is_for_an_operation_only_by_its_prefix(name in foreign()) {
        for operation in Operation::ALL {
            if let Some(rest) = rest_for(operation, &name) {
                let with = |prefix: &str| [prefix.as_bytes(), b"_", rest].concat();
                prop_assert!(!rest.is_empty() && (name == with(operation.name()) || name == with("all")));
            }
        }
    }

    #[test]
    fn no_settings_make_the_hook_panic(text in "\\PC{0,60}|(timeoutSeconds|trust|\\[\\[script\\]\\]|name|domains|=|\"[a-z*\\[]*\"|[0-9*_x-]{1,9}|\n|\\[|\\]|,| ){0,30}") {
        let mut settings = Settings::default();
        for problem in parse(&text, &mut settings) {
            prop_assert!(!problem.to_string().is_empty());
            if let Some(place) = &problem.place {
                prop_assert!(place.line >= 1 && place.column >= 1 && place.picture().iter().all(|line| !line.contains('\n')));
            }
        }
        prop_assert!(settings.timeout.as_secs() >= 1);
    }
}
