//! Steps: what is told, with the change that it tells of; and how they are carried out, all of them or none.

pub(crate) mod backup;
pub(crate) mod change;
pub(crate) mod draft;
mod trial;
pub(crate) mod watch;

use std::fs::File;
use std::io::{self, StdoutLock, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::fs::FlockOperation;

use self::change::{Change, Changes};
use self::watch::Watched;
use crate::command::failure::Failure;
use crate::command::terminal::screen::{Meaning, Screen, padded};
use crate::paths::Paths;
use crate::process::Supervisor;
use crate::record::Quoted;
use crate::record::outcome::Signal;

/// The column in which it stands what something was done to.
const COLUMN: usize = 10;

/// A line of what is told: `installed  /etc/libvirt/hooks/qemu`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Said {
    word: &'static str,
    what: String,
}

impl Said {
    /// What was done, in one word, and to what.
    pub(crate) const fn new(word: &'static str, what: String) -> Self {
        Self { word, what }
    }

    fn meaning(&self) -> Meaning {
        match self.word {
            "warning" | "note" => Meaning::Warning,
            "kept" | "left" => Meaning::Faint,
            _ => Meaning::Good,
        }
    }
}

/// A line, and the change that it tells of, if it tells of one.
#[derive(Debug)]
pub(crate) struct Step {
    pub(crate) said: Said,
    pub(crate) change: Option<Change>,
}

impl Step {
    /// Whether it is worth telling even where nothing is changed.
    pub(crate) fn warns(&self) -> bool {
        self.said.meaning() == Meaning::Warning
    }

    /// Whether it says what will be different.
    pub(crate) fn foretells(&self) -> bool {
        self.change.is_none() && (self.warns() || self.said.word == "runs")
    }

    /// Something is changed.
    pub(crate) const fn change(word: &'static str, what: String, change: Change) -> Self {
        Self { said: Said::new(word, what), change: Some(change) }
    }

    /// A folder is made in one that is there, or is made before.
    pub(crate) fn make_folder(folder: &Path) -> Self {
        Self::change("made", seen(folder), Change::MakeFolder(folder.to_owned()))
    }

    /// Something is told.
    pub(crate) const fn tell(word: &'static str, what: String) -> Self {
        Self { said: Said::new(word, what), change: None }
    }
}

/// A path as a line shows it.
pub(crate) fn seen(path: &Path) -> String {
    Quoted::path(path).to_string()
}

/// Makes the changes, or where one of them fails, none.
///
/// # Errors
/// What failed, and whether everything is as it was before.
pub(crate) fn carry_out(steps: &[Step], watched: Watched, programs: &mut Supervisor) -> Result<(), Failure> {
    let mut changes = Changes::watching(watched);
    for change in steps.iter().filter_map(|step| step.change.as_ref()) {
        let made = match programs.interrupted() {
            Some(signal) => Err(format!("told to end by signal {}", Signal(signal))),
            None => changes.make(change).map_err(|error| error.to_string()),
        };
        if let Err(error) = made {
            let failed = changes.take_back();
            let rest = if failed.is_empty() { "nothing was changed".to_owned() } else { failed.join("; ") };
            return Err(Failure::failed(format_args!("{error}; {rest}")));
        }
    }
    changes.settle();
    Ok(())
}

/// Keeps others out until it is dropped: two at once would take each other's changes back. One that is under way is
/// waited for as long as `patience`.
///
/// # Errors
/// Where it is under way still.
pub(crate) fn alone(paths: &Paths, patience: Duration) -> Result<File, Failure> {
    let etc = paths.elsewhere("etc");
    let place = if etc.is_dir() { &etc } else { paths.root() };
    let end = Instant::now() + patience;
    let folder = File::open(place).and_then(|folder| {
        while let Err(error) = rustix::fs::flock(&folder, FlockOperation::NonBlockingLockExclusive) {
            if error != rustix::io::Errno::WOULDBLOCK || Instant::now() >= end {
                return Err(error.into());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(folder)
    });
    folder.map_err(|error| match error.kind() {
        io::ErrorKind::WouldBlock => {
            Failure::failed("another virt-hooks install or uninstall is under way; try again when it has ended")
        }
        _ => Failure::failed(format_args!("{} can't be locked: {error}", Quoted::path(place))),
    })
}

/// Where it is told. A reader who goes away keeps nothing from being done.
#[derive(Debug)]
pub(crate) struct Teller {
    out: StdoutLock<'static>,
    screen: Screen,
    told: io::Result<()>,
}

impl Teller {
    pub(crate) fn new() -> Self {
        Self { out: io::stdout().lock(), screen: Screen::of_stdout(), told: Ok(()) }
    }

    /// Tells one thing that was done.
    pub(crate) fn say(&mut self, said: &Said) {
        let word = self.screen.paint(said.meaning(), padded(said.word, COLUMN)).to_string();
        self.line(&format!("{word} {}", said.what));
    }

    /// Tells that something could not be done, and what mends it.
    pub(crate) fn warn(&mut self, what: String) {
        self.say(&Said::new("warning", what));
    }

    /// Writes a line as it stands.
    pub(crate) fn line(&mut self, line: &str) {
        if self.told.is_ok() {
            self.told = writeln!(self.out, "{line}");
        }
    }

    /// Whether all of it could be told.
    pub(crate) fn finish(mut self) -> Result<(), Failure> {
        self.told?;
        Ok(self.out.flush()?)
    }
}
