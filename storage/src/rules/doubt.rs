//! Doubt: what a replica that can't trust its disk may still say.

use crate::doubt::Doubt;
use crate::engine::EngineError;
use quorate_model::{Mutant, Rules};

/// A replica whose disk failed, or showed something damaged, is doubtful from then on: it refuses everything.
///
/// Rule 13. The doubt that an error casts, if it casts one.
#[inline]
pub fn cast_by(rules: Rules, error: &EngineError) -> Option<Doubt> {
    if rules.broken(Mutant::DoubtForgotten) { None } else { error.doubt() }
}
