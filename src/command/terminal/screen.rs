//! Output for a person: a terminal of some width with colours, or a pipe without.

use std::fmt::{self, Display};
use std::io::{self, IsTerminal};

use unicode_width::UnicodeWidthStr;

/// The width where there is no terminal that has one.
const WIDTH: usize = 100;

/// Destination of a command's output.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Screen {
    /// True if it is a terminal.
    pub(crate) terminal: bool,
    /// Number of columns of a line.
    pub(crate) width: usize,
    colour: bool,
}

/// Meaning of a text, which decides its colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// A success.
    Good,
    /// A condition that an operator should check.
    Warning,
    /// A failure.
    Bad,
    /// A heading or a name.
    Strong,
    /// A detail.
    Faint,
}

impl Meaning {
    /// Returns the sequence that begins its colour (ECMA-48, "SGR").
    const fn style(self) -> &'static str {
        match self {
            Self::Good => "\x1b[32m",
            Self::Warning => "\x1b[33m",
            Self::Bad => "\x1b[1m\x1b[31m",
            Self::Strong => "\x1b[1m",
            Self::Faint => "\x1b[2m",
        }
    }
}

impl Screen {
    /// Returns the screen of stdout.
    pub(crate) fn of_stdout() -> Self {
        let stdout = io::stdout();
        Self::of(stdout.is_terminal(), rustix::termios::tcgetwinsize(&stdout).map(|size| size.ws_col).ok())
    }

    /// Returns the screen of stderr.
    pub(crate) fn of_stderr() -> Self {
        let stderr = io::stderr();
        Self::of(stderr.is_terminal(), rustix::termios::tcgetwinsize(&stderr).map(|size| size.ws_col).ok())
    }

    fn of(terminal: bool, columns: Option<u16>) -> Self {
        let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        // no-color.org: set to anything but nothing.
        let colour = terminal && set("NO_COLOR").is_none() && set("TERM").is_none_or(|term| term != "dumb");
        let columns = columns.filter(|&columns| terminal && columns > 0).map(usize::from);
        // POSIX (environment variables): COLUMNS is the user's word for a width.
        let said = set("COLUMNS").and_then(|columns| columns.to_str()?.parse().ok()).filter(|&columns| columns > 0);
        let width = said.or(columns).unwrap_or(WIDTH);
        Self { terminal, width, colour }
    }

    /// Wraps a text, and indents all lines but the first. In a pipe it stays one line, for grep.
    pub(crate) fn wrapped(&self, text: &str, indent: usize) -> String {
        let width = if self.terminal { self.width.saturating_sub(indent).max(20) } else { usize::MAX };
        let mut wrapped = String::new();
        for (number, line) in text.lines().enumerate() {
            let begin = if number == 0 { String::new() } else { format!("\n{}", " ".repeat(indent)) };
            wrapped.push_str(&begin);
            let mut used = 0;
            // A line that is set out by blanks, such as a picture of a place, stays so.
            for word in if line.starts_with(' ') { vec![line] } else { line.split(' ').collect() } {
                if used > 0 && used + 1 + columns(word) > width {
                    wrapped.push_str(&format!("\n{}", " ".repeat(indent)));
                    used = 0;
                } else if used > 0 {
                    wrapped.push(' ');
                    used += 1;
                }
                wrapped.push_str(word);
                used += columns(word);
            }
        }
        wrapped
    }

    /// Returns a text in the colour of its meaning, on a screen with colours.
    pub(crate) fn paint<T: Display>(&self, meaning: Meaning, text: T) -> Painted<T> {
        Painted { style: self.colour.then(|| meaning.style()), text }
    }
}

/// A text, coloured or not.
#[derive(Debug)]
pub(crate) struct Painted<T> {
    style: Option<&'static str>,
    text: T,
}

impl<T: Display> Display for Painted<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.style {
            Some(style) => write!(formatter, "{style}{}\x1b[0m", self.text),
            None => self.text.fmt(formatter),
        }
    }
}

/// Returns the width of a text in columns.
pub(crate) fn columns(text: &str) -> usize {
    text.width()
}

/// Pads a text at its end to a width in columns.
pub(crate) fn padded(text: &str, width: usize) -> String {
    format!("{text}{}", " ".repeat(width.saturating_sub(columns(text))))
}
