//! What an installation consists of on this host, as it is now.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use super::carry::{self, Carried};
use super::disposal::Disposal;
use super::kept;
use super::obstacle;
use super::steps::change::{Change, Content, Put};
use super::steps::{Step, seen};
use super::steps::{backup, draft};
use crate::command::failure::Failure;
use crate::command::host::cloudstack_limit::Limit;
use crate::command::host::hook_file::{HookFile, is_there, is_this_build};
use crate::command::host::kept::{beside, is_beside};
use crate::command::host::logrotate;
use crate::command::install::package::Package;
use crate::paths::Paths;
use crate::record::Quoted;

/// The most that is read of a settings file, in bytes; the hook reads no more, either.
const MAXIMUM_SETTINGS: u64 = 1 << 20;

/// What an installation consists of.
#[derive(Debug)]
pub(crate) struct Plan {
    /// All of it, in the order in which it is done.
    pub(crate) steps: Vec<Step>,
    /// A hook is put in place, be it the first or another one.
    pub(crate) replaces_the_hook: bool,
    /// So far there is nothing at its place that libvirt would call, and so libvirt knows of none.
    pub(crate) is_the_first: bool,
}

impl Plan {
    /// Looks at what is there. Nothing is changed. The limit is that of a hook of CloudStack's that is taken over.
    ///
    /// # Errors
    /// Where something that matters can't be read.
    pub(crate) fn of(disposal: Disposal, limit: Option<&Limit>, paths: &Paths) -> Result<Self, Failure> {
        let place = if disposal == Disposal::LeftInPlace { beside(paths) } else { paths.hook().to_owned() };
        let is_ours = disposal == Disposal::Updated || (disposal == Disposal::LeftInPlace && is_beside(paths));
        let replaces_the_hook = !is_ours || !is_up_to_date(&place)?;
        let is_the_first =
            !fs::metadata(paths.hook()).is_ok_and(|status| status.is_file() && status.mode() & 0o111 != 0);
        let mut steps = draft::left_behind(&[&place, paths.settings(), &logrotate::place(paths)]);
        steps.extend(folders(paths)?);
        let seconds = if let Some(Limit::Seconds(seconds)) = limit { Some(*seconds) } else { None };
        if Package::of(paths).is_some() {
            steps.extend(seconds.map(|seconds| drop_in(paths, seconds)).transpose()?.into_iter().flatten());
        } else {
            steps.push(settings(paths, seconds)?);
            steps.extend(rotation(paths));
        }
        steps.extend(limit.and_then(|limit| unclear(limit, paths)));
        steps.extend(match disposal {
            Disposal::None | Disposal::Updated => kept::bring_up_to_date(paths)?,
            Disposal::TakenOver => {
                backup::of_the_hook(paths).into_iter().chain(kept::bring_up_to_date(paths)?).collect()
            }
            Disposal::Kept => kept::keep(paths)?,
            Disposal::LeftInPlace => kept::go_beside(paths)?,
        });
        steps.push(hook(&place, replaces_the_hook, is_ours));
        if disposal != Disposal::LeftInPlace {
            steps.extend(kept::leave_qemu_d(paths));
        }
        Ok(Self { steps, replaces_the_hook, is_the_first })
    }

    /// Adds the hook and the folder of scripts of a further driver, whose paths these are.
    ///
    /// # Errors
    /// As above.
    pub(crate) fn add(&mut self, found: &HookFile, paths: &Paths) -> Result<(), Failure> {
        let is_ours = *found == HookFile::Ours;
        let replaces = !is_ours || !is_up_to_date(paths.hook())?;
        self.steps.extend(draft::left_behind(&[paths.hook()]));
        let custom = paths.custom();
        if !custom.is_dir() {
            self.steps.push(obstacle::at(custom, paths).map_or_else(|| Ok(Step::make_folder(custom)), Err)?);
        }
        if !is_ours && *found != HookFile::Missing {
            self.steps.extend(backup::of_the_hook(paths));
        }
        self.steps.push(hook(paths.hook(), replaces, is_ours));
        Ok(())
    }

    /// Whether there is anything to do.
    pub(crate) fn changes_something(&self) -> bool {
        self.steps.iter().any(|step| step.change.is_some())
    }
}

fn put(path: &Path, content: Content, mode: u32) -> Change {
    Change::Put(Put { path: path.to_owned(), content, mode, owner: None })
}

/// The folder for scripts, and those above it.
fn folders(paths: &Paths) -> Result<Vec<Step>, Failure> {
    let mut missing: Vec<&Path> = paths.custom().ancestors().take_while(|folder| !folder.is_dir()).collect();
    missing.reverse();
    let made = |folder| obstacle::at(folder, paths).map_or_else(|| Ok(Step::make_folder(folder)), Err);
    missing.into_iter().map(made).collect()
}

/// The timeout of CloudStack's hook in a file of its own, beside settings that are a package's.
fn drop_in(paths: &Paths, seconds: u64) -> Result<Vec<Step>, Failure> {
    let (settings, place) = (paths.settings(), carry::drop_in_place(paths));
    if bounded(settings).is_some_and(|text| carry::says_a_timeout(&text)) {
        let what = format!("{}: its timeoutSeconds holds; CloudStack's hook had {seconds}", seen(settings));
        return Ok(vec![Step::tell("kept", what)]);
    }
    if is_there(&place) {
        return Ok(vec![Step::tell("kept", seen(&place))]);
    }
    let Some(text) = carry::drop_in(seconds) else {
        let what = format!("the {seconds} s of CloudStack's hook are no limit, and were not carried over");
        return Ok(vec![Step::tell("warning", what)]);
    };
    let mut steps = Vec::new();
    let folder = paths.settings_drop_ins();
    if !folder.is_dir() {
        steps.push(obstacle::at(&folder, paths).map_or_else(|| Ok(Step::make_folder(&folder)), Err)?);
    }
    let what = format!("{}, with timeoutSeconds = {seconds}, as CloudStack's hook had it", seen(&place));
    steps.push(Step::change("installed", what, put(&place, Content::Text(text.into()), 0o644)));
    Ok(steps)
}

fn settings(paths: &Paths, timeout: Option<u64>) -> Result<Step, Failure> {
    let path = paths.settings();
    let status = match fs::symlink_metadata(path) {
        Ok(status) => status,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(shipped_settings(path, timeout)),
        Err(error) => return Err(Failure::failed(format_args!("{}: {error}; nothing was changed", seen(path)))),
    };
    let Some(seconds) = timeout else { return Ok(Step::tell("kept", seen(path))) };
    let text = if status.is_file() { bounded(path) } else { None };
    let carried = text.map_or(Carried::No, |text| carry::into(&text, seconds));
    let line = format!("timeoutSeconds = {seconds}, as CloudStack's hook had it");
    Ok(match carried {
        Carried::Text(text) => {
            let content = Content::Text(text.into_bytes());
            let owner = Some((status.uid(), status.gid()));
            let mode = status.permissions().mode() & 0o7777;
            Step::change(
                "changed",
                format!("{}: {line}", seen(path)),
                Change::Put(Put { path: path.to_owned(), content, mode, owner }),
            )
        }
        Carried::TheyHaveTheirOwn => {
            Step::tell("kept", format!("{}: its timeoutSeconds holds; CloudStack's hook had {seconds}", seen(path)))
        }
        Carried::No => Step::tell("warning", format!("{} was left as it is; set in it {line}", seen(path))),
    })
}

fn shipped_settings(path: &Path, timeout: Option<u64>) -> Step {
    let Some(seconds) = timeout else {
        return Step::change("installed", seen(path), put(path, Content::Text(carry::TEMPLATE.into()), 0o644));
    };
    let (text, line) = match carry::template(seconds) {
        Some(text) => (text, format!("with timeoutSeconds = {seconds}, as CloudStack's hook had it")),
        None => {
            (carry::TEMPLATE.to_owned(), format!("without the {seconds} s of CloudStack's hook, which are no limit"))
        }
    };
    Step::change("installed", format!("{}, {line}", seen(path)), put(path, Content::Text(text.into()), 0o644))
}

/// Tells of a limit that can't be carried into the settings, unless they say one themselves.
fn unclear(limit: &Limit, paths: &Paths) -> Option<Step> {
    let Limit::Unclear(line) = limit else { return None };
    let settings = paths.settings();
    if bounded(settings).is_some_and(|text| carry::says_a_timeout(&text)) {
        return None;
    }
    let what = format!(
        "the limit of CloudStack's hook can't be told from its line {}; to have it hold: set timeoutSeconds in {} to as \
         many seconds",
        Quoted::bytes(line.as_bytes()),
        seen(settings)
    );
    Some(Step::tell("warning", what))
}

/// The text of a file that is not too long for settings.
fn bounded(path: &Path) -> Option<String> {
    let mut text = String::new();
    let length = File::open(path).ok()?.take(MAXIMUM_SETTINGS + 1).read_to_string(&mut text).ok()?;
    (length as u64 <= MAXIMUM_SETTINGS).then_some(text)
}

fn rotation(paths: &Paths) -> Option<Step> {
    let place = logrotate::place(paths);
    if !logrotate::is_there(paths) {
        return None;
    }
    Some(match logrotate::covering(paths).next() {
        Some(file) if file == place => Step::tell("kept", seen(&place)),
        Some(file) => Step::tell("kept", format!("{}: it rotates the log already", seen(&file))),
        None if is_there(&place) => {
            Step::tell("kept", format!("{}: it is not for the log, which is not rotated", seen(&place)))
        }
        None => Step::change("installed", seen(&place), put(&place, Content::Text(logrotate::TEXT.into()), 0o644)),
    })
}

fn hook(place: &Path, replaces: bool, is_ours: bool) -> Step {
    if !replaces {
        return Step::tell("kept", format!("{}: it is up to date", seen(place)));
    }
    let word = if is_ours { "updated" } else { "installed" };
    Step::change(word, seen(place), put(place, Content::Program, 0o755))
}

/// Whether the hook is the running program, byte by byte, and can be run.
fn is_up_to_date(hook: &Path) -> Result<bool, Failure> {
    let failed = |error: io::Error| Failure::failed(format_args!("{}: {error}; nothing was changed", seen(hook)));
    let status = fs::symlink_metadata(hook).map_err(failed)?;
    let as_installed = status.mode() & 0o7777 == 0o755 && status.uid() == rustix::process::geteuid().as_raw();
    Ok(as_installed && is_this_build(hook).map_err(failed)?)
}
