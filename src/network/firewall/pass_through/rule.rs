//! The rules of a chain, as far as they matter here: whether they refuse, and which are this program's.

/// The comment by which this program's rules in third-party chains are known.
pub(super) const COMMENT: &str = "virt-hooks";

/// The effect of a chain's rules.
#[derive(Debug)]
pub(super) struct Rules {
    /// Traffic that they may refuse.
    pub(super) refuses: Refuses,
    /// This program's among them.
    pub(super) own: Vec<Own>,
}

/// Forwarded traffic that a chain may refuse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Refuses {
    /// None: it only counts, or changes packets.
    Nothing,
    /// Traffic without address translation: its first rule accepts translated traffic, as firewalld's does.
    Untranslated,
    /// Anything.
    Anything,
}

/// A rule of this program's in a chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Own {
    /// Number of rules before it.
    pub(super) place: usize,
    /// Its key for removal: a handle, or its text.
    pub(super) name: String,
    /// True if it is exactly this program's rule.
    pub(super) is_whole: bool,
}
