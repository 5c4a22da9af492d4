//! `--failed`: which records are of runs that failed.
//!
//! That a run failed is known at its end only. So the log is read twice: first it is marked where such runs begin, then
//! they are shown from there to their outcomes. A mark is a bit; the runs under way at any one time are all that is kept
//! besides.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};

use memchr::memmem::Finder;
use memchr::{memchr, memrchr};

use super::lines::Block;
use super::marks::Marks;
use super::moment::{DISORDER, millisecond};
use super::outcome::{Stage, outcome};
use super::under_way::{MOST, UnderWay};
use crate::record::Fields;

/// Tells runs apart: by process id, domain, operation and script.
#[derive(Debug, Default)]
struct RunIds {
    state: RandomState,
}

/// Which run it is.
pub(super) type RunId = u64;

impl RunIds {
    /// The run that a record is of.
    fn of(&self, fields: &Fields<'_>) -> RunId {
        self.state.hash_one(fields.run)
    }
}

/// The end of a run that failed.
#[derive(Debug, Clone, Copy)]
struct Failed {
    /// Where it is: the file and the offset.
    file: usize,
    offset: u64,
    /// When the run began at the earliest, in milliseconds since 1970.
    begun: i64,
}

/// What stands in every record of a failure, and in few others.
const FAILURES: [&str; 2] = [" WARN  qemu-hook[", " ERROR qemu-hook["];

/// The failed runs of all files.
#[derive(Debug, Default)]
pub(super) struct Failures {
    runs: RunIds,
    marks: Vec<Marks>,
    /// Where each run that is under way began, while marking: the file and the offset.
    begun: UnderWay<(usize, u64)>,
    /// The failed runs whose beginnings have not been found yet, while marking backwards.
    failed: HashMap<RunId, Failed>,
    /// The failed runs that are being shown.
    shown: HashSet<RunId>,
}

impl Failures {
    /// Of so many files, none marked yet.
    pub(super) fn of(files: usize) -> Self {
        Self { marks: (0..files).map(|_| Marks::default()).collect(), ..Self::default() }
    }

    /// The first time: takes a record at this offset of this file.
    pub(super) fn mark(&mut self, file: usize, offset: u64, fields: &Fields<'_>) {
        match Stage::of(fields) {
            Stage::Other => {}
            Stage::Started => self.begun.begin(self.runs.of(fields), (file, offset)),
            Stage::Ended => _ = self.begun.end(self.runs.of(fields)),
            Stage::Failed => {
                // Whose beginning was rotated away, and what did not even start, is one record.
                self.mark_run(self.runs.of(fields), file, offset);
            }
        }
    }

    /// The first time, backwards, behind the files that can only be read forwards: takes the records of a block that fit. As
    /// long as no run is looked for, all that lies between failures is passed over unread.
    pub(super) fn mark_back(&mut self, file: usize, block: Block<'_>, fits: &dyn Fn(&Fields<'_>) -> bool) {
        let mut found: Vec<usize> = Vec::new();
        for words in FAILURES {
            let words = Finder::new(words);
            let lines = block.lines_with(&words);
            found.extend(lines.filter_map(|line| usize::try_from(line.offset - block.offset).ok()));
        }
        found.sort_unstable();
        self.give_up_before(block);
        let mut rest = block.bytes;
        loop {
            let start = if self.failed.is_empty() {
                std::iter::from_fn(|| found.pop()).find(|start| *start < rest.len())
            } else {
                let line = rest.strip_suffix(b"\n").unwrap_or(rest);
                (!rest.is_empty()).then(|| memrchr(b'\n', line).map_or(0, |newline| newline + 1))
            };
            let Some((before, line)) = start.and_then(|start| rest.split_at_checked(start)) else { return };
            let line = memchr(b'\n', line).and_then(|newline| line.get(..newline)).unwrap_or(line);
            if let Some(fields) = Fields::split(line).filter(|fields| fits(fields)) {
                self.mark_record_back(file, block.offset + before.len() as u64, &fields);
            }
            rest = before;
        }
    }

    fn mark_record_back(&mut self, file: usize, offset: u64, fields: &Fields<'_>) {
        let stage = Stage::of(fields);
        if stage == Stage::Other {
            return;
        }
        let run = self.runs.of(fields);
        // What ended with anything but its beginning before it had lost that.
        match (self.failed.remove(&run), stage) {
            (Some(_), Stage::Started) => self.mark_one(file, offset),
            (Some(failed), _) => self.mark_run(run, failed.file, failed.offset),
            (None, _) => {}
        }
        if stage == Stage::Failed {
            let after = outcome(fields).and_then(|outcome| Some(i64::try_from(outcome.after()?.as_millis()).ok()));
            match after.zip(millisecond(fields.time)) {
                Some((after, end)) if self.failed.len() < MOST => {
                    let begun = end.saturating_sub(after.unwrap_or(i64::MAX));
                    self.failed.insert(run, Failed { file, offset, begun });
                }
                _ => self.mark_one(file, offset),
            }
        }
    }

    /// No longer looks for beginnings that would stand behind this block.
    fn give_up_before(&mut self, block: Block<'_>) {
        if self.failed.is_empty() {
            return;
        }
        let mut lines = block.bytes.rsplit(|&byte| byte == b'\n');
        let Some(latest) = lines.find_map(|line| millisecond(Fields::split(line)?.time)) else { return };
        let disorder = i64::try_from(DISORDER.as_millis()).unwrap_or(i64::MAX);
        let lost = self.failed.iter().filter(|(_, failed)| latest < failed.begun.saturating_sub(disorder));
        let lost: Vec<(RunId, Failed)> = lost.map(|(run, failed)| (*run, *failed)).collect();
        for (run, failed) in lost {
            self.failed.remove(&run);
            self.mark_run(run, failed.file, failed.offset);
        }
    }

    /// All is read: what failed and has not been seen to begin began in the files that were read forwards, if anywhere.
    pub(super) fn mark_rest(&mut self) {
        for (run, failed) in std::mem::take(&mut self.failed) {
            self.mark_run(run, failed.file, failed.offset);
        }
    }

    /// Marks where a run began, or its end at this place, where that is not known.
    fn mark_run(&mut self, run: RunId, file: usize, offset: u64) {
        let (file, offset) = self.begun.end(run).unwrap_or((file, offset));
        self.mark_one(file, offset);
    }

    fn mark_one(&mut self, file: usize, offset: u64) {
        if let Some(marks) = self.marks.get_mut(file) {
            marks.set(offset);
        }
    }

    /// The second time: whether a record is of a run that failed.
    pub(super) fn has(&mut self, file: usize, offset: u64, fields: &Fields<'_>) -> bool {
        let marked = self.marks.get(file).is_some_and(|marks| marks.has(offset));
        match Stage::of(fields) {
            Stage::Started if marked => {
                self.shown.insert(self.runs.of(fields));
                true
            }
            Stage::Started => {
                self.shown.remove(&self.runs.of(fields));
                false
            }
            Stage::Failed => self.shown.remove(&self.runs.of(fields)) || marked,
            Stage::Ended | Stage::Other => !self.shown.is_empty() && self.shown.contains(&self.runs.of(fields)),
        }
    }

    /// The second time: from where on there may be a record of a run that failed, from `from` on and before `end`.
    pub(super) fn next(&self, file: usize, from: u64, end: u64) -> Option<u64> {
        if !self.shown.is_empty() {
            return Some(from);
        }
        Some(self.marks.get(file)?.next(from, end)?.max(from))
    }

    /// The second time: whether none of so many bytes from `offset` on can be of a run that failed.
    pub(super) fn none_within(&self, file: usize, offset: u64, length: usize) -> bool {
        self.shown.is_empty() && !self.marks.get(file).is_some_and(|marks| marks.any_within(offset, length as u64))
    }

    /// The run that fails with the record at this offset of the only file, and where it began.
    pub(super) fn begin_of(&mut self, offset: u64, fields: &Fields<'_>) -> (RunId, u64) {
        let run = self.runs.of(fields);
        (run, self.begun.end(run).map_or(offset, |(_file, begin)| begin))
    }

    /// The run that a record is of.
    pub(super) fn run_of(&self, fields: &Fields<'_>) -> RunId {
        self.runs.of(fields)
    }

    /// The same, to go on with this file as the only one.
    pub(super) fn go_on_with(mut self, file: usize) -> Self {
        self.begun.retain(|(of, _offset)| std::mem::take(of) == file);
        Self { marks: vec![Marks::default()], shown: HashSet::new(), ..self }
    }

    /// The second time begins anew.
    pub(super) fn again(&mut self) {
        self.shown.clear();
    }
}
