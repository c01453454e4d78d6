//! The view: an immutable catalog plus who seems down, given to each request.
//!
//! A request works on one view from beginning to end and never waits for the control plane. The catalog says who
//! counts; liveness only says whom to ask first. A node that seems down is still an owner, and is asked when there
//! are not enough others.

use crate::catalog::{Catalog, Shard, TableEntry};
use crate::liveness::Liveness;
use crate::plan::{Candidate, OwnerSet, Plan};
use quorate_model::{
    Epoch, Extent, Interval, Key, NodeId, Place, RangeReply, RangeRequest, Refusal, Reply, ShardId, ShardNow,
    SortKey, TableId, Token,
};
use smallvec::SmallVec;
use std::sync::Arc;

/// What a request knows of the cluster. Cheap to clone.
#[derive(Clone, Debug)]
pub struct View {
    catalog: Arc<Catalog>,
    liveness: Liveness,
}

/// Where a key lives, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Location {
    /// The key's token, which is its place on the ring in a hash table.
    pub token: Token,
    /// Its shard.
    pub shard: ShardId,
    /// The shard's piece of the sort space.
    pub interval: Interval,
    /// When the shard's owners, or what they promise (the table's durability), last changed.
    pub epoch: Epoch,
    /// Its owners in ring order, and whether they seem alive; while it moves, those that are new after them.
    pub owners: SmallVec<[Candidate; 5]>,
}

impl View {
    /// A catalog as one node sees it.
    pub fn new(catalog: Arc<Catalog>, liveness: Liveness) -> Self {
        Self { catalog, liveness }
    }

    /// The same catalog with other liveness.
    #[must_use]
    pub fn with_liveness(&self, liveness: Liveness) -> Self {
        Self { catalog: Arc::clone(&self.catalog), liveness }
    }

    /// Another catalog with the same liveness.
    #[must_use]
    pub fn with_catalog(&self, catalog: Arc<Catalog>) -> Self {
        Self { catalog, liveness: self.liveness.clone() }
    }

    /// The catalog.
    pub fn catalog(&self) -> &Arc<Catalog> {
        &self.catalog
    }

    /// Who seems down.
    pub fn liveness(&self) -> &Liveness {
        &self.liveness
    }

    /// The catalog's epoch.
    pub fn epoch(&self) -> Epoch {
        self.catalog.epoch()
    }

    /// The table with this name.
    pub fn table(&self, name: &str) -> Option<&TableEntry> {
        self.catalog.table(name).map(Arc::as_ref)
    }

    /// The table with this id.
    pub fn table_by_id(&self, id: TableId) -> Option<&TableEntry> {
        self.catalog.table_by_id(id).map(Arc::as_ref)
    }

    /// Where a key of this view's table lives and whom to ask in which order, for a coordinator on `local`.
    pub fn plan(&self, table: &TableEntry, key: &Key, local: NodeId) -> Plan {
        self.plan_at(table, table.sort_key(key), local)
    }

    /// The same for a position in the table's sort space.
    pub fn plan_at(&self, table: &TableEntry, sort_key: SortKey, local: NodeId) -> Plan {
        let shard = table.shard_at(&sort_key);
        let sets = shard.named_sets().collect();
        let plan = self.plan_of(table, shard.id.index, shard.epoch, sets, sort_key, local);
        Plan { has_losses: !shard.losses.is_empty(), ..plan }
    }

    /// The same where another node has said what is in force of the shard, of which this view may know nothing yet;
    /// `None`: what it says can't be, or is of another shard.
    pub fn plan_by(
        &self,
        table: &TableEntry,
        now: &ShardNow,
        sort_key: SortKey,
        local: NodeId,
    ) -> Option<Plan> {
        if !now.is_sound() || !now.interval.contains(&sort_key) {
            return None;
        }
        let sets = now.sets.iter().map(|set| set.iter().copied().collect()).collect();
        let plan = self.plan_of(table, now.index, now.epoch, sets, sort_key, local);
        // What this view knows already stays true as long as the table.
        let known = !table.shard_at(&plan.place.sort_key).losses.is_empty();
        Some(Plan { has_losses: known || now.has_losses == Some(true), ..plan })
    }

    /// What goes with a reply to a request for this place: if that is refused because owners have changed, what is in
    /// force of the shard. `None`: nothing is, or nothing newer than what the request named.
    pub fn newer(&self, place: &Place, reply: &Reply) -> Option<ShardNow> {
        let Reply::Refused(refusal) = reply else { return None };
        Self::news(*refusal, place.epoch, self.table_by_id(place.table)?.shard_at(&place.sort_key))
    }

    /// The same with a reply to a request about a range: of the shard in which it begins.
    pub fn newer_of_range(&self, request: &RangeRequest, reply: &RangeReply) -> Option<ShardNow> {
        let RangeReply::Refused(refusal) = reply else { return None };
        let Extent { table, epoch, interval } = request.extent()?;
        let shard = Self::first_of(self.table_by_id(*table)?, interval, request.is_reverse());
        Self::news(*refusal, *epoch, shard)
    }

    fn news(refusal: Refusal, named: Epoch, shard: &Shard) -> Option<ShardNow> {
        let (interval, sets) = (shard.interval.clone(), shard.named_sets().map(|set| set.to_vec()).collect());
        let is_news = matches!(refusal, Refusal::Stale { .. } | Refusal::NotOwner) && shard.epoch > named;
        let has_losses = (!shard.losses.is_empty()).then_some(true);
        is_news.then(|| ShardNow { index: shard.id.index, interval, epoch: shard.epoch, sets, has_losses })
    }

    /// The shard in which a walk over a range begins.
    fn first_of<'a>(table: &'a TableEntry, range: &Interval, reverse: bool) -> &'a Shard {
        if reverse { table.shard_below(range.end.as_ref()) } else { table.shard_at(&range.start) }
    }

    fn plan_of(
        &self,
        table: &TableEntry,
        index: u32,
        epoch: Epoch,
        sets: SmallVec<[OwnerSet; 2]>,
        sort_key: SortKey,
        local: NodeId,
    ) -> Plan {
        Plan {
            table: Arc::clone(table.table()),
            shard: ShardId { table: table.id, index },
            place: Place { table: table.id, epoch, sort_key },
            candidates: Candidate::in_order(&sets, local, &self.liveness, u64::from(index) + local.0),
            sets,
            has_losses: false,
        }
    }

    /// The plan of the shard in which a walk over a range begins: at its start, or in reverse below its end.
    pub fn plan_of_range(&self, table: &TableEntry, range: &Interval, reverse: bool, local: NodeId) -> Plan {
        let first = Self::first_of(table, range, reverse);
        let position = if reverse { first.interval.start.clone() } else { range.start.clone() };
        self.plan_at(table, position, local)
    }

    /// Where a key lives, for people.
    pub fn locate(&self, table: &TableEntry, key: &Key) -> Location {
        let shard = table.shard_of(key);
        Location {
            token: key.token(),
            shard: shard.id,
            interval: shard.interval.clone(),
            epoch: shard.epoch,
            owners: self.owners_of(shard),
        }
    }

    fn owners_of(&self, shard: &Shard) -> SmallVec<[Candidate; 5]> {
        let candidate = |node| Candidate { node, alive: self.liveness.is_alive(node) };
        shard.holder_nodes().map(candidate).collect()
    }
}

#[cfg(test)]
mod tests;
