//! Programs that are run to their end: scripts and the host's own tools, with a deadline, a process group and bounded output.

mod capture;
mod children;
mod held_pipes;
mod interruption;
mod process_table;
mod run;
mod running;
pub mod sealed;
mod supervisor;
mod terminate;
mod tool;

pub use self::capture::{Lines, Stream};
pub use self::held_pipes::HeldPipes;
pub use self::interruption::{Interruption, STOP, aborts_fail_no_vm, limits_end_nothing};
pub use self::process_table::Process;
pub(crate) use self::process_table::{processes, sockets};
pub use self::run::kill_running;
pub use self::running::{Launch, Progress, Why};
pub use self::supervisor::Supervisor;
#[cfg(test)]
pub(crate) use self::tool::GRACE;
pub use self::tool::{Answer, PATH, ToolError, find};
