//! Makes the manual pages and the shells' completions, from the definitions that the program itself goes by.
//!
//! `cargo run -p xtask -- docs` writes them, `cargo run -p xtask -- docs --check` tells which of them are not as they
//! would be written, and `cargo run -p xtask -- circles` fails where files import each other in a circle.

mod circles;
mod command_page;
mod completions;
mod explanation;
mod network_page;
mod page;
mod prose;
mod rooms;
mod settings_page;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// The command that writes the files, for messages.
const WRITE: &str = "make man";

/// The page with the picture of the rooms.
const ARCHITECTURE: &str = "ARCHITECTURE.md";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let done = match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["docs"] => write(&root()),
        ["docs", "--check"] => check(&root()),
        ["circles"] => no_circles(&root()),
        _ => Err("usage: cargo run -p xtask -- docs [--check] | circles".to_owned()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("xtask: {message}");
            ExitCode::FAILURE
        }
    }
}

/// Fails where files import each other in a circle.
fn no_circles(root: &Path) -> Result<(), String> {
    let circles = circles::circles(root)?;
    let listed: Vec<String> =
        circles.iter().map(|circle| format!("circle of imports:\n  {}", circle.join("\n  "))).collect();
    if listed.is_empty() { Ok(()) } else { Err(listed.join("\n")) }
}

/// The folder of the whole project.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Returns every generated file, by its path in the project, with its content.
///
/// # Errors
/// The imports cannot be drawn.
fn files(root: &Path) -> Result<Vec<(String, Vec<u8>)>, String> {
    let mut files = vec![
        ("man/virt-hooks.8".to_owned(), command_page::page().into_bytes()),
        ("man/virt-hooks-network.toml.5".to_owned(), network_page::page().into_bytes()),
        ("man/virt-hooks.toml.5".to_owned(), settings_page::page().into_bytes()),
    ];
    files.extend(completions::files());
    let page = root.join(ARCHITECTURE);
    if let Ok(text) = fs::read_to_string(page) {
        files.push((ARCHITECTURE.to_owned(), rooms::page(root, &text)?.into_bytes()));
    }
    Ok(files)
}

fn write(root: &Path) -> Result<(), String> {
    for (name, content) in files(root)? {
        let path = root.join(&name);
        let folder = path.parent().unwrap_or(root);
        fs::create_dir_all(folder)
            .and_then(|()| fs::write(&path, content))
            .map_err(|error| format!("{name} can't be written: {error}"))?;
    }
    Ok(())
}

fn check(root: &Path) -> Result<(), String> {
    let mut differing = Vec::new();
    for (name, content) in files(root)? {
        match fs::read(root.join(&name)) {
            Ok(there) if there == content => {}
            Ok(_) => differing.push(format!("{name} is not what the program's definitions say")),
            Err(error) if error.kind() == io::ErrorKind::NotFound => differing.push(format!("{name} is missing")),
            Err(error) => return Err(format!("{name} can't be read: {error}")),
        }
    }
    if differing.is_empty() {
        return Ok(());
    }
    Err(format!("{}\nfix: {WRITE}, and commit what it wrote", differing.join("\n")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_just_written_is_as_it_should_be_and_what_was_changed_or_removed_is_named() {
        let root = std::env::temp_dir().join(format!("xtask-{}", std::process::id()));
        write(&root).expect("written");
        assert_eq!(check(&root), Ok(()));
        fs::write(root.join("man/virt-hooks.8"), "something else").expect("changed");
        fs::remove_file(root.join("completions/_virt-hooks")).expect("removed");
        let message = check(&root).expect_err("two of them differ");
        fs::remove_dir_all(&root).expect("cleaned up");
        let named: Vec<&str> = message.lines().collect();
        assert_eq!(
            named,
            [
                "man/virt-hooks.8 is not what the program's definitions say",
                "completions/_virt-hooks is missing",
                "fix: make man, and commit what it wrote",
            ]
        );
    }
}
