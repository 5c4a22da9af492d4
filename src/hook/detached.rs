//! `wait = false`: a script that libvirt is not kept waiting for, under a supervisor of its own.
//!
//! The supervisor is this program once more, in a session of its own and with none of libvirt's pipes. It gets the event, and
//! as its standard input and output, which it reads from, the script's copy of the VM's XML and one of the live XML: by
//! the time that the script reads them the VM may have gone through its next event. It looks at the script and at the
//! settings anew, and then does what the hook does.

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};
use std::time::Instant;

use crate::background::OWN_PROGRAM;
use crate::domain::{Document, Input};
use crate::event::Event;
use crate::journal::Journal;
use crate::outcome::Outcome;
use crate::paths::Paths;
use crate::script::Script;
use crate::settings::{self, ScriptSettings};
use crate::supervise::{Interruption, Supervisor, aborts_fail_no_vm};
use crate::trust::Judge;

use super::scripts::Runner;

/// The name by which the program is called for this.
pub const NAME: &str = "virt-hooks-detached";

impl Runner<'_> {
    /// Whether libvirt does not wait for this script.
    pub(super) fn goes_to_the_background(&mut self, script: &Script, settings: ScriptSettings) -> bool {
        if settings.must_be_waited_for() {
            let message = "wait = false does not count, since another [[script]] makes it a filter or a veto, for which \
                           libvirt has to wait";
            self.journal.warn(Some(script.label()), message);
        }
        !settings.wait && !settings.must_be_waited_for() && !self.in_background
    }

    /// Starts a supervisor for a script.
    pub(super) fn hand_over_script(&mut self, script: &Script) -> Outcome {
        let stdin = self.stdin(script);
        let live_xml = self.live_xml.as_deref().and_then(|path| File::open(path).ok());
        match start(self.paths, script, self.event, stdin, live_xml) {
            Ok(pid) => Outcome::HandedOver { pid },
            Err(error) => Outcome::NotStarted {
                reason: format!("nothing can be started that supervises it in the background: {error}"),
            },
        }
    }
}

fn start(paths: &Paths, script: &Script, event: &Event, stdin: Stdio, live_xml: Option<File>) -> io::Result<u32> {
    let supervisor = Command::new(OWN_PROGRAM)
        .arg0(NAME)
        .arg(paths.root())
        .arg(std::process::id().to_string())
        .arg(if live_xml.is_some() { "live-xml" } else { "no-live-xml" })
        .arg(script.path())
        .arg(OsString::from_vec(script.label().to_vec()))
        .args(event.arguments())
        .stdin(stdin)
        .stdout(live_xml.map_or_else(Stdio::null, Stdio::from))
        .stderr(Stdio::null())
        .spawn()?;
    Ok(supervisor.id())
}

/// Is the supervisor.
pub fn main(arguments: Vec<OsString>) -> ExitCode {
    // Whatever ends libvirt's process group or a terminal's session must not take it along.
    _ = rustix::process::setsid();
    let interruption = Interruption::watch();
    aborts_fail_no_vm();
    // Nor must whoever looks for qemu's processes by name find it.
    _ = rustix::thread::set_name(c"virt-hooks");
    let mut arguments = arguments.into_iter();
    let mut next = || arguments.next();
    let (Some(root), Some(pid), Some(live), Some(path), Some(label)) = (next(), next(), next(), next(), next()) else {
        return ExitCode::from(2);
    };
    let pid = pid.to_str().and_then(|pid| pid.parse().ok());
    let (Some(pid), Some(event)) = (pid, Event::parse(arguments.collect())) else { return ExitCode::from(2) };
    let Some(operation) = event.operation() else { return ExitCode::from(2) };
    let paths = Paths::under(root.as_ref());
    super::panic::never_fails_a_vm(&paths, &event);
    // Its records are the event's.
    let mut journal = Journal::new(paths.log(), &event, pid);
    let judge = Judge::from(paths.root(), rustix::process::geteuid().as_raw());
    // What is wrong in them has been told.
    let (mut settings, _told) = settings::load(&paths, &judge);
    settings.event_timeout = None;
    // Held until the script has ended, which opens it by its place in this process.
    let live_xml =
        (live == "live-xml").then(|| std::os::fd::AsFd::as_fd(&rustix::stdio::stdout()).try_clone_to_owned().ok());
    let live_xml = live_xml.flatten();
    let place =
        |file: &std::os::fd::OwnedFd| PathBuf::from(format!("/proc/{}/fd/{}", std::process::id(), file.as_raw_fd()));
    let runner = Runner {
        event: &event,
        operation,
        begun: Instant::now(),
        paths: &paths,
        settings,
        judge,
        live_xml: live_xml.as_ref().map(place),
        document: &mut Document::unread(Input::Stdin),
        document_asked_for: false,
        few_descriptors: super::scripts::few_descriptors(),
        in_background: true,
        supervisor: Supervisor::new(interruption),
        journal: &mut journal,
    };
    runner.run(&[Script::at(path.into(), label.as_bytes())]);
    ExitCode::SUCCESS
}
