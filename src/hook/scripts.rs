//! The scripts of one event, run one after another.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::background;
use crate::domain::Document;
use crate::event::{Event, Operation};
use crate::journal::{Journal, Quoted};
use crate::outcome::{Outcome, Signal};
use crate::paths::Paths;
use crate::report;
use crate::script::{Judge, Kind, Script, shell, why_not_started};
use crate::settings::{self, OnFailure, ScriptSettings, Settings, Trust};
use crate::supervise::{HeldPipes, Interruption, Lines, Progress, Stream, Supervisor, Task};
use crate::verdict::{Run, refuses};

/// What scripts find programs by where libvirt's daemon has no PATH of its own.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The home of the hook's user where the daemon has none, as under systemd: root's.
const HOME: &str = "/root";

/// How much is kept of a script's last words, in bytes.
const LAST_WORDS: usize = 1 << 10;

/// Runs the scripts of one event.
pub(super) struct Scripts<'a> {
    event: &'a Event,
    operation: Operation,
    paths: &'a Paths,
    live_xml: Option<PathBuf>,
    document: Document,
    journal: &'a mut Journal,
    settings: Settings,
    judge: Judge,
    supervisor: Supervisor,
    /// The arguments as records show them.
    arguments: String,
    begun: Instant,
}

impl<'a> Scripts<'a> {
    /// Reads what running scripts needs and an event without scripts does not.
    pub(super) fn new(
        event: &'a Event,
        operation: Operation,
        paths: &'a Paths,
        live_xml: Option<PathBuf>,
        mut document: Document,
        journal: &'a mut Journal,
        interruption: Interruption,
    ) -> Self {
        let begun = Instant::now();
        let judge = Judge::from(paths.root());
        let (settings, problems) = settings::load(paths, &judge);
        for (file, problem) in problems {
            journal.error(None, format_args!("settings {}: {problem}", Quoted::path(&file)));
            for line in problem.place.iter().flat_map(settings::Place::picture) {
                journal.error(None, crate::journal::Escaped(line.as_bytes()));
            }
        }
        if let Some(fault) = document.fault() {
            journal.warn(None, format_args!("the VM's XML {fault}; the scripts get what has come"));
        }
        // Scripts start where libvirt starts the hook. Where that fails they start where it is.
        _ = std::env::set_current_dir("/");
        let supervisor = Supervisor::new(interruption);
        let arguments = report::arguments(event.arguments());
        Self { event, operation, paths, live_xml, document, journal, settings, judge, supervisor, arguments, begun }
    }

    /// Runs those that are for this domain, and tells what became of each.
    pub(super) fn run(mut self, scripts: &[Script]) -> Vec<Run> {
        let mut runs: Vec<Run> = Vec::new();
        for script in scripts {
            if !self.settings.is_for(script.file_name(), self.event.domain()) {
                continue;
            }
            if let Some(reason) = self.why_skipped(runs.last()) {
                self.journal.warn(Some(script.label()), format_args!("skipped: {reason}"));
                continue;
            }
            let settings = self.settings.of_script(script.file_name());
            let mut last_words = Vec::new();
            let Some(outcome) = self.run_one(script, settings, &mut last_words) else {
                continue;
            };
            report::outcome(self.journal, script.label(), &outcome);
            runs.push(Run { script: script.label().to_vec(), on_failure: settings.on_failure, outcome, last_words });
            self.warn_of_idle_veto(runs.last());
        }
        runs
    }

    /// Why no further script runs, if so: the hook was told to end, or the last script refused the operation.
    fn why_skipped(&mut self, last: Option<&Run>) -> Option<String> {
        if let Some(signal) = self.supervisor.interrupted() {
            return Some(format!("the hook received {}", Signal(signal)));
        }
        let last = last.filter(|run| refuses(self.operation, run))?;
        Some(format!("{} refused the operation", Quoted::bytes(&last.script)))
    }

    /// What became of one script; nothing where it is switched off.
    fn run_one(&mut self, script: &Script, settings: ScriptSettings, last_words: &mut Vec<u8>) -> Option<Outcome> {
        let inspection = match self.judge.inspect(script.path()) {
            Ok(inspection) => inspection,
            Err(unusable) => {
                return Some(Outcome::NotStarted { reason: unusable.to_string() });
            }
        };
        match (inspection.kind, inspection.fault) {
            (Kind::Masked, _) => return None,
            (Kind::NotExecutable, _) => {
                return Some(Outcome::NotExecutable { remedy: format!("chmod +x {}", shell(script.path())) });
            }
            (Kind::Program, Some(fault)) if self.settings.trust == Trust::Strict => {
                return Some(Outcome::NotStarted { reason: format!("it can't be trusted: {fault}") });
            }
            (Kind::Program, Some(fault)) => {
                let message = format!("it can't be trusted, but runs since trust = \"warn\": {fault}");
                self.journal.warn(Some(script.label()), message);
            }
            (Kind::Program, None) => {}
        }
        let timeout = match self.time_left() {
            Some(Duration::ZERO) => {
                return Some(Outcome::NotStarted { reason: "eventTimeoutSeconds is over".to_owned() });
            }
            Some(left) => settings.timeout.min(left),
            None => settings.timeout,
        };
        Some(match self.supervise(script, timeout, last_words) {
            Ok((outcome, held)) => {
                if let Some(pipes) = held {
                    self.hand_over(script, pipes);
                }
                outcome
            }
            Err(error) => Outcome::NotStarted { reason: why_not_started(script.path(), error).to_string() },
        })
    }

    /// How much is left of the whole event's time, if that is bounded.
    fn time_left(&self) -> Option<Duration> {
        Some(self.settings.event_timeout?.saturating_sub(self.begun.elapsed()))
    }

    fn supervise(
        &mut self,
        script: &Script,
        timeout: Duration,
        last_words: &mut Vec<u8>,
    ) -> std::io::Result<(Outcome, Option<HeldPipes>)> {
        let stdin = self.document.copy().unwrap_or_else(|error| {
            self.journal.warn(Some(script.label()), format_args!("starts without the VM's XML on stdin: {error}"));
            Stdio::null()
        });
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
        let task = Task {
            program: script.path(),
            arguments: self.event.arguments(),
            environment: &environment,
            stdin,
            timeout,
            grace: self.settings.grace,
        };
        let (journal, arguments) = (&mut *self.journal, self.arguments.as_str());
        let ended = self.supervisor.run(task, &mut |progress| {
            if let Progress::Printed { stream: Stream::Stderr, lines } = &progress {
                remember(last_words, *lines);
            }
            report::progress(journal, script.label(), arguments, progress);
        });
        // It may have written to the log itself.
        self.journal.unsettle();
        ended
    }

    /// Has what a daemon still prints logged in the background.
    fn hand_over(&mut self, script: &Script, pipes: HeldPipes) {
        let label = script.label();
        match background::start(pipes, self.paths.log(), label, self.event) {
            Ok(()) => self.journal.info(
                Some(label),
                "left something running that holds its output; it is neither ended nor waited for, and what it still \
                 prints is logged in the background",
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

    /// Tells whoever asked for a veto that this operation has none.
    fn warn_of_idle_veto(&mut self, last: Option<&Run>) {
        let Some(run) = last else { return };
        let idle = run.on_failure == OnFailure::Abort && run.outcome.is_failure() && !self.operation.can_be_refused();
        if idle {
            let operation = self.operation.name();
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
