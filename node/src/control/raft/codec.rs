//! The bytes of consensus, on the wire and on the disk: CBOR with numbered fields, mirrored from openraft's types, so
//! that our format does not change when the library's does. Decoders are total.

#![expect(missing_docs, reason = "the fields are openraft's own, whose documentation says what they are")]

use super::{Entry, LogId, SnapshotMeta, StoredMembership, Types, Vote};
use minicbor::{Decode, Encode};
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, InstallSnapshotRequest, InstallSnapshotResponse,
    VoteRequest, VoteResponse,
};
use openraft::{CommittedLeaderId, EmptyNode, EntryPayload, LeaderId, Membership};
use quorate_ring::Command;
use std::collections::{BTreeMap, BTreeSet};
use thiserror::Error;

/// Bytes that are not what they should be.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("not {what} that this version knows: {why}")]
pub struct Malformed {
    what: &'static str,
    why: String,
}

/// Something that has a form in bytes.
pub trait Coded: Sized {
    /// What it is, for errors.
    const WHAT: &'static str;
    /// Its mirror.
    type Form: for<'b> Decode<'b, ()> + Encode<()>;
    /// Into the mirror.
    fn form(&self) -> Self::Form;
    /// From the mirror.
    fn of(form: Self::Form) -> Result<Self, String>;

    /// Its bytes.
    fn encode(&self) -> Vec<u8> {
        minicbor::to_vec(self.form()).expect("encoding into memory cannot fail")
    }

    /// Inverse of [`Coded::encode`].
    fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let malformed = |why| Malformed { what: Self::WHAT, why };
        let form = minicbor::decode(bytes).map_err(|error| malformed(error.to_string()))?;
        Self::of(form).map_err(malformed)
    }
}

/// A vote.
#[derive(Clone, Copy, Encode, Decode)]
pub struct VoteForm {
    #[n(0)]
    term: u64,
    #[n(1)]
    node: u64,
    #[n(2)]
    committed: bool,
}

/// A position in the log.
#[derive(Clone, Copy, Encode, Decode)]
pub struct LogIdForm {
    #[n(0)]
    term: u64,
    #[n(1)]
    node: u64,
    #[n(2)]
    index: u64,
}

/// An entry of the log.
#[derive(Encode, Decode)]
pub struct EntryForm {
    #[n(0)]
    at: LogIdForm,
    #[n(1)]
    payload: PayloadForm,
}

/// What an entry says.
#[derive(Encode, Decode)]
pub enum PayloadForm {
    #[n(0)]
    Blank,
    #[n(1)]
    Command(#[cbor(n(0), with = "minicbor::bytes")] Vec<u8>),
    #[n(2)]
    Membership(#[n(0)] MembershipForm),
}

/// Who votes (two sets while that changes), and everybody.
#[derive(Encode, Decode)]
pub struct MembershipForm {
    #[n(0)]
    voters: Vec<Vec<u64>>,
    #[n(1)]
    nodes: Vec<u64>,
}

/// A membership and the entry that made it.
#[derive(Encode, Decode)]
pub struct StoredMembershipForm {
    #[n(0)]
    at: Option<LogIdForm>,
    #[n(1)]
    membership: MembershipForm,
}

/// What a snapshot is of.
#[derive(Encode, Decode)]
pub struct SnapshotMetaForm {
    #[n(0)]
    at: Option<LogIdForm>,
    #[n(1)]
    membership: StoredMembershipForm,
    #[n(2)]
    id: String,
}

impl From<Vote> for VoteForm {
    fn from(vote: Vote) -> Self {
        Self { term: vote.leader_id.term, node: vote.leader_id.node_id, committed: vote.committed }
    }
}

impl From<VoteForm> for Vote {
    fn from(form: VoteForm) -> Self {
        Self { leader_id: LeaderId::new(form.term, form.node), committed: form.committed }
    }
}

impl From<LogId> for LogIdForm {
    fn from(at: LogId) -> Self {
        Self { term: at.leader_id.term, node: at.leader_id.node_id, index: at.index }
    }
}

impl From<LogIdForm> for LogId {
    fn from(form: LogIdForm) -> Self {
        Self::new(CommittedLeaderId::new(form.term, form.node), form.index)
    }
}

fn membership_form(membership: &Membership<u64, EmptyNode>) -> MembershipForm {
    let voters = membership.get_joint_config().iter().map(|set| set.iter().copied().collect()).collect();
    MembershipForm { voters, nodes: membership.nodes().map(|(node, _)| *node).collect() }
}

fn membership_of(form: MembershipForm) -> Membership<u64, EmptyNode> {
    let voters: Vec<BTreeSet<u64>> = form.voters.into_iter().map(|set| set.into_iter().collect()).collect();
    #[expect(
        clippy::zero_sized_map_values,
        reason = "openraft wants a map, and we keep addresses in the catalog"
    )]
    let nodes: BTreeMap<u64, EmptyNode> = form.nodes.into_iter().map(|node| (node, EmptyNode {})).collect();
    Membership::new(voters, nodes)
}

fn stored_form(stored: &StoredMembership) -> StoredMembershipForm {
    StoredMembershipForm {
        at: stored.log_id().map(LogIdForm::from),
        membership: membership_form(stored.membership()),
    }
}

fn stored_of(form: StoredMembershipForm) -> StoredMembership {
    StoredMembership::new(form.at.map(LogId::from), membership_of(form.membership))
}

impl Coded for Vote {
    const WHAT: &'static str = "a vote";
    type Form = VoteForm;
    fn form(&self) -> VoteForm {
        (*self).into()
    }
    fn of(form: VoteForm) -> Result<Self, String> {
        Ok(form.into())
    }
}

impl Coded for LogId {
    const WHAT: &'static str = "a log position";
    type Form = LogIdForm;
    fn form(&self) -> LogIdForm {
        (*self).into()
    }
    fn of(form: LogIdForm) -> Result<Self, String> {
        Ok(form.into())
    }
}

impl Coded for Entry {
    const WHAT: &'static str = "a log entry";
    type Form = EntryForm;
    fn form(&self) -> EntryForm {
        let payload = match &self.payload {
            EntryPayload::Blank => PayloadForm::Blank,
            EntryPayload::Normal(command) => PayloadForm::Command(command.encode()),
            EntryPayload::Membership(membership) => PayloadForm::Membership(membership_form(membership)),
        };
        EntryForm { at: self.log_id.into(), payload }
    }
    fn of(form: EntryForm) -> Result<Self, String> {
        let payload = match form.payload {
            PayloadForm::Blank => EntryPayload::Blank,
            PayloadForm::Command(bytes) => {
                EntryPayload::Normal(Command::decode(&bytes).map_err(|error| error.to_string())?)
            }
            PayloadForm::Membership(membership) => EntryPayload::Membership(membership_of(membership)),
        };
        Ok(Self { log_id: form.at.into(), payload })
    }
}

impl Coded for SnapshotMeta {
    const WHAT: &'static str = "a snapshot's description";
    type Form = SnapshotMetaForm;
    fn form(&self) -> SnapshotMetaForm {
        SnapshotMetaForm {
            at: self.last_log_id.map(LogIdForm::from),
            membership: stored_form(&self.last_membership),
            id: self.snapshot_id.clone(),
        }
    }
    fn of(form: SnapshotMetaForm) -> Result<Self, String> {
        let last_membership = stored_of(form.membership);
        Ok(Self { last_log_id: form.at.map(LogId::from), last_membership, snapshot_id: form.id })
    }
}

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

    fn at(index: u64) -> LogId {
        LogId::new(CommittedLeaderId::new(3, 2), index)
    }

    #[test]
    #[expect(clippy::zero_sized_map_values, reason = "openraft wants a map")]
    fn entries_votes_and_snapshots_round_trip() {
        let membership = Membership::new(
            vec![BTreeSet::from([1, 2]), BTreeSet::from([2, 3])],
            BTreeMap::from([(1, EmptyNode {}), (2, EmptyNode {}), (3, EmptyNode {}), (4, EmptyNode {})]),
        );
        let command = Command::DropTable { table: quorate_model::TableId(9) };
        let payloads = [
            EntryPayload::Blank,
            EntryPayload::Normal(command),
            EntryPayload::Membership(membership.clone()),
        ];
        for payload in payloads {
            let entry = Entry { log_id: at(7), payload };
            assert_eq!(Entry::decode(&entry.encode()), Ok(entry));
        }
        let vote = Vote { leader_id: LeaderId::new(5, 1), committed: true };
        assert_eq!(Vote::decode(&vote.encode()), Ok(vote));
        let meta = SnapshotMeta {
            last_log_id: Some(at(9)),
            last_membership: StoredMembership::new(Some(at(4)), membership),
            snapshot_id: "9".into(),
        };
        assert_eq!(SnapshotMeta::decode(&meta.encode()), Ok(meta));
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_message_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(message) = minicbor::decode::<Message>(&bytes) {
                drop(Rpc::try_from(message));
            }
            drop(Entry::decode(&bytes));
        }
    }
}
