//! Replay of hints: what this node keeps for owners that were away is handed over once they are back.
//!
//! ```text
//!   link is up ──> page of hints ──> Write batch, bulk lane ──> Written ──> erase
//!                       ^                                          └─ holds something higher ──> repair read
//!                       └───────────── until the page is empty ────────────┘
//! ```
//!
//! # Invariants
//!
//! - A hint goes to its owner under the epoch of the newest view, and is erased only when the owner has acknowledged
//!   it, or when its table is gone. A hint that has grown meanwhile stays (the replica sees to that).
//! - An owner that holds something *higher* than the hint has heard of a write that the others may not know: a repair
//!   read at every owner makes them agree, and the hint is erased once a read saw that they do.
//! - Replay has a lane of its own, one batch at a time for each owner: it delays no key traffic.
//!
//! # What is left out
//!
//! Hints of owners that are none any more: shards do not move yet. They are kept.

use crate::clock;
use crate::drive::{Driver, Subject};
use crate::engine::Replica;
use crate::peer::{BATCH_ITEMS_MAX, Local};
use crate::recollection::Recollection;
use crate::views::Views;
use quorate_coordinator::{Context, Get, Question};
use quorate_model::{Held, NodeId, Refusal, Reply, Request};
use quorate_ring::{Plan, View};
use quorate_storage::{Hint, PageLimit};
use quorate_transport::{Kind, Lane, Links};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// How often owners are looked at, beside at every change of a link.
const LOOK: Duration = Duration::from_millis(500);

/// An owner's replay that pauses again for the same reason is logged again after so long.
const PAUSE_LOG: Duration = Duration::from_mins(1);

/// Limits of the replay to one owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReplayLimits {
    /// Hints of one batch. Default 512; at most [`BATCH_ITEMS_MAX`].
    pub batch_items_max: usize,
    /// Bytes of one batch. Default 2 MiB.
    pub batch_bytes_max: usize,
    /// How long an owner may take for one batch. Default 10 s.
    pub batch_timeout: Duration,
    /// Repair reads at once. Default 16.
    pub repairs_running_max: usize,
    /// How long one repair read may take. Default 5 s.
    pub repair_timeout: Duration,
}

impl Default for ReplayLimits {
    fn default() -> Self {
        Self {
            batch_items_max: BATCH_ITEMS_MAX / 2,
            batch_bytes_max: 2 * 1024 * 1024,
            batch_timeout: Duration::from_secs(10),
            repairs_running_max: 16,
            repair_timeout: Duration::from_secs(5),
        }
    }
}

/// What has been handed over.
#[derive(Debug, Default)]
pub struct Progress {
    replayed: AtomicU64,
    running: Mutex<BTreeSet<NodeId>>,
    /// Why each owner's replay pauses, and when that was logged.
    pauses: Mutex<BTreeMap<NodeId, (String, Instant)>>,
}

impl Progress {
    /// Hints handed over since the start.
    pub fn replayed(&self) -> u64 {
        self.replayed.load(Ordering::Relaxed)
    }

    /// Notes why an owner's replay pauses (`None`: it does not); whether that is worth a line in the log.
    fn is_news(&self, owner: NodeId, why: Option<&str>, now: Instant) -> bool {
        let mut pauses = self.pauses.lock().expect("nothing panics while it holds this lock");
        let Some(why) = why else { return pauses.remove(&owner).is_some() };
        let known = pauses.get(&owner).is_some_and(|(known, at)| known == why && now < *at + PAUSE_LOG);
        if !known {
            pauses.insert(owner, (why.to_owned(), now));
        }
        !known
    }

    fn begin(self: &Arc<Self>, owner: NodeId) -> Option<Replaying> {
        let mut running = self.running.lock().expect("nothing panics while it holds this lock");
        running.insert(owner).then(|| Replaying { progress: Arc::clone(self), owner })
    }
}

/// One owner's replay, for as long as this exists.
struct Replaying {
    progress: Arc<Progress>,
    owner: NodeId,
}

impl Drop for Replaying {
    fn drop(&mut self) {
        self.progress.running.lock().expect("nothing panics while it holds this lock").remove(&self.owner);
    }
}

/// What replay needs of its node.
pub struct Replay {
    /// This node.
    pub node: NodeId,
    /// The views.
    pub views: Arc<Views>,
    /// The links.
    pub links: Arc<Links>,
    /// The replica that keeps the hints.
    pub local: Arc<Local>,
    /// For repair reads.
    pub driver: Arc<Driver>,
    /// For repair reads.
    pub context: Context,
    /// What has been handed over.
    pub progress: Arc<Progress>,
    /// How much at a time.
    pub limits: ReplayLimits,
    /// For what owners say of their progress.
    pub recollection: Arc<Recollection>,
}

/// Why an owner's replay paused.
enum Pause {
    /// The owner is away, or does not answer.
    Away,
    /// The owner takes nothing now.
    Refused(Reply),
    /// This node's own disk.
    Here(Refusal),
}

impl Replay {
    /// Hands over whatever can be, until the task is aborted.
    pub async fn keep(self: Arc<Self>) {
        let mut changes = self.links.changes();
        let mut replays = JoinSet::new();
        loop {
            for owner in self.owners() {
                if let Some(replaying) = self.progress.begin(owner) {
                    let this = Arc::clone(&self);
                    replays.spawn(async move {
                        this.replay(owner).await;
                        drop(replaying);
                    });
                }
            }
            while replays.try_join_next().is_some() {}
            tokio::select! {
                changed = changes.changed() => if changed.is_err() { return },
                () = tokio::time::sleep(LOOK) => {}
            }
        }
    }

    /// Owners for whom hints are kept and who can be reached.
    fn owners(&self) -> Vec<NodeId> {
        if self.local.replica().is_doubtful() {
            return Vec::new();
        }
        let counts = self.local.replica().hint_counts();
        let waiting = counts.into_iter().filter(|(_, hints)| hints.count > 0).map(|(owner, _)| owner);
        waiting.filter(|owner| self.links.is_lane_up(*owner, Lane::Bulk)).collect()
    }

    async fn replay(&self, owner: NodeId) {
        let begun = Instant::now();
        let before = self.progress.replayed();
        let mut after: Option<Hint> = None;
        let paused = loop {
            match self.replay_page(owner, after).await {
                Ok(Some(last)) => after = Some(last),
                Ok(None) => break None,
                Err(pause) => break Some(pause),
            }
        };
        let count = self.progress.replayed() - before;
        let millis = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        let why = paused.map(|pause| match pause {
            Pause::Away => "it is away".to_owned(),
            Pause::Refused(reply) => format!("it answered {reply:?}"),
            Pause::Here(refusal) => format!("they cannot be read here: {refusal}"),
        });
        let news = self.progress.is_news(owner, why.as_deref(), Instant::now());
        match why {
            None if count > 0 => tracing::info!(%owner, count, millis, "hints handed over"),
            Some(why) if news => tracing::info!(%owner, count, millis, "hints handed over in part: {why}"),
            None | Some(_) => {}
        }
    }

    /// Hands over one page behind `after`; returns its last hint, or `None` if there was no page.
    async fn replay_page(&self, owner: NodeId, after: Option<Hint>) -> Result<Option<Hint>, Pause> {
        let limit = PageLimit { items: self.limits.batch_items_max, bytes: self.limits.batch_bytes_max };
        let page = self
            .on_replica(move |replica| {
                let after = after.as_ref().map(|hint| (hint.table, &hint.sort_key));
                replica.hints_for(owner, after, limit)
            })
            .await?;
        let Some(last) = page.last().cloned() else { return Ok(None) };
        let view = self.views.current();
        // A table that this catalog has issued and does not have is gone; one it has not issued yet will come.
        let catalog = view.catalog();
        let (mut done, sendable): (Vec<Hint>, Vec<Hint>) =
            page.into_iter().partition(|hint| catalog.is_dropped(hint.table));
        let sendable: Vec<(Hint, Plan)> = sendable
            .into_iter()
            .filter_map(|hint| {
                let plan = self.plan(&view, &hint)?;
                plan.candidates.iter().any(|candidate| candidate.node == owner).then_some((hint, plan))
            })
            .collect();
        let (mut overtaken, mut refused) = (Vec::new(), None);
        for ((hint, _), reply) in self.send(owner, sendable).await? {
            match acknowledged(&hint, &reply) {
                Acknowledged::AsHinted => done.push(hint),
                Acknowledged::Higher => {
                    overtaken.push(hint);
                }
                Acknowledged::No => refused = Some(reply),
            }
        }
        done.extend(self.repair(overtaken).await);
        let nothing_taken = done.is_empty();
        let erased = self.on_replica(move |replica| replica.erase_hints(owner, &done)).await?;
        self.progress.replayed.fetch_add(erased as u64, Ordering::Relaxed);
        match refused {
            // An owner that takes nothing now (its disk is full, its queue, its catalog is behind) is left alone.
            Some(reply) if nothing_taken => Err(Pause::Refused(reply)),
            Some(_) | None => Ok(Some(last)),
        }
    }

    /// Sends a batch; returns each hint with its reply.
    async fn send(
        &self,
        owner: NodeId,
        hints: Vec<(Hint, Plan)>,
    ) -> Result<Vec<((Hint, Plan), Reply)>, Pause> {
        if hints.is_empty() {
            return Ok(Vec::new());
        }
        let write = |(hint, plan): &(Hint, Plan)| Request::Write {
            at: plan.place.clone(),
            record: hint.record.clone(),
            durability: plan.table.durability,
        };
        let requests: Vec<Request> = hints.iter().map(write).collect();
        let batch = minicbor::to_vec(requests).expect("encoding into memory cannot fail");
        let deadline = Instant::now() + self.limits.batch_timeout;
        let answered = self.links.call(owner, Lane::Bulk, Kind::Batch, deadline, &batch).await;
        let payload = answered.map_err(|_| Pause::Away)?;
        let answer = crate::peer::answers(&payload).map_err(|_| Pause::Away)?;
        let replies = self.recollection.open(owner, answer);
        if replies.len() != hints.len() {
            return Err(Pause::Away);
        }
        Ok(hints.into_iter().zip(replies).collect())
    }

    /// Reads keys at every owner, which makes them agree; returns the hints that are done: those of which a read saw
    /// that all owners hold the same. As long as one is away, or has only just been sent the record, the hint stays,
    /// and is looked at again: nobody else remembers that these owners differ.
    async fn repair(&self, overtaken: Vec<Hint>) -> Vec<Hint> {
        let mut reads = JoinSet::new();
        let mut done = Vec::new();
        for hint in overtaken {
            if reads.len() >= self.limits.repairs_running_max {
                done.extend(reads.join_next().await.and_then(Result::ok).flatten());
            }
            // Of this moment: who was down when the page was read may be back.
            let Some(plan) = self.plan(&self.views.current(), &hint) else { continue };
            if plan.candidates.iter().any(|candidate| !candidate.alive) {
                continue;
            }
            let required = plan.table.n;
            let deadline = Instant::now() + self.limits.repair_timeout;
            let question = Question { required, deadline: clock::instant(deadline) };
            let subject =
                Subject { table: hint.table, sort_key: hint.sort_key.clone(), deadline, value_bytes: 0 };
            let machine = Get::new(Arc::new(plan), question, self.context);
            let driver = Arc::clone(&self.driver);
            reads.spawn(async move {
                let answer = driver.run(machine, subject).await.ok()?.ok()?;
                (answer.acks == answer.n).then_some(hint)
            });
        }
        while let Some(read) = reads.join_next().await {
            done.extend(read.ok().flatten());
        }
        done
    }

    fn plan(&self, view: &View, hint: &Hint) -> Option<Plan> {
        let table = view.table_by_id(hint.table)?;
        Some(view.plan_at(table, hint.sort_key.clone(), self.node))
    }

    /// Runs blocking work with the replica off the reactor.
    async fn on_replica<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Replica) -> Result<T, Refusal> + Send + 'static,
    ) -> Result<T, Pause> {
        let replica = Arc::clone(self.local.replica());
        let done = tokio::task::spawn_blocking(move || work(&replica)).await;
        done.unwrap_or(Err(Refusal::Doubtful)).map_err(Pause::Here)
    }
}

/// What an owner's reply says about a hint.
#[derive(Debug, PartialEq, Eq)]
enum Acknowledged {
    /// It holds exactly what the hint said.
    AsHinted,
    /// It holds something higher.
    Higher,
    /// It has not taken it.
    No,
}

fn acknowledged(hint: &Hint, reply: &Reply) -> Acknowledged {
    let hinted: Held = hint.record.held();
    match reply {
        Reply::Written { held } if *held > hinted => Acknowledged::Higher,
        Reply::Written { held } if *held == hinted => Acknowledged::AsHinted,
        Reply::Written { .. }
        | Reply::Known { .. }
        | Reply::Record(_)
        | Reply::Digest { .. }
        | Reply::Assigned { .. }
        | Reply::Hinted
        | Reply::Inspected(_)
        | Reply::Refused(_)
        | Reply::Broken => Acknowledged::No,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_is_news_when_it_begins_changes_or_has_lasted() {
        let (progress, owner, begun) = (Progress::default(), NodeId(2), Instant::now());
        assert!(progress.is_news(owner, Some("full"), begun));
        assert!(!progress.is_news(owner, Some("full"), begun + LOOK));
        assert!(progress.is_news(NodeId(3), Some("full"), begun + LOOK), "each owner has its own");
        assert!(progress.is_news(owner, Some("behind"), begun + LOOK));
        assert!(!progress.is_news(owner, Some("behind"), begun + PAUSE_LOG));
        assert!(progress.is_news(owner, Some("behind"), begun + LOOK + PAUSE_LOG));
        progress.is_news(owner, None, begun + LOOK + PAUSE_LOG);
        assert!(progress.is_news(owner, Some("behind"), begun + LOOK + PAUSE_LOG), "it had gone on between");
    }
}
