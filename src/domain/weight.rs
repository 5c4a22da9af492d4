//! What a text would cost to parse, found out at a cost that grows only with its length.
//!
//! A tree resolves each element's namespaces against those of all elements around it, and compares each attribute with the
//! others of its element: some 200 KB of XML, made for that, keep a parser busy for half a minute. So whatever has more of
//! these than any domain that libvirt would read is refused before.

use std::fmt;

use xmlparser::{ElementEnd, Token, Tokenizer};

use super::xml::Unreadable;

/// How deep elements may stand in each other. libvirt's own parser refuses what is deeper (`xmlParserMaxDepth` of
/// libxml2).
const MAXIMUM_DEPTH: usize = 256;

/// How many attributes an element may have. libvirt's have a dozen.
const MAXIMUM_ATTRIBUTES: usize = 256;

/// How many namespaces may be declared in all. libvirt's domains declare one, and one for each tool's metadata.
const MAXIMUM_NAMESPACES: usize = 256;

/// What there is too much of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weight {
    /// Elements in elements.
    Depth,
    /// Attributes of one element.
    Attributes,
    /// Declared namespaces.
    Namespaces,
    /// Elements, comments and texts.
    Nodes,
}

impl fmt::Display for Weight {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Depth => "elements deeper in each other",
            Self::Attributes => "more attributes in one element",
            Self::Namespaces => "more namespaces",
            Self::Nodes => "more elements",
        })
    }
}

/// Refuses what would cost too much.
pub(super) fn weigh(text: &str) -> Result<(), Unreadable> {
    let (mut depth, mut attributes, mut namespaces) = (0_usize, 0, 0);
    for token in Tokenizer::from(text) {
        let token = token.map_err(|error| {
            let place = error.pos();
            Unreadable::NotWellFormed { line: place.row, column: place.col }
        })?;
        match token {
            Token::DtdStart { .. } | Token::EmptyDtd { .. } => return Err(Unreadable::DocumentType),
            Token::ElementStart { .. } => attributes = 0,
            Token::Attribute { prefix, local, .. } => {
                attributes += 1;
                let declares = prefix.as_str() == "xmlns" || (prefix.is_empty() && local.as_str() == "xmlns");
                namespaces += usize::from(declares);
            }
            Token::ElementEnd { end: ElementEnd::Open, .. } => depth += 1,
            Token::ElementEnd { end: ElementEnd::Close(..), .. } => depth = depth.saturating_sub(1),
            _ => {}
        }
        for (count, most, weight) in [
            (depth, MAXIMUM_DEPTH, Weight::Depth),
            (attributes, MAXIMUM_ATTRIBUTES, Weight::Attributes),
            (namespaces, MAXIMUM_NAMESPACES, Weight::Namespaces),
        ] {
            if count > most {
                return Err(Unreadable::TooHeavy(weight));
            }
        }
    }
    Ok(())
}
