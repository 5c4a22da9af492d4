//! A table for people: columns as wide as what is in them, and notes below rows.

use std::io::{self, Write};

use super::screen::{Meaning, Screen, columns, padded};

/// What separates columns, in blanks.
const GAP: usize = 2;

/// How a column stands.
#[derive(Debug, Clone, Copy)]
pub(super) struct Column {
    heading: &'static str,
    right: bool,
}

impl Column {
    pub(super) const fn left(heading: &'static str) -> Self {
        Self { heading, right: false }
    }

    pub(super) const fn right(heading: &'static str) -> Self {
        Self { heading, right: true }
    }
}

/// A table of `N` columns.
#[derive(Debug)]
pub(super) struct Table<const N: usize> {
    columns: [Column; N],
    lines: Vec<Line<N>>,
}

#[derive(Debug)]
enum Line<const N: usize> {
    Row([String; N], Option<Meaning>),
    Note(String, Meaning),
    Command(&'static str, String),
}

impl<const N: usize> Table<N> {
    pub(super) const fn new(columns: [Column; N]) -> Self {
        Self { columns, lines: Vec::new() }
    }

    /// Adds a row, in the colour of what it means if it means something.
    pub(super) fn row(&mut self, cells: [String; N], meaning: Option<Meaning>) {
        self.lines.push(Line::Row(cells, meaning));
    }

    /// Adds a line of its own about the row before.
    pub(super) fn note(&mut self, text: &str, meaning: Meaning) {
        self.lines.push(Line::Note(text.to_owned(), meaning));
    }

    /// Adds a command about the row before, which stays on one line whatever the width: it is to be pasted.
    pub(super) fn command(&mut self, heading: &'static str, command: &str) {
        self.lines.push(Line::Command(heading, command.to_owned()));
    }

    /// Prints it. Notes begin below the second column.
    pub(super) fn print(&self, out: &mut impl Write, screen: Screen) -> io::Result<()> {
        let widths = self.widths();
        let indent = widths.first().map_or(0, |first| first + 2 * GAP);
        let headings = self.columns.map(|column| column.heading.to_owned());
        writeln!(out, "{}", screen.paint(Meaning::Strong, self.line(&headings, &widths)))?;
        for line in &self.lines {
            match line {
                Line::Row(cells, None) => writeln!(out, "{}", self.line(cells, &widths))?,
                Line::Row(cells, Some(meaning)) => {
                    writeln!(out, "{}", screen.paint(*meaning, self.line(cells, &widths)))?;
                }
                Line::Note(text, meaning) => {
                    let text = screen.wrapped(text, indent);
                    writeln!(out, "{}{}", " ".repeat(indent), screen.paint(*meaning, text))?;
                }
                Line::Command(heading, command) => {
                    writeln!(out, "{}{} {command}", " ".repeat(indent), screen.paint(Meaning::Faint, heading))?;
                }
            }
        }
        Ok(())
    }

    fn widths(&self) -> [usize; N] {
        let mut widths = self.columns.map(|column| columns(column.heading));
        for line in &self.lines {
            if let Line::Row(cells, _) = line {
                for (width, cell) in widths.iter_mut().zip(cells) {
                    *width = (*width).max(columns(cell));
                }
            }
        }
        widths
    }

    fn line(&self, cells: &[String; N], widths: &[usize; N]) -> String {
        let aligned = cells.iter().zip(widths).zip(&self.columns).map(|((cell, &width), column)| {
            if column.right {
                format!("{}{cell}", " ".repeat(width.saturating_sub(columns(cell))))
            } else {
                padded(cell, width)
            }
        });
        aligned.collect::<Vec<_>>().join(&" ".repeat(GAP)).trim_end().to_owned()
    }
}
