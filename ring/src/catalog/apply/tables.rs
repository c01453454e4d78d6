//! Commands about tables: what makes, alters and drops one.

use super::{Applied, Created};
use crate::catalog::checks::{check_level, check_shard_bytes, check_ttl};
use crate::catalog::shard::{Losses, intervals};
use crate::catalog::{
    Catalog, NewTable, RESERVED_TABLE_PREFIX, Rejection, Shard, TableChange, TableEntry, TtlChange,
};
use crate::placement::{Settled, TableWish, place};
use crate::plan::OwnerSet;
use crate::ring::Ring;
use quorate_model::level::N_MAX;
use quorate_model::table::is_table_name;
use quorate_model::{Epoch, Pieces, ShardId, SortKey, Table, TableId};
use std::sync::Arc;

impl Catalog {
    /// Makes a table whose shards begin where `starts` says, once it is known to be possible otherwise.
    pub(in crate::catalog) fn create_table(
        &self,
        new: &NewTable,
        starts: impl FnOnce() -> Result<Vec<SortKey>, Rejection>,
    ) -> Result<Applied, Rejection> {
        if let Some(entry) = self.tables().find(|entry| entry.request == new.request) {
            return if entry.name == new.name {
                Ok(self.repeated(Created::Table(entry.id)))
            } else {
                Err(Rejection::RequestReused { owner: entry.name.clone() })
            };
        }
        self.check_new_table(new)?;
        let (id, starts) = (self.next_table, starts()?);
        self.check_room(new.shards)?;
        let mut next = self.next();
        let mut shards: Vec<Shard> = intervals(&starts)
            .zip(0..)
            .map(|(interval, index)| Shard {
                id: ShardId { table: id, index },
                interval,
                epoch: next.epoch,
                owners: OwnerSet::new(),
                joint: None,
                losses: Losses::default(),
                merged: Epoch(0),
            })
            .collect();
        // The other tables stay where they are.
        let wish = TableWish::new(new.n, shards.iter().map(|shard| shard.position(new.sharding)));
        let members = self.allocatable();
        let nodes = members.len() as u32;
        let placed = place(&Ring::of(members), &self.settled(), &[wish])
            .ok_or(Rejection::TooFewNodes { n: new.n, nodes })?;
        for (at, owners) in placed.into_iter().flatten() {
            shards[at].owners = owners.into_iter().map(|node| next.copy_of(node)).collect();
        }
        let table = Table {
            id,
            name: new.name.clone(),
            sharding: new.sharding,
            n: new.n,
            r: new.r,
            w: new.w,
            mode: new.mode,
            durability: new.durability,
            ttl_ms: new.ttl_ms,
            shard_bytes_max: new.shard_bytes_max,
        };
        let entry = TableEntry {
            table: Arc::new(table),
            shards: Pieces::of(shards),
            next_shard: new.shards,
            began_with: new.shards,
            request: new.request,
            epoch: next.epoch,
        };
        next.next_table = TableId(id.0 + 1);
        Arc::make_mut(&mut next.names).insert(new.name.clone(), id);
        Arc::make_mut(&mut next.tables).insert(id, Arc::new(entry));
        let catalog = next.with_other_topology();
        Ok(Applied { catalog, created: Some(Created::Table(id)), repeated: false })
    }

    /// What all tables have on each node.
    fn settled(&self) -> Settled {
        let mut settled = Settled::default();
        for entry in self.tables() {
            *settled.shards_by_copies.entry(entry.n).or_default() += entry.shards().len() as u64;
            for owner in entry.shards().iter().flat_map(|shard| &shard.owners) {
                *settled.copies.entry(owner.node).or_default() += 1;
            }
        }
        settled
    }

    fn check_new_table(&self, new: &NewTable) -> Result<(), Rejection> {
        let name = new.name.clone();
        if !is_table_name(&name) {
            return Err(Rejection::InvalidTableName { name });
        }
        if name.starts_with(RESERVED_TABLE_PREFIX) {
            return Err(Rejection::ReservedTableName { name });
        }
        if let Some(taken) = self.table(&name) {
            return Err(Rejection::TableExists { name, table: taken.id });
        }
        self.check_copies(new.n)?;
        check_level("r", new.r, new.n)?;
        check_level("w", new.w, new.n)?;
        check_shard_bytes(new.shard_bytes_max, self.level)?;
        check_ttl(new.ttl_ms)
    }

    pub(super) fn check_copies(&self, n: u8) -> Result<(), Rejection> {
        let nodes = self.nodes().filter(|node| node.is_allocatable()).count() as u32;
        if n == 0 || n > N_MAX {
            Err(Rejection::CopiesOutOfRange { n })
        } else if u32::from(n) > nodes {
            Err(Rejection::TooFewNodes { n, nodes })
        } else {
            Ok(())
        }
    }

    pub(super) fn alter_table(&self, change: &TableChange) -> Result<Applied, Rejection> {
        let entry = self.table_by_id(change.table).ok_or(Rejection::NoSuchTable { table: change.table })?;
        if change.w.is_some_and(|w| w != entry.w) {
            return Err(Rejection::WritePromiseFixed { now: entry.w });
        }
        if let Some(asked) = change.n.filter(|n| *n != entry.n) {
            self.check_copies(asked)?;
            return Err(Rejection::CopiesFixed { now: entry.n, asked });
        }
        let mut table = Table::clone(entry.table());
        if let Some(r) = change.r {
            check_level("r", r, table.n)?;
            table.r = r;
        }
        if let Some(durability) = change.durability {
            table.durability = durability;
        }
        if let Some(ttl) = change.ttl {
            table.ttl_ms = match ttl {
                TtlChange::Never => None,
                TtlChange::After(ttl_ms) => Some(ttl_ms),
            };
            check_ttl(table.ttl_ms)?;
        }
        if let Some(bytes) = change.shard_bytes_max {
            table.shard_bytes_max = Some(bytes).filter(|bytes| *bytes > 0);
            check_shard_bytes(table.shard_bytes_max, self.level)?;
        }
        let mut next = self.next();
        if table.durability != entry.durability {
            next.left_behind(entry, false);
        }
        // A replica that has not heard of the change would answer what it holds only as the old table says, to a
        // coordinator that takes the answer as the new one says: both must be at the same epoch.
        let shards = if table.durability == entry.durability {
            entry.shards.clone()
        } else {
            entry.shards.with(entry.shards.iter().map(|shard| Shard { epoch: next.epoch, ..shard.clone() }))
        };
        let altered =
            TableEntry { table: Arc::new(table), shards, epoch: next.epoch, ..TableEntry::clone(entry) };
        Arc::make_mut(&mut next.tables).insert(change.table, Arc::new(altered));
        Ok(next.applied())
    }

    pub(super) fn drop_table(&self, table: TableId) -> Result<Applied, Rejection> {
        let entry = self.table_by_id(table).ok_or(Rejection::NoSuchTable { table })?;
        let mut next = self.next();
        next.left_behind(entry, true);
        Arc::make_mut(&mut next.names).remove(&entry.name);
        Arc::make_mut(&mut next.tables).remove(&table);
        // One that is made under this name later is another table.
        if let Some(access) = next.access.without_table(table, next.epoch) {
            next.access = Arc::new(access);
        }
        next.leave_jobs(entry);
        Ok(next.with_other_topology().applied())
    }
}
