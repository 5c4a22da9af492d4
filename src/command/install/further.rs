//! Hooks of the drivers besides qemu.

use std::fs;
use std::os::unix::fs::MetadataExt;

use super::arguments::Arguments;
use super::plan::Plan;
use super::reload::{Host, Notice};
use super::stays_below_the_root;
use crate::command::call;
use crate::command::failure::Failure;
use crate::command::host::daemon::Daemon;
use crate::command::host::hook_file::HookFile;
use crate::driver::{self, Driver};
use crate::paths::Paths;
use crate::record::Quoted;

/// Returns the paths of the drivers that are asked for, or whose hook is this program already.
pub(crate) fn asked_or_there(asked: &[&Driver], paths: &Paths) -> Vec<Paths> {
    let others = driver::ALL.into_iter().filter(|driver| *driver != paths.driver());
    let others = others.map(|driver| paths.clone().of(driver));
    others.filter(|other| asked.contains(&other.driver()) || HookFile::look(other.hook()) == HookFile::Ours).collect()
}

/// Adds their hooks to the plan. Returns those of which libvirt knows none so far.
///
/// # Errors
/// Where one is to be left alone. Nothing has been changed then.
pub(crate) fn plan(plan: &mut Plan, further: &[Paths], arguments: &Arguments) -> Result<Vec<Paths>, Failure> {
    let mut first = Vec::new();
    for paths in further {
        stays_below_the_root(paths)?;
        let found = HookFile::look(paths.hook());
        if let HookFile::Foreign { what, .. } = &found {
            if !arguments.replace {
                let (hook, again) = (Quoted::path(paths.hook()), call(paths, "install --replace --drivers"));
                return Err(Failure::failed(format_args!(
                    "{hook} is {what}; nothing was changed; fix: {again} {}, which keeps it as {}",
                    paths.driver().name,
                    Quoted::path(&paths.hook_backup())
                )));
            }
        }
        plan.add(&found, paths)?;
        if !fs::metadata(paths.hook()).is_ok_and(|status| status.is_file() && status.mode() & 0o111 != 0) {
            first.push(paths.clone());
        }
    }
    Ok(first)
}

/// Has the daemons of these drivers look for their hooks, unless that has been done for qemu's.
pub(crate) fn have_libvirt_take_notice(host: &mut Host<'_>, plan: &Plan, first: &[Paths]) -> Notice {
    let mut done: Vec<Daemon> = if plan.is_the_first { Daemon::running(host.paths) } else { Vec::new() };
    let mut notice = Notice::NotNeeded;
    for paths in first {
        host.label(&[paths.hook(), paths.custom()]);
        let running: Vec<Daemon> = Daemon::running(paths).into_iter().filter(|daemon| !done.contains(daemon)).collect();
        let now = format!("it calls the {} hook from now on", paths.driver().name);
        if !running.is_empty() && host.reload(&running, &now, "") == Notice::Failed {
            notice = Notice::Failed;
        }
        done.extend(running);
    }
    notice
}
