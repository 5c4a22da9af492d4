//! Any bytes as agent.properties.
#![no_main]

#[path = "../../tests/properties/agent_properties.rs"]
mod agent_properties;

libfuzzer_sys::fuzz_target!(|text: &[u8]| agent_properties::later_lines_count(text));
