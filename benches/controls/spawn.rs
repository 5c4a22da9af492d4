//! A control: `posix_spawn` and `wait`, script after script, and nothing else.
//!
//!     spawn [--memory] SCRIPT... -- ARGUMENT...
//!
//! With `--memory` it prints the largest peak of any of them, in KiB. It is small itself, and has to be: what the kernel
//! tells of a process counts from before its `exec`.

use std::process::{Command, ExitCode};

use nix::sys::resource::{UsageWho, getrusage};

fn main() -> ExitCode {
    let mut scripts: Vec<String> = std::env::args().skip(1).collect();
    let memory = scripts.first().is_some_and(|first| first == "--memory");
    if memory {
        scripts.remove(0);
    }
    let Some(end) = scripts.iter().position(|word| word == "--") else { return ExitCode::from(2) };
    let arguments = scripts.split_off(end).split_off(1);
    let failed = scripts
        .iter()
        .any(|script| !Command::new(script).args(&arguments).status().is_ok_and(|status| status.success()));
    if memory {
        match getrusage(UsageWho::RUSAGE_CHILDREN) {
            Ok(usage) => println!("{}", usage.max_rss()),
            Err(_) => return ExitCode::FAILURE,
        }
    }
    ExitCode::from(u8::from(failed))
}
