//! What has to be changed on the host so that a VM has what it is to have: one function, for whatever is the occasion.

use std::collections::BTreeSet;

use super::state::KernelState;
use crate::network::firewall::table::{Element, Place};

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Change {
    /// What is there and is to go.
    pub gone: KernelState,
    /// What is not there and is to come.
    pub new: KernelState,
    /// Forwards of which open connections are to be cut: the VM had them, and is to have them no more, whether or not the
    /// table has them still.
    pub cut: BTreeSet<Element>,
}

/// What is to be changed so that a VM that is known to have had `kept` has `desired`, where `actual` is what there is. What
/// is there besides, and was never this VM's, is somebody else's and stays, unless it stands in the place of what is
/// desired.
pub fn reconcile(desired: &KernelState, kept: &KernelState, actual: &KernelState) -> Change {
    let mut gone = KernelState {
        elements: in_vain(&desired.elements, &kept.elements, &actual.elements),
        routes: in_vain(&desired.routes, &kept.routes, &actual.routes),
        proxies: in_vain(&desired.proxies, &kept.proxies, &actual.proxies)
            .difference(&actual.third_party)
            .cloned()
            .collect(),
        third_party: BTreeSet::new(),
    };
    let places: BTreeSet<Place> = desired.elements.iter().filter_map(Element::place).collect();
    let strange = actual.elements.iter().filter(|there| there.place().is_some_and(|place| places.contains(&place)));
    gone.elements.extend(strange.filter(|there| !desired.elements.contains(there)).cloned());
    Change {
        gone,
        new: KernelState {
            elements: desired.elements.difference(&actual.elements).cloned().collect(),
            routes: desired.routes.difference(&actual.routes).cloned().collect(),
            proxies: desired.proxies.difference(&actual.proxies).cloned().collect(),
            third_party: BTreeSet::new(),
        },
        cut: kept
            .elements
            .difference(&desired.elements)
            .filter(|element| matches!(element, Element::Forward { .. }))
            .cloned()
            .collect(),
    }
}

/// What is there, was the VM's, and is not to be any more.
fn in_vain<T: Ord + Clone>(desired: &BTreeSet<T>, kept: &BTreeSet<T>, actual: &BTreeSet<T>) -> BTreeSet<T> {
    actual.iter().filter(|there| kept.contains(there) && !desired.contains(there)).cloned().collect()
}

impl Change {
    /// Whether there is nothing to do.
    pub fn is_nothing(&self) -> bool {
        self.gone.is_empty() && self.new.is_empty() && self.cut.is_empty()
    }
}
