//! Everything for which a request is refused or fails.
//!
//! Each operation has its own error enum, whose sentence says the cause, what happened to the data and the way out.
//! [`Fault`] gathers them, and [`Fault::code`] is the one exhaustive match from all of them to codes, and thereby to
//! statuses: a new way to fail does not compile before it is known what a client sees of it.

mod code;
mod outcome;
mod plan;
mod rejected;
mod shard;

use super::body::BodyError;
use super::head::HeadError;
use super::host::HostError;
use quorate_api::Code;
use quorate_api::key::KeyError;
use quorate_api::query::QueryError;
use quorate_coordinator::answer::ReplicaReport;
use quorate_coordinator::{GetError, PutError};
use quorate_model::{NodeId, TableId};
use quorate_node::control::ProposeError;
use quorate_node::core::{LossError, RecoverError};
use quorate_ring::AmbiguousMember;
use quorate_ring::planner::NoPlan;
use thiserror::Error;

/// Everything for which a request is refused or fails.
#[derive(Clone, Debug, Error)]
pub enum Fault {
    /// A query parameter.
    #[error(transparent)]
    Query(#[from] QueryError),
    /// The key.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// A header.
    #[error(transparent)]
    Head(#[from] HeadError),
    /// The host or the origin.
    #[error(transparent)]
    Host(#[from] HostError),
    /// The body.
    #[error(transparent)]
    Body(#[from] BodyError),
    /// A document whose JSON is not what the request takes.
    #[error("{0}; nothing was done")]
    Document(String),
    /// A cursor that is none, or of another scan.
    #[error("the cursor is not one of this scan: {0}; begin the scan anew without it")]
    Cursor(&'static str),
    /// Bounds, in a table that has no order for them and too many keys to look at all of them.
    #[error(
        "prefix, start and end make all keys of a hash table be looked at, and it has more than {limit} \
         (limits.unordered_scan_keys_max): use a table with sharding=range for such lists, or list it without them"
    )]
    TooManyUnordered {
        /// So many are looked at.
        limit: usize,
    },
    /// A part of a range that has none.
    #[error("part divides the tokens of a hash table: use start and end to divide keys, without part")]
    Parted,
    /// A sum of what has none.
    #[error(
        "sum=true is for a whole table, for start, end and prefix in a range table, and for a part of a hash table, without \
         the other parameters of a scan"
    )]
    Summed,
    /// It is not proved who asks. Whatever is wrong, the words are the same.
    #[error(
        "it is not proved who asks: send a valid token in the header Authorization: Bearer, or come with a client \
         certificate that a user has; nothing was done"
    )]
    Unauthenticated,
    /// A token came over a connection that others can read.
    #[error(
        "a token is taken over https, or from this node's own machine, or where the node says insecure; nothing was done; \
         others may have seen the token on this connection: revoke it if it is one"
    )]
    TokenExposed,
    /// Too many requests did not prove who asks.
    #[error(
        "too many requests from this address, or from all together, did not prove who asks within {seconds} s; nothing was \
         done; a token that is right is taken even now"
    )]
    TooManyFailures {
        /// For how long they count.
        seconds: u32,
    },
    /// Who asks may not do this. Of a table it says the same whether there is one or not.
    #[error("user {user} may not do this: it needs {needs}; nothing was done")]
    Forbidden {
        /// Who asks.
        user: String,
        /// What it needs.
        needs: String,
    },
    /// The audit log can't be written.
    #[error(
        "the audit log of this node can't be written ({why}), and audit_required says that nothing is done without it; \
         nothing was done"
    )]
    AuditUnavailable {
        /// Why not.
        why: String,
    },
    /// No such user.
    #[error("{why}")]
    NoSuchUser {
        /// Which, and where those are listed that there are.
        why: String,
    },
    /// No such role.
    #[error("{why}")]
    NoSuchRole {
        /// Which, and where those are listed that there are.
        why: String,
    },
    /// No such token.
    #[error("{why}")]
    NoSuchToken {
        /// Where those are listed that there are.
        why: String,
    },
    /// No such table.
    #[error("there is no table \"{name}\"; GET /v1/tables lists those there are")]
    NoSuchTable {
        /// As it was asked for, escaped.
        name: String,
    },
    /// A dropped table that may still be answered for.
    #[error(
        "a table \"{name}\" was dropped, and owners that have not confirmed it may still answer for it: no key of this name \
         is served until they have; nothing was done; try again"
    )]
    Closing {
        /// Its name.
        name: String,
    },
    /// A drop that could be of either of two tables.
    #[error(
        "a table \"{name}\" ({dropped}) was dropped and waits for owners that have not confirmed it, and another one was made \
         under this name since ({table}): nothing was dropped; say which one is meant, with ?id={dropped} to wait for the \
         first, or ?id={table} to drop the other"
    )]
    TwoOfOneName {
        /// Their name.
        name: String,
        /// The one that was dropped.
        dropped: TableId,
        /// The one that is there.
        table: TableId,
    },
    /// No value.
    #[error("{0}")]
    NoSuchKey(&'static str),
    /// No such member.
    #[error("there is no member \"{id}\"; GET /v1/cluster/nodes lists those there are")]
    NoSuchNode {
        /// As it was asked for, escaped.
        id: String,
    },
    /// No such job.
    #[error("no member that answered remembers a job \"{id}\"; GET /v1/jobs lists those that are remembered")]
    NoSuchJob {
        /// As it was asked for, escaped.
        id: String,
    },
    /// No such job that moves shards.
    #[error(
        "there is no job \"{id}\" that moves shards; GET /v1/jobs lists those there are; the others end by themselves"
    )]
    NoSuchMoveJob {
        /// As it was asked for, escaped.
        id: String,
    },
    /// No such shard.
    #[error("{why}")]
    NoSuchShard {
        /// Which, and where those are listed that there are.
        why: String,
    },
    /// A shard that can't be changed so.
    #[error("{why}")]
    ShardRefused {
        /// Why, and what would help.
        why: String,
    },
    /// No such plan.
    #[error("{why}")]
    NoSuchPlan {
        /// Why not, and what to do.
        why: String,
    },
    /// There is no plan that does what is wanted.
    #[error("{0}; nothing was changed")]
    NoPlan(NoPlan),
    /// Too many jobs wait.
    #[error("{0}; nothing was done; try again once one has ended")]
    Jobs(#[from] quorate_node::jobs::Full),
    /// The id of one member and the name of another.
    #[error(transparent)]
    AmbiguousNode(#[from] AmbiguousMember),
    /// More shards than one answer shows.
    #[error(
        "the ring has {shards} shards, and one answer shows {limit} at most: ask for one table at a time, with ?table=NAME"
    )]
    RingTooLarge {
        /// How many there are.
        shards: usize,
        /// The limit.
        limit: usize,
    },
    /// No such path.
    #[error("nothing is served under this path, or not yet")]
    NoSuchRoute,
    /// Another method.
    #[error("this path does not take {method}; Allow says what it takes")]
    MethodNotAllowed {
        /// As it came, escaped.
        method: String,
    },
    /// A change of the catalog was not made, or it is not known whether it was.
    #[error(transparent)]
    Propose(#[from] ProposeError),
    /// A change of the catalog that owners may not have heard of.
    #[error("the change is in the catalog, but {} has not confirmed it: until enough owners have, one that has not heard of it \
         may answer as before; repeat the request to wait for them", awaited.join(" or "))]
    Open {
        /// Which owners.
        awaited: Vec<String>,
    },
    /// More items than a batch may have.
    #[error("the request has {got} items, the limit is {limit}; nothing was done")]
    TooManyItems {
        /// How many came.
        got: usize,
        /// The limit.
        limit: usize,
    },
    /// The value of one item of a batch.
    #[error(
        "item {at} (counted from 0): its value is larger than the limit of {limit} bytes; nothing was done"
    )]
    ItemTooLarge {
        /// Its place, from 0.
        at: usize,
        /// The limit.
        limit: usize,
    },
    /// A value that an `mget` has no room for.
    #[error(
        "this value of {bytes} bytes is left out: the values of one mget are at most {limit} bytes together; GET this key alone"
    )]
    LeftOut {
        /// The value's bytes.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// Too many requests at work.
    #[error("{limit} requests are at work on this node, which is its limit; nothing was done; try again")]
    Overloaded {
        /// The limit.
        limit: usize,
    },
    /// Too many operations at work.
    #[error(
        "{limit} operations are at work on this node, which is its limit, those among them that wait for slow owners \
         after their answer; nothing was done; try again, or use another node"
    )]
    TooManyOperations {
        /// The limit.
        limit: usize,
    },
    /// Operations at work hold too much.
    #[error(
        "the values of the operations at work on this node fill their {limit} bytes, which is its limit, those among \
         them that wait for slow owners after their answer; nothing was done; try again, or use another node"
    )]
    OperationsFull {
        /// The limit.
        limit: usize,
    },
    /// Answers that their clients do not take hold too much.
    #[error(
        "answers that their clients have not taken yet fill their {limit} bytes, which is this node's limit; try again, \
         or use another node"
    )]
    AnswersFull {
        /// The limit.
        limit: usize,
    },
    /// The connections are all taken.
    #[error(
        "{limit} connections are open on this node, which is its limit; this one answers for health, metrics and limits \
         only; nothing was done; try again, or use another node"
    )]
    TooManyConnections {
        /// The limit.
        limit: usize,
    },
    /// This node doubts its disk since before it started.
    #[error("this node doubts its disk: {doubt}; nothing was done; use another node")]
    Doubtful {
        /// Why.
        doubt: String,
    },
    /// Not ready yet.
    #[error(
        "this node is starting: it opens its data, or waits to become a member; nothing was done; try again"
    )]
    Starting,
    /// No random bits.
    #[error("the operating system has no random bits yet; nothing was done; try again")]
    NoRandomness,
    /// Going away.
    #[error("this node is stopping; nothing was done; use another node")]
    Draining,
    /// Drained by an operator.
    #[error(
        "{node} is drained, and takes no requests for keys; nothing was done; use another node, or let it take them again: \
         `quorate node undrain {node}`"
    )]
    Drained {
        /// This node.
        node: NodeId,
    },
    /// This node can't serve its tables.
    #[error("{}", reasons.join("; "))]
    NotReady {
        /// What it comes down to.
        code: Code,
        /// Each reason.
        reasons: Vec<String>,
    },
    /// A member that may not be stopped.
    #[error("{node} must not be stopped now: without it, {}", reasons.join("; "))]
    NotSafe {
        /// The member.
        node: NodeId,
        /// Each reason.
        reasons: Vec<String>,
    },
    /// A loss that can't be accepted, or not so.
    #[error(transparent)]
    Loss(#[from] LossError),
    /// The catalog can't go on without the members that are named.
    #[error("{0}; nothing was changed")]
    Recover(RecoverError),
    /// A read failed.
    #[error(transparent)]
    Get(#[from] GetError),
    /// A write failed.
    #[error(transparent)]
    Put(#[from] PutError),
    /// A bug.
    #[error("a bug in this node; the log tells more under the request's id; a write may have taken effect")]
    Panicked,
    /// The head is over its limit.
    #[error("the request's head is larger than {limit} bytes or has more than 100 headers")]
    HeadTooLarge {
        /// The limit.
        limit: usize,
    },
    /// The head did not come in time.
    #[error("the request's head did not arrive within {seconds} s")]
    HeadTimeout {
        /// The limit.
        seconds: u64,
    },
    /// The path is longer than any may be.
    #[error("the request's path is too long")]
    PathTooLong,
    /// Not HTTP.
    #[error("this is not an HTTP/1.1 request that this node can read")]
    Malformed,
}

impl Fault {
    /// How many owners were needed, where that is the matter.
    pub fn counts(&self) -> Counts<'_> {
        let (Fault::Get(
            GetError::Unavailable { n, required, acks, replicas }
            | GetError::Timeout { n, required, acks, replicas },
        )
        | Fault::Put(
            PutError::Unavailable { n, required, acks, replicas, .. }
            | PutError::Unknown { n, required, acks, replicas, .. },
        )) = self
        else {
            return Counts::default();
        };
        Counts { n: Some(*n), required: Some(*required), acks: Some(*acks), replicas }
    }

    /// Whether this is the answer to a question and no failure: a node that is not ready, or must not be stopped.
    pub fn is_verdict(&self) -> bool {
        matches!(self, Fault::NotReady { .. } | Fault::NotSafe { .. })
    }

    /// Why a node is not ready, or must not be stopped.
    pub fn reasons(&self) -> &[String] {
        if let Fault::NotReady { reasons, .. } | Fault::NotSafe { reasons, .. } = self {
            reasons
        } else {
            &[]
        }
    }
}

/// How many owners were needed, and what they said.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counts<'a> {
    /// Copies of the table.
    pub n: Option<u8>,
    /// Owners that were needed.
    pub required: Option<u8>,
    /// Owners that answered.
    pub acks: Option<u8>,
    /// What each owner said.
    pub replicas: &'a [ReplicaReport],
}

#[cfg(test)]
mod tests;
