//! One table of a file: a `[[forward]]`, a `[[route]]` or `[network]`, as TOML has read it.
//!
//! A forward or a route of which anything is wrong is refused as a whole: one of which the misspelt `form` is ignored would
//! open a port to everybody.

use std::ops::Range;

use glob::Pattern;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::catalogue::{ForwardKey, NetworkKey, RouteKey};
use super::rules::Said;
use super::{DeclaredForward, DeclaredRoute, Source, value};
use crate::configuration::{Refusal, boolean, described, nearest, pattern};
use crate::record::Escaped;
use crate::settings::on_failure;

/// A key with its value, as TOML has read them.
type Value<'a> = Spanned<DeValue<'a>>;

/// The patterns of a table's `domain`; nothing where it says none or something else.
pub(super) fn domains(table: &DeTable<'_>) -> Option<Vec<Pattern>> {
    let (patterns, refusals) = several(table.get("domain")?, pattern);
    refusals.is_empty().then_some(patterns)
}

/// A `[[forward]]`.
///
/// # Errors
/// All that is wrong in it.
pub(super) fn forward(
    table: &DeTable<'_>,
    header: &Range<usize>,
    source: Source,
) -> Result<DeclaredForward, Vec<Refusal>> {
    let mut refusals = Refusals::default();
    let (mut ports, mut protocol, mut listen, mut to, mut to_port) = (None, None, None, None, None);
    let mut from = Vec::new();
    for (key, value) in table {
        match ForwardKey::named(key.get_ref().as_ref()) {
            Some(ForwardKey::Domain) => refusals.domain(value),
            Some(ForwardKey::Protocol) => protocol = refusals.of(key, text(value, "\"tcp\"", value::protocol)),
            Some(ForwardKey::Listen) => listen = refusals.of(key, text(value, "\"203.0.113.7\"", value::listen)),
            Some(ForwardKey::Port) => ports = refusals.of(key, number_or_text(value, value::ports)),
            Some(ForwardKey::To) => to = refusals.of(key, text(value, "\"192.168.122.10\"", value::guest)),
            Some(ForwardKey::ToPort) => to_port = refusals.of(key, number_or_text(value, value::port)),
            Some(ForwardKey::From) => from = refusals.all(key, value, |one| text(one, PREFIX, value::prefix)),
            None => refusals.unknown(key, &ForwardKey::ALL.map(ForwardKey::name)),
        }
    }
    refusals.missing(table, header, &[ForwardKey::Domain.name(), ForwardKey::Port.name()]);
    let declared = ports.filter(|_| refusals.0.is_empty()).map(|ports| DeclaredForward {
        source,
        protocol: protocol.unwrap_or_default(),
        listen,
        ports,
        to,
        to_port,
        from: value::merged(&from),
    });
    if let Some((key, why)) = declared.as_ref().and_then(DeclaredForward::misfit) {
        refusals.at_key(table, header, key.name(), why);
    }
    declared.filter(|_| refusals.0.is_empty()).ok_or(refusals.0)
}

/// A `[[route]]`.
///
/// # Errors
/// All that is wrong in it.
pub(super) fn route(table: &DeTable<'_>, header: &Range<usize>, source: Source) -> Result<DeclaredRoute, Vec<Refusal>> {
    let mut refusals = Refusals::default();
    let (mut to, mut proxy) = (None, None);
    for (key, value) in table {
        match RouteKey::named(key.get_ref().as_ref()) {
            Some(RouteKey::Domain) => refusals.domain(value),
            Some(RouteKey::To) => to = refusals.of(key, text(value, "\"198.51.100.9/32\"", value::destination)),
            Some(RouteKey::Proxy) => proxy = refusals.of(key, text(value, "\"eth0\"", value::device)),
            None => refusals.unknown(key, &RouteKey::ALL.map(RouteKey::name)),
        }
    }
    refusals.missing(table, header, &[RouteKey::Domain.name(), RouteKey::To.name()]);
    let declared = to.filter(|_| refusals.0.is_empty()).map(|to| DeclaredRoute { source, to, proxy });
    if let Some((key, why)) = declared.as_ref().and_then(DeclaredRoute::misfit) {
        refusals.at_key(table, header, key.name(), why);
    }
    declared.filter(|_| refusals.0.is_empty()).ok_or(refusals.0)
}

/// `[network]`, and what is wrong in it. What is wrong lets VMs claim less, never more.
pub(super) fn network(table: &DeTable<'_>) -> (Said, Vec<Refusal>) {
    let mut refusals = Refusals::default();
    let mut said = Said::default();
    for (key, value) in table {
        match NetworkKey::named(key.get_ref().as_ref()) {
            Some(NetworkKey::OnFailure) => said.on_failure = refusals.of(key, on_failure(value)),
            Some(NetworkKey::Metadata) => said.metadata = Some(refusals.of(key, boolean(value)).unwrap_or_default()),
            Some(NetworkKey::Listen) => said.listen = Some(refusals.claimable(key, value)),
            Some(NetworkKey::Routes) => said.routes = Some(refusals.claimable(key, value)),
            Some(NetworkKey::Ports) => {
                said.ports = Some(refusals.all(key, value, |one| number_or_text(one, value::ports)));
            }
            Some(NetworkKey::Proxy) => {
                said.proxy = Some(refusals.all(key, value, |one| text(one, "\"eth0\"", value::device)));
            }
            None => refusals.unknown(key, &NetworkKey::ALL.map(NetworkKey::name)),
        }
    }
    (said, refusals.0)
}

/// What is written of a prefix that a text is expected to be.
const PREFIX: &str = "\"198.51.100.0/24\"";

/// All that is wrong in one table.
#[derive(Default)]
struct Refusals(Vec<Refusal>);

impl Refusals {
    fn of<T>(&mut self, key: &Spanned<impl AsRef<str>>, read: Result<T, Refusal>) -> Option<T> {
        read.map_err(|(span, why)| self.0.push((span, format!("\"{}\" {why}", key.get_ref().as_ref())))).ok()
    }

    /// A value, or an array of them.
    fn all<T>(
        &mut self,
        key: &Spanned<impl AsRef<str>>,
        value: &Value<'_>,
        read: impl Fn(&Value<'_>) -> Result<T, Refusal>,
    ) -> Vec<T> {
        let (values, refusals) = several(value, read);
        for (span, why) in refusals {
            self.0.push((span, format!("\"{}\" {why}", key.get_ref().as_ref())));
        }
        values
    }

    fn claimable(&mut self, key: &Spanned<impl AsRef<str>>, value: &Value<'_>) -> Vec<ipnet::IpNet> {
        self.all(key, value, |one| text(one, PREFIX, value::claimable)).concat()
    }

    fn domain(&mut self, value: &Value<'_>) {
        let (patterns, refusals) = several(value, pattern);
        if patterns.is_empty() && refusals.is_empty() {
            self.0.push((value.span(), "\"domain\" is an empty array and names no VM".to_owned()));
        }
        self.0.extend(refusals.into_iter().map(|(span, why)| (span, format!("\"domain\" {why}"))));
    }

    fn unknown(&mut self, key: &Spanned<impl AsRef<str>>, known: &[&str]) {
        let name = key.get_ref().as_ref();
        let hint = match nearest(name, known) {
            Some(near) => format!("did you mean \"{near}\"?"),
            None => format!("the keys here are {}", known.join(", ")),
        };
        self.0.push((key.span(), format!("the key \"{}\" is not known; {hint}", Escaped(name.as_bytes()))));
    }

    fn missing(&mut self, table: &DeTable<'_>, header: &Range<usize>, needed: &[&str]) {
        for name in needed.iter().filter(|name| !table.contains_key(**name)) {
            self.0.push((header.clone(), format!("it has no \"{name}\"")));
        }
    }

    fn at_key(&mut self, table: &DeTable<'_>, header: &Range<usize>, key: &str, why: String) {
        let span = table.get(key).map_or_else(|| header.clone(), Spanned::span);
        self.0.push((span, why));
    }
}

/// The values of an array, or the one value, and why some can't be taken.
fn several<T>(value: &Value<'_>, read: impl Fn(&Value<'_>) -> Result<T, Refusal>) -> (Vec<T>, Vec<Refusal>) {
    let one = std::slice::from_ref(value);
    let (mut values, mut refusals) = (Vec::new(), Vec::new());
    for value in value.get_ref().as_array().map_or(one, |array| &**array) {
        match read(value) {
            Ok(value) => values.push(value),
            Err(refusal) => refusals.push(refusal),
        }
    }
    (values, refusals)
}

fn text<T>(value: &Value<'_>, such_as: &str, read: fn(&str) -> Result<T, String>) -> Result<T, Refusal> {
    let Some(text) = value.get_ref().as_str() else {
        let why = format!("must be a text such as {such_as}, not {}", described(value.get_ref()));
        return Err((value.span(), why));
    };
    read(text).map_err(|why| (value.span(), why))
}

/// A port is written as a number or, as a range is, as a text.
fn number_or_text<T>(value: &Value<'_>, read: fn(&str) -> Result<T, String>) -> Result<T, Refusal> {
    let number = match value.get_ref() {
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix()).ok().map(|it| it.to_string()),
        DeValue::String(text) => Some(text.to_string()),
        _ => None,
    };
    let text = number.unwrap_or_else(|| described(value.get_ref()));
    read(&text).map_err(|why| (value.span(), why))
}
