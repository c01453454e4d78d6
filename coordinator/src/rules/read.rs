//! Reads: what counts as the greatest, and who must hold it before it is answered.

use quorate_model::{Held, Mutant, Operations, Record, Rules, level};

/// A read is answered once R owners have answered it.
///
/// Rule 3.
#[inline]
pub fn answered_by(rules: Rules, required: u8) -> u8 {
    let too_few = u8::from(rules.broken(Mutant::OneAnswerTooFew));
    (required - too_few).max(1)
}

/// The greatest is the greatest that an owner holds, whether it sent the record or only its digest.
///
/// Rule 3. What counts of an owner's answer.
#[inline]
pub fn counted(rules: Rules, held: Option<Held>, sent: Option<&Record>) -> Option<Held> {
    if rules.broken(Mutant::DigestTrusted) { sent.map(Record::held) } else { held }
}

/// A repair brings every operation id that an owner knows, also one that only a stale owner knew, up to the limit.
///
/// Rule 8. `all` are the ids that each owner knows; `own` those of the greatest record as it was sent.
#[inline]
pub fn ids_of_repair<'a>(
    rules: Rules,
    own: &Operations,
    all: impl Iterator<Item = &'a Operations>,
) -> Operations {
    if rules.broken(Mutant::RepairWithoutIds) {
        return own.clone();
    }
    #[cfg(feature = "mutants")]
    if rules.broken(Mutant::IdsUnbounded) {
        return all.fold(Operations::default(), |union, known| union.merge_all(known));
    }
    all.fold(Operations::default(), |union, known| union.merge(known))
}

/// A read repairs owners that it finds behind.
///
/// Rule 3.
#[inline]
pub fn repairs(rules: Rules) -> bool {
    !rules.broken(Mutant::NoReadRepair)
}

/// At a quorum and above a write quorum holds what a read answers, before it answers it; below a quorum nothing is
/// written before the answer.
///
/// Rule 3. How many owners must hold the greatest before it is answered.
#[inline]
pub fn held_before_answer(rules: Rules, required: u8, n: u8) -> u8 {
    let quorum = level::quorum(n);
    let is_below = required < quorum && !rules.broken(Mutant::RepairedBelowQuorum);
    if is_below || !repairs(rules) || rules.broken(Mutant::RepairAfterAnswer) {
        return 0;
    }
    if rules.broken(Mutant::RepairedAtTooFew) { quorum - 1 } else { quorum }
}

/// Owners that were found behind and are not needed for the answer are repaired after it.
///
/// Rule 3.
#[inline]
pub fn repairs_the_others(rules: Rules) -> bool {
    !rules.broken(Mutant::StaleLeftBehind)
}
