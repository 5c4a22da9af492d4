//! Output for people: colour, tables, and the width of text.

pub(crate) mod screen;
pub(crate) mod table;
pub(crate) mod width;

use std::io::{self, Write};

use serde::Serialize;

/// Writes a value as JSON for programs, with a line's end.
pub(crate) fn json(mut out: impl Write, value: &impl Serialize) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut out, value)?;
    writeln!(out)
}
