//! The operator's settings: those in force, and those of one script.

pub mod catalogue;
mod file;
mod load;

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use glob::Pattern;

pub use self::file::parse;
pub use self::load::{Keep, load};
pub use crate::configuration::{Cost, Place, Problem};

pub(crate) use self::catalogue::on_failure;
use crate::configuration::matches;
use crate::driver::{Driver, QEMU};

/// Checks that a file has to pass to be run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Trust {
    /// Only root may be able to change it; other files are refused.
    #[default]
    Strict,
    /// A file that others may change is run, with a warning.
    Warn,
}

/// Consequence of a script's failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnFailure {
    /// A record only.
    #[default]
    Continue,
    /// On prepare, start, migrate and restore: the other scripts are skipped, and libvirt cancels the operation.
    Abort,
    /// What libvirt makes of a hook's exit code: the default of a hook that was kept.
    AsHook,
}

/// Use of a script's output as the domain's new XML.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Filter {
    /// The output is logged.
    #[default]
    No,
    /// On migrate and restore it is; on the others it is dropped. It is never logged.
    Yes,
    /// The value is invalid: the output is dropped, since it may be a domain's XML with its passwords.
    Unclear,
    /// On migrate and restore it is; on the others it is logged: the default of a hook that was kept.
    AsHook,
}

/// The content of all settings files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Timeout of each script.
    pub timeout: Duration,
    /// Time between SIGTERM and SIGKILL.
    pub grace: Duration,
    /// Timeout of all scripts of an event together, if any.
    pub event_timeout: Option<Duration>,
    /// Maximum output that is logged of one run of a script, in bytes. The rest is counted.
    pub max_output: u64,
    /// Checks that a file has to pass to be run.
    pub trust: Trust,
    /// Scripts run for VMs of users' own libvirt too, as that user.
    pub sessions: bool,
    /// The driver whose events they are for.
    pub driver: &'static Driver,
    rules: Vec<Rule>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            // The specification's 10 * 60.
            timeout: Duration::from_secs(10 * 60),
            grace: Duration::from_secs(10),
            event_timeout: None,
            max_output: 64 << 20,
            trust: Trust::default(),
            sessions: false,
            driver: &QEMU,
            rules: Vec::new(),
        }
    }
}

/// A `[[script]]` table: the settings of the scripts that it names.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Rule {
    /// Its file, and its line there, from 1.
    place: (PathBuf, usize),
    name: Pattern,
    /// The driver's name; none where it is qemu, empty where it could not be read.
    driver: Option<&'static str>,
    /// The domains that the scripts are for; none where every domain's.
    domains: Option<Vec<Pattern>>,
    timeout: Option<Duration>,
    on_failure: Option<OnFailure>,
    filter: Option<Filter>,
    exclusive: Option<bool>,
    wait: Option<bool>,
}

/// A `[[script]]` table, for `virt-hooks check`.
#[derive(Debug, Clone, Copy)]
pub struct Table<'a> {
    /// The file that it stands in.
    pub file: &'a Path,
    /// Its line there, from 1.
    pub line: usize,
    /// True if it restricts the scripts to some domains.
    pub restricts: bool,
    /// True if it has `onFailure = "abort"`.
    pub vetoes: bool,
    /// True if it has `wait = false`.
    pub lets_go_on: bool,
    name: &'a Pattern,
    domains: &'a [Pattern],
}

impl<'a> Table<'a> {
    /// Returns the patterns of its VMs.
    pub const fn domains(&self) -> &'a [Pattern] {
        self.domains
    }

    /// The pattern of the scripts that it is about.
    pub fn name(&self) -> &str {
        self.name.as_str()
    }

    /// Returns true if it applies to the script of this file name.
    pub fn is_about(&self, file_name: &OsStr) -> bool {
        matches(self.name, file_name)
    }
}

/// Settings of one script.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ScriptSettings {
    /// Its timeout.
    pub timeout: Duration,
    /// Consequence of its failure.
    pub on_failure: OnFailure,
    /// Use of its output.
    pub filter: Filter,
    /// True if it never runs twice at once on this host.
    pub exclusive: bool,
    /// libvirt waits for it; if not, it is supervised in the background.
    pub wait: bool,
}

impl ScriptSettings {
    /// Returns true if it is to run in the background, although libvirt has to wait for its veto or its XML. libvirt
    /// waits then.
    pub const fn must_be_waited_for(&self) -> bool {
        let (vetoes, filters) = (self.on_failure, self.filter);
        let is_waited_for = !matches!(vetoes, OnFailure::Continue) || matches!(filters, Filter::Yes | Filter::AsHook);
        !self.wait && is_waited_for
    }
}

impl Settings {
    /// Returns the settings of the script of this file name. A later table overrides an earlier one.
    pub fn of_script(&self, file_name: &OsStr) -> ScriptSettings {
        self.with_defaults(file_name, OnFailure::default(), Filter::default())
    }

    /// Returns what is in force for a program that libvirt called as its hook before: what the tables leave open is as libvirt
    /// has it.
    pub fn of_hook(&self, file_name: &OsStr) -> ScriptSettings {
        self.with_defaults(file_name, OnFailure::AsHook, Filter::AsHook)
    }

    fn with_defaults(&self, file_name: &OsStr, on_failure: OnFailure, filter: Filter) -> ScriptSettings {
        let mut settings = ScriptSettings { timeout: self.timeout, on_failure, filter, exclusive: false, wait: true };
        for rule in self.rules_for(file_name) {
            settings.timeout = rule.timeout.unwrap_or(settings.timeout);
            settings.on_failure = rule.on_failure.unwrap_or(settings.on_failure);
            settings.filter = rule.filter.unwrap_or(settings.filter);
            settings.exclusive = rule.exclusive.unwrap_or(settings.exclusive);
            settings.wait = rule.wait.unwrap_or(settings.wait);
        }
        settings
    }

    /// Returns true if the script of this file name is for this domain.
    pub fn is_for(&self, file_name: &OsStr, domain: &OsStr) -> bool {
        self.domains_of(file_name).is_none_or(|domains| domains.iter().any(|pattern| matches(pattern, domain)))
    }

    /// The patterns of the domains that the script of this file name is for, or nothing where it is every domain's.
    pub fn domains_of<'a>(&'a self, file_name: &'a OsStr) -> Option<&'a [Pattern]> {
        self.rules_for(file_name).filter_map(|rule| rule.domains.as_deref()).next_back()
    }

    /// All `[[script]]` tables, in the order in which they count.
    pub fn tables(&self) -> impl Iterator<Item = Table<'_>> {
        self.rules.iter().filter(|rule| rule.is_of(self.driver)).map(|rule| Table {
            file: &rule.place.0,
            line: rule.place.1,
            restricts: rule.domains.is_some(),
            vetoes: rule.on_failure == Some(OnFailure::Abort),
            lets_go_on: rule.wait == Some(false),
            name: &rule.name,
            domains: rule.domains.as_deref().unwrap_or_default(),
        })
    }

    fn rules_for<'a>(&'a self, file_name: &'a OsStr) -> impl DoubleEndedIterator<Item = &'a Rule> {
        self.rules.iter().filter(move |rule| rule.is_of(self.driver) && matches(&rule.name, file_name))
    }

    /// The same for the events of a driver, which may bound them.
    fn of(mut self, driver: &'static Driver) -> Self {
        self.driver = driver;
        if let Some(bound) = driver.event_timeout {
            self.event_timeout = Some(self.event_timeout.map_or(bound, |timeout| timeout.min(bound)));
            self.grace = self.grace.min(Self::default().grace);
        }
        self
    }
}

impl Rule {
    fn is_of(&self, driver: &Driver) -> bool {
        self.driver.unwrap_or(QEMU.name) == driver.name
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::driver::DAEMON;

    fn settings(text: &str) -> Settings {
        let mut settings = Settings::default();
        let problems = parse(text, &mut settings);
        assert!(problems.is_empty(), "{problems:?}");
        settings
    }

    #[test]
    fn later_tables_win_key_by_key() {
        let settings = settings(
            r#"
            timeoutSeconds = 100
            [[script]]
            name = "start_*"
            timeoutSeconds = 30
            onFailure = "abort"
            filter = true
            [[script]]
            name = "*_gate.sh"
            timeoutSeconds = 5
            [[script]]
            name = "start_gate.sh"
            onFailure = "continue"
            "#,
        );
        let of = |name: &str| {
            let ScriptSettings { timeout, on_failure, filter, .. } = settings.of_script(OsStr::new(name));
            (timeout.as_secs(), on_failure, filter)
        };
        assert_eq!(of("all_x"), (100, OnFailure::Continue, Filter::No));
        assert_eq!(of("start_x"), (30, OnFailure::Abort, Filter::Yes));
        assert_eq!(of("start_gate.sh"), (5, OnFailure::Continue, Filter::Yes));
    }

    #[test]
    fn a_daemon_s_event_ends_before_systemd_gives_the_daemon_up() {
        const SYSTEMD: Duration = Duration::from_secs(90);
        for text in ["", "eventTimeoutSeconds = 1000\ngraceSeconds = 100\n"] {
            let of = settings(text).of(&DAEMON);
            assert!(of.event_timeout.is_some_and(|timeout| timeout + of.grace + Duration::from_secs(1) < SYSTEMD));
        }
        assert_eq!(settings("eventTimeoutSeconds = 5\n").of(&DAEMON).event_timeout, Some(Duration::from_secs(5)));
        assert_eq!(settings("").of(&QEMU), settings(""));
    }

    #[test]
    fn domains_restrict_the_script_itself() {
        let settings = settings("[[script]]\nname = \"start_a\"\ndomains = [\"i-2-*\", \"db?\"]\n");
        for (script, domain, expected) in [
            ("start_a", "i-2-10-VM", true),
            ("start_a", "db1", true),
            ("start_a", "db10", false),
            ("start_a", "web", false),
            ("start_b", "web", true),
        ] {
            assert_eq!(settings.is_for(OsStr::new(script), OsStr::new(domain)), expected, "{script} {domain}");
        }
    }
}
