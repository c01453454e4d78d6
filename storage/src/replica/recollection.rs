//! What peers said of their progress, kept for them: the memory that a damaged disk does not have of itself.
//!
//! A peer's commit counter comes with each of its answers and must outlive a power cut of the whole cluster. That
//! costs no sync of its own: what is new is piggybacked on the next batch that is synced anyway, and where no such
//! batch comes, [`Replica::save_remembered`] is called now and then beside the data path.
//!
//! The other way round, [`Replica::recall`] takes what a peer remembers of this node. If an earlier run of this
//! incarnation had come further than this one began, acknowledged records are missing here: the log was cut short, or
//! the folder is an old copy.
//!
//! Left out: which records are missing. A counter says that something is, not what.

use super::Replica;
use crate::doubt::{Cause, Doubt};
use crate::engine::{Batch, Engine, EngineError, Family, for_each};
use crate::keys::{self, DiskKey};
use crate::rules::listening;
use quorate_model::{CommitCounter, Committed, Durability, NodeId, Refusal, Run};
use std::collections::{BTreeMap, BTreeSet};

/// What is remembered of whom.
#[derive(Debug, Default)]
pub(super) struct Recollection {
    known: BTreeMap<NodeId, Committed>,
    /// Of whom more is known than is on the disk.
    unsaved: BTreeSet<NodeId>,
}

const CHECKSUM_BYTES: usize = 4;

impl Recollection {
    /// What is on the disk.
    pub(super) fn load(engine: &impl Engine) -> Result<Self, EngineError> {
        let mut known = BTreeMap::new();
        for_each(engine, Family::Meta, keys::peers_committed(), |key, value| {
            let (Some(DiskKey::PeerCommitted { peer }), Some(committed)) =
                (DiskKey::decode(&key), opened(&value))
            else {
                return Err(EngineError::Corrupt("a damaged note about a peer".into()));
            };
            known.insert(peer, committed);
            Ok(())
        })?;
        Ok(Self { known, unsaved: BTreeSet::new() })
    }

    /// Adds what is not on the disk yet to a batch, and says what that is.
    pub(super) fn piggyback(&self, batch: &mut Batch) -> BTreeMap<NodeId, Committed> {
        let piggybacked: BTreeMap<NodeId, Committed> =
            self.unsaved.iter().filter_map(|peer| Some((*peer, *self.known.get(peer)?))).collect();
        for (peer, committed) in &piggybacked {
            let key = DiskKey::PeerCommitted { peer: *peer };
            batch.put(key.family(), key.encode(), sealed(committed));
        }
        piggybacked
    }

    /// These are on the disk now; what was heard meanwhile is not.
    pub(super) fn saved(&mut self, piggybacked: &BTreeMap<NodeId, Committed>) {
        let known = &self.known;
        self.unsaved.retain(|peer| known.get(peer) != piggybacked.get(peer));
    }
}

fn sealed(committed: &Committed) -> Vec<u8> {
    let mut bytes = minicbor::to_vec(committed).expect("encoding into memory cannot fail");
    let checksum = crc32fast::hash(&bytes);
    bytes.extend_from_slice(&checksum.to_be_bytes());
    bytes
}

/// Whether these bytes are a note about a peer; for the test of every decoder of outside bytes.
pub fn takes(bytes: &[u8]) -> bool {
    let Some(committed) = opened(bytes) else { return false };
    assert_eq!(opened(&sealed(&committed)), Some(committed));
    true
}

fn opened(sealed: &[u8]) -> Option<Committed> {
    let (bytes, checksum) = sealed.split_last_chunk::<CHECKSUM_BYTES>()?;
    let is_whole = crc32fast::hash(bytes).to_be_bytes() == *checksum;
    is_whole.then(|| minicbor::decode(bytes).ok()).flatten()
}

impl<E: Engine> Replica<E> {
    /// How far this replica has come, for its answers. Everything that it acknowledged as synced lies before it. `None`
    /// while it doubts its disk: it says nothing then that a peer should remember.
    pub fn committed(&self) -> Option<CommitCounter> {
        (!self.is_doubtful()).then(|| self.engine.committed())
    }

    /// How far it had come when this run of it began.
    pub fn began(&self) -> CommitCounter {
        self.began
    }

    /// Remembers how far a peer has come; durable with the next synced batch.
    pub fn remember(&self, peer: NodeId, committed: Committed) {
        let mut recollection = self.recollection();
        let known = recollection.known.get(&peer).copied();
        let furthest = known.map_or(committed, |known| known.furthest(committed));
        if known != Some(furthest) {
            recollection.known.insert(peer, furthest);
            recollection.unsaved.insert(peer);
        }
    }

    /// What is remembered of a peer.
    pub fn remembered(&self, peer: NodeId) -> Option<Committed> {
        self.recollection().known.get(&peer).copied()
    }

    /// Makes what is remembered durable, if it is not yet; whether there was anything to write. Blocks on the disk.
    pub fn save_remembered(&self) -> Result<bool, Refusal> {
        let mut writer = self.writer();
        self.trusted()?;
        let mut batch = Batch::housekeeping();
        let piggybacked = self.recollection().piggyback(&mut batch);
        if piggybacked.is_empty() {
            return Ok(false);
        }
        self.write(&mut writer, batch, Durability::Sync).map_err(|error| self.refusal(&error))?;
        self.recollection().saved(&piggybacked);
        Ok(true)
    }

    /// Takes what a peer remembers of this node, whose run is `now`. The replica becomes doubtful if an earlier run had
    /// come further than this one began; whether it did.
    pub fn recall(&self, peer: NodeId, remembered: Committed, now: Run) -> bool {
        if !listening::hears_peers(self.rules) || !remembered.proves_loss(now, self.began) {
            return false;
        }
        self.mark_doubtful(Doubt::new(
            Cause::Behind,
            format!(
                "the database began at change {}, but node {peer} remembers change {} of it (boot {}): acknowledged \
                 records are missing, or the folder is an old copy, or a copy of it ran elsewhere; if there is a newer \
                 folder, use that one",
                self.began, remembered.counter, remembered.run.boot
            ),
        ));
        true
    }
}
