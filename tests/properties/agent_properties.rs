//! What holds for whatever bytes stand in `agent.properties`.

use virt_hooks::cloudstack::agent_property;

const KEY: &str = "guest.network.device";

/// Asserts that what stands after an empty line counts whatever was before it, and that neither comments nor other keys
/// change anything.
pub(crate) fn later_lines_count(text: &[u8]) {
    let value = agent_property(text, KEY);
    let more = [text, b"\n\nguest.network.device=cloudbr0"].concat();
    assert_eq!(agent_property(&more, KEY).as_deref(), Some("cloudbr0"));
    let more = [text, b"\n\n# guest.network.device=a\n!guest.network.device=b\nzone=c"].concat();
    assert_eq!(agent_property(&more, KEY), value);
}
