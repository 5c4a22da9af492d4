//! What was at the hook's place before, kept beside it: the last one as `qemu.before-virt-hooks`, older ones with a
//! number.

use std::path::{Path, PathBuf};

use super::change::Change;
use super::{Step, seen};
use crate::command::host::hook_file::{are_alike, is_there};
use crate::paths::Paths;

/// All that there are, the last one first.
pub(crate) fn all(paths: &Paths) -> Vec<PathBuf> {
    std::iter::once(paths.hook_backup()).chain(numbered(paths)).filter(|path| is_there(path)).collect()
}

/// Keeps what is at the hook's place. Nothing that was kept before is lost, and nothing is kept twice.
pub(crate) fn of_the_hook(paths: &Paths) -> Vec<Step> {
    let (hook, last) = (paths.hook(), paths.hook_backup());
    let is_kept = format!("{} as {}", seen(hook), seen(&last));
    if are_alike(hook, &last) {
        return vec![Step::tell("kept", format!("{is_kept}, where it was already"))];
    }
    let mut steps = Vec::new();
    let alike = numbered(paths).find(|older| are_alike(hook, older));
    steps.extend(of_the_last(paths));
    match alike {
        Some(older) => {
            let what = format!("{is_kept}, which was {}", seen(&older));
            steps.push(Step::change("kept", what, Change::Move { from: older, to: last }));
        }
        None => {
            steps.push(Step::change("kept", is_kept, Change::Keep { from: hook.to_owned(), to: last }));
        }
    }
    steps
}

/// Makes the last one an older one, where another hook has been at the place since.
pub(crate) fn of_the_last(paths: &Paths) -> Option<Step> {
    let last = paths.hook_backup();
    let free = || numbered(paths).find(|path| !is_there(path)).unwrap_or_else(|| named(&last, ".old"));
    let to = is_there(&last).then(free)?;
    Some(Step::change("kept", format!("{} as {}", seen(&last), seen(&to)), Change::Move { from: last, to }))
}

fn numbered(paths: &Paths) -> impl Iterator<Item = PathBuf> + use<> {
    let last = paths.hook_backup();
    (1..1000).map(move |number| named(&last, &format!(".{number}")))
}

fn named(last: &Path, ending: &str) -> PathBuf {
    let mut name = last.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}
