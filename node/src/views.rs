//! The views of this node: the newest catalog it has applied, with who seems down, published to every request.
//!
//! Consensus applies commands in its own time; requests never wait for it. In between stands one pointer: a request
//! takes the view that is there and keeps it. Publishing goes in one order only: first the replica refuses by the new
//! layout, then the view is there, then those that waited for the epoch are woken. So no request is sent here under an
//! epoch whose layout the replica does not have yet.

use arc_swap::ArcSwap;
use quorate_coordinator::Plans;
use quorate_model::{Epoch, Interval, NodeId, ShardNow, SortKey, TableId};
use quorate_ring::{Catalog, Liveness, Plan, View};
use std::sync::{Arc, Mutex};
use tokio::sync::watch;
use tokio::time::Instant;

/// The newest view, and news of it.
pub struct Views {
    local: NodeId,
    current: ArcSwap<View>,
    epoch: watch::Sender<Epoch>,
    /// Held while a view is replaced: the catalog and liveness come from two places.
    replacing: Mutex<()>,
}

impl Views {
    /// Of a node that knows this catalog and nothing about the others.
    pub fn new(local: NodeId, catalog: Catalog) -> Self {
        let epoch = watch::Sender::new(catalog.epoch());
        let view = View::new(Arc::new(catalog), Liveness::all_alive());
        Self { local, current: ArcSwap::from_pointee(view), epoch, replacing: Mutex::default() }
    }

    /// The newest view.
    pub fn current(&self) -> Arc<View> {
        self.current.load_full()
    }

    /// Looks at the newest view without keeping it: for what every request asks.
    pub fn look<T>(&self, look: impl FnOnce(&View) -> T) -> T {
        look(&self.current.load())
    }

    /// The newest catalog's epoch.
    pub fn epoch(&self) -> Epoch {
        *self.epoch.borrow()
    }

    /// Publishes a catalog, whose layout the replica must have by now. An older one is ignored.
    pub fn publish(&self, catalog: Arc<Catalog>) {
        let epoch = catalog.epoch();
        {
            let _replacing = self.replacing.lock().expect("nothing panics while it holds this lock");
            let current = self.current.load();
            if epoch < current.epoch() {
                return;
            }
            self.current.store(Arc::new(current.with_catalog(catalog)));
        }
        self.epoch.send_if_modified(|known| {
            let newer = epoch > *known;
            *known = epoch.max(*known);
            newer
        });
    }

    /// Publishes who seems down.
    pub fn set_liveness(&self, liveness: Liveness) {
        let _replacing = self.replacing.lock().expect("nothing panics while it holds this lock");
        let current = self.current.load();
        if *current.liveness() != liveness {
            self.current.store(Arc::new(current.with_liveness(liveness)));
        }
    }

    /// Waits until this node has applied an epoch; false: it had not at `until`.
    pub async fn reached(&self, epoch: Epoch, until: Instant) -> bool {
        tokio::time::timeout_at(until, self.applied(epoch)).await.is_ok()
    }

    /// Waits until this node has applied an epoch.
    pub async fn applied(&self, epoch: Epoch) {
        let mut known = self.epoch.subscribe();
        drop(known.wait_for(|known| *known >= epoch).await.expect("it is kept as long as the views"));
    }

    /// News of epochs.
    pub fn news(&self) -> watch::Receiver<Epoch> {
        self.epoch.subscribe()
    }

    /// Where a key lives in the newest view; `None`: the table is gone.
    pub fn plan(&self, table: TableId, sort_key: &SortKey) -> Option<Plan> {
        let view = self.current.load();
        let table = view.table_by_id(table)?;
        Some(view.plan_at(table, sort_key.clone(), self.local))
    }
}

impl Plans for Views {
    fn plan_of_range(&self, table: TableId, range: &Interval, reverse: bool) -> Option<Plan> {
        let view = self.current.load();
        let table = view.table_by_id(table)?;
        Some(view.plan_of_range(table, range, reverse, self.local))
    }

    fn epoch(&self) -> Epoch {
        Views::epoch(self)
    }

    fn plan(&self, table: TableId, sort_key: &SortKey) -> Option<Plan> {
        Views::plan(self, table, sort_key)
    }

    fn plan_by(&self, table: TableId, sort_key: &SortKey, now: &ShardNow) -> Option<Plan> {
        let view = self.current.load();
        view.plan_by(view.table_by_id(table)?, now, sort_key.clone(), self.local)
    }

    fn is_dropped(&self, table: TableId) -> bool {
        self.current.load().catalog().is_dropped(table)
    }
}
