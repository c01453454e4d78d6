//! What two members say to each other about the log: the library's requests and answers, in our own form.

#![expect(missing_docs, reason = "the fields are openraft's own, whose documentation says what they are")]

use crate::codec::{Coded, EntryForm, LogIdForm, SnapshotMetaForm, VoteForm};
use crate::types::{Entry, LogId, SnapshotMeta, Types};
use minicbor::{Decode, Encode};
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, InstallSnapshotRequest, InstallSnapshotResponse,
    VoteRequest, VoteResponse,
};

/// A message of consensus.
#[derive(Encode, Decode)]
pub enum Message {
    /// Entries, or a heartbeat.
    #[n(0)]
    Append {
        #[n(0)]
        vote: VoteForm,
        #[n(1)]
        previous: Option<LogIdForm>,
        #[n(2)]
        entries: Vec<EntryForm>,
        #[n(3)]
        committed: Option<LogIdForm>,
    },
    /// A request for a vote.
    #[n(1)]
    Vote {
        #[n(0)]
        vote: VoteForm,
        #[n(1)]
        last: Option<LogIdForm>,
    },
    /// A piece of a snapshot.
    #[n(2)]
    Snapshot {
        #[n(0)]
        vote: VoteForm,
        #[n(1)]
        meta: SnapshotMetaForm,
        #[n(2)]
        offset: u64,
        #[cbor(n(3), with = "minicbor::bytes")]
        data: Vec<u8>,
        #[n(4)]
        done: bool,
    },
}

/// An answer of consensus.
#[derive(Encode, Decode)]
pub enum Answer {
    /// To `Append`: all is stored.
    #[n(0)]
    Appended,
    /// To `Append`: stored up to here.
    #[n(1)]
    AppendedUpTo(#[n(0)] Option<LogIdForm>),
    /// To `Append`: the previous entry is not there.
    #[n(2)]
    Conflict,
    /// To `Append`: a higher vote is known.
    #[n(3)]
    HigherVote(#[n(0)] VoteForm),
    /// To `Vote`.
    #[n(4)]
    Voted {
        #[n(0)]
        vote: VoteForm,
        #[n(1)]
        granted: bool,
        #[n(2)]
        last: Option<LogIdForm>,
    },
    /// To `Snapshot`: this piece is there.
    #[n(5)]
    Received(#[n(0)] VoteForm),
    /// To `Snapshot`: another piece was expected.
    #[n(6)]
    OtherPiece {
        #[n(0)]
        expected_id: String,
        #[n(1)]
        expected_offset: u64,
        #[n(2)]
        got_id: String,
        #[n(3)]
        got_offset: u64,
    },
    /// To anything: consensus does not run here.
    #[n(7)]
    Stopped(#[n(0)] String),
}

impl Message {
    /// Of a library's request.
    pub fn append(rpc: &AppendEntriesRequest<Types>) -> Self {
        Message::Append {
            vote: rpc.vote.into(),
            previous: rpc.prev_log_id.map(LogIdForm::from),
            entries: rpc.entries.iter().map(Coded::form).collect(),
            committed: rpc.leader_commit.map(LogIdForm::from),
        }
    }

    /// Of a library's request.
    pub fn vote(rpc: &VoteRequest<u64>) -> Self {
        Message::Vote { vote: rpc.vote.into(), last: rpc.last_log_id.map(LogIdForm::from) }
    }

    /// Of a library's request.
    pub fn snapshot(rpc: InstallSnapshotRequest<Types>) -> Self {
        Message::Snapshot {
            vote: rpc.vote.into(),
            meta: rpc.meta.form(),
            offset: rpc.offset,
            data: rpc.data,
            done: rpc.done,
        }
    }
}

/// The library's request in a message.
pub enum Rpc {
    /// Entries, or a heartbeat.
    Append(AppendEntriesRequest<Types>),
    /// A request for a vote.
    Vote(VoteRequest<u64>),
    /// A piece of a snapshot.
    Snapshot(InstallSnapshotRequest<Types>),
}

impl TryFrom<Message> for Rpc {
    type Error = String;

    fn try_from(message: Message) -> Result<Self, String> {
        Ok(match message {
            Message::Append { vote, previous, entries, committed } => Rpc::Append(AppendEntriesRequest {
                vote: vote.into(),
                prev_log_id: previous.map(LogId::from),
                entries: entries.into_iter().map(Entry::of).collect::<Result<_, _>>()?,
                leader_commit: committed.map(LogId::from),
            }),
            Message::Vote { vote, last } => {
                Rpc::Vote(VoteRequest { vote: vote.into(), last_log_id: last.map(LogId::from) })
            }
            Message::Snapshot { vote, meta, offset, data, done } => Rpc::Snapshot(InstallSnapshotRequest {
                vote: vote.into(),
                meta: SnapshotMeta::of(meta)?,
                offset,
                data,
                done,
            }),
        })
    }
}

impl From<AppendEntriesResponse<u64>> for Answer {
    fn from(response: AppendEntriesResponse<u64>) -> Self {
        match response {
            AppendEntriesResponse::Success => Answer::Appended,
            AppendEntriesResponse::PartialSuccess(at) => Answer::AppendedUpTo(at.map(LogIdForm::from)),
            AppendEntriesResponse::Conflict => Answer::Conflict,
            AppendEntriesResponse::HigherVote(vote) => Answer::HigherVote(vote.into()),
        }
    }
}

impl From<VoteResponse<u64>> for Answer {
    fn from(response: VoteResponse<u64>) -> Self {
        Answer::Voted {
            vote: response.vote.into(),
            granted: response.vote_granted,
            last: response.last_log_id.map(LogIdForm::from),
        }
    }
}

impl From<InstallSnapshotResponse<u64>> for Answer {
    fn from(response: InstallSnapshotResponse<u64>) -> Self {
        Answer::Received(response.vote.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_bytes_are_a_message_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(message) = minicbor::decode::<Message>(&bytes) {
                drop(Rpc::try_from(message));
            }
            let _answer = minicbor::decode::<Answer>(&bytes);
        }
    }
}
