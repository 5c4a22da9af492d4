//! `virt-hooks install --drivers` and `uninstall`.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use testbed::{Host, host};

use super::hook_data;

const NETWORK: &str = "/etc/libvirt/hooks/network";
const DAEMON: &str = "/etc/libvirt/hooks/daemon";
const LXC: &str = "/etc/libvirt/hooks/lxc";

fn bare() -> Host {
    let host = host!();
    fs::remove_dir_all(host.path("etc/libvirt")).unwrap();
    host
}

#[track_caller]
fn done(host: &Host, words: &[&str]) -> String {
    let done = host.command(words).run();
    assert_eq!((done.code, done.stderr.as_str()), (Some(0), ""), "{}", done.stdout);
    done.stdout
}

fn hooks(host: &Host) -> Vec<String> {
    let names = fs::read_dir(host.path("etc/libvirt/hooks")).into_iter().flatten().flatten();
    let mut names: Vec<String> = names.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

#[test]
fn the_hooks_of_drivers_are_installed_where_they_are_asked_for_and_uninstall_takes_them_all_back() {
    let host = bare();
    done(&host, &["install"]);
    assert_eq!(hooks(&host), ["custom", "qemu", "virt-hooks.toml"]);
    done(&host, &["install", "--drivers", "network,daemon"]);
    let all = ["custom", "custom-daemon", "custom-network", "daemon", "network", "qemu", "virt-hooks.toml"];
    assert_eq!(hooks(&host), all);
    host.file("etc/libvirt/hooks/custom-network/start_x", "#!/bin/bash\nexit 0\n", 0o755);
    assert_eq!(host.hook_at(NETWORK, ["n", "start", "begin", "-"]).stdin(hook_data("")).run().code, Some(0));
    assert_eq!(host.log().started(), ["start_x"]);
    assert!(done(&host, &["install"]).contains("nothing was changed"));
    done(&host, &["uninstall"]);
    assert_eq!(hooks(&host), ["custom-network"], "the scripts are the operator's");
}

#[test]
fn an_update_updates_the_drivers_that_are_installed() {
    let host = bare();
    done(&host, &["install", "--drivers", "lxc"]);
    fs::set_permissions(host.path(LXC), fs::Permissions::from_mode(0o700)).unwrap();
    assert!(done(&host, &["install"]).contains(&format!("updated    {LXC}\n")));
    assert_eq!(fs::metadata(host.path(LXC)).unwrap().permissions().mode() & 0o7777, 0o755);
    assert!(!host.path(NETWORK).exists());
}

#[test]
fn another_hook_is_replaced_only_if_that_is_asked_for_and_is_put_back() {
    let host = bare();
    host.folder("etc/libvirt/hooks");
    host.file(NETWORK, "#!/bin/sh\nexit 0\n", 0o755);
    let refused = host.command(["install", "--drivers", "network,daemon"]).run();
    assert_eq!(refused.code, Some(1));
    assert!(refused.stderr.contains("install --replace --drivers network"), "{}", refused.stderr);
    assert_eq!(hooks(&host), ["network"]);
    done(&host, &["install", "--replace", "--drivers", "network"]);
    assert_ne!(host.read(NETWORK), "#!/bin/sh\nexit 0\n");
    done(&host, &["uninstall"]);
    assert_eq!(host.read(NETWORK), "#!/bin/sh\nexit 0\n");
    assert!(!host.path(DAEMON).exists());
}

#[test]
fn a_kept_qemu_hook_is_not_run_by_another_driver_s_hook() {
    let host = bare();
    host.folder("etc/libvirt/hooks");
    host.file("etc/libvirt/hooks/qemu", "#!/bin/bash\necho \"$0 $1\" >> /tmp/theirs\n", 0o755);
    done(&host, &["install", "--keep-existing", "--drivers", "network"]);
    done(&host, &["install"]);
    assert_eq!(host.hook_at(NETWORK, ["n", "start", "begin", "-"]).stdin(hook_data("")).run().code, Some(0));
    assert_eq!(host.read("tmp/theirs"), "");
    assert_eq!(host.event("start").run().code, Some(0));
    assert_eq!(host.read("tmp/theirs").lines().count(), 1);
}
