//! Makes the host as declared for all VMs that run: after a firewall was loaded anew, or a declaration was edited.

use std::collections::BTreeSet;

use crate::domain::{DomainXml, LiveXml};
use crate::driver::Object;
use crate::kernel::deadline::Deadline;
use crate::kernel::tools::{HostTools, Tools, nft};
use crate::network::allocation::Allocation;
use crate::network::applied::ledger::Ledger;
use crate::network::applied::marker::Marker;
use crate::network::declaration::Everything;
use crate::network::desired::conflicts;
use crate::network::desired::plan::{Plan, Unplanned};
use crate::network::firewall::pass_through::{self, ThirdPartyChains, Traffic};
use crate::network::firewall::table::{self, Element, Listing};
use crate::network::reconcile::devices;
use crate::network::reconcile::domain::{self, Basis, apply_plan};
use crate::network::reconcile::outcome::{Done, Fault};
use crate::network::reconcile::state::KernelState;
use crate::paths::Paths;
use crate::process::ToolError;

/// A VM that runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Running {
    /// Its name.
    pub object: Object,
    /// Its XML while it runs.
    pub xml: Vec<u8>,
}

/// Result of one VM.
#[derive(Debug)]
pub struct DomainResult {
    /// Its name.
    pub object: Object,
    /// Declarations that cannot be applied.
    pub faults: Vec<Unplanned>,
    /// The changes.
    pub done: Result<Done, Fault>,
}

/// Result of all VMs.
#[derive(Debug, Default)]
pub struct Applied {
    /// Results of all VMs with a recorded or a desired allocation.
    pub vms: Vec<DomainResult>,
    /// The table was not as this program makes it, and has been made anew.
    pub mended: bool,
    /// Number of third-party chains whose rule was missing or not at the top, and is inserted now.
    pub opened: usize,
    /// Number of third-party chains that may still refuse forwards.
    pub in_the_way: usize,
    /// Number of deleted rules and routes of this program that belonged to no VM.
    pub orphans: usize,
    /// Other failures.
    pub warnings: Vec<String>,
}

/// The VMs that run, as far as the hook has seen them, by name.
pub fn running(paths: &Paths) -> Vec<Running> {
    let all = LiveXml::all(paths.state()).into_iter();
    let mut running: Vec<Running> = all.map(|(object, xml)| Running { object, xml }).collect();
    running.sort_by(|one, other| one.object.cmp(&other.object));
    running
}

/// Applies the declarations of running VMs, and removes the allocations of all others. The caller holds the ledger's
/// lock.
///
/// # Errors
/// The present state cannot be read.
pub fn apply(
    running: &[Running],
    everything: &Everything,
    tools: &mut HostTools<'_>,
    paths: &Paths,
) -> Result<Applied, ToolError> {
    let mut ledger = Ledger::load_to_change(paths.state()).map_err(|error| {
        ToolError::Failed("the ledger of what VMs were given".to_owned(), format!("can't be read: {error}"))
    })?;
    let mut applied = Applied::default();
    let (mut seen, listing) = KernelState::observe(tools)?;
    let nothing_allocated = ledger.entries().next().is_none();
    applied.mend_the_table(listing.as_ref(), &ledger, &mut seen, tools)?;
    applied.take_from_the_others(running, &mut ledger, &mut seen, tools, paths)?;
    applied.give(&running.iter().collect::<Vec<_>>(), everything, &mut ledger, &mut seen, tools, paths)?;
    // One VM's removal may free what an earlier VM was refused.
    if applied.vms.iter().any(DomainResult::has_lost_something) {
        let refused: Vec<&Running> = running.iter().filter(|vm| applied.has_refused(&vm.object)).collect();
        applied.give(&refused, everything, &mut ledger, &mut seen, tools, paths)?;
    }
    if applied.vms.iter().any(DomainResult::has_changed) {
        seen = KernelState::observe(tools)?.0;
    }
    applied.sweep(&ledger, &seen, tools)?;
    if nothing_allocated && ledger.entries().next().is_none() {
        applied.leave_nothing(listing.is_some(), &mut ledger, tools, paths)?;
    }
    let traffic = traffic(&ledger);
    if traffic != Traffic::default() {
        // If the chains cannot be read, the following step reports that.
        let mut in_the_way = || ThirdPartyChains::look(tools).map_or(0, |chains| chains.missing(traffic).count());
        let before = in_the_way();
        let told = domain::pass_third_party(traffic, tools);
        applied.in_the_way = if before == 0 {
            0
        } else {
            ThirdPartyChains::look(tools).map_or(0, |chains| chains.missing(traffic).count())
        };
        applied.opened = before.saturating_sub(applied.in_the_way);
        applied.warnings.extend(told);
    }
    Ok(applied)
}

/// Removes the allocations of all VMs, whether or not they run. The caller holds the ledger's lock.
///
/// # Errors
/// The present state cannot be read.
pub fn remove_all(tools: &mut HostTools<'_>, paths: &Paths) -> Result<Applied, ToolError> {
    apply(&[], &Everything::default(), tools, paths)
}

/// Returns the plan of a running VM.
pub fn plan_of(vm: &Running, everything: &Everything, ledger: &Ledger, paths: &Paths, deadline: Deadline) -> Plan {
    let declarations = everything.of(vm.object.name());
    if declarations.say_nothing() {
        return Plan::default();
    }
    match DomainXml::parse(&vm.xml) {
        Ok(xml) => conflicts::plan(&vm.object, &declarations, &xml, ledger, paths, deadline),
        Err(unreadable) => {
            let message = format!("what is declared for it can't be given, since its XML {unreadable}");
            Plan { faults: vec![Unplanned { source: None, message }], ..Plan::default() }
        }
    }
}

/// All that has to pass the rules of others.
pub fn traffic(ledger: &Ledger) -> Traffic {
    let all = ledger.entries().map(|(_, entry)| &entry.allocation);
    let all = all.fold(Allocation::default(), |mut all, allocation| {
        all.forwards.extend(allocation.forwards.iter().cloned());
        all.routes.extend(allocation.routes.iter().cloned());
        all
    });
    all.traffic()
}

impl Running {
    /// Returns true if its live XML is unchanged: it is still the same run of the VM.
    fn runs_still(&self, paths: &Paths) -> bool {
        LiveXml::of(paths.state(), &self.object).is_some_and(|live| live.matches(&self.xml))
    }
}

impl DomainResult {
    /// Returns true if anything was changed.
    fn has_changed(&self) -> bool {
        self.done.as_ref().is_ok_and(|done| done.changed)
    }

    /// Returns true if anything was removed from it.
    fn has_lost_something(&self) -> bool {
        self.done.as_ref().is_ok_and(|done| !done.closed.is_empty() || !done.removed_routes.is_empty())
    }
}

impl Applied {
    /// Makes the table anew where it is not as this program makes it.
    fn mend_the_table(
        &mut self,
        listing: Option<&Listing>,
        ledger: &Ledger,
        seen: &mut KernelState,
        tools: &mut HostTools<'_>,
    ) -> Result<(), ToolError> {
        let nothing_allocated = ledger.entries().next().is_none();
        self.mended = match listing {
            Some(listing) => {
                !listing.foreign.is_empty() || table::frame(tools).is_some_and(|frame| frame != listing.frame)
            }
            None => !nothing_allocated,
        };
        if self.mended {
            // Incomplete entries may contradict themselves; they are corrected with their VM.
            let settled = ledger.entries().filter(|(_, entry)| !entry.incomplete);
            let all = settled.flat_map(|(_, entry)| KernelState::of(&entry.allocation).elements).collect();
            nft::transact(&if nothing_allocated { table::removal() } else { table::whole(&all) }, tools)?;
            seen.elements = all;
        }
        Ok(())
    }

    /// Removes the allocations of VMs that do not run. This comes first, since other VMs may be waiting for them.
    fn take_from_the_others(
        &mut self,
        running: &[Running],
        ledger: &mut Ledger,
        seen: &mut KernelState,
        tools: &mut HostTools<'_>,
        paths: &Paths,
    ) -> Result<(), ToolError> {
        let allocation: BTreeSet<Object> = ledger.entries().map(|(object, _)| object.clone()).collect();
        let run: BTreeSet<Object> = running.iter().map(|vm| vm.object.clone()).collect();
        for object in allocation.difference(&run) {
            let before = ledger.of(object).map(|entry| entry.allocation.clone()).unwrap_or_default();
            let done = apply_plan(object, Allocation::default(), ledger, Basis::Seen(seen), tools, paths);
            let vm = DomainResult { object: object.clone(), faults: Vec::new(), done };
            self.note(vm, (&before, &Allocation::default()), seen, tools)?;
        }
        Ok(())
    }

    /// Applies the declarations of running VMs.
    fn give(
        &mut self,
        running: &[&Running],
        everything: &Everything,
        ledger: &mut Ledger,
        seen: &mut KernelState,
        tools: &mut HostTools<'_>,
        paths: &Paths,
    ) -> Result<(), ToolError> {
        for vm in running {
            let plan = plan_of(vm, everything, ledger, paths, tools.deadline());
            let (desired, faults) = (plan.allocation(), plan.faults);
            if desired.is_empty() && faults.is_empty() && ledger.of(&vm.object).is_none() {
                continue;
            }
            // If the VM's own hook ends it now, it removes the live XML first and checks the marker then.
            let marker = Marker::of(paths.state(), &vm.object);
            let had_marker = marker.is_there();
            if !desired.is_empty() && (marker.put().is_err() || !vm.runs_still(paths)) {
                if !had_marker {
                    _ = marker.take_away();
                }
                continue;
            }
            let before = ledger.of(&vm.object).map(|entry| entry.allocation.clone()).unwrap_or_default();
            let done = apply_plan(&vm.object, desired, ledger, Basis::Seen(seen), tools, paths);
            let now = ledger.of(&vm.object).map(|entry| entry.allocation.clone()).unwrap_or_default();
            self.note(DomainResult { object: vm.object.clone(), faults, done }, (&before, &now), seen, tools)?;
        }
        Ok(())
    }

    /// Removes the remains of interrupted runs when no VM has an allocation.
    fn leave_nothing(
        &mut self,
        table_was_there: bool,
        ledger: &mut Ledger,
        tools: &mut HostTools<'_>,
        paths: &Paths,
    ) -> Result<(), ToolError> {
        if Ledger::is_there(paths.state()) {
            // Unparsable entries no longer matter. Devices without an NDP proxy entry are reset with them.
            devices::stop_proxying(ledger, paths, &mut self.warnings);
            if let Err(error) = ledger.keep(paths.state()) {
                self.warnings.push(format!("the ledger of what VMs were given can't be put in order: {error}"));
            }
        }
        if table_was_there && !self.mended && self.orphans == 0 {
            // The run that created the table did not come to fill it.
            nft::transact(&table::removal(), tools)?;
            self.mended = true;
        }
        self.warnings.extend(pass_through::take_away(tools).unwrap_or_default());
        Ok(())
    }

    /// Returns true if a VM was refused something.
    fn has_refused(&self, object: &Object) -> bool {
        self.vms.iter().any(|vm| vm.object == *object && !vm.faults.is_empty())
    }

    /// Updates the observed state after one VM. Observing all of it again after each VM would take time in proportion
    /// to their number.
    fn note(
        &mut self,
        vm: DomainResult,
        (had, has): (&Allocation, &Allocation),
        seen: &mut KernelState,
        tools: &mut HostTools<'_>,
    ) -> Result<(), ToolError> {
        let DomainResult { object, faults, mut done } = vm;
        match &done {
            Ok(done) if done.changed => {
                seen.leave(&KernelState::of(had));
                seen.extend(KernelState::of(has));
            }
            Ok(_) => {}
            Err(_) => *seen = KernelState::observe(tools)?.0,
        }
        let before = self.vms.iter().position(|vm| vm.object == object).map(|index| self.vms.remove(index).done);
        if let (Some(Ok(before)), Ok(done)) = (before, &mut done) {
            done.follow(before);
        }
        self.vms.push(DomainResult { object, faults, done });
        Ok(())
    }

    /// Deletes rules and routes of no VM: the table is this program's alone, and so are routes with its protocol
    /// number.
    fn sweep(&mut self, ledger: &Ledger, seen: &KernelState, tools: &mut HostTools<'_>) -> Result<(), ToolError> {
        let mut all = KernelState::default();
        for (_, entry) in ledger.entries() {
            all.extend(KernelState::of(&entry.allocation));
        }
        let elements: Vec<&Element> = seen.elements.difference(&all.elements).collect();
        let ours = seen.proxies.difference(&seen.third_party);
        let routing = KernelState {
            routes: seen.routes.difference(&all.routes).cloned().collect(),
            proxies: ours.filter(|proxy| !all.proxies.contains(proxy)).cloned().collect(),
            ..KernelState::default()
        };
        self.orphans = elements.len() + routing.routes.len() + routing.proxies.len();
        if !elements.is_empty() {
            let nothing_is_left = all.elements.is_empty();
            nft::transact(&if nothing_is_left { table::removal() } else { table::delta(elements, []) }, tools)?;
        }
        if routing.is_empty() { Ok(()) } else { routing.delete_routes(tools) }
    }
}
