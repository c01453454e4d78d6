//! What a node is told when it is started, and why it does not start.

use crate::automatic::ShardLimits;
use crate::control::{JoinError, Living};
use crate::ended::Ended;
use crate::fill::FillLimits;
use crate::hints::ReplayLimits;
use crate::peer::ReadLimits;
use quorate_coordinator::SyncLimits;
use quorate_coordinator::Timing;
use quorate_coordinator::purge::PurgeLimits;
use quorate_model::{NodeId, Rules};
use quorate_ring::{NewAdmin, Weight};
use quorate_storage::{
    AcceptanceError, CommitterLimits, IdentityError, OpenError, PrivacyError, ReplicaLimits, RocksOptions,
};
use quorate_transport::{self as transport, Secret};
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;
use thiserror::Error;

/// Everything that a node is told.
#[derive(Clone, Debug)]
pub struct NodeConfig {
    /// The data folder.
    pub data: PathBuf,
    /// A label for people, unique among the members.
    pub name: String,
    /// Its failure domain.
    pub zone: String,
    /// Its share of the data. Counts when it becomes a member.
    pub weight: Weight,
    /// `host:port` where clients reach it: what it says of itself to the others.
    pub http_address: String,
    /// Where peers are answered. Port 0: one that is free.
    pub peer_listen: SocketAddr,
    /// `host:port` where peers reach it; default: `peer_listen`.
    pub peer_advertise: Option<String>,
    /// Connections of peers that the operating system keeps waiting.
    pub peer_backlog: u32,
    /// How an empty folder is begun. A folder that has been begun ignores it.
    pub entry: Entry,
    /// A user that gets this token, and may administer everything. A cluster that is founded has access control from its
    /// beginning then; in one that lives this is the way back where no admin can say any more who it is.
    pub admin: Option<NewAdmin>,
    /// What the nodes of the cluster share. Empty: none.
    pub secret: Secret,
    /// Limits of the peer traffic.
    pub peer_limits: transport::Limits,
    /// Limits and options of the storage.
    pub storage: StorageConfig,
    /// Limits of the replay of hints.
    pub replay: ReplayLimits,
    /// When owners compare what they hold, and how fast.
    pub sync: SyncLimits,
    /// How fast copies are filled.
    pub fill: FillLimits,
    /// When removals go.
    pub purge: PurgeLimits,
    /// When shards change by themselves, if they do.
    pub shards: Option<ShardLimits>,
    /// Whether a node that doubts its disk gives its data up and fills itself from other owners, instead of waiting for an
    /// operator.
    pub heal: bool,
    /// How patient an operation is.
    pub timing: Timing,
    /// The rules of the protocol: all of them, but in a build that breaks one on purpose.
    pub rules: Rules,
    /// The kernel's file that says which run of the machine this is. Another one is for tests of power cuts.
    pub boot_id_file: PathBuf,
}

/// Where Linux says which run of the machine this is.
pub const BOOT_ID_FILE: &str = "/proc/sys/kernel/random/boot_id";

/// Whether a name has the form of a member's id: as the name of another member it misleads.
pub fn is_like_an_id(name: &str) -> bool {
    let digits = name.strip_prefix('n').unwrap_or_default();
    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
}

/// Limits and options of the storage.
#[derive(Clone, Debug, Default)]
pub struct StorageConfig {
    /// Of the engine.
    pub rocks: RocksOptions,
    /// Of the replica.
    pub replica: ReplicaLimits,
    /// Of the committer.
    pub committer: CommitterLimits,
    /// Of the reads that leave the reactor.
    pub reads: ReadLimits,
}

/// How an empty folder is begun.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    /// Not at all: it must have been begun already.
    Existing,
    /// By founding a cluster, unless one of its name is seen to live already.
    Found {
        /// The cluster's name.
        cluster_name: String,
        /// Addresses at which nodes of it may be, `host:port`: for clients, or for peers.
        contacts: Vec<String>,
        /// How long it is heard who dials the peer port: members that live dial a former one.
        knocks: Duration,
    },
    /// By becoming a member of one.
    Join {
        /// Addresses of members, `host:port`: for clients, or for peers.
        addresses: Vec<String>,
    },
    /// By coming back as a member whose data are gone.
    Replace {
        /// The member's id or name: see [`Called`](quorate_ring::Called).
        member: String,
        /// Addresses of other members, `host:port`: for clients, or for peers.
        addresses: Vec<String>,
    },
}

impl Entry {
    /// By founding a cluster that no other node can know yet.
    pub fn found(cluster_name: &str) -> Self {
        let (contacts, knocks) = (Vec::new(), Duration::ZERO);
        Self::Found { cluster_name: cluster_name.to_owned(), contacts, knocks }
    }

    /// Addresses of other nodes that it was told.
    pub fn addresses(&self) -> &[String] {
        match self {
            Entry::Existing => &[],
            Entry::Found { contacts: addresses, .. }
            | Entry::Join { addresses }
            | Entry::Replace { addresses, .. } => addresses,
        }
    }
}

/// Why a node did not start. Nothing was changed, unless it says so.
#[derive(Debug, Error)]
pub enum StartError {
    /// The folder is empty, and no option said what to do about it.
    #[error(
        "the folder {} is empty: found a cluster in it (serve --bootstrap --cluster-name NAME), or join one \
         (serve --join host:port); if this node had data here, it has lost them: do not found again, but say which member it \
         was (serve --join host:port --replace-self NODE)",
        .0.display()
    )]
    EmptyFolder(PathBuf),
    /// A cluster of the name lives already.
    #[error(
        "the folder {} is empty, and {living}; this node does not found a second one. If it was a member, its data are \
         lost: let it come back, with --join HOST:PORT (the HTTP address of any other member) and --replace-self NODE (its \
         id or name) in place of --bootstrap; or as a new node, with --join and a --name that no member has",
        folder.display()
    )]
    Living {
        /// The folder.
        folder: PathBuf,
        /// The cluster.
        living: Living,
    },
    /// Whose folder it is.
    #[error("{0}")]
    Identity(#[from] IdentityError),
    /// A folder that is a node's already, and was to become another one.
    #[error(
        "the folder {} is that of {found} already, and --replace-self {member} wants an empty one; leave --replace-self \
         out to start {found}, or use another folder; nothing was changed",
        folder.display()
    )]
    OtherMember {
        /// The folder.
        folder: PathBuf,
        /// Whose it is.
        found: NodeId,
        /// What was asked for, escaped.
        member: String,
    },
    /// A folder of a cluster with another name.
    #[error(
        "the folder {} belongs to the cluster {found}, not to {expected}; use another folder, or leave --cluster-name out",
        folder.display()
    )]
    OtherName {
        /// The folder.
        folder: PathBuf,
        /// Its cluster's name.
        found: String,
        /// What was asked for.
        expected: String,
    },
    /// The folder, beside its identity.
    #[error("the folder {} can't be used: {error}", folder.display())]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// What the operating system says.
        error: io::Error,
    },
    /// The folder's rights.
    #[error("{0}")]
    Privacy(#[from] PrivacyError),
    /// The data.
    #[error("{0}")]
    Open(#[from] OpenError),
    /// An address.
    #[error(
        "cannot listen for {what} on {address}: {error}; choose another address, or stop what uses this one"
    )]
    Listen {
        /// Clients or peers.
        what: &'static str,
        /// The address.
        address: SocketAddr,
        /// What the operating system says.
        error: io::Error,
    },
    /// The cluster does not take this node.
    #[error("{0}")]
    Join(#[from] JoinError),
    /// A loss that an operator has accepted.
    #[error("{0}")]
    Acceptance(#[from] AcceptanceError),
    /// Consensus did not start.
    #[error("the catalog's log can't be used: {0}")]
    Consensus(String),
    /// Founding was begun and is not finished; starting again continues it.
    #[error("founding the cluster was begun and is not finished: {0}; start the node again to continue")]
    Founding(String),
    /// It is no member any more. Nothing was answered.
    #[error("{0}")]
    Ended(Ended),
    /// Threads.
    #[error("the node's threads can't run: {0}")]
    Runtime(String),
}
