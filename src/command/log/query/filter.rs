//! Which records are asked for.

use std::cmp::Ordering;
use std::ops::RangeInclusive;
use std::time::SystemTime;

use memchr::memmem::Finder;

use super::events::Event;
use super::moment::{DISORDER, End, LONGEST_RUN, Moment};
use super::pattern::NamePattern;
use crate::command::failure::Failure;
use crate::command::log::arguments::Arguments;
use crate::record::Fields;
use crate::record::outcome::Outcome;

/// What a record has to fit. One without any condition takes lines of others too.
#[derive(Debug)]
pub(crate) struct Filter {
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
    /// What the command line asks for.
    pub(crate) fn of(arguments: &Arguments) -> Result<Self, Failure> {
        let pattern = |option, text: Option<&String>| text.map(|text| NamePattern::parse(option, text)).transpose();
        let moment = |option, text: Option<&String>, end| text.map(|text| Moment::parse(option, text, end)).transpose();
        let until = moment("--until", arguments.until.as_ref(), End::Last)?;
        let mut filter = Self {
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

    /// The same for the timeline, which shows events whole: those that began in the time that is asked for, and in
    /// which a script fits and one failed, if that is asked for.
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

    /// The same for figures, which leave out the runs of events that others of their records tell of: runs of scripts that
    /// fit, that ended in the time that is asked for, and that failed, if that is asked for.
    pub(crate) fn of_runs(arguments: &Arguments) -> Result<(Self, RunFilter), Failure> {
        let mut filter = Self::of(arguments)?;
        let failed = std::mem::take(&mut filter.failed);
        let runs = RunFilter { script: filter.script.take(), failed, since: filter.since.clone() };
        filter.since = filter.since.map(|since| since.earlier(LONGEST_RUN));
        filter.word = filter.longest_word();
        Ok((filter, runs))
    }

    /// Whether everything is asked for, lines of others too.
    pub(crate) const fn takes_every_line(&self) -> bool {
        let any = self.domain.is_some() || self.script.is_some() || self.operation.is_some();
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

    /// Whether a record is of the event and the script that are asked for.
    pub(crate) fn fits_run(&self, fields: &Fields<'_>) -> bool {
        if self.operation.as_ref().is_some_and(|operation| fields.operation.written() != operation.as_bytes()) {
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

    /// Whether a record is of the time that is asked for.
    pub(crate) fn fits_time(&mut self, fields: &Fields<'_>) -> bool {
        let since = self.since.as_mut().is_none_or(|since| since.compare(fields.time) != Ordering::Less);
        since && self.until.as_mut().is_none_or(|until| until.compare(fields.time) != Ordering::Greater)
    }

    /// Whether no record that fits can come behind this one.
    pub(crate) fn is_past(&mut self, fields: &Fields<'_>) -> bool {
        self.until_at_last.as_mut().is_some_and(|until| until.compare(fields.time) == Ordering::Greater)
    }

    /// From when on the log has to be read.
    pub(crate) fn reads_from(&self) -> Option<Moment> {
        let margin = if self.failed { LONGEST_RUN } else { DISORDER };
        self.since.as_ref().map(|since| since.earlier(margin))
    }

    /// Files last written to before this have nothing that fits.
    pub(crate) fn files_from(&self) -> Option<SystemTime> {
        self.reads_from().map(|moment| moment.as_system_time())
    }
}

/// Which events are asked for.
#[derive(Debug)]
pub(crate) struct EventFilter {
    script: Option<NamePattern>,
    failed: bool,
    /// When it began, in milliseconds since 1970.
    begin: RangeInclusive<i64>,
}

impl EventFilter {
    /// Whether an event is asked for.
    pub(crate) fn fits(&self, event: &Event) -> bool {
        let script = |pattern: &NamePattern| event.runs.iter().any(|run| script_fits(pattern, &run.label));
        let failed = || event.runs.iter().any(|run| run.outcome.as_ref().is_some_and(Outcome::is_failure));
        self.begin.contains(&event.begin()) && self.script.as_ref().is_none_or(script) && (!self.failed || failed())
    }
}

/// Which runs are asked for.
#[derive(Debug)]
pub(crate) struct RunFilter {
    script: Option<NamePattern>,
    failed: bool,
    since: Option<Moment>,
}

impl RunFilter {
    /// Whether the run of a script is asked for that ended so with this record.
    pub(crate) fn fits(&mut self, fields: &Fields<'_>, script: &[u8], outcome: &Outcome) -> bool {
        let since = self.since.as_mut().is_none_or(|since| since.compare(fields.time) != Ordering::Less);
        let fits = self.script.as_ref().is_none_or(|pattern| script_fits(pattern, script));
        since && fits && (!self.failed || outcome.is_failure())
    }
}

/// Whether a script fits, by its whole label `VM/start_x` or its file name.
fn script_fits(pattern: &NamePattern, label: &[u8]) -> bool {
    let file_name = label.rsplit(|&byte| byte == b'/').next().unwrap_or(label);
    pattern.fits(label) || pattern.fits(file_name)
}
