//! Changing attribute values in XML without touching any other byte of it.

use std::ops::Range;

/// A value to be put in the place of another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edit {
    /// Position of the old value, in bytes, without its quotes.
    pub place: Range<usize>,
    /// The new value, unescaped.
    pub value: String,
}

/// `text` with these values in it. The edits stand in the order of their places, none of which overlap.
pub fn splice(text: &[u8], edits: &[Edit]) -> Vec<u8> {
    let mut spliced = Vec::with_capacity(text.len() + edits.iter().map(|edit| edit.value.len()).sum::<usize>());
    let mut copied = 0;
    for edit in edits {
        spliced.extend_from_slice(text.get(copied..edit.place.start).unwrap_or_default());
        write_value(&mut spliced, &edit.value);
        copied = edit.place.end;
    }
    spliced.extend_from_slice(text.get(copied..).unwrap_or_default());
    spliced
}

/// Writes a value so that it reads the same in single and in double quotes (XML 1.0, 2.3 and 3.3.3).
fn write_value(out: &mut Vec<u8>, value: &str) {
    for character in value.chars() {
        match character {
            '&' => out.extend_from_slice(b"&amp;"),
            '<' => out.extend_from_slice(b"&lt;"),
            '"' => out.extend_from_slice(b"&quot;"),
            '\'' => out.extend_from_slice(b"&apos;"),
            // XML parsers read these as blanks unless they are references.
            '\t' | '\n' | '\r' => out.extend_from_slice(format!("&#{};", u32::from(character)).as_bytes()),
            // References mean the same in every encoding that the document may declare.
            _ if !character.is_ascii() => out.extend_from_slice(format!("&#{};", u32::from(character)).as_bytes()),
            _ => out.push(character as u8),
        }
    }
}
