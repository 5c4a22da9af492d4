//! `virt-hooks import`: what another hook's users have, as this program has it.

mod libvirt_hook_qemu;
mod vfio_tools;

use std::process::ExitCode;

use clap::{Args, Subcommand};

use super::failure::Failure;
use crate::paths::Paths;

/// From which hook.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  virt-hooks import vfio-tools /etc/libvirt/hooks/qemu.d
  virt-hooks import libvirt-hook-qemu hooks.json >> /etc/libvirt/hooks/virt-hooks-network.toml")]
pub(super) struct Arguments {
    #[command(subcommand)]
    source: Source,
}

#[derive(Debug, Subcommand)]
enum Source {
    /// Show how a tree of scripts of VFIO-Tools' helper goes into custom/; with --write, do it
    VfioTools(vfio_tools::Arguments),
    /// Turn hooks.json of libvirt-hook-qemu into declarations, and print them
    LibvirtHookQemu(libvirt_hook_qemu::Arguments),
}

/// Does what the command line says.
pub(super) fn import(arguments: &Arguments, paths: &Paths) -> Result<ExitCode, Failure> {
    match &arguments.source {
        Source::VfioTools(arguments) => vfio_tools::perform(arguments, paths),
        Source::LibvirtHookQemu(arguments) => libvirt_hook_qemu::perform(arguments),
    }
}
