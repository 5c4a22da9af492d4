//! `virt-hooks install`: the hook in its place.

mod arguments;
pub(crate) mod carry;
mod disposal;
mod further;
mod kept;
mod obstacle;
pub(crate) mod package;
mod plan;
pub(crate) mod reload;
mod seeding;
pub(crate) mod steps;
mod takeover;
pub(crate) mod uninstall;

use std::process::ExitCode;
use std::time::Duration;

use crate::command::failure::Failure;
use crate::command::host::daemon::{Daemon, FirstInstalled};
use crate::command::host::hook_file::HookFile;
use crate::command::host::kept::is_beside;
use crate::command::host::logrotate;
use crate::command::host::notice;
use crate::command::{call, only_as_root};
use crate::paths::Paths;
use crate::process::Supervisor;
use crate::record::Quoted;

pub(crate) use self::arguments::Arguments;

use self::disposal::Disposal;
use self::plan::Plan;
use self::reload::{Host, Notice};
use self::steps::watch::Watched;
use self::steps::{Said, Step, Teller};

/// How long another installation is waited for: by a package for one by hand, by hand for that of the unit that watches
/// over the hook, which is over in a moment.
pub(crate) fn patience(packaged: bool) -> Duration {
    if packaged { Duration::from_secs(60) } else { Duration::from_secs(2) }
}

/// Puts the hook in place and has libvirt take notice.
pub(crate) fn install(arguments: &Arguments, paths: &Paths) -> Result<ExitCode, Failure> {
    only_as_root(paths, "install")?;
    stays_below_the_root(paths)?;
    let _alone = if arguments.dry_run { None } else { Some(steps::alone(paths, patience(arguments.packaged))?) };
    let mut programs = Supervisor::watching();
    let watched = Watched::now(paths.hook());
    let found = HookFile::look(paths.hook());
    if arguments.only_over_cloudstack && !matches!(found, HookFile::CloudStack { .. }) {
        return Ok(ExitCode::SUCCESS);
    }
    if arguments.packaged && package::is_taken_out(paths) {
        return leave_out(arguments, paths);
    }
    let was_beside = is_beside(paths);
    let disposal = disposal::of(&found, arguments, paths, &mut programs)?;
    let called = HookFile::called(paths.hook(), paths.root());
    let mut plan = Plan::of(disposal, called.limit().filter(|_| disposal == Disposal::TakenOver), paths)?;
    let further = further::asked_or_there(&arguments.drivers, paths);
    let first = further::plan(&mut plan, &further, arguments)?;
    plan.steps.extend(package::put_back(paths));
    if found.runs_custom() {
        plan.steps.extend(takeover::what_changes(paths));
    }
    plan.steps.extend(takeover::what_the_tree_runs(&called, paths));
    plan.steps.extend(takeover::what_is_elsewhere(&called, paths));
    plan.steps.extend(takeover::what_runs_twice(paths));
    // Whoever upgrades a package wants to know what that changes.
    let told = |step: &&Step| !arguments.packaged || plan.changes_something() || step.warns();
    let (ahead, done): (Vec<&Step>, Vec<&Step>) = plan.steps.iter().filter(told).partition(|step| step.foretells());
    let mut teller = Teller::new();
    if arguments.dry_run {
        teller.line(DRY_RUN);
    }
    // Before anything is changed, what will be different.
    ahead.iter().for_each(|step| teller.say(&step.said));
    if !arguments.dry_run && plan.changes_something() {
        steps::carry_out(&plan.steps, watched, &mut programs)?;
    }
    done.iter().for_each(|step| teller.say(&step.said));
    let mut host = Host { paths, programs: &mut programs, teller: &mut teller, dry_run: arguments.dry_run };
    let (mut notice, was_missing) =
        if paths.is_host() { have_libvirt_take_notice(&mut host, &plan) } else { (Notice::NotNeeded, false) };
    if paths.is_host() && further::have_libvirt_take_notice(&mut host, &plan, &first) == Notice::Failed {
        notice = Notice::Failed;
    }
    if disposal != Disposal::Updated && !(disposal == Disposal::LeftInPlace && was_beside) {
        // What was only planned is nowhere yet.
        if !arguments.dry_run && !arguments.only_over_cloudstack {
            reload::next(paths, &mut teller);
        }
    } else if !arguments.packaged && !plan.changes_something() && !was_missing && notice == Notice::NotNeeded {
        teller.line("Everything was there already; nothing was changed.");
    }
    teller.finish()?;
    Ok(ExitCode::from(u8::from(notice == Notice::Failed)))
}

/// The operator took the hook out, and has the package all the same. Where it is CloudStack's that came back, nobody
/// asked.
fn leave_out(arguments: &Arguments, paths: &Paths) -> Result<ExitCode, Failure> {
    let mut teller = Teller::new();
    if !arguments.only_over_cloudstack {
        let (hook, again) = (steps::seen(paths.hook()), call(paths, "install"));
        let what =
            format!("{hook} as it is: virt-hooks uninstall has taken the hook out; to put it in place again: {again}");
        teller.say(&Said::new("left", what));
    }
    teller.finish()?;
    Ok(ExitCode::SUCCESS)
}

/// What is told before what is only planned.
pub(crate) const DRY_RUN: &str = "This would be done; nothing is changed:";

/// Has libvirt take notice of the hook, where it has not, and makes up for live XML that is missing of VMs that run:
/// true where any was.
fn have_libvirt_take_notice(host: &mut Host<'_>, plan: &Plan) -> (Notice, bool) {
    let mut running = Daemon::running(host.paths);
    let mut first = FirstInstalled::of(host.paths);
    if plan.replaces_the_hook {
        host.label(&[host.paths.hook(), host.paths.settings(), host.paths.custom()]);
    }
    // A daemon that starts later finds the hook, and has it called for each VM that runs.
    let mut was_missing = false;
    if !running.is_empty() {
        was_missing = seeding::seed(host);
        if plan.replaces_the_hook {
            first = Some(known(plan, &running, host.paths));
        }
        // Once there is live XML, the hook's other traces tell nothing.
        if let Some(first) = first.as_ref().filter(|_| plan.replaces_the_hook || was_missing) {
            host.keep(first);
        }
    }
    if !plan.replaces_the_hook {
        running.retain(|daemon| {
            first.as_ref().is_some_and(|first| first.is_unknown_to(daemon)) || notice::is_unproven(daemon, host.paths)
        });
        if running.is_empty() {
            return (Notice::NotNeeded, was_missing);
        }
        first.get_or_insert_with(FirstInstalled::now);
    }
    (host.tell_of_the_hook(first, &running), was_missing)
}

/// Who knows of the hook that was put in place just now. Where another one was, libvirt calls whatever is at its place.
fn known(plan: &Plan, running: &[Daemon], paths: &Paths) -> FirstInstalled {
    let before = FirstInstalled::kept(paths);
    let mut now = FirstInstalled::now();
    for daemon in running {
        let unknown = plan.is_the_first || before.as_ref().is_some_and(|before| before.is_unknown_to(daemon));
        if !unknown {
            now.reloaded(daemon);
        }
    }
    now
}

/// A symlink in an image may lead to the host's own files, which are no part of it.
///
/// # Errors
/// Where one does, on the way to what is changed.
pub(crate) fn stays_below_the_root(paths: &Paths) -> Result<(), Failure> {
    for place in [paths.hook(), paths.custom(), &logrotate::place(paths), paths.state()] {
        let folder = place.ancestors().skip(1).find_map(|folder| folder.canonicalize().ok());
        if folder.is_none_or(|folder| !folder.starts_with(paths.root())) {
            let (place, root) = (Quoted::path(place), Quoted::path(paths.root()));
            return Err(Failure::failed(format_args!(
                "a symlink on the way to {place} leads out of {root}; nothing was changed; fix: make it a relative one"
            )));
        }
    }
    Ok(())
}
