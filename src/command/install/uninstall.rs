//! `virt-hooks uninstall`: the hook taken out of its place.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;

use super::package::{self, Package};
use super::reload::{Host, Notice};
use super::steps::change::Change;
use super::steps::watch::Watched;
use super::steps::{self, Said, Step, Teller, seen};
use super::steps::{backup, draft};
use super::{DRY_RUN, carry, further, kept, patience, stays_below_the_root};
use crate::command::failure::Failure;
use crate::command::host::cloudstack_limit::Limit;
use crate::command::host::daemon::Daemon;
use crate::command::host::hook_file::{self, HookFile, is_there};
use crate::command::host::kept::{is_beside, old_place};
use crate::command::host::logrotate;
use crate::command::only_as_root;
use crate::network::applied::ledger::Ledger;
use crate::network::reconcile::all_domains::{self, Applied};
use crate::network::timeouts;
use crate::paths::Paths;
use crate::process::Supervisor;

/// How the hook is taken out.
#[derive(Debug, Args)]
#[command(after_help = "\
Your scripts, your settings and the log stay. A hook that `install` kept is put back.

On a host that has the package, only the hook goes, and upgrades of the package leave it out until `virt-hooks install`
puts it back. Removing the package takes the rest.

Examples:
  virt-hooks uninstall
  virt-hooks uninstall --dry-run")]
pub(crate) struct Arguments {
    /// Only tell what would be done
    #[arg(long)]
    pub(crate) dry_run: bool,

    /// As packages call it when they are removed: don't note that the hook was taken out, and wait for another installation to
    /// end
    #[arg(long)]
    pub(crate) packaged: bool,
}

/// Takes back what `install` put there, and only that.
pub(crate) fn uninstall(arguments: &Arguments, paths: &Paths) -> Result<ExitCode, Failure> {
    only_as_root(paths, "uninstall")?;
    stays_below_the_root(paths)?;
    let _alone = if arguments.dry_run { None } else { Some(steps::alone(paths, patience(arguments.packaged))?) };
    let mut programs = Supervisor::watching();
    let watched = Watched::now(paths.hook());
    let (found, was_beside) = (HookFile::look(paths.hook()), is_beside(paths));
    let before = before(paths).filter(|_| found == HookFile::Ours);
    let mut steps = draft::left_behind(&[paths.hook(), paths.settings(), &logrotate::place(paths)]);
    steps.extend(hook(&found, before.as_deref(), paths));
    steps.extend(kept::remove_links(paths));
    steps.extend(kept::leave_qemu_d(paths));
    let further = further::asked_or_there(&[], paths);
    for other in &further {
        steps.extend(hook(&HookFile::Ours, self::before(other).as_deref(), other));
        steps.extend(emptied(other.custom()));
    }
    if let Some(package) = Package::of(paths) {
        steps.extend(as_shipped(&carry::drop_in_place(paths), &carried(before.as_deref(), carry::drop_in, paths)));
        if !arguments.packaged {
            steps.extend(package::take_out(package, paths));
        }
    } else {
        let shipped = carried(before.as_deref(), carry::template, paths);
        steps.extend(as_shipped(&logrotate::place(paths), &[logrotate::TEXT.to_owned()]));
        steps.extend(as_shipped(paths.settings(), &[shipped.as_slice(), &[carry::TEMPLATE.to_owned()]].concat()));
        steps.extend(emptied(paths.custom()));
    }
    let state = paths.state().is_dir();
    let changed = state || steps.iter().any(|step| step.change.is_some());

    let mut teller = Teller::new();
    if arguments.dry_run {
        teller.line(DRY_RUN);
    } else {
        steps::carry_out(&steps, watched, &mut programs)?;
    }
    for step in &steps {
        teller.say(&step.said);
    }
    let mut notice = Notice::NotNeeded;
    if (found == HookFile::Ours || was_beside) && paths.is_host() {
        let (now, later) = match before {
            None if was_beside => ("it calls only the other hook", "one that starts calls only the other hook"),
            Some(_) => {
                ("it calls the hook that was there before", "one that starts calls the hook that was there before")
            }
            None => ("it calls the hook no more", "none calls the hook any more"),
        };
        let running = Daemon::running(paths);
        let mut host = Host { paths, programs: &mut programs, teller: &mut teller, dry_run: arguments.dry_run };
        notice = host.reload(&running, now, later);
    }
    for other in further.iter().filter(|_| paths.is_host()) {
        let reloaded = if found == HookFile::Ours { Daemon::running(paths) } else { Vec::new() };
        let running: Vec<_> = Daemon::running(other).into_iter().filter(|daemon| !reloaded.contains(daemon)).collect();
        let mut host = Host { paths, programs: &mut programs, teller: &mut teller, dry_run: arguments.dry_run };
        let now = format!("it calls the {} hook no more", other.driver().name);
        if !running.is_empty() && host.reload(&running, &now, "") == Notice::Failed {
            notice = Notice::Failed;
        }
    }
    let withdrawn = withdraw(arguments, paths, &mut programs, &mut teller);
    // What is known of what is open still is of use to whoever closes it.
    if state && withdrawn {
        // Last: until libvirt has taken notice, the hook may still be called, and what it keeps is for it.
        remove_state(arguments, paths, &mut teller);
    }
    for step in left(before.as_deref(), paths) {
        teller.say(&step.said);
    }
    if !changed {
        teller.line("Nothing of it was here; nothing was changed.");
    }
    teller.finish()?;
    Ok(ExitCode::from(u8::from(notice == Notice::Failed)))
}

/// Takes away what VMs that run have been given of the host's network: nobody would, once the hook is out. False where some
/// of it may be there still.
fn withdraw(arguments: &Arguments, paths: &Paths, programs: &mut Supervisor, teller: &mut Teller) -> bool {
    if !paths.is_host() || !Ledger::is_there(paths.state()) {
        return true;
    }
    let count: usize = Ledger::load(paths.state())
        .entries()
        .map(|(_, entry)| entry.allocation.forwards.len() + entry.allocation.routes.len())
        .sum();
    let what = format!("{count} forwards and routes of VMs that run");
    if arguments.dry_run {
        teller.say(&Said::new("closed", what));
        return true;
    }
    let holder = OsStr::new("virt-hooks uninstall");
    let withdrawn = Ledger::lock(paths.state(), holder, timeouts::EVENT, &mut || programs.interrupted().is_some())
        .map_err(|why| why.to_string())
        .and_then(|_lock| {
            let mut tools = timeouts::tools(programs, timeouts::EVENT);
            all_domains::remove_all(&mut tools, paths).map_err(|tool_error| tool_error.to_string())
        });
    let failed: Vec<String> = match withdrawn {
        Err(why) => vec![why],
        Ok(Applied { vms, warnings, .. }) => {
            let faults = vms.into_iter().filter_map(|vm| vm.done.err()).map(|fault| fault.to_string());
            faults.chain(warnings).collect()
        }
    };
    if failed.is_empty() {
        teller.say(&Said::new("closed", what));
        return true;
    }
    teller.warn(format!(
        "of {what} some may stay open: {}; to close them: nft delete table inet virt-hooks; ip -4 route flush proto 118; \
         ip -6 route flush proto 118",
        failed.join("; ")
    ));
    false
}

/// What `install` found at the hook's place, wherever it is now. Where there is a backup, that is what was there last:
/// one that is older than what was kept to run later has a number.
fn before(paths: &Paths) -> Option<PathBuf> {
    let could_be_called =
        |place: &PathBuf| !matches!(HookFile::called(place, paths.root()), HookFile::Missing | HookFile::Ours);
    [paths.hook_backup(), paths.kept_hook(), old_place(paths)].into_iter().find(could_be_called)
}

fn hook(found: &HookFile, before: Option<&Path>, paths: &Paths) -> Vec<Step> {
    let hook = paths.hook();
    match (found, before) {
        (HookFile::Missing, _) => Vec::new(),
        (HookFile::CloudStack { .. } | HookFile::Dispatcher | HookFile::Foreign { .. }, _) => {
            vec![Step::tell("left", format!("{}: it is not virt-hooks", seen(hook)))]
        }
        (HookFile::Ours, None) => vec![Step::change("removed", seen(hook), Change::Remove(hook.to_owned()))],
        (HookFile::Ours, Some(before)) => {
            let what = format!("{}, which was kept as {}", seen(hook), seen(before));
            let change = Change::Move { from: before.to_owned(), to: hook.to_owned() };
            let mut steps = vec![Step::change("put back", what, change)];
            let folder = paths.later_hooks();
            if before.parent() == Some(&folder) && entries(&folder) == Some(1) {
                steps.push(Step::change("removed", seen(&folder), Change::RemoveFolder(folder)));
            }
            steps
        }
    }
}

/// The settings that `install` wrote with the timeout of CloudStack's hook, if that is put back.
fn carried(before: Option<&Path>, text: fn(u64) -> Option<String>, paths: &Paths) -> Vec<String> {
    let called = before.map(|before| HookFile::called(before, paths.root()));
    let carried = called.and_then(|called| match called.limit()? {
        Limit::Seconds(seconds) => text(*seconds),
        Limit::Unclear(_) => None,
    });
    carried.into_iter().collect()
}

/// A file goes if it is as it was shipped.
fn as_shipped(path: &Path, shipped: &[String]) -> Option<Step> {
    let status = fs::symlink_metadata(path).ok()?;
    let short = status.is_file() && shipped.iter().any(|text| text.len() as u64 == status.len());
    if short && fs::read_to_string(path).is_ok_and(|text| shipped.contains(&text)) {
        return Some(Step::change("removed", seen(path), Change::Remove(path.to_owned())));
    }
    Some(Step::tell("left", format!("{}: it is not as it was shipped", seen(path))))
}

/// A folder goes if nothing is in it.
fn emptied(path: &Path) -> Option<Step> {
    let status = fs::symlink_metadata(path).ok()?;
    if status.is_dir() && entries(path) == Some(0) {
        return Some(Step::change("removed", seen(path), Change::RemoveFolder(path.to_owned())));
    }
    let why = if status.is_dir() { "there is something in it" } else { "it is not a folder of ours" };
    Some(Step::tell("left", format!("{}: {why}", seen(path))))
}

/// How many things are in a folder, if that can be told.
fn entries(folder: &Path) -> Option<usize> {
    fs::read_dir(folder).ok().map(Iterator::count)
}

fn remove_state(arguments: &Arguments, paths: &Paths, teller: &mut Teller) {
    let state = paths.state();
    match if arguments.dry_run { Ok(()) } else { fs::remove_dir_all(state) } {
        Ok(()) => teller.say(&Said::new("removed", seen(state))),
        Err(error) => teller.warn(format!("{} can't be removed: {error}; it ends with the next boot", seen(state))),
    }
}

/// What is the operator's, or was somebody else's before.
fn left(before: Option<&Path>, paths: &Paths) -> Vec<Step> {
    let mut left = Vec::new();
    for backup in backup::all(paths).into_iter().filter(|backup| Some(backup.as_path()) != before) {
        let leads_nowhere = hook_file::led_to(&backup, paths.root()).is_none();
        let what = if leads_nowhere { "a link that leads nowhere" } else { "a hook that was there before" };
        left.push(Step::tell("left", format!("{}: {what}", seen(&backup))));
    }
    for kept in [paths.kept_hook(), old_place(paths)] {
        if Some(kept.as_path()) != before && is_there(&kept) {
            left.push(Step::tell("left", format!("{}: a hook that was kept", seen(&kept))));
        }
    }
    // Empty, it is what the package came with.
    let drop_ins = paths.settings_drop_ins();
    let as_it_came = Package::of(paths).is_some() && entries(&drop_ins) == Some(0);
    for path in [drop_ins.as_path(), paths.log()].into_iter().skip(usize::from(as_it_came)) {
        if is_there(path) {
            left.push(Step::tell("left", format!("{}: it is yours", seen(path))));
        }
    }
    left
}
