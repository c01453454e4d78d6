//! The filling of copies after a loss, carried out: what this node lacks it reads from other owners, in the background.
//!
//! What is asked when, and noted when, is decided by [`quorate_coordinator::fill`]; here are the links and the replica.
//! Everything travels on the lane of what can wait, and is taken in on the thread of such work
//! ([`Background`](crate::background)), so many bytes a second at most ([`Pace`]).

mod pace;

use crate::clock;
use crate::engine::Replica;
use crate::peer::Local;
use crate::recollection::Recollection;
use crate::recovery::Recovery;
use crate::views::Views;
pub use pace::FillLimits;
use pace::Pace;
use quorate_coordinator::Context;
use quorate_coordinator::fill::{self, Action, Filling, Input, Member, Progress};
use quorate_model::{Answer, CopyState, Gap, NodeId, RangeReply, RangeRequest, Refusal, Reply, Request};
use quorate_ring::Catalog;
use quorate_ring::catalog::JobState;
use quorate_transport::{CallError, Kind, Lane, Links};
use std::sync::Arc;
use tokio::sync::{Mutex as Turns, oneshot};
use tokio::task::JoinSet;
use tokio::time::Instant;

/// What a filling needs of its node.
pub struct Filler {
    /// The views.
    pub views: Arc<Views>,
    /// The links.
    pub links: Arc<Links>,
    /// The replica that fills itself.
    pub local: Arc<Local>,
    /// For the machine.
    pub context: Context,
    /// For what owners say of their progress and of their disks.
    pub recollection: Arc<Recollection>,
    /// Hears how far it has come.
    pub recovery: Arc<Recovery>,
    /// How fast.
    pub limits: FillLimits,
}

impl Filler {
    /// Fills whatever is not whole, until the task is aborted.
    pub async fn keep(self: Arc<Self>) {
        let limits = fill::FillLimits::default();
        let mut filling = Filling::new(self.context, limits);
        let pace = Arc::new(Turns::new(Pace::new(Instant::now(), self.limits)));
        let mut actions = Vec::new();
        let mut work: JoinSet<Input> = JoinSet::new();
        let mut said = String::new();
        loop {
            for action in actions.drain(..) {
                work.spawn(Arc::clone(&self).carry_out(action, Arc::clone(&pace)));
            }
            let look_at = clock::tokio_instant(filling.wake_at());
            let mut held_back = false;
            let input = tokio::select! {
                // It panicked: a bug. What is noted on the disk is enough to begin anew.
                Some(done) = work.join_next() => if let Ok(input) = done {
                    input
                } else {
                    filling = Filling::new(self.context, limits);
                    continue;
                },
                () = tokio::time::sleep_until(look_at) => {
                    let (input, is_paused) = self.look().await;
                    held_back = is_paused;
                    input
                }
            };
            filling.step(clock::now(), input, &*self.views, &mut actions);
            let progress = filling.progress();
            if !held_back {
                log(&mut said, &progress);
            }
            self.recovery.note(progress);
        }
    }

    /// What is not whole, and what the members are like; and whether something is left alone, since its job is paused.
    async fn look(&self) -> (Input, bool) {
        let mut gaps = self.on_replica(|replica| Ok(replica.gaps(usize::MAX))).await.unwrap_or_default();
        let disks = self.recollection.disk_states();
        let view = self.views.current();
        let lacking = gaps.len();
        if view.catalog().running_job().is_some_and(|job| job.state == JobState::Paused) {
            gaps.retain(|gap| gap.state != CopyState::Whole && !self.receives(view.catalog(), gap));
        }
        let is_paused = gaps.len() < lacking;
        let member = |node: NodeId, incarnation: u32| {
            let doubts = disks.get(&node).is_some_and(|disk| disk.doubt.is_some());
            (node, Member { incarnation: incarnation.into(), doubts })
        };
        // One that is gone for good is not waited for.
        let there = view.catalog().nodes().filter(|node| !node.is_gone());
        let members = there.map(|node| member(node.id, node.incarnation));
        (Input::Look(gaps, members.collect()), is_paused)
    }

    /// Whether a shard is given to this node by a move that is not over.
    fn receives(&self, catalog: &Catalog, gap: &Gap) -> bool {
        let shard = catalog.table_by_id(gap.table).and_then(|table| table.shards().at(&gap.interval.start));
        shard.is_some_and(|shard| shard.receivers().any(|owner| owner.node == self.context.local))
    }

    async fn carry_out(self: Arc<Self>, action: Action, pace: Arc<Turns<Pace>>) -> Input {
        match action {
            Action::Ask { number, to, request, deadline } => {
                Input::Answered(number, self.ask(to, &request, clock::tokio_instant(deadline)).await)
            }
            Action::Fetch { number, to, requests, deadline } => {
                Input::Replied(number, self.fetch(to, requests, clock::tokio_instant(deadline)).await)
            }
            Action::Merge { number, requests } => {
                let mut pace = pace.lock().await;
                tokio::time::sleep_until(pace.turn()).await;
                let bytes: u64 = requests.iter().map(bytes_of).sum();
                let begun = Instant::now();
                let replica = Arc::clone(self.local.replica());
                let replies = self.local.background().run(move || replica.apply(&requests)).await;
                pace.took(begun, bytes);
                Input::Replied(number, replies.ok())
            }
            Action::Load { number, gap, records } => {
                let mut pace = pace.lock().await;
                tokio::time::sleep_until(pace.turn()).await;
                let bytes = records.iter().map(|raw| raw.bytes() as u64).sum();
                let begun = Instant::now();
                let replica = Arc::clone(self.local.replica());
                let loaded = self.local.background().run(move || replica.load(&gap, &records)).await;
                pace.took(begun, bytes);
                Input::Noted(number, loaded.unwrap_or(Err(Refusal::Doubtful)))
            }
            Action::Take { number, gap, floors } => {
                let taken = self.on_gap(gap, move |replica, gap| replica.take(gap, &floors)).await;
                Input::Noted(number, taken)
            }
            Action::Note { number, gap, fill } => {
                Input::Noted(number, self.on_gap(gap, move |replica, gap| replica.filled(gap, fill)).await)
            }
            Action::End { number, gap } => Input::Noted(number, self.on_gap(gap, Replica::whole).await),
        }
    }

    async fn ask(&self, to: NodeId, request: &RangeRequest, deadline: Instant) -> Option<RangeReply> {
        if to == self.context.local {
            let (sender, answer) = oneshot::channel();
            let complete = move |reply| drop(sender.send(reply));
            self.local.begin_range(request.clone(), deadline, Box::new(complete));
            return answer.await.ok();
        }
        let payload = minicbor::to_vec(request).expect("encoding into memory cannot fail");
        let asked = Kind::Range.asked_since(request.since());
        match self.links.call(to, Lane::Bulk, asked, deadline, &payload).await {
            Ok(answered) => {
                let decode = move || minicbor::decode::<Answer<RangeReply>>(&answered).ok();
                // What has records is a millisecond's work.
                let is_long = matches!(request, RangeRequest::Page { .. } | RangeRequest::Scan { .. });
                let answer =
                    if is_long { self.local.background().run(decode).await.ok()? } else { decode() }?;
                Some(self.recollection.open(to, answer))
            }
            Err(CallError::NotUnderstood) => Some(RangeReply::Refused(Refusal::NotUnderstood)),
            Err(CallError::NotSent(_) | CallError::Lost(_)) => None,
        }
    }

    async fn fetch(&self, to: NodeId, requests: Vec<Request>, deadline: Instant) -> Option<Vec<Reply>> {
        let batch = minicbor::to_vec(requests).expect("encoding into memory cannot fail");
        let answered = self.links.call(to, Lane::Bulk, Kind::Batch, deadline, &batch).await.ok()?;
        Some(self.recollection.open(to, crate::peer::answers(&answered).ok()?))
    }

    async fn on_gap(
        &self,
        gap: Gap,
        work: impl FnOnce(&Replica, &Gap) -> Result<(), Refusal> + Send + 'static,
    ) -> Result<(), Refusal> {
        self.on_replica(move |replica| work(replica, &gap)).await
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
}

/// Says in the log what holds it up, when that changes, and when it is done.
fn log(said: &mut String, progress: &Progress) {
    let Progress { shards, filled, records, bytes, waiting, .. } = progress;
    let first = waiting.first().map(ToString::to_string);
    let now = match (*shards, *filled, first) {
        (0, 0, _) => return,
        (0, _, _) => "whole".to_owned(),
        (_, _, Some(waiting)) => waiting,
        (_, _, None) => "filling".to_owned(),
    };
    if *said == now {
        return;
    }
    if now == "whole" {
        tracing::info!(shards = filled, records, bytes, "this node holds everything again that it owns");
    } else if now == "filling" {
        tracing::info!(shards, "this node fills its copies from other owners");
    } else {
        tracing::warn!(shards, "this node can't fill its copies now: {now}");
    }
    *said = now;
}

/// What a merge costs: its key and its value.
fn bytes_of(request: &Request) -> u64 {
    match request {
        Request::Write { at, record, .. } => {
            (at.sort_key.as_bytes().len() + record.body.value_bytes()) as u64
        }
        Request::Ask { .. }
        | Request::Read { .. }
        | Request::Assign { .. }
        | Request::Hint { .. }
        | Request::Inspect { .. } => 0,
    }
}
