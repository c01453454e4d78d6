//! The other side of [`crate::network`]: a peer's message, carried out by this node's consensus.

use crate::message::{Answer, Message, Rpc};
use crate::types::Raft;
use openraft::error::{InstallSnapshotError, RaftError};

/// Carries out one message. Total: bytes that are no message are answered, not believed.
pub async fn serve(raft: &Raft, payload: &[u8]) -> Answer {
    let message = match minicbor::decode::<Message>(payload) {
        Ok(message) => message,
        Err(error) => return Answer::Stopped(format!("not a message that this version knows: {error}")),
    };
    match Rpc::try_from(message) {
        Err(why) => Answer::Stopped(why),
        Ok(Rpc::Append(rpc)) => raft.append_entries(rpc).await.map_or_else(stopped, Answer::from),
        Ok(Rpc::Vote(rpc)) => raft.vote(rpc).await.map_or_else(stopped, Answer::from),
        Ok(Rpc::Snapshot(rpc)) => match raft.install_snapshot(rpc).await {
            Ok(response) => response.into(),
            Err(RaftError::APIError(InstallSnapshotError::SnapshotMismatch(mismatch))) => {
                Answer::OtherPiece {
                    expected_id: mismatch.expect.id,
                    expected_offset: mismatch.expect.offset,
                    got_id: mismatch.got.id,
                    got_offset: mismatch.got.offset,
                }
            }
            Err(RaftError::Fatal(fatal)) => Answer::Stopped(fatal.to_string()),
        },
    }
}

fn stopped(error: RaftError<u64>) -> Answer {
    Answer::Stopped(error.to_string())
}
