//! `wait = false`: a script that libvirt is not kept waiting for, under a supervisor of its own.
//!
//! The supervisor is this program once more, in a session of its own and with none of libvirt's pipes. It gets the event, and
//! as its standard input and output, which it reads from, the script's copy of the VM's XML and one of the live XML: by
//! the time that the script reads them the VM may have gone through its next event. It looks at the script and at the
//! settings anew, and then does what the hook does.

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};
use std::time::Instant;

use crate::domain::{Document, Input};
use crate::driver::{Driver, Event};
use crate::hook::background::OWN_PROGRAM;
use crate::paths::Paths;
use crate::process::{Interruption, Supervisor, aborts_fail_no_vm};
use crate::record::Journal;
use crate::record::outcome::Outcome;
use crate::script::{Origin, Script};
use crate::settings::{self, Keep, ScriptSettings};
use crate::trust::Judge;

use super::occasion::Occasion;
use super::report;
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
        let is_custom = script.origin() == Origin::Custom;
        if !settings.wait && !is_custom {
            let message = "wait = false does not count, since libvirt waited for this script before";
            self.journal.warn(Some(script.label()), message);
        }
        let background = !settings.wait && !settings.must_be_waited_for() && is_custom;
        if background && self.occasion == Occasion::Rehearsal {
            let message = "is waited for, since this was called by hand; libvirt would not wait (wait = false)";
            self.journal.info(Some(script.label()), message);
        }
        background && matches!(self.occasion, Occasion::Call | Occasion::Session)
    }

    /// Gives a script to a supervisor of its own. False where none can be had, and libvirt has to wait.
    pub(super) fn hand_over_script(&mut self, script: &Script) -> bool {
        let stdin = self.stdin(script);
        let live_xml = self.live_xml.as_deref().and_then(|path| File::open(path).ok());
        // Told before, since the supervisor's first record may be the next.
        report::outcome(self.journal, script.label(), &Outcome::HandedOver);
        let (paths, event) = (self.paths, self.event);
        let started = self.supervisor.without_adopting(|| start(paths, script, event, stdin, live_xml));
        if let Err(error) = &started {
            let message =
                format!("libvirt waits for it after all: no supervisor can be started in the background: {error}");
            self.journal.warn(Some(script.label()), message);
        }
        started.is_ok()
    }
}

/// Starts the supervisor by way of a process that ends at once, so that it is no descendant of this one: what it loses when
/// it ends would become this one's, and be taken for a later script's.
fn start(paths: &Paths, script: &Script, event: &Event, stdin: Stdio, live_xml: Option<File>) -> io::Result<()> {
    let mut between = Command::new(OWN_PROGRAM)
        .arg0(NAME)
        .arg(START)
        .arg(event.driver().name)
        .arg(paths.root())
        .arg(std::process::id().to_string())
        .arg(if live_xml.is_some() { LIVE_XML } else { "" })
        .arg(script.path())
        .arg(OsString::from_vec(script.label().to_vec()))
        .args(event.arguments())
        .stdin(stdin)
        .stdout(live_xml.map_or_else(Stdio::null, Stdio::from))
        .stderr(Stdio::null())
        .spawn()?;
    match between.wait() {
        Ok(status) if !status.success() => Err(io::Error::other("it could not be made independent of the hook")),
        // Where that can't be learned it may run, and it must not run twice.
        Ok(_) | Err(_) => Ok(()),
    }
}

/// The first word to the process in between, and to the supervisor.
const START: &str = "start";
const SUPERVISE: &str = "supervise";

/// Tells the supervisor that its standard output is the live XML.
const LIVE_XML: &str = "live-xml";

/// Is the process in between, or the supervisor.
pub fn main(mut arguments: Vec<OsString>) -> ExitCode {
    if arguments.first().is_some_and(|word| word == START) {
        arguments.remove(0);
        let started = Command::new(OWN_PROGRAM).arg0(NAME).arg(SUPERVISE).args(arguments).spawn();
        return ExitCode::from(u8::from(started.is_err()));
    }
    supervise(arguments)
}

fn supervise(arguments: Vec<OsString>) -> ExitCode {
    // Whatever ends libvirt's process group or a terminal's session must not take it along.
    _ = rustix::process::setsid();
    let interruption = Interruption::watch_to_the_end();
    aborts_fail_no_vm();
    // Nor must whoever looks for qemu's processes by name find it.
    _ = rustix::thread::set_name(c"virt-hooks");
    let mut arguments = arguments.into_iter();
    let mut next = || arguments.next();
    let (Some(_supervise), Some(driver), Some(root), Some(pid)) = (next(), next(), next(), next()) else {
        return ExitCode::from(2);
    };
    let (Some(live), Some(path), Some(label)) = (next(), next(), next()) else { return ExitCode::from(2) };
    let pid = pid.to_str().and_then(|pid| pid.parse().ok());
    let event = Driver::named(driver.as_bytes()).and_then(|driver| Event::parse(driver, arguments.collect()));
    let (Some(pid), Some(event)) = (pid, event) else { return ExitCode::from(2) };
    let Some(operation) = event.operation() else { return ExitCode::from(2) };
    let paths = Paths::under(root.as_ref());
    let paths =
        if paths.is_host() { super::session::paths(super::session::is_one()) } else { paths }.of(event.driver());
    super::panic::never_fails_a_vm(&paths, &event, pid);
    // Its records are the event's.
    let mut journal = Journal::new(paths.log(), &event, pid);
    let judge = Judge::from(paths.root(), rustix::process::geteuid().as_raw());
    // What is wrong in them has been told.
    let (mut settings, _told) = settings::load(&paths, &judge, Keep::Valid);
    settings.event_timeout = None;
    // It is open for as long as this process is, and the script opens it by its place there.
    let live_xml = (live == LIVE_XML).then(|| PathBuf::from(format!("/proc/{}/fd/1", std::process::id())));
    let runner = Runner {
        event: &event,
        operation,
        begun: Instant::now(),
        paths: &paths,
        settings,
        judge,
        live_xml,
        document: &mut Document::new(Input::Stdin),
        document_asked_for: false,
        few_descriptors: super::scripts::few_descriptors(),
        occasion: Occasion::Background,
        supervisor: Supervisor::new(interruption),
        journal: &mut journal,
    };
    let runs = runner.run(&[Script::at(path.into(), label.as_bytes())]);
    if runs.is_empty() {
        let message = "it did not run: since the event it has been switched off or restricted to other VMs, or its \
                       supervisor was told to end";
        journal.warn(Some(label.as_bytes()), message);
    }
    ExitCode::SUCCESS
}
