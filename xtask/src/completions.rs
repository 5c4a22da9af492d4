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
    let mut command = hinted(virt_hooks::command::definition());
    let mut text = Vec::new();
    generate(shell, &mut command, PROGRAM, &mut text);
    match shell {
        Shell::Bash => one_name(&text),
        Shell::Fish => [text, left_out(&command).into_bytes()].concat(),
        _ => text,
    }
}

/// The completion for bash with one name for each verb. clap_complete 4.6 calls a verb of a program that has a hyphen in
/// its name by two, and so finds none (<https://github.com/clap-rs/clap/issues/6421>).
fn one_name(text: &[u8]) -> Vec<u8> {
    let wrong = format!("{}__subcmd__", PROGRAM.replace('-', "__subcmd__"));
    let right = format!("{}__subcmd__", PROGRAM.replace('-', "__"));
    String::from_utf8_lossy(text).replace(&wrong, &right).into_bytes()
}

/// Completions that clap_complete omits for fish: the values of positional arguments, no files where no file is
/// expected, and the folder of `--root` before the command.
fn left_out(command: &Command) -> String {
    let mut lines =
        format!("complete -c {PROGRAM} -f\ncomplete -c {PROGRAM} -l root -r -f -a \"(__fish_complete_directories)\"\n");
    for verb in command.get_subcommands() {
        for positional in verb.get_positionals() {
            let values = positional.get_possible_values();
            let values: Vec<&str> = values.iter().map(|value| value.get_name()).collect();
            if values.is_empty() {
                continue;
            }
            let (verb, values) = (verb.get_name(), values.join(" "));
            let still_due = format!(
                "__fish_{}_using_subcommand {verb}; and not __fish_seen_subcommand_from {values}",
                PROGRAM.replace('-', "_")
            );
            lines.push_str(&format!("complete -c {PROGRAM} -n \"{still_due}\" -a \"{values}\"\n"));
        }
    }
    lines
}

/// Returns the command line with the type of each value: a file, a folder, or none that a shell could know. Without
/// types, shells offer files for a VM's name.
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

#[cfg(test)]
mod tests {
    use std::process;

    use super::*;

    /// Returns bash's completions after these words, of which the last is being typed.
    fn offered(words: &[&str]) -> Vec<String> {
        let script = format!(
            "compopt() {{ :; }}\n{}\nCOMP_WORDS=(\"$@\") COMP_CWORD=$(($# - 1))\n\
             _virt__hooks \"$1\" \"${{@: -1}}\" \"${{@: -2:1}}\"\nprintf '%s\\n' \"${{COMPREPLY[@]}}\"\n",
            String::from_utf8_lossy(&completion(Shell::Bash))
        );
        let done = process::Command::new("bash")
            .args(["-c", &script, "bash", PROGRAM])
            .args(words)
            .output()
            .expect("bash runs");
        assert_eq!(String::from_utf8_lossy(&done.stderr), "");
        String::from_utf8_lossy(&done.stdout).lines().map(str::to_owned).collect()
    }

    #[test]
    fn bash_offers_verbs_operations_and_options() {
        assert_eq!(offered(&["un"]), ["uninstall"]);
        assert_eq!(offered(&["list", "st"]), ["start", "started", "stopped"]);
        assert_eq!(offered(&["new", "al"]), ["all"]);
        assert_eq!(offered(&["get", "ta"]), ["taps"]);
        assert_eq!(offered(&["log", "--fo"]), ["--follow"]);
        assert_eq!(offered(&["--root", "try", "run", "pre"]), ["prepare"]);
    }

    #[test]
    fn bash_offers_files_for_xml_and_none_for_a_vm() {
        assert_eq!(offered(&["run", "--xml", "Cargo"]), ["Cargo.toml"]);
        assert_eq!(offered(&["list", "--domain", "Cargo"]), ["Cargo"]);
    }
}
