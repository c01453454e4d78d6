//! Installing a layout, and the fence: what this replica has promised never to answer again, whatever catalog it starts
//! with.
//!
//! A change that takes something away (a dropped table, another durability) counts as made once enough owners refuse what
//! was before. Such a refusal must outlive the process and the power: a node that starts with an older catalog would answer
//! as before. So [`Replica::install`] notes the epoch of a layout that takes something away, synced, before it counts, and
//! only then says that it has *closed* it. A replica whose layout is older than its note refuses everything: it is behind.
//! There is one log, so the same sync makes durable what was written before to a table that is now raised to `sync`.
//!
//! ```text
//! install(7: table gone) ─> note 7, synced ─> the layout is in force ─> closed = 7 ─> the leader is told
//! start, catalog of epoch 6 ─> 6 < note 7 ─> Refused(Behind) until the catalog is there
//! ```
//!
//! A note that can't be written (a full disk) is tried again with each question ([`Replica::close`]). Until then the
//! replica refuses all the same, and has closed nothing.

use super::peer_book::{opened, sealed};
use super::{Replica, Writer};
use crate::engine::{Batch, Engine, EngineError, Family, Lookup, ReadTier};
use crate::keys::DiskKey;
use crate::rules::fence;
use quorate_model::{Durability, Epoch, Layout, Refusal};
use std::sync::PoisonError;
use std::sync::atomic::Ordering;

impl<E: Engine> Replica<E> {
    /// Adopts what the catalog says this node owns. When it returns, no request of an earlier layout is under way, and
    /// what the layout takes away is durably refused if the disk allows it. A layout older than the one installed is
    /// ignored.
    pub fn install(&self, layout: Layout) {
        let mut writer = self.writer();
        {
            let current = self.layout();
            if layout.epoch < current.epoch {
                return;
            }
            // What came and went between two layouts is in neither, and a later start may know it.
            let skips = layout.epoch.0 > current.epoch.0 + 1;
            writer.fence_due |= skips || takes_away(&current, &layout);
        }
        let epoch = layout.epoch;
        self.note_began(&mut writer, &layout);
        let is_noted = self.note_fence(&mut writer, epoch);
        self.sums().cut(&self.layout(), &layout);
        // A copy that was just given must not answer as if it were whole, nor one that was before.
        let is_wanted = wants_something(&layout);
        if is_wanted {
            self.is_whole.store(false, Ordering::Release);
        }
        *self.layout.write().unwrap_or_else(PoisonError::into_inner) = layout;
        if !is_wanted {
            self.ledger_mut().forget_merged();
            self.is_whole.store(self.ledger().is_clear(), Ordering::Release);
        }
        if is_noted {
            self.closed.store(epoch.0, Ordering::Release);
        }
    }

    /// The note of earlier runs; epoch 0: there is none.
    pub(super) fn noted_fence(engine: &E) -> Result<Epoch, EngineError> {
        match engine.get(Family::Meta, &DiskKey::Fence.encode(), ReadTier::Disk)? {
            Lookup::Found(bytes) => {
                opened(&bytes).ok_or_else(|| EngineError::Corrupt("a damaged note of the fence".into()))
            }
            Lookup::Absent => Ok(Epoch(0)),
            Lookup::NotInMemory => Err(EngineError::Failed("a read from the disk did not reach it".into())),
        }
    }

    /// The epoch up to which everything that was taken away is durably refused. 0: nothing yet in this run.
    pub fn closed(&self) -> Epoch {
        Epoch(self.closed.load(Ordering::Acquire))
    }

    /// Refuses everything under a layout that is older than what was closed before.
    pub(super) fn not_behind(&self, layout: &Layout) -> Result<(), Refusal> {
        if fence::is_behind(self.rules, layout.epoch, self.fence) {
            return Err(Refusal::Behind { current: layout.epoch });
        }
        Ok(())
    }

    /// Tries again to note what could not be noted; the epoch that is closed then. Blocks on the disk.
    pub fn close(&self) -> Epoch {
        let mut writer = self.writer();
        let epoch = self.layout().epoch;
        if self.closed() < epoch && self.note_fence(&mut writer, epoch) {
            self.closed.store(epoch.0, Ordering::Release);
        }
        self.closed()
    }

    /// Notes that nothing older than this layout is answered any more, if something was taken away since the last note;
    /// false: it can't be noted now.
    fn note_fence(&self, writer: &mut Writer, epoch: Epoch) -> bool {
        if self.is_doubtful() {
            return false;
        }
        if writer.fence_due && fence::is_noted(self.rules) {
            let mut batch = Batch::housekeeping();
            batch.put(Family::Meta, DiskKey::Fence.encode(), sealed(&epoch.max(self.fence)));
            if let Err(error) = self.write(writer, batch, Durability::Sync) {
                self.judge(&error);
                return false;
            }
        }
        writer.fence_due = false;
        true
    }
}

/// Whether a move wants the node to fill a copy now, or to merge into one.
pub(super) fn wants_something(layout: &Layout) -> bool {
    layout.tables.values().any(|table| table.shards.sought().next().is_some())
}

/// Whether a later layout takes away what this node answered for: an owned shard is gone, another's, or of a later epoch,
/// as it is once its table promises something else.
pub(super) fn takes_away(before: &Layout, after: &Layout) -> bool {
    let stays = |(id, table): (&quorate_model::TableId, &quorate_model::TableLayout)| {
        let now = after.tables.get(id);
        if now.is_some_and(|now| {
            now.shards.pieces_beside(&table.shards) == 0 && now.shards.len() == table.shards.len()
        }) {
            return true;
        }
        let mut owned = table.shards.iter().filter(|shard| shard.copy.is_some());
        owned.all(|shard| {
            let now = now.and_then(|table| table.shard(&shard.interval.start));
            now.is_some_and(|now| now.copy.is_some() && now.epoch == shard.epoch)
        })
    };
    !before.tables.iter().all(stays)
}

/// Whether these bytes are a note of the fence; for the table of all decoders of outside bytes.
pub fn takes(bytes: &[u8]) -> bool {
    let Some(epoch) = opened::<Epoch>(bytes) else { return false };
    assert_eq!(opened(&sealed(&epoch)), Some(epoch));
    true
}
