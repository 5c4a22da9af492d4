//! `virt-hooks check`: everything that keeps a script from running, each with what mends it.

mod confinement;
mod hook;
mod log;
mod names;
mod network;
mod running;
mod scripts;
mod session;
mod settings;
mod state;
mod syntax;
mod unread;
mod virsh;

pub(super) use self::network::{edit, missing_programs};

use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use serde::Serialize;

use super::failure::Failure;
use super::host::inventory::Inventory;
use super::host::kept::beside;
use super::host::tree::called_by_libvirt;
use super::terminal::json;
use super::terminal::screen::{Meaning, Screen};
use crate::paths::Paths;
use crate::record::Quoted;
use crate::trust::shell;

/// How the findings are shown.
#[derive(Debug, Args)]
#[command(after_help = "\
Each finding tells what is wrong, why it matters, and the command that mends it. The exit code is 1 if there is an error, \
0 if there are only warnings or nothing at all. Called by an ordinary user, it says what holds for that user's own libvirt \
(qemu:///session).

Examples:
  virt-hooks check
  virt-hooks check --json | jq -r '.[].remedy'
  virt-hooks --root /mnt/image check")]
pub(super) struct Arguments {
    /// As a JSON array of {severity, subject, message, remedy}
    #[arg(long)]
    pub(super) json: bool,
}

/// How much a finding matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
enum Severity {
    /// Something does not run that is meant to.
    Error,
    /// Something may not be as it is meant.
    Warning,
}

/// One thing that is not as it should be.
#[derive(Debug, Serialize)]
pub(super) struct Finding {
    severity: Severity,
    /// What it is about: mostly a path.
    subject: String,
    /// What is wrong, and why it matters.
    message: String,
    /// The command that fixes it; empty where none can.
    remedy: String,
    /// While it is so no script runs at all.
    #[serde(skip)]
    stops_all: bool,
}

/// What has been found so far.
#[derive(Debug, Default)]
struct Findings(Vec<Finding>);

impl Findings {
    fn error(&mut self, subject: impl ToString, message: impl ToString, remedy: impl ToString) {
        self.add(Severity::Error, subject, message, remedy);
    }

    /// An error because of which no script runs at all.
    fn stop(&mut self, subject: impl ToString, message: impl ToString, remedy: impl ToString) {
        self.error(subject, message, remedy);
        if let Some(finding) = self.0.last_mut() {
            finding.stops_all = true;
        }
    }

    fn warning(&mut self, subject: impl ToString, message: impl ToString, remedy: impl ToString) {
        self.add(Severity::Warning, subject, message, remedy);
    }

    fn add(&mut self, severity: Severity, subject: impl ToString, message: impl ToString, remedy: impl ToString) {
        let (subject, message, remedy) = (subject.to_string(), message.to_string(), remedy.to_string());
        self.0.push(Finding { severity, subject, message, remedy, stops_all: false });
    }
}

/// The command that opens a file at a line, from 1, where only a person can tell what was meant there.
fn editor(file: &Path, line: usize) -> String {
    format!("${{EDITOR:-vi}} +{line} {}", shell(file))
}

/// Looks at everything, and changes nothing.
pub(super) fn check(arguments: &Arguments, paths: &Paths) -> Result<ExitCode, Failure> {
    if paths.is_host() && crate::hook::session::is_one() {
        let mut findings = Findings::default();
        session::check(paths, &mut findings);
        return show(arguments, findings, |out, findings| print_each(out, findings));
    }
    let inventory = Inventory::take(paths);
    let mut findings = Findings::default();
    hook::check(paths, &mut findings);
    settings::check(paths, &inventory, &mut findings);
    scripts::check(paths, &inventory, &mut findings);
    syntax::check(&inventory, &mut findings);
    names::check(paths, &inventory, &mut findings);
    running::check(paths, &inventory, &mut findings);
    unread::check(paths, &inventory, &mut findings);
    state::check(paths, &mut findings);
    log::check(paths, &mut findings);
    confinement::check(paths, &inventory, &mut findings);
    network::check(paths, &mut findings);
    show(arguments, findings, |out, findings| print(out, findings, &inventory, paths))
}

/// Checks only that libvirt calls the hook and that it runs scripts.
pub(super) fn of_hook(paths: &Paths) -> Vec<Finding> {
    let mut findings = Findings::default();
    hook::check(paths, &mut findings);
    findings.0
}

/// Looks at declared networking only.
pub(super) fn check_network(arguments: &Arguments, paths: &Paths) -> Result<ExitCode, Failure> {
    let mut findings = Findings::default();
    network::check(paths, &mut findings);
    show(arguments, findings, |out, findings| {
        print_each(out, findings)?;
        sum_up(out, findings, "")
    })
}

fn show(
    arguments: &Arguments,
    Findings(mut findings): Findings,
    print: impl Fn(&mut BufWriter<io::StdoutLock<'_>>, &[Finding]) -> io::Result<()>,
) -> Result<ExitCode, Failure> {
    findings.sort_by_key(|finding| finding.severity);
    let mut out = BufWriter::new(io::stdout().lock());
    if arguments.json {
        json(&mut out, &findings)?;
    } else {
        print(&mut out, &findings)?;
    }
    out.flush()?;
    Ok(ExitCode::from(u8::from(findings.iter().any(|finding| finding.severity == Severity::Error))))
}

/// What stands before a finding's message.
const INDENT: &str = "         ";

fn print(out: &mut impl Write, findings: &[Finding], inventory: &Inventory, paths: &Paths) -> io::Result<()> {
    print_each(out, findings)?;
    let scripts = inventory.entries.iter().filter(|entry| entry.runs()).count();
    let scripts = match (scripts, findings.iter().any(|finding| finding.stops_all)) {
        (_, true) => "; no script runs".to_owned(),
        (1, _) => "; 1 script runs".to_owned(),
        (scripts, _) => format!("; {scripts} scripts run"),
    };
    let scripts = scripts + &of_libvirt(paths);
    sum_up(out, findings, &scripts)
}

/// The programs that libvirt calls itself, besides the hook.
fn of_libvirt(paths: &Paths) -> String {
    let mut names = called_by_libvirt(paths);
    names.retain(|path| *path != beside(paths));
    if names.is_empty() {
        return String::new();
    }
    let folder = paths.driver().folder;
    let name = |path: &PathBuf| format!("{folder}/{}", path.file_name().unwrap_or_default().to_string_lossy());
    let shown = names.iter().take(3).map(|path| Quoted::bytes(name(path).as_bytes()).to_string());
    let more = if names.len() > 3 { ", ..." } else { "" };
    format!("; libvirt itself calls {}{more}", shown.collect::<Vec<_>>().join(", "))
}

pub(super) fn print_each(out: &mut impl Write, findings: &[Finding]) -> io::Result<()> {
    let screen = Screen::of_stdout();
    for finding in findings {
        let severity = match finding.severity {
            Severity::Error => screen.paint(Meaning::Bad, "error  "),
            Severity::Warning => screen.paint(Meaning::Warning, "warning"),
        };
        writeln!(out, "{severity}  {}", screen.paint(Meaning::Strong, &finding.subject))?;
        writeln!(out, "{INDENT}{}", screen.wrapped(&finding.message, INDENT.len()))?;
        if !finding.remedy.is_empty() {
            writeln!(out, "{INDENT}{} {}", screen.paint(Meaning::Faint, "fix:"), finding.remedy)?;
        }
        writeln!(out)?;
    }
    Ok(())
}

/// Says in a line what was found, and what follows from it.
fn sum_up(out: &mut impl Write, findings: &[Finding], rest: &str) -> io::Result<()> {
    let screen = Screen::of_stdout();
    let errors = findings.iter().filter(|finding| finding.severity == Severity::Error).count();
    let sum = match (errors, findings.len() - errors) {
        (0, 0) => "0 problems".to_owned(),
        (errors, 0) => counted(errors, "error"),
        (0, warnings) => counted(warnings, "warning"),
        (errors, warnings) => format!("{}, {}", counted(errors, "error"), counted(warnings, "warning")),
    };
    let meaning = match (errors, findings.len()) {
        (0, 0) => Meaning::Good,
        (0, _) => Meaning::Warning,
        _ => Meaning::Bad,
    };
    writeln!(out, "{}{rest}", screen.paint(meaning, sum))
}

fn counted(number: usize, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}
