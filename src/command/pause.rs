//! `virt-hooks pause` and `resume`: the switch that turns scripts off in an incident.

use std::io::Write;
use std::process::ExitCode;

use clap::Args;
use jiff::{SignedDuration, Timestamp};

use super::failure::Failure;
use super::{call, only_as_root};
use crate::paths::Paths;
use crate::record::Escaped;
use crate::state::pause::Pause;

/// For how long.
#[derive(Debug, Args)]
#[command(after_help = "\
While it is paused no script runs, those with onFailure = \"abort\" included, so that nothing is refused; every event logs \
that. Scripts that run already go on. A reboot of the host ends the pause. What the hook itself does at migrations and \
for declared forwards and routes goes on.

Examples:
  virt-hooks pause
  virt-hooks pause --for 1h30m
  virt-hooks resume")]
pub(super) struct PauseArguments {
    /// How long: 90s, 15m, 1h, 1d
    #[arg(long = "for", value_name = "TIME")]
    pub(super) duration: Option<String>,
}

/// Keeps scripts from running, from the next event on.
pub(super) fn pause(arguments: &PauseArguments, paths: &Paths) -> Result<ExitCode, Failure> {
    only_as_root(paths, "pause")?;
    let until = arguments.duration.as_deref().map(end_of).transpose()?;
    let pause = Pause { until };
    pause.begin(paths.state()).map_err(|error| Failure::failed(format_args!("scripts can't be paused: {error}")))?;
    let mut out = std::io::stdout();
    writeln!(out, "{pause}: from the next event on no script runs, and none can refuse an operation.")?;
    writeln!(out, "Every event logs that. To have scripts run again: {}", call(paths, "resume"))?;
    Ok(ExitCode::SUCCESS)
}

/// Has scripts run again.
pub(super) fn resume(paths: &Paths) -> Result<ExitCode, Failure> {
    only_as_root(paths, "resume")?;
    let paused = Pause::in_force(paths.state()).is_some();
    Pause::end(paths.state()).map_err(|error| Failure::failed(format_args!("the pause can't be ended: {error}")))?;
    let said = if paused { "resumed: scripts run again, from the next event on." } else { "There was no pause." };
    writeln!(std::io::stdout(), "{said}")?;
    Ok(ExitCode::SUCCESS)
}

/// The end of a pause that begins now.
fn end_of(duration: &str) -> Result<Timestamp, Failure> {
    let wrong = || {
        let given = Escaped(duration.as_bytes());
        Failure::usage(format_args!("--for takes a time such as 90s, 15m, 1h30m or 1d, not {given}"))
    };
    // Of days and weeks only people know how long they are.
    let span: jiff::Span = duration.parse().map_err(|_| wrong())?;
    let length = span.to_duration(jiff::SpanRelativeTo::days_are_24_hours()).map_err(|_| wrong())?;
    if length < SignedDuration::from_secs(1) {
        return Err(wrong());
    }
    Timestamp::now().checked_add(length).map_err(|_| wrong())
}
