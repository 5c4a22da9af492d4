//! virt-hooks(8): the whole command in one page. What stands in `--help` comes from there.

use clap::{Arg, Command};
use virt_hooks::driver::QEMU;

use crate::explanation::{Part, parts};
use crate::page::Page;
use crate::prose;

/// The page's source.
pub(crate) fn page() -> String {
    let mut command = virt_hooks::command::definition();
    command.build();
    let version = command.get_version().unwrap_or_default();
    let mut page = Page::new("virt-hooks", 8, version, "libvirt's qemu hook, and the command to look after it");
    page.section("SYNOPSIS");
    page.synopses(verbs(&command).map(in_short));
    page.section("DESCRIPTION");
    prose::DESCRIPTION.iter().for_each(|text| page.paragraph(text));
    page.section("OPTIONS");
    command.get_arguments().for_each(|option| argument(&mut page, &command, option));
    page.paragraph("`--root` and `--help` go with every verb.");
    page.section("VERBS");
    verbs(&command).for_each(|verb| describe(&mut page, verb));
    scripts(&mut page);
    rest(&mut page);
    page.finish()
}

/// The verbs in the order of `--help`.
fn verbs(command: &Command) -> impl Iterator<Item = &Command> {
    command.get_subcommands().filter(|verb| !verb.is_hide_set())
}

/// The options that are the verb's own.
fn own_options(verb: &Command) -> impl Iterator<Item = &Arg> {
    let everywhere = |option: &Arg| option.is_global_set() || option.get_id() == "help";
    verb.get_arguments().filter(move |option| !option.is_positional() && !everywhere(option) && !option.is_hide_set())
}

fn describe(page: &mut Page, verb: &Command) {
    page.subsection(verb.get_name());
    page.synopses([in_full(verb)]);
    page.paragraph(&sentence(&verb.get_about().map(ToString::to_string).unwrap_or_default()));
    verb.get_positionals().chain(own_options(verb)).for_each(|of_verb| argument(page, verb, of_verb));
    let explanation = verb.get_after_help().map(ToString::to_string).unwrap_or_default();
    for part in parts(&explanation) {
        match part {
            Part::Paragraph(text) => page.paragraph(&text),
            Part::Code(lines) => page.code(lines),
        }
    }
}

/// A verb's command line without the names of its options.
fn in_short(verb: &Command) -> Vec<String> {
    let options = own_options(verb).next().map(|_| "[`<OPTION>`...]".to_owned());
    calls(verb).chain(options).chain(verb.get_positionals().map(placed)).collect()
}

/// A verb's command line with all its options.
fn in_full(verb: &Command) -> Vec<String> {
    let options = own_options(verb).map(|option| format!("[`{}`]", names(option).join("`|`")));
    calls(verb).chain(options).chain(verb.get_positionals().map(placed)).collect()
}

fn calls(verb: &Command) -> impl Iterator<Item = String> {
    std::iter::once(format!("`virt-hooks {}`", verb.get_name()))
}

/// Formats a positional argument.
fn placed(positional: &Arg) -> String {
    let shown = format!("`{}`", value(positional));
    if positional.is_required_set() { shown } else { format!("[{shown}]") }
}

/// An argument, and what it means.
fn argument(page: &mut Page, verb: &Command, argument: &Arg) {
    let mut words = meaning(argument);
    let others: Vec<String> = verb
        .get_arg_conflicts_with(argument)
        .into_iter()
        .filter_map(Arg::get_long)
        .map(|long| format!("`--{long}`"))
        .collect();
    if !others.is_empty() {
        words.push_str(&format!(" Not together with {}.", others.join(", ")));
    }
    page.item(&format!("`{}`", names(argument).join("`, `")), &words);
    for value in argument.get_possible_values() {
        if let Some(help) = value.get_help() {
            page.item_goes_on(&format!("`{}`: {}", value.get_name(), sentence(&help.to_string())));
        }
    }
}

/// The ways to write an option, or a positional's name, each with the value that it takes.
fn names(argument: &Arg) -> Vec<String> {
    let short = argument.get_short().map(|short| format!("-{short}"));
    let long = argument.get_long().map(|long| format!("--{long}"));
    if short.is_none() && long.is_none() {
        return vec![value(argument)];
    }
    let value = if argument.get_action().takes_values() { format!(" {}", value(argument)) } else { String::new() };
    short.into_iter().chain(long).map(|name| format!("{name}{value}")).collect()
}

fn value(argument: &Arg) -> String {
    let names = argument.get_value_names().unwrap_or_default();
    names.iter().map(|name| format!("<{name}>")).collect::<Vec<_>>().join(" ")
}

fn meaning(argument: &Arg) -> String {
    let help = argument.get_long_help().or(argument.get_help()).map(ToString::to_string).unwrap_or_default();
    let mut meaning = sentence(&help);
    let values = argument.get_possible_values();
    if argument.get_action().takes_values() && values.iter().any(|value| value.get_help().is_none()) {
        let names: Vec<String> = values.iter().map(|value| format!("`{}`", value.get_name())).collect();
        meaning.push_str(&format!(" One of {}.", names.join(", ")));
    }
    let defaults: Vec<String> =
        argument.get_default_values().iter().map(|value| format!("`{}`", value.to_string_lossy())).collect();
    if argument.get_action().takes_values() && !defaults.is_empty() {
        meaning.push_str(&format!(" The default is {}.", defaults.join(" ")));
    }
    meaning
}

/// `--help` has no full stops, a page of whole sentences has.
fn sentence(text: &str) -> String {
    if text.is_empty() || text.ends_with(['.', ':']) { text.to_owned() } else { format!("{text}.") }
}

fn scripts(page: &mut Page) {
    page.section("SCRIPTS");
    prose::NAMES.iter().for_each(|text| page.paragraph(text));
    page.subsection("Operations");
    for operation in QEMU.operations {
        let mut words = operation.description().to_owned();
        if operation.can_be_refused() {
            words.push_str(" Can be refused by a script with `onFailure = \"abort\"`.");
        }
        if operation.takes_xml_back() {
            words.push_str(" Filters change the XML.");
        }
        page.item(&format!("`{}`", operation.name()), &words);
    }
    page.subsection("What scripts get");
    for (what, words) in prose::SURROUNDINGS {
        page.item(what, words);
    }
    for (name, words) in prose::VARIABLES {
        page.item(&format!("`{name}`"), words);
    }
    page.subsection("What libvirt waits for");
    prose::WAITING.iter().for_each(|text| page.paragraph(text));
}

fn rest(page: &mut Page) {
    page.section("LOG");
    prose::LOG.iter().for_each(|text| page.paragraph(text));
    page.section("DIAGNOSTICS");
    for (seen, words) in prose::DIAGNOSTICS {
        page.item(seen, words);
    }
    page.section("FILES");
    for (names, words) in prose::files() {
        page.item(&names, words);
    }
    page.section("EXIT STATUS");
    for (code, words) in prose::EXIT_CODES {
        page.item(&format!("`{code}`"), words);
    }
    page.paragraph(prose::HOOK_EXIT);
    page.section("ENVIRONMENT");
    for (name, words) in prose::ENVIRONMENT {
        page.item(&format!("`{name}`"), words);
    }
    page.paragraph(prose::NOT_IN_THE_ENVIRONMENT);
    page.section("SEE ALSO");
    let pages = prose::SEE_ALSO.map(|(name, section)| format!("`{name}`({section})"));
    page.paragraph(&pages.join(", "));
}
