//! Names of VMs that no VM has: of folders in `custom/`, in `domains` of the settings, and in `domain` of declarations.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::ffi::OsStrExt;

use glob::Pattern;

use super::{Findings, editor};
use crate::command::host::inventory::{Fate, Inventory};
use crate::command::judge;
use crate::network::declaration::{self, Source};
use crate::paths::Paths;
use crate::record::{Escaped, Quoted};
use crate::trust::shell;

/// Where libvirt has a file for each VM: those defined, and those that run. Read without asking the daemon.
const PLACES: [&str; 3] = ["etc/libvirt/qemu", "run/libvirt/qemu", "run/virt-hooks/qemu/live"];

pub(super) fn check(paths: &Paths, inventory: &Inventory, findings: &mut Findings) {
    let vms = Vms::of(paths);
    // CloudStack's VMs come and go between hosts. Where no VM is known, none is missing.
    if vms.0.is_empty() || paths.agent_properties().exists() {
        return;
    }
    folders(&vms, inventory, findings);
    for table in inventory.settings.tables() {
        for pattern in table.domains() {
            if let Some(why) = vms.why_none_fits(pattern) {
                let subject = format!("{} line {}", Quoted::path(table.file), table.line);
                let message = format!("domains has \"{}\", and {why}", Escaped(pattern.as_str().as_bytes()));
                findings.warning(subject, message, editor(table.file, table.line));
            }
        }
    }
    let (declared, _problems) = declaration::load_all(paths, &judge(paths));
    let forwards = declared.forwards().map(|(domains, forward)| (domains, &forward.source));
    let routes = declared.routes().map(|(domains, route)| (domains, &route.source));
    for (domains, source) in forwards.chain(routes) {
        let Source::File { path, line } = source else { continue };
        for (pattern, why) in domains.iter().filter_map(|pattern| Some((pattern, vms.why_none_fits(pattern)?))) {
            let message = format!("domain has \"{}\", and {why}", Escaped(pattern.as_str().as_bytes()));
            findings.warning(source, message, editor(path, *line));
        }
    }
}

fn folders(vms: &Vms, inventory: &Inventory, findings: &mut Findings) {
    for entry in &inventory.entries {
        let name = entry.file_name().to_string_lossy();
        let is_vms = matches!(entry.fate, Fate::Folder) && entry.domain.is_none() && entry.scope.is_none();
        if !is_vms || name.starts_with('.') || vms.0.contains(name.as_ref()) {
            continue;
        }
        // A name that is like none of them may be a VM's of another host, to which the same scripts go.
        let Some(near) = vms.near(&name) else { continue };
        let (place, to) = (shell(&entry.path), shell(&entry.path.with_file_name(near)));
        let near = Quoted::bytes(near.as_bytes());
        let message = format!("it is a VM's folder, and no VM has this name; did you mean {near}?");
        findings.warning(Quoted::path(&entry.path), message, format!("mv -n {place} {to}"));
    }
}

/// The names of this host's VMs.
#[derive(Debug)]
struct Vms(BTreeSet<String>);

impl Vms {
    fn of(paths: &Paths) -> Self {
        let files = PLACES.iter().filter_map(|place| fs::read_dir(paths.elsewhere(place)).ok()).flatten().flatten();
        let names = files.filter_map(|file| {
            let name = file.file_name();
            Some(String::from_utf8_lossy(name.as_bytes().strip_suffix(b".xml")?).into_owned())
        });
        Self(names.collect())
    }

    /// Returns the reason if a pattern is a name, or looks like the name of a VM, and fits no VM.
    fn why_none_fits(&self, pattern: &Pattern) -> Option<String> {
        let text = pattern.as_str();
        if self.0.iter().any(|vm| pattern.matches(vm)) {
            return None;
        }
        let meant = if self.0.contains(text) {
            // Its brackets are a pattern's.
            Some(Pattern::escape(text))
        } else if text.contains(['*', '?', '[']) {
            return None;
        } else {
            self.near(text).map(str::to_owned)
        };
        let meant = meant.map(|meant| format!("; did you mean {}?", Quoted::bytes(meant.as_bytes())));
        Some(format!("no VM has this name{}", meant.unwrap_or_default()))
    }

    /// Returns the VM whose name is a slip of the keyboard away. Another number is another VM's.
    fn near(&self, name: &str) -> Option<&str> {
        let digits = |name: &str| name.chars().filter(char::is_ascii_digit).collect::<String>();
        let distance = |vm: &&String| strsim::damerau_levenshtein(name, vm);
        let most = 1 + name.chars().count() / 8;
        let fits = |vm: &&String| name.len() > 2 && distance(vm) <= most && digits(name) == digits(vm);
        self.0.iter().filter(fits).min_by_key(distance).map(String::as_str)
    }
}
