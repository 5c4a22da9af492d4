//! What libvirt is told: one function of all outcomes.

use crate::driver::{ExitCode, Operation};
use crate::record::outcome::Outcome;
use crate::record::{Escaped, Quoted};
use crate::settings::OnFailure;

/// What became of a script, with what the verdict needs to know besides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// What records call the script.
    pub script: Vec<u8>,
    /// What its failure means, by the settings.
    pub on_failure: OnFailure,
    /// What became of it.
    pub outcome: Outcome,
    /// The last line that it printed to stderr.
    pub last_words: Vec<u8>,
}

/// What libvirt is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// To go on.
    GoOn,
    /// To refuse the operation.
    Refuse {
        /// What the person at `virsh` reads: which script, what became of it, and its last words.
        reason: String,
    },
}

impl Verdict {
    /// The verdict on an operation after these scripts: to go on, unless one that may refuse it failed.
    pub fn on(operation: Operation, runs: &[Run]) -> Self {
        match runs.iter().find(|run| refuses(operation, run)) {
            Some(run) => Self::Refuse { reason: reason(operation, run) },
            None => Self::GoOn,
        }
    }

    /// The hook's exit code.
    pub const fn exit_code(&self) -> u8 {
        match self {
            Self::GoOn => 0,
            Self::Refuse { .. } => 1,
        }
    }
}

/// Whether what became of a script refuses the operation, so that the scripts after it are skipped.
///
/// A failure counts where the settings ask for it and where nothing runs yet. On `started` and `reconnect` libvirt would
/// kill the running VM, on the others it pays no heed. A hook that was kept may kill the VM, as it could before, but only by
/// its own exit: no deadline and no lack of trust does.
pub const fn refuses(operation: Operation, run: &Run) -> bool {
    // A hook that is told to end says nothing about the VM.
    let interrupted = matches!(run.outcome, Outcome::Interrupted { .. });
    let ended_itself = matches!(run.outcome, Outcome::Exited { .. } | Outcome::Signaled { .. });
    let counts = match run.on_failure {
        OnFailure::Continue => false,
        OnFailure::Abort => operation.can_be_refused(),
        OnFailure::AsHook => match operation.exit_code() {
            ExitCode::Refuses => true,
            ExitCode::Kills => ended_itself,
            ExitCode::Ignored => false,
        },
    };
    counts && run.outcome.is_failure() && !interrupted
}

fn reason(operation: Operation, run: &Run) -> String {
    let (script, operation, outcome) = (Quoted::bytes(&run.script), operation.name(), &run.outcome);
    let words = if run.last_words.is_empty() { "" } else { ": " };
    format!("virt-hooks: the script {script} refused {operation}: {outcome}{words}{}", Escaped(&run.last_words))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::driver::QEMU;
    use std::time::Duration;

    #[test]
    fn only_a_failure_that_the_settings_make_a_veto_refuses_and_only_where_nothing_runs() {
        let after = Duration::ZERO;
        let outcomes = [
            (Outcome::Exited { code: 0, after }, false),
            (Outcome::Exited { code: 1, after }, true),
            (Outcome::Exited { code: 255, after }, true),
            (Outcome::Signaled { signal: 9, after }, true),
            (Outcome::TimedOut { limit: after, after, ended: true }, true),
            (Outcome::Stopped { after }, true),
            (Outcome::NotStarted { reason: String::new() }, true),
            (Outcome::NotExecutable { remedy: String::new() }, false),
            (Outcome::Interrupted { signal: 15, after }, false),
        ];
        let refusable = ["prepare", "start", "migrate", "restore"];
        for &operation in QEMU.operations {
            for (outcome, failed) in &outcomes {
                let code = |on_failure| {
                    let run =
                        Run { script: b"x".to_vec(), on_failure, outcome: outcome.clone(), last_words: Vec::new() };
                    Verdict::on(operation, &[run]).exit_code()
                };
                let expected = u8::from(*failed && refusable.contains(&operation.name()));
                assert_eq!(code(OnFailure::Abort), expected, "{operation:?} {outcome:?}");
                assert_eq!(code(OnFailure::Continue), 0, "{operation:?} {outcome:?}");
            }
        }
    }

    #[test]
    fn the_reason_is_one_line_with_the_script_the_cause_and_its_last_words() {
        let run = Run {
            script: b"start_gate.sh".to_vec(),
            on_failure: OnFailure::Abort,
            outcome: Outcome::Exited { code: 3, after: Duration::from_millis(7) },
            last_words: b"no licence\nfor this".to_vec(),
        };
        let Verdict::Refuse { reason } = Verdict::on(QEMU.operation(b"start").expect("an operation"), &[run]) else {
            unreachable!("it refuses")
        };
        let expected =
            "virt-hooks: the script start_gate.sh refused start: exited with 3 after 7 ms: no licence\\nfor this";
        assert_eq!(reason, expected);
    }
}
