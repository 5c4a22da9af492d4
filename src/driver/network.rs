//! The network driver (`src/network/bridge_driver.c`; <https://libvirt.org/hooks.html#etc-libvirt-hooks-network>).

use super::{Driver, ExitCode, Operation, Stage};

/// The driver of libvirt's networks. Its XML is `<hookData>`, with the network and at a port's operations the port.
pub static NETWORK: Driver = Driver {
    name: "network",
    folder: "network.d",
    scripts: "custom-network",
    kept: "kept-network",
    log_tag: "network-hook",
    daemon: "virtnetworkd",
    uri: "network:///system",
    example: "default",
    object: "network",
    harm: "it would destroy the running network",
    dump: Some(["net-dumpxml", "--network"]),
    envelope: Some("hookData"),
    has_networking: false,
    event_timeout: None,
    operations: &OPERATIONS,
};

const OPERATIONS: [Operation; 6] = [
    Operation::at("start", "Before the network's bridge is made.", Stage::Starting, ExitCode::Refuses),
    Operation::at(
        "started",
        "The network runs; libvirt's firewall rules for it are there.",
        Stage::Running,
        ExitCode::Kills,
    ),
    Operation::at("stopped", "The network has ended.", Stage::Stopped, ExitCode::Ignored),
    Operation {
        old_name: Some("plugged"),
        ..Operation::at(
            "port-created",
            "A guest's interface is about to join the network.",
            Stage::Running,
            ExitCode::Refuses,
        )
    },
    Operation {
        old_name: Some("unplugged"),
        ..Operation::at("port-deleted", "A guest's interface has left the network.", Stage::Running, ExitCode::Ignored)
    },
    Operation::at("updated", "The running network's definition was changed.", Stage::Running, ExitCode::Ignored),
];
