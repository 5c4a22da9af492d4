//! The specification, sentence by sentence: each test is named as the sentence that it proves, and runs the real binary
//! at its real paths. `docs/specification.md` links the two.

mod execution;
mod feature;
mod naming;
mod performance;
mod table;
mod timeout;
mod usage;

/// Every operation of libvirt that the specification names, in its order.
const OPERATIONS: [&str; 9] =
    ["prepare", "start", "started", "stopped", "release", "migrate", "restore", "reconnect", "attach"];
