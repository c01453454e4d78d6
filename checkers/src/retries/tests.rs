use Status::{Fail, Ok, Unknown};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::*;
use crate::judgement::Verdict;
use crate::operation::Kind;
use crate::tests::brute_force::{Effect, Maker, Step, has_order, operation};

fn saw(value: &str) -> Kind {
    Kind::Read { value: Some(value.into()) }
}

/// An attempt at writing `value`, under the id of the same name.
fn attempt(value: &str, call: u64, ret: u64, status: Status) -> Operation {
    let mut one = operation(1, call, ret, Kind::Write { value: value.into() }, status);
    one.detail.id = Some(value.into());
    one.detail.version = (status == Ok).then(|| format!("version of {value}"));
    one
}

fn repeated(value: &str, call: u64, ret: u64) -> Operation {
    let mut one = attempt(value, call, ret, Ok);
    one.detail.replayed = true;
    one
}

fn with_version(version: &str, mut one: Operation) -> Operation {
    one.detail.version = Some(version.into());
    one
}

fn report(operations: &[Operation]) -> Report {
    check(&History { operations: operations.to_vec() }, Limits::default())
}

#[track_caller]
fn is_good(operations: &[Operation]) {
    let report = report(operations);
    assert_eq!(report.clone().judgement().verdict, Verdict::Passed, "{report}");
}

#[track_caller]
fn is_bad(operations: &[Operation], because: &str) {
    let report = report(operations);
    assert_eq!(report.clone().judgement().verdict, Verdict::Violation, "{report}");
    assert!(report.clone().judgement().text.contains(because), "{report}");
}

#[test]
fn a_retry_of_an_acknowledged_write_is_answered_and_not_applied() {
    let (first, other) = (attempt("a", 0, 1, Ok), attempt("b", 2, 3, Ok));
    let retry = repeated("a", 4, 5);
    is_good(&[first.clone(), other.clone(), retry.clone(), operation(2, 6, 7, saw("b"), Ok)]);
    is_bad(&[first.clone(), other.clone(), retry, operation(2, 6, 7, saw("a"), Ok)], "no order");
    is_bad(&[first, other, attempt("a", 4, 5, Ok)], "applied again");
}

#[test]
fn a_retry_whose_answer_is_lost_is_not_applied_either() {
    let operations = [
        attempt("a", 0, 1, Ok),
        attempt("b", 2, 3, Ok),
        attempt("a", 4, 5, Unknown),
        operation(2, 6, 7, saw("a"), Ok),
    ];
    is_bad(&operations, "no order");
}

#[test]
fn the_answer_is_the_same() {
    let first = attempt("a", 0, 1, Ok);
    let other = with_version("another", repeated("a", 2, 3));
    is_bad(&[first.clone(), other.clone()], "another answer");
    is_good(&[
        attempt("a", 0, 1, Unknown),
        attempt("a", 2, 3, Ok),
        with_version("another", repeated("a", 4, 5)),
    ]);
    let third = with_version("a third", repeated("a", 6, 7));
    is_bad(&[attempt("a", 0, 1, Unknown), attempt("a", 2, 3, Ok), other, third], "another answer");
}

#[test]
fn an_unknown_attempt_may_surface_once_more() {
    let (lost, again) = (attempt("a", 0, 1, Unknown), attempt("a", 2, 3, Ok));
    let other = attempt("b", 4, 5, Ok);
    let (late, gone) = (operation(2, 6, 7, saw("a"), Ok), operation(2, 8, 9, saw("b"), Ok));
    is_good(&[lost.clone(), again.clone(), other.clone(), late.clone()]);
    is_bad(&[lost, again, other, late, gone, operation(2, 10, 11, saw("a"), Ok)], "no order");
}

#[test]
fn a_retry_tells_that_the_lost_attempt_was_applied() {
    let (lost, told) = (attempt("a", 0, 1, Unknown), repeated("a", 4, 5));
    let other = attempt("b", 2, 3, Ok);
    is_good(&[lost.clone(), other.clone(), told.clone(), operation(2, 6, 7, saw("b"), Ok)]);
    is_good(&[lost.clone(), other.clone(), told.clone(), operation(2, 6, 7, saw("a"), Ok)]);
    let never_seen = Kind::Read { value: None };
    is_bad(&[lost, told, operation(2, 6, 7, never_seen, Ok)], "no order");
}

#[test]
fn nothing_is_repeated_that_was_not_applied() {
    is_bad(&[repeated("a", 0, 1)], "no earlier attempt");
    is_bad(&[attempt("a", 0, 1, Fail), repeated("a", 2, 3)], "no earlier attempt");
}

#[test]
fn the_value_of_a_failed_write_is_not_seen() {
    is_bad(
        &[attempt("a", 0, 1, Fail), attempt("a", 2, 3, Fail), operation(2, 4, 5, saw("a"), Ok)],
        "no order",
    );
    is_good(&[attempt("a", 0, 1, Fail), attempt("a", 2, 3, Ok), operation(2, 4, 5, saw("a"), Ok)]);
}

/// Judged as trying everything would: which of the unknown attempts were applied, which of them an answer repeats,
/// and in which order all came.
#[test]
fn retries_are_judged_as_by_brute_force() {
    let (mut good, mut bad) = (0, 0);
    for seed in 0..10_000 {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let operations = random_history(&mut random);
        let expected = is_possible(&operations);
        let found = report(&operations);
        assert_eq!(found.orders.passed(), expected, "seed {seed}: {operations:#?}\n{found}");
        assert_eq!(found.answers, [], "seed {seed}");
        if expected { good += 1 } else { bad += 1 }
    }
    assert!(good > 2_000 && bad > 1_000, "one-sided: {good} good, {bad} bad");
}

fn is_possible(operations: &[Operation]) -> bool {
    let mut choices: Vec<Vec<Vec<Step<'_>>>> = Vec::new();
    for id in ["a", "b"] {
        let attempts: Vec<&Operation> =
            operations.iter().filter(|one| one.detail.id.as_deref() == Some(id)).collect();
        if !attempts.is_empty() {
            choices.push(choices_of(&attempts));
        }
    }
    let rest: Vec<Step<'_>> =
        operations.iter().filter(|one| one.detail.id.is_none()).filter_map(Step::of).collect();
    let mut wholes = vec![rest];
    for choice in choices {
        wholes = wholes
            .iter()
            .flat_map(|whole| choice.iter().map(move |steps| [whole.as_slice(), steps].concat()))
            .collect();
    }
    wholes.iter().any(|steps| has_order(steps))
}

/// Everything that the attempts at one write may have done, each as steps that must be.
fn choices_of<'a>(attempts: &[&'a Operation]) -> Vec<Vec<Step<'a>>> {
    let first = attempts.iter().position(|one| one.status == Ok);
    let before = &attempts[..first.unwrap_or(attempts.len())];
    let unknown: Vec<Step<'a>> = before
        .iter()
        .filter(|one| one.status == Unknown)
        .filter_map(|one| Step::of(one))
        .map(|step| Step { must: true, ..step })
        .collect();
    let first = first.map(|at| attempts[at]);
    let mut choices = Vec::new();
    for chosen in 0..1_usize << unknown.len() {
        let applied: Vec<Step<'a>> = (0..unknown.len())
            .filter(|index| chosen >> index & 1 == 1)
            .map(|index| unknown[index].clone())
            .collect();
        match first {
            None => choices.push(applied),
            Some(first) if first.detail.replayed => {
                for told in 0..applied.len() {
                    let mut applied = applied.clone();
                    applied[told].until = first.ret.expect("it is acknowledged");
                    choices.push(applied);
                }
            }
            Some(first) => {
                choices.push(applied.into_iter().chain(Step::of(first)).collect());
            }
        }
    }
    choices
}

fn random_history(random: &mut ChaCha8Rng) -> Vec<Operation> {
    let mut maker = Maker { random, effects: Vec::new() };
    let mut operations = Vec::new();
    for value in ["a", "b"] {
        random_attempts(&mut maker, value, &mut operations);
    }
    for _ in 0..maker.random.random_range(1..=4) {
        let call = maker.random.random_range(0..50);
        let ret = call + maker.random.random_range(0..8);
        maker.effects.push((maker.random.random_range(call..=ret), Effect::Looks(operations.len())));
        operations.push(operation(3, call, ret, Kind::Read { value: None }, Ok));
    }
    maker.play(&mut operations);
    if maker.random.random_bool(0.6) {
        maker.falsify(&mut operations);
    }
    operations
}

/// One write: some attempts without an answer, perhaps an acknowledgement, perhaps more attempts after it.
fn random_attempts(maker: &mut Maker<'_>, value: &str, operations: &mut Vec<Operation>) {
    let mut now = maker.random.random_range(0..20);
    let mut can_be_repeated = false;
    let mut next = |maker: &mut Maker<'_>| {
        let call = now + maker.random.random_range(1..5);
        now = call + maker.random.random_range(0..5);
        (call, now)
    };
    let leaves = Effect::Leaves(Some(value.to_owned()));
    for _ in 0..maker.random.random_range(0..=2) {
        let (call, ret) = next(maker);
        if maker.random.random_bool(0.3) {
            operations.push(attempt(value, call, ret, Fail));
            continue;
        }
        if maker.random.random_bool(0.7) {
            let moment = maker.random.random_range(call..=ret + 15);
            maker.effects.push((moment, leaves.clone()));
        }
        can_be_repeated = true;
        operations.push(attempt(value, call, ret, Unknown));
    }
    if maker.random.random_bool(0.2) {
        return;
    }
    let (call, ret) = next(maker);
    if can_be_repeated && maker.random.random_bool(0.5) {
        operations.push(repeated(value, call, ret));
    } else {
        maker.effects.push((maker.random.random_range(call..=ret), leaves));
        operations.push(attempt(value, call, ret, Ok));
    }
    if maker.random.random_bool(0.5) {
        let (call, ret) = next(maker);
        let status = if maker.random.random_bool(0.5) { Ok } else { Unknown };
        let again =
            if status == Ok { repeated(value, call, ret) } else { attempt(value, call, ret, Unknown) };
        operations.push(again);
    }
}
