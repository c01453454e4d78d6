//! The conductor: what the catalog needs next so that a job goes on.
//!
//! No node commands a receiver: it sees in its layout that it should have a copy, and fills itself. What is left to decide
//! is when a shard may start, when it has arrived, and when it must go back. That follows from the catalog and from what
//! the nodes say of themselves, so it is a function: a leader that knows the same says the same, and a new leader goes on
//! where the last one stopped.
//!
//! ```text
//!   catalog (pending, moving) ──┐
//!   reports of the nodes ───────┼──> next ──> one command: revert, finish, start; or the removal of a node
//!   who has stood still ────────┘
//! ```
//!
//! # When a shard has arrived
//!
//! A shard that moves from O to P since epoch e may finish once nothing can complete any more among the owners that have
//! not heard of P, and P holds everything:
//!
//! - F owners of O have closed e, F = max(q, RO, w) of their number ([`crate::catalog::closing`]). A node whose replica is
//!   a later one than e has closed it too: it answers nothing until it knows that it is another one. Of w, nodes that are
//!   gone for good are excused; of all of F, those of which an operator accepted the loss.
//! - Every receiver is whole.
//! - No owner of P fills itself. One that is away counts as it was last heard.
//! - If P is smaller than O, each stayer has merged what the others hold: else what O promised may be with too few of P.
//!
//! The command names the replicas on whose word this stands. One that has lost its disk since is another one by then, and
//! the command fails.
//!
//! # What is absent
//!
//! Any memory but since when a shard has stood still ([`Watch`]); to lose that costs patience and nothing else. How a
//! receiver fills itself, and how fast. What is to be done where no job runs: [`tend`].

mod arrival;
mod facts;
mod progress;
mod starts;
pub mod tend;
mod wait;
mod watch;

pub use facts::{FillReport, Limits, NodeReport, PairReport, ShardReport};
pub use progress::{Told, bytes_done};
pub use tend::{TendLimits, Tending};
pub use wait::Wait;
pub use watch::Watch;

use crate::catalog::command::planned::SHARDS_PER_COMMAND_MAX;
use crate::catalog::{Advance, Catalog, Command, Job, JobState, Node, NodeState, Shard};
use facts::Facts;
use quorate_model::{Instant, NodeId, Rules, ShardId};
use starts::Starts;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Shards that have not begun and that are looked at to say what they wait for.
const PENDING_LOOKED_AT_MAX: usize = 1_024;

/// What the catalog needs next; `None`: nothing. `watch` has observed the same catalog and reports.
pub fn next(
    rules: Rules,
    catalog: &Catalog,
    reports: &BTreeMap<NodeId, NodeReport>,
    watch: &Watch,
    now: Instant,
    limits: &Limits,
) -> Option<Command> {
    let facts = Facts { rules, catalog, reports };
    let advance = catalog.running_job().map(|job| facts.advance(job, watch, now, limits));
    advance
        .filter(|advance| advance.shards() > 0)
        .map(Command::Advance)
        .or_else(|| facts.removable().map(|node| Command::RemoveNode { node }))
}

/// Why a shard that moves has not arrived; `None`: it has, or does not move.
pub fn waits_for(catalog: &Catalog, reports: &BTreeMap<NodeId, NodeReport>, shard: ShardId) -> Option<Wait> {
    let facts = Facts { rules: Rules::INTACT, catalog, reports };
    let shard = catalog.moving_shard(shard)?;
    let job = catalog.job(shard.joint.as_ref()?.job)?;
    let wait = facts.arrived(job, shard).err()?;
    // Who receives something, or merges it, stands still for as long as the job does.
    let stands = matches!(wait, Wait::Receiving { .. } | Wait::Unmerged { .. });
    let is_paused = job.state == JobState::Paused && stands;
    Some(if is_paused { Wait::Paused } else { wait })
}

/// Shards of the running job that have not begun to move, with what each waits for: at most `most`, those first that wait
/// for more than their turn. So many are looked at, in their order, that it costs little.
pub fn pending(
    catalog: &Catalog,
    reports: &BTreeMap<NodeId, NodeReport>,
    limits: &Limits,
    most: usize,
) -> Vec<(ShardId, Wait)> {
    let Some(job) = catalog.running_job() else { return Vec::new() };
    let facts = Facts { rules: Rules::INTACT, catalog, reports };
    let moving: Vec<&Shard> = catalog.moving().collect();
    let starts = Starts::beside(&facts, job, &moving, limits);
    let mut waiting: Vec<(ShardId, Wait)> = starts.pending().take(PENDING_LOOKED_AT_MAX).collect();
    waiting.sort_by_key(|(_, wait)| matches!(wait, Wait::Turn));
    waiting.truncate(most);
    waiting
}

impl Facts<'_> {
    fn advance(&self, job: &Job, watch: &Watch, now: Instant, limits: &Limits) -> Advance {
        let mut advance = Advance::of(job.id);
        let mut relied: BTreeSet<(NodeId, u32)> = BTreeSet::new();
        let mut stay: Vec<&Shard> = Vec::new();
        for shard in self.catalog.moving() {
            let has_room = advance.shards() < SHARDS_PER_COMMAND_MAX;
            match &job.state {
                JobState::Aborting if has_room => advance.revert.push((shard.id, shard.epoch)),
                JobState::Running | JobState::Paused if has_room => match self.arrived(job, shard) {
                    Ok(by) => {
                        relied.extend(by);
                        advance.finish.push((shard.id, shard.epoch));
                    }
                    Err(_) if job.state == JobState::Running && watch.has_stalled(shard.id, now, limits) => {
                        advance.revert.push((shard.id, shard.epoch));
                    }
                    Err(_) => stay.push(shard),
                },
                JobState::Aborting | JobState::Running | JobState::Paused => stay.push(shard),
                JobState::Gathering { .. } | JobState::Done | JobState::Aborted => {}
            }
        }
        if job.state == JobState::Running {
            let room = SHARDS_PER_COMMAND_MAX - advance.shards();
            let starts = Starts::beside(self, job, &stay, limits);
            // What goes back by this command is not started by it: it rests.
            advance.start = starts.chosen(|shard| watch.rests(shard, now, limits), room);
        }
        advance.relied = relied.into_iter().collect();
        advance
    }

    /// A member that leaves and can be removed now.
    fn removable(&self) -> Option<NodeId> {
        let gone = |node: &&Arc<Node>| match node.state {
            NodeState::Member => false,
            NodeState::Leaving => self.report(node.id).is_some_and(|report| !report.keeps_hints),
            // Its hints are lost with it.
            NodeState::Banned => true,
        };
        let is_of_job = |node: NodeId| {
            let job = self.catalog.running_job();
            job.is_some_and(|job| job.leaving.contains(&node) || job.dead.contains(&node))
        };
        // What it must close first, it can be asked for only as a member.
        let is_awaited = |node: NodeId| {
            !self.is_banned(node) && self.catalog.closing().any(|open| open.owners().contains(&node))
        };
        let mut leaving = self.catalog.nodes().filter(gone).filter(|node| !node.voter);
        let is_empty = |node: NodeId| {
            let shards = || self.catalog.tables().flat_map(|entry| entry.shards());
            !shards().any(|shard| shard.is_held_by(node))
        };
        let can_go = |node: &&Arc<Node>| !is_of_job(node.id) && !is_awaited(node.id) && is_empty(node.id);
        leaving.find(can_go).map(|node| node.id)
    }
}

#[cfg(test)]
mod tests;
