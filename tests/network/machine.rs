//! One machine: its own network, processes, folders and host name.

use std::fs::File;
use std::ops::Deref;
use std::os::fd::AsFd;
use std::path::Path;
use std::process::Command;
use std::thread;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

#[derive(Debug)]
pub(crate) struct Machine {
    name: &'static str,
    machine: testbed::Machine,
}

impl Deref for Machine {
    type Target = testbed::Machine;

    fn deref(&self) -> &testbed::Machine {
        &self.machine
    }
}

impl Machine {
    /// A machine without a cable.
    pub(crate) fn new(name: &'static str) -> Self {
        Self::held_by(name, Command::new("unshare").arg("--net"))
    }

    /// A machine in which this holds its process 1, `unshare` or what becomes it.
    pub(crate) fn held_by(name: &'static str, unshare: &mut Command) -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/network/machine.sh");
        Self { name, machine: testbed::Machine::new(unshare, &script, [name]) }
    }

    pub(crate) fn name(&self) -> &'static str {
        self.name
    }

    /// Joins this machine to another by a cable, whose ends are devices of these names.
    pub(crate) fn join(&self, device: &str, other: &Self, others_device: &str) {
        self.cable(device, other, others_device);
        for (machine, device) in [(self, device), (other, others_device)] {
            machine.shell(&format!("ip link set {device} up"));
        }
    }

    /// Runs a line of shell that has to succeed, and returns what it printed.
    #[track_caller]
    pub(crate) fn shell(&self, line: &str) -> String {
        let reply = self.run("bash", ["-euc", line]);
        assert!(reply.success, "{line}: {reply:?}");
        reply.stdout
    }

    /// Loads rules of nftables, which have to be good.
    #[track_caller]
    pub(crate) fn nft(&self, rules: &str) {
        let reply = self.run_with(rules, "nft", ["-f", "-"]);
        assert!(reply.success, "{rules}: {reply:?}");
    }

    /// Does something in this machine's network: sockets that are made there stay in it, whoever uses them then.
    pub(crate) fn within<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        let network = File::open(format!("/proc/{}/ns/net", self.process())).unwrap();
        // A thread of its own, which takes what it has entered with it when it ends.
        thread::scope(|scope| {
            let worker = scope.spawn(move || {
                move_into_link_name_space(network.as_fd(), Some(LinkNameSpaceType::Network)).unwrap();
                work()
            });
            worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }
}
