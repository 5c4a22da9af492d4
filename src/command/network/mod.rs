//! `virt-hooks network`: forwards and routes that are declared for VMs.

mod apply;
mod check;
pub(in crate::command) mod running;
pub(super) mod status;

use std::process::ExitCode;

use clap::{Args, Subcommand};

use super::failure::Failure;
use crate::network::declaration::Everything;
use crate::paths::Paths;

/// What is to be done.
#[derive(Debug, Args)]
#[command(after_help = "\
What is declared stands in /etc/libvirt/hooks/virt-hooks-network.toml; see virt-hooks-network.toml(5).

Examples:
  virt-hooks network status       what is open, for which VM, and what is not and why
  virt-hooks network apply        make it so: after an edit, or after a firewall was loaded anew
  virt-hooks network check        what keeps it from being so")]
pub(super) struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Show what is declared, what is there, what is missing, and what is somebody else's
    Status(status::Arguments),
    /// Make the host as declared, for all VMs that run
    Apply(apply::Arguments),
    /// Tell what keeps declared forwards and routes from working, and what mends it
    Check(check::Arguments),
}

/// Does what the command line says.
pub(super) fn network(arguments: Arguments, paths: &Paths) -> Result<ExitCode, Failure> {
    match arguments.verb {
        Verb::Status(arguments) => status::status(&arguments, paths),
        Verb::Apply(arguments) => apply::apply(&arguments, paths),
        Verb::Check(arguments) => check::check(&arguments, paths),
    }
}

/// These verbs are about the kernel of this host, which is nowhere below a folder.
fn only_on_this_host(paths: &Paths, verb: &str) -> Result<(), Failure> {
    if paths.is_host() {
        return super::only_as_root(paths, &format!("network {verb}"));
    }
    Err(Failure::usage(format_args!("network {verb} is about the kernel of this host, and takes no --root")))
}

/// Fails with the finding of `check` where declared forwards need an `nft` that this host does not have.
fn has_nft(everything: &Everything) -> Result<(), Failure> {
    match super::check::missing_programs(everything).into_iter().find(|(program, ..)| *program == "nft") {
        Some((_, message, remedy)) => Err(Failure::failed(format_args!("{message}; fix: {remedy}"))),
        None => Ok(()),
    }
}
