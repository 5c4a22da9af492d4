//! Makes the host as declared for all VMs that run: after a firewall was loaded anew, or a declaration was edited.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};

use super::declaration::Everything;
use super::given::Given;
use super::guard::{Guards, Traffic};
use super::kernel::Kernel;
use super::ledger::Ledger;
use super::plan::{self, Plan, Unplanned};
use super::reconcile::Holdings;
use super::settle::{self, Belief, Done, Fault};
use super::table::{self, Element};
use crate::domain::{DomainXml, LiveXml};
use crate::paths::Paths;
use crate::program::Silence;

/// A VM that runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Running {
    /// Its name.
    pub domain: OsString,
    /// Its XML while it runs.
    pub xml: Vec<u8>,
}

/// What became of one VM.
#[derive(Debug)]
pub struct OfVm {
    /// Its name.
    pub domain: OsString,
    /// What is declared and can't be given.
    pub faults: Vec<Unplanned>,
    /// What was done.
    pub done: Result<Done, Fault>,
}

/// What was done.
#[derive(Debug, Default)]
pub struct Applied {
    /// For each VM that has something or is to have it.
    pub vms: Vec<OfVm>,
    /// The table was not as this program makes it, and has been made anew.
    pub mended: bool,
    /// In how many chains of others there was no rule, or not at the top, that lets through what is given. Now there is.
    pub opened: usize,
    /// How many things of this program's there were that belong to no VM. They are gone.
    pub orphans: usize,
    /// What went wrong besides.
    pub warnings: Vec<String>,
}

/// The VMs that run, as far as the hook has seen them.
pub fn running(paths: &Paths) -> Vec<Running> {
    let all = LiveXml::all(paths.state()).into_iter();
    all.map(|(domain, xml)| Running { domain, xml }).collect()
}

/// Makes the host as declared for the VMs that run; what others were given is taken away. Whoever calls it holds the
/// ledger's lock.
///
/// # Errors
/// Where it can't even be seen what there is.
pub fn apply(
    running: &[Running],
    everything: &Everything,
    kernel: &mut Kernel<'_>,
    paths: &Paths,
) -> Result<Applied, Silence> {
    let mut ledger = Ledger::load(paths.state());
    let mut applied = Applied::default();
    let (mut seen, listing) = settle::seen(kernel)?;
    let nothing_given = ledger.entries().next().is_none();
    if let Some(listing) = &listing {
        applied.mended = kernel.frame().is_some_and(|frame| frame != listing.frame) || !listing.foreign.is_empty();
    } else {
        applied.mended = !nothing_given;
    }
    if applied.mended && !nothing_given {
        let all = ledger.entries().flat_map(|(_, entry)| Holdings::of(&entry.given).elements).collect();
        kernel.transact(&table::whole(&all))?;
        seen.elements = all;
    }

    let given: BTreeSet<OsString> = ledger.entries().map(|(domain, _)| domain.to_owned()).collect();
    let run: BTreeSet<OsString> = running.iter().map(|vm| vm.domain.clone()).collect();
    // What is taken away comes first: others may be waiting for it.
    for domain in given.difference(&run) {
        let done = settle::settle(domain, Given::default(), &mut ledger, Belief::Seen(&seen), kernel, paths);
        applied.take(domain, Vec::new(), done, &mut seen, kernel)?;
    }
    for vm in running {
        let plan = plan_of(vm, everything, &ledger, paths);
        let (desired, faults) = (plan.given(), plan.faults);
        if desired.is_empty() && faults.is_empty() && ledger.of(&vm.domain).is_none() {
            continue;
        }
        let done = settle::settle(&vm.domain, desired, &mut ledger, Belief::Seen(&seen), kernel, paths);
        applied.take(&vm.domain, faults, done, &mut seen, kernel)?;
    }
    applied.sweep(&ledger, &seen, kernel)?;
    let traffic = traffic(&ledger);
    if traffic != Traffic::default() {
        // Where it can't be seen, that is told by the next line.
        applied.opened = Guards::look(kernel).map_or(0, |guards| guards.missing(traffic).count());
        applied.warnings.extend(settle::let_through(traffic, kernel));
    }
    Ok(applied)
}

/// Takes away all that VMs have been given, whether or not they run. Whoever calls it holds the ledger's lock.
///
/// # Errors
/// Where it can't even be seen what there is.
pub fn withdraw(kernel: &mut Kernel<'_>, paths: &Paths) -> Result<Applied, Silence> {
    apply(&[], &Everything::default(), kernel, paths)
}

/// What a VM that runs is to be given.
pub fn plan_of(vm: &Running, everything: &Everything, ledger: &Ledger, paths: &Paths) -> Plan {
    let declarations = everything.of(&vm.domain);
    if declarations.say_nothing() {
        return Plan::default();
    }
    match DomainXml::parse(&vm.xml) {
        Ok(xml) => plan::of(&vm.domain, &declarations, &xml, ledger, paths),
        Err(unreadable) => {
            let message = format!("what is declared for it can't be given, since its XML {unreadable}");
            Plan { faults: vec![Unplanned { source: None, message }], ..Plan::default() }
        }
    }
}

/// All that has to pass the rules of others.
pub fn traffic(ledger: &Ledger) -> Traffic {
    let all = ledger.entries().map(|(_, entry)| &entry.given);
    let all = all.fold(Given::default(), |mut all, given| {
        all.forwards.extend(given.forwards.iter().cloned());
        all.routes.extend(given.routes.iter().cloned());
        all
    });
    all.traffic()
}

impl Applied {
    /// Notes what became of a VM. What was seen before is seen anew where that has changed it.
    fn take(
        &mut self,
        domain: &OsStr,
        faults: Vec<Unplanned>,
        done: Result<Done, Fault>,
        seen: &mut Holdings,
        kernel: &mut Kernel<'_>,
    ) -> Result<(), Silence> {
        if done.as_ref().map_or(true, |done| done.changed) {
            *seen = settle::seen(kernel)?.0;
        }
        self.vms.push(OfVm { domain: domain.to_owned(), faults, done });
        Ok(())
    }

    /// Takes away what belongs to no VM: the table is this program's alone, and so are routes of its number.
    fn sweep(&mut self, ledger: &Ledger, seen: &Holdings, kernel: &mut Kernel<'_>) -> Result<(), Silence> {
        let mut all = Holdings::default();
        for (_, entry) in ledger.entries() {
            all.extend(Holdings::of(&entry.given));
        }
        let elements: Vec<&Element> = seen.elements.difference(&all.elements).collect();
        let lanes = Holdings { lanes: seen.lanes.difference(&all.lanes).cloned().collect(), ..Holdings::default() };
        self.orphans = elements.len() + lanes.lanes.len();
        if !elements.is_empty() {
            let nothing_is_left = all.elements.is_empty();
            kernel.transact(&if nothing_is_left { table::removal() } else { table::delta(elements, []) })?;
        }
        kernel.take_up(&lanes)
    }
}
