//! Consensus over the peer links: heartbeats, entries and votes on the urgent lane, snapshots on the bulk lane.

use crate::message::{Answer, Message};
use crate::types::{LogId, Types, Vote};
use openraft::EmptyNode;
use openraft::error::{
    InstallSnapshotError, NetworkError, RPCError, RaftError, RemoteError, SnapshotMismatch, Unreachable,
};
use openraft::network::{RPCOption, RaftNetwork, RaftNetworkFactory};
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, InstallSnapshotRequest, InstallSnapshotResponse,
    VoteRequest, VoteResponse,
};
use quorate_model::NodeId;
use quorate_transport::{CallError, Kind, Lane, Links};
use std::io;
use std::sync::Arc;
use tokio::time::Instant;

/// Makes a client for each member.
pub struct Network {
    links: Arc<Links>,
}

/// Calls one member.
pub struct Client {
    links: Arc<Links>,
    target: NodeId,
}

type Failed<E = openraft::error::Infallible> = RPCError<u64, EmptyNode, RaftError<u64, E>>;

impl Network {
    /// Over these links.
    pub fn new(links: Arc<Links>) -> Self {
        Self { links }
    }
}

impl RaftNetworkFactory<Types> for Network {
    type Network = Client;

    async fn new_client(&mut self, target: u64, _: &EmptyNode) -> Client {
        Client { links: Arc::clone(&self.links), target: NodeId(target) }
    }
}

/// What a call without an answer means to consensus: not sent is worth a pause, lost may be tried again at once.
enum Why {
    Unreachable(CallError),
    Broken(String),
}

impl Why {
    fn into_rpc<E: std::error::Error>(self) -> Failed<E> {
        match self {
            Why::Unreachable(error) => RPCError::Unreachable(Unreachable::new(&error)),
            Why::Broken(why) => RPCError::Network(NetworkError::new(&io::Error::other(why))),
        }
    }
}

impl Client {
    async fn call(&self, lane: Lane, message: Message, option: &RPCOption) -> Result<Answer, Why> {
        let deadline = Instant::now() + option.hard_ttl();
        let payload = minicbor::to_vec(message).expect("encoding into memory cannot fail");
        match self.links.call(self.target, lane, Kind::Consensus, deadline, &payload).await {
            Ok(payload) => match minicbor::decode(&payload) {
                Ok(Answer::Stopped(why)) => Err(Why::Broken(why)),
                Ok(answer) => Ok(answer),
                Err(error) => Err(Why::Broken(error.to_string())),
            },
            Err(error @ (CallError::NotSent(_) | CallError::NotUnderstood)) => Err(Why::Unreachable(error)),
            Err(error @ CallError::Lost(_)) => Err(Why::Broken(error.to_string())),
        }
    }
}

fn mixed_up<E: std::error::Error>() -> Failed<E> {
    Why::Broken("the answer belongs to another question".to_owned()).into_rpc()
}

impl RaftNetwork<Types> for Client {
    async fn append_entries(
        &mut self,
        rpc: AppendEntriesRequest<Types>,
        option: RPCOption,
    ) -> Result<AppendEntriesResponse<u64>, Failed> {
        match self.call(Lane::Urgent, Message::append(&rpc), &option).await.map_err(Why::into_rpc)? {
            Answer::Appended => Ok(AppendEntriesResponse::Success),
            Answer::AppendedUpTo(at) => Ok(AppendEntriesResponse::PartialSuccess(at.map(LogId::from))),
            Answer::Conflict => Ok(AppendEntriesResponse::Conflict),
            Answer::HigherVote(vote) => Ok(AppendEntriesResponse::HigherVote(vote.into())),
            Answer::Voted { .. } | Answer::Received(_) | Answer::OtherPiece { .. } | Answer::Stopped(_) => {
                Err(mixed_up())
            }
        }
    }

    async fn vote(&mut self, rpc: VoteRequest<u64>, option: RPCOption) -> Result<VoteResponse<u64>, Failed> {
        match self.call(Lane::Urgent, Message::vote(&rpc), &option).await.map_err(Why::into_rpc)? {
            Answer::Voted { vote, granted, last } => Ok(VoteResponse {
                vote: vote.into(),
                vote_granted: granted,
                last_log_id: last.map(LogId::from),
            }),
            Answer::Appended
            | Answer::AppendedUpTo(_)
            | Answer::Conflict
            | Answer::HigherVote(_)
            | Answer::Received(_)
            | Answer::OtherPiece { .. }
            | Answer::Stopped(_) => Err(mixed_up()),
        }
    }

    async fn install_snapshot(
        &mut self,
        rpc: InstallSnapshotRequest<Types>,
        option: RPCOption,
    ) -> Result<InstallSnapshotResponse<u64>, Failed<InstallSnapshotError>> {
        match self.call(Lane::Bulk, Message::snapshot(rpc), &option).await.map_err(Why::into_rpc)? {
            Answer::Received(vote) => Ok(InstallSnapshotResponse { vote: Vote::from(vote) }),
            Answer::OtherPiece { expected_id, expected_offset, got_id, got_offset } => {
                let mismatch = SnapshotMismatch {
                    expect: (expected_id, expected_offset).into(),
                    got: (got_id, got_offset).into(),
                };
                let error = RaftError::APIError(InstallSnapshotError::from(mismatch));
                Err(RPCError::RemoteError(RemoteError::new(self.target.0, error)))
            }
            Answer::Appended
            | Answer::AppendedUpTo(_)
            | Answer::Conflict
            | Answer::HigherVote(_)
            | Answer::Voted { .. }
            | Answer::Stopped(_) => Err(mixed_up()),
        }
    }
}
