//! How this node comes back from a loss, as it tells people and the other members: what `heal.rs` makes of a doubt, then
//! how far `fill.rs` has come.

use crate::control::{Healing, LACKS_MAX, ShardLack};
use crate::engine::Replica;
use crate::views::Views;
use quorate_coordinator::fill::{Progress, Waiting};
use quorate_model::{CopyState, Gap, NodeId};
use quorate_ring::{Shard, View};
use quorate_storage::Cause;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;

/// What becomes of a doubt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outlook {
    /// An operator decides: the setting says so.
    Off,
    /// It heals by itself.
    Heals,
    /// It heals by itself as soon as it can; why it can't yet.
    Waits(String),
    /// It can't; why.
    Never(String),
}

/// Whether a doubt for this reason is one that others' data can end.
pub fn can_heal(cause: Cause) -> bool {
    match cause {
        Cause::Behind | Cause::MachineStopped | Cause::Failed => true,
        Cause::Damaged => false,
    }
}

/// See the module's essay.
pub struct Recovery {
    node: NodeId,
    replica: Arc<Replica>,
    views: Arc<Views>,
    outlook: Mutex<Outlook>,
    progress: Mutex<Progress>,
    /// Counts the changes of how many copies are to be filled.
    news: watch::Sender<u64>,
}

impl Recovery {
    /// Of a node; whether it may heal by itself.
    pub fn new(node: NodeId, replica: Arc<Replica>, views: Arc<Views>, heals: bool) -> Self {
        let outlook = Mutex::new(if heals { Outlook::Heals } else { Outlook::Off });
        Self { node, replica, views, outlook, progress: Mutex::default(), news: watch::Sender::new(0) }
    }

    /// What becomes of the doubt that there is.
    pub fn outlook(&self) -> Outlook {
        lock(&self.outlook).clone()
    }

    /// Notes that; whether it is news.
    pub fn expect(&self, outlook: Outlook) -> bool {
        let is_news = *lock(&self.outlook) != outlook;
        *lock(&self.outlook) = outlook;
        is_news
    }

    /// Notes how far the filling has come.
    pub fn note(&self, progress: Progress) {
        let said = |of: &Progress| (of.shards, of.lossy, of.filled, of.waiting.clone());
        let before = std::mem::replace(&mut *lock(&self.progress), progress.clone());
        if said(&before) != said(&progress) {
            self.news.send_modify(|count| *count += 1);
        }
    }

    /// News of copies that begin to be filled, are whole, or wait.
    pub fn news(&self) -> watch::Receiver<u64> {
        self.news.subscribe()
    }

    /// How far the filling has come.
    pub fn progress(&self) -> Progress {
        lock(&self.progress).clone()
    }

    /// How far this node has come back; `None`: it holds everything that it owns, or it waits for an operator.
    pub fn healing(&self) -> Option<Healing> {
        let view = self.views.current();
        if let Some(doubt) = self.replica.health().doubt {
            let waits_for = match self.outlook() {
                Outlook::Off | Outlook::Never(_) => return None,
                Outlook::Heals => None,
                Outlook::Waits(why) => Some(why),
            };
            let shards = || view.catalog().tables().flat_map(|table| table.shards());
            let owned = shards().filter(|shard| shard.is_held_by(self.node)).count() as u64;
            return can_heal(doubt.cause).then(|| Healing { shards: owned, waits_for, ..Healing::default() });
        }
        // Asked of the replica: the filling itself may not have looked yet.
        let (shards, gaps) = self.replica.lacking();
        if gaps.is_empty() {
            return None;
        }
        let progress = lock(&self.progress);
        let waits_for = progress.waiting.first().map(|waiting| sentence(&view, waiting));
        let lacks = if gaps.len() > LACKS_MAX { Vec::new() } else { lacks(&view, &gaps) };
        let whole = shards - gaps.len() as u64;
        Some(Healing { shards, whole, records: progress.records, waits_for, lacks })
    }
}

/// The shards of these gaps. Where the view has another catalog than the replica for a moment, one may be missing, and
/// the others are then told that none is named.
fn lacks(view: &View, gaps: &[Gap]) -> Vec<ShardLack> {
    let of = |gap: &Gap| {
        let shard: &Shard = view.table_by_id(gap.table)?.shard_at(&gap.interval.start);
        let takes_writes = match gap.state {
            CopyState::Whole | CopyState::Filling => true,
            CopyState::Lossy => false,
        };
        (shard.interval == gap.interval).then_some(ShardLack { shard: shard.id, takes_writes })
    };
    gaps.iter().filter_map(of).collect()
}

/// What a shard waits for, with names.
fn sentence(view: &View, waiting: &Waiting) -> String {
    let catalog = view.catalog();
    format!("shard {} {}", catalog.shard_called(waiting.shard), waiting.cause.says(catalog))
}

fn lock<T>(held: &Mutex<T>) -> MutexGuard<'_, T> {
    // Every change of it is complete, even after a panic elsewhere.
    held.lock().unwrap_or_else(PoisonError::into_inner)
}
