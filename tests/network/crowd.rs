//! Many VMs at once, ends that nobody told of, and a libvirt that can't be asked.

use std::time::{Duration, Instant};

use crate::machine::Machine;
use crate::vm::Vm;

const LIST: &str = "cat /run/vms";

/// Has libvirt say that these run.
fn run(host: &Machine, vms: &[&Vm]) {
    let uuids: String = vms.iter().map(|vm| vm.uuid() + "\n").collect();
    host.write("/run/vms", uuids, 0o644);
}

#[test]
fn twenty_vms_that_start_and_stop_at_once_all_get_what_is_theirs() {
    let vms: Vec<Vm> = (0..20).map(|number| Vm::numbered(&format!("vm-{number}"), 100 + number)).collect();
    let declared = |number: usize| {
        format!(
            "[[forward]]\ndomain = \"vm-{number}\"\nport = {}\nto = \"192.168.122.{}\"\n\
             [[route]]\ndomain = \"vm-{number}\"\nto = \"192.0.2.{number}/32\"\nproxy = \"eth0\"\n",
            8000 + number,
            100 + number
        )
    };
    let host = Machine::declaring(&(0..20).map(declared).collect::<String>());
    let all_at_once = |operations: &'static [&'static str], vms: &[Vm]| {
        let begun = Instant::now();
        std::thread::scope(|scope| {
            for vm in vms {
                let host = &host;
                scope.spawn(move || host.takes_through(vm, operations));
            }
        });
        begun.elapsed()
    };
    let took = all_at_once(&["prepare", "start", "started"], &vms);
    assert!(took < Duration::from_secs(20), "{took:?}");
    assert!(!host.log().contains("ERROR"), "{}", host.log());
    let status = host.virt_hooks("network status --json");
    assert!(status.success, "{status:?}");
    assert_eq!(host.stands().iter().filter(|[_, state, _]| state == "applied").count(), 40);
    assert!(host.virt_hooks("network apply").stdout.contains("Nothing was changed"));
    // Half of them end while the others are found again.
    let (one, other) = vms.split_at(10);
    std::thread::scope(|scope| {
        scope.spawn(|| all_at_once(&["stopped", "release"], one));
        scope.spawn(|| all_at_once(&["reconnect"], other));
    });
    assert_eq!(host.stands().iter().filter(|[_, state, _]| state == "applied").count(), 20);
    all_at_once(&["stopped", "release"], other);
    assert!(!host.log().contains("ERROR"), "{}", host.log());
    assert_eq!(host.left(), "");
}

#[test]
fn what_is_left_of_a_life_whose_end_was_never_told_goes_before_the_next() {
    let host = Machine::declaring("[[forward]]\ndomain = \"web-1\"\nport = 8080\n");
    let vm = Vm::new("web-1");
    host.starts(&vm);
    assert_ne!(host.left(), "");
    host.takes_through(&vm, &["prepare"]);
    assert_eq!(host.left(), "");
    host.takes_through(&vm, &["start", "started"]);
    assert!(host.virt_hooks("network status").success);
    host.stops(&vm);
}

#[test]
fn a_restore_or_a_migration_that_libvirt_refuses_since_the_vm_runs_closes_nothing() {
    let host = Machine::declaring("[[forward]]\ndomain = \"web-1\"\nport = 8080\n");
    let vm = Vm::new("web-1");
    host.starts(&vm);
    let allocation = host.left();
    for refused in ["restore", "migrate"] {
        host.takes_through(&vm, &[refused]);
        assert_eq!(host.left(), allocation, "{refused}");
        assert!(host.virt_hooks("network apply").success && host.virt_hooks("network status").success, "{refused}");
    }
    host.stops(&vm);
    assert_eq!(host.left(), "");
}

#[test]
fn a_vm_that_ends_while_something_is_given_to_all_is_given_nothing_for_ever() {
    let host = Machine::declaring("");
    let vms: Vec<Vm> = (1..=9).map(|number| Vm::numbered(&format!("v{number}"), 10 + number)).collect();
    vms.iter().for_each(|vm| host.takes_through(vm, &["started"]));
    let declared: String = (1..=9)
        .map(|number| format!("[[forward]]\ndomain = \"v{number}\"\nport = 1000{number}\nto = \"192.168.122.10\"\n"))
        .collect();
    for pause in [0.0, 0.05, 0.1, 0.2, 0.3] {
        host.declares(&declared);
        std::thread::scope(|scope| {
            let applying = scope.spawn(|| host.virt_hooks("network apply"));
            host.shell(&format!("sleep {pause}"));
            host.stops(&vms[8]);
            applying.join().unwrap();
        });
        assert!(!host.left().contains("10009"), "{pause}: {}\n{}", host.left(), host.log());
        host.declares("");
        host.virt_hooks("network apply");
        host.takes_through(&vms[8], &["started"]);
    }
}

#[test]
fn apply_takes_away_what_a_vm_has_of_which_libvirt_says_that_it_does_not_run() {
    let host = Machine::declaring("[[forward]]\ndomain = [\"a\", \"b\"]\nport = 8080\nlisten = \"0.0.0.0\"\n");
    let (a, b) = (Vm::new("a"), Vm::numbered("b", 11));
    host.starts(&a);
    host.starts(&b);
    host.replaces("virsh", LIST);
    run(&host, &[&a, &b]);
    assert!(!host.virt_hooks("network apply").success, "both want the port");
    run(&host, &[&b]);
    let applied = host.virt_hooks("network apply");
    assert!(applied.success, "{applied:?}");
    let stands = host.stands();
    assert!(matches!(stands.as_slice(), [[vm, state, _]] if vm == "b" && state == "applied"), "{stands:?}");
    run(&host, &[]);
    assert!(host.virt_hooks("network apply").success);
    assert_eq!(host.left(), "");
}

#[test]
fn where_libvirt_can_t_be_asked_what_the_hook_has_seen_counts() {
    let host = Machine::declaring("[[forward]]\ndomain = \"web-1\"\nport = 8080\n");
    host.starts(&Vm::new("web-1"));
    for virsh in [Some("echo 'error: failed to connect' >&2; exit 1"), Some("kill -9 $$"), None] {
        match virsh {
            Some(script) => host.replaces("virsh", script),
            None => host.loses("virsh"),
        }
        host.shell("nft flush ruleset");
        let applied = host.virt_hooks("network apply");
        assert!(applied.success, "{applied:?}");
        assert!(applied.stdout.contains("libvirt can't be asked which VMs run"), "{applied:?}");
        assert!(host.virt_hooks("network status").success, "{virsh:?}");
        host.regains("virsh");
    }
}

#[test]
fn status_is_a_list_for_programs() {
    let host = Machine::declaring(
        "[[forward]]\ndomain = \"web-1\"\nport = 8080\n[[route]]\ndomain = \"web-1\"\nto = \"192.0.2.9/32\"\nproxy = \"eth0\"\n\
         [[forward]]\ndomain = \"later-*\"\nport = 22\n[[forward]]\ndomain = \"db-1\"\nport = \"8080-8081\"\nto = \"192.168.122.11\"\n",
    );
    host.starts(&Vm::new("web-1"));
    host.starts(&Vm::numbered("db-1", 11));
    host.shell("nft add element inet virt-hooks any4 '{ tcp . 9 : 192.0.2.1 . 9 }'; ip route del 192.0.2.9");
    let reply = host.virt_hooks("network status --json");
    assert!(!reply.success, "{reply:?}");
    let rows: serde_json::Value = serde_json::from_str(&reply.stdout).unwrap();
    let declared = "/etc/libvirt/hooks/virt-hooks-network.toml";
    let expected = serde_json::json!([
        {
            "domain": "db-1", "kind": "declaration", "state": "refused",
            "what": format!(
                "the forward tcp port 8080-8081 to 192.168.122.11:8080-8081 ({declared} line 11) is not added: the VM web-1 \
                 has tcp port 8080 to 192.168.122.10:8080 already; fix: give one of them another port"
            ),
            "source": format!("{declared} line 11"),
        },
        {
            "domain": "web-1", "kind": "forward", "state": "applied", "what": "tcp port 8080 to 192.168.122.10:8080",
            "connections": 0, "source": format!("{declared} line 1"),
        },
        {
            "domain": "web-1", "kind": "forward", "state": "applied", "what": "tcp port 8080 to [fd00:122::10]:8080",
            "connections": 0, "source": format!("{declared} line 1"),
        },
        {
            "domain": "web-1", "kind": "route", "state": "missing", "what": "192.0.2.9/32 to virbr0, answered for on eth0",
            "source": format!("{declared} line 4"),
        },
        {
            "domain": "later-*", "kind": "forward", "state": "waiting", "what": "tcp port 22",
            "source": format!("{declared} line 8"),
        },
        { "domain": null, "kind": "element", "state": "foreign", "what": "any4 { tcp . 9 : 192.0.2.1 . 9 }" },
    ]);
    assert_eq!(rows, expected, "{}", reply.stdout);
}
