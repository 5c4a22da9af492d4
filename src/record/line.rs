//! A record: one line of the log, written and read here and nowhere else.
//!
//! ```text
//! 2026-11-22T14:22:44.123+01:00 INFO  qemu-hook[4821] i-2-10-VM start/begin all_b.sh: exited with 0 after 12 ms
//! time                          level  driver    pid  domain    operation/sub-operation, script, message
//! ```
//!
//! A record that is about no script has `-` in the script's place.

use std::borrow::Cow;
use std::fmt;

use super::escape::{enclose_into, escape_into, quote_into, split_word, unescape};
use super::level::Level;
use super::message::Message;
use crate::driver::{self, Driver};

/// Placeholder for a record without a script.
const NO_SCRIPT: &[u8] = b"-";

/// Fields that all records of one event share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heading<'a> {
    /// The driver that called.
    pub driver: &'static Driver,
    /// The hook's process id.
    pub pid: u32,
    /// The domain's name.
    pub domain: Cow<'a, [u8]>,
    /// The operation as it was received.
    pub operation: Cow<'a, [u8]>,
    /// The sub-operation as it was received.
    pub sub_operation: Cow<'a, [u8]>,
}

impl Heading<'_> {
    /// Appends the fields between the level and the script.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(format!("{}[{}] ", self.driver.log_tag, self.pid).as_bytes());
        quote_into(out, &self.domain);
        out.push(b' ');
        quote_segment(out, &self.operation);
        out.push(b'/');
        quote_segment(out, &self.sub_operation);
    }
}

/// Appends one side of `operation/sub-operation`. The caller chooses both, so either may contain a slash.
fn quote_segment(out: &mut Vec<u8>, name: &[u8]) {
    if name.contains(&b'/') { enclose_into(out, name) } else { quote_into(out, name) }
}

/// A line of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record<'a> {
    /// RFC 3339 local time with milliseconds and offset.
    pub time: Cow<'a, str>,
    /// Its severity.
    pub level: Level,
    /// The event that it belongs to.
    pub heading: Heading<'a>,
    /// The script it is about, as a path below `custom/`.
    pub script: Option<Cow<'a, [u8]>>,
    /// The message.
    pub message: Cow<'a, [u8]>,
}

impl<'a> Record<'a> {
    /// Appends the record with its newline.
    pub fn write(&self, out: &mut Vec<u8>) {
        write_start(out, &self.time, self.level);
        self.heading.write(out);
        write_script(out, self.script.as_deref());
        escape_into(out, &self.message);
        out.push(b'\n');
    }

    /// Parses a line, with or without its newline. Returns `None` for a line of another program.
    pub fn parse(line: &'a [u8]) -> Option<Self> {
        Self::read(&Fields::split(line)?)
    }

    /// The record that has these fields; nothing where one holds an escape that is never written.
    pub fn read(fields: &Fields<'a>) -> Option<Self> {
        Some(Self {
            time: Cow::Borrowed(fields.time),
            level: fields.level,
            heading: Heading {
                driver: fields.driver,
                pid: fields.pid,
                domain: fields.domain.read()?,
                operation: fields.operation.read()?,
                sub_operation: fields.sub_operation.read()?,
            },
            script: match fields.script {
                Some(script) => Some(script.read()?).filter(|script| script.as_ref() != NO_SCRIPT),
                None => None,
            },
            message: unescape(fields.message)?,
        })
    }
}

/// The fields of a record as they stand in its line. Most lines of a long log are passed over by them, without a copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fields<'a> {
    /// The time, as in [`Record`].
    pub time: &'a str,
    /// The severity, as in [`Record`].
    pub level: Level,
    /// The bytes from the driver to the script, which identify one run of a script.
    pub run: &'a [u8],
    /// The driver that called.
    pub driver: &'static Driver,
    /// The hook's process id.
    pub pid: u32,
    /// The domain's name.
    pub domain: Name<'a>,
    /// The operation.
    pub operation: Name<'a>,
    /// The sub-operation.
    pub sub_operation: Name<'a>,
    /// The script, where the record is about one.
    pub script: Option<Name<'a>>,
    /// The message, with its escapes.
    pub message: &'a [u8],
}

impl<'a> Fields<'a> {
    /// Parses the message by its kind.
    pub fn read_message(&self) -> Message<'a> {
        Message::read(self.level, self.message)
    }

    /// The fields of the record on this line (with or without its newline); nothing where the line has not its form.
    pub fn split(line: &'a [u8]) -> Option<Self> {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let (time, rest) = line.split_at_checked(TIME.len())?;
        let rest = rest.strip_prefix(b" ")?;
        let level = Level::ALL.into_iter().find(|level| rest.starts_with(padded(*level).as_bytes()))?;
        let run = rest.get(padded(level).len()..)?;
        let (driver, rest) = take_driver(run)?;
        let (pid, rest) = split_pid(rest)?;
        if !is_time(time) {
            return None;
        }
        let time = std::str::from_utf8(time).ok()?;
        let (domain, rest) = split_name(rest, b" ")?;
        let (operation, rest) = split_name(rest, b"/")?;
        let (sub_operation, rest) = split_name(rest, b" ")?;
        let (script, message) = split_name(rest, b": ")?;
        let run = run.get(..run.len() - message.len())?;
        let script = (script.0 != NO_SCRIPT).then_some(script);
        Some(Self { time, level, run, driver, pid, domain, operation, sub_operation, script, message })
    }
}

/// A name as it stands in a record, the quotes left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Name<'a>(&'a [u8]);

impl<'a> Name<'a> {
    /// The name with its escapes. One of printable ASCII without a backslash stands for itself.
    pub const fn written(self) -> &'a [u8] {
        self.0
    }

    /// The name itself; nothing where it holds an escape that is never written.
    pub fn read(self) -> Option<Cow<'a, [u8]>> {
        unescape(self.0)
    }
}

impl fmt::Display for Record<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut line = Vec::new();
        self.write(&mut line);
        formatter.write_str(String::from_utf8_lossy(&line).trim_end_matches('\n'))
    }
}

/// Appends the time and the level, and the blank behind them.
pub(super) fn write_start(out: &mut Vec<u8>, time: &str, level: Level) {
    out.extend_from_slice(time.as_bytes());
    out.push(b' ');
    out.extend_from_slice(padded(level).as_bytes());
}

/// Appends the script's field, up to where the message begins.
pub(super) fn write_script(out: &mut Vec<u8>, script: Option<&[u8]>) {
    out.push(b' ');
    quote_into(out, script.unwrap_or(NO_SCRIPT));
    out.extend_from_slice(b": ");
}

/// A level in its column, so that the fields behind it stand below each other.
const fn padded(level: Level) -> &'static str {
    match level {
        Level::Info => "INFO  ",
        Level::Warn => "WARN  ",
        Level::Error => "ERROR ",
    }
}

/// The shape of a time as we write it: `2026-11-22T14:22:44.123+01:00`.
const TIME: &[u8; 29] = b"dddd-dd-ddTdd:dd:dd.ddd+dd:dd";

fn is_time(text: &[u8]) -> bool {
    text.len() == TIME.len()
        && text.iter().zip(TIME).all(|(byte, shape)| match shape {
            b'd' => byte.is_ascii_digit(),
            b'+' => matches!(byte, b'+' | b'-'),
            _ => byte == shape,
        })
}

/// Splits off the driver's tag and the `[` behind it.
fn take_driver(text: &[u8]) -> Option<(&'static Driver, &[u8])> {
    driver::ALL
        .into_iter()
        .find_map(|driver| Some((driver, text.strip_prefix(driver.log_tag.as_bytes())?.strip_prefix(b"[")?)))
}

/// Splits off the process id and the `] ` behind it.
fn split_pid(text: &[u8]) -> Option<(u32, &[u8])> {
    let end = text.iter().take(11).position(|&byte| byte == b']')?;
    let (pid, rest) = text.split_at(end);
    Some((std::str::from_utf8(pid).ok()?.parse().ok()?, rest.strip_prefix(b"] ")?))
}

/// Splits off one field and the `end` behind it.
fn split_name<'a>(text: &'a [u8], end: &[u8]) -> Option<(Name<'a>, &'a [u8])> {
    let (word, rest) = split_word(text)?;
    if text.starts_with(b"\"") {
        return Some((Name(word), rest.strip_prefix(end)?));
    }
    // Bare, it may end within the word.
    let length = match end {
        [b'/'] => word.iter().position(|&byte| byte == b'/')?,
        [.., b' '] => (word.len() + 1).checked_sub(end.len())?,
        _ => return None,
    };
    let (written, rest) = text.split_at_checked(length)?;
    (!written.is_empty()).then_some((Name(written), rest.strip_prefix(end)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(line: &str) -> Option<Record<'_>> {
        Record::parse(line.as_bytes())
    }

    #[test]
    fn a_line_of_ours_is_read_field_by_field() {
        let line = "2026-11-22T14:22:44.123+01:00 WARN  qemu-hook[4821] \"my vm\" start/begin all_b.sh: a\\nb";
        let read = record(line).expect("a record");
        assert_eq!(read.time, "2026-11-22T14:22:44.123+01:00");
        assert_eq!(read.level, Level::Warn);
        assert_eq!(read.heading.pid, 4821);
        assert_eq!(read.heading.domain.as_ref(), b"my vm");
        assert_eq!(read.heading.operation.as_ref(), b"start");
        assert_eq!(read.heading.sub_operation.as_ref(), b"begin");
        assert_eq!(read.script.as_deref(), Some(b"all_b.sh".as_slice()));
        assert_eq!(read.message.as_ref(), b"a\nb");
        assert_eq!(read.to_string(), line);
    }

    #[test]
    fn a_line_of_somebody_else_is_no_record() {
        for line in [
            "",
            "\n",
            "hello from a script",
            "2026-11-22 14:22:44 INFO qemu-hook[1] vm start/begin x: y",
            "2026-11-22T14:22:44.123+01:00 DEBUG qemu-hook[1] vm start/begin x: y",
            "2026-11-22T14:22:44.123+01:00 INFO  qemu-hook[x] vm start/begin x: y",
            "2026-11-22T14:22:44.123+01:00 INFO  qemu-hook[1] vm start begin x: y",
            "2026-11-22T14:22:44.123+01:00 INFO  qemu-hook[1] \"vm start/begin x: y",
            "2026-11-22T14:22:44.123+01:00 INFO  qemu-hook[1] vm start/begin x y",
            "2026-11-22T14:22:44.123+01:00 INFO  qemu-hook[1] vm start/begin x: \\q",
        ] {
            assert_eq!(record(line), None, "{line}");
        }
    }
}
