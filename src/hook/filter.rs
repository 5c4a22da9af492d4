//! A script that is a filter: what it prints on migrate and restore is the VM's new XML.

use crate::domain::{Document, DomainXml, MAXIMUM_PARSED};
use crate::supervise::Lines;

/// What a filter prints. None of it is ever logged, since a VM's XML may hold passwords.
#[derive(Debug, Default)]
pub(super) struct Filter {
    printed: Vec<u8>,
}

/// What a filter made of the XML.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    /// Another.
    Changed,
    /// Nothing: it printed what it got, or nothing, which libvirt takes for the same.
    Unchanged,
}

impl Filter {
    /// Takes what it printed, up to a byte more than a domain's XML can have.
    pub(super) fn take(&mut self, lines: Lines<'_>) {
        let left = (MAXIMUM_PARSED + 1).saturating_sub(self.printed.len());
        let bytes = lines.bytes();
        self.printed.extend_from_slice(bytes.get(..left).unwrap_or(bytes));
    }

    /// Puts what it printed in the place of `document`, of which it must be another version: the same VM.
    ///
    /// # Errors
    /// Where it is not, with the reason. The document stays as it is.
    pub(super) fn replace(self, document: &mut Document) -> Result<Change, String> {
        if self.printed.trim_ascii().is_empty() || self.printed == document.bytes() {
            return Ok(Change::Unchanged);
        }
        let before = DomainXml::parse(document.bytes()).map_err(|why| format!("the VM's XML {why}"))?.identity();
        let after = DomainXml::parse(&self.printed).map_err(|why| format!("that {why}"))?.identity();
        if after.name != before.name {
            return Err("that has another name than the VM".to_owned());
        }
        if after.uuid != before.uuid {
            return Err("that has another uuid than the VM".to_owned());
        }
        document.replace(self.printed);
        Ok(Change::Changed)
    }
}
