//! VMs of every name that there can be.

use crate::machine::Machine;
use crate::vm::Vm;

#[test]
fn a_vm_of_any_name_gets_and_loses_what_is_its_own() {
    let long = "n".repeat(251);
    let names = [
        "a b",
        " ",
        "\"quoted'",
        "-x",
        "--",
        "new\nline",
        "m\u{fc}ller-\u{1f40b}",
        &long,
        ".",
        "..",
        "%41",
        "*",
        "$(id)",
        "a;b{c}d#e",
    ];
    let host = Machine::declaring("[[forward]]\ndomain = \"*\"\nport = 8080\n");
    for name in names {
        let vm = Vm::new(name);
        host.starts(&vm);
        assert!(!host.log().contains("ERROR"), "{name:?}: {}", host.log());
        let allocation = host.shell("nft list table inet virt-hooks");
        assert!(
            allocation.contains("tcp . 8080") && allocation.contains(": 192.168.122.10 . 8080"),
            "{name:?}: {allocation}"
        );
        let applied = host.virt_hooks("network apply");
        assert!(applied.success && applied.stdout.contains("Nothing was changed"), "{name:?}: {applied:?}");
        assert_eq!(applied.stdout.lines().filter(|line| line.contains("removed")).count(), 0, "{applied:?}");
        let stands = host.stands();
        assert!(stands.iter().all(|[vm, state, _]| vm == name && state == "applied"), "{name:?}: {stands:?}");
        // Whatever the name is, a table has a line for it.
        let status = host.virt_hooks("network status");
        let lines = status.stdout.lines().filter(|line| !line.starts_with("warning  libvirt can't be asked")).count();
        assert!(status.success && lines == 3, "{name:?}: {status:?}");

        let other = Vm::numbered("other", 11);
        host.starts(&other);
        let refused = host.stands().into_iter().filter(|[_, state, _]| state == "refused").count();
        assert!(refused > 0, "{name:?}");
        host.stops(&other);
        host.stops(&vm);
        assert_eq!(host.left(), "", "{name:?}");
        host.shell("rm /var/log/libvirt/qemu-hook.log");
    }
}

#[test]
fn a_name_that_is_too_long_for_a_file_is_one_like_others() {
    let host = Machine::declaring("[[forward]]\ndomain = \"*\"\nport = 8080\n");
    for length in [252, 255, 1000] {
        let vm = Vm::new(&"n".repeat(length));
        host.starts(&vm);
        assert!(host.shell("nft list table inet virt-hooks").contains("tcp . 8080"), "{length}: {}", host.log());
        host.stops(&vm);
        assert_eq!(host.left(), "", "{length}: {}", host.log());
    }
}

#[test]
fn a_line_of_the_log_is_one_whatever_the_name_of_whoever_has_the_port() {
    let host = Machine::declaring("[network]\nonFailure = \"abort\"\n[[forward]]\ndomain = \"*\"\nport = 8080\n");
    host.starts(&Vm::new("two\nlines \u{9b}31m"));
    let reply = host.calls_hook(&Vm::numbered("other", 11), "start");
    assert!(!reply.success);
    assert_eq!(reply.stderr.lines().count(), 1, "{reply:?}");
    assert!(!reply.stderr.contains('\u{9b}'), "{reply:?}");
    assert!(reply.stderr.contains("two"), "{reply:?}");
}
