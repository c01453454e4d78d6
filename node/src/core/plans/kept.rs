//! The plans that a node keeps in memory, for an hour each.

use crate::fill::FillLimits;
use quorate_model::{Boot, NodeId, WallTime};
use quorate_ring::JobId;
use quorate_ring::conductor::Told;
use quorate_ring::planner::Planned;
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// How long a plan is kept.
const KEPT: Duration = Duration::from_hours(1);

/// Most plans that are kept; one more takes the place of the oldest.
const KEPT_MAX: usize = 64;

/// A plan's name: who keeps it, and a number. Numbers begin somewhere else with each run of a process, so that a plan of an
/// earlier run is not taken for another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PlanId {
    /// Who keeps it.
    pub node: NodeId,
    /// Counts up.
    pub number: u64,
}

/// A text that is no plan's id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoPlanId;

/// A plan that is kept.
#[derive(Clone, Debug)]
pub struct Kept {
    /// Its name.
    pub id: PlanId,
    /// The job that it becomes.
    pub job: JobId,
    /// What it is.
    pub planned: Planned,
    /// Bytes that each member could still take when it was made, as far as it had said so.
    pub free_bytes: BTreeMap<NodeId, u64>,
    /// About how long it takes.
    pub seconds: u64,
    /// When it was made, by this node's clock.
    pub made_at: WallTime,
    until: Instant,
}

/// See the module's essay.
#[derive(Debug)]
pub struct Plans {
    node: NodeId,
    /// How fast copies are filled, as far as this node is told.
    pub(super) limits: FillLimits,
    kept: Mutex<(u64, BTreeMap<u64, Arc<Kept>>)>,
    /// How far the job that goes on was said to be.
    told: Mutex<Told>,
}

impl Plans {
    /// Of a run of a node: none.
    pub fn new(node: NodeId, boot: Boot, limits: FillLimits) -> Self {
        Self { node, limits, kept: Mutex::new((boot.0 >> 32, BTreeMap::new())), told: Mutex::default() }
    }

    /// Keeps a plan.
    pub fn keep(
        &self,
        planned: Planned,
        free_bytes: BTreeMap<NodeId, u64>,
        seconds: u64,
        job: JobId,
    ) -> Arc<Kept> {
        let mut kept = self.fresh();
        let (number, plans) = &mut *kept;
        *number += 1;
        let id = PlanId { node: self.node, number: *number };
        let made_at = crate::clock::wall();
        let until = Instant::now() + KEPT;
        let plan = Arc::new(Kept { id, job, planned, free_bytes, seconds, made_at, until });
        plans.insert(*number, Arc::clone(&plan));
        if plans.len() > KEPT_MAX {
            plans.pop_first();
        }
        plan
    }

    /// All, the newest first.
    pub fn all(&self) -> Vec<Arc<Kept>> {
        self.fresh().1.values().rev().cloned().collect()
    }

    /// The one of this name.
    pub fn get(&self, id: &str) -> Option<Arc<Kept>> {
        let id: PlanId = id.parse().ok()?;
        self.fresh().1.get(&id.number).filter(|kept| kept.id == id).cloned()
    }

    /// Keeps it no longer.
    pub fn discard(&self, kept: &Kept) {
        self.fresh().1.remove(&kept.id.number);
    }

    /// How far the job that goes on was said to be.
    pub(super) fn told(&self) -> MutexGuard<'_, Told> {
        // After a panic elsewhere it says what it said before.
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Those whose time has not come.
    fn fresh(&self) -> MutexGuard<'_, (u64, BTreeMap<u64, Arc<Kept>>)> {
        // Every change of it is complete, even after a panic elsewhere.
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        kept.1.retain(|_, plan| plan.until > now);
        kept
    }
}

impl Kept {
    /// When it is forgotten, by this node's clock.
    pub fn kept_until(&self) -> WallTime {
        self.made_at.plus_millis(u64::try_from(KEPT.as_millis()).unwrap_or(u64::MAX))
    }
}

impl fmt::Display for PlanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "p-{}-{}", self.node, self.number)
    }
}

impl FromStr for PlanId {
    type Err = NoPlanId;

    fn from_str(text: &str) -> Result<Self, NoPlanId> {
        let read = || {
            let (node, number) = text.strip_prefix("p-n")?.split_once('-')?;
            Some(Self { node: NodeId(node.parse().ok()?), number: number.parse().ok()? })
        };
        // One plan has one text.
        read().filter(|id| id.to_string() == text).ok_or(NoPlanId)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use quorate_model::Epoch;
    use quorate_ring::planner::Preview;
    use quorate_ring::{JobKind, RequestId};

    fn planned() -> Planned {
        Planned {
            base: Epoch(7),
            kind: JobKind::Add,
            changes: Vec::new(),
            moves: Vec::new(),
            dead: Vec::new(),
            accepted: Vec::new(),
            preview: Preview::default(),
        }
    }

    #[test]
    fn an_id_is_read_back_and_has_one_text() {
        let id = PlanId { node: NodeId(3), number: 12 };
        assert_eq!(id.to_string(), "p-n3-12");
        assert_eq!("p-n3-12".parse(), Ok(id));
        for text in ["", "n3-12", "p-n3", "p-n3-012", "p-3-12", "p-n3-12-1"] {
            assert_eq!(text.parse::<PlanId>(), Err(NoPlanId), "{text}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_plan_is_kept_for_an_hour_and_the_newest_ones_only() {
        let plans = Plans::new(NodeId(1), Boot(5 << 32), FillLimits::default());
        let first = plans.keep(planned(), BTreeMap::new(), 0, RequestId(1));
        assert_eq!(first.id.to_string(), "p-n1-6");
        assert!(plans.get("p-n1-6").is_some() && plans.get("p-n2-6").is_none());
        for job in 0..KEPT_MAX as u128 {
            plans.keep(planned(), BTreeMap::new(), 0, RequestId(job));
        }
        assert!(plans.get("p-n1-6").is_none() && plans.all().len() == KEPT_MAX);
        plans.discard(&plans.all()[0].clone());
        assert_eq!(plans.all().len(), KEPT_MAX - 1);
        tokio::time::advance(KEPT).await;
        assert!(plans.all().is_empty());
    }
}
