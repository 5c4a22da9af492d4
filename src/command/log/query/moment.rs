//! `--since` and `--until`: parses times, and compares them with those of records.

use std::time::{Duration, SystemTime};

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::{Offset, TimeZone};
use jiff::{Span, Timestamp, Zoned};

use crate::command::failure::Failure;
use crate::record::{Quoted, local_zone};

/// Time before `--since` that is searched for the beginnings of runs that failed later.
pub(crate) const LONGEST_RUN: Duration = Duration::from_secs(24 * 60 * 60);

/// Maximum difference in time of neighbouring records in the wrong order: the clock was set, or a record was written
/// late.
pub(crate) const DISORDER: Duration = Duration::from_secs(600);

/// Accepted forms of a time.
const FORMS: &str = "90s, 15m, 1h, 7d, 14:22, 2026-11-22, 2026-11-22T14:22 or 2026-11-22T14:22:44+01:00";

/// A time that records are compared with.
#[derive(Debug, Clone)]
pub(crate) struct Moment {
    time: Timestamp,
    /// The offset of the last record, and this time in that offset.
    told: Option<([u8; 6], Vec<u8>)>,
}

/// End of a day that a date stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// `--since`: its first moment.
    First,
    /// `--until`: its last.
    Last,
}

impl Moment {
    /// Reads the value of `option`.
    pub(crate) fn parse(option: &str, text: &str, end: End) -> Result<Self, Failure> {
        let now = Timestamp::now().to_zoned(local_zone());
        match parse(text, &now, end) {
            Some(time) => Ok(Self { time, told: None }),
            None => {
                let text = Quoted::bytes(text.as_bytes());
                Err(Failure::usage(format_args!("{option} {text} is not a time; use {FORMS}")))
            }
        }
    }

    /// Some time earlier or, with the beginning of time reached, that.
    pub(crate) fn earlier(&self, by: Duration) -> Self {
        Self { time: self.time.checked_sub(by).unwrap_or(Timestamp::MIN), told: None }
    }

    /// Some time later.
    pub(crate) fn later(&self, by: Duration) -> Self {
        Self { time: self.time.checked_add(by).unwrap_or(Timestamp::MAX), told: None }
    }

    /// Returns it as files' times are.
    pub(crate) fn as_system_time(&self) -> SystemTime {
        SystemTime::from(self.time)
    }

    /// Returns it in milliseconds since 1970.
    pub(crate) fn as_millisecond(&self) -> i64 {
        self.time.as_millisecond()
    }

    /// Compares a record's time with this one, to the millisecond. Times of one offset compare as texts, so that the
    /// time is formatted only when the offset changes.
    pub(crate) fn compare(&mut self, record: &str) -> std::cmp::Ordering {
        let (local, offset) = record.as_bytes().split_at_checked(23).unwrap_or((b"", b""));
        let told = match &mut self.told {
            Some((of, told)) if of.as_slice() == offset => told,
            other => {
                let told = format_at(self.time, offset).into_bytes();
                &mut other.insert((offset.try_into().unwrap_or_default(), told)).1
            }
        };
        local.cmp(told.as_slice())
    }
}

/// Formats a time as a record with this offset (`+01:00`) does, without the offset.
fn format_at(time: Timestamp, offset: &[u8]) -> String {
    let number = |digits: Option<&[u8]>| std::str::from_utf8(digits?).ok()?.parse::<i32>().ok();
    let (hours, minutes) = (number(offset.get(1..3)).unwrap_or(0), number(offset.get(4..6)).unwrap_or(0));
    let seconds = (hours * 60 + minutes) * 60 * if offset.first() == Some(&b'-') { -1 } else { 1 };
    let offset = Offset::from_seconds(seconds).unwrap_or(Offset::UTC);
    offset.to_datetime(time).strftime("%Y-%m-%dT%H:%M:%S%.3f").to_string()
}

/// A record's time in milliseconds since 1970; nothing where there is no such time.
pub(crate) fn millisecond(record: &str) -> Option<i64> {
    record.parse::<Timestamp>().ok().map(Timestamp::as_millisecond)
}

fn parse(text: &str, now: &Zoned, end: End) -> Option<Timestamp> {
    let text = text.trim();
    let zone = now.time_zone();
    if let Ok(time) = text.parse::<Timestamp>() {
        return Some(time);
    }
    // In this order, since `2026-11-22` is also the beginning of a date and a time.
    if let Ok(date) = Date::strptime("%Y-%m-%d", text) {
        return match end {
            End::First => Some(start_of(date, zone)?),
            End::Last => Some(start_of(date.tomorrow().ok()?, zone)? - Duration::from_millis(1)),
        };
    }
    for format in ["%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M", "%Y-%m-%d %H:%M:%S%.f"] {
        if let Ok(time) = DateTime::strptime(format, text) {
            return Some(time.to_zoned(zone.clone()).ok()?.timestamp());
        }
    }
    for format in ["%H:%M", "%H:%M:%S%.f"] {
        if let Ok(time) = Time::strptime(format, text) {
            return last(time, now);
        }
    }
    // A span with a unit: `1:30` would be one too.
    let span: Span = text.ends_with(|last: char| last.is_ascii_alphabetic()).then(|| text.parse().ok())??;
    Some(now.checked_sub(span.abs()).ok()?.timestamp())
}

fn start_of(date: Date, zone: &TimeZone) -> Option<Timestamp> {
    Some(date.to_zoned(zone.clone()).ok()?.timestamp())
}

/// When it was last this time of the day.
fn last(time: Time, now: &Zoned) -> Option<Timestamp> {
    let today = now.date().to_datetime(time).to_zoned(now.time_zone().clone()).ok()?.timestamp();
    if today <= now.timestamp() {
        return Some(today);
    }
    let yesterday = now.date().yesterday().ok()?.to_datetime(time);
    Some(yesterday.to_zoned(now.time_zone().clone()).ok()?.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cmp::Ordering;

    fn read(text: &str, end: End) -> Option<String> {
        let zone = TimeZone::fixed(jiff::tz::offset(1));
        let now: Timestamp = "2026-11-22T14:30:00+01:00".parse().expect("a time");
        let time = parse(text, &now.to_zoned(zone.clone()), end)?;
        Some(time.to_zoned(zone).strftime("%Y-%m-%dT%H:%M:%S%.3f").to_string())
    }

    #[test]
    fn every_way_to_say_a_time() {
        for (text, expected) in [
            ("90s", "2026-11-22T14:28:30.000"),
            ("15m", "2026-11-22T14:15:00.000"),
            ("1h", "2026-11-22T13:30:00.000"),
            ("1h30m", "2026-11-22T13:00:00.000"),
            ("1h ago", "2026-11-22T13:30:00.000"),
            ("7d", "2026-11-15T14:30:00.000"),
            ("2w", "2026-11-08T14:30:00.000"),
            ("14:22", "2026-11-22T14:22:00.000"),
            ("14:22:44", "2026-11-22T14:22:44.000"),
            ("14:31", "2026-11-21T14:31:00.000"),
            ("2026-11-22", "2026-11-22T00:00:00.000"),
            ("2026-11-22T14:22", "2026-11-22T14:22:00.000"),
            ("2026-11-22 14:22", "2026-11-22T14:22:00.000"),
            ("2026-11-22T14:22:44", "2026-11-22T14:22:44.000"),
            ("2026-11-22T14:22:44.123+01:00", "2026-11-22T14:22:44.123"),
            ("2026-11-22T13:22:44Z", "2026-11-22T14:22:44.000"),
        ] {
            assert_eq!(read(text, End::First).as_deref(), Some(expected), "{text}");
        }
        assert_eq!(read("2026-11-22", End::Last).as_deref(), Some("2026-11-22T23:59:59.999"));
    }

    #[test]
    fn what_is_no_time_is_none() {
        for text in ["", "yesterday", "1", "25:00", "2026-13-01", "2026-11-22T", "12", "1x", "14:22:61", "h"] {
            assert_eq!(read(text, End::First), None, "{text:?}");
        }
    }

    #[test]
    fn a_records_time_is_compared_across_offsets() {
        let time = "2026-10-25T02:30:00+02:00".parse().expect("a time");
        let mut moment = Moment { time, told: None };
        for (record, expected) in [
            ("2026-10-25T02:29:59.999+02:00", Ordering::Less),
            ("2026-10-25T02:30:00.000+02:00", Ordering::Equal),
            ("2026-10-25T02:00:00.000+01:00", Ordering::Greater),
            ("2026-10-25T02:30:00.001+02:00", Ordering::Greater),
            ("2026-10-24T19:30:00.000-05:00", Ordering::Equal),
        ] {
            assert_eq!(moment.compare(record), expected, "{record}");
        }
    }
}
