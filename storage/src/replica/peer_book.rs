//! The book of peers: how far each is known to have come, and which of that is not on the disk yet.
//!
//! Each entry has a checksum: it is believed against a peer's own disk.

use crate::engine::{Batch, Engine, EngineError, Family, for_each};
use crate::keys::{self, DiskKey};
use minicbor::{Decode, Encode};
use quorate_model::{Committed, NodeId};
use std::collections::{BTreeMap, BTreeSet};

/// What is remembered of whom.
#[derive(Debug, Default)]
pub(super) struct PeerBook {
    known: BTreeMap<NodeId, Committed>,
    /// Of whom more is known than is on the disk.
    unsaved: BTreeSet<NodeId>,
}

const CHECKSUM_BYTES: usize = 4;

impl PeerBook {
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

    /// What is known of a peer.
    pub(super) fn known(&self, peer: NodeId) -> Option<Committed> {
        self.known.get(&peer).copied()
    }

    /// Takes how far a peer has come, if that is news.
    pub(super) fn note(&mut self, peer: NodeId, committed: Committed) {
        let known = self.known(peer);
        let furthest = known.map_or(committed, |known| known.furthest(committed));
        if known != Some(furthest) {
            self.known.insert(peer, furthest);
            self.unsaved.insert(peer);
        }
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

/// A value with its checksum.
pub(super) fn sealed(value: &impl Encode<()>) -> Vec<u8> {
    let mut bytes = minicbor::to_vec(value).expect("encoding into memory cannot fail");
    let checksum = crc32fast::hash(&bytes);
    bytes.extend_from_slice(&checksum.to_be_bytes());
    bytes
}

/// Whether these bytes are a note about a peer; for the test of every decoder of outside bytes.
pub fn takes(bytes: &[u8]) -> bool {
    let Some(committed) = opened::<Committed>(bytes) else { return false };
    assert_eq!(opened(&sealed(&committed)), Some(committed));
    true
}

/// Inverse of [`sealed`]; `None` for anything that it did not write.
pub(super) fn opened<T: for<'b> Decode<'b, ()>>(sealed: &[u8]) -> Option<T> {
    let (bytes, checksum) = sealed.split_last_chunk::<CHECKSUM_BYTES>()?;
    let is_whole = crc32fast::hash(bytes).to_be_bytes() == *checksum;
    is_whole.then(|| minicbor::decode(bytes).ok()).flatten()
}
