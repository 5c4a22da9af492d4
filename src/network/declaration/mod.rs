//! What operators declare: forwards and routes that come and go with a VM.
//!
//! They stand in `virt-hooks-network.toml` and its drop-ins, and, where the settings there allow it, in a VM's own
//! `<metadata>`.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;

use ipnet::IpNet;

use super::address::{Ports, Protocol};
use crate::journal::Quoted;
use crate::settings::OnFailure;

/// Where a declaration stands.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// In a file.
    File {
        /// Which one.
        path: PathBuf,
        /// The line at which its table begins, from 1.
        line: usize,
    },
    /// In the VM's own XML.
    Metadata {
        /// Which of its declarations, from 1.
        number: usize,
    },
}

/// A `[[forward]]`, or a `<forward>` of a VM's metadata.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeclaredForward {
    /// Where it stands.
    pub source: Source,
    /// Of which protocol.
    pub protocol: Protocol,
    /// On which of the host's addresses; on every one where it is none.
    pub listen: Option<IpAddr>,
    /// Which ports of the host.
    pub ports: Ports,
    /// The VM's address; what libvirt's network reserves for it where it is none.
    pub to: Option<IpAddr>,
    /// The VM's port for the first of `ports`; the same where it is none.
    pub to_port: Option<u16>,
    /// From where; from everywhere where it is empty. Without bits behind their length.
    pub from: Vec<IpNet>,
}

/// A `[[route]]`, or a `<route>` of a VM's metadata.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeclaredRoute {
    /// Where it stands.
    pub source: Source,
    /// Which destination, without bits behind its length.
    pub to: IpNet,
    /// On which device the host answers ARP or NDP for it, if on one.
    pub proxy: Option<String>,
}

/// The `[network]` table: what holds for all declarations.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rules {
    /// What it means if what is declared for a VM can't be had: a record, or a veto at `start`.
    pub on_failure: OnFailure,
    /// Whether VMs' own metadata counts.
    pub metadata: bool,
    /// The addresses on which VMs may listen by their metadata. Empty: on none.
    pub listen: Vec<IpNet>,
    /// The ports that they may claim. Empty: none.
    pub ports: Vec<Ports>,
    /// The destinations that they may claim. Empty: none.
    pub routes: Vec<IpNet>,
    /// The devices on which they may have the host answer. Empty: on none.
    pub proxy: Vec<String>,
}

/// What is declared for one VM.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Declarations {
    /// Its forwards, in the order in which they stand.
    pub forwards: Vec<DeclaredForward>,
    /// Its routes, likewise.
    pub routes: Vec<DeclaredRoute>,
    /// What holds for all of them.
    pub rules: Rules,
}

impl fmt::Display for Source {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { path, line } => write!(formatter, "{} line {line}", Quoted::path(path)),
            Self::Metadata { number } => write!(formatter, "the VM's metadata, declaration {number}"),
        }
    }
}
