//! The search itself: depth first over the possible orders, with a memory of what was tried.
//!
//! A configuration is the set of operations done, and the state they left. Three rules keep the number of
//! configurations small; each one only leaves out orders for which another order, that is tried, does as well:
//!
//! - *Observers first.* An open operation that changes nothing and fits the state is done at once. (In any order that
//!   does it later, it can be moved to here: it changes nothing for the others, and here it fits.)
//! - *Forget what no operation looks for.* A state that no open operation can tell from others becomes [`UNSEEN`].
//! - *Do not overwrite the irreplaceable.* If an open operation must still see the present state, and no other can
//!   bring it back, then nothing that changes it may come next.

use std::collections::HashSet;
use std::collections::hash_map::DefaultHasher;
use std::hash::BuildHasherDefault;

use smallvec::SmallVec;

use super::prepare::{ABSENT, Definite, Needs, Problem, State, UNSEEN, prepare};
use crate::operation::Operation;

/// How much work a search may do before it gives up as undecided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Configurations to visit per search. Raise it if honest histories come out undecided; each step costs about a
    /// microsecond and up to a few hundred bytes.
    pub steps_max: u64,
}

impl Default for Limits {
    /// Two million steps.
    fn default() -> Limits {
        Limits { steps_max: 2_000_000 }
    }
}

impl Limits {
    /// To make a violation small, many searches are done: each may do less, and what it can't decide stays in.
    pub(super) fn for_minimizing(self) -> Limits {
        Limits { steps_max: self.steps_max.min(20_000) }
    }
}

/// The bare answer of a search.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// An order exists.
    Yes,
    /// No order exists.
    No,
    /// The limit came first.
    Undecided,
}

/// The bare answer for the operations of one key, for those who ask very often: a violation is not made small.
pub fn answer_key(operations: &[Operation], limits: Limits) -> Answer {
    search(&prepare(operations.iter()), limits)
}

/// Searches for an order.
pub(super) fn search(problem: &Problem, limits: Limits) -> Answer {
    if problem.contradiction {
        return Answer::No;
    }
    // Only asked whether it contains something, never iterated, and with fixed keys.
    let mut tried: HashSet<Configuration, BuildHasherDefault<DefaultHasher>> = HashSet::default();
    let mut open = vec![Configuration::initial(problem)];
    let mut next = Vec::new();
    let mut steps = 0;
    while let Some(mut configuration) = open.pop() {
        steps += 1;
        if steps > limits.steps_max {
            return Answer::Undecided;
        }
        configuration.settle(problem);
        if configuration.done_count == problem.definite.len() {
            return Answer::Yes;
        }
        configuration.candidates(problem, &mut next);
        if next.len() > 1 && !tried.insert(configuration.clone()) {
            continue;
        }
        // The most urgent is tried first, so it is pushed last.
        next.sort_by_key(|candidate| std::cmp::Reverse(candidate.urgency(problem)));
        open.extend(next.drain(..).map(|candidate| configuration.after(problem, candidate)));
    }
    Answer::No
}

/// An operation that may come next.
#[derive(Clone, Copy)]
enum Candidate {
    Definite(usize),
    /// The first unused one of this group.
    Optional(usize),
}

impl Candidate {
    /// What must be done soonest is the most urgent (the smallest); what need not be done at all is the least.
    fn urgency(self, problem: &Problem) -> (u64, usize) {
        match self {
            Candidate::Definite(index) => (problem.definite[index].ret, index),
            Candidate::Optional(group) => (u64::MAX, problem.definite.len() + group),
        }
    }
}

/// The set of operations done, in one shape only for each set, and the state they left.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Configuration {
    /// All operations in the words of 64 bits before this one are done.
    words_full: usize,
    /// One bit for each definite operation that is done, from there on; the first word is not full, the last one not
    /// empty.
    words: SmallVec<[u64; 2]>,
    done_count: usize,
    state: State,
    /// How many of each optional group were used.
    used: SmallVec<[u32; 4]>,
}

impl Configuration {
    fn initial(problem: &Problem) -> Configuration {
        Configuration {
            words_full: 0,
            words: SmallVec::new(),
            done_count: 0,
            state: ABSENT,
            used: SmallVec::from_elem(0, problem.optional.len()),
        }
    }

    fn is_done(&self, index: usize) -> bool {
        let word = index / 64;
        word < self.words_full
            || self.words.get(word - self.words_full).is_some_and(|bits| bits & (1 << (index % 64)) != 0)
    }

    fn mark_done(&mut self, index: usize) {
        let word = index / 64 - self.words_full;
        if self.words.len() <= word {
            self.words.resize(word + 1, 0);
        }
        self.words[word] |= 1 << (index % 64);
        self.done_count += 1;
        while self.words.first() == Some(&u64::MAX) {
            self.words.remove(0);
            self.words_full += 1;
        }
    }

    /// The first definite operation that is not done.
    fn first_open(&self) -> usize {
        self.words_full * 64 + self.words.first().map_or(0, |bits| bits.trailing_ones() as usize)
    }

    /// Does whatever can be done without a choice.
    fn settle(&mut self, problem: &Problem) {
        loop {
            self.forget(problem);
            let mut progress = false;
            let mut horizon = u64::MAX;
            for index in self.first_open()..problem.definite.len() {
                let one = &problem.definite[index];
                if one.call > horizon {
                    break;
                }
                if self.is_done(index) {
                    continue;
                }
                if self.is_harmless(problem, one) {
                    self.mark_done(index);
                    progress = true;
                } else {
                    horizon = horizon.min(one.ret);
                }
            }
            if !progress {
                return;
            }
        }
    }

    /// An observer that fits; or a write over a value, where no operation looks for either.
    fn is_harmless(&self, problem: &Problem, one: &Definite) -> bool {
        match one.effect.leaves {
            None => one.effect.needs.fits(self.state),
            Some(UNSEEN) => self.state == UNSEEN && one.effect.needs == Needs::Any && !problem.has_mismatch,
            Some(_) => false,
        }
    }

    /// Whether an operation that is not done yet, or need not be done, can tell this state from others.
    fn matters(&self, problem: &Problem, state: State) -> bool {
        problem.wanted_by_optional[state as usize]
            || problem.watchers[state as usize].iter().any(|watcher| !self.is_done(*watcher as usize))
    }

    fn forget(&mut self, problem: &Problem) {
        if self.state != UNSEEN && !self.matters(problem, self.state) {
            self.state = UNSEEN;
        }
    }

    /// All operations that may come next.
    fn candidates(&self, problem: &Problem, next: &mut Vec<Candidate>) {
        next.clear();
        let mut horizon = u64::MAX;
        for index in self.first_open()..problem.definite.len() {
            let one = &problem.definite[index];
            if one.call > horizon {
                break;
            }
            if self.is_done(index) {
                continue;
            }
            horizon = horizon.min(one.ret);
            if one.effect.needs.fits(self.state) && self.may_overwrite(problem, Some(index)) {
                next.push(Candidate::Definite(index));
            }
        }
        for (group, optional) in problem.optional.iter().enumerate() {
            let is_open = optional.calls.get(self.used[group] as usize).is_some_and(|call| *call <= horizon);
            let leaves = optional.effect.leaves.unwrap_or(UNSEEN);
            let is_useful = leaves != self.state && (problem.has_mismatch || self.matters(problem, leaves));
            if is_open
                && is_useful
                && optional.effect.needs.fits(self.state)
                && self.may_overwrite(problem, None)
            {
                next.push(Candidate::Optional(group));
            }
        }
    }

    /// Whether the present state may be left: another can bring it back, or none but this one must still see it.
    fn may_overwrite(&self, problem: &Problem, by: Option<usize>) -> bool {
        let state = self.state as usize;
        let must_still_see = |watcher: &u32| {
            let watcher = *watcher as usize;
            Some(watcher) != by
                && problem.definite[watcher].effect.needs == Needs::Is(self.state)
                && !self.is_done(watcher)
        };
        !problem.made_once[state] || !problem.watchers[state].iter().any(must_still_see)
    }

    fn after(&self, problem: &Problem, candidate: Candidate) -> Configuration {
        let mut after = self.clone();
        let effect = match candidate {
            Candidate::Definite(index) => {
                after.mark_done(index);
                problem.definite[index].effect
            }
            Candidate::Optional(group) => {
                after.used[group] += 1;
                problem.optional[group].effect
            }
        };
        after.state = effect.leaves.unwrap_or(self.state);
        after
    }
}
