//! libvirt's daemons: those that run, since when, and if they call the hook.
//!
//! libvirt searches its hooks when it starts and when it is reloaded, and at no other time (src/util/virhook.c). A hook
//! that was installed to an empty path since then is not called; one that replaced another is.

use std::fmt;
use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::driver::QEMU;
use crate::paths::Paths;
use crate::state::{Directory, StateError};

/// A daemon of libvirt's that calls the hook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Daemon {
    /// Its program's name.
    pub(crate) name: &'static str,
    /// Its process id.
    pub(crate) pid: i32,
    /// When it started: it writes its pid file then.
    pub(crate) since: SystemTime,
    /// Way to make it load its hooks.
    pub(crate) reload: Reload,
}

/// Way to make a daemon load its hooks. Displays as its command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reload {
    /// Reloads this systemd unit.
    Systemctl(&'static str),
    /// Sends SIGHUP to this process.
    Signal(i32),
}

impl fmt::Display for Reload {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Systemctl(unit) => write!(formatter, "systemctl reload {unit}"),
            Self::Signal(pid) => write!(formatter, "kill -HUP {pid}"),
        }
    }
}

impl Daemon {
    /// Returns the daemons that run.
    pub(crate) fn running(paths: &Paths) -> Vec<Self> {
        paths.driver().daemons().filter_map(|name| Self::named(name, paths)).collect()
    }

    fn named(name: &'static str, paths: &Paths) -> Option<Self> {
        // Both leave their process id there, however they were started. The file may outlive its daemon.
        let file = paths.elsewhere(&format!("run/{name}.pid"));
        let pid: i32 = fs::read_to_string(&file).ok()?.trim().parse().ok().filter(|&pid| pid > 0)?;
        let process = paths.elsewhere(&format!("proc/{pid}"));
        let comm = fs::read_to_string(process.join("comm")).ok()?;
        let since = fs::metadata(&file).and_then(|status| status.modified()).ok()?;
        let by_systemd = paths.elsewhere("run/systemd/system").is_dir() && is_of_its_unit(&process, name);
        let reload = if by_systemd { Reload::Systemctl(name) } else { Reload::Signal(pid) };
        (comm.trim_end() == name).then_some(Self { name, pid, since, reload })
    }
}

/// Returns true if systemd runs the process as the unit of this name: every unit is a control group (systemd.exec(5)).
fn is_of_its_unit(process: &Path, name: &str) -> bool {
    let unit = format!("{name}.service");
    let groups = fs::read_to_string(process.join("cgroup")).unwrap_or_default();
    groups.lines().filter_map(|line| line.rsplit(':').next()).any(|path| path.split('/').any(|group| group == unit))
}

/// When the hook came to a place where nothing was before, so that a daemon which had started by then does not know of
/// it. It is kept in the state folder: a reboot ends it, as it ends the daemons.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FirstInstalled {
    /// When.
    pub(crate) at: SystemTime,
    /// The daemons that were reloaded since, by name and process id.
    reloaded: Vec<(String, i32)>,
}

const STAMP: &[u8] = b"first";

fn directory(paths: &Paths) -> Directory {
    Directory::new(paths.state(), "installed")
}

/// When a file or folder was made, or where the file system does not know it, when it was last written to.
fn made(path: &Path) -> Option<SystemTime> {
    let status = fs::symlink_metadata(path).ok()?;
    status.created().or_else(|_| status.modified()).ok()
}

impl FirstInstalled {
    /// Just now, and nothing was reloaded since.
    pub(crate) fn now() -> Self {
        Self { at: SystemTime::now(), reloaded: Vec::new() }
    }

    /// Returns the installation that `install` recorded since boot, or one that the files of a hook that was installed
    /// by other means show. Returns `None` if libvirt has called the hook since boot.
    pub(crate) fn of(paths: &Paths) -> Option<Self> {
        Self::kept(paths).or_else(|| Self::by_its_traces(paths))
    }

    /// An upgrade of the package replaces the file. So a hook counts as installed for as long as any trace of it, or of
    /// a previous one: a missing warning does less harm than a wrong one.
    fn by_its_traces(paths: &Paths) -> Option<Self> {
        // `install` keeps live XML only where it has noted when the hook came. So this is from the hook itself.
        if !Directory::of(paths.state(), &QEMU, "live").names().is_empty() {
            return None;
        }
        let at = made(paths.hook())?;
        let traces = [paths.settings(), paths.custom(), paths.log(), &paths.hook_backup()];
        Some(Self { at: traces.into_iter().filter_map(made).fold(at, SystemTime::min), reloaded: Vec::new() })
    }

    /// Returns the installation that `install` recorded.
    pub(crate) fn kept(paths: &Paths) -> Option<Self> {
        let kept = String::from_utf8(directory(paths).read_trusted(STAMP)?).ok()?;
        let mut lines = kept.lines();
        let at = UNIX_EPOCH.checked_add(Duration::from_millis(lines.next()?.parse().ok()?))?;
        let reloaded = lines.filter_map(|line| {
            let (name, pid) = line.split_once(' ')?;
            Some((name.to_owned(), pid.parse().ok()?))
        });
        Some(Self { at, reloaded: reloaded.collect() })
    }

    /// Returns true if `install` has reloaded this daemon, or found that it knew of the hook, since this time.
    pub(crate) fn was_reloaded_since(time: SystemTime, daemon: &Daemon, paths: &Paths) -> bool {
        let file = directory(paths).path(STAMP);
        let recorded = fs::metadata(file).and_then(|status| status.modified()).is_ok_and(|at| at >= time);
        recorded && Self::kept(paths).is_some_and(|first| first.has_reloaded(daemon))
    }

    fn has_reloaded(&self, daemon: &Daemon) -> bool {
        self.reloaded.iter().any(|(name, pid)| name == daemon.name && *pid == daemon.pid)
    }

    /// Records it until the next boot.
    ///
    /// # Errors
    /// The state folder cannot be written.
    pub(crate) fn keep(&self, paths: &Paths) -> Result<(), StateError> {
        let at = self.at.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        let reloaded: String = self.reloaded.iter().map(|(name, pid)| format!("{name} {pid}\n")).collect();
        directory(paths).write(STAMP, format!("{at}\n{reloaded}").as_bytes())
    }

    /// Notes that a daemon was reloaded, or knew of the hook before.
    pub(crate) fn reloaded(&mut self, daemon: &Daemon) {
        self.reloaded.push((daemon.name.to_owned(), daemon.pid));
    }

    /// Returns true if this daemon started before the installation and `install` has not reloaded it since: it does not
    /// call the hook.
    pub(crate) fn is_unknown_to(&self, daemon: &Daemon) -> bool {
        daemon.since < self.at && !self.has_reloaded(daemon)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(root: &Path, path: &str, text: &str) {
        let path = root.join(path);
        fs::create_dir_all(path.parent().expect("a folder above")).expect("the folder");
        fs::write(path, text).expect("a file");
    }

    #[test]
    fn a_daemon_runs_where_its_pid_file_names_a_process_that_is_called_so() {
        let root = tempfile::tempdir().expect("a folder");
        let paths = Paths::under(root.path());
        assert_eq!(Daemon::running(&paths), []);
        for (pid_file, comm, runs) in [
            ("4711\n", "libvirtd\n", true),
            ("4711", "sleep\n", false),
            ("4712", "libvirtd\n", false),
            ("-4711", "libvirtd\n", false),
            ("", "libvirtd\n", false),
        ] {
            write(root.path(), "run/libvirtd.pid", pid_file);
            write(root.path(), "proc/4711/comm", comm);
            assert_eq!(!Daemon::running(&paths).is_empty(), runs, "{pid_file:?} {comm:?}");
        }
    }

    #[test]
    fn it_is_reloaded_by_systemd_where_systemd_runs_it_as_its_unit() {
        let by_hand = "kill -HUP 4711";
        for (booted, cgroup, expected) in [
            (true, "0::/system.slice/libvirtd.service\n", "systemctl reload libvirtd"),
            (true, "3:cpu:/\n1:name=systemd:/system.slice/libvirtd.service\n", "systemctl reload libvirtd"),
            (true, "0::/user.slice/session-1.scope\n", by_hand),
            (true, "0::/system.slice/my-libvirtd.service\n", by_hand),
            (false, "0::/system.slice/libvirtd.service\n", by_hand),
        ] {
            let root = tempfile::tempdir().expect("a folder");
            write(root.path(), "run/libvirtd.pid", "4711");
            write(root.path(), "proc/4711/comm", "libvirtd\n");
            write(root.path(), "proc/4711/cgroup", cgroup);
            if booted {
                write(root.path(), "run/systemd/system/x", "");
            }
            let running = Daemon::running(&Paths::under(root.path()));
            let reloads: Vec<String> = running.iter().map(|daemon| daemon.reload.to_string()).collect();
            assert_eq!(reloads, [expected], "{cgroup}");
        }
    }

    #[test]
    fn a_hook_that_was_put_there_by_other_means_is_as_old_as_its_traces() {
        let root = tempfile::tempdir().expect("a folder");
        let paths = Paths::under(root.path());
        let hook = |text| {
            write(root.path(), "etc/libvirt/hooks/draft", text);
            fs::rename(paths.hook().with_file_name("draft"), paths.hook()).expect("the hook");
        };
        for trace in [
            "etc/libvirt/hooks/custom/x",
            "etc/libvirt/hooks/virt-hooks.toml",
            "etc/libvirt/hooks/qemu.before-virt-hooks",
        ] {
            let before = SystemTime::now();
            std::thread::sleep(Duration::from_millis(20));
            hook("first");
            let alone = FirstInstalled::of(&paths).expect("a hook").at;
            assert!(alone > before);
            write(root.path(), trace, "");
            std::thread::sleep(Duration::from_millis(20));
            let upgraded = SystemTime::now();
            std::thread::sleep(Duration::from_millis(20));
            hook("upgraded");
            assert!(FirstInstalled::of(&paths).expect("a hook").at < upgraded, "{trace}");
            fs::remove_dir_all(root.path().join("etc")).expect("another host");
        }
        hook("called");
        write(root.path(), "run/virt-hooks/qemu/live/vm.xml", "");
        assert_eq!(FirstInstalled::of(&paths), None);
    }

    #[test]
    fn a_first_hook_is_unknown_to_a_daemon_that_started_before_until_that_is_reloaded() {
        let root = tempfile::tempdir().expect("a folder");
        let paths = Paths::under(root.path());
        let (earlier, later) = (UNIX_EPOCH, SystemTime::now() + Duration::from_secs(9));
        let daemon = |since, pid| Daemon { name: "libvirtd", pid, since, reload: Reload::Signal(pid) };
        assert_eq!(FirstInstalled::of(&paths), None);
        let mut first = FirstInstalled::now();
        first.keep(&paths).expect("a stamp");
        let kept = FirstInstalled::of(&paths).expect("a stamp");
        assert!(kept.is_unknown_to(&daemon(earlier, 1)));
        assert!(!kept.is_unknown_to(&daemon(later, 1)));

        first.reloaded(&daemon(earlier, 1));
        first.keep(&paths).expect("a stamp");
        let kept = FirstInstalled::of(&paths).expect("a stamp");
        assert!(!kept.is_unknown_to(&daemon(earlier, 1)));
        assert!(kept.is_unknown_to(&daemon(earlier, 2)));
    }
}
