//! A newcomer's share of the data: the plan that an operator would make, made by the node itself (`serve --auto`).
//!
//! ```text
//!   became a member ──> plan `add` for itself ──> applied ──> done, for ever
//!                        ^        │
//!                        └── not now: another plan runs, no majority, no space
//! ```
//!
//! It is done once. A start of a node that joined earlier plans only if nothing has moved since then and it owns nothing:
//! its last run ended before it came to that. What an operator has decided since is not undone by a restart.

use quorate_model::NodeId;
use quorate_node::core::{Core, PlanError};
use quorate_ring::Catalog;
use quorate_ring::planner::{NoPlan, Wish};
use std::collections::BTreeSet;
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio::time::sleep;

/// How long making or applying the plan may take.
const TIMEOUT: Duration = Duration::from_secs(30);

/// The first pause after an attempt that came too early; each further one is twice as long.
const PAUSE_MIN: Duration = Duration::from_millis(500);

/// The longest pause.
const PAUSE_MAX: Duration = Duration::from_secs(10);

/// A node's way to its share. Dropped, it is given up; what has begun goes on without it.
#[derive(Debug)]
pub struct Share(JoinHandle<()>);

/// How an attempt ended.
#[derive(Debug)]
enum Step {
    /// There is nothing more to do, for this reason.
    Over(String),
    /// It may be possible later.
    NotYet(String),
}

impl Share {
    /// Begins. `is_new`: the node became a member in this run of its process.
    pub fn begin(core: &Arc<Core>, is_new: bool) -> Self {
        Self(tokio::spawn(get(Arc::downgrade(core), is_new)))
    }

    /// Gives it up, and waits until nothing of it holds the node any more.
    pub async fn end(mut self) {
        self.0.abort();
        // That it was aborted is what was wanted.
        let _aborted = (&mut self.0).await;
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn get(core: Weak<Core>, is_new: bool) {
    let (mut said, mut pause) = (String::new(), PAUSE_MIN);
    loop {
        let Some(core) = core.upgrade() else { return };
        match attempt(&core, is_new).await {
            Step::Over(how) => {
                tracing::info!("{how}");
                return;
            }
            Step::NotYet(why) if said != why => {
                tracing::warn!("this node owns nothing yet, and gets its share later: {why}");
                said = why;
            }
            Step::NotYet(_) => {}
        }
        drop(core);
        sleep(pause).await;
        pause = (2 * pause).min(PAUSE_MAX);
    }
}

async fn attempt(core: &Core, is_new: bool) -> Step {
    let node = core.node();
    match is_due(core.view().catalog(), node, is_new) {
        None => return Step::NotYet("its catalog has not arrived yet".to_owned()),
        Some(false) => {
            return Step::Over(
                "--auto: this node became a member earlier; nothing is planned for it".to_owned(),
            );
        }
        Some(true) => {}
    }
    let wish = Wish::Add { nodes: vec![node] };
    let kept = match core.make_plan(&wish, BTreeSet::new(), TIMEOUT).await {
        Ok(kept) => kept,
        Err(error) => return refused(node, &error),
    };
    let preview = &kept.planned.preview;
    tracing::info!(
        plan = %kept.id, copies = preview.moves, bytes = preview.bytes, seconds = kept.seconds,
        "this node is new, and plans its share of the data"
    );
    match core.apply_plan(&kept.id.to_string(), TIMEOUT).await {
        Ok(moves) => Step::Over(format!("its share arrives by job {}", moves.job.id)),
        Err(error) => refused(node, &error),
    }
}

/// Whether the node should get a share now; `None`: its catalog does not know it yet.
fn is_due(catalog: &Catalog, node: NodeId, is_new: bool) -> Option<bool> {
    let known = catalog.node(node)?;
    let owns = || catalog.tables().flat_map(|entry| entry.shards()).any(|shard| shard.is_held_by(node));
    let has_moved = || catalog.jobs().any(|job| job.began > known.joined);
    Some(is_new || !(owns() || has_moved()))
}

fn refused(node: NodeId, error: &PlanError) -> Step {
    match error {
        PlanError::None(NoPlan::Nothing { .. }) => {
            Step::Over("every node holds its share already: nothing moves to this one".to_owned())
        }
        PlanError::None(NoPlan::NotAllocatable { .. }) => {
            Step::Over(format!("{error}; nothing is planned for {node}"))
        }
        PlanError::None(
            NoPlan::JobRuns { .. }
            | NoPlan::NoSuchNode { .. }
            | NoPlan::NoSuchTable { .. }
            | NoPlan::TooFewNodes { .. }
            | NoPlan::Unreachable { .. }
            | NoPlan::NotDead { .. }
            | NoPlan::MayLose { .. }
            | NoPlan::NoSpace { .. }
            | NoPlan::Rejected(_),
        )
        | PlanError::NotKept(_)
        | PlanError::Propose(_)
        | PlanError::NoRandomness => Step::NotYet(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_pass_is_tried_again_and_what_is_settled_is_not() {
        let is_over = |refusal: NoPlan| match refused(NodeId(4), &PlanError::None(refusal)) {
            Step::Over(_) => true,
            Step::NotYet(_) => false,
        };
        assert!(is_over(NoPlan::Nothing { why: "so".to_owned() }));
        assert!(
            is_over(NoPlan::NotAllocatable { node: "n4".to_owned(), why: "is drained".to_owned() }),
            "an operator drained it"
        );
        assert!(!is_over(NoPlan::NoSpace { node: "n4".to_owned(), bytes: 2, free: 1 }));
        assert!(!is_over(NoPlan::NoSuchNode { node: NodeId(4) }), "the view is behind");
    }
}
