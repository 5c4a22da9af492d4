//! Third-party rules that drop a forward's or a route's packets at another hook than forward, where no rule of this program
//! lets them pass.
//!
//! A packet from a client passes the ingress of an uplink, prerouting and postrouting, and the VM's bridge as output and
//! postrouting; the reply passes the same the other way round. A rule is an obstacle where it drops all of them, or where what
//! it asks is plainly so. Where another rule before it may accept them, nothing is judged.

pub(super) mod packet;
pub(super) mod passage;
pub(super) mod third_party;
mod walk;

use self::passage::Passage;
use self::walk::{End, walk};
use super::host::Host;
use super::way::{Obstacle, Vm, Way};
use crate::record::Escaped;

/// Returns the obstacles.
pub(super) fn find(vm: &Vm<'_>, way: Way<'_>, host: &Host<'_>) -> Vec<Obstacle> {
    let Some(passage) = Passage::of(vm, way, host) else { return Vec::new() };
    let Some(chains) = &host.chains else { return Vec::new() };
    let found = chains.chains.iter().filter_map(|chain| {
        let rules = chains.rules(chain)?;
        passage.packets(chain, chains.marks).into_iter().find_map(|(packet, from)| {
            let by = match walk(rules, &chain.name, &packet) {
                End::Dropped(name, handle) if name == chain.name => format!("its rule with handle {handle} drops"),
                End::Dropped(name, handle) => {
                    format!("the rule with handle {handle} of {}, to which it leads, drops", Escaped(name.as_bytes()))
                }
                End::Policy if chain.drops => "its policy drops".to_owned(),
                End::Policy | End::Other => return None,
            };
            let (table, name) = (Escaped(chain.table.as_bytes()), Escaped(chain.name.as_bytes()));
            let subject = format!("the chain {name} of the table {} {table}", chain.family.name());
            let owner = if chain.is_owned { "; only the process that owns the table can change it" } else { "" };
            let message = format!("at the {} hook {by} {from}{owner}", chain.hook.name());
            Some(Obstacle { subject, message, remedy: passage.remedy(chain, &packet) })
        })
    });
    found.collect()
}
