//! What becomes of the thing at the hook's place, or why it is left alone.

use std::path::PathBuf;

use std::fs;
use std::time::Duration;

use super::arguments::Arguments;
use crate::command::call;
use crate::command::failure::Failure;
use crate::command::host::hook_file::{Foreign, HookFile, are_alike};
use crate::driver::{Driver, QEMU};
use crate::paths::Paths;
use crate::process::Supervisor;
use crate::record::Quoted;

/// How long a program may take to tell its version.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The first libvirt that runs what is in `qemu.d`.
const RUNS_LATER_HOOKS: (u32, u32) = (6, 5);

/// What becomes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Disposal {
    /// There is nothing.
    None,
    /// It is this program, of whatever version.
    Updated,
    /// It is kept as a backup; a limit that was changed in it goes into the settings.
    TakenOver,
    /// It moves to `qemu.d`.
    RunsLater,
}

/// Decides by what it is and what was asked for.
///
/// # Errors
/// Where it is to be left alone: what it is and what can be done. Nothing has been changed then.
pub(crate) fn of(
    found: &HookFile,
    arguments: &Arguments,
    paths: &Paths,
    programs: &mut Supervisor,
) -> Result<Disposal, Failure> {
    match found {
        HookFile::Missing => Ok(Disposal::None),
        HookFile::Ours => Ok(Disposal::Updated),
        _ if arguments.replace => Ok(Disposal::TakenOver),
        _ if arguments.keep_existing => can_run_later(found, paths, programs).map(|()| Disposal::RunsLater),
        HookFile::CloudStack { .. } => Ok(Disposal::TakenOver),
        HookFile::Foreign { what, .. } => Err(refusal(what, found.runs_custom(), paths)),
    }
}

fn refusal(what: &Foreign, runs_custom: bool, paths: &Paths) -> Failure {
    let (hook, custom) = (Quoted::path(paths.hook()), Quoted::path(paths.custom()));
    let (backup, later) = (paths.hook_backup(), paths.later_hooks());
    let (replace, keep) = (call(paths, "install --replace"), call(paths, "install --keep-existing"));
    let backup = format!("it is kept as {}", Quoted::path(&backup));
    let ways = if runs_custom {
        format!(
            "It runs the scripts in {custom} itself. If it stayed beside this one,\n\
             each of them would run twice. So it can only be replaced; {backup}:\n    {replace}"
        )
    } else if may_run(what) {
        format!(
            "Keep both: it moves to {}, and libvirt 6.5 and newer run it after this one:\n    {keep}\n\
             Or replace it; {backup}:\n    {replace}",
            Quoted::path(&later)
        )
    } else {
        format!("It can be replaced; {backup}:\n    {replace}")
    };
    Failure::failed(format_args!(
        "there is another hook at {hook}, and it was left alone. Nothing was changed.\nIt is {what}\n\n{ways}"
    ))
}

/// Whether libvirt could run it from another folder.
fn may_run(what: &Foreign) -> bool {
    match what {
        Foreign::File(_) => true,
        // A relative one leads elsewhere from there.
        Foreign::Symlink(target) => target.is_absolute(),
        _ => false,
    }
}

/// Whether it can run from `qemu.d`, after this one.
fn can_run_later(found: &HookFile, paths: &Paths, programs: &mut Supervisor) -> Result<(), Failure> {
    let refuse = |why: String| {
        let hook = Quoted::path(paths.hook());
        let replace = call(paths, "install --replace");
        Err(Failure::failed(format_args!(
            "{hook} can't be kept beside this one: {why}. Nothing was changed. To replace it: {replace}"
        )))
    };
    if found.runs_custom() {
        let custom = Quoted::path(paths.custom());
        return refuse(format!("it runs the scripts in {custom} itself, and each of them would run twice"));
    }
    if let HookFile::Foreign { what, .. } = found {
        if !may_run(what) {
            return refuse(format!("it is {what}, which libvirt can't run from another folder"));
        }
    }
    let place = later_place(paths);
    if fs::symlink_metadata(&place).is_ok() && !are_alike(paths.hook(), &place) {
        return refuse(format!("{} is there already", Quoted::path(&place)));
    }
    if let Some((program, (major, minor))) = libvirt(paths, programs).filter(|&(_, version)| version < RUNS_LATER_HOOKS)
    {
        let later = paths.later_hooks();
        return refuse(format!(
            "libvirt is {major}.{minor}, as {program} tells, and runs what is in {} only since 6.5",
            Quoted::path(&later)
        ));
    }
    Ok(())
}

/// Which libvirt there is, as the first of its programs tells. That of an image can't be asked.
fn libvirt(paths: &Paths, programs: &mut Supervisor) -> Option<(&'static str, (u32, u32))> {
    Driver::daemons().chain(["virsh"]).filter(|_| paths.is_host()).find_map(|program| {
        let told = programs.ask(program, ["--version"], TIMEOUT).ok()?;
        Some((program, version(&String::from_utf8_lossy(&told))?))
    })
}

/// The first version in a text: `9.0.0`, `libvirtd (libvirt) 9.0.0`.
fn version(text: &str) -> Option<(u32, u32)> {
    text.split_whitespace().find_map(|word| {
        let mut numbers = word.split('.').map(str::parse);
        Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
    })
}

/// Where a hook that is kept beside this one goes. Its name tells that it was kept, whatever else an admin has there.
pub(crate) fn later_place(paths: &Paths) -> PathBuf {
    paths.later_hooks().join(format!("{}-kept-by-virt-hooks", QEMU.name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_the_first_word_of_numbers() {
        for (text, expected) in [
            ("9.0.0\n", Some((9, 0))),
            ("libvirtd (libvirt) 6.4.0\n", Some((6, 4))),
            ("/usr/sbin/libvirtd (libvirt) 10.10.0", Some((10, 10))),
            ("virsh", None),
            ("", None),
        ] {
            assert_eq!(version(text), expected, "{text}");
        }
    }
}
