//! libvirt's daemons (`src/remote/remote_daemon.c`; <https://libvirt.org/hooks.html#etc-libvirt-hooks-daemon>).

use std::time::Duration;

use super::{Driver, ExitCode, Operation, Stage};

/// Every daemon of libvirt's calls this hook. There is no object, and no XML.
pub static DAEMON: Driver = Driver {
    name: "daemon",
    folder: "daemon.d",
    scripts: "custom-daemon",
    kept: "kept-daemon",
    log_tag: "daemon-hook",
    daemon: "libvirtd",
    uri: "",
    example: "-",
    object: "daemon",
    harm: "the daemon would not start",
    dump: None,
    envelope: None,
    has_networking: false,
    event_timeout: Some(EVENT),
    operations: &OPERATIONS,
};

/// systemd kills a daemon that takes longer than 90 s to start or to stop (systemd-system.conf(5), `DefaultTimeoutStartSec`).
/// A script's grace period and the daemon's own start have the rest.
const EVENT: Duration = Duration::from_secs(60);

const OPERATIONS: [Operation; 3] = [
    Operation::at("start", "The daemon is about to serve.", Stage::Starting, ExitCode::Kills).with("-", "start"),
    Operation::at("shutdown", "The daemon is about to end.", Stage::Stopped, ExitCode::Ignored).with("-", "shutdown"),
    Operation::at("reload", "The daemon was told to reload by SIGHUP.", Stage::Running, ExitCode::Ignored)
        .with("begin", "SIGHUP"),
];
