//! Tables with their shards: which interval of the sort space belongs to whom, and since when.

use crate::catalog::RequestId;
use crate::catalog::job::JobId;
use crate::plan::OwnerSet;
use quorate_model::layout::Role;
use quorate_model::level::N_MAX;
use quorate_model::{
    AcceptedLoss, Epoch, Interval, Key, NodeId, Owner, Pieces, Placed, ShardId, Sharding, SortKey, Table,
    Token,
};
use std::collections::BTreeMap;
use std::ops::Deref;
use std::sync::Arc;

/// Bytes of a key that are shown to people.
const KEY_BYTES_SHOWN: usize = 64;

/// A contiguous interval of a table's sort space, and the nodes that should hold it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shard {
    /// Its table and number.
    pub id: ShardId,
    /// Its piece of the sort space.
    pub interval: Interval,
    /// When its owners, or what they promise (the table's durability), last changed.
    pub epoch: Epoch,
    /// Whose copies it has, in ring order from its position: as many as the table's n, but for shards that have not moved
    /// since that changed. While it moves: the old set.
    pub owners: OwnerSet,
    /// The new set, while it moves.
    pub joint: Option<Arc<Joint>>,
    /// The losses that were accepted of it, the last one of each node; empty for nearly all shards, and then no memory.
    pub losses: Losses,
    /// The epoch of the command that merged it from two, or one that it was split from; 0: none did.
    pub merged: Epoch,
}

/// Where a shard moves. What counts until it is there must count in both sets: a node that leaves is in the old one only, a
/// *receiver* in the new one only, a *stayer* in both, with the same copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Joint {
    /// The epoch of the command that started the move. The shard's own epoch may be later: its promises may change while it
    /// moves.
    pub began: Epoch,
    /// The new set, in ring order.
    pub next: OwnerSet,
    /// The job that moves it.
    pub job: JobId,
}

/// Losses that were accepted of one shard.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Losses(Option<Arc<[AcceptedLoss]>>);

/// A table and all its shards, ordered by interval: together they cover the sort space, without gap or overlap.
/// Reads like a [`Table`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableEntry {
    pub(super) table: Arc<Table>,
    pub(super) shards: Pieces<Shard>,
    /// The number of the next shard; numbers are never reused within a table.
    pub(super) next_shard: u32,
    /// How many shards it was made with.
    pub(super) began_with: u32,
    /// The request that made it, so that a repeated one finds it.
    pub(super) request: RequestId,
    /// When it was made or last altered.
    pub(super) epoch: Epoch,
}

impl Losses {
    /// Most that are kept of one shard: the latest.
    pub(super) const MAX: usize = N_MAX as usize;

    /// These, the earliest first.
    pub(super) fn of(losses: Vec<AcceptedLoss>) -> Self {
        Self((!losses.is_empty()).then(|| losses.into()))
    }

    /// These and one more, which takes the place of an earlier one of its node.
    pub(super) fn with(&self, loss: AcceptedLoss) -> Self {
        let mut losses: Vec<AcceptedLoss> =
            self.iter().filter(|known| known.node != loss.node).copied().collect();
        losses.push(loss);
        losses.drain(..losses.len().saturating_sub(Self::MAX));
        Self::of(losses)
    }

    /// The same where its node has no later one.
    pub(super) fn with_later(self, loss: &AcceptedLoss) -> Self {
        let is_later = self.iter().all(|known| known.node != loss.node || known.since < loss.since);
        if is_later { self.with(*loss) } else { self }
    }

    /// The earliest first.
    pub fn iter(&self) -> impl Iterator<Item = &AcceptedLoss> {
        self.0.iter().flat_map(|losses| losses.iter())
    }

    /// Whether none was accepted: what is true of nearly all shards.
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }
}

impl Joint {
    /// Whether a node is in the new set.
    pub fn has(&self, node: NodeId) -> bool {
        self.next.iter().any(|owner| owner.node == node)
    }
}

impl Shard {
    /// Whether a node is one of its owners: while it moves, of the old set.
    pub fn is_owned_by(&self, node: NodeId) -> bool {
        self.owners.iter().any(|owner| owner.node == node)
    }

    /// Whether a node should have a copy: as an owner, or while it moves as one of either set.
    pub fn is_held_by(&self, node: NodeId) -> bool {
        self.sets().any(|set| set.iter().any(|owner| owner.node == node))
    }

    /// Its owners in ring order: while it moves, the old set.
    pub fn owner_nodes(&self) -> impl Iterator<Item = NodeId> + '_ {
        self.owners.iter().map(|owner| owner.node)
    }

    /// Every node that should have a copy, once: its owners in ring order, then while it moves those that are in the new set
    /// alone.
    pub fn holder_nodes(&self) -> impl Iterator<Item = NodeId> + '_ {
        self.owner_nodes().chain(self.receivers().map(|owner| owner.node))
    }

    /// The sets in which quorums are counted: the owners, and while it moves the new ones after them.
    pub fn sets(&self) -> impl Iterator<Item = &OwnerSet> {
        std::iter::once(&self.owners).chain(self.joint.iter().map(|joint| &joint.next))
    }

    /// The sets as coordinators know them. A copy's name there is no older than the merge that made the shard: what was
    /// acknowledged before was of one of its halves, and perhaps of an earlier copy of that.
    pub fn named_sets(&self) -> impl Iterator<Item = OwnerSet> {
        let named = |owner: &Owner| Owner { since: owner.since.max(self.merged), ..*owner };
        self.sets().map(move |set| set.iter().map(named).collect())
    }

    /// The copies that are in the new set alone.
    pub fn receivers(&self) -> impl Iterator<Item = &Owner> {
        self.joint.iter().flat_map(|joint| &joint.next).filter(|owner| !self.is_owned_by(owner.node))
    }

    /// Whether it moves to fewer owners than it has.
    pub fn becomes_smaller(&self) -> bool {
        self.joint.as_ref().is_some_and(|joint| joint.next.len() < self.owners.len())
    }

    /// The copy that a node should have, and what it is to the shard.
    pub fn copy_of(&self, node: NodeId) -> Option<(Owner, Role)> {
        let is_its = |owner: &&Owner| owner.node == node;
        let stays = self.becomes_smaller() && self.joint.as_ref().is_some_and(|joint| joint.has(node));
        let role = if stays { Role::Stayer } else { Role::Owner };
        let owned = self.owners.iter().find(is_its).map(|owner| (*owner, role));
        owned.or_else(|| self.receivers().find(is_its).map(|owner| (*owner, Role::Receiver)))
    }

    /// Its position on the ring: the token at which it starts, or for a shard of a range table the token of its id.
    pub fn position(&self, sharding: Sharding) -> Token {
        match sharding {
            Sharding::Hash => {
                let mut token = [0; 8];
                let start = self.interval.start.as_bytes();
                let known = start.len().min(8);
                token[..known].copy_from_slice(&start[..known]);
                Token(u64::from_be_bytes(token))
            }
            Sharding::Range => {
                let mut name = [0; 8];
                name[..4].copy_from_slice(&self.id.table.0.to_be_bytes());
                name[4..].copy_from_slice(&self.id.index.to_be_bytes());
                Token::of(&name)
            }
        }
    }
}

impl TableEntry {
    /// The table itself.
    pub fn table(&self) -> &Arc<Table> {
        &self.table
    }

    /// Its shards, ordered by interval.
    pub fn shards(&self) -> &Pieces<Shard> {
        &self.shards
    }

    /// How many shards it was made with. It does not come to fewer by itself.
    pub fn began_with(&self) -> u32 {
        self.began_with
    }

    /// Where a shard can be cut that is nearest to a place in it: there, or in a hash table where its token begins.
    pub fn place_near(&self, at: &SortKey) -> SortKey {
        match self.sharding {
            Sharding::Hash => SortKey::new(at.as_bytes()[..at.as_bytes().len().min(8)].to_vec()),
            Sharding::Range => at.clone(),
        }
    }

    /// The epoch at which it was made or last altered.
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// The losses that were accepted of any of its shards, the last one of each node, the earliest first.
    pub fn losses(&self) -> Vec<AcceptedLoss> {
        let mut last: BTreeMap<NodeId, AcceptedLoss> = BTreeMap::new();
        for loss in self.shards.iter().flat_map(|shard| shard.losses.iter()) {
            let known = last.entry(loss.node).or_insert(*loss);
            if known.since < loss.since {
                *known = *loss;
            }
        }
        let mut losses: Vec<AcceptedLoss> = last.into_values().collect();
        losses.sort_by_key(|loss| loss.since);
        losses
    }

    /// The shard that holds a sort key.
    pub fn shard_at(&self, sort_key: &SortKey) -> &Shard {
        self.shards.at(sort_key).expect("the first shard starts at the beginning of the sort space")
    }

    /// The shard in which a walk downwards from `end` begins: the last one that starts below it. `None` is the end of the
    /// space.
    pub fn shard_below(&self, end: Option<&SortKey>) -> &Shard {
        let below = self.shards.below(end).or_else(|| self.shards.iter().next());
        below.expect("a table has a shard at least")
    }

    /// What people call a place in its sort space: a key, or of a hash table a token.
    pub fn place_called(&self, at: &SortKey) -> String {
        match self.sharding {
            Sharding::Hash => match at.as_bytes().first_chunk() {
                Some(token) => Token(u64::from_be_bytes(*token)).to_string(),
                None => Token(0).to_string(),
            },
            Sharding::Range => {
                let bytes = at.as_bytes();
                let shown = &bytes[..bytes.len().min(KEY_BYTES_SHOWN)];
                let rest = if shown.len() < bytes.len() { "…" } else { "" };
                format!("\"{}{rest}\"", shown.escape_ascii())
            }
        }
    }

    /// The shard that holds a key.
    pub fn shard_of(&self, key: &Key) -> &Shard {
        self.shard_at(&self.table.sort_key(key))
    }
}

impl Placed for Shard {
    fn interval(&self) -> &Interval {
        &self.interval
    }
}

impl Deref for TableEntry {
    type Target = Table;

    fn deref(&self) -> &Table {
        &self.table
    }
}

/// The starts of `count` (a power of two) equal token intervals; the first starts at the very beginning.
pub(super) fn equal_starts(count: u32) -> impl Iterator<Item = SortKey> {
    let width = (1u128 << 64) / u128::from(count.max(1));
    (0..count).map(move |index| match index {
        0 => Interval::everything().start,
        index => SortKey::at_token(Token(
            u64::try_from(u128::from(index) * width)
                .expect("an index below the count starts inside the ring"),
        )),
    })
}

/// Intervals from their starts: each ends where the next one starts.
pub(super) fn intervals(starts: &[SortKey]) -> impl Iterator<Item = Interval> + '_ {
    let ends = starts.iter().skip(1).cloned().map(Some).chain(std::iter::once(None));
    starts.iter().cloned().zip(ends).map(|(start, end)| Interval { start, end })
}
