//! The changes on the host that bring a VM to its desired state: one function for all occasions.

use std::collections::BTreeSet;

use super::state::KernelState;
use crate::network::firewall::table::{Element, Place};

/// Changes on the host.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Change {
    /// State to remove.
    pub gone: KernelState,
    /// State to add.
    pub new: KernelState,
    /// Forwards of which open connections are to be cut: the VM had them, and is to have them no more, whether or not the
    /// table has them still.
    pub cut: BTreeSet<Element>,
}

/// Returns the changes that bring a VM from its recorded state `kept` to `desired`, given the observed state `actual`.
/// Observed state that was never this VM's is third-party and stays, unless it takes the place of desired state.
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

/// Returns the observed state that was the VM's and is no longer desired.
fn in_vain<T: Ord + Clone>(desired: &BTreeSet<T>, kept: &BTreeSet<T>, actual: &BTreeSet<T>) -> BTreeSet<T> {
    actual.iter().filter(|there| kept.contains(there) && !desired.contains(there)).cloned().collect()
}

impl Change {
    /// Returns true if there is nothing to change.
    pub fn is_nothing(&self) -> bool {
        self.gone.is_empty() && self.new.is_empty() && self.cut.is_empty()
    }
}
