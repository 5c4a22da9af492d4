//! The rules of a chain, as far as they matter here: whether they refuse, and which are this program's.

/// The comment by which this program's rules in third-party chains are known.
pub(super) const COMMENT: &str = "virt-hooks";

/// What a chain's rules come to.
#[derive(Debug)]
pub(super) struct Rules {
    /// What they may refuse.
    pub(super) refuses: Refuses,
    /// This program's among them.
    pub(super) own: Vec<Own>,
}

/// What a chain may refuse of what somebody else has sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Refuses {
    /// Nothing: it only counts, or changes packets.
    Nothing,
    /// What goes to an address as it is: it accepts first of all what is translated, as firewalld's does.
    Untranslated,
    /// Anything.
    Anything,
}

/// A rule of this program's in a chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Own {
    /// How many rules there are before it.
    pub(super) place: usize,
    /// By what it is removed: a number, or its words.
    pub(super) name: String,
    /// Whether it says what this program's rules say.
    pub(super) is_whole: bool,
}
