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
//! From level 2 on. Copies of tables that were made before have no name, until their node counts as another replica.

use super::{Catalog, Shard, TableEntry};
use quorate_model::{Epoch, NodeId, Owner};
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
    pub(super) fn with_copies_of_another(mut self, node: NodeId) -> Self {
        if self.level < 2 {
            return self;
        }
        let (epoch, copy) = (self.epoch, self.copy_of(node));
        for entry in Arc::make_mut(&mut self.tables).values_mut() {
            let renamed = |shard: &Shard| {
                let mut shard = Shard { epoch, ..shard.clone() };
                for owner in shard.owners.iter_mut().filter(|owner| owner.node == node) {
                    *owner = copy;
                }
                shard
            };
            let owned: Vec<Shard> =
                entry.shards.iter().filter(|shard| shard.is_owned_by(node)).map(renamed).collect();
            if !owned.is_empty() {
                let shards = entry.shards.with(owned);
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
