//! The files of a log: those that rotation has put aside, oldest first, and the one that is written to.
//!
//! | beside the log | is |
//! |---|---|
//! | `qemu-hook.log.1`, `qemu-hook.log.2` | logrotate's default, the higher the older |
//! | `qemu-hook.log-20261101`, `-2026-11-01-13` | its `dateext` |
//! | any of them with `.gz`, `.xz`, `.zst`, `.bz2` | its `compress` |
//!
//! Anything else beside it is somebody else's.

use std::cmp::{Ordering, Reverse};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::packing::Packing;

/// A file that rotation has put aside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rotated {
    /// Its path.
    pub(crate) path: PathBuf,
    /// Its compression, if any.
    pub(crate) packing: Option<Packing>,
    /// When it was last written to, which compression keeps.
    pub(crate) modified: SystemTime,
    name: Name,
}

/// Name that rotation gave it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Name {
    /// The higher the older.
    Numbered(Reverse<u64>),
    /// The date as it stands there.
    Dated(Vec<u8>),
}

/// The files beside `log` that it has been rotated to, oldest first. Nothing where their folder can't be read.
pub(crate) fn rotated(log: &Path) -> Vec<Rotated> {
    let (Some(folder), Some(log_name)) = (log.parent(), log.file_name()) else { return Vec::new() };
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let found = entries.filter_map(|entry| {
        let (name, packing) = name_of(&entry.file_name(), log_name)?;
        let status = std::fs::metadata(entry.path()).ok().filter(std::fs::Metadata::is_file)?;
        Some(Rotated { path: entry.path(), packing, modified: status.modified().ok()?, name })
    });
    in_order(found.collect())
}

/// Parses a file name, and returns `None` if it is not one of the log's.
fn name_of(file_name: &OsStr, log_name: &OsStr) -> Option<(Name, Option<Packing>)> {
    let rest = file_name.as_bytes().strip_prefix(log_name.as_bytes())?;
    let packed = Packing::ALL.into_iter().find_map(|packing| Some((rest.strip_suffix(packing.ending())?, packing)));
    let (rest, packing) = packed.map_or((rest, None), |(rest, packing)| (rest, Some(packing)));
    match rest.split_first()? {
        (b'.', number) => Some((Name::Numbered(Reverse(std::str::from_utf8(number).ok()?.parse().ok()?)), packing)),
        (b'-', date @ [first, ..]) if first.is_ascii_digit() => {
            let is_date =
                date.iter().all(|byte| byte.is_ascii_digit() || matches!(byte, b'-' | b'.' | b'_' | b':' | b'T'));
            is_date.then(|| (Name::Dated(date.to_vec()), packing))
        }
        _ => None,
    }
}

/// Sorts them, oldest first: by name if all are named in one way, since copying changes times; otherwise by time.
fn in_order(mut files: Vec<Rotated>) -> Vec<Rotated> {
    let numbered = files.iter().filter(|file| matches!(file.name, Name::Numbered(_))).count();
    let alike = numbered == 0 || numbered == files.len();
    let by_time = |a: &Rotated, b: &Rotated| if alike { Ordering::Equal } else { a.modified.cmp(&b.modified) };
    files.sort_by(|a, b| by_time(a, b).then_with(|| a.name.cmp(&b.name)).then(a.packing.cmp(&b.packing)));
    // While one is being compressed it is there twice.
    files.dedup_by(|packed, plain| packed.name == plain.name && plain.packing.is_none());
    files
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn files(names: &[(&str, u64)]) -> Vec<String> {
        let made = names.iter().map(|(file_name, second)| {
            let (name, packing) = name_of(OsStr::new(file_name), OsStr::new("q.log")).expect("one of the log's");
            let modified = SystemTime::UNIX_EPOCH + Duration::from_secs(*second);
            Rotated { path: PathBuf::from(file_name), packing, modified, name }
        });
        in_order(made.collect()).into_iter().map(|file| file.path.display().to_string()).collect()
    }

    #[test]
    fn numbers_go_down_dates_go_up_whatever_the_times() {
        assert_eq!(
            files(&[("q.log.1", 1), ("q.log.10.gz", 5), ("q.log.9.xz", 9)]),
            ["q.log.10.gz", "q.log.9.xz", "q.log.1"]
        );
        assert_eq!(
            files(&[("q.log-20261101", 1), ("q.log-20261031.zst", 5), ("q.log-20261030.bz2", 9)]),
            ["q.log-20261030.bz2", "q.log-20261031.zst", "q.log-20261101"]
        );
    }

    #[test]
    fn both_kinds_beside_each_other_go_by_time() {
        assert_eq!(
            files(&[("q.log.1", 1), ("q.log-20261031.gz", 0), ("q.log.2", 5)]),
            ["q.log-20261031.gz", "q.log.1", "q.log.2"]
        );
    }

    #[test]
    fn what_is_just_being_compressed_is_read_once() {
        assert_eq!(files(&[("q.log.1.gz", 1), ("q.log.1", 1)]), ["q.log.1"]);
    }

    #[test]
    fn other_files_are_not_the_logs() {
        for name in [
            "q.log",
            "q.log.gz",
            "q.log.bak",
            "q.log.1.orig",
            "q.log-",
            "q.log-old",
            "q.log~",
            "other.log.1",
            "q.log.1.gz.tmp",
        ] {
            assert_eq!(name_of(OsStr::new(name), OsStr::new("q.log")), None, "{name}");
        }
    }
}
