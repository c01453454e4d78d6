//! Every kind of key on disk, in one enum, with pinned tags.
//!
//! A key is its kind's tag and then its parts, integers big-endian, so that byte order is sort order: all records
//! of a table lie together, within it by sort key, and a shard is an interval of them.
//!
//! ```text
//! records  0x01 | table u32 | sort key
//! hints    0x02 | owner u64 | table u32 | sort key
//! meta     0x10 | owner u64                  hints refused for an owner because of the limits
//! meta     0x11 | node u64                   how far a peer had come, as it said
//! meta     0x12 | table u32 | sort key        what the chunk that begins there adds up to
//! meta     0x13                              which run was the last to keep these sums
//! meta     0x14                             the epoch below which this replica answers nothing
//! meta     0x15                             what was lost, and since when
//! meta     0x16 | table u32 | sort key        how much is held of the piece that begins there
//! meta     0x17 | table u32 | sort key        the floors of the piece that begins there
//! meta     0x20 .. 0x2f                      what consensus keeps beside its log
//! raft     0x30 | index u64                  one entry of the consensus log
//! ```
//!
//! A tag is never given to another kind, and a layout never changes under its tag: golden bytes below.

use crate::engine::{Family, KeyRange};
use quorate_model::{Interval, NodeId, SortKey, TableId};

/// A key on disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DiskKey {
    /// The record of one place.
    Record {
        /// Its table.
        table: TableId,
        /// Its position.
        sort_key: SortKey,
    },
    /// A record kept for an owner that could not be reached.
    Hint {
        /// Whom it is for.
        owner: NodeId,
        /// Its table.
        table: TableId,
        /// Its position.
        sort_key: SortKey,
    },
    /// How many hints for this owner were refused because of the limits.
    HintOverflow {
        /// The owner.
        owner: NodeId,
    },
    /// How far this peer's replica had come, as it said.
    PeerCommitted {
        /// The peer.
        peer: NodeId,
    },
    /// What the chunk of a table that begins there adds up to.
    ChunkSum {
        /// The table.
        table: TableId,
        /// Where the chunk begins.
        start: SortKey,
    },
    /// Which run of the folder was the last to keep the sums of chunks.
    SumsKept,
    /// The epoch below which this replica answers nothing.
    Fence,
    /// What was lost, and since when.
    Lost,
    /// How much of a piece of a table is held.
    Copy {
        /// The table.
        table: TableId,
        /// Where the piece begins.
        start: SortKey,
    },
    /// The floors of a piece of a table.
    Floors {
        /// The table.
        table: TableId,
        /// Where the piece begins.
        start: SortKey,
    },
    /// The vote of consensus.
    RaftVote,
    /// Up to where the log is known to be committed.
    RaftCommitted,
    /// Up to where the log was purged.
    RaftPurged,
    /// The state machine's last snapshot.
    RaftSnapshot,
    /// One entry of the log.
    RaftEntry {
        /// Its index.
        index: u64,
    },
}

const RECORD: u8 = 0x01;
const HINT: u8 = 0x02;
const HINT_OVERFLOW: u8 = 0x10;
const PEER_COMMITTED: u8 = 0x11;
const CHUNK_SUM: u8 = 0x12;
const SUMS_KEPT: u8 = 0x13;
const FENCE: u8 = 0x14;
const LOST: u8 = 0x15;
const COPY: u8 = 0x16;
const FLOORS: u8 = 0x17;
const RAFT_VOTE: u8 = 0x20;
const RAFT_COMMITTED: u8 = 0x21;
const RAFT_PURGED: u8 = 0x22;
const RAFT_SNAPSHOT: u8 = 0x23;
/// Behind all that consensus keeps beside its log.
const RAFT_META_END: u8 = 0x30;
const RAFT_ENTRY: u8 = 0x30;

impl DiskKey {
    /// The family it lives in.
    pub fn family(&self) -> Family {
        match self {
            DiskKey::Record { .. } => Family::Records,
            DiskKey::Hint { .. } => Family::Hints,
            DiskKey::HintOverflow { .. }
            | DiskKey::PeerCommitted { .. }
            | DiskKey::ChunkSum { .. }
            | DiskKey::SumsKept
            | DiskKey::Fence
            | DiskKey::Lost
            | DiskKey::Copy { .. }
            | DiskKey::Floors { .. }
            | DiskKey::RaftVote
            | DiskKey::RaftCommitted
            | DiskKey::RaftPurged
            | DiskKey::RaftSnapshot => Family::Meta,
            DiskKey::RaftEntry { .. } => Family::Raft,
        }
    }

    /// Its bytes.
    pub fn encode(&self) -> Vec<u8> {
        match self {
            DiskKey::Record { table, sort_key } => record(*table, sort_key),
            DiskKey::Hint { owner, table, sort_key } => hint(*owner, *table, sort_key),
            DiskKey::HintOverflow { owner } => tagged(HINT_OVERFLOW, &owner.0.to_be_bytes()),
            DiskKey::PeerCommitted { peer } => tagged(PEER_COMMITTED, &peer.0.to_be_bytes()),
            DiskKey::ChunkSum { table, start } => placed(CHUNK_SUM, *table, start),
            DiskKey::SumsKept => vec![SUMS_KEPT],
            DiskKey::Fence => vec![FENCE],
            DiskKey::Lost => vec![LOST],
            DiskKey::Copy { table, start } => placed(COPY, *table, start),
            DiskKey::Floors { table, start } => placed(FLOORS, *table, start),
            DiskKey::RaftVote => vec![RAFT_VOTE],
            DiskKey::RaftCommitted => vec![RAFT_COMMITTED],
            DiskKey::RaftPurged => vec![RAFT_PURGED],
            DiskKey::RaftSnapshot => vec![RAFT_SNAPSHOT],
            DiskKey::RaftEntry { index } => tagged(RAFT_ENTRY, &index.to_be_bytes()),
        }
    }

    /// Inverse of [`DiskKey::encode`]; `None` for bytes that are no key of ours.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let (tag, rest) = bytes.split_first()?;
        match *tag {
            RECORD => {
                let (table, sort_key) = rest.split_first_chunk::<4>()?;
                let table = TableId(u32::from_be_bytes(*table));
                Some(DiskKey::Record { table, sort_key: SortKey::new(sort_key.to_vec()) })
            }
            HINT => {
                let (owner, rest) = rest.split_first_chunk::<8>()?;
                let (table, sort_key) = rest.split_first_chunk::<4>()?;
                Some(DiskKey::Hint {
                    owner: NodeId(u64::from_be_bytes(*owner)),
                    table: TableId(u32::from_be_bytes(*table)),
                    sort_key: SortKey::new(sort_key.to_vec()),
                })
            }
            HINT_OVERFLOW => {
                let owner = NodeId(u64::from_be_bytes(rest.try_into().ok()?));
                Some(DiskKey::HintOverflow { owner })
            }
            PEER_COMMITTED => {
                let peer = NodeId(u64::from_be_bytes(rest.try_into().ok()?));
                Some(DiskKey::PeerCommitted { peer })
            }
            CHUNK_SUM => {
                let (table, start) = split_placed(rest)?;
                Some(DiskKey::ChunkSum { table, start })
            }
            SUMS_KEPT => rest.is_empty().then_some(DiskKey::SumsKept),
            FENCE => rest.is_empty().then_some(DiskKey::Fence),
            LOST => rest.is_empty().then_some(DiskKey::Lost),
            COPY => {
                let (table, start) = split_placed(rest)?;
                Some(DiskKey::Copy { table, start })
            }
            FLOORS => {
                let (table, start) = split_placed(rest)?;
                Some(DiskKey::Floors { table, start })
            }
            RAFT_VOTE => rest.is_empty().then_some(DiskKey::RaftVote),
            RAFT_COMMITTED => rest.is_empty().then_some(DiskKey::RaftCommitted),
            RAFT_PURGED => rest.is_empty().then_some(DiskKey::RaftPurged),
            RAFT_SNAPSHOT => rest.is_empty().then_some(DiskKey::RaftSnapshot),
            RAFT_ENTRY => Some(DiskKey::RaftEntry { index: u64::from_be_bytes(rest.try_into().ok()?) }),
            _ => None,
        }
    }
}

fn split_placed(rest: &[u8]) -> Option<(TableId, SortKey)> {
    let (table, start) = rest.split_first_chunk::<4>()?;
    Some((TableId(u32::from_be_bytes(*table)), SortKey::new(start.to_vec())))
}

fn tagged(tag: u8, rest: &[u8]) -> Vec<u8> {
    let mut key = Vec::with_capacity(1 + rest.len());
    key.push(tag);
    key.extend_from_slice(rest);
    key
}

/// The key of a record.
pub fn record(table: TableId, sort_key: &SortKey) -> Vec<u8> {
    placed(RECORD, table, sort_key)
}

fn placed(tag: u8, table: TableId, sort_key: &SortKey) -> Vec<u8> {
    let mut key = Vec::with_capacity(5 + sort_key.0.len());
    key.push(tag);
    key.extend_from_slice(&table.0.to_be_bytes());
    key.extend_from_slice(sort_key.as_bytes());
    key
}

/// The key of a hint.
pub fn hint(owner: NodeId, table: TableId, sort_key: &SortKey) -> Vec<u8> {
    let mut key = Vec::with_capacity(13 + sort_key.0.len());
    key.push(HINT);
    key.extend_from_slice(&owner.0.to_be_bytes());
    key.extend_from_slice(&table.0.to_be_bytes());
    key.extend_from_slice(sort_key.as_bytes());
    key
}

/// All records of a table.
pub fn records_of(table: TableId) -> KeyRange {
    KeyRange::of_prefix(tagged(RECORD, &table.0.to_be_bytes()))
}

/// All hints.
pub fn hints() -> KeyRange {
    KeyRange::of_prefix(vec![HINT])
}

/// All hints for one owner.
pub fn hints_of(owner: NodeId) -> KeyRange {
    KeyRange::of_prefix(tagged(HINT, &owner.0.to_be_bytes()))
}

/// All hints for one owner and one table.
pub fn hints_of_table(owner: NodeId, table: TableId) -> KeyRange {
    KeyRange::of_prefix(hint(owner, table, &SortKey::new(Vec::new())))
}

/// All counters of refused hints.
pub fn hint_overflows() -> KeyRange {
    KeyRange::of_prefix(vec![HINT_OVERFLOW])
}

/// What is remembered of peers.
pub fn peers_committed() -> KeyRange {
    KeyRange::of_prefix(vec![PEER_COMMITTED])
}

/// The sums of all chunks.
pub fn chunk_sums() -> KeyRange {
    KeyRange::of_prefix(vec![CHUNK_SUM])
}

/// The sums of a table's chunks.
pub fn chunk_sums_of(table: TableId) -> KeyRange {
    KeyRange::of_prefix(tagged(CHUNK_SUM, &table.0.to_be_bytes()))
}

/// What is noted of all pieces of tables.
pub fn copies() -> KeyRange {
    KeyRange::of_prefix(vec![COPY])
}

/// What is noted of a table's pieces.
pub fn copies_of(table: TableId) -> KeyRange {
    KeyRange::of_prefix(tagged(COPY, &table.0.to_be_bytes()))
}

/// The floors of all pieces of tables.
pub fn floors() -> KeyRange {
    KeyRange::of_prefix(vec![FLOORS])
}

/// The floors of a table's pieces.
pub fn floors_of(table: TableId) -> KeyRange {
    KeyRange::of_prefix(tagged(FLOORS, &table.0.to_be_bytes()))
}

/// The records of a piece of a table.
pub fn records_in(table: TableId, interval: &Interval) -> KeyRange {
    let end = match &interval.end {
        Some(end) => Some(record(table, end)),
        None => records_of(table).end,
    };
    KeyRange { start: record(table, &interval.start), end }
}

/// Everything that consensus keeps beside its log.
pub fn raft_meta() -> KeyRange {
    KeyRange { start: vec![RAFT_VOTE], end: Some(vec![RAFT_META_END]) }
}

/// The entries of the consensus log from one index up to, not including, another.
pub fn raft_entries(from: u64, until: Option<u64>) -> KeyRange {
    let start = DiskKey::RaftEntry { index: from }.encode();
    let end = match until {
        Some(index) => DiskKey::RaftEntry { index }.encode(),
        None => vec![RAFT_ENTRY + 1],
    };
    KeyRange { start, end: Some(end) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use quorate_model::{Key, Token};

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
    }

    /// A change here would strand what is on disks.
    #[test]
    fn golden_bytes_never_change() {
        let sort_key = SortKey::hashed(&Key::new(&b"a"[..]));
        let golden = [
            (
                DiskKey::Record { table: TableId(7), sort_key: sort_key.clone() },
                Family::Records,
                "01000000074681852e40bcdd3a61",
            ),
            (
                DiskKey::Hint { owner: NodeId(3), table: TableId(7), sort_key: sort_key.clone() },
                Family::Hints,
                "020000000000000003000000074681852e40bcdd3a61",
            ),
            (DiskKey::HintOverflow { owner: NodeId(3) }, Family::Meta, "100000000000000003"),
            (DiskKey::PeerCommitted { peer: NodeId(3) }, Family::Meta, "110000000000000003"),
            (
                DiskKey::ChunkSum { table: TableId(7), start: sort_key.clone() },
                Family::Meta,
                "12000000074681852e40bcdd3a61",
            ),
            (DiskKey::SumsKept, Family::Meta, "13"),
            (DiskKey::Fence, Family::Meta, "14"),
            (DiskKey::Lost, Family::Meta, "15"),
            (
                DiskKey::Copy { table: TableId(7), start: sort_key.clone() },
                Family::Meta,
                "16000000074681852e40bcdd3a61",
            ),
            (
                DiskKey::Floors { table: TableId(7), start: sort_key },
                Family::Meta,
                "17000000074681852e40bcdd3a61",
            ),
            (DiskKey::RaftVote, Family::Meta, "20"),
            (DiskKey::RaftCommitted, Family::Meta, "21"),
            (DiskKey::RaftPurged, Family::Meta, "22"),
            (DiskKey::RaftSnapshot, Family::Meta, "23"),
            (DiskKey::RaftEntry { index: 258 }, Family::Raft, "300000000000000102"),
        ];
        for (key, family, bytes) in golden {
            assert_eq!(hex(&key.encode()), bytes, "{key:?}");
            assert_eq!(DiskKey::decode(&key.encode()), Some(key.clone()));
            assert_eq!(key.family(), family, "{key:?}");
        }
        let names = Family::ALL.map(Family::name);
        assert_eq!(names, ["records", "hints", "meta", "raft"]);
    }

    #[test]
    fn bytes_that_are_no_key_are_none() {
        for bytes in
            [&b""[..], &[0], &[RECORD, 0, 0, 0], &[HINT, 0], &[RAFT_VOTE, 0], &[RAFT_ENTRY, 1], &[0xff]]
        {
            assert_eq!(DiskKey::decode(bytes), None, "{bytes:?}");
        }
    }

    #[test]
    fn records_of_a_table_lie_in_its_range() {
        let at = |token| SortKey::at_token(Token(token));
        let range = records_of(TableId(1));
        assert!(range.contains(&record(TableId(1), &SortKey::new(Vec::new()))));
        assert!(range.contains(&record(TableId(1), &at(u64::MAX))));
        assert!(!range.contains(&record(TableId(2), &SortKey::new(Vec::new()))));
        assert!(!range.contains(&record(TableId(0), &at(u64::MAX))));
    }

    #[test]
    fn hints_and_log_entries_lie_in_their_ranges() {
        let sort_key = SortKey::new(vec![0xff]);
        let key = hint(NodeId(1), TableId(2), &sort_key);
        assert!(hints().contains(&key) && hints_of(NodeId(1)).contains(&key));
        assert!(hints_of_table(NodeId(1), TableId(2)).contains(&key));
        assert!(!hints_of_table(NodeId(1), TableId(3)).contains(&key) && !hints_of(NodeId(2)).contains(&key));
        let entry = DiskKey::RaftEntry { index: 5 }.encode();
        assert!(raft_entries(5, None).contains(&entry) && !raft_entries(0, Some(5)).contains(&entry));
        assert!(raft_entries(0, None).contains(&DiskKey::RaftEntry { index: u64::MAX }.encode()));
    }
}
