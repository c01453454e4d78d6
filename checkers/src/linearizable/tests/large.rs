//! The largest histories that a run may make must be judged in few steps, whether they are good or bad.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::operation;
use crate::history::History;
use crate::linearizable::{Answer, Limits, Verdict, answer_key, check, check_key};
use crate::operation::{Kind, Operation, Status};

/// Ten clients, two thousand operations on one key: the bounds of a run.
const CLIENTS: u32 = 10;
const OPERATIONS: usize = 2_000;

/// A register that is right, with clients that each do one operation after the other, and unknown outcomes.
fn honest(seed: u64) -> Vec<Operation> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut free_at = [0u64; CLIENTS as usize];
    let mut moments: Vec<(u64, bool, Operation)> = (0..OPERATIONS)
        .map(|index| {
            let client = random.random_range(0..CLIENTS);
            let call = free_at[client as usize] + random.random_range(1..50);
            let took = if random.random_bool(0.02) { 5_000 } else { random.random_range(10..200) };
            free_at[client as usize] = call + took;
            let kind = match random.random_range(0..10) {
                0..5 => Kind::Read { value: None },
                5..9 => Kind::Write { value: format!("v{index}") },
                _ => Kind::Delete,
            };
            let (status, moment, happens) = if random.random_bool(0.1) {
                (Status::Unknown, call + random.random_range(0..20_000), random.random_bool(0.5))
            } else {
                (Status::Ok, call + random.random_range(0..=took), true)
            };
            (moment, happens, operation(client, call, call + took, kind, status))
        })
        .collect();
    moments.sort_by_key(|(moment, ..)| *moment);
    let mut state = None;
    for (_, _, one) in moments.iter_mut().filter(|(_, happens, _)| *happens) {
        match &mut one.kind {
            Kind::Read { value } => value.clone_from(&state),
            Kind::Write { value } => state = Some(value.clone()),
            Kind::Delete => state = None,
            Kind::Cas { .. } => unreachable!("none is made above"),
        }
    }
    moments.into_iter().map(|(_, _, one)| one).collect()
}

#[test]
fn honest_histories_of_the_largest_size_take_few_steps() {
    let limits = Limits { steps_max: 50_000 };
    for seed in 0..20 {
        assert_eq!(answer_key(&honest(seed), limits), Answer::Yes, "seed {seed}");
    }
}

#[test]
fn one_stale_read_among_two_thousand_is_found_and_shown() {
    let limits = Limits { steps_max: 200_000 };
    let mut shown = 0;
    for seed in 0..10 {
        let mut operations = honest(seed);
        operations.sort_by_key(|one| one.call);
        // What was written in the first third and is seen again in the last one is stale beyond doubt.
        let old = operations[..OPERATIONS / 3].iter().find_map(|one| match &one.kind {
            Kind::Read { value: Some(value) } if one.status == Status::Ok => Some(value.clone()),
            Kind::Read { .. } | Kind::Write { .. } | Kind::Delete | Kind::Cas { .. } => None,
        });
        let late = operations[OPERATIONS * 2 / 3..]
            .iter_mut()
            .find(|one| one.status == Status::Ok && matches!(one.kind, Kind::Read { value: Some(_) }))
            .expect("some read");
        late.kind = Kind::Read { value: old };
        match check_key(&operations, limits) {
            Verdict::Violation { operations: few } => {
                assert!(few.len() <= 8, "seed {seed}: {} operations are not few", few.len());
                shown += 1;
            }
            verdict @ (Verdict::Linearizable | Verdict::Undecided) => {
                panic!("seed {seed}: {verdict:?}")
            }
        }
    }
    assert_eq!(shown, 10);
}

#[test]
fn keys_are_judged_apart_and_reported_in_order() {
    let mut history = History::default();
    for (key, seed) in [("b", 1), ("a", 2), ("c", 3)] {
        history.operations.extend(honest(seed).into_iter().map(|one| Operation { key: key.into(), ..one }));
    }
    let limits = Limits { steps_max: 50_000 };
    let report = check(&history, limits);
    assert!(report.passed(), "{report}");
    assert_eq!(report.keys.keys().collect::<Vec<_>>(), ["a", "b", "c"]);
    for one in history.operations.iter_mut().filter(|one| one.key == "a") {
        if let Kind::Read { value } = &mut one.kind {
            *value = Some("phantom".to_owned());
        }
    }
    let report = check(&history, limits);
    assert!(!report.passed());
    assert_eq!(report.violations().map(|(key, few)| (key, few.len())).collect::<Vec<_>>(), [("a", 1)]);
    assert!(report.to_string().contains("3 keys, 6000 operations: 2 linearizable, 1 violated, 0 undecided"));
}
