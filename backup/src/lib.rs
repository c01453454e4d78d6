//! What a backup is: its format, and the places that keep it.
//!
//! # The problem
//!
//! A backup is read on the worst day, years after it was written, by another version, into a cluster of another
//! shape. So it holds keys and values and nothing of nodes, shards or disks; each piece of it can be checked by
//! itself; what is damaged, cut off or of another version is refused by that name; and what was not finished can't be
//! taken for a backup.
//!
//! # The idea
//!
//! ```text
//!   repository                                        a folder, or a prefix of a bucket
//!   ├── quorate-backup.json                           format, and the cluster that it is of
//!   ├── segments/<sha-256>.seg                        records: named by what they hold, written once, never changed
//!   ├── snapshots/20261128T120000123Z-1a2b3c4d.json   tables, their pieces, the segments of each; written last
//!   └── unfinished/..                                 how far a backup, or a restore, is that was ended
//! ```
//!
//! A table is cut into *pieces*: parts of a hash table's tokens, ranges of a range table's keys. A piece has the
//! segments that hold its records, what they add up to ([`record::ContentSum`]), and a *stamp*: the sum by which the
//! cluster says later whether anything has changed there. A piece that has not is taken over from the snapshot
//! before: its segments are named again, and nothing is read.
//!
//! ```text
//!   segment:  head | block .. block | end          each with a checksum; blocks hold records, compressed
//!   others:   {"kind": .., "format": 1, "content": ..} newline
//!             sha256 <of the line above> newline
//! ```
//!
//! # Invariants
//!
//! - Every decoder is total and bounded. A flipped bit or a missing byte, anywhere, is an error with a name
//!   ([`Fault`]).
//! - A snapshot is there only once all that it names is durable. Segments are never changed, only removed.
//! - Files are for their owner alone: they hold values.
//!
//! # What is absent
//!
//! Clusters, and the network but for object storage: the commands read tables and write them (`cli/src/backup`).
//! Encryption: a bucket or a disk does that. Records are not told apart by operation ids, and a restored one has a new
//! version: a backup knows what clients see.

pub mod decoders;
mod fault;
pub mod notes;
pub mod record;
mod repository;
mod sealed;
pub mod segment;
pub mod snapshot;
mod store;

pub use fault::{Error, Fault};
pub use repository::{Pruned, Repository};
pub use store::{Listed, S3, Store};

/// The format that this version writes, and the only one that it reads so far.
pub const FORMAT: u32 = 1;
