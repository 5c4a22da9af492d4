//! Builds what is measured, as it is installed, and its controls beside it.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::call::Failure;

/// The measured program, and the programs that it is compared with.
pub(crate) struct Programs {
    /// The program.
    pub(crate) hook: PathBuf,
    /// A program in assembly that ends at once.
    pub(crate) exit: PathBuf,
    /// A static Rust program that does nothing.
    pub(crate) empty: PathBuf,
    /// A loop of `posix_spawn` and `wait`.
    pub(crate) spawn: PathBuf,
    /// Another build of the program, for comparison.
    pub(crate) before: Option<PathBuf>,
}

/// The project's folder.
pub(crate) fn project() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// Builds all of it, the controls in `folder`. `before` has been built already.
pub(crate) fn programs(folder: &Path, before: Option<PathBuf>) -> Result<Programs, Failure> {
    let built = printed(&mut Command::new(project().join("packaging/build")))?;
    let hook = project().join(built.trim());
    // TARGET/TRIPLE/release/virt-hooks
    let triple =
        hook.iter().rev().nth(2).and_then(|name| name.to_str()).ok_or("the program's place names no target")?;
    let source = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut cargo = Command::new("cargo");
    cargo.args(["build", "--quiet", "--release", "--locked", "--bin", "empty", "--bin", "spawn"]);
    cargo.args(["--target", triple, "--manifest-path"]).arg(source.join("Cargo.toml"));
    cargo.arg("--target-dir").arg(folder).env("RUSTFLAGS", "-C target-feature=+crt-static");
    printed(&mut cargo)?;
    let controls = folder.join(triple).join("release");
    let exit = folder.join("exit");
    let assembly = source.join(format!("controls/exit-{}.s", std::env::consts::ARCH));
    printed(Command::new("cc").args(["-nostdlib", "-static", "-o"]).arg(&exit).arg(assembly))?;
    Ok(Programs { hook, exit, empty: controls.join("empty"), spawn: controls.join("spawn"), before })
}

/// Returns the output of a command that succeeds.
fn printed(command: &mut Command) -> Result<String, Failure> {
    let output = command.stderr(Stdio::inherit()).output().map_err(|error| format!("{command:?}: {error}"))?;
    if !output.status.success() {
        return Err(format!("{command:?} ended with {}", output.status).into());
    }
    Ok(String::from_utf8(output.stdout)?)
}
