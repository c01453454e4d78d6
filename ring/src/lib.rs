//! Who owns a key, and what must move when the catalog changes.
//!
//! A key has no address of its own: hundreds of nodes may hold it, and tomorrow others. What every node must agree on
//! is small: who the members are, which tables there are, where their shards begin, and who owns each. That is the
//! *catalog*; consensus orders the commands that change it, and this crate says what each command means. From a
//! catalog follows everything that a request needs:
//!
//! ```text
//!   key "user-17" ── token ──> 9432be5f40585227
//!                                     │
//!      0 ┬────────┬────────┬────────┬─┴──────┬────────┬───── 2^64     the table's shards: equal intervals
//!        │ t1/0   │ t1/1   │  ...   │ t1/37  │  ...   │
//!        └────────┴────────┴────────┴────────┴────────┘
//!                                       │ owners: n2 n5 n3            planned, stored in the catalog
//!                                       ▼
//!                 n1 ·  · n2                                          the ring: each node many times, by weight;
//!              n5 ·        · n3         a walk from the shard's       a walk prefers, the plan bounds
//!                 n3 ·  · n5            start: n2, n5, n3
//!
//!   commands ──> Catalog ──┬──> Layout (what one node's storage admits)
//!   (consensus)     │      └──> View = Catalog + who seems down ──> Plan of one request
//!       ▲           └──> placement: owners of new tables, and what moves when members change
//!       │                      │
//!       └── conductor <── job <── planner: what an operator wants, as moves, with a preview
//! ```
//!
//! # Entry points
//!
//! [`Catalog::apply`] makes the next catalog. [`View::plan`] is what a coordinator asks. [`Catalog::layout`] is what a
//! replica refuses by. `placement::place` decides who owns what. [`planner::plan`] is what an operator is shown;
//! [`conductor::next`] is the next command of a job.
//!
//! # Invariants
//!
//! - The same commands give the same catalog, and the same arguments the same placement, on every node: whole numbers
//!   only, ordered collections only, no clock, no randomness.
//! - For every token, exactly n nodes have a layout that admits it: those of the plan.
//! - A catalog never changes; the next one shares with it what stayed the same.
//! - Liveness orders whom to ask; it never changes who owns.
//!
//! # What is absent
//!
//! Consensus itself (`consensus`), what quorum is enough (`coordinator`), what is stored (`storage`). How the bytes of a
//! shard come to a new owner: here only stands when it has to have them.

pub mod catalog;
pub mod conductor;
pub mod decoders;
pub mod heat;
pub mod liveness;
mod placement;
mod plan;
pub mod planner;
pub mod ring;
mod rules;
mod spread;
mod view;
mod weight;

pub use catalog::{
    Access, AccessRejection, AddToken, Advance, AmbiguousMember, Applied, Begin, Called, Catalog, Change,
    Claim, Closing, Command, Created, Cut, Extend, Found, Job, JobId, JobKind, JobState, Joint, LEVEL_NEWEST,
    Layouts, Merge, Move, NewAdmin, NewNode, NewRange, NewTable, Node, NodeState, NodeUpdate, Order, Pair,
    PlanRejection, PutRole, PutUser, Receipt, Recover, Recovery, Rejection, RequestId, Seen, SetAccess,
    Shard, ShardRejection, Split, TableChange, TableEntry, TtlChange,
};
pub use liveness::Liveness;
pub use plan::{Candidate, OwnerSet, Plan, Quota};
pub use ring::Ring;
pub use view::{Location, View};
pub use weight::{Weight, WeightOutOfRange};
