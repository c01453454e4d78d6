//! Filling: what a replica that has lost something may do until it holds everything again.

use quorate_model::layout::Role;
use quorate_model::{CopyState, Durability, Mutant, Refusal, Rules};

/// What a request wants of a copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wants {
    /// To know what is held: the answer decides something.
    Answer,
    /// A version above all that is held.
    Version,
    /// To hold the same: the answer is believed to be all that there is.
    Everything,
    /// That a record is held from now on.
    Acknowledgement,
}

/// A replica that has lost something answers nothing that decides, until it holds again what it had acknowledged. While
/// it fills itself it takes writes: what it acknowledges from then on it keeps. Before that it takes nothing, since what
/// it holds will be deleted. A copy that a move gives to a node counts in the new set of owners alone, and the old set knows
/// the rest: it answers and acknowledges once it was begun, and gives no version and no copy.
///
/// Rule 17. Whether a request is refused.
#[inline]
pub fn admit(rules: Rules, role: Role, state: CopyState, wants: Wants) -> Result<(), Refusal> {
    let is_admitted = match (role, state, wants) {
        (Role::Owner | Role::Stayer, CopyState::Whole, _)
        | (_, CopyState::Filling, Wants::Acknowledgement)
        | (Role::Receiver, CopyState::Whole, Wants::Acknowledgement)
        | (Role::Receiver, CopyState::Whole | CopyState::Filling, Wants::Answer) => true,
        (Role::Owner | Role::Stayer, CopyState::Filling, _) => rules.broken(Mutant::FillingVotes),
        (Role::Owner | Role::Stayer, CopyState::Lossy, Wants::Acknowledgement) => {
            rules.broken(Mutant::LossyAcks)
        }
        (Role::Receiver, CopyState::Whole | CopyState::Filling, Wants::Version | Wants::Everything)
        | (_, CopyState::Lossy, _) => false,
    };
    if is_admitted { Ok(()) } else { Err(Refusal::Filling) }
}

/// What a replica still holds of what it had before the loss is deleted in the batch with which it begins to acknowledge,
/// never after it.
///
/// Rule 17. Whether it is deleted in that batch.
#[inline]
pub fn wipes_first(rules: Rules) -> bool {
    !rules.broken(Mutant::TakenUnwiped)
}

/// A copy is taken once: what it has acknowledged since stays, whatever happens to its process.
///
/// Rule 17. What a copy is that was filling when its process ended.
#[inline]
pub fn after_restart(rules: Rules, state: CopyState) -> CopyState {
    match state {
        CopyState::Filling if rules.broken(Mutant::TakenTwice) => CopyState::Lossy,
        CopyState::Whole | CopyState::Filling | CopyState::Lossy => state,
    }
}

/// Shards may be split while a copy is filled: what is noted of a part of it leaves what was noted of the rest, so that the
/// rest is not taken again.
///
/// Rule 17. Whether that is noted with it.
#[inline]
pub fn keeps_rest(rules: Rules) -> bool {
    !rules.broken(Mutant::RestForgotten)
}

/// Shards may be merged while one of them is filled: what was taken of the one is not taken again with the other.
///
/// Rule 17. Whether a shard is filled piece by piece.
#[inline]
pub fn goes_by_pieces(rules: Rules) -> bool {
    !rules.broken(Mutant::MergedTakenAgain)
}

/// A replica says that it holds everything again once that is durable, and all that it merged with it.
///
/// Rule 17. How durable the note is.
#[inline]
pub fn noted_whole(rules: Rules) -> Durability {
    if rules.broken(Mutant::WholeUnsynced) { Durability::Os } else { Durability::Sync }
}

/// What a replica fills itself with never takes the place of what it took meanwhile: where it holds something, the two are
/// merged by version.
///
/// Rule 17. Whether it looks what it holds.
#[cfg(feature = "mutants")]
pub fn looks_first(rules: Rules) -> bool {
    !rules.broken(Mutant::FilledOverNewer)
}
