//! Any line as a record of the log.
#![no_main]

#[path = "../../tests/properties/records.rs"]
mod records;

libfuzzer_sys::fuzz_target!(|text: &[u8]| records::read_and_written_again(text));
