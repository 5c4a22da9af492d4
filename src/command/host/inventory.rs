//! The entries of `custom/`, and the hook's decision about each.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::driver::{Driver, Operation};
use crate::paths::Paths;
use crate::record::Quoted;
use crate::script::{self, Origin, Scope};
use crate::settings::{self, Keep, Problem, ScriptSettings, Settings, Trust};
use crate::trust::{Fault, Inspection, Judge, Kind, Unusable, shell};

/// The content of `custom/` and of the VMs' folders, in the order in which scripts run.
#[derive(Debug)]
pub(crate) struct Inventory {
    pub(crate) entries: Vec<Entry>,
    /// There is no `custom/`.
    pub(crate) missing: bool,
    /// Folders that could not be read, and why.
    pub(crate) unread: Vec<(PathBuf, io::Error)>,
    pub(crate) settings: Settings,
    /// Problems of the settings, each with its file.
    pub(crate) problems: Vec<(PathBuf, Problem)>,
}

/// A file or folder among the scripts.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) path: PathBuf,
    /// Its name in records: its path below `custom/`.
    pub(crate) label: Vec<u8>,
    /// The VM that owns its folder.
    pub(crate) domain: Option<OsString>,
    /// The operations that its name is for, if it is a script's.
    pub(crate) scope: Option<Scope>,
    pub(crate) fate: Fate,
    pub(crate) origin: Origin,
}

/// The hook's decision about an entry.
#[derive(Debug)]
pub(crate) enum Fate {
    /// The script runs.
    Runs,
    /// The script runs although it is not trusted, as the settings allow.
    RunsUntrusted(Fault),
    /// The script is switched off on purpose.
    Masked,
    /// The file is named as a script and does not run.
    Unfit(Unfit),
    /// An editor or a package manager left it behind.
    Leftover,
    /// A VM's folder; inside of one, something of the operator's own.
    Folder,
    /// Its name is no script's; perhaps it was meant to be this one.
    Other(Option<String>),
    /// The settings leave it no VM to run for.
    LeftOut,
}

/// The reason why a script does not run.
#[derive(Debug)]
pub(crate) struct Unfit {
    pub(crate) what: String,
    /// The command that fixes it.
    pub(crate) remedy: String,
}

impl Inventory {
    /// Lists the entries, without changing anything.
    pub(crate) fn take(paths: &Paths) -> Self {
        let judge = crate::command::judge(paths);
        let (settings, problems) = settings::load(paths, &judge, Keep::Nothing);
        let mut inventory = Self { entries: Vec::new(), missing: false, unread: Vec::new(), settings, problems };
        let settings = inventory.settings.clone();
        let look = Look { judge: &judge, settings: &settings, programs: programs(paths), driver: paths.driver() };
        match names(paths.custom()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => inventory.missing = true,
            names => {
                for name in inventory.readable(paths.custom(), names) {
                    let path = paths.custom().join(&name);
                    let Some(entry) = look.at(path.clone(), None) else { continue };
                    let is_folder = matches!(entry.fate, Fate::Folder);
                    inventory.entries.push(entry);
                    // Names that begin with a dot are of tools such as git.
                    if is_folder && !name.as_bytes().starts_with(b".") {
                        let inside = inventory.readable(&path, self::names(&path));
                        let own = |inner: OsString| look.at(path.join(inner), Some(&name));
                        inventory.entries.extend(inside.into_iter().filter_map(own));
                    }
                }
            }
        }
        inventory.entries.sort_by(|a, b| {
            script::order(a.file_name().as_bytes(), b.file_name().as_bytes())
                .then_with(|| (a.domain.is_some(), &a.label).cmp(&(b.domain.is_some(), &b.label)))
        });
        inventory.entries.extend(look.tree(paths));
        inventory.entries.extend(look.kept(paths));
        inventory
    }

    fn readable(&mut self, folder: &Path, names: io::Result<Vec<OsString>>) -> Vec<OsString> {
        names.unwrap_or_else(|error| {
            self.unread.push((folder.to_owned(), error));
            Vec::new()
        })
    }
}

impl Entry {
    pub(crate) fn file_name(&self) -> &OsStr {
        self.path.file_name().unwrap_or_default()
    }

    /// Returns what is in force for it.
    pub(crate) fn settings(&self, settings: &Settings) -> ScriptSettings {
        match self.origin {
            Origin::Custom => settings.of_script(self.file_name()),
            Origin::Tree | Origin::Kept => settings.of_hook(self.file_name()),
        }
    }

    /// Whether it is for this operation.
    pub(crate) fn is_for(&self, operation: Operation) -> bool {
        self.scope.is_some_and(|scope| scope.covers(operation))
    }

    pub(crate) const fn runs(&self) -> bool {
        matches!(self.fate, Fate::Runs | Fate::RunsUntrusted(_))
    }
}

pub(super) struct Look<'a> {
    judge: &'a Judge,
    settings: &'a Settings,
    programs: PathBuf,
    driver: &'static Driver,
}

impl Look<'_> {
    /// Returns the entry at a path, or `None` if it has been removed.
    fn at(&self, path: PathBuf, domain: Option<&OsStr>) -> Option<Entry> {
        fs::symlink_metadata(&path).ok()?;
        let name = path.file_name().unwrap_or_default().to_owned();
        let label = match domain {
            Some(domain) => [domain.as_bytes(), b"/", name.as_bytes()].concat(),
            None => name.as_bytes().to_vec(),
        };
        let scope = Scope::of(self.driver, name.as_bytes());
        let fate = if path.is_dir() {
            Fate::Folder
        } else if script::is_leftover(name.as_bytes()) {
            Fate::Leftover
        } else if scope.is_none() {
            Fate::Other(script::meant(self.driver, name.as_bytes()).filter(|_| looks_like_a_program(&path)))
        } else if self.is_left_out(&name, domain) {
            Fate::LeftOut
        } else {
            self.fate(&path)
        };
        Some(Entry { path, label, domain: domain.map(OsStr::to_owned), scope, fate, origin: Origin::Custom })
    }

    /// The hook that was kept, if there is one.
    fn kept(&self, paths: &Paths) -> Option<Entry> {
        let path = paths.kept_link();
        fs::symlink_metadata(&path).ok()?;
        let name = path.file_name().unwrap_or_default();
        let fate = if self.is_left_out(name, None) { Fate::LeftOut } else { self.fate(&path) };
        let (label, scope) = (script::kept_label(paths), Some(Scope::All));
        Some(Entry { label, domain: None, scope, fate, origin: Origin::Kept, path })
    }

    /// Returns true if `domains` in the settings excludes every VM that a script could run for.
    pub(super) fn is_left_out(&self, name: &OsStr, domain: Option<&OsStr>) -> bool {
        match domain {
            Some(domain) => !self.settings.is_for(name, domain),
            None => self.settings.domains_of(name).is_some_and(<[_]>::is_empty),
        }
    }

    pub(super) fn is_trusted(&self, path: &Path) -> bool {
        let trusted = |inspection: Inspection| inspection.fault.is_none() || self.settings.trust == Trust::Warn;
        self.judge.inspect(path).is_ok_and(trusted)
    }

    /// Returns the hook's decision about a script, as far as it can be made without running it.
    pub(super) fn fate(&self, path: &Path) -> Fate {
        let unfit = |what: String, remedy: String| Fate::Unfit(Unfit { what, remedy });
        let inspection = match self.judge.inspect(path) {
            Ok(inspection) => inspection,
            Err(Unusable::Folder) => return Fate::Folder,
            Err(unusable) => return unfit(unusable.to_string(), remedy_for(&unusable, path)),
        };
        let fault = inspection.fault;
        match (inspection.kind, &fault) {
            (Kind::Masked, _) => return Fate::Masked,
            (Kind::NotExecutable, _) => {
                return unfit("it is not executable".to_owned(), format!("chmod +x {}", shell(path)));
            }
            (Kind::Program, Some(fault)) if self.settings.trust == Trust::Strict => {
                return unfit(format!("it can't be trusted: {}", fault.reason()), fault.remedy());
            }
            (Kind::Program, _) => {}
        }
        let trouble = script::why_it_would_not_start(path, &self.programs);
        match (trouble, fault) {
            (Some(trouble), _) => {
                unfit(trouble.what(), trouble.remedy().unwrap_or_else(|| format!("ls -l {}", shell(path))))
            }
            (None, Some(fault)) => Fate::RunsUntrusted(fault),
            (None, None) => Fate::Runs,
        }
    }
}

/// Returns true if a file is meant to be run: notes and libraries are not.
pub(crate) fn looks_like_a_program(path: &Path) -> bool {
    let executable = fs::metadata(path).is_ok_and(|status| status.permissions().mode() & 0o111 != 0);
    executable || script::interpreter_of(path).is_some()
}

fn remedy_for(unusable: &Unusable, path: &Path) -> String {
    match unusable {
        Unusable::Empty | Unusable::Dangling { .. } | Unusable::NotAFile(_) => format!("rm {}", shell(path)),
        Unusable::Folder | Unusable::Vanished | Unusable::Unseen(_) => format!("ls -l {}", shell(path)),
    }
}

/// Returns the folder of the host's programs: an image has its own, a folder for trials has none.
fn programs(paths: &Paths) -> PathBuf {
    let image = paths.elsewhere("usr/bin").is_dir();
    if image { paths.root().to_owned() } else { PathBuf::from("/") }
}

pub(super) fn names(folder: &Path) -> io::Result<Vec<OsString>> {
    fs::read_dir(folder)?.map(|entry| Ok(entry?.file_name())).collect()
}

/// The patterns of the VMs that a script is for, in words; nothing where it is every VM's.
pub(crate) fn domains_of(entry: &Entry, settings: &Settings) -> Option<String> {
    let patterns = settings.domains_of(entry.file_name());
    let patterns =
        patterns.map(|patterns| patterns.iter().map(|pattern| pattern.as_str()).collect::<Vec<_>>().join(", "));
    match (&entry.domain, patterns) {
        (Some(domain), _) => Some(Quoted::name(domain).to_string()),
        (None, Some(patterns)) if patterns.is_empty() => Some("none".to_owned()),
        (None, patterns) => patterns,
    }
}
