//! `--stats`: how often each script ran, how it went, and how long it took.

use std::collections::{BTreeMap, HashMap};
use std::io::{self, Write};

use serde::Serialize;

use super::duration::Milliseconds;
use super::json;
use crate::command::log::query::filter::RunFilter;
use crate::command::log::query::rehearsal::Rehearsals;
use crate::command::log::query::stage::outcome;
use crate::command::terminal::screen::{Meaning, Screen};
use crate::command::terminal::table::{Cell, Column, Table};
use crate::record::outcome::Outcome;
use crate::record::{Fields, Quoted};

/// Maximum number of scripts with figures of their own. The others share a row.
const SCRIPTS: usize = 10_000;

/// Maximum length of a script's name, in bytes.
const NAME: usize = 512;

/// Figures of each script.
#[derive(Debug)]
pub(crate) struct Stats {
    filter: RunFilter,
    rehearsals: Rehearsals,
    scripts: HashMap<Vec<u8>, Tally>,
    others: Tally,
}

#[derive(Debug, Default)]
struct Tally {
    runs: u64,
    failed: u64,
    timed_out: u64,
    total: u64,
    max: u64,
    /// Number of runs by duration in milliseconds, to three digits.
    times: BTreeMap<u64, u64>,
    timed: u64,
}

/// Row of a script.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    script: String,
    runs: u64,
    failed: u64,
    timed_out: u64,
    p50_ms: u64,
    p95_ms: u64,
    max_ms: u64,
    total_ms: u64,
}

impl Stats {
    /// Returns empty figures of the runs that match.
    pub(crate) fn of(filter: RunFilter) -> Self {
        Self { filter, rehearsals: Rehearsals::default(), scripts: HashMap::new(), others: Tally::default() }
    }

    /// Adds a record.
    pub(crate) fn count(&mut self, fields: &Fields<'_>) {
        self.rehearsals.add(fields);
        let Some(outcome) = outcome(fields) else { return };
        if matches!(outcome, Outcome::HandedOver | Outcome::Ignored | Outcome::NotExecutable { .. }) {
            return;
        }
        let Some(name) = fields.script.and_then(|script| script.read()) else { return };
        if !self.filter.fits(fields, &name, &outcome) || self.rehearsals.has(fields) {
            return;
        }
        let name = name.get(..NAME).unwrap_or(&name);
        if let Some(tally) = self.scripts.get_mut(name) {
            tally.count(&outcome);
        } else if self.scripts.len() < SCRIPTS {
            self.scripts.entry(name.to_vec()).or_default().count(&outcome);
        } else {
            self.others.count(&outcome);
        }
    }

    /// Prints a table, or with `json` an array, sorted by total time. Returns true if there is a row.
    pub(crate) fn show(&self, out: &mut impl Write, screen: Screen, json: bool) -> io::Result<bool> {
        let text = |name: &[u8]| {
            if json { String::from_utf8_lossy(name).into_owned() } else { Quoted::bytes(name).to_string() }
        };
        let mut rows: Vec<Row> = self.scripts.iter().map(|(name, tally)| tally.row(text(name))).collect();
        rows.sort_by(|a, b| {
            b.total_ms.cmp(&a.total_ms).then(b.runs.cmp(&a.runs)).then_with(|| a.script.cmp(&b.script))
        });
        if self.others.runs > 0 {
            rows.push(self.others.row("(others)".to_owned()));
        }
        if json {
            json::print(out, &rows)?;
            out.write_all(b"\n")?;
        } else if !rows.is_empty() {
            table(&rows).print(out, screen)?;
        }
        Ok(!rows.is_empty())
    }
}

impl Tally {
    fn count(&mut self, outcome: &Outcome) {
        self.runs += 1;
        self.failed += u64::from(outcome.is_failure());
        self.timed_out += u64::from(matches!(outcome, Outcome::TimedOut { .. }));
        if let Some(after) = outcome.milliseconds() {
            self.total = self.total.saturating_add(after);
            self.max = self.max.max(after);
            self.timed += 1;
            *self.times.entry(three_digits(after)).or_default() += 1;
        }
    }

    /// Returns the longest duration of the fastest runs, of this many hundredths of all, in milliseconds.
    fn percentile(&self, hundredths: u64) -> u64 {
        let wanted = (self.timed * hundredths).div_ceil(100);
        let mut counted = 0;
        let reached = self.times.iter().find(|(_, count)| {
            counted += **count;
            counted >= wanted
        });
        reached.map_or(0, |(time, _)| *time)
    }

    fn row(&self, script: String) -> Row {
        let (p50_ms, p95_ms) = (self.percentile(50), self.percentile(95));
        let (runs, failed, timed_out) = (self.runs, self.failed, self.timed_out);
        Row { script, runs, failed, timed_out, p50_ms, p95_ms, max_ms: self.max, total_ms: self.total }
    }
}

/// Truncates a number to its first three digits, which bounds how many different ones there are.
fn three_digits(number: u64) -> u64 {
    let step = 10_u64.saturating_pow(number.checked_ilog10().unwrap_or(0).saturating_sub(2));
    number / step * step
}

/// Minimum width of a name column.
const NAME_COLUMNS: usize = 24;

fn table(rows: &[Row]) -> Table<8> {
    // On a narrow screen the least important columns are dropped first.
    let mut table = Table::new([
        Column::left("SCRIPT").shortened_to(NAME_COLUMNS),
        Column::right("RUNS"),
        Column::right("FAILED"),
        Column::right("TIMED OUT").dropped(1),
        Column::right("P50").dropped(2),
        Column::right("P95").dropped(4),
        Column::right("MAX").dropped(3),
        Column::right("TOTAL"),
    ]);
    for row in rows {
        let time = |milliseconds| Cell::from(Milliseconds(milliseconds).to_string());
        let count = |count: u64| Cell { text: count.to_string(), meaning: (count > 0).then_some(Meaning::Bad) };
        table.row_of([
            Cell::from(row.script.clone()),
            Cell::from(row.runs.to_string()),
            count(row.failed),
            count(row.timed_out),
            time(row.p50_ms),
            time(row.p95_ms),
            time(row.max_ms),
            time(row.total_ms),
        ]);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn percentiles_are_of_the_runs_that_were_timed() {
        let mut tally = Tally::default();
        for after in 1..=100 {
            tally.count(&Outcome::Exited { code: 0, after: Duration::from_millis(after) });
        }
        tally.count(&Outcome::NotStarted { reason: "x".to_owned() });
        assert_eq!((tally.percentile(50), tally.percentile(95), tally.percentile(100)), (50, 95, 100));
        assert_eq!((tally.runs, tally.failed, tally.max, tally.total), (101, 1, 100, 5050));
    }

    #[test]
    fn three_digits_are_kept() {
        for (number, kept) in
            [(0, 0), (7, 7), (999, 999), (1234, 1230), (98765, 98700), (u64::MAX, 18_400_000_000_000_000_000)]
        {
            assert_eq!(three_digits(number), kept);
        }
    }
}
