//! Hints: what a replica keeps for owners that could not be reached.

use crate::limits::ReplicaLimits;
use quorate_model::{Mutant, Rules};

/// The store of hints is bounded, for each owner and in all: what goes over is refused and counted.
///
/// Rule 12. The limits in force.
#[inline]
pub fn limits(rules: Rules, limits: ReplicaLimits) -> ReplicaLimits {
    if rules.broken(Mutant::HintsUnbounded) {
        ReplicaLimits { hints_max: u64::MAX, ..limits }
    } else {
        limits
    }
}
