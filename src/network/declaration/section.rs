//! The tables of a file, found without reading it as TOML.
//!
//! A line that begins with a bracket is a table's header: values of this format are texts, numbers and flat arrays, of which
//! no line begins so. Only a text over several lines could hold such a line, and a file with one is not divided.

use std::ops::Range;

/// A header with its body, which ends before the next header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Section {
    /// Position of the header's line, without blanks around it.
    pub(super) header: Range<usize>,
    /// Position of its body.
    pub(super) body: Range<usize>,
}

/// A header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Header<'a> {
    /// `[name]`.
    Table(&'a str),
    /// `[[name]]`.
    OneOfTables(&'a str),
    /// Not a header of TOML.
    Unreadable,
}

/// Returns true if every line of a text that looks like a header is one.
pub(super) fn can_be_divided(text: &str) -> bool {
    let has = |quotes: &str| memchr::memmem::find(text.as_bytes(), quotes.as_bytes()).is_some();
    !has("\"\"\"") && !has("'''")
}

/// Returns the length of the text before the first header, in bytes.
pub(super) fn preamble(text: &str) -> usize {
    next_header(text, 0).unwrap_or(text.len())
}

/// The sections of a text that can be divided.
pub(super) fn sections(text: &str) -> impl Iterator<Item = Section> {
    let mut next = next_header(text, 0);
    std::iter::from_fn(move || {
        let start = next?;
        let line = text.get(start..)?;
        let length = memchr::memchr(b'\n', line.as_bytes());
        let body = length.map_or(text.len(), |length| start + length + 1);
        let header = line.get(..length.unwrap_or(line.len()))?.trim_end();
        next = next_header(text, body);
        Some(Section { header: start..start + header.len(), body: body..next.unwrap_or(text.len()) })
    })
}

/// Returns the position of the next header, from the beginning of a line on.
fn next_header(text: &str, from: usize) -> Option<usize> {
    let bytes = text.as_bytes().get(from..)?;
    let is_first = |at: &usize| {
        let before = bytes.get(..*at).unwrap_or_default().iter().rev();
        !matches!(before.copied().find(|byte| !matches!(byte, b' ' | b'\t')), Some(byte) if byte != b'\n')
    };
    memchr::memchr_iter(b'[', bytes).find(is_first).map(|at| from + at)
}

/// Parses a header's line.
pub(super) fn header(line: &str) -> Header<'_> {
    let line = line.split('#').next().unwrap_or_default().trim();
    let inside = |open: &str, close: &str| line.strip_prefix(open)?.strip_suffix(close).and_then(name);
    match (inside("[[", "]]"), inside("[", "]")) {
        (Some(name), _) => Header::OneOfTables(name),
        (None, Some(name)) => Header::Table(name),
        (None, None) => Header::Unreadable,
    }
}

/// The name in a header's brackets, if it is one.
fn name(inside: &str) -> Option<&str> {
    let name = inside.trim_matches([' ', '\t']);
    let name = name.strip_prefix('"').and_then(|name| name.strip_suffix('"')).unwrap_or(name);
    let is_of_a_key = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    (!name.is_empty() && name.bytes().all(is_of_a_key)).then_some(name)
}

/// Returns the value of `domain` in a section, if it is in one line and without escapes, as nearly all are.
///
/// An event of one VM scans the tables of all others this way: by bytes, and no more of them than necessary.
pub(super) fn plain_domain(body: &str) -> Option<&str> {
    let mut rest = body.as_bytes();
    while !rest.is_empty() {
        let length = memchr::memchr(b'\n', rest).unwrap_or(rest.len());
        let (line, after) = rest.split_at_checked(length)?;
        if let Some(value) = value_of_domain(line) {
            return in_quotes(value);
        }
        // The next lines may be within an inline table.
        if memchr::memchr(b'{', line).is_some() {
            return None;
        }
        rest = after.get(1..).unwrap_or_default();
    }
    None
}

/// Returns the text after `domain =`, if a line begins with it.
fn value_of_domain(line: &[u8]) -> Option<&[u8]> {
    let value = without_blanks(without_blanks(line).strip_prefix(b"domain")?).strip_prefix(b"=")?;
    Some(without_blanks(value))
}

/// The text of a value that is one and nothing else.
fn in_quotes(value: &[u8]) -> Option<&str> {
    let (&quote, inside) = value.split_first().filter(|(quote, _)| matches!(quote, b'"' | b'\''))?;
    let (domain, rest) = inside.split_at_checked(memchr::memchr(quote, inside)?)?;
    let rest = without_blanks(rest.get(1..).unwrap_or_default());
    let is_plain = memchr::memchr(b'\\', domain).is_none() && matches!(rest.first(), None | Some(b'#' | b'\r'));
    std::str::from_utf8(domain).ok().filter(|_| is_plain)
}

fn without_blanks(bytes: &[u8]) -> &[u8] {
    let blanks = bytes.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
    bytes.get(blanks..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_that_begins_with_a_bracket_begins_a_section() {
        let text = "# one\n\n  [[forward]] # a\r\nport = [\n  \"[\",\n]\n[network]\n[[forward]\nx = 1";
        let found: Vec<(&str, &str)> =
            sections(text).map(|section| (&text[section.header], &text[section.body])).collect();
        assert_eq!(
            found,
            [("[[forward]] # a", "port = [\n  \"[\",\n]\n"), ("[network]", ""), ("[[forward]", "x = 1"),]
        );
        assert_eq!(&text[..preamble(text)], "# one\n\n  ");
        assert_eq!((sections("").count(), sections("a = [1]\n").count(), sections("[a]").count()), (0, 0, 1));
    }

    #[test]
    fn a_header_is_read_as_toml_reads_it() {
        for (line, expected) in [
            ("[[forward]]", Header::OneOfTables("forward")),
            ("[[ forward ]]  # for the web", Header::OneOfTables("forward")),
            ("[[\"forward\"]]", Header::OneOfTables("forward")),
            ("[network]", Header::Table("network")),
            ("[network.more]", Header::Table("network.more")),
            ("[[forward]", Header::Unreadable),
            ("[forward]]", Header::Unreadable),
            ("[[forward]] port = 80", Header::Unreadable),
            ("[]", Header::Unreadable),
            ("[", Header::Unreadable),
        ] {
            assert_eq!(header(line), expected, "{line}");
        }
    }

    #[test]
    fn a_domain_is_seen_where_it_is_plain() {
        for (body, expected) in [
            ("domain = \"web-1\"\nport = 80\n", Some("web-1")),
            ("port = 80\n\tdomain='web-*' # all\r\n", Some("web-*")),
            ("domainx = 1\ndomain = \"a\"", Some("a")),
            ("domain = \"\"", Some("")),
            ("domain = \"a\\u0062\"", None),
            ("domain = \"a\" x", None),
            ("domain = [\"a\"]", None),
            ("domain = \"a", None),
            ("\"domain\" = \"a\"", None),
            ("# domain = \"a\"", None),
            ("x = {\ndomain = \"b\"\n}\ndomain = \"a\"", None),
            ("", None),
        ] {
            assert_eq!(plain_domain(body), expected, "{body:?}");
        }
    }
}
