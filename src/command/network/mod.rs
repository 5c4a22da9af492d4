//! `virt-hooks network`: what is declared of the host's network for VMs.

mod import;

use std::process::ExitCode;

use clap::{Args, Subcommand};

use super::failure::Failure;

/// What is to be done.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  virt-hooks network import /etc/libvirt/hooks/hooks.json")]
pub(super) struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Turn hooks.json of libvirt-hook-qemu into declarations, and print them
    Import(import::Arguments),
}

/// Does it.
pub(super) fn network(arguments: &Arguments) -> Result<ExitCode, Failure> {
    match &arguments.verb {
        Verb::Import(arguments) => import::perform(arguments),
    }
}
