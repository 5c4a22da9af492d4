//! `virt-hooks list`: which scripts run, in which order, and why the others don't.

use std::ffi::{OsStr, OsString};
use std::io::{self, BufWriter, Write};
use std::os::unix::ffi::OsStrExt;
use std::process::ExitCode;

use clap::Args;
use serde::Serialize;

use super::failure::Failure;
use super::host::inventory::{Entry, Fate, Inventory, domains_of};
use super::terminal::screen::{Meaning, Screen};
use super::terminal::table::{Column, Table};
use super::{operation, terminal};
use crate::driver::{Driver, Operation, QEMU};
use crate::paths::Paths;
use crate::record::Quoted;
use crate::record::outcome::Seconds;
use crate::settings::{Filter, OnFailure, ScriptSettings, Settings};
use crate::state::pause::Pause;

/// Which scripts are listed.
#[derive(Debug, Args)]
#[command(after_help = "\
Scripts are listed in the order in which they run. Without a number is what does not run; the line below tells why, and \
what mends it.

Examples:
  virt-hooks list
  virt-hooks list start --domain my-vm
  virt-hooks list --json | jq -r '.[] | select(.runs | not) | .name + \": \" + .reason'")]
pub(super) struct Arguments {
    /// Only what is for this operation
    #[arg(value_name = "OPERATION", value_parser = operation::one())]
    pub(super) operation: Option<String>,

    /// Of this libvirt driver
    #[arg(long, value_name = "DRIVER", value_parser = operation::driver(), default_value = QEMU.name)]
    pub(super) driver: &'static Driver,

    /// Only what is for this VM
    #[arg(long, value_name = "VM", allow_hyphen_values = true)]
    pub(super) domain: Option<OsString>,

    /// As a JSON array
    #[arg(long)]
    pub(super) json: bool,
}

/// Lists the scripts.
pub(super) fn list(arguments: &Arguments, paths: &Paths) -> Result<ExitCode, Failure> {
    let operation = arguments.operation.as_deref().map(|name| operation::of(arguments.driver, name)).transpose()?;
    show(&paths.clone().of(arguments.driver), operation, arguments.domain.as_deref(), arguments.json)
}

/// Lists the scripts that are for this operation and this domain, or for whatever is not said.
pub(super) fn show(
    paths: &Paths,
    operation: Option<Operation>,
    domain: Option<&OsStr>,
    json: bool,
) -> Result<ExitCode, Failure> {
    let inventory = Inventory::take(paths);
    if let Some((folder, error)) = inventory.unread.first() {
        let mend =
            if error.kind() == io::ErrorKind::PermissionDenied { "run it as root" } else { "see virt-hooks check" };
        return Err(Failure::failed(format_args!("{} can't be read: {error}; {mend}", Quoted::path(folder))));
    }
    let wanted = |entry: &&Entry| {
        operation.is_none_or(|operation| may_be_for(entry, operation))
            && domain.is_none_or(|domain| entry.domain.as_deref().is_none_or(|own| own == domain))
    };
    let mut order = 0;
    let rows = inventory.entries.iter().filter(wanted).map(|entry| {
        let mut row = Row::of(entry, &inventory.settings);
        if let Some(domain) = domain.filter(|domain| !inventory.settings.is_for(entry.file_name(), domain)) {
            row.leave_out(domain);
        }
        if row.runs {
            order += 1;
            row.order = Some(order);
        }
        row
    });
    let rows: Vec<Row> = rows.collect();
    let mut out = BufWriter::new(io::stdout().lock());
    if json {
        terminal::json(&mut out, &rows)?;
    } else {
        print(&mut out, &rows, &inventory, paths)?;
    }
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}

/// Whether it is for this operation, or is probably meant to be.
fn may_be_for(entry: &Entry, operation: Operation) -> bool {
    match &entry.fate {
        Fate::Other(Some(meant)) => meant.starts_with("all_") || meant.starts_with(&format!("{}_", operation.name())),
        Fate::Folder => false,
        _ => entry.is_for(operation),
    }
}

/// A script, as it is listed.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    /// Its path below `custom/`.
    name: String,
    runs: bool,
    /// Why it does not run.
    reason: Option<String>,
    /// The command that mends it.
    remedy: Option<String>,
    order: Option<usize>,
    path: String,
    /// The operation that it is for, `all`, or nothing where its name is no script's.
    operation: Option<&'static str>,
    /// The VMs that it is for: a pattern or several; nothing where it is every VM's.
    domains: Option<String>,
    timeout_seconds: Option<f64>,
    on_failure: Option<&'static str>,
    filter: Option<bool>,
    exclusive: Option<bool>,
    wait: Option<bool>,
    /// Its name, as records have it.
    #[serde(skip)]
    shown: String,
    #[serde(skip)]
    settings: String,
    #[serde(skip)]
    meaning: Meaning,
    #[serde(skip)]
    kind: Kind,
}

/// How an entry is told of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// A row of the table.
    Script,
    /// A name among the VMs' own folders.
    Folder,
    /// A name among those that nobody takes for a script's.
    Foreign,
}

impl Row {
    fn of(entry: &Entry, settings: &Settings) -> Self {
        let (reason, remedy, meaning) = reason(entry);
        let of_script = entry.scope.map(|_| entry.settings(settings));
        Self {
            name: String::from_utf8_lossy(&entry.label).into_owned(),
            shown: Quoted::bytes(&entry.label).to_string(),
            runs: entry.runs(),
            reason,
            remedy,
            order: None,
            path: entry.path.to_string_lossy().into_owned(),
            operation: entry.scope.map(|scope| scope.name()),
            domains: domains_of(entry, settings),
            timeout_seconds: of_script.map(|settings| settings.timeout.as_secs_f64()),
            on_failure: of_script.map(|settings| word(settings.on_failure)),
            filter: of_script.map(|settings| matches!(settings.filter, Filter::Yes | Filter::AsHook)),
            exclusive: of_script.map(|settings| settings.exclusive),
            wait: of_script.map(|settings| settings.wait || settings.must_be_waited_for()),
            settings: of_script.map(|settings| in_words(&settings)).unwrap_or_default(),
            meaning,
            kind: match entry.fate {
                Fate::Other(None) => Kind::Foreign,
                Fate::Folder if entry.domain.is_none() => Kind::Folder,
                Fate::Folder => Kind::Foreign,
                _ => Kind::Script,
            },
        }
    }

    /// What it is for a domain that the settings keep it from.
    fn leave_out(&mut self, domain: &OsStr) {
        if self.runs {
            self.runs = false;
            let domains = self.domains.as_deref().unwrap_or("other VMs");
            self.reason = Some(format!("domains in the settings is for {domains}, not for {}", Quoted::name(domain)));
            self.meaning = Meaning::Faint;
        }
    }

    fn cells(&self) -> [String; 6] {
        let timeout = self.timeout_seconds.filter(|_| self.runs).map(std::time::Duration::from_secs_f64);
        [
            self.order.map(|order| order.to_string()).unwrap_or_default(),
            self.shown.clone(),
            self.operation.unwrap_or("-").to_owned(),
            self.domains.clone().unwrap_or_else(|| "every".to_owned()),
            timeout.map(|timeout| Seconds(timeout).to_string()).unwrap_or_default(),
            if self.runs { self.settings.clone() } else { "does not run".to_owned() },
        ]
    }
}

/// Why it does not run, or what is to be known although it does; the command that mends it; and how much that matters.
fn reason(entry: &Entry) -> (Option<String>, Option<String>, Meaning) {
    let only = |reason: &str, meaning| (Some(reason.to_owned()), None, meaning);
    match &entry.fate {
        Fate::Runs => (None, None, Meaning::Good),
        Fate::RunsUntrusted(fault) => {
            let reason = format!("it runs since trust = \"warn\", although {}", fault.reason());
            (Some(reason), Some(fault.remedy()), Meaning::Warning)
        }
        Fate::Masked => only("it is switched off, by a link to /dev/null", Meaning::Faint),
        Fate::Unfit(unfit) => (Some(unfit.what.clone()), Some(unfit.remedy.clone()), Meaning::Bad),
        Fate::LeftOut => only("domains in the settings leaves it no VM to run for", Meaning::Warning),
        Fate::Leftover => only("it is what an editor or a package manager left behind, by its name", Meaning::Faint),
        Fate::Folder if entry.domain.is_none() => {
            only("it is a folder, with the scripts of the VM of that name", Meaning::Faint)
        }
        Fate::Folder => only("it is a folder", Meaning::Faint),
        Fate::Other(Some(meant)) if meant.as_bytes().ends_with(entry.file_name().as_bytes()) => {
            only("its name is an operation's alone; scripts are named OPERATION_NAME", Meaning::Warning)
        }
        Fate::Other(Some(meant)) => {
            let meant = Quoted::bytes(meant.as_bytes());
            only(&format!("its name begins with no operation and _; did you mean {meant}?"), Meaning::Warning)
        }
        Fate::Other(None) => only("its name begins with no operation and _, nor with all_", Meaning::Faint),
    }
}

const fn word(on_failure: OnFailure) -> &'static str {
    match on_failure {
        OnFailure::Continue => "continue",
        OnFailure::Abort => "abort",
        OnFailure::AsHook => "asHook",
    }
}

/// What is not as it is by default.
fn in_words(settings: &ScriptSettings) -> String {
    let said = [
        (settings.on_failure == OnFailure::Abort).then_some("onFailure = \"abort\""),
        (settings.on_failure == OnFailure::AsHook).then_some("vetoes as a hook"),
        (settings.filter == Filter::AsHook).then_some("filters as a hook"),
        (settings.filter == Filter::Yes).then_some("filter"),
        (settings.filter == Filter::Unclear).then_some("filter unclear"),
        settings.exclusive.then_some("exclusive"),
        (!settings.wait && !settings.must_be_waited_for()).then_some("wait = false"),
    ];
    said.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

fn print(out: &mut impl Write, rows: &[Row], inventory: &Inventory, paths: &Paths) -> io::Result<()> {
    let screen = Screen::of_stdout();
    if let Some(pause) = Pause::in_force(paths.state()) {
        let resume = super::call(paths, "resume");
        writeln!(out, "{}; to have scripts run again: {resume}", screen.paint(Meaning::Warning, pause))?;
    }
    if !inventory.problems.is_empty() {
        let check = super::call(paths, "check");
        let message = format!("there are mistakes in the settings; to see them: {check}");
        writeln!(out, "{}", screen.paint(Meaning::Warning, message))?;
    }
    let listed: Vec<&Row> = rows.iter().filter(|row| row.kind == Kind::Script).collect();
    if listed.is_empty() {
        let custom = Quoted::path(paths.custom()).to_string();
        let what = if inventory.missing { "does not exist" } else { "has no such script" };
        writeln!(out, "{custom} {what}. To make one: {}", super::call(paths, "new start hello.sh"))?;
    } else {
        let mut table = Table::new([
            Column::right("ORDER"),
            Column::left("SCRIPT").shortened_to(20),
            Column::left("AT"),
            Column::left("VMS").shortened_to(12),
            Column::right("TIMEOUT").dropped(1),
            Column::left("SETTINGS"),
        ]);
        for row in &listed {
            table.row(row.cells(), (!row.runs).then_some(row.meaning));
            if let Some(reason) = &row.reason {
                table.note(reason, row.meaning);
            }
            if let Some(remedy) = &row.remedy {
                table.command("fix:", remedy);
            }
        }
        table.print(out, screen)?;
    }
    name(out, "VMs' own folders", rows.iter().filter(|row| row.kind == Kind::Folder), screen)?;
    name(out, "no scripts by their names", rows.iter().filter(|row| row.kind == Kind::Foreign), screen)
}

/// How many entries that are no scripts are named.
const NAMED: usize = 5;

fn name<'a>(out: &mut impl Write, what: &str, rows: impl Iterator<Item = &'a Row>, screen: Screen) -> io::Result<()> {
    let names: Vec<&str> = rows.map(|row| row.shown.as_str()).collect();
    let shown = names.iter().take(NAMED).copied().collect::<Vec<_>>().join(", ");
    let more = match names.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    if names.is_empty() {
        return Ok(());
    }
    writeln!(out, "{}", screen.paint(Meaning::Faint, format_args!("{what}: {shown}{more}")))
}
