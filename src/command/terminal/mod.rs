//! Output for people: colour, tables, and the width of text.

pub(crate) mod screen;
pub(crate) mod table;
pub(crate) mod width;

use std::io::{self, Write};

use serde::Serialize;

use crate::record::Escaped;

/// Writes a value as JSON for programs, with a line's end. What moves a terminal's cursor or turns its text around is escaped,
/// and means the same.
pub(crate) fn json(mut out: impl Write, value: &impl Serialize) -> io::Result<()> {
    let text = serde_json::to_string_pretty(value)?;
    let mut units = [0; 2];
    for line in text.split('\n') {
        let mut rest = line;
        // A backslash is the serializer's own.
        while let Some(at) = rest.find(|character: char| character != '\\' && !Escaped::leaves(character)) {
            let (before, behind) = rest.split_at(at);
            out.write_all(before.as_bytes())?;
            let mut characters = behind.chars();
            for unit in characters.next().iter().flat_map(|character| character.encode_utf16(&mut units).to_vec()) {
                write!(out, "\\u{unit:04x}")?;
            }
            rest = characters.as_str();
        }
        writeln!(out, "{rest}")?;
    }
    Ok(())
}
