//! Every kind of message is read back from its line as it was written.

use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;
use virt_hooks::record::outcome::Outcome;
use virt_hooks::record::{Escaped, Fields, Heading, Level, Message, Printed, Record, local_time};

use crate::foreign;

/// Text as it stands in a record, words of other kinds included.
fn text() -> impl Strategy<Value = String> {
    let words = prop_oneof![
        Just(String::new()),
        Just("exited with 1 after 2 ms".to_owned()),
        Just("note: stdout: x".to_owned()),
        Just("; not started: x".to_owned()),
        Just("called by hand, by virt-hooks run".to_owned()),
        Just("start is refused, since x".to_owned()),
    ];
    (words, foreign()).prop_map(|(words, rest)| words + &Escaped(&rest).to_string())
}

fn milliseconds() -> impl Strategy<Value = Duration> {
    any::<u32>().prop_map(|milliseconds| Duration::from_millis(milliseconds.into()))
}

/// A limit that settings can hold: below a second in milliseconds, above in tenths.
fn limit() -> impl Strategy<Value = Duration> {
    prop_oneof![
        (0..1000_u64).prop_map(Duration::from_millis),
        (10..1_000_000_u64).prop_map(|tenths| Duration::from_millis(tenths * 100)),
    ]
}

fn outcome(kind: &str) -> BoxedStrategy<Outcome> {
    let after = milliseconds;
    match kind {
        "Exited" => {
            (any::<u8>(), after()).prop_map(|(code, after)| Outcome::Exited { code: code.into(), after }).boxed()
        }
        "Signaled" => (1..65, after()).prop_map(|(signal, after)| Outcome::Signaled { signal, after }).boxed(),
        "TimedOut" => (limit(), after(), any::<bool>())
            .prop_map(|(limit, after, ended)| Outcome::TimedOut { limit, after, ended })
            .boxed(),
        "Interrupted" => (1..65, after()).prop_map(|(signal, after)| Outcome::Interrupted { signal, after }).boxed(),
        "Stopped" => after().prop_map(|after| Outcome::Stopped { after }).boxed(),
        "FilterRejected" => {
            (after(), text()).prop_map(|(after, reason)| Outcome::FilterRejected { after, reason }).boxed()
        }
        "HandedOver" => Just(Outcome::HandedOver).boxed(),
        "Ignored" => Just(Outcome::Ignored).boxed(),
        "NotStarted" => text().prop_map(|reason| Outcome::NotStarted { reason }).boxed(),
        "NotExecutable" => text().prop_map(|remedy| Outcome::NotExecutable { remedy }).boxed(),
        other => panic!("no outcome of the kind {other} is tried"),
    }
}

fn any_outcome() -> BoxedStrategy<Outcome> {
    proptest::sample::select(Outcome::KINDS).prop_flat_map(outcome).boxed()
}

fn message(kind: &str) -> BoxedStrategy<Message<'static>> {
    let why = || text().prop_map(std::borrow::Cow::Owned);
    let bytes = || foreign().prop_map(std::borrow::Cow::Owned);
    match kind {
        "Output" => {
            let streams = [Printed::Stdout, Printed::StdoutContinued, Printed::Stderr, Printed::StderrContinued];
            let stream = proptest::sample::select(streams.to_vec());
            (stream, bytes()).prop_map(|(stream, text)| Message::Output { stream, text }).boxed()
        }
        "Started" => {
            (any::<u32>(), vec(bytes(), 0..5)).prop_map(|(pid, arguments)| Message::Started { pid, arguments }).boxed()
        }
        "Outcome" => {
            any_outcome().prop_map(|outcome| Message::Outcome { outcome: std::borrow::Cow::Owned(outcome) }).boxed()
        }
        "Waiting" => why().prop_map(|why| Message::Waiting { why }).boxed(),
        "Waited" => milliseconds().prop_map(|after| Message::Waited { after }).boxed(),
        "DeadlineReached" => (limit(), why()).prop_map(|(limit, why)| Message::DeadlineReached { limit, why }).boxed(),
        "Interrupting" => (1..65, why()).prop_map(|(signal, why)| Message::Interrupting { signal, why }).boxed(),
        "Stopping" => why().prop_map(|why| Message::Stopping { why }).boxed(),
        "Killing" => why().prop_map(|processes| Message::Killing { processes }).boxed(),
        "Unkillable" => why().prop_map(|why| Message::Unkillable { why }).boxed(),
        "OutputLimit" => (any::<u64>(), why()).prop_map(|(limit, why)| Message::OutputLimit { limit, why }).boxed(),
        "OutputDropped" => any::<u64>().prop_map(|bytes| Message::OutputDropped { bytes }).boxed(),
        "XmlChanged" => Just(Message::XmlChanged).boxed(),
        "XmlUnchanged" => Just(Message::XmlUnchanged).boxed(),
        "Skipped" => why().prop_map(|why| Message::Skipped { why }).boxed(),
        "Refused" => (bytes(), why()).prop_map(|(operation, why)| Message::Refused { operation, why }).boxed(),
        "CalledByHand" => Just(Message::CalledByHand).boxed(),
        "Paused" => {
            let time = any::<u32>()
                .prop_map(|second| local_time(jiff::Timestamp::from_second(second.into()).expect("a time")).into());
            (proptest::option::of(time), why()).prop_map(|(until, why)| Message::Paused { until, why }).boxed()
        }
        "InvalidOperation" => (bytes(), bytes(), why())
            .prop_map(|(operation, driver, why)| Message::InvalidOperation { operation, driver, why })
            .boxed(),
        "Panicked" => why().prop_map(|why| Message::Panicked { why }).boxed(),
        "Lost" => (any::<u64>(), why()).prop_map(|(count, why)| Message::Lost { count, why }).boxed(),
        "ForwardAdded" => why().prop_map(|forward| Message::ForwardAdded { forward }).boxed(),
        "ForwardDeleted" => why().prop_map(|forward| Message::ForwardDeleted { forward }).boxed(),
        "ForwardPlanned" => why().prop_map(|forward| Message::ForwardPlanned { forward }).boxed(),
        "ForwardExpiring" => why().prop_map(|forward| Message::ForwardExpiring { forward }).boxed(),
        "RouteAdded" => why().prop_map(|route| Message::RouteAdded { route }).boxed(),
        "RouteDeleted" => why().prop_map(|route| Message::RouteDeleted { route }).boxed(),
        "RoutePlanned" => why().prop_map(|route| Message::RoutePlanned { route }).boxed(),
        "RouteExpiring" => why().prop_map(|route| Message::RouteExpiring { route }).boxed(),
        "ConnectionsCut" => any::<u64>().prop_map(|count| Message::ConnectionsCut { count }).boxed(),
        "NetworkFailed" => why().prop_map(|why| Message::NetworkFailed { why }).boxed(),
        "Note" => (proptest::sample::select(Level::ALL.to_vec()), why())
            .prop_map(|(level, text)| Message::Note { level, text })
            .boxed(),
        other => panic!("no message of the kind {other} is tried"),
    }
}

fn any_message() -> BoxedStrategy<Message<'static>> {
    proptest::sample::select(Message::KINDS).prop_flat_map(message).boxed()
}

/// The line on which a message stands.
fn line(message: &Message<'_>) -> Vec<u8> {
    let heading = Heading {
        driver: &virt_hooks::driver::QEMU,
        pid: 1,
        domain: b"vm"[..].into(),
        operation: b"start"[..].into(),
        sub_operation: b"begin"[..].into(),
    };
    let time = "2026-11-22T14:22:44.123+01:00".into();
    let mut written = Vec::new();
    message.write(&mut written);
    let empty = Record { time, level: message.level(), heading, script: None, message: b""[..].into() };
    let mut line = empty.to_string().into_bytes();
    line.extend_from_slice(&written);
    line
}

proptest! {
    #[test]
    fn a_message_is_read_back_as_it_was_written(message in any_message()) {
        let line = line(&message);
        prop_assert!(!line.contains(&b'\n'));
        let fields = Fields::split(&line).expect("a record");
        prop_assert_eq!(fields.read_message(), message, "{}", String::from_utf8_lossy(&line));
    }

    #[test]
    fn another_explanation_changes_nothing_but_itself(message in any_message(), words in text()) {
        let mut reworded = message.clone();
        reworded.reword(&words);
        let line = line(&reworded);
        let read = Fields::split(&line).expect("a record").read_message();
        prop_assert_eq!((read.kind(), read.level()), (message.kind(), message.level()));
        let mut back = read.clone();
        let mut as_before = message.clone();
        back.reword("");
        as_before.reword("");
        prop_assert_eq!(back, as_before, "the fields stay");
    }

    #[test]
    fn any_text_is_a_message_of_its_records_level(text in foreign(), level in proptest::sample::select(Level::ALL.to_vec())) {
        prop_assert_eq!(Message::read(level, &text).level(), level);
    }
}
