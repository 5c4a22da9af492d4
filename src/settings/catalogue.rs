//! Every key of the settings files: its name, and what its manual page says of it.
//!
//! [`parse`](super::parse) knows a key by what is here and nothing else, so one that is read has its words here. The words
//! are apart from the names, since the hook needs only these.

/// What the manual page says of a key. In backticks stands what is typed, in them and in `<>` what
/// is to be replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// The key.
    pub name: &'static str,
    /// What it takes, as it follows `=`.
    pub takes: &'static str,
    /// What holds where it is not given.
    pub default: DefaultValue,
    /// What it does, in whole sentences.
    pub meaning: &'static str,
}

/// What holds where a key is not given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DefaultValue {
    /// The same as with this value, in TOML.
    Toml(&'static str),
    /// What no value can say, in words.
    Words(&'static str),
}

/// The keys that stand before the first table, in the manual page's order.
pub fn keys() -> impl Iterator<Item = Entry> {
    Key::ALL.into_iter().filter_map(Key::entry)
}

/// The keys of a `[[script]]` table, in the manual page's order.
pub fn script_keys() -> impl Iterator<Item = Entry> {
    ScriptKey::ALL.into_iter().map(ScriptKey::entry)
}

/// A key that stands before the first table, and the tables' own name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Key {
    TimeoutSeconds,
    GraceSeconds,
    EventTimeoutSeconds,
    MaxOutputBytes,
    Trust,
    Script,
}

impl Key {
    pub(super) const ALL: [Self; 6] = [
        Self::TimeoutSeconds,
        Self::GraceSeconds,
        Self::EventTimeoutSeconds,
        Self::MaxOutputBytes,
        Self::Trust,
        Self::Script,
    ];

    pub(super) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|key| key.name() == name)
    }

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::TimeoutSeconds => "timeoutSeconds",
            Self::GraceSeconds => "graceSeconds",
            Self::EventTimeoutSeconds => "eventTimeoutSeconds",
            Self::MaxOutputBytes => "maxOutputBytes",
            Self::Trust => "trust",
            Self::Script => "script",
        }
    }

    /// Its words; none for the name of the tables, which have keys of their own.
    const fn entry(self) -> Option<Entry> {
        let (takes, default, meaning) = match self {
            Self::TimeoutSeconds => (
                "`<seconds>`",
                DefaultValue::Toml("600"),
                "How long each script may run, at least 1. Then it is asked to end by SIGTERM, with everything that it \
                 started, and the next script runs. A whole number: TOML does not calculate, and 20 minutes are `1200`.",
            ),
            Self::GraceSeconds => (
                "`<seconds>`",
                DefaultValue::Toml("10"),
                "How long a script has between SIGTERM and SIGKILL. With `0` the one follows the other at once.",
            ),
            Self::EventTimeoutSeconds => (
                "`<seconds>`",
                DefaultValue::Words("no limit"),
                "How long all the scripts of one event may run together, at least 1. libvirt waits for them: meanwhile the \
                 VM neither starts nor stops. Scripts for which no time is left are skipped, and the log names them.",
            ),
            Self::MaxOutputBytes => (
                "`<bytes>`",
                DefaultValue::Toml("67108864"),
                "How much is logged of what one run of a script prints. What exceeds it is counted and not kept.",
            ),
            Self::Trust => (
                "`\"strict\"` or `\"warn\"`",
                DefaultValue::Toml("\"strict\""),
                "Scripts run as root. `\"strict\"` refuses one that somebody other than root could have changed: the file, \
                 or a folder or a link on the way to it. `\"warn\"` runs it all the same and logs what is wrong.",
            ),
            Self::Script => return None,
        };
        Some(Entry { name: self.name(), takes, default, meaning })
    }
}

/// A key of a `[[script]]` table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ScriptKey {
    Name,
    Domains,
    TimeoutSeconds,
    OnFailure,
    Filter,
    Exclusive,
    Wait,
}

impl ScriptKey {
    pub(super) const ALL: [Self; 7] =
        [Self::Name, Self::Domains, Self::TimeoutSeconds, Self::OnFailure, Self::Filter, Self::Exclusive, Self::Wait];

    pub(super) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|key| key.name() == name)
    }

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Domains => "domains",
            Self::TimeoutSeconds => "timeoutSeconds",
            Self::OnFailure => "onFailure",
            Self::Filter => "filter",
            Self::Exclusive => "exclusive",
            Self::Wait => "wait",
        }
    }

    const fn entry(self) -> Entry {
        let (takes, default, meaning) = match self {
            Self::Name => (
                "`<pattern>`",
                DefaultValue::Words("none; a table without it is ignored"),
                "Which scripts the table is about, by the file's name without folders.",
            ),
            Self::Domains => (
                "`<pattern>` or `[<pattern>, ...]`",
                DefaultValue::Words("every VM"),
                "The VMs that these scripts are for, by name. For others they don't run at all. A pattern that can't be \
                 read matches no VM.",
            ),
            Self::TimeoutSeconds => (
                "`<seconds>`",
                DefaultValue::Words("the `timeoutSeconds` of all scripts"),
                "How long each of these scripts may run, at least 1.",
            ),
            Self::OnFailure => (
                "`\"continue\"` or `\"abort\"`",
                DefaultValue::Toml("\"continue\""),
                "`\"continue\"` logs a failure and goes on. `\"abort\"` is a veto: if the script fails, or can't be started, \
                 the scripts after it are skipped and libvirt refuses the operation. It counts on prepare, start, migrate and \
                 restore, where nothing runs yet, and on other operations it is no more than `\"continue\"`. A script that is \
                 not executable is ignored, veto or not.",
            ),
            Self::Filter => (
                "`true` or `false`",
                DefaultValue::Toml("false"),
                "With `true`, on migrate and restore what the script prints on stdout is the VM's new XML, if it exits with 0 \
                 and prints a whole domain with the same name and uuid. If it prints nothing, the XML stays as it was; with \
                 anything else too, and the log says why. A filter's stdout is never logged, that of other scripts is: set \
                 this before the script is in place, since the XML holds passwords.",
            ),
            Self::Exclusive => (
                "`true` or `false`",
                DefaultValue::Toml("false"),
                "With `true` a script never runs twice at once on this host, whichever VMs it runs for: one run waits until \
                 the other has ended. The wait counts against its limit.",
            ),
            Self::Wait => (
                "`true` or `false`",
                DefaultValue::Toml("true"),
                "With `false` libvirt is not kept waiting: the script runs in the background, with the same limit and in the \
                 same log. It is ignored together with `onFailure = \"abort\"` or `filter = true`, for which libvirt has to \
                 wait.",
            ),
        };
        Entry { name: self.name(), takes, default, meaning }
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;

    use super::super::{Settings, parse};
    use super::*;

    /// The settings file that is installed: every line of it is a comment.
    const SHIPPED: &str = include_str!("../../packaging/virt-hooks.toml");

    /// What the installed file would say if every example in it were in force.
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

    #[test]
    fn every_key_is_found_by_its_name() {
        assert!(Key::ALL.into_iter().all(|key| Key::named(key.name()) == Some(key)));
        assert!(ScriptKey::ALL.into_iter().all(|key| ScriptKey::named(key.name()) == Some(key)));
        assert_eq!((Key::named("onFailure"), ScriptKey::named("trust")), (None, None));
    }
}
