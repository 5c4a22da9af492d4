//! Events that `virt-hooks run` has made up, known by their first record.

use std::hash::{BuildHasher, RandomState};

use super::moment::LONGEST_RUN;
use super::moment::millisecond;
use super::under_way::UnderWay;
use crate::record::{Fields, Message};

/// The rehearsals of a log, as far as it has been read.
#[derive(Debug, Default)]
pub(crate) struct Rehearsals {
    /// When each began, in milliseconds since 1970.
    begun: UnderWay<i64>,
    any: bool,
    state: RandomState,
}

impl Rehearsals {
    /// Adds a record, which may be the first of a rehearsal.
    pub(crate) fn add(&mut self, fields: &Fields<'_>) {
        let first = fields.script.is_none() && fields.read_message() == Message::CalledByHand;
        if let Some(time) = first.then(|| millisecond(fields.time)).flatten() {
            self.begun.begin(self.event(fields), time);
            self.any = true;
        }
    }

    /// Returns true if a record is of a rehearsal. After a day, the same process id is another event's.
    pub(crate) fn has(&self, fields: &Fields<'_>) -> bool {
        let begun = if self.any { self.begun.get(self.event(fields)) } else { None };
        begun.zip(millisecond(fields.time)).is_some_and(|(begun, time)| {
            u128::from(time.saturating_sub(*begun).unsigned_abs()) < LONGEST_RUN.as_millis()
        })
    }

    fn event(&self, fields: &Fields<'_>) -> u64 {
        let (domain, operation) = (fields.domain.written(), fields.operation.written());
        self.state.hash_one((fields.pid, domain, operation, fields.sub_operation.written()))
    }
}
