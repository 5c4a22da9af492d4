//! A host of its own for each test.
//!
//! The binary runs as the hook of a host that is a folder: it sees `/etc/libvirt/hooks`, `/var/log/libvirt` and
//! `/run` at their real paths, in mounts that nothing else sees. Works as root, and as anybody who may make user
//! namespaces.
#![expect(clippy::expect_used, reason = "a testbed that can't be set up ends the test")]

mod call;
mod log;
mod machine;
mod preflight;
mod terminal;

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};
use tempfile::TempDir;

pub use self::call::{Call, Finished, Running, open_pipe};
pub use self::log::{Log, Record};
pub use self::machine::{Machine, Reply};
pub(crate) use self::preflight::preflight;

/// Timeout of anything that has to happen while other tests run.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// The host's folder of scripts.
pub const CUSTOM: &str = "etc/libvirt/hooks/custom";

/// The host's settings file.
pub const SETTINGS: &str = "etc/libvirt/hooks/virt-hooks.toml";

/// The log.
pub const LOG: &str = "var/log/libvirt/qemu-hook.log";

/// Default stdin of calls, as libvirt passes it.
pub const XML: &str =
    "<domain type='kvm'>\n  <name>vm</name>\n  <uuid>5f2f9f0e-6b0c-4a57-a1c3-0d9a3c4c2f11</uuid>\n</domain>\n";

/// A host with the binary under test as its hook.
#[derive(Debug)]
pub struct Host {
    root: TempDir,
}

/// A host with this package's binary, or the one that `VIRT_HOOKS_BIN` names.
#[macro_export]
macro_rules! host {
    () => {
        $crate::Host::with_hook(
            std::env::var_os("VIRT_HOOKS_BIN").unwrap_or_else(|| env!("CARGO_BIN_EXE_virt-hooks").into()).as_ref(),
        )
    };
}

impl Host {
    /// A host that has `binary` as `/etc/libvirt/hooks/qemu`, and an empty folder for custom scripts.
    pub fn with_hook(binary: &Path) -> Self {
        preflight();
        let host = Self { root: TempDir::new().expect("a folder for the host") };
        fs::set_permissions(host.root.path(), fs::Permissions::from_mode(0o755)).expect("the root's mode");
        for folder in [CUSTOM, "var/log/libvirt", "run", "usr", "proc", "dev", "tmp", "extra/bin", "extra/sbin"] {
            host.folder(folder);
        }
        for name in ["bin", "sbin", "lib", "lib64"] {
            symlink(format!("usr/{name}"), host.path(name)).expect("a link into usr");
        }
        // The specification's own examples begin with #!/usr/bin/python.
        symlink("python3", host.path("extra/bin/python")).expect("a link to python3");
        // By a child: a process that another test starts would inherit this one's descriptors, and executing the copies would
        // fail with ETXTBSY until they are closed there.
        for copy in ["etc/libvirt/hooks/qemu", "extra/bin/virt-hooks"] {
            let copied = Command::new("cp").arg(binary).arg(host.path(copy)).status().expect("cp");
            assert!(copied.success(), "{copy}");
        }
        // It hides a command that `make install` put on this machine.
        fs::hard_link(host.path("extra/bin/virt-hooks"), host.path("extra/sbin/virt-hooks")).expect("the command");
        host
    }

    /// Returns a host if the test is run by root, for tests with files of other users.
    ///
    /// Otherwise it prints that the test was skipped, and fails if no test may be skipped.
    pub fn or_leave_out(self) -> Option<Self> {
        if is_root() {
            return Some(self);
        }
        assert!(std::env::var_os("CI").is_none(), "this test needs root, and nothing may be left out");
        eprintln!("left out: needs root");
        None
    }

    /// The real path of a path on the host.
    pub fn path(&self, path: impl AsRef<Path>) -> PathBuf {
        let path = path.as_ref();
        self.root.path().join(path.strip_prefix("/").unwrap_or(path))
    }

    /// Makes a folder that nobody else may write to, and those above it.
    pub fn folder(&self, path: impl AsRef<Path>) -> PathBuf {
        let path = self.path(path);
        fs::create_dir_all(&path).expect("a folder");
        let mut made = path.as_path();
        while made != self.root.path() {
            fs::set_permissions(made, fs::Permissions::from_mode(0o755)).expect("the folder's mode");
            made = made.parent().expect("a folder above");
        }
        path
    }

    /// Writes a file.
    pub fn file(&self, path: impl AsRef<Path>, content: impl AsRef<[u8]>, mode: u32) -> PathBuf {
        let path = self.path(path);
        fs::write(&path, content).expect("a file");
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("the file's mode");
        path
    }

    /// Puts a custom script in place.
    pub fn script(&self, name: impl AsRef<Path>, content: impl AsRef<[u8]>) -> PathBuf {
        self.file(Path::new(CUSTOM).join(name), content, 0o755)
    }

    /// Puts a custom script of bash commands in place.
    pub fn bash(&self, name: impl AsRef<Path>, commands: &str) -> PathBuf {
        self.script(name, format!("#!/bin/bash\n{commands}\n"))
    }

    /// Writes the settings file.
    pub fn settings(&self, text: &str) {
        self.file(SETTINGS, text, 0o644);
    }

    /// A call of the hook with these arguments.
    pub fn hook<A: AsRef<std::ffi::OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Call<'_> {
        Call::new(self, "/etc/libvirt/hooks/qemu", arguments)
    }

    /// A call of the hook of another driver, by its path.
    pub fn hook_at<'a, A: AsRef<std::ffi::OsStr>>(
        &'a self,
        hook: &'a str,
        arguments: impl IntoIterator<Item = A>,
    ) -> Call<'a> {
        if !self.path(hook).exists() {
            fs::hard_link(self.path("etc/libvirt/hooks/qemu"), self.path(hook)).expect("the driver's hook");
        }
        Call::new(self, hook, arguments)
    }

    /// A call of the hook as libvirt makes it at an operation of the VM `vm`.
    pub fn event(&self, operation: &str) -> Call<'_> {
        let end = matches!(operation, "stopped" | "release");
        self.hook(["vm", operation, if end { "end" } else { "begin" }, "-"]).stdin(XML)
    }

    /// A call of the operator's command.
    pub fn command<A: AsRef<std::ffi::OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Call<'_> {
        Call::new(self, "/usr/bin/virt-hooks", arguments)
    }

    /// A call of a shell, as root has it on the host.
    pub fn shell(&self, commands: &str) -> Call<'_> {
        Call::new(self, "/bin/bash", ["-c", commands])
    }

    /// Returns the log.
    pub fn log(&self) -> Log {
        Log::read(&self.path(LOG))
    }

    /// Returns the content of a file of the host, or an empty text if it is missing.
    pub fn read(&self, path: impl AsRef<Path>) -> String {
        String::from_utf8_lossy(&fs::read(self.path(path)).unwrap_or_default()).into_owned()
    }
}

impl Drop for Host {
    /// Ends what scripts left behind and wrote down the ids of in `/tmp/left`.
    fn drop(&mut self) {
        for pid in self.read("tmp/left").split_whitespace() {
            if let Some(pid) = pid.parse().ok().and_then(Pid::from_raw) {
                _ = rustix::process::kill_process(pid, Signal::KILL);
            }
        }
    }
}

/// Returns true if the test runs as root.
pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Waits until something holds.
#[track_caller]
pub fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < end, "still not so after {PATIENCE:?}: {what}");
        thread::sleep(Duration::from_millis(20));
    }
}
