//! What was at the hook's place before, kept beside it: the last one as `qemu.before-virt-hooks`, older ones with a
//! number.

use std::ffi::OsString;
use std::path::PathBuf;

use super::change::Change;
use super::step::{Step, seen};
use crate::command::hook_file::{are_alike, is_there};
use crate::paths::Paths;

/// Where the last one is, or would be. libvirt looks at nothing that is called so.
pub(in crate::command) fn place(paths: &Paths) -> PathBuf {
    named(paths, "")
}

/// All that there are, the last one first.
pub(in crate::command) fn all(paths: &Paths) -> Vec<PathBuf> {
    std::iter::once(place(paths)).chain(numbered(paths)).filter(|path| is_there(path)).collect()
}

/// Keeps what is at the hook's place. Nothing that was kept before is lost, and nothing is kept twice.
pub(super) fn of_the_hook(paths: &Paths) -> Vec<Step> {
    let (hook, last) = (paths.hook(), place(paths));
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
pub(super) fn of_the_last(paths: &Paths) -> Option<Step> {
    let last = place(paths);
    let free = || numbered(paths).find(|path| !is_there(path)).unwrap_or_else(|| named(paths, ".old"));
    let to = is_there(&last).then(free)?;
    Some(Step::change("kept", format!("{} as {}", seen(&last), seen(&to)), Change::Move { from: last, to }))
}

fn numbered(paths: &Paths) -> impl Iterator<Item = PathBuf> + use<> {
    let last = place(paths);
    (1..1000).map(move |number| {
        let mut name = OsString::from(&last);
        name.push(format!(".{number}"));
        PathBuf::from(name)
    })
}

fn named(paths: &Paths, ending: &str) -> PathBuf {
    paths.hook().with_file_name(format!("qemu.before-virt-hooks{ending}"))
}
