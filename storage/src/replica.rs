//! The replica: what one node durably holds, and the only place that decides what to store.
//!
//! A replica is plain and blocking: [`Replica::apply`] takes a batch of requests and returns as many replies,
//! [`Replica::read`] answers one question. The simulator calls them; in a node the [`Committer`](crate::Committer)
//! is a loop around `apply`.
//!
//! ```text
//! requests ─> admit (layout) ─> read what is held ─> merge by version ─> one batch ─> one sync ─> replies
//! ```
//!
//! # Invariants
//!
//! - **A refusal is a promise**: nothing was stored. What can't promise that answers [`Reply::Broken`].
//! - **An acknowledgement is durable** as the table says, or as the request says if that is more; also for a record
//!   that was held already. So are the answers of reads, at the table's level: a record of a `sync` table becomes
//!   visible after its sync only, and a table that is raised to `sync` is synced before the new layout counts.
//! - **Merging never loses**: the greater version wins whole, and the operation ids of both stay.
//! - **One doubt ends all**: an error of the engine or a checksum that does not match makes the replica doubtful. From
//!   then on it refuses everything, after a restart too, and never says "not found". Its health says why.
//! - A full disk is not a doubt: writes are refused before the space is used up, reads go on.
//!
//! # What is left out
//!
//! Healing: a doubtful replica returns as a new incarnation, which fills itself from other owners; the ledger
//! (`ledger.rs`) says of what it may not speak yet.

mod answers;
mod clear;
#[cfg(feature = "mutants")]
mod discard;
mod emptied;
mod exchange;
pub(crate) mod floors;
mod health;
pub(crate) mod hint_book;
mod hints;
mod inspect;
pub(crate) mod install;
pub(crate) mod ledger;
mod leftover;
mod load;
mod merging;
pub(crate) mod peer_book;
mod recollection;
mod scan;
mod sums;
mod write;

use crate::doubt::{Cause, Doubt};
use crate::engine::{Batch, Engine, EngineError, Family, Lookup, ReadTier};
use crate::floors::FloorMap;
use crate::keys;
use crate::ledger::Ledger;
use crate::limits::ReplicaLimits;
use crate::rules::filling::Wants;
use crate::rules::{self, admission};
use crate::sums::Sums;
use answers::{known, shown};
use bytes::Bytes;
use emptied::Emptied;
use hint_book::HintBook;
use peer_book::PeerBook;
use quorate_model::record::DecodeError;
use quorate_model::{
    ClusterId, CommitCounter, Durability, Epoch, Floors, Layout, NodeId, Place, Record, Refusal, Reply,
    Request, Rules, Run, Stamps,
};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, TryLockError};

pub use clear::ClearError;
pub use health::ReplicaHealth;
pub use hint_book::OwnerHints;
pub use merging::Standing;
pub use sums::{Recount, SumsSetting};

/// See the module's essay. All methods take `&self`; writers are served one after the other.
#[derive(Debug)]
pub struct Replica<E> {
    engine: Arc<E>,
    rules: Rules,
    limits: ReplicaLimits,
    /// Which of the node's replicas this is.
    incarnation: u64,
    layout: RwLock<Layout>,
    writer: Mutex<Writer>,
    /// Changed by who holds the writer only; a lock of its own, so that looking never waits for a sync.
    hints: Mutex<HintBook>,
    /// What peers said of their progress.
    peers: Mutex<PeerBook>,
    /// Changed by who holds the writer only, like the hints.
    sums: Mutex<Sums>,
    /// The cluster that the sums are of.
    sums_of: ClusterId,
    /// How far the engine had come at the beginning of this run.
    began: CommitCounter,
    /// What earlier runs have closed: under an older layout nothing is answered.
    fence: Epoch,
    /// What this run has closed, as an epoch.
    closed: AtomicU64,
    /// Changed by who holds the writer only.
    ledger: RwLock<Ledger>,
    /// Whether the ledger is empty, so that requests need not look.
    is_whole: AtomicBool,
    /// Changed by who holds the writer only.
    floors: RwLock<FloorMap>,
    /// Ranges of which space is to be given back.
    emptied: Mutex<Emptied>,
    counters: Counters,
}

/// What only the one who writes may touch.
#[derive(Debug)]
struct Writer {
    stamps: Stamps,
    /// Whether something was written since the last sync.
    unsynced: bool,
    /// Whether something was taken away that is not noted yet.
    fence_due: bool,
}

#[derive(Debug, Default)]
struct Counters {
    batches: AtomicU64,
    syncs: AtomicU64,
    stored: AtomicU64,
    unchanged: AtomicU64,
}

/// Why a question has no answer.
enum Unread {
    /// Only the disk could tell.
    NotInMemory,
    /// It is not answered at all.
    Refused(Refusal),
}

impl From<Refusal> for Unread {
    fn from(refusal: Refusal) -> Self {
        Unread::Refused(refusal)
    }
}

/// Counts since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReplicaStatistics {
    /// Batches that were written.
    pub batches: u64,
    /// Syncs that were waited for.
    pub syncs: u64,
    /// Records and hints that were stored.
    pub stored: u64,
    /// Writes that changed nothing, because the same or something later was held.
    pub unchanged: u64,
}

impl<E: Engine> Replica<E> {
    /// The replica over an engine, owning nothing until [`Replica::install`]. The boot must be drawn anew for each
    /// replica and differ from the coordinator's: it makes the versions that this replica assigns unique. It serves once
    /// a layout names its incarnation.
    ///
    /// What an earlier run wrote and did not sync is synced first. If that or reading the hints fails, or if the
    /// engine was doubted before, the replica is doubtful from the start.
    pub fn new(
        engine: Arc<E>,
        node: NodeId,
        run: Run,
        rules: Rules,
        limits: ReplicaLimits,
        sums: SumsSetting,
    ) -> Self {
        let mut replica = Self {
            engine,
            rules,
            limits,
            incarnation: run.incarnation,
            layout: RwLock::default(),
            writer: Mutex::new(Writer {
                stamps: Stamps::assigning(node, run.boot),
                unsynced: false,
                fence_due: true,
            }),
            hints: Mutex::default(),
            peers: Mutex::default(),
            sums: Mutex::new(Sums::new(sums.cluster, rules, sums.chunk_keys)),
            sums_of: sums.cluster,
            began: CommitCounter::default(),
            fence: Epoch::default(),
            closed: AtomicU64::default(),
            ledger: RwLock::default(),
            is_whole: AtomicBool::new(true),
            floors: RwLock::default(),
            emptied: Mutex::default(),
            counters: Counters::default(),
        };
        if !replica.is_doubtful() {
            let synced = replica.engine.sync();
            replica.began = replica.engine.committed();
            let hints = synced.and_then(|()| HintBook::load(&*replica.engine));
            let loaded = hints.and_then(|hints| {
                let ledger = Self::load_ledger(&replica.engine, rules)?;
                let held = (ledger, Self::load_floors(&replica.engine)?);
                Ok((hints, PeerBook::load(&*replica.engine)?, Self::noted_fence(&replica.engine)?, held))
            });
            match loaded.and_then(|loaded| replica.load_sums(sums).map(|()| loaded)) {
                Ok((hints, peers, fence, (ledger, floors))) => {
                    replica.floors = RwLock::new(floors);
                    replica.fence = fence;
                    replica.is_whole = AtomicBool::new(ledger.is_clear());
                    replica.ledger = RwLock::new(ledger);
                    *replica.hints() = hints;
                    *replica.peers() = peers;
                }
                Err(error) => replica.judge(&error),
            }
        }
        replica
    }

    /// Answers `Ask`, `Read` and `Inspect`. `None`: only the disk could tell; ask again with [`ReadTier::Disk`],
    /// where waiting is allowed. A write is applied, at [`ReadTier::Disk`] only.
    pub fn read(&self, request: &Request, tier: ReadTier) -> Option<Reply> {
        if self.is_doubtful() {
            return Some(Reply::Refused(Refusal::Doubtful));
        }
        let answer = match request {
            // Round one of a write that this owner could not take: better said before anything is sent.
            Request::Ask { .. } if self.is_disk_full() => Err(Unread::Refused(Refusal::DiskFull)),
            Request::Ask { at } => self.admitted(at, tier).map(|(record, floors)| known(record, floors)),
            Request::Read { at, whole } => {
                self.admitted(at, tier).map(|(record, floors)| shown(record, floors, *whole))
            }
            Request::Inspect { at } => self.inspect(at, tier),
            Request::Write { .. } | Request::Assign { .. } | Request::Hint { .. } => match tier {
                ReadTier::BlockCache => Err(Unread::NotInMemory),
                ReadTier::Disk => return self.apply(std::slice::from_ref(request)).pop(),
            },
        };
        match answer {
            Ok(reply) => Some(reply),
            Err(Unread::Refused(refusal)) => Some(Reply::Refused(refusal)),
            Err(Unread::NotInMemory) => None,
        }
    }

    /// Whether the replica refuses everything because it can't trust its disk.
    pub fn is_doubtful(&self) -> bool {
        self.engine.is_doubtful()
    }

    /// Makes the replica doubtful because something else failed, such as a write of the consensus log.
    /// The first doubt stays.
    pub fn doubt(&self, reason: &str) {
        self.mark_doubtful(Doubt::new(Cause::Failed, reason));
    }

    /// Makes the replica doubtful. The first doubt stays.
    pub fn mark_doubtful(&self, doubt: Doubt) {
        self.engine.mark_doubtful(doubt);
    }

    /// The rules in force: all of them, outside the tests.
    pub(crate) fn rules(&self) -> Rules {
        self.rules
    }

    /// Counts since the start.
    pub fn statistics(&self) -> ReplicaStatistics {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        ReplicaStatistics {
            batches: count(&self.counters.batches),
            syncs: count(&self.counters.syncs),
            stored: count(&self.counters.stored),
            unchanged: count(&self.counters.unchanged),
        }
    }

    /// The engine below, for its statistics.
    pub fn engine(&self) -> &Arc<E> {
        &self.engine
    }

    /// The record of a place that this node owns, and the floors there at that moment.
    fn admitted(&self, at: &Place, tier: ReadTier) -> Result<(Option<Record>, Floors), Unread> {
        // The guard lives until the record is read: a new layout waits for us. Who must not wait does not wait for
        // one either: it may stand in line behind a read from the disk.
        let layout = match (tier, self.layout.try_read()) {
            (_, Ok(layout)) => layout,
            (ReadTier::BlockCache, Err(TryLockError::WouldBlock)) => return Err(Unread::NotInMemory),
            (ReadTier::Disk, Err(_)) | (_, Err(TryLockError::Poisoned(_))) => self.layout(),
        };
        self.admit(&layout, at, Wants::Answer)?;
        let holds_everything = self.holds(&layout, at, Wants::Everything).is_ok();
        let key = keys::record(at.table, &at.sort_key);
        let mut floors = self.floors_at(at.table, &at.sort_key);
        loop {
            let record = self.stored(Family::Records, &key, tier)?;
            // What is absent may have come, and have been sealed, between the two looks.
            let now = self.floors_at(at.table, &at.sort_key);
            if now == std::mem::replace(&mut floors, now) {
                let tells = rules::purge::tells_sealed(self.rules, holds_everything);
                return Ok((record, if tells { floors } else { Floors::default() }));
            }
        }
    }

    /// Checks that this node owns a place at the sender's epoch, and holds enough there for what is wanted; says how durable
    /// its table wants records.
    fn admit(&self, layout: &Layout, at: &Place, wants: Wants) -> Result<Durability, Refusal> {
        self.not_behind(layout)?;
        let durability = admission::admit(self.rules, layout, self.incarnation, at)?;
        self.holds(layout, at, wants)?;
        Ok(durability)
    }

    /// The record under a key.
    fn stored(&self, family: Family, key: &[u8], tier: ReadTier) -> Result<Option<Record>, Unread> {
        match self.engine.get(family, key, tier) {
            Ok(Lookup::Found(bytes)) => Ok(Some(self.decoded(&bytes)?)),
            Ok(Lookup::Absent) => Ok(None),
            Ok(Lookup::NotInMemory) => Err(Unread::NotInMemory),
            Err(error) => Err(Unread::Refused(self.refusal(&error))),
        }
    }

    /// The record under a key, from the disk if need be, with its bytes.
    fn held(&self, family: Family, key: &[u8]) -> Result<Option<(Record, Bytes)>, Refusal> {
        match self.engine.get(family, key, ReadTier::Disk) {
            Ok(Lookup::Found(bytes)) => Ok(Some((self.decoded(&bytes)?, bytes))),
            Ok(Lookup::Absent) => Ok(None),
            Ok(Lookup::NotInMemory) => {
                Err(self.refusal(&EngineError::Failed("a read from the disk did not reach it".into())))
            }
            Err(error) => Err(self.refusal(&error)),
        }
    }

    fn decoded(&self, bytes: &Bytes) -> Result<Record, Refusal> {
        Record::decode(bytes).map_err(|error| self.not_a_record(&error))
    }

    /// What it means that a record can't be read.
    fn not_a_record(&self, error: &DecodeError) -> Refusal {
        match error {
            // Written by a newer version, its checksum right: nothing is wrong with the disk, only with the version
            // that reads it. Refused, and not held against the replica.
            DecodeError::Unknown { .. } => {
                tracing::error!(
                    "a record can't be read by this version ({error}): run the newer version again"
                );
                Refusal::Doubtful
            }
            DecodeError::Length { .. } | DecodeError::Checksum | DecodeError::Malformed(_) => {
                self.refusal(&EngineError::Corrupt(error.to_string()))
            }
        }
    }

    /// Writes one batch and keeps the books about what is synced. What is remembered of peers is piggybacked in a
    /// synced one.
    fn write(
        &self,
        writer: &mut Writer,
        mut batch: Batch,
        durability: Durability,
    ) -> Result<(), EngineError> {
        let piggybacked = match durability {
            Durability::Sync if !batch.is_housekeeping() => self.peers().piggyback(&mut batch),
            Durability::Os | Durability::Sync => BTreeMap::new(),
        };
        self.engine.write(batch, durability)?;
        self.counters.batches.fetch_add(1, Ordering::Relaxed);
        match durability {
            Durability::Os => writer.unsynced = true,
            Durability::Sync => {
                self.peers().saved(&piggybacked);
                self.synced(writer);
            }
        }
        Ok(())
    }

    fn sync(&self, writer: &mut Writer) -> Result<(), EngineError> {
        self.engine.sync()?;
        self.synced(writer);
        Ok(())
    }

    fn synced(&self, writer: &mut Writer) {
        writer.unsynced = false;
        self.counters.syncs.fetch_add(1, Ordering::Relaxed);
    }

    /// Whether writes are refused, because less than the reserve is free.
    fn is_disk_full(&self) -> bool {
        self.engine.free_bytes().is_some_and(|free| free < self.limits.free_bytes_min)
    }

    fn trusted(&self) -> Result<(), Refusal> {
        if self.is_doubtful() { Err(Refusal::Doubtful) } else { Ok(()) }
    }

    /// What an error means to the sender of the request; makes the replica doubtful unless the disk is merely full.
    fn refusal(&self, error: &EngineError) -> Refusal {
        match error {
            EngineError::DiskFull(_) => Refusal::DiskFull,
            EngineError::Shortage(_) => Refusal::Overloaded,
            // Refused, and not held against the disk.
            EngineError::Newer(_) => Refusal::Doubtful,
            EngineError::Corrupt(_) | EngineError::Failed(_) | EngineError::Doubtful(_) => {
                self.judge(error);
                Refusal::Doubtful
            }
        }
    }

    /// Makes the replica doubtful unless the error says that nothing is wrong with the data.
    fn judge(&self, error: &EngineError) {
        if let Some(doubt) = rules::doubt::cast_by(self.rules, error) {
            self.mark_doubtful(doubt);
        }
    }

    fn layout(&self) -> RwLockReadGuard<'_, Layout> {
        self.layout.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn peers(&self) -> MutexGuard<'_, PeerBook> {
        // Every change of it is complete, even after a panic elsewhere.
        self.peers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn hints(&self) -> MutexGuard<'_, HintBook> {
        self.hints.lock().unwrap_or_else(|poisoned| {
            self.doubt("the books of hints were left half-way by a panic");
            poisoned.into_inner()
        })
    }

    fn writer(&self) -> MutexGuard<'_, Writer> {
        self.writer.lock().unwrap_or_else(|poisoned| {
            // A batch ended half-way in a panic: what the books say may not be what the disk holds.
            self.doubt("a batch ended in a panic");
            poisoned.into_inner()
        })
    }
}
