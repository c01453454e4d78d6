//! Commands about where shards begin: a shard becomes two, or two become one.
//!
//! ```text
//!   split at k     [a ············ m)  t/5       merge     [a ···· k) t/5   [k ···· m) t/9
//!                  [a ···· k) t/5   [k ···· m) t/9         [a ············ m)  t/5
//!                  owners and epoch stay                   owners stay, another epoch
//! ```
//!
//! No record is touched by either, and no node has anything to do: what a replica keeps (records, its ledger, floors, sums)
//! it keeps by interval. A split is no new stage, since the same copies answer for the same keys at the same epoch; a
//! request that was sent before it is answered as it would have been. A merged shard has one epoch where there were two, so
//! it gets a later one.
//!
//! # Names of merged copies
//!
//! A node's copies of the two halves may have been given to it at different epochs. The copy of the whole is as old as the
//! older one: a replica that lost something since then must not take the whole for newer than the loss. But an
//! acknowledgement may be of an earlier copy of the younger half, one that the node had, gave away and got again, and that
//! had the older one's name. So a merged shard remembers its merge ([`Shard::merged`]), and coordinators know its copies by
//! names that are no older ([`Shard::named_sets`]).

use super::Applied;
use crate::catalog::command::shards::{CUTS_PER_COMMAND_MAX, Cut, Merge, Pair, Seen, Split};
use crate::catalog::job::Pending;
use crate::catalog::rejection::shards::ShardRejection;
use crate::catalog::{Catalog, Job, JobState, Losses, Rejection, SHARDS_MAX, Shard, TableEntry};
use quorate_model::key::KEY_BYTES_MAX;
use quorate_model::{Interval, NodeId, Owner, ShardId, Sharding, SortKey, TableId};
use std::collections::BTreeSet;
use std::sync::Arc;

impl Catalog {
    pub(super) fn split(&self, split: &Split) -> Result<Applied, Rejection> {
        let mut entry = self.table_to_cut(split.table, split.cuts.len())?;
        let was_made = |cut: &Cut| {
            let left = entry.shard_at(&cut.seen.interval.start);
            let is_left = left.id == cut.seen.shard && left.interval.start == cut.seen.interval.start;
            is_left
                && left.interval.end.as_ref() == Some(&cut.at)
                && left.interval.end != cut.seen.interval.end
        };
        let cuts: Vec<&Cut> = split.cuts.iter().filter(|cut| !was_made(cut)).collect();
        if cuts.is_empty() {
            return Ok(self.unchanged());
        }
        self.check_more_shards(cuts.len())?;
        let mut job = self.running_job().map(|job| Job::clone(job));
        for cut in cuts {
            let shard = seen(&entry, &cut.seen)?;
            if shard.joint.is_some() {
                return Err(ShardRejection::Moves { shard: called(&entry, shard.id) }.into());
            }
            check_place(&entry, shard, &cut.at)?;
            let (left, right) = halves(shard, &cut.at, entry.next_shard);
            if let Some(job) = &mut job {
                inherit(job, left.id, &right);
            }
            entry.next_shard += 1;
            entry.shards = entry.shards.recut(&[left, right]);
        }
        let mut next = self.next();
        Arc::make_mut(&mut next.jobs).extend(job.map(|job| (job.id, Arc::new(job))));
        Arc::make_mut(&mut next.tables).insert(entry.id, Arc::new(entry));
        Ok(next.applied())
    }

    pub(super) fn merge(&self, merge: &Merge) -> Result<Applied, Rejection> {
        let mut entry = self.table_to_cut(merge.table, merge.pairs.len())?;
        let was_made = |Pair { left, right }: &Pair| {
            let now = entry.shard_at(&left.interval.start);
            let is_both = now.interval.start == left.interval.start && now.interval.end == right.interval.end;
            now.id == left.shard && is_both
        };
        let pairs: Vec<&Pair> = merge.pairs.iter().filter(|pair| !was_made(pair)).collect();
        if pairs.is_empty() {
            return Ok(self.unchanged());
        }
        let mut next = self.next();
        for pair in pairs {
            let (left, right) = (seen(&entry, &pair.left)?, seen(&entry, &pair.right)?);
            let (one, other) = (called(&entry, left.id), called(&entry, right.id));
            if left.interval.end.as_ref() != Some(&right.interval.start) {
                return Err(ShardRejection::NotNeighbours { left: one, right: other }.into());
            }
            for (shard, name) in [(left, &one), (right, &other)] {
                if shard.joint.is_some() {
                    return Err(ShardRejection::Moves { shard: name.clone() }.into());
                }
                if let Some(job) = self.running_job().filter(|job| job.pending.contains_key(&shard.id)) {
                    return Err(ShardRejection::Waits { shard: name.clone(), job: job.id }.into());
                }
            }
            let nodes = |shard: &Shard| shard.owner_nodes().collect::<BTreeSet<NodeId>>();
            if nodes(left) != nodes(right) {
                let (left_nodes, right_nodes) = (self.called_all(nodes(left)), self.called_all(nodes(right)));
                let rejection =
                    ShardRejection::OtherNodes { left: one, left_nodes, right: other, right_nodes };
                return Err(rejection.into());
            }
            let merged = Shard {
                id: left.id,
                interval: Interval { start: left.interval.start.clone(), end: right.interval.end.clone() },
                epoch: next.epoch,
                owners: left.owners.iter().map(|owner| older(*owner, right)).collect(),
                joint: None,
                losses: right.losses.iter().fold(left.losses.clone(), Losses::with_later),
                merged: next.epoch,
            };
            entry.shards = entry.shards.recut(&[merged]);
        }
        Arc::make_mut(&mut next.tables).insert(entry.id, Arc::new(entry));
        Ok(next.applied())
    }

    /// A table of which shards are split or merged by one command, so many times.
    fn table_to_cut(&self, table: TableId, told: usize) -> Result<TableEntry, Rejection> {
        let entry = self.table_by_id(table).ok_or(Rejection::NoSuchTable { table })?;
        if !(1..=CUTS_PER_COMMAND_MAX).contains(&told) {
            let told = u32::try_from(told).unwrap_or(u32::MAX);
            return Err(ShardRejection::WrongCount { told }.into());
        }
        // What it will still say of shards is meant of those that there were.
        let is_written = |job: &&Arc<Job>| matches!(job.state, JobState::Gathering { .. });
        if let Some(job) = self.running_job().filter(is_written) {
            return Err(ShardRejection::PlanIsWritten { job: job.id }.into());
        }
        Ok(TableEntry::clone(entry))
    }

    fn check_more_shards(&self, more: usize) -> Result<(), Rejection> {
        let now: usize = self.tables().map(|entry| entry.shards().len()).sum();
        if now + more <= SHARDS_MAX as usize {
            return Ok(());
        }
        let (asked, now) = (u32::try_from(more).unwrap_or(u32::MAX), u32::try_from(now).unwrap_or(u32::MAX));
        Err(Rejection::TooManyShards { asked, now, limit: SHARDS_MAX })
    }
}

/// A shard, if it is as the command's author saw it.
fn seen<'a>(entry: &'a TableEntry, seen: &Seen) -> Result<&'a Shard, Rejection> {
    let now = entry.shard_at(&seen.interval.start);
    if now.id == seen.shard && now.epoch == seen.epoch && now.interval == seen.interval {
        return Ok(now);
    }
    let words = |interval: &Interval, epoch| format!("{} at epoch {epoch}", holds(entry, interval));
    let told = words(&seen.interval, seen.epoch);
    let now = match entry.shards().iter().find(|shard| shard.id == seen.shard) {
        Some(now) => format!("now it {}", words(&now.interval, now.epoch)),
        None => "there is no shard of this number now".to_owned(),
    };
    Err(ShardRejection::Changed { shard: called(entry, seen.shard), told: format!("then it {told}"), now }
        .into())
}

/// Whether a shard can be cut there.
fn check_place(entry: &TableEntry, shard: &Shard, at: &SortKey) -> Result<(), Rejection> {
    let (table, key) = (entry.name.clone(), entry.place_called(at));
    let no_place = |why: &str| {
        let (table, key) = (entry.name.clone(), entry.place_called(at));
        Err(ShardRejection::NoPlace { table, key, why: why.to_owned() }.into())
    };
    match entry.sharding {
        Sharding::Hash if at.as_bytes().len() != 8 => {
            return no_place("a hash table is cut between tokens: name a token, 16 hexadecimal digits");
        }
        Sharding::Range if at.as_bytes().len() > KEY_BYTES_MAX => {
            return no_place("no key is that long: name a shorter one");
        }
        Sharding::Hash | Sharding::Range => {}
    }
    if *at <= shard.interval.start || !shard.interval.contains(at) {
        let (shard, holds) = (called(entry, shard.id), holds(entry, &shard.interval));
        return Err(ShardRejection::Outside { table, key, shard, holds }.into());
    }
    if entry.next_shard == u32::MAX {
        return Err(Rejection::IdsExhausted { what: "shard".to_owned() });
    }
    Ok(())
}

/// The two that a shard becomes.
fn halves(shard: &Shard, at: &SortKey, index: u32) -> (Shard, Shard) {
    let Interval { start, end } = shard.interval.clone();
    let left = Shard { interval: Interval { start, end: Some(at.clone()) }, ..shard.clone() };
    let id = ShardId { index, ..shard.id };
    let right = Shard { id, interval: Interval { start: at.clone(), end }, ..shard.clone() };
    (left, right)
}

/// Where a shard waits to be moved, both that it becomes do.
fn inherit(job: &mut Job, left: ShardId, right: &Shard) {
    let Some(wish) = job.pending.get(&left) else { return };
    let wish = Pending { start: right.interval.start.clone(), wanted: wish.wanted.clone() };
    Arc::make_mut(&mut job.pending).insert(right.id, wish);
    job.total = job.total.saturating_add(1);
}

/// An owner's copy of two shards that become one.
fn older(owner: Owner, other: &Shard) -> Owner {
    let its = other.owners.iter().find(|it| it.node == owner.node);
    Owner { since: its.map_or(owner.since, |it| it.since.min(owner.since)), ..owner }
}

fn called(entry: &TableEntry, shard: ShardId) -> String {
    format!("{}/{}", entry.name, shard.index)
}

/// What an interval holds, as the end of a sentence.
fn holds(entry: &TableEntry, interval: &Interval) -> String {
    let from = |start: &SortKey| format!("from {}", entry.place_called(start));
    let up_to = |end: &SortKey| format!("up to {}", entry.place_called(end));
    match (interval.start.as_bytes().is_empty(), &interval.end) {
        (true, None) => "holds the whole table".to_owned(),
        (true, Some(end)) => format!("holds all {}", up_to(end)),
        (false, None) => format!("holds all {}", from(&interval.start)),
        (false, Some(end)) => format!("holds all {} {}", from(&interval.start), up_to(end)),
    }
}
