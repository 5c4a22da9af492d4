//! `virt-hooks run`: the hook's own path, without libvirt.

use std::ffi::OsString;
use std::fmt::Display;
use std::fs::File;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;

use super::failure::Failure;
use crate::domain::{Document, Input};
use crate::event::{Event, Operation};
use crate::hook;
use crate::journal::{Journal, Level, Quoted};
use crate::paths::Paths;
use crate::supervise::Interruption;
use crate::verdict::Verdict;

/// What is to be tried.
#[derive(Debug, Args)]
#[command(after_help = "Example, with scripts and settings below ./try/etc/libvirt/hooks:\n  \
                        virt-hooks run --root ./try --xml vm.xml start my-vm")]
pub(super) struct Arguments {
    /// The operation: prepare, start, started, stopped, release, migrate, restore, reconnect or attach
    operation: OsString,

    /// The VM's name, as the scripts get it
    #[arg(value_name = "VM", allow_hyphen_values = true)]
    domain: OsString,

    /// The VM's XML, as the scripts get it on stdin; - reads it from here
    #[arg(long, value_name = "FILE")]
    xml: Option<PathBuf>,

    /// The third argument of the scripts; libvirt's own for the operation if it is not given
    #[arg(long, value_name = "NAME", allow_hyphen_values = true)]
    sub_operation: Option<OsString>,

    /// The fourth argument of the scripts
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true, default_value = "-")]
    extra: OsString,
}

/// Handles the event as the hook does, and shows on stderr what is logged.
pub(super) fn run(arguments: &Arguments, paths: &Paths) -> Result<ExitCode, Failure> {
    let Some(operation) = Operation::named(arguments.operation.as_bytes()) else {
        let known = Operation::ALL.map(Operation::name).join(", ");
        return Err(Failure::usage(format_args!("{} is none of {known}", Quoted::name(&arguments.operation))));
    };
    let input = match arguments.xml.as_deref() {
        None => Input::Nothing,
        Some(path) if path == Path::new("-") => Input::Stdin,
        Some(path) => match File::open(path) {
            Ok(file) => Input::File(file),
            Err(error) => return Err(Failure::usage(format_args!("{}: {error}", Quoted::path(path)))),
        },
    };
    let sub_operation = arguments.sub_operation.clone().unwrap_or_else(|| operation.sub_operation().into());
    let all = vec![arguments.domain.clone(), operation.name().into(), sub_operation, arguments.extra.clone()];
    let Some(event) = Event::parse(all) else {
        return Err(Failure::usage("an event has four arguments"));
    };

    let mut journal = Journal::new(paths.log(), &event, std::process::id());
    journal.listen(Box::new(show));
    let conclusion = hook::handle(&event, Document::unread(input), paths, &mut journal, Interruption::watch());
    conclusion.hand_back_xml(&mut journal);
    if let Some(fault) = journal.fault() {
        tell(format_args!("virt-hooks: {fault}"));
    }
    if let Verdict::Refuse { reason } = &conclusion.verdict {
        tell(reason);
    }
    let failed = conclusion.runs.iter().any(|run| run.outcome.is_failure());
    Ok(ExitCode::from(u8::from(failed)))
}

/// Shows a record as it is logged.
fn show(level: Level, script: Option<&[u8]>, message: &str) {
    let about = script.map_or_else(|| "virt-hooks".to_owned(), |script| Quoted::bytes(script).to_string());
    match level {
        Level::Info => tell(format_args!("{about}: {message}")),
        Level::Warn | Level::Error => tell(format_args!("{about}: {} {message}", level.name())),
    }
}

/// Says one line on stderr. A reader who has gone away must not end what runs.
fn tell(line: impl Display) {
    _ = writeln!(std::io::stderr(), "{line}");
}
