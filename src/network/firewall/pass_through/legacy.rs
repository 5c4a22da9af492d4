//! Chains of iptables as it was before it kept them in nftables, as `iptables-legacy -S` tells them (iptables(8)), and what
//! is common to both.

use std::fmt;

use super::rule::{Own, Refuses, Rules};
use super::tools::{COMMENT, Refusal, Tools};
use crate::network::firewall::mark::MARK;
use crate::network::firewall::traffic::Families;

/// The chain that is at the forward hook in each table that has one.
pub(super) const CHAIN: &str = "FORWARD";

/// The tables that have one (iptables(8)).
pub(super) const TABLES: [&str; 3] = ["filter", "mangle", "security"];

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

/// A table of the old iptables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Table {
    family: Family,
    name: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Family {
    Ipv4,
    Ipv6,
}

/// Whether a target of iptables' refuses nothing.
pub(super) fn is_harmless(target: &[u8]) -> bool {
    HARMLESS.iter().any(|name| name.as_bytes() == target)
}

/// Reads the tables of the old iptables, of which nftables knows nothing.
pub(super) fn read_all(tools: &mut impl Tools) -> Vec<(Table, Result<Rules, Refusal>)> {
    // Of this thread's network, which a process' own need not be.
    let files = [
        (Family::Ipv4, "/proc/thread-self/net/ip_tables_names"),
        (Family::Ipv6, "/proc/thread-self/net/ip6_tables_names"),
    ];
    let mut all = Vec::new();
    for (family, file) in files {
        // Nobody who has not loaded the old tables has the file.
        let names = tools.read(file).unwrap_or_default();
        for name in names.lines().filter(|name| TABLES.contains(name)) {
            let table = Table { family, name: name.to_owned() };
            let rules = table.read(tools);
            all.push((table, rules));
        }
    }
    all
}

impl Table {
    pub(super) const fn families(&self) -> Families {
        match self.family {
            Family::Ipv4 => Families { ipv4: true, ipv6: false },
            Family::Ipv6 => Families { ipv4: false, ipv6: true },
        }
    }

    /// What is in it.
    fn read(&self, tools: &mut impl Tools) -> Result<Rules, Refusal> {
        let mut arguments = vec!["-w", "5", "-t", &self.name, "-S"];
        // In the table that is for refusing, whatever leads to another chain may end there. The others are mostly for
        // something else, which is not to be skipped without need: all of them is read.
        if self.name == "filter" {
            arguments.push(CHAIN);
        }
        let said = run(tools, self.plain(), "legacy", "", &arguments, "")?;
        let listing = Listing::parse(&String::from_utf8_lossy(&said));
        let own = listing.rules.iter().filter(|rule| rule.chain() == Some(CHAIN)).enumerate();
        let own = own.filter_map(|(place, rule)| rule.own(place)).collect();
        Ok(Rules { refuses: listing.refuses(), own })
    }

    const fn plain(&self) -> &'static str {
        match self.family {
            Family::Ipv4 => "iptables",
            Family::Ipv6 => "ip6tables",
        }
    }

    /// Puts the rule at the top, instead of those that are there.
    pub(super) fn put(&self, instead: &[Own], tools: &mut impl Tools) -> Result<(), Refusal> {
        self.restore(instead, &format!("-I {CHAIN} {}\n", rule()), tools)
    }

    /// Takes these rules out of it.
    pub(super) fn take_away(&self, own: &[Own], tools: &mut impl Tools) -> Result<(), Refusal> {
        self.restore(own, "", tools)
    }

    /// Does all of it, or nothing. In between no packet meets a chain without the rule.
    fn restore(&self, gone: &[Own], put: &str, tools: &mut impl Tools) -> Result<(), Refusal> {
        // By its words a rule is found wherever it stands, and the first of those that say the same is as good as any.
        let gone: String = gone.iter().map(|own| format!("-D {}\n", own.name)).collect();
        let input = format!("*{}\n{gone}{put}COMMIT\n", self.name);
        run(tools, self.plain(), "legacy", "-restore", &["-w", "5", "--noflush"], &input).map(drop)
    }

    pub(super) fn command(&self) -> String {
        format!("{}-legacy -w 5 -t {} -I {CHAIN} {}", self.plain(), self.name, rule())
    }
}

/// Calls the one of iptables' programs that is of this kind: `iptables-nft`, `ip6tables-legacy-restore`.
pub(super) fn run(
    tools: &mut impl Tools,
    plain: &str,
    kind: &str,
    suffix: &str,
    arguments: &[&str],
    input: &str,
) -> Result<Vec<u8>, Refusal> {
    let answer = tools.run(&format!("{plain}-{kind}{suffix}"), arguments, input);
    let Err(Refusal::Missing(missing)) = answer else { return answer };
    // Where there is but one of them, it has no other name, and says which it is.
    let version = tools.run(plain, &["--version"], "").map_err(|_| Refusal::Missing(missing.clone()))?;
    let is_in_nftables = String::from_utf8_lossy(&version).contains("nf_tables");
    if is_in_nftables != (kind == "nft") {
        return Err(Refusal::Missing(missing));
    }
    tools.run(&format!("{plain}{suffix}"), arguments, input)
}

/// The rule, as iptables takes and tells it.
pub(super) fn rule() -> String {
    format!("-m connmark --mark {MARK:#x}/{MARK:#x} -m comment --comment {COMMENT} -j ACCEPT")
}

/// What `iptables -S` tells.
#[derive(Debug, Default)]
struct Listing {
    /// Whether the policy of the chain at the forward hook is to drop.
    drops: bool,
    /// The chains that are told whole.
    chains: Vec<String>,
    rules: Vec<Rule>,
}

/// A rule that it tells.
#[derive(Debug)]
struct Rule {
    /// As it is told, without what adds it.
    text: String,
    words: Vec<String>,
}

impl Listing {
    fn parse(text: &str) -> Self {
        let mut listing = Self::default();
        for line in text.lines() {
            if let Some(rule) = line.strip_prefix("-A ") {
                // A line that is no words can't be judged, and counts as one that refuses.
                let words =
                    shlex::split(rule).unwrap_or_else(|| vec![CHAIN.to_owned(), "-j".to_owned(), "?".to_owned()]);
                listing.rules.push(Rule { text: rule.to_owned(), words });
            }
            listing.chains.extend(line.strip_prefix("-N ").map(|chain| chain.trim().to_owned()));
            listing.drops |= line.strip_prefix("-P FORWARD ").is_some_and(|policy| policy.trim() != "ACCEPT");
        }
        listing
    }

    fn refuses(&self) -> Refuses {
        let mut reached = vec![CHAIN];
        let mut next = 0;
        while let Some(&chain) = reached.get(next) {
            next += 1;
            for target in self.rules.iter().filter(|rule| rule.chain() == Some(chain)).filter_map(Rule::target) {
                let is_told = self.chains.iter().any(|chain| chain == target);
                if !is_told && !is_harmless(target.as_bytes()) {
                    return Refuses::Anything;
                }
                if is_told && !reached.contains(&target) {
                    reached.push(target);
                }
            }
        }
        if self.drops { Refuses::Anything } else { Refuses::Nothing }
    }
}

impl Rule {
    fn chain(&self) -> Option<&str> {
        self.words.first().map(String::as_str)
    }

    /// Where it sends what it is about, if anywhere.
    fn target(&self) -> Option<&str> {
        let option = self.words.iter().position(|word| word == "-j" || word == "-g")?;
        self.words.get(option + 1).map(String::as_str)
    }

    /// The rule, if it is this program's.
    fn own(&self, place: usize) -> Option<Own> {
        let mut pairs = self.words.windows(2);
        pairs.find(|pair| matches!(pair, [option, comment] if option == "--comment" && comment == COMMENT))?;
        // In which order the words are told, and whether in quotes, is the version's.
        let sorted = |text: &str| {
            let mut words: Vec<String> = text.split(' ').map(str::to_owned).collect();
            words.sort();
            words
        };
        let mut words = self.words.clone();
        words.sort();
        Some(Own { place, name: self.text.clone(), is_whole: words == sorted(&format!("{CHAIN} {}", rule())) })
    }
}

impl fmt::Display for Table {
    /// `the chain FORWARD of the old iptables' table filter for IPv4`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "the chain {CHAIN} of the old iptables' table {} for {}", self.name, self.families())
    }
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
            assert_eq!(Listing::parse(listing).refuses(), expected, "{listing}");
        }
    }

    #[test]
    fn its_own_rule_is_known_and_seen_through() {
        let own = |line: &str| Listing::parse(line).rules.first().and_then(|rule| rule.own(0)).map(|own| own.is_whole);
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
            _ = listing.refuses();
            prop_assert!(listing.rules.iter().all(|rule| rule.own(0).is_none()));
        }
    }
}
