//! A script that is a filter: what it prints on migrate and restore is the VM's new XML.

use crate::domain::{Document, DomainXml, MAXIMUM_PARSED};
use crate::driver::Operation;
use crate::process::Lines;
use crate::settings::Filter;

/// What becomes of what a script prints to stdout.
#[derive(Debug)]
pub(super) enum Output {
    /// It is logged.
    Logged,
    /// It is dropped: a filter's where nobody takes it, and what is perhaps one's.
    Dropped,
    /// It is the VM's new XML. None of it is ever logged, since it may hold passwords.
    Xml(Vec<u8>),
}

/// What a filter made of the XML.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    /// Another.
    Changed,
    /// Nothing: it printed what it got, or nothing, which libvirt takes for the same.
    Unchanged,
}

impl Output {
    /// That of a script for which the settings say this, at an operation.
    pub(super) const fn of(filter: Filter, operation: Operation) -> Self {
        match filter {
            Filter::Yes | Filter::AsHook if operation.takes_xml_back() => Self::Xml(Vec::new()),
            Filter::No | Filter::AsHook => Self::Logged,
            Filter::Yes | Filter::Unclear => Self::Dropped,
        }
    }

    /// Takes what was printed, up to a byte more than a domain's XML can have. False where it is to be logged.
    pub(super) fn takes(&mut self, lines: Lines<'_>) -> bool {
        if let Self::Xml(printed) = self {
            let left = (MAXIMUM_PARSED + 1).saturating_sub(printed.len());
            let bytes = lines.bytes();
            printed.extend_from_slice(bytes.get(..left).unwrap_or(bytes));
        }
        !matches!(self, Self::Logged)
    }
}

/// Puts what a filter printed in the place of `document`, of which it must be another version: the same VM.
///
/// # Errors
/// Where it is not, with the reason. The document stays as it is.
pub(super) fn replace(document: &mut Document, printed: Vec<u8>) -> Result<Change, String> {
    if printed.trim_ascii().is_empty() || printed == document.bytes() {
        return Ok(Change::Unchanged);
    }
    if let Some(fault) = document.fault() {
        return Err(format!("the VM's XML {fault}"));
    }
    let before = DomainXml::parse(document.bytes()).map_err(|why| format!("the VM's XML {why}"))?.identity();
    let after = DomainXml::parse(&printed).map_err(|why| format!("the output {why}"))?.identity();
    if after.name != before.name {
        return Err("the output has another name than the VM".to_owned());
    }
    if after.uuid != before.uuid {
        return Err("the output has another uuid than the VM".to_owned());
    }
    document.replace(printed);
    Ok(Change::Changed)
}
