//! One machine: its own processes, folders and mounts, with a checkout at `/mnt/checkout`.

use std::ffi::OsStr;
use std::fs::{self, Permissions};
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::files::Files;

pub(crate) const HOOK: &str = "/etc/libvirt/hooks/qemu";
pub(crate) const CUSTOM: &str = "/etc/libvirt/hooks/custom";
pub(crate) const SETTINGS: &str = "/etc/libvirt/hooks/virt-hooks.toml";
pub(crate) const BINARY: &str = "/usr/sbin/virt-hooks";
pub(crate) const LOG: &str = "/var/log/libvirt/qemu-hook.log";

/// `make`, with a program that is built already.
const MAKE: [&str; 4] = ["make", "--no-print-directory", "BINARY=/mnt/virt-hooks", "CARGO_TARGET_DIR=/tmp/target"];

/// How long anything that has to happen may take while other tests run.
const PATIENCE: Duration = Duration::from_secs(120);

pub(crate) struct Machine {
    /// `unshare`, in the machine's namespaces; its child is process 1, whose stdin is this child's stdin.
    holder: Child,
    /// Where the machine's files are mounted, in its own namespace only.
    _folder: TempDir,
}

/// What a command came to.
#[derive(Debug)]
pub(crate) struct Reply {
    success: bool,
    /// What it said, on either stream.
    said: String,
}

impl Machine {
    pub(crate) fn new() -> Self {
        testbed::preflight();
        let folder = tempfile::tempdir().unwrap();
        let mut holder = Command::new("unshare")
            .args(["--net", "--mount", "--ipc", "--pid", "--fork", "--mount-proc", "--propagation", "private", "bash"])
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/install/machine.sh"))
            .args([folder.path(), Path::new(env!("CARGO_MANIFEST_DIR"))])
            .arg(std::env::var_os("VIRT_HOOKS_BIN").unwrap_or_else(|| env!("CARGO_BIN_EXE_virt-hooks").into()))
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
            panic!("no test machine (is this root?): {complaint}");
        }
        Self { holder, _folder: folder }
    }

    /// Where a path of this machine lies for the test. It must not lead through an absolute link.
    pub(crate) fn path(&self, inside: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/root{inside}", self.holder.id()))
    }

    pub(crate) fn exists(&self, inside: &str) -> bool {
        fs::symlink_metadata(self.path(inside)).is_ok()
    }

    pub(crate) fn mode(&self, inside: &str) -> u32 {
        fs::symlink_metadata(self.path(inside)).unwrap().permissions().mode() & 0o7777
    }

    pub(crate) fn bytes(&self, inside: &str) -> Vec<u8> {
        fs::read(self.path(inside)).unwrap()
    }

    /// What a file holds, or nothing where it does not exist.
    pub(crate) fn read(&self, inside: &str) -> String {
        let bytes = fs::read(self.path(inside)).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Writes a file, and makes the folders above it.
    pub(crate) fn write(&self, inside: &str, content: &str, mode: u32) {
        let path = self.path(inside);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
    }

    /// Runs a program, which may fail, in the checkout.
    pub(crate) fn run(&self, arguments: impl IntoIterator<Item: AsRef<OsStr>>) -> Reply {
        let namespaces = format!("/proc/{}/ns", self.holder.id());
        let output = Command::new("timeout")
            .env_clear()
            .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
            .args([&PATIENCE.as_secs().to_string(), "nsenter"])
            .arg(format!("--mount={namespaces}/mnt"))
            .arg(format!("--net={namespaces}/net"))
            .arg(format!("--ipc={namespaces}/ipc"))
            // `pid_for_children`: unshare itself is not in the process namespace that it made.
            .arg(format!("--pid={namespaces}/pid_for_children"))
            .args(["--", "sh", "-c", r#"cd /mnt/checkout && exec "$@" 2>&1"#, "sh"])
            .args(arguments)
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let said = [output.stdout, output.stderr].concat();
        Reply { success: output.status.success(), said: String::from_utf8_lossy(&said).into_owned() }
    }

    /// Runs a line of shell that has to succeed, and returns what it said.
    #[track_caller]
    pub(crate) fn shell(&self, line: &str) -> String {
        self.run(["sh", "-c", line]).success()
    }

    pub(crate) fn make(&self, arguments: &[&str]) -> Reply {
        self.run(MAKE.iter().chain(arguments))
    }

    /// `make` by an unprivileged user, to whom the checkout belongs.
    pub(crate) fn make_as_nobody(&self, arguments: &[&str]) -> Reply {
        self.shell("chown -R nobody /mnt/checkout");
        self.run(["runuser", "-u", "nobody", "--"].iter().chain(&MAKE).chain(arguments))
    }

    /// Everything that has been written to this machine since it was made.
    pub(crate) fn changes(&self) -> Files {
        Files::below(&self.path("/mnt/changes"))
    }

    pub(crate) fn start_libvirtd(&self) {
        // qemu as root: where its own user cannot open /dev/kvm, libvirt probes qemu anew for 40 s.
        let qemu = "user = \"root\"\ngroup = \"root\"\nsecurity_driver = \"none\"\nstdio_handler = \"file\"\n\
                    namespaces = []\ncgroup_controllers = []\n";
        self.write("/etc/libvirt/qemu.conf", qemu, 0o644);
        self.write("/etc/libvirt/libvirtd.conf", "auth_unix_rw = \"none\"\n", 0o644);
        self.shell("mkdir -p /var/lib/libvirt/qemu /var/log/libvirt/qemu && libvirtd -d -f /etc/libvirt/libvirtd.conf");
        // It answers only once its drivers are up.
        self.shell("virsh list");
    }

    /// Starts a VM without disk and guest, called `empty`.
    pub(crate) fn start_a_vm(&self) {
        let xml = "<domain type='qemu'><name>empty</name><memory unit='MiB'>32</memory>\
                   <os><type arch='x86_64'>hvm</type></os></domain>";
        self.write("/run/empty.xml", xml, 0o644);
        self.shell("virsh create /run/empty.xml");
    }

    /// Starts it, and ends it.
    pub(crate) fn start_and_destroy_a_vm(&self) {
        self.start_a_vm();
        self.shell("virsh destroy empty");
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // Its process 1 reads the end of its stdin and takes the machine with it.
        drop(self.holder.stdin.take());
        let _ = self.holder.wait();
    }
}

impl Reply {
    /// What was said by a command that has to succeed.
    #[track_caller]
    pub(crate) fn success(self) -> String {
        assert!(self.success, "{}", self.said);
        self.said
    }

    /// What was said by a command that has to fail.
    #[track_caller]
    pub(crate) fn failure(self) -> String {
        assert!(!self.success, "{}", self.said);
        self.said
    }
}

/// Waits until something holds.
pub(crate) fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "still not so after {PATIENCE:?}: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}
