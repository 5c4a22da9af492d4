//! `virt-hooks list`: which scripts run, in which order, and why the others don't.

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Args;

use super::failure::Failure;
use crate::paths::Paths;

/// Which scripts are listed.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  virt-hooks list
  virt-hooks list start --domain my-vm
  virt-hooks list --json | jq -r '.[] | select(.runs | not) | .name + \": \" + .reason'")]
pub(super) struct Arguments {
    /// Only what runs at this operation
    #[arg(value_name = "OPERATION")]
    pub(super) operation: Option<OsString>,

    /// Only what runs for this VM
    #[arg(long, value_name = "VM", allow_hyphen_values = true)]
    pub(super) domain: Option<OsString>,

    /// As a JSON array
    #[arg(long)]
    pub(super) json: bool,
}

pub(super) fn list(_arguments: &Arguments, _paths: &Paths) -> Result<ExitCode, Failure> {
    Err(Failure::failed("list is not there yet"))
}
