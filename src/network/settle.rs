//! Brings one VM's part of the host's network to what it is to be, step by step, each of which is taken back where a later
//! one fails.

use std::collections::BTreeSet;
use std::ffi::OsStr;

use super::answering::{answer, reflect, stop_answering};
use super::applied::{Done, Fault};
use super::conntrack;
use super::given::{Forward, Given};
use super::guard::{self, Traffic};
use super::kernel::Kernel;
use super::ledger::{Entry, Ledger};
use super::marker::Marker;
use super::reconcile::{Change, Holdings, Lane, reconcile};
use super::table::{self, Element, Listing};
use crate::paths::Paths;
use crate::process::Silence;

/// What is believed of what there is.
#[derive(Debug, Clone, Copy)]
pub enum Belief<'a> {
    /// What the ledger says, as long as the kernel does not contradict it. To look costs as much as there is.
    Ledger,
    /// What was seen a moment ago.
    Seen(&'a Holdings),
}

/// Gives a VM what it is to have, and takes away what else it was given. Where routes can't be had that it had not before, it
/// gets the rest.
///
/// # Errors
/// Where that can't be done.
pub fn settle(
    domain: &OsStr,
    desired: Given,
    ledger: &mut Ledger,
    belief: Belief<'_>,
    kernel: &mut Kernel<'_>,
    paths: &Paths,
) -> Result<Done, Fault> {
    let had = ledger.of(domain).map(|entry| entry.given.routes.clone()).unwrap_or_default();
    let without = Given { routes: desired.routes.intersection(&had).cloned().collect(), ..desired.clone() };
    match bring_to(domain, desired, ledger, belief, kernel, paths) {
        Err(fault @ (Fault::Routes(_) | Fault::Answering { .. })) if !without.forwards.is_empty() => {
            let mut done = bring_to(domain, without, ledger, belief, kernel, paths)?;
            done.refused = Some(format!("{fault}; the forwards are there without"));
            Ok(done)
        }
        done => done,
    }
}

fn bring_to(
    domain: &OsStr,
    desired: Given,
    ledger: &mut Ledger,
    belief: Belief<'_>,
    kernel: &mut Kernel<'_>,
    paths: &Paths,
) -> Result<Done, Fault> {
    let before = ledger.of(domain).cloned().unwrap_or_default();
    let (wanted, mut kept) = (Holdings::of(&desired), Holdings::of(&before.given));
    // What others have as well is not this VM's to be taken away.
    kept.elements.retain(|element| match element {
        Element::Link(device) => !ledger.others_have_routes_to(domain, device),
        Element::Within(_, address) => !ledger.others_have_forwards_to(domain, *address),
        Element::Forward { .. } | Element::Routed(_) => true,
    });
    let actual = actual(&wanted, &kept, &before, belief, kernel)?;
    let change = reconcile(&wanted, &kept, &actual);
    let mut done = Done {
        opened: desired.forwards.difference(&before.given.forwards).cloned().collect(),
        closed: before.given.forwards.difference(&desired.forwards).cloned().collect(),
        laid: desired.routes.difference(&before.given.routes).cloned().collect(),
        taken_up: before.given.routes.difference(&desired.routes).cloned().collect(),
        changed: !change.is_nothing() || before.unsettled || before.given != desired,
        ..Done::default()
    };
    let marker = Marker::of(paths.state(), domain);
    if !done.changed && (matches!(belief, Belief::Seen(_)) || desired.is_empty()) {
        // A run that was ended before it changed anything may have left it; where it stays it costs a look at each event.
        if ledger.of(domain).is_none() {
            marker.take_away()?;
        }
        return Ok(done);
    }

    let both = Given {
        forwards: before.given.forwards.union(&desired.forwards).cloned().collect(),
        routes: before.given.routes.union(&desired.routes).cloned().collect(),
        links: before.given.links.union(&desired.links).cloned().collect(),
        reflecting: before.given.reflecting.union(&desired.reflecting).cloned().collect(),
    };
    ledger.note(domain, Entry { given: both, unsettled: true });
    if let Err(error) = marker.put().and_then(|()| ledger.keep(paths.state())) {
        if !change.new.is_empty() {
            return Err(error.into());
        }
        // What is only taken away is known already; what is kept says more than there is then, which does no harm.
        done.warnings.push(format!("it can't be noted what is taken away: {error}"));
    }
    if let Err(fault) = put_in_place(domain, &desired, &wanted, &kept, &change, ledger, kernel, paths, &mut done) {
        if !matches!(fault, Fault::Unknown(_)) {
            // The VM has what it had.
            // Where only routes were refused, nothing else was begun.
            let nothing_else = matches!(fault, Fault::Routes(_) | Fault::Answering { .. });
            ledger.note(domain, Entry { unsettled: before.unsettled || !nothing_else, ..before.clone() });
        }
        stop_answering(ledger, kernel, &mut done.warnings);
        let is_nothing = ledger.of(domain).is_none();
        // Should that fail, what is kept says that the VM may have both.
        _ = ledger.keep(paths.state()).and_then(|()| if is_nothing { marker.take_away() } else { Ok(()) });
        return Err(fault);
    }
    ledger.note(domain, Entry { given: desired, unsettled: false });
    stop_answering(ledger, kernel, &mut done.warnings);
    reflect(&before.given, ledger.of(domain), paths, &mut done);
    cut(&change, &mut done);
    let now = ledger.of(domain).map(|entry| &entry.given.forwards);
    if let Err(error) = conntrack::clear_the_way(now.into_iter().flatten()) {
        done.warnings.push(format!(
            "who has been sending to a UDP port before it was forwarded may not reach the VM until they pause: {error}"
        ));
    }
    let is_nothing = ledger.of(domain).is_none();
    if let Err(error) = ledger.keep(paths.state()).and_then(|()| if is_nothing { marker.take_away() } else { Ok(()) }) {
        done.warnings.push(format!("it can't be noted that this has been done: {error}; it is looked into next time"));
    }
    Ok(done)
}

/// Cuts open connections through what the VM has no more.
fn cut(change: &Change, done: &mut Done) {
    if change.cut.is_empty() {
        return;
    }
    let forwards: Vec<Forward> = change.cut.iter().filter_map(Element::forward).collect();
    match conntrack::cut(&forwards) {
        Ok(cut) => done.cut = cut,
        Err(error) => done.warnings.push(format!(
            "connections through what is closed can't be cut: {error}; those that are open go on until they end"
        )),
    }
}

/// What there is of what the VM is to have or has had.
fn actual(
    wanted: &Holdings,
    kept: &Holdings,
    before: &Entry,
    belief: Belief<'_>,
    kernel: &mut Kernel<'_>,
) -> Result<Holdings, Fault> {
    let elements = match belief {
        Belief::Seen(seen) => return Ok(seen.clone()),
        Belief::Ledger if before.unsettled => kernel.table().map_err(Fault::Table)?.unwrap_or_default().elements,
        Belief::Ledger => kept.elements.clone(),
    };
    let mut actual = Holdings { elements, ..Holdings::default() };
    let routes = [wanted, kept].iter().any(|holdings| !holdings.lanes.is_empty() || !holdings.proxies.is_empty());
    if routes {
        actual = Holdings { elements: actual.elements, ..kernel.routing().map_err(Fault::Routes)? };
    }
    Ok(actual)
}

/// All that there is of this program's, and the table as it was listed.
///
/// # Errors
/// Where nft or ip does not tell.
pub fn seen(kernel: &mut Kernel<'_>) -> Result<(Holdings, Option<Listing>), Silence> {
    let listing = kernel.table()?;
    let routing = match kernel.routing() {
        // Without it no route was ever laid.
        Err(Silence::Missing(_)) => Holdings::default(),
        routing => routing?,
    };
    let elements = listing.as_ref().map(|listing| listing.elements.clone()).unwrap_or_default();
    Ok((Holdings { elements, ..routing }, listing))
}

#[expect(clippy::too_many_arguments, reason = "one step of `settle`, apart for its undoing")]
fn put_in_place(
    domain: &OsStr,
    desired: &Given,
    wanted: &Holdings,
    kept: &Holdings,
    change: &Change,
    ledger: &mut Ledger,
    kernel: &mut Kernel<'_>,
    paths: &Paths,
    done: &mut Done,
) -> Result<(), Fault> {
    answer(change, ledger, kernel, paths)?;
    // The kernel has one route to a destination.
    let moved = Holdings { lanes: moved(change), ..Holdings::default() };
    let laid = kernel.take_up(&moved).and_then(|()| kernel.lay(&change.new));
    if let Err(silence) = laid {
        return Err(undone(silence, Fault::Routes, change, &moved, kernel));
    }
    let is_shared = ledger.others(domain).any(|(_, entry)| !entry.given.is_empty());
    let filled = if wanted.is_empty() && !is_shared {
        empty(kernel, done)
    } else {
        done.warnings.extend(let_through(desired.traffic(), kernel));
        // What others have that are not settled either may contradict itself.
        let settled = || ledger.others(domain).filter(|(_, entry)| !entry.unsettled);
        let others = || settled().flat_map(|(_, entry)| Holdings::of(&entry.given).elements).collect();
        fill(wanted, kept, change, is_shared, &others, kernel)
    };
    if let Err(silence) = filled {
        return Err(undone(silence, Fault::Table, change, &moved, kernel));
    }
    if let Err(silence) = kernel.take_up(&change.gone) {
        done.warnings.push(format!(
            "routes that are of no use any more may still be there: {silence}; to see them: ip route show proto 118"
        ));
    }
    Ok(())
}

/// The routes that are in the way of new ones to the same destination.
fn moved(change: &Change) -> BTreeSet<Lane> {
    let is_new = |lane: &&Lane| change.new.lanes.iter().any(|new| new.to == lane.to);
    change.gone.lanes.iter().filter(is_new).cloned().collect()
}

/// Takes back what was done to routes before something failed, and tells what has become of it all.
fn undone(
    silence: Silence,
    fault: impl FnOnce(Silence) -> Fault,
    change: &Change,
    moved: &Holdings,
    kernel: &mut Kernel<'_>,
) -> Fault {
    let taken_back = kernel.take_up(&change.new).and_then(|()| kernel.lay(moved));
    match (silence, taken_back) {
        (silence @ (Silence::Missing(_) | Silence::Complained(..)), Ok(())) => fault(silence),
        // What is not there has not done anything before.
        (silence @ Silence::Missing(_), Err(Silence::Missing(_))) => fault(silence),
        (silence, _) => Fault::Unknown(silence),
    }
}

/// Takes the table away, and whatever stands in other tables for it.
fn empty(kernel: &mut Kernel<'_>, done: &mut Done) -> Result<(), Silence> {
    kernel.transact(&table::removal())?;
    match guard::take_away(kernel) {
        Ok(told) => done.warnings.extend(told),
        Err(refusal) => {
            done.warnings.push(format!("rules of this program's may still be in others' chains: {refusal}"))
        }
    }
    Ok(())
}

/// Sees to it that no other table refuses what is given.
pub fn let_through(traffic: Traffic, kernel: &mut Kernel<'_>) -> Vec<String> {
    guard::put(kernel, traffic).unwrap_or_else(|refusal| {
        vec![format!(
            "whether others' rules refuse what is forwarded can't be seen: {refusal}; to see them: nft list ruleset"
        )]
    })
}

/// Changes the table: by what is to be changed as far as is known, else by what is seen, else anew.
fn fill(
    wanted: &Holdings,
    kept: &Holdings,
    change: &Change,
    is_shared: bool,
    others: &dyn Fn() -> BTreeSet<Element>,
    kernel: &mut Kernel<'_>,
) -> Result<(), Silence> {
    // Where others have forwards the table is there, or nothing is done. Without a change it is made as it is to be: libvirt
    // has been restarted, and whatever else may have been.
    let transaction = match is_shared && !change.is_nothing() {
        true => table::elements(&change.gone.elements, &wanted.elements),
        false => table::delta(&change.gone.elements, &wanted.elements),
    };
    if let Some(done) = accepted(kernel, &transaction) {
        return done;
    }
    if let Some(Listing { elements, .. }) = kernel.table()? {
        let change = reconcile(wanted, kept, &Holdings { elements, ..Holdings::default() });
        if let Some(done) = accepted(kernel, &table::delta(&change.gone.elements, &wanted.elements)) {
            return done;
        }
    }
    let mut all = others();
    all.extend(wanted.elements.iter().cloned());
    kernel.transact(&table::whole(&all))
}

/// What came of a transaction; nothing where nft refuses it, so that another one is worth a try.
fn accepted(kernel: &mut Kernel<'_>, transaction: &str) -> Option<Result<(), Silence>> {
    match kernel.transact(transaction) {
        Err(Silence::Complained(..)) => None,
        done => Some(done),
    }
}
