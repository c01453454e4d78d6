//! Names of copies: a node that gets a shard, or counts as another replica, has another copy from that epoch on.
//!
//! An acknowledgement is of a copy, so it ends with it. Where a replica that has lost something fills itself from other
//! owners, what it acknowledged before may be held by too few of them:
//!
//! ```text
//! put v    n1 acknowledges ── n1 loses it ── n1 is filled by n2, n3 ── n2 acknowledges: n1 and n2?
//!                             incarnation 2: another copy of n1, ──┘   no: of the first copy of n1
//!                             another epoch: n2, n3 answer n1 only
//!                             once they refuse the epoch before
//! ```
//!
//! Where its operator decided that it goes on with what its disk still holds, what was acknowledged before may be missing
//! although each owner answers in good faith. So that is kept with the shard ([`Losses`]), through every later change of
//! it, until the table is dropped: answers about it say no more than they can. It ends no earlier, since what is missing
//! is known to no node, and stays missing.
//!
//! [`Losses`]: super::shard::Losses
//!
//! From level 2 on. Copies of tables that were made before have no name, until their node counts as another replica.

use super::{Catalog, Shard, TableEntry};
use quorate_model::{AcceptedLoss, Epoch, NodeId, Owner, WallTime};
use std::sync::Arc;

impl Catalog {
    /// The copy that a node gets at this epoch.
    pub(super) fn copy_of(&self, node: NodeId) -> Owner {
        if self.level < 2 {
            return Owner::unnamed(node);
        }
        Owner { node, since: self.epoch }
    }

    /// This catalog, in which a node has another copy of each of its shards, at another epoch of the shard.
    pub(super) fn with_copies_of_another(self, node: NodeId) -> Self {
        if self.level < 2 {
            return self;
        }
        let (epoch, copy) = (self.epoch, self.copy_of(node));
        self.with_held(node, |shard| {
            let mut shard = Shard { epoch, ..shard.clone() };
            let next = shard.joint.as_mut().map(|joint| &mut Arc::make_mut(joint).next);
            let copies = shard.owners.iter_mut().chain(next.into_iter().flatten());
            copies.filter(|owner| owner.node == node).for_each(|owner| *owner = copy);
            shard
        })
    }

    /// This catalog, in which a node went on after a loss that was accepted, of each of its shards.
    pub(super) fn with_accepted_loss(self, node: NodeId, at: Option<WallTime>) -> Self {
        if self.level < 2 {
            return self;
        }
        let loss = AcceptedLoss { node, since: self.epoch, at };
        self.with_held(node, |shard| Shard {
            epoch: loss.since,
            losses: shard.losses.with(loss),
            ..shard.clone()
        })
    }

    /// This catalog, in which each shard of which a node should have a copy is what is made of it.
    fn with_held(mut self, node: NodeId, made: impl Fn(&Shard) -> Shard) -> Self {
        for entry in Arc::make_mut(&mut self.tables).values_mut() {
            let held: Vec<Shard> =
                entry.shards.iter().filter(|shard| shard.is_held_by(node)).map(&made).collect();
            if !held.is_empty() {
                let shards = entry.shards.with(held);
                *entry = Arc::new(TableEntry { shards, ..TableEntry::clone(entry) });
            }
        }
        self
    }
}

/// Whether each copy was given at an epoch up to this one.
pub(super) fn are_sound(since: &[Epoch], epoch: Epoch) -> bool {
    since.iter().all(|since| *since <= epoch)
}
