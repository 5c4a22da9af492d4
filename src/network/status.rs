//! How things stand: what is declared, what has been given, and what there is, side by side.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};

use crate::configuration::matches;
use crate::domain::DomainXml;
use crate::driver::Object;
use crate::kernel::tools::{HostTools, Tools};
use crate::network::allocation::{Allocation, Forward, Route};
use crate::network::applied::ledger::Ledger;
use crate::network::declaration::{Declaration, Everything, Source, Table};
use crate::network::desired::plan::{Plan, Unplanned};
use crate::network::firewall::pass_through::{ThirdPartyChains, Traffic};
use crate::network::firewall::table::{self, Element, Listing};
use crate::network::reachable::{Host, Obstacle, Vm, Way};
use crate::network::reconcile::all_domains::{Running, plan_of, traffic};
use crate::network::reconcile::state::KernelState;
use crate::paths::Paths;
use crate::process::ToolError;

/// What a row is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Thing {
    /// A forward.
    Forward(Forward),
    /// A route.
    Route(Route),
    /// What is declared, for a VM that does not run.
    Declared(Box<Declaration>),
    /// A declaration that can't be given.
    Refused(Unplanned),
    /// An element or a route of this program's that belongs to no VM.
    Strange(String),
}

/// How it stands with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It is there, as declared.
    Applied,
    /// It is there, as declared, and something on the host stops or diverts its packets.
    Unreachable,
    /// It is declared for a VM that runs, and not there, or not all of it.
    Missing,
    /// It was given and is declared no more.
    LeftOver,
    /// It can't be given.
    Refused,
    /// It is for VMs of which none runs.
    Waiting,
    /// Nobody knows whose it is.
    Foreign,
}

/// One line of the whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Whose it is; for what waits, the patterns of whom it is for.
    pub domain: Option<OsString>,
    /// What it is.
    pub thing: Thing,
    /// How it stands.
    pub state: State,
    /// How many connections have come through it, where nft counts them.
    pub connections: Option<u64>,
    /// Where it is declared.
    pub source: Option<Source>,
    /// What stops or diverts its packets.
    pub obstacles: Vec<Obstacle>,
}

/// How this program's table in nftables stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TableState {
    /// There is none.
    Absent,
    /// It is as this program makes it.
    AsMade,
    /// Somebody has changed it.
    Changed,
    /// It is there, and can't be compared with one that this program makes.
    Unknown,
}

/// How things stand.
#[derive(Debug)]
pub struct Status {
    /// Line by line, by VM.
    pub rows: Vec<Row>,
    /// The table of nftables.
    pub table: TableState,
    /// What is there and will hardly be of use, and whose it is.
    pub doubts: Vec<(OsString, Unplanned)>,
    /// Chains of others that may refuse what is forwarded.
    pub unguarded: Vec<String>,
    /// What of others' chains could not be seen, and why.
    pub unseen: Vec<String>,
}

impl Status {
    /// Each obstacle once, with the first row that it is in the way of.
    pub fn obstacles(&self) -> Vec<(&Row, &Obstacle)> {
        let mut each: Vec<(&Row, &Obstacle)> = Vec::new();
        for (row, obstacle) in
            self.rows.iter().flat_map(|row| row.obstacles.iter().map(move |obstacle| (row, obstacle)))
        {
            if !each.iter().any(|(_, other)| *other == obstacle) {
                each.push((row, obstacle));
            }
        }
        each
    }
}

/// Looks at everything, and changes nothing.
///
/// # Errors
/// Where nft or ip does not tell.
pub fn look(
    running: &[Running],
    everything: &Everything,
    tools: &mut HostTools<'_>,
    paths: &Paths,
) -> Result<Status, ToolError> {
    let ledger = Ledger::load(paths.state());
    let (seen, listing) = KernelState::observe(tools)?;
    let table = match &listing {
        None => TableState::Absent,
        Some(listing) => table::frame(tools).map_or(TableState::Unknown, |frame| match frame == listing.frame {
            true => TableState::AsMade,
            false => TableState::Changed,
        }),
    };
    let listing = listing.unwrap_or_default();
    let mut domains: BTreeMap<Object, Plan> = BTreeMap::new();
    for vm in running {
        domains.insert(vm.object.clone(), plan_of(vm, everything, &ledger, paths, tools.deadline()));
    }
    for (object, _) in ledger.entries() {
        domains.entry(object.clone()).or_default();
    }
    let mut rows = Vec::new();
    let mut known = KernelState::default();
    let mut host = Host::observe(tools, paths);
    for (object, plan) in &domains {
        let allocation = ledger.of(object).map(|entry| entry.allocation.clone()).unwrap_or_default();
        known.extend(KernelState::of(&allocation));
        known.extend(KernelState::of(&plan.allocation()));
        let mut own = of_vm(object.name(), plan, &allocation, &seen, &listing);
        if let Some(vm) = running.iter().find(|vm| vm.object == *object) {
            find_obstacles(&mut own, vm, &mut host, tools);
        }
        rows.extend(own);
    }
    rows.extend(waiting(everything, running));
    rows.extend(strange(&known, &seen, &listing));
    let doubts = domains
        .into_iter()
        .flat_map(|(object, plan)| plan.doubts.into_iter().map(move |doubt| (object.name().to_owned(), doubt)));
    let traffic = traffic(&ledger);
    let chains =
        if traffic == Traffic::default() { Ok(ThirdPartyChains::default()) } else { ThirdPartyChains::look(tools) };
    let (unguarded, unseen) = match chains {
        Ok(chains) => {
            (chains.missing(traffic).map(ToString::to_string).collect(), chains.unseen().map(str::to_owned).collect())
        }
        Err(refusal) => {
            (Vec::new(), vec![format!("whether others' chains refuse what is forwarded can't be seen: {refusal}")])
        }
    };
    Ok(Status { rows, table, doubts: doubts.collect(), unguarded, unseen })
}

fn of_vm(domain: &OsStr, plan: &Plan, allocation: &Allocation, seen: &KernelState, listing: &Listing) -> Vec<Row> {
    let row = |thing, state, connections, source: Option<&Source>| Row {
        domain: Some(domain.to_owned()),
        thing,
        state,
        connections,
        source: source.cloned(),
        obstacles: Vec::new(),
    };
    let mut rows = Vec::new();
    for (forward, source) in &plan.forwards {
        let all = Element::of(forward).all(|element| seen.elements.contains(&element));
        let state = if all { State::Applied } else { State::Missing };
        rows.push(row(Thing::Forward(forward.clone()), state, connections(forward, listing), Some(source)));
    }
    // A prefix that is in another of the VM's has no element of its own.
    let elements = KernelState::of(&plan.allocation()).elements;
    for (route, source) in &plan.routes {
        let kernel_state = KernelState::of(&Allocation { routes: [route.clone()].into(), ..Allocation::default() });
        let all = kernel_state.routes.is_subset(&seen.routes)
            && kernel_state.proxies.is_subset(&seen.proxies)
            && kernel_state.elements.intersection(&elements).all(|element| seen.elements.contains(element));
        rows.push(row(
            Thing::Route(route.clone()),
            if all { State::Applied } else { State::Missing },
            None,
            Some(source),
        ));
    }
    let planned = plan.allocation();
    for forward in allocation.forwards.difference(&planned.forwards) {
        rows.push(row(Thing::Forward(forward.clone()), State::LeftOver, connections(forward, listing), None));
    }
    for route in allocation.routes.difference(&planned.routes) {
        rows.push(row(Thing::Route(route.clone()), State::LeftOver, None, None));
    }
    rows.extend(
        plan.faults.iter().map(|fault| row(Thing::Refused(fault.clone()), State::Refused, None, fault.source.as_ref())),
    );
    rows
}

/// Finds what stops or diverts the packets of what is applied.
fn find_obstacles(rows: &mut [Row], vm: &Running, host: &mut Host<'_>, tools: &mut HostTools<'_>) {
    let Ok(xml) = DomainXml::parse(&vm.xml) else { return };
    let vm = Vm { name: vm.object.name(), interfaces: xml.interfaces().collect() };
    host.read(&vm, tools);
    for row in rows.iter_mut().filter(|row| row.state == State::Applied) {
        row.obstacles = match &row.thing {
            Thing::Forward(forward) => host.obstacles(&vm, Way::Forward(forward), tools),
            Thing::Route(route) => host.obstacles(&vm, Way::Route(route), tools),
            Thing::Declared(_) | Thing::Refused(_) | Thing::Strange(_) => Vec::new(),
        };
        if !row.obstacles.is_empty() {
            row.state = State::Unreachable;
        }
    }
}

/// How many connections have come through a forward.
fn connections(forward: &Forward, listing: &Listing) -> Option<u64> {
    Element::of(forward).map(|element| listing.connections.get(&element).copied()).sum()
}

/// What is declared for VMs of which none runs.
fn waiting(everything: &Everything, running: &[Running]) -> Vec<Row> {
    let of_a_running_one =
        |table: &Table| running.iter().any(|vm| table.domains.iter().any(|pattern| matches(pattern, vm.object.name())));
    let tables = everything.tables.iter().filter(|table| !of_a_running_one(table));
    let rows = tables.map(|table| {
        let patterns: Vec<&str> = table.domains.iter().map(glob::Pattern::as_str).collect();
        let source = match &table.declaration {
            Declaration::Forward(forward) => &forward.source,
            Declaration::Route(route) => &route.source,
        };
        Row {
            domain: Some(patterns.join(", ").into()),
            thing: Thing::Declared(Box::new(table.declaration.clone())),
            state: State::Waiting,
            connections: None,
            source: Some(source.clone()),
            obstacles: Vec::new(),
        }
    });
    rows.collect()
}

/// What is there and belongs to no VM.
fn strange(known: &KernelState, seen: &KernelState, listing: &Listing) -> Vec<Row> {
    let elements = seen.elements.difference(&known.elements).map(Element::shown);
    let routes = seen.routes.difference(&known.routes).map(|route| format!("route {} to {}", route.to, route.device));
    let proxies = seen.proxies.difference(&seen.third_party).filter(|proxy| !known.proxies.contains(proxy));
    let proxies = proxies.map(|proxy| format!("proxy {} on {}", proxy.address, proxy.device));
    let all = elements.chain(listing.foreign.iter().cloned()).chain(routes).chain(proxies);
    let row = |what| Row {
        domain: None,
        thing: Thing::Strange(what),
        state: State::Foreign,
        connections: None,
        source: None,
        obstacles: Vec::new(),
    };
    all.map(row).collect()
}
