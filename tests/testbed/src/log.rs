//! The log, as a test reads it: on its own, not by the code under test.

use std::fs;
use std::path::Path;

/// Content of a log.
#[derive(Debug)]
pub struct Log {
    /// All of it.
    pub text: String,
}

/// A record of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// `INFO`, `WARN` or `ERROR`.
    pub level: String,
    /// The script it is about, or `-`.
    pub script: String,
    /// Its message.
    pub message: String,
}

impl Log {
    pub(crate) fn read(path: &Path) -> Self {
        Self { text: String::from_utf8_lossy(&fs::read(path).unwrap_or_default()).into_owned() }
    }

    /// Its lines that are records, in order.
    pub fn records(&self) -> Vec<Record> {
        self.text.lines().filter_map(Record::read).collect()
    }

    /// Returns the messages about a script, in order.
    pub fn of(&self, script: &str) -> Vec<String> {
        let records = self.records().into_iter().filter(|record| record.script == script);
        records.map(|record| record.message).collect()
    }

    /// The scripts that were started, in order.
    pub fn started(&self) -> Vec<String> {
        let started = |record: &Record| record.message.starts_with("started as pid ");
        self.records().into_iter().filter(started).map(|record| record.script).collect()
    }

    /// Asserts that a record of the script has this level and says this somewhere.
    #[track_caller]
    pub fn assert_says(&self, level: &str, script: &str, words: &str) {
        let says = |record: &Record| record.level == level && record.script == script && record.message.contains(words);
        let found = self.records().iter().any(says);
        assert!(found, "no {level} record of {script} says {words:?} in:\n{}", self.text);
    }

    /// Asserts that every line is a record.
    #[track_caller]
    pub fn assert_only_records(&self) {
        for line in self.text.lines() {
            assert!(Record::read(line).is_some(), "not a record: {line}");
        }
    }
}

impl Record {
    /// Reads a record of an event whose VM and operation have no blanks in them.
    fn read(line: &str) -> Option<Self> {
        let (time, rest) = line.split_once(' ')?;
        let timely = time.len() == "2026-11-22T14:22:44.123+01:00".len() && time.as_bytes().get(10) == Some(&b'T');
        let (level, rest) = rest.trim_start().split_once(' ')?;
        let rest = rest.trim_start().split_once("-hook[").filter(|(driver, _)| !driver.contains(' '))?.1;
        let (pid, rest) = rest.split_once("] ")?;
        let rest = match rest.strip_prefix('"') {
            Some(quoted) => quoted.split_once("\" ")?.1,
            None => rest.split_once(' ')?.1,
        };
        let (operation, rest) = rest.split_once(' ')?;
        let (script, message) = match rest.strip_prefix('"') {
            Some(quoted) => quoted.split_once("\": ")?,
            None => rest.split_once(": ")?,
        };
        let ours = timely && pid.parse::<u32>().is_ok() && operation.contains('/');
        ours.then(|| Self { level: level.to_owned(), script: script.to_owned(), message: message.to_owned() })
    }
}
