//! Closing what a change of the catalog left behind: the leader asks the owners until enough of them refuse it durably.
//!
//! A dropped table, or one whose durability changed, stays in the catalog as [`Closing`] until F owners of each of its
//! sets have said that they have closed it. Any leader can go on with that: all it needs is in the catalog, and an owner
//! that was asked before answers the same. Until then the change counts as open for everyone, and its author waits.
//!
//! The leader also enables the commands of this version once every member speaks it.

use super::Control;
use super::messages::{ControlReply, ControlRequest};
use quorate_consensus::Consensus;
use quorate_model::{Epoch, NodeId, TableId};
use quorate_ring::{Closing, Command, LEVEL_NEWEST};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// How often the leader asks again, beside at every change.
const LOOK: Duration = Duration::from_millis(500);

/// How long one look may take.
const LOOK_MAX: Duration = Duration::from_secs(5);

/// How long one round of questions may take.
const ROUND: Duration = Duration::from_secs(1);

/// Closes what is open, whenever this node leads, until the task is aborted.
pub async fn keep(control: Arc<Control>) {
    let mut changes = control.consensus.changes();
    let mut epochs = control.views.news();
    loop {
        if control.consensus.is_leader()
            && let Ok(Err(error)) = tokio::time::timeout(LOOK_MAX, control.close_next()).await
        {
            tracing::debug!("a change of the catalog is still open: {error}");
        }
        tokio::select! {
            changed = changes.changed() => if changed.is_err() { return },
            changed = epochs.changed() => if changed.is_err() { return },
            () = tokio::time::sleep(LOOK) => {}
        }
    }
}

impl Control {
    /// Writes what is due: a higher level, and the end of each change that enough owners have closed.
    async fn close_next(&self) -> Result<(), String> {
        let view = self.views.current();
        let catalog = view.catalog();
        let enable = Command::Enable { level: LEVEL_NEWEST };
        if catalog.level() < LEVEL_NEWEST && self.links.lacks(enable.since()).is_none() {
            self.write(&enable, Instant::now() + ROUND).await.map_err(|error| error.to_string())?;
        }
        for closing in catalog.closing() {
            let missing = self.missing(closing).await;
            if !missing.is_empty() {
                tracing::debug!(table = %closing.name, ?missing, "owners that have not closed a change yet");
                continue;
            }
            let closed = Command::Closed { table: closing.table, since: closing.since };
            self.write(&closed, Instant::now() + ROUND).await.map_err(|error| error.to_string())?;
        }
        Ok(())
    }

    /// Asks the owners; those that are still missing after a round, or none as soon as enough have closed it.
    async fn missing(&self, closing: &Closing) -> BTreeSet<NodeId> {
        let deadline = Instant::now() + ROUND;
        let request = ControlRequest::Close(closing.since);
        let mut closed = BTreeSet::new();
        let owners = closing.owners();
        if owners.contains(&self.node) && self.close_here(closing.since, deadline).await >= closing.since {
            closed.insert(self.node);
        }
        let others = owners.into_iter().filter(|owner| *owner != self.node);
        let mut asked = JoinSet::new();
        for owner in others {
            let answer = self.ask(owner, &request, deadline);
            asked.spawn(async move { (owner, answer.await) });
        }
        while !closing.missing(|node| closed.contains(&node)).is_empty() {
            match asked.join_next().await {
                Some(Ok((owner, Ok(ControlReply::Closed(epoch))))) if epoch >= closing.since => {
                    closed.insert(owner);
                }
                Some(_) => {}
                None => break,
            }
        }
        closing.missing(|node| closed.contains(&node))
    }

    /// What this node has closed, once it has applied an epoch and noted that, or at `until`.
    pub(super) async fn close_here(&self, epoch: Epoch, until: Instant) -> Epoch {
        self.views.reached(epoch, until).await;
        let replica = Arc::clone(&self.replica);
        // Waits for the disk, so not on the reactor.
        let closed = tokio::task::spawn_blocking(move || replica.close()).await;
        closed.expect("noting the fence does not panic")
    }

    /// Waits until no change of this table up to `since` is open; those owners that are awaited still at `deadline`, as
    /// far as this node knows.
    pub async fn closed(&self, table: TableId, since: Epoch, deadline: Instant) -> Vec<NodeId> {
        let mut epochs = self.views.news();
        loop {
            let view = self.views.current();
            let open = view.catalog().closing_of(table).filter(|closing| closing.since <= since);
            // The change itself is awaited too: this node may not have applied it yet.
            let Some(closing) = open.cloned() else {
                if view.epoch() >= since {
                    return Vec::new();
                }
                if !self.views.reached(since, deadline).await {
                    return vec![self.node];
                }
                continue;
            };
            if !matches!(tokio::time::timeout_at(deadline, epochs.changed()).await, Ok(Ok(()))) {
                let is_away = |node: NodeId| node != self.node && !view.liveness().is_alive(node);
                let away = closing.missing(|node| !is_away(node));
                let awaited = if away.is_empty() { closing.owners() } else { away };
                return awaited.into_iter().collect();
            }
        }
    }
}
