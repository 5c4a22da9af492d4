//! Events, put together from their records.
//!
//! No record marks the end of an event. An event counts as over once its process id is another event's, or after a long
//! time without a record.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, RandomState};

use super::moment::millisecond;
use super::rehearsal::Rehearsals;
use crate::driver::Driver;
use crate::record::outcome::Outcome;
use crate::record::{Fields, Message, Quoted};

/// Time without a record after which an event with no running script counts as over, in milliseconds.
const IDLE_LIMIT: i64 = 60 * 60 * 1000;

/// Maximum number of events under way. The oldest one then counts as over.
const UNDER_WAY: usize = 3_000;

/// Maximum number of runs of one event, and maximum length of a name in bytes.
const RUNS: usize = 1_000;
const NAME: usize = 512;

/// A call of the hook that ran scripts.
#[derive(Debug)]
pub(crate) struct Event {
    /// The time of its first record, as it stands there.
    pub(crate) time: String,
    /// The driver that called.
    pub(crate) driver: &'static Driver,
    /// The domain, the operation and the sub-operation, as they can be shown.
    pub(crate) domain: String,
    pub(crate) operation: String,
    pub(crate) sub_operation: String,
    /// True if a person called the hook, not libvirt.
    pub(crate) by_hand: bool,
    /// Its scripts in the order in which they began.
    pub(crate) runs: Vec<Run>,
    /// Number of further runs.
    pub(crate) more: usize,
    pid: u32,
    heading: u64,
    last: i64,
    over: bool,
}

/// A run of a script in it. Times are in milliseconds since 1970.
#[derive(Debug)]
pub(crate) struct Run {
    /// The script, as it stands below `custom/`.
    pub(crate) label: Vec<u8>,
    /// When it began, or did not.
    pub(crate) begin: i64,
    /// libvirt was not kept waiting.
    pub(crate) background: bool,
    /// Its outcome, if the log has it.
    pub(crate) outcome: Option<Outcome>,
    started: bool,
}

impl Run {
    /// Returns its duration in milliseconds, if known.
    pub(crate) fn took(&self) -> Option<u64> {
        self.outcome.as_ref().and_then(Outcome::milliseconds)
    }

    /// Returns true if it may still be running.
    pub(crate) const fn is_open(&self) -> bool {
        self.outcome.is_none()
    }
}

impl Event {
    fn new(fields: &Fields<'_>, by_hand: bool, heading: u64, last: i64) -> Option<Self> {
        let name = |name: Option<std::borrow::Cow<'_, [u8]>>| {
            name.map(|name| Quoted::bytes(name.get(..NAME).unwrap_or(&name)).to_string())
        };
        Some(Self {
            time: fields.time.to_owned(),
            driver: fields.driver,
            domain: name(fields.domain.read())?,
            operation: name(fields.operation.read())?,
            sub_operation: name(fields.sub_operation.read())?,
            by_hand,
            runs: Vec::new(),
            more: 0,
            pid: fields.pid,
            heading,
            last,
            over: false,
        })
    }

    /// When its first script began, in milliseconds since 1970.
    pub(crate) fn begin(&self) -> i64 {
        self.runs.iter().map(|run| run.begin).min().unwrap_or(self.last)
    }

    /// Returns the time that libvirt waited for its scripts, in milliseconds.
    pub(crate) fn took(&self) -> u64 {
        let end = |run: &Run| match run.took() {
            Some(took) => run.begin.saturating_add_unsigned(took),
            None if run.is_open() => self.last,
            None => run.begin,
        };
        let end = self.runs.iter().filter(|run| !run.background).map(end).max();
        end.map_or(0, |end| u64::try_from(end.saturating_sub(self.begin())).unwrap_or(0))
    }

    /// The script that libvirt waited for longest, if it waited.
    pub(crate) fn slowest(&self) -> Option<(usize, u64)> {
        let waited = self.runs.iter().enumerate().filter(|(_, run)| !run.background);
        let times = waited.filter_map(|(index, run)| Some((index, run.took()?)));
        times.filter(|(_, took)| *took > 0).max_by_key(|(index, took)| (*took, std::cmp::Reverse(*index)))
    }

    fn is_idle(&self, now: i64) -> bool {
        now.saturating_sub(self.last) > IDLE_LIMIT && !self.runs.iter().any(Run::is_open)
    }

    fn run(&mut self, label: &[u8]) -> Option<&mut Run> {
        self.runs.iter_mut().rfind(|run| run.label == label)
    }

    fn add(&mut self, run: Run) {
        if self.runs.len() < RUNS { self.runs.push(run) } else { self.more += 1 }
    }

    /// Adds the start of a script. Returns false if it is another event's.
    fn started(&mut self, label: &[u8], time: i64) -> bool {
        match self.run(label) {
            Some(run) if run.started || !run.background => return false,
            Some(run) => (run.started, run.begin) = (true, time),
            None => {
                let label = label.to_vec();
                self.add(Run { label, begin: time, background: false, outcome: None, started: true });
            }
        }
        true
    }

    /// Adds the outcome of a script. Returns false if it is another event's.
    fn ended(&mut self, label: &[u8], time: i64, outcome: &Outcome) -> bool {
        let took = outcome.milliseconds().unwrap_or(0);
        let began = time.saturating_sub_unsigned(took);
        let background = *outcome == Outcome::HandedOver;
        let outcome = (!background).then(|| outcome.clone());
        match self.run(label) {
            Some(run) if run.is_open() && !background => run.outcome = outcome,
            Some(_) => return false,
            None => {
                self.add(Run { label: label.to_vec(), begin: began, background, outcome, started: false });
            }
        }
        true
    }
}

/// The events under way.
#[derive(Debug, Default)]
pub(crate) struct Events {
    /// In the order in which they began.
    events: VecDeque<Event>,
    /// The event that each process id is of now, by its number.
    of_pid: HashMap<u32, u64>,
    /// The number of the first of `events`.
    first: u64,
    now: i64,
    rehearsals: Rehearsals,
    state: RandomState,
}

impl Events {
    /// Adds a record.
    pub(crate) fn add(&mut self, fields: &Fields<'_>) {
        self.rehearsals.add(fields);
        let outcome = match fields.read_message() {
            Message::Started { .. } => None,
            Message::Outcome { outcome } => Some(outcome.into_owned()),
            _ => return,
        };
        let Some(time) = millisecond(fields.time) else { return };
        let Some(label) = fields.script.and_then(|script| script.read()) else { return };
        let label = label.get(..NAME).unwrap_or(&label);
        self.now = time;
        let about = (fields.domain.written(), fields.operation.written(), fields.sub_operation.written());
        let heading = self.state.hash_one(about);
        let take = |event: &mut Event| {
            event.last = event.last.max(time);
            match &outcome {
                None => event.started(label, time),
                Some(outcome) => event.ended(label, time, outcome),
            }
        };
        if let Some(event) = self.of(fields.pid) {
            if event.heading == heading && !event.is_idle(time) && take(event) {
                return;
            }
            event.over = true;
        }
        let Some(mut event) = Event::new(fields, self.rehearsals.has(fields), heading, time) else { return };
        take(&mut event);
        self.of_pid.insert(event.pid, self.first + self.events.len() as u64);
        self.events.push_back(event);
    }

    fn of(&mut self, pid: u32) -> Option<&mut Event> {
        let number = self.of_pid.get(&pid)?.checked_sub(self.first)?;
        self.events.get_mut(usize::try_from(number).ok()?)
    }

    /// The next event that is over; at the log's end all are.
    pub(crate) fn next(&mut self, at_the_end: bool) -> Option<Event> {
        let first = self.events.front()?;
        let over = at_the_end || first.over || first.is_idle(self.now) || self.events.len() > UNDER_WAY;
        let event = if over { self.events.pop_front() } else { None }?;
        if self.of_pid.get(&event.pid) == Some(&self.first) {
            self.of_pid.remove(&event.pid);
        }
        self.first += 1;
        Some(event)
    }
}
