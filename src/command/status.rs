//! `virt-hooks status`: one screen of the hook, what runs now, what failed, and networking.

use std::collections::BTreeMap;
use std::io::{self, BufWriter, Write};
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use clap::Args;
use jiff::Timestamp;
use serde::Serialize;

use super::check::{self, Finding};
use super::failure::Failure;
use super::host::running::{Run, runs};
use super::log::{Failed, failed_today};
use super::network::status::state;
use super::terminal::json;
use super::terminal::screen::{Meaning, Screen};
use super::terminal::table::{Column, Table};
use super::{judge, only_as_root};
use crate::network::applied::ledger::Ledger;
use crate::network::declaration;
use crate::network::reconcile::all_domains;
use crate::network::status::{State, TableState, look};
use crate::network::timeouts;
use crate::paths::Paths;
use crate::process::Supervisor;
use crate::record::{Quoted, local_time};
use crate::settings::{self, Keep};

/// How long the kernel's tables may take.
const TIMEOUT: Duration = Duration::from_secs(5);

/// How it is shown.
#[derive(Debug, Args)]
#[command(after_help = "\
The exit code is 1 if something is wrong: the hook is absent, unnoticed by libvirt or paused, a script failed within the last \
day, or declared networking is not applied. RUN is what virt-hooks stop takes.

Examples:
  virt-hooks status
  virt-hooks status --json | jq '.running'")]
pub(super) struct Arguments {
    /// As a JSON object {ok, hook, running, failed, network}
    #[arg(long)]
    json: bool,
}

/// All that is shown.
#[derive(Debug, Serialize)]
struct Status {
    ok: bool,
    /// What keeps libvirt from calling the hook, or the hook from running scripts.
    hook: Vec<Finding>,
    running: Vec<Row>,
    failed: FailedRuns,
    network: Network,
}

#[derive(Debug, Serialize)]
struct Row {
    run: i32,
    script: Option<String>,
    domain: String,
    operation: String,
    since: Option<String>,
    deadline: Option<String>,
    waits: bool,
}

#[derive(Debug, Serialize)]
struct FailedRuns {
    runs: u64,
    last: Option<String>,
}

/// Declared networking: a number for each state, or why they are unknown.
#[derive(Debug, Default, Serialize)]
struct Network {
    states: BTreeMap<&'static str, usize>,
    #[serde(skip)]
    wrong: bool,
    fault: Option<String>,
}

/// Shows it.
pub(super) fn status(arguments: &Arguments, paths: &Paths) -> Result<ExitCode, Failure> {
    only_as_root(paths, "status")?;
    let (settings, _problems) = settings::load(paths, &judge(paths), Keep::Nothing);
    let runs = runs(paths, &settings).map_err(|error| Failure::failed(format_args!("/proc: {error}")))?;
    let Failed { runs: failed, last } = failed_today(paths)?;
    let mut status = Status {
        ok: true,
        hook: check::of_hook(paths),
        running: runs.iter().map(Row::of).collect(),
        failed: FailedRuns { runs: failed, last },
        network: Network::of(paths),
    };
    status.ok = status.hook.is_empty() && failed == 0 && !status.network.wrong;
    let mut out = BufWriter::new(io::stdout().lock());
    if arguments.json {
        json(&mut out, &status)?;
    } else {
        status.print(&mut out, &runs)?;
    }
    out.flush()?;
    Ok(ExitCode::from(u8::from(!status.ok)))
}

impl Row {
    fn of(run: &Run) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Self {
            run: run.pid,
            script: run.script.as_deref().map(text),
            domain: text(run.domain.as_encoded_bytes()),
            operation: text(run.operation.as_encoded_bytes()),
            since: run.since.and_then(local),
            deadline: run.deadline().and_then(local),
            waits: run.waits,
        }
    }
}

fn local(time: SystemTime) -> Option<String> {
    Timestamp::try_from(time).ok().map(local_time)
}

impl Network {
    fn of(paths: &Paths) -> Self {
        let mut network = Self::default();
        if !paths.is_host() || !(declaration::are_there(paths) || Ledger::is_there(paths.state())) {
            return network;
        }
        let (everything, problems) = declaration::load_all(paths, &judge(paths));
        let mut programs = Supervisor::watching();
        // Without libvirt: it may hang, and this must not.
        let running = all_domains::running(paths);
        match look(&running, &everything, &mut timeouts::tools(&mut programs, TIMEOUT), paths) {
            Ok(status) => {
                for row in &status.rows {
                    *network.states.entry(state(row.state)).or_default() += 1;
                }
                let wrong = status.rows.iter().any(|row| !matches!(row.state, State::Applied | State::Waiting));
                let changed = status.table == TableState::Changed || !status.unguarded.is_empty();
                network.wrong = wrong || changed || !problems.is_empty();
            }
            Err(error) => (network.wrong, network.fault) = (true, Some(error.to_string())),
        }
        network
    }

    fn in_words(&self) -> String {
        if let Some(fault) = &self.fault {
            return format!("unknown: {fault}; fix: virt-hooks network check");
        }
        let counts: Vec<String> = self.states.iter().map(|(state, count)| format!("{count} {state}")).collect();
        match (counts.is_empty(), self.wrong) {
            (true, false) => "nothing declared".to_owned(),
            (_, false) => counts.join(", "),
            (_, true) => format!("{}; fix: virt-hooks network check", counts.join(", ")),
        }
    }
}

impl Status {
    fn print(&self, out: &mut impl Write, runs: &[Run]) -> io::Result<()> {
        let screen = Screen::of_stdout();
        let hook = if self.hook.is_empty() { "installed" } else { "see below" };
        let failed = match (&self.failed.last, self.failed.runs) {
            (Some(last), runs) => format!("{runs} in the last day, the last: {last}"),
            (None, _) => "none in the last day".to_owned(),
        };
        let network = self.network.in_words();
        let good = |wrong| if wrong { Meaning::Bad } else { Meaning::Good };
        let running = if runs.is_empty() { "nothing".to_owned() } else { runs.len().to_string() };
        for (name, value, meaning) in [
            ("hook", hook, good(!self.hook.is_empty())),
            ("failures", &failed, good(self.failed.runs > 0)),
            ("network", &network, good(self.network.wrong)),
            ("running", &running, Meaning::Strong),
        ] {
            let value = screen.wrapped(value, INDENT);
            writeln!(out, "{name:<INDENT$}{}", screen.paint(meaning, value))?;
        }
        if !runs.is_empty() {
            writeln!(out)?;
            table(runs).print(out, screen)?;
        }
        if !self.hook.is_empty() {
            writeln!(out)?;
        }
        check::print_each(out, &self.hook)
    }
}

/// The column of the values.
const INDENT: usize = 10;

fn table(runs: &[Run]) -> Table<6> {
    let mut table = Table::new([
        Column::right("RUN"),
        Column::left("VM").shortened_to(12),
        Column::left("OPERATION").dropped(1),
        Column::left("SCRIPT").shortened_to(16),
        Column::left("SINCE").dropped(2),
        Column::left("DEADLINE"),
    ]);
    for run in runs {
        let script = match &run.script {
            Some(script) => Quoted::bytes(script).to_string(),
            None => "(the hook itself)".to_owned(),
        };
        let cells = [
            run.pid.to_string(),
            Quoted::name(&run.domain).to_string(),
            Quoted::name(&run.operation).to_string(),
            script,
            run.since.and_then(local).unwrap_or_default(),
            run.deadline().and_then(local).unwrap_or_else(|| "-".to_owned()),
        ];
        table.row(cells, None);
    }
    table
}
