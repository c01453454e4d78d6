//! A catalog as bytes: for a node that joins, and for a log that is cut.
//!
//! A version byte, then CBOR with numbered fields. A snapshot may come from a damaged disk, so decoding checks
//! everything that the rest of the crate relies on.

use super::copies::are_sound;
use super::shard::{Losses, intervals};
use super::{Catalog, Closing, Node, RequestId, Shard, TableEntry, is_label, node::is_known_address};
use minicbor::{Decode, Encode};
use quorate_model::table::is_table_name;
use quorate_model::{AcceptedLoss, ClusterId, Epoch, NodeId, Owner, ShardId, SortKey, Table, TableId};
use std::collections::BTreeSet;
use std::sync::Arc;
use thiserror::Error;

/// The form of encoded catalogs of level 1: the first byte.
const FORM: u8 = 1;
/// That of catalogs of level 2: a version that does not know what they keep must not take them for less.
const FORM_OF_LEVEL_2: u8 = 2;

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
        };
        let mut bytes = vec![if self.level > 1 { FORM_OF_LEVEL_2 } else { FORM }];
        minicbor::encode(form, &mut bytes).expect("a vector takes every byte");
        bytes
    }

    /// Inverse of [`Catalog::encode`]. Total: whatever the bytes are, the result is a sound catalog or an error.
    pub fn decode(bytes: &[u8]) -> Result<Self, DamagedSnapshot> {
        let form: CatalogForm = match bytes.split_first() {
            Some((&(FORM | FORM_OF_LEVEL_2), body)) => {
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
        };
        Self {
            table: Table::clone(&entry.table),
            shards: entry.shards.iter().map(shard).collect(),
            next_shard: entry.next_shard,
            request: entry.request,
            epoch: entry.epoch,
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
            losses: Losses::of(form.losses.unwrap_or_default()),
        };
        let shards = self.shards.into_iter().zip(intervals(&starts)).map(shard).collect();
        TableEntry {
            table: Arc::new(self.table),
            shards,
            next_shard: self.next_shard,
            request: self.request,
            epoch: self.epoch,
        }
    }

    fn check(&self, nodes: &BTreeSet<NodeId>, epoch: Epoch) -> Result<(), &'static str> {
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
        let indexes: BTreeSet<u32> = self.shards.iter().map(|shard| shard.index).collect();
        if indexes.len() != self.shards.len() || indexes.last().is_some_and(|last| *last >= self.next_shard) {
            return Err("a shard's number was not issued, or issued twice");
        }
        for shard in &self.shards {
            let owners: BTreeSet<NodeId> = shard.owners.iter().copied().collect();
            if owners.len() != usize::from(table.n) || owners.len() != shard.owners.len() {
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
        }
        Ok(())
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
        self.tables.iter().try_for_each(|form| form.check(&ids, self.epoch))
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
        Ok(Catalog {
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
        })
    }
}
