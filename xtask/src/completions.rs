//! The shells' completions.

use clap::{Arg, Command, ValueHint};
use clap_complete::{Shell, generate};

/// The program, as people call it.
const PROGRAM: &str = "virt-hooks";

/// Each shell's file, by its path in the project.
pub(crate) fn files() -> Vec<(String, Vec<u8>)> {
    let shells = [
        (Shell::Bash, "completions/virt-hooks.bash"),
        (Shell::Zsh, "completions/_virt-hooks"),
        (Shell::Fish, "completions/virt-hooks.fish"),
    ];
    shells.into_iter().map(|(shell, path)| (path.to_owned(), completion(shell))).collect()
}

fn completion(shell: Shell) -> Vec<u8> {
    let mut text = Vec::new();
    generate(shell, &mut hinted(virt_hooks::command::definition()), PROGRAM, &mut text);
    text
}

/// The same command line, with what each value is: a file, a folder, or nothing that a shell could know. Without it
/// shells offer files where a VM's name belongs.
fn hinted(command: Command) -> Command {
    let command = command.mut_args(|argument| {
        let hint = hint(&argument);
        if argument.get_action().takes_values() { argument.value_hint(hint) } else { argument }
    });
    command.mut_subcommands(hinted)
}

fn hint(argument: &Arg) -> ValueHint {
    match argument.get_value_names() {
        Some([name]) if name == "DIR" => ValueHint::DirPath,
        Some([name]) if name == "FILE" => ValueHint::FilePath,
        _ => ValueHint::Other,
    }
}
