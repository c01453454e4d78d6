//! Tables: what the catalog says about how keys are kept.

use crate::ids::TableId;
use crate::key::{Key, SortKey};
use crate::level::Level;
use minicbor::{Decode, Encode};
use std::fmt;

/// The least that may be the most of a shard, in bytes.
pub const SHARD_BYTES_MIN: u64 = 64 << 10;

/// Longest table name, in bytes.
pub const TABLE_NAME_BYTES_MAX: usize = 64;

/// A named collection of keys with one way of keeping them.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Table {
    /// Issued by the catalog, never reused.
    #[n(0)]
    pub id: TableId,
    /// `[a-z0-9_-]{1,64}`.
    #[n(1)]
    pub name: String,
    /// By token or by key.
    #[n(2)]
    pub sharding: Sharding,
    /// Copies of each record, 1 to 15.
    #[n(3)]
    pub n: u8,
    /// Default level of reads.
    #[n(4)]
    pub r: Level,
    /// The write promise, and the default level of writes. Cannot be altered.
    #[n(5)]
    pub w: Level,
    /// The protocol that keeps its keys.
    #[n(6)]
    pub mode: Mode,
    /// What an acknowledgement means.
    #[n(7)]
    pub durability: Durability,
    /// Expiry of values that name none, in milliseconds; `None`: they live until deleted.
    #[n(8)]
    pub ttl_ms: Option<u64>,
    /// A shard with more bytes is split; `None`: as every node is configured.
    #[n(9)]
    pub shard_bytes_max: Option<u64>,
}

/// How a table's sort space is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Encode, Decode)]
pub enum Sharding {
    /// By token: keys spread evenly.
    #[n(0)]
    Hash,
    /// By key: neighbours stay together.
    #[n(1)]
    Range,
}

/// The protocol that keeps a table's keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Encode, Decode)]
pub enum Mode {
    /// Two-round multi-writer quorum register.
    #[n(0)]
    Register,
}

/// What an acknowledgement means. The greater one promises more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub enum Durability {
    /// In the write-ahead log and handed to the operating system: survives the process, not the power.
    #[n(0)]
    Os,
    /// In the write-ahead log and synced to the disk.
    #[n(1)]
    Sync,
}

/// Whether a table may have this name: `[a-z0-9_-]{1,64}`.
pub fn is_table_name(name: &str) -> bool {
    let allowed = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-');
    (1..=TABLE_NAME_BYTES_MAX).contains(&name.len()) && name.bytes().all(allowed)
}

impl Table {
    /// The write promise as a number of owners.
    pub fn w_required(&self) -> u8 {
        self.w.required(self.n).expect("the catalog accepts no level above n")
    }

    /// The default level of reads as a number of owners.
    pub fn r_required(&self) -> u8 {
        self.r.required(self.n).expect("the catalog accepts no level above n")
    }

    /// Where a key stands in this table's sort space.
    pub fn sort_key(&self, key: &Key) -> SortKey {
        match self.sharding {
            Sharding::Hash => SortKey::hashed(key),
            Sharding::Range => SortKey::ranged(key),
        }
    }
}

impl Durability {
    /// The word in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Durability::Os => "os",
            Durability::Sync => "sync",
        }
    }
}

impl fmt::Display for Durability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Sharding {
    /// The word in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Sharding::Hash => "hash",
            Sharding::Range => "range",
        }
    }
}

impl Mode {
    /// The word in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Mode::Register => "register",
        }
    }
}
