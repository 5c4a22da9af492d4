//! `virt-hooks log`: what ran.

mod bar;
mod duration;
mod events;
mod failures;
mod files;
mod filter;
mod follow;
mod json;
mod lines;
mod marks;
mod moment;
mod outcome;
mod packing;
mod pattern;
mod rehearsal;
mod rotation;
mod selection;
mod show;
mod span;
mod stats;
mod timeline;
mod under_way;

use std::collections::VecDeque;
use std::io::{BufWriter, Write};
use std::process::ExitCode;

use clap::Args;
use clap::builder::PossibleValuesParser;

use self::events::{Event, Events};
use self::files::Files;
use self::filter::{EventFilter, Filter, RunFilter};
use self::lines::Line;
use self::selection::Selection;
use self::span::Span;
use self::stats::Stats;
use self::timeline::Timeline;
use super::failure::Failure;
use super::screen::Screen;
use crate::driver::Operation;
use crate::paths::Paths;
use crate::record::{Fields, Quoted};

/// How much is written at once, in bytes.
const BUFFER: usize = 256 << 10;

/// Which records are shown, and how.
#[derive(Debug, Args)]
#[command(after_help = "\
Without filters all that is in the log is shown, rotated and compressed files first. Filters combine: a record is shown \
if it fits all of them.

Examples:
  virt-hooks log --domain 'i-2-*' --since 1h
  virt-hooks log --failed --since 2026-11-22
  virt-hooks log --script start_firewall.sh -n 20
  virt-hooks log --timeline --domain my-vm -n 1
  virt-hooks log --stats --since 7d
  virt-hooks log --follow")]
pub(super) struct Arguments {
    /// Of VMs whose name fits this pattern (* ? [...])
    #[arg(long, value_name = "VM", allow_hyphen_values = true)]
    pub(super) domain: Option<String>,

    /// Of scripts whose file name, or name with the VM's folder such as my-vm/start_a, fits this pattern
    #[arg(long, value_name = "SCRIPT", allow_hyphen_values = true)]
    pub(super) script: Option<String>,

    /// Of this operation
    #[arg(long, value_name = "OPERATION", hide_possible_values = true,
          value_parser = PossibleValuesParser::new(Operation::ALL.map(Operation::name)))]
    pub(super) operation: Option<String>,

    /// Of runs that failed: all that is logged of them, from the start to the end; with --timeline, events with such runs
    #[arg(long)]
    pub(super) failed: bool,

    /// Not older than this: 90s, 15m, 1h, 7d, or a time such as 14:22 (when it last was), 2026-11-22 or 2026-11-22T14:22:44
    #[arg(long, value_name = "TIME")]
    pub(super) since: Option<String>,

    /// Not newer than this; a date means its end
    #[arg(long, value_name = "TIME")]
    pub(super) until: Option<String>,

    /// The last so many records; with --timeline, events
    #[arg(short = 'n', long = "lines", value_name = "COUNT", conflicts_with = "stats")]
    pub(super) lines: Option<usize>,

    /// Go on showing what is logged from now on, after the last 10 records or as many as -n says
    #[arg(short = 'f', long, conflicts_with_all = ["timeline", "stats", "until"])]
    pub(super) follow: bool,

    /// Draw each event's scripts as bars over its time, and mark the slowest
    #[arg(long, conflicts_with_all = ["stats", "json"])]
    pub(super) timeline: bool,

    /// Count the runs of each script, those that failed or timed out, and how long they took; runs by hand don't count
    #[arg(long)]
    pub(super) stats: bool,

    /// As JSON, an object a line; with --stats an array
    #[arg(long)]
    pub(super) json: bool,
}

/// Shows what is asked for.
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
    let what = form.of_what();
    let mut out = BufWriter::with_capacity(BUFFER, std::io::stdout().lock());
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
        // Where nobody listens, nobody is told.
        _ = writeln!(std::io::stderr(), "virt-hooks: {what} fits; {}", Span::of(paths.log())?);
    }
    Ok(ExitCode::from(u8::from(selection.is_faulty())))
}

/// What is made of the records.
enum Form {
    Records,
    Timeline(EventFilter),
    Stats(RunFilter),
}

impl Form {
    /// The form that is asked for, and which records are needed for it.
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

    /// What is not there where nothing fits.
    const fn of_what(&self) -> &'static str {
        match self {
            Self::Records => "no record",
            Self::Timeline(_) => "no event in which a script ran",
            Self::Stats(_) => "no run of a script",
        }
    }
}

/// Shows the records that are asked for, all or the last so many of them. Tells whether there is one.
fn records(
    selection: &mut Selection,
    arguments: &Arguments,
    out: &mut dyn Write,
    screen: Screen,
) -> Result<bool, Failure> {
    let mut found = false;
    let mut see = |line: Line<'_>, fields: Option<&Fields<'_>>| {
        found = true;
        show(out, &screen, arguments, &line, fields)
    };
    match arguments.lines {
        Some(count) => selection.last(count, &mut see)?,
        None => selection.all(&mut see)?,
    }
    Ok(found)
}

/// Shows a line in the form that is asked for.
fn show(
    out: &mut dyn Write,
    screen: &Screen,
    arguments: &Arguments,
    line: &Line<'_>,
    fields: Option<&Fields<'_>>,
) -> Result<(), Failure> {
    match fields {
        Some(fields) if arguments.json => json::record(out, fields)?,
        _ => show::text(out, screen, line, fields)?,
    }
    Ok(())
}

/// Draws the events that are asked for, all or the last so many of them. Tells whether there is one.
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
            events.take(fields);
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
