//! The shards that a table begins with: of a hash table equal pieces of the ring, of a range table what lies between keys.
//!
//! A range table begins with one shard, or with those that begin at the keys which its maker names: an ordered load into
//! one shard keeps one set of owners busy and the others idle.

use super::shard::equal_starts;
use super::{Applied, Catalog, NewRange, NewTable, Rejection, SHARDS_MAX, SHARDS_PER_TABLE_MAX, TABLES_MAX};
use quorate_model::key::KEY_BYTES_MAX;
use quorate_model::{Interval, Sharding, SortKey, TableId};

/// Most shards that a range table can begin with.
pub const RANGE_SHARDS_MAX: usize = 1_024;

impl Catalog {
    pub(super) fn create_hash(&self, new: &NewTable) -> Result<Applied, Rejection> {
        self.create_table(new, || {
            match new.sharding {
                Sharding::Hash => {}
                Sharding::Range => return Err(Rejection::RangeTablesNotBuilt),
            }
            if !new.shards.is_power_of_two() || new.shards > SHARDS_PER_TABLE_MAX {
                return Err(Rejection::InvalidShardCount { shards: new.shards });
            }
            Ok(equal_starts(new.shards).collect())
        })
    }

    pub(super) fn create_range(&self, new: &NewRange) -> Result<Applied, Rejection> {
        self.create_table(&new.table, || {
            starts(new).map_err(|why| Rejection::InvalidSplit { why: why.to_owned() })
        })
    }

    /// Whether one more table with so many shards has room.
    pub(super) fn check_room(&self, shards: u32) -> Result<(), Rejection> {
        if self.closing().filter(|closing| closing.dropped).count() >= TABLES_MAX as usize {
            return Err(Rejection::TooManyDropped { limit: TABLES_MAX });
        }
        if self.tables.len() >= TABLES_MAX as usize {
            return Err(Rejection::TooManyTables { limit: TABLES_MAX });
        }
        let now: usize = self.tables().map(|table| table.shards().len()).sum();
        if now + shards as usize > SHARDS_MAX as usize {
            let now = u32::try_from(now).unwrap_or(u32::MAX);
            return Err(Rejection::TooManyShards { asked: shards, now, limit: SHARDS_MAX });
        }
        if self.next_table == TableId(u32::MAX) {
            return Err(Rejection::IdsExhausted { what: "table".to_owned() });
        }
        Ok(())
    }
}

/// Where the shards of a range table begin; or what is wrong.
fn starts(new: &NewRange) -> Result<Vec<SortKey>, &'static str> {
    let NewRange { table, split_at } = new;
    let is_counted = table.sharding == Sharding::Range && table.shards as usize == split_at.len() + 1;
    if !is_counted {
        return Err("does not go with the table: it needs sharding range, and one shard more than keys");
    }
    if split_at.len() >= RANGE_SHARDS_MAX {
        return Err("has too many keys: use at most 1023, which make 1024 shards");
    }
    if split_at.iter().any(|key| key.as_bytes().is_empty() || key.as_bytes().len() > KEY_BYTES_MAX) {
        return Err("has a key that is empty or too long: the first shard begins at the first key anyway");
    }
    if !split_at.is_sorted_by(|one, other| one < other) {
        return Err("is not in order: give each key once, in ascending byte order");
    }
    let first = Interval::everything().start;
    Ok(std::iter::once(first).chain(split_at.iter().map(SortKey::ranged)).collect())
}
