//! The operator's command, one file a verb.

mod run;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::journal::Quoted;
use crate::paths::Paths;

/// libvirt's qemu hook, under its own name.
#[derive(Debug, Parser)]
#[command(name = "virt-hooks", version, about, disable_help_subcommand = true)]
struct Arguments {
    /// Take every place under this folder instead of the host's own
    #[arg(long, global = true, value_name = "DIR")]
    root: Option<PathBuf>,

    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Do what the hook does at an event, without libvirt
    Run(run::Arguments),
}

/// Does what the command line says. The exit code is 0, 1 where a script failed, 2 for a wrong command line.
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let Some(root) = arguments.root else {
        eprintln!("virt-hooks: run needs --root DIR, the folder to take every place under");
        return ExitCode::from(2);
    };
    let root = match root.canonicalize() {
        Ok(root) => root,
        Err(error) => {
            eprintln!("virt-hooks: --root {}: {error}", Quoted::path(&root));
            return ExitCode::from(2);
        }
    };
    let paths = Paths::under(&root);
    match arguments.verb {
        Verb::Run(arguments) => run::run(&arguments, &paths),
    }
}
