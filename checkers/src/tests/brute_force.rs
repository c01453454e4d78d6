//! A second opinion that is too simple to be wrong: all orders of a few steps are tried, one after the other. Each
//! checker says in its own tests, and in its own way, what its histories ask of this.

use rand::Rng as _;
use rand_chacha::ChaCha8Rng;

use crate::operation::{Kind, Operation, Status};

/// What is in the register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Held<'a>(pub(crate) Option<&'a str>);

/// Something that takes effect at one moment.
#[derive(Clone, Debug)]
pub(crate) struct Step<'a> {
    /// Not before this.
    pub(crate) from: u64,
    /// Not after this.
    pub(crate) until: u64,
    /// Whether it must take effect.
    pub(crate) must: bool,
    /// What it finds, if it looks.
    pub(crate) finds: Option<Held<'a>>,
    /// What it leaves, if it changes anything.
    pub(crate) leaves: Option<Held<'a>>,
}

impl<'a> Step<'a> {
    /// The step of an operation of which nothing is known but itself; `None` if it says nothing and did nothing.
    pub(crate) fn of(operation: &'a Operation) -> Option<Step<'a>> {
        let (finds, leaves) = match &operation.kind {
            Kind::Read { value } => (Some(Held(value.as_deref())), None),
            Kind::Write { value } => (None, Some(Held(Some(value)))),
            Kind::Delete => (None, Some(Held(None))),
            Kind::Cas { expect, value } => (Some(Held(expect.as_deref())), Some(Held(Some(value)))),
        };
        let until = operation.ret.unwrap_or(u64::MAX);
        let must = operation.status == Status::Ok;
        let says_something = must || (operation.status == Status::Unknown && leaves.is_some());
        let until = if must { until } else { u64::MAX };
        says_something.then_some(Step { from: operation.call, until, must, finds, leaves })
    }
}

/// Whether there is an order of these steps, on a register that begins absent.
pub(crate) fn has_order(steps: &[Step<'_>]) -> bool {
    try_from(steps, &mut vec![false; steps.len()], Held(None))
}

fn try_from(steps: &[Step<'_>], done: &mut Vec<bool>, state: Held<'_>) -> bool {
    if steps.iter().zip(&*done).all(|(step, done)| *done || !step.must) {
        return true;
    }
    for index in 0..steps.len() {
        let step = &steps[index];
        let comes_too_early =
            steps.iter().zip(&*done).any(|(other, done)| !done && other.must && other.until < step.from);
        let does_not_fit = step.finds.is_some_and(|found| found != state);
        if done[index] || comes_too_early || does_not_fit {
            continue;
        }
        done[index] = true;
        let found = try_from(steps, done, step.leaves.unwrap_or(state));
        done[index] = false;
        if found {
            return true;
        }
    }
    false
}

/// An operation on the key `k`, at times counted in small whole numbers.
pub(crate) fn operation(client: u32, call: u64, ret: u64, kind: Kind, status: Status) -> Operation {
    Operation::new(client, "k", kind, call, Some(ret), status)
}

/// What a small random history is made of.
pub(crate) struct Maker<'a> {
    pub(crate) random: &'a mut ChaCha8Rng,
    /// Moments at which something takes effect, and what it does then.
    pub(crate) effects: Vec<(u64, Effect)>,
}

/// What takes effect.
#[derive(Clone, Debug)]
pub(crate) enum Effect {
    /// The operation of this number looks.
    Looks(usize),
    /// This is left.
    Leaves(Option<String>),
    /// If this is found, nothing is left.
    Ends(String),
}

impl Maker<'_> {
    /// Lets everything take effect, in the order of the moments, and fills in what the reads among the operations
    /// see.
    pub(crate) fn play(&mut self, operations: &mut [Operation]) {
        self.effects.sort_by_key(|(moment, _)| *moment);
        let mut state: Option<String> = None;
        for (_, effect) in self.effects.drain(..) {
            match effect {
                Effect::Leaves(value) => state = value,
                Effect::Ends(value) if state.as_ref() == Some(&value) => state = None,
                Effect::Ends(_) => {}
                Effect::Looks(index) => {
                    operations[index].kind = Kind::Read { value: state.clone() };
                }
            }
        }
    }

    /// Lets some read see something else, which may or may not be possible.
    pub(crate) fn falsify(&mut self, operations: &mut [Operation]) {
        let mut values: Vec<Option<String>> = vec![None];
        values.extend(operations.iter().filter_map(|one| match &one.kind {
            Kind::Write { value } => Some(Some(value.clone())),
            Kind::Read { .. } | Kind::Delete | Kind::Cas { .. } => None,
        }));
        let wrong = values[self.random.random_range(0..values.len())].clone();
        let reads: Vec<usize> =
            (0..operations.len()).filter(|at| matches!(operations[*at].kind, Kind::Read { .. })).collect();
        if !reads.is_empty() {
            let at = reads[self.random.random_range(0..reads.len())];
            operations[at].kind = Kind::Read { value: wrong };
        }
    }
}
