//! `virt-hooks network status`: what is declared, what is there, what is missing, and what is nobody's.

use std::io::{self, BufWriter, Write};
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use serde::Serialize;

use super::running;
use super::{has_nft, only_on_this_host};
use crate::command::check::edit;
use crate::command::failure::Failure;
use crate::command::judge;
use crate::command::terminal::json;
use crate::command::terminal::screen::{Meaning, Screen};
use crate::command::terminal::table::{Column, Table};
use crate::network::declaration::{self, Declaration, Source};
use crate::network::reachable::{Obstacle, Remedy};
use crate::network::status::{self, Row, State, Status, TableState, Thing};
use crate::network::timeouts;
use crate::paths::Paths;
use crate::process::Supervisor;
use crate::record::Quoted;

/// How long all of it may take.
const TIMEOUT: Duration = Duration::from_secs(30);

/// How it is shown.
#[derive(Debug, Args)]
#[command(after_help = "\
applied: it is there. unreachable: it is there, and something else on the host stops or diverts its packets, for the reason \
below. missing: it is declared for a VM that runs and is not there. left over: it was given and is declared no \
more. refused: it can't be had, for the reason below. waiting: no VM that it is for runs. foreign: something in this \
program's table, or among its routes, that belongs to no VM. What is missing, left over or foreign is mended by \
virt-hooks network apply. The exit code is 0 where all is applied or waiting, else 1.

Examples:
  virt-hooks network status
  virt-hooks network status --json | jq -r '.[] | select(.state == \"missing\") | .what'")]
pub(super) struct Arguments {
    /// As a JSON array of {domain, kind, what, state, reason, connections, source}
    #[arg(long)]
    json: bool,
}

/// Shows how things stand.
pub(super) fn status(arguments: &Arguments, paths: &Paths) -> Result<ExitCode, Failure> {
    only_on_this_host(paths, "status")?;
    let mut programs = Supervisor::watching();
    let known = running::ask(&mut programs, paths);
    let notes = known.notes();
    let running = known.running;
    let (everything, problems) = declaration::load_all(paths, &judge(paths));
    has_nft(&everything)?;
    let mut tools = timeouts::tools(&mut programs, TIMEOUT);
    let status = status::look(&running, &everything, &mut tools, paths)
        .map_err(|tool_error| Failure::failed(format_args!("it can't be seen what there is: {tool_error}")))?;
    let wrong = |row: &Row| !matches!(row.state, State::Applied | State::Waiting);
    let is_wrong = status.table == TableState::Changed
        || !status.unguarded.is_empty()
        || status.rows.iter().any(wrong)
        || !problems.is_empty();
    let mut out = BufWriter::new(io::stdout().lock());
    let unseen = status.unseen.iter().cloned();
    let problems = problems.iter().map(|(file, problem)| format!("{}: {problem}", Quoted::path(file)));
    let notes: Vec<String> = notes.into_iter().chain(unseen).chain(problems).collect();
    if arguments.json {
        for note in notes.iter().chain(&status.unguarded) {
            // A closed stderr is no failure.
            _ = writeln!(io::stderr(), "virt-hooks: {note}");
        }
        json(&mut out, &status.rows.iter().map(Shown::of).collect::<Vec<_>>())?;
    } else {
        table(&mut out, &status, paths)?;
        for note in notes {
            writeln!(out, "{}  {note}", Screen::of_stdout().paint(Meaning::Warning, "warning"))?;
        }
    }
    out.flush()?;
    Ok(ExitCode::from(u8::from(is_wrong)))
}

/// A row as programs read it.
#[derive(Debug, Serialize)]
struct Shown {
    domain: Option<String>,
    kind: &'static str,
    what: String,
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    connections: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<String>,
}

impl Shown {
    fn of(row: &Row) -> Self {
        Self {
            domain: row.domain.as_ref().map(|domain| domain.to_string_lossy().into_owned()),
            kind: kind(&row.thing),
            what: what(&row.thing),
            state: state(row.state),
            reason: reason(row),
            connections: row.connections,
            source: row.source.as_ref().map(ToString::to_string),
        }
    }
}

pub(in crate::command) const fn kind(thing: &Thing) -> &'static str {
    match thing {
        Thing::Forward(_) => "forward",
        Thing::Route(_) => "route",
        Thing::Declared(declared) => match **declared {
            Declaration::Forward(_) => "forward",
            Declaration::Route(_) => "route",
        },
        Thing::Refused(_) => "declaration",
        Thing::Strange(_) => "element",
    }
}

pub(in crate::command) fn what(thing: &Thing) -> String {
    match thing {
        Thing::Forward(forward) => forward.to_string(),
        Thing::Route(route) => route.to_string(),
        Thing::Declared(declared) => match &**declared {
            Declaration::Forward(forward) => forward.to_string(),
            Declaration::Route(route) => route.to_string(),
        },
        Thing::Refused(why) => why.to_string(),
        Thing::Strange(what) => what.clone(),
    }
}

/// Returns the obstacles of a row, in one line.
fn reason(row: &Row) -> Option<String> {
    let told: Vec<String> =
        row.obstacles.iter().map(|Obstacle { subject, message, .. }| format!("{subject}: {message}")).collect();
    (!told.is_empty()).then(|| told.join("; "))
}

pub(in crate::command) const fn state(state: State) -> &'static str {
    match state {
        State::Applied => "applied",
        State::Unreachable => "unreachable",
        State::Missing => "missing",
        State::LeftOver => "left over",
        State::Refused => "refused",
        State::Waiting => "waiting",
        State::Foreign => "foreign",
    }
}

const fn meaning(state: State) -> Option<Meaning> {
    match state {
        State::Applied => None,
        State::Waiting => Some(Meaning::Faint),
        State::LeftOver => Some(Meaning::Warning),
        State::Unreachable | State::Missing | State::Refused | State::Foreign => Some(Meaning::Bad),
    }
}

/// Returns the command that fixes an obstacle of a row; an empty one where none can.
pub(in crate::command) fn remedy(row: &Row, obstacle: &Obstacle) -> String {
    match &obstacle.remedy {
        Remedy::Command(command) => command.clone(),
        Remedy::None => String::new(),
        Remedy::Declaration => edit(row.source.as_ref(), row.domain.as_deref().unwrap_or_default()),
    }
}

/// Where something is declared, in so many columns as there are for it.
fn place(source: &Source) -> String {
    match source {
        Source::File { path, line } => format!("{}:{line}", Quoted::name(path.file_name().unwrap_or_default())),
        Source::Metadata { number } => format!("metadata:{number}"),
        Source::Unread => "-".to_owned(),
    }
}

fn table(out: &mut impl Write, status: &Status, paths: &Paths) -> io::Result<()> {
    let screen = Screen::of_stdout();
    if status.rows.is_empty() {
        writeln!(out, "Nothing is declared in {}, and nothing is there.", Quoted::path(paths.network()))?;
    } else {
        let mut table = Table::new([
            Column::left("VM").shortened_to(12),
            Column::left("STATE"),
            Column::left("WHAT").shortened_to(40),
            Column::right("CONNECTIONS").dropped(2),
            Column::left("DECLARED").dropped(1),
        ]);
        for row in &status.rows {
            let domain = match row.state {
                State::Waiting => row.domain.as_ref().map(|patterns| patterns.to_string_lossy().into_owned()),
                _ => row.domain.as_ref().map(|domain| Quoted::name(domain).to_string()),
            };
            let refused = matches!(row.thing, Thing::Refused(_));
            let cells = [
                domain.unwrap_or_else(|| "-".to_owned()),
                state(row.state).to_owned(),
                if refused { String::new() } else { what(&row.thing) },
                row.connections.map(|count| count.to_string()).unwrap_or_default(),
                row.source.as_ref().map(place).unwrap_or_default(),
            ];
            table.row(cells, meaning(row.state));
            if refused {
                table.note(&what(&row.thing), Meaning::Bad);
            }
        }
        table.print(out, screen)?;
    }
    for (row, obstacle) in status.obstacles() {
        writeln!(out, "{}: {}", obstacle.subject, obstacle.message)?;
        let remedy = remedy(row, obstacle);
        if !remedy.is_empty() {
            writeln!(out, "{} {remedy}", screen.paint(Meaning::Faint, "fix:"))?;
        }
    }
    let to_mend = status.rows.iter().any(|row| matches!(row.state, State::Missing | State::LeftOver | State::Foreign));
    if status.table == TableState::Changed {
        writeln!(
            out,
            "The table inet virt-hooks is not as this program makes it: somebody has changed its chains or rules."
        )?;
    }
    for chain in &status.unguarded {
        writeln!(out, "{chain} may refuse what is forwarded: the rule that lets it through is not at its top.")?;
    }
    if to_mend || !status.unguarded.is_empty() || status.table == TableState::Changed {
        writeln!(out, "{} virt-hooks network apply", screen.paint(Meaning::Faint, "fix:"))?;
    }
    Ok(())
}
