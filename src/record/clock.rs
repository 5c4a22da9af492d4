//! The time of a record: RFC 3339, local, with milliseconds and offset.

use std::fs::OpenOptions;
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use rustix::fs::{FileType, OFlags};

/// The host's time zone (tzfile(5), localtime(5)). `TZ` in the environment is not asked: it can name any file.
const LOCALTIME: &str = "/etc/localtime";

/// The most that is read of it, in bytes. The largest zones have some 4 KiB.
const MAXIMUM_BYTES: u64 = 256 << 10;

/// Clock of records. The time zone is read with the first record.
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
        let zone = self.zone.get_or_insert_with(local_zone);
        let told = self.told.take().filter(|(told, _)| *told == millisecond);
        let tell = || now.to_zoned(zone.clone()).strftime("%Y-%m-%dT%H:%M:%S%.3f%:z").to_string();
        &self.told.insert(told.unwrap_or_else(|| (millisecond, tell()))).1
    }
}

/// Returns the time zone of records: the host's, or UTC if it has none that can be read.
pub fn local_zone() -> TimeZone {
    read_local().unwrap_or(TimeZone::UTC)
}

/// A time as a person on this host reads it: RFC 3339, to the second.
pub fn local_time(time: Timestamp) -> String {
    time.to_zoned(local_zone()).strftime("%Y-%m-%dT%H:%M:%S%:z").to_string()
}

fn read_local() -> Option<TimeZone> {
    // NONBLOCK, or opening a FIFO waits for its writer.
    let flags = i32::try_from((OFlags::NONBLOCK | OFlags::NOCTTY).bits()).ok()?;
    let file = OpenOptions::new().read(true).custom_flags(flags).open(LOCALTIME).ok()?;
    let status = rustix::fs::fstat(&file).ok()?;
    let regular = FileType::from_raw_mode(status.st_mode) == FileType::RegularFile;
    let mut data = Vec::new();
    file.take(if regular { MAXIMUM_BYTES } else { 0 }).read_to_end(&mut data).ok()?;
    TimeZone::tzif("Local", &data).ok()
}
