//! Names of scripts and of networks.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use testbed::host;

use super::{PORT, hook_data};

const NETWORK: &str = "/etc/libvirt/hooks/network";
const SCRIPTS: &str = "etc/libvirt/hooks/custom-network";

#[test]
fn a_script_runs_at_its_operation_and_at_no_other_whose_name_begins_alike() {
    let host = host!();
    host.folder(SCRIPTS);
    for name in
        ["port-created_2", "port-deleted_x", "port_created_x", "port-created", "all_1", "started_x", "port-created-x"]
    {
        host.file(format!("{SCRIPTS}/{name}"), "#!/bin/bash\ntrue\n", 0o755);
    }
    host.hook_at(NETWORK, ["net", "port-created", "begin", "-"]).stdin(hook_data(PORT)).run();
    assert_eq!(host.log().started(), ["all_1", "port-created_2"]);
}

#[test]
fn a_network_has_a_folder_of_its_own_whatever_bytes_its_name_has() {
    for name in [&b"net"[..], b"a net", b"-", b"\xff\xfe", b"a\nb", b"na\"me", "сеть".as_bytes()] {
        let host = host!();
        let name = OsStr::from_bytes(name);
        let folder = std::path::Path::new(SCRIPTS).join(name);
        host.folder(&folder);
        host.file(folder.join("start_own"), "#!/bin/bash\ntouch /tmp/ran\n", 0o755);
        let words = [name, OsStr::new("start"), OsStr::new("begin"), OsStr::new("-")];
        assert_eq!(host.hook_at(NETWORK, words).stdin(hook_data("")).run().code, Some(0));
        assert!(host.path("tmp/ran").exists(), "{name:?}");
        let lines = host.log().text;
        assert_eq!(lines.lines().count(), lines.matches(" network-hook[").count(), "{lines}");
    }
}

#[test]
fn scripts_of_a_driver_are_trusted_as_those_of_qemu() {
    let host = host!();
    host.folder(SCRIPTS);
    host.file(format!("{SCRIPTS}/start_open"), "#!/bin/bash\ntouch /tmp/ran\n", 0o777);
    host.hook_at(NETWORK, ["net", "start", "begin", "-"]).stdin(hook_data("")).run();
    host.log().assert_says("WARN", "start_open", "it can't be trusted");
    assert!(!host.path("tmp/ran").exists());
}
