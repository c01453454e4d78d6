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
use std::collections::BTreeMap;
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
        // The highest level that every member speaks.
        let mut levels = (catalog.level() + 1..=LEVEL_NEWEST).rev().map(|level| Command::Enable { level });
        if let Some(enable) = levels.find(|enable| self.links.lacks(enable.since()).is_none()) {
            self.write(&enable, Instant::now() + ROUND).await.map_err(|error| error.to_string())?;
        }
        let mut open: Vec<Arc<Closing>> = catalog.closing().cloned().collect();
        let mut closed: BTreeMap<NodeId, Epoch> = BTreeMap::new();
        let mut asked = self.ask_to_close(&open);
        loop {
            let is_over = |change: &Arc<Closing>| {
                let has_closed = |node: NodeId| closed.get(&node).is_some_and(|epoch| *epoch >= change.since);
                change.missing(has_closed).is_empty()
            };
            let (over, still): (Vec<_>, Vec<_>) = open.into_iter().partition(is_over);
            for change in over {
                let command = Command::Closed { table: change.table, since: change.since };
                self.write(&command, Instant::now() + ROUND).await.map_err(|error| error.to_string())?;
            }
            open = still;
            if open.is_empty() {
                break;
            }
            match asked.join_next().await {
                Some(Ok((owner, Some(epoch)))) => {
                    closed.insert(owner, epoch);
                }
                Some(_) => {}
                None => break,
            }
        }
        for change in open {
            tracing::debug!(table = %change.name, ?closed, "owners that have not closed a change yet");
        }
        Ok(())
    }

    /// Asks each owner once, for the latest of the changes in which it counts: what it has closed is one number.
    fn ask_to_close(&self, open: &[Arc<Closing>]) -> JoinSet<(NodeId, Option<Epoch>)> {
        let deadline = Instant::now() + ROUND;
        let mut latest: BTreeMap<NodeId, Epoch> = BTreeMap::new();
        for change in open {
            for owner in change.owners() {
                let since = latest.entry(owner).or_default();
                *since = change.since.max(*since);
            }
        }
        let mut asked = JoinSet::new();
        for (owner, since) in latest {
            if owner == self.node {
                let here = self.close_here(since, deadline);
                asked.spawn(async move { (owner, Some(here.await)) });
                continue;
            }
            let answer = self.ask(owner, &ControlRequest::Close(since), deadline);
            asked.spawn(async move {
                match answer.await {
                    Ok(ControlReply::Closed(epoch)) => (owner, Some(epoch)),
                    Ok(_) | Err(_) => (owner, None),
                }
            });
        }
        asked
    }

    /// What this node has closed, once it has applied an epoch and noted that, or at `until`. One thread at a time waits for
    /// the disk, however long that takes.
    pub(super) fn close_here(&self, epoch: Epoch, until: Instant) -> impl Future<Output = Epoch> + use<> {
        let (views, replica, noting) =
            (Arc::clone(&self.views), Arc::clone(&self.replica), Arc::clone(&self.noting));
        async move {
            views.reached(epoch, until).await;
            if let Ok(noting) = noting.try_lock_owned()
                && replica.closed() < epoch
            {
                let at_the_disk = Arc::clone(&replica);
                let noted = tokio::task::spawn_blocking(move || {
                    let _noting = noting;
                    at_the_disk.close()
                });
                drop(tokio::time::timeout_at(until, noted).await);
            }
            replica.closed()
        }
    }

    /// Waits until no change of this table, or of an earlier one of its name, is open; those owners that are awaited still at
    /// `deadline`, as far as this node knows.
    pub async fn closed(
        &self,
        (table, name): (TableId, Option<&str>),
        since: Epoch,
        deadline: Instant,
    ) -> Vec<NodeId> {
        let mut epochs = self.views.news();
        loop {
            if !self.views.reached(since, deadline).await {
                return vec![self.node];
            }
            let view = self.views.current();
            let is_awaited = |change: &&Arc<Closing>| {
                let is_before = change.since <= since && Some(change.name.as_str()) == name;
                change.table == table || is_before
            };
            let Some(change) = view.catalog().closing().find(is_awaited).cloned() else {
                // That it is closed is known everywhere, too: no member refuses for its sake any more.
                self.wait_for_members(view.epoch(), deadline).await;
                return Vec::new();
            };
            if !matches!(tokio::time::timeout_at(deadline, epochs.changed()).await, Ok(Ok(()))) {
                let is_away = |node: NodeId| node != self.node && !view.liveness().is_alive(node);
                let away = change.missing(|node| !is_away(node));
                let awaited = if away.is_empty() { change.owners() } else { away };
                return awaited.into_iter().collect();
            }
        }
    }
}
