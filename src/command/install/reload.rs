//! What a host needs besides files: labels, and libvirt's notice.

use std::path::Path;
use std::time::Duration;

use super::steps::{Said, Teller};
use crate::command::host::daemon::{Daemon, FirstInstalled, Reload};
use crate::network::declaration;
use crate::paths::Paths;
use crate::process::Supervisor;
use crate::record::Quoted;

/// How long SELinux' tools may take.
const TIMEOUT: Duration = Duration::from_secs(10);

/// How long systemd may take to reload a daemon.
const RELOAD: Duration = Duration::from_secs(60);

/// Whether libvirt takes notice of a hook that came or went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Notice {
    /// There is nothing new to it.
    NotNeeded,
    /// It does, now or when it starts.
    Reserved,
    /// It could not be told.
    Failed,
}

/// The host that this program runs on, of which things are done or, at a dry run, only told.
#[derive(Debug)]
pub(crate) struct Host<'a> {
    pub(crate) paths: &'a Paths,
    pub(crate) programs: &'a mut Supervisor,
    pub(crate) teller: &'a mut Teller,
    pub(crate) dry_run: bool,
}

impl Host<'_> {
    /// Gives files the labels that libvirt may use them by, where SELinux is on.
    pub(crate) fn label(&mut self, files: &[&Path]) {
        if self.dry_run || self.programs.ask("selinuxenabled", [""; 0], TIMEOUT).is_err() {
            return;
        }
        for file in files {
            if let Err(error) = self.programs.ask("restorecon", [file], TIMEOUT) {
                self.teller.warn(format!("{error}; libvirt may not run what has another label than its hooks' own"));
            }
        }
    }

    /// Has libvirt look for its hooks, and tells what that brings.
    pub(crate) fn reload(&mut self, running: &[Daemon], now: &str, later: &str) -> Notice {
        let mut notice = Notice::Reserved;
        for daemon in running {
            match self.reload_one(daemon) {
                Ok(()) => {
                    let how = match &daemon.reload {
                        Reload::Systemctl(_) => daemon.reload.to_string(),
                        Reload::Signal(pid) => format!("SIGHUP to process {pid}"),
                    };
                    self.teller.say(&Said::new("reloaded", format!("{} ({how}): {now}", daemon.name)));
                }
                Err(error) => {
                    notice = Notice::Failed;
                    self.teller.warn(format!(
                        "{0} can't be reloaded: {error}; until then it does not look for its hooks; fix: {1}",
                        daemon.name,
                        match &daemon.reload {
                            Reload::Systemctl(unit) => format!("systemctl restart {unit}"),
                            Reload::Signal(_) => format!("restart {}", daemon.name),
                        }
                    ));
                }
            }
        }
        if running.is_empty() {
            let daemons: Vec<_> = self.paths.driver().daemons().collect();
            let what = format!("nothing, since neither {} runs here: {later}", daemons.join(" nor "));
            self.teller.say(&Said::new("reloaded", what));
        }
        notice
    }

    fn reload_one(&mut self, daemon: &Daemon) -> Result<(), String> {
        if self.dry_run {
            return Ok(());
        }
        match daemon.reload {
            Reload::Systemctl(unit) => {
                let told = self.programs.ask("systemctl", ["reload", unit], RELOAD);
                told.map(drop).map_err(|error| error.to_string())
            }
            Reload::Signal(pid) => {
                let process = rustix::process::Pid::from_raw(pid).ok_or("it has no process id")?;
                let told = rustix::process::kill_process(process, rustix::process::Signal::HUP);
                told.map_err(|error| error.to_string())
            }
        }
    }

    /// Tells libvirt of a hook, and notes of a first one which daemons know of it.
    pub(crate) fn tell_of_the_hook(&mut self, mut first: Option<FirstInstalled>, running: &[Daemon]) -> Notice {
        if running.is_empty() {
            return self.reload(&[], NOW, LATER);
        }
        let mut notice = Notice::Reserved;
        for daemon in running {
            if self.reload(std::slice::from_ref(daemon), NOW, LATER) == Notice::Failed {
                notice = Notice::Failed;
            } else if let Some(first) = &mut first {
                first.reloaded(daemon);
                self.keep(first);
            }
        }
        notice
    }

    /// Notes since when a first hook is there.
    pub(crate) fn keep(&mut self, first: &FirstInstalled) {
        if self.dry_run {
            return;
        }
        if let Err(error) = first.keep(self.paths) {
            self.teller.warn(format!("it can't be noted since when the hook is there: {error}"));
        }
    }
}

const NOW: &str = "the next VM start calls the hook";
const LATER: &str = "the hook is found when one starts";

/// What is told at the end of an installation.
pub(crate) fn next(paths: &Paths, teller: &mut Teller) {
    let call = |words| crate::command::call(paths, words);
    for line in [
        String::new(),
        format!(
            "Your scripts go into {}, executable and named OPERATION_NAME or all_NAME:",
            Quoted::path(paths.custom())
        ),
        format!("    {}", call("new start hello.sh")),
        "Whether all is well, and what runs:".to_owned(),
        format!("    {}", call("check")),
        format!("    {}", call("list")),
        format!(
            "What they do is logged in {}; what holds for them is set in {}",
            Quoted::path(paths.log()),
            Quoted::path(paths.settings())
        ),
    ] {
        teller.line(&line);
    }
    // The hook gives it to those that start from here on.
    if paths.is_host() && declaration::are_there(paths) {
        teller.line("What is declared for VMs that run already is open after");
        teller.line(&format!("    {}", call("network apply")));
    }
}
