//! The plan for a domain: the allocation that it is to have, and what of its declarations has no effect.

use std::collections::BTreeSet;
use std::fmt;

use crate::network::allocation::{Allocation, Forward, Route};
use crate::network::declaration::Source;

/// What a VM is to be given, and what it can't be.
#[derive(Debug, Default)]
pub struct Plan {
    /// Its forwards, with where each is declared.
    pub forwards: Vec<(Forward, Source)>,
    /// Its routes, likewise.
    pub routes: Vec<(Route, Source)>,
    /// Its bridges and taps.
    pub links: BTreeSet<String>,
    /// Those of its taps that have to give back what comes by them.
    pub hairpin_taps: BTreeSet<String>,
    /// What is declared and can't be given.
    pub faults: Vec<Unplanned>,
    /// What is declared, will be given, and will hardly be of use.
    pub doubts: Vec<Unplanned>,
}

/// What is wrong with a declaration for this VM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unplanned {
    /// Where it is declared, where that is the matter.
    pub source: Option<Source>,
    /// Which declaration, why, and what mends it.
    pub message: String,
}

impl Unplanned {
    /// Of the declaration at `source`.
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
    /// What the VM is given by it.
    pub fn allocation(&self) -> Allocation {
        let forwards: BTreeSet<Forward> = self.forwards.iter().map(|(forward, _)| forward.clone()).collect();
        let routes: BTreeSet<Route> = self.routes.iter().map(|(route, _)| route.clone()).collect();
        let links = if forwards.is_empty() && routes.is_empty() { BTreeSet::new() } else { self.links.clone() };
        let hairpin_taps = if forwards.is_empty() { BTreeSet::new() } else { self.hairpin_taps.clone() };
        Allocation { forwards, routes, links, hairpin_taps }
    }
}
