//! A timed call of a program: from before the spawn until it has been waited for.

use std::error::Error;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::pipe::{PipeFlags, pipe_with};

/// An error for a person.
pub(crate) type Failure = Box<dyn Error>;

/// Capacity of a pipe in bytes, with room to spare (pipe(7)).
const PIPE: usize = 60 << 10;

/// Search path of scripts and programs.
const PATH: &str = "/usr/sbin:/usr/bin:/sbin:/bin";

/// A call that can be made many times. As with libvirt, its standard input is a pipe that holds the domain's XML, and its
/// standard output and error are pipes.
#[derive(Debug, Clone)]
pub(crate) struct Call<'a> {
    program: PathBuf,
    arguments: Vec<String>,
    xml: &'a [u8],
}

/// A call that has been made and not been waited for.
pub(crate) struct Running {
    child: Child,
    /// Open, so that nothing that it prints breaks a pipe.
    stdout: File,
    stderr: File,
}

impl<'a> Call<'a> {
    pub(crate) fn new(program: impl AsRef<Path>, arguments: &[&str], xml: &'a [u8]) -> Self {
        let arguments = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        Self { program: program.as_ref().to_owned(), arguments, xml }
    }

    /// Makes it, and tells how long it took.
    pub(crate) fn time(&self) -> Result<Duration, Failure> {
        let prepared = self.prepare()?;
        let begun = Instant::now();
        let status = prepared.start()?.wait();
        let took = begun.elapsed();
        self.check(status?.0)?;
        Ok(took)
    }

    /// Makes it, and gives what it printed to stdout and to stderr, each up to what a pipe holds.
    pub(crate) fn output(&self) -> Result<(String, String), Failure> {
        let mut running = self.prepare()?.start()?;
        let status = running.child.wait()?;
        let (mut stdout, mut stderr) = (String::new(), String::new());
        running.stdout.read_to_string(&mut stdout)?;
        running.stderr.read_to_string(&mut stderr)?;
        self.check(status).map_err(|failure| format!("{failure}: {stderr}"))?;
        Ok((stdout, stderr))
    }

    /// Makes as many at once, and tells how long it took until the last had ended.
    pub(crate) fn time_at_once(&self, count: usize) -> Result<Duration, Failure> {
        let prepared = (0..count).map(|_| self.prepare()).collect::<Result<Vec<_>, _>>()?;
        let begun = Instant::now();
        let running = prepared.into_iter().map(Prepared::start).collect::<Result<Vec<_>, _>>()?;
        let ended = running.into_iter().map(Running::wait).collect::<Result<Vec<_>, _>>()?;
        let took = begun.elapsed();
        ended.into_iter().try_for_each(|(status, _)| self.check(status))?;
        Ok(took)
    }

    fn check(&self, status: ExitStatus) -> Result<(), Failure> {
        if status.success() { Ok(()) } else { Err(format!("{} ended with {status}", self.program.display()).into()) }
    }

    /// Does beforehand what is not the call's own: the pipes, and the XML in one of them.
    fn prepare(&self) -> io::Result<Prepared<'a>> {
        let (stdin, writer) = pipe_with(PipeFlags::CLOEXEC)?;
        let (stdout, stdout_end) = pipe_with(PipeFlags::CLOEXEC)?;
        let (stderr, stderr_end) = pipe_with(PipeFlags::CLOEXEC)?;
        let mut writer = File::from(writer);
        let (now, later) = self.xml.split_at(self.xml.len().min(PIPE));
        writer.write_all(now)?;
        let writer = (!later.is_empty()).then_some(writer);
        let mut command = Command::new(&self.program);
        command.args(&self.arguments).env_clear().env("PATH", PATH);
        // A large domain may come back, more than a pipe holds, and nobody reads it before the end.
        let stdout_end = if later.is_empty() { Stdio::from(stdout_end) } else { File::create("/run/printed")?.into() };
        command.stdin(stdin).stdout(stdout_end).stderr(stderr_end);
        Ok(Prepared { command, writer, later, stdout: stdout.into(), stderr: stderr.into() })
    }
}

struct Prepared<'a> {
    command: Command,
    writer: Option<File>,
    later: &'a [u8],
    stdout: File,
    stderr: File,
}

impl Prepared<'_> {
    fn start(mut self) -> io::Result<Running> {
        let child = self.command.spawn()?;
        if let Some(mut writer) = self.writer.take() {
            writer.write_all(self.later)?;
        }
        Ok(Running { child, stdout: self.stdout, stderr: self.stderr })
    }
}

impl Running {
    /// Waits for it. The pipes come along, so that they are not closed while the clock runs.
    fn wait(mut self) -> io::Result<(ExitStatus, (File, File))> {
        Ok((self.child.wait()?, (self.stdout, self.stderr)))
    }
}

/// Something that takes a while.
pub(crate) type Timed<'a> = &'a mut dyn FnMut() -> Result<Duration, Failure>;

/// The median of each, after as many turns in which each has its turn.
pub(crate) fn in_turn<const N: usize>(turns: usize, mut timed: [Timed<'_>; N]) -> Result<[f64; N], Failure> {
    let mut samples = [const { Vec::new() }; N];
    for turn in 0..turns + turns.div_ceil(10) {
        for (timed, samples) in timed.iter_mut().zip(&mut samples) {
            let took = timed()?;
            // The first tenth is to warm up.
            if turn >= turns.div_ceil(10) {
                samples.push(took.as_secs_f64());
            }
        }
    }
    Ok(samples.map(median))
}

/// The one in the middle.
pub(crate) fn median(mut samples: Vec<f64>) -> f64 {
    samples.sort_by(f64::total_cmp);
    let middle = samples.len() / 2;
    if samples.len() % 2 == 1 { samples[middle] } else { f64::midpoint(samples[middle - 1], samples[middle]) }
}
