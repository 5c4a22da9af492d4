//! `virt-hooks stop`: the end of a script that hangs.

use std::io::Write;
use std::process::ExitCode;
use std::thread::sleep;
use std::time::{Duration, Instant};

use clap::Args;

use super::failure::Failure;
use super::host::running::{Run, runs};
use super::{call, judge, only_as_root};
use crate::hook::stop::Request;
use crate::paths::Paths;
use crate::record::Quoted;
use crate::settings::{self, Keep};

/// Which run.
#[derive(Debug, Args)]
#[command(after_help = "\
The script gets SIGTERM, and after graceSeconds SIGKILL, with everything that it started. The log says that it was stopped; it \
counts as failed, so that a script with onFailure = \"abort\" refuses the operation. The rest of the event goes on.

Examples:
  virt-hooks status
  virt-hooks stop 4822")]
pub(super) struct Arguments {
    /// The run's number in virt-hooks status: the script's process id, as in the log
    #[arg(value_name = "RUN")]
    run: i32,
}

/// Time for SIGKILL to take effect, and for a busy host.
const MARGIN: Duration = Duration::from_secs(5);

/// Interval of the checks for the script's end.
const INTERVAL: Duration = Duration::from_millis(20);

/// Ends a script that runs.
pub(super) fn stop(arguments: &Arguments, paths: &Paths) -> Result<ExitCode, Failure> {
    only_as_root(paths, "stop")?;
    let (settings, _problems) = settings::load(paths, &judge(paths), Keep::Nothing);
    let find = || -> Result<Option<Run>, Failure> {
        let runs = runs(paths, &settings).map_err(|error| Failure::failed(format_args!("/proc: {error}")))?;
        Ok(runs.into_iter().find(|run| run.pid == arguments.run && run.script.is_some()))
    };
    let Some(run) = find()? else {
        let again = call(paths, "status");
        return Err(Failure::failed(format_args!("{} is not a run of a script; fix: {again}", arguments.run)));
    };
    let name = format!("{} of {}", Quoted::bytes(run.script.as_deref().unwrap_or_default()), Quoted::name(&run.domain));
    let _request = Request::send(paths, run.pid, run.supervisor)
        .map_err(|error| Failure::failed(format_args!("{name} cannot be stopped: {error}")))?;
    let end = Instant::now() + settings.grace + MARGIN;
    while find()?.is_some_and(|now| now.since.is_some() && now.supervisor == run.supervisor) {
        if Instant::now() >= end {
            let message = format!("{name} still runs; fix: virt-hooks log -n 20");
            return Err(Failure::failed(message));
        }
        sleep(INTERVAL);
    }
    writeln!(std::io::stdout(), "stopped {name}")?;
    Ok(ExitCode::SUCCESS)
}
