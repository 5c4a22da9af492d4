//! What a VM is not given, and who is told why. None of these guests is waited for.

use virt_hooks::kernel::address::Protocol::Tcp;

use super::town::Town;
use crate::guest::Guest;
use crate::traffic::by;

const DECLARATIONS: &str = r#"
[[forward]]
domain = "web-*"
port = 8080
toPort = 80

[[forward]]
domain = "mail"
port = 25
"#;

impl Town {
    /// The lines of the hook's log about a VM that have this in them.
    fn told_of(&self, guest: &Guest, what: &str) -> Vec<String> {
        let log = self.host.log();
        let about = format!("] {} ", guest.name);
        log.lines().filter(|line| line.contains(&about) && line.contains(what)).map(str::to_owned).collect()
    }
}

#[test]
fn a_port_that_another_vm_or_a_service_has_is_refused_and_the_vm_starts_unless_the_settings_ask_for_a_veto() {
    let town = Town::declaring(DECLARATIONS);
    let [one, two] = [("web-1", "192.168.122.10"), ("web-2", "192.168.122.11")]
        .map(|(name, address)| Guest::named(name).on_libvirts_network(address));
    let mail = Guest::named("mail").on_libvirts_network("192.168.122.12");
    let _service = town.itself.serves_as("postfix", Tcp, "0.0.0.0:25");

    town.host.create(&one);
    town.host.create(&two);
    town.host.create(&mail);
    for guest in [&one, &two, &mail] {
        assert!(town.host.runs(guest), "{}", guest.name);
    }

    let told = town.told_of(&two, "the VM web-1 has tcp port 8080 to 192.168.122.10:80 already");
    assert!(told.iter().any(|line| line.contains("ERROR") && line.contains("started/begin")), "{}", town.host.log());
    let told = town.told_of(&mail, "the forward tcp port 25 to 192.168.122.12:25");
    assert!(told.iter().any(|line| line.contains("ERROR") && line.contains("is not added")), "{}", town.host.log());
    assert_eq!(town.client.asks(Tcp, "198.51.100.1:25"), by("postfix"), "the service goes on");
    let reply = town.try_virt_hooks("network status");
    println!("{}", reply.stdout);
    assert!(!reply.success, "{reply:?}");
    for refused in [&two, &mail] {
        let row = reply.stdout.lines().find(|line| line.starts_with(&refused.name));
        assert!(row.is_some_and(|row| row.contains(" refused ")), "{}", reply.stdout);
    }

    town.host.destroy(&two);
    town.host.destroy(&mail);
    town.declares(&format!("{DECLARATIONS}\n[network]\nonFailure = \"abort\"\n"));
    for (guest, why) in [(&two, "the VM web-1 has tcp port 8080"), (&mail, "port 25")] {
        let reply = town.host.try_create(guest);
        println!("{}", reply.stderr);
        assert!(!reply.success, "{reply:?}");
        assert!(reply.stderr.contains("virt-hooks: networking refused start: "), "{reply:?}");
        assert!(reply.stderr.contains(why), "{reply:?}");
        assert!(!town.host.runs(guest));
    }
    // Whoever has what it asks for starts.
    town.host.destroy(&one);
    town.host.create(&two);
    assert!(
        town.told_of(&two, "added the forward tcp port 8080 to 192.168.122.11:80").len() == 1,
        "{}",
        town.host.log()
    );
    town.host.destroy(&two);
    assert_eq!(town.left(), "");
}
