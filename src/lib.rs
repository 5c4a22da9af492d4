//! `virt-hooks`: the hook of libvirt's drivers. It runs the operator's custom scripts at every step of a VM's life, supervised
//! and logged.
//!
//! Data flows one way: an [event](driver::Event) has [`script`]s, a script has an [outcome](record::outcome::Outcome), which becomes a
//! [`record`] and, all outcomes together, the [verdict](hook::verdict::Verdict) for libvirt. [`hook`] is that way, top to bottom.

pub mod cloudstack;
pub mod command;
pub mod configuration;
pub mod domain;
pub mod driver;
pub mod hook;
pub mod kernel;
pub mod network;
pub mod paths;
pub mod process;
pub mod record;
pub mod script;
pub mod settings;
pub mod state;
pub mod trust;

use std::ffi::{OsStr, OsString};
use std::path::Path;

use crate::driver::Driver;

/// What the program is to be, which the name that it was called by tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The hook of a driver.
    Hook(&'static Driver),
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
        if let Some(driver) = file_name.and_then(|file_name| Driver::of_hook(file_name, folder)) {
            Self::Hook(driver)
        } else if file_name == Some(OsStr::new(hook::background::NAME)) {
            Self::Background
        } else if file_name == Some(OsStr::new(hook::detached::NAME)) {
            Self::Detached
        } else {
            Self::Command
        }
    }
}
