//! Retries: an attempt that was seen before is not applied again.

use super::purge;
use crate::order::Attempt;
use quorate_model::operation::Recall;
use quorate_model::{Mutant, Operation, Operations, Rules, Version};

/// What is to become of an attempt.
#[derive(Debug)]
pub enum Verdict {
    /// Never seen: write it.
    Fresh,
    /// Seen: repeat its answer.
    Found(Operation),
    /// Seen with another body.
    Reused,
    /// A later one was seen, or it may have been forgotten.
    Expired,
}

/// An operation id is taken at the table's w and above only: below it, no later round one is sure to find it.
///
/// Rule 8.
#[inline]
pub fn takes_id(rules: Rules, required: u8, table_w: u8) -> bool {
    required >= table_w || rules.broken(Mutant::IdBelowPromise)
}

/// An attempt that round one found is not applied again: the same one repeats its answer, another body under its id, a
/// lower sequence, or a retry whose client may have been forgotten is refused.
///
/// Rule 8. `union` is what all that were asked remember; `forgot`: up to which version one of
/// them may have forgotten ids with a removal.
#[inline]
pub fn verdict(rules: Rules, attempt: &Attempt, union: &Operations, forgot: Option<Version>) -> Verdict {
    if rules.broken(Mutant::RetriesApplied) {
        return Verdict::Fresh;
    }
    let forgets = attempt.is_retry && union.may_have_forgotten();
    // A later one of its client tells that nothing of it is forgotten in between.
    let last = union.as_slice().iter().find(|known| known.id.client == attempt.id.client);
    let is_purged =
        attempt.is_retry && purge::heeds_forgotten(rules, forgot, last.map(|known| known.version));
    match union.recall(&attempt.id) {
        Recall::Found(found) if found.digest == attempt.digest => Verdict::Found(found.clone()),
        Recall::Found(found) if rules.broken(Mutant::BodyNotCompared) => Verdict::Found(found.clone()),
        Recall::Found(_) => Verdict::Reused,
        Recall::Passed if rules.broken(Mutant::LowerSequenceApplied) => Verdict::Fresh,
        Recall::Passed => Verdict::Expired,
        Recall::Unknown if forgets && !rules.broken(Mutant::ForgottenClientApplied) => Verdict::Expired,
        Recall::Unknown | Recall::Next if is_purged => Verdict::Expired,
        Recall::Unknown | Recall::Next => Verdict::Fresh,
    }
}

/// An owner counts as a holder of an earlier attempt if it holds its record, or a later one, and knows its id as that
/// attempt's: of several attempts at one id, each with a version of its own, all answers name the same or later ones.
///
/// Rule 8. `operations` are the ids that an owner of the record knows, `found` is the attempt to be repeated.
#[inline]
pub fn knows_attempt(rules: Rules, operations: &Operations, found: &Operation) -> bool {
    match operations.recall(&found.id) {
        Recall::Found(known) => known.version == found.version || rules.broken(Mutant::OtherAttemptCounted),
        Recall::Unknown | Recall::Next | Recall::Passed => rules.broken(Mutant::FoundIdNotCounted),
    }
}

/// The first answer is repeated once a write quorum holds that attempt: the one that left its id may never have been
/// acknowledged.
///
/// Rule 8.
#[inline]
pub fn repeats_answer(rules: Rules, is_held: bool) -> bool {
    is_held || rules.broken(Mutant::FoundIdAnsweredAtOnce)
}
