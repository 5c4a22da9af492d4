//! Durations for a person: `12 ms`, `3.4 s`, `2m05s`.

use std::fmt;

/// A time in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Milliseconds(pub(super) u64);

impl fmt::Display for Milliseconds {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (tenths, seconds) = (self.0.saturating_add(50) / 100, self.0.saturating_add(500) / 1000);
        match self.0 {
            0..1000 => write!(formatter, "{} ms", self.0),
            1000..59_950 => write!(formatter, "{}.{} s", tenths / 10, tenths % 10),
            59_950..3_599_500 => write!(formatter, "{}m{:02}s", seconds / 60, seconds % 60),
            _ => write!(formatter, "{}h{:02}m", seconds / 3600, seconds / 60 % 60),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_length() {
        for (milliseconds, text) in [
            (0, "0 ms"),
            (999, "999 ms"),
            (1000, "1.0 s"),
            (3_368, "3.4 s"),
            (59_949, "59.9 s"),
            (59_950, "1m00s"),
            (125_000, "2m05s"),
            (3_600_000, "1h00m"),
            (90_061_000, "25h01m"),
            (u64::MAX, "5124095576030h25m"),
        ] {
            assert_eq!(Milliseconds(milliseconds).to_string(), text);
        }
    }
}
