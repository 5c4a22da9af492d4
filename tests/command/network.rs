//! `virt-hooks network`: what is declared for VMs.

use testbed::host;

use crate::assert_looks_like;

/// As its author shows it, with both styles of comments, and what can't be taken over as it was.
const HOOKS_JSON: &str = r#"{
    "cloud-admin": {
        "interface": "virbr1",            // you can use comments
        "private_ip": "192.168.124.10",   /* both styles */
        "source_ip": "198.51.100.7",
        "port_map": {
            "tcp": [[1100, 3000], [1101, 3001], 443]
        }
    },
    "cloud-node1": [{
        "private_ip": "192.168.126.2",
        "public_ip": "203.0.113.7",
        "port_map": {
            "tcp": [80, 443],
            "icmp": [8]
        },
        "port_range": [{"init_port": 5000, "ports_num": 100, "protocol": "udp"}]
    }]
}
"#;

#[test]
fn hooks_json_becomes_declarations() {
    let host = host!();
    host.file("/etc/libvirt/hooks/hooks.json", HOOKS_JSON, 0o644);
    let finished = host.command(["import", "libvirt-hook-qemu", "/etc/libvirt/hooks/hooks.json"]).run();
    assert_eq!(finished.code, Some(1), "icmp is left out");
    assert_looks_like("network-import.toml", &finished.stdout);
    assert_looks_like("network-import-warnings.txt", &finished.stderr);
    let stdin = host.command(["import", "libvirt-hook-qemu", "-"]).stdin(HOOKS_JSON).run();
    assert_eq!((stdin.code, stdin.stdout, stdin.stderr), (Some(1), finished.stdout, finished.stderr));
}

#[test]
fn what_is_imported_whole_ends_well_and_what_is_none_is_not_imported() {
    let host = host!();
    let json = r#"{"a": {"private_ip": "10.0.0.5", "public_ip": "203.0.113.7", "port_map": {"tcp": [80]}}}"#;
    let finished = host.command(["import", "libvirt-hook-qemu", "-"]).stdin(json).run();
    assert_eq!((finished.code, finished.stderr.as_str()), (Some(0), ""));
    let finished = host.command(["import", "libvirt-hook-qemu", "-"]).stdin("{\"a\": }").run();
    assert_eq!((finished.code, finished.stdout.as_str()), (Some(1), ""));
    assert_eq!(finished.stderr, "virt-hooks: - is not imported: it is no JSON: expected value at line 1 column 7\n");
    let finished = host.command(["import", "libvirt-hook-qemu", "/nowhere"]).run();
    assert_eq!(
        (finished.code, finished.stderr.as_str()),
        (Some(1), "virt-hooks: /nowhere can't be read: No such file or directory (os error 2)\n")
    );
}
