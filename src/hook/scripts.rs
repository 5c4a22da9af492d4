//! The scripts of one event, run one after another.

use std::path::{Path, PathBuf};
use std::time::Instant;

use rustix::process::Resource;

use crate::domain::Document;
use crate::driver::{Event, ExitCode, Operation};
use crate::hook::verdict::{Run, refuses};
use crate::paths::Paths;
use crate::process::Supervisor;
use crate::record::outcome::{Outcome, Signal};
use crate::record::{Journal, Message, Quoted};
use crate::script::{Origin, Script};
use crate::settings::{Filter, OnFailure, ScriptSettings, Settings, Trust};
use crate::trust::{Identity, Judge, Kind, Unusable, shell};

use super::background::OWN_PROGRAM;
use super::occasion::Occasion;
use super::report;

/// Runs the scripts of one event.
pub(super) struct Runner<'a> {
    pub(super) event: &'a Event,
    pub(super) operation: Operation,
    pub(super) begun: Instant,
    pub(super) paths: &'a Paths,
    pub(super) settings: Settings,
    pub(super) judge: Judge,
    pub(super) live_xml: Option<PathBuf>,
    pub(super) document: &'a mut Document,
    /// A script has got a copy of it.
    pub(super) document_asked_for: bool,
    /// The process may have so few descriptors that none can be held without need.
    pub(super) few_descriptors: bool,
    /// Why the event is handled.
    pub(super) occasion: Occasion,
    pub(super) supervisor: Supervisor,
    pub(super) journal: &'a mut Journal,
}

/// What the look at a script came to.
pub(super) enum Look {
    /// It may run, if it is still this file then.
    Fit(Identity),
    /// It is not meant to run; what is to be said of that has been said.
    Ignored,
    /// It can't or must not run.
    Unfit(Outcome),
}

/// Whether the process may have no more descriptors than a script's start takes, with those that are always open: 12.
pub(super) fn few_descriptors() -> bool {
    const FEW: u64 = 32;
    rustix::process::getrlimit(Resource::Nofile).current.is_some_and(|most| most < FEW)
}

impl Runner<'_> {
    /// Runs those that are for this domain, and tells what became of each.
    pub(super) fn run(mut self, scripts: &[Script]) -> Vec<Run> {
        let mut runs: Vec<Run> = Vec::new();
        // VFIO-Tools' helper ends with the first script that fails.
        let mut failed_in_tree: Option<Vec<u8>> = None;
        for script in scripts {
            if !self.settings.is_for(script.file_name(), self.event.domain()) {
                continue;
            }
            let look = self.look_at(script);
            if matches!(look, Look::Ignored) {
                continue;
            }
            let after_failure = failed_in_tree.as_deref().filter(|_| script.origin() == Origin::Tree);
            let reason = self.why_skipped(runs.last());
            let reason = reason.or_else(|| Some(format!("{} failed", Quoted::bytes(after_failure?))));
            if let Some(reason) = reason {
                self.journal.record(Some(script.label()), &Message::Skipped { why: reason.into() });
                continue;
            }
            let mut settings = match script.origin() {
                Origin::Custom => self.settings.of_script(script.file_name()),
                Origin::Tree | Origin::Kept => self.settings.of_hook(script.file_name()),
            };
            let may_kill = self.operation.exit_code() == ExitCode::Kills && settings.on_failure == OnFailure::AsHook;
            if script.origin() == Origin::Tree && may_kill {
                // Scripts that no helper called until now must not end a running VM.
                settings.on_failure = OnFailure::Abort;
            }
            if self.occasion == Occasion::Background {
                // Whatever the settings say by now, nobody waits for a veto or for the XML.
                settings = ScriptSettings { on_failure: OnFailure::Continue, wait: false, ..settings };
                settings.filter = if settings.filter == Filter::No { Filter::No } else { Filter::Unclear };
            }
            let mut last_words = Vec::new();
            let outcome = match look {
                Look::Ignored => continue,
                Look::Unfit(outcome) => outcome,
                Look::Fit(_) if self.goes_to_the_background(script, settings) && self.hand_over_script(script) => {
                    Outcome::HandedOver
                }
                Look::Fit(identity) => self.run_one(script, settings, identity, &mut last_words),
            };
            if outcome != Outcome::HandedOver {
                report::outcome(self.journal, script.label(), &outcome);
            }
            let run = Run { script: script.label().to_vec(), on_failure: settings.on_failure, outcome, last_words };
            self.tell_of_veto(&run);
            if script.origin() == Origin::Tree && run.on_failure != OnFailure::Continue && run.outcome.is_failure() {
                failed_in_tree = Some(run.script.clone());
            }
            runs.push(run);
        }
        runs
    }

    /// Why no further script runs, if so: the hook was told to end, or the last script refused the operation.
    fn why_skipped(&mut self, last: Option<&Run>) -> Option<String> {
        if let Some(signal) = self.supervisor.interrupted() {
            return Some(format!("the hook received signal {}", Signal(signal)));
        }
        let last = last.filter(|run| refuses(self.operation, run))?;
        Some(format!("{} refused the operation", Quoted::bytes(&last.script)))
    }

    /// Whether a script is there, executable, and to be trusted.
    pub(super) fn look_at(&mut self, script: &Script) -> Look {
        let label = script.label();
        let inspection = match self.judge.inspect(script.path()) {
            Ok(inspection) => inspection,
            // The helper passes over whatever is no executable file.
            Err(
                Unusable::Folder
                | Unusable::Empty
                | Unusable::NotAFile(_)
                | Unusable::Dangling { .. }
                | Unusable::Vanished,
            ) if script.origin() == Origin::Tree => {
                return Look::Ignored;
            }
            Err(Unusable::Folder) => {
                self.journal
                    .warn(Some(label), "it is a folder, so the VM's of that name, and no script; it is ignored");
                return Look::Ignored;
            }
            Err(unusable) => return Look::Unfit(Outcome::NotStarted { reason: unusable.to_string() }),
        };
        if script.origin() == Origin::Kept && inspection.identity.is_at(Path::new(OWN_PROGRAM)) {
            let message = "it leads to virt-hooks itself, which would call itself without end; it is ignored";
            self.journal.error(Some(label), message);
            return Look::Ignored;
        }
        match (inspection.kind, inspection.fault) {
            (Kind::Masked, _) => Look::Ignored,
            (Kind::NotExecutable, _) if script.origin() == Origin::Tree => Look::Ignored,
            (Kind::NotExecutable, _) => {
                Look::Unfit(Outcome::NotExecutable { remedy: format!("chmod +x {}", shell(script.path())) })
            }
            (Kind::Program, None) => Look::Fit(inspection.identity),
            (Kind::Program, Some(fault)) if self.settings.trust == Trust::Warn => {
                let message = format!("it can't be trusted, but runs since trust = \"warn\": {fault}");
                self.journal.warn(Some(label), message);
                Look::Fit(inspection.identity)
            }
            (Kind::Program, Some(fault)) => {
                Look::Unfit(Outcome::NotStarted { reason: format!("it can't be trusted: {fault}") })
            }
        }
    }

    /// Tells that a script refused the operation, or that one was to and here can't.
    fn tell_of_veto(&mut self, run: &Run) {
        let operation = self.operation.name();
        let interrupted = matches!(run.outcome, Outcome::Interrupted { .. });
        let asked = run.on_failure == OnFailure::Abort && run.outcome.is_failure() && !interrupted;
        if refuses(self.operation, run) {
            let why = match run.on_failure {
                OnFailure::AsHook => "libvirt takes a hook's exit code for a veto here".into(),
                OnFailure::Continue | OnFailure::Abort => "onFailure = \"abort\" is set for this script".into(),
            };
            self.journal.record(Some(&run.script), &Message::Refused { operation: operation.as_bytes().into(), why });
        } else if asked && !self.operation.can_be_refused() {
            let why = match self.operation.exit_code() {
                ExitCode::Kills => self.event.driver().harm,
                ExitCode::Refuses | ExitCode::Ignored => "libvirt pays no heed to it there",
            };
            let message = format!("onFailure = \"abort\" does not count on {operation}, since {why}");
            self.journal.warn(Some(&run.script), message);
        }
    }
}
