//! The bytes of consensus, on the wire and on the disk: CBOR with numbered fields, mirrored from openraft's types, so
//! that our format does not change when the library's does. Decoders are total.

#![expect(missing_docs, reason = "the fields are openraft's own, whose documentation says what they are")]

use crate::types::{Entry, LogId, SnapshotMeta, StoredMembership, Vote};
use minicbor::{Decode, Encode};
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

/// The voters (two sets while that changes), and all members.
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
        fn any_bytes_are_an_entry_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            drop(Entry::decode(&bytes));
            drop(SnapshotMeta::decode(&bytes));
        }
    }
}
