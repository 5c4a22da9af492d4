use proptest::prelude::*;

use super::recorded;
use super::*;
use crate::kernel::netlink::recorded::bytes;

#[test]
fn a_chain_is_read_as_the_kernel_tells_it() {
    let (table, name) = ("firewalld".to_owned(), "filter_FORWARD".to_owned());
    let expected = Chain { family: Family::Inet, table, name, drops: false };
    assert_eq!(recorded::chain(), expected);
    let mut body = bytes(recorded::CHAIN);
    let policy = body.windows(8).position(|window| window == [8, 0, 5, 0, 0, 0, 0, 1]).expect("the policy");
    body[policy + 7] = 0;
    assert_eq!(Chain::parse(&body), Some(Chain { drops: true, ..expected }));
    let hook = body.windows(8).position(|window| window == [8, 0, 1, 0, 0, 0, 0, 2]).expect("the hook");
    body[hook + 7] = 1;
    assert_eq!(Chain::parse(&body), None);
}

#[test]
fn a_rule_is_read_as_the_kernel_tells_it() {
    let accept = Expression::Verdict(Verdict::Accept);
    let word = |number: u32| number.to_ne_bytes().to_vec();
    let asks = |key, mask: u32, equal, value: u32| {
        [
            Expression::Connection(key),
            Expression::Mask(word(mask), word(0)),
            Expression::Compare { equal, value: word(value) },
        ]
    };
    let own = recorded::rule(recorded::OWN);
    assert_eq!((own.chain.as_str(), own.comment.as_deref()), ("filter_FORWARD", Some(b"virt-hooks".as_slice())));
    assert_eq!(
        own.expressions,
        [asks(3, 0x0100_0000, true, 0x0100_0000).as_slice(), std::slice::from_ref(&accept)].concat()
    );
    let translated = recorded::rule(recorded::TRANSLATED);
    assert_eq!((translated.handle, translated.comment), (0x8a, None));
    assert_eq!(translated.expressions, [asks(2, 0x20, false, 0).as_slice(), std::slice::from_ref(&accept)].concat());
    let zones = Verdict::Jump("filter_FORWARD_ZONES".to_owned());
    assert_eq!(recorded::rule(recorded::JUMP).expressions, [Expression::Verdict(zones)]);
    assert_eq!(recorded::rule(recorded::REJECT).expressions, [Expression::Other(b"reject".to_vec())]);
    let expected = [Expression::Connection(0), Expression::VerdictMap];
    assert_eq!(recorded::rule(recorded::VERDICT_MAP).expressions, expected);
    let own = recorded::rule(recorded::OWN_OF_IPTABLES);
    let [Expression::Match(connmark, info), Expression::Match(comment, text), counter, verdict] =
        own.expressions.as_slice()
    else {
        panic!("{own:?}");
    };
    assert_eq!((connmark.as_slice(), comment.as_slice()), (&b"connmark"[..], &b"comment"[..]));
    assert_eq!(info[..9], [0, 0, 0, 1, 0, 0, 0, 1, 0]);
    assert!(text.starts_with(b"virt-hooks\0"));
    assert_eq!((counter, verdict), (&Expression::Other(b"counter".to_vec()), &accept));
}

#[test]
fn a_comment_is_found_among_what_is_noted() {
    for (noted, expected) in [
        (&b"\0\x03ab\0"[..], Some(&b"ab"[..])),
        (b"\x05\x02xy\0\x02a\0", Some(b"a")),
        (b"\0\x09ab\0", None),
        (b"\x05\x00", None),
        (b"\0", None),
        (b"", None),
    ] {
        assert_eq!(comment(noted).as_deref(), expected, "{noted:?}");
    }
}

proptest! {
    #[test]
    fn any_bytes_are_read_to_an_end(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        _ = (Chain::parse(&bytes), Rule::parse(&bytes), Expression::parse(&bytes), comment(&bytes));
    }

    #[test]
    fn any_change_of_a_message_is_read_to_an_end(which in 0..7_usize, at: prop::sample::Index, byte: u8) {
        use recorded::{CHAIN, JUMP, OWN, OWN_OF_IPTABLES, REJECT, TRANSLATED, VERDICT_MAP};
        let mut body = bytes([CHAIN, JUMP, OWN, OWN_OF_IPTABLES, REJECT, TRANSLATED, VERDICT_MAP][which]);
        let at = at.index(body.len());
        body[at] = byte;
        _ = (Chain::parse(&body), Rule::parse(&body[FAMILY..]));
    }
}
