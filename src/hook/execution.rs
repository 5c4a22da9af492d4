//! One script, run: with its copy of the XML, its lock, its part of the log, and what it leaves behind.

use std::ffi::OsStr;
use std::io;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use rustix::io::Errno;

use crate::hook::background::{self, Stdout};
use crate::process::{HeldPipes, Launch, Lines, PATH, Progress, Stream};
use crate::record::outcome::{Outcome, Seconds};
use crate::record::{Level, Message};
use crate::script::{Origin, Script, is_plain_text, why_not_started};
use crate::settings::ScriptSettings;
use crate::trust::Identity;

use super::exclusive;
use super::filter::{self, Change, Output};
use super::occasion::Occasion;
use super::report::{self, Allowance};
use super::scripts::{Look, Runner};
use super::stop;

/// The home of root where the daemon has none, as under systemd. A session's daemon has one.
const HOME: &str = "/root";

/// The shell that runs a script without a `#!` line, as that of VFIO-Tools' helper does.
const SHELL: &str = "/bin/bash";

/// From how long on what was looked at may have changed, and a deadline is worth correcting.
const A_WHILE: Duration = Duration::from_millis(20);

/// How much is kept of a script's last words, in bytes.
const LAST_WORDS: usize = 1 << 10;

impl Runner<'_> {
    /// Runs a script to its end, if it is still the file that was looked at.
    pub(super) fn run_one(
        &mut self,
        script: &Script,
        settings: ScriptSettings,
        identity: Identity,
        last_words: &mut Vec<u8>,
    ) -> Outcome {
        let looked = Instant::now();
        let stdin = self.stdin(script);
        let left = self.settings.event_timeout.map(|whole| (whole, whole.saturating_sub(self.begun.elapsed())));
        if let Some((whole, Duration::ZERO)) = left {
            let reason = format!("the {} that eventTimeoutSeconds gives the event are used up", Seconds(whole));
            return Outcome::NotStarted { reason };
        }
        let mut timeout = left.map_or(settings.timeout, |(_, left)| settings.timeout.min(left));
        let mut held_until_it_has_ended = None;
        if settings.exclusive {
            let begun = Instant::now();
            match self.lock(script, timeout) {
                Ok(lock) => held_until_it_has_ended = Some(lock),
                Err(outcome) => return outcome,
            }
            let waited = begun.elapsed();
            if waited >= A_WHILE {
                timeout = timeout.saturating_sub(waited);
            }
        }
        // The XML may have been long in coming, and another run long in ending.
        if looked.elapsed() >= A_WHILE || !identity.is_at(script.path()) {
            match self.look_at(script) {
                Look::Fit(_) => {}
                Look::Unfit(outcome) => return outcome,
                Look::Ignored => return Outcome::Ignored,
            }
        }
        if self.few_descriptors {
            self.document.close_shared();
            self.journal.close();
        }
        let mut output = Output::of(settings.filter, self.operation);
        let mut allowance = Allowance::of(self.settings.max_output, self.settings.max_output);
        let mut run = self.supervise(script, stdin, timeout, &mut output, &mut allowance, last_words);
        if run.as_ref().is_err_and(|error| is_for_a_shell(script, error)) {
            let stdin = self.stdin(script);
            run = self.supervise(&script.run_by(SHELL), stdin, timeout, &mut output, &mut allowance, last_words);
        }
        let outcome = match run {
            Ok((outcome, held)) => {
                if let Some(pipes) = held {
                    self.hand_over(script, pipes, &output, allowance);
                }
                self.filtered(script, output, outcome)
            }
            Err(error) => Outcome::NotStarted { reason: why_not_started(script.path(), error).to_string() },
        };
        drop(held_until_it_has_ended);
        allowance.tell(self.journal, script.label());
        outcome
    }

    /// Waits until no other run of this script is under way on the host.
    fn lock(&mut self, script: &Script, timeout: Duration) -> Result<exclusive::Lock, Outcome> {
        let (journal, supervisor) = (&mut *self.journal, &mut self.supervisor);
        let wait = exclusive::Wait { state: self.paths.state(), event: self.event, timeout };
        wait.lock(script.label(), journal, &mut || supervisor.interrupted())
    }

    /// Takes what a filter printed for the VM's XML, if it ended well.
    fn filtered(&mut self, script: &Script, output: Output, outcome: Outcome) -> Outcome {
        let (Output::Xml(printed), Outcome::Exited { code: 0, after }) = (output, &outcome) else { return outcome };
        match filter::replace(self.document, printed) {
            Ok(change) => {
                let message = match change {
                    Change::Changed => Message::XmlChanged,
                    Change::Unchanged => Message::XmlUnchanged,
                };
                self.journal.record(Some(script.label()), &message);
                outcome
            }
            Err(reason) => Outcome::FilterRejected { reason, after: *after },
        }
    }

    fn supervise(
        &mut self,
        script: &Script,
        stdin: Stdio,
        timeout: Duration,
        output: &mut Output,
        allowance: &mut Allowance,
        last_words: &mut Vec<u8>,
    ) -> io::Result<(Outcome, Option<HeldPipes>)> {
        let absent = |name: &str, value: &'static str| std::env::var_os(name).is_none().then_some(OsStr::new(value));
        let mut environment = vec![
            ("VIRT_HOOKS_DRIVER", Some(OsStr::new(self.event.driver().name))),
            ("VIRT_HOOKS_DOMAIN", Some(self.event.domain())),
            ("VIRT_HOOKS_OPERATION", Some(self.event.operation_name())),
            ("VIRT_HOOKS_SUB_OPERATION", Some(self.event.sub_operation())),
            ("VIRT_HOOKS_EXTRA", Some(self.event.extra())),
            ("VIRT_HOOKS_LOG", Some(self.paths.log().as_os_str())),
            ("VIRT_HOOKS_LIVE_XML", self.live_xml.as_deref().map(Path::as_os_str)),
        ];
        environment.extend(absent("PATH", PATH).map(|path| ("PATH", Some(path))));
        environment.extend(absent("HOME", HOME).map(|home| ("HOME", Some(home))));
        let stops = stop::requests(self.paths);
        let arguments = self.event.arguments();
        let behind_path = || [&[script.path().as_os_str().to_owned()], arguments].concat();
        let of_shell = script.shell().map(|shell| (shell, behind_path()));
        let launch = Launch {
            program: of_shell.as_ref().map_or(script.path(), |(shell, _)| Path::new(shell)),
            arguments: of_shell.as_ref().map_or(arguments, |(_, arguments)| arguments),
            environment: &environment,
            stdin,
            timeout,
            grace: self.settings.grace,
            stops: Some(&stops),
        };
        let (journal, event) = (&mut *self.journal, self.event);
        let in_background = self.occasion == Occasion::Background;
        self.supervisor.run(launch, &mut |progress| {
            if let Progress::Printed { stream, lines } = &progress {
                match stream {
                    Stream::Stdout if output.takes(*lines) => return,
                    Stream::Stdout => {}
                    Stream::Stderr => remember(last_words, *lines),
                }
            }
            if in_background {
                // It outlives many a rotation.
                journal.follow_rotation();
            }
            // Nothing waits for a script in the background, so that it may talk to libvirt.
            let deadlocked = match &progress {
                Progress::Terminating { processes: Ok(processes), .. } if !in_background => processes.clone(),
                _ => Vec::new(),
            };
            report::progress(journal, script.label(), event, allowance, progress);
            report::deadlock(journal, script.label(), event.driver(), &deadlocked);
        })
    }

    /// A copy of the VM's XML. The first script that gets one has it read.
    pub(super) fn stdin(&mut self, script: &Script) -> Stdio {
        if !std::mem::replace(&mut self.document_asked_for, true) {
            let supervisor = &mut self.supervisor;
            self.document.read(&mut || supervisor.interrupted().is_some());
            if let Some(fault) = self.document.fault() {
                let object = self.event.driver().object;
                self.journal.warn(None, format_args!("the {object}'s XML {fault}; the scripts get what has come"));
            }
        }
        self.document.copy().unwrap_or_else(|error| {
            self.journal.warn(Some(script.label()), format_args!("starts without the XML on stdin: {error}"));
            Stdio::null()
        })
    }

    /// Has what a daemon still prints logged in the background.
    fn hand_over(&mut self, script: &Script, pipes: HeldPipes, output: &Output, allowance: Allowance) {
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
        match background::start(pipes, stdout, allowance, self.paths.log(), self.journal.pid(), label, self.event) {
            Ok(()) => self.journal.note(
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
}

/// Whether the kernel could not start a script of the tree that a shell runs itself, as VFIO-Tools' helper is one: a text
/// without a `#!` line.
fn is_for_a_shell(script: &Script, error: &io::Error) -> bool {
    let no_format = error.raw_os_error() == Some(Errno::NOEXEC.raw_os_error());
    script.origin() == Origin::Tree && no_format && is_plain_text(script.path())
}

/// Keeps the last line that says something.
fn remember(last_words: &mut Vec<u8>, lines: Lines<'_>) {
    if let Some(line) = lines.iter().filter(|line| !line.trim_ascii().is_empty()).last() {
        last_words.clear();
        last_words.extend(line.trim_ascii_end().iter().take(LAST_WORDS));
    }
}
