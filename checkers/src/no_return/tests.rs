use Status::{Fail, Ok, Unknown};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::*;
use crate::tests::brute_force::{Effect, Maker, Step, has_order, operation};

fn wrote(value: &str) -> Kind {
    Kind::Write { value: value.into() }
}

fn saw(value: &str) -> Kind {
    Kind::Read { value: Some(value.into()) }
}

const SAW_NOTHING: Kind = Kind::Read { value: None };

fn found(operations: &[Operation]) -> Report {
    check(&History { operations: operations.to_vec() })
}

#[track_caller]
fn is_good(operations: &[Operation]) {
    let report = found(operations);
    assert!(report.findings.is_empty(), "{report}");
}

/// The value that came back, and how many operations show it.
#[track_caller]
fn comes_back(operations: &[Operation], value: &str, shown_by: usize) {
    let report = found(operations);
    assert_eq!(report.findings.len(), 1, "{report}");
    assert!(report.findings[0].what.starts_with(&format!("{value:?}")), "{report}");
    assert_eq!(report.findings[0].operations.len(), shown_by, "{report}");
}

#[test]
fn a_deleted_value_stays_away() {
    let (write, delete) = (operation(1, 0, 1, wrote("a"), Ok), operation(1, 2, 3, Kind::Delete, Ok));
    is_good(&[write.clone(), delete.clone(), operation(2, 4, 5, SAW_NOTHING, Ok)]);
    is_good(&[write.clone(), delete.clone(), operation(2, 3, 9, saw("a"), Ok)]);
    comes_back(&[write, delete, operation(2, 4, 5, saw("a"), Ok)], "a", 3);
}

#[test]
fn an_overwritten_value_stays_away() {
    let writes = [operation(1, 0, 1, wrote("a"), Ok), operation(1, 2, 3, wrote("b"), Ok)];
    is_good(&[writes[0].clone(), writes[1].clone(), operation(2, 4, 5, saw("b"), Ok)]);
    comes_back(&[writes[0].clone(), writes[1].clone(), operation(2, 4, 5, saw("a"), Ok)], "a", 3);
}

#[test]
fn a_value_that_was_seen_to_be_gone_stays_away() {
    let write = operation(1, 0, 1, wrote("a"), Ok);
    let (gone, again) = (operation(2, 2, 3, SAW_NOTHING, Ok), operation(3, 4, 5, saw("a"), Ok));
    comes_back(&[write.clone(), gone.clone(), again], "a", 3);
    is_good(&[write, gone.clone(), operation(3, 3, 4, saw("a"), Ok)]);
    let slow_write = operation(1, 0, 9, wrote("a"), Ok);
    is_good(&[slow_write, gone, operation(3, 4, 5, saw("a"), Ok)]);
}

#[test]
fn a_write_of_unknown_outcome_begins_when_it_is_seen() {
    let write = operation(1, 0, 1, wrote("a"), Unknown);
    let (delete, late) = (operation(1, 2, 3, Kind::Delete, Ok), operation(2, 4, 5, saw("a"), Ok));
    is_good(&[write.clone(), delete.clone(), late.clone()]);
    let gone = operation(2, 6, 7, SAW_NOTHING, Ok);
    let again = operation(2, 8, 9, saw("a"), Ok);
    comes_back(&[write, delete, late, gone, again], "a", 4);
}

#[test]
fn what_may_have_failed_to_end_it_ends_nothing() {
    let write = operation(1, 0, 1, wrote("a"), Ok);
    let again = operation(2, 4, 5, saw("a"), Ok);
    is_good(&[write.clone(), operation(1, 2, 3, Kind::Delete, Unknown), again.clone()]);
    is_good(&[write.clone(), operation(1, 2, 3, Kind::Delete, Fail), again.clone()]);
    is_good(&[write, operation(3, 2, 3, SAW_NOTHING, Fail), again]);
}

#[test]
fn a_value_that_is_written_twice_is_not_judged() {
    let operations = [
        operation(1, 0, 1, wrote("a"), Ok),
        operation(1, 2, 3, Kind::Delete, Ok),
        operation(1, 4, 5, wrote("a"), Ok),
        operation(2, 6, 7, saw("a"), Ok),
    ];
    is_good(&operations);
    assert_eq!(found(&operations).values, 0);
}

/// Three things must agree: the checker, the sentence that it stands for taken word for word, and, in one direction,
/// all orders tried: what it finds has none.
#[test]
fn what_comes_back_has_no_order_and_nothing_is_missed() {
    let (mut good, mut bad) = (0, 0);
    for seed in 0..20_000 {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let operations = random_history(&mut random);
        let report = found(&operations);
        assert_eq!(!report.findings.is_empty(), comes_back_word_for_word(&operations), "{operations:#?}");
        if report.findings.is_empty() {
            good += 1;
        } else {
            bad += 1;
            let steps: Vec<Step<'_>> = operations.iter().filter_map(Step::of).collect();
            assert!(!has_order(&steps), "seed {seed}: has an order: {operations:#?}\n{report}");
        }
    }
    assert!(good > 5_000 && bad > 1_000, "one-sided: {good} good, {bad} bad");
}

/// Some operation told of a value, then one that began later told of something else, then a read that began later
/// still saw the value.
fn comes_back_word_for_word(operations: &[Operation]) -> bool {
    let ok: Vec<&Operation> = operations.iter().filter(|one| one.status == Ok).collect();
    let writes_of = |value: &str| {
        let is_maker = |one: &&Operation| one.kind == wrote(value) && one.status != Fail;
        operations.iter().filter(is_maker).count()
    };
    ok.iter().any(|again| match &again.kind {
        Kind::Read { value: Some(value) } if writes_of(value) == 1 => ok.iter().any(|ends| {
            !tells_of(ends, value)
                && ends.precedes(again)
                && ok.iter().any(|begins| tells_of(begins, value) && begins.precedes(ends))
        }),
        Kind::Read { .. } | Kind::Write { .. } | Kind::Delete | Kind::Cas { .. } => false,
    })
}

fn random_history(random: &mut ChaCha8Rng) -> Vec<Operation> {
    let count = random.random_range(5..=8);
    let mut maker = Maker { random, effects: Vec::new() };
    let mut operations: Vec<Operation> =
        (0..count).map(|index| random_operation(&mut maker, index)).collect();
    maker.play(&mut operations);
    for _ in 0..maker.random.random_range(0..4) {
        maker.falsify(&mut operations);
    }
    operations
}

fn random_operation(maker: &mut Maker<'_>, index: usize) -> Operation {
    let call = maker.random.random_range(0..60);
    let ret = call + maker.random.random_range(0..5);
    let kind = match maker.random.random_range(0..10) {
        0..6 => SAW_NOTHING,
        6..9 => wrote(&format!("v{}", index % 4)),
        _ => Kind::Delete,
    };
    let status = [Ok, Ok, Ok, Ok, Unknown, Fail][maker.random.random_range(0..6)];
    let late = if status == Unknown { 30 } else { 0 };
    let effect = match &kind {
        Kind::Read { .. } => Effect::Looks(index),
        Kind::Write { value } => Effect::Leaves(Some(value.clone())),
        Kind::Delete | Kind::Cas { .. } => Effect::Leaves(None),
    };
    let happens = status == Ok || (status == Unknown && maker.random.random_bool(0.5));
    if matches!(kind, Kind::Read { .. }) || happens {
        let late = if matches!(kind, Kind::Read { .. }) { 0 } else { late };
        let moment = maker.random.random_range(call..=ret + late);
        maker.effects.push((moment, effect));
    }
    operation(1 + u32::try_from(index).expect("few"), call, ret, kind, status)
}
