//! Whether declared forwards and routes can work, and do.

use std::ffi::OsStr;
use std::fs;
use std::path::Path;
use std::time::Duration;

use super::settings::mistake;
use super::{Findings, editor};
use crate::command::judge;
use crate::command::network::running;
use crate::command::network::status::{kind, remedy, what};
use crate::kernel::address::Family;
use crate::kernel::host_addresses;
use crate::network::applied::ledger::Ledger;
use crate::network::declaration::{self, Everything, Source};
use crate::network::desired::plan::Unplanned;
use crate::network::status::{self, Row, State, Status, TableState, Thing};
use crate::network::timeouts;
use crate::paths::Paths;
use crate::process::{Supervisor, find};
use crate::record::Quoted;
use crate::trust::shell;

/// How long it may take to look at the kernel's tables.
const TIMEOUT: Duration = Duration::from_secs(30);

/// How many pairs of declarations that overlap are told.
const TOLD: usize = 20;

const APPLY: &str = "virt-hooks network apply";

pub(super) fn check(paths: &Paths, findings: &mut Findings) {
    if !declaration::are_there(paths) && !Ledger::is_there(paths.state()) {
        return;
    }
    let (everything, problems) = declaration::load_all(paths, &judge(paths));
    for (file, problem) in &problems {
        mistake(file, problem, findings);
    }
    overlapping(&everything, findings);
    // The kernel is the host's, and nowhere below a folder.
    if !paths.is_host() {
        return;
    }
    for (program, message, remedy) in missing_programs(&everything) {
        findings.error(program, message, remedy);
    }
    let status = if find("nft").is_some() { as_declared(&everything, paths, findings) } else { None };
    forwarding(&everything, status.as_ref(), paths, findings);
}

/// Returns the programs that declarations need and that this host does not have, each with the effect and the fix.
pub(in crate::command) fn missing_programs(everything: &Everything) -> Vec<(&'static str, String, String)> {
    let tools = [
        ("nft", "nftables", "forward", everything.forwards().next().is_some()),
        ("ip", "iproute2", "route", everything.routes().next().is_some()),
    ];
    let missing = tools.into_iter().filter(|(program, _, _, needed)| *needed && find(program).is_none());
    let told = missing.map(|(program, package, what, _)| {
        let message = format!("there is no {program} here: no {what} that is declared can be given");
        (program, message, install(package))
    });
    told.collect()
}

/// The command that installs a package on whatever host this is.
fn install(package: &str) -> String {
    let (debian, others) = if package == "iproute2" { ("iproute2", "iproute") } else { (package, package) };
    format!("apt-get install -y {debian} || dnf install -y {others} || zypper install -y {package}")
}

/// Declarations that take each other's ports, if their VMs run at the same time.
fn overlapping(everything: &Everything, findings: &mut Findings) {
    let forwards: Vec<_> = everything.forwards().collect();
    let mut by_port: Vec<_> = forwards.iter().collect();
    by_port.sort_by_key(|(_, forward)| forward.ports.first());
    let mut told = 0;
    for (index, (domains, forward)) in by_port.iter().enumerate() {
        let after = by_port.iter().skip(index + 1);
        let near = after.take_while(|(_, other)| other.ports.first() <= forward.ports.last());
        for (other_domains, other) in near.filter(|(_, other)| other.claim().overlaps(&forward.claim())) {
            if told == TOLD {
                return;
            }
            told += 1;
            let [first, second] = if forward.source < other.source {
                [(domains, forward), (other_domains, other)]
            } else {
                [(other_domains, other), (domains, forward)]
            };
            let message = format!(
                "it takes the same port as the forward of {} ({}): of two VMs that run the later one gets none, and of one VM's \
                 two declarations the later",
                first.1.source,
                patterns(first.0)
            );
            if let Source::File { path, line } = &second.1.source {
                findings.warning(&second.1.source, message, editor(path, *line));
            }
        }
    }
}

fn patterns(domains: &[glob::Pattern]) -> String {
    let patterns: Vec<String> =
        domains.iter().map(|pattern| Quoted::bytes(pattern.as_str().as_bytes()).to_string()).collect();
    patterns.join(", ")
}

/// The command that opens what is wrong, for a person to mend it.
fn mend(unplanned: &Unplanned, domain: &OsStr) -> String {
    edit(unplanned.source.as_ref(), domain)
}

/// Returns the command that opens a declaration of a VM in an editor.
pub(in crate::command) fn edit(source: Option<&Source>, domain: &OsStr) -> String {
    let domain = shell(Path::new(domain));
    match source {
        Some(Source::File { path, line }) => editor(path, *line),
        Some(Source::Metadata { .. }) => format!("virsh edit --domain {domain}"),
        Some(Source::Unread) | None => format!("virsh dumpxml --domain {domain}"),
    }
}

/// Whether a VM's XML says something in the namespace of declarations.
fn declares(xml: &[u8]) -> bool {
    memchr::memmem::find(xml, declaration::NAMESPACE.as_bytes()).is_some()
}

/// Whether the kernel forwards at all, in the families in which something is declared, or comes of a declaration.
fn forwarding(everything: &Everything, status: Option<&Status>, paths: &Paths, findings: &mut Findings) {
    for (family, key, file) in [
        (Family::Ipv4, "net.ipv4.ip_forward", "/proc/sys/net/ipv4/ip_forward"),
        (Family::Ipv6, "net.ipv6.conf.all.forwarding", "/proc/sys/net/ipv6/conf/all/forwarding"),
    ] {
        let declared = everything.forwards().any(|(_, forward)| forward.family() == Some(family))
            || everything.routes().any(|(_, route)| Family::of(&route.to.addr()) == family);
        // Most VMs have an IPv4 address, whether or not one runs just now.
        let perhaps = family == Family::Ipv4 && everything.forwards().any(|(_, forward)| forward.family().is_none());
        let comes_of_one = status.is_some_and(|status| {
            let is_of = |row: &Row| matches!(&row.thing, Thing::Forward(forward) if Family::of(&forward.to) == family);
            status.rows.iter().any(is_of)
        });
        let is_off = fs::read_to_string(file).is_ok_and(|value| value.trim() == "0");
        if (declared || perhaps || comes_of_one) && is_off {
            let message = format!("it is 0, so the kernel sends nothing on to a VM, whatever is declared ({family})");
            // Forwarding deletes the routes of router advertisements, where accept_ra is not 2 (`rt6_purge_dflt_routers`
            // of Linux): the host itself would be cut off.
            let advertised =
                if family == Family::Ipv6 { host_addresses::advertised_devices(paths) } else { Vec::new() };
            let accepted = advertised.iter().map(|device| format!("net/ipv6/conf/{device}/accept_ra=2"));
            let accepted = accepted.map(|setting| shell(Path::new(&setting)));
            let settings: Vec<String> = accepted.chain([format!("{key}=1")]).collect();
            let remedy = format!(
                "sysctl -w {} && printf '%s\\n' {} > /etc/sysctl.d/60-virt-hooks-{key}.conf",
                settings.join(" "),
                settings.join(" ")
            );
            findings.error(key, message, remedy);
        }
    }
}

/// Whether what is declared for VMs that run is there.
fn as_declared(everything: &Everything, paths: &Paths, findings: &mut Findings) -> Option<Status> {
    let mut programs = Supervisor::watching();
    let known = running::ask(&mut programs, paths);
    let mut tools = timeouts::tools(&mut programs, TIMEOUT);
    let status = match status::look(&known.running, everything, &mut tools, paths) {
        Ok(status) => status,
        Err(tool_error) => {
            let message = format!("it can't be seen whether what is declared is there: {tool_error}");
            findings.error("inet virt-hooks", message, "nft list table inet virt-hooks");
            return None;
        }
    };
    if status.table == TableState::Changed {
        let message =
            "it is not as this program makes it: its chains or rules have been changed, and forwards may lead nowhere";
        findings.error("inet virt-hooks", message, APPLY);
    }
    if status.table == TableState::Unknown {
        let message = "whether it is as this program makes it can't be told, for want of unshare (util-linux) or nft";
        findings.warning("inet virt-hooks", message, "nft list table inet virt-hooks");
    }
    for unseen in &status.unseen {
        findings.warning("chains of others", unseen, "nft list ruleset");
    }
    for unguarded in &status.unguarded {
        let message = "it may refuse what is forwarded, since the rule that lets it through is not at its top";
        findings.error(unguarded, message, APPLY);
    }
    for (row, obstacle) in status.obstacles() {
        findings.error(&obstacle.subject, &obstacle.message, remedy(row, obstacle));
    }
    for Row { domain, thing, state, source, .. } in &status.rows {
        let vm = domain.as_ref().map(|domain| format!("the VM {}", Quoted::name(domain))).unwrap_or_default();
        match (state, thing) {
            (State::Refused, Thing::Refused(why)) => {
                findings.error(vm, why, mend(why, domain.as_deref().unwrap_or_default()));
            }
            (State::Missing, thing) => {
                let place = source.as_ref().map(ToString::to_string).unwrap_or_default();
                let (kind, what) = (kind(thing), what(thing));
                findings.error(vm, format_args!("the {kind} {what} ({place}) is declared and not there"), APPLY);
            }
            (State::LeftOver, thing) => {
                let message = format!("the {} {} is there, and declared no more", kind(thing), what(thing));
                findings.warning(vm, message, APPLY);
            }
            (State::Foreign, thing) => {
                let message = format!("{} is there and belongs to no VM", what(thing));
                findings.warning("inet virt-hooks", message, APPLY);
            }
            _ => {}
        }
    }
    for vm in known.running.iter().filter(|vm| !everything.rules.metadata && declares(&vm.xml)) {
        let message = "its metadata declares forwards or routes, which does not count, since [network] does not say metadata = true";
        findings.warning(
            format_args!("the VM {}", Quoted::name(vm.object.name())),
            message,
            editor(paths.network(), 1),
        );
    }
    for (domain, doubt) in &status.doubts {
        findings.warning(format_args!("the VM {}", Quoted::name(domain)), doubt, mend(doubt, domain));
    }
    Some(status)
}
