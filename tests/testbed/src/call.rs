//! A call of a program on a host.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::Write;
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::terminal::Terminal;
use crate::{Host, PATIENCE, is_root};

/// Mounts what the host borrows from this machine, then becomes the program.
const ENTER: &str = r#"
set -e
root=$1; shift
mount -t overlay overlay -o "lowerdir=$root/extra:/usr" "$root/usr"
mount --rbind /proc "$root/proc"
mount --rbind /dev "$root/dev"
eval "$VIRT_HOOKS_TEST_BEFORE"
unset VIRT_HOOKS_TEST_BEFORE
exec chroot "$root" "$@"
"#;

/// A call that has not been made yet.
#[derive(Debug)]
pub struct Call<'a> {
    host: &'a Host,
    program: &'a str,
    arguments: Vec<OsString>,
    variables: Vec<(String, OsString)>,
    stdin: Option<Stdin>,
    before: String,
    clean: bool,
}

#[derive(Debug)]
enum Stdin {
    Bytes(Vec<u8>),
    Descriptor(Stdio),
}

/// A call that has been made.
#[derive(Debug)]
pub struct Finished {
    /// Its exit code; none where a signal ended it.
    pub code: Option<i32>,
    /// Its output.
    pub stdout: String,
    /// Its output on stderr.
    pub stderr: String,
    /// Its run time, including a few milliseconds for its mounts.
    pub took: Duration,
}

impl<'a> Call<'a> {
    pub(crate) fn new<A: AsRef<OsStr>>(
        host: &'a Host,
        program: &'a str,
        arguments: impl IntoIterator<Item = A>,
    ) -> Self {
        let arguments = arguments.into_iter().map(|argument| argument.as_ref().to_owned()).collect();
        Self { host, program, arguments, variables: Vec::new(), stdin: None, before: String::new(), clean: false }
    }

    /// Made by another program of the host, which is given these arguments, the program and its arguments.
    pub fn through(mut self, program: &'a str, arguments: &[&str]) -> Self {
        let before = arguments.iter().copied().chain([self.program]).map(OsString::from);
        self.arguments.splice(0..0, before);
        self.program = program;
        self
    }

    /// With these bytes on stdin.
    pub fn stdin(mut self, bytes: impl AsRef<[u8]>) -> Self {
        self.stdin = Some(Stdin::Bytes(bytes.as_ref().to_vec()));
        self
    }

    /// With this as stdin.
    pub fn stdin_from(mut self, stdin: impl Into<Stdio>) -> Self {
        self.stdin = Some(Stdin::Descriptor(stdin.into()));
        self
    }

    /// With a variable.
    pub fn variable(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.variables.push((name.to_owned(), value.as_ref().to_owned()));
        self
    }

    /// With no variables but those given, as libvirt under systemd has it.
    pub fn without_variables(mut self) -> Self {
        self.clean = true;
        self
    }

    /// After these shell commands, which see the host as `$root` and as root what the program sees: limits, mounts.
    pub fn after(mut self, commands: &str) -> Self {
        commands.clone_into(&mut self.before);
        self
    }

    /// Makes the call and waits for its end.
    pub fn run(self) -> Finished {
        let begun = Instant::now();
        let output = self.spawn().output();
        Finished {
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
            took: begun.elapsed(),
        }
    }

    /// Makes the call from a terminal of so many columns, and waits for its end. What a person sees there, of both
    /// streams, is its stdout.
    pub fn on_a_terminal(self, columns: u16) -> Finished {
        let begun = Instant::now();
        let terminal = Terminal::new(columns);
        let (stdout, stderr) = (terminal.line(), terminal.line());
        let mut running = self.variable("TERM", "xterm").spawn_with(stdout, stderr);
        let shown = terminal.watch();
        let end = begun + PATIENCE;
        while running.is_running() && Instant::now() < end {
            thread::sleep(Duration::from_millis(2));
        }
        let output = running.output();
        Finished {
            code: output.status.code(),
            stdout: shown.join().expect("the terminal's watcher"),
            stderr: String::new(),
            took: begun.elapsed(),
        }
    }

    /// Makes the call and lets it run. Its process id is that of the program.
    pub fn spawn(self) -> Running {
        self.spawn_with(Stdio::piped(), Stdio::piped())
    }

    fn spawn_with(self, stdout: Stdio, stderr: Stdio) -> Running {
        let mut command = Command::new("unshare");
        command.args(["--mount", "--propagation", "private"]);
        if !is_root() {
            command.arg("--map-root-user");
        }
        command.args(["sh", "-c", ENTER, "enter"]).arg(self.host.path("")).args(self.wrapped());
        command.env("VIRT_HOOKS_TEST_BEFORE", &self.before);
        if !self.clean {
            command.envs(self.variables);
        }
        command.stdout(stdout).stderr(stderr);
        let (stdin, bytes) = match self.stdin {
            None => (Stdio::null(), None),
            Some(Stdin::Descriptor(stdin)) => (stdin, None),
            Some(Stdin::Bytes(bytes)) => (Stdio::piped(), Some(bytes)),
        };
        let mut child = command.stdin(stdin).spawn().expect("the call");
        if let (Some(mut pipe), Some(bytes)) = (child.stdin.take(), bytes) {
            thread::spawn(move || {
                // The program need not read it.
                _ = pipe.write_all(&bytes);
            });
        }
        Running { child, patience: PATIENCE }
    }

    fn wrapped(&self) -> Vec<OsString> {
        let mut words: Vec<OsString> = Vec::new();
        if self.clean {
            words.extend(["env", "-i", "LC_ALL=C"].map(OsString::from));
            words.extend(self.variables.iter().map(|(name, value)| {
                let mut word = OsString::from(format!("{name}="));
                word.push(value);
                word
            }));
        }
        words.push(self.program.into());
        words.extend(self.arguments.iter().cloned());
        words
    }
}

/// A call that is under way.
#[derive(Debug)]
pub struct Running {
    child: Child,
    patience: Duration,
}

impl Running {
    /// The program's process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Returns true if it still runs.
    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().expect("the call's state").is_none()
    }

    /// Waits for its end and takes what it printed.
    pub fn output(mut self) -> Output {
        let end = Instant::now() + self.patience;
        let pid = self.child.id();
        let (sender, receiver) = std::sync::mpsc::channel();
        let (stdout, stderr) = (self.child.stdout.take(), self.child.stderr.take());
        let readers = [stdout.map(drain), stderr.map(drain)];
        let waiter = thread::spawn(move || {
            // The receiver may have lost patience.
            _ = sender.send(self.child.wait());
        });
        let status = receiver.recv_timeout(end.saturating_duration_since(Instant::now()));
        let status = status.unwrap_or_else(|_| panic_about(pid)).expect("the call's end");
        waiter.join().expect("the waiter");
        let [stdout, stderr] =
            readers.map(|reader| reader.map(|reader| reader.join().expect("the reader")).unwrap_or_default());
        Output { status, stdout, stderr }
    }
}

#[expect(clippy::panic, reason = "it fails the test")]
fn panic_about(pid: u32) -> ! {
    if let Some(pid) = rustix::process::Pid::from_raw(pid as i32) {
        _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
    }
    panic!("the call did not end within {PATIENCE:?}");
}

fn drain(mut pipe: impl std::io::Read + Send + 'static) -> thread::JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        _ = pipe.read_to_end(&mut bytes);
        bytes
    })
}

/// A pipe whose writing end is kept, so that its reader waits.
pub fn open_pipe() -> (File, File) {
    let (reader, writer) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).expect("a pipe");
    (File::from(reader), File::from(writer))
}
