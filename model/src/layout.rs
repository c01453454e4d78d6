//! What one node owns: the part of a view that its storage must know in order to refuse.

use crate::ids::{Epoch, TableId};
use crate::key::{Interval, SortKey};
use crate::message::{Place, Refusal};
use crate::pieces::{Pieces, Placed};
use crate::table::Durability;
use std::collections::BTreeMap;

/// What one node owns at one epoch of the catalog.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Layout {
    /// The catalog's epoch.
    pub epoch: Epoch,
    /// Which of the node's replicas counts by that catalog, from 1; 0: the node is no member.
    pub incarnation: u64,
    /// Every table of the catalog, also those of which this node owns nothing.
    pub tables: BTreeMap<TableId, TableLayout>,
}

/// What one node owns of one table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableLayout {
    /// The least that an acknowledgement means.
    pub durability: Durability,
    /// The table's shards (all of them, so that "elsewhere" and "stale" can be told apart).
    pub shards: Pieces<ShardLayout>,
}

/// One shard, as one node sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShardLayout {
    /// Its piece of the table's sort space.
    pub interval: Interval,
    /// When its owners, or what they promise (the table's durability), last changed.
    pub epoch: Epoch,
    /// This node's copy; `None`: it is not one of the owners.
    pub copy: Option<Copy>,
}

/// The copy of a shard that a node should hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Copy {
    /// Whether the node answers for it already.
    pub role: Role,
    /// The epoch of the command that gave it to the node; 0 for a table that was made before copies were told apart.
    pub since: Epoch,
}

/// What a copy is to its shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// One of the owners; while the shard moves, of the old ones.
    Owner,
    /// An owner that stays while the shard moves to fewer: beside being one it merges what the other old owners hold.
    Stayer,
    /// While the shard moves, one of the new owners alone: it fills itself from the old ones.
    Receiver,
}

impl Layout {
    /// Checks that this node owns a place at the sender's epoch, and says how durable its table wants records.
    pub fn admit(&self, at: &Place) -> Result<Durability, Refusal> {
        let behind = Refusal::Behind { current: self.epoch };
        let Some(table) = self.tables.get(&at.table) else {
            // Unknown: not made yet here, or dropped since.
            return Err(if at.epoch > self.epoch { behind } else { Refusal::Stale { current: self.epoch } });
        };
        let shard = table.shard(&at.sort_key).ok_or(Refusal::NotOwner)?;
        match (at.epoch.cmp(&shard.epoch), shard.copy) {
            (std::cmp::Ordering::Less, _) => Err(Refusal::Stale { current: shard.epoch }),
            (std::cmp::Ordering::Greater, _) => Err(behind),
            (std::cmp::Ordering::Equal, Some(_)) => Ok(table.durability),
            (std::cmp::Ordering::Equal, None) => Err(Refusal::NotOwner),
        }
    }
}

impl ShardLayout {
    /// Whether a move gives the node a copy of it now.
    pub fn is_received(&self) -> bool {
        self.copy.is_some_and(|copy| copy.role == Role::Receiver)
    }

    /// Whether a move to fewer owners leaves the node its copy, and so something to merge.
    pub fn is_stayed_in(&self) -> bool {
        self.copy.is_some_and(|copy| copy.role == Role::Stayer)
    }
}

impl TableLayout {
    /// The shard in which a walk downwards from `end` begins: the last one that starts below it. `None` is the end of the
    /// space.
    pub fn shard_below(&self, end: Option<&SortKey>) -> Option<&ShardLayout> {
        self.shards.below(end)
    }

    /// The shard that holds a sort key.
    pub fn shard(&self, sort_key: &SortKey) -> Option<&ShardLayout> {
        self.shards.at(sort_key).filter(|shard| shard.interval.contains(sort_key))
    }
}

impl Placed for ShardLayout {
    fn interval(&self) -> &Interval {
        &self.interval
    }

    /// What a move wants of the node is little of what there is.
    fn is_sought(&self) -> bool {
        self.is_received() || self.is_stayed_in()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Token;

    #[test]
    fn a_place_is_admitted_at_its_shard_epoch_by_its_owner_only() {
        let at_token = |token| SortKey::at_token(Token(token));
        let shard = |start, end, epoch, owned: bool| ShardLayout {
            interval: Interval { start: at_token(start), end },
            epoch: Epoch(epoch),
            copy: owned.then_some(Copy { role: Role::Owner, since: Epoch(0) }),
        };
        let shards = Pieces::of([shard(0, Some(at_token(100)), 5, true), shard(100, None, 7, false)]);
        let table = TableLayout { durability: Durability::Sync, shards };
        let layout =
            Layout { epoch: Epoch(9), incarnation: 1, tables: BTreeMap::from([(TableId(1), table)]) };
        let admit = |table, epoch, token| {
            let sort_key = at_token(token);
            layout.admit(&Place { table: TableId(table), epoch: Epoch(epoch), sort_key })
        };
        assert_eq!(admit(1, 5, 99), Ok(Durability::Sync));
        assert_eq!(admit(1, 4, 99), Err(Refusal::Stale { current: Epoch(5) }));
        assert_eq!(admit(1, 6, 99), Err(Refusal::Behind { current: Epoch(9) }));
        assert_eq!(admit(1, 7, 100), Err(Refusal::NotOwner));
        assert_eq!(admit(2, 9, 1), Err(Refusal::Stale { current: Epoch(9) }), "a dropped table");
        assert_eq!(admit(2, 10, 1), Err(Refusal::Behind { current: Epoch(9) }), "a table not heard of yet");
    }
}
