//! Chains of legacy iptables, and code common to both kinds of iptables.

use super::rule::{COMMENT, Own, Refuses, Rules};
use crate::kernel::tools::Tools;
use crate::kernel::tools::iptables::{self, CHAIN, Listing, Rule, Table};
use crate::network::firewall::mark::MARK;
use crate::process::ToolError;

/// The targets that refuse nothing (iptables-extensions(8)). One that is neither here nor a chain may.
const HARMLESS: [&str; 25] = [
    "ACCEPT",
    "AUDIT",
    "CHECKSUM",
    "CLASSIFY",
    "CONNMARK",
    "CONNSECMARK",
    "CT",
    "DSCP",
    "ECN",
    "HL",
    "HMARK",
    "IDLETIMER",
    "LOG",
    "MARK",
    "NFLOG",
    "NOTRACK",
    "RATEEST",
    "RETURN",
    "SECMARK",
    "SET",
    "TCPMSS",
    "TCPOPTSTRIP",
    "TEE",
    "TOS",
    "TRACE",
];

/// Returns true if a target of iptables' refuses nothing.
pub(super) fn is_harmless(target: &[u8]) -> bool {
    HARMLESS.iter().any(|name| name.as_bytes() == target)
}

/// Reads the tables of the old iptables, of which nftables knows nothing.
pub(super) fn read_all(tools: &mut impl Tools) -> Vec<(Table, Result<Rules, ToolError>)> {
    let tables = iptables::legacy_tables(tools).into_iter();
    let read = tables.map(|table| {
        let rules = read(&table, tools);
        (table, rules)
    });
    read.collect()
}

fn read(table: &Table, tools: &mut impl Tools) -> Result<Rules, ToolError> {
    // In the filter table, any jump may end in a refusal. Other tables mostly serve other purposes and should not be
    // bypassed without need, so all of their rules are read.
    let listing = table.list(table.name == "filter", tools)?;
    let own = listing.rules.iter().filter(|rule| rule.chain() == Some(CHAIN)).enumerate();
    let own = own.filter_map(|(place, rule)| own_rule(place, rule)).collect();
    Ok(Rules { refuses: refuses(&listing), own })
}

/// Returns the lines that put the rule at the top, instead of those that are there.
pub(super) fn insertion(instead: &[Own]) -> String {
    format!("{}-I {CHAIN} {}\n", deletions(instead), rule())
}

/// Returns the lines that delete these rules.
///
/// A rule is deleted by its text, wherever it is; of equal ones the first is as good as any.
pub(super) fn deletions(own: &[Own]) -> String {
    own.iter().map(|own| format!("-D {}\n", own.name)).collect()
}

/// Returns the rule as iptables accepts and prints it.
pub(super) fn rule() -> String {
    format!("-m connmark --mark {MARK:#x}/{MARK:#x} -m comment --comment {COMMENT} -j ACCEPT")
}

fn refuses(listing: &Listing) -> Refuses {
    let mut reached = vec![CHAIN];
    let mut next = 0;
    while let Some(&chain) = reached.get(next) {
        next += 1;
        for target in listing.rules.iter().filter(|rule| rule.chain() == Some(chain)).filter_map(Rule::target) {
            let is_listed = listing.chains.iter().any(|chain| chain == target);
            if !is_listed && !is_harmless(target.as_bytes()) {
                return Refuses::Anything;
            }
            if is_listed && !reached.contains(&target) {
                reached.push(target);
            }
        }
    }
    if listing.drops { Refuses::Anything } else { Refuses::Nothing }
}

/// The rule, if it is this program's.
fn own_rule(place: usize, found: &Rule) -> Option<Own> {
    let mut pairs = found.words.windows(2);
    pairs.find(|pair| matches!(pair, [option, comment] if option == "--comment" && comment == COMMENT))?;
    // In which order the words are printed, and whether in quotes, depends on the version.
    let mut words: Vec<&str> = found.words.iter().map(String::as_str).collect();
    let whole = format!("{CHAIN} {}", rule());
    let mut expected: Vec<&str> = whole.split(' ').collect();
    words.sort_unstable();
    expected.sort_unstable();
    Some(Own { place, name: found.text.clone(), is_whole: words == expected })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_a_table_may_refuse() {
        for (listing, expected) in [
            ("-P FORWARD ACCEPT", Refuses::Nothing),
            ("-P FORWARD DROP", Refuses::Anything),
            ("-P INPUT DROP\n-P FORWARD ACCEPT\n-A INPUT -j DROP", Refuses::Nothing),
            (
                "-P FORWARD ACCEPT\n-A FORWARD -o virbr0 -j REJECT --reject-with icmp-port-unreachable",
                Refuses::Anything,
            ),
            ("-P FORWARD ACCEPT\n-A FORWARD -j DOCKER-USER", Refuses::Anything),
            ("-P FORWARD ACCEPT\n-A FORWARD -g elsewhere", Refuses::Anything),
            ("-P FORWARD ACCEPT\n-A FORWARD -p tcp -m comment --comment \"-j DROP\"", Refuses::Nothing),
            (
                "-P FORWARD ACCEPT\n-A FORWARD -p tcp -j TCPMSS --clamp-mss-to-pmtu\n-A FORWARD -s 10.0.0.1",
                Refuses::Nothing,
            ),
            ("-P FORWARD ACCEPT\n-N a\n-N b\n-A FORWARD -j a\n-A a -j b\n-A b -j a\n-A a -j MARK", Refuses::Nothing),
            ("-P FORWARD ACCEPT\n-N a\n-N b\n-A FORWARD -j a\n-A a -j b\n-A b -j NFQUEUE", Refuses::Anything),
            ("-P FORWARD ACCEPT\n-A FORWARD -m comment --comment \"not closed", Refuses::Anything),
        ] {
            assert_eq!(refuses(&Listing::parse(listing)), expected, "{listing}");
        }
    }

    #[test]
    fn its_own_rule_is_known_and_seen_through() {
        let own =
            |line: &str| Listing::parse(line).rules.first().and_then(|rule| own_rule(0, rule)).map(|own| own.is_whole);
        let whole = format!("-A FORWARD {}", rule());
        assert_eq!(own(&whole), Some(true));
        assert_eq!(own(&whole.replace(" virt-hooks ", " \"virt-hooks\" ")), Some(true));
        let turned = "-A FORWARD -m comment --comment virt-hooks -m connmark --mark 0x1000000/0x1000000 -j ACCEPT";
        assert_eq!(own(turned), Some(true));
        assert_eq!(own(&whole.replace("0x1000000/", "0x2000000/")), Some(false));
        assert_eq!(own(&whole.replace("ACCEPT", "DROP")), Some(false));
        assert_eq!(own(&whole.replace("FORWARD", "FORWARD -p tcp")), Some(false));
        assert_eq!(own(&whole.replace("--mark", "! --mark")), Some(false));
        assert_eq!(own(&whole.replace("virt-hooks", "mine")), None);
        assert_eq!(own("-A FORWARD -j ACCEPT"), None);
    }

    proptest! {
        #[test]
        fn any_text_is_read_to_an_end(text in "(-A FORWARD -j [A-Ba-b]\n|-A [ab] -j [ab]\n|-N [ab]\n|\\PC{0,9}\n){0,9}") {
            let listing = Listing::parse(&text);
            _ = refuses(&listing);
            prop_assert!(listing.rules.iter().all(|rule| own_rule(0, rule).is_none()));
        }
    }
}
