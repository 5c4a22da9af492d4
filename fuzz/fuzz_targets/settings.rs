//! Any text as a settings file.
#![no_main]

#[path = "../../tests/properties/settings.rs"]
mod settings;

libfuzzer_sys::fuzz_target!(|text: &[u8]| settings::cost_only_themselves(text));
