//! A catalog as bytes: for a node that joins, and for a log that is cut.
//!
//! A version byte, then CBOR with numbered fields. A snapshot may come from a damaged disk, so decoding checks
//! everything that the rest of the crate relies on.

use super::access::AccessForm;
use super::copies::are_sound;
use super::job::JobForm;
use super::shard::{Losses, intervals};
use super::{
    Access, Catalog, Closing, Former, Job, JobId, Joint, Node, RECOVERIES_MAX, Recovery, RequestId, Shard,
    TableEntry, is_label, node::is_known_address,
};
use minicbor::{Decode, Encode};
use quorate_model::level::N_MAX;
use quorate_model::table::{SHARD_BYTES_MIN, is_table_name};
use quorate_model::{AcceptedLoss, ClusterId, Epoch, NodeId, Owner, ShardId, SortKey, Table, TableId};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use thiserror::Error;

/// The form of encoded catalogs of level 1: the first byte.
const FORM: u8 = 1;
/// That of catalogs of level 2: a version that does not know what they keep must not take them for less.
const FORM_OF_LEVEL_2: u8 = 2;
/// That of catalogs of level 3, which may have jobs and shards with two sets of owners.
const FORM_OF_LEVEL_3: u8 = 3;
/// That of catalogs of level 4, whose shards may have been merged.
const FORM_OF_LEVEL_4: u8 = 4;
/// That of catalogs of level 5, whose tables may say how large their shards become.
const FORM_OF_LEVEL_5: u8 = 5;
/// That of catalogs of level 6, which may have users: a version that does not know them must not serve without them.
const FORM_OF_LEVEL_6: u8 = 6;

/// Bytes that are not a catalog.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("not a catalog snapshot that can be used: {0}; fetch another one from a member")]
pub struct DamagedSnapshot(pub String);

#[derive(Encode, Decode)]
struct CatalogForm {
    #[n(0)]
    cluster: ClusterId,
    #[n(1)]
    name: String,
    #[n(2)]
    epoch: Epoch,
    #[n(3)]
    nodes: Vec<Node>,
    #[n(4)]
    tables: Vec<TableForm>,
    #[n(5)]
    next_node: NodeId,
    #[n(6)]
    next_table: TableId,
    /// `None`: level 1, as earlier versions wrote it.
    #[n(7)]
    level: Option<u32>,
    #[n(8)]
    closing: Option<Vec<Closing>>,
    /// `None`: none.
    #[n(9)]
    jobs: Option<Vec<JobForm>>,
    /// `None`: below level 3.
    #[n(10)]
    topology: Option<Epoch>,
    /// `None`: none.
    #[n(11)]
    recoveries: Option<Vec<Recovery>>,
    /// `None`: no users and no roles, and access control is off.
    #[n(12)]
    access: Option<AccessForm>,
}

#[derive(Encode, Decode)]
struct TableForm {
    #[n(0)]
    table: Table,
    #[n(1)]
    shards: Vec<ShardForm>,
    #[n(2)]
    next_shard: u32,
    #[n(3)]
    request: RequestId,
    #[n(4)]
    epoch: Epoch,
    /// How many shards it was made with; `None`: as many as it has, since below level 4 that does not change.
    #[n(5)]
    began_with: Option<u32>,
}

/// A shard without its end, which is the next one's start.
#[derive(Encode, Decode)]
struct ShardForm {
    #[n(0)]
    index: u32,
    #[n(1)]
    start: SortKey,
    #[n(2)]
    epoch: Epoch,
    #[n(3)]
    owners: Vec<NodeId>,
    /// Since when each has its copy; `None`: no copy has a name.
    #[n(4)]
    since: Option<Vec<Epoch>>,
    /// The losses that were accepted of it; `None`: none.
    #[n(5)]
    losses: Option<Vec<AcceptedLoss>>,
    /// Where it moves; `None`: nowhere.
    #[n(6)]
    joint: Option<JointForm>,
    /// When it was merged; `None`: never.
    #[n(7)]
    merged: Option<Epoch>,
}

#[derive(Encode, Decode)]
struct JointForm {
    #[n(0)]
    began: Epoch,
    #[n(1)]
    next: Vec<Owner>,
    #[n(2)]
    job: JobId,
}

impl Catalog {
    /// This catalog as bytes.
    pub fn encode(&self) -> Vec<u8> {
        let form = CatalogForm {
            cluster: self.cluster,
            name: self.name.to_string(),
            epoch: self.epoch,
            nodes: self.nodes().map(|node| Node::clone(node)).collect(),
            tables: self.tables().map(|entry| TableForm::of(entry)).collect(),
            next_node: self.next_node,
            next_table: self.next_table,
            level: (self.level > 1).then_some(self.level),
            closing: (!self.closing.is_empty())
                .then(|| self.closing().map(|closing| Closing::clone(closing)).collect()),
            jobs: (!self.jobs.is_empty()).then(|| self.jobs().map(|job| JobForm::of(job)).collect()),
            topology: (self.level > 2).then_some(self.topology),
            recoveries: (!self.recoveries.is_empty()).then(|| self.recoveries.to_vec()),
            access: (*self.access != Access::default()).then(|| AccessForm::of(&self.access)),
        };
        let mut bytes = vec![match self.level {
            0 | 1 => FORM,
            2 => FORM_OF_LEVEL_2,
            3 => FORM_OF_LEVEL_3,
            4 => FORM_OF_LEVEL_4,
            5 => FORM_OF_LEVEL_5,
            6.. => FORM_OF_LEVEL_6,
        }];
        minicbor::encode(form, &mut bytes).expect("a vector takes every byte");
        bytes
    }

    /// Inverse of [`Catalog::encode`]. Total: whatever the bytes are, the result is a sound catalog or an error.
    pub fn decode(bytes: &[u8]) -> Result<Self, DamagedSnapshot> {
        let form: CatalogForm = match bytes.split_first() {
            Some((&(FORM..=FORM_OF_LEVEL_6), body)) => {
                decode_whole(body).map_err(|error| DamagedSnapshot(error.to_string()))?
            }
            Some((version, _)) => return Err(DamagedSnapshot(format!("form {version} is unknown"))),
            None => return Err(DamagedSnapshot("no bytes".to_owned())),
        };
        form.into_catalog().map_err(|what| DamagedSnapshot(what.to_owned()))
    }
}

/// Decodes one value that takes all the bytes.
pub(crate) fn decode_whole<T: for<'b> Decode<'b, ()>>(bytes: &[u8]) -> Result<T, minicbor::decode::Error> {
    let mut decoder = minicbor::Decoder::new(bytes);
    let value = decoder.decode()?;
    if decoder.position() != bytes.len() {
        return Err(minicbor::decode::Error::message("trailing bytes"));
    }
    Ok(value)
}

impl TableForm {
    fn of(entry: &TableEntry) -> Self {
        let shard = |shard: &Shard| ShardForm {
            index: shard.id.index,
            start: shard.interval.start.clone(),
            epoch: shard.epoch,
            owners: shard.owners.iter().map(|owner| owner.node).collect(),
            since: (shard.owners.iter().any(|owner| owner.since > Epoch(0)))
                .then(|| shard.owners.iter().map(|owner| owner.since).collect()),
            losses: (!shard.losses.is_empty()).then(|| shard.losses.iter().copied().collect()),
            joint: shard.joint.as_ref().map(|joint| JointForm {
                began: joint.began,
                next: joint.next.to_vec(),
                job: joint.job,
            }),
            merged: (shard.merged > Epoch(0)).then_some(shard.merged),
        };
        Self {
            table: Table::clone(&entry.table),
            shards: entry.shards.iter().map(shard).collect(),
            next_shard: entry.next_shard,
            request: entry.request,
            epoch: entry.epoch,
            began_with: (entry.began_with as usize != entry.shards.len()).then_some(entry.began_with),
        }
    }

    fn into_entry(self, epoch: Epoch) -> TableEntry {
        let id = self.table.id;
        let starts: Vec<SortKey> = self.shards.iter().map(|shard| shard.start.clone()).collect();
        let shard = |(form, interval): (ShardForm, _)| Shard {
            id: ShardId { table: id, index: form.index },
            interval,
            epoch: form.epoch.min(epoch),
            owners: match form.since {
                None => form.owners.into_iter().map(Owner::unnamed).collect(),
                Some(since) => {
                    let named = form.owners.into_iter().zip(since);
                    named.map(|(node, since)| Owner { node, since }).collect()
                }
            },
            joint: form.joint.map(|joint| {
                let next = joint.next.into_iter().collect();
                Arc::new(Joint { began: joint.began, next, job: joint.job })
            }),
            losses: Losses::of(form.losses.unwrap_or_default()),
            merged: form.merged.unwrap_or_default().min(epoch),
        };
        let began_with = self.began_with.unwrap_or(starts.len() as u32);
        let shards = self.shards.into_iter().zip(intervals(&starts)).map(shard).collect();
        TableEntry {
            began_with,
            table: Arc::new(self.table),
            shards,
            next_shard: self.next_shard,
            request: self.request,
            epoch: self.epoch,
        }
    }

    /// From level 3 on shards that have not moved since n changed have as many owners as before.
    fn check(&self, nodes: &BTreeSet<NodeId>, epoch: Epoch, level: u32) -> Result<(), &'static str> {
        let table = &self.table;
        if !is_table_name(&table.name) {
            return Err("a table name is not allowed");
        }
        if table.r.required(table.n).is_err() || table.w.required(table.n).is_err() {
            return Err("a table's level is out of range");
        }
        if self.shards.first().is_none_or(|first| !first.start.as_bytes().is_empty()) {
            return Err("a table's first shard does not start at the beginning");
        }
        if self.shards.windows(2).any(|pair| pair[0].start >= pair[1].start) {
            return Err("a table's shards are not in order");
        }
        if table.shard_bytes_max.is_some_and(|bytes| bytes < SHARD_BYTES_MIN) {
            return Err("a table's shards would be split too small");
        }
        let indexes: BTreeSet<u32> = self.shards.iter().map(|shard| shard.index).collect();
        if indexes.len() != self.shards.len() || indexes.last().is_some_and(|last| *last >= self.next_shard) {
            return Err("a shard's number was not issued, or issued twice");
        }
        for shard in &self.shards {
            let owners: BTreeSet<NodeId> = shard.owners.iter().copied().collect();
            let is_size = |size: usize| {
                size == usize::from(table.n) || (level > 2 && (1..=usize::from(N_MAX)).contains(&size))
            };
            if !is_size(owners.len()) || owners.len() != shard.owners.len() {
                return Err("a shard has not exactly n distinct owners");
            }
            let is_named = |since: &Vec<Epoch>| since.len() == owners.len() && are_sound(since, epoch);
            if !shard.since.as_ref().is_none_or(is_named) {
                return Err("a shard's copies have no sound names");
            }
            let is_loss = |loss: &AcceptedLoss| loss.since <= epoch;
            let losses = shard.losses.iter().flatten();
            if losses.clone().count() > Losses::MAX || !losses.into_iter().all(is_loss) {
                return Err("a shard's accepted losses make no sense");
            }
            if !owners.is_subset(nodes) {
                return Err("a shard's owner is not a member");
            }
            if shard.joint.as_ref().is_some_and(|joint| !joint.is_sound(shard, nodes, epoch)) {
                return Err("a shard's new owners make no sense");
            }
        }
        Ok(())
    }
}

impl JointForm {
    fn is_sound(&self, shard: &ShardForm, nodes: &BTreeSet<NodeId>, epoch: Epoch) -> bool {
        let next: BTreeSet<NodeId> = self.next.iter().map(|owner| owner.node).collect();
        let since = |node: NodeId| {
            let at = shard.owners.iter().position(|owner| *owner == node)?;
            Some(shard.since.as_ref().map_or(Epoch(0), |since| since[at]))
        };
        // A node that stays has one copy.
        let is_named = |owner: &Owner| {
            owner.since <= epoch && since(owner.node).is_none_or(|since| since == owner.since)
        };
        (1..=usize::from(N_MAX)).contains(&next.len())
            && next.len() == self.next.len()
            && next.is_subset(nodes)
            && self.next.iter().all(is_named)
            && self.began <= shard.epoch
    }
}

impl CatalogForm {
    fn check(&self) -> Result<(), &'static str> {
        let ids: BTreeSet<NodeId> = self.nodes.iter().map(|node| node.id).collect();
        let names: BTreeSet<&str> = self.nodes.iter().map(|node| node.name.as_str()).collect();
        if ids.len() != self.nodes.len() || names.len() != self.nodes.len() {
            return Err("two nodes have one id or name");
        }
        if ids.last().is_some_and(|last| *last >= self.next_node) {
            return Err("a node's id was not issued");
        }
        let sound = |node: &Node| {
            is_label(&node.name)
                && is_label(&node.zone)
                && node.weight.is_in_range()
                && is_known_address(&node.http_address)
                && is_known_address(&node.peer_address)
        };
        if !self.nodes.iter().all(sound) {
            return Err("a node's name, zone, weight or address is out of range");
        }
        let tables: BTreeSet<TableId> = self.tables.iter().map(|form| form.table.id).collect();
        let names: BTreeSet<&str> = self.tables.iter().map(|form| form.table.name.as_str()).collect();
        if tables.len() != self.tables.len() || names.len() != self.tables.len() {
            return Err("two tables have one id or name");
        }
        if tables.last().is_some_and(|last| *last >= self.next_table) {
            return Err("a table's id was not issued");
        }
        let mut recoveries = self.recoveries.iter().flatten();
        if recoveries.clone().count() > RECOVERIES_MAX || recoveries.any(|it| it.epoch > self.epoch) {
            return Err("a recovery makes no sense");
        }
        let level = self.level.unwrap_or(1);
        self.tables.iter().try_for_each(|form| form.check(&ids, self.epoch, level))
    }

    fn into_catalog(self) -> Result<Catalog, &'static str> {
        self.check()?;
        let epoch = self.epoch;
        let names = self.tables.iter().map(|form| (form.table.name.clone(), form.table.id)).collect();
        let tables =
            self.tables.into_iter().map(|form| (form.table.id, Arc::new(form.into_entry(epoch)))).collect();
        let closing = self.closing.unwrap_or_default();
        if !closing.iter().all(|closing| closing.is_sound(epoch)) {
            return Err("an open change of a table makes no sense");
        }
        let catalog = Catalog {
            level: self.level.unwrap_or(1).max(1),
            closing: Arc::new(
                closing.into_iter().map(|closing| (closing.table, Arc::new(closing))).collect(),
            ),
            cluster: self.cluster,
            name: self.name.into(),
            epoch,
            nodes: Arc::new(self.nodes.into_iter().map(|node| (node.id, Arc::new(node))).collect()),
            tables: Arc::new(tables),
            names: Arc::new(names),
            next_node: self.next_node,
            next_table: self.next_table,
            jobs: Arc::new(
                self.jobs
                    .unwrap_or_default()
                    .into_iter()
                    .map(JobForm::into_job)
                    .map(|job| (job.id, Arc::new(job)))
                    .collect(),
            ),
            topology: self.topology.unwrap_or_default().min(epoch),
            moving: Arc::default(),
            recoveries: self.recoveries.unwrap_or_default().into(),
            access: Arc::new(self.access.map(AccessForm::into_access).transpose()?.unwrap_or_default()),
        };
        Ok(Catalog { moving: Arc::new(catalog.moving_by_jobs()?), ..catalog })
    }
}

impl Catalog {
    /// Where each shard that moves starts; or why these jobs and tables do not go together.
    fn moving_by_jobs(&self) -> Result<BTreeMap<ShardId, SortKey>, &'static str> {
        let mut active: BTreeMap<JobId, u32> = BTreeMap::new();
        let mut moving = BTreeMap::new();
        for shard in self.tables().flat_map(|entry| entry.shards()) {
            if let Some(joint) = &shard.joint {
                *active.entry(joint.job).or_default() += 1;
                moving.insert(shard.id, shard.interval.start.clone());
            }
        }
        let is_its = |job: &Arc<Job>| job.active == active.remove(&job.id).unwrap_or(0);
        if !self.jobs().all(is_its) || !active.is_empty() {
            return Err("a shard moves that no job moves");
        }
        if self.jobs().filter(|job| !job.state.is_ended()).count() > 1 {
            return Err("two jobs run at once");
        }
        for job in self.jobs() {
            let is_ended = job.state.is_ended();
            if is_ended != job.ended.is_some() || (is_ended && (job.active > 0 || !job.pending.is_empty())) {
                return Err("a job that has ended still has shards");
            }
            // One that moves and waits goes through a stage.
            let waiting = job.pending.keys().filter(|shard| !moving.contains_key(shard)).count() as u64;
            let steps = u64::from(job.active) + u64::from(job.done) + waiting;
            if job.began > self.epoch || job.ended.is_some_and(|ended| ended > self.epoch) {
                return Err("a job is from an epoch that has not come");
            }
            let is_table = |former: Former| {
                let levels = [former.r, former.w];
                (1..=N_MAX).contains(&former.n) && levels.iter().all(|level| level.required(former.n).is_ok())
            };
            if !job.former.is_none_or(is_table) {
                return Err("a job knows a table that can't have been");
            }
            if steps > u64::from(job.total) {
                return Err("a job has more shards than it began with");
            }
            for (id, wish) in job.pending.iter() {
                let at = self.table_by_id(id.table).and_then(|entry| entry.shards().at(&wish.start));
                let nodes: BTreeSet<&NodeId> = wish.wanted.iter().collect();
                let is_wish = nodes.len() == wish.wanted.len()
                    && (1..=usize::from(N_MAX)).contains(&nodes.len())
                    && nodes.into_iter().all(|node| self.nodes.contains_key(node));
                let is_on_its_way = |shard: &Shard| {
                    let next = shard.joint.iter().flat_map(|joint| &joint.next);
                    shard.joint.is_none() || next.into_iter().any(|owner| !wish.wanted.contains(&owner.node))
                };
                if !is_wish || at.is_none_or(|shard| shard.id != *id || !is_on_its_way(shard)) {
                    return Err("a job is to move a shard in a way that makes no sense");
                }
            }
        }
        Ok(moving)
    }
}
