//! The custom script that sees every operation, what it saw, and what the hook's log says.

use std::process::Command;
use std::sync::OnceLock;
use std::sync::atomic::Ordering::Relaxed;

use testbed::eventually;

use crate::guest::Guest;
use crate::host::Host;

/// Comes before every other script, so that it has seen an operation that another script vetoes. What it prints would
/// be taken for the domain's new XML on `migrate` and `restore`, if the hook let it through.
pub(crate) const WITNESS: &str = r#"#!/bin/bash
IFS=$'\t'
printf '%s\n' "$*" >> /run/witnessed
echo "witnessed $2"
"#;

/// What libvirt calls the hook for when it starts a domain.
pub(crate) const STARTING: [&str; 3] = ["prepare begin -", "start begin -", "started begin -"];

/// Since libvirt 10.5 `release` says why the domain has ended.
pub(crate) fn release_tells_the_reason() -> bool {
    static TELLS: OnceLock<bool> = OnceLock::new();
    *TELLS.get_or_init(|| {
        let output = Command::new("virsh").arg("--version").output().unwrap();
        let version = String::from_utf8(output.stdout).unwrap();
        let mut numbers = version.trim().split('.').map(|number| number.parse::<u32>().unwrap());
        (numbers.next(), numbers.next()) >= (Some(10), Some(5))
    })
}

/// A record of the hook's log that belongs to a script's run.
#[derive(Debug)]
pub(crate) struct Record {
    pub(crate) level: String,
    pub(crate) domain: String,
    /// `operation/sub-operation`
    pub(crate) event: String,
    pub(crate) message: String,
}

impl Host {
    /// Fails the test unless exactly these operations, each with its sub-operation and extra argument, have come for
    /// this domain and none for another since the last time the test asked. `release` is given with the reason, which
    /// an older libvirt does not tell.
    pub(crate) fn witnessed<'a>(&self, guest: &Guest, operations: impl IntoIterator<Item = &'a &'a str>) {
        let expected: Vec<String> = operations
            .into_iter()
            .map(|&operation| match operation {
                release if release.starts_with("release") && !release_tells_the_reason() => "release end -",
                other => other,
            })
            .map(|operation| format!("{}\t{}", guest.name, operation.replacen(' ', "\t", 2)))
            .collect();
        eventually(&format!("{expected:?} came"), || self.unaccounted().len() >= expected.len());
        assert_eq!(self.unaccounted(), expected);
        self.accounted.fetch_add(expected.len(), Relaxed);
    }

    fn unaccounted(&self) -> Vec<String> {
        let lines = self.read("/run/witnessed");
        let accounted = self.accounted.load(Relaxed);
        lines.lines().skip(accounted).map(str::to_owned).collect()
    }

    /// Whether any operation has come since the last time the test asked.
    pub(crate) fn witnessed_anything(&self) -> bool {
        !self.unaccounted().is_empty()
    }

    /// Accounts for whatever has come so far.
    pub(crate) fn forget(&self) {
        self.accounted.fetch_add(self.unaccounted().len(), Relaxed);
    }

    pub(crate) fn log(&self) -> String {
        self.read("/var/log/libvirt/qemu-hook.log")
    }

    /// The records that name this script, oldest first.
    pub(crate) fn records_of(&self, script: &str) -> Vec<Record> {
        let log = self.log();
        let script = format!(" {script}: ");
        log.lines()
            .filter_map(|line| line.split_once(&script))
            .map(|(head, message)| {
                // Time, level, program and its process id, domain, event.
                let mut words = head.split(' ').skip(1);
                let level = words.next().unwrap().to_owned();
                let mut words = words.filter(|word| !word.is_empty()).skip(1);
                Record {
                    level,
                    domain: words.next().unwrap().to_owned(),
                    event: words.next().unwrap().to_owned(),
                    message: message.to_owned(),
                }
            })
            .collect()
    }
}
