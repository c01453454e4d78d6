use Status::{Fail, Ok, Unknown};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::*;
use crate::judgement::Verdict;
use crate::tests::brute_force::{Effect, Maker, Step, has_order, operation};

const COPIES: u8 = 3;

fn at(level: Level, mut operation: Operation) -> Operation {
    operation.detail.level = Some(level);
    operation
}

fn wrote(value: &str) -> Kind {
    Kind::Write { value: value.into() }
}

fn saw(value: &str) -> Kind {
    Kind::Read { value: Some(value.into()) }
}

const SAW_NOTHING: Kind = Kind::Read { value: None };

fn mixed(operations: &[Operation]) -> Verdict {
    check_mixed(&History { operations: operations.to_vec() }, COPIES).judgement().verdict
}

#[test]
fn a_write_at_one_may_be_missed_at_a_quorum_and_come_later() {
    let write = at(Level::One, operation(1, 0, 1, wrote("a"), Ok));
    let misses = operation(2, 2, 3, SAW_NOTHING, Ok);
    let sees = operation(2, 4, 5, saw("a"), Ok);
    assert_eq!(mixed(&[write.clone(), misses.clone(), sees.clone()]), Verdict::Passed);
    let misses_again = operation(2, 6, 7, SAW_NOTHING, Ok);
    assert_eq!(mixed(&[write, misses, sees, misses_again]), Verdict::Violation, "seen at a quorum, then not");
}

#[test]
fn a_write_at_a_quorum_may_not_be_missed_at_a_quorum_by_whatever_number_it_is_called() {
    for (write_level, read_level) in [
        (Level::Quorum, Level::Quorum),
        (Level::Count(2), Level::All),
        (Level::All, Level::Count(2)),
        (Level::Count(3), Level::Quorum),
    ] {
        let write = at(write_level, operation(1, 0, 1, wrote("a"), Ok));
        let misses = at(read_level, operation(2, 2, 3, SAW_NOTHING, Ok));
        assert_eq!(mixed(&[write, misses]), Verdict::Violation, "{write_level} {read_level}");
    }
}

#[test]
fn a_read_at_one_may_be_stale_but_not_invented() {
    let writes = [operation(1, 0, 1, wrote("a"), Ok), operation(1, 2, 3, wrote("b"), Ok)];
    let stale = at(Level::One, operation(2, 10, 11, saw("a"), Ok));
    let history = History { operations: writes.iter().cloned().chain([stale]).collect() };
    let found = check_mixed(&history, COPIES);
    assert_eq!((found.integrity.reads, found.integrity.stale.as_slice()), (1, &[7][..]));
    assert_eq!(found.judgement().verdict, Verdict::Passed);
    let invented = at(Level::One, operation(2, 10, 11, saw("c"), Ok));
    assert_eq!(mixed(&[writes[0].clone(), writes[1].clone(), invented]), Verdict::Violation);
}

#[test]
fn what_failed_or_had_not_begun_may_not_be_seen_at_one() {
    let read = at(Level::One, operation(2, 4, 5, saw("a"), Ok));
    for (write, verdict) in [
        (operation(1, 0, 1, wrote("a"), Fail), Verdict::Violation),
        (operation(1, 6, 7, wrote("a"), Ok), Verdict::Violation),
        (operation(1, 5, 7, wrote("a"), Ok), Verdict::Passed),
        (operation(1, 0, 1, wrote("a"), Unknown), Verdict::Passed),
    ] {
        let history = History { operations: vec![at(Level::One, write), read.clone()] };
        assert_eq!(check_integrity(&history).judgement().verdict, verdict, "{history:?}");
    }
}

#[test]
fn an_absence_is_as_stale_as_the_first_write_that_it_misses() {
    let write = at(Level::One, operation(1, 1, 2, wrote("a"), Ok));
    let misses = at(Level::One, operation(2, 9, 10, SAW_NOTHING, Ok));
    let deletes = at(Level::One, operation(3, 2, 3, Kind::Delete, Unknown));
    let stale =
        |operations: &[Operation]| check_integrity(&History { operations: operations.to_vec() }).stale;
    assert_eq!(stale(&[write.clone(), misses.clone()]), [7]);
    assert!(stale(&[write, misses, deletes]).is_empty(), "it may have been deleted");
}

#[test]
fn a_regular_read_sees_what_was_acknowledged_at_any_level_or_what_was_under_way() {
    let verdict = |operations: &[Operation]| {
        let history = History { operations: operations.to_vec() };
        check_regular(&history, COPIES, Level::One).judgement().verdict
    };
    let first = at(Level::Quorum, operation(1, 0, 1, wrote("a"), Ok));
    let second = at(Level::One, operation(1, 2, 3, wrote("b"), Ok));
    let read = |level, call, kind| at(level, operation(2, call, call + 1, kind, Ok));
    let with = |one: Operation| verdict(&[first.clone(), second.clone(), one]);
    assert_eq!(with(read(Level::All, 4, saw("b"))), Verdict::Passed);
    assert_eq!(with(read(Level::All, 4, saw("a"))), Verdict::Violation);
    assert_eq!(with(read(Level::All, 4, SAW_NOTHING)), Verdict::Violation);
    assert_eq!(with(read(Level::All, 3, saw("a"))), Verdict::Passed, "it was under way");
    assert_eq!(
        with(read(Level::Quorum, 4, saw("a"))),
        Verdict::Passed,
        "two and one are not more than three"
    );
    assert_eq!(with(read(Level::Quorum, 4, saw("c"))), Verdict::Violation, "no client wrote that");
    let lost = at(Level::One, operation(1, 2, 3, wrote("b"), Unknown));
    assert_eq!(verdict(&[first.clone(), lost, read(Level::All, 9, saw("a"))]), Verdict::Passed);
}

/// A regular read is judged as its definition says, word for word: either it shows a write that may have taken effect
/// after every write that was acknowledged before it began, or it is a violation.
#[test]
fn regular_reads_are_judged_word_for_word() {
    let (mut good, mut bad) = (0, 0);
    for seed in 0..10_000 {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let operations = random_history(&mut random);
        let is_write = |one: &&Operation| !matches!(one.kind, Kind::Read { .. });
        let may_be_last = |write: &Operation, read: &Operation| {
            let is_before = |other: &Operation| other.status == Ok && other.precedes(read);
            let overtakes = |other: &Operation| write.status == Ok && write.precedes(other);
            write.call <= read.ret.expect("it was answered")
                && !operations
                    .iter()
                    .filter(is_write)
                    .any(|other| other.kind != write.kind && is_before(other) && overtakes(other))
        };
        let is_explained = |read: &Operation, value: Option<&str>| {
            let nothing_yet = value.is_none()
                && !operations.iter().filter(is_write).any(|one| {
                    one.status == Ok && one.precedes(read) && one.call > 0 && one.kind != Kind::Delete
                });
            nothing_yet
                || operations
                    .iter()
                    .filter(is_write)
                    .any(|write| makes(write, value) && may_have_happened(write) && may_be_last(write, read))
        };
        let expected = operations.iter().filter(|one| one.status == Ok).all(|one| match &one.kind {
            Kind::Read { value } if at_all(one) => is_explained(one, value.as_deref()),
            Kind::Read { value } => value.is_none() || is_there(&operations, one, value.as_deref()),
            Kind::Write { .. } | Kind::Delete | Kind::Cas { .. } => true,
        });
        let history = History { operations: operations.clone() };
        let found = check_regular(&history, COPIES, Level::One).judgement().verdict == Verdict::Passed;
        assert_eq!(found, expected, "seed {seed}: {operations:#?}");
        if expected { good += 1 } else { bad += 1 }
    }
    assert!(good > 3_000 && bad > 500, "one-sided: {good} good, {bad} bad");
}

fn at_all(one: &Operation) -> bool {
    one.detail.level == Some(Level::All)
}

fn is_there(operations: &[Operation], read: &Operation, value: Option<&str>) -> bool {
    let may_be_meant = |write: &&Operation| {
        makes(write, value) && may_have_happened(write) && read.ret.is_none_or(|ret| write.call <= ret)
    };
    operations.iter().any(|one| may_be_meant(&one))
}

/// A mixture is judged as trying all orders would, with writes below the quorum that may happen or not.
#[test]
fn the_mixture_is_judged_as_by_brute_force() {
    let (mut good, mut bad) = (0, 0);
    for seed in 0..10_000 {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let operations = random_history(&mut random);
        let steps: Vec<Step<'_>> = operations
            .iter()
            .filter_map(|one| {
                let step = Step::of(one)?;
                match (step.finds.is_some(), is_quorum(one, COPIES)) {
                    (true, false) => None,
                    (false, false) => Some(Step { must: false, until: u64::MAX, ..step }),
                    (_, true) => Some(step),
                }
            })
            .collect();
        let expected = has_order(&steps);
        let found = check_mixed(&History { operations: operations.clone() }, COPIES).orders.passed();
        assert_eq!(found, expected, "seed {seed}: {operations:#?}");
        if expected { good += 1 } else { bad += 1 }
    }
    assert!(good > 5_000 && bad > 1_000, "one-sided: {good} good, {bad} bad");
}

fn random_history(random: &mut ChaCha8Rng) -> Vec<Operation> {
    let count = random.random_range(4..=7);
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
    let call = maker.random.random_range(0..40);
    let ret = call + maker.random.random_range(0..12);
    let level = [Level::One, Level::Quorum, Level::Count(2), Level::All][maker.random.random_range(0..4)];
    let value = format!("v{index}");
    let kind = match maker.random.random_range(0..10) {
        0..5 => SAW_NOTHING,
        5..9 => wrote(&value),
        _ => Kind::Delete,
    };
    let status = [Ok, Ok, Ok, Unknown, Fail][maker.random.random_range(0..5)];
    let late = if level == Level::One || status == Unknown { 20 } else { 0 };
    let moment = maker.random.random_range(call..=ret + late);
    let happens = status == Ok && level != Level::One || status != Fail && maker.random.random_bool(0.5);
    let effect = match &kind {
        Kind::Read { .. } => Some(Effect::Looks(index)),
        Kind::Write { value } => Some(Effect::Leaves(Some(value.clone()))),
        Kind::Delete => Some(Effect::Leaves(None)),
        Kind::Cas { .. } => None,
    };
    let looks = matches!(kind, Kind::Read { .. });
    if looks || happens {
        let moment = if looks { moment.min(ret) } else { moment };
        maker.effects.extend(effect.map(|effect| (moment, effect)));
    }
    at(level, operation(1 + u32::try_from(index).expect("few"), call, ret, kind, status))
}
