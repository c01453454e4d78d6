//! The replay of hints, carried out: what this node keeps for owners that were away is handed over once they are back, and
//! where it is to leave, kept by another member.
//!
//! What is sent when, and erased when, is decided by [`quorate_coordinator::replay`]; here are the links, the replica that
//! keeps the hints, and the driver of the reads that make owners agree. Batches have a lane of their own.

use crate::clock;
use crate::drive::{Driver, Subject};
use crate::engine::Replica;
use crate::peer::Local;
use crate::recollection::Recollection;
use crate::views::Views;
use quorate_coordinator::replay::{self, Action, Input, Look, Pause};
use quorate_coordinator::{Context, Position};
use quorate_model::{NodeId, Refusal, Reply, Request};
use quorate_storage::PageLimit;
use quorate_transport::{Kind, Lane, Links};
use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::Instant;

pub use quorate_coordinator::ReplayLimits;

/// An owner's replay that pauses again for the same reason is logged again after so long.
const PAUSE_LOG: Duration = Duration::from_mins(1);

/// What has been handed over.
#[derive(Debug, Default)]
pub struct Progress {
    replayed: AtomicU64,
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
}

/// What replay needs of its node.
pub struct Replay {
    /// The views.
    pub views: Arc<Views>,
    /// The links.
    pub links: Arc<Links>,
    /// The replica that keeps the hints.
    pub local: Arc<Local>,
    /// For the reads.
    pub driver: Arc<Driver>,
    /// For the reads.
    pub context: Context,
    /// What has been handed over.
    pub progress: Arc<Progress>,
    /// How much at a time.
    pub limits: ReplayLimits,
    /// For what owners say of their progress.
    pub recollection: Arc<Recollection>,
}

impl Replay {
    /// Hands over whatever can be, until the task is aborted.
    pub async fn keep(self: Arc<Self>) {
        let mut changes = self.links.changes();
        let mut replay = replay::Replay::new(self.context, self.limits);
        let mut actions = Vec::new();
        let mut work: JoinSet<Input> = JoinSet::new();
        // For whom each piece of work is done, and since when each owner's replay runs.
        let (mut owners, mut begun) = (HashMap::new(), BTreeMap::new());
        loop {
            for action in actions.drain(..) {
                let owner = match &action {
                    Action::Ended { owner, handed_over, pause } => {
                        let since = begun.remove(owner).unwrap_or_else(Instant::now);
                        self.log(*owner, *handed_over, since, pause.as_ref());
                        continue;
                    }
                    Action::Page { owner, .. }
                    | Action::Send { owner, .. }
                    | Action::Read { owner, .. }
                    | Action::Erase { owner, .. } => *owner,
                };
                begun.entry(owner).or_insert_with(Instant::now);
                let task = work.spawn(Arc::clone(&self).carry_out(action));
                owners.insert(task.id(), owner);
            }
            let look_at = clock::tokio_instant(replay.wake_at());
            let input = tokio::select! {
                Some(done) = work.join_next_with_id() => match done {
                    Ok((task, input)) => {
                        owners.remove(&task);
                        input
                    }
                    // It panicked: a bug, and no reason to stop replaying to the others.
                    Err(error) => match owners.remove(&error.id()) {
                        Some(owner) => Input::Failed(owner),
                        None => continue,
                    },
                },
                changed = changes.changed() => match changed {
                    Ok(()) => Input::Look(self.look()),
                    Err(_) => return,
                },
                () = tokio::time::sleep_until(look_at) => Input::Look(self.look()),
            };
            replay.step(clock::now(), input, &*self.views, &mut actions);
        }
    }

    /// For whom hints are kept, and who may keep them in the place of this node.
    fn look(&self) -> Look {
        if self.local.replica().is_doubtful() {
            return Look::default();
        }
        let counts = self.local.replica().hint_counts();
        let waiting = counts.into_iter().filter(|(_, hints)| hints.count > 0).map(|(owner, _)| owner);
        let view = self.views.current();
        let is_gone = |owner: NodeId| {
            let known = view.catalog().node(owner);
            view.catalog().is_founded() && known.is_none_or(|node| node.is_gone())
        };
        let is_up = |node: NodeId| self.links.is_lane_up(node, Lane::Bulk);
        let (reachable, away) = waiting.partition(|owner| is_up(*owner) || is_gone(*owner));
        Look { reachable, away, keepers: replay::keepers(view.catalog(), self.context.local, is_up) }
    }

    async fn carry_out(self: Arc<Self>, action: Action) -> Input {
        match action {
            Action::Page { owner, after, items, bytes } => {
                let read = move |replica: &Replica| {
                    let after = after.as_ref().map(|(table, sort_key)| (*table, sort_key));
                    replica.hints_for(owner, after, PageLimit { items, bytes })
                };
                Input::Page(owner, self.on_replica(read).await)
            }
            Action::Send { owner, to, requests, deadline } => {
                let deadline = clock::tokio_instant(deadline);
                Input::Replies(owner, self.send(to, requests, deadline).await)
            }
            Action::Read { owner, number, machine, plan, deadline } => {
                let subject = Subject {
                    table: plan.table.id,
                    at: Position::Key(plan.place.sort_key.clone()),
                    deadline: clock::tokio_instant(deadline),
                    value_bytes: 0,
                };
                Input::Read(owner, number, self.driver.run(*machine, subject).await.ok())
            }
            Action::Erase { owner, hints } => {
                let erased = self.on_replica(move |replica| replica.erase_hints(owner, &hints)).await;
                let count = erased.as_ref().map_or(0, |count| *count as u64);
                self.progress.replayed.fetch_add(count, Ordering::Relaxed);
                Input::Erased(owner, erased)
            }
            Action::Ended { owner, .. } => Input::Failed(owner),
        }
    }

    /// Sends a batch; the replies, if an answer comes that makes sense.
    async fn send(&self, owner: NodeId, requests: Vec<Request>, deadline: Instant) -> Option<Vec<Reply>> {
        if owner == self.context.local {
            return self.on_replica(move |replica| Ok(replica.apply(&requests))).await.ok();
        }
        let batch = minicbor::to_vec(requests).expect("encoding into memory cannot fail");
        let answered = self.links.call(owner, Lane::Bulk, Kind::Batch, deadline, &batch).await;
        let answer = crate::peer::answers(&answered.ok()?).ok()?;
        Some(self.recollection.open(owner, answer))
    }

    /// Runs blocking work with the replica off the reactor.
    async fn on_replica<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Replica) -> Result<T, Refusal> + Send + 'static,
    ) -> Result<T, Refusal> {
        let replica = Arc::clone(self.local.replica());
        let done = tokio::task::spawn_blocking(move || work(&replica)).await;
        done.unwrap_or(Err(Refusal::Doubtful))
    }

    fn log(&self, owner: NodeId, count: u64, begun: Instant, pause: Option<&Pause>) {
        let millis = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        let why = pause.map(|pause| match pause {
            Pause::Away => "it is away".to_owned(),
            Pause::Refused(reply) => format!("it answered {reply:?}"),
            Pause::Unkept(said) => {
                let said = said.as_ref().map(|reply| format!("answered {reply:?}"));
                let said = said.unwrap_or_else(|| "did not answer".to_owned());
                format!("this node leaves, and no other member keeps them: the last {said}")
            }
            Pause::Here(refusal) => format!("they cannot be read here: {refusal}"),
        });
        let news = self.progress.is_news(owner, why.as_deref(), Instant::now());
        match why {
            None if count > 0 => tracing::info!(%owner, count, millis, "hints handed over"),
            Some(why) if news => tracing::info!(%owner, count, millis, "hints handed over in part: {why}"),
            None | Some(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A_WHILE: Duration = Duration::from_millis(500);

    #[test]
    fn a_pause_is_news_when_it_begins_changes_or_has_lasted() {
        let (progress, owner, begun) = (Progress::default(), NodeId(2), Instant::now());
        assert!(progress.is_news(owner, Some("full"), begun));
        assert!(!progress.is_news(owner, Some("full"), begun + A_WHILE));
        assert!(progress.is_news(NodeId(3), Some("full"), begun + A_WHILE), "each owner has its own");
        assert!(progress.is_news(owner, Some("behind"), begun + A_WHILE));
        assert!(!progress.is_news(owner, Some("behind"), begun + PAUSE_LOG));
        assert!(progress.is_news(owner, Some("behind"), begun + A_WHILE + PAUSE_LOG));
        progress.is_news(owner, None, begun + A_WHILE + PAUSE_LOG);
        assert!(
            progress.is_news(owner, Some("behind"), begun + A_WHILE + PAUSE_LOG),
            "it had gone on between"
        );
    }
}
