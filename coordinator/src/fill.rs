//! Filling: how a replica that has lost something comes to hold everything again, from other owners.
//!
//! ```text
//!   lossy ── probe: enough whole owners? ──> take (old records deleted) ──┐
//!                      └── no: wait, and say what is missing             │
//!   filling ── probe ──> sums of the sources <───────────────────────────┘
//!                          └──> page from each that differs ──> fetch ──> merge ──> note ──> confirm ──> whole
//!                                 ^                                          │
//!                                 └──────────────────────────────────────────┘
//! ```
//!
//! One machine without I/O for all shards of one node ([`Filling`]): it is told which shards are not whole and who can be
//! reached, what an owner answered, what a merge or a note came to, and says what to do next. Its shards go on
//! independently of each other.
//!
//! Why it is enough: of `n` owners `m = min(w, quorum)` hold each record that counts for anything, and with this one
//! lost at least `m - 1` of the others. `n - m + 1` others meet one of those. Two that are lost together need the same of
//! a smaller rest, and find that there are too few ([`Cause::Sources`]): that is a lost majority, and is said so.
//!
//! # Invariants
//!
//! - A lossy shard is taken only once enough other owners have answered that they hold everything, so that nothing is
//!   deleted without a source to fill it from.
//! - A key is behind `up_to` only once enough owners that were whole have said what they hold of it, and all of that is
//!   merged.
//! - Each replica that was read is asked again at the end. One that is not whole any more, or another one, may not have
//!   told everything: what was read from it does not count, and the shard is read again.
//! - A source that does not answer any more is waited for, and after a while its word is given up with all that was read.
//! - What is noted on the disk is enough to go on after a crash.
//!
//! Where a shard moves to fewer owners, each that stays merges what the others hold, too: it keeps its own, is one of those
//! whose sums are compared, and takes what differs. It needs one owner less, since it has read itself.
//!
//! Sources whose sums of the whole shard are equal are read once, at the first of them, which then sends its records as they
//! lie on its disk; of the others each lists its keys, and sends only the records that differ.

mod limits;
mod page;
mod shard;
mod sources;
mod wanted;

pub use limits::FillLimits;
pub use shard::Member;
pub use wanted::{Action, Cause, Lack, Passing, Waiting};

use crate::context::Context;
use crate::plans::Plans;
use quorate_model::{CopyState, Gap, Instant, NodeId, Now, RangeReply, Refusal, Reply, SortKey, TableId};
use shard::{At, Next, Shard};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// What a filling is told.
#[derive(Clone, Debug)]
pub enum Input {
    /// It is time to look ([`Filling::wake_at`]): these shards are not whole, and the members are these.
    Look(Vec<Gap>, BTreeMap<NodeId, Member>),
    /// An owner's answer; `None`: there is none that counts.
    Answered(u64, Option<RangeReply>),
    /// The replies to a fetch or a merge, one for each of its requests; `None`: there is no answer that counts.
    Replied(u64, Option<Vec<Reply>>),
    /// What was to be noted is, or why it can't be.
    Noted(u64, Result<(), Refusal>),
}

/// How far a node's filling has come.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Shards that are not whole; those into which it merges what others hold are.
    pub shards: u64,
    /// Those of them that take no writes yet.
    pub lossy: u64,
    /// Shards that became whole since the machine began.
    pub filled: u64,
    /// Records that were merged since.
    pub records: u64,
    /// Bytes of their keys and values.
    pub bytes: u64,
    /// Why shards do not get further, at most ten of them.
    pub waiting: Vec<Waiting>,
}

/// A piece of a shard that is not whole, most often all of it: its table and where it begins.
type Key = (TableId, SortKey);

/// See the module's essay.
#[derive(Debug)]
pub struct Filling {
    context: Context,
    limits: FillLimits,
    look_at: Instant,
    shards: BTreeMap<Key, Shard>,
    /// Whose each number is.
    numbers: BTreeMap<u64, Key>,
    next_number: u64,
    members: BTreeMap<NodeId, Member>,
    waiting: BTreeMap<Key, Waiting>,
    /// Shards whose turn has not come since the last look.
    next: VecDeque<Gap>,
    /// How many of those that had it could not go on. Each keeps its place until the next look, so that thousands that wait
    /// do not ask their owners in a circle.
    stood: usize,
    /// Since when a source of a shard that was read before does not answer.
    away_since: BTreeMap<Key, Instant>,
    /// Where the next look goes on, so that shards that wait do not keep others from their turn.
    behind: Option<Key>,
    progress: Progress,
}

impl Filling {
    /// Of a node that looks at once.
    pub fn new(context: Context, limits: FillLimits) -> Self {
        Self {
            context,
            limits,
            look_at: Instant(0),
            shards: BTreeMap::new(),
            numbers: BTreeMap::new(),
            next_number: 0,
            members: BTreeMap::new(),
            waiting: BTreeMap::new(),
            next: VecDeque::new(),
            stood: 0,
            away_since: BTreeMap::new(),
            behind: None,
            progress: Progress::default(),
        }
    }

    /// When it wants to look again.
    pub fn wake_at(&self) -> Instant {
        self.look_at
    }

    /// How far it has come.
    pub fn progress(&self) -> Progress {
        let waiting = self.waiting.values().take(10).cloned().collect();
        Progress { waiting, ..self.progress.clone() }
    }

    /// Takes one input at one moment; appends what is to be done.
    pub fn step(&mut self, now: Now, input: Input, plans: &impl Plans, actions: &mut Vec<Action>) {
        match input {
            Input::Look(gaps, members) => self.look(now, gaps, members),
            Input::Answered(number, reply) => {
                self.of(now, number, actions, |shard, at| shard.on_answer(at, number, reply));
            }
            Input::Replied(number, replies) => {
                self.of(now, number, actions, |shard, at| shard.on_replies(at, number, replies));
            }
            Input::Noted(number, noted) => {
                self.of(now, number, actions, |shard, at| shard.on_noted(at, number, noted));
            }
        }
        self.begin_more(now, plans, actions);
    }

    fn look(&mut self, now: Now, gaps: Vec<Gap>, members: BTreeMap<NodeId, Member>) {
        self.look_at = now.instant + self.limits.look_every;
        self.members = members;
        let of = |gap: &Gap| (gap.table, gap.interval.start.clone());
        // What is no gap of this layout any more (its table is dropped, say) is left alone.
        let known: BTreeMap<Key, &Gap> = gaps.iter().map(|gap| (of(gap), gap)).collect();
        self.shards.retain(|key, shard| known.get(key).is_some_and(|gap| shard.is_of(gap)));
        self.waiting.retain(|key, _| known.contains_key(key));
        self.away_since.retain(|key, _| known.contains_key(key));
        let kept: BTreeSet<&Key> = self.shards.keys().collect();
        self.numbers.retain(|_, key| kept.contains(key));
        self.progress.shards = gaps.iter().filter(|gap| gap.state != CopyState::Whole).count() as u64;
        self.progress.lossy = gaps.iter().filter(|gap| gap.state == CopyState::Lossy).count() as u64;
        let (later, sooner): (Vec<Gap>, Vec<Gap>) =
            gaps.into_iter().partition(|gap| self.behind.as_ref().is_some_and(|behind| of(gap) <= *behind));
        let is_new = |gap: &Gap| !self.shards.contains_key(&of(gap));
        self.next = sooner.into_iter().chain(later).filter(is_new).collect();
        self.stood = 0;
    }

    /// Begins with the next shards as far as there are places.
    fn begin_more(&mut self, now: Now, plans: &impl Plans, actions: &mut Vec<Action>) {
        while self.shards.len() + self.stood < self.limits.shards_max.max(1) {
            let Some(gap) = self.next.pop_front() else { break };
            let key = (gap.table, gap.interval.start.clone());
            let Some(plan) = plans.plan_of_range(gap.table, &gap.interval, false) else { continue };
            if plan.place.epoch != gap.epoch {
                // The replica has another catalog than the views for a moment.
                continue;
            }
            self.behind = Some(key.clone());
            self.shards.insert(key.clone(), Shard::new(gap, plan, self.context));
            let patience = self.limits.source_patience;
            let gives_up = self.away_since.get(&key).is_some_and(|since| *since + patience <= now.instant);
            if gives_up {
                self.away_since.remove(&key);
            }
            self.drive(now, &key, actions, if gives_up { Shard::begin_anew } else { Shard::begin });
        }
    }

    fn of(
        &mut self,
        now: Now,
        number: u64,
        actions: &mut Vec<Action>,
        step: impl FnOnce(&mut Shard, &mut At<'_>) -> Next,
    ) {
        if let Some(key) = self.numbers.remove(&number) {
            self.drive(now, &key, actions, step);
        }
    }

    fn drive(
        &mut self,
        now: Now,
        key: &Key,
        actions: &mut Vec<Action>,
        step: impl FnOnce(&mut Shard, &mut At<'_>) -> Next,
    ) {
        let Some(shard) = self.shards.get_mut(key) else { return };
        let first = self.next_number;
        let mut at = At {
            now,
            limits: self.limits,
            members: &self.members,
            next_number: &mut self.next_number,
            merged: (&mut self.progress.records, &mut self.progress.bytes),
            actions,
        };
        match step(shard, &mut at) {
            Next::GoesOn => {
                self.numbers.extend((first..self.next_number).map(|number| (number, key.clone())));
            }
            Next::Waits(cause) => {
                if matches!(cause, Cause::Source(_)) {
                    self.away_since.entry(key.clone()).or_insert(now.instant);
                }
                let waiting = Waiting { shard: shard.id(), cause };
                self.waiting.insert(key.clone(), waiting);
                self.stood += 1;
                self.forget(key);
            }
            Next::Whole => {
                self.waiting.remove(key);
                self.away_since.remove(key);
                if !shard.is_merging() {
                    self.progress.filled += 1;
                    self.progress.shards = self.progress.shards.saturating_sub(1);
                }
                self.forget(key);
            }
        }
        if self.shards.get(key).is_some_and(Shard::is_filling) {
            self.waiting.remove(key);
        }
    }

    fn forget(&mut self, key: &Key) {
        self.shards.remove(key);
        self.numbers.retain(|_, of| of != key);
    }
}

#[cfg(test)]
mod tests;
