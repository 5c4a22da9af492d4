//! `virt-hooks import vfio-tools`: a tree of scripts of VFIO-Tools' helper, as scripts in `custom/` with settings of the same
//! effect.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;

use crate::command::failure::Failure;
use crate::command::host::hook_file::{beginning, is_there};
use crate::command::host::tree::is_executable;
use crate::command::install::steps::change::{Change, Content, Put};
use crate::command::install::steps::watch::Watched;
use crate::command::install::steps::{Step, alone, carry_out, seen};
use crate::command::{call, only_as_root};
use crate::driver::Operation;
use crate::paths::Paths;
use crate::process::Supervisor;
use crate::record::Quoted;
use crate::script::{is_leftover, is_plain_text};

/// The most that a script may have, in bytes: less than is read of it.
const MAXIMUM_SCRIPT: usize = 1 << 20;

/// From which tree.
#[derive(Debug, Args)]
#[command(after_help = "\
The plan is printed as a diff, and nothing is changed without --write. Scripts of /etc/libvirt/hooks/qemu.d are moved, those of \
another folder are copied. It ends with 1 where something is left out.

Examples:
  virt-hooks import vfio-tools /etc/libvirt/hooks/qemu.d
  virt-hooks import vfio-tools /etc/libvirt/hooks/qemu.d --write")]
pub(super) struct Arguments {
    /// The folder of the VMs' folders
    #[arg(value_name = "DIR")]
    tree: PathBuf,

    /// Carry the plan out
    #[arg(long)]
    write: bool,
}

/// The plan of an import.
#[derive(Debug, Default)]
struct Plan {
    steps: Vec<Step>,
    lines: Vec<String>,
    left_out: Vec<String>,
    /// The names of the scripts, each with whether libvirt takes its output.
    names: BTreeMap<String, bool>,
}

/// Shows the plan, and carries it out with `--write`.
pub(super) fn perform(arguments: &Arguments, paths: &Paths) -> Result<ExitCode, Failure> {
    let domains = sorted(&arguments.tree)
        .map_err(|error| Failure::failed(format_args!("{} can't be read: {error}", seen(&arguments.tree))))?;
    let is_read = same(&arguments.tree, &paths.later_hooks());
    let mut plan = Plan::default();
    let mut made: BTreeSet<PathBuf> = BTreeSet::new();
    for domain in domains {
        for &operation in paths.driver().operations {
            let place = domain.join(operation.name()).join(operation.sub_operation());
            let files = if place.is_dir() { sorted(&place).unwrap_or_default() } else { vec![place] };
            for file in files.into_iter().filter(|file| file.is_file() && is_executable(file)) {
                plan.script(&file, domain.file_name().unwrap_or_default(), operation, is_read, paths, &mut made);
            }
        }
    }
    plan.settings(paths);
    let mut out = io::stdout().lock();
    for line in &plan.lines {
        writeln!(out, "{line}")?;
    }
    for what in &plan.left_out {
        // A closed stderr is no failure.
        _ = writeln!(io::stderr(), "virt-hooks: {what}");
    }
    if arguments.write {
        only_as_root(paths, "import")?;
        let _alone = alone(paths, std::time::Duration::from_secs(2))?;
        carry_out(&plan.steps, Watched::now(paths.hook()), &mut Supervisor::watching())?;
    } else if !plan.steps.is_empty() {
        let again = format!("import vfio-tools {} --write", crate::trust::shell(&arguments.tree));
        writeln!(out, "Nothing was changed. To carry it out: {}", call(paths, &again))?;
    }
    Ok(ExitCode::from(u8::from(!plan.left_out.is_empty())))
}

impl Plan {
    /// Plans one script's move or copy.
    fn script(
        &mut self,
        file: &Path,
        domain: &OsStr,
        operation: Operation,
        is_read: bool,
        paths: &Paths,
        made: &mut BTreeSet<PathBuf>,
    ) {
        let Some(folder) = paths.custom_of(domain) else { return };
        let own = file.file_name().unwrap_or_default();
        let name: OsString = [OsStr::new(operation.name()), OsStr::new("_"), own].into_iter().collect();
        let to = folder.join(&name);
        let text = beginning(file).unwrap_or_default();
        let why = if is_there(&to) {
            Some("there is one of its new name already")
        } else if is_leftover(own.as_bytes()) {
            Some("by its name an editor or a package manager left it behind")
        } else if text.is_empty() {
            Some("it is empty")
        } else if text.len() >= MAXIMUM_SCRIPT {
            Some("it is longer than 1 MiB")
        } else if is_plain_text(file) {
            Some("it has no #! line, and in custom/ no shell runs it")
        } else if is_read && file.is_symlink() {
            Some("it is a link; move what it leads to")
        } else {
            let nameable = name.to_str().is_some_and(|name| !name.contains(char::is_control));
            (!nameable).then_some("its name has control characters or is no UTF-8, and settings can't name it")
        };
        if let Some(why) = why {
            return self.left_out.push(format!("{} is left out: {why}", Quoted::path(file)));
        }
        for folder in [paths.custom(), &folder] {
            if !folder.is_dir() && made.insert(folder.to_owned()) {
                self.steps.push(Step::make_folder(folder));
            }
        }
        let change = if is_read {
            self.lines.push(format!("- {}", Quoted::path(file)));
            Change::Move { from: file.to_owned(), to: to.clone() }
        } else {
            Change::Put(Put { path: to.clone(), content: Content::Text(text), mode: 0o755, owner: None })
        };
        self.lines.push(format!("+ {}", Quoted::path(&to)));
        self.steps.push(Step::change("imported", seen(&to), change));
        if operation.can_be_refused() {
            self.names.insert(name.to_string_lossy().into_owned(), operation.takes_xml_back());
        }
    }

    /// Plans the settings that give the scripts their veto and their filter back.
    fn settings(&mut self, paths: &Paths) {
        if self.names.is_empty() {
            return;
        }
        let (folder, place) = (paths.settings_drop_ins(), paths.settings_drop_ins().join("50-vfio-tools.toml"));
        if is_there(&place) {
            let what = format!("{} is there already: move it away first, or the scripts have no veto", seen(&place));
            self.steps.clear();
            self.lines.clear();
            return self.left_out.push(what);
        }
        if !folder.is_dir() {
            self.steps.push(Step::make_folder(&folder));
        }
        let mut text =
            "# By virt-hooks import vfio-tools: what fails refuses the VM, as under VFIO-Tools' helper.\n".to_owned();
        for (name, filters) in &self.names {
            // Without control characters, a string of JSON is one of TOML.
            let name = serde_json::Value::from(glob::Pattern::escape(name));
            let filter = if *filters { "filter = true\n" } else { "" };
            text.push_str(&format!("\n[[script]]\nname = {name}\nonFailure = \"abort\"\n{filter}"));
        }
        self.lines.push(format!("+ {}", Quoted::path(&place)));
        self.lines.extend(text.lines().map(|line| format!("+   {line}").trim_end().to_owned()));
        let put = Put { path: place.clone(), content: Content::Text(text.into_bytes()), mode: 0o644, owner: None };
        self.steps.push(Step::change("installed", seen(&place), Change::Put(put)));
    }
}

fn same(one: &Path, other: &Path) -> bool {
    matches!((fs::canonicalize(one), fs::canonicalize(other)), (Ok(one), Ok(other)) if one == other)
}

/// The paths in a folder, by name.
fn sorted(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut paths: Vec<PathBuf> =
        fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>()?;
    paths.sort();
    Ok(paths)
}
