//! The operator's command, one file a verb.
//!
//! What is read by people goes to stdout as they like it; with `--json` as programs do. Every verb ends with 0 where all
//! is fine, 1 where there is a finding or something failed, 2 where the command line asks for what can't be.

mod check;
mod failure;
mod folder;
mod get;
mod host;
mod import;
mod install;
mod list;
mod log;
mod network;
mod new;
mod operation;
mod pause;
mod run;
mod status;
mod stop;
mod terminal;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

use crate::paths::Paths;
use crate::record::Quoted;
use crate::trust::{Judge, shell};

use self::failure::Failure;

/// libvirt's qemu hook, under its own name: puts it in place, tells what runs and what does not, and why.
#[derive(Debug, Parser)]
#[command(name = "virt-hooks", version, about, disable_help_subcommand = true, max_term_width = 100, after_help = EXAMPLES)]
struct Arguments {
    /// Take every place under this folder instead of the host's own: for images, trials and tests
    #[arg(long, global = true, value_name = "DIR")]
    root: Option<PathBuf>,

    #[command(subcommand)]
    verb: Verb,
}

const EXAMPLES: &str = "Examples:
  virt-hooks check                      what keeps a script from running
  virt-hooks status                     what runs now, and whether all is well
  virt-hooks list start                 what runs at a VM's start, in order
  virt-hooks run start my-vm            do what the hook does, and watch
  virt-hooks log --failed --since 1d    what went wrong since yesterday
  virt-hooks pause --for 1h             run no script for an hour

Scripts lie in /etc/libvirt/hooks/custom, settings in /etc/libvirt/hooks/virt-hooks.toml; see virt-hooks(8) and \
virt-hooks.toml(5).";

#[derive(Debug, Subcommand)]
enum Verb {
    /// Put the hook in place, keep what is there, and have libvirt take notice
    Install(install::Arguments),
    /// Take the hook out, and put back what was there before
    Uninstall(install::uninstall::Arguments),
    /// Tell everything that keeps a script from running, and what mends it
    Check(check::Arguments),
    /// Show which scripts run, in which order, and why the others don't
    List(list::Arguments),
    /// Do what the hook does at an event, without libvirt, and show it
    Run(run::Arguments),
    /// Show what ran
    Log(log::Arguments),
    /// Make a new script with the right name, mode and skeleton
    New(new::Arguments),
    /// For scripts: take something out of the VM's XML
    Get(get::Arguments),
    /// Forwards and routes that are declared for VMs: show them, make them so
    Network(network::Arguments),
    /// Show the hook, the scripts that run now, recent failures and networking on one screen
    Status(status::Arguments),
    /// End a script that runs, as at its deadline
    Stop(stop::Arguments),
    /// Take over what another hook's users have
    Import(import::Arguments),
    /// Run no script until told
    Pause(pause::PauseArguments),
    /// Run scripts again
    #[command(after_help = "Example:\n  virt-hooks resume")]
    Resume,
}

/// The whole command line, for its manual page and the shells' completions.
pub fn definition() -> clap::Command {
    Arguments::command()
}

/// Does what the command line says.
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match paths(arguments.root.as_deref()).and_then(|paths| arguments.verb.perform(&paths)) {
        Ok(exit_code) => exit_code,
        Err(failure) => failure.tell(),
    }
}

impl Verb {
    fn perform(self, paths: &Paths) -> Result<ExitCode, Failure> {
        match self {
            Self::Install(arguments) => install::install(&arguments, paths),
            Self::Uninstall(arguments) => install::uninstall::uninstall(&arguments, paths),
            Self::Check(arguments) => check::check(&arguments, paths),
            Self::List(arguments) => list::list(&arguments, paths),
            Self::Run(arguments) => run::run(&arguments, paths),
            Self::Log(arguments) => log::log(&arguments, paths),
            Self::New(arguments) => new::new(&arguments, paths),
            Self::Network(arguments) => network::network(arguments, paths),
            Self::Import(arguments) => import::import(&arguments, paths),
            Self::Get(arguments) => get::get(&arguments, paths),
            Self::Status(arguments) => status::status(&arguments, paths),
            Self::Stop(arguments) => stop::stop(&arguments, paths),
            Self::Pause(arguments) => pause::pause(&arguments, paths),
            Self::Resume => pause::resume(paths),
        }
    }
}

fn paths(root: Option<&Path>) -> Result<Paths, Failure> {
    let Some(root) = root else { return Ok(Paths::system()) };
    match root.canonicalize() {
        Ok(root) if root.is_dir() => Ok(Paths::under(&root)),
        Ok(_) => Err(Failure::usage(format_args!("--root {}: it is no folder", Quoted::path(root)))),
        Err(error) => Err(Failure::usage(format_args!("--root {}: {error}", Quoted::path(root)))),
    }
}

/// Whoever is not root can't change a host, and does not see all that the hook sees.
fn only_as_root(paths: &Paths, verb: &str) -> Result<(), Failure> {
    if paths.is_host() && !rustix::process::geteuid().is_root() {
        return Err(Failure::failed(format_args!(
            "{verb} needs root; fix: sudo virt-hooks {verb}; below a folder of yours: virt-hooks --root DIR {verb}"
        )));
    }
    Ok(())
}

/// Trust as the hook judges it: on the host the hook is root's, below a folder it is whoever tries it.
fn judge(paths: &Paths) -> Judge {
    let own_uid = if paths.is_host() { 0 } else { rustix::process::geteuid().as_raw() };
    Judge::from(paths.root(), own_uid)
}

/// A call of this program as it can be pasted into a shell: `virt-hooks resume`, with the `--root` that this one has.
fn call(paths: &Paths, words: &str) -> String {
    if paths.is_host() {
        format!("virt-hooks {words}")
    } else {
        format!("virt-hooks --root {} {words}", shell(paths.root()))
    }
}
