//! Replay of hints: what a node keeps for owners that were away is handed over once they are back.
//!
//! ```text
//!   look ──> page of an owner's hints ──> one batch of writes ──> acknowledged ──────────────> erase ──> next page
//!                     │                            └── holds something higher ──> read at all owners ──┘
//!                     └── of keys that it does not own any more: written to one of their owners ──┘
//!   where this node is to leave:
//!   what is left of a page ──> hints at another member ──> kept there ──> erase
//! ```
//!
//! One machine without I/O for all owners of one node ([`Replay`]): it is told who can be reached, what a page, a
//! batch, a read or an erasure came to, and says what to do next. Its owners go on independently of each other.
//!
//! # Invariants
//!
//! - A hint goes to its owner under the newest plan, and is erased only when the owner has acknowledged it, or when its
//!   table is gone. One for a node that does not own the key any more goes to a present owner, and is erased once a read
//!   has seen that every one of them holds it: what it says may be known nowhere else. (A hint that has grown meanwhile stays: the replica sees to that.)
//! - An owner that holds something *higher* than the hint has heard of a write that the others may not know: a read at
//!   every owner makes them agree, and the hint is erased once a read saw that they do. As long as one of them is away,
//!   or has only just been sent the record, the hint stays, and is looked at again: no other node remembers that these
//!   owners differ.
//! - One batch at a time for each owner, and so many reads at once: replay delays no key traffic.
//! - An owner that takes nothing now (away, its disk or its queue full, its catalog behind) is left alone until the
//!   next look.
//! - A member that leaves waits for no owner: what it can't hand over, since some owner is away or takes nothing, it has
//!   another member keep: an owner of the key, or else one after the other of those that stay. It erases a hint only once
//!   that member has it as durably as the table promises. Where none has room it stays, and they are asked again later.
//!
//! # What is left out
//!
//! Handing over hints of a member that is away and owns their keys no more: that waits until it is back, or no member.

mod keeping;
mod limits;
mod look;
mod owner;
mod wanted;

pub use limits::ReplayLimits;
pub use look::{Look, keepers};
pub use wanted::{Action, Pause};

use crate::context::Context;
use crate::get;
use crate::plans::Plans;
use owner::{At, Owner};
use quorate_model::{Hint, Instant, NodeId, Now, Refusal, Reply, Span};
use std::collections::BTreeMap;

/// How often owners are looked at, beside at every change of a link.
const LOOK_EVERY: Span = Span::from_millis(500);

/// How soon members that had no room for the hints of one that leaves are asked again: each refusal is counted there as a
/// hint that did not fit.
const KEEP_AGAIN: Span = Span::from_millis(30_000);

/// What a replay is told.
#[derive(Debug)]
pub enum Input {
    /// It is time to look ([`Replay::wake_at`]), or a link has changed.
    Look(Look),
    /// A page of an owner's hints, empty behind the last; or why this node can't read it.
    Page(NodeId, Result<Vec<Hint>, Refusal>),
    /// The replies to a batch, one for each of its requests; `None`: there is no answer that counts.
    Replies(NodeId, Option<Vec<Reply>>),
    /// A read at all owners is over: which one, and its answer, if it got one.
    Read(NodeId, u32, Option<get::Answer>),
    /// So many hints are erased; or why this node can't erase them.
    Erased(NodeId, Result<usize, Refusal>),
    /// What an owner's replay asked for came to nothing.
    Failed(NodeId),
}

/// See the module's essay.
#[derive(Debug)]
pub struct Replay {
    context: Context,
    limits: ReplayLimits,
    look_every: Span,
    look_at: Instant,
    owners: BTreeMap<NodeId, Owner>,
    /// Until when no member is asked to keep what is for these owners.
    unkept: BTreeMap<NodeId, Instant>,
}

impl Replay {
    /// Of a node that has handed over nothing yet and looks at once.
    pub fn new(context: Context, limits: ReplayLimits) -> Self {
        let (owners, unkept) = (BTreeMap::new(), BTreeMap::new());
        Self { context, limits, look_every: LOOK_EVERY, look_at: Instant(0), owners, unkept }
    }

    /// The same, looking so often.
    #[must_use]
    pub fn looking_every(self, look_every: Span) -> Self {
        Self { look_every, ..self }
    }

    /// When it wants to look again.
    pub fn wake_at(&self) -> Instant {
        self.look_at
    }

    /// Takes one input at one moment; appends what is to be done.
    pub fn step(&mut self, now: Now, input: Input, plans: &impl Plans, actions: &mut Vec<Action>) {
        let at = At { context: self.context, limits: self.limits, now };
        let (node, next) = match input {
            Input::Look(look) => return self.look(at, look, actions),
            Input::Page(node, page) => (node, self.of(node, |owner| owner.on_page(at, page, plans, actions))),
            Input::Replies(node, replies) => {
                (node, self.of(node, |owner| owner.on_replies(at, replies, plans, actions)))
            }
            Input::Read(node, number, answer) => {
                (node, self.of(node, |owner| owner.on_read(at, number, answer, plans, actions)))
            }
            Input::Erased(node, erased) => {
                (node, self.of(node, |owner| owner.on_erased(at, erased, actions)))
            }
            Input::Failed(node) => (node, Some(Err(Some(Pause::Away)))),
        };
        if let (Some(Err(pause)), Some(owner)) = (next, self.owners.get(&node)) {
            actions.push(Action::Ended { owner: node, handed_over: owner.handed_over(), pause });
            if owner.is_unkept() {
                self.unkept.insert(node, now.instant + KEEP_AGAIN);
            }
            self.owners.remove(&node);
        }
    }

    /// Begins with the owners that can be reached; where this node is to leave, with the others too.
    fn look(&mut self, at: At, look: Look, actions: &mut Vec<Action>) {
        let now = at.now.instant;
        self.look_at = now + self.look_every;
        self.unkept.retain(|_, until| *until > now);
        let Look { reachable, away, keepers } = look;
        let unkept = &self.unkept;
        let keepers = |node: NodeId| if unkept.contains_key(&node) { Vec::new() } else { keepers.clone() };
        for node in reachable {
            let begin = || Owner::begin(node, at, actions).kept_by(keepers(node));
            self.owners.entry(node).or_insert_with(begin);
        }
        for (node, keepers) in away.into_iter().map(|node| (node, keepers(node))) {
            if !keepers.is_empty() {
                let begin = || Owner::begin(node, at, actions).kept_by(keepers).away();
                self.owners.entry(node).or_insert_with(begin);
            }
        }
    }

    fn of(
        &mut self,
        node: NodeId,
        step: impl FnOnce(&mut Owner) -> Result<(), Option<Pause>>,
    ) -> Option<Result<(), Option<Pause>>> {
        self.owners.get_mut(&node).map(step)
    }
}

#[cfg(test)]
mod tests;
