//! Padding and cutting of text by columns.

use unicode_width::UnicodeWidthChar;

use super::screen::columns;

/// Pads a text at its beginning to a width in columns.
pub(crate) fn right(text: &str, width: usize) -> String {
    format!("{}{text}", " ".repeat(width.saturating_sub(columns(text))))
}

/// Cuts a text to a width in columns, in its middle, since names differ at both ends.
pub(crate) fn cut(text: &str, width: usize) -> String {
    if columns(text) <= width {
        return text.to_owned();
    }
    let room = width.saturating_sub(1);
    let end = take(text.chars().rev(), room / 2);
    let begin = take(text.chars(), room - columns_of(&end));
    format!("{}…{}", begin.into_iter().collect::<String>(), end.into_iter().rev().collect::<String>())
}

/// Cuts a text to a width in columns, at its end, where a sentence matters least.
pub(crate) fn cut_end(text: &str, width: usize) -> String {
    if columns(text) <= width {
        return text.to_owned();
    }
    let begin = take(text.chars(), width.saturating_sub(1));
    format!("{}…", begin.into_iter().collect::<String>().trim_end())
}

/// The first characters that fit.
fn take(characters: impl Iterator<Item = char>, width: usize) -> Vec<char> {
    let mut left = width;
    let fits = |character: &char| match left.checked_sub(character.width().unwrap_or(0)) {
        Some(rest) => {
            left = rest;
            true
        }
        None => false,
    };
    characters.take_while(fits).collect()
}

fn columns_of(characters: &[char]) -> usize {
    characters.iter().map(|character| character.width().unwrap_or(0)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_cut_in_the_middle_and_sentences_at_the_end() {
        for (text, width, middle, end) in [
            ("short", 5, "short", "short"),
            ("start_firewall.sh", 10, "start…l.sh", "start_fir…"),
            ("世界世界世界", 7, "世界…界", "世界世…"),
            ("日本語.sh", 8, "日本….sh", "日本語.…"),
            ("ab", 1, "…", "…"),
        ] {
            assert_eq!(cut(text, width), middle);
            assert_eq!(cut_end(text, width), end);
            assert!(columns(&cut(text, width)) <= width && columns(&cut_end(text, width)) <= width);
        }
    }
}
