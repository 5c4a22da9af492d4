//! `virt-hooks uninstall`: the hook taken out of its place.

use std::process::ExitCode;

use clap::Args;

use super::failure::Failure;
use crate::paths::Paths;

/// How the hook is taken out.
#[derive(Debug, Args)]
#[command(after_help = "\
Your scripts, your settings and the log stay. A hook that `install` kept is put back.

Examples:
  virt-hooks uninstall
  virt-hooks uninstall --dry-run")]
pub(super) struct Arguments {
    /// Only tell what would be done
    #[arg(long)]
    pub(super) dry_run: bool,
}

pub(super) fn uninstall(_arguments: &Arguments, _paths: &Paths) -> Result<ExitCode, Failure> {
    Err(Failure::failed("uninstall is not there yet"))
}
