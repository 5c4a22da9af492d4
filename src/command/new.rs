//! `virt-hooks new`: a script with the right name, mode and skeleton.

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Args;

use super::failure::Failure;
use crate::paths::Paths;

/// Which script is made.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  virt-hooks new started announce.sh
  virt-hooks new all audit.py --python
  virt-hooks new start gate.sh --domain my-vm")]
pub(super) struct Arguments {
    /// The operation that it is for, or all
    #[arg(value_name = "OPERATION")]
    pub(super) operation: OsString,

    /// What its name ends with, as it stands: OPERATION_NAME is the file
    #[arg(value_name = "NAME")]
    pub(super) name: OsString,

    /// In Python instead of bash
    #[arg(long)]
    pub(super) python: bool,

    /// For this VM only, in its own folder
    #[arg(long, value_name = "VM", allow_hyphen_values = true)]
    pub(super) domain: Option<OsString>,
}

pub(super) fn new(_arguments: &Arguments, _paths: &Paths) -> Result<ExitCode, Failure> {
    Err(Failure::failed("new is not there yet"))
}
