//! Escaping of bytes in records, so that neither a script's output nor a domain's name can forge a record.
//!
//! | byte or character | written as |
//! |---|---|
//! | `\` | `\\` |
//! | newline, carriage return, tab | `\n`, `\r`, `\t` |
//! | any other ASCII control character, any byte that is not UTF-8 | `\xNN` |
//! | any other control, line-separating or direction-changing character | `\u{N}` |
//! | `"` inside a quoted name | `\"` |
//!
//! [`unescape`] reverses all of it.

use std::borrow::Cow;
use std::ffi::OsStr;
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Appends `text` so that it stays on its line and can be read back to the byte.
pub(super) fn escape_into(out: &mut Vec<u8>, text: &[u8]) {
    let mut rest = text;
    loop {
        // Output is plain ASCII nearly always; that much goes over in one piece.
        let plain = plain_at_the_start(rest);
        let (copied, other) = rest.split_at(plain);
        out.extend_from_slice(copied);
        if other.is_empty() {
            return;
        }
        let foreign = other.iter().position(|&byte| is_plain(byte)).unwrap_or(other.len());
        let (escaped, after) = other.split_at(foreign);
        escape_untrusted(out, escaped);
        rest = after;
    }
}

/// Appends a message of this program, in which untrusted text is [`Quoted`] or [`Escaped`] already.
///
/// A message with unescaped text (a library's error) is escaped whole, so that it reads back unchanged.
pub(super) fn write_message(out: &mut Vec<u8>, message: &str) {
    let printable = !message.contains(is_deceptive);
    if printable && unescape(message.as_bytes()).is_some() {
        out.extend_from_slice(message.as_bytes());
    } else {
        escape_into(out, message.as_bytes());
    }
}

/// Number of bytes at the start of `text` that need no escape.
fn plain_at_the_start(text: &[u8]) -> usize {
    // Checking a whole block without an early exit compiles to a few vector instructions.
    let is_plain_block = |block: &&[u8]| block.iter().fold(true, |plain, &byte| plain & is_plain(byte));
    let before: usize = text.chunks(BLOCK).take_while(is_plain_block).map(<[u8]>::len).sum();
    let rest = text.get(before..).unwrap_or_default();
    before + rest.iter().take(BLOCK).position(|&byte| !is_plain(byte)).unwrap_or_default()
}

/// Number of bytes that are scanned together.
const BLOCK: usize = 32;

/// Returns true if a byte needs no escape: printable ASCII except the backslash.
const fn is_plain(byte: u8) -> bool {
    matches!(byte, b' '..=b'~') && byte != b'\\'
}

fn escape_untrusted(out: &mut Vec<u8>, bytes: &[u8]) {
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            match character {
                '\\' => out.extend_from_slice(br"\\"),
                '\n' => out.extend_from_slice(br"\n"),
                '\r' => out.extend_from_slice(br"\r"),
                '\t' => out.extend_from_slice(br"\t"),
                '\0'..='\x1f' | '\x7f' => escape_byte(out, character as u8),
                _ if is_deceptive(character) => {
                    out.extend_from_slice(format!("\\u{{{:x}}}", u32::from(character)).as_bytes());
                }
                _ => out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes()),
            }
        }
        for &byte in chunk.invalid() {
            escape_byte(out, byte);
        }
    }
}

fn escape_byte(out: &mut Vec<u8>, byte: u8) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |value: u8| DIGITS.get(usize::from(value)).copied().unwrap_or_default();
    out.extend_from_slice(&[b'\\', b'x', digit(byte >> 4), digit(byte & 15)]);
}

/// Returns true for a character beyond ASCII that would move a terminal's cursor, end a line, or hide or reorder text.
fn is_deceptive(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// Appends `name` as one field: bare where it can stand so, else in double quotes.
pub(super) fn quote_into(out: &mut Vec<u8>, name: &[u8]) {
    if is_bare(name) { escape_into(out, name) } else { enclose_into(out, name) }
}

/// Appends `name` in double quotes.
pub(super) fn enclose_into(out: &mut Vec<u8>, name: &[u8]) {
    out.push(b'"');
    for (index, part) in name.split(|&byte| byte == b'"').enumerate() {
        if index > 0 {
            out.extend_from_slice(br#"\""#);
        }
        escape_into(out, part);
    }
    out.push(b'"');
}

/// Returns true if a name needs no quotes to be read back as one word.
fn is_bare(name: &[u8]) -> bool {
    !name.is_empty()
        && !name.contains(&b'"')
        && name.utf8_chunks().all(|chunk| !chunk.valid().contains(char::is_whitespace))
}

/// Reverses [`escape_into`]. Returns `None` for an escape that it never writes.
pub(super) fn unescape(text: &[u8]) -> Option<Cow<'_, [u8]>> {
    let Some(first) = memchr::memchr(b'\\', text) else {
        return Some(Cow::Borrowed(text));
    };
    let (plain, mut rest) = text.split_at(first);
    let mut bytes = plain.to_vec();
    loop {
        rest = match rest {
            [] => return Some(Cow::Owned(bytes)),
            [b'\\', b'x', high, low, after @ ..] => {
                let digits = [*high, *low];
                bytes.push(u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?);
                after
            }
            [b'\\', b'u', b'{', after @ ..] => {
                let end = after.iter().take(7).position(|&byte| byte == b'}')?;
                let (digits, after) = after.split_at(end);
                let code = u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
                bytes.extend_from_slice(char::from_u32(code)?.encode_utf8(&mut [0; 4]).as_bytes());
                after.get(1..)?
            }
            [b'\\', escaped, after @ ..] => {
                bytes.push(match escaped {
                    b'n' => b'\n',
                    b'r' => b'\r',
                    b't' => b'\t',
                    b'\\' | b'"' => *escaped,
                    _ => return None,
                });
                after
            }
            [b'\\'] => return None,
            [byte, after @ ..] => {
                bytes.push(*byte);
                after
            }
        };
    }
}

/// A name inside a message: `start_a.sh`, or `"my script"` where it holds a blank.
#[derive(Debug, Clone, Copy)]
pub struct Quoted<'a>(&'a [u8]);

impl<'a> Quoted<'a> {
    /// Quotes any bytes.
    pub const fn bytes(name: &'a [u8]) -> Self {
        Self(name)
    }

    /// Quotes an argument, a variable or a file name.
    pub fn name(name: &'a OsStr) -> Self {
        Self(name.as_bytes())
    }

    /// Quotes a path.
    pub fn path(path: &'a Path) -> Self {
        Self(path.as_os_str().as_bytes())
    }
}

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = Vec::with_capacity(self.0.len());
        quote_into(&mut out, self.0);
        formatter.write_str(&String::from_utf8_lossy(&out))
    }
}

/// Foreign text inside a message, without quotes around it.
#[derive(Debug, Clone, Copy)]
pub struct Escaped<'a>(pub &'a [u8]);

impl Escaped<'_> {
    /// Returns true if a character needs no escape in a record.
    pub fn leaves(character: char) -> bool {
        character != '\\' && !is_deceptive(character)
    }
}

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = Vec::with_capacity(self.0.len());
        escape_into(&mut out, self.0);
        formatter.write_str(&String::from_utf8_lossy(&out))
    }
}

/// Splits off a name, quoted or up to the next blank. It is returned with its escapes, the quotes left out.
pub(super) fn split_word(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let Some(quoted) = text.strip_prefix(b"\"") else {
        return Some(text.split_at(text.iter().position(|&byte| matches!(byte, b' ' | b'"')).unwrap_or(text.len())));
    };
    let mut escaped = false;
    let close = quoted.iter().position(|&byte| {
        let closes = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        closes
    })?;
    let (written, rest) = quoted.split_at(close);
    Some((written, rest.get(1..)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_of_the_table() {
        let rows: [(&[u8], &str); 12] = [
            (b"plain text, \"quoted\"", "plain text, \"quoted\""),
            (b"a\\b", r"a\\b"),
            (b"a\nb\rc\td", r"a\nb\rc\td"),
            (b"\x1b[31mred\x07\0\x7f", r"\x1b[31mred\x07\x00\x7f"),
            (b"\xff\xfe", r"\xff\xfe"),
            ("Grüße, 世界 🦀".as_bytes(), "Grüße, 世界 🦀"),
            ("\u{85}\u{9b}".as_bytes(), r"\u{85}\u{9b}"),
            ("\u{2028}\u{202e}\u{2066}\u{feff}".as_bytes(), r"\u{2028}\u{202e}\u{2066}\u{feff}"),
            ("ü".as_bytes().split_at(1).0, r"\xc3"),
            (b"\\n", r"\\n"),
            (b"", ""),
            ("\u{200b}x".as_bytes(), r"\u{200b}x"),
        ];
        for (raw, written) in rows {
            let mut out = Vec::new();
            escape_into(&mut out, raw);
            assert_eq!(String::from_utf8_lossy(&out), written);
            assert_eq!(unescape(&out).as_deref(), Some(raw));
        }
    }

    #[test]
    fn names_are_quoted_only_where_they_must_be() {
        let rows: [(&[u8], &str); 8] = [
            (b"i-2-10-VM", "i-2-10-VM"),
            (b"-", "-"),
            (b"", r#""""#),
            (b"my vm", r#""my vm""#),
            (b"a\nb", r#""a\nb""#),
            (b"say \"hi\"", r#""say \"hi\"""#),
            ("no\u{a0}break".as_bytes(), "\"no\u{a0}break\""),
            (b"caf\xe9", r"caf\xe9"),
        ];
        for (name, written) in rows {
            assert_eq!(Quoted::bytes(name).to_string(), written);
        }
    }

    #[test]
    fn what_was_never_written_is_not_read() {
        for wrong in [r"\", r"\q", r"\x", r"\x1", r"\xzz", r"\u", r"\u{", r"\u{}", r"\u{d800}", r"\u{1234567}"] {
            assert_eq!(unescape(wrong.as_bytes()), None, "{wrong}");
        }
    }
}
