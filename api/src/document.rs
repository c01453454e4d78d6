//! The documents: what stands in the bodies of requests and answers, each written once.
//!
//! What goes in is closed: a member that is not named is refused. What comes out may gain members in later versions; a
//! client of an older version passes over them. A member that is added later is an `Option`, so that a newer client
//! reads an older server.

mod access;
mod cluster;
mod job;
mod key;
mod level;
mod loss;
mod many;
mod name;
mod plan;
mod problem;
mod recover;
mod scan;
mod service;
mod shard;
mod table;
mod traffic;

pub use access::{
    Access, AccessSwitch, AccessSwitched, Grant, GrantSpec, IssuedToken, Removed, Role, RoleSpec, TokenSpec,
    User, UserSpec, UserToken,
};
pub use cluster::{Cluster, Healing, Here, Node, NodeDetails, Nodes, Ring, RingNode, SafeToStop};
pub use job::{Absentee, AnyJob, Job, JobFound, JobPart, JobSpec, Jobs, SyncState, SyncTable};
pub use key::{Explanation, Held, Inspection, LastEqual, Location, Owner, Silent, Written};
pub use level::Level;
pub use loss::{AcceptLoss, AcceptedLoss, Loss, LossAccepted, TableLoss};
pub use many::{Batch, BatchItem, KeyArgument, KeyResult, Mget, NamedKey, PutItem, Results};
pub use name::{Bound, KeyName};
pub use plan::{
    AddNode, Balance, CopyTable, Discarded, Drained, MoveJob, MovingShard, Plan, PlanChange, PlanNode,
    PlanSpec, Plans, RemoveNode, ReplaceNode, WeighNode,
};
pub use problem::{Problem, Replica};
pub use recover::{RecoverSpec, Recovered, Recovery, TableGivenUp};
pub use scan::{KeyPage, ListedKey, StreamEnd, StreamError};
pub use service::{Limits, Link, Links, Live, PeerAddress, Ready};
pub use shard::{ShardMerge, ShardMove, ShardSplit};
pub use table::{
    Dropped, PurgeHeldBack, Shard, ShardStats, Shards, Table, TableChange, TableSpec, TableStats, Tables,
};
pub use traffic::{Answered, LatencyCount, Traffic};
