//! `virt-hooks`: libvirt's qemu hook. It runs the operator's custom scripts at every step of a VM's life, supervised
//! and logged.
//!
//! Data flows one way: an [`event`] has [`script`]s, a script has an [`outcome`], which becomes records of the
//! [`journal`] and, all outcomes together, the [`verdict`] for libvirt. [`hook`] is that way, top to bottom.

pub mod background;
pub mod command;
pub mod configuration;
pub mod domain;
pub mod event;
pub mod hook;
pub mod journal;
mod netlink;
pub mod network;
pub mod outcome;
pub mod paths;
pub mod pause;
pub mod program;
pub mod report;
pub mod script;
pub mod sealed;
pub mod settings;
pub mod state;
pub mod supervise;
pub mod trust;
pub mod verdict;

use std::ffi::{OsStr, OsString};
use std::path::Path;

/// What the program is to be, which the name that it was called by tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// libvirt's qemu hook.
    Hook,
    /// The operator's command.
    Command,
    /// The process that logs what a daemon still prints.
    Background,
    /// The supervisor of a script that libvirt does not wait for.
    Detached,
}

impl Role {
    /// The role of a program called by this name, with or without folders before it.
    pub fn of(program: Option<&OsString>) -> Self {
        let file_name = program.and_then(|program| Path::new(program).file_name());
        let folder = program.and_then(|program| Path::new(program).parent()?.file_name());
        // In `qemu.d` libvirt 6.5 and newer call every program as the hook, whatever its name.
        if file_name == Some(OsStr::new(hook::NAME)) || folder == Some(OsStr::new("qemu.d")) {
            Self::Hook
        } else if file_name == Some(OsStr::new(background::NAME)) {
            Self::Background
        } else if file_name == Some(OsStr::new(hook::detached::NAME)) {
            Self::Detached
        } else {
            Self::Command
        }
    }
}
