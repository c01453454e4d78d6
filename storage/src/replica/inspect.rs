//! Looking at a place for people: what lies on the disk, and for whom hints are kept.

use super::{Replica, Unread};
use crate::engine::{Engine, Family, ReadTier};
use crate::keys;
use quorate_model::{Body, Inspection, Place, Reply};

impl<E: Engine> Replica<E> {
    /// Bytes that can still be taken before writes are refused, if the engine can say.
    pub fn free_bytes(&self) -> Option<u64> {
        Some(self.engine.free_bytes()?.saturating_sub(self.limits.free_bytes_min))
    }

    /// Ownership does not matter here: `explain` wants to see what lies on the disk.
    pub(super) fn inspect(&self, at: &Place, tier: ReadTier) -> Result<Reply, Unread> {
        let record = self.stored(Family::Records, &keys::record(at.table, &at.sort_key), tier)?;
        let mut hints_for = self.hints().owners();
        let mut unread = Ok(());
        hints_for.retain(|owner| {
            let hint = self.stored(Family::Hints, &keys::hint(*owner, at.table, &at.sort_key), tier);
            hint.map_or_else(
                |error| {
                    unread = Err(error);
                    false
                },
                |hint| hint.is_some(),
            )
        });
        unread?;
        let inspection = record.map(|record| Inspection {
            held: Some(record.held()),
            tombstone: record.body == Body::Tombstone,
            value_bytes: record.body.value_bytes() as u64,
            digest: record.digest(),
            written_at: Some(record.written_at),
            expires_at: record.expires_at,
            hints_for: Vec::new(),
        });
        Ok(Reply::Inspected(Inspection { hints_for, ..inspection.unwrap_or_default() }))
    }
}
