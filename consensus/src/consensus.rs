//! What a node wants of consensus, whichever library does it.

use quorate_model::NodeId;
use quorate_ring::{Command, Receipt, Rejection};
use std::collections::BTreeSet;
use tokio::sync::watch;
use tokio::time::Instant;

/// Consensus on a log of commands, as the rest of the node wants it.
pub trait Consensus: Send + Sync + 'static {
    /// Makes this node the only voter of a new cluster. Harmless if it is one already.
    fn found(&self) -> impl Future<Output = Result<(), String>> + Send;

    /// Writes a command, if this node leads; answers with what `Catalog::apply` said on this node.
    fn write(
        &self,
        command: Command,
        deadline: Instant,
    ) -> impl Future<Output = Result<Result<Receipt, Rejection>, WriteError>> + Send;

    /// The leader, if there is one with a majority as far as this node knows.
    fn leader(&self) -> Option<NodeId>;

    /// Whether this node leads, with a majority.
    fn is_leader(&self) -> bool;

    /// Who votes and who learns.
    fn membership(&self) -> MembershipNow;

    /// Where the log on this node ends: term and index; `None`: it is empty, can't be read, or consensus never began.
    fn last(&self) -> impl Future<Output = Option<(u64, u64)>> + Send;

    /// Begins to send a member the log.
    fn add_learner(&self, node: NodeId) -> impl Future<Output = Result<(), String>> + Send;

    /// Takes a member out of consensus altogether: it neither votes nor is sent the log, until it is added anew.
    fn remove(&self, node: NodeId) -> impl Future<Output = Result<(), String>> + Send;

    /// Changes who votes.
    fn set_voters(&self, voters: BTreeSet<NodeId>) -> impl Future<Output = Result<(), String>> + Send;

    /// Falls silent as a leader and stands for no election, so that another voter leads; or takes part as ever. It votes
    /// in either case.
    fn stand_aside(&self, aside: bool);

    /// Counts changes of the leader, the membership and the applied log.
    fn changes(&self) -> watch::Receiver<u64>;

    /// Stops it in order.
    fn stop(&self) -> impl Future<Output = ()> + Send;
}

/// Who takes part in consensus, as the leader sees it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MembershipNow {
    /// Who votes.
    pub voters: BTreeSet<NodeId>,
    /// Voters and learners: all that are sent the log.
    pub members: BTreeSet<NodeId>,
    /// Members that miss next to nothing.
    pub up_to_date: BTreeSet<NodeId>,
    /// Whether a change is under way.
    pub changing: bool,
}

/// Why a command was not written here, or whether that is unknown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WriteError {
    /// This node does not lead, as it found before it handed the command to its log; perhaps that one does. Not
    /// written.
    NotLeader(Option<NodeId>),
    /// It led and has lost its majority. Not written.
    NoMajority,
    /// Consensus does not run on this node. Not written.
    Stopped(String),
    /// It was handed to the log and not confirmed: it is there, was cut off again by another leader, or came
    /// to nothing.
    Unknown(String),
}
