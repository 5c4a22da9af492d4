//! `--timeline`: each event with its scripts as bars over its time, so that a slow start of a VM explains itself.

use std::ffi::OsString;
use std::io::{self, Write};

use super::bar::bar;
use super::duration::Milliseconds;
use crate::command::log::query::events::{Event, Run};
use crate::command::terminal::screen::{Meaning, Screen, columns, padded};
use crate::command::terminal::width::{cut, cut_end, right};
use crate::driver::{Operation, QEMU};
use crate::record::Quoted;
use crate::record::outcome::Outcome;

/// Duration from which an event is slow, in milliseconds.
const SLOW: u64 = 1000;

/// Minimum length of the time axis, in milliseconds.
const SHORTEST: u64 = 10;

/// Width of a screen below which texts are short, in columns.
const NARROW: usize = 60;

/// Width of a duration, except those of months.
const DURATION: usize = 7;

/// Maximum width of a note, in columns.
const NOTE: usize = 24;

/// Draws events.
#[derive(Debug)]
pub(crate) struct Timeline {
    screen: Screen,
    widths: Widths,
    blocks: bool,
    first: bool,
}

/// Text beside the bar of a run.
struct Row {
    name: String,
    duration: String,
    note: String,
    meaning: Option<Meaning>,
}

/// Width of each part of a row in columns: the same in every event, so that bars are aligned.
#[derive(Debug, Clone, Copy)]
struct Widths {
    indent: usize,
    gap: usize,
    name: usize,
    bar: usize,
    duration: usize,
    note: usize,
}

impl Timeline {
    /// Returns a timeline for this screen, in block characters if the locale has them.
    pub(crate) fn new(screen: Screen) -> Self {
        let blocks = is_utf8(|name| std::env::var_os(name));
        Self { screen, widths: Widths::of(screen.width), blocks, first: true }
    }

    /// Returns true if there was an event.
    pub(crate) const fn has_drawn(&self) -> bool {
        !self.first
    }

    /// Draws one event.
    pub(crate) fn draw(&mut self, out: &mut dyn Write, event: &Event) -> io::Result<()> {
        if !std::mem::replace(&mut self.first, false) {
            writeln!(out)?;
        }
        let slowest = event.slowest().filter(|_| event.runs.len() > 1).map(|(index, _)| index);
        let rows = event.runs.iter().enumerate().map(|(index, run)| self.row(run, slowest == Some(index)));
        let rows: Vec<Row> = rows.collect();
        let took = Milliseconds(event.took()).to_string();
        self.heading(out, event, &took)?;
        for (run, row) in event.runs.iter().zip(&rows) {
            self.line(out, event, run, row)?;
        }
        let indent = " ".repeat(self.widths.indent);
        if event.more > 0 {
            let more = format!("{indent}and {} more", event.more);
            writeln!(out, "{}", self.screen.paint(Meaning::Faint, more))?;
        }
        let slowest = event.slowest().filter(|_| event.took() > SLOW);
        if let Some((run, longest)) = slowest.and_then(|(run, longest)| Some((event.runs.get(run)?, longest))) {
            let name = Quoted::bytes(&run.label).to_string();
            let begin = format!("{indent}{} of {took} in ", Milliseconds(longest));
            let name = cut(&name, self.screen.width.saturating_sub(columns(&begin)));
            writeln!(
                out,
                "{}{}",
                self.screen.paint(Meaning::Warning, begin),
                self.screen.paint(Meaning::Warning, name)
            )?;
        }
        Ok(())
    }

    /// The time, the VM and the operation, and over the durations how long all took.
    fn heading(&self, out: &mut dyn Write, event: &Event, took: &str) -> io::Result<()> {
        let (narrow, widths) = (self.screen.width < NARROW, self.widths);
        let time = event.time.get(if narrow { 5..16 } else { 0..19 }).unwrap_or(&event.time).replace('T', " ");
        let usual = event.driver.operation(event.operation.as_bytes()).map(Operation::sub_operation);
        let operation = if usual == Some(event.sub_operation.as_str()) {
            event.operation.clone()
        } else {
            format!("{}/{}", event.operation, event.sub_operation)
        };
        let of = if event.driver == &QEMU { String::new() } else { format!("{} ", event.driver.name) };
        let operation = cut(&format!("{of}{operation}"), self.screen.width / 4);
        let gap = " ".repeat(widths.gap);
        let by_hand = if event.by_hand && !narrow { format!("{gap}by hand") } else { String::new() };
        // The domain gets the remaining columns, up to the end of the durations.
        let end = if narrow { self.screen.width } else { self.screen.width - widths.note - widths.gap };
        let others = columns(&time) + columns(&operation) + columns(&by_hand) + columns(took) + 3 * widths.gap;
        let domain = cut(&event.domain, end.saturating_sub(others).max(3));
        let blank = " ".repeat(end.saturating_sub(others + columns(&domain)) + widths.gap);
        let (time, domain) = (self.screen.paint(Meaning::Faint, time), self.screen.paint(Meaning::Strong, domain));
        let by_hand = self.screen.paint(Meaning::Warning, by_hand);
        let took = self.screen.paint(Meaning::Strong, took);
        writeln!(out, "{time}{gap}{domain}{gap}{operation}{by_hand}{blank}{took}")?;
        if event.by_hand && narrow {
            writeln!(out, "{gap}{}", self.screen.paint(Meaning::Warning, "by hand"))?;
        }
        Ok(())
    }

    fn line(&self, out: &mut dyn Write, event: &Event, run: &Run, row: &Row) -> io::Result<()> {
        let (widths, begin) = (self.widths, event.begin());
        let axis = event.took().max(SHORTEST);
        let from = u64::try_from(run.begin.saturating_sub(begin)).unwrap_or(0);
        // A run without an end in the log is drawn to the event's end.
        let to = run.took().map_or(if run.is_open() { axis } else { from }, |took| from.saturating_add(took));
        let ran = run.is_open() || run.took().is_some();
        let bar = if ran { bar(from, to, axis, widths.bar, self.blocks) } else { " ".repeat(widths.bar) };
        let name = padded(&cut(&row.name, widths.name), widths.name);
        let duration = right(&row.duration, widths.duration);
        let note = cut_end(&row.note, widths.note);
        let paint = |text: String| match row.meaning {
            Some(meaning) => self.screen.paint(meaning, text).to_string(),
            None => text,
        };
        let (indent, gap) = (" ".repeat(widths.indent), " ".repeat(widths.gap));
        let name = if row.meaning == Some(Meaning::Warning) { name } else { paint(name) };
        let line = format!("{indent}{name}{gap}{}{gap}{duration}", paint(bar));
        if note.is_empty() {
            return writeln!(out, "{}", line.trim_end());
        }
        writeln!(out, "{line}{gap}{}", paint(note))
    }

    fn row(&self, run: &Run, slowest: bool) -> Row {
        let narrow = self.screen.width < NARROW;
        let mut notes = Vec::new();
        let mut meaning = slowest.then_some(Meaning::Warning);
        if run.background {
            notes.push("background".to_owned());
            meaning = Some(Meaning::Faint);
        }
        match &run.outcome {
            Some(outcome) if outcome.is_failure() => {
                notes.push(if narrow { in_short(outcome) } else { in_words(outcome) });
                meaning = Some(Meaning::Bad);
            }
            Some(Outcome::NotExecutable { .. }) => {
                notes.push("not executable".to_owned());
                meaning = Some(Meaning::Faint);
            }
            Some(_) => {}
            None => notes.push(if narrow { "no end" } else { "no end in the log" }.to_owned()),
        }
        if slowest {
            notes.push("slowest".to_owned());
        }
        Row {
            name: Quoted::bytes(&run.label).to_string(),
            duration: run.took().map(|took| Milliseconds(took).to_string()).unwrap_or_default(),
            note: notes.join(", "),
            meaning,
        }
    }
}

impl Widths {
    /// Returns the widths for a screen: a quarter for names, somewhat less for notes, the rest for bars.
    fn of(width: usize) -> Self {
        let narrow = width < NARROW;
        let (indent, gap, duration) = if narrow { (1, 1, DURATION - 1) } else { (2, 2, DURATION) };
        let name = if narrow { width * 3 / 10 } else { width / 4 };
        let note = (width * 9 / 40).min(NOTE);
        let bar = width.saturating_sub(indent + name + gap + gap + duration + gap + note);
        Self { indent, gap, name, bar, duration, note }
    }
}

/// Returns the failure as the log words it, without times, which stand beside it.
fn in_words(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Exited { code, .. } => format!("exited with {code}"),
        Outcome::Signaled { signal, .. } => format!("killed by {}", signal_name(*signal)),
        Outcome::TimedOut { .. } => "timed out".to_owned(),
        Outcome::Interrupted { signal, .. } => format!("the hook got {}", signal_name(*signal)),
        Outcome::Stopped { .. } => "stopped by hand".to_owned(),
        Outcome::FilterRejected { .. } => "filter rejected".to_owned(),
        Outcome::NotStarted { .. } => "not started".to_owned(),
        Outcome::HandedOver | Outcome::Ignored | Outcome::NotExecutable { .. } => outcome.to_string(),
    }
}

/// Returns a short form of the failure.
fn in_short(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Exited { code, .. } => format!("exit {code}"),
        Outcome::Signaled { signal, .. } => signal_name(*signal),
        Outcome::TimedOut { .. } => "timed out".to_owned(),
        Outcome::Interrupted { .. } => "cut short".to_owned(),
        Outcome::Stopped { .. } => "stopped".to_owned(),
        Outcome::FilterRejected { .. } => "filter rejected".to_owned(),
        _ => "not started".to_owned(),
    }
}

fn signal_name(signal: i32) -> String {
    let name = signal_hook::low_level::signal_name(signal);
    name.map_or_else(|| format!("signal {signal}"), str::to_owned)
}

/// Returns true if the locale uses UTF-8: the first of these variables that is set decides (locale(7)).
fn is_utf8(variable: impl Fn(&str) -> Option<OsString>) -> bool {
    let set = |name: &&str| variable(name).filter(|value| !value.is_empty());
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"].iter().find_map(set).unwrap_or_default();
    let locale = locale.to_string_lossy().to_ascii_lowercase();
    locale.contains("utf-8") || locale.contains("utf8")
}
