//! Cost of parsing a text, estimated in linear time; and rules of XML that libvirt's parser checks and the tree's
//! parser does not.
//!
//! The tree resolves each element's namespaces against those of all elements around it, and compares each attribute
//! with the
//! others of its element: 200 KB of hostile XML keep a parser busy for half a minute. A text with more of these than
//! any domain that libvirt would read is refused before.

use roxmltree::{Document, Node, NodeId};
use xmlparser::{ElementEnd, StrSpan, TextPos, Token, Tokenizer};

use super::unreadable::{Unreadable, Weight};

/// Maximum depth of elements. libvirt's own parser refuses deeper ones (`xmlParserMaxDepth` of libxml2).
const MAXIMUM_DEPTH: usize = 256;

/// Maximum number of attributes of an element. libvirt's have a dozen.
const MAXIMUM_ATTRIBUTES: usize = 256;

/// Maximum number of attributes with a prefix. libvirt's have none.
const MAXIMUM_PREFIXED: usize = 32;

/// Maximum number of declared namespaces. libvirt's domains declare one, and one for each tool's metadata.
const MAXIMUM_NAMESPACES: usize = 256;

/// Maximum length of all their names and prefixes together, in bytes.
const MAXIMUM_NAMESPACE_BYTES: usize = 16 << 10;

/// Maximum length of a name, in bytes.
const MAXIMUM_NAME: usize = 1 << 10;

/// Maximum number of `<`, and of `=`, anywhere in the text: the tree reserves memory for each.
const MAXIMUM_MARKS: usize = 1 << 19;

/// The longest text that is not weighed where nothing in it can weigh much, in bytes. Most domains are shorter.
const LIGHT: usize = 64 << 10;

/// Maximum number of `<`, and of `=`, in a light text. Quadratic work on so many takes some tens of milliseconds.
const LIGHT_MARKS: usize = 4 << 10;

/// Returns true if a text is so short and plain that it can be parsed at once, and its tree checked instead: no
/// references, namespaces, prefixes, declarations, or anything else that `weigh` checks.
pub(super) fn is_light(text: &str) -> bool {
    let bytes = text.as_bytes();
    let few = |mark| memchr::memchr_iter(mark, bytes).count() <= LIGHT_MARKS;
    let has = |words: &str| memchr::memmem::find(bytes, words.as_bytes()).is_some();
    bytes.len() <= LIGHT
        && memchr::memchr(b'&', bytes).is_none()
        && few(b'<')
        && few(b'=')
        && !["xmlns", "xml:", "<?", "<!"].into_iter().any(has)
}

/// Checks the tree of a light text as [`weigh`] checks a text.
pub(super) fn weigh_tree(tree: &Document<'_>) -> Result<(), Unreadable> {
    let mut above: Vec<NodeId> = Vec::new();
    for node in tree.descendants().filter(Node::is_element) {
        // Nodes come in document order: an element that is not this one's parent has ended.
        while above.last().is_some_and(|last| node.parent().is_none_or(|parent| parent.id() != *last)) {
            above.pop();
        }
        // The innermost element does not count: the tree does not distinguish `<a></a>` from `<a/>`, which is never
        // open.
        check_maximum(above.len(), MAXIMUM_DEPTH, Weight::Depth)?;
        above.push(node.id());
        check_maximum(node.tag_name().name().len(), MAXIMUM_NAME, Weight::Names)?;
        check_maximum(node.attributes().len(), MAXIMUM_ATTRIBUTES, Weight::Attributes)?;
        for attribute in node.attributes() {
            check_maximum(attribute.name().len(), MAXIMUM_NAME, Weight::Names)?;
        }
    }
    Ok(())
}

/// Refuses a text that would cost too much, or breaks a rule that the tree does not check.
pub(super) fn weigh(text: &str) -> Result<(), Unreadable> {
    if [b'<', b'='].iter().any(|&mark| memchr::memchr_iter(mark, text.as_bytes()).count() > MAXIMUM_MARKS) {
        return Err(Unreadable::TooHeavy(Weight::Markup));
    }
    // Nearly no domain has one.
    let has_references = memchr::memchr(b'&', text.as_bytes()).is_some();
    let (mut depth, mut namespaces, mut namespace_bytes) = (0_usize, 0, 0);
    let (mut attributes, mut prefixed, mut has_default) = (0, 0, false);
    let mut tokens = Tokenizer::from(text);
    while let Some(token) = tokens.next() {
        let token = token.map_err(|error| at(error.pos()))?;
        let here = || at(tokens.stream().gen_text_pos());
        match token {
            Token::Declaration { encoding, .. } => check_encoding(encoding, text)?,
            Token::DtdStart { .. } | Token::EmptyDtd { .. } => return Err(Unreadable::DocumentType),
            // The name is kept for declarations (XML 1.0, 2.6).
            Token::ProcessingInstruction { target, .. } if target.eq_ignore_ascii_case("xml") => return Err(here()),
            Token::ElementStart { local, .. } => {
                (attributes, prefixed, has_default) = (0, 0, false);
                check_maximum(local.len(), MAXIMUM_NAME, Weight::Names)?;
            }
            Token::Attribute { prefix, local, value, .. } => {
                attributes += 1;
                let is_default = prefix.is_empty() && local.as_str() == "xmlns";
                if is_default && std::mem::replace(&mut has_default, true)
                    || (has_references && !are_characters(value.as_str()))
                {
                    return Err(here());
                }
                if is_default || prefix.as_str() == "xmlns" {
                    namespaces += 1;
                    namespace_bytes += local.len() + value.len();
                } else {
                    prefixed += usize::from(!prefix.is_empty());
                }
                check_maximum(local.len(), MAXIMUM_NAME, Weight::Names)?;
            }
            Token::Text { text } if has_references && !are_characters(text.as_str()) => return Err(here()),
            Token::ElementEnd { end: ElementEnd::Open, .. } => depth += 1,
            Token::ElementEnd { end: ElementEnd::Close(..), .. } => depth = depth.saturating_sub(1),
            _ => {}
        }
        check_maximum(depth, MAXIMUM_DEPTH, Weight::Depth)?;
        check_maximum(attributes, MAXIMUM_ATTRIBUTES, Weight::Attributes)?;
        check_maximum(prefixed, MAXIMUM_PREFIXED, Weight::Attributes)?;
        check_maximum(namespaces, MAXIMUM_NAMESPACES, Weight::Namespaces)?;
        check_maximum(namespace_bytes, MAXIMUM_NAMESPACE_BYTES, Weight::Namespaces)?;
    }
    Ok(())
}

const fn check_maximum(count: usize, most: usize, weight: Weight) -> Result<(), Unreadable> {
    if count > most { Err(Unreadable::TooHeavy(weight)) } else { Ok(()) }
}

const fn at(place: TextPos) -> Unreadable {
    Unreadable::NotWellFormed { line: place.row, column: place.col }
}

/// Refuses a text that declares an encoding in which its bytes mean something else.
fn check_encoding(encoding: Option<StrSpan<'_>>, text: &str) -> Result<(), Unreadable> {
    let Some(encoding) = encoding else { return Ok(()) };
    let is = |name: &str| encoding.eq_ignore_ascii_case(name);
    let fits = is("UTF-8") || (text.is_ascii() && (is("US-ASCII") || is("ASCII") || is("ISO-8859-1")));
    if fits { Ok(()) } else { Err(Unreadable::OtherEncoding) }
}

/// Returns true if all numeric references stand for characters that XML allows (XML 1.0, 2.2).
fn are_characters(text: &str) -> bool {
    // References are rare, and a search for one byte is fast.
    memchr::memchr(b'&', text.as_bytes()).is_none()
        || text.split("&#").skip(1).all(|reference| {
            let digits = reference.split(';').next().unwrap_or_default();
            let number = match digits.strip_prefix('x') {
                Some(digits) => u32::from_str_radix(digits, 16),
                None => digits.parse(),
            };
            let character = number.ok().and_then(char::from_u32);
            character
                .is_some_and(|character| matches!(character, '\t' | '\n' | '\r' | ' '..='\u{fffd}' | '\u{10000}'..))
        })
}
