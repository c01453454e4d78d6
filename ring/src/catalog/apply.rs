//! Applying a command: the one place where a catalog becomes the next one.
//!
//! Every function here checks first and builds afterwards, from the catalog and the command alone. What it computes
//! (the owners of a new table above all) is part of the meaning of the log: an algorithm that gives another result
//! needs a command of its own, so that nodes of two versions never disagree about one log.

use super::checks::{check_address, check_label, check_level, check_new_node, check_ttl};
use super::shard::{Losses, intervals};
use super::{
    Catalog, Command, Found, NODES_MAX, NewNode, NewTable, Node, NodeUpdate, RESERVED_TABLE_PREFIX,
    Rejection, Shard, TableChange, TableEntry, TtlChange,
};
use crate::placement::{Settled, TableWish, place};
use crate::plan::OwnerSet;
use crate::ring::Ring;
use minicbor::{Decode, Encode};
use quorate_model::level::N_MAX;
use quorate_model::table::is_table_name;
use quorate_model::{Epoch, NodeId, Pieces, ShardId, SortKey, Table, TableId};
use std::sync::Arc;

/// The newest level of commands: see [`Command::Enable`].
pub const LEVEL_NEWEST: u32 = 2;

/// A command that was accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    /// The catalog from now on.
    pub catalog: Catalog,
    /// What the command made, if it makes anything.
    pub created: Option<Created>,
    /// Whether the command had been applied before: then nothing changed, and there is no new epoch.
    pub repeated: bool,
}

/// What a command made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Created {
    /// A member.
    #[n(0)]
    Node(#[n(0)] NodeId),
    /// A table.
    #[n(1)]
    Table(#[n(0)] TableId),
}

/// What the author of an accepted command is told, wherever it was applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Receipt {
    /// The catalog's epoch right after the command: the first that has its effect.
    #[n(0)]
    pub epoch: Epoch,
    /// What it made.
    #[n(1)]
    pub created: Option<Created>,
    /// Whether it had been applied before.
    #[n(2)]
    pub repeated: bool,
}

impl Applied {
    /// The part that the author is told.
    pub fn receipt(&self) -> Receipt {
        Receipt { epoch: self.catalog.epoch(), created: self.created, repeated: self.repeated }
    }
}

impl Catalog {
    /// The catalog after a command, or why the command changes nothing. Total and deterministic.
    pub fn apply(&self, command: &Command) -> Result<Applied, Rejection> {
        if !self.is_founded() && !matches!(command, Command::Found(_)) {
            return Err(Rejection::NotFounded);
        }
        match command {
            Command::Found(found) => self.found(found),
            Command::AddNode(node) => self.add_node(node, Addresses::Free),
            Command::UpdateNode(update) => self.update_node(update, Addresses::Free),
            Command::SetVoter { node, voter } => self.set_voter(*node, *voter),
            Command::CreateTable(table) => self.create_hash(table),
            Command::CreateRange(range) => self.create_range(range),
            Command::AlterTable(change) => self.alter_table(change),
            Command::DropTable { table } => self.drop_table(*table),
            Command::Announce(update) => self.update_node(update, Addresses::Taken),
            Command::Admit(node) => self.add_node(node, Addresses::Taken),
            Command::Enable { level } => Ok(self.enable(*level)),
            Command::Closed { table, since } => Ok(self.closed(*table, *since)),
        }
    }

    fn found(&self, found: &Found) -> Result<Applied, Rejection> {
        if self.is_founded() {
            let same = self.cluster == found.cluster
                && self.node(Self::FIRST_NODE).is_some_and(|node| node.request == found.node.request);
            return if same {
                Ok(self.repeated(Created::Node(Self::FIRST_NODE)))
            } else {
                Err(Rejection::AlreadyFounded { name: self.name.to_string() })
            };
        }
        check_label("cluster", &found.name)?;
        check_new_node(&found.node)?;
        let mut next = self.next();
        next.cluster = found.cluster;
        next.name = found.name.as_str().into();
        next.level = found.level.unwrap_or(1);
        Ok(next.with_new_node(&found.node, Voter::Yes))
    }

    fn add_node(&self, new: &NewNode, addresses: Addresses) -> Result<Applied, Rejection> {
        if let Some(node) = self.nodes().find(|node| node.request == new.request) {
            return Ok(self.repeated(Created::Node(node.id)));
        }
        check_new_node(new)?;
        if let Some(taken) = self.node_by_name(&new.name) {
            return Err(Rejection::NodeNameTaken { name: new.name.clone(), node: taken.id });
        }
        if self.nodes.len() >= NODES_MAX as usize {
            return Err(Rejection::TooManyNodes { limit: NODES_MAX });
        }
        if self.next_node == NodeId(u64::MAX) {
            return Err(Rejection::IdsExhausted { what: "node".to_owned() });
        }
        let next = self.with_addresses(self.next_node, &new.http_address, &new.peer_address, addresses)?;
        Ok(next.with_new_node(new, Voter::No))
    }

    fn update_node(&self, update: &NodeUpdate, addresses: Addresses) -> Result<Applied, Rejection> {
        let node = self.node(update.node).ok_or(Rejection::NoSuchNode { node: update.node })?;
        check_address("http", &update.http_address)?;
        check_address("peer", &update.peer_address)?;
        let (http, peer) = (update.http_address.as_str(), update.peer_address.as_str());
        let next = self.with_addresses(node.id, http, peer, addresses)?;
        let incarnation = update.incarnation.unwrap_or(node.incarnation);
        if incarnation < node.incarnation {
            let (node, told, counts) = (node.id, incarnation, node.incarnation);
            return Err(Rejection::EarlierIncarnation { node, told, counts });
        }
        let updated = Node {
            boot: update.boot,
            incarnation,
            http_address: update.http_address.clone(),
            peer_address: update.peer_address.clone(),
            ..Node::clone(node)
        };
        if updated == **node && self.address_holder(Some(node.id), http, peer).is_none() {
            return Ok(self.unchanged());
        }
        let is_another = incarnation > node.incarnation;
        if !is_another {
            return Ok(next.with_node(updated));
        }
        let next = next.with_copies_of_another(update.node);
        let next = match update.accepted {
            None => next,
            at @ Some(_) => next.with_accepted_loss(update.node, at),
        };
        Ok(next.with_node(updated))
    }

    /// The next catalog, in which no member but `own` has one of these addresses: only one of two is reached there.
    fn with_addresses(
        &self,
        own: NodeId,
        http: &str,
        peer: &str,
        addresses: Addresses,
    ) -> Result<Self, Rejection> {
        let holder = self.address_holder(Some(own), http, peer);
        match (addresses, holder) {
            (_, None) => Ok(self.next()),
            (Addresses::Free, Some((what, other))) => {
                let address = if what == "http" { http } else { peer }.to_owned();
                Err(Rejection::AddressTaken { what: what.to_owned(), address, node: other.id })
            }
            (Addresses::Taken, Some(_)) => {
                let mut next = self.next();
                let others = self.nodes().filter(|other| other.id != own);
                for other in others.filter(|it| it.http_address == http || it.peer_address == peer) {
                    let mut without = Node::clone(other);
                    if without.http_address == http {
                        without.http_address.clear();
                    }
                    if without.peer_address == peer {
                        without.peer_address.clear();
                    }
                    Arc::make_mut(&mut next.nodes).insert(without.id, Arc::new(without));
                }
                Ok(next)
            }
        }
    }

    /// Another member than `own` that has one of these addresses, and which: `http` or `peer`.
    pub fn address_holder(
        &self,
        own: Option<NodeId>,
        http: &str,
        peer: &str,
    ) -> Option<(&'static str, &Arc<Node>)> {
        self.nodes().filter(|other| Some(other.id) != own).find_map(|other| {
            let has = [("http", other.http_address == http), ("peer", other.peer_address == peer)];
            has.into_iter().find_map(|(what, has)| has.then_some((what, other)))
        })
    }

    fn set_voter(&self, id: NodeId, voter: bool) -> Result<Applied, Rejection> {
        let node = self.node(id).ok_or(Rejection::NoSuchNode { node: id })?;
        if node.voter == voter {
            return Ok(self.unchanged());
        }
        if !voter && self.voters().count() == 1 {
            return Err(Rejection::LastVoter { node: id });
        }
        Ok(self.next().with_node(Node { voter, ..Node::clone(node) }))
    }

    /// Makes a table whose shards begin where `starts` says, once it is known to be possible otherwise.
    pub(super) fn create_table(
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
                losses: Losses::default(),
            })
            .collect();
        // The other tables stay where they are.
        let wish = TableWish::new(new.n, shards.iter().map(|shard| shard.position(new.sharding)));
        let placed = place(&Ring::of(self.members()), &self.settled(), &[wish])
            .ok_or(Rejection::TooFewNodes { n: new.n, nodes: self.nodes.len() as u32 })?;
        for (shard, owners) in shards.iter_mut().zip(placed.into_iter().flatten()) {
            shard.owners = owners.into_iter().map(|node| next.copy_of(node)).collect();
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
        };
        let entry = TableEntry {
            table: Arc::new(table),
            shards: Pieces::of(shards),
            next_shard: new.shards,
            request: new.request,
            epoch: next.epoch,
        };
        next.next_table = TableId(id.0 + 1);
        Arc::make_mut(&mut next.names).insert(new.name.clone(), id);
        Arc::make_mut(&mut next.tables).insert(id, Arc::new(entry));
        Ok(Applied { catalog: next, created: Some(Created::Table(id)), repeated: false })
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
        check_ttl(new.ttl_ms)
    }

    fn check_copies(&self, n: u8) -> Result<(), Rejection> {
        let nodes = self.nodes.len() as u32;
        if n == 0 || n > N_MAX {
            Err(Rejection::CopiesOutOfRange { n })
        } else if u32::from(n) > nodes {
            Err(Rejection::TooFewNodes { n, nodes })
        } else {
            Ok(())
        }
    }

    fn alter_table(&self, change: &TableChange) -> Result<Applied, Rejection> {
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
        Ok(Applied { catalog: next, created: None, repeated: false })
    }

    fn drop_table(&self, table: TableId) -> Result<Applied, Rejection> {
        let entry = self.table_by_id(table).ok_or(Rejection::NoSuchTable { table })?;
        let mut next = self.next();
        next.left_behind(entry, true);
        Arc::make_mut(&mut next.names).remove(&entry.name);
        Arc::make_mut(&mut next.tables).remove(&table);
        Ok(Applied { catalog: next, created: None, repeated: false })
    }

    /// The answer to a command that finds everything as it wants it.
    pub(super) fn unchanged(&self) -> Applied {
        Applied { catalog: self.clone(), created: None, repeated: true }
    }

    /// This catalog one epoch later, to be changed.
    pub(super) fn next(&self) -> Self {
        Self { epoch: self.epoch.next(), ..self.clone() }
    }

    /// The answer to a command that was applied before.
    fn repeated(&self, created: Created) -> Applied {
        Applied { catalog: self.clone(), created: Some(created), repeated: true }
    }

    fn with_new_node(mut self, new: &NewNode, voter: Voter) -> Applied {
        let id = self.next_node;
        self.next_node = NodeId(id.0 + 1);
        let node = Node {
            id,
            name: new.name.clone(),
            zone: new.zone.clone(),
            weight: new.weight,
            http_address: new.http_address.clone(),
            peer_address: new.peer_address.clone(),
            voter: voter == Voter::Yes,
            boot: new.boot,
            incarnation: 1,
            joined: self.epoch,
            request: new.request,
        };
        Applied { created: Some(Created::Node(id)), ..self.with_node(node) }
    }

    fn with_node(mut self, node: Node) -> Applied {
        Arc::make_mut(&mut self.nodes).insert(node.id, Arc::new(node));
        Applied { catalog: self, created: None, repeated: false }
    }
}

/// What happens if another member has an address that a node asks for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Addresses {
    /// The command is rejected.
    Free,
    /// The other member has none any more.
    Taken,
}

/// Whether a new node votes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Voter {
    Yes,
    No,
}
