//! What keeps this program's rules from the chains of others: a table that goes, a program that is not there, a chain that
//! is another's alone.

use std::io;

use virt_hooks::kernel::deadline::Deadline;
use virt_hooks::kernel::tools::Tools;
use virt_hooks::network::firewall::pass_through::{put, take_away};
use virt_hooks::process::ToolError;

use super::{FORWARDS, firewall, guarded, host_with_bridge};
use testbed::eventually;

use crate::machine::Machine;
use crate::ruleset::{all, load, load_as_legacy};

/// A machine on which something happens, or something is not there.
struct But<'a> {
    host: &'a Machine,
    /// These programs are not there.
    without: &'a [&'a str],
    /// This is done before the first change.
    first: Option<&'a str>,
}

impl Tools for But<'_> {
    fn run(&mut self, program: &str, arguments: &[&str], input: &str) -> Result<Vec<u8>, ToolError> {
        if self.without.contains(&program) {
            return Err(ToolError::Missing(program.to_owned()));
        }
        if !input.is_empty() {
            if let Some(first) = self.first.take() {
                self.host.shell(first);
            }
        }
        Tools::run(&mut { self.host }, program, arguments, input)
    }

    fn read(&mut self, path: &str) -> io::Result<String> {
        Tools::read(&mut { self.host }, path)
    }

    fn deadline(&self) -> Deadline {
        Tools::deadline(&self.host)
    }
}

#[test]
fn a_table_that_goes_meanwhile_is_no_fault() {
    for first in ["nft delete table inet filter; nft delete table ip libvirt_network", "nft flush ruleset"] {
        let host = host_with_bridge();
        load(&host, &["written-by-hand", "libvirt-nftables"]);
        let mut tools = But { host: &host, without: &[], first: Some(first) };
        assert_eq!(host.within(|| put(&mut tools, FORWARDS)).unwrap(), [""; 0]);
        load(&host, &["written-by-hand", "libvirt-nftables"]);
        firewall(&host, FORWARDS);
        let mut tools = But { host: &host, without: &[], first: Some(first) };
        assert_eq!(host.within(|| take_away(&mut tools)).unwrap(), [""; 0]);
        assert_eq!(guarded(&host), []);
    }
}

#[test]
fn without_nft_it_is_told_what_is_to_be_done() {
    let host = host_with_bridge();
    load(&host, &["written-by-hand"]);
    let mut tools = But { host: &host, without: &["nft"], first: None };
    let told = host.within(|| put(&mut tools, FORWARDS)).unwrap();
    let expected = "the chain forward of the table inet filter may refuse what is forwarded: there is no nft here; to let it \
                    through: nft insert rule inet filter forward 'ct mark and 0x01000000 == 0x01000000 accept comment \
                    \"virt-hooks\"'";
    assert_eq!(told, [expected]);
    firewall(&host, FORWARDS);
    let told = host.within(|| take_away(&mut But { host: &host, without: &["nft"], first: None })).unwrap();
    let expected = "the chain forward of the table inet filter still has a rule of virt-hooks', which does no harm: there is \
                    no nft here";
    assert_eq!(told, [expected]);
}

#[test]
fn iptables_that_has_but_one_name_is_asked_which_it_is() {
    let host = host_with_bridge();
    load(&host, &["ufw"]);
    let explicit =
        ["iptables-nft", "ip6tables-nft", "iptables-nft-restore", "ip6tables-nft-restore", "iptables-legacy"];
    let mut tools = But { host: &host, without: &explicit, first: None };
    assert_eq!(host.within(|| put(&mut tools, FORWARDS)).unwrap(), [""; 0]);
    assert_eq!(guarded(&host).len(), 2);
    // It is the one of nftables here, and must not be taken for the other.
    load_as_legacy(&host, "docker");
    let mut tools = But { host: &host, without: &explicit, first: None };
    let told = host.within(|| put(&mut tools, FORWARDS)).unwrap();
    let expected = "whether the chain FORWARD of the old iptables' table filter for IPv4 refuses what is forwarded can't be \
                    seen: there is no iptables-legacy here; the package iptables brings it";
    assert_eq!(told, [expected]);
}

#[test]
fn where_somebody_elses_iptables_has_rules_none_of_nftables_are_put_among_them() {
    let host = Machine::new("host");
    host.shell("iptables -A FORWARD -m addrtype --dst-type LOCAL -j DROP");
    let loaded = all(&host);
    let mut tools = But { host: &host, without: &["iptables-nft", "iptables"], first: None };
    let expected = "the chain FORWARD of the table ip filter may refuse what is forwarded: there is no iptables-nft here; to \
                    let it through: iptables-nft -w 5 -t filter -I FORWARD -m connmark --mark 0x1000000/0x1000000 -m comment \
                    --comment virt-hooks -j ACCEPT";
    let told = host.within(|| put(&mut tools, FORWARDS)).unwrap();
    assert_eq!(told, [expected]);
    assert_eq!(all(&host), loaded);
}

#[test]
fn a_table_that_belongs_to_a_process_is_told_with_the_command() {
    let host = Machine::new("host");
    // It is there for as long as the process that has made it.
    let rules = "add table inet owned { flags owner; }\nadd chain inet owned c { type filter hook forward priority 0; \
                 policy drop; }\n";
    host.write("/run/owned", rules, 0o644);
    host.shell("mkfifo /run/wait; { cat /run/owned; read -r _ < /run/wait; } 2> /run/said | nft -i > /run/said 2>&1 &");
    eventually("the table is owned", || host.shell("nft list tables").contains("owned"));
    let told = host.within(|| put(&mut { &host }, FORWARDS)).unwrap();
    let [told] = told.as_slice() else { panic!("{told:?}") };
    let begin = "the chain c of the table inet owned may refuse what is forwarded, and belongs to a process that lets nobody \
                 else change it: ";
    let end = "; have that process put at its top: ct mark and 0x01000000 == 0x01000000 accept comment \"virt-hooks\"";
    assert!(told.starts_with(begin) && told.contains("Operation not permitted") && told.ends_with(end), "{told}");
    host.shell("echo > /run/wait");
}
