//! Commands: the only way in which a catalog changes, as they stand in the consensus log.
//!
//! A command carries what its author wants and every random bit that it takes, so that [`apply`] has the same result
//! on every node. What follows from the catalog (ids, owners) is computed there, not here. Fields are
//! numbered; a new one must be an `Option`, and a new meaning is a new command: a log may be replayed by a newer
//! version, and must then give the same catalog.
//!
//! [`apply`]: crate::Catalog::apply

pub mod access;
mod nature;
pub mod planned;
pub mod shards;

use crate::catalog::RequestId;
use crate::catalog::access::TokenId;
use crate::catalog::job::JobId;
use crate::weight::Weight;
use access::{AddToken, PutRole, PutUser, SetAccess};
use minicbor::{Decode, Encode};
use planned::{Advance, Begin, Extend, Order, Recover};
use quorate_model::{
    Boot, ClusterId, Durability, Epoch, Key, Level, Mode, NodeId, Sharding, TableId, WallTime,
};
use shards::{Merge, Split};
use thiserror::Error;

/// The form of encoded commands: the first byte.
const COMMAND_VERSION: u8 = 1;

/// One change of the catalog.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Command {
    /// The first command of a cluster: its name, its id and its first node, which becomes its first voter.
    #[n(0)]
    Found(#[n(0)] Found),
    /// A node becomes a member, if no member has its addresses. In the logs of earlier versions; now it is `Admit`.
    #[n(1)]
    AddNode(#[n(0)] NewNode),
    /// A member has started again, perhaps elsewhere, if no other one has its addresses. In the logs of earlier versions;
    /// now it is `Announce`.
    #[n(2)]
    UpdateNode(#[n(0)] NodeUpdate),
    /// A member becomes a voter in consensus on the catalog, or ceases to be one.
    #[n(3)]
    SetVoter {
        /// Who.
        #[n(0)]
        node: NodeId,
        /// Whether it votes from now on.
        #[n(1)]
        voter: bool,
    },
    /// A new table; its shards and their owners are planned when it is applied.
    #[n(4)]
    CreateTable(#[n(0)] NewTable),
    /// Other defaults for a table.
    #[n(5)]
    AlterTable(#[n(0)] TableChange),
    /// A table and all its data go away.
    #[n(6)]
    DropTable {
        /// Which one: by id, so that a table made since under the same name survives a late command.
        #[n(0)]
        table: TableId,
    },
    /// A member has started again, perhaps elsewhere. Its addresses are its own from now on: another member that had one of
    /// them has none until it announces where it is. So members that have changed places all get through, in any order.
    /// The leader writes it only if no other member is heard there.
    #[n(7)]
    Announce(#[n(0)] NodeUpdate),
    /// A node becomes a member. Its addresses are its own, as with `Announce`: a member that is gone does not keep them.
    #[n(8)]
    Admit(#[n(0)] NewNode),
    /// A new table that keeps its keys in their order.
    #[n(9)]
    CreateRange(#[n(0)] NewRange),
    /// From here on all members understand the commands of this level, and earlier commands have the meaning that they have
    /// there. Level 2: what a table's drop, or a change of its durability, leaves behind is kept until enough owners have
    /// closed it. Level 3: plans are carried out. Level 4: shards are split and merged. Level 5: a
    /// table says itself how large its shards become. Level 6: there are users and what they may do. The leader writes it
    /// once every member speaks a version that has it.
    #[n(10)]
    Enable {
        /// The level, above the present one.
        #[n(0)]
        level: u32,
    },
    /// Enough owners have closed what was before a change of a table. From level 2 on.
    #[n(11)]
    Closed {
        /// The table that was changed or dropped.
        #[n(0)]
        table: TableId,
        /// The epoch of the change: a later one of the same table stays open.
        #[n(1)]
        since: Epoch,
    },
    /// A plan is carried out from now on. From level 3 on, like all that follow.
    #[n(12)]
    Begin(#[n(0)] Begin),
    /// A further part of a long plan.
    #[n(13)]
    Extend(#[n(0)] Extend),
    /// The next steps of a job's shards.
    #[n(14)]
    Advance(#[n(0)] Advance),
    /// A job pauses, goes on, or ends early.
    #[n(15)]
    SetJob {
        /// Which.
        #[n(0)]
        job: JobId,
        /// What becomes of it.
        #[n(1)]
        to: Order,
    },
    /// A member that owns nothing is no member any more.
    #[n(16)]
    RemoveNode {
        /// Who.
        #[n(0)]
        node: NodeId,
    },
    /// An ended job is no longer kept.
    #[n(17)]
    Forget {
        /// Which.
        #[n(0)]
        job: JobId,
    },
    /// The catalog goes on without a majority of its voters: by the word of an operator, who gives up what the others held.
    #[n(18)]
    Recover(#[n(0)] Recover),
    /// Shards become two each: the same owners, at the same epoch. From level 4 on, like all that follow.
    #[n(19)]
    Split(#[n(0)] Split),
    /// Neighbours on the same nodes become one.
    #[n(20)]
    Merge(#[n(0)] Merge),
    /// Access control is switched, or an admin is made. From level 6 on, like all that follow.
    #[n(21)]
    SetAccess(#[n(0)] SetAccess),
    /// A user is made or changed.
    #[n(22)]
    PutUser(#[n(0)] PutUser),
    /// A user goes away, and its tokens with it.
    #[n(23)]
    RemoveUser {
        /// Who.
        #[n(0)]
        name: String,
    },
    /// A user gets a token.
    #[n(24)]
    AddToken(#[n(0)] AddToken),
    /// A token is none any more.
    #[n(25)]
    RemoveToken {
        /// Its public half.
        #[n(0)]
        id: TokenId,
    },
    /// A role is made or changed.
    #[n(26)]
    PutRole(#[n(0)] PutRole),
    /// A role that no user has goes away.
    #[n(27)]
    RemoveRole {
        /// Which.
        #[n(0)]
        name: String,
    },
}

/// A new cluster.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Found {
    /// Drawn at random.
    #[n(0)]
    pub cluster: ClusterId,
    /// A label for people, `[A-Za-z0-9._-]{1,64}`.
    #[n(1)]
    pub name: String,
    /// The founding node; its id will be [`crate::Catalog::FIRST_NODE`].
    #[n(2)]
    pub node: NewNode,
    /// The level of commands that it begins with; `None`: level 1, as earlier versions founded.
    #[n(3)]
    pub level: Option<u32>,
}

/// A node that wants to become a member.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct NewNode {
    /// Drawn at random once per data folder: a repeated request gets the id of the first one.
    #[n(0)]
    pub request: RequestId,
    /// A label for people, `[A-Za-z0-9._-]{1,64}`, unique among the members.
    #[n(1)]
    pub name: String,
    /// Its failure domain, of the same form.
    #[n(2)]
    pub zone: String,
    /// Its share of the data.
    #[n(3)]
    pub weight: Weight,
    /// `host:port` where clients reach it.
    #[n(4)]
    pub http_address: String,
    /// `host:port` where peers reach it.
    #[n(5)]
    pub peer_address: String,
    /// The run of its process.
    #[n(6)]
    pub boot: Boot,
}

/// What a member says of itself each time it starts.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct NodeUpdate {
    /// Who.
    #[n(0)]
    pub node: NodeId,
    /// The run of its process.
    #[n(1)]
    pub boot: Boot,
    /// `host:port` where clients reach it.
    #[n(2)]
    pub http_address: String,
    /// `host:port` where peers reach it.
    #[n(3)]
    pub peer_address: String,
    /// Which of its replicas this is; a later one than before after a loss was accepted. `None`: the one that counts.
    #[n(4)]
    pub incarnation: Option<u32>,
    /// When this replica went on with what its disk still held, in spite of a loss that an operator accepted, by its own
    /// clock. `None`: it has lost nothing, or counts nothing of what was left. From level 2 on.
    #[n(5)]
    pub accepted: Option<WallTime>,
}

/// The addresses that a command takes for a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim<'a> {
    /// Whose they become; `None`: a node that is no member yet.
    pub node: Option<NodeId>,
    /// `host:port` where clients reach it.
    pub http_address: &'a str,
    /// `host:port` where peers reach it.
    pub peer_address: &'a str,
}

/// A table that is to be made.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct NewTable {
    /// Drawn at random: a repeated request finds the table that the first one made.
    #[n(0)]
    pub request: RequestId,
    /// `[a-z0-9_-]{1,64}`, not used by another table.
    #[n(1)]
    pub name: String,
    /// By token or by key.
    #[n(2)]
    pub sharding: Sharding,
    /// Copies of each record, 1 to 15, at most the number of nodes.
    #[n(3)]
    pub n: u8,
    /// Default level of reads.
    #[n(4)]
    pub r: Level,
    /// The write promise.
    #[n(5)]
    pub w: Level,
    /// The protocol.
    #[n(6)]
    pub mode: Mode,
    /// What an acknowledgement means.
    #[n(7)]
    pub durability: Durability,
    /// Default expiry in milliseconds.
    #[n(8)]
    pub ttl_ms: Option<u64>,
    /// How many shards it starts with: a power of two.
    #[n(9)]
    pub shards: u32,
    /// A shard with more bytes is split: 64 KiB at least; `None`: as every node is configured. From level 5 on.
    #[n(10)]
    pub shard_bytes_max: Option<u64>,
}

/// A range table that is to be made.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct NewRange {
    /// As any table; sharding is `range`, and there is one shard more than keys to split at.
    #[n(0)]
    pub table: NewTable,
    /// Where its shards begin, but for the first: keys in ascending order.
    #[n(1)]
    pub split_at: Vec<Key>,
}

/// What should be different about a table; what is `None` stays.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct TableChange {
    /// Which table.
    #[n(0)]
    pub table: TableId,
    /// Default level of reads.
    #[n(1)]
    pub r: Option<Level>,
    /// What an acknowledgement means.
    #[n(2)]
    pub durability: Option<Durability>,
    /// Default expiry.
    #[n(3)]
    pub ttl: Option<TtlChange>,
    /// The write promise: anything but the present one is refused, with the reason.
    #[n(4)]
    pub w: Option<Level>,
    /// Copies: anything but the present number is refused, since copies have to move: that is a plan.
    #[n(5)]
    pub n: Option<u8>,
    /// A shard with more bytes is split; 0: as every node is configured. From level 5 on.
    #[n(6)]
    pub shard_bytes_max: Option<u64>,
}

/// Another default expiry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum TtlChange {
    /// Values live until deleted.
    #[n(0)]
    Never,
    /// Values expire so many milliseconds after they are written.
    #[n(1)]
    After(#[n(0)] u64),
}

/// Bytes that are not a command of this version of Quorate.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("not a catalog command that this version knows ({0}); nothing was applied; upgrade this node")]
pub struct UnknownCommand(pub String);

impl NewTable {
    /// A hash table with the defaults of the API: three copies, levels `quorum`, `sync`, 64 shards.
    pub fn hash(name: impl Into<String>, request: RequestId) -> Self {
        Self {
            request,
            name: name.into(),
            sharding: Sharding::Hash,
            n: 3,
            r: Level::Quorum,
            w: Level::Quorum,
            mode: Mode::Register,
            durability: Durability::Sync,
            ttl_ms: None,
            shard_bytes_max: None,
            shards: crate::catalog::SHARDS_DEFAULT,
        }
    }
}

impl TableChange {
    /// A change of nothing, to be filled in.
    pub fn of(table: TableId) -> Self {
        Self { table, r: None, durability: None, ttl: None, w: None, n: None, shard_bytes_max: None }
    }
}

impl Command {
    /// The bytes that stand in the log: a version byte, then CBOR.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![COMMAND_VERSION];
        minicbor::encode(self, &mut bytes).expect("a vector takes every byte");
        bytes
    }

    /// Inverse of [`Command::encode`]. Total; trailing bytes are an error.
    pub fn decode(bytes: &[u8]) -> Result<Self, UnknownCommand> {
        match bytes.split_first() {
            None => Err(UnknownCommand("no bytes".to_owned())),
            Some((&COMMAND_VERSION, body)) => crate::catalog::snapshot::decode_whole(body)
                .map_err(|error| UnknownCommand(error.to_string())),
            Some((version, _)) => Err(UnknownCommand(format!("form {version}, not {COMMAND_VERSION}"))),
        }
    }
}
