//! What one node owns: the part of a view that its storage must know in order to refuse.

use crate::ids::{Epoch, TableId};
use crate::key::{Interval, SortKey};
use crate::message::{Place, Refusal};
use crate::table::Durability;
use std::collections::BTreeMap;

/// What one node owns at one epoch of the catalog.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Layout {
    /// The catalog's epoch.
    pub epoch: Epoch,
    /// Every table of the catalog, also those of which this node owns nothing.
    pub tables: BTreeMap<TableId, TableLayout>,
}

/// What one node owns of one table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableLayout {
    /// The least that an acknowledgement means.
    pub durability: Durability,
    /// The table's shards (all of them, so that "elsewhere" and "stale" can be told apart), ordered by start.
    pub shards: Vec<ShardLayout>,
}

/// One shard, as one node sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShardLayout {
    /// Its piece of the table's sort space.
    pub interval: Interval,
    /// When its owners, or what they promise (the table's durability), last changed.
    pub epoch: Epoch,
    /// Whether this node is one of its owners.
    pub owned: bool,
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
        match at.epoch.cmp(&shard.epoch) {
            std::cmp::Ordering::Less => Err(Refusal::Stale { current: shard.epoch }),
            std::cmp::Ordering::Greater => Err(behind),
            std::cmp::Ordering::Equal if shard.owned => Ok(table.durability),
            std::cmp::Ordering::Equal => Err(Refusal::NotOwner),
        }
    }
}

impl TableLayout {
    /// The shard that holds a sort key.
    pub fn shard(&self, sort_key: &SortKey) -> Option<&ShardLayout> {
        let after = self.shards.partition_point(|shard| shard.interval.start <= *sort_key);
        let shard = self.shards.get(after.checked_sub(1)?)?;
        shard.interval.contains(sort_key).then_some(shard)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Token;

    #[test]
    fn a_place_is_admitted_at_its_shard_epoch_by_its_owner_only() {
        let at_token = |token| SortKey::at_token(Token(token));
        let shard = |start, end, epoch, owned| ShardLayout {
            interval: Interval { start: at_token(start), end },
            epoch: Epoch(epoch),
            owned,
        };
        let shards = vec![shard(0, Some(at_token(100)), 5, true), shard(100, None, 7, false)];
        let table = TableLayout { durability: Durability::Sync, shards };
        let layout = Layout { epoch: Epoch(9), tables: BTreeMap::from([(TableId(1), table)]) };
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
