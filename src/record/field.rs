//! Fields of a message: each is written and read back here, and nowhere else.
//!
//! `read` returns the value at the start of a text and the text behind it.

use std::borrow::Cow;
use std::fmt::Display;
use std::io::Write;
use std::str::FromStr;
use std::time::Duration;

use super::escape::{self, split_word, unescape};
use super::level::Level;
use super::outcome::{Outcome, Seconds, Signal};

/// Appends a value as it is displayed.
fn display(out: &mut Vec<u8>, value: impl Display) {
    // Writing to a vector cannot fail.
    _ = write!(out, "{value}");
}

/// Splits off the number at the start.
fn number<T: FromStr>(text: &[u8]) -> Option<(T, &[u8])> {
    let end = text.iter().position(|byte| !matches!(byte, b'0'..=b'9' | b'-' | b'.')).unwrap_or(text.len());
    let (digits, rest) = text.split_at(end);
    Some((std::str::from_utf8(digits).ok()?.parse().ok()?, rest))
}

/// A number: `4822`.
pub(super) struct Number;

impl Number {
    pub(super) fn write(out: &mut Vec<u8>, value: &impl Display) {
        display(out, value);
    }

    pub(super) fn read<T: FromStr>(text: &[u8]) -> Option<(T, &[u8])> {
        number(text)
    }
}

/// A time that was measured: `12 ms`.
pub(super) struct Milliseconds;

impl Milliseconds {
    pub(super) fn write(out: &mut Vec<u8>, value: &Duration) {
        display(out, format_args!("{} ms", value.as_millis()));
    }

    pub(super) fn read(text: &[u8]) -> Option<(Duration, &[u8])> {
        let (milliseconds, rest) = number(text)?;
        Some((Duration::from_millis(milliseconds), rest.strip_prefix(b" ms")?))
    }
}

/// A time from the settings, as exact as [`Seconds`]: `600 s`.
pub(super) struct Limit;

impl Limit {
    pub(super) fn write(out: &mut Vec<u8>, value: &Duration) {
        display(out, Seconds(*value));
    }

    pub(super) fn read(text: &[u8]) -> Option<(Duration, &[u8])> {
        Milliseconds::read(text).or_else(|| {
            let (seconds, rest) = number(text)?;
            Some((Duration::try_from_secs_f64(seconds).ok()?, rest.strip_prefix(b" s")?))
        })
    }
}

/// A signal by its number, and its name where it has one: `15 (SIGTERM)`.
pub(super) struct SignalNumber;

impl SignalNumber {
    pub(super) fn write(out: &mut Vec<u8>, value: &i32) {
        display(out, Signal(*value));
    }

    pub(super) fn read(text: &[u8]) -> Option<(i32, &[u8])> {
        let (signal, rest) = number(text)?;
        let Some(name) = rest.strip_prefix(b" (") else { return Some((signal, rest)) };
        Some((signal, name.get(name.iter().position(|&byte| byte == b')')? + 1..)?))
    }
}

/// Returns true if a script that timed out has ended.
pub(super) struct Ended;

impl Ended {
    pub(super) fn write(out: &mut Vec<u8>, value: &bool) {
        out.extend_from_slice(if *value { b"ended" } else { b"given up" });
    }

    pub(super) fn read(text: &[u8]) -> Option<(bool, &[u8])> {
        let ended = text.strip_prefix(b"ended").map(|rest| (true, rest));
        ended.or_else(|| Some((false, text.strip_prefix(b"given up")?)))
    }
}

/// A script's standard output or standard error, at the start of a line or within one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Printed {
    /// A line of its standard output.
    Stdout,
    /// The rest of such a line.
    StdoutContinued,
    /// A line of its standard error.
    Stderr,
    /// The rest of such a line.
    StderrContinued,
}

/// The name of a stream: `stdout`.
pub(super) struct Stream;

impl Stream {
    const NAMES: [(Printed, &'static [u8]); 4] = [
        (Printed::Stdout, b"stdout: "),
        (Printed::StdoutContinued, b"stdout, continued: "),
        (Printed::Stderr, b"stderr: "),
        (Printed::StderrContinued, b"stderr, continued: "),
    ];

    pub(super) fn write(out: &mut Vec<u8>, value: &Printed) {
        let name = Self::NAMES.iter().find(|(printed, _)| printed == value);
        out.extend_from_slice(name.map_or(b"", |(_, name)| name));
    }

    pub(super) fn read(text: &[u8]) -> Option<(Printed, &[u8])> {
        // Most lines of a log begin with one of them, all others are passed over by their first letter.
        text.first().filter(|first| **first == b's')?;
        Self::NAMES.iter().find_map(|(printed, name)| Some((*printed, text.strip_prefix(*name)?)))
    }
}

/// Bytes up to the end of the line.
pub(super) struct Bytes;

impl Bytes {
    pub(super) fn write(out: &mut Vec<u8>, value: &[u8]) {
        escape::escape_into(out, value);
    }

    pub(super) fn read(text: &[u8]) -> Option<(Cow<'_, [u8]>, &[u8])> {
        Some((unescape(text)?, b""))
    }
}

/// A name, quoted where it must be, with a blank or the end of the line behind it.
pub(super) struct Name;

impl Name {
    pub(super) fn write(out: &mut Vec<u8>, value: &[u8]) {
        escape::quote_into(out, value);
    }

    pub(super) fn read(text: &[u8]) -> Option<(Cow<'_, [u8]>, &[u8])> {
        let (name, rest) = split_word(text)?;
        Some((unescape(name)?, rest))
    }
}

type List<'a> = Vec<Cow<'a, [u8]>>;

/// Names up to the end of the line, a blank between them.
pub(super) struct Names;

impl Names {
    pub(super) fn write(out: &mut Vec<u8>, value: &[Cow<'_, [u8]>]) {
        for (index, name) in value.iter().enumerate() {
            if index > 0 {
                out.push(b' ');
            }
            escape::quote_into(out, name);
        }
    }

    pub(super) fn read(mut text: &[u8]) -> Option<(List<'_>, &[u8])> {
        let mut names = Vec::new();
        while !text.is_empty() {
            let (name, rest) = Name::read(text)?;
            names.push(name);
            text = rest.strip_prefix(b" ").or_else(|| rest.is_empty().then_some(rest))?;
        }
        Some((names, text))
    }
}

/// The end of a pause as a time, or the word for a pause without an end.
pub(super) struct Until;

impl Until {
    const OPEN: &[u8] = b"resumed";

    pub(super) fn write(out: &mut Vec<u8>, value: &Option<Cow<'_, str>>) {
        out.extend_from_slice(value.as_ref().map_or(Self::OPEN, |time| time.as_bytes()));
    }

    pub(super) fn read(text: &[u8]) -> Option<(Option<Cow<'_, str>>, &[u8])> {
        if let Some(rest) = text.strip_prefix(Self::OPEN) {
            return Some((None, rest));
        }
        let (time, rest) = text.split_at(text.iter().position(|&byte| byte == b';')?);
        Some((Some(Cow::Borrowed(std::str::from_utf8(time).ok()?)), rest))
    }
}

/// Text up to the end of the line, of words that its writer chose: a forward, a command. Foreign text in it stands as [`Quoted`](super::Quoted) or [`Escaped`](super::Escaped).
pub(super) struct Text;

impl Text {
    pub(super) fn write(out: &mut Vec<u8>, value: &str) {
        escape::write_message(out, value);
    }

    pub(super) fn read<'a, T: From<&'a str>>(text: &'a [u8]) -> Option<(T, &'a [u8])> {
        Some((std::str::from_utf8(text).ok()?.into(), b""))
    }
}

/// An explanation, up to the end of the line. It is for a person: no reader interprets it.
pub(super) type Why = Text;

/// All fields of an outcome.
pub(super) struct OfScript;

impl OfScript {
    pub(super) fn write(out: &mut Vec<u8>, value: &Outcome) {
        value.write(out);
    }

    pub(super) fn read(text: &[u8]) -> Option<(Cow<'_, Outcome>, &[u8])> {
        Some((Cow::Owned(Outcome::read(text)?), b""))
    }
}

/// The level, which is read from the beginning of the line.
pub(super) struct OfLine;

impl OfLine {
    pub(super) const fn write(_out: &mut Vec<u8>, _value: &Level) {}

    pub(super) const fn read(text: &[u8]) -> Option<(Level, &[u8])> {
        Some((Level::Info, text))
    }
}
