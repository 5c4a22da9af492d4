//! Why a text is not taken for a domain's XML.

use std::fmt;

/// The longest text that is parsed, in bytes: twice what libvirt's own messages can hold.
pub const MAXIMUM_PARSED: usize = 8 << 20;

/// Why a text is not taken for a domain's XML. No message repeats any of it, since it may hold passwords.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// It is longer than anything that libvirt passes.
    #[error("is longer than {MAXIMUM_PARSED} bytes")]
    TooLong,
    /// It is not UTF-8, which is what libvirt writes.
    #[error("is not UTF-8 from byte {valid} on")]
    NotUtf8 {
        /// How many bytes before it are.
        valid: usize,
    },
    /// It declares its own document type, by which a short text can be made to stand for an endless one.
    #[error("has a document type declaration, and none is expanded here")]
    DocumentType,
    /// It says that it is in an encoding that it is not in.
    #[error("declares another encoding than UTF-8")]
    OtherEncoding,
    /// It would cost more to parse than its length tells.
    #[error("has {0} than any domain of libvirt's")]
    TooHeavy(Weight),
    /// It breaks a rule of XML.
    #[error("is not well-formed at line {line}, column {column}")]
    NotWellFormed {
        /// The line, from 1.
        line: u32,
        /// The character in it, from 1.
        column: u32,
    },
    /// It has an element without an end.
    #[error("ends before all of its elements do")]
    Unfinished,
    /// Its outermost element is no `<domain>`.
    #[error("is no <domain>")]
    NotADomain,
}

/// What there is too much of.
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
            Self::Depth => "elements deeper in each other",
            Self::Attributes => "more attributes in one element",
            Self::Namespaces => "more namespaces",
            Self::Names => "longer names",
            Self::Markup => "more markup",
        })
    }
}
