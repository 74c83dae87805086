//! What the rest of the fleet allows: every rule by table, their common sense by property.
#![allow(clippy::unwrap_used, missing_docs)] // a test fails best where it fails

use proptest::prelude::*;
use reboot_core::id::NodeName;
use reboot_core::policy::{Fraction, Peer, Policies, PolicyBlock, Standing, blocks};
use std::collections::BTreeSet;

fn name(text: &str) -> NodeName {
    NodeName::new(text).unwrap()
}

fn unhealthy(reason: &str) -> Standing {
    Standing::Unhealthy {
        stage: "monitor".to_owned(),
        reason: reason.to_owned(),
    }
}

fn peer(node: &str, standing: Standing) -> Peer {
    Peer {
        node: name(node),
        standing,
    }
}

/// One peer a letter: `h`ealthy, `u`nhealthy, `s`tale, `d`own, `o`verdue; named b, c, d …
fn fleet(standings: &str) -> Vec<Peer> {
    let letters = standings.bytes().zip(b'b'..);
    letters
        .map(|(letter, node)| peer(&char::from(node).to_string(), standing(letter)))
        .collect()
}

fn standing(letter: u8) -> Standing {
    match letter {
        b'h' => Standing::Healthy,
        b'u' => unhealthy("disk full"),
        b's' => Standing::Stale,
        b'd' => Standing::Down,
        b'o' => Standing::Overdue,
        other => panic!("no standing {other}"),
    }
}

/// `0.6 2 bc` is a fraction of 0.6, 2 nodes and the fallback nodes b and c; `-` leaves one out.
fn policies(text: &str) -> Policies {
    let mut words = text.split(' ');
    let mut word = || words.next().filter(|word| *word != "-");
    let fraction = word().map(|number| Fraction::new(number.parse().unwrap()).unwrap());
    let absolute = word().map(|number| number.parse().unwrap());
    let fallback = word();
    Policies {
        min_healthy_fraction: fraction,
        min_healthy_absolute: absolute,
        forbid_if_only_fallback_left: fallback.is_some(),
        fallback_nodes: fallback
            .unwrap_or("")
            .chars()
            .map(|c| name(&c.to_string()))
            .collect(),
    }
}

fn said(policies: &Policies, peers: &[Peer]) -> Vec<String> {
    let blocks = blocks(policies, &name("a"), peers);
    blocks.iter().map(|block| block.to_string()).collect()
}

#[test]
fn every_rule_blocks_exactly_when_it_should() {
    let table: &[(&str, &str, &[&str])] = &[
        // No policies: only the peers' own standing counts.
        ("- - -", "", &[]),
        ("- - -", "hhd", &[]),
        ("- - -", "hu", &["peers"]),
        ("- - -", "s", &["peers"]),
        ("- - -", "o", &["peers"]),
        // This node counts as healthy and as known.
        ("1 - -", "", &[]),
        ("1 - -", "hh", &[]),
        ("1 - -", "hd", &["min_healthy_fraction"]),
        ("0.5 - -", "d", &[]),
        ("0.5 - -", "dd", &["min_healthy_fraction"]),
        ("0.6 - -", "hhdd", &[]),
        ("0.6 - -", "hddd", &["min_healthy_fraction"]),
        ("- 0 -", "", &[]),
        ("- 1 -", "", &[]),
        ("- 2 -", "", &["min_healthy_absolute"]),
        ("- 2 -", "d", &["min_healthy_absolute"]),
        ("- 2 -", "hd", &[]),
        // Fallback: what is left while this node is down.
        ("- - b", "", &["only_fallback_left"]),
        ("- - b", "h", &["only_fallback_left"]),
        ("- - b", "hh", &[]),
        ("- - b", "hd", &["only_fallback_left"]),
        ("- - bc", "hh", &["only_fallback_left"]),
        // This node being a fallback node changes nothing: the others carry the load.
        ("- - a", "h", &[]),
        ("- - ab", "h", &["only_fallback_left"]),
        // Everything at once, in the documented order.
        (
            "0.9 4 b",
            "hu",
            &[
                "peers",
                "min_healthy_fraction",
                "min_healthy_absolute",
                "only_fallback_left",
            ],
        ),
    ];
    for (settings, standings, expected) in table {
        let found = blocks(&policies(settings), &name("a"), &fleet(standings));
        let kinds: Vec<&str> = found.iter().map(PolicyBlock::kind).collect();
        assert_eq!(&kinds, expected, "{settings} with {standings:?}");
    }
}

#[test]
fn messages_name_the_numbers() {
    let messages = said(&policies("0.6 4 b"), &fleet("hddd"));
    let expected = [
        "2 of 5 known nodes are healthy, 3 are required (min_healthy_fraction 0.6)",
        "2 of 5 known nodes are healthy, 4 are required (min_healthy_absolute 4)",
        "only fallback nodes would be left while this one is down: b \
         (forbid_if_only_fallback_left)",
    ];
    assert_eq!(messages, expected);
    let alone = said(&policies("- 2 b"), &[]);
    let expected = [
        "1 of 1 known node is healthy, 2 are required (min_healthy_absolute 2)",
        "no healthy node would be left while this one is down (forbid_if_only_fallback_left)",
    ];
    assert_eq!(alone, expected);
}

#[test]
fn the_message_names_each_peer_with_its_cause() {
    let messages = said(&Policies::default(), &fleet("ohdsu"));
    let expected = "b is overdue from its reboot (bring it back, or break its hold), \
        e has not reported lately (bring it back, or forget it), \
        f is unhealthy (monitor: disk full)";
    assert_eq!(messages, [expected]);
}

#[test]
fn the_message_names_five_peers_and_counts_the_rest() {
    let five = &said(&Policies::default(), &fleet("uuuuu"))[0];
    assert!(
        five.ends_with("f is unhealthy (monitor: disk full)"),
        "{five}"
    );
    let seven = &said(&Policies::default(), &fleet("uuuuuuu"))[0];
    assert!(
        seven.ends_with("f is unhealthy (monitor: disk full) and 2 more"),
        "{seven}"
    );
    let found = blocks(&Policies::default(), &name("a"), &fleet("uuuuuuu"));
    assert!(matches!(&found[..], [PolicyBlock::Peers { peers }] if peers.len() == 7));
}

#[test]
fn a_long_reason_of_many_lines_becomes_one_short_line() {
    let reason = format!("line one\nline two\u{1b}[31m{}\n", "ä".repeat(5_000));
    let message = &said(&Policies::default(), &[peer("b", unhealthy(&reason))])[0];
    assert!(
        message.starts_with("b is unhealthy (monitor: line one line two [31määä"),
        "{message}"
    );
    assert!(message.ends_with("ä…)"), "{message}");
    assert!(message.chars().count() < 160 && !message.contains(char::is_control));
}

#[test]
fn this_nodes_own_record_is_passed_over() {
    let peers = [peer("a", unhealthy("own")), peer("b", Standing::Healthy)];
    assert_eq!(said(&policies("1 2 -"), &peers), Vec::<String>::new());
}

#[test]
fn of_two_records_of_one_peer_the_worst_counts_and_once() {
    let twice = [peer("b", Standing::Healthy), peer("b", Standing::Stale)];
    let found = blocks(&policies("- 2 -"), &name("a"), &twice);
    let kinds: Vec<&str> = found.iter().map(PolicyBlock::kind).collect();
    assert_eq!(kinds, ["peers", "min_healthy_absolute"]);
    assert!(matches!(
        found[1],
        PolicyBlock::MinHealthyAbsolute {
            healthy: 1,
            known: 2,
            ..
        }
    ));
}

#[test]
fn a_share_is_rounded_up_on_the_number_as_written() {
    let table = [
        (0.1, 10, 1),
        (0.1, 11, 2),
        (0.07, 100, 7),
        (0.07, 101, 8),
        (0.29, 100, 29),
        (0.57, 100, 57),
        (0.3, 10, 3),
        (0.6, 5, 3),
        (0.7, 10, 7),
        (0.5, 1, 1),
        (1.0, 7, 7),
        (0.3333333333333333, 3, 1),
        (0.3333333333333334, 3, 2),
        (1e-3, 1_000, 1),
        (1e-3, 1_001, 2),
        (1e-30, 1_000, 1),
        (5e-324, 1_000, 1),
        (5e-324, u64::MAX, 1),
        (0.999_999_999_999_999_9, u64::MAX, u64::MAX - 1_844),
        (1.0, u64::MAX, u64::MAX),
        (0.5, 0, 0),
        (5e-324, 0, 0),
    ];
    for (number, known, required) in table {
        let fraction = Fraction::new(number).unwrap();
        assert_eq!(fraction.required(known), required, "{number} of {known}");
    }
}

#[test]
fn fractions_are_above_zero_up_to_one_and_print_as_written() {
    for bad in [
        0.0,
        -0.0,
        -0.5,
        1.000_000_1,
        60.0,
        f64::NAN,
        f64::INFINITY,
        f64::NEG_INFINITY,
    ] {
        let error = Fraction::new(bad).unwrap_err().to_string();
        assert!(error.contains("above 0, up to 1"), "{error}");
    }
    for (number, printed) in [
        (0.6, "0.6"),
        (1.0, "1"),
        (0.75, "0.75"),
        (1e-7, "0.0000001"),
    ] {
        assert_eq!(Fraction::new(number).unwrap().to_string(), printed);
    }
}

const LETTERS: &[u8] = b"husdo";

/// Fleets of up to twenty peers and settings that often bite.
fn cases() -> impl Strategy<Value = (Policies, Vec<Peer>)> {
    let letters = proptest::collection::vec(proptest::sample::select(LETTERS), 0..20);
    let fraction = proptest::option::of((1..=1_000_u32).prop_map(|n| f64::from(n) / 1_000.0));
    let absolute = proptest::option::of(0..20_u32);
    let fallback = proptest::collection::btree_set(b'b'..b'v', 0..20);
    (letters, fraction, absolute, any::<bool>(), fallback).prop_map(
        |(letters, fraction, absolute, forbid, fallback)| {
            let policies = Policies {
                min_healthy_fraction: fraction.map(|number| Fraction::new(number).unwrap()),
                min_healthy_absolute: absolute,
                forbid_if_only_fallback_left: forbid,
                fallback_nodes: fallback
                    .iter()
                    .map(|c| name(&char::from(*c).to_string()))
                    .collect(),
            };
            (policies, fleet(&String::from_utf8(letters).unwrap()))
        },
    )
}

fn kinds(policies: &Policies, peers: &[Peer]) -> BTreeSet<&'static str> {
    blocks(policies, &name("a"), peers)
        .iter()
        .map(PolicyBlock::kind)
        .collect()
}

proptest! {
    #[test]
    fn a_healthy_peer_that_turns_removes_no_block(
        (policies, peers) in cases(),
        which: proptest::sample::Index,
        to in proptest::sample::select(&LETTERS[1..]),
    ) {
        let healthy: Vec<usize> =
            (0..peers.len()).filter(|i| peers[*i].standing == Standing::Healthy).collect();
        prop_assume!(!healthy.is_empty());
        let mut worse = peers.clone();
        worse[healthy[which.index(healthy.len())]].standing = standing(to);
        prop_assert!(kinds(&policies, &worse).is_superset(&kinds(&policies, &peers)));
    }

    #[test]
    fn the_order_of_peers_does_not_matter((policies, peers) in cases()) {
        let mut turned = peers.clone();
        turned.reverse();
        let me = name("a");
        prop_assert_eq!(blocks(&policies, &me, &peers), blocks(&policies, &me, &turned));
    }

    #[test]
    fn the_rules_agree_with_their_words((policies, peers) in cases()) {
        let count = |wanted: &[u8]| {
            let is_wanted = |peer: &&Peer| wanted.iter().any(|l| standing(*l) == peer.standing);
            peers.iter().filter(is_wanted).count()
        };
        let kinds = kinds(&policies, &peers);
        prop_assert_eq!(kinds.contains("peers"), count(b"uso") > 0);
        let (healthy, known) = (1 + count(b"h"), 1 + peers.len());
        let too_few = policies.min_healthy_absolute.is_some_and(|least| healthy < least as usize);
        prop_assert_eq!(kinds.contains("min_healthy_absolute"), too_few);
        // The settings are whole thousandths, so this is exact.
        let small = policies.min_healthy_fraction.is_some_and(|fraction| {
            healthy * 1_000 < (fraction.get() * 1_000.0).round() as usize * known
        });
        prop_assert_eq!(kinds.contains("min_healthy_fraction"), small);
        let ordinary_left = peers.iter().any(|peer| {
            peer.standing == Standing::Healthy && !policies.fallback_nodes.contains(&peer.node)
        });
        let only_fallback = policies.forbid_if_only_fallback_left && !ordinary_left;
        prop_assert_eq!(kinds.contains("only_fallback_left"), only_fallback);
    }

    #[test]
    fn a_share_is_the_least_number_that_reaches_it(thousandths in 1..=1_000_u64, known: u64) {
        let fraction = Fraction::new(thousandths as f64 / 1_000.0).unwrap();
        let required = u128::from(fraction.required(known));
        let demanded = u128::from(thousandths) * u128::from(known);
        prop_assert!(required * 1_000 >= demanded);
        prop_assert!(required == 0 || (required - 1) * 1_000 < demanded);
    }

    #[test]
    fn messages_are_one_bounded_line((policies, peers) in cases(), reason in ".{0,400}") {
        let mut peers = peers;
        for peer in &mut peers {
            if let Standing::Unhealthy { reason: words, .. } = &mut peer.standing {
                words.clone_from(&reason);
            }
        }
        for message in said(&policies, &peers) {
            prop_assert!(message.chars().count() < 1_000);
            prop_assert!(!message.contains(char::is_control));
        }
    }
}
