//! Shards that an operator splits, merges or moves by hand.
//!
//! A split or a merge is one command of the catalog, which names the shards as this node sees them: what has changed since is
//! refused. A move is a job of one shard, begun at once.

use super::Core;
use super::plans::request_id;
use crate::control::{ProposeError, Proposed};
use quorate_model::{NodeId, ShardId, Sharding, SortKey, TableId, Token};
use quorate_ring::{
    Begin, Command, Cut, JobId, JobKind, Merge, Move, Pair, Seen, Shard, Split, TableEntry, View,
};
use std::time::Duration;
use thiserror::Error;
use tokio::time::Instant;

/// How long owners may take to say where a shard is halved. They answer from memory.
const FIGURES: Duration = Duration::from_millis(500);

/// Why nothing came of it.
#[derive(Clone, Debug, Error)]
pub enum ShardError {
    /// There is no such shard.
    #[error(
        "table \"{table}\" has no shard {index}; GET /v1/tables/{table}/shards lists those there are; nothing was changed"
    )]
    None {
        /// The table's name.
        table: String,
        /// Its number.
        index: u32,
    },
    /// A shard of which it is not known where it is halved.
    #[error(
        "no owner of shard {shard} knows where it is halved: it holds too little, or is being counted; name a place to split \
         at; nothing was changed"
    )]
    NoHalf {
        /// Which.
        shard: String,
    },
    /// A shard without another one behind it.
    #[error(
        "shard {shard} is the last one of its table: name it as the neighbour of the one before; nothing was changed"
    )]
    Last {
        /// Which.
        shard: String,
    },
    /// A move that gives a shard away that the node does not have, or gives it to one that has it.
    #[error("{node} {why}; nothing was changed")]
    NoMove {
        /// Who, as people call it.
        node: String,
        /// What is wrong.
        why: String,
    },
    /// The catalog did not take it, or it is not known whether it did.
    #[error(transparent)]
    Propose(#[from] ProposeError),
    /// The operating system has no random bits.
    #[error("the operating system has no random bits yet; nothing was done; try again")]
    NoRandomness,
}

impl Core {
    /// Splits a shard at a place, or where it is halved. Answers once every member that can be reached knows it.
    pub async fn split_shard(
        &self,
        (table, index): (TableId, u32),
        at: Option<SortKey>,
        timeout: Duration,
    ) -> Result<Proposed, ShardError> {
        let deadline = Instant::now() + timeout;
        let view = self.view();
        let (entry, shard) = found(&view, table, index)?;
        let at = match at {
            Some(at) => at,
            None => self.half(entry, shard, deadline).await?,
        };
        let cut = Cut { seen: Seen::of(shard), at };
        self.write_shards(Command::Split(Split { table, cuts: vec![cut] }), deadline).await
    }

    /// Merges a shard with the one behind it, or with the neighbour that is named. Answers once every member that can be
    /// reached knows it.
    pub async fn merge_shards(
        &self,
        (table, index): (TableId, u32),
        with: Option<u32>,
        timeout: Duration,
    ) -> Result<Proposed, ShardError> {
        let deadline = Instant::now() + timeout;
        let view = self.view();
        let (entry, shard) = found(&view, table, index)?;
        let other = if let Some(with) = with {
            found(&view, table, with)?.1
        } else {
            let behind = shard.interval.end.as_ref().map(|end| entry.shard_at(end));
            behind.ok_or_else(|| ShardError::Last { shard: called(&view, shard) })?
        };
        let (left, right) =
            if shard.interval.start <= other.interval.start { (shard, other) } else { (other, shard) };
        let pair = Pair { left: Seen::of(left), right: Seen::of(right) };
        self.write_shards(Command::Merge(Merge { table, pairs: vec![pair] }), deadline).await
    }

    /// Moves one copy of a shard from one node to another: the job that does.
    pub async fn move_shard(
        &self,
        (table, index): (TableId, u32),
        (from, to): (NodeId, NodeId),
        timeout: Duration,
    ) -> Result<JobId, ShardError> {
        let deadline = Instant::now() + timeout;
        let view = self.view();
        let (_, shard) = found(&view, table, index)?;
        let name = called(&view, shard);
        let no_move =
            |node: NodeId, why: String| ShardError::NoMove { node: view.catalog().called(node), why };
        if !shard.is_owned_by(from) {
            return Err(no_move(from, format!("does not own shard {name}")));
        }
        if shard.is_owned_by(to) {
            return Err(no_move(to, format!("owns shard {name} already")));
        }
        let wanted = shard.owner_nodes().map(|node| if node == from { to } else { node }).collect();
        let said = self.control.figures(table, deadline.min(Instant::now() + FIGURES)).await;
        let figures = said.into_iter().filter_map(|(_, said)| said.ok()).flatten();
        let bytes = figures.filter(|figure| figure.index == index).map(|figure| figure.bytes).max();
        let id = request_id().map_err(|_| ShardError::NoRandomness)?;
        let begin = Begin {
            id,
            base: view.catalog().topology(),
            kind: JobKind::Move,
            changes: Vec::new(),
            moves: vec![Move { shard: shard.id, epoch: shard.epoch, wanted }],
            parts: 1,
            dead: Vec::new(),
            accepted: Vec::new(),
            bytes_total: bytes.unwrap_or_default(),
        };
        self.write_shards(Command::Begin(begin), deadline).await?;
        Ok(id)
    }

    async fn write_shards(&self, command: Command, deadline: Instant) -> Result<Proposed, ShardError> {
        Ok(self.propose(command, deadline.saturating_duration_since(Instant::now())).await?)
    }

    /// Where a shard is halved: by bytes, as its owners have counted them; one of a hash table that holds little by tokens.
    async fn half(
        &self,
        entry: &TableEntry,
        shard: &Shard,
        deadline: Instant,
    ) -> Result<SortKey, ShardError> {
        let said = self.control.figures(entry.id, deadline.min(Instant::now() + FIGURES)).await;
        let figures = said.into_iter().filter_map(|(_, said)| said.ok()).flatten();
        let its = figures.filter(|figure| figure.index == shard.id.index);
        let fullest = its.filter(|figure| figure.half.is_some()).max_by_key(|figure| figure.bytes);
        let half = fullest.and_then(|figure| figure.half);
        match entry.sharding {
            Sharding::Range => half,
            Sharding::Hash => {
                half.and_then(|half| token_of(&half)).or_else(|| middle(shard)).map(SortKey::at_token)
            }
        }
        .filter(|at| *at > shard.interval.start && shard.interval.contains(at))
        .ok_or_else(|| ShardError::NoHalf { shard: called(&self.view(), shard) })
    }
}

fn found(view: &View, table: TableId, index: u32) -> Result<(&TableEntry, &Shard), ShardError> {
    let entry = view.table_by_id(table);
    let id = ShardId { table, index };
    let shard = entry.and_then(|entry| entry.shards().iter().find(|shard| shard.id == id));
    entry.zip(shard).ok_or_else(|| {
        let table = entry.map_or_else(|| table.to_string(), |entry| entry.name.clone());
        ShardError::None { table, index }
    })
}

fn called(view: &View, shard: &Shard) -> String {
    view.catalog().shard_called(shard.id)
}

/// The token in which a place of a hash table lies.
fn token_of(at: &SortKey) -> Option<Token> {
    at.as_bytes().first_chunk().map(|bytes| Token(u64::from_be_bytes(*bytes)))
}

/// The token in the middle of a shard of a hash table; `None`: it has one token.
fn middle(shard: &Shard) -> Option<Token> {
    let start = token_of(&shard.interval.start).unwrap_or_default().0;
    let end = shard.interval.end.as_ref().map_or(Some(u64::MAX), |end| Some(token_of(end)?.0))?;
    let half = start + end.checked_sub(start)? / 2;
    (half > start).then_some(Token(half))
}
