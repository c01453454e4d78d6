//! The checker against one that tries every order, on many small random histories.
//!
//! Half of the histories are made by a register that is right, the other half are falsified in one place, which often
//! but not always leaves them without an order. Values are unique in some histories and repeat in others, so that
//! the rules for "only one operation can have made this" are met from both sides.

use rand::seq::IndexedRandom as _;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::operation;
use crate::linearizable::{Answer, Limits, Verdict, answer_key, check_key};
use crate::operation::{Kind, Operation, Status};

const HISTORIES: u64 = 30_000;

#[test]
fn both_checkers_agree() {
    let (mut good, mut bad) = (0, 0);
    for seed in 0..HISTORIES {
        let operations = random_history(&mut ChaCha8Rng::seed_from_u64(seed));
        let expected = has_order(&operations, &mut vec![false; operations.len()], None);
        let found = match answer_key(&operations, Limits::default()) {
            Answer::Yes => true,
            Answer::No => false,
            Answer::Undecided => panic!("seed {seed}: undecided\n{operations:#?}"),
        };
        assert_eq!(found, expected, "seed {seed}:\n{operations:#?}");
        if expected {
            good += 1;
        } else {
            bad += 1;
        }
    }
    assert!(good > HISTORIES / 4 && bad > HISTORIES / 4, "one-sided histories: {good} good, {bad} bad");
}

#[test]
fn what_is_shown_has_no_order_and_nothing_of_it_can_be_spared() {
    let mut shown = 0;
    for seed in 0..HISTORIES / 10 {
        let operations = random_history(&mut ChaCha8Rng::seed_from_u64(seed));
        let Verdict::Violation { operations: few } = check_key(&operations, Limits::default()) else {
            continue;
        };
        shown += 1;
        assert!(few.iter().all(|one| operations.contains(one)), "seed {seed}: invented an operation");
        assert!(!has_order(&few, &mut vec![false; few.len()], None), "seed {seed}: {few:#?} has an order");
        for spared in (0..few.len()).filter(|index| matches!(few[*index].kind, Kind::Read { .. })) {
            let mut fewer = few.clone();
            fewer.remove(spared);
            assert!(
                has_order(&fewer, &mut vec![false; fewer.len()], None),
                "seed {seed}: {few:#?} is too much"
            );
        }
    }
    assert!(shown > HISTORIES / 50, "only {shown} violations");
}

/// Tries every order, without any memory or cleverness.
fn has_order(operations: &[Operation], done: &mut Vec<bool>, state: Option<&str>) -> bool {
    let surely = |one: &Operation| matches!(one.status, Status::Ok | Status::Mismatch);
    let says_something = |one: &Operation| match one.kind {
        Kind::Read { .. } => one.status == Status::Ok,
        Kind::Write { .. } | Kind::Delete | Kind::Cas { .. } => one.status != Status::Fail,
    };
    if operations.iter().zip(&*done).all(|(one, done)| *done || !surely(one) || !says_something(one)) {
        return true;
    }
    for index in 0..operations.len() {
        let one = &operations[index];
        let is_preceded = operations
            .iter()
            .zip(&*done)
            .any(|(other, done)| !done && surely(other) && says_something(other) && other.precedes(one));
        if done[index] || !says_something(one) || is_preceded {
            continue;
        }
        let after = match &one.kind {
            Kind::Read { value } if value.as_deref() == state => state,
            Kind::Read { .. } => continue,
            Kind::Write { value } => Some(value.as_str()),
            Kind::Delete => None,
            Kind::Cas { expect, value } => match (one.status, expect.as_deref() == state) {
                (Status::Mismatch, false) => state,
                (Status::Ok | Status::Unknown, true) => Some(value.as_str()),
                (Status::Mismatch, true) | (Status::Ok | Status::Unknown, false) | (Status::Fail, _) => {
                    continue;
                }
            },
        };
        done[index] = true;
        let found = has_order(operations, done, after);
        done[index] = false;
        if found {
            return true;
        }
    }
    false
}

/// A history of a register that is right, falsified in one place half of the time.
fn random_history(random: &mut ChaCha8Rng) -> Vec<Operation> {
    let unique = random.random_bool(0.5);
    let with_cas = random.random_bool(0.4);
    let span = random.random_range(5..60);
    let mut moments: Vec<(Option<u64>, Operation)> = (0..random.random_range(2..=7))
        .map(|index| random_operation(random, index, unique, with_cas, span))
        .collect();
    // The moments at which they take effect decide what they see; those without one never do.
    moments.sort_by_key(|(moment, _)| moment.unwrap_or(u64::MAX));
    let mut state: Option<String> = None;
    for (_, one) in moments.iter_mut().filter(|(moment, _)| moment.is_some()) {
        match &mut one.kind {
            Kind::Read { value } => value.clone_from(&state),
            Kind::Write { value } => state = Some(value.clone()),
            Kind::Delete => state = None,
            Kind::Cas { expect, value } => {
                if random.random_bool(0.6) {
                    expect.clone_from(&state);
                }
                if *expect == state {
                    state = Some(value.clone());
                } else if one.status == Status::Ok {
                    one.status = Status::Mismatch;
                }
            }
        }
    }
    let mut operations: Vec<Operation> = moments.into_iter().map(|(_, one)| one).collect();
    if random.random_bool(0.7) {
        falsify(random, &mut operations);
    }
    operations
}

/// An operation, and the moment at which it takes effect, if it does.
fn random_operation(
    random: &mut ChaCha8Rng,
    index: u32,
    unique: bool,
    with_cas: bool,
    span: u64,
) -> (Option<u64>, Operation) {
    let call = random.random_range(0..span);
    let ret = call + random.random_range(0..12);
    let value = if unique { format!("v{index}") } else { random_value(random) };
    let kind = match random.random_range(0..10) {
        0..5 => Kind::Read { value: None },
        5..7 if with_cas => Kind::Cas { expect: Some(random_value(random)), value },
        5..9 => Kind::Write { value },
        _ => Kind::Delete,
    };
    let (status, moment) = match random.random_range(0..10) {
        0..6 => (Status::Ok, Some(random.random_range(call..=ret))),
        6..8 => (Status::Unknown, Some(call + random.random_range(0..2 * span))),
        8 => (Status::Unknown, None),
        _ => (Status::Fail, None),
    };
    (moment, operation(index, call, ret, kind, status))
}

fn random_value(random: &mut ChaCha8Rng) -> String {
    ["a", "b", "c"].choose(random).expect("not empty").to_string()
}

/// Changes one answer into one that may or may not be possible.
fn falsify(random: &mut ChaCha8Rng, operations: &mut [Operation]) {
    let written: Vec<Option<String>> = operations
        .iter()
        .filter_map(|one| match &one.kind {
            Kind::Write { value } | Kind::Cas { value, .. } => Some(Some(value.clone())),
            Kind::Delete => Some(None),
            Kind::Read { .. } => None,
        })
        .chain([None, Some("phantom".to_owned())])
        .collect();
    let index = random.random_range(0..operations.len());
    let one = &mut operations[index];
    match &mut one.kind {
        Kind::Read { value } => {
            value.clone_from(written.choose(random).expect("not empty"));
            one.status = Status::Ok;
        }
        Kind::Write { .. } | Kind::Delete => {
            one.status = if one.status == Status::Ok { Status::Fail } else { Status::Ok };
        }
        Kind::Cas { .. } => {
            one.status = if one.status == Status::Ok { Status::Mismatch } else { Status::Ok };
        }
    }
}
