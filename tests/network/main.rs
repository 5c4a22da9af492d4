//! Forwards and what they need of the kernel, on hosts of the test's own: a host with a guest behind its bridge, a client
//! outside and another host on its other side, each in namespaces of its own and joined by cables.
//!
//! Needs root and Debian's packages, which `tests/prepare any root` installs.

#![forbid(unsafe_code)]
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test ends at the first surprise")]

mod by_hand;
mod machine;
mod ruleset;
mod stand_in;
mod traffic;
mod vm;
mod world;

mod chains;
mod conflicts;
mod conntrack;
mod crowd;
mod declarations;
mod edits;
mod faults;
mod forwards;
mod listener;
mod meddling;
mod names;
mod reachable;
mod rehearsal;
mod routes;
mod sequences;
mod veto;
mod worlds;
