//! The qemu driver (`src/qemu/qemu_process.c`, `qemu_migration.c`, `qemu_saveimage.c` of libvirt 9.0 to 12.8;
//! <https://libvirt.org/hooks.html#etc-libvirt-hooks-qemu>).

use super::{Driver, ExitCode, Operation, Stage};

/// The driver of QEMU and KVM guests.
pub static QEMU: Driver = Driver {
    name: "qemu",
    folder: "qemu.d",
    scripts: "custom",
    log_tag: "qemu-hook",
    daemon: "virtqemud",
    uri: "qemu:///system",
    operations: &OPERATIONS,
};

/// At `prepare` taps have no names yet, and at `stopped` and `release` the XML is the inactive form again.
const OPERATIONS: [Operation; 9] = [
    Operation {
        name: "prepare",
        description: "Before libvirt gathers what the VM needs.",
        sub_operation: "begin",
        stage: Stage::Preparing,
        exit_code: ExitCode::Refuses,
        is_filter: false,
        has_live_xml: false,
        is_migration: false,
    },
    Operation {
        name: "start",
        description: "What the VM needs is there; it is about to be started.",
        sub_operation: "begin",
        stage: Stage::Starting,
        exit_code: ExitCode::Refuses,
        is_filter: false,
        has_live_xml: true,
        is_migration: false,
    },
    Operation {
        name: "started",
        description: "The VM runs.",
        sub_operation: "begin",
        stage: Stage::Running,
        exit_code: ExitCode::Kills,
        is_filter: false,
        has_live_xml: true,
        is_migration: false,
    },
    Operation {
        name: "stopped",
        description: "The VM has ended; what it used is still held.",
        sub_operation: "end",
        stage: Stage::Stopped,
        exit_code: ExitCode::Ignored,
        is_filter: false,
        has_live_xml: false,
        is_migration: false,
    },
    Operation {
        name: "release",
        description: "libvirt has let go of what the VM used.",
        sub_operation: "end",
        stage: Stage::Released,
        exit_code: ExitCode::Ignored,
        is_filter: false,
        has_live_xml: false,
        is_migration: false,
    },
    Operation {
        name: "migrate",
        description: "A VM is about to arrive by live migration, on the host that it comes to.",
        sub_operation: "begin",
        stage: Stage::Arriving,
        exit_code: ExitCode::Refuses,
        is_filter: true,
        has_live_xml: false,
        is_migration: true,
    },
    Operation {
        name: "restore",
        description: "A saved VM is about to be brought back.",
        sub_operation: "begin",
        stage: Stage::Arriving,
        exit_code: ExitCode::Refuses,
        is_filter: true,
        has_live_xml: false,
        is_migration: false,
    },
    Operation {
        name: "reconnect",
        description: "libvirt's daemon was restarted and found the VM running.",
        sub_operation: "begin",
        stage: Stage::Running,
        exit_code: ExitCode::Kills,
        is_filter: false,
        has_live_xml: true,
        is_migration: false,
    },
    Operation {
        name: "attach",
        description: "The daemon took over a VM that it had not started; since libvirt 5.5 nothing calls this.",
        sub_operation: "begin",
        stage: Stage::Running,
        exit_code: ExitCode::Ignored,
        is_filter: false,
        has_live_xml: false,
        is_migration: false,
    },
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
