//! A rehearsal tells what a real event would do, and does nothing of it.

use crate::machine::Machine;
use crate::vm::Vm;

#[test]
fn a_rehearsal_tells_what_would_be_given_and_taken_and_changes_nothing() {
    let host = Machine::declaring(
        "[[forward]]\ndomain = \"web-1\"\nport = 8080\ntoPort = 80\n\
         [[route]]\ndomain = \"web-1\"\nto = \"2001:db8:51::9/128\"\nproxy = \"eth0\"\n\
         [[forward]]\ndomain = \"web-1\"\nprotocol = \"udp\"\nport = 53\nto = \"192.168.122.10\"\n\
         [[forward]]\ndomain = \"db-1\"\nprotocol = \"udp\"\nport = 53\nto = \"192.168.122.11\"\n",
    );
    let vm = Vm::new("web-1");
    let other = Vm::numbered("db-1", 11);
    host.starts(&other);
    host.write("/run/live.xml", vm.xml(true), 0o644);
    let everything = || {
        host.left()
            + &host.shell("cat /run/virt-hooks/network/ledger /proc/sys/net/ipv6/conf/eth0/proxy_ndp; ip -6 route")
    };
    let before = everything();
    let rehearses = |operation: &str| host.virt_hooks(&format!("run {operation} web-1 --xml /run/live.xml"));
    for operation in ["start", "started", "reconnect"] {
        let reply = rehearses(operation);
        assert!(reply.success, "{reply:?}");
        assert!(reply.stderr.contains("the VM db-1 has udp port 53"), "{operation}: {reply:?}");
        assert_eq!(everything(), before, "{operation}");
    }
    let reply = rehearses("started");
    for expected in [
        "would add the forward tcp port 8080 to 192.168.122.10:80",
        "would add the forward tcp port 8080 to [fd00:122::10]:80",
        "would add the route 2001:db8:51::9/128 to virbr0, answered for on eth0",
    ] {
        assert!(reply.stderr.contains(expected), "{expected}: {reply:?}");
    }
    host.starts(&vm);
    let before = everything();
    for operation in ["stopped", "release", "prepare"] {
        let reply = rehearses(operation);
        assert!(reply.success, "{reply:?}");
        assert!(reply.stderr.contains("would delete the forward tcp port 8080 to 192.168.122.10:80"), "{reply:?}");
        assert!(reply.stderr.contains("would delete the route 2001:db8:51::9/128"), "{operation}: {reply:?}");
        assert_eq!(everything(), before, "{operation}");
    }
}

#[test]
fn a_rehearsed_start_is_refused_as_the_real_one_would_be() {
    let host = Machine::declaring(
        "[network]\nonFailure = \"abort\"\n[[forward]]\ndomain = \"web-1\"\nport = 8080\nlisten = \"::1\"\n",
    );
    let vm = Vm::new("web-1");
    host.write("/run/live.xml", vm.xml(true), 0o644);
    let reply = host.virt_hooks("run start web-1 --xml /run/live.xml");
    assert!(!reply.success && reply.stderr.contains("networking refused start"), "{reply:?}");
    assert!(!host.calls_hook(&vm, "start").success);
    assert_eq!(host.left(), "");
}
