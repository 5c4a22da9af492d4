//! The time of a record: RFC 3339, local, with milliseconds and offset.

use jiff::Timestamp;
use jiff::tz::TimeZone;

/// Tells the time of records. The time zone is read when the first record is made, not before.
#[derive(Debug, Default)]
pub(super) struct Clock {
    zone: Option<TimeZone>,
    told: Option<(i64, String)>,
}

impl Clock {
    /// The time now. Records of the same millisecond share their text, since output comes in bursts.
    pub(super) fn now(&mut self) -> &str {
        let now = Timestamp::now();
        let millisecond = now.as_millisecond();
        let zone = self.zone.get_or_insert_with(TimeZone::system);
        let told = self.told.take().filter(|(told, _)| *told == millisecond);
        let tell = || now.to_zoned(zone.clone()).strftime("%Y-%m-%dT%H:%M:%S%.3f%:z").to_string();
        &self.told.insert(told.unwrap_or_else(|| (millisecond, tell()))).1
    }
}
