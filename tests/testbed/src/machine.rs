//! A machine of its own for each test of root's: processes, folders, mounts, host name and network in new namespaces.

use std::ffi::OsStr;
use std::fs::{self, Permissions};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::{PATIENCE, preflight};

/// A machine, which ends with this value.
#[derive(Debug)]
pub struct Machine {
    /// `unshare`, in the machine's namespaces; its child is process 1, whose stdin is this child's stdin.
    holder: Child,
}

/// The end of a command on a machine.
#[derive(Debug)]
pub struct Reply {
    /// True if it exited with 0.
    pub success: bool,
    /// Its output.
    pub stdout: String,
    /// Its errors.
    pub stderr: String,
    /// Its run time.
    pub took: Duration,
}

impl Machine {
    /// A machine whose process 1 is this bash script: it says `ready`, and ends with its stdin. `unshare` is that program,
    /// or one that becomes it, with the namespaces that it makes besides.
    pub fn new(unshare: &mut Command, script: &Path, arguments: impl IntoIterator<Item: AsRef<OsStr>>) -> Self {
        preflight();
        let mut holder = unshare
            .args(["--mount", "--uts", "--ipc", "--pid", "--fork", "--mount-proc", "--propagation", "private", "bash"])
            .arg(script)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("unshare");
        let mut answer = String::new();
        let stdout = holder.stdout.take().expect("its stdout");
        BufReader::new(stdout).read_line(&mut answer).expect("its answer");
        let mut complaint = String::new();
        if answer != "ready\n" {
            let mut stderr = holder.stderr.take().expect("its stderr");
            stderr.read_to_string(&mut complaint).expect("its complaint");
        }
        assert_eq!(answer, "ready\n", "no test machine (is this root?): {complaint}");
        Self { holder }
    }

    /// A process that is in all of the machine's namespaces but that of processes.
    pub fn process(&self) -> u32 {
        self.holder.id()
    }

    /// The path for the test of a path on this machine. It must not lead through an absolute link.
    pub fn path(&self, inside: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/root{inside}", self.process()))
    }

    /// The text of a file, or nothing where it does not exist.
    pub fn read(&self, inside: &str) -> String {
        String::from_utf8_lossy(&fs::read(self.path(inside)).unwrap_or_default()).into_owned()
    }

    /// Writes a file, and makes the folders above it.
    pub fn write(&self, inside: &str, content: impl AsRef<[u8]>, mode: u32) {
        let path = self.path(inside);
        fs::create_dir_all(path.parent().expect("a folder above")).expect("the folders above");
        if mode & 0o111 == 0 {
            fs::write(&path, content).expect("a file");
        } else {
            // By a child: a process that another test starts would inherit this one's descriptor, and executing the file
            // would fail with ETXTBSY until it is closed there.
            let mut child = Command::new("sh")
                .args(["-c", "cat > \"$1\"", "sh"])
                .arg(&path)
                .stdin(Stdio::piped())
                .spawn()
                .expect("a shell");
            child.stdin.take().expect("a pipe").write_all(content.as_ref()).expect("the content");
            assert!(child.wait().expect("its exit").success(), "{}", path.display());
        }
        fs::set_permissions(&path, Permissions::from_mode(mode)).expect("its mode");
    }

    /// Joins this machine to another by a cable, whose ends are devices of these names.
    pub fn cable(&self, device: &str, other: &Self, others_device: &str) {
        let (here, there) = (self.process(), other.process());
        let added = format!("link add {device} netns {here} type veth peer name {others_device} netns {there}");
        let joined = Command::new("ip").args(added.split(' ')).status().expect("ip");
        assert!(joined.success(), "ip {added}");
    }

    /// Runs a program on this machine, which gets this on its stdin and may fail.
    pub fn run_with(
        &self,
        stdin: impl AsRef<[u8]>,
        program: &str,
        arguments: impl IntoIterator<Item: AsRef<OsStr>>,
    ) -> Reply {
        let begun = Instant::now();
        let namespace = |option: &str, name: &str| format!("--{option}=/proc/{}/ns/{name}", self.process());
        // An environment as systemd gives it, without a trace of the one that the tests run in.
        let mut child = Command::new("timeout")
            .env_clear()
            .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
            .args([&PATIENCE.as_secs().to_string(), "nsenter"])
            .args([
                namespace("mount", "mnt"),
                namespace("net", "net"),
                namespace("uts", "uts"),
                namespace("ipc", "ipc"),
            ])
            // unshare itself is not in the process namespace that it made.
            .args([&namespace("pid", "pid_for_children"), "--", program])
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program");
        let mut pipe = child.stdin.take().expect("its stdin");
        let bytes = stdin.as_ref().to_vec();
        let writer = thread::spawn(move || {
            // The program need not read it.
            _ = pipe.write_all(&bytes);
        });
        let output = child.wait_with_output().expect("its end");
        writer.join().expect("the writer");
        Reply {
            success: output.status.success(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
            took: begun.elapsed(),
        }
    }

    /// Runs a program on this machine, which may fail.
    pub fn run(&self, program: &str, arguments: impl IntoIterator<Item: AsRef<OsStr>>) -> Reply {
        self.run_with("", program, arguments)
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // Its process 1 reads the end of its stdin and takes the machine with it.
        drop(self.holder.stdin.take());
        _ = self.holder.wait();
    }
}
