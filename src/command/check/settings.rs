//! Whether the settings say what their writer meant.

use std::fs;
use std::path::Path;

use super::{Findings, editor};
use crate::command::host::inventory::{Entry, Inventory};
use crate::command::install::carry;
use crate::driver::ExitCode;
use crate::paths::Paths;
use crate::record::{Escaped, Quoted};
use crate::script::Scope;
use crate::settings::{OnFailure, Problem};
use crate::trust::shell;

pub(super) fn check(paths: &Paths, inventory: &Inventory, findings: &mut Findings) {
    for (file, problem) in &inventory.problems {
        mistake(file, problem, findings);
    }
    for table in inventory.settings.tables() {
        if !inventory.entries.iter().any(|entry| entry.scope.is_some() && table.is_about(entry.file_name())) {
            let subject = format!("{} line {}", Quoted::path(table.file), table.line);
            let name = Escaped(table.name().as_bytes());
            let message = format!(
                "this [[script]] is about \"{name}\", and no script in {} has such a name: it holds for nothing",
                Quoted::path(paths.custom())
            );
            findings.warning(subject, message, editor(table.file, table.line));
        }
    }
    vain_timeout(paths, findings);
    for entry in &inventory.entries {
        vain_veto(entry, inventory, findings);
        vain_background(entry, inventory, findings);
    }
}

/// A timeout in the settings of a package, against which that of CloudStack's hook holds: `install` has put it beside them.
fn vain_timeout(paths: &Paths, findings: &mut Findings) {
    let (settings, drop_in) = (paths.settings(), carry::drop_in_place(paths));
    let says = |file: &Path| fs::read_to_string(file).is_ok_and(|text| carry::says_a_timeout(&text));
    if says(settings) && says(&drop_in) {
        let message = format!(
            "its timeoutSeconds does not hold, since {} is read after it and has that of CloudStack's hook",
            Quoted::path(&drop_in)
        );
        findings.warning(Quoted::path(settings), message, format!("rm {}", shell(&drop_in)));
    }
}

pub(super) fn mistake(file: &Path, problem: &Problem, findings: &mut Findings) {
    let place = problem.place.as_ref();
    let line = place.map_or(1, |place| place.line);
    let subject = match place {
        Some(place) => format!("{} line {}, column {}", Quoted::path(file), place.line, place.column),
        None => Quoted::path(file).to_string(),
    };
    let mut message = problem.message.clone();
    for line in place.iter().flat_map(|place| place.picture()) {
        message = format!("{message}\n{}", Escaped(line.as_bytes()));
    }
    findings.error(subject, message, problem.remedy.clone().unwrap_or_else(|| editor(file, line)));
}

/// A script that is to refuse an operation that can't be refused.
fn vain_veto(entry: &Entry, inventory: &Inventory, findings: &mut Findings) {
    let settings = &inventory.settings;
    let asked = entry.settings(settings).on_failure == OnFailure::Abort;
    let (Some(scope), true) = (entry.scope, asked) else { return };
    let message = match scope {
        Scope::Of(operation) if operation.can_be_refused() => return,
        Scope::Of(operation) if operation.exit_code() == ExitCode::Kills => format!(
            "onFailure = \"abort\" is set for it and does not count: at {} it would kill the running VM",
            operation.name()
        ),
        Scope::Of(operation) => format!(
            "onFailure = \"abort\" is set for it and does not count: libvirt pays no heed to it at {}",
            operation.name()
        ),
        Scope::All => "onFailure = \"abort\" is set for it and counts at prepare, start, migrate and restore only: at started \
                       and reconnect it would kill the running VM, and at the others libvirt pays no heed. A gate is better \
                       named by its operation"
            .to_owned(),
    };
    let tables = settings.tables().filter(|table| table.vetoes && table.is_about(entry.file_name()));
    if let Some(table) = tables.last() {
        findings.warning(Quoted::path(&entry.path), message, editor(table.file, table.line));
    }
}

/// A script for which one table asks what another makes impossible.
fn vain_background(entry: &Entry, inventory: &Inventory, findings: &mut Findings) {
    let settings = &inventory.settings;
    if entry.scope.is_none() || !entry.settings(settings).must_be_waited_for() {
        return;
    }
    let tables = settings.tables().filter(|table| table.lets_go_on && table.is_about(entry.file_name()));
    if let Some(table) = tables.last() {
        let message = "wait = false is set for it and does not count, since another [[script]] makes it a filter or a veto, \
                       for which libvirt has to wait";
        findings.warning(Quoted::path(&entry.path), message, editor(table.file, table.line));
    }
}
