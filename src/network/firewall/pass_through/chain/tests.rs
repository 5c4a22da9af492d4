use super::*;
use crate::kernel::nftables::recorded::{JUMP, OWN, OWN_OF_IPTABLES, REJECT, TRANSLATED, VERDICT_MAP, rule};

fn of(chain: &str, expressions: &[Expression]) -> Rule {
    Rule { chain: chain.to_owned(), handle: 1, comment: None, expressions: expressions.to_vec() }
}

fn other(name: &str) -> Expression {
    Expression::Other(name.as_bytes().to_vec())
}

const ACCEPT: Expression = Expression::Verdict(Verdict::Accept);

#[test]
fn what_a_chain_may_refuse() {
    let here = |expressions: &[Expression]| of("filter_FORWARD", expressions);
    let (translated, reject) = (rule(TRANSLATED), rule(REJECT));
    let drop = here(&[Expression::Verdict(Verdict::Refuse)]);
    let map = Rule { chain: "filter_FORWARD".to_owned(), ..rule(VERDICT_MAP) };
    let of_iptables = |name: &str| here(&[Expression::Match(b"tcp".to_vec(), vec![]), Expression::Target(name.into())]);
    let accept_some = here(&[other("meta"), Expression::Compare { equal: true, value: vec![0] }, ACCEPT]);
    let accept_all = here(&[other("counter"), other("log"), ACCEPT]);
    for (rules, with_accept, with_drop) in [
        (vec![], Refuses::Nothing, Refuses::Anything),
        (vec![reject.clone()], Refuses::Anything, Refuses::Anything),
        (vec![drop.clone()], Refuses::Anything, Refuses::Anything),
        (vec![rule(JUMP)], Refuses::Anything, Refuses::Anything),
        (vec![map], Refuses::Anything, Refuses::Anything),
        (vec![here(&[other("queue")])], Refuses::Anything, Refuses::Anything),
        (vec![here(&[other("objref")])], Refuses::Anything, Refuses::Anything),
        (vec![of_iptables("DROP")], Refuses::Anything, Refuses::Anything),
        (vec![of_iptables("TCPMSS")], Refuses::Nothing, Refuses::Anything),
        (vec![accept_some.clone()], Refuses::Nothing, Refuses::Anything),
        (vec![accept_some.clone(), reject.clone()], Refuses::Anything, Refuses::Anything),
        (vec![here(&[other("counter"), other("log"), other("limit")])], Refuses::Nothing, Refuses::Anything),
        (vec![accept_all.clone(), reject.clone()], Refuses::Nothing, Refuses::Nothing),
        (vec![translated.clone()], Refuses::Nothing, Refuses::Untranslated),
        (vec![accept_some, translated.clone(), reject.clone()], Refuses::Untranslated, Refuses::Untranslated),
        (vec![drop, translated, reject], Refuses::Anything, Refuses::Anything),
    ] {
        assert_eq!(refuses(&rules, "filter_FORWARD", false, false), with_accept, "{rules:?}");
        assert_eq!(refuses(&rules, "filter_FORWARD", true, false), with_drop, "{rules:?}");
    }
}

#[test]
fn where_all_rules_are_known_a_jump_refuses_what_its_chain_refuses() {
    let jump = |from: &str, to: &str| of(from, &[Expression::Verdict(Verdict::Jump(to.to_owned()))]);
    let clamp = of("b", &[Expression::Target(b"TCPMSS".to_vec())]);
    let loops = [jump("a", "b"), jump("b", "a"), jump("b", "empty"), clamp];
    assert_eq!(refuses(&loops, "a", false, true), Refuses::Nothing);
    assert_eq!(refuses(&loops, "a", false, false), Refuses::Anything);
    let drops = [&loops[..], &[of("b", &[Expression::Verdict(Verdict::Refuse)])]].concat();
    assert_eq!(refuses(&drops, "a", false, true), Refuses::Anything);
    assert_eq!(refuses(&drops, "elsewhere", false, true), Refuses::Nothing);
}

#[test]
fn its_own_rule_is_known_and_seen_through() {
    for digits in [OWN, OWN_OF_IPTABLES] {
        let whole = rule(digits);
        let found = Own::find(3, &whole).expect("a rule of ours");
        assert_eq!(found, Own { place: 3, name: whole.handle.to_string(), is_whole: true });
        let with_counter = [&[other("counter")], whole.expressions.as_slice()].concat();
        let is_whole =
            |expressions: Vec<Expression>| Own::find(0, &Rule { expressions, ..whole.clone() }).map(|own| own.is_whole);
        assert_eq!(is_whole(with_counter), Some(true));
        let first = &whole.expressions[..1];
        for narrower in [&[Expression::Match(b"tcp".to_vec(), vec![])], first, &[other("meta")], &[ACCEPT]] {
            let expressions = [narrower, whole.expressions.as_slice()].concat();
            assert_eq!(is_whole(expressions), Some(false), "{narrower:?}");
        }
        let mut without_verdict = whole.expressions.clone();
        without_verdict.pop();
        assert_eq!(is_whole(without_verdict.clone()), Some(false));
        without_verdict.push(Expression::Verdict(Verdict::Refuse));
        assert_eq!(is_whole(without_verdict), Some(false));
    }
    for digits in [JUMP, TRANSLATED, REJECT] {
        assert_eq!(Own::find(0, &rule(digits)), None);
    }
    let longer = Rule { comment: Some(b"virt-hooks of mine".to_vec()), ..rule(OWN) };
    assert_eq!(Own::find(0, &longer), None);
}

#[test]
fn names_that_nft_would_take_for_something_else_are_given_to_it_in_no_case() {
    for name in ["filter", "FORWARD", "filter_FORWARD", "docker-bridges", "_a", "a.b/c"] {
        assert_eq!(word(name).ok(), Some(name));
    }
    for name in ["", "-a", "1a", "a b", "a;flush ruleset", "a\n", "a{", "\"a\"", "ä"] {
        assert!(word(name).is_err(), "{name:?}");
    }
}

#[test]
fn a_name_that_nft_does_not_take_is_in_no_command() {
    let chain = |table: &str, name: &str| Chain {
        family: Family::Inet,
        table: table.to_owned(),
        name: name.to_owned(),
        has_parts_of_iptables: false,
    };
    let expected = "nft insert rule inet t c 'ct mark and 0x01000000 == 0x01000000 accept comment \"virt-hooks\"'";
    assert_eq!(chain("t", "c").command().as_deref(), Some(expected));
    for name in ["$(touch /x)", "a;b", "\u{1b}[2J", "a b", "'", "1"] {
        assert_eq!(chain(name, "c").command(), None, "{name:?}");
        assert_eq!(chain("t", name).command(), None, "{name:?}");
        assert!(!chain("t", name).to_string().contains('\u{1b}'));
    }
}
