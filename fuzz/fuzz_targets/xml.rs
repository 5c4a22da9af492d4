//! Any bytes as a domain's XML.
#![no_main]

#[path = "../../tests/properties/rewrite.rs"]
mod rewrite;

libfuzzer_sys::fuzz_target!(|xml: &[u8]| rewrite::changes_nothing_else(xml));
