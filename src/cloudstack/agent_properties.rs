//! Java's properties files, the format of CloudStack's `agent.properties` (`java.util.Properties.load`).
//!
//! The bytes are ISO 8859-1. A line is `key=value`, `key:value` or `key value`, with blanks around each; one that begins
//! with `#` or `!` is a comment; a backslash at its end continues it on the next, elsewhere it begins an escape.

use std::char::{REPLACEMENT_CHARACTER, decode_utf16};
use std::iter::Peekable;

/// Returns the value of a key, the last of several, as in Java. A blank at its end is part of it.
pub fn property(text: &[u8], key: &str) -> Option<String> {
    let pairs = logical_lines(text).into_iter().map(|line| split(&line));
    pairs.filter(|(found, _)| found == key).map(|(_, value)| value).next_back()
}

/// Iterates over logical lines: continued lines joined, comments and empty lines left out.
fn logical_lines(text: &[u8]) -> Vec<String> {
    let mut lines = Vec::new();
    let mut unfinished: Option<String> = None;
    // A newline, a carriage return, or both in this order end a line.
    let ended = text.split(|&byte| byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    for line in ended.flat_map(|line| line.split(|&byte| byte == b'\r')) {
        let line: String = line.iter().map(|&byte| char::from(byte)).collect();
        let line = line.trim_start_matches(is_blank);
        let mut whole = unfinished.take().unwrap_or_default();
        if whole.is_empty() && (line.is_empty() || line.starts_with(['#', '!'])) {
            continue;
        }
        let backslashes = line.chars().rev().take_while(|&character| character == '\\').count();
        if backslashes % 2 == 1 {
            whole.push_str(line.get(..line.len() - 1).unwrap_or_default());
            unfinished = Some(whole);
        } else {
            whole.push_str(line);
            lines.push(whole);
        }
    }
    lines.extend(unfinished);
    lines
}

/// Splits a logical line into key and value.
fn split(line: &str) -> (String, String) {
    let mut escaped = false;
    let end = line.find(|character| {
        let ends = !escaped && (is_blank(character) || matches!(character, '=' | ':'));
        escaped = !escaped && character == '\\';
        ends
    });
    let (key, rest) = line.split_at(end.unwrap_or(line.len()));
    let rest = rest.trim_start_matches(is_blank);
    let value = rest.strip_prefix(['=', ':']).unwrap_or(rest).trim_start_matches(is_blank);
    (unescape(key), unescape(value))
}

/// Java's blanks: space, tab, form feed.
const fn is_blank(character: char) -> bool {
    matches!(character, ' ' | '\t' | '\x0c')
}

/// Resolves `\t`, `\n`, `\r`, `\f` and `\uNNNN` (a unit of UTF-16); any other escaped character stands for itself.
fn unescape(text: &str) -> String {
    let mut units: Vec<u16> = Vec::with_capacity(text.len());
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        let plain = match character {
            '\\' => match characters.next() {
                Some('t') => '\t',
                Some('n') => '\n',
                Some('r') => '\r',
                Some('f') => '\x0c',
                Some('u') => match unit(&mut characters) {
                    Some(unit) => {
                        units.push(unit);
                        continue;
                    }
                    // Java refuses the whole file; the other properties are good all the same.
                    None => 'u',
                },
                Some(other) => other,
                None => continue,
            },
            other => other,
        };
        units.extend_from_slice(plain.encode_utf16(&mut [0; 2]));
    }
    decode_utf16(units).map(|unit| unit.unwrap_or(REPLACEMENT_CHARACTER)).collect()
}

/// Reads four hexadecimal digits.
fn unit(characters: &mut Peekable<impl Iterator<Item = char> + Clone>) -> Option<u16> {
    let digits: String = characters.clone().take(4).collect();
    let all = digits.len() == 4 && digits.chars().all(|digit| digit.is_ascii_hexdigit());
    let unit = all.then(|| u16::from_str_radix(&digits, 16).ok()).flatten()?;
    characters.nth(3);
    Some(unit)
}
