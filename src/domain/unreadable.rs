//! Reasons why a text is refused as a domain's XML.

use std::fmt;

/// The longest text that is parsed, in bytes: twice what libvirt's own messages can hold.
pub const MAXIMUM_PARSED: usize = 8 << 20;

/// The reason why a text is refused as a domain's XML. No message repeats any of it, since it may contain passwords.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// Longer than anything that libvirt passes.
    #[error("is longer than {MAXIMUM_PARSED} bytes")]
    TooLong,
    /// Not UTF-8, the only encoding that libvirt writes.
    #[error("is not UTF-8 from byte {valid} on")]
    NotUtf8 {
        /// Number of valid bytes before it.
        valid: usize,
    },
    /// A document type declaration, whose entities can expand without a bound.
    #[error("has a document type declaration, which is refused")]
    DocumentType,
    /// A declared encoding that is not UTF-8.
    #[error("declares an encoding other than UTF-8")]
    OtherEncoding,
    /// More costly to parse than its length suggests.
    #[error("has {0} than any domain of libvirt")]
    TooHeavy(Weight),
    /// Against a rule of XML.
    #[error("is not well-formed at line {line}, column {column}")]
    NotWellFormed {
        /// The line, from 1.
        line: u32,
        /// The character in it, from 1.
        column: u32,
    },
    /// An element without an end.
    #[error("ends within an element")]
    Unfinished,
    /// Its outermost element is no `<domain>`.
    #[error("is not a <domain>")]
    NotADomain,
    /// `<hookData>` of the network driver without a network, or with several.
    #[error("has {networks} networks, and not one")]
    NotOneNetwork {
        /// Their number.
        networks: usize,
    },
}

/// The excess that makes a text costly to parse.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weight {
    /// Elements in elements.
    Depth,
    /// Attributes of one element.
    Attributes,
    /// Declared namespaces, by their number or their length.
    Namespaces,
    /// Bytes of a name.
    Names,
    /// Elements, comments, attributes, and what looks like them.
    Markup,
}

impl fmt::Display for Weight {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Depth => "more deeply nested elements",
            Self::Attributes => "more attributes in one element",
            Self::Namespaces => "more namespaces",
            Self::Names => "longer names",
            Self::Markup => "more markup",
        })
    }
}
