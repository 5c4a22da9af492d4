//! `iptables` and `ip6tables` (iptables(8)), of both kinds: those that keep their rules in nftables, and the older ones that
//! keep them apart from it.

use std::fmt;

use super::Tools;
use crate::kernel::address::Family;
use crate::process::ToolError;

/// The chain at the forward hook, in each table that has one.
pub(crate) const CHAIN: &str = "FORWARD";

/// The tables that have one (iptables(8)).
pub(crate) const TABLES: [&str; 3] = ["filter", "mangle", "security"];

/// Maximum wait of the tools for the lock of another one, in seconds.
const WAIT: &str = "5";

/// The backend that keeps the rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Nftables,
    Legacy,
}

/// A table with a chain at the forward hook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Table {
    pub(crate) kind: Kind,
    pub(crate) family: Family,
    pub(crate) name: String,
}

/// Returns the tables that the older tools have loaded.
pub(crate) fn legacy_tables(tools: &mut impl Tools) -> Vec<Table> {
    // The files of this thread's network namespace, which may differ from the process's.
    let files = [
        (Family::Ipv4, "/proc/thread-self/net/ip_tables_names"),
        (Family::Ipv6, "/proc/thread-self/net/ip6_tables_names"),
    ];
    let mut tables = Vec::new();
    for (family, file) in files {
        // The file is absent unless the legacy modules are loaded.
        let names = tools.read(file).unwrap_or_default();
        let names = names.lines().filter(|name| TABLES.contains(name));
        tables.extend(names.map(|name| Table { kind: Kind::Legacy, family, name: name.to_owned() }));
    }
    tables
}

impl Table {
    /// Inserts a rule at the top of its chain at the forward hook.
    ///
    /// # Errors
    /// The tool is absent or fails.
    pub(crate) fn insert(&self, rule: &str, tools: &mut impl Tools) -> Result<(), ToolError> {
        let mut arguments = vec!["-w", WAIT, "-t", &self.name, "-I", CHAIN];
        arguments.extend(rule.split(' '));
        self.run("", &arguments, "", tools).map(drop)
    }

    /// Lists the rules, or only those of the chain at the forward hook.
    ///
    /// # Errors
    /// The tool is absent or fails.
    pub(crate) fn list(&self, only_chain: bool, tools: &mut impl Tools) -> Result<Listing, ToolError> {
        let mut arguments = vec!["-w", WAIT, "-t", &self.name, "-S"];
        arguments.extend(only_chain.then_some(CHAIN));
        let said = self.run("", &arguments, "", tools)?;
        Ok(Listing::parse(&String::from_utf8_lossy(&said)))
    }

    /// Applies these lines (iptables-restore(8)), all of them or none. No packet meets a half-changed chain.
    ///
    /// # Errors
    /// The tool is absent or fails.
    pub(crate) fn restore(&self, lines: &str, tools: &mut impl Tools) -> Result<(), ToolError> {
        let input = format!("*{}\n{lines}COMMIT\n", self.name);
        self.run("-restore", &["-w", WAIT, "--noflush"], &input, tools).map(drop)
    }

    /// Returns the command by which a person inserts a rule as [`Table::insert`] does.
    pub(crate) fn insert_command(&self, rule: &str) -> String {
        format!("{}-{} -w {WAIT} -t {} -I {CHAIN} {rule}", self.tool(), self.kind.name(), self.name)
    }

    /// The tool's name, without its kind.
    const fn tool(&self) -> &'static str {
        match self.family {
            Family::Ipv4 => "iptables",
            Family::Ipv6 => "ip6tables",
        }
    }

    /// Calls the tool of its kind: `iptables-nft`, `ip6tables-legacy-restore`.
    fn run(&self, suffix: &str, arguments: &[&str], input: &str, tools: &mut impl Tools) -> Result<Vec<u8>, ToolError> {
        let plain = self.tool();
        let answer = tools.run(&format!("{plain}-{}{suffix}", self.kind.name()), arguments, input);
        let Err(ToolError::Missing(missing)) = answer else { return answer };
        // If only one variant is installed, it has just the plain name; its version names the variant.
        let version = tools.run(plain, &["--version"], "").map_err(|_| ToolError::Missing(missing.clone()))?;
        let is_in_nftables = String::from_utf8_lossy(&version).contains("nf_tables");
        if is_in_nftables != (self.kind == Kind::Nftables) {
            return Err(ToolError::Missing(missing));
        }
        tools.run(&format!("{plain}{suffix}"), arguments, input)
    }
}

impl fmt::Display for Table {
    /// `the chain FORWARD of the old iptables' table filter for IPv4`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let old = if self.kind == Kind::Legacy { "old " } else { "" };
        write!(formatter, "the chain {CHAIN} of the {old}iptables' table {} for {}", self.name, self.family)
    }
}

impl Kind {
    const fn name(self) -> &'static str {
        match self {
            Self::Nftables => "nft",
            Self::Legacy => "legacy",
        }
    }
}

/// A table as `iptables -S` prints it.
#[derive(Debug, Default)]
pub(crate) struct Listing {
    /// True if the policy of the chain at the forward hook is drop.
    pub(crate) drops: bool,
    /// The chains that are printed whole.
    pub(crate) chains: Vec<String>,
    pub(crate) rules: Vec<Rule>,
}

/// A rule of it.
#[derive(Debug)]
pub(crate) struct Rule {
    /// The rule as it is printed, without `-A`.
    pub(crate) text: String,
    pub(crate) words: Vec<String>,
}

impl Listing {
    /// Parses the output.
    pub(crate) fn parse(text: &str) -> Self {
        let mut listing = Self::default();
        for line in text.lines() {
            if let Some(rule) = line.strip_prefix("-A ") {
                // A line that is no words can't be judged, and counts as one with an unknown target.
                let words =
                    shlex::split(rule).unwrap_or_else(|| vec![CHAIN.to_owned(), "-j".to_owned(), "?".to_owned()]);
                listing.rules.push(Rule { text: rule.to_owned(), words });
            }
            listing.chains.extend(line.strip_prefix("-N ").map(|chain| chain.trim().to_owned()));
            listing.drops |= line.strip_prefix("-P FORWARD ").is_some_and(|policy| policy.trim() != "ACCEPT");
        }
        listing
    }
}

impl Rule {
    /// Returns the chain that it stands in.
    pub(crate) fn chain(&self) -> Option<&str> {
        self.words.first().map(String::as_str)
    }

    /// Returns the target that it sends packets to, if any.
    pub(crate) fn target(&self) -> Option<&str> {
        let option = self.words.iter().position(|word| word == "-j" || word == "-g")?;
        self.words.get(option + 1).map(String::as_str)
    }
}
