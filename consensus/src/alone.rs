//! Going on without a majority: a node becomes the only voter of a log that goes on from its own.
//!
//! Everything in its log counts from then on, whether a majority had it or not: what is there may have been acknowledged.
//! What it does not have is lost, and the voters that it had are none any more, as far as this log is concerned. If they
//! come back they know nothing of that: an operator has to be sure that they do not, and the catalog has to keep them out.
//!
//! Of the nodes that are left, the one whose log ends last must go on: what was committed is in it, as it is in the log of
//! every leader that they could have elected (Ongaro, 2014, section 3.6.3).

use crate::codec::Coded;
use crate::log::{Log, writing};
use crate::types::{Entry, LogId, StorageError, Vote};
use openraft::storage::RaftLogStorage;
use openraft::{CommittedLeaderId, EntryPayload, Membership};
use quorate_model::NodeId;
use quorate_storage::RaftEntry;
use std::collections::BTreeSet;

/// Makes a node the only voter, in the log on its disk, on which no consensus runs. Durable when it returns. Done twice it
/// is as if done once, as long as none has run in between.
pub async fn begin_alone(mut log: Log, node: NodeId) -> Result<(), StorageError> {
    let last = log.get_log_state().await?.last_log_id;
    let vote = log.read_vote().await?;
    let terms = [last.map(|last| last.leader_id.term), vote.map(|vote| vote.leader_id.term)];
    // Above all that it has voted for: no other log goes on in this term.
    let term = terms.into_iter().flatten().max().unwrap_or(0) + 1;
    let at = LogId::new(CommittedLeaderId::new(term, node.0), last.map_or(0, |last| last.index + 1));
    let payload = EntryPayload::Membership(Membership::new(vec![BTreeSet::from([node.0])], ()));
    let entry = RaftEntry { index: at.index, bytes: Entry { log_id: at, payload }.encode().into() };
    let committed = at.encode();
    log.save_vote(&Vote::new(term, node.0)).await?;
    let noted = log.blocking(move |store| {
        store.append(std::slice::from_ref(&entry))?;
        store.set_committed(&committed)
    });
    noted.await.map_err(|error| writing(&error))
}
