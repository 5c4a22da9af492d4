//! Scripts that their interpreter cannot parse. Nothing of them is run, and nothing is written.

use std::ffi::OsString;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::time::{Duration, Instant};

use super::{Findings, editor};
use crate::command::host::inventory::Inventory;
use crate::process::{Supervisor, ToolError};
use crate::record::Quoted;

/// The timeout of one script, and of all scripts together.
const TIMEOUT: Duration = Duration::from_secs(2);
const TIMEOUT_OF_ALL: Duration = Duration::from_secs(10);

/// Scripts larger than this are not parsed, in bytes.
const LARGEST: u64 = 1 << 20;

/// Compiles a file in memory, isolated from the environment; `py_compile` would write a cache.
const PYTHON: &str = "import sys; compile(open(sys.argv[1], 'rb').read(), sys.argv[1], 'exec')";

pub(super) fn check(inventory: &Inventory, findings: &mut Findings) {
    let mut programs = Supervisor::watching();
    let end = Instant::now() + TIMEOUT_OF_ALL;
    for entry in inventory.entries.iter().filter(|entry| entry.runs()) {
        let left = end.saturating_duration_since(Instant::now()).min(TIMEOUT);
        let Some((program, arguments)) = parser(&entry.path) else { continue };
        if left.is_zero() {
            return;
        }
        let mut parse = |options: &[&str]| {
            let arguments = options.iter().chain(arguments).map(OsString::from);
            programs.ask(program, arguments.chain([entry.path.clone().into_os_string()]), left)
        };
        // A `shopt -s extglob` in the script has no effect where nothing of it is run.
        let parsed = match parse(&[]) {
            Err(ToolError::Complained(..)) if program == "bash" => parse(&["-O", "extglob"]),
            parsed => parsed,
        };
        if let Err(ToolError::Complained(_, complaint)) = parsed {
            let at = entry.scope.map(|scope| scope.name()).unwrap_or_default();
            let when = if at == "all" { "any operation" } else { at };
            let message = format!("{program} cannot parse it, so it fails at {when}: {complaint}");
            findings.error(Quoted::path(&entry.path), message, editor(&entry.path, 1));
        }
    }
}

/// Returns the program that parses a script, and its arguments before the file.
fn parser(script: &Path) -> Option<(&'static str, &'static [&'static str])> {
    let file = File::open(script).ok().filter(|file| file.metadata().is_ok_and(|status| status.len() <= LARGEST))?;
    let mut line = Vec::new();
    BufReader::new(file.take(256)).read_until(b'\n', &mut line).ok()?;
    let line = String::from_utf8(line).ok()?;
    let mut words = line.strip_prefix("#!")?.split_whitespace();
    let name = |word: &str| word.rsplit('/').next().map(str::to_owned);
    let mut interpreter = name(words.next()?)?;
    if interpreter == "env" {
        interpreter = name(words.next()?)?;
    }
    match interpreter.as_str() {
        "bash" => Some(("bash", &["-n"])),
        "sh" => Some(("sh", &["-n"])),
        "dash" => Some(("dash", &["-n"])),
        "python3" => Some(("python3", &["-I", "-S", "-c", PYTHON])),
        _ => None,
    }
}
