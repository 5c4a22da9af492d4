//! The scripts of one event, run one after another.

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::background::{self, Stdout};
use crate::domain::Document;
use crate::event::{Event, Operation};
use crate::journal::{Journal, Level, Quoted};
use crate::outcome::{Outcome, Seconds, Signal};
use crate::paths::Paths;
use crate::report;
use crate::script::{Script, why_not_started};
use crate::settings::{OnFailure, ScriptSettings, Settings, Trust};
use crate::supervise::{HeldPipes, Launch, Lines, Progress, Stream, Supervisor};
use crate::trust::{Judge, Kind, Unusable, shell};
use crate::verdict::{Run, refuses};

use super::filter::{self, Change, Output};

/// What scripts find programs by where libvirt's daemon has no PATH of its own.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The home of root where the daemon has none, as under systemd. A session's daemon has one.
const HOME: &str = "/root";

/// How much is kept of a script's last words, in bytes.
const LAST_WORDS: usize = 1 << 10;

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
    pub(super) supervisor: Supervisor,
    pub(super) journal: &'a mut Journal,
}

/// What the look at a script came to.
enum Look {
    /// It may run.
    Fit,
    /// It is not meant to run; what is to be said of that has been said.
    Ignored,
    /// It can't or must not run.
    Unfit(Outcome),
}

impl Runner<'_> {
    /// Runs those that are for this domain, and tells what became of each.
    pub(super) fn run(mut self, scripts: &[Script]) -> Vec<Run> {
        let mut runs: Vec<Run> = Vec::new();
        for script in scripts {
            if !self.settings.is_for(script.file_name(), self.event.domain()) {
                continue;
            }
            let look = self.look_at(script);
            if matches!(look, Look::Ignored) {
                continue;
            }
            if let Some(reason) = self.why_skipped(runs.last()) {
                self.journal.warn(Some(script.label()), format_args!("skipped: {reason}"));
                continue;
            }
            let settings = self.settings.of_script(script.file_name());
            let mut last_words = Vec::new();
            let outcome = match look {
                Look::Unfit(outcome) => outcome,
                _ => self.run_one(script, settings, &mut last_words),
            };
            report::outcome(self.journal, script.label(), &outcome);
            let run = Run { script: script.label().to_vec(), on_failure: settings.on_failure, outcome, last_words };
            self.tell_of_veto(&run);
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
    fn look_at(&mut self, script: &Script) -> Look {
        let label = script.label();
        let inspection = match self.judge.inspect(script.path()) {
            Ok(inspection) => inspection,
            Err(Unusable::Folder) => {
                self.journal
                    .warn(Some(label), "it is a folder, so the VM's of that name, and no script; it is ignored");
                return Look::Ignored;
            }
            Err(unusable) => return Look::Unfit(Outcome::NotStarted { reason: unusable.to_string() }),
        };
        match (inspection.kind, inspection.fault) {
            (Kind::Masked, _) => Look::Ignored,
            (Kind::NotExecutable, _) => {
                Look::Unfit(Outcome::NotExecutable { remedy: format!("chmod +x {}", shell(script.path())) })
            }
            (Kind::Program, None) => Look::Fit,
            (Kind::Program, Some(fault)) if self.settings.trust == Trust::Warn => {
                let message = format!("it can't be trusted, but runs since trust = \"warn\": {fault}");
                self.journal.warn(Some(label), message);
                Look::Fit
            }
            (Kind::Program, Some(fault)) => {
                Look::Unfit(Outcome::NotStarted { reason: format!("it can't be trusted: {fault}") })
            }
        }
    }

    fn run_one(&mut self, script: &Script, settings: ScriptSettings, last_words: &mut Vec<u8>) -> Outcome {
        let stdin = self.stdin(script);
        let left = self.settings.event_timeout.map(|whole| (whole, whole.saturating_sub(self.begun.elapsed())));
        if let Some((whole, Duration::ZERO)) = left {
            let reason = format!("the {} that eventTimeoutSeconds gives the event are used up", Seconds(whole));
            return Outcome::NotStarted { reason };
        }
        let timeout = left.map_or(settings.timeout, |(_, left)| settings.timeout.min(left));
        let mut output = Output::of(settings.filter, self.operation);
        match self.supervise(script, stdin, timeout, &mut output, last_words) {
            Ok((outcome, held)) => {
                if let Some(pipes) = held {
                    self.hand_over(script, pipes, &output);
                }
                self.filtered(script, output, outcome)
            }
            Err(error) => Outcome::NotStarted { reason: why_not_started(script.path(), error).to_string() },
        }
    }

    /// Takes what a filter printed for the VM's XML, if it ended well.
    fn filtered(&mut self, script: &Script, output: Output, outcome: Outcome) -> Outcome {
        let (Output::Xml(printed), Outcome::Exited { code: 0, after }) = (output, &outcome) else { return outcome };
        match filter::replace(self.document, printed) {
            Ok(change) => {
                let message = match change {
                    Change::Changed => "what it printed is the VM's XML from here on",
                    Change::Unchanged => "left the VM's XML as it was",
                };
                self.journal.info(Some(script.label()), message);
                outcome
            }
            Err(reason) => Outcome::NotTaken { reason, after: *after },
        }
    }

    fn supervise(
        &mut self,
        script: &Script,
        stdin: Stdio,
        timeout: Duration,
        output: &mut Output,
        last_words: &mut Vec<u8>,
    ) -> io::Result<(Outcome, Option<HeldPipes>)> {
        let absent = |name: &str, value: &'static str| std::env::var_os(name).is_none().then_some(OsStr::new(value));
        let mut environment = vec![
            ("VIRT_HOOKS_DOMAIN", Some(self.event.domain())),
            ("VIRT_HOOKS_OPERATION", Some(self.event.operation_name())),
            ("VIRT_HOOKS_SUB_OPERATION", Some(self.event.sub_operation())),
            ("VIRT_HOOKS_EXTRA", Some(self.event.extra())),
            ("VIRT_HOOKS_LOG", Some(self.paths.log().as_os_str())),
            ("VIRT_HOOKS_LIVE_XML", self.live_xml.as_deref().map(Path::as_os_str)),
        ];
        environment.extend(absent("PATH", PATH).map(|path| ("PATH", Some(path))));
        environment.extend(absent("HOME", HOME).map(|home| ("HOME", Some(home))));
        let task = Launch {
            program: script.path(),
            arguments: self.event.arguments(),
            environment: &environment,
            stdin,
            timeout,
            grace: self.settings.grace,
        };
        let (journal, event) = (&mut *self.journal, self.event);
        self.supervisor.run(task, &mut |progress| {
            if let Progress::Printed { stream, lines } = &progress {
                match stream {
                    Stream::Stdout if output.takes(*lines) => return,
                    Stream::Stdout => {}
                    Stream::Stderr => remember(last_words, *lines),
                }
            }
            report::progress(journal, script.label(), event, progress);
        })
    }

    /// A copy of the VM's XML. The first script that gets one has it read.
    fn stdin(&mut self, script: &Script) -> Stdio {
        if !std::mem::replace(&mut self.document_asked_for, true) {
            let supervisor = &mut self.supervisor;
            self.document.read(&mut || supervisor.interrupted().is_some());
            if let Some(fault) = self.document.fault() {
                self.journal.warn(None, format_args!("the VM's XML {fault}; the scripts get what has come"));
            }
        }
        self.document.copy().unwrap_or_else(|error| {
            self.journal.warn(Some(script.label()), format_args!("starts without the VM's XML on stdin: {error}"));
            Stdio::null()
        })
    }

    /// Has what a daemon still prints logged in the background.
    fn hand_over(&mut self, script: &Script, pipes: HeldPipes, output: &Output) {
        let label = script.label();
        let (stdout, then) = match output {
            Output::Logged => (Stdout::Logged, "what it still prints is logged in the background"),
            Output::Dropped | Output::Xml(_) => {
                (Stdout::Dropped, "what it still prints to stderr is logged in the background, to stdout dropped")
            }
        };
        // What it goes on with is missing in what the filter printed.
        let cut = pipes.stdout.is_some() && matches!(output, Output::Xml(_));
        let level = if cut { Level::Warn } else { Level::Info };
        match background::start(pipes, stdout, self.paths.log(), label, self.event) {
            Ok(()) => self.journal.record(
                level,
                Some(label),
                format_args!(
                    "left something running that holds its output; it is neither ended nor waited for, and {then}"
                ),
            ),
            Err(error) => self.journal.warn(
                Some(label),
                format_args!(
                    "left something running that holds its output, and nothing can be started to log it: {error}; \
                     it may be ended by SIGPIPE when it next prints"
                ),
            ),
        }
    }

    /// Tells that a script refused the operation, or that one was to and here can't.
    fn tell_of_veto(&mut self, run: &Run) {
        let operation = self.operation.name();
        let interrupted = matches!(run.outcome, Outcome::Interrupted { .. });
        let asked = run.on_failure == OnFailure::Abort && run.outcome.is_failure() && !interrupted;
        if refuses(self.operation, run) {
            let message = format!("{operation} is refused, since onFailure = \"abort\" is set for this script");
            self.journal.error(Some(&run.script), message);
        } else if asked && !self.operation.can_be_refused() {
            let why = match self.operation {
                Operation::Started | Operation::Reconnect => "it would kill the running VM",
                _ => "libvirt pays no heed to it there",
            };
            let message = format!("onFailure = \"abort\" does not count on {operation}, since {why}");
            self.journal.warn(Some(&run.script), message);
        }
    }
}

/// Keeps the last line that says something.
fn remember(last_words: &mut Vec<u8>, lines: Lines<'_>) {
    if let Some(line) = lines.iter().filter(|line| !line.trim_ascii().is_empty()).last() {
        last_words.clear();
        last_words.extend(line.trim_ascii_end().iter().take(LAST_WORDS));
    }
}
