//! A forward or a route while it is parsed, from a file or from a domain's metadata.
//!
//! Any error refuses the whole declaration: with a misspelt `from` ignored, a forward would be open to everybody.

use std::net::IpAddr;

use glob::Pattern;
use ipnet::IpNet;

use super::{Declaration, DeclaredForward, DeclaredRoute, Misfit, Source, value};
use crate::configuration::Section;
use crate::kernel::address::{Ports, Protocol};

/// The keys read so far.
#[derive(Debug, Default)]
pub(super) struct Draft {
    /// The patterns of the VMs; none where one is refused.
    pub(super) domains: Option<Vec<Pattern>>,
    pub(super) protocol: Protocol,
    pub(super) listen: Option<IpAddr>,
    pub(super) ports: Option<Ports>,
    pub(super) to: Option<IpAddr>,
    pub(super) to_port: Option<u16>,
    pub(super) from: Vec<IpNet>,
    pub(super) destination: Option<IpNet>,
    pub(super) proxy: Option<String>,
}

/// A kind of declaration.
pub(super) struct Kind {
    pub(super) name: &'static str,
    pub(super) table: Section<Draft>,
    /// Keys of an element of a domain's metadata.
    pub(super) element: Section<Draft>,
    /// Makes the declaration of its keys.
    pub(super) finish: fn(Draft, Source) -> Result<Declaration, Misfit>,
}

fn missing(key: &'static str) -> Misfit {
    (key, format!("it has no \"{key}\""))
}

pub(super) fn forward(draft: Draft, source: Source) -> Result<Declaration, Misfit> {
    let Draft { protocol, listen, ports, to, to_port, from, .. } = draft;
    let ports = ports.ok_or_else(|| missing("port"))?;
    let from = value::merged(&from);
    let declared = DeclaredForward { source, protocol, listen, ports, to, to_port, from };
    declared.misfit().map_or(Ok(Declaration::Forward(declared)), Err)
}

pub(super) fn route(draft: Draft, source: Source) -> Result<Declaration, Misfit> {
    let to = draft.destination.ok_or_else(|| missing("to"))?;
    let declared = DeclaredRoute { source, to, proxy: draft.proxy };
    declared.misfit().map_or(Ok(Declaration::Route(declared)), Err)
}
