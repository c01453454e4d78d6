//! The committer: what of that which waited is stored.

use quorate_model::{Mutant, Rules};

/// A refusal is a promise: nothing was stored, and nothing will be. What waited past its deadline is refused.
///
/// Rule 7. Whether a request is carried out.
#[inline]
pub fn is_carried_out(rules: Rules, is_late: bool) -> bool {
    !is_late || rules.broken(Mutant::LateApplied)
}
