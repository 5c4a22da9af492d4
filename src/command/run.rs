//! `virt-hooks run`: the hook's own path, without libvirt.

use std::ffi::{OsStr, OsString};
use std::fmt::Display;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use rustix::fs::OFlags;

use super::call;
use super::failure::Failure;
use super::host::virsh;
use super::list;
use super::operation;
use super::terminal::screen::{Meaning, Screen};
use crate::domain::{Document, Input};
use crate::driver::{Driver, Event, Operation, QEMU};
use crate::hook::verdict::Verdict;
use crate::hook::{self, Conclusion, Occasion};
use crate::paths::Paths;
use crate::process::Interruption;
use crate::record::outcome::Outcome;
use crate::record::{Journal, Level, Message, Quoted};
use crate::state::pause::Pause;
use crate::trust::shell;

/// What is to be tried.
#[derive(Debug, Args)]
#[command(after_help = "\
Everything is as at a real event: trust, settings, deadlines, the log. Only libvirt has no part in it: nothing happens to \
the VM, and what is known of VMs that really run stays as it is. The XML is that of the VM as libvirt has it (virsh \
dumpxml), unless --xml names another. The exit code is 1 if a script failed. On migrate and restore the changed XML goes to \
stdout.

Examples:
  virt-hooks run start my-vm
  virt-hooks run start my-vm --dry-run
  virt-hooks run release my-vm --extra crashed --xml vm.xml
  virt-hooks --root ./try run start my-vm --xml vm.xml")]
pub(super) struct Arguments {
    /// The step of the VM's life
    #[arg(value_name = "OPERATION", value_parser = operation::one())]
    operation: String,

    /// The VM's name, as the scripts get it
    #[arg(value_name = "VM", allow_hyphen_values = true)]
    domain: OsString,

    /// The libvirt driver whose hook is tried
    #[arg(long, value_name = "DRIVER", value_parser = operation::driver(), default_value = QEMU.name)]
    driver: &'static Driver,

    /// The VM's XML, as the scripts get it on stdin; - reads it from here
    #[arg(long, value_name = "FILE")]
    xml: Option<PathBuf>,

    /// The third argument of the scripts; libvirt's own for the operation if it is not given
    #[arg(long, value_name = "NAME", allow_hyphen_values = true)]
    sub_operation: Option<OsString>,

    /// The fourth argument of the scripts; libvirt's own for the operation if it is not given
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    extra: Option<OsString>,

    /// Only show what would run, in which order and with which settings
    #[arg(long)]
    dry_run: bool,

    /// With --dry-run: as a JSON array, like that of list
    #[arg(long, requires = "dry_run")]
    json: bool,
}

/// Handles the event as the hook does, and shows on stderr what is logged.
pub(super) fn run(arguments: &Arguments, paths: &Paths) -> Result<ExitCode, Failure> {
    let paths = &paths.clone().of(arguments.driver);
    let operation = operation::of(arguments.driver, &arguments.operation)?;
    if arguments.dry_run {
        return list::show(paths, Some(operation), Some(&arguments.domain), arguments.json);
    }
    if paths.is_host() && !rustix::process::geteuid().is_root() {
        let instead = "run it as root, or try the scripts below a folder of your own, by --root";
        return Err(Failure::failed(format_args!("libvirt's hook is root's, and so is this: {instead}")));
    }
    let input = input(arguments, paths)?;
    let sub_operation = arguments.sub_operation.clone().unwrap_or_else(|| operation.sub_operation().into());
    let extra = arguments.extra.clone().unwrap_or_else(|| operation.extra().into());
    let all = vec![arguments.domain.clone(), operation.name().into(), sub_operation, extra];
    let Some(event) = Event::parse(paths.driver(), all) else {
        return Err(Failure::usage("an event has four arguments"));
    };

    let screen = Screen::of_stderr();
    if let Some(pause) = Pause::in_force(paths.state()) {
        tell(format_args!("{pause}, for libvirt's events; what is called by hand runs all the same"));
    }
    let mut journal = Journal::new(paths.log(), &event, std::process::id());
    journal.record(None, &Message::CalledByHand);
    journal.listen(Box::new(move |level, script, message| show(screen, level, script, message)));
    let document = Document::new(input);
    let conclusion = hook::handle(&event, Occasion::Rehearsal, document, paths, &mut journal, Interruption::watch());
    let handed_back = conclusion.hand_back_xml(&mut journal);
    if let Some(fault) = journal.fault() {
        tell(format_args!("virt-hooks: {fault}"));
    }
    if let Verdict::Refuse { reason } = &conclusion.verdict {
        tell(screen.paint(Meaning::Bad, reason));
    }
    let refused_before = matches!(conclusion.verdict, Verdict::Refuse { .. }) && conclusion.runs.is_empty();
    if !refused_before {
        sum_up(&conclusion, &event, operation, paths, screen);
    }
    let failed = refused_before || handed_back.is_err() || conclusion.runs.iter().any(|run| run.outcome.is_failure());
    Ok(ExitCode::from(u8::from(failed)))
}

/// Where the scripts' XML comes from. On the host, libvirt is asked; below a folder there is no VM to ask for.
fn input(arguments: &Arguments, paths: &Paths) -> Result<Input, Failure> {
    match arguments.xml.as_deref() {
        Some(path) if path == Path::new("-") => Ok(Input::Stdin),
        Some(path) => {
            open(path).map(Input::File).map_err(|error| Failure::usage(format_args!("{}: {error}", Quoted::path(path))))
        }
        None if paths.is_host() => ask_libvirt(arguments.driver, &arguments.domain),
        None => Ok(Input::Nothing),
    }
}

/// Opens a file, and waits for nobody: a FIFO without a writer is at its end.
fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).custom_flags(OFlags::NONBLOCK.bits() as i32).open(path)
}

fn ask_libvirt(driver: &Driver, name: &OsStr) -> Result<Input, Failure> {
    let Some([dump, option]) = driver.dump else { return Ok(Input::Nothing) };
    let xml = virsh::ask_of(driver, [OsStr::new(dump), OsStr::new(option), name]).map_err(|why| {
        let object = driver.object;
        let mend = format!("give a {object} that libvirt has, or its XML by --xml FILE (--xml /dev/null for none)");
        Failure::failed(format_args!("the XML of {} can't be had: {why}; {mend}", Quoted::name(name)))
    })?;
    Ok(Input::Text(driver.envelope.map_or_else(|| xml.clone(), |name| enclosed(name, &xml))))
}

/// Returns XML in an element, as the driver's hook gets it.
fn enclosed(name: &str, xml: &[u8]) -> Vec<u8> {
    [format!("<{name}>\n").as_bytes(), xml, format!("</{name}>\n").as_bytes()].concat()
}

/// Shows a record as it is logged.
fn show(screen: Screen, level: Level, script: Option<&[u8]>, message: &str) {
    let about = script.map_or_else(|| "virt-hooks".to_owned(), |script| Quoted::bytes(script).to_string());
    let about = screen.paint(Meaning::Strong, about);
    match level {
        Level::Info => tell(format_args!("{about}: {message}")),
        Level::Warn => tell(format_args!("{about}: {} {message}", screen.paint(Meaning::Warning, level.name()))),
        Level::Error => tell(format_args!("{about}: {} {message}", screen.paint(Meaning::Bad, level.name()))),
    }
}

/// Says in a line what it came to.
fn sum_up(conclusion: &Conclusion, event: &Event, operation: Operation, paths: &Paths, screen: Screen) {
    let named = |chosen: &dyn Fn(&Outcome) -> bool| {
        let runs = conclusion.runs.iter().filter(|run| chosen(&run.outcome));
        runs.map(|run| Quoted::bytes(&run.script).to_string()).collect::<Vec<_>>()
    };
    let failed = named(&Outcome::is_failure);
    let ignored = named(&|outcome| matches!(outcome, Outcome::NotExecutable { .. } | Outcome::Ignored));
    let all = conclusion.runs.len();
    if all == 0 {
        let domain = shell(Path::new(event.domain()));
        let why = call(paths, &format!("list {} --domain {domain}", operation.name()));
        return tell(format_args!("No script ran. To see why: {why}"));
    }
    let well = all - failed.len() - ignored.len();
    let mut sum = match (well == all, all) {
        (true, 1) => "1 script ran well".to_owned(),
        (true, _) => format!("{all} scripts ran well"),
        (false, _) => format!("{well} of {all} scripts ran well"),
    };
    for (what, names) in [("failed", &failed), ("ignored", &ignored)] {
        if !names.is_empty() {
            sum = format!("{sum}; {what}: {}", names.join(", "));
        }
    }
    tell(screen.paint(if failed.is_empty() { Meaning::Good } else { Meaning::Bad }, sum));
}

/// Says one line on stderr. A reader who has gone away must not end what runs.
fn tell(line: impl Display) {
    _ = writeln!(std::io::stderr(), "{line}");
}
