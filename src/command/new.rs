//! `virt-hooks new`: a script with the right name, mode and skeleton.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;

use super::failure::Failure;
use super::{call, folder, judge, operation};
use crate::driver::{Driver, QEMU};
use crate::paths::Paths;
use crate::record::Quoted;
use crate::script::{self, Scope};
use crate::trust::shell;

/// Which script is made.
#[derive(Debug, Args)]
#[command(after_help = "\
The file is OPERATION_NAME in /etc/libvirt/hooks/custom, executable and root's. It runs from the next event on.

Examples:
  virt-hooks new started announce.sh
  virt-hooks new all audit.py --python
  virt-hooks new start gate.sh --domain my-vm")]
pub(super) struct Arguments {
    /// The operation that it is for, or all
    #[arg(value_name = "OPERATION", value_parser = operation::scope())]
    pub(super) operation: String,

    /// What its name ends with, as it stands: OPERATION_NAME is the file
    #[arg(value_name = "NAME")]
    pub(super) name: OsString,

    /// For this libvirt driver, in its folder of scripts
    #[arg(long, value_name = "DRIVER", value_parser = operation::driver(), default_value = QEMU.name)]
    pub(super) driver: &'static Driver,

    /// In Python instead of bash
    #[arg(long)]
    pub(super) python: bool,

    /// For this VM only, in its own folder
    #[arg(long, value_name = "VM", allow_hyphen_values = true)]
    pub(super) domain: Option<OsString>,
}

const BASH: &str = include_str!("new/skeleton.sh");
const PYTHON: &str = include_str!("new/skeleton.py");
const NETWORK: &str = include_str!("new/network.sh");
const DAEMON: &str = include_str!("new/daemon.sh");

/// Makes the script, unless there is one of that name.
pub(super) fn new(arguments: &Arguments, paths: &Paths) -> Result<ExitCode, Failure> {
    let paths = &paths.clone().of(arguments.driver);
    let scope = operation::scope_of(arguments.driver, &arguments.operation)?;
    let file_name = file_name(scope, &arguments.name)?;
    let folder = match &arguments.domain {
        None => paths.custom().to_owned(),
        Some(domain) => paths.custom_of(domain).ok_or_else(|| {
            Failure::usage(format_args!("a VM called {} has no folder of its own", Quoted::name(domain)))
        })?,
    };
    let path = folder.join(&file_name);
    let text = match (arguments.driver.envelope, arguments.driver.dump) {
        (None, Some(_)) if arguments.python => PYTHON,
        (None, Some(_)) => BASH,
        _ if arguments.python => {
            return Err(Failure::usage(format_args!("the {} driver has no skeleton in Python", arguments.driver.name)));
        }
        (Some(_), _) => NETWORK,
        (None, None) => DAEMON,
    };
    let skeleton = skeleton(text, &file_name, scope);
    make_folders(&folder)
        .and_then(|()| write(&path, skeleton.as_bytes()))
        .map_err(|error| Failure::failed(format_args!("{}: {error}{}", Quoted::path(&path), mend(&error, &path))))?;

    let domain = arguments.domain.as_deref().unwrap_or(OsStr::new(arguments.driver.example));
    let of_driver = match arguments.driver.name {
        name if name == QEMU.name => String::new(),
        name => format!("--driver {name} "),
    };
    let operation = match scope {
        Scope::Of(operation) => operation.name(),
        Scope::All => "start",
    };
    let when = match scope {
        Scope::Of(operation) => format!("at the next {}", operation.name()),
        Scope::All => "at the next event".to_owned(),
    };
    let of = arguments.domain.as_deref().map(|domain| format!(" of {}", Quoted::name(domain))).unwrap_or_default();
    let mut out = io::stdout();
    let fault = judge(paths).inspect(&path).ok().and_then(|inspection| inspection.fault);
    match &fault {
        None => writeln!(out, "{} is there, and runs {when}{of}.", Quoted::path(&path))?,
        Some(fault) => writeln!(out, "{} is there, and does not run: {fault}", Quoted::path(&path))?,
    }
    writeln!(out, "To edit it:  ${{EDITOR:-vi}} {}", shell(&path))?;
    let run = format!("run {of_driver}{operation} {}", shell(Path::new(domain)));
    writeln!(out, "To try it:   {}", call(paths, &run))?;
    Ok(ExitCode::from(u8::from(fault.is_some())))
}

/// The whole name, if a file that is called so is a script.
fn file_name(scope: Scope, name: &OsStr) -> Result<OsString, Failure> {
    let shown = Quoted::name(name);
    let whole = [scope.name().as_bytes(), b"_", name.as_bytes()].concat();
    if name.is_empty() || name.as_bytes().contains(&b'/') {
        return Err(Failure::usage(format_args!("{shown} can't end a file's name")));
    }
    if script::is_leftover(&whole) {
        let why =
            "a file whose name ends so is taken for what an editor or a package manager left behind, and never runs";
        return Err(Failure::usage(format_args!("{shown}: {why}")));
    }
    Ok(OsString::from_vec(whole))
}

fn skeleton(text: &str, file_name: &OsStr, scope: Scope) -> String {
    let when = match scope {
        Scope::Of(operation) => format!("at {}", operation.name()),
        Scope::All => "at every operation".to_owned(),
    };
    text.replace("@NAME@", &Quoted::name(file_name).to_string()).replace("@WHEN@", &when)
}

/// Makes the folders that are missing, which nobody else may write to.
fn make_folders(folder: &Path) -> io::Result<()> {
    let mut missing: Vec<&Path> = folder.ancestors().take_while(|above| !above.exists()).collect();
    missing.reverse();
    missing.into_iter().try_for_each(|missing| folder::make(missing, 0o755, None))
}

/// Writes a new file. It can be run only once all of it is there.
fn write(path: &PathBuf, text: &[u8]) -> io::Result<()> {
    let mut file: File = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(text)?;
    file.set_permissions(fs::Permissions::from_mode(0o755))
}

fn mend(error: &io::Error, path: &Path) -> String {
    match error.kind() {
        io::ErrorKind::AlreadyExists => format!("; it is left as it is, and can be seen by: cat {}", shell(path)),
        io::ErrorKind::PermissionDenied => "; run it as root".to_owned(),
        _ => String::new(),
    }
}
