//! One event, top to bottom: what the specification says that the script does when libvirt calls it.

pub mod background;
pub(crate) mod called;
pub mod detached;
mod exclusive;
mod execution;
mod filter;
mod libvirt_client;
mod occasion;
pub mod panic;
mod report;
mod scripts;
pub mod session;
pub(crate) mod stop;
pub mod verdict;

use std::ffi::OsString;
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::process::ExitCode;
use std::time::Instant;

use rustix::event::{PollFd, PollFlags};
use rustix::io::Errno;

use crate::cloudstack;
use crate::domain::{Document, Input, LiveXml};
use crate::driver::{Driver, Event, Stage};
use crate::hook::verdict::{Run, Verdict};
use crate::network::Lifecycle;
use crate::paths::Paths;
use crate::process::{Interruption, Supervisor, aborts_fail_no_vm};
use crate::record::{Journal, Message};
use crate::script::discover;
use crate::settings::{self, Keep};
use crate::state::pause::Pause;
use crate::trust::Judge;

pub use self::occasion::Occasion;

use self::scripts::Runner;

/// What a call with too few arguments is answered. A program that holds this sentence is this one.
pub(crate) const USAGE: &str =
    "virt-hooks, called as libvirt's hook, takes four arguments: OBJECT OPERATION SUB-OPERATION EXTRA";

/// What an event came to.
#[derive(Debug)]
pub struct Conclusion {
    /// What became of its scripts, in the order in which they ran.
    pub runs: Vec<Run>,
    /// What libvirt is told.
    pub verdict: Verdict,
    /// The domain's new XML, where it changed and libvirt takes it back.
    pub xml: Option<Vec<u8>>,
}

/// Answers one call by libvirt. The exit code is 0, 1 for a veto that the settings ask for, or 2 for a call with too few
/// arguments, which libvirt never makes.
pub fn main(driver: &'static Driver, arguments: Vec<OsString>) -> ExitCode {
    let interruption = Interruption::watch_to_the_end();
    aborts_fail_no_vm();
    let Some(event) = Event::parse(driver, arguments) else {
        tell(USAGE);
        return ExitCode::from(2);
    };
    let is_session = session::is_one();
    if is_session && !session::runs_scripts(&Paths::system()) {
        return ExitCode::SUCCESS;
    }
    let paths = session::paths(is_session).of(driver);
    let occasion = if is_session { Occasion::Session } else { Occasion::Call };
    panic::never_fails_a_vm(&paths, &event, std::process::id());
    if occasion == Occasion::Call {
        called::record(&paths, driver);
    }
    let mut journal = Journal::new(paths.log(), &event, std::process::id());
    let document = Document::new(if driver.dump.is_some() { Input::Stdin } else { Input::Nothing });
    let conclusion = handle(&event, occasion, document, &paths, &mut journal, interruption);
    // It is no veto: whatever libvirt got, it takes or refuses itself.
    _ = conclusion.hand_back_xml(&mut journal);
    match (&conclusion.verdict, journal.fault()) {
        // libvirt shows it to whoever asked for the operation: one line, about that.
        (Verdict::Refuse { reason }, _) => tell(reason),
        // libvirt drops it, but a person who tries the hook by hand sees it.
        (Verdict::GoOn, Some(fault)) => tell(&format!("virt-hooks: {fault}")),
        (Verdict::GoOn, None) => {}
    }
    ExitCode::from(conclusion.verdict.exit_code())
}

/// Does what is to be done at an event.
pub fn handle(
    event: &Event,
    occasion: Occasion,
    mut document: Document,
    paths: &Paths,
    journal: &mut Journal,
    interruption: Interruption,
) -> Conclusion {
    let begun = Instant::now();
    let Some(operation) = event.operation() else {
        let operation = event.operation_name().as_bytes().into();
        let (driver, why) = (event.driver().name.as_bytes().into(), "; no script runs".into());
        journal.record(None, &Message::InvalidOperation { operation, driver, why });
        return Conclusion { runs: Vec::new(), verdict: Verdict::GoOn, xml: None };
    };

    let mut supervisor = Supervisor::new(interruption);
    let live_xml = match occasion {
        Occasion::Call | Occasion::Session | Occasion::Background => LiveXml::of(paths.state(), &event.object()),
        Occasion::Rehearsal => LiveXml::rehearsed(paths.state(), &event.object()),
    };
    if let Some(live_xml) = &live_xml {
        if operation.shows_live_xml() {
            document.read(&mut || supervisor.interrupted().is_some());
            keep_live_xml(live_xml, &document, journal);
        } else if operation.stage() == Stage::Preparing {
            // Whatever is there is of an earlier life whose release was never told.
            forget_live_xml(live_xml, journal);
        }
    }

    if occasion != Occasion::Session && cloudstack::renames_bridges_at(event, operation) {
        document.read(&mut || supervisor.interrupted().is_some());
        cloudstack::rename_bridges(&mut document, paths, journal);
    }

    // Declared forwards and routes: looked at at start, which they may refuse if the settings ask for that; given at started,
    // reconnect and attach; taken away at prepare, stopped and release. A pause does not hold for them.
    let mut network = Lifecycle::of(event, operation, paths);
    let refusal = match occasion {
        Occasion::Call => network.perform(&mut document, &mut supervisor, journal),
        Occasion::Rehearsal => network.rehearse(&mut document, &mut supervisor, journal),
        Occasion::Session | Occasion::Background => None,
    };
    if let Some(reason) = refusal {
        return Conclusion { runs: Vec::new(), verdict: Verdict::Refuse { reason }, xml: None };
    }

    let (scripts, unread_folders) = discover(paths, event, operation);
    for error in unread_folders {
        journal.error(None, format_args!("{error}; the scripts in it don't run"));
    }
    let mut runs = Vec::new();
    let pause = Pause::in_force(paths.state()).filter(|_| occasion == Occasion::Call);
    if let Some(pause) = &pause {
        report::paused(journal, pause, &scripts);
    } else if !scripts.is_empty() {
        let judge = Judge::from(paths.root(), rustix::process::geteuid().as_raw());
        let (settings, problems) = settings::load(paths, &judge, Keep::Valid);
        for (file, problem) in &problems {
            problem.record(journal, "settings", file);
        }
        let live_xml = live_xml.as_ref().and_then(LiveXml::file);
        let runner = Runner {
            event,
            operation,
            begun,
            paths,
            settings,
            judge,
            live_xml,
            document: &mut document,
            document_asked_for: false,
            few_descriptors: scripts::few_descriptors(),
            occasion,
            supervisor,
            journal,
        };
        runs = runner.run(&scripts);
    }

    if let (Stage::Released, Some(live_xml)) = (operation.stage(), &live_xml) {
        forget_live_xml(live_xml, journal);
        if occasion == Occasion::Call {
            // Whoever gave something to all VMs that run may have taken this one for one of them until now.
            network.remove_late(journal);
        }
    }
    let verdict = Verdict::on(operation, &runs);
    let xml = document.changed().filter(|_| verdict == Verdict::GoOn);
    Conclusion { runs, verdict, xml }
}

impl Conclusion {
    /// Prints the domain's new XML, which libvirt takes, if there is one. Where nothing has changed nothing is printed,
    /// since any output taints the domain (libvirt.org/hooks.html).
    ///
    /// # Errors
    /// Where it can't be printed, which has been recorded.
    pub fn hand_back_xml(&self, journal: &mut Journal) -> io::Result<()> {
        let Some(xml) = &self.xml else { return Ok(()) };
        print_whole(xml).inspect_err(|error| {
            let message = format!(
                "the changed XML could not be printed: {error}; what libvirt got of it is not whole, and it refuses the VM \
                 or takes the XML as it was; try the operation again"
            );
            journal.error(None, message);
        })
    }
}

/// Writes all of it to stdout. Only libvirt itself can make this wait, by not reading what it asked for.
fn print_whole(mut bytes: &[u8]) -> io::Result<()> {
    let stdout = rustix::stdio::stdout();
    while !bytes.is_empty() {
        match rustix::io::write(stdout, bytes) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(count) => bytes = bytes.get(count..).unwrap_or_default(),
            Err(Errno::INTR) => {}
            // Whoever else has the same pipe may have made it so.
            Err(Errno::AGAIN) => {
                _ = rustix::event::poll(&mut [PollFd::new(&stdout, PollFlags::OUT)], None);
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// Keeps what is known of a domain only while it runs, for the scripts of `stopped` and `release`.
fn keep_live_xml(live_xml: &LiveXml, document: &Document, journal: &mut Journal) {
    if let Some(fault) = document.fault() {
        return journal.warn(None, format_args!("the domain's XML {fault}; it is not kept for stopped and release"));
    }
    if document.bytes().is_empty() {
        return;
    }
    if let Err(error) = live_xml.write(document.bytes()) {
        journal.warn(None, format_args!("the live XML can't be kept for stopped and release: {error}"));
    }
}

fn forget_live_xml(live_xml: &LiveXml, journal: &mut Journal) {
    if let Err(error) = live_xml.remove() {
        journal.warn(None, format_args!("the live XML of a VM that has ended can't be removed: {error}"));
    }
}

/// Says one line on stderr.
fn tell(line: &str) {
    // A closed stderr is no failure.
    _ = writeln!(std::io::stderr(), "{line}");
}
