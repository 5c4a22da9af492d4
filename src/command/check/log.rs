//! Whether what happens is recorded, and the record does not fill the disk.

use std::fs;
use std::io;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, AtFlags, CWD, IFlags, StatVfsMountFlags};

use super::Findings;
use crate::command::call;
use crate::command::host::logrotate;
use crate::paths::Paths;
use crate::record::Quoted;
use crate::trust::shell;

pub(super) fn check(paths: &Paths, findings: &mut Findings) {
    if let Some((message, remedy)) = why_not_writable(paths.log()) {
        let message = format!("{message}: scripts run, and nobody learns of it");
        findings.error(Quoted::path(paths.log()), message, remedy);
    }
    if logrotate::is_there(paths) {
        rotated(paths, findings);
    }
}

/// Whether logrotate knows it, by one file.
fn rotated(paths: &Paths, findings: &mut Findings) {
    let files: Vec<PathBuf> = logrotate::covering(paths).collect();
    let place = logrotate::place(paths);
    match files.as_slice() {
        [] => {
            let message = "logrotate does not know it, so that it grows until the disk is full";
            findings.warning(Quoted::path(paths.log()), message, rotation(paths));
        }
        [_] => {}
        [first, second, ..] => {
            let (first, second) = (Quoted::path(first), Quoted::path(second));
            let message =
                format!("logrotate knows it by {first} and by {second}, which it takes for an error each time");
            // Empty and not removed: rpm would bring a file that is missing back. What others say is for more logs.
            let remedy = if files.contains(&place) {
                format!(": > {}", shell(&place))
            } else {
                "logrotate --debug /etc/logrotate.conf".to_owned()
            };
            findings.warning(Quoted::path(paths.log()), message, remedy);
        }
    }
}

/// The command that has logrotate know the log.
fn rotation(paths: &Paths) -> String {
    let (place, install) = (logrotate::place(paths), call(paths, "install"));
    if fs::symlink_metadata(&place).is_err() {
        return install;
    }
    // Of what is called so, logrotate takes no notice.
    format!("mv {0} {0}.disabled && {install}", shell(&place))
}

/// Why nothing can be written to the log, and the command that mends it.
fn why_not_writable(log: &Path) -> Option<(String, String)> {
    let aside = || format!("mv {0} {0}.old", shell(log));
    let there = fs::symlink_metadata(log);
    match &there {
        Ok(status) if status.is_symlink() => {
            return Some(("it is a symlink, which is not followed".to_owned(), format!("rm {}", shell(log))));
        }
        Ok(status) if status.is_dir() => return Some(("it is a folder".to_owned(), aside())),
        Ok(status) if status.file_type().is_fifo() || !status.is_file() => {
            return Some(("it is not a file".to_owned(), aside()));
        }
        Ok(_) => {}
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {}
        Err(error) => return Some((format!("it cannot be inspected: {error}"), format!("ls -l {}", shell(log)))),
    }
    // Where it is missing it is made, and the folder above it as well.
    let target = if there.is_ok() { log.to_owned() } else { nearest(log) };
    if !target.is_dir() && there.is_err() {
        let message = format!("{} is no folder, so that it can't be made", Quoted::path(&target));
        return Some((message, format!("mv {0} {0}.old", shell(&target))));
    }
    let mount = || format!("\"$(findmnt -n -o TARGET --target {})\"", shell(&target));
    let filesystem = rustix::fs::statvfs(&target).ok()?;
    if filesystem.f_flag.contains(StatVfsMountFlags::RDONLY) {
        return Some(("its file system is mounted read-only".to_owned(), format!("mount -o remount,rw {}", mount())));
    }
    if filesystem.f_bavail == 0 && filesystem.f_blocks > 0 {
        return Some(("its disk is full".to_owned(), format!("du -xa {} | sort -n | tail", mount())));
    }
    if is_immutable(&target) {
        return Some(("it can't be changed, by its attribute i".to_owned(), format!("chattr -i {}", shell(&target))));
    }
    let denied = rustix::fs::accessat(CWD, &target, Access::WRITE_OK, AtFlags::EACCESS).err()?;
    Some((format!("it can't be written to: {denied}"), format!("chmod u+w {}", shell(&target))))
}

/// The first folder above that is there.
fn nearest(path: &Path) -> PathBuf {
    path.ancestors().skip(1).find(|above| above.exists()).unwrap_or(Path::new("/")).to_owned()
}

fn is_immutable(path: &Path) -> bool {
    fs::File::open(path)
        .is_ok_and(|file| rustix::fs::ioctl_getflags(&file).is_ok_and(|flags| flags.contains(IFlags::IMMUTABLE)))
}
