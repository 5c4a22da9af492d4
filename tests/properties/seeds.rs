//! What fuzzing began with and found, without the fuzzer.

use std::path::Path;

use crate::{agent_properties, declarations, names, records, rewrite, settings};

/// Shows every seed of a fuzz target to what that target checks.
fn replay(target: &str, check: fn(&[u8])) {
    let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds").join(target);
    let mut count = 0;
    for seed in std::fs::read_dir(seeds).expect("the seeds") {
        check(&std::fs::read(seed.expect("a seed").path()).expect("its text"));
        count += 1;
    }
    assert!(count >= 5, "{count} seeds of {target}");
}

#[test]
fn every_seed_of_the_xml_target_holds() {
    replay("xml", rewrite::changes_nothing_else);
}

#[test]
fn every_seed_of_the_agent_properties_target_holds() {
    replay("agent_properties", agent_properties::later_lines_count);
}

#[test]
fn every_seed_of_the_names_target_holds() {
    replay("names", names::lead_nowhere_else);
}

#[test]
fn every_seed_of_the_records_target_holds() {
    replay("records", records::read_and_written_again);
}

#[test]
fn every_seed_of_the_settings_target_holds() {
    replay("settings", settings::cost_only_themselves);
}

#[test]
fn every_seed_of_the_declarations_target_holds() {
    replay("declarations", declarations::cost_only_themselves);
}
