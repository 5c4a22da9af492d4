//! Patterns for names, and the words by which lines that can't fit are passed over unread.

use glob::Pattern;

use crate::command::failure::Failure;
use crate::record::{Escaped, Quoted};

/// A pattern that the operator gave.
#[derive(Debug)]
pub(crate) struct NamePattern {
    text: String,
    pattern: Pattern,
    /// The name itself, where the pattern fits no other.
    only: Option<Vec<u8>>,
}

impl NamePattern {
    /// Reads the value of `option`.
    pub(crate) fn parse(option: &str, text: &str) -> Result<Self, Failure> {
        let pattern = Pattern::new(text).map_err(|error| {
            let (text, why) = (Quoted::bytes(text.as_bytes()), Escaped(error.msg.as_bytes()));
            Failure::usage(format_args!(
                "{option} {text} is not a pattern: {why}; * is any text, ? any character, [a-f] one of these, [*] a star"
            ))
        })?;
        let only = (!text.contains(['*', '?', '['])).then(|| text.as_bytes().to_vec());
        Ok(Self { text: text.to_owned(), pattern, only })
    }

    /// Returns true if a name matches. `?` and `*` match bytes that are not UTF-8, too.
    pub(crate) fn fits(&self, name: &[u8]) -> bool {
        match &self.only {
            Some(only) => only == name,
            None => self.pattern.matches(&String::from_utf8_lossy(name)),
        }
    }

    /// The longest text that every name which fits has in it, as it stands in a record.
    pub(crate) fn word(&self) -> Vec<u8> {
        let mut longest = "";
        let mut rest = self.text.as_str();
        while !rest.is_empty() {
            // A quote may be escaped in a record, which depends on the text around it.
            let end = rest.find(['*', '?', '[', '"']).unwrap_or(rest.len());
            let (text, after) = rest.split_at(end);
            if text.len() > longest.len() {
                longest = text;
            }
            rest = match after.strip_prefix('[') {
                // A class goes on to the first bracket behind its first character.
                Some(class) => {
                    let first = class.strip_prefix('!').unwrap_or(class);
                    let body = first.chars().next().map_or(0, char::len_utf8);
                    let body = first.get(body..).unwrap_or_default();
                    body.split_once(']').map_or("", |(_, after)| after)
                }
                None => after.get(1..).unwrap_or_default(),
            };
        }
        Escaped(longest.as_bytes()).to_string().into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str) -> NamePattern {
        NamePattern::parse("--domain", text).expect("a pattern")
    }

    #[test]
    fn the_word_is_in_every_record_of_a_name_that_fits() {
        for (text, word) in [
            ("i-2-10-VM", "i-2-10-VM"),
            ("i-2-*", "i-2-"),
            ("*firewall?.sh", "firewall"),
            ("a*bcd", "bcd"),
            ("[abc]de[!]x]fgh", "fgh"),
            ("[*]x", "x"),
            ("[]]yy", "yy"),
            ("*", ""),
            ("", ""),
            ("say \"hello\"", "hello"),
            ("a\\b", "a\\\\b"),
            ("a\tb", "a\\tb"),
            ("日本*", "日本"),
        ] {
            assert_eq!(String::from_utf8_lossy(&pattern(text).word()), word, "{text}");
        }
    }

    #[test]
    fn names_fit_as_in_a_shell() {
        for (text, name, fits) in [
            ("i-2-10-VM", "i-2-10-VM", true),
            ("i-2-10", "i-2-10-VM", false),
            ("i-2-*", "i-2-10-VM", true),
            ("*", "a/b c", true),
            ("[*]", "*", true),
            ("[*]", "x", false),
        ] {
            assert_eq!(pattern(text).fits(name.as_bytes()), fits, "{text} {name}");
        }
        assert!(pattern("caf?").fits(b"caf\xe9"));
    }
}
