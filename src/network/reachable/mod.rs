//! Reachability: settings and rules of the host that stop or divert the packets of an applied forward or route.
//!
//! One file a kind of obstacle. All of it is read, none is changed, and no event pays for it: `status` and `check` ask. A set, a
//! helper or a program cannot be judged by reading, and is not.

mod chains;
mod host;
mod isolated;
mod lease;
mod listen;
mod replies;
mod sysctls;
mod tap;
mod uplink;
mod way;

pub use self::host::Host;
pub use self::way::{Obstacle, Remedy, Vm, Way};

use crate::kernel::tools::HostTools;

impl Host<'_> {
    /// Returns the obstacles on the way to a VM.
    pub fn obstacles(&self, vm: &Vm<'_>, way: Way<'_>, tools: &mut HostTools<'_>) -> Vec<Obstacle> {
        let found = [
            listen::find(vm, way, self, tools),
            isolated::find(vm, way, self),
            lease::find(vm, way, self),
            tap::find(vm, way, self),
        ];
        found
            .into_iter()
            .flatten()
            .chain(chains::find(vm, way, self))
            .chain(replies::find(way, self, tools))
            .chain(sysctls::find(vm, way, self))
            .collect()
    }
}
