//! `virt-hooks get`: what scripts take out of the VM's XML.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, ValueEnum};

use super::failure::Failure;
use crate::paths::Paths;

/// What is taken out, and of which XML.
#[derive(Debug, Args)]
#[command(after_help = "\
In a script it reads the XML that the script has on stdin, from its beginning each time, so it can be called again and
again. At stopped and release, where that XML names no tap any more, it reads the live XML instead. It never asks
libvirt.

Examples, in a script:
  uuid=$(virt-hooks get uuid)
  for tap in $(virt-hooks get taps); do tc qdisc add dev \"$tap\" ...; done
  virt-hooks get interfaces | while read -r mac type source tap; do ...; done

And by hand:
  virsh dumpxml my-vm | virt-hooks get macs
  virt-hooks get interfaces --domain my-vm --json")]
pub(super) struct Arguments {
    /// What to take out
    #[arg(value_name = "WHAT")]
    pub(super) what: What,

    /// Of this file's XML; - is stdin, even where the live XML would be read
    #[arg(long, value_name = "FILE", conflicts_with_all = ["live", "domain"])]
    pub(super) xml: Option<PathBuf>,

    /// Of the live XML of the event's VM, whatever is on stdin
    #[arg(long)]
    pub(super) live: bool,

    /// Of this VM's live XML
    #[arg(long, value_name = "VM", allow_hyphen_values = true, conflicts_with = "live")]
    pub(super) domain: Option<OsString>,

    /// As JSON: a text, an array of texts, or an array of objects for interfaces
    #[arg(long)]
    pub(super) json: bool,
}

/// What a script may want to know of its VM.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum What {
    /// The VM's name
    Name,
    /// Its UUID
    Uuid,
    /// The MAC addresses of its interfaces, one a line
    Macs,
    /// The bridges that they are on, each once
    Bridges,
    /// Their devices on the host, one a line
    Taps,
    /// All of that, an interface a line: MAC address, type, bridge or other source, device
    Interfaces,
}

pub(super) fn get(_arguments: &Arguments, _paths: &Paths) -> Result<ExitCode, Failure> {
    Err(Failure::failed("get is not there yet"))
}
