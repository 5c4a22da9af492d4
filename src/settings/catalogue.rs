//! Keys of the settings files, by which they are read and their manual page is written.

use std::ops::Range;
use std::path::PathBuf;

use glob::Pattern;
use toml::de::DeTable;

use super::{Filter, OnFailure, Rule, Settings, Trust};
use crate::configuration::{Key, Refusal, Section, Value, set};
use crate::driver;

pub use crate::configuration::{DefaultValue, Entry};

/// The name of the `[[script]]` tables.
const SCRIPT: &str = "script";

/// Returns the keys before the first table, in the manual page's order.
pub fn keys() -> impl Iterator<Item = Entry> {
    KEYS.entries().filter(|entry| entry.name != SCRIPT)
}

/// Returns the keys of a `[[script]]` table, in the manual page's order.
pub fn script_keys() -> impl Iterator<Item = Entry> {
    SCRIPT_KEYS.entries()
}

/// A `[[script]]` table while it is read.
#[derive(Default)]
struct Draft {
    name: Option<Pattern>,
    rule: Rule,
}

pub(super) static KEYS: Section<Settings> = Section {
    word: "key",
    unknown: "is not known and is ignored",
    wrong: |name| if name == SCRIPT { "" } else { "; this line is ignored" },
    keys: &[
        Key::new(
            "timeoutSeconds",
            "`<seconds>`",
            DefaultValue::Toml("600"),
            "How long each script may run, at least 1. Then it is asked to end by SIGTERM, with everything that it \
             started, and the next script runs. A whole number: TOML does not calculate, and 20 minutes are `1200`.",
            |settings, value| set(&mut settings.timeout, value.seconds(1)),
        ),
        Key::new(
            "graceSeconds",
            "`<seconds>`",
            DefaultValue::Toml("10"),
            "How long a script has between SIGTERM and SIGKILL. With `0` the one follows the other at once.",
            |settings, value| set(&mut settings.grace, value.seconds(0)),
        ),
        Key::new(
            "eventTimeoutSeconds",
            "`<seconds>`",
            DefaultValue::Words("no limit"),
            "How long all the scripts of one event may run together, at least 1. libvirt waits for them: meanwhile the \
             VM neither starts nor stops. Scripts for which no time is left are skipped, and the log names them.",
            |settings, value| set(&mut settings.event_timeout, value.seconds(1).map(Some)),
        ),
        Key::new(
            "maxOutputBytes",
            "`<bytes>`",
            DefaultValue::Toml("67108864"),
            "How much is logged of what one run of a script prints. What exceeds it is counted and not kept.",
            |settings, value| set(&mut settings.max_output, value.bytes()),
        ),
        Key::new(
            "trust",
            "`\"strict\"` or `\"warn\"`",
            DefaultValue::Toml("\"strict\""),
            "Scripts run as root. `\"strict\"` refuses one that somebody other than root could have changed: the file, \
             or a folder or a link on the way to it. `\"warn\"` runs it all the same and logs what is wrong.",
            |settings, value| {
                set(&mut settings.trust, value.one_of(&[("strict", Trust::Strict), ("warn", Trust::Warn)]))
            },
        ),
        Key::new(
            "sessions",
            "`true` or `false`",
            DefaultValue::Toml("false"),
            "A user's own libvirt (qemu:///session) calls the same hook as that user. With `false` the hook exits with 0 and \
             runs nothing for it. With `true` scripts run for these VMs too, as the user, and are logged in \
             `~/.local/state/virt-hooks/qemu-hook.log`. Networking takes no part in either case.",
            |settings, value| set(&mut settings.sessions, value.boolean()),
        ),
        Key::new(SCRIPT, "", DefaultValue::Words(""), "", scripts),
    ],
};

static SCRIPT_KEYS: Section<Draft> = Section {
    word: "key",
    unknown: "is not known and is ignored",
    wrong: |name| match name {
        "domains" => "; it matches no VM",
        "driver" => "; the table is ignored",
        "filter" => "; the output of these scripts is neither used nor logged",
        _ => "; this line is ignored",
    },
    keys: &[
        Key::new(
            "name",
            "`<pattern>`",
            DefaultValue::Words("none; a table without it is ignored"),
            "The scripts that the table is about, by the file's name without folders.",
            |draft, value| set(&mut draft.name, value.pattern().map(Some)),
        ),
        Key::new(
            "driver",
            "`\"qemu\"`, `\"network\"`, `\"lxc\"`, `\"libxl\"` or `\"daemon\"`",
            DefaultValue::Toml("\"qemu\""),
            "The libvirt driver whose scripts the table is about. Each driver has a folder of scripts: `custom` is qemu's, \
             `custom-network` the network driver's.",
            |draft, value| {
                let names = driver::ALL.map(|driver| (driver.name, driver.name));
                let read = value.one_of(&names);
                draft.rule.driver = Some(read.as_ref().map_or("", |name| *name));
                read.err().into_iter().collect()
            },
        ),
        Key::new(
            "domains",
            "`<pattern>` or `[<pattern>, ...]`",
            DefaultValue::Words("every VM"),
            "The VMs that these scripts are for, by name. For others they don't run at all. A pattern that can't be \
             read matches no VM.",
            |draft, value| value.each(draft.rule.domains.get_or_insert_default(), Value::pattern),
        ),
        Key::new(
            "timeoutSeconds",
            "`<seconds>`",
            DefaultValue::Words("the `timeoutSeconds` of all scripts"),
            "How long each of these scripts may run, at least 1.",
            |draft, value| set(&mut draft.rule.timeout, value.seconds(1).map(Some)),
        ),
        Key::new(
            "onFailure",
            "`\"continue\"` or `\"abort\"`",
            DefaultValue::Toml("\"continue\""),
            "`\"continue\"` logs a failure and goes on. `\"abort\"` is a veto: if the script fails, or can't be started, \
             the scripts after it are skipped and libvirt refuses the operation. It counts on prepare, start, migrate and \
             restore, where nothing runs yet, and on a network's port-created; on other operations it is no more than \
             `\"continue\"`. A script that is not executable is ignored, veto or not.",
            |draft, value| set(&mut draft.rule.on_failure, on_failure(value).map(Some)),
        ),
        Key::new(
            "filter",
            "`true` or `false`",
            DefaultValue::Toml("false"),
            "With `true`, on migrate and restore what the script prints on stdout is the VM's new XML, if it exits with 0 \
             and prints a whole domain with the same name and uuid. If it prints nothing, the XML stays as it was; with \
             anything else too, and the log says why. A filter's stdout is never logged, that of other scripts is: set \
             this before the script is in place, since the XML holds passwords.",
            |draft, value| filter(&mut draft.rule, value),
        ),
        Key::new(
            "exclusive",
            "`true` or `false`",
            DefaultValue::Toml("false"),
            "With `true` a script never runs twice at once on this host, whichever VMs it runs for: one run waits until \
             the other has ended. The wait counts against its limit.",
            |draft, value| set(&mut draft.rule.exclusive, value.boolean().map(Some)),
        ),
        Key::new(
            "wait",
            "`true` or `false`",
            DefaultValue::Toml("true"),
            "With `false` libvirt is not kept waiting: the script runs in the background, with the same limit and in the \
             same log. It is ignored together with `onFailure = \"abort\"` or `filter = true`, for which libvirt has to \
             wait.",
            |draft, value| set(&mut draft.rule.wait, value.boolean().map(Some)),
        ),
    ],
};

/// Reads `onFailure`.
pub(crate) fn on_failure(value: Value<'_>) -> Result<OnFailure, Refusal> {
    value.one_of(&[("continue", OnFailure::Continue), ("abort", OnFailure::Abort)])
}

/// Reads `filter`. With a wrong value, the output is neither used nor logged.
fn filter(rule: &mut Rule, value: Value<'_>) -> Vec<Refusal> {
    let filter = value.boolean();
    rule.filter = Some(match &filter {
        Ok(true) => Filter::Yes,
        Ok(false) => Filter::No,
        Err(_) => Filter::Unclear,
    });
    filter.err().into_iter().collect()
}

/// Reads the `[[script]]` tables. Their places are bytes until the file is read.
fn scripts(settings: &mut Settings, value: Value<'_>) -> Vec<Refusal> {
    let Some(tables) = value.array() else {
        return vec![value.refuse("is written [[script]], in double brackets; it is ignored")];
    };
    let mut refusals = Vec::new();
    for table in tables {
        match table.get_ref().as_table() {
            Some(content) => settings.rules.extend(rule(content, &table.span(), &mut refusals)),
            None => refusals.push((table.span(), "a [[script]] must be a table; it is ignored".to_owned())),
        }
    }
    refusals
}

fn rule(table: &DeTable<'_>, span: &Range<usize>, refusals: &mut Vec<Refusal>) -> Option<Rule> {
    let mut draft = Draft::default();
    refusals.extend(SCRIPT_KEYS.read_table(table, &mut draft));
    let Draft { name, mut rule } = draft;
    if !table.contains_key("name") {
        refusals.push((span.clone(), "this [[script]] has no \"name\"; it is ignored".to_owned()));
    }
    let must_wait = rule.on_failure == Some(OnFailure::Abort) || rule.filter == Some(Filter::Yes);
    if rule.wait == Some(false) && must_wait {
        let message = "wait = false is ignored, since libvirt has to wait for a filter and for a veto; remove it, or \
                       remove filter and onFailure";
        refusals.push((span.clone(), message.to_owned()));
        rule.wait = None;
    }
    Some(Rule { name: name?, place: (PathBuf::new(), span.start), ..rule })
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;

    use super::super::{Settings, parse};
    use super::*;

    /// The settings file that is installed: every line of it is a comment.
    const SHIPPED: &str = include_str!("../../packaging/virt-hooks.toml");

    /// Returns the installed file with every example in force.
    fn in_force() -> String {
        let uncommented = SHIPPED.lines().filter_map(|line| line.strip_prefix('#'));
        uncommented.filter(|line| !line.is_empty() && !line.starts_with(' ')).map(|line| format!("{line}\n")).collect()
    }

    /// The value that a key has among these lines.
    fn shown<'a>(lines: &'a str, name: &str) -> Option<&'a str> {
        lines.lines().filter_map(|line| line.split_once(" = ")).find(|(key, _)| *key == name).map(|(_, value)| value)
    }

    #[test]
    fn the_defaults_are_those_in_force_without_the_key() {
        let mut settings = Settings::default();
        for Entry { name, default, .. } in keys() {
            if let DefaultValue::Toml(value) = default {
                assert_eq!(parse(&format!("{name} = {value}"), &mut settings), [], "{name}");
                assert_eq!(settings, Settings::default(), "{name}");
            }
        }
        assert_eq!(settings.event_timeout, None);
        let without = Settings::default().of_script(OsStr::new("all_a"));
        for Entry { name, default, .. } in script_keys() {
            if let DefaultValue::Toml(value) = default {
                let mut settings = Settings::default();
                let text = format!("[[script]]\nname = \"*\"\n{name} = {value}");
                assert_eq!(parse(&text, &mut settings), [], "{name}");
                assert_eq!(settings.of_script(OsStr::new("all_a")), without, "{name}");
            }
        }
    }

    #[test]
    fn the_installed_file_shows_every_key_with_its_default() {
        let text = in_force();
        let (before, table) = text.split_once("[[script]]\n").unwrap_or_default();
        for (lines, Entry { name, default, .. }) in
            keys().map(|entry| (before, entry)).chain(script_keys().map(|entry| (table, entry)))
        {
            let shown = shown(lines, name);
            assert!(shown.is_some(), "{name}");
            if let DefaultValue::Toml(value) = default {
                assert_eq!(shown, Some(value), "{name}");
            }
        }
    }

    #[test]
    fn the_installed_file_is_valid_with_every_example_in_force_and_says_nothing_as_it_stands() {
        assert_eq!(parse(&in_force(), &mut Settings::default()), []);
        let mut settings = Settings::default();
        assert_eq!(parse(SHIPPED, &mut settings), []);
        assert_eq!(settings, Settings::default());
    }
}
