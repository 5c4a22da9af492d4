//! The plan for a domain: its desired allocation, and its declarations without effect.

use std::collections::BTreeSet;
use std::fmt;

use crate::network::allocation::{Allocation, Forward, Route};
use crate::network::declaration::Source;

/// The desired allocation of a VM, and the declarations that cannot be applied.
#[derive(Debug, Default)]
pub struct Plan {
    /// Its forwards, with where each is declared.
    pub forwards: Vec<(Forward, Source)>,
    /// Its routes, likewise.
    pub routes: Vec<(Route, Source)>,
    /// Its bridges and taps.
    pub links: BTreeSet<String>,
    /// Its taps that need hairpin mode.
    pub hairpin_taps: BTreeSet<String>,
    /// Declarations that cannot be applied.
    pub faults: Vec<Unplanned>,
    /// Declarations that will be applied and hardly have an effect.
    pub doubts: Vec<Unplanned>,
}

/// A problem with a declaration for this VM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unplanned {
    /// The declaration's place, if the problem is in one.
    pub source: Option<Source>,
    /// The declaration, the problem and its fix.
    pub message: String,
}

impl Unplanned {
    /// Returns a problem with the declaration at `source`.
    pub(super) fn of(source: &Source, message: String) -> Self {
        Self { source: Some(source.clone()), message }
    }
}

impl fmt::Display for Unplanned {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)
    }
}

impl Plan {
    /// Returns the VM's allocation.
    pub fn allocation(&self) -> Allocation {
        let forwards: BTreeSet<Forward> = self.forwards.iter().map(|(forward, _)| forward.clone()).collect();
        let routes: BTreeSet<Route> = self.routes.iter().map(|(route, _)| route.clone()).collect();
        let links = if forwards.is_empty() && routes.is_empty() { BTreeSet::new() } else { self.links.clone() };
        let hairpin_taps = if forwards.is_empty() { BTreeSet::new() } else { self.hairpin_taps.clone() };
        Allocation { forwards, routes, links, hairpin_taps }
    }
}
