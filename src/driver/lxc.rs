//! The lxc driver (`src/lxc/lxc_process.c`; <https://libvirt.org/hooks.html#etc-libvirt-hooks-lxc>).

use super::{Driver, ExitCode, Operation, Stage};

/// The driver of Linux containers.
pub static LXC: Driver = Driver {
    name: "lxc",
    folder: "lxc.d",
    scripts: "custom-lxc",
    kept: "kept-lxc",
    log_tag: "lxc-hook",
    daemon: "virtlxcd",
    uri: "lxc:///system",
    example: "my-container",
    object: "container",
    harm: "it would kill the running container",
    dump: Some(["dumpxml", "--domain"]),
    envelope: None,
    has_networking: false,
    event_timeout: None,
    operations: &OPERATIONS,
};

const OPERATIONS: [Operation; 6] = [
    Operation::at("prepare", "Before libvirt gathers what the container needs.", Stage::Preparing, ExitCode::Refuses),
    Operation::at("start", "The container is about to be started.", Stage::Starting, ExitCode::Refuses).live(),
    Operation::at("started", "The container runs.", Stage::Running, ExitCode::Kills).live(),
    Operation::at("stopped", "The container has ended.", Stage::Stopped, ExitCode::Ignored),
    Operation::at("release", "libvirt has released what the container used.", Stage::Released, ExitCode::Ignored),
    Operation::at(
        "reconnect",
        "libvirt's daemon was restarted and found the container running.",
        Stage::Running,
        ExitCode::Kills,
    )
    .live(),
];
