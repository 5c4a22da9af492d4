//! `virt-hooks check`: everything that keeps a script from running, each with what mends it.

use std::process::ExitCode;

use clap::Args;

use super::failure::Failure;
use crate::paths::Paths;

/// How the findings are shown.
#[derive(Debug, Args)]
#[command(after_help = "\
The exit code is 1 if there is an error, 0 if there are only warnings or nothing at all.

Examples:
  virt-hooks check
  virt-hooks check --json | jq -r '.[].remedy'
  virt-hooks --root /mnt/image check")]
pub(super) struct Arguments {
    /// As a JSON array of {severity, subject, message, remedy}
    #[arg(long)]
    pub(super) json: bool,
}

pub(super) fn check(_arguments: &Arguments, _paths: &Paths) -> Result<ExitCode, Failure> {
    Err(Failure::failed("check is not there yet"))
}
