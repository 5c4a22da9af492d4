//! Sessions: an unprivileged user's libvirt (`qemu:///session`) calls the same hook as that user.
//!
//! The host's scripts are for the host's VMs. They run in a session only if root's settings have `sessions = true`.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::paths::Paths;
use crate::settings::{self, Keep};
use crate::trust::Judge;

/// The most that is read of the user database, in bytes.
const MAXIMUM_DATABASE: u64 = 4 << 20;

/// Returns true if this process is not root's.
pub fn is_one() -> bool {
    !rustix::process::geteuid().is_root()
}

/// Returns true if root's settings let the host's scripts run in sessions.
pub fn runs_scripts(paths: &Paths) -> bool {
    settings::load(paths, &Judge::from(paths.root(), 0), Keep::Nothing).0.sessions
}

/// Returns the paths of this process: the host's, or in a session those with the user's own log and state.
pub fn paths(is_session: bool) -> Paths {
    if is_session { Paths::of_session(&home(rustix::process::geteuid().as_raw())) } else { Paths::system() }
}

/// Returns the user's home by the passwd database: the environment is not trusted. A user of a directory service is not in
/// that file and has the runtime directory of systemd-logind.
fn home(uid: u32) -> PathBuf {
    let database = File::open("/etc/passwd").ok().map(|file| BufReader::new(file.take(MAXIMUM_DATABASE)));
    let mut lines = database.into_iter().flat_map(|database| database.split(b'\n').map_while(Result::ok));
    let home = lines.find_map(|line| home_in(&line, uid));
    home.unwrap_or_else(|| PathBuf::from(format!("/run/user/{uid}")))
}

/// Returns the home in a line of passwd(5), if the line is that user's.
fn home_in(line: &[u8], uid: u32) -> Option<PathBuf> {
    let mut fields = line.split(|&byte| byte == b':').skip(2);
    let of = std::str::from_utf8(fields.next()?).ok()?.parse::<u32>().ok()?;
    let home = Path::new(std::ffi::OsStr::from_bytes(fields.nth(2)?));
    (of == uid && home.is_absolute()).then(|| home.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_home_is_the_sixth_field_of_the_users_line() {
        for (line, expected) in [
            ("u:x:1000:100:A, B:/home/u:/bin/sh", Some("/home/u")),
            ("u:x:1000:100::/home/u", Some("/home/u")),
            ("u:x:1001:1000::/home/u:/bin/sh", None),
            ("1000:x:1:1:1000:/home/u:", None),
            ("u:x:1000:100::home:/bin/sh", None),
            ("u:x:1000:100::", None),
            ("u:x:1000", None),
            ("", None),
        ] {
            assert_eq!(home_in(line.as_bytes(), 1000).as_deref(), expected.map(Path::new), "{line}");
        }
    }
}
