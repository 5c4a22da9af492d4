//! One libvirt host: its own processes, folders, host name and network, and a libvirtd among them.

use std::ffi::OsStr;
use std::fs::{self, Permissions};
use std::ops::Deref;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::AtomicUsize;

use testbed::{Machine, Reply, eventually};

use crate::guest::{self, Guest};
use crate::witness::WITNESS;

const HOOK: &str = "/etc/libvirt/hooks/qemu";
const CUSTOM: &str = "/etc/libvirt/hooks/custom";
const DAEMON_PID: &str = "/run/libvirtd.pid";

pub(crate) struct Host {
    number: u8,
    machine: Machine,
    /// How many of the witness's lines the test has already accounted for.
    pub(crate) accounted: AtomicUsize,
}

impl Deref for Host {
    type Target = Machine;

    fn deref(&self) -> &Machine {
        &self.machine
    }
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
        self.cable(&cable, other, &cable);
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
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/libvirt/host.sh");
        let machine = Machine::new(Command::new("unshare").arg("--net"), &script, [number.to_string()]);
        let host = Self { number, machine, accounted: AtomicUsize::new(0) };
        host.custom("all_00-witness.sh", WITNESS);
        host
    }

    pub(crate) fn chmod(&self, inside: &str, mode: u32) {
        fs::set_permissions(self.path(inside), Permissions::from_mode(mode)).unwrap();
    }

    pub(crate) fn install_hook(&self) {
        let content = fs::read(binary()).unwrap();
        self.write(HOOK, content, 0o755);
    }

    /// Installs the hook of another driver, with a folder for its scripts.
    pub(crate) fn install_hook_of(&self, driver: &str) {
        self.write(&format!("/etc/libvirt/hooks/{driver}"), fs::read(binary()).unwrap(), 0o755);
        self.shell(&format!("mkdir -m 0755 /etc/libvirt/hooks/custom-{driver}"));
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
    }
}

/// The program under test.
pub(crate) fn binary() -> PathBuf {
    std::env::var_os("VIRT_HOOKS_BIN").unwrap_or_else(|| env!("CARGO_BIN_EXE_virt-hooks").into()).into()
}
