//! Records as JSON, an object a line.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::ser::Formatter;

use crate::command::log::query::stage::outcome;
use crate::driver::QEMU;
use crate::record::outcome::Outcome;
use crate::record::{Escaped, Fields, Record};

/// A record, in the words of a JSON reader.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Object<'a> {
    time: &'a str,
    level: &'a str,
    /// Where it is not qemu.
    #[serde(skip_serializing_if = "Option::is_none")]
    driver: Option<&'a str>,
    pid: u32,
    domain: &'a str,
    operation: &'a str,
    sub_operation: &'a str,
    script: Option<&'a str>,
    message: &'a str,
    /// Exit code, if the record has a script exit.
    #[serde(skip_serializing_if = "Option::is_none")]
    exit_code: Option<i32>,
    /// Duration, if the record has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    duration_ms: Option<u64>,
}

/// Prints a record.
pub(crate) fn record(out: &mut dyn Write, fields: &Fields<'_>) -> io::Result<()> {
    let Some(record) = Record::read(fields) else { return Ok(()) };
    let outcome = outcome(fields);
    let duration_ms = outcome.as_ref().and_then(Outcome::milliseconds);
    let exit_code = match outcome {
        Some(Outcome::Exited { code, .. }) => Some(code),
        Some(Outcome::FilterRejected { .. }) => Some(0),
        _ => None,
    };
    let text = |bytes| String::from_utf8_lossy(bytes);
    let heading = &record.heading;
    let script = record.script.as_deref().map(text);
    let object = Object {
        time: &record.time,
        level: record.level.name(),
        driver: Some(heading.driver).filter(|driver| *driver != &QEMU).map(|driver| driver.name),
        pid: heading.pid,
        domain: &text(&heading.domain),
        operation: &text(&heading.operation),
        sub_operation: &text(&heading.sub_operation),
        script: script.as_deref(),
        message: &text(&record.message),
        exit_code,
        duration_ms,
    };
    print(out, &object)?;
    out.write_all(b"\n")
}

/// Writes a value on one line, in which no text can play tricks on a terminal.
pub(crate) fn print(out: &mut dyn Write, value: &impl Serialize) -> io::Result<()> {
    let mut serializer = serde_json::Serializer::with_formatter(out, Printable);
    // An error here is one of the writer's.
    value.serialize(&mut serializer).map_err(io::Error::from)
}

/// Formatter that also escapes characters that move a terminal's cursor or reorder text.
#[derive(Debug)]
struct Printable;

impl Formatter for Printable {
    fn write_string_fragment<W: Write + ?Sized>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        let mut units = [0; 2];
        for piece in fragment.split_inclusive(is_deceptive) {
            let end = piece.char_indices().next_back().filter(|(_, last)| is_deceptive(*last));
            let (clean, last) = end.map_or((piece, None), |(at, last)| (piece.get(..at).unwrap_or(piece), Some(last)));
            writer.write_all(clean.as_bytes())?;
            if let Some(last) = last {
                for unit in last.encode_utf16(&mut units) {
                    write!(writer, "\\u{unit:04x}")?;
                }
            }
        }
        Ok(())
    }
}

fn is_deceptive(character: char) -> bool {
    !Escaped::leaves(character) && character != '\\'
}
