//! Scripts that run now, from the process table and the log. The hook keeps no record of them for this: an event pays nothing.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::Role;
use crate::driver::ALL;
use crate::paths::Paths;
use crate::process::{Process, processes};
use crate::record::outcome::Outcome;
use crate::record::{Fields, Message};
use crate::settings::Settings;

/// How much of the log's end is read for the names of scripts, in bytes.
const TAIL: u64 = 1 << 20;

/// A script that runs, or a hook that does something else.
#[derive(Debug)]
pub(crate) struct Run {
    /// The script's process id, by which the run is named; without a script the hook's.
    pub(crate) pid: i32,
    /// The process that supervises it: the hook, or in the background a supervisor of its own.
    pub(crate) supervisor: i32,
    /// Its path below `custom/`, unless the hook does something else.
    pub(crate) script: Option<Vec<u8>>,
    pub(crate) domain: OsString,
    pub(crate) operation: OsString,
    pub(crate) since: Option<SystemTime>,
    /// How long the settings let it run.
    pub(crate) timeout: Option<Duration>,
    /// libvirt waits for it.
    pub(crate) waits: bool,
}

impl Run {
    /// Returns how long it has run.
    pub(crate) fn age(&self) -> Duration {
        self.since.and_then(|since| since.elapsed().ok()).unwrap_or_default()
    }

    /// Returns the time at which it is ended.
    pub(crate) fn deadline(&self) -> Option<SystemTime> {
        self.since?.checked_add(self.timeout?)
    }
}

/// Lists the scripts of this host's hook that run, oldest first.
///
/// # Errors
/// There is no process table.
pub(crate) fn runs(paths: &Paths, settings: &Settings) -> io::Result<Vec<Run>> {
    let table = processes()?;
    let hooks: Vec<PathBuf> = ALL.iter().map(|driver| paths.clone().of(driver).hook().to_owned()).collect();
    let own: Vec<(&Process, Vec<OsString>)> = table
        .iter()
        .filter(|process| !process.ended && is_hook(process.pid, &hooks))
        .map(|process| (process, process.arguments()))
        .collect();
    if own.is_empty() {
        return Ok(Vec::new());
    }
    let log = tail(paths.log());
    let mut runs = Vec::new();
    for (process, arguments) in &own {
        let Some(mut run) = of_hook(process, arguments) else { continue };
        let scripts = table.iter().filter(|child| child.parent == process.pid && child.group == child.pid);
        let scripts = scripts.filter(|child| !child.ended && !own.iter().any(|(hook, _)| hook.pid == child.pid));
        let script = scripts.filter_map(|child| Some((child, label(child, &log, paths)?))).next();
        if let Some((child, label)) = script {
            let file_name = label.rsplit(|&byte| byte == b'/').next().unwrap_or(&label);
            let timeout = settings.of_script(OsStr::from_bytes(file_name)).timeout;
            let left = |whole: Duration| whole.saturating_sub(run.age().saturating_sub(age(child)));
            let whole = settings.event_timeout.filter(|_| run.waits).map(left);
            run.timeout = Some(whole.map_or(timeout, |whole| whole.min(timeout)));
            (run.pid, run.since, run.script) = (child.pid, child.started(), Some(label));
        }
        runs.push(run);
    }
    runs.sort_by_key(|run| run.since);
    Ok(runs)
}

fn age(process: &Process) -> Duration {
    process.started().and_then(|since| since.elapsed().ok()).unwrap_or_default()
}

/// Returns true if a process of this user runs a driver's hook, or the one that was in its place before an upgrade.
fn is_hook(pid: i32, hooks: &[PathBuf]) -> bool {
    let process = PathBuf::from(format!("/proc/{pid}"));
    if fs::metadata(&process).map(|status| status.uid()).ok() != Some(rustix::process::geteuid().as_raw()) {
        return false;
    }
    let exe = process.join("exe");
    let target = fs::read_link(&exe).unwrap_or_default();
    let target = target.as_os_str().as_bytes();
    let target = target.strip_suffix(b" (deleted)").unwrap_or(target);
    let file = |path: &Path| fs::metadata(path).ok().map(|status| (status.dev(), status.ino()));
    let own = file(&exe);
    hooks.iter().any(|hook| hook.as_os_str().as_bytes() == target || (own.is_some() && own == file(hook)))
}

/// Returns the event of a hook or a supervisor, without its script.
fn of_hook(process: &Process, arguments: &[OsString]) -> Option<Run> {
    let (event, waits) = match Role::of(arguments.first()) {
        Role::Hook(_) => (arguments.get(1..)?, true),
        // supervise DRIVER ROOT PID LIVE-XML PATH LABEL EVENT...
        Role::Detached => (arguments.get(8..)?, false),
        Role::Command | Role::Background => return None,
    };
    let [domain, operation, ..] = event else { return None };
    Some(Run {
        pid: process.pid,
        supervisor: process.pid,
        script: None,
        domain: domain.clone(),
        operation: operation.clone(),
        since: process.started(),
        timeout: None,
        waits,
    })
}

/// Returns the script that a child of a hook is: by the log, since it may have become any program, or by its command line.
fn label(child: &Process, log: &[u8], paths: &Paths) -> Option<Vec<u8>> {
    let mut found = None;
    for fields in log.split(|&byte| byte == b'\n').filter_map(Fields::split) {
        let Some(script) = fields.script.and_then(|script| script.read()) else { continue };
        match fields.read_message() {
            Message::Started { pid, .. } if i32::try_from(pid) == Ok(child.pid) => {
                found = Some((fields.pid, script.into_owned()));
            }
            // It has ended: this is what it left behind, or another process of this id.
            Message::Outcome { outcome }
                if *outcome != Outcome::HandedOver
                    && found.as_ref().is_some_and(|(of, label)| *of == fields.pid && *label == *script) =>
            {
                found = Some((0, Vec::new()));
            }
            _ => {}
        }
    }
    match found {
        Some((_, label)) if label.is_empty() => None,
        Some((_, label)) => Some(label),
        None => {
            let below = |word: OsString| Path::new(&word).strip_prefix(paths.custom()).map(Path::to_owned).ok();
            child.arguments().into_iter().take(3).find_map(below).map(|path| path.as_os_str().as_bytes().to_vec())
        }
    }
}

/// Reads the log's end.
fn tail(log: &Path) -> Vec<u8> {
    let mut tail = Vec::new();
    let _unread = File::open(log).and_then(|mut log| {
        let length = log.metadata()?.len();
        log.seek(SeekFrom::Start(length.saturating_sub(TAIL)))?;
        log.take(TAIL).read_to_end(&mut tail)
    });
    tail
}
