//! The operator's command: what a person types, and what they see, in a terminal and in a pipe.
//!
//! What a verb prints is compared with `snapshots/`; `SNAPSHOTS=overwrite cargo test --test command` writes them anew,
//! and whoever does that reads the difference.

#![expect(clippy::expect_used, reason = "a test ends at the first surprise")]

mod check;
mod check_names;
mod get;
mod help;
mod import;
mod install;
mod list;
mod log;
mod log_follow;
mod log_reworded;
mod log_speed;
mod log_timeline;
mod network;
mod new;
mod pause;
mod run;
mod status;

use std::path::Path;

use snapbox::Data;
use snapbox::data::DataFormat;

/// Compares what a person sees with `snapshots/NAME`, times and process ids left out.
#[track_caller]
pub(crate) fn assert_looks_like(name: &str, seen: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/command/snapshots").join(name);
    let expected = Data::read_from(&path, Some(DataFormat::Text)).raw();
    snapbox::Assert::new().action_env("SNAPSHOTS").eq(Data::text(still(seen)).raw(), expected);
}

/// The same text at any time, by any process.
fn still(seen: &str) -> String {
    let mut still = seen.to_owned();
    for (pattern, instead) in [
        (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}[+-]\d\d:\d\d", "<TIME>"),
        (r"\b(pid |process |qemu-hook\[)\d+", "$1<PID>"),
        (r"\bafter \d+ ms", "after <N> ms"),
        (r"\b\d+ \((/bin/|sleep)", "<PID> ($1"),
    ] {
        still = regex::Regex::new(pattern).expect("a pattern").replace_all(&still, instead).into_owned();
    }
    still
}
