use Status::{Fail, Ok, Unknown};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::*;
use crate::linearizable;
use crate::operation::{Kind, Operation};

fn add(element: &str, call: u64, ret: u64, status: Status) -> Add {
    Add { element: element.into(), call, ret, status }
}

fn look(call: u64, ret: u64, elements: &[&str]) -> Look {
    Look { call, ret, elements: elements.iter().map(ToString::to_string).collect() }
}

#[track_caller]
fn finds(adds: &[Add], looks: &[Look], expected: &[(&str, Finding)]) {
    let report = check(adds, looks);
    let found: Vec<(&str, Finding)> = report
        .findings
        .iter()
        .flat_map(|(element, findings)| findings.iter().map(|finding| (element.as_str(), finding.clone())))
        .collect();
    assert_eq!(found, expected, "{report}");
    let verdict = if expected.is_empty() { Verdict::Passed } else { Verdict::Violation };
    assert_eq!(report.verdict(), verdict, "{report}");
}

#[test]
fn everything_is_there() {
    finds(&[add("a", 0, 1, Ok), add("b", 2, 3, Ok)], &[look(4, 5, &["b", "a"])], &[]);
}

#[test]
fn what_is_being_added_may_be_seen_or_not() {
    let adds = [add("a", 0, 10, Ok), add("b", 0, 10, Ok)];
    finds(&adds, &[look(1, 2, &["a"]), look(11, 12, &["a", "b"])], &[]);
}

#[test]
fn an_unknown_element_may_come_late_or_never() {
    let adds = [add("a", 0, 1, Unknown), add("b", 0, 1, Unknown)];
    finds(&adds, &[look(2, 3, &[]), look(4, 5, &["a"]), look(6, 7, &["a"])], &[]);
}

#[test]
fn a_look_that_began_before_the_first_sight_ended_may_miss_it() {
    finds(&[add("a", 0, 50, Ok)], &[look(1, 9, &["a"]), look(2, 8, &[]), look(51, 52, &["a"])], &[]);
}

#[test]
fn an_acknowledged_element_is_lost() {
    let looks = [look(2, 3, &["a"]), look(4, 5, &[]), look(6, 7, &[])];
    finds(&[add("a", 0, 1, Ok)], &looks, &[("a", Finding::Lost { known: 1, missed: 4 })]);
}

#[test]
fn an_unknown_element_is_lost_after_it_was_seen() {
    let looks = [look(2, 3, &["a"]), look(4, 5, &[])];
    finds(&[add("a", 0, 1, Unknown)], &looks, &[("a", Finding::Lost { known: 3, missed: 4 })]);
}

#[test]
fn an_acknowledged_element_flickers() {
    let looks = [look(2, 3, &[]), look(4, 5, &["a"])];
    finds(&[add("a", 0, 1, Ok)], &looks, &[("a", Finding::Flicker { known: 1, missed: 2 })]);
}

#[test]
fn phantoms_failed_were_never_asked_for_or_come_too_early() {
    let adds = [add("failed", 0, 1, Fail), add("early", 10, 11, Ok)];
    let looks = [look(2, 3, &["failed", "stranger", "early"]), look(12, 13, &["early"])];
    finds(
        &adds,
        &looks,
        &[
            ("early", Finding::Phantom { seen: 2 }),
            ("failed", Finding::Phantom { seen: 2 }),
            ("stranger", Finding::Phantom { seen: 2 }),
        ],
    );
}

#[test]
fn one_look_shows_an_element_twice() {
    finds(&[add("a", 0, 1, Ok)], &[look(2, 3, &["a", "a"])], &[("a", Finding::Twice { seen: 2 })]);
}

#[test]
fn what_no_look_was_for_is_undecided() {
    let report = check(&[add("a", 0, 10, Ok)], &[look(1, 2, &[])]);
    assert_eq!(report.verdict(), Verdict::Undecided);
    assert_eq!(report.unjudged, BTreeSet::from(["a".to_owned()]));
    assert_eq!(check(&[], &[]).verdict(), Verdict::Undecided);
}

#[test]
fn the_longest_time_to_visibility_is_told() {
    let looks = [look(5, 6, &["b"]), look(9, 10, &["b"]), look(12, 13, &["a", "b"])];
    let report = check(&[add("a", 0, 2, Ok), add("b", 0, 1, Ok)], &looks);
    assert_eq!(report.longest_invisible, Some(7));
}

#[test]
fn a_history_of_keys_is_judged_element_by_element() {
    let operation =
        |key: &str, kind, call, status| Operation::new(1, key, kind, call, Some(call + 1), status);
    let wrote = |key: &str, call, status| operation(key, Kind::Write { value: key.into() }, call, status);
    let read = |key: &str, value: Option<&str>, call| {
        operation(key, Kind::Read { value: value.map(str::to_owned) }, call, Ok)
    };
    let mut history = History {
        operations: vec![
            wrote("a", 0, Ok),
            wrote("b", 0, Unknown),
            read("a", Some("a"), 4),
            read("b", None, 4),
            read("b", Some("b"), 8),
        ],
    };
    let good = check_history(&history);
    assert_eq!(good.verdict(), Verdict::Passed, "{good}");
    assert_eq!((good.surfaced, good.longest_surfacing), (1, Some(9)));
    history.operations.push(read("a", None, 12));
    let bad = check_history(&history).judgement(&history);
    assert_eq!(bad.verdict, judgement::Verdict::Violation);
    assert_eq!(bad.findings.len(), 1);
    assert_eq!(bad.findings[0].operations.len(), 3, "{:?}", bad.findings);
    history.operations.pop();
    history.operations.push(read("a", Some("other"), 12));
    let phantom = check_history(&history);
    assert!(phantom.findings.contains_key("other"), "{phantom}");
}

/// One element is a register that is written once: the two checkers must agree on it.
#[test]
fn each_element_is_judged_as_a_register_would_be() {
    let (mut good, mut bad) = (0, 0);
    for seed in 0..5_000 {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let mut interval = || {
            let call = random.random_range(0..30);
            (call, call + random.random_range(0..10), random.random_range(0..8))
        };
        let (call, ret, luck) = interval();
        let status = [Ok, Ok, Ok, Ok, Ok, Unknown, Unknown, Fail][luck];
        let looks: Vec<Look> = (0..=seed % 5)
            .map(|_| interval())
            .map(|(call, ret, luck)| look(call, ret, if call + luck as u64 > 20 { &["a"] } else { &[] }))
            .collect();
        let as_register = |kind, call, ret, status| Operation::new(0, "", kind, call, Some(ret), status);
        let mut register = vec![as_register(Kind::Write { value: "a".into() }, call, ret, status)];
        register.extend(looks.iter().map(|look| {
            as_register(Kind::Read { value: look.elements.first().cloned() }, look.call, look.ret, Ok)
        }));
        let answer = linearizable::answer_key(&register, linearizable::Limits::default());
        let report = check(&[add("a", call, ret, status)], &looks);
        match answer {
            linearizable::Answer::Yes => good += 1,
            linearizable::Answer::No => bad += 1,
            linearizable::Answer::Undecided => panic!("seed {seed}: undecided"),
        }
        let is_good = answer == linearizable::Answer::Yes;
        assert_eq!(report.findings.is_empty(), is_good, "seed {seed}: {register:#?}\n{report}");
    }
    assert!(good > 1_000 && bad > 1_000, "one-sided: {good} good, {bad} bad");
}
