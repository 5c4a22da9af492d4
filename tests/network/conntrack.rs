//! Open connections through forwards, cut and left, in the kernel's own table.

use std::net::UdpSocket;
use std::time::{Duration, Instant};

use virt_hooks::kernel::address::Protocol::{Tcp, Udp};
use virt_hooks::kernel::deadline::Deadline;
use virt_hooks::network::allocation::Forward;
use virt_hooks::network::reconcile::connections::cut;

use crate::by_hand::{forward, forwards};
use crate::world::World;

fn cut_now<'a>(forwards: impl IntoIterator<Item = &'a Forward>) -> std::io::Result<usize> {
    cut(forwards, Deadline::after(Duration::from_secs(2)))
}

#[test]
fn a_connection_through_a_forward_that_is_no_more_is_cut_and_no_other() {
    let world = World::new();
    for (protocol, guest, host) in [
        (Tcp, "192.168.122.10", "198.51.100.1"),
        (Udp, "192.168.122.10", "198.51.100.1"),
        (Tcp, "[fd00:122::10]", "[2001:db8:51::1]"),
        (Udp, "[fd00:122::10]", "[2001:db8:51::1]"),
    ] {
        let to = format!("{guest}:80");
        let _service = world.guest.serves(protocol, &to);
        let (one, other) = (forward(protocol, 8080, &to), forward(protocol, 8081, &to));
        forwards(&world.host, &[one.clone(), other.clone()]);
        let mut through_it = world.client.connects(protocol, &format!("{host}:8080"));
        let mut of_far = world.far.connects(protocol, &format!("{host}:8080"));
        let mut through_another = world.client.connects(protocol, &format!("{host}:8081"));
        let mut through_none = world.client.connects(protocol, &to);
        forwards(&world.host, &[other]);
        assert!(through_it.goes_on(), "the kernel translates it on");
        assert_eq!(world.host.within(|| cut_now([&one])).unwrap(), 2, "{protocol} {guest}");
        assert!(!through_it.goes_on());
        assert!(!of_far.goes_on());
        assert!(through_another.goes_on());
        assert!(through_none.goes_on());
        assert_eq!(world.host.within(|| cut_now([&one])).unwrap(), 0);
    }
}

#[test]
fn only_connections_that_the_forward_let_in_are_cut() {
    let world = World::new();
    let _service = world.guest.serves(Tcp, "192.168.122.10:80");
    let open = forward(Tcp, 8080, "192.168.122.10:80");
    forwards(&world.host, std::slice::from_ref(&open));
    let mut connection = world.client.connects(Tcp, "198.51.100.1:8080");
    let parsed = |text: &str| text.parse().unwrap();
    for other in [
        Forward { listen: Some("203.0.113.1".parse().unwrap()), ..open.clone() },
        Forward { from: vec![parsed("198.51.100.8/32"), parsed("203.0.113.0/24")], ..open.clone() },
        Forward { to: "192.168.122.11".parse().unwrap(), ..open.clone() },
        Forward { to_port: 81, ..open.clone() },
        Forward { protocol: Udp, ..open.clone() },
        forward(Tcp, 8081, "192.168.122.10:80"),
    ] {
        assert_eq!(world.host.within(|| cut_now([&other])).unwrap(), 0, "{other}");
    }
    assert!(connection.goes_on());
    let exact = Forward {
        listen: Some("198.51.100.1".parse().unwrap()),
        from: vec![parsed("203.0.113.0/24"), parsed("198.51.100.0/24")],
        ports: "8070-8090".parse().unwrap(),
        to_port: 70,
        ..open
    };
    assert_eq!(world.host.within(|| cut_now([&Forward { to_port: 71, ..exact.clone() }])).unwrap(), 0);
    assert_eq!(world.host.within(|| cut_now([&exact])).unwrap(), 1);
}

#[test]
fn what_somebody_else_forwards_is_left() {
    let world = World::new();
    let _service = world.guest.serves(Tcp, "192.168.122.10:80");
    world.host.nft(
        "table ip theirs { chain c { type nat hook prerouting priority -100\n \
         tcp dport 8080 dnat to 192.168.122.10:80\n }\n }",
    );
    let mut connection = world.client.connects(Tcp, "198.51.100.1:8080");
    assert_eq!(world.host.within(|| cut_now([&forward(Tcp, 8080, "192.168.122.10:80")])).unwrap(), 0);
    assert!(connection.goes_on());
}

#[test]
fn a_connection_in_a_zone_of_its_own_is_cut() {
    let world = World::new();
    let _service = world.guest.serves(Tcp, "192.168.122.10:80");
    let one = forward(Tcp, 8080, "192.168.122.10:80");
    for zone in ["ct zone set 5", "ct original zone set 6"] {
        world.host.nft(&format!(
            "table inet zones {{ }}\ndelete table inet zones\n\
             table inet zones {{ chain c {{ type filter hook prerouting priority -300\n {zone}\n }}\n }}"
        ));
        forwards(&world.host, std::slice::from_ref(&one));
        let mut connection = world.client.connects(Tcp, "198.51.100.1:8080");
        forwards(&world.host, &[]);
        assert!(connection.goes_on());
        assert_eq!(world.host.within(|| cut_now([&one])).unwrap(), 1, "{zone}");
        assert!(!connection.goes_on());
    }
}

#[test]
fn more_connections_than_are_held_at_a_time_are_cut_within_the_bound() {
    let world = World::new();
    let one = forward(Udp, 8080, "192.168.122.10:80");
    let many = forward(Udp, 8081, "192.168.122.10:80");
    forwards(&world.host, &[one.clone(), many.clone()]);
    let sent = |port: u16, sources: std::ops::Range<u16>| {
        world.client.within(|| {
            for source in sources {
                let socket = UdpSocket::bind(("198.51.100.7", source)).unwrap();
                socket.send_to(b"?", ("198.51.100.1", port)).unwrap();
            }
        });
    };
    sent(8080, 2000..2003);
    sent(8081, 10_000..22_000);
    let begun = Instant::now();
    assert_eq!(world.host.within(|| cut_now([&many])).unwrap(), 12_000);
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
    assert_eq!(world.host.within(|| cut_now([&one, &many])).unwrap(), 3);
}

#[test]
fn a_process_that_may_not_is_told_so() {
    let world = World::new();
    // Without forwards there is nothing to ask.
    assert_eq!(world.host.within(|| cut_now([])).unwrap(), 0);
    let one = forward(Tcp, 8080, "192.168.122.10:80");
    let error = world.host.within(|| {
        use rustix::thread::{CapabilitySet, CapabilitySets, capabilities, set_capabilities};
        let mut sets: CapabilitySets = capabilities(None).unwrap();
        sets.effective.remove(CapabilitySet::NET_ADMIN);
        set_capabilities(None, sets).unwrap();
        cut_now([&one]).unwrap_err()
    });
    assert_eq!(
        error.to_string(),
        "the kernel does not tell which connections are open: Operation not permitted (os error 1)"
    );
}
