//! What the program says of itself: `--help`, the manual pages, and the documents. Every command line in them is one.

use std::fs;
use std::path::Path;

use clap::Command;
use clap::error::ErrorKind;
use testbed::host;

use crate::assert_looks_like;

/// The program's name, as a command line begins.
const PROGRAM: &str = "virt-hooks";

/// What ends the words of one command in a shell.
const ENDS: [&str; 8] = ["|", "||", "&&", "&", ";", ">", ">>", "<"];

/// Why a line is no command line of the program, if it is none.
///
/// What stands behind a comment sign, a pipe or a redirection is not the program's, nor is what is set apart by several
/// blanks, as the words beside an example are.
fn fault(line: &str) -> Option<String> {
    let call = line.split("   ").next().unwrap_or_default();
    let Some(words) = shlex::split(call) else { return Some("its quotes don't match".to_owned()) };
    let words = words.iter().map(String::as_str).take_while(|word| !ENDS.contains(word));
    match virt_hooks::command::definition().try_get_matches_from(words) {
        Ok(_) => None,
        Err(error) if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) => None,
        Err(error) => Some(error.to_string()),
    }
}

/// The lines that begin with the program's name.
fn calls<'a>(lines: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let begins = |line: &&str| line.strip_prefix(PROGRAM).is_some_and(|rest| rest.starts_with(' '));
    lines.into_iter().map(str::trim_start).filter(begins).collect()
}

/// Every line of a document's blocks of code, of which the fences are ``` as in Markdown or `.EX` and `.EE` as in manual
/// pages.
fn code(document: &str) -> Vec<String> {
    let mut inside = false;
    let mut lines = Vec::new();
    for line in document.lines() {
        let fence = line.trim_start().starts_with("```") || line == ".EX" || line == ".EE";
        if fence {
            inside = !inside;
        } else if inside {
            lines.push(from_roff(line));
        }
    }
    lines
}

/// A line as a manual page shows it.
fn from_roff(line: &str) -> String {
    let mut text = line.to_owned();
    for (roff, shown) in [
        ("\\&", ""),
        ("\\-", "-"),
        ("\\(aq", "'"),
        ("\\(ga", "`"),
        ("\\(ha", "^"),
        ("\\(ti", "~"),
        ("\\(dq", "\""),
        ("\\e", "\\"),
    ] {
        text = text.replace(roff, shown);
    }
    text
}

fn documents() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut paths = vec![root.join("README.md"), root.join("CONTRIBUTING.md")];
    for folder in ["docs", "man"] {
        let entries = fs::read_dir(root.join(folder)).expect("the folder is there");
        paths.extend(entries.map(|entry| entry.expect("an entry").path()).filter(|path| path.is_file()));
    }
    let read = |path: &Path| fs::read_to_string(path).expect("a text");
    paths.iter().map(|path| (path.display().to_string(), read(path))).collect()
}

#[test]
fn help_shows_every_verb_and_examples() {
    let host = host!();
    let finished = host.command(["--help"]).run();
    assert_eq!((finished.code, finished.stderr.as_str()), (Some(0), ""));
    assert_looks_like("help.txt", &finished.stdout);
    assert_looks_like("help-terminal.txt", &host.command(["--help"]).on_a_terminal(80).stdout);
}

#[test]
fn the_help_of_every_verb_has_an_example_and_every_example_is_a_command_line() {
    let host = host!();
    let definition = virt_hooks::command::definition();
    for verb in definition.get_subcommands().map(Command::get_name) {
        let finished = host.command([verb, "--help"]).run();
        assert_eq!((finished.code, finished.stderr.as_str()), (Some(0), ""), "{verb}");
        let (_, examples) = finished.stdout.split_once("Example").unwrap_or_else(|| panic!("{verb}: no example"));
        let calls = calls(examples.lines());
        let names_it = |call: &&str| call.starts_with(&format!("{PROGRAM} {verb}"));
        assert!(calls.iter().any(names_it), "{verb}: {calls:?}");
        for call in calls {
            assert_eq!(fault(call), None, "{verb}: {call}");
        }
    }
}

#[test]
fn the_examples_of_the_program_itself_are_command_lines() {
    let help = virt_hooks::command::definition().render_help().to_string();
    let (_, examples) = help.split_once("Examples:\n").unwrap_or_default();
    let calls = calls(examples.lines());
    assert!(calls.len() >= 3, "{calls:?}");
    for call in calls {
        assert_eq!(fault(call), None, "{call}");
    }
}

#[test]
fn every_command_line_in_the_documents_and_in_the_manual_pages_is_one() {
    let mut found = Vec::new();
    for (path, text) in documents() {
        let code = code(&text);
        for call in calls(code.iter().map(String::as_str)) {
            assert_eq!(fault(call), None, "{path}: {call}");
            found.push(path.clone());
        }
    }
    for document in ["README.md", "man/virt-hooks.8"] {
        assert!(found.iter().any(|path| path.ends_with(document)), "{document} has none");
    }
}

#[test]
fn what_is_no_command_line_is_noticed() {
    for line in ["virt-hooks walk", "virt-hooks list --no-such", "virt-hooks run begin vm", "virt-hooks list 'start"] {
        assert!(fault(line).is_some(), "{line}");
    }
    for line in [
        "virt-hooks check --json | jq -r '.[].remedy'",
        "virt-hooks list start      what runs at the start",
        "virt-hooks list # what runs",
        "virt-hooks run start vm > out",
        "virt-hooks --help",
    ] {
        assert_eq!(fault(line), None, "{line}");
    }
    assert_eq!(
        code("a\n```sh\nvirt-hooks list\n```\nb\n.EX\n\\&virt\\-hooks log\n.EE"),
        ["virt-hooks list", "virt-hooks log"]
    );
}
