//! `--failed`: selects the records of runs that failed.
//!
//! A failure is known only at the end of a run, so the log is read twice: the first pass marks where such runs begin,
//! the
//! second shows them from there to their outcomes. A mark is a bit. Only the marks and the runs under way are kept
//! in memory.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};

use memchr::memmem::Finder;

use super::stage::Stage;
use super::under_way::UnderWay;
use crate::command::log::read::lines::Block;
use crate::record::Fields;

/// Identifies runs by process id, domain, operation and script.
#[derive(Debug, Default)]
struct RunIds {
    state: RandomState,
}

/// Hash that identifies a run.
pub(crate) type RunId = u64;

impl RunIds {
    /// The run that a record is of.
    fn of(&self, fields: &Fields<'_>) -> RunId {
        self.state.hash_one(fields.run)
    }
}

/// Number of bytes that share a mark: every record that begins or ends a run is longer.
const SLOT: u64 = 64;

/// Positions in a file where failed runs begin, a bit for each slot.
type Marks = Vec<u64>;

/// The word of a mark, and its bit there.
fn place(offset: u64) -> (usize, u64) {
    let slot = offset / SLOT;
    (usize::try_from(slot / 64).unwrap_or(usize::MAX), 1 << (slot % 64))
}

/// Text that every record of a failure contains, and few others do.
const FAILURES: [&str; 2] = [" WARN  ", " ERROR "];

/// Position of the process id in a line, and length of the following bytes that all records of a run share.
const RUN: std::ops::Range<usize> = 46..58;

/// Runs that may have failed, by a hash of the first bytes that their records share: some runs too many, and none too few.
#[derive(Debug)]
pub(crate) struct Suspects(Marks);

impl Suspects {
    /// Number of hashes, as a power of two.
    const BITS: u32 = 22;

    /// No run.
    pub(crate) fn none() -> Self {
        Self(vec![0; 1 << (Self::BITS - 6)])
    }

    fn place(line: &[u8]) -> Option<(usize, u64)> {
        let (first, rest) = line.get(RUN)?.split_first_chunk()?;
        let rest = u32::from_le_bytes(rest.try_into().ok()?);
        let mixed = u64::from_le_bytes(*first) ^ u64::from(rest).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let hash = mixed.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (u64::BITS - Self::BITS);
        Some((usize::try_from(hash / 64).ok()?, 1 << (hash % 64)))
    }

    /// Adds the runs that fail in a block.
    pub(crate) fn add(&mut self, block: Block<'_>) {
        for words in FAILURES {
            for line in block.lines_with(&Finder::new(words)) {
                let word = Self::place(line.bytes).and_then(|(word, bit)| Some((self.0.get_mut(word)?, bit)));
                if let Some((word, bit)) = word {
                    *word |= bit;
                }
            }
        }
    }

    /// Returns true if a line may be a record of one of them.
    pub(crate) fn have(&self, line: &[u8]) -> bool {
        Self::place(line).is_some_and(|(word, bit)| self.0.get(word).is_some_and(|word| word & bit != 0))
    }
}

/// The failed runs of all files.
#[derive(Debug, Default)]
pub(crate) struct Failures {
    runs: RunIds,
    marks: Vec<Marks>,
    /// Beginning of each run that is under way, while marking: the file and the offset.
    begun: UnderWay<(usize, u64)>,
    /// The failed runs that are being shown.
    shown: HashSet<RunId>,
}

impl Failures {
    /// Returns the marks of this number of files, all unset.
    pub(crate) fn of(files: usize) -> Self {
        Self { marks: vec![Marks::new(); files], ..Self::default() }
    }

    /// First pass: marks the failed run that ends with the record at this offset of this file.
    pub(crate) fn mark(&mut self, file: usize, offset: u64, fields: &Fields<'_>) {
        match Stage::of(fields) {
            Stage::Other => {}
            Stage::Started => self.begun.begin(self.runs.of(fields), (file, offset)),
            Stage::Ended => _ = self.begun.end(self.runs.of(fields)),
            Stage::Failed => {
                // A run that did not start, or whose beginning was rotated away, is one record.
                self.mark_run(self.runs.of(fields), file, offset);
            }
        }
    }

    /// Marks where a run began, or its end at this place, where that is not known.
    fn mark_run(&mut self, run: RunId, file: usize, offset: u64) {
        let (file, offset) = self.begun.end(run).unwrap_or((file, offset));
        let (word, bit) = place(offset);
        if let Some(marks) = self.marks.get_mut(file) {
            marks.resize(marks.len().max(word + 1), 0);
            if let Some(word) = marks.get_mut(word) {
                *word |= bit;
            }
        }
    }

    /// Second pass: returns true if no record in this range can be of a failed run.
    pub(crate) fn has(&mut self, file: usize, offset: u64, fields: &Fields<'_>) -> bool {
        let (word, bit) = place(offset);
        let marked = self.marks.get(file).and_then(|marks| marks.get(word)).is_some_and(|word| word & bit != 0);
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

    /// Second pass: returns true if no record in this range can be of a failed run.
    pub(crate) fn none_within(&self, file: usize, offset: u64, length: usize) -> bool {
        let (first, last) = (place(offset).0, place(offset + length as u64).0);
        let marks = self.marks.get(file).map_or(&[][..], Vec::as_slice);
        let within = marks.get(first..marks.len().min(last + 1)).unwrap_or_default();
        self.shown.is_empty() && within.iter().all(|word| *word == 0)
    }

    /// The run that fails with the record at this offset of the only file, and where it began.
    pub(crate) fn begin_of(&mut self, offset: u64, fields: &Fields<'_>) -> (RunId, u64) {
        let run = self.runs.of(fields);
        (run, self.begun.end(run).map_or(offset, |(_file, begin)| begin))
    }

    /// The run that a record is of.
    pub(crate) fn run_of(&self, fields: &Fields<'_>) -> RunId {
        self.runs.of(fields)
    }

    /// Returns the state for reading on, with this file as the only one.
    pub(crate) fn continue_with(mut self, file: usize) -> Self {
        self.begun.retain(|(of, _offset)| std::mem::take(of) == file);
        Self { marks: vec![Marks::new()], shown: HashSet::new(), ..self }
    }

    /// The second time begins anew.
    pub(crate) fn again(&mut self) {
        self.shown.clear();
    }
}
