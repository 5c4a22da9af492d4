//! What becomes of the thing at the hook's place, or why it is left alone.

use std::fs;
use std::time::Duration;

use super::arguments::Arguments;
use crate::command::call;
use crate::command::failure::Failure;
use crate::command::host::hook_file::{Foreign, HookFile, are_alike};
use crate::command::host::kept::is_beside;
use crate::command::judge;
use crate::paths::Paths;
use crate::process::Supervisor;
use crate::record::Quoted;
use crate::trust::Inspection;

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
    /// It is called by this one.
    Kept,
    /// It stays, and this program goes to `qemu.d`.
    LeftInPlace,
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
        _ if arguments.keep_existing => can_be_kept(found, paths).map(|()| Disposal::Kept),
        _ if arguments.beside => can_go_beside(found, paths, programs).map(|()| Disposal::LeftInPlace),
        HookFile::CloudStack { .. } | HookFile::Dispatcher => Ok(Disposal::TakenOver),
        HookFile::Foreign { what: Foreign::Symlink(_), .. } if called(paths) == HookFile::Dispatcher => {
            Ok(Disposal::TakenOver)
        }
        HookFile::Foreign { .. } if is_beside(paths) => Ok(Disposal::LeftInPlace),
        HookFile::Foreign { what, .. } => Err(refusal(what, found.runs_custom(), paths)),
    }
}

fn refusal(what: &Foreign, runs_custom: bool, paths: &Paths) -> Failure {
    let (hook, custom) = (Quoted::path(paths.hook()), Quoted::path(paths.custom()));
    let backup = paths.hook_backup();
    let install = |option| call(paths, &format!("install {option}"));
    let (replace, keep, beside) = (install("--replace"), install("--keep-existing"), install("--beside"));
    let backup = format!("it is kept as {}", Quoted::path(&backup));
    let ways = if runs_custom {
        format!(
            "It runs the scripts in {custom} itself. If it stayed beside this one,\n\
             each of them would run twice. So it can only be replaced; {backup}:\n    {replace}"
        )
    } else if may_run(what) {
        format!(
            "Keep both, supervised: virt-hooks calls it after all scripts, under its old name:\n    {keep}\n\
             Or leave it untouched: libvirt 6.5 and newer call virt-hooks after it, from {}:\n    {beside}\n\
             Or replace it; {backup}:\n    {replace}",
            Quoted::path(&paths.later_hooks())
        )
    } else {
        format!("It can be replaced; {backup}:\n    {replace}")
    };
    Failure::failed(format_args!(
        "there is another hook at {hook}, and it was left alone. Nothing was changed.\nIt is {what}\n\n{ways}"
    ))
}

/// Whether it is something that can be called.
const fn may_run(what: &Foreign) -> bool {
    matches!(what, Foreign::File(_) | Foreign::Symlink(_))
}

fn cannot_stay(paths: &Paths, why: &str) -> Failure {
    let (hook, replace) = (Quoted::path(paths.hook()), call(paths, "install --replace"));
    Failure::failed(format_args!("{hook} can't be kept: {why}. Nothing was changed. To replace it: {replace}"))
}

/// Whether it and this program can both be called.
fn can_both_run(found: &HookFile, paths: &Paths) -> Result<(), Failure> {
    if found.runs_custom() {
        let custom = Quoted::path(paths.custom());
        let why = format!("it runs the scripts in {custom} itself, and each of them would run twice");
        return Err(cannot_stay(paths, &why));
    }
    if let HookFile::Foreign { what, .. } = found {
        if !may_run(what) {
            return Err(cannot_stay(paths, &format!("it is {what}, which can't be run")));
        }
    }
    match called(paths) {
        HookFile::Ours => Err(cannot_stay(paths, "it leads to virt-hooks itself")),
        HookFile::Dispatcher => {
            let later = Quoted::path(&paths.later_hooks()).to_string();
            let why = format!("it runs the scripts in {later}/VM/OPERATION, and each of them would run twice");
            Err(cannot_stay(paths, &why))
        }
        _ => Ok(()),
    }
}

/// What libvirt calls.
fn called(paths: &Paths) -> HookFile {
    HookFile::called(paths.hook(), paths.root())
}

/// Whether this program can call it.
fn can_be_kept(found: &HookFile, paths: &Paths) -> Result<(), Failure> {
    can_both_run(found, paths)?;
    let place = paths.kept_hook();
    if fs::symlink_metadata(&place).is_ok() && !are_alike(paths.hook(), &place) {
        return Err(cannot_stay(paths, &format!("{} is there already", Quoted::path(&place))));
    }
    // libvirt runs it whoever may change it; here it would not be started, and would refuse every VM.
    if let Ok(Inspection { fault: Some(fault), .. }) = judge(paths).inspect(paths.hook()) {
        return Err(cannot_stay(paths, &format!("it cannot be trusted: {fault}")));
    }
    Ok(())
}

/// Whether libvirt would call both.
fn can_go_beside(found: &HookFile, paths: &Paths, programs: &mut Supervisor) -> Result<(), Failure> {
    can_both_run(found, paths)?;
    let too_old = libvirt(paths, programs).filter(|&(_, version)| version < RUNS_LATER_HOOKS);
    let Some((program, (major, minor))) = too_old else { return Ok(()) };
    let later = paths.later_hooks();
    Err(cannot_stay(
        paths,
        &format!(
            "libvirt is {major}.{minor}, as {program} reports, and calls what is in {} only since 6.5",
            Quoted::path(&later)
        ),
    ))
}

/// Which libvirt there is, as the first of its programs tells. That of an image can't be asked.
fn libvirt(paths: &Paths, programs: &mut Supervisor) -> Option<(&'static str, (u32, u32))> {
    paths.driver().daemons().chain(["virsh"]).filter(|_| paths.is_host()).find_map(|program| {
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
