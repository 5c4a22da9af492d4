//! A start that is refused because the settings ask for it, and none that is refused without.

use crate::machine::Machine;
use crate::vm::{DECLARATIONS, Vm};

/// Faults in what is declared for `web-1`, or in what it needs: declarations, what is done to the host, and a word of the
/// reason.
const FAULTS: [(&str, &str, &str); 4] = [
    ("[[forward]]\ndomain = \"web-1\"\nport = 8080\n", "echo > /run/libvirt/network/default.xml", "default"),
    ("[[forward]]\ndomain = \"web-1\"\nport = 70000\n", "true", "a declaration for it can't be taken"),
    ("[[forward]]\ndomain = \"web-*\"\nport = 8080\nto = \"192.168.122.10\"\n", "true", "the VM web-0 has"),
    ("[[route]]\ndomain = \"web-1\"\nto = \"0.0.0.0/0\"\n", "true", "can't be taken"),
];

/// One that is nobody's in particular.
const NOBODYS: (&str, &str, &str) = ("[[forward]]\ndomain = \"web-1\"\nport = 8080\n", "chmod 666 DECLARATIONS", "");

/// A host on which `web-0` runs, with one of the faults for `web-1`.
fn host(rules: &str, (declarations, done, _): (&str, &str, &str)) -> Machine {
    let host = Machine::declaring(declarations);
    host.starts(&Vm::numbered("web-0", 11));
    host.declares(&format!("{declarations}{rules}"));
    host.shell(&done.replace("DECLARATIONS", DECLARATIONS));
    host
}

#[test]
fn start_is_refused_with_one_line_where_the_settings_ask_for_it() {
    for fault in FAULTS {
        let host = host("", fault);
        let abort = "[network]\nonFailure = \"abort\"\n";
        host.write("/etc/libvirt/hooks/virt-hooks-network.d/abort.toml", abort, 0o644);
        let vm = Vm::new("web-1");
        host.takes_through(&vm, &["prepare"]);
        let left = host.left();
        let reply = host.calls_hook(&vm, "start");
        assert!(!reply.success, "{fault:?}: {reply:?}\n{}", host.log());
        assert_eq!(reply.stdout, "", "{fault:?}");
        assert_eq!(reply.stderr.lines().count(), 1, "{fault:?}: {reply:?}");
        assert!(reply.stderr.starts_with("virt-hooks: networking refused start: "), "{reply:?}");
        assert!(reply.stderr.contains(fault.2), "{fault:?}: {reply:?}");
        assert_eq!(host.left(), left, "{fault:?}");
        // It counts only where nothing runs yet.
        host.takes_through(&vm, &["started", "reconnect", "stopped", "release"]);
    }
}

#[test]
fn start_is_not_refused_where_nothing_asks_for_it() {
    for fault in FAULTS.into_iter().chain([NOBODYS]) {
        let host = host("[network]\nonFailure = \"continue\"\n", fault);
        let vm = Vm::new("web-1");
        for operation in ["prepare", "start", "started", "reconnect", "stopped", "release"] {
            let reply = host.calls_hook(&vm, operation);
            assert!(reply.success && reply.stdout.is_empty(), "{fault:?} {operation}: {reply:?}");
        }
        assert!(host.log().contains("ERROR"), "{fault:?}: {}", host.log());
        host.stops(&Vm::numbered("web-0", 11));
        assert_eq!(host.left(), "", "{fault:?}");
    }
}

#[test]
fn an_xml_that_is_none_is_a_reason_as_well() {
    let host = Machine::declaring("[network]\nonFailure = \"abort\"\n[[forward]]\ndomain = \"web-1\"\nport = 8080\n");
    for xml in ["", "no XML", "<domain><devices>", "\u{0}\u{1}"] {
        let reply = host.calls_hook_with(&Vm::new("web-1"), "start", xml);
        assert!(!reply.success, "{xml:?}: {reply:?}");
        assert_eq!(reply.stderr.lines().count(), 1, "{xml:?}: {reply:?}");
        // Of others nothing is declared.
        assert!(host.calls_hook_with(&Vm::new("db-1"), "start", xml).success);
    }
}

#[test]
fn a_vm_for_which_all_can_be_had_starts() {
    let host = Machine::declaring("[network]\nonFailure = \"abort\"\n[[forward]]\ndomain = \"web-1\"\nport = 8080\n");
    host.starts(&Vm::new("web-1"));
    assert!(host.virt_hooks("network status").success);
    host.stops(&Vm::new("web-1"));
    assert_eq!(host.left(), "");
}
