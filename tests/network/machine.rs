//! One machine: its own network, processes, folders and host name.

use std::ffi::OsStr;
use std::fs::{self, File, Permissions};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

/// How long a command may take, in seconds, on a machine that is busy with other tests.
const TIMEOUT: &str = "60";

#[derive(Debug)]
pub(crate) struct Machine {
    name: &'static str,
    /// `unshare`, in the machine's namespaces; its child is process 1, whose stdin is this child's stdin.
    holder: Child,
}

/// What a command came to.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) success: bool,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Machine {
    /// A machine without a cable.
    pub(crate) fn new(name: &'static str) -> Self {
        Self::held_by(name, Command::new("unshare").arg("--net"))
    }

    /// A machine in which this holds its process 1, `unshare` or what becomes it.
    pub(crate) fn held_by(name: &'static str, unshare: &mut Command) -> Self {
        testbed::preflight();
        let mut holder = unshare
            .args(["--mount", "--uts", "--ipc", "--pid", "--fork", "--mount-proc", "--propagation", "private"])
            .args(["bash", concat!(env!("CARGO_MANIFEST_DIR"), "/tests/network/machine.sh"), name])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut answer = String::new();
        BufReader::new(holder.stdout.take().unwrap()).read_line(&mut answer).unwrap();
        if answer != "ready\n" {
            let mut complaint = String::new();
            holder.stderr.take().unwrap().read_to_string(&mut complaint).unwrap();
            panic!("no machine (is this root?): {complaint}");
        }
        Self { name, holder }
    }

    pub(crate) fn name(&self) -> &'static str {
        self.name
    }

    /// Joins this machine to another by a cable, whose ends are devices of these names.
    pub(crate) fn join(&self, device: &str, other: &Self, others_device: &str) {
        let ends = (self.holder.id(), other.holder.id());
        let added = format!("link add {device} netns {} type veth peer name {others_device} netns {}", ends.0, ends.1);
        let joined = Command::new("ip").args(added.split(' ')).status().unwrap();
        assert!(joined.success(), "ip {added}");
        for (machine, device) in [(self, device), (other, others_device)] {
            machine.shell(&format!("ip link set {device} up"));
        }
    }

    /// Where a path of this machine lies for the test.
    pub(crate) fn path(&self, inside: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/root{inside}", self.holder.id()))
    }

    /// Writes a file, and makes the folders above it.
    pub(crate) fn write(&self, inside: &str, content: impl AsRef<[u8]>, mode: u32) {
        let path = self.path(inside);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
    }

    /// Runs a program on this machine, which gets this on its stdin and may fail.
    pub(crate) fn run_with(
        &self,
        stdin: impl AsRef<[u8]>,
        program: &str,
        arguments: impl IntoIterator<Item: AsRef<OsStr>>,
    ) -> Reply {
        let namespaces = format!("/proc/{}/ns", self.holder.id());
        let mut child = Command::new("timeout")
            .env_clear()
            .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
            .args([TIMEOUT, "nsenter"])
            .arg(format!("--mount={namespaces}/mnt"))
            .arg(format!("--net={namespaces}/net"))
            .arg(format!("--uts={namespaces}/uts"))
            .arg(format!("--ipc={namespaces}/ipc"))
            // `pid_for_children`: unshare itself is not in the process namespace that it made.
            .arg(format!("--pid={namespaces}/pid_for_children"))
            .args(["--", program])
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut pipe = child.stdin.take().unwrap();
        let bytes = stdin.as_ref().to_vec();
        let writer = thread::spawn(move || {
            // The program need not read it.
            _ = pipe.write_all(&bytes);
        });
        let output = child.wait_with_output().unwrap();
        writer.join().unwrap();
        Reply {
            success: output.status.success(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Runs a program on this machine, which may fail.
    pub(crate) fn run(&self, program: &str, arguments: impl IntoIterator<Item: AsRef<OsStr>>) -> Reply {
        self.run_with("", program, arguments)
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
        let network = File::open(format!("/proc/{}/ns/net", self.holder.id())).unwrap();
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

impl Drop for Machine {
    fn drop(&mut self) {
        // Its process 1 reads the end of its stdin and takes the machine with it.
        drop(self.holder.stdin.take());
        let _ = self.holder.wait();
    }
}

/// Waits until something holds.
#[track_caller]
pub(crate) fn eventually(mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(20);
    while !holds() {
        assert!(Instant::now() < end, "it still does not");
        thread::sleep(Duration::from_millis(20));
    }
}
