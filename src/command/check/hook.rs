//! Whether libvirt calls the hook, and the hook runs scripts.

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::fs::PermissionsExt;
use std::time::SystemTime;

use jiff::Timestamp;

use super::Findings;
use crate::command::call;
use crate::command::host::daemon::{Daemon, FirstInstalled, Reload};
use crate::command::host::hook_file::{Foreign, HookFile, is_there, is_this_build};
use crate::command::host::kept::{installed_at, is_beside, missing_links};
use crate::command::host::notice;
use crate::command::host::virsh;
use crate::command::install::package::is_taken_out;
use crate::paths::Paths;
use crate::process::find;
use crate::record::{Fields, Message, Quoted};
use crate::state::pause::Pause;
use crate::trust::{Inspection, shell};

/// How much of the log's end is looked through for an event, in bytes.
const TAIL: u64 = 256 << 10;

pub(super) fn check(paths: &Paths, findings: &mut Findings) {
    let hook = Quoted::path(paths.hook()).to_string();
    let taken_out = is_taken_out(paths)
        .then_some("; virt-hooks uninstall has taken this one out, so that upgrades of the package leave it so");
    let taken_out = taken_out.unwrap_or_default();
    match HookFile::look(paths.hook()) {
        HookFile::Missing => {
            let message = format!("the hook is not there, so that libvirt runs no script at all{taken_out}");
            findings.stop(hook, message, call(paths, "install"));
        }
        HookFile::CloudStack { .. } => {
            let message = format!(
                "it is Apache CloudStack's own hook, perhaps put back by an upgrade of its agent; none of the settings here \
                 holds{taken_out}"
            );
            findings.stop(hook, message, call(paths, "install"));
        }
        HookFile::Dispatcher => {
            let message = format!(
                "it runs only the scripts in {}/VM/OPERATION, and none in {}; virt-hooks runs both{taken_out}",
                Quoted::path(&paths.later_hooks()),
                Quoted::path(paths.custom())
            );
            findings.stop(hook, message, call(paths, "install"));
        }
        HookFile::Foreign { .. } if is_beside(paths) => ours(paths, findings),
        HookFile::Foreign { what: what @ Foreign::File(_), runs_custom: false } => {
            let message = format!(
                "it is not virt-hooks but {what}; no script runs, unless by that. With the command below virt-hooks calls it \
                 after all scripts; to replace it: install --replace"
            );
            findings.stop(hook, message, call(paths, "install --keep-existing"));
        }
        HookFile::Foreign { what, .. } => {
            let message = format!(
                "it is not virt-hooks but {what}; no script runs, unless by that. The command below keeps it as a backup"
            );
            findings.stop(hook, message, call(paths, "install --replace"));
        }
        HookFile::Ours => ours(paths, findings),
    }
    hanging(paths, findings);
    if let Some(pause) = Pause::in_force(paths.state()) {
        let subject = Quoted::path(&Pause::path(paths.state())).to_string();
        findings.stop(subject, format!("{pause}: no script runs at any event"), call(paths, "resume"));
    }
}

/// A daemon that runs and answers nobody.
fn hanging(paths: &Paths, findings: &mut Findings) {
    let running = if paths.is_host() { Daemon::running(paths) } else { Vec::new() };
    if running.is_empty() || find("virsh").is_none() || !virsh::hangs() {
        return;
    }
    for daemon in running {
        let stat = fs::read_to_string(format!("/proc/{}/stat", daemon.pid)).unwrap_or_default();
        let stopped = stat.rsplit(") ").next().is_some_and(|fields| fields.starts_with('T'));
        let (why, remedy) = match (stopped, &daemon.reload) {
            (true, _) => (", since a signal stopped it", format!("kill -CONT {}", daemon.pid)),
            (false, Reload::Systemctl(unit)) => ("", format!("systemctl restart {unit}")),
            (false, Reload::Signal(pid)) => ("", format!("cat /proc/{pid}/stack; ps -L -o pid,tid,stat,wchan {pid}")),
        };
        let message = format!("{} does not answer within 3 s{why}: no VM can be started or stopped", daemon.name);
        findings.error(daemon.name, message, remedy);
    }
}

fn ours(paths: &Paths, findings: &mut Findings) {
    let place = installed_at(paths);
    let hook = Quoted::path(&place).to_string();
    let mode = fs::metadata(&place).map(|status| status.permissions().mode()).unwrap_or_default();
    if mode & 0o111 == 0 {
        let message = "it is not executable, and libvirt passes it over without a word";
        findings.stop(&hook, message, format!("chmod 0755 {}", shell(&place)));
    } else if let Ok(Inspection { fault: Some(fault), .. }) = crate::command::judge(paths).inspect(&place) {
        let message = format!("{}: whoever that is can run anything as root", fault.reason());
        findings.error(&hook, message, fault.remedy());
    }
    // What can't be read is told elsewhere, where it matters.
    if is_this_build(&place).is_ok_and(|same| !same) {
        let message = "it is another build than this command: what holds for the one need not hold for the other";
        findings.warning(&hook, message, call(paths, "install"));
    }
    if is_there(&paths.kept_hook()) {
        for (link, target) in missing_links(paths) {
            let message = "the kept hook does not find it beside itself by this link, which is missing";
            findings.warning(Quoted::path(&link), message, format!("ln -s {} {}", shell(&target), shell(&link)));
        }
    }
    for daemon in Daemon::running(paths) {
        if may_be_unknown_to(&daemon, paths) {
            let message = format!(
                "{} has run since before the hook was first installed, and no event has been recorded since: it may not \
                 have noticed the hook, for which it looks when it starts or is reloaded ({})",
                daemon.name, daemon.reload
            );
            findings.warning(&hook, message, call(paths, "install"));
        } else if notice::is_moved(&daemon, paths) {
            let message = format!(
                "it came to its place after {} started, which has not called it since: libvirt looks for its hooks when it \
                 starts or is reloaded ({})",
                daemon.name, daemon.reload
            );
            findings.warning(&hook, message, call(paths, "install"));
        }
    }
}

fn may_be_unknown_to(daemon: &Daemon, paths: &Paths) -> bool {
    FirstInstalled::of(paths).is_some_and(|first| first.is_unknown_to(daemon) && !was_called_since(first.at, paths))
}

/// Whether an event was recorded since then.
fn was_called_since(then: SystemTime, paths: &Paths) -> bool {
    let Ok(then) = Timestamp::try_from(then) else { return false };
    let mut tail = Vec::new();
    let read = File::open(paths.log()).and_then(|mut log| {
        let length = log.metadata()?.len();
        log.seek(SeekFrom::Start(length.saturating_sub(TAIL)))?;
        log.take(TAIL).read_to_end(&mut tail)
    });
    let records: Vec<Fields<'_>> = tail.split(|&byte| byte == b'\n').filter_map(Fields::split).collect();
    // An event that an operator played is no call of libvirt.
    let by_hand = |record: &Fields<'_>| {
        let same = |other: &&Fields<'_>| other.pid == record.pid;
        records.iter().filter(same).any(|other| other.read_message() == Message::CalledByHand)
    };
    let times = records.iter().filter_map(|record| Some((record, record.time.parse::<Timestamp>().ok()?)));
    let called = times.filter(|(_, time)| *time >= then).any(|(record, _)| !by_hand(record));
    read.is_ok() && called
}
