//! Every timeout of an event's networking, in one table.
//!
//! Each step runs until its own limit or until the event's time is over, whichever is first. The steps that an event can't do
//! without come first, and the limits of these add up to [`EVENT`]; the others take what is left.
//!
//! | step | at most |
//! |---|---|
//! | wait for the ledger's lock | [`LOCK`] |
//! | find what conflicts: host addresses, sockets and their processes | [`PLANNING`] |
//! | change the routes and the table by `ip` and `nft`, each | [`TOOL`] |
//! | delete connections of deleted forwards | [`CONNECTIONS`] |
//! | let the traffic pass third-party chains | [`THIRD_PARTY`], of it to read them [`CHAINS`] |
//! | delete connections that miss a new forward | [`CONNECTIONS`] |
//! | end a tool that hangs | [`END_OF_TOOL`] |

use std::time::Duration;

use crate::kernel::deadline::Deadline;
use crate::kernel::tools::HostTools;
use crate::process::Supervisor;

/// All networking of an event, at `release` too, where it is done before the scripts and after them.
pub const EVENT: Duration = Duration::from_secs(30);

/// The wait for the ledger's lock.
pub const LOCK: Duration = Duration::from_secs(16);

/// The questions by which conflicts are found.
pub const PLANNING: Duration = Duration::from_secs(2);

/// The search for the process that holds one socket.
pub const HOLDER: Duration = Duration::from_millis(500);

/// One run of a tool.
pub const TOOL: Duration = Duration::from_secs(10);

/// The connections of forwards.
pub const CONNECTIONS: Duration = Duration::from_secs(2);

/// The third-party chains, read and changed.
pub const THIRD_PARTY: Duration = Duration::from_secs(6);

/// The third-party chains, read.
pub const CHAINS: Duration = Duration::from_secs(3);

/// The end of a tool that hangs: its grace after SIGTERM, and as long again for SIGKILL.
pub const END_OF_TOOL: Duration = Duration::from_secs(2);

/// Returns when the steps of an event have to be done of which the networking has so much time left.
pub fn deadline(left: Duration) -> Deadline {
    Deadline::after(left.saturating_sub(END_OF_TOOL))
}

/// Returns the host's tools, for so long.
pub fn tools(supervisor: &mut Supervisor, timeout: Duration) -> HostTools<'_> {
    HostTools::until(supervisor, Deadline::after(timeout), TOOL)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::GRACE;

    #[test]
    fn the_steps_that_an_event_cannot_do_without_add_up_to_its_time() {
        assert_eq!(LOCK + PLANNING + TOOL + END_OF_TOOL, EVENT);
        assert!(END_OF_TOOL >= GRACE * 2, "a tool is killed after its grace");
    }

    #[test]
    fn the_steps_after_a_change_have_limits_of_their_own() {
        for limit in [CONNECTIONS, THIRD_PARTY] {
            assert!(limit < TOOL);
        }
        assert!(CHAINS < THIRD_PARTY && HOLDER < PLANNING);
    }
}
