//! The state machine of consensus: `Catalog::apply`, and nothing else.
//!
//! What was applied is kept in memory and in snapshots; between two snapshots the log has it. At a start the library
//! applies again what was known to be committed, from this node's own disk and without asking a peer, so key traffic
//! begins from the last known catalog also where there is no majority.

use crate::codec::Coded;
use crate::log::{Log, malformed, reading, writing};
use crate::types::{Entry, LogId, SnapshotMeta, StorageError, StoredMembership, Types};
use minicbor::{Decode, Encode};
use openraft::storage::{RaftLogStorage, RaftStateMachine, Snapshot};
use openraft::{EntryPayload, RaftLogReader, RaftSnapshotBuilder};
use quorate_ring::{Catalog, Receipt, Rejection};
use quorate_storage::{EngineError, RaftStore};
use std::io::Cursor;
use std::pin::Pin;
use std::sync::{Arc, Mutex};

/// Where applied catalogs go: what the rest of a node sees of them.
pub trait Publish: Send + Sync + 'static {
    /// Publishes a catalog; when it returns, it is in force on this node. An older one than the last changes nothing.
    fn publish(&self, catalog: Arc<Catalog>) -> Pin<Box<dyn Future<Output = ()> + Send + '_>>;
}

/// See the module's essay. Cheap to clone: the snapshot builder is a clone.
#[derive(Clone)]
pub struct Machine {
    log: Log,
    state: Arc<Mutex<State>>,
    /// Held from looking at the snapshot on the disk until its successor is there: the builder works beside a call
    /// that installs one.
    saving: Arc<tokio::sync::Mutex<()>>,
    publisher: Arc<dyn Publish>,
}

/// What has been applied.
#[derive(Clone)]
struct State {
    applied: Option<LogId>,
    membership: StoredMembership,
    catalog: Arc<Catalog>,
}

/// A snapshot on disk: its description, then the catalog.
#[derive(Encode, Decode)]
pub struct Stored {
    #[cbor(n(0), with = "minicbor::bytes")]
    meta: Vec<u8>,
    #[cbor(n(1), with = "minicbor::bytes")]
    catalog: Vec<u8>,
}

impl Stored {
    fn decode(bytes: &[u8]) -> Result<(SnapshotMeta, Vec<u8>), EngineError> {
        let stored: Stored = minicbor::decode(bytes).map_err(|error| malformed(&error))?;
        let meta = SnapshotMeta::decode(&stored.meta).map_err(|error| malformed(&error))?;
        Ok((meta, stored.catalog))
    }

    /// The bytes of a snapshot of this catalog.
    pub fn encode(meta: &SnapshotMeta, catalog: Vec<u8>) -> Vec<u8> {
        let stored = Stored { meta: meta.encode(), catalog };
        minicbor::to_vec(stored).expect("encoding into memory cannot fail")
    }
}

/// Whether these bytes are a snapshot that a start can go on from; for the tests of the decoders of all outside bytes.
pub fn takes(bytes: &[u8]) -> bool {
    let Ok((meta, catalog)) = Stored::decode(bytes) else { return false };
    let again = Stored::decode(&Stored::encode(&meta, catalog.clone()));
    assert_eq!(again.expect("what was written can be read"), (meta, catalog.clone()));
    Catalog::decode(&catalog).is_ok()
}

impl Machine {
    /// From the last snapshot on this node's disk, if there is one.
    pub async fn load(log: Log, publisher: Arc<dyn Publish>) -> Result<Self, EngineError> {
        let stored = log.blocking(RaftStore::snapshot).await?;
        let state = match stored {
            None => State {
                applied: None,
                membership: StoredMembership::default(),
                catalog: Arc::new(Catalog::empty()),
            },
            Some(bytes) => {
                let (meta, catalog) = Stored::decode(&bytes)?;
                State {
                    applied: meta.last_log_id,
                    membership: meta.last_membership,
                    catalog: Arc::new(Catalog::decode(&catalog).map_err(|error| malformed(&error))?),
                }
            }
        };
        publisher.publish(Arc::clone(&state.catalog)).await;
        Ok(Self { log, state: Arc::new(Mutex::new(state)), saving: Arc::default(), publisher })
    }

    /// Publishes the last catalog that this node's disk knows, as far as it can be read, for a node that takes no
    /// part in consensus.
    pub async fn publish_last_known(log: Log, publisher: Arc<dyn Publish>) -> Result<(), StorageError> {
        let mut machine = Self::load(log, publisher).await.map_err(|error| reading(&error))?;
        let Some(committed) = machine.log.read_committed().await? else { return Ok(()) };
        let from = machine.state().applied.map_or(0, |applied| applied.index + 1);
        let entries = machine.log.try_get_log_entries(from..committed.index.saturating_add(1)).await?;
        machine.apply(entries).await?;
        Ok(())
    }

    /// Keeps a snapshot, unless the one on the disk is newer; whether it was kept.
    pub(crate) async fn save(&self, meta: &SnapshotMeta, catalog: Vec<u8>) -> Result<bool, StorageError> {
        let _one_at_a_time = self.saving.lock().await;
        let kept = self.log.blocking(RaftStore::snapshot).await.map_err(|error| reading(&error))?;
        if let Some(kept) = kept {
            let (kept, _) = Stored::decode(&kept).map_err(|error| reading(&error))?;
            if kept.last_log_id > meta.last_log_id {
                return Ok(false);
            }
        }
        let stored = Stored::encode(meta, catalog);
        let saved = self.log.blocking(move |store| store.set_snapshot(&stored)).await;
        saved.map(|()| true).map_err(|error| writing(&error))
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().expect("nothing panics while it holds this lock")
    }
}

impl RaftStateMachine<Types> for Machine {
    type SnapshotBuilder = Self;

    async fn applied_state(&mut self) -> Result<(Option<LogId>, StoredMembership), StorageError> {
        let state = self.state();
        Ok((state.applied, state.membership.clone()))
    }

    async fn apply<I>(&mut self, entries: I) -> Result<Vec<Option<Result<Receipt, Rejection>>>, StorageError>
    where
        I: IntoIterator<Item = Entry> + Send,
        I::IntoIter: Send,
    {
        let (answers, catalog) = {
            let mut state = self.state();
            let mut answers = Vec::new();
            for entry in entries {
                answers.push(match entry.payload {
                    EntryPayload::Blank => None,
                    EntryPayload::Membership(membership) => {
                        state.membership = StoredMembership::new(Some(entry.log_id), membership);
                        None
                    }
                    EntryPayload::Normal(command) => Some(state.catalog.apply(&command).map(|applied| {
                        let receipt = applied.receipt();
                        state.catalog = Arc::new(applied.catalog);
                        receipt
                    })),
                });
                state.applied = Some(entry.log_id);
            }
            (answers, Arc::clone(&state.catalog))
        };
        // Only what is published counts as applied: a caller that waits for this entry finds its effect in the view.
        self.publisher.publish(catalog).await;
        Ok(answers)
    }

    async fn get_snapshot_builder(&mut self) -> Self {
        self.clone()
    }

    async fn begin_receiving_snapshot(&mut self) -> Result<Box<Cursor<Vec<u8>>>, StorageError> {
        Ok(Box::default())
    }

    async fn install_snapshot(
        &mut self,
        meta: &SnapshotMeta,
        snapshot: Box<Cursor<Vec<u8>>>,
    ) -> Result<(), StorageError> {
        let bytes = snapshot.into_inner();
        let catalog = Catalog::decode(&bytes).map_err(|error| reading(&malformed(&error)))?;
        let catalog = Arc::new(catalog);
        if !self.save(meta, bytes).await? {
            // What is newer was made from this machine's state.
            return Ok(());
        }
        *self.state() = State {
            applied: meta.last_log_id,
            membership: meta.last_membership.clone(),
            catalog: Arc::clone(&catalog),
        };
        self.publisher.publish(catalog).await;
        Ok(())
    }

    async fn get_current_snapshot(&mut self) -> Result<Option<Snapshot<Types>>, StorageError> {
        let stored = self.log.blocking(RaftStore::snapshot).await.map_err(|error| reading(&error))?;
        let Some(bytes) = stored else { return Ok(None) };
        let (meta, catalog) = Stored::decode(&bytes).map_err(|error| reading(&error))?;
        Ok(Some(Snapshot { meta, snapshot: Box::new(Cursor::new(catalog)) }))
    }
}

impl RaftSnapshotBuilder<Types> for Machine {
    async fn build_snapshot(&mut self) -> Result<Snapshot<Types>, StorageError> {
        let State { applied, membership, catalog } = self.state().clone();
        let index = applied.map_or(0, |at| at.index);
        let meta = SnapshotMeta {
            last_log_id: applied,
            last_membership: membership,
            snapshot_id: format!("{index}"),
        };
        let bytes = catalog.encode();
        self.save(&meta, bytes.clone()).await?;
        Ok(Snapshot { meta, snapshot: Box::new(Cursor::new(bytes)) })
    }
}
