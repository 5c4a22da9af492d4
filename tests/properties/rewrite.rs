//! What holds for whatever bytes arrive as a domain's XML, on hosts of several kinds.

use std::path::PathBuf;

use virt_hooks::cloudstack::{Host, NoGuestDevice, bridges};
use virt_hooks::domain::{DomainXml, splice};

/// A host with these network devices.
#[derive(Debug)]
pub(crate) struct Imagined {
    /// Their names.
    pub(crate) devices: Vec<String>,
    /// The physical one under the guest bridge.
    pub(crate) guest_device: Result<String, NoGuestDevice>,
}

impl Host for Imagined {
    fn has_device(&self, name: &str) -> bool {
        self.devices.iter().any(|device| device == name)
    }

    fn guest_device(&self) -> Result<&str, &NoGuestDevice> {
        self.guest_device.as_deref()
    }
}

/// Asserts on hosts of several kinds what [`rewritten`] asserts.
pub(crate) fn changes_nothing_else(xml: &[u8]) {
    let no_agent = NoGuestDevice::NoAgent { properties: PathBuf::from("/agent.properties") };
    for (devices, guest_device) in [
        (["eth1", "cloudbr0"], Ok("eth1".to_owned())),
        // The device under a VLAN need not be there itself.
        (["bond-a.5", "b"], Ok("bond-a".to_owned())),
        (["a", "brlan-7"], Ok("0123456789".to_owned())),
        (["eth0", "b"], Err(no_agent)),
    ] {
        rewritten(xml, &Imagined { devices: devices.map(str::to_owned).to_vec(), guest_device });
    }
}

/// Rewrites the bridges of a domain, if it is one, and asserts that it is the same domain, that no byte outside of their
/// names has changed, that no name is longer than a device's can be, and that it is right then: doing it again changes
/// nothing.
pub(crate) fn rewritten(text: &[u8], host: &Imagined) -> Option<Vec<u8>> {
    let xml = DomainXml::parse(text).ok()?;
    let plan = bridges::plan(&xml, host);
    let after = splice(text, &plan.edits);
    let again = DomainXml::parse(&after).unwrap_or_else(|why| panic!("what was rewritten {why}"));
    assert_eq!(again.identity(), xml.identity());
    assert_eq!(outside_of_bridges(&after, &again), outside_of_bridges(text, &xml));
    let bridges = |xml: &DomainXml<'_>| -> Vec<Option<String>> {
        xml.interfaces().map(|interface| interface.bridge.map(|bridge| bridge.text.to_owned())).collect()
    };
    let (before, after_all) = (bridges(&xml), bridges(&again));
    assert_eq!(before.len(), after_all.len());
    let changed = before.iter().zip(&after_all).filter(|(before, after)| before != after);
    let mut count = 0;
    for (_, name) in changed {
        count += 1;
        assert!(name.as_ref().is_some_and(|name| name.len() <= 15 && name.starts_with("br")), "{name:?}");
    }
    assert_eq!(count, plan.edits.len());
    assert!(
        bridges::plan(&again, host).edits.is_empty(),
        "a second time changes more: {:?}",
        String::from_utf8_lossy(&after)
    );
    Some(after)
}

/// The text without the names of its interfaces' bridges.
fn outside_of_bridges(text: &[u8], xml: &DomainXml<'_>) -> Vec<u8> {
    let mut outside = Vec::new();
    let mut from = 0;
    for place in xml.interfaces().filter_map(|interface| interface.bridge).map(|bridge| bridge.place) {
        outside.extend_from_slice(&text[from..place.start]);
        outside.push(0);
        from = place.end;
    }
    outside.extend_from_slice(&text[from..]);
    outside
}
