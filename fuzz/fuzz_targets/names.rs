//! Any arguments of libvirt, and any files in custom/.
#![no_main]

#[path = "../../tests/properties/names.rs"]
mod names;

libfuzzer_sys::fuzz_target!(|text: &[u8]| names::lead_nowhere_else(text));
