//! One machine: its own processes, folders and mounts, with a checkout at `/mnt/checkout`.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::ops::Deref;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use crate::files::Files;

pub(crate) const HOOK: &str = "/etc/libvirt/hooks/qemu";
pub(crate) const CUSTOM: &str = "/etc/libvirt/hooks/custom";
pub(crate) const SETTINGS: &str = "/etc/libvirt/hooks/virt-hooks.toml";
pub(crate) const BINARY: &str = "/usr/sbin/virt-hooks";
pub(crate) const LOG: &str = "/var/log/libvirt/qemu-hook.log";

/// `make`, with a program that is built already.
const MAKE: [&str; 4] = ["make", "--no-print-directory", "BINARY=/mnt/virt-hooks", "CARGO_TARGET_DIR=/tmp/target"];

pub(crate) struct Machine {
    machine: testbed::Machine,
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

impl Deref for Machine {
    type Target = testbed::Machine;

    fn deref(&self) -> &testbed::Machine {
        &self.machine
    }
}

impl Machine {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let project = Path::new(env!("CARGO_MANIFEST_DIR"));
        let binary = std::env::var_os("VIRT_HOOKS_BIN").unwrap_or_else(|| env!("CARGO_BIN_EXE_virt-hooks").into());
        let machine = testbed::Machine::new(
            Command::new("unshare").arg("--net"),
            &project.join("tests/install/machine.sh"),
            [folder.path().as_os_str(), project.as_os_str(), &binary],
        );
        Self { machine, _folder: folder }
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

    /// Runs a program, which may fail, in the checkout.
    pub(crate) fn run(&self, arguments: impl IntoIterator<Item: AsRef<OsStr>>) -> Reply {
        let inside = ["-c", r#"cd /mnt/checkout && exec "$@" 2>&1"#, "sh"].map(OsString::from);
        let arguments = arguments.into_iter().map(|argument| argument.as_ref().to_owned());
        let reply = self.machine.run("sh", inside.into_iter().chain(arguments));
        Reply { success: reply.success, said: reply.stdout + &reply.stderr }
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
