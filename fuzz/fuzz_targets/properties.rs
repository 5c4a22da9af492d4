//! Whatever bytes stand in agent.properties.
#![no_main]

use libfuzzer_sys::fuzz_target;
use virt_hooks::network::property;

fuzz_target!(|text: &[u8]| {
    let value = property(text, "guest.network.device");
    // What stands after a newline, whatever was before it, counts, unless it continues a line.
    let more = [text, b"\n\nguest.network.device=cloudbr0"].concat();
    assert_eq!(property(&more, "guest.network.device").as_deref(), Some("cloudbr0"));
    // Comments and other keys change nothing.
    let more = [text, b"\n\n# guest.network.device=a\n!guest.network.device=b\nzone=c"].concat();
    assert_eq!(property(&more, "guest.network.device"), value);
});
