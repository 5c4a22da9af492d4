//! Runs and events under way: all that is remembered of a log of any length.

use std::collections::HashMap;

/// Maximum number under way. The oldest ones, left without an end by a crash of the host, are dropped first.
pub(crate) const MOST: usize = 100_000;

/// A value for each run or event that is under way, as many as are kept.
#[derive(Debug)]
pub(crate) struct UnderWay<T> {
    new: HashMap<u64, T>,
    old: HashMap<u64, T>,
}

impl<T> Default for UnderWay<T> {
    fn default() -> Self {
        Self { new: HashMap::new(), old: HashMap::new() }
    }
}

impl<T> UnderWay<T> {
    /// A run has begun.
    pub(crate) fn begin(&mut self, run: u64, value: T) {
        if self.new.len() >= MOST / 2 {
            self.old = std::mem::take(&mut self.new);
        }
        self.old.remove(&run);
        self.new.insert(run, value);
    }

    /// A run has ended, of which this was kept.
    pub(crate) fn end(&mut self, run: u64) -> Option<T> {
        self.new.remove(&run).or_else(|| self.old.remove(&run))
    }

    /// Returns the data of a run.
    pub(crate) fn get(&self, run: u64) -> Option<&T> {
        self.new.get(&run).or_else(|| self.old.get(&run))
    }

    /// Removes those for which `keep` returns false.
    pub(crate) fn retain(&mut self, mut keep: impl FnMut(&mut T) -> bool) {
        self.new.retain(|_run, value| keep(value));
        self.old.retain(|_run, value| keep(value));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_without_an_end_are_forgotten_the_oldest_first() {
        let mut under_way = UnderWay::default();
        for run in 0..1_000_000 {
            under_way.begin(run, run);
        }
        assert_eq!(under_way.end(0), None);
        assert_eq!(under_way.end(999_999), Some(999_999));
        assert!(under_way.new.len() + under_way.old.len() <= MOST);
    }
}
