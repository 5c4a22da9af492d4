//! Faults: nothing that a script, a setting, a folder, the log or a VM's name does makes the hook fail a VM, hang, or
//! keep the scripts after it from running.

#![expect(clippy::unwrap_used, clippy::panic, reason = "what is outside of a test's own function ends the test too")]

mod changes;
mod detached;
mod domains;
mod exclusive;
mod hook;
mod limits;
mod live_xml;
mod load;
mod log;
mod machine;
mod meddling;
mod output;
mod panics;
mod processes;
mod scripts;
mod sessions;
mod settings;
mod stdin;
mod table;
mod trust;
mod veto;

use std::time::Duration;

use testbed::{Call, Finished, Host, eventually};

/// Makes the call and asserts what holds for every fault: exit code 0, nothing on stdout, and no more time than `bound`.
#[track_caller]
fn unharmed_within(bound: Duration, call: Call<'_>) -> Finished {
    let finished = call.run();
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    assert_eq!(finished.stdout, "");
    assert!(finished.took < bound, "took {:?}", finished.took);
    finished
}

/// The same for faults that cost no time, with what a machine that is busy with other tests takes.
#[track_caller]
fn unharmed(call: Call<'_>) -> Finished {
    unharmed_within(Duration::from_secs(15), call)
}

/// Puts a script last in order, which proves that the others did not keep it from running.
fn with_witness(host: &Host) {
    host.bash("all_zz_witness", ":");
}

/// Asserts that it ran.
#[track_caller]
fn assert_witnessed(host: &Host) {
    host.log().assert_says("INFO", "all_zz_witness", "exited with 0");
}

/// Waits until the log says this.
#[track_caller]
fn eventually_logged(host: &Host, words: &str) {
    eventually(&format!("{words} is logged"), || host.log().text.contains(words));
}
