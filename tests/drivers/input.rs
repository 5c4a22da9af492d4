//! Bad input: the scripts get what libvirt passed, and the hook never fails what runs.

use std::time::Duration;

use testbed::host;

use super::hook_data;

const NETWORK: &str = "/etc/libvirt/hooks/network";

#[test]
fn a_network_s_scripts_get_any_hook_data_as_it_is() {
    let long = hook_data(&format!("<metadata>{}</metadata>\n", "x".repeat(4 << 20)));
    for xml in ["", "<hookData/>", "<hookData><network/><network/></hookData>", "no XML", "<hookData><network>", &long]
    {
        let host = host!();
        host.folder("etc/libvirt/hooks/custom-network");
        host.file("etc/libvirt/hooks/custom-network/all_x", "#!/bin/bash\ncat > /tmp/xml\n", 0o755);
        for operation in ["start", "started", "port-created", "updated"] {
            let called = host.hook_at(NETWORK, ["net", operation, "begin", "-"]).stdin(xml).run();
            assert_eq!((called.code, called.stdout.as_str()), (Some(0), ""));
            assert!(host.read("tmp/xml") == xml, "{operation} with {} bytes", xml.len());
        }
        assert!(!host.log().text.contains("ERROR"), "{}", host.log().text);
    }
}

#[test]
fn a_daemon_s_hook_reads_no_stdin() {
    let host = host!();
    host.folder("etc/libvirt/hooks/custom-daemon");
    host.file("etc/libvirt/hooks/custom-daemon/start_x", "#!/bin/bash\ncat > /tmp/xml\n", 0o755);
    let (open, _writer) = std::io::pipe().unwrap();
    let called = host.hook_at("/etc/libvirt/hooks/daemon", ["-", "start", "-", "start"]).stdin_from(open).run();
    assert_eq!(called.code, Some(0));
    assert!(called.took < Duration::from_secs(5), "{:?}", called.took);
    assert_eq!(host.read("tmp/xml"), "");
    assert_eq!(host.log().started(), ["start_x"]);
}

#[test]
fn fewer_than_four_arguments_are_refused_by_every_driver_s_hook() {
    for driver in ["network", "lxc", "libxl", "daemon"] {
        let host = host!();
        let path = format!("/etc/libvirt/hooks/{driver}");
        let called = host.hook_at(&path, ["net", "start"]).run();
        assert_eq!(called.code, Some(2));
        assert!(called.stderr.contains("OBJECT OPERATION SUB-OPERATION EXTRA"), "{}", called.stderr);
    }
}
