//! Lines of the log, shown as text.

use std::io::{self, Write};

use super::json;
use crate::command::log::read::lines::Line;
use crate::command::terminal::screen::{Meaning, Screen};
use crate::record::{Escaped, Fields, Level, Record};

/// Size of the output buffer, in bytes.
pub(crate) const BUFFER: usize = 256 << 10;

/// Prints a line of the log: a record as JSON if requested, everything else as text.
///
/// # Errors
/// The output cannot be written.
pub(crate) fn line(
    out: &mut dyn Write,
    screen: &Screen,
    as_json: bool,
    line: &Line<'_>,
    fields: Option<&Fields<'_>>,
) -> io::Result<()> {
    match fields {
        Some(fields) if as_json => json::record(out, fields),
        _ => text(out, screen, line, fields),
    }
}

/// Prints a line of the log, safe for a terminal: records are escaped by the hook, lines of other programs here.
fn text(out: &mut dyn Write, screen: &Screen, line: &Line<'_>, fields: Option<&Fields<'_>>) -> io::Result<()> {
    let plain = is_plain(line.bytes);
    if plain && !screen.terminal && (fields.is_some() || !line.bytes.contains(&b'\\')) {
        out.write_all(line.bytes)?;
    } else {
        let split = if line.is_whole() { fields.copied().or_else(|| Fields::split(line.bytes)) } else { None };
        match split.and_then(|fields| Some((fields, Record::read(&fields)?))) {
            // Its message may be of ours, in which printable text of all languages stands for itself.
            Some((fields, _)) if plain => record(out, screen, fields.level, &String::from_utf8_lossy(line.bytes))?,
            Some((fields, read)) => record(out, screen, fields.level, &read.to_string())?,
            None => write!(out, "{}", Escaped(line.bytes))?,
        }
    }
    if line.ends { out.write_all(b"\n") } else { Ok(()) }
}

/// Shows a record of ours in colours, where there are some.
fn record(out: &mut dyn Write, screen: &Screen, level: Level, text: &str) -> io::Result<()> {
    let parts = parts(text).filter(|_| screen.terminal);
    let Some([time, name, event, script, message]) = parts else { return out.write_all(text.as_bytes()) };
    let time = screen.paint(Meaning::Faint, time);
    let script = screen.paint(Meaning::Strong, script);
    match meaning(level) {
        None => write!(out, "{time} {name} {event} {script}: {message}"),
        Some(meaning) => {
            let (name, message) = (screen.paint(meaning, name), screen.paint(meaning, message));
            write!(out, "{time} {name} {event} {script}: {message}")
        }
    }
}

/// The colour of a level, if it has one.
const fn meaning(level: Level) -> Option<Meaning> {
    match level {
        Level::Info => None,
        Level::Warn => Some(Meaning::Warning),
        Level::Error => Some(Meaning::Bad),
    }
}

/// A record's time, level, event, script and message, as they stand there.
fn parts(text: &str) -> Option<[&str; 5]> {
    let fields = Fields::split(text.as_bytes())?;
    let message = std::str::from_utf8(fields.message).ok()?;
    let run = std::str::from_utf8(fields.run).ok()?.strip_suffix(": ")?;
    let script = fields.script.map_or("-", |script| std::str::from_utf8(script.written()).unwrap_or_default());
    let quoted = run.ends_with('"');
    let (event, script) = run.split_at_checked(run.len().checked_sub(script.len() + if quoted { 2 } else { 0 })?)?;
    let level = text.get(fields.time.len() + 1..text.len() - fields.run.len() - message.len())?.strip_suffix(' ')?;
    Some([fields.time, level, event.strip_suffix(' ')?, script, message])
}

/// Returns true if all of it is printable ASCII.
fn is_plain(text: &[u8]) -> bool {
    // Without an early exit, sixteen bytes are checked at once.
    text.iter().fold(true, |plain, byte| plain & matches!(byte, b' '..=b'~'))
}
