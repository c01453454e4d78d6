//! What is stored, and what replicas say to each other.
//!
//! A quorum protocol lives or dies by a handful of small values: the *version* that orders two writes of one
//! key, the *record* that carries it, the *operation ids* that make a retry harmless, the *level* a request asks
//! for, and the *messages* between a coordinator and its owners. This crate is these values and their laws, and
//! nothing else:
//!
//! ```text
//!            Version ─┐
//!  Operations ────────┼─> Record ──> Request / Reply ──> (frames, in `node`)
//!            Body ────┘      │
//!                            └─> bytes on disk (header, ids, content type, payload, checksum)
//! ```
//!
//! # Invariants
//!
//! - Two different writes never have equal versions, and no code outside [`version`] makes one.
//! - [`record::merge`] is commutative, associative and idempotent: replicas that saw the same records hold the
//!   same state, in whatever order they saw them.
//! - Operation ids survive the record that brought them: a record that loses still leaves its ids.
//! - Everything that is decoded here may come from outside: every decoder is total, bounded and versioned.
//!
//! # What is absent
//!
//! No clock, no randomness, no sockets, no files, no hash maps: time and random bits are arguments. This crate
//! does not know where a key lives (`ring`), how many answers are enough (`coordinator`) or what a disk is
//! (`storage`).

mod answer;
mod cbor;
mod commit;
pub mod decoder;
pub mod decoders;
mod filling;
pub mod floors;
mod gone;
mod hint;
mod ids;
pub mod key;
pub mod layout;
pub mod level;
pub mod message;
mod mutant;
pub mod operation;
mod owner;
mod permission;
mod pieces;
mod protocol;
pub mod range;
pub mod raw;
pub mod record;
pub mod sync;
pub mod table;
mod time;
mod token;
pub mod version;

pub use answer::Answer;
pub use commit::{CommitCounter, Committed, Run};
pub use filling::{CopyState, Fill, Gap, Source};
pub use floors::Floors;
pub use gone::Gone;
pub use hint::Hint;
pub use ids::{Boot, ClusterId, Epoch, NodeId, ShardId, TableId};
pub use key::{Interval, Key, SortKey};
pub use layout::{Layout, ShardLayout, TableLayout};
pub use level::{Guarantee, Level};
pub use message::{Inspection, Origin, Place, Refusal, Reply, Request};
pub use mutant::{Mutant, Rules};
pub use operation::{Operation, OperationId, Operations};
pub use owner::{AcceptedLoss, Owner, ShardNow};
pub use permission::{Permission, UnknownPermission};
pub use pieces::{Pieces, Placed};
pub use protocol::Protocol;
pub use range::{Extent, RangeReply, RangeRequest};
pub use raw::{Paged, Raw};
pub use record::{Body, Record};
pub use table::{Durability, Mode, Sharding, Table};
pub use time::{Instant, Now, Span, WallTime};
pub use token::Token;
pub use version::{Held, Stamp, Stamps, Version};
