//! Applies one VM's allocation step by step. A failed step undoes those before it.

use std::collections::BTreeSet;

use crate::driver::Object;
use crate::kernel::deadline::Deadline;
use crate::kernel::tools::ip::KernelRoute;
use crate::kernel::tools::{HostTools, Tools, nft};
use crate::network::allocation::{Allocation, Forward};
use crate::network::applied::ledger::{Entry, Ledger};
use crate::network::applied::marker::Marker;
use crate::network::firewall::pass_through::{self, Traffic};
use crate::network::firewall::table::{self, Element, Listing};
use crate::network::reconcile::connections;
use crate::network::reconcile::devices::{set_hairpin, start_proxying, stop_proxying};
use crate::network::reconcile::diff::{Change, reconcile};
use crate::network::reconcile::outcome::{Done, Fault};
use crate::network::reconcile::state::KernelState;
use crate::network::timeouts;
use crate::paths::Paths;
use crate::process::ToolError;

/// Source of the observed state.
#[derive(Debug, Clone, Copy)]
pub enum Basis<'a> {
    /// The ledger, unless the kernel contradicts it. A listing takes time in proportion to all forwards.
    Ledger,
    /// A listing.
    Seen(&'a KernelState),
}

/// Applies a VM's desired allocation, and removes the rest of its recorded one. If new routes are refused, the rest is
/// applied.
///
/// # Errors
/// The allocation cannot be applied.
pub fn apply_plan(
    object: &Object,
    desired: Allocation,
    ledger: &mut Ledger,
    basis: Basis<'_>,
    tools: &mut HostTools<'_>,
    paths: &Paths,
) -> Result<Done, Fault> {
    let had = ledger.of(object).map(|entry| entry.allocation.routes.clone()).unwrap_or_default();
    let without = Allocation { routes: desired.routes.intersection(&had).cloned().collect(), ..desired.clone() };
    match bring_to(object, desired, ledger, basis, tools, paths) {
        Err(fault @ (Fault::Routes(_) | Fault::Answering { .. })) if !without.forwards.is_empty() => {
            let mut done = bring_to(object, without, ledger, basis, tools, paths)?;
            done.refused = Some(format!("{fault}; the forwards are there without"));
            Ok(done)
        }
        done => done,
    }
}

fn bring_to(
    object: &Object,
    desired: Allocation,
    ledger: &mut Ledger,
    basis: Basis<'_>,
    tools: &mut HostTools<'_>,
    paths: &Paths,
) -> Result<Done, Fault> {
    let before = ledger.of(object).cloned().unwrap_or_default();
    let (wanted, mut kept) = (KernelState::of(&desired), KernelState::of(&before.allocation));
    // State that other VMs share is not removed.
    kept.elements.retain(|element| match element {
        Element::Link(device) => !ledger.others_have_routes_to(object, device),
        Element::Within(_, address) => !ledger.others_have_forwards_to(object, *address),
        Element::Forward { .. } | Element::Routed(_) => true,
    });
    let actual = actual(&wanted, &kept, &before, basis, tools)?;
    let change = reconcile(&wanted, &kept, &actual);
    let mut done = Done {
        opened: desired.forwards.difference(&before.allocation.forwards).cloned().collect(),
        closed: before.allocation.forwards.difference(&desired.forwards).cloned().collect(),
        added_routes: desired.routes.difference(&before.allocation.routes).cloned().collect(),
        removed_routes: before.allocation.routes.difference(&desired.routes).cloned().collect(),
        changed: !change.is_nothing() || before.incomplete || before.allocation != desired,
        ..Done::default()
    };
    let marker = Marker::of(paths.state(), object);
    if !done.changed && (matches!(basis, Basis::Seen(_)) || desired.is_empty()) {
        // A run that was ended before its first change may have left it; left here, it costs a read at each event.
        if ledger.of(object).is_none() {
            marker.take_away()?;
        }
        return Ok(done);
    }

    let both = Allocation {
        forwards: before.allocation.forwards.union(&desired.forwards).cloned().collect(),
        routes: before.allocation.routes.union(&desired.routes).cloned().collect(),
        links: before.allocation.links.union(&desired.links).cloned().collect(),
        hairpin_taps: before.allocation.hairpin_taps.union(&desired.hairpin_taps).cloned().collect(),
    };
    ledger.note(object, Entry { allocation: both, incomplete: true });
    if let Err(error) = marker.put().and_then(|()| ledger.keep(paths.state())) {
        if !change.new.is_empty() {
            return Err(error.into());
        }
        // A removal is in the ledger already; a ledger with more than exists does no harm.
        done.warnings.push(format!("it can't be noted what is taken away: {error}"));
    }
    if let Err(fault) = put_in_place(object, &wanted, &kept, &change, ledger, tools, paths, &mut done) {
        if !matches!(fault, Fault::Unknown(_)) {
            // The VM keeps its previous allocation. If only routes were refused, nothing else was begun.
            let nothing_else = matches!(fault, Fault::Routes(_) | Fault::Answering { .. });
            ledger.note(object, Entry { incomplete: before.incomplete || !nothing_else, ..before.clone() });
        }
        stop_proxying(ledger, paths, &mut done.warnings);
        let is_nothing = ledger.of(object).is_none();
        // If that fails, the ledger has both states of the VM.
        _ = ledger.keep(paths.state()).and_then(|()| if is_nothing { marker.take_away() } else { Ok(()) });
        return Err(fault);
    }
    // The following steps matter only if time is left, and cost nothing otherwise.
    let traffic = desired.traffic();
    ledger.note(object, Entry { allocation: desired, incomplete: false });
    stop_proxying(ledger, paths, &mut done.warnings);
    set_hairpin(&before.allocation, ledger.of(object), paths, &mut done);
    cut(&change, tools.deadline(), &mut done);
    let is_last = traffic == Traffic::default() && ledger.others(object).all(|(_, entry)| entry.allocation.is_empty());
    let third_party = &mut tools.within(timeouts::THIRD_PARTY);
    done.warnings.extend(if is_last { leave_third_party(third_party) } else { pass_third_party(traffic, third_party) });
    let now = ledger.of(object).map(|entry| &entry.allocation.forwards);
    if let Err(error) =
        connections::clear_the_way(now.into_iter().flatten(), tools.deadline().within(timeouts::CONNECTIONS))
    {
        done.warnings.push(format!(
            "who has been sending to a UDP port before it was forwarded may not reach the VM until they pause: {error}"
        ));
    }
    let is_nothing = ledger.of(object).is_none();
    if let Err(error) = ledger.keep(paths.state()).and_then(|()| if is_nothing { marker.take_away() } else { Ok(()) }) {
        done.warnings.push(format!("it can't be noted that this has been done: {error}; it is looked into next time"));
    }
    Ok(done)
}

/// Deletes open connections through the VM's deleted forwards.
fn cut(change: &Change, deadline: Deadline, done: &mut Done) {
    if change.cut.is_empty() {
        return;
    }
    let forwards: Vec<Forward> = change.cut.iter().filter_map(Element::forward).collect();
    match connections::cut(&forwards, deadline.within(timeouts::CONNECTIONS)) {
        Ok(cut) => done.cut = cut,
        Err(error) => done.warnings.push(format!(
            "connections through what is closed can't be cut: {error}; those that are open go on until they end"
        )),
    }
}

/// Returns the observed state of a VM's desired and recorded allocations.
fn actual(
    wanted: &KernelState,
    kept: &KernelState,
    before: &Entry,
    basis: Basis<'_>,
    tools: &mut HostTools<'_>,
) -> Result<KernelState, Fault> {
    let elements = match basis {
        Basis::Seen(seen) => return Ok(seen.clone()),
        Basis::Ledger if before.incomplete => table::list(tools).map_err(Fault::Table)?.unwrap_or_default().elements,
        Basis::Ledger => kept.elements.clone(),
    };
    let mut actual = KernelState { elements, ..KernelState::default() };
    let routes =
        [wanted, kept].iter().any(|kernel_state| !kernel_state.routes.is_empty() || !kernel_state.proxies.is_empty());
    if routes {
        actual =
            KernelState { elements: actual.elements, ..KernelState::observe_routing(tools).map_err(Fault::Routes)? };
    }
    Ok(actual)
}

#[expect(clippy::too_many_arguments, reason = "one step of `settle`, apart for its undoing")]
fn put_in_place(
    object: &Object,
    wanted: &KernelState,
    kept: &KernelState,
    change: &Change,
    ledger: &mut Ledger,
    tools: &mut HostTools<'_>,
    paths: &Paths,
    done: &mut Done,
) -> Result<(), Fault> {
    start_proxying(change, ledger, paths)?;
    // The tools has one route to a destination.
    let moved = KernelState { routes: moved(change), ..KernelState::default() };
    let added_routes = moved.delete_routes(tools).and_then(|()| change.new.add_routes(tools));
    if let Err(tool_error) = added_routes {
        return Err(undone(tool_error, Fault::Routes, change, &moved, tools));
    }
    let is_shared = ledger.others(object).any(|(_, entry)| !entry.allocation.is_empty());
    let filled = if wanted.is_empty() && !is_shared {
        nft::transact(&table::removal(), tools)
    } else {
        // Other VMs' incomplete entries may contradict themselves.
        let settled = || ledger.others(object).filter(|(_, entry)| !entry.incomplete);
        let others = || settled().flat_map(|(_, entry)| KernelState::of(&entry.allocation).elements).collect();
        fill(wanted, kept, change, is_shared, &others, tools)
    };
    if let Err(tool_error) = filled {
        return Err(undone(tool_error, Fault::Table, change, &moved, tools));
    }
    if let Err(tool_error) = change.gone.delete_routes(tools) {
        done.warnings.push(format!(
            "routes that are of no use any more may still be there: {tool_error}; to see them: ip route show proto 118"
        ));
    }
    Ok(())
}

/// The routes that are in the way of new ones to the same destination.
fn moved(change: &Change) -> BTreeSet<KernelRoute> {
    let is_new = |route: &&KernelRoute| change.new.routes.iter().any(|new| new.to == route.to);
    change.gone.routes.iter().filter(is_new).cloned().collect()
}

/// Undoes the changes of routes before a failure, and returns the error with the result.
fn undone(
    tool_error: ToolError,
    fault: impl FnOnce(ToolError) -> Fault,
    change: &Change,
    moved: &KernelState,
    tools: &mut HostTools<'_>,
) -> Fault {
    let taken_back = change.new.delete_routes(tools).and_then(|()| moved.add_routes(tools));
    match (tool_error, taken_back) {
        (tool_error @ (ToolError::Missing(_) | ToolError::NotStarted(_) | ToolError::Complained(..)), Ok(())) => {
            fault(tool_error)
        }
        // A tool that is absent has not changed anything before.
        (tool_error @ ToolError::Missing(_), Err(ToolError::Missing(_))) => fault(tool_error),
        (tool_error, _) => Fault::Unknown(tool_error),
    }
}

/// Deletes this program's rules from third-party chains.
pub fn leave_third_party(tools: &mut HostTools<'_>) -> Vec<String> {
    pass_through::take_away(tools)
        .unwrap_or_else(|refusal| vec![format!("rules of this program's may still be in others' chains: {refusal}")])
}

/// Lets the traffic pass third-party chains, and returns warnings.
pub fn pass_third_party(traffic: Traffic, tools: &mut HostTools<'_>) -> Vec<String> {
    pass_through::put(tools, traffic).unwrap_or_else(|refusal| {
        vec![format!(
            "whether others' rules refuse what is forwarded can't be seen: {refusal}; to see them: nft list ruleset"
        )]
    })
}

/// Changes the table: by the difference to the recorded state, else to the observed one, else as a whole.
fn fill(
    wanted: &KernelState,
    kept: &KernelState,
    change: &Change,
    is_shared: bool,
    others: &dyn Fn() -> BTreeSet<Element>,
    tools: &mut HostTools<'_>,
) -> Result<(), ToolError> {
    // If others have forwards, the table exists, or the transaction fails. Without a change it is rewritten whole:
    // libvirt was restarted, and other programs may have been.
    let transaction = match is_shared && !change.is_nothing() {
        true => table::elements(&change.gone.elements, &wanted.elements),
        false => table::delta(&change.gone.elements, &wanted.elements),
    };
    if let Some(done) = accepted(tools, &transaction) {
        return done;
    }
    if let Some(Listing { elements, .. }) = table::list(tools)? {
        let change = reconcile(wanted, kept, &KernelState { elements, ..KernelState::default() });
        if let Some(done) = accepted(tools, &table::delta(&change.gone.elements, &wanted.elements)) {
            return done;
        }
    }
    let mut all = others();
    all.extend(wanted.elements.iter().cloned());
    nft::transact(&table::whole(&all), tools)
}

/// Returns the result of a transaction; `None` if nft refuses it, so that another one is worth a try.
fn accepted(tools: &mut HostTools<'_>, transaction: &str) -> Option<Result<(), ToolError>> {
    match nft::transact(transaction, tools) {
        Err(ToolError::Complained(..)) => None,
        done => Some(done),
    }
}
