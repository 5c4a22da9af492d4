//! Problems in the operator's files, with their places.

use std::fmt;
use std::ops::Range;
use std::path::Path;

use crate::record::{Escaped, Journal, Quoted};

/// Maximum length of a shown line, in characters.
const SHOWN: usize = 120;

/// Part of a file that a problem disables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cost {
    /// A key.
    Key,
    /// A table.
    Table,
    /// The whole file.
    File,
}

/// A problem in a configuration file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Part of the file that it disables.
    pub cost: Cost,
    /// The problem, its consequence and its fix.
    pub message: String,
    /// Its place, if it has one.
    pub place: Option<Place>,
    /// The command that fixes it, if there is one.
    pub remedy: Option<String>,
}

/// A place in a text, for a person to find it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The line's number, from 1.
    pub line: usize,
    /// The column's, from 1, in characters.
    pub column: usize,
    /// The line itself.
    pub text: String,
    /// Number of characters to underline.
    pub width: usize,
}

impl Problem {
    /// Records the problem of `file`, which is called `what`, with a picture of the place.
    pub fn record(&self, journal: &mut Journal, what: &str, file: &Path) {
        journal.error(None, format_args!("{what} {}: {self}", Quoted::path(file)));
        for line in self.place.iter().flat_map(Place::picture) {
            journal.error(None, Escaped(line.as_bytes()));
        }
    }
}

impl Place {
    /// The place of a span of bytes in `text`.
    pub(crate) fn of(text: &str, span: &Range<usize>) -> Self {
        let start = boundary(text, span.start);
        let before = text.get(..start).unwrap_or_default();
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let line = text.get(line_start..).unwrap_or_default().lines().next().unwrap_or_default();
        let left = line.len().saturating_sub(start - line_start).max(1);
        let end = boundary(text, start + span.len().clamp(1, left));
        Self {
            line: before.matches('\n').count() + 1,
            column: before.get(line_start..).unwrap_or_default().chars().count() + 1,
            text: around(line, start - line_start),
            width: text.get(start..end).unwrap_or_default().chars().count().max(1),
        }
    }

    /// Returns the line and the carets below it, for a fixed-width font. A long line is cut around the place.
    pub fn picture(&self) -> [String; 2] {
        let number = self.line.to_string();
        let gutter = " ".repeat(number.len());
        let skipped = (self.column - 1).saturating_sub(SHOWN / 2);
        // Tabs are blanks here, so that the carets stand where they point.
        let text: String = self.text.replace('\t', " ").chars().skip(skipped).take(SHOWN).collect();
        let before = self.column - 1 - skipped;
        let carets = format!("{}{}", " ".repeat(before), "^".repeat(self.width.min(SHOWN - before)));
        [format!("  {number} | {text}"), format!("  {gutter} | {carets}")]
    }
}

/// The last boundary between characters at or before this byte.
fn boundary(text: &str, at: usize) -> usize {
    (0..=at.min(text.len())).rev().find(|&at| text.is_char_boundary(at)).unwrap_or_default()
}

/// Returns the part of a line to show around this byte, and the text before the byte.
fn around(line: &str, at: usize) -> String {
    line.get(..boundary(line, at + 4 * SHOWN)).unwrap_or_default().to_owned()
}

/// Maximum number of problems of a file that are reported one by one.
const REPORTED: usize = 20;

/// The problems of one text.
pub(crate) struct Problems<'a> {
    text: &'a str,
    found: Vec<Problem>,
    /// Number of further problems.
    more: usize,
}

impl<'a> Problems<'a> {
    pub(crate) const fn of(text: &'a str) -> Self {
        Self { text, found: Vec::new(), more: 0 }
    }

    pub(crate) fn add(&mut self, cost: Cost, span: &Range<usize>, message: String) {
        if self.found.len() == REPORTED {
            self.more += 1;
            return;
        }
        self.found.push(Problem { cost, message, place: Some(Place::of(self.text, span)), remedy: None });
    }

    /// Returns them from top to bottom; TOML has sorted the text by its keys.
    pub(crate) fn finish(mut self, cost: Cost) -> Vec<Problem> {
        if self.more > 0 {
            let message = format!("and {} more in this file", self.more);
            self.found.push(Problem { cost, message, place: None, remedy: None });
        }
        self.found
            .sort_by_key(|problem| problem.place.as_ref().map_or((usize::MAX, 0), |place| (place.line, place.column)));
        self.found
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Some(place) => write!(formatter, "line {}, column {}: {}", place.line, place.column, self.message)?,
            None => formatter.write_str(&self.message)?,
        }
        self.remedy.as_ref().map_or(Ok(()), |remedy| write!(formatter, "; fix: {remedy}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_carets_stand_below_what_is_meant() {
        let text = "a = 1\n\tgröße = \"x\"\nb";
        let span = text.find("größe").map(|start| start..start + "größe".len()).expect("it is there");
        let place = Place::of(text, &span);
        assert_eq!((place.line, place.column, place.width), (2, 2, 5));
        assert_eq!(place.picture(), ["  2 |  größe = \"x\"", "    |  ^^^^^"]);
    }

    #[test]
    fn of_a_long_line_what_is_around_the_place_is_shown() {
        let text = format!("a = [{}]", "1, ".repeat(50_000));
        let [line, carets] = Place::of(&text, &(90_000..90_001)).picture();
        assert!(line.len() < 150 && carets.len() < 150 && carets.ends_with('^'), "{line}\n{carets}");
    }

    #[test]
    fn every_span_has_a_place() {
        let text = "ä\n\nb = \"\"\"\nlong";
        for start in 0..=text.len() + 2 {
            for length in 0..4 {
                let place = Place::of(text, &(start..start + length));
                assert!(place.width >= 1 && place.column >= 1);
            }
        }
    }
}
