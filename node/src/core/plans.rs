//! Plans and jobs that move shards, for operators: a preview, its beginning, what becomes of it.
//!
//! A plan is made here from the view of this node and from what the owners say that they hold; this node keeps it in memory
//! under an id that names it. Applied, it is a job of the catalog, and no node has to be alive for it.

mod kept;

pub use kept::{Kept, PlanId, Plans};

use super::Core;
use crate::conduct;
use crate::control::ProposeError;
use crate::fill::FillLimits;
use quorate_model::{Epoch, NodeId, ShardId};
use quorate_ring::catalog::Shard;
use quorate_ring::conductor::{self, Limits, NodeReport, Wait};
use quorate_ring::planner::{self, Known, NoPlan, Planned, Wish};
use quorate_ring::{Command, Job, JobId, Order, RequestId};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;
use tokio::time::Instant;

/// Shards that wait and are told of at most.
const WAITING_MAX: usize = 10;

/// Shards at work that are looked at for it.
const LOOKED_AT_MAX: usize = 1_024;

/// How long members may take to say whether they hear one that is declared dead.
const HEARD: Duration = Duration::from_secs(2);

/// Why there is no plan, or it was not carried out.
#[derive(Clone, Debug, Error)]
pub enum PlanError {
    /// There is no such plan to make. Nothing was changed.
    #[error(transparent)]
    None(#[from] NoPlan),
    /// This node keeps no such plan. Nothing was changed.
    #[error("{0}")]
    NotKept(String),
    /// The catalog did not take it, or it is not known whether it did.
    #[error(transparent)]
    Propose(#[from] ProposeError),
    /// The operating system has no random bits.
    #[error("the operating system has no random bits yet; nothing was done; try again")]
    NoRandomness,
}

/// How far a job is that moves shards.
#[derive(Clone, Debug)]
pub struct MoveProgress {
    /// The job.
    pub job: Arc<Job>,
    /// Bytes that are copied, about; of a job that goes forward no less than this node has said before.
    pub bytes_done: u64,
    /// Shards at work and shards that have not begun, ten at most: those first that wait for more than their turn.
    pub waiting: Vec<WaitingShard>,
    /// Bytes that members still hold of shards that are others' now, as they said last. `None`: no member says so, or there is
    /// a later job.
    pub leftover_bytes: Option<u64>,
}

/// A shard at work, or one that has not begun.
#[derive(Clone, Debug)]
pub struct WaitingShard {
    /// The shard, with its owners of now.
    pub shard: Shard,
    /// Who should own it.
    pub next: Vec<NodeId>,
    /// What it waits for; `None`: for nothing any more.
    pub waits_for: Option<String>,
}

impl Core {
    /// Makes a plan and keeps it. The owners have until `timeout` to say what they hold: what is not said counts as nothing.
    pub async fn make_plan(
        &self,
        wish: &Wish,
        accepted: BTreeSet<NodeId>,
        timeout: Duration,
    ) -> Result<Arc<Kept>, PlanError> {
        let view = self.view();
        let reports = self.node_reports();
        let free = reports.iter().filter(|(_, said)| said.free_bytes < u64::MAX);
        let alive: BTreeSet<NodeId> =
            self.liveness().into_iter().filter(|(_, alive)| *alive).map(|(node, _)| node).collect();
        let away: BTreeSet<NodeId> =
            view.catalog().nodes().map(|node| node.id).filter(|node| !alive.contains(node)).collect();
        let (sizes, counted) = self.shard_sizes(timeout).await;
        let known = Known {
            sizes,
            counted: Some(counted),
            free_bytes: free.map(|(node, said)| (*node, said.free_bytes)).collect(),
            heard_by: self.control.heard_by(&dead(wish), Instant::now() + timeout).await,
            away,
            accepted,
        };
        // Those who plan wait for a walk over all shards; nothing else does.
        let (catalog, wish, at) = (Arc::clone(&view), wish.clone(), known.clone());
        let planned = tokio::task::spawn_blocking(move || planner::plan(catalog.catalog(), &wish, &at)).await;
        let planned =
            planned.map_err(|error| PlanError::NotKept(format!("the planner failed: {error}")))??;
        let seconds = seconds(&planned, self.plans.limits);
        Ok(self.plans.keep(planned, known.free_bytes, seconds, request_id()?))
    }

    /// The plans that this node keeps, the newest first.
    pub fn plans(&self) -> Vec<Arc<Kept>> {
        self.plans.all()
    }

    /// One of them.
    pub fn kept_plan(&self, id: &str) -> Result<Arc<Kept>, PlanError> {
        if let Some(kept) = self.plans.get(id) {
            return Ok(kept);
        }
        let other = id.parse::<PlanId>().ok().filter(|id| id.node != self.node);
        let view = self.view();
        let why = match other.and_then(|other| view.catalog().node(other.node)) {
            Some(node) => format!(
                "the plan would be kept by {}, which made it: ask it, at {}; nothing was changed",
                node.id, node.http_address
            ),
            None => "this node keeps no such plan: each is kept for an hour, and not across a restart; make it again"
                .to_owned(),
        };
        Err(PlanError::NotKept(why))
    }

    /// Forgets a plan. One that was applied goes on.
    pub fn discard_plan(&self, id: &str) -> Result<(), PlanError> {
        let kept = self.kept_plan(id)?;
        self.plans.discard(&kept);
        Ok(())
    }

    /// Carries a plan out: the job that it is from then on. A repetition finds that job.
    pub async fn apply_plan(&self, id: &str, timeout: Duration) -> Result<MoveProgress, PlanError> {
        let kept = self.kept_plan(id)?;
        let deadline = Instant::now() + timeout;
        if self.move_job(kept.job).is_none() {
            // It may have come back since the plan was made: declared dead it would be let in no more.
            let heard =
                self.control.heard_by(&kept.planned.dead, (Instant::now() + HEARD).min(deadline)).await;
            if let Some((node, by)) = heard.first_key_value() {
                let view = self.view();
                let (node, by) = (view.catalog().called(*node), view.catalog().called(*by));
                return Err(NoPlan::NotDead { node, by }.into());
            }
        }
        self.begin(&kept.planned, kept.job, deadline).await?;
        self.move_job(kept.job).ok_or_else(|| PlanError::NotKept(forgotten(kept.job)))
    }

    /// Gives a member no new copies, or lets it be like any other again; the epoch since which that is so.
    pub async fn drain_member(
        &self,
        node: NodeId,
        drained: bool,
        timeout: Duration,
    ) -> Result<Epoch, PlanError> {
        let deadline = Instant::now() + timeout;
        self.control.refresh(deadline).await;
        let view = self.view();
        if view.catalog().node(node).is_some_and(|known| known.drained == drained) {
            return Ok(view.epoch());
        }
        let planned = planner::plan(view.catalog(), &Wish::Drain { node, drained }, &Known::default())?;
        self.begin(&planned, request_id()?, deadline).await
    }

    /// Writes a plan into the catalog; the epoch since which every member that can be reached has it.
    async fn begin(&self, planned: &Planned, job: JobId, deadline: Instant) -> Result<Epoch, PlanError> {
        let mut epoch = Epoch(0);
        for command in planned.commands(job) {
            epoch = self.change(command, deadline).await?;
        }
        Ok(epoch)
    }

    /// Lets a job pause, go on, or end early.
    pub async fn order_moves(
        &self,
        job: JobId,
        to: Order,
        timeout: Duration,
    ) -> Result<MoveProgress, PlanError> {
        self.change(Command::SetJob { job, to }, Instant::now() + timeout).await?;
        self.move_job(job).ok_or_else(|| PlanError::NotKept(forgotten(job)))
    }

    async fn change(&self, command: Command, deadline: Instant) -> Result<Epoch, ProposeError> {
        let left = deadline.saturating_duration_since(Instant::now());
        Ok(self.propose(command, left).await?.receipt.epoch)
    }

    /// The jobs that move shards, the newest first: the one that goes on, and the last ones that ended.
    pub fn move_jobs(&self) -> Vec<MoveProgress> {
        let (view, reports) = (self.view(), self.node_reports());
        let mut jobs: Vec<&Arc<Job>> = view.catalog().jobs().collect();
        jobs.sort_by_key(|job| std::cmp::Reverse(job.began));
        jobs.into_iter().map(|job| self.progress(view.catalog(), &reports, job)).collect()
    }

    /// One of them.
    pub fn move_job(&self, id: JobId) -> Option<MoveProgress> {
        let view = self.view();
        let job = view.catalog().job(id)?;
        Some(self.progress(view.catalog(), &self.node_reports(), job))
    }

    /// How far a job is, as far as this node knows.
    fn progress(
        &self,
        catalog: &quorate_ring::Catalog,
        reports: &BTreeMap<NodeId, NodeReport>,
        job: &Arc<Job>,
    ) -> MoveProgress {
        MoveProgress {
            job: Arc::clone(job),
            bytes_done: self.plans.told().bytes_done(catalog, reports, job),
            waiting: waiting(catalog, reports, job),
            leftover_bytes: leftover_bytes(catalog, reports, job),
        }
    }

    fn node_reports(&self) -> BTreeMap<NodeId, NodeReport> {
        conduct::reports(&self.view(), self.node, &self.recollection)
    }

    /// Bytes of every shard, as the owner of each that holds most has counted it; and of which shards an owner has counted
    /// everything.
    async fn shard_sizes(&self, timeout: Duration) -> (BTreeMap<ShardId, u64>, BTreeSet<ShardId>) {
        let deadline = Instant::now() + timeout;
        let mut asked = tokio::task::JoinSet::new();
        for table in self.view().catalog().tables().map(|entry| entry.id) {
            let control = Arc::clone(&self.control);
            asked.spawn(async move { (table, control.figures(table, deadline).await) });
        }
        let (mut sizes, mut counted): (BTreeMap<ShardId, u64>, _) = (BTreeMap::new(), BTreeSet::new());
        while let Some(said) = asked.join_next().await {
            let Ok((table, said)) = said else { continue };
            for figure in said.into_iter().filter_map(|(_, figures)| figures.ok()).flatten() {
                let shard = ShardId { table, index: figure.index };
                let size = sizes.entry(shard).or_default();
                *size = figure.bytes.max(*size);
                if figure.is_exact {
                    counted.insert(shard);
                }
            }
        }
        (sizes, counted)
    }
}

/// Members that a wish declares dead.
fn dead(wish: &Wish) -> Vec<NodeId> {
    match wish {
        Wish::Remove { nodes, dead: true } => nodes.clone(),
        Wish::Replace { old, dead: true, .. } => vec![*old],
        Wish::Remove { dead: false, .. }
        | Wish::Replace { dead: false, .. }
        | Wish::Add { .. }
        | Wish::Weight { .. }
        | Wish::Copies { .. }
        | Wish::Drain { .. }
        | Wish::Balance => Vec::new(),
    }
}

/// What is still to be cleared where shards have moved away: told of with the last job, since that is where people look.
fn leftover_bytes(
    catalog: &quorate_ring::Catalog,
    reports: &BTreeMap<NodeId, NodeReport>,
    job: &Job,
) -> Option<u64> {
    let is_last = catalog.jobs().all(|other| other.began <= job.began);
    let members = reports.iter().filter(|(node, _)| is_last && catalog.node(**node).is_some());
    members.filter_map(|(_, said)| said.leftover_bytes).reduce(u64::saturating_add)
}

/// Shards of a job and what each waits for.
fn waiting(
    catalog: &quorate_ring::Catalog,
    reports: &BTreeMap<NodeId, NodeReport>,
    job: &Job,
) -> Vec<WaitingShard> {
    let is_of_job = |shard: &&Shard| shard.joint.as_ref().is_some_and(|joint| joint.job == job.id);
    let at_work = catalog.moving().filter(is_of_job).take(LOOKED_AT_MAX).map(|shard| {
        let next = shard.joint.iter().flat_map(|joint| &joint.next).map(|owner| owner.node).collect();
        (shard, next, conductor::waits_for(catalog, reports, shard.id))
    });
    let pending = if job.state.is_ended() {
        Vec::new()
    } else {
        conductor::pending(catalog, reports, &Limits::default(), WAITING_MAX)
    };
    let pending = pending.into_iter().filter_map(|(id, wait)| {
        let wish = job.pending.get(&id)?;
        let shard = catalog.table_by_id(id.table)?.shards().at(&wish.start)?;
        Some((shard, wish.wanted.to_vec(), Some(wait)))
    });
    let mut all: Vec<(&Shard, Vec<NodeId>, Option<Wait>)> = at_work.chain(pending).collect();
    all.sort_by_key(|(_, _, wait)| wait.as_ref().is_none_or(Wait::is_usual));
    let told = |(shard, next, wait): (&Shard, Vec<NodeId>, Option<Wait>)| WaitingShard {
        shard: shard.clone(),
        next,
        waits_for: wait.map(|wait| wait.says(catalog)),
    };
    all.into_iter().take(WAITING_MAX).map(told).collect()
}

/// About how long a plan takes, in seconds: as long as the node needs that gets most.
fn seconds(planned: &Planned, limits: FillLimits) -> u64 {
    let preview = &planned.preview;
    let most = preview.nodes.iter().map(|share| share.bytes_after.saturating_sub(share.bytes_now)).max();
    let evenly = preview.bytes / (preview.nodes.len() as u64).max(1);
    most.unwrap_or(0).max(evenly).div_ceil((limits.bytes_per_second_max as u64).max(1))
}

fn forgotten(job: JobId) -> String {
    format!("job {job} has ended, and is no longer kept")
}

pub(super) fn request_id() -> Result<RequestId, PlanError> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|_| PlanError::NoRandomness)?;
    Ok(RequestId(u128::from_be_bytes(bytes)))
}
