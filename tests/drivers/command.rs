//! `virt-hooks new`, `list`, `run` and `log` with `--driver`.

use testbed::host;

use super::{PORT, hook_data};

#[test]
fn new_puts_a_script_where_the_driver_s_hook_runs_it() {
    let host = host!();
    let made = host.command(["new", "--driver", "network", "port-created", "10-dns.sh"]).run();
    assert_eq!((made.code, made.stderr.as_str()), (Some(0), ""));
    assert!(made.stdout.contains("/etc/libvirt/hooks/custom-network/port-created_10-dns.sh"), "{}", made.stdout);
    assert!(made.stdout.contains("virt-hooks run --driver network port-created"), "{}", made.stdout);
    let called =
        host.hook_at("/etc/libvirt/hooks/network", ["n", "port-created", "begin", "-"]).stdin(hook_data(PORT)).run();
    assert_eq!(called.code, Some(0));
    host.log().assert_says("INFO", "port-created_10-dns.sh", "exited with 0");
    host.log().assert_says("INFO", "port-created_10-dns.sh", "web-1");
}

#[test]
fn an_operation_of_another_driver_is_a_usage_error_that_names_the_driver_s_own() {
    let host = host!();
    for words in [
        &["new", "--driver", "network", "prepare", "x"][..],
        &["list", "--driver", "network", "prepare"],
        &["run", "--driver", "network", "prepare", "net"],
        &["new", "port-created", "x"],
        &["list", "plugged"],
        &["list", "--driver", "bhyve"],
    ] {
        let refused = host.command(words).run();
        assert_eq!(refused.code, Some(2), "{words:?} {}", refused.stderr);
        assert!(["start", "network"].iter().any(|word| refused.stderr.contains(word)), "{words:?} {}", refused.stderr);
    }
}

#[test]
fn list_and_run_show_the_driver_s_scripts_only() {
    let host = host!();
    host.folder("etc/libvirt/hooks/custom-network");
    host.bash("start_qemu", "true");
    host.file("etc/libvirt/hooks/custom-network/start_net", "#!/bin/bash\ncat > /tmp/xml\n", 0o755);
    let listed = host.command(["list", "--driver", "network", "--json"]).run().stdout;
    assert!(listed.contains("start_net") && !listed.contains("start_qemu"), "{listed}");
    let listed = host.command(["list", "--json"]).run().stdout;
    assert!(!listed.contains("start_net") && listed.contains("start_qemu"), "{listed}");
    host.file("tmp/net.xml", hook_data(""), 0o644);
    let words = ["run", "--driver", "network", "start", "net", "--xml", "/tmp/net.xml"];
    let ran = host.command(words).run();
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert_eq!(host.read("tmp/xml"), hook_data(""));
    assert_eq!(host.log().started(), ["start_net"]);
}

#[test]
fn the_log_knows_the_driver() {
    let host = host!();
    host.folder("etc/libvirt/hooks/custom-network");
    host.bash("start_qemu", "true");
    host.file("etc/libvirt/hooks/custom-network/start_net", "#!/bin/bash\nfalse\n", 0o755);
    host.event("start").run();
    host.hook_at("/etc/libvirt/hooks/network", ["n", "start", "begin", "-"]).stdin(hook_data("")).run();
    let log = |words: &[&str]| host.command([&["log"], words].concat()).run().stdout;
    let of_network = log(&["--driver", "network"]);
    assert!(of_network.contains("start_net") && !of_network.contains("start_qemu"), "{of_network}");
    let failed = log(&["--failed"]);
    assert!(failed.contains(" network-hook[") && failed.contains("exited with 1"), "{failed}");
    assert!(!failed.contains("start_qemu"), "{failed}");
    let json = log(&["--json"]);
    assert!(json.lines().all(|line| line.contains("start_net") == line.contains("\"driver\":\"network\"")), "{json}");
    assert!(log(&["--timeline"]).contains("network start"), "{}", log(&["--timeline"]));
}
