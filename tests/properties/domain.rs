//! Properties of what is done to a domain's XML.

use proptest::collection::vec;
use proptest::prelude::*;
use virt_hooks::cloudstack::NoGuestDevice;

use crate::rewrite::{Imagined, rewritten};

/// Names of bridges: those of the table, and what is nearly one.
fn bridge() -> impl Strategy<Value = String> {
    prop_oneof![
        "cloudVirBr[0-9]{0,6}",
        "cloudVirBr[-.a-z0-9&<>'\" \t\u{e9}]{0,6}",
        "brvx-[0-9]{1,4}",
        "br(eth1|eth1\\.7|ens3|bond-a|x)-[0-9]{1,5}",
        "br[-.a-z0-9/ ]{0,5}-[0-9]{0,4}",
        "(virbr|br|cloudbr)[0-9]",
        "\\PC{0,12}",
    ]
}

/// More than some parsers count.
const BLANKS: &str = concat!(
    "\r\n",
    "                                                                ",
    "                                                                                                ",
    "                                                                                                ",
    "\t"
);

/// The same value in one of the ways in which XML lets it be written, quotes included.
fn written(value: &str, quote: char, references: u8) -> String {
    let character = |(index, character): (usize, char)| {
        let as_reference = (references >> (index % 8)) & 1 == 1;
        match character {
            '&' => "&amp;".to_owned(),
            '<' => "&lt;".to_owned(),
            '"' | '\'' if character == quote || as_reference => format!("&#{};", u32::from(character)),
            '\t' | '\n' | '\r' => format!("&#{};", u32::from(character)),
            _ if as_reference => format!("&#x{:X};", u32::from(character)),
            _ => character.to_string(),
        }
    };
    let inside: String = value.chars().enumerate().map(character).collect();
    format!("{quote}{inside}{quote}")
}

/// What can stand between elements without meaning anything.
fn filling() -> impl Strategy<Value = String> {
    prop_oneof![
        Just(String::new()),
        "[ \t\r\n]{0,4}",
        Just("<!-- <interface><source bridge='cloudVirBr1'/></interface> -->".to_owned()),
        Just("<disk type='file'><source bridge='cloudVirBr2'/></disk>".to_owned()),
        Just("<x:y xmlns:x='urn:x' x:bridge=\"cloudVirBr3\"/>".to_owned()),
        Just("<hostdev><interface><source bridge='cloudVirBr4'/></interface></hostdev>".to_owned()),
        Just("<?pi cloudVirBr5?>".to_owned()),
        Just("<title>Grüße &#65; &lt;<![CDATA[<source bridge='cloudVirBr6'/>]]></title>".to_owned()),
    ]
}

prop_compose! {
    fn interface()(
        bridge in proptest::option::weighted(0.9, bridge()),
        quote in prop_oneof![Just('\''), Just('"')],
        references in prop_oneof![3 => Just(0_u8), 1 => any::<u8>()],
        around in prop_oneof![Just(("", "")), Just((" ", " ")), Just(("\r\n", "\t")), Just((BLANKS, "")), Just(("", BLANKS))],
        inside in filling(),
    ) -> (String, Option<(String, String)>) {
        let bridge = bridge.map(|bridge| (written(&bridge, quote, references), bridge));
        let source = bridge.as_ref().map(|(value, _)| {
            format!("<source{} dev='x' bridge{}={}{value}{}/>", around.0, around.0, around.1, around.1)
        });
        let source = source.unwrap_or_default();
        (format!("<interface type='bridge'>{inside}{source}</interface>"), bridge)
    }
}

prop_compose! {
    fn domain()(
        prolog in prop_oneof![
            Just(""), Just("\u{feff}"), Just("<?xml version='1.0' encoding='UTF-8'?>\r\n"), Just("<!-- c -->\n"),
        ],
        interfaces in vec((interface(), filling()), 0..6),
        between in (filling(), filling(), filling()),
    ) -> (String, Vec<Option<(String, String)>>) {
        let bridges = interfaces.iter().map(|((_, bridge), _)| bridge.clone()).collect();
        let devices: String = interfaces.iter().map(|((interface, _), after)| format!("{interface}{after}")).collect();
        let xml = format!(
            "{prolog}<domain type='kvm'>{}<name>vm</name><uuid>5f2f9f0e-6b0c-4a57-a1c3-0d9a3c4c2f11</uuid>{}<devices>{}{devices}\
             </devices></domain>\n",
            between.0, between.1, between.2,
        );
        (xml, bridges)
    }
}

prop_compose! {
    fn host()(
        devices in vec("(eth1|ens3|bond-a|eth1\\.7|[a-z]{1,3})", 0..4),
        guest_device in prop_oneof![Just("eth1"), Just("bond-a"), Just("enp129s0f0np0"), Just("x"), Just("")],
    ) -> Imagined {
        let no_port = NoGuestDevice::NoPort { bridge: "cloudbr0".to_owned() };
        let guest_device = if guest_device.is_empty() { Err(no_port) } else { Ok(guest_device.to_owned()) };
        Imagined { devices, guest_device }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(5000))]

    #[test]
    fn rewriting_bridges_changes_no_other_byte_and_a_second_pass_changes_nothing((xml, bridges) in domain(), host in host()) {
        let read = virt_hooks::domain::DomainXml::parse(xml.as_bytes());
        let read = read.map_err(|why| TestCaseError::fail(format!("it {why}: {xml}")))?;
        let seen = read.interfaces().map(|interface| interface.bridge.map(|bridge| {
            let with_quotes = &xml[bridge.place.start - 1..bridge.place.end + 1];
            (with_quotes.to_owned(), bridge.text.to_owned())
        }));
        prop_assert_eq!(seen.collect::<Vec<_>>(), bridges, "every interface, and only those, in its place and as it is meant");
        prop_assert!(rewritten(xml.as_bytes(), &host).is_some());
    }

    /// A plain short text is parsed at once, any other is weighed before; a comment at the end makes of the one the other.
    #[test]
    fn whether_a_text_is_weighed_before_makes_no_difference(
        (xml, _bridges) in domain(), from in 0_usize..2000, length in 0_usize..40, instead in "[<>/='\" a&;:-]{0,3}",
    ) {
        let text: Vec<char> = xml.chars().filter(|character| *character != '!' && *character != '?').collect();
        let from = from.min(text.len());
        let to = (from + length).min(text.len());
        let changed: String = text[..from].iter().chain(instead.chars().collect::<Vec<_>>().iter()).chain(&text[to..]).collect();
        let parsed = |text: &str| virt_hooks::domain::DomainXml::parse(text.as_bytes()).map(|domain| {
            domain.interfaces().map(|interface| interface.bridge.map(|bridge| bridge.place)).collect::<Vec<_>>()
        });
        match (parsed(&changed), parsed(&format!("{changed}<!---->"))) {
            (Ok(light), Ok(weighed)) => prop_assert_eq!(light, weighed),
            (light, weighed) => prop_assert_eq!(light.is_ok(), weighed.is_ok(), "{}", changed),
        }
    }
}
