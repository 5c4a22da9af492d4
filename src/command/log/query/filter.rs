//! Filters of records.

use std::cmp::Ordering;
use std::ops::RangeInclusive;
use std::time::SystemTime;

use memchr::memmem::Finder;

use super::events::Event;
use super::moment::{DISORDER, End, LONGEST_RUN, Moment};
use super::pattern::NamePattern;
use crate::command::failure::Failure;
use crate::command::log::arguments::Arguments;
use crate::driver::Driver;
use crate::record::Fields;
use crate::record::outcome::Outcome;

/// Conditions on a record. Without any condition, lines of other programs match too.
#[derive(Debug)]
pub(crate) struct Filter {
    driver: Option<&'static Driver>,
    domain: Option<NamePattern>,
    script: Option<NamePattern>,
    operation: Option<String>,
    since: Option<Moment>,
    until: Option<Moment>,
    until_at_last: Option<Moment>,
    /// Only records of runs that failed.
    pub(crate) failed: bool,
    /// Later records are asked for too, so that every run under way counts.
    pub(crate) goes_on: bool,
    /// Only records, also where nothing else is asked for.
    pub(crate) only_records: bool,
    word: Option<Finder<'static>>,
}

impl Filter {
    /// Returns the filter of the command line.
    pub(crate) fn of(arguments: &Arguments) -> Result<Self, Failure> {
        let pattern = |option, text: Option<&String>| text.map(|text| NamePattern::parse(option, text)).transpose();
        let moment = |option, text: Option<&String>, end| text.map(|text| Moment::parse(option, text, end)).transpose();
        let until = moment("--until", arguments.until.as_ref(), End::Last)?;
        let mut filter = Self {
            driver: arguments.driver,
            domain: pattern("--domain", arguments.domain.as_ref())?,
            script: pattern("--script", arguments.script.as_ref())?,
            operation: arguments.operation.clone(),
            since: moment("--since", arguments.since.as_ref(), End::First)?,
            until_at_last: until.as_ref().map(|until| until.later(DISORDER)),
            until,
            failed: arguments.failed,
            goes_on: arguments.follow,
            only_records: arguments.json || arguments.stats,
            word: None,
        };
        filter.word = filter.longest_word();
        Ok(filter)
    }

    /// Returns the filters for the timeline, which shows whole events: those that began in the requested time, and in
    /// which a script matches and, with `--failed`, a run failed.
    pub(crate) fn of_events(arguments: &Arguments) -> Result<(Self, EventFilter), Failure> {
        let mut filter = Self { only_records: true, ..Self::of(arguments)? };
        let since = filter.since.as_ref().map_or(i64::MIN, Moment::as_millisecond);
        let until = filter.until.take().map_or(i64::MAX, |until| until.as_millisecond());
        let events = EventFilter { script: filter.script.take(), failed: filter.failed, begin: since..=until };
        filter.since = filter.since.map(|since| since.earlier(LONGEST_RUN));
        filter.until_at_last = filter.until_at_last.map(|until| until.later(LONGEST_RUN));
        filter.failed = false;
        filter.word = filter.longest_word();
        Ok((filter, events))
    }

    /// Returns the filters for statistics. They count runs of matching scripts that ended in the requested time and,
    /// with `--failed`, failed. Records of the events' own are left out.
    pub(crate) fn of_runs(arguments: &Arguments) -> Result<(Self, RunFilter), Failure> {
        let mut filter = Self::of(arguments)?;
        let failed = std::mem::take(&mut filter.failed);
        let runs = RunFilter { script: filter.script.take(), failed, since: filter.since.clone() };
        filter.since = filter.since.map(|since| since.earlier(LONGEST_RUN));
        filter.word = filter.longest_word();
        Ok((filter, runs))
    }

    /// Returns true if every line matches, lines of other programs too.
    pub(crate) const fn matches_every_line(&self) -> bool {
        let any = self.domain.is_some() || self.script.is_some() || self.operation.is_some() || self.driver.is_some();
        !(any || self.since.is_some() || self.until.is_some() || self.failed || self.only_records)
    }

    /// A word that every line has which fits; the longest is likely the rarest.
    pub(crate) const fn word(&self) -> Option<&Finder<'static>> {
        self.word.as_ref()
    }

    fn longest_word(&self) -> Option<Finder<'static>> {
        let operation = self.operation.as_ref().map(|operation| format!(" {operation}/").into_bytes());
        let names = [&self.domain, &self.script].into_iter().flatten().map(NamePattern::word);
        let longest = names.chain(operation).max_by_key(Vec::len).filter(|word| !word.is_empty())?;
        Some(Finder::new(&longest).into_owned())
    }

    /// Returns true if a record is of the requested event and script.
    pub(crate) fn fits_run(&self, fields: &Fields<'_>) -> bool {
        if self.operation.as_ref().is_some_and(|operation| fields.operation.written() != operation.as_bytes()) {
            return false;
        }
        if self.driver.is_some_and(|driver| driver != fields.driver) {
            return false;
        }
        let domain = |pattern: &NamePattern| fields.domain.read().is_some_and(|name| pattern.fits(&name));
        if !self.domain.as_ref().is_none_or(domain) {
            return false;
        }
        let script = |pattern: &NamePattern| {
            fields.script.and_then(|script| script.read()).is_some_and(|label| script_fits(pattern, &label))
        };
        self.script.as_ref().is_none_or(script)
    }

    /// Returns true if a record is of the requested time.
    pub(crate) fn fits_time(&mut self, fields: &Fields<'_>) -> bool {
        let since = self.since.as_mut().is_none_or(|since| since.compare(fields.time) != Ordering::Less);
        since && self.until.as_mut().is_none_or(|until| until.compare(fields.time) != Ordering::Greater)
    }

    /// Returns true if no later record can match.
    pub(crate) fn is_past(&mut self, fields: &Fields<'_>) -> bool {
        self.until_at_last.as_mut().is_some_and(|until| until.compare(fields.time) == Ordering::Greater)
    }

    /// Returns the time from which the log has to be read.
    pub(crate) fn reads_from(&self) -> Option<Moment> {
        let margin = if self.failed { LONGEST_RUN } else { DISORDER };
        self.since.as_ref().map(|since| since.earlier(margin))
    }

    /// Files last written to before this have nothing that fits.
    pub(crate) fn files_from(&self) -> Option<SystemTime> {
        self.reads_from().map(|moment| moment.as_system_time())
    }
}

/// Conditions on an event.
#[derive(Debug)]
pub(crate) struct EventFilter {
    script: Option<NamePattern>,
    failed: bool,
    /// When it began, in milliseconds since 1970.
    begin: RangeInclusive<i64>,
}

impl EventFilter {
    /// Returns true if an event matches.
    pub(crate) fn fits(&self, event: &Event) -> bool {
        let script = |pattern: &NamePattern| event.runs.iter().any(|run| script_fits(pattern, &run.label));
        let failed = || event.runs.iter().any(|run| run.outcome.as_ref().is_some_and(Outcome::is_failure));
        self.begin.contains(&event.begin()) && self.script.as_ref().is_none_or(script) && (!self.failed || failed())
    }
}

/// Conditions on a run.
#[derive(Debug)]
pub(crate) struct RunFilter {
    script: Option<NamePattern>,
    failed: bool,
    since: Option<Moment>,
}

impl RunFilter {
    /// Returns true if the run of a script that ended with this record matches.
    pub(crate) fn fits(&mut self, fields: &Fields<'_>, script: &[u8], outcome: &Outcome) -> bool {
        let since = self.since.as_mut().is_none_or(|since| since.compare(fields.time) != Ordering::Less);
        let fits = self.script.as_ref().is_none_or(|pattern| script_fits(pattern, script));
        since && fits && (!self.failed || outcome.is_failure())
    }
}

/// Returns true if a script's label `VM/start_x`, or its file name, matches.
fn script_fits(pattern: &NamePattern, label: &[u8]) -> bool {
    let file_name = label.rsplit(|&byte| byte == b'/').next().unwrap_or(label);
    pattern.fits(label) || pattern.fits(file_name)
}
