//! The libxl driver (`src/libxl/libxl_domain.c`, `libxl_migration.c`;
//! <https://libvirt.org/hooks.html#etc-libvirt-hooks-libxl>).

use super::{Driver, ExitCode, Operation, Stage};

/// The driver of Xen guests.
pub static LIBXL: Driver = Driver {
    name: "libxl",
    folder: "libxl.d",
    scripts: "custom-libxl",
    kept: "kept-libxl",
    log_tag: "libxl-hook",
    daemon: "virtxend",
    uri: "xen:///system",
    example: "my-vm",
    object: "VM",
    harm: "it would kill the running VM",
    dump: Some(["dumpxml", "--domain"]),
    envelope: None,
    has_networking: false,
    event_timeout: None,
    operations: &OPERATIONS,
};

const OPERATIONS: [Operation; 7] = [
    Operation::at("prepare", "Before libvirt gathers what the VM needs.", Stage::Preparing, ExitCode::Refuses),
    Operation::at("start", "The VM is about to be started.", Stage::Starting, ExitCode::Refuses).live(),
    Operation::at("started", "The VM runs.", Stage::Running, ExitCode::Kills).live(),
    Operation::at("stopped", "The VM has ended.", Stage::Stopped, ExitCode::Ignored),
    Operation::at("release", "libvirt has released what the VM used.", Stage::Released, ExitCode::Ignored),
    Operation::at(
        "migrate",
        "A VM is about to arrive by migration, on the host that it comes to.",
        Stage::Arriving,
        ExitCode::Refuses,
    )
    .filter(),
    Operation::at(
        "reconnect",
        "libvirt's daemon was restarted and found the VM running.",
        Stage::Running,
        ExitCode::Kills,
    )
    .live(),
];
