//! Whatever is broken on the host: no VM is kept from starting or ending, no event waits without a bound, and what could
//! not be done is mended once it can.

use std::time::{Duration, Instant};

use virt_hooks::kernel::address::Protocol::Tcp;

use crate::machine::Machine;
use crate::traffic::{Answer, by};
use crate::vm::{LOG, Vm};
use crate::world::World;

const FORWARD: &str = "[[forward]]\ndomain = \"web-1\"\nport = 8080\ntoPort = 80\n";
const ROUTE: &str = "[[route]]\ndomain = \"web-1\"\nto = \"198.51.100.64/32\"\nproxy = \"eth0\"\n";

/// The longest that an event's networking may take, and the start of the hook on a busy machine.
const BOUND: Duration = Duration::from_millis(30_000 + 200);

/// Takes a VM through a step, which has to end in time and well, and returns what was logged of it.
#[track_caller]
fn step(host: &Machine, vm: &Vm, operation: &str) -> String {
    let before = host.log().len();
    let begun = Instant::now();
    let reply = host.calls_hook(vm, operation);
    assert!(begun.elapsed() < BOUND, "{operation}: {:?}", begun.elapsed());
    assert!(reply.success && reply.stdout.is_empty(), "{operation}: {reply:?}\n{}", host.log());
    host.log().split_off(before)
}

#[test]
fn a_program_that_is_missing_or_fails_costs_only_what_it_would_have_done() {
    for (program, script) in [
        ("nft", None),
        ("nft", Some("echo \"no luck today\" >&2; exit 1")),
        ("nft", Some("exit 3")),
        ("nft", Some("kill -9 $$")),
        ("ip", None),
        ("ip", Some("echo \"no luck today\" >&2; exit 1")),
        ("ip", Some("echo '{'")),
    ] {
        let host = Machine::declaring(&format!("{FORWARD}{ROUTE}"));
        let vm = Vm::new("web-1");
        host.takes_through(&vm, &["prepare", "start"]);
        match script {
            Some(script) => host.replaces(program, script),
            None => host.loses(program),
        }
        let log = step(&host, &vm, "started");
        assert!(log.contains("ERROR") && log.contains(program), "{program} {script:?}: {log}");
        let is_sure = script.is_none_or(|script| script.contains("echo"));
        assert_eq!(log.contains("so nothing was"), is_sure, "{program} {script:?}: {log}");
        for command in ["network apply", "network status"] {
            let reply = host.virt_hooks(command);
            assert!(!reply.success, "{program} {script:?} {command}: {reply:?}");
        }
        host.regains(program);
        assert!(!host.virt_hooks("network status").success, "{program} {script:?}");
        let applied = host.virt_hooks("network apply");
        assert!(applied.success, "{program} {script:?}: {applied:?}\n{}", host.log());
        assert!(host.virt_hooks("network status").success, "{program} {script:?}");

        // The same at the end of the VM.
        match script {
            Some(script) => host.replaces(program, script),
            None => host.loses(program),
        }
        for operation in ["stopped", "release"] {
            step(&host, &vm, operation);
        }
        host.regains(program);
        assert_ne!(host.left(), "", "{program} {script:?}");
        step(&host, &vm, "prepare");
        let left = host.left();
        assert_eq!(left, "", "{program} {script:?}: {left}\n{}", host.log());
    }
}

#[test]
fn a_program_that_babbles_is_believed_as_far_as_it_can_be_read() {
    for program in ["nft", "ip"] {
        for code in [0, 1] {
            let host = Machine::declaring(&format!("{FORWARD}{ROUTE}"));
            let vm = Vm::new("web-1");
            let babble = "head -c 100000 /dev/urandom";
            host.replaces(program, &format!("{babble}; {babble} >&2; exit {code}"));
            for operation in ["prepare", "start", "started", "reconnect", "stopped", "release"] {
                step(&host, &vm, operation);
            }
            host.virt_hooks("network status");
            host.virt_hooks("network apply");
            host.regains(program);
            assert!(host.virt_hooks("network apply").success);
            assert_eq!(host.left(), "", "{program} {code}");
        }
    }
}

#[test]
fn a_vm_without_routes_needs_no_ip() {
    let world = World::declaring(FORWARD);
    let _service = world.guest.serves(Tcp, "192.168.122.10:80");
    let vm = Vm::new("web-1");
    world.host.loses("ip");
    world.host.starts(&vm);
    assert_eq!(world.client.asks(Tcp, "198.51.100.1:8080"), by("guest"), "{}", world.host.log());
    world.host.replaces("nft", "exit 1");
    world.host.takes_through(&vm, &["stopped"]);
    world.host.regains("nft");
    world.host.takes_through(&vm, &["release"]);
    assert_eq!(world.client.asks(Tcp, "198.51.100.1:8080"), Answer::Refused);
    world.host.regains("ip");
    assert_eq!(world.host.left(), "");
}

#[test]
fn a_program_that_hangs_is_ended() {
    let host = Machine::declaring(&format!("{FORWARD}{ROUTE}"));
    let vm = Vm::new("web-1");
    host.takes_through(&vm, &["prepare", "start"]);
    // It does what it is told, and does not end.
    host.replaces("nft", "trap '' TERM; /run/real/nft \"$@\"; while true; do sleep 1; done");
    let log = step(&host, &vm, "started");
    assert!(log.contains("nft timed out after 10 s, so that it is not known what has been changed"), "{log}");
    host.regains("nft");
    step(&host, &vm, "stopped");
    assert_eq!(host.left(), "", "{}", host.log());
    step(&host, &vm, "release");
}

#[test]
fn what_a_killed_hook_has_begun_is_waited_for() {
    let host = Machine::declaring(&format!("{FORWARD}{ROUTE}"));
    let vm = Vm::new("web-1");
    for program in ["ip", "nft"] {
        host.takes_through(&vm, &["prepare", "start"]);
        // Only where it changes something.
        host.replaces(
            program,
            &format!("case \"$*\" in *-f*|*-batch*) kill -9 $PPID; sleep 1.5 ;; esac; /run/real/{program} \"$@\""),
        );
        assert!(!host.calls_hook(&vm, "started").success, "{}", host.log());
        host.regains(program);
        host.stops(&vm);
        host.shell("sleep 2");
        assert_eq!(host.left(), "", "{program}: {}", host.log());
    }
}

#[test]
fn everything_that_hangs_together_is_ended_within_the_bound() {
    let host = Machine::declaring(&format!("{FORWARD}{ROUTE}"));
    let vm = Vm::new("web-1");
    host.takes_through(&vm, &["prepare", "start"]);
    for program in ["nft", "ip"] {
        host.replaces(program, "trap '' TERM; while true; do sleep 1; done");
    }
    step(&host, &vm, "started");
    for program in ["nft", "ip"] {
        host.regains(program);
    }
    assert!(host.virt_hooks("network apply").success);
    assert!(host.virt_hooks("network status").success);
}

#[test]
fn a_lock_that_somebody_holds_is_waited_for_and_not_for_ever() {
    let world = World::declaring(FORWARD);
    let _service = world.guest.serves(Tcp, "192.168.122.10:80");
    let host = &world.host;
    let vm = Vm::new("web-1");
    host.starts(&Vm::new("another"));
    host.starts(&vm);
    host.stops(&vm);
    hold_lock(host, 2);
    step(host, &vm, "started");
    assert_eq!(world.client.asks(Tcp, "198.51.100.1:8080"), by("guest"), "{}", host.log());
    hold_lock(host, 25);
    let log = step(host, &vm, "stopped");
    assert!(log.contains("ERROR") && log.contains("virt-hooks network apply"), "{log}");
    assert_eq!(world.client.asks(Tcp, "198.51.100.1:8080"), by("guest"), "{log}");
    // By then it is free again.
    step(host, &vm, "release");
    assert_eq!(world.client.asks(Tcp, "198.51.100.1:8080"), Answer::Refused, "{}", host.log());
    assert_eq!(host.left(), "");
}

/// Has a program hold the ledger's lock for so long.
fn hold_lock(host: &Machine, seconds: u32) {
    host.shell(&format!(
        "flock /run/virt-hooks/network/lock sleep {seconds} > /dev/null 2>&1 < /dev/null &
         for attempt in {{1..100}}; do flock -n /run/virt-hooks/network/lock true || break; sleep 0.02; done"
    ));
}

#[test]
fn a_lock_that_is_held_and_tools_that_hang_take_no_longer_together() {
    let host = Machine::declaring(&format!("{FORWARD}{ROUTE}"));
    let vm = Vm::new("web-1");
    host.starts(&Vm::new("another"));
    host.takes_through(&vm, &["prepare", "start"]);
    for table in ["filter", "mangle", "security"] {
        host.shell(&format!("iptables-legacy -t {table} -A FORWARD -j ACCEPT"));
    }
    for program in ["nft", "ip", "iptables-nft", "iptables-legacy"] {
        host.replaces(program, "trap '' TERM; while true; do sleep 1; done");
    }
    hold_lock(&host, 15);
    step(&host, &vm, "started");
    for program in ["nft", "ip", "iptables-nft", "iptables-legacy"] {
        host.regains(program);
    }
    assert!(host.virt_hooks("network apply").success);
    assert!(host.virt_hooks("network status").success);
}

#[test]
fn a_release_takes_no_longer_though_it_removes_twice() {
    let host = Machine::declaring(FORWARD);
    let vm = Vm::new("web-1");
    host.starts(&vm);
    host.takes_through(&vm, &["stopped"]);
    host.takes_through(&vm, &["prepare", "start", "started"]);
    host.replaces("nft", "trap '' TERM; while true; do sleep 1; done");
    hold_lock(&host, 25);
    step(&host, &vm, "release");
    host.regains("nft");
    assert!(host.virt_hooks("network apply").success);
    assert_eq!(host.left(), "");
}

#[test]
fn a_state_folder_that_can_t_be_written_costs_the_forwards_and_nothing_else() {
    for broken in [
        "mount -t tmpfs -o ro,mode=0700 none /run/virt-hooks",
        "rm -rf /run/virt-hooks && echo > /run/virt-hooks",
        "chown 1234 /run/virt-hooks",
        "rm -rf /run/virt-hooks/network && echo > /run/virt-hooks/network",
        "rm -f /run/virt-hooks/network/lock && mkdir /run/virt-hooks/network/lock",
        "rm -f /run/virt-hooks/network/lock && mkfifo /run/virt-hooks/network/lock",
        "rm -rf /run/virt-hooks/qemu/given && echo > /run/virt-hooks/qemu/given",
        "mkdir -p /run/virt-hooks/network/ledger",
    ] {
        let host = Machine::declaring(FORWARD);
        let vm = Vm::new("web-1");
        host.takes_through(&Vm::new("web-1"), &["prepare", "start", "started", "stopped", "release"]);
        assert_eq!(host.left(), "");
        host.shell(broken);
        for operation in ["prepare", "start"] {
            step(&host, &vm, operation);
        }
        let log = step(&host, &vm, "started");
        assert!(log.contains("ERROR") && log.contains("/run/virt-hooks"), "{broken}: {log}");
        assert_eq!(host.shell("nft list tables"), "", "nothing is given that nobody would take away: {broken}");
        for operation in ["reconnect", "stopped", "release"] {
            step(&host, &vm, operation);
        }
    }
}

#[test]
fn a_ledger_of_garbage_is_told_of_and_what_nobody_knows_of_is_swept_by_apply() {
    for garbage in [
        "echo garbage",
        "head -c 100000 /dev/urandom",
        "printf 'vm qemu/web%%2d1 settled\\nforward tcp * 0 x 1\\n'",
        "true",
    ] {
        let world = World::declaring(&format!("{FORWARD}{ROUTE}"));
        let _service = world.guest.serves(Tcp, "192.168.122.10:80");
        let host = &world.host;
        let vm = Vm::new("web-1");
        host.starts(&vm);
        let spoil = || host.shell(&format!("{garbage} > /run/virt-hooks/network/ledger"));
        spoil();
        let applied = host.virt_hooks("network apply");
        assert!(applied.success, "{garbage}: {applied:?}");
        assert!(host.virt_hooks("network status").success, "{garbage}: {applied:?}");
        assert_eq!(world.client.asks(Tcp, "198.51.100.1:8080"), by("guest"), "{garbage}");
        spoil();
        let log = step(host, &vm, "stopped");
        assert!(log.contains("WARN") && log.contains("virt-hooks network apply"), "{garbage}: {log}");
        step(host, &vm, "release");
        let applied = host.virt_hooks("network apply");
        assert!(applied.success, "{garbage}: {applied:?}");
        assert_eq!(world.client.asks(Tcp, "198.51.100.1:8080"), Answer::Refused);
        assert_eq!(host.left(), "", "{garbage}");
    }
}

#[test]
fn an_xml_that_is_none_costs_what_is_declared_for_its_vm() {
    let host = Machine::declaring(FORWARD);
    let vm = Vm::new("web-1");
    for xml in ["", "no XML", "<domain><devices>", "<domain/>", "\u{0}\u{1}"] {
        for operation in ["prepare", "start", "started", "reconnect", "stopped", "release"] {
            let reply = host.calls_hook_with(&vm, operation, xml);
            assert!(reply.success && reply.stdout.is_empty(), "{xml:?} {operation}: {reply:?}");
        }
        assert!(host.log().contains("ERROR"), "{xml:?}");
        assert_eq!(host.left(), "", "{xml:?}");
        host.shell(&format!("rm {LOG}"));
    }
    // What was given before stays as long as it can't be seen what is to be given.
    host.starts(&vm);
    let before = host.left();
    assert!(host.calls_hook_with(&vm, "reconnect", "no XML").success);
    assert_eq!(host.left(), before);
}

#[test]
fn a_file_that_can_t_be_trusted_or_read_declares_nothing() {
    for broken in [
        "chmod 666 FILE",
        "chown 1234 FILE",
        "rm FILE && mkdir FILE",
        "rm FILE && mkfifo FILE",
        "rm FILE && ln -s FILE FILE",
        "rm FILE && ln -s /dev/zero FILE",
        "printf '\\xff\\xfe' > FILE",
        "chmod 777 /etc/libvirt/hooks",
    ] {
        let host = Machine::declaring(FORWARD);
        host.shell(&broken.replace("FILE", crate::vm::DECLARATIONS));
        let vm = Vm::new("web-1");
        for operation in ["prepare", "start", "started", "stopped", "release"] {
            step(&host, &vm, operation);
        }
        let log = host.log();
        assert!(log.contains("ERROR") && log.contains("virt-hooks-network.toml"), "{broken}: {log}");
        assert_eq!(host.left(), "", "{broken}");
    }
}
