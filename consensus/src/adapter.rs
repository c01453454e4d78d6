//! [`Consensus`] by openraft: starts it, writes through it, watches it.

use crate::consensus::{Consensus, MembershipNow, WriteError};
use crate::log::Log;
use crate::machine::Machine;
use crate::message::Answer;
use crate::types::Raft;
use crate::{PANICKED, network, serve};
use openraft::error::{ClientWriteError, Fatal, RaftError};
use openraft::storage::RaftLogStorage as _;
use openraft::{ChangeMembers, Config, EmptyNode, ServerState, SnapshotPolicy};
use quorate_model::NodeId;
use quorate_ring::{Command, Receipt, Rejection};
use quorate_transport::Links;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;

/// Heartbeat of the leader, in milliseconds.
const HEARTBEAT_MS: u64 = 200;

/// A follower that hears nothing for so long stands for election; drawn between the two, in milliseconds. Long
/// enough for a slow disk, since key traffic does not wait for a leader.
const ELECTION_MS: (u64, u64) = (1_000, 2_000);

/// A leader that no majority has acknowledged for so long is none, in milliseconds.
const LEASE_MS: u64 = 2_000;

/// A snapshot is made every so many entries, and so many are kept behind it for followers that are a little late.
const SNAPSHOT_ENTRIES: u64 = 256;

/// Bytes of one piece of a snapshot.
const SNAPSHOT_CHUNK_BYTES: u64 = 1024 * 1024;

/// A learner that misses at most so many entries is up to date.
const UP_TO_DATE_ENTRIES: u64 = 16;

/// Consensus on this node.
pub struct Openraft {
    /// `None`: it is silent.
    raft: Option<Raft>,
    log: Option<Log>,
    node: NodeId,
    changes: watch::Sender<u64>,
}

/// What a silent consensus says to everything.
const SILENT: &str = "this node takes no part in consensus: its replica doubts its disk";

impl Openraft {
    /// Starts it from what is on the disk: applies what is known to be committed, then takes part.
    pub async fn start(
        node: NodeId,
        log: Log,
        machine: Machine,
        links: Arc<Links>,
    ) -> Result<Arc<Self>, String> {
        let config = Config {
            cluster_name: "quorate".to_owned(),
            heartbeat_interval: HEARTBEAT_MS,
            election_timeout_min: ELECTION_MS.0,
            election_timeout_max: ELECTION_MS.1,
            install_snapshot_timeout: 2_000,
            snapshot_policy: SnapshotPolicy::LogsSinceLast(SNAPSHOT_ENTRIES),
            snapshot_max_chunk_size: SNAPSHOT_CHUNK_BYTES,
            max_in_snapshot_log_to_keep: SNAPSHOT_ENTRIES,
            ..Config::default()
        };
        let config = config.validate().map_err(|error| error.to_string())?;
        let network = network::Network::new(links);
        let raft = Raft::new(node.0, Arc::new(config), network, log.clone(), machine).await;
        let raft = raft.map_err(|error| error.to_string())?;
        let changes = watch::Sender::new(0);
        let this = Arc::new(Self { raft: Some(raft.clone()), log: Some(log), node, changes });
        tokio::spawn(watch_over(raft, this.changes.clone()));
        Ok(this)
    }

    /// None at all: it neither votes, leads nor learns. For a node whose disk may have forgotten a vote.
    pub fn silent(node: NodeId) -> Arc<Self> {
        Arc::new(Self { raft: None, log: None, node, changes: watch::Sender::new(0) })
    }

    /// Whether it never began.
    pub fn is_silent(&self) -> bool {
        self.raft.is_none()
    }

    /// Carries out a peer's message.
    pub async fn serve(&self, payload: &[u8]) -> Answer {
        match &self.raft {
            Some(raft) => serve::serve(raft, payload).await,
            None => Answer::Stopped(SILENT.to_owned()),
        }
    }

    fn speaking(&self) -> Result<&Raft, String> {
        self.raft.as_ref().ok_or_else(|| SILENT.to_owned())
    }
}

/// Counts changes, and ends the process if the core panics: a node whose consensus has died silently would keep a
/// vote that no candidate can use.
async fn watch_over(raft: Raft, changes: watch::Sender<u64>) {
    let mut metrics = raft.metrics();
    let mut seen = None;
    while metrics.changed().await.is_ok() {
        let now = {
            let metrics = metrics.borrow_and_update();
            match &metrics.running_state {
                Ok(()) => {}
                Err(Fatal::Panicked) => {
                    tracing::error!("{PANICKED}, in consensus; the process ends, its data are safe");
                    std::process::abort();
                }
                Err(Fatal::Stopped) => return,
                Err(Fatal::StorageError(error)) => {
                    tracing::error!("consensus has stopped on this node: {error}");
                    return;
                }
            }
            (
                metrics.current_leader,
                metrics.state,
                Arc::clone(&metrics.membership_config),
                metrics.last_applied,
            )
        };
        if seen.as_ref() != Some(&now) {
            if seen.as_ref().is_none_or(|(leader, ..)| *leader != now.0) {
                if let Some(leader) = now.0 {
                    tracing::info!(leader = %NodeId(leader), "the leader of the catalog");
                } else {
                    tracing::info!("the catalog has no leader");
                }
            }
            seen = Some(now);
            changes.send_modify(|count| *count += 1);
        }
    }
}

impl Consensus for Openraft {
    async fn found(&self) -> Result<(), String> {
        let raft = self.speaking()?;
        if raft.is_initialized().await.map_err(|error| error.to_string())? {
            return Ok(());
        }
        raft.initialize(BTreeSet::from([self.node.0])).await.map_err(|error| error.to_string())
    }

    async fn write(
        &self,
        command: Command,
        deadline: Instant,
    ) -> Result<Result<Receipt, Rejection>, WriteError> {
        let raft = self.speaking().map_err(WriteError::Stopped)?;
        // First: is this a leader with a majority? Otherwise the entry would stay in its log, to be committed or not.
        match tokio::time::timeout_at(deadline, raft.ensure_linearizable()).await {
            Ok(Ok(_)) => {}
            Ok(Err(RaftError::APIError(error))) => {
                return Err(match error {
                    openraft::error::CheckIsLeaderError::ForwardToLeader(forward) => {
                        WriteError::NotLeader(forward.leader_id.map(NodeId))
                    }
                    openraft::error::CheckIsLeaderError::QuorumNotEnough(_) => WriteError::NoMajority,
                });
            }
            Ok(Err(RaftError::Fatal(fatal))) => return Err(WriteError::Stopped(fatal.to_string())),
            Err(_) => return Err(WriteError::NoMajority),
        }
        match tokio::time::timeout_at(deadline, raft.client_write(command)).await {
            Ok(Ok(written)) => Ok(written.data.expect("the machine answers every command")),
            // The library says the same of an entry that it has appended and that another leader has cut off, or may
            // have kept.
            Ok(Err(RaftError::APIError(ClientWriteError::ForwardToLeader(_)))) => {
                Err(WriteError::Unknown("the leader changed while the change was written".to_owned()))
            }
            Ok(Err(RaftError::APIError(ClientWriteError::ChangeMembershipError(error)))) => {
                Err(WriteError::Unknown(error.to_string()))
            }
            Ok(Err(RaftError::Fatal(fatal))) => Err(WriteError::Unknown(fatal.to_string())),
            Err(_) => Err(WriteError::Unknown("no majority acknowledged it in time".to_owned())),
        }
    }

    fn leader(&self) -> Option<NodeId> {
        let metrics = self.raft.as_ref()?.metrics();
        let metrics = metrics.borrow();
        metrics.running_state.as_ref().ok()?;
        let leader = metrics.current_leader.map(NodeId)?;
        let alone = metrics.membership_config.membership().voter_ids().count() == 1;
        let acknowledged = metrics.millis_since_quorum_ack.is_some_and(|millis| millis < LEASE_MS);
        (leader != self.node || alone || acknowledged).then_some(leader)
    }

    fn is_leader(&self) -> bool {
        self.leader() == Some(self.node)
    }

    fn membership(&self) -> MembershipNow {
        let Some(raft) = &self.raft else { return MembershipNow::default() };
        let metrics = raft.metrics();
        let metrics = metrics.borrow();
        let membership = metrics.membership_config.membership();
        let last = metrics.last_log_index.unwrap_or(0);
        let replicated = metrics.replication.as_ref();
        let up_to_date = |node: u64| {
            let matched = replicated.and_then(|replicated| replicated.get(&node));
            matched.is_some_and(|at| at.is_some_and(|at| at.index + UP_TO_DATE_ENTRIES >= last))
        };
        let is_leader = matches!(metrics.state, ServerState::Leader);
        MembershipNow {
            voters: membership.voter_ids().map(NodeId).collect(),
            members: membership.nodes().map(|(node, _)| NodeId(*node)).collect(),
            up_to_date: membership
                .nodes()
                .map(|(node, _)| *node)
                .filter(|node| (*node == self.node.0 && is_leader) || up_to_date(*node))
                .map(NodeId)
                .collect(),
            changing: membership.get_joint_config().len() > 1,
        }
    }

    async fn last(&self) -> Option<(u64, u64)> {
        let state = self.log.clone()?.get_log_state().await.ok()?;
        state.last_log_id.map(|last| (last.leader_id.term, last.index))
    }

    async fn add_learner(&self, node: NodeId) -> Result<(), String> {
        let added = self.speaking()?.add_learner(node.0, EmptyNode {}, false).await;
        added.map(drop).map_err(|error| error.to_string())
    }

    async fn remove(&self, node: NodeId) -> Result<(), String> {
        let raft = self.speaking()?;
        let node = BTreeSet::from([node.0]);
        // A voter is first demoted to learner, then removed; a learner is only removed.
        let membership = || {
            let metrics = raft.metrics();
            let metrics = metrics.borrow();
            let membership = metrics.membership_config.membership();
            let votes = membership.voter_ids().any(|voter| node.contains(&voter));
            let learns = membership.nodes().any(|(member, _)| node.contains(member));
            (votes, learns)
        };
        let change = match membership() {
            (true, _) => ChangeMembers::RemoveVoters(node.clone()),
            (false, true) => ChangeMembers::RemoveNodes(node.clone()),
            (false, false) => return Ok(()),
        };
        raft.change_membership(change, false).await.map_err(|error| error.to_string())?;
        match membership() {
            (false, false) => Ok(()),
            _ => Err("it is not out of consensus yet".to_owned()),
        }
    }

    async fn set_voters(&self, voters: BTreeSet<NodeId>) -> Result<(), String> {
        let voters: BTreeSet<u64> = voters.into_iter().map(|node| node.0).collect();
        let changed = self.speaking()?.change_membership(voters, true).await;
        changed.map(drop).map_err(|error| error.to_string())
    }

    fn stand_aside(&self, aside: bool) {
        let Some(raft) = &self.raft else { return };
        raft.runtime_config().heartbeat(!aside);
        raft.runtime_config().elect(!aside);
    }

    fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    async fn stop(&self) {
        let Some(raft) = &self.raft else { return };
        if let Ok(Err(error)) = tokio::time::timeout(Duration::from_secs(2), raft.shutdown()).await {
            tracing::warn!("consensus did not stop in order: {error}");
        }
    }
}
