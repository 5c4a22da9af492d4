//! Chains of iptables at the forward hook, as `iptables -S` tells them (iptables(8)).

use std::collections::HashSet;
use std::fmt;

use super::gate::{Gate, Own, Owner, Refuses};
use super::{COMMENT, Families, Guards, Refusal, Tools};
use crate::network::conntrack::MARK;

/// The chain that is at the forward hook in each table that has one.
const CHAIN: &str = "FORWARD";

/// The tables that have one (iptables(8)).
const TABLES: [&str; 3] = ["filter", "mangle", "security"];

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

/// A table of iptables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Table {
    kind: Kind,
    family: Family,
    name: String,
}

/// Where iptables keeps its tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Nftables,
    Legacy,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Family {
    Ipv4,
    Ipv6,
}

/// Adds what there is in tables that nftables knows nothing of.
pub(super) fn look_at_legacy(tools: &mut impl Tools, guards: &mut Guards) {
    // Of this thread's network, which a process' own need not be.
    let files = [
        (Family::Ipv4, "/proc/thread-self/net/ip_tables_names"),
        (Family::Ipv6, "/proc/thread-self/net/ip6_tables_names"),
    ];
    for (family, file) in files {
        // Nobody who has not loaded the old tables has the file.
        let names = tools.read(file).unwrap_or_default();
        for name in names.lines().filter(|name| TABLES.contains(name)) {
            let table = Table { kind: Kind::Legacy, family, name: name.to_owned() };
            match table.look(tools) {
                Ok(gate) => guards.add(gate),
                Err(refusal) => guards.miss(&table, &refusal),
            }
        }
    }
}

impl Table {
    /// The table of iptables that a chain of nftables is in by its name.
    pub(super) fn in_nftables(family: &str, table: &str, chain: &str) -> Option<Self> {
        let family = match family {
            "ip" => Family::Ipv4,
            "ip6" => Family::Ipv6,
            _ => return None,
        };
        let is_one = chain == CHAIN && TABLES.contains(&table);
        is_one.then(|| Self { kind: Kind::Nftables, family, name: table.to_owned() })
    }

    pub(super) const fn families(&self) -> Families {
        match self.family {
            Family::Ipv4 => Families { ipv4: true, ipv6: false },
            Family::Ipv6 => Families { ipv4: false, ipv6: true },
        }
    }

    /// What is in it.
    pub(super) fn look(&self, tools: &mut impl Tools) -> Result<Gate, Refusal> {
        let mut arguments = vec!["-w", "5", "-t", &self.name, "-S"];
        // In the table that is for refusing, whatever leads to another chain may end there. The others are mostly for
        // something else, which is not to be skipped without need: all of them is read.
        if self.name == "filter" {
            arguments.push(CHAIN);
        }
        let said = self.run(tools, "", &arguments, "")?;
        let listing = Listing::parse(&String::from_utf8_lossy(&said));
        let own = listing.rules.iter().filter(|rule| rule.chain() == Some(CHAIN)).enumerate();
        let own = own.filter_map(|(place, rule)| rule.own(place)).collect();
        Ok(Gate { owner: Owner::Iptables(self.clone()), refuses: listing.refuses(), own })
    }

    /// Calls the one of iptables' programs that knows this table.
    fn run(&self, tools: &mut impl Tools, suffix: &str, arguments: &[&str], input: &str) -> Result<Vec<u8>, Refusal> {
        let (plain, kind) = (self.plain(), self.kind_name());
        let answer = tools.run(&format!("{plain}-{kind}{suffix}"), arguments, input);
        let Err(Refusal::Missing(missing)) = answer else { return answer };
        // Where there is but one of them, it has no other name, and says which it is.
        let version = tools.run(plain, &["--version"], "").map_err(|_| Refusal::Missing(missing.clone()))?;
        let is_in_nftables = String::from_utf8_lossy(&version).contains("nf_tables");
        if is_in_nftables != (self.kind == Kind::Nftables) {
            return Err(Refusal::Missing(missing));
        }
        tools.run(&format!("{plain}{suffix}"), arguments, input)
    }

    const fn plain(&self) -> &'static str {
        match self.family {
            Family::Ipv4 => "iptables",
            Family::Ipv6 => "ip6tables",
        }
    }

    const fn kind_name(&self) -> &'static str {
        match self.kind {
            Kind::Nftables => "nft",
            Kind::Legacy => "legacy",
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
        self.run(tools, "-restore", &["-w", "5", "--noflush"], &input).map(drop)
    }

    pub(super) fn command(&self) -> String {
        format!("{}-{} -w 5 -t {} -I {CHAIN} {}", self.plain(), self.kind_name(), self.name, rule())
    }
}

impl Refusal {
    /// Whether it is iptables' word for a table in which there is what it does not know.
    pub(super) fn is_of_foreign_rules(&self) -> bool {
        matches!(self, Self::Failed(why) if why.contains("incompatible"))
    }
}

/// The rule, as iptables takes and tells it.
fn rule() -> String {
    format!("-m connmark --mark {MARK:#x}/{MARK:#x} -m comment --comment {COMMENT} -j ACCEPT")
}

/// What `iptables -S` tells.
#[derive(Debug, Default)]
struct Listing {
    /// Whether the policy of the chain at the forward hook is to drop.
    drops: bool,
    /// The chains that are told whole.
    chains: HashSet<String>,
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
        let mut reached = HashSet::from([CHAIN]);
        let mut to_look_at = vec![CHAIN];
        while let Some(chain) = to_look_at.pop() {
            for target in self.rules.iter().filter(|rule| rule.chain() == Some(chain)).filter_map(Rule::target) {
                let is_told = self.chains.contains(target);
                if !is_told && !HARMLESS.contains(&target) {
                    return Refuses::Anything;
                }
                if is_told && reached.insert(target) {
                    to_look_at.push(target);
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
    /// `the chain FORWARD of iptables' table filter for IPv4`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if self.kind == Kind::Legacy { "legacy " } else { "" };
        write!(formatter, "the chain {CHAIN} of iptables' {kind}table {} for {}", self.name, self.families())
    }
}
