//! One libvirt host: its own processes, folders, host name and network, and a libvirtd among them.

use std::ffi::OsStr;
use std::fs::{self, Permissions};
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::AtomicUsize;
use std::time::{Duration, Instant};

use crate::guest::{self, Guest};
use crate::witness::WITNESS;

const HOOK: &str = "/etc/libvirt/hooks/qemu";
const CUSTOM: &str = "/etc/libvirt/hooks/custom";
const DAEMON_PID: &str = "/run/libvirtd.pid";

/// How long anything that has to happen may take on a machine that is busy with other tests.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct Host {
    number: u8,
    /// `unshare`, in the host's namespaces; its child is the host's process 1, whose stdin is this child's stdin.
    holder: Child,
    /// How many of the witness's lines the test has already accounted for.
    pub(crate) accounted: AtomicUsize,
}

/// What a command said, and how long it took.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) success: bool,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    pub(crate) took: Duration,
}

impl Host {
    /// A host with the hook in place, the witness among the custom scripts, and libvirtd running.
    pub(crate) fn new() -> Self {
        let host = Self::numbered(1);
        host.install_hook();
        host.start_libvirtd();
        host
    }

    /// Two such hosts whose bridges are joined by a cable.
    pub(crate) fn pair() -> (Self, Self) {
        let (one, two) = (Self::new(), Self::numbered(2));
        two.install_hook();
        two.start_libvirtd();
        one.join("br0", &two, "br0");
        (one, two)
    }

    /// Joins a bridge of this host and one of another by a cable.
    pub(crate) fn join(&self, bridge: &str, other: &Self, others_bridge: &str) {
        let cable = format!("c-{bridge}");
        let ends = (self.holder.id(), other.holder.id());
        let added = format!("link add {cable} netns {} type veth peer name {cable} netns {}", ends.0, ends.1);
        let joined = Command::new("ip").args(added.split(' ')).status().unwrap();
        assert!(joined.success(), "ip {added}");
        self.shell(&format!("ip link set {cable} master {bridge} up"));
        other.shell(&format!("ip link set {cable} master {others_bridge} up"));
    }

    /// Makes a bridge on which this host has an address of its own, in a network of its own: 10.0.1.0/24.
    pub(crate) fn guest_bridge(&self, name: &str) {
        // Without the delay it forwards at once, as br0 does.
        self.shell(&format!(
            "ip link add {name} type bridge forward_delay 0 && ip address add 10.0.1.{}/24 dev {name} && \
             ip link set {name} up",
            self.number
        ));
    }

    /// A host on which no daemon runs yet and no hook is installed.
    pub(crate) fn bare() -> Self {
        Self::numbered(1)
    }

    pub(crate) fn numbered(number: u8) -> Self {
        guest::prepare();
        testbed::preflight();
        let mut holder = Command::new("unshare")
            .args(["--net", "--mount", "--uts", "--ipc", "--pid", "--fork", "--mount-proc"])
            .args(["--propagation", "private", "bash"])
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/libvirt/host.sh"))
            .arg(number.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut answer = String::new();
        let stdout = holder.stdout.take().unwrap();
        BufReader::new(stdout).read_line(&mut answer).unwrap();
        if answer != "ready\n" {
            let mut complaint = String::new();
            let mut stderr = holder.stderr.take().unwrap();
            stderr.read_to_string(&mut complaint).unwrap();
            panic!("no test host (is this root?): {complaint}");
        }
        let host = Self { number, holder, accounted: AtomicUsize::new(0) };
        host.custom("all_00-witness.sh", WITNESS);
        host
    }

    /// Where a path of this host lies for the test.
    pub(crate) fn path(&self, inside: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/root{inside}", self.holder.id()))
    }

    /// What the host's file holds, or nothing where it does not exist.
    pub(crate) fn read(&self, inside: &str) -> String {
        let bytes = fs::read(self.path(inside)).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    pub(crate) fn write(&self, inside: &str, content: impl AsRef<[u8]>, mode: u32) {
        fs::write(self.path(inside), content).unwrap();
        self.chmod(inside, mode);
    }

    pub(crate) fn chmod(&self, inside: &str, mode: u32) {
        fs::set_permissions(self.path(inside), Permissions::from_mode(mode)).unwrap();
    }

    pub(crate) fn install_hook(&self) {
        let content = fs::read(binary()).unwrap();
        self.write(HOOK, content, 0o755);
    }

    /// Places a custom script.
    pub(crate) fn custom(&self, name: &str, script: &str) {
        self.write(&format!("{CUSTOM}/{name}"), script, 0o755);
    }

    /// Makes a folder among the custom scripts, such as a domain's own.
    pub(crate) fn custom_folder(&self, name: &str) {
        let inside = format!("{CUSTOM}/{name}");
        fs::create_dir(self.path(&inside)).unwrap();
        self.chmod(&inside, 0o755);
    }

    pub(crate) fn settings(&self, toml: &str) {
        self.write("/etc/libvirt/hooks/virt-hooks.toml", toml, 0o644);
    }

    /// Runs a program on this host, for at most as long as anything may take.
    pub(crate) fn run(&self, program: &str, arguments: impl IntoIterator<Item: AsRef<OsStr>>) -> Reply {
        let namespaces = format!("/proc/{}/ns", self.holder.id());
        let begun = Instant::now();
        // An environment as systemd gives it, without a trace of the one that the tests run in.
        // `pid_for_children`: unshare itself is not in the process namespace that it made.
        let output = Command::new("timeout")
            .env_clear()
            .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
            .args([&PATIENCE.as_secs().to_string(), "nsenter"])
            .arg(format!("--mount={namespaces}/mnt"))
            .arg(format!("--net={namespaces}/net"))
            .arg(format!("--uts={namespaces}/uts"))
            .arg(format!("--ipc={namespaces}/ipc"))
            .arg(format!("--pid={namespaces}/pid_for_children"))
            .args(["--", program])
            .args(arguments)
            .output()
            .unwrap();
        Reply {
            success: output.status.success(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
            took: begun.elapsed(),
        }
    }

    /// Runs a line of shell that has to succeed, and returns what it printed.
    pub(crate) fn shell(&self, line: &str) -> String {
        let reply = self.run("sh", ["-c", line]);
        assert!(reply.success, "{line}: {reply:?}");
        reply.stdout
    }

    /// Runs virsh, which may fail.
    pub(crate) fn try_virsh(&self, arguments: impl IntoIterator<Item: AsRef<OsStr>>) -> Reply {
        self.run("virsh", arguments)
    }

    /// Runs virsh, which has to succeed.
    pub(crate) fn virsh<const N: usize>(&self, arguments: [&str; N]) -> Reply {
        let reply = self.try_virsh(arguments);
        assert!(reply.success, "virsh {arguments:?}: {reply:?}");
        reply
    }

    /// The path, on this host, of a file with the domain's XML.
    pub(crate) fn xml_of(&self, guest: &Guest) -> String {
        let path = format!("/run/{}.xml", guest.uuid);
        self.write(&path, guest.xml(), 0o644);
        path
    }

    /// Starts a transient domain, which has to succeed.
    pub(crate) fn create(&self, guest: &Guest) -> Reply {
        self.virsh(["create", &self.xml_of(guest)])
    }

    /// Starts a transient domain, which may fail.
    pub(crate) fn try_create(&self, guest: &Guest) -> Reply {
        self.try_virsh(["create", &self.xml_of(guest)])
    }

    pub(crate) fn destroy(&self, guest: &Guest) {
        self.virsh(["destroy", &guest.domain()]);
    }

    pub(crate) fn runs(&self, guest: &Guest) -> bool {
        let reply = self.try_virsh(["domstate", &guest.domain()]);
        reply.success && reply.stdout.trim() == "running"
    }

    /// Fails the test unless the guest answers a ping, once it has booted.
    pub(crate) fn pings(&self, guest: &Guest) {
        assert!(self.runs(guest), "{} does not run here", guest.name);
        eventually("the guest answers a ping", || self.run("ping", ["-c", "1", "-W", "1", guest.address]).success);
    }

    pub(crate) fn start_libvirtd(&self) {
        self.shell(&format!("libvirtd -d -l -f /etc/libvirt/libvirtd.conf -p {DAEMON_PID}"));
        // It answers only once its drivers are up.
        self.virsh(["list"]);
    }

    /// Sends libvirtd a signal and returns its process id.
    pub(crate) fn signal_libvirtd(&self, signal: &str) -> String {
        let pid = self.read(DAEMON_PID).trim().to_owned();
        assert!(!pid.is_empty(), "libvirtd does not run");
        self.shell(&format!("kill -{signal} {pid}"));
        pid
    }

    /// Ends libvirtd with a signal and waits until it is gone; its guests stay.
    pub(crate) fn end_libvirtd(&self, signal: &str) {
        let pid = self.signal_libvirtd(signal);
        let process = self.path(&format!("/proc/{pid}"));
        eventually("libvirtd ends", || !process.exists());
    }

    pub(crate) fn restart_libvirtd(&self) {
        self.end_libvirtd("TERM");
        self.start_libvirtd();
    }

    /// A process that is in all of this host's namespaces but that of processes.
    pub(crate) fn process(&self) -> u32 {
        self.holder.id()
    }

    /// This host's address for libvirt and for migrations.
    pub(crate) fn address(&self) -> String {
        format!("10.0.0.{}", self.number)
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        if std::thread::panicking() {
            for log in ["/var/log/libvirt/qemu-hook.log", "/var/log/libvirt/libvirtd.log"] {
                eprintln!("--- {log} of host {}\n{}", self.number, self.read(log));
            }
        }
        // Its process 1 reads the end of its stdin and takes the host with it.
        drop(self.holder.stdin.take());
        let _ = self.holder.wait();
    }
}

/// The program under test.
pub(crate) fn binary() -> PathBuf {
    std::env::var_os("VIRT_HOOKS_BIN").unwrap_or_else(|| env!("CARGO_BIN_EXE_virt-hooks").into()).into()
}

/// Waits until something holds.
pub(crate) fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "still not so after {PATIENCE:?}: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}
