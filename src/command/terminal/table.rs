//! Tables with columns as wide as their cells, and notes below rows.

use std::io::{self, Write};

use super::screen::{Meaning, Screen, columns, padded};
use super::width::{cut, right};

/// Gap between columns, in blanks.
const GAP: usize = 2;

/// Layout of a column.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Column {
    heading: &'static str,
    right: bool,
    /// Priority on a narrow screen: the columns with the lowest number are dropped first.
    dropped: Option<u8>,
    /// Minimum width to which its cells may be cut.
    shortest: Option<usize>,
}

impl Column {
    pub(crate) const fn left(heading: &'static str) -> Self {
        Self { heading, right: false, dropped: None, shortest: None }
    }

    pub(crate) const fn right(heading: &'static str) -> Self {
        Self { right: true, ..Self::left(heading) }
    }

    /// Left out where the screen is too narrow for all, those with the lowest number first.
    pub(crate) const fn dropped(self, number: u8) -> Self {
        Self { dropped: Some(number), ..self }
    }

    /// Cuts its cells in the middle on a narrow screen, but to no less than this while another column can be dropped.
    pub(crate) const fn shortened_to(self, shortest: usize) -> Self {
        Self { shortest: Some(shortest), ..self }
    }
}

/// A table of `N` columns.
#[derive(Debug)]
pub(crate) struct Table<const N: usize> {
    columns: [Column; N],
    lines: Vec<Line<N>>,
}

#[derive(Debug)]
enum Line<const N: usize> {
    Row([Cell; N], Option<Meaning>),
    Note(String, Meaning),
    Command(&'static str, String),
}

/// A cell: a text and its meaning, if any, which decides its colour.
#[derive(Debug)]
pub(crate) struct Cell {
    pub(crate) text: String,
    pub(crate) meaning: Option<Meaning>,
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self { text, meaning: None }
    }
}

impl<const N: usize> Table<N> {
    pub(crate) const fn new(columns: [Column; N]) -> Self {
        Self { columns, lines: Vec::new() }
    }

    /// Adds a row in the colour of its meaning, if any.
    pub(crate) fn row(&mut self, cells: [String; N], meaning: Option<Meaning>) {
        self.lines.push(Line::Row(cells.map(Cell::from), meaning));
    }

    /// Adds a row of coloured cells.
    pub(crate) fn row_of(&mut self, cells: [Cell; N]) {
        self.lines.push(Line::Row(cells, None));
    }

    /// Adds a note below the last row.
    pub(crate) fn note(&mut self, text: &str, meaning: Meaning) {
        self.lines.push(Line::Note(text.to_owned(), meaning));
    }

    /// Adds a command below the last row. It is not wrapped, so that it can be pasted.
    pub(crate) fn command(&mut self, heading: &'static str, command: &str) {
        self.lines.push(Line::Command(heading, command.to_owned()));
    }

    /// Prints it. Notes begin below the second column.
    pub(crate) fn print(&self, out: &mut impl Write, screen: Screen) -> io::Result<()> {
        // Into a file or a pipe nothing is cut.
        let widths = self.widths(if screen.terminal { screen.width } else { usize::MAX - GAP });
        let indent = widths.first().copied().flatten().map_or(0, |first| first + 2 * GAP);
        let headings = self.columns.map(|column| Cell::from(column.heading.to_owned()));
        writeln!(out, "{}", screen.paint(Meaning::Strong, self.line(&headings, &widths, screen)))?;
        for line in &self.lines {
            match line {
                Line::Row(cells, None) => writeln!(out, "{}", self.line(cells, &widths, screen))?,
                Line::Row(cells, Some(meaning)) => {
                    writeln!(out, "{}", screen.paint(*meaning, self.line(cells, &widths, screen)))?;
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

    /// Returns the width of each column on a screen of this width; `None` for dropped ones.
    fn widths(&self, screen: usize) -> [Option<usize>; N] {
        let mut widths = self.columns.map(|column| Some(columns(column.heading)));
        for line in &self.lines {
            if let Line::Row(cells, _) = line {
                for (width, cell) in widths.iter_mut().zip(cells) {
                    *width = (*width).max(Some(columns(&cell.text)));
                }
            }
        }
        let least = |(width, column): (&Option<usize>, &Column)| {
            width.map(|width| GAP + column.shortest.map_or(width, |shortest| width.min(shortest)))
        };
        let needed = |widths: &[Option<usize>; N]| widths.iter().zip(&self.columns).filter_map(least).sum::<usize>();
        let mut droppable: Vec<(u8, usize)> = Vec::new();
        droppable.extend(self.columns.iter().enumerate().filter_map(|(index, column)| Some((column.dropped?, index))));
        droppable.sort_unstable();
        for (_number, index) in droppable {
            if needed(&widths) <= screen + GAP {
                break;
            }
            if let Some(width) = widths.get_mut(index) {
                *width = None;
            }
        }
        let all: usize = widths.iter().flatten().map(|width| width + GAP).sum();
        let surplus = all.saturating_sub(screen + GAP);
        let left = self.shorten(&mut widths, surplus, |column| column.shortest);
        self.shorten(&mut widths, left, |column| column.shortest.map(|_| columns(column.heading)));
        widths
    }

    /// Shortens the widest of the columns that have a floor, column by column. Returns the surplus that is left.
    fn shorten(
        &self,
        widths: &mut [Option<usize>; N],
        mut surplus: usize,
        floor: impl Fn(&Column) -> Option<usize>,
    ) -> usize {
        while surplus > 0 {
            let columns = widths.iter_mut().zip(&self.columns);
            let can = columns.filter_map(|(width, column)| Some((width.as_mut()?, floor(column)?)));
            let Some((width, _)) = can.filter(|(width, floor)| **width > *floor).max_by_key(|(width, _)| **width)
            else {
                break;
            };
            *width -= 1;
            surplus -= 1;
        }
        surplus
    }

    fn line(&self, cells: &[Cell; N], widths: &[Option<usize>; N], screen: Screen) -> String {
        let last = widths.iter().rposition(Option::is_some);
        let aligned = cells.iter().zip(widths).zip(&self.columns).enumerate();
        let aligned = aligned.filter_map(|(index, ((cell, width), column))| {
            let width = (*width)?;
            let text = if column.shortest.is_some() { cut(&cell.text, width) } else { cell.text.clone() };
            let text = match (column.right, Some(index) == last) {
                (true, _) => right(&text, width),
                (false, true) => text,
                (false, false) => padded(&text, width),
            };
            Some(cell.meaning.map_or_else(|| text.clone(), |meaning| screen.paint(meaning, &text).to_string()))
        });
        aligned.collect::<Vec<_>>().join(&" ".repeat(GAP)).trim_end().to_owned()
    }
}
