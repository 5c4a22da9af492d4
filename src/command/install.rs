//! `virt-hooks install`: the hook in its place.

use std::process::ExitCode;

use clap::Args;

use super::failure::Failure;
use crate::paths::Paths;

/// What becomes of a hook that is somebody else's.
#[derive(Debug, Args)]
#[command(after_help = "\
A hook of Apache CloudStack is taken over: it is kept as a backup, and a timeout that was changed in it goes into the
settings. Any other hook is left alone unless one of the options says what is to become of it.

Examples:
  virt-hooks install
  virt-hooks install --keep-existing
  virt-hooks --root /mnt/image install")]
pub(super) struct Arguments {
    /// Replace a hook that is somebody else's; it is kept as a backup
    #[arg(long, conflicts_with = "keep_existing")]
    pub(super) replace: bool,

    /// Keep a hook that is somebody else's: it moves to qemu.d, where libvirt 6.5 and newer run it after this one
    #[arg(long)]
    pub(super) keep_existing: bool,

    /// Only tell what would be done
    #[arg(long)]
    pub(super) dry_run: bool,
}

pub(super) fn install(_arguments: &Arguments, _paths: &Paths) -> Result<ExitCode, Failure> {
    Err(Failure::failed("install is not there yet"))
}
