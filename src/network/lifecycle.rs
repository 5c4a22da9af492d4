//! What becomes of a VM's declared network at which step of its life.
//!
//! | operation | |
//! |---|---|
//! | `prepare` | what is left of an earlier life, whose end was never told, is taken away |
//! | `start` | what is declared is resolved and looked at for conflicts; if the settings ask for it, a fault refuses the start |
//! | `started`, `reconnect`, `attach` | it is given |
//! | `stopped`, `release` | what was given is taken away, whatever is declared by then |
//!
//! At `migrate` and `restore` libvirt has not looked yet whether the VM runs here already (`qemuMigrationDstPrepareFresh`), and
//! refuses it then: nothing is done. If it goes on, `prepare` comes next.

use std::ffi::OsStr;
use std::time::Duration;

use crate::domain::{Document, DomainXml};
use crate::driver::{Event, Operation, Stage};
use crate::kernel::deadline::Deadline;
use crate::kernel::tools::HostTools;
use crate::network::allocation::Allocation;
use crate::network::applied::ledger::Ledger;
use crate::network::applied::marker::Marker;
use crate::network::declaration::{self, Declarations};
use crate::network::desired::plan::{self, Plan};
use crate::network::reconcile::domain::{Basis, apply_plan};
use crate::network::reconcile::outcome::Done;
use crate::paths::Paths;
use crate::process::Supervisor;
use crate::record::report;
use crate::record::{Escaped, Journal};
use crate::settings::OnFailure;
use crate::state::Lock;
use crate::trust::Judge;

/// How long all that is done for a VM at an event may take.
pub const TIMEOUT: Duration = Duration::from_secs(30);

/// The part of [`TIMEOUT`] that an event may wait for the ledger's lock. The rest is for the change itself.
const LOCK_TIMEOUT: Duration = Duration::from_secs(18);

/// A step of a VM's declared network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Check whether the declarations can be applied.
    Preflight,
    /// Apply them.
    Apply,
    /// Remove the allocation.
    Remove,
}

impl Step {
    /// What there is to do at an operation.
    pub const fn at(operation: Operation) -> Option<Self> {
        match operation.stage() {
            Stage::Starting => Some(Self::Preflight),
            Stage::Running => Some(Self::Apply),
            Stage::Preparing | Stage::Stopped | Stage::Released => Some(Self::Remove),
            Stage::Arriving => None,
        }
    }

    /// The same, if there can be anything to do at all: for most VMs on most hosts there is not, and that is found out at the
    /// cost of one to three system calls.
    pub fn needed(event: &Event, operation: Operation, paths: &Paths) -> Option<Self> {
        let has_been_given = || Marker::of(paths.state(), event.domain()).is_there();
        let step = Self::at(operation)?;
        let matters = match step {
            Self::Preflight => declaration::are_there(paths),
            Self::Apply => declaration::are_there(paths) || has_been_given(),
            Self::Remove => has_been_given(),
        };
        matters.then_some(step)
    }
}

/// Does at an event what there is to do. Where what is declared can't be given and the settings ask for it, it comes back
/// with why the operation is to be refused.
pub fn perform(
    step: Step,
    event: &Event,
    document: &mut Document,
    paths: &Paths,
    programs: &mut Supervisor,
    journal: &mut Journal,
) -> Option<String> {
    if step == Step::Remove {
        take(event.domain(), paths, programs, journal);
        return None;
    }
    let declared = Declared::load(event, document, paths, programs, journal);
    if step == Step::Preflight {
        return preflight(event.domain(), &declared, document, paths, journal);
    }
    give(event.domain(), &declared.declarations, document, paths, programs, journal);
    None
}

/// Takes away what a VM was given between the beginning of its last event and the end of what is known of it.
pub fn remove_late(event: &Event, paths: &Paths, journal: &mut Journal) {
    if Marker::of(paths.state(), event.domain()).is_seen() {
        take(event.domain(), paths, &mut Supervisor::watching(), journal);
    }
}

/// Tells what an event would do, and does nothing of it. What comes back is as with [`perform`].
pub fn rehearse(
    step: Step,
    event: &Event,
    document: &mut Document,
    paths: &Paths,
    programs: &mut Supervisor,
    journal: &mut Journal,
) -> Option<String> {
    if step == Step::Remove {
        let ledger = Ledger::load(paths.state());
        let allocation = ledger.of(event.domain()).map(|entry| entry.allocation.clone()).unwrap_or_default();
        for forward in &allocation.forwards {
            journal.info(None, format_args!("would delete the forward {forward}"));
        }
        for route in &allocation.routes {
            journal.info(None, format_args!("would delete the route {route}"));
        }
        return None;
    }
    let declared = Declared::load(event, document, paths, programs, journal);
    if step == Step::Preflight {
        return preflight(event.domain(), &declared, document, paths, journal);
    }
    let ledger = Ledger::load(paths.state());
    // What can't even be planned has been told, and refuses nothing here.
    let plan = planned(event.domain(), &declared.declarations, document, &ledger, paths, journal)?;
    let has = ledger.of(event.domain()).map(|entry| entry.allocation.clone()).unwrap_or_default();
    for (forward, _) in plan.forwards.iter().filter(|(forward, _)| !has.forwards.contains(forward)) {
        journal.info(None, format_args!("would add the forward {forward}"));
    }
    for (route, _) in plan.routes.iter().filter(|(route, _)| !has.routes.contains(route)) {
        journal.info(None, format_args!("would add the route {route}"));
    }
    for fault in &plan.faults {
        journal.error(None, fault);
    }
    None
}

/// What is declared for a VM.
struct Declared {
    declarations: Declarations,
    /// Something that may be for it can't be taken.
    in_part: bool,
}

impl Declared {
    /// Reads it, with the XML.
    fn load(
        event: &Event,
        document: &mut Document,
        paths: &Paths,
        programs: &mut Supervisor,
        journal: &mut Journal,
    ) -> Self {
        document.read(&mut || programs.interrupted().is_some());
        let judge = Judge::from(paths.root(), rustix::process::geteuid().as_raw());
        let (declarations, problems) = declaration::load(paths, &judge, event.domain());
        for (file, problem) in &problems {
            report::misdeclared(journal, file, problem);
        }
        // What is wrong with a table that names no VM is nobody's fault in particular.
        Self { in_part: declarations.refused > 0, declarations }
    }
}

/// The plan for a VM with this XML, against what others have by now. Nothing where the XML can't be read.
fn planned(
    domain: &OsStr,
    declarations: &Declarations,
    document: &Document,
    ledger: &Ledger,
    paths: &Paths,
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
        Ok(xml) => Some(plan::of(domain, declarations, &xml, ledger, paths, Deadline::after(TIMEOUT))),
        Err(why) => {
            journal
                .error(None, format_args!("what is declared for the VM's network can't be given, since its XML {why}"));
            None
        }
    }
}

fn preflight(
    domain: &OsStr,
    declared: &Declared,
    document: &Document,
    paths: &Paths,
    journal: &mut Journal,
) -> Option<String> {
    let Declared { declarations, in_part } = declared;
    let plan = planned(domain, declarations, document, &Ledger::load(paths.state()), paths, journal);
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
        (Some(_), None) if *in_part => "a declaration for it can't be taken; the log has its line".to_owned(),
        (Some(_), None) => return None,
    };
    journal.error(None, "start is refused, since onFailure = \"abort\" is set for networking");
    Some(format!("virt-hooks: networking refused start: {}", Escaped(why.as_bytes())))
}

fn give(
    domain: &OsStr,
    declarations: &Declarations,
    document: &Document,
    paths: &Paths,
    programs: &mut Supervisor,
    journal: &mut Journal,
) {
    if declarations.say_nothing() && !Marker::of(paths.state(), domain).is_there() {
        return;
    }
    let end = Deadline::after(TIMEOUT);
    let Some((_lock, ledger)) = locked(domain, paths, programs, journal) else { return };
    let Some(plan) = planned(domain, declarations, document, &ledger, paths, journal) else { return };
    for fault in &plan.faults {
        journal.error(None, fault);
    }
    let desired = plan.allocation();
    if desired.is_empty() && !Marker::of(paths.state(), domain).is_there() {
        return;
    }
    change(domain, desired, ledger, end, paths, programs, journal);
}

fn take(domain: &OsStr, paths: &Paths, programs: &mut Supervisor, journal: &mut Journal) {
    let end = Deadline::after(TIMEOUT);
    let Some((_lock, ledger)) = locked(domain, paths, programs, journal) else { return };
    change(domain, Allocation::default(), ledger, end, paths, programs, journal);
}

/// Brings the VM to what it is to have, by this moment.
fn change(
    domain: &OsStr,
    desired: Allocation,
    mut ledger: Ledger,
    end: Deadline,
    paths: &Paths,
    programs: &mut Supervisor,
    journal: &mut Journal,
) {
    let mut tools = HostTools::until(programs, end);
    if ledger.of(domain).is_none() && Marker::of(paths.state(), domain).is_seen() {
        journal.warn(
            None,
            "it is not known any more what the VM was given; what is left of it, if anything is, is taken away by: \
             virt-hooks network apply",
        );
    }
    match apply_plan(domain, desired, &mut ledger, Basis::Ledger, &mut tools, paths) {
        Ok(done) => tell(&done, journal),
        Err(fault) => journal.error(None, format_args!("networking: {fault}")),
    }
}

/// The ledger, and nobody else changes it meanwhile.
fn locked(domain: &OsStr, paths: &Paths, programs: &mut Supervisor, journal: &mut Journal) -> Option<(Lock, Ledger)> {
    let locked = Ledger::lock(paths.state(), domain, LOCK_TIMEOUT, &mut || programs.interrupted().is_some());
    let loaded = locked.map_err(|why| why.to_string()).and_then(|lock| {
        let ledger = Ledger::load_to_change(paths.state()).map_err(|why| why.to_string())?;
        Ok((lock, ledger))
    });
    loaded
        .map_err(|why| {
            let then = "once that is over: virt-hooks network apply";
            journal.error(None, format_args!("the VM's network is left as it is: {why}; {then}"));
        })
        .ok()
}

/// Records what was done.
fn tell(done: &Done, journal: &mut Journal) {
    for forward in &done.closed {
        journal.info(None, format_args!("deleted the forward {forward}"));
    }
    for route in &done.removed_routes {
        journal.info(None, format_args!("deleted the route {route}"));
    }
    if done.cut > 0 {
        let connections = if done.cut == 1 { "connection" } else { "connections" };
        journal.info(None, format_args!("cut {} open {connections} through what was closed", done.cut));
    }
    for route in &done.added_routes {
        journal.info(None, format_args!("added the route {route}"));
    }
    for forward in &done.opened {
        journal.info(None, format_args!("added the forward {forward}"));
    }
    if let Some(refused) = &done.refused {
        journal.error(None, format_args!("networking: {refused}"));
    }
    for warning in &done.warnings {
        journal.warn(None, warning);
    }
}
