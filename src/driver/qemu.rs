//! The qemu driver (`src/qemu/qemu_process.c`, `qemu_migration.c`, `qemu_saveimage.c` of libvirt 9.0 to 12.8;
//! <https://libvirt.org/hooks.html#etc-libvirt-hooks-qemu>).

use super::{Driver, ExitCode, Operation, Stage};

/// The driver of QEMU and KVM guests.
pub static QEMU: Driver = Driver {
    name: "qemu",
    folder: "qemu.d",
    scripts: "custom",
    kept: "kept",
    log_tag: "qemu-hook",
    daemon: "virtqemud",
    uri: "qemu:///system",
    example: "my-vm",
    object: "VM",
    harm: "it would kill the running VM",
    dump: Some(["dumpxml", "--domain"]),
    envelope: None,
    has_networking: true,
    event_timeout: None,
    operations: &OPERATIONS,
};

/// At `prepare` taps have no names yet, and at `stopped` and `release` the XML is the inactive form again.
const OPERATIONS: [Operation; 9] = [
    Operation::at("prepare", "Before libvirt gathers what the VM needs.", Stage::Preparing, ExitCode::Refuses),
    Operation::at(
        "start",
        "What the VM needs is there; it is about to be started.",
        Stage::Starting,
        ExitCode::Refuses,
    )
    .live(),
    Operation::at("started", "The VM runs.", Stage::Running, ExitCode::Kills).live(),
    Operation::at("stopped", "The VM has ended; what it used is still held.", Stage::Stopped, ExitCode::Ignored),
    Operation::at("release", "libvirt has let go of what the VM used.", Stage::Released, ExitCode::Ignored),
    Operation {
        is_migration: true,
        ..Operation::at(
            "migrate",
            "A VM is about to arrive by live migration, on the host that it comes to.",
            Stage::Arriving,
            ExitCode::Refuses,
        )
        .filter()
    },
    Operation::at("restore", "A saved VM is about to be brought back.", Stage::Arriving, ExitCode::Refuses).filter(),
    Operation::at(
        "reconnect",
        "libvirt's daemon was restarted and found the VM running.",
        Stage::Running,
        ExitCode::Kills,
    )
    .live(),
    Operation::at(
        "attach",
        "The daemon took over a VM that it had not started; since libvirt 5.5 nothing calls this.",
        Stage::Running,
        ExitCode::Ignored,
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_counts_where_nothing_runs_yet_and_would_kill_where_something_does() {
        for operation in OPERATIONS {
            let expected = match operation.name() {
                "prepare" | "start" | "migrate" | "restore" => ExitCode::Refuses,
                "started" | "reconnect" => ExitCode::Kills,
                _ => ExitCode::Ignored,
            };
            assert_eq!(operation.exit_code(), expected, "{}", operation.name());
            assert_eq!(operation.takes_xml_back(), ["migrate", "restore"].contains(&operation.name()));
            assert_eq!(operation.shows_live_xml(), ["start", "started", "reconnect"].contains(&operation.name()));
        }
    }
}
