//! How much of a piece of a table a replica holds: what it says of itself, and how far it has filled itself again.

use crate::ids::{Epoch, NodeId, TableId};
use crate::key::{Interval, SortKey};
use minicbor::{Decode, Encode};
use std::fmt;

/// How much of what it should hold a replica holds of a piece of a table. The worst is the greatest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[cbor(index_only)]
pub enum CopyState {
    /// Everything that it ever acknowledged.
    #[n(0)]
    #[default]
    Whole,
    /// What it acknowledged since it began to fill itself, and what it has merged from other owners: it takes writes, and
    /// answers nothing that decides.
    #[n(1)]
    Filling,
    /// Something of what it acknowledged is lost, and nothing was done about that yet: it takes nothing and answers
    /// nothing.
    #[n(2)]
    Lossy,
}

/// How far a replica has filled itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Fill {
    /// Everything before this key is merged from enough sources; `None`: nothing is.
    #[n(0)]
    pub up_to: Option<SortKey>,
    /// The replicas from which that was merged. All of them must be whole when it ends.
    #[n(1)]
    pub sources: Vec<Source>,
}

/// The replica of one owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub struct Source {
    /// Whose.
    #[n(0)]
    pub node: NodeId,
    /// Which of its replicas.
    #[n(1)]
    pub incarnation: u64,
}

/// A shard of which a replica does not hold everything, or has to merge what others hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gap {
    /// The table.
    pub table: TableId,
    /// The shard's epoch in the replica's layout.
    pub epoch: Epoch,
    /// The shard's piece of the table.
    pub interval: Interval,
    /// What is there. Whole: the shard moves to fewer owners of which this one is one, and it has not merged yet what the other
    /// old ones hold.
    pub state: CopyState,
    /// How far it is filled.
    pub fill: Fill,
}

impl CopyState {
    /// Its name in documents and metrics; pinned.
    pub fn as_str(self) -> &'static str {
        match self {
            CopyState::Whole => "whole",
            CopyState::Filling => "filling",
            CopyState::Lossy => "lossy",
        }
    }
}

impl fmt::Display for CopyState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
