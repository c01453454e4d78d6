use Status::{Fail, Ok, Unknown};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::*;
use crate::no_return;
use crate::tests::brute_force::{Effect, Held, Maker, Step, has_order, operation};

fn wrote(value: &str) -> Kind {
    Kind::Write { value: value.into() }
}

fn saw(value: &str) -> Kind {
    Kind::Read { value: Some(value.into()) }
}

const SAW_NOTHING: Kind = Kind::Read { value: None };

fn for_ms(ttl: u64, mut operation: Operation) -> Operation {
    operation.detail.ttl_ms = Some(ttl);
    operation
}

fn passes(operations: &[Operation]) -> bool {
    check(&History { operations: operations.to_vec() }, Limits::default()).passed()
}

#[test]
fn a_value_may_expire_once_and_at_any_time() {
    let write = for_ms(1, operation(1, 2, 3, wrote("a"), Ok));
    let (sees, misses) = (operation(2, 4, 5, saw("a"), Ok), operation(2, 6, 7, SAW_NOTHING, Ok));
    let sees_again = operation(2, 8, 9, saw("a"), Ok);
    assert!(passes(&[write.clone(), sees.clone(), misses.clone()]));
    assert!(passes(&[write.clone(), misses.clone()]));
    assert!(!passes(&[write, sees, misses, sees_again]), "it came back");
}

#[test]
fn a_value_without_an_end_may_not_vanish() {
    let write = operation(1, 2, 3, wrote("a"), Ok);
    let misses = operation(2, 6, 7, SAW_NOTHING, Ok);
    assert!(!passes(&[write.clone(), misses.clone()]));
    assert!(passes(&[write, operation(1, 4, 5, Kind::Delete, Ok), misses]));
    assert!(passes(&[operation(2, 0, 0, SAW_NOTHING, Ok)]));
}

#[test]
fn the_expiry_of_one_value_does_not_end_the_next() {
    let operations = [
        for_ms(1, operation(1, 2, 3, wrote("a"), Ok)),
        operation(2, 4, 5, saw("a"), Ok),
        operation(1, 6, 7, wrote("b"), Ok),
        operation(2, 8, 9, SAW_NOTHING, Ok),
    ];
    assert!(!passes(&operations));
}

#[test]
fn what_is_shown_was_done_by_clients() {
    let operations = [
        for_ms(1, operation(1, 2, 3, wrote("a"), Ok)),
        operation(2, 6, 7, SAW_NOTHING, Ok),
        operation(2, 8, 9, saw("a"), Ok),
    ];
    let report = check(&History { operations: operations.to_vec() }, Limits::default());
    let (_, shown) = report.violations().next().expect("it came back");
    assert!(shown.iter().all(|one| operations.contains(one)), "{shown:?}");
}

#[test]
fn how_far_values_stray_from_their_time_is_measured() {
    const MS: u64 = 1_000_000;
    let history = |operations: &[Operation]| History { operations: operations.to_vec() };
    let write = for_ms(100, operation(1, MS, 2 * MS, wrote("a"), Ok));
    let early = operation(2, 50 * MS, 51 * MS, SAW_NOTHING, Ok);
    let late = operation(2, 110 * MS, 111 * MS, saw("a"), Ok);
    assert_eq!(
        timing(&history(&[write.clone(), early.clone()])),
        Timing { expired: 1, earliest: 50 * MS, latest: 0 }
    );
    assert_eq!(timing(&history(&[write.clone(), late])), Timing { expired: 0, earliest: 0, latest: 8 * MS });
    let deleted = operation(3, 10 * MS, 11 * MS, Kind::Delete, Unknown);
    assert_eq!(timing(&history(&[write, early, deleted])).expired, 0, "perhaps it was deleted");
}

/// Judged as trying all orders would, with an end of each value that may come or not; and what comes back by the
/// simpler rule has no order either.
#[test]
fn expiry_is_judged_as_by_brute_force() {
    let (mut good, mut bad) = (0, 0);
    for seed in 0..10_000 {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let operations = random_history(&mut random);
        let mut steps: Vec<Step<'_>> = operations.iter().filter_map(Step::of).collect();
        for one in operations.iter().filter(|one| one.detail.ttl_ms.is_some() && one.status != Fail) {
            let Kind::Write { value } = &one.kind else { continue };
            steps.push(Step {
                from: one.call,
                until: u64::MAX,
                must: false,
                finds: Some(Held(Some(value))),
                leaves: Some(Held(None)),
            });
        }
        let expected = has_order(&steps);
        assert_eq!(passes(&operations), expected, "seed {seed}: {operations:#?}");
        let came_back = !no_return::check(&History { operations }).findings.is_empty();
        assert!(!(came_back && expected), "seed {seed}: came back, though there is an order");
        if expected { good += 1 } else { bad += 1 }
    }
    assert!(good > 2_000 && bad > 1_000, "one-sided: {good} good, {bad} bad");
}

fn random_history(random: &mut ChaCha8Rng) -> Vec<Operation> {
    let count = random.random_range(2..=6);
    let mut maker = Maker { random, effects: Vec::new() };
    let mut operations: Vec<Operation> =
        (0..count).map(|index| random_operation(&mut maker, index)).collect();
    maker.play(&mut operations);
    if maker.random.random_bool(0.6) {
        maker.falsify(&mut operations);
    }
    operations
}

fn random_operation(maker: &mut Maker<'_>, index: usize) -> Operation {
    let call = maker.random.random_range(1..40);
    let ret = call + maker.random.random_range(0..10);
    let kind = match maker.random.random_range(0..10) {
        0..6 => SAW_NOTHING,
        6..9 => wrote(&format!("v{index}")),
        _ => Kind::Delete,
    };
    let status = [Ok, Ok, Ok, Ok, Unknown, Fail][maker.random.random_range(0..6)];
    let one = operation(1 + u32::try_from(index).expect("few"), call, ret, kind.clone(), status);
    let happens = status == Ok || (status == Unknown && maker.random.random_bool(0.5));
    let moment = maker.random.random_range(call..=ret);
    let expires = maker.random.random_bool(0.5);
    match kind {
        Kind::Read { .. } => maker.effects.push((moment, Effect::Looks(index))),
        Kind::Write { value } => {
            if happens {
                maker.effects.push((moment, Effect::Leaves(Some(value.clone()))));
            }
            if expires {
                let late = maker.random.random_range(0..20);
                maker.effects.push((moment + late, Effect::Ends(value)));
                return for_ms(1, one);
            }
        }
        Kind::Delete | Kind::Cas { .. } if happens => maker.effects.push((moment, Effect::Leaves(None))),
        Kind::Delete | Kind::Cas { .. } => {}
    }
    one
}
