//! From operations to a small search problem.
//!
//! Two things happen here, and neither changes the answer.
//!
//! **Values become small numbers.** Only values that a read saw, or a write expected, can be told apart by anyone; all
//! others are one state, [`UNSEEN`].
//!
//! **Intervals are tightened.** Let `w` be the only operation that can have made the value `v`, and `r` one that
//! surely saw `v`. Then `w` took effect, and before `r` did: so `w` must be done when `r` returns, and `r` cannot be
//! done before `w` is called. For an operation of unknown outcome that is the difference between "at any time or
//! never" and an ordinary interval. What stays optional is what no read is known to have seen: writes whose value
//! no operation looks for are dropped (to leave one out shows the value before it to no operation that could not bear it,
//! as long as there is no mismatch, which only says what was *not* seen), deletes stay if a read found nothing.

use std::collections::{BTreeMap, BTreeSet};

use crate::operation::{Kind, Operation, Status};

/// A state of the register: [`ABSENT`], [`UNSEEN`], or a value that an operation looks for.
pub(super) type State = u32;

/// There is no such key: how every history begins.
pub(super) const ABSENT: State = 0;

/// Some value that no operation looks for.
pub(super) const UNSEEN: State = 1;

/// What an operation asks of the state before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Needs {
    /// Nothing: a write or a delete.
    Any,
    /// Exactly this.
    Is(State),
    /// Anything but this: a compare-and-set that found a mismatch.
    Not(State),
}

impl Needs {
    pub(super) fn fits(self, state: State) -> bool {
        match self {
            Needs::Any => true,
            Needs::Is(wanted) => state == wanted,
            Needs::Not(unwanted) => state != unwanted,
        }
    }
}

/// What an operation does: what it needs before, and what it leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Effect {
    pub(super) needs: Needs,
    /// The state after it; `None` if it changes nothing.
    pub(super) leaves: Option<State>,
}

/// An operation that surely took effect.
#[derive(Clone, Copy, Debug)]
pub(super) struct Definite {
    pub(super) effect: Effect,
    pub(super) call: u64,
    pub(super) ret: u64,
}

/// Operations that may take effect or not and do the same: whichever was called first may stand for the others,
/// since none of them has a deadline.
#[derive(Debug)]
pub(super) struct Optional {
    pub(super) effect: Effect,
    /// When each was called, in order.
    pub(super) calls: Vec<u64>,
}

/// What the search works on.
#[derive(Debug, Default)]
pub(super) struct Problem {
    /// In the order of their calls.
    pub(super) definite: Vec<Definite>,
    pub(super) optional: Vec<Optional>,
    /// For each state, the definite operations that look for it (that it is, or that it is not).
    pub(super) watchers: Vec<Vec<u32>>,
    /// For each state, whether an optional operation needs it.
    pub(super) wanted_by_optional: Vec<bool>,
    /// For each state, whether at most one operation can bring it about.
    pub(super) made_once: Vec<bool>,
    /// Whether some compare-and-set found a mismatch.
    pub(super) has_mismatch: bool,
    /// Whether the tightened intervals contradict each other already: no order exists.
    pub(super) contradiction: bool,
}

/// An operation between reading and sorting.
struct Draft {
    effect: Effect,
    call: u64,
    ret: u64,
    surely: bool,
}

/// Makes the search problem of one key's operations.
pub(super) fn prepare<'a>(operations: impl Iterator<Item = &'a Operation> + Clone) -> Problem {
    let states = number_states(operations.clone());
    let mut drafts: Vec<Draft> = operations.filter_map(|operation| draft(operation, &states)).collect();
    let state_count = states.len() + 2;
    let makers = Makers::of(&drafts, state_count);
    let has_mismatch = drafts.iter().any(|draft| matches!(draft.effect.needs, Needs::Not(_)));
    decide_seen(&mut drafts, &makers);
    tighten(&mut drafts, &makers);
    assemble(drafts, &makers, state_count, has_mismatch)
}

/// Numbers the values that operations look for, in the order of the values.
fn number_states<'a>(operations: impl Iterator<Item = &'a Operation>) -> BTreeMap<&'a str, State> {
    let mut seen: BTreeSet<&str> = BTreeSet::new();
    for operation in operations {
        let looked_for = match (&operation.kind, operation.status) {
            (Kind::Read { value }, Status::Ok) => value.as_deref(),
            (Kind::Cas { expect, .. }, Status::Ok | Status::Unknown | Status::Mismatch) => expect.as_deref(),
            (Kind::Read { .. }, Status::Fail | Status::Unknown | Status::Mismatch)
            | (Kind::Cas { .. }, Status::Fail)
            | (Kind::Write { .. } | Kind::Delete, _) => None,
        };
        seen.extend(looked_for);
    }
    seen.into_iter().zip(UNSEEN + 1..).collect()
}

/// What the search needs to know of one operation; `None` if it says nothing and did nothing.
fn draft(operation: &Operation, states: &BTreeMap<&str, State>) -> Option<Draft> {
    let made = |value: &str| states.get(value).copied().unwrap_or(UNSEEN);
    let seen = |value: &Option<String>| value.as_deref().map_or(ABSENT, made);
    let effect = match (&operation.kind, operation.status) {
        (_, Status::Fail)
        | (Kind::Read { .. }, Status::Unknown | Status::Mismatch)
        | (Kind::Write { .. } | Kind::Delete, Status::Mismatch) => return None,
        (Kind::Read { value }, Status::Ok) => Effect { needs: Needs::Is(seen(value)), leaves: None },
        (Kind::Write { value }, Status::Ok | Status::Unknown) => {
            Effect { needs: Needs::Any, leaves: Some(made(value)) }
        }
        (Kind::Delete, Status::Ok | Status::Unknown) => Effect { needs: Needs::Any, leaves: Some(ABSENT) },
        (Kind::Cas { expect, value }, Status::Ok | Status::Unknown) => {
            let (before, after) = (seen(expect), made(value));
            Effect { needs: Needs::Is(before), leaves: (before != after).then_some(after) }
        }
        (Kind::Cas { expect, .. }, Status::Mismatch) => {
            Effect { needs: Needs::Not(seen(expect)), leaves: None }
        }
    };
    let surely = match operation.status {
        Status::Ok | Status::Mismatch => true,
        Status::Unknown | Status::Fail => false,
    };
    let ret = if surely { operation.ret.unwrap_or(u64::MAX) } else { u64::MAX };
    Some(Draft { effect, call: operation.call, ret, surely })
}

/// Who can have brought about each state.
struct Makers {
    /// The one draft that can have, if there is exactly one; never set for [`ABSENT`], which is there from the
    /// beginning, and [`UNSEEN`], which is many values.
    only: Vec<Option<usize>>,
    count: Vec<u32>,
}

impl Makers {
    fn of(drafts: &[Draft], state_count: usize) -> Makers {
        let mut makers = Makers { only: vec![None; state_count], count: vec![0; state_count] };
        for (index, draft) in drafts.iter().enumerate() {
            if let Some(state) = draft.effect.leaves {
                let state = state as usize;
                makers.count[state] += 1;
                makers.only[state] = (makers.count[state] == 1).then_some(index);
            }
        }
        makers.only[ABSENT as usize] = None;
        makers.only[UNSEEN as usize] = None;
        makers
    }

    /// The only draft that can have made what this one surely saw.
    fn of_what_is_seen(&self, effect: Effect) -> Option<usize> {
        match effect.needs {
            Needs::Is(state) => self.only[state as usize],
            Needs::Any | Needs::Not(_) => None,
        }
    }
}

/// What was surely seen, and has only one maker, was surely made: also backwards, through a compare-and-set that
/// thereby surely saw what it expected.
fn decide_seen(drafts: &mut [Draft], makers: &Makers) {
    let mut sure: Vec<usize> = (0..drafts.len()).filter(|index| drafts[*index].surely).collect();
    while let Some(index) = sure.pop() {
        if let Some(maker) = makers.of_what_is_seen(drafts[index].effect)
            && !drafts[maker].surely
        {
            drafts[maker].surely = true;
            sure.push(maker);
        }
    }
}

/// Makes the intervals of makers and those who saw them as small as they can be.
fn tighten(drafts: &mut [Draft], makers: &Makers) {
    for index in 0..drafts.len() {
        if !drafts[index].surely {
            continue;
        }
        if let Some(maker) = makers.of_what_is_seen(drafts[index].effect) {
            drafts[maker].ret = drafts[maker].ret.min(drafts[index].ret);
            drafts[index].call = drafts[index].call.max(drafts[maker].call);
        }
    }
}

fn assemble(drafts: Vec<Draft>, makers: &Makers, state_count: usize, has_mismatch: bool) -> Problem {
    let mut definite: Vec<Definite> = Vec::with_capacity(drafts.len());
    let mut optional: BTreeMap<Effect, Vec<u64>> = BTreeMap::new();
    let mut watched = vec![has_mismatch; state_count];
    for draft in &drafts {
        if let Needs::Is(state) | Needs::Not(state) = draft.effect.needs {
            watched[state as usize] = true;
        }
    }
    for Draft { effect, call, ret, surely } in drafts {
        if surely {
            definite.push(Definite { effect, call, ret });
        } else if effect.leaves.is_some_and(|state| watched[state as usize]) {
            optional.entry(effect).or_default().push(call);
        }
    }
    definite.sort_by_key(|definite| (definite.call, definite.ret));
    let mut watchers = vec![Vec::new(); state_count];
    for (index, one) in (0u32..).zip(&definite) {
        if let Needs::Is(state) | Needs::Not(state) = one.effect.needs {
            watchers[state as usize].push(index);
        }
    }
    let mut wanted_by_optional = vec![false; state_count];
    for effect in optional.keys() {
        if let Needs::Is(state) | Needs::Not(state) = effect.needs {
            wanted_by_optional[state as usize] = true;
        }
    }
    let optional = optional
        .into_iter()
        .map(|(effect, mut calls)| {
            calls.sort_unstable();
            Optional { effect, calls }
        })
        .collect();
    let mut made_once: Vec<bool> = makers.count.iter().map(|count| *count <= 1).collect();
    made_once[ABSENT as usize] = makers.count[ABSENT as usize] == 0;
    made_once[UNSEEN as usize] = false;
    Problem {
        contradiction: definite.iter().any(|one| one.ret < one.call),
        definite,
        optional,
        watchers,
        wanted_by_optional,
        made_once,
        has_mismatch,
    }
}
