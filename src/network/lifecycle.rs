//! The networking of one event: what becomes of a domain's forwards and routes at which step of its lifecycle.
//!
//! | operation | |
//! |---|---|
//! | `prepare` | what is left of an earlier life, whose end was never told, is deleted |
//! | `start` | what is declared is resolved and checked for conflicts; if the settings ask for it, a fault refuses the start |
//! | `started`, `reconnect`, `attach` | it is applied |
//! | `stopped`, `release` | what was applied is deleted, whatever is declared by then |
//!
//! At `migrate` and `restore` libvirt has not checked yet whether the VM runs here already (`qemuMigrationDstPrepareFresh`), and
//! refuses it then: nothing is done. If it goes on, `prepare` comes next.

use std::time::{Duration, Instant};

use crate::domain::{Document, DomainXml};
use crate::driver::{Event, Object, Operation, Stage};
use crate::kernel::deadline::Deadline;
use crate::kernel::tools::HostTools;
use crate::network::allocation::Allocation;
use crate::network::applied::ledger::Ledger;
use crate::network::applied::marker::Marker;
use crate::network::declaration::{self, Declarations};
use crate::network::desired::conflicts;
use crate::network::desired::plan::Plan;
use crate::network::reconcile::domain::{Basis, apply_plan};
use crate::network::reconcile::outcome::Done;
use crate::network::timeouts;
use crate::paths::Paths;
use crate::process::Supervisor;
use crate::record::{Escaped, Journal, Message};
use crate::settings::OnFailure;
use crate::state::Lock;
use crate::trust::Judge;

/// A step of a domain's declared network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// Check whether the declarations can be applied.
    Preflight,
    /// Apply them.
    Apply,
    /// Remove the allocation.
    Remove,
}

/// The networking of one event.
#[derive(Debug)]
pub struct Lifecycle<'a> {
    object: Object,
    paths: &'a Paths,
    /// The step, if there can be anything to do at all.
    step: Option<Step>,
    /// The time that is left for it.
    left: Duration,
}

impl<'a> Lifecycle<'a> {
    /// Returns that of an event. For most VMs on most hosts there is nothing to do, and that is found out at the cost of one
    /// to three system calls.
    pub fn of(event: &Event, operation: Operation, paths: &'a Paths) -> Self {
        let object = event.object();
        let is_marked = || Marker::of(paths.state(), &object).is_there();
        let step = match operation.stage() {
            _ if !event.driver().has_networking => None,
            Stage::Starting => declaration::are_there(paths).then_some(Step::Preflight),
            Stage::Running => (declaration::are_there(paths) || is_marked()).then_some(Step::Apply),
            Stage::Preparing | Stage::Stopped | Stage::Released => is_marked().then_some(Step::Remove),
            Stage::Arriving => None,
        };
        Self { object, paths, step, left: timeouts::EVENT }
    }

    /// Does what there is to do. Where what is declared can't be applied and the settings ask for it, it returns why the
    /// operation is to be refused.
    pub fn perform(
        &mut self,
        document: &mut Document,
        supervisor: &mut Supervisor,
        journal: &mut Journal,
    ) -> Option<String> {
        if self.step? == Step::Remove {
            self.change(None, supervisor, journal);
            return None;
        }
        let declarations = self.declarations(document, supervisor, journal);
        if self.step == Some(Step::Preflight) {
            return self.preflight(&declarations, document, journal);
        }
        self.change(Some((&declarations, document)), supervisor, journal);
        None
    }

    /// Removes what a VM was given between the beginning of its last event and the end of what is known of it.
    pub fn remove_late(&mut self, journal: &mut Journal) {
        if Marker::of(self.paths.state(), &self.object).is_seen() {
            self.change(None, &mut Supervisor::watching(), journal);
        }
    }

    /// Records what [`Lifecycle::perform`] would do, and changes nothing.
    pub fn rehearse(
        &self,
        document: &mut Document,
        supervisor: &mut Supervisor,
        journal: &mut Journal,
    ) -> Option<String> {
        let step = self.step?;
        let ledger = Ledger::load(self.paths.state());
        let has = ledger.of(&self.object).map(|entry| entry.allocation.clone()).unwrap_or_default();
        if step == Step::Remove {
            for forward in &has.forwards {
                journal.record(None, &Message::ForwardExpiring { forward: forward.to_string().into() });
            }
            for route in &has.routes {
                journal.record(None, &Message::RouteExpiring { route: route.to_string().into() });
            }
            return None;
        }
        let declarations = self.declarations(document, supervisor, journal);
        if step == Step::Preflight {
            return self.preflight(&declarations, document, journal);
        }
        // What can't even be planned has been recorded, and refuses nothing here.
        let plan = self.planned(&declarations, document, &ledger, timeouts::deadline(self.left), journal)?;
        for (forward, _) in plan.forwards.iter().filter(|(forward, _)| !has.forwards.contains(forward)) {
            journal.record(None, &Message::ForwardPlanned { forward: forward.to_string().into() });
        }
        for (route, _) in plan.routes.iter().filter(|(route, _)| !has.routes.contains(route)) {
            journal.record(None, &Message::RoutePlanned { route: route.to_string().into() });
        }
        for fault in &plan.faults {
            journal.error(None, fault);
        }
        None
    }

    /// Reads what is declared for the domain, and its XML.
    fn declarations(
        &self,
        document: &mut Document,
        supervisor: &mut Supervisor,
        journal: &mut Journal,
    ) -> Declarations {
        document.read(&mut || supervisor.interrupted().is_some());
        let judge = Judge::from(self.paths.root(), rustix::process::geteuid().as_raw());
        let (declarations, problems) = declaration::load(self.paths, &judge, self.object.name());
        for (file, problem) in &problems {
            problem.record(journal, "network declarations", file);
        }
        declarations
    }

    /// Plans for the domain with this XML, against what others have by now. None where the XML can't be read.
    fn planned(
        &self,
        declarations: &Declarations,
        document: &Document,
        ledger: &Ledger,
        deadline: Deadline,
        journal: &mut Journal,
    ) -> Option<Plan> {
        if declarations.say_nothing() {
            return Some(Plan::default());
        }
        let xml = match document.fault() {
            Some(fault) => Err(fault.to_owned()),
            None => DomainXml::parse(document.bytes()).map_err(|unreadable| unreadable.to_string()),
        };
        match xml {
            Ok(xml) => Some(conflicts::plan(&self.object, declarations, &xml, ledger, self.paths, deadline)),
            Err(why) => {
                journal.error(
                    None,
                    format_args!("what is declared for the VM's network can't be given, since its XML {why}"),
                );
                None
            }
        }
    }

    fn preflight(&self, declarations: &Declarations, document: &Document, journal: &mut Journal) -> Option<String> {
        let ledger = Ledger::load(self.paths.state());
        let plan = self.planned(declarations, document, &ledger, timeouts::deadline(self.left), journal);
        for fault in plan.iter().flat_map(|plan| &plan.faults) {
            journal.warn(None, format_args!("will not be given once the VM runs: {fault}"));
        }
        if declarations.rules.on_failure != OnFailure::Abort {
            return None;
        }
        let first = plan.as_ref().and_then(|plan| plan.faults.first());
        let why = match (&plan, first) {
            (_, Some(fault)) => fault.to_string(),
            (None, None) => "the VM's XML can't be read".to_owned(),
            // What is wrong with a table that names no VM is nobody's fault in particular.
            (Some(_), None) if declarations.refused > 0 => {
                "a declaration for it can't be taken; the log has its line".to_owned()
            }
            (Some(_), None) => return None,
        };
        let setting = "onFailure = \"abort\" is set for networking".into();
        journal.record(None, &Message::Refused { operation: b"start"[..].into(), why: setting });
        Some(format!("virt-hooks: networking refused start: {}", Escaped(why.as_bytes())))
    }

    /// Applies what is declared, or removes the allocation where nothing is given, in the time that is left.
    fn change(
        &mut self,
        declared: Option<(&Declarations, &Document)>,
        supervisor: &mut Supervisor,
        journal: &mut Journal,
    ) {
        let begun = Instant::now();
        _ = self.change_until(timeouts::deadline(self.left), declared, supervisor, journal);
        self.left = self.left.saturating_sub(begun.elapsed());
    }

    fn change_until(
        &self,
        deadline: Deadline,
        declared: Option<(&Declarations, &Document)>,
        supervisor: &mut Supervisor,
        journal: &mut Journal,
    ) -> Option<()> {
        let marker = Marker::of(self.paths.state(), &self.object);
        if declared.is_some_and(|(declarations, _)| declarations.say_nothing()) && !marker.is_there() {
            return None;
        }
        let (_lock, mut ledger) = self.locked(deadline, supervisor, journal)?;
        let mut desired = Allocation::default();
        if let Some((declarations, document)) = declared {
            let plan = self.planned(declarations, document, &ledger, deadline, journal)?;
            for fault in &plan.faults {
                journal.error(None, fault);
            }
            desired = plan.allocation();
            if desired.is_empty() && !marker.is_there() {
                return None;
            }
        }
        if ledger.of(&self.object).is_none() && marker.is_seen() {
            journal.warn(
                None,
                "it is not known any more what the VM was given; what is left of it, if anything is, is taken away by: \
                 virt-hooks network apply",
            );
        }
        let mut tools = HostTools::until(supervisor, deadline, timeouts::TOOL);
        match apply_plan(&self.object, desired, &mut ledger, Basis::Ledger, &mut tools, self.paths) {
            Ok(done) => record(&done, journal),
            Err(fault) => journal.record(None, &Message::NetworkFailed { why: fault.to_string().into() }),
        }
        Some(())
    }

    /// Loads the ledger, which nobody else changes for as long as the lock is held.
    fn locked(&self, deadline: Deadline, supervisor: &mut Supervisor, journal: &mut Journal) -> Option<(Lock, Ledger)> {
        let timeout = timeouts::LOCK.min(deadline.left());
        let interrupted = &mut || supervisor.interrupted().is_some();
        let locked = Ledger::lock(self.paths.state(), self.object.name(), timeout, interrupted);
        let loaded = locked.map_err(|why| why.to_string()).and_then(|lock| {
            let ledger = Ledger::load_to_change(self.paths.state()).map_err(|why| why.to_string())?;
            Ok((lock, ledger))
        });
        loaded
            .map_err(|why| {
                let then = "once that is over: virt-hooks network apply";
                journal.error(None, format_args!("the VM's network is left as it is: {why}; {then}"));
            })
            .ok()
    }
}

/// Records what was done.
fn record(done: &Done, journal: &mut Journal) {
    for forward in &done.closed {
        journal.record(None, &Message::ForwardDeleted { forward: forward.to_string().into() });
    }
    for route in &done.removed_routes {
        journal.record(None, &Message::RouteDeleted { route: route.to_string().into() });
    }
    if done.cut > 0 {
        journal.record(None, &Message::ConnectionsCut { count: done.cut as u64 });
    }
    for route in &done.added_routes {
        journal.record(None, &Message::RouteAdded { route: route.to_string().into() });
    }
    for forward in &done.opened {
        journal.record(None, &Message::ForwardAdded { forward: forward.to_string().into() });
    }
    if let Some(refused) = &done.refused {
        journal.record(None, &Message::NetworkFailed { why: refused.to_string().into() });
    }
    for warning in &done.warnings {
        journal.warn(None, warning);
    }
}
