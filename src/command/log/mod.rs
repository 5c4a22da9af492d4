//! `virt-hooks log`: the log's records, timeline and statistics.

mod arguments;
mod follow;
mod query;
mod read;
mod view;

use std::collections::VecDeque;
use std::io::{BufWriter, Write};
use std::process::ExitCode;

pub(super) use self::arguments::Arguments;

use self::query::events::{Event, Events};
use self::query::filter::{EventFilter, Filter, RunFilter};
use self::query::rehearsal::Rehearsals;
use self::query::selection::Selection;
use self::query::span::Span;
use self::query::stage::outcome;
use self::read::files::Files;
use self::read::lines::Line;
use self::view::show;
use self::view::stats::Stats;
use self::view::timeline::Timeline;
use super::failure::Failure;
use super::terminal::screen::Screen;
use crate::paths::Paths;
use crate::record::{Fields, Quoted};

/// Runs the command.
pub(super) fn log(arguments: &Arguments, paths: &Paths) -> Result<ExitCode, Failure> {
    let (filter, form) = Form::of(arguments)?;
    if arguments.follow {
        return follow::follow(arguments, filter, paths.log());
    }
    let files = Files::open(paths.log(), filter.files_from())?;
    let existing = files.exist;
    if !existing {
        let log = Quoted::path(paths.log());
        _ = writeln!(std::io::stderr(), "virt-hooks: no log yet at {log}: no script has run");
    }
    let what = form.subject();
    let mut out = BufWriter::with_capacity(show::BUFFER, std::io::stdout().lock());
    let screen = Screen::of_stdout();
    let mut selection = Selection::new(files, filter)?;
    let found = match form {
        Form::Timeline(events) => timeline(&mut selection, &events, arguments.lines, &mut out, screen)?,
        Form::Stats(runs) => {
            let mut stats = Stats::of(runs);
            selection.all(&mut |_line, fields| {
                fields.into_iter().for_each(|fields| stats.count(fields));
                Ok(())
            })?;
            stats.show(&mut out, screen, arguments.json)?
        }
        Form::Records => records(&mut selection, arguments, &mut out, screen)?,
    };
    out.flush()?;
    if !found && existing && arguments.lines != Some(0) {
        // Without a reader of stderr there is nobody to inform.
        _ = writeln!(std::io::stderr(), "virt-hooks: {what} matches; {}", Span::of(paths.log())?);
    }
    Ok(ExitCode::from(u8::from(selection.is_faulty())))
}

/// Failed runs, those by hand left out.
#[derive(Debug, Default)]
pub(super) struct Failed {
    pub(super) runs: u64,
    /// The last of them in words.
    pub(super) last: Option<String>,
}

/// Counts the failed runs of the last day.
pub(super) fn failed_today(paths: &Paths) -> Result<Failed, Failure> {
    let arguments = Arguments { since: Some("1d".to_owned()), stats: true, failed: true, ..Arguments::default() };
    let (filter, mut runs) = Filter::of_runs(&arguments)?;
    let mut selection = Selection::new(Files::open(paths.log(), filter.files_from())?, filter)?;
    let (mut failed, mut rehearsals) = (Failed::default(), Rehearsals::default());
    selection.all(&mut |_line, fields| {
        let Some(fields) = fields else { return Ok(()) };
        rehearsals.add(fields);
        let Some(outcome) = outcome(fields) else { return Ok(()) };
        let name = fields.script.and_then(|script| script.read()).unwrap_or_default();
        if runs.fits(fields, &name, &outcome) && !rehearsals.has(fields) {
            failed.runs += 1;
            let domain = fields.domain.read().unwrap_or_default();
            failed.last =
                Some(format!("{} {} of {}: {outcome}", fields.time, Quoted::bytes(&name), Quoted::bytes(&domain)));
        }
        Ok(())
    })?;
    Ok(failed)
}

/// Form of the output.
enum Form {
    Records,
    Timeline(EventFilter),
    Stats(RunFilter),
}

impl Form {
    /// Returns the requested form, and the filter of the records that it needs.
    fn of(arguments: &Arguments) -> Result<(Filter, Self), Failure> {
        Ok(if arguments.timeline {
            let (filter, events) = Filter::of_events(arguments)?;
            (filter, Self::Timeline(events))
        } else if arguments.stats {
            let (filter, runs) = Filter::of_runs(arguments)?;
            (filter, Self::Stats(runs))
        } else {
            (Filter::of(arguments)?, Self::Records)
        })
    }

    /// Returns the beginning of the message that nothing fits.
    const fn subject(&self) -> &'static str {
        match self {
            Self::Records => "no record",
            Self::Timeline(_) => "no event in which a script ran",
            Self::Stats(_) => "no run of a script",
        }
    }
}

/// Shows the requested records, all or the last ones. Returns true if there is one.
fn records(
    selection: &mut Selection,
    arguments: &Arguments,
    out: &mut dyn Write,
    screen: Screen,
) -> Result<bool, Failure> {
    let mut found = false;
    let mut see = |line: Line<'_>, fields: Option<&Fields<'_>>| {
        found = true;
        Ok(show::line(out, &screen, arguments.json, &line, fields)?)
    };
    match arguments.lines {
        Some(count) => selection.last(count, &mut see)?,
        None => selection.all(&mut see)?,
    }
    Ok(found)
}

/// Draws the requested events, all or the last ones. Returns true if there is one.
fn timeline(
    selection: &mut Selection,
    asked: &EventFilter,
    count: Option<usize>,
    out: &mut dyn Write,
    screen: Screen,
) -> Result<bool, Failure> {
    let mut timeline = Timeline::new(screen);
    let mut events = Events::default();
    let mut last = VecDeque::new();
    let mut take = |event: Event, out: &mut dyn Write| match count {
        _ if !asked.fits(&event) => Ok(()),
        None => timeline.draw(out, &event),
        Some(count) => {
            last.push_back(event);
            last.drain(..last.len().saturating_sub(count));
            Ok(())
        }
    };
    selection.all(&mut |_line, fields| {
        if let Some(fields) = fields {
            events.add(fields);
        }
        while let Some(event) = events.next(false) {
            take(event, out)?;
        }
        Ok(())
    })?;
    while let Some(event) = events.next(true) {
        take(event, out)?;
    }
    last.iter().try_for_each(|event| timeline.draw(out, event))?;
    Ok(timeline.has_drawn())
}
