//! Any text as a file of declarations, a VM's metadata, or a network's description.
#![no_main]

#[path = "../../tests/properties/declarations.rs"]
mod declarations;

libfuzzer_sys::fuzz_target!(|text: &[u8]| declarations::cost_only_themselves(text));
