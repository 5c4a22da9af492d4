//! What holds for whatever line stands in the log.

use virt_hooks::record::{Fields, Record};

/// Asserts that a line which is read as a record is read the same once that is written again, as one printable line.
pub(crate) fn read_and_written_again(line: &[u8]) {
    let start = b"2026-11-22T14:22:44.123+01:00 INFO  qemu-hook[1] vm start/begin ";
    for line in [line.to_vec(), [start.as_slice(), line].concat()] {
        let Some(record) = Record::parse(&line) else { continue };
        let mut again = Vec::new();
        record.write(&mut again);
        assert_eq!(Record::parse(&again), Some(record));
        let text = String::from_utf8(again).expect("a record is text");
        assert!(text.ends_with('\n') && !text.trim_end_matches('\n').contains(char::is_control), "{text:?}");
        assert_eq!(text.matches('\n').count(), 1);
        let fields = Fields::split(text.as_bytes()).expect("a record");
        assert_eq!(fields.read_message().level(), fields.level);
    }
}
