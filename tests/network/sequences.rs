//! Whatever happens in whatever order, also to the hook itself: after an apply the host is as declared for the VMs that run.

use std::collections::BTreeSet;
use std::fmt::Write;

use virt_hooks::network::firewall::table::{self, Element};

use crate::machine::Machine;
use crate::vm::Vm;

/// How many sequences each host goes through, and how many steps each of them has.
const SEQUENCES: usize = 8;
const STEPS: usize = 12;

/// One declaration, and what it comes to on the host.
struct Item {
    vm: usize,
    toml: &'static str,
    elements: &'static [&'static str],
    /// Its destination.
    route: Option<&'static str>,
    /// The addresses that the host answers for.
    proxies: &'static [&'static str],
}

const fn forward(vm: usize, toml: &'static str, elements: &'static [&'static str]) -> Item {
    Item { vm, toml, elements, route: None, proxies: &[] }
}

const ITEMS: [Item; 13] = [
    forward(0, "port = 8080\nto = \"192.168.122.10\"", &["any4 { tcp . 8080 : 192.168.122.10 . 8080 }"]),
    forward(0, "port = 8080\ntoPort = 80\nto = \"192.168.122.10\"", &["any4 { tcp . 8080 : 192.168.122.10 . 80 }"]),
    forward(1, "port = 8080\nto = \"192.168.122.11\"", &["any4 { tcp . 8080 : 192.168.122.11 . 8080 }"]),
    forward(
        1,
        "port = \"8090-8091\"\nlisten = \"198.51.100.1\"\nto = \"192.168.122.11\"",
        &[
            "listen4 { tcp . 198.51.100.1 . 8090 : 192.168.122.11 . 8090 }",
            "listen4 { tcp . 198.51.100.1 . 8091 : 192.168.122.11 . 8091 }",
        ],
    ),
    forward(
        2,
        "protocol = \"udp\"\nport = 53\nfrom = \"192.0.2.0/24\"\nto = \"192.168.122.12\"",
        &["from4 { udp . 0.0.0.0/0 . 53 . 192.0.2.0/24 : 192.168.122.12 . 53 }"],
    ),
    forward(
        2,
        "protocol = \"udp\"\nport = 53\nfrom = \"192.0.2.0/25\"\nto = \"192.168.122.12\"",
        &["from4 { udp . 0.0.0.0/0 . 53 . 192.0.2.0/25 : 192.168.122.12 . 53 }"],
    ),
    forward(
        0,
        "protocol = \"udp\"\nport = 53\nfrom = [\"192.0.2.128/25\", \"10.0.0.1\"]\nto = \"192.168.122.10\"",
        &[
            "from4 { udp . 0.0.0.0/0 . 53 . 10.0.0.1 : 192.168.122.10 . 53 }",
            "from4 { udp . 0.0.0.0/0 . 53 . 192.0.2.128/25 : 192.168.122.10 . 53 }",
        ],
    ),
    Item {
        vm: 1,
        toml: "to = \"203.0.113.0/30\"\nproxy = \"eth0\"",
        elements: &["routed4 { 203.0.113.0/30 }"],
        route: Some("203.0.113.0/30"),
        proxies: &["203.0.113.0", "203.0.113.1", "203.0.113.2", "203.0.113.3"],
    },
    Item {
        vm: 2,
        toml: "to = \"203.0.113.2/32\"",
        elements: &["routed4 { 203.0.113.2 }"],
        route: Some("203.0.113.2"),
        proxies: &[],
    },
    Item {
        vm: 0,
        toml: "to = \"2001:db8:51::a/128\"\nproxy = \"eth0\"",
        elements: &["routed6 { 2001:db8:51::a }"],
        route: Some("2001:db8:51::a"),
        proxies: &["2001:db8:51::a"],
    },
    Item {
        vm: 2,
        toml: "to = \"2001:db8:51::c/128\"\nproxy = \"eth0\"",
        elements: &["routed6 { 2001:db8:51::c }"],
        route: Some("2001:db8:51::c"),
        proxies: &["2001:db8:51::c"],
    },
    forward(
        2,
        "port = 8080\nfrom = \"10.0.0.0/8\"\nto = \"192.168.122.12\"",
        &["from4 { tcp . 0.0.0.0/0 . 8080 . 10.0.0.0/8 : 192.168.122.12 . 8080 }"],
    ),
    forward(
        0,
        "port = 9000\ntoPort = 90",
        &["any4 { tcp . 9000 : 192.168.122.10 . 90 }", "any6 { tcp . 9000 : fd00:122::10 . 90 }"],
    ),
];

/// Which of them want the same.
const CONFLICTS: [(usize, usize); 7] = [(0, 2), (1, 2), (0, 11), (1, 11), (2, 11), (4, 6), (7, 8)];

/// What the file declares, one time or another.
const DECLARED: [&[usize]; 6] =
    [&[0, 2, 4, 7, 9], &[1, 3, 5, 6, 8, 10, 12], &[2, 11, 7, 10], &[0, 9, 10, 5, 12], &[1, 2, 4, 6, 7, 8], &[]];

/// Stands in for nft and ip, and ends whoever calls them at the n-th call: before the program has done anything, when it is
/// done, or while it has not begun yet.
const ASSASSIN: &str = r#"
    program=/run/real/${0##*/}
    # A shell between the two is not whom it is about.
    [ "$(cat /proc/$PPID/comm)" != sh ] && left=$(cat /run/crash/left 2> /dev/null) || exec "$program" "$@"
    if [ "$left" -gt 1 ]; then
        echo $((left - 1)) > /run/crash/left
        exec "$program" "$@"
    fi
    rm -f /run/crash/left
    case $(cat /run/crash/when) in
    before) kill -9 $PPID ;;
    after) "$program" "$@"; kill -9 $PPID ;;
    late) kill -9 $PPID; sleep 0.1; "$program" "$@" ;;
    esac
"#;

/// A host, what runs on it, and what has happened.
struct Story {
    host: Machine,
    vms: [Vm; 3],
    runs: [bool; 3],
    declared: usize,
    random: u64,
    history: String,
}

impl Story {
    fn new(seed: u64) -> Self {
        let host = Machine::declaring("");
        host.replaces("virsh", "cat /run/vms");
        host.shell("mkdir /run/crash");
        for program in ["nft", "ip"] {
            host.replaces(program, ASSASSIN);
        }
        let vms = [10, 11, 12].map(|number| Vm::numbered(&format!("vm {number}"), number));
        let mut story =
            Self { host, vms, runs: [false; 3], declared: 5, random: seed, history: format!("seed {seed}\n") };
        story.tell_libvirt();
        story
    }

    /// A number below this one (Numerical Recipes' generator).
    fn below(&mut self, bound: usize) -> usize {
        self.random = self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.random >> 33).unwrap() % bound
    }

    fn note(&mut self, what: &str) {
        // Writing to a String can't fail.
        _ = writeln!(self.history, "{what}");
    }

    fn tell_libvirt(&mut self) {
        let running = self.vms.iter().zip(self.runs).filter(|(_, runs)| *runs);
        let uuids: String = running.map(|(vm, _)| vm.uuid() + "\n").collect();
        self.host.write("/run/vms", uuids, 0o644);
    }

    /// Has whoever calls a program next be killed, perhaps.
    fn plot(&mut self) {
        if self.below(2) == 0 {
            return;
        }
        let (left, when) = (self.below(7) + 1, ["before", "after", "late"][self.below(3)]);
        self.note(&format!("  to be killed at call {left}, {when}"));
        self.host.write("/run/crash/when", when, 0o644);
        self.host.write("/run/crash/left", left.to_string(), 0o644);
    }

    /// Calls the hook. False where it was killed.
    fn event(&mut self, vm: usize, operation: &str) -> bool {
        let reply = self.host.calls_hook(&self.vms[vm], operation);
        self.note(&format!("  {operation}{}", if reply.success { "" } else { " (killed)" }));
        reply.success
    }

    fn step(&mut self) {
        let vm = self.below(3);
        match self.below(12) {
            0..=2 if !self.runs[vm] => {
                self.note(&format!("start {vm}"));
                self.plot();
                let begins = self.event(vm, "prepare") && self.event(vm, "start");
                // libvirt ends a VM whose hook has failed, and a hook that had its own way is as good.
                self.runs[vm] = begins && (self.event(vm, "started") || self.below(2) == 0);
                if !self.runs[vm] {
                    self.event(vm, "stopped");
                    self.event(vm, "release");
                }
            }
            0..=2 => {
                self.note(&format!("stop {vm}"));
                self.plot();
                self.event(vm, "stopped");
                self.event(vm, "release");
                self.runs[vm] = false;
            }
            3 if self.runs[vm] => {
                self.note(&format!("{vm} ends, and nobody tells the hook"));
                self.runs[vm] = false;
            }
            4 if self.runs[vm] => {
                self.note(&format!("reconnect {vm}"));
                self.plot();
                self.event(vm, "reconnect");
            }
            5 => {
                self.note("flush");
                self.host.shell("nft flush ruleset");
            }
            6 => {
                let meddling = [
                    "nft delete table inet virt-hooks",
                    "nft flush map inet virt-hooks any4",
                    "nft flush chain inet virt-hooks prerouting",
                    "nft add element inet virt-hooks any4 '{ tcp . 8080 : 192.0.2.1 . 1 }'",
                    "nft add element inet virt-hooks from4 '{ udp . 0.0.0.0/0 . 53 . 0.0.0.0/0 : 192.0.2.1 . 1 }'",
                    "nft add element inet virt-hooks routed4 '{ 203.0.113.0/24 }'",
                    "ip route flush proto 118",
                    "ip -6 route flush proto 118",
                    "ip neigh del proxy 203.0.113.1 dev eth0",
                ];
                let meddling = meddling[self.below(meddling.len())];
                self.note(meddling);
                // Where it is not there, it can't be spoilt.
                self.host.run("bash", ["-c", meddling]);
            }
            7..=9 => {
                self.declared = self.below(DECLARED.len());
                self.note(&format!("declare {}", self.declared));
                let table = |item: &Item| {
                    let kind = if item.route.is_some() { "route" } else { "forward" };
                    format!("[[{kind}]]\ndomain = \"{}\"\n{}\n", self.vms[item.vm].name, item.toml)
                };
                let text: String = DECLARED[self.declared].iter().map(|item| table(&ITEMS[*item])).collect();
                self.host.declares(&text);
            }
            _ => {
                self.note("apply");
                self.plot();
                self.host.virt_hooks("network apply");
            }
        }
        self.host.run("rm", ["-f", "/run/crash/left"]);
        self.tell_libvirt();
    }

    /// Fails unless the host is as declared.
    fn verify(&self, told: &str) {
        let lines =
            |command: &str| -> BTreeSet<String> { self.host.shell(command).lines().map(str::to_owned).collect() };
        let listed = self.host.shell("nft list tables | grep -q virt-hooks && nft list table inet virt-hooks || true");
        let listing = table::read(&listed);
        let elements: BTreeSet<String> = listing.elements.iter().map(Element::shown).collect();
        let routes = lines("{ ip -4 route show proto 118; ip -6 route show proto 118; } | cut -d' ' -f1,2,3");
        let proxies = lines("ip neigh show proxy | cut -d' ' -f1,2,3,4");
        let answers = self.host.shell("cat /proc/sys/net/ipv6/conf/eth0/proxy_ndp");
        let tale = format!(
            "{}\nruns {:?}\n{listed}\n{routes:?}\n{proxies:?}\nproxy_ndp {answers}{told}\n{}",
            self.history,
            self.runs,
            self.host.log()
        );
        assert!(listing.foreign.is_empty(), "{tale}");

        let wanted = DECLARED[self.declared].iter().copied().filter(|item| self.runs[ITEMS[*item].vm]);
        let (there, refused): (Vec<usize>, Vec<usize>) = wanted.partition(|item| {
            let item = &ITEMS[*item];
            item.elements.iter().all(|element| elements.contains(*element))
        });
        let mut expected = [BTreeSet::new(), BTreeSet::new(), BTreeSet::new()];
        for item in there.iter().map(|item| &ITEMS[*item]) {
            let [elements, routes, proxies] = &mut expected;
            elements.extend(item.elements.iter().map(|element| (*element).to_owned()));
            match item.route {
                Some(_) => _ = elements.insert("links { \"virbr0\" }".to_owned()),
                None => elements.extend(item.elements.iter().map(|element| {
                    let (address, _port) = element.split_once(" : ").unwrap().1.split_once(" . ").unwrap();
                    let room = if address.contains(':') { "within6" } else { "within4" };
                    format!("{room} {{ \"virbr0\" . {address} }}")
                })),
            }
            routes.extend(item.route.iter().map(|to| format!("{to} dev virbr0")));
            proxies.extend(item.proxies.iter().map(|address| format!("{address} dev eth0 proxy")));
        }
        assert_eq!([elements, routes, proxies], expected, "{tale}");
        let conflict = |one: usize, other: usize| CONFLICTS.contains(&(one.min(other), one.max(other)));
        for item in refused {
            assert!(there.iter().any(|other| conflict(item, *other)), "{item} is not there\n{tale}");
        }
        for item in &there {
            assert!(!there.iter().any(|other| conflict(*item, *other)), "{item} is there\n{tale}");
        }
        let ndp_proxy = there.iter().any(|item| matches!(item, 9 | 10));
        assert_eq!(answers.trim(), if ndp_proxy { "1" } else { "0" }, "{tale}");
        if there.is_empty() {
            assert_eq!(self.host.left(), "", "{tale}");
        }
    }

    /// One sequence, and what it has to end in.
    fn sequence(&mut self) {
        for _ in 0..STEPS {
            self.step();
        }
        self.note("the last apply");
        let first = self.host.virt_hooks("network apply");
        self.verify(&format!("{first:?}"));
        let second = self.host.virt_hooks("network apply");
        let refusals = second.stdout.contains("refused");
        assert_eq!(second.success, !refusals, "{}\n{second:?}", self.history);
        assert!(second.stdout.contains("Nothing "), "{}\n{first:?}\n{second:?}", self.history);
        self.verify(&format!("{second:?}"));
        let reply = self.host.virt_hooks("network status");
        assert_eq!(reply.success, !refusals, "{}\n{reply:?}", self.history);
    }

    /// All VMs end, and nothing is left.
    fn end(&mut self) {
        for vm in 0..3 {
            if self.runs[vm] {
                self.note(&format!("stop {vm}"));
                self.event(vm, "stopped");
                self.event(vm, "release");
            }
        }
        self.runs = [false; 3];
        self.tell_libvirt();
        self.verify("");
        assert_eq!(self.host.left(), "", "{}", self.history);
    }
}

#[test]
fn any_sequence_of_events_edits_crashes_and_meddling_ends_as_declared() {
    std::thread::scope(|scope| {
        for seed in [1, 2] {
            scope.spawn(move || {
                let mut story = Story::new(seed);
                for _ in 0..SEQUENCES {
                    story.sequence();
                    // What is told is of this sequence.
                    story.history =
                        format!("seed {}, running {:?}, declared {}\n", story.random, story.runs, story.declared);
                    story.host.run("truncate", ["-s", "0", crate::vm::LOG]);
                }
                story.end();
            });
        }
    });
}
