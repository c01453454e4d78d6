//! Two sets of owners: what counts while a shard moves.

use quorate_model::{Mutant, Rules};
use quorate_ring::Plan;
use std::sync::Arc;

/// While a shard moves it has two sets of owners, the old ones and the new ones, and what counts must count in each.
///
/// Rule 20. The plan by which is counted.
#[inline]
pub fn counted(rules: Rules, plan: Arc<Plan>) -> Arc<Plan> {
    let only = if rules.broken(Mutant::JointOldOnly) {
        plan.sets.first()
    } else if rules.broken(Mutant::JointNewOnly) {
        plan.sets.last()
    } else {
        return plan;
    };
    let sets = only.cloned().into_iter().collect();
    Arc::new(Plan { sets, ..Plan::clone(&plan) })
}
