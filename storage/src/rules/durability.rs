//! Durability: what must be synced before it is acknowledged or shown.

use quorate_model::{Durability, Mutant, Rules};

/// A record is as durable as its table says, or as the request says if that is more.
///
/// Rule 5.
#[inline]
pub fn needed(rules: Rules, table: Durability, asked: Durability) -> Durability {
    if rules.broken(Mutant::RaiseIgnored) {
        return table;
    }
    if rules.broken(Mutant::LoweredTaken) {
        return asked;
    }
    table.max(asked)
}

/// A batch is acknowledged once it is as durable as its requests need.
///
/// Rule 5. How durable a batch is made that needs so much.
#[inline]
pub fn before_acknowledgement(rules: Rules, needed: Durability) -> Durability {
    if rules.broken(Mutant::AcknowledgedBeforeDurable) { Durability::Os } else { needed }
}

/// What is held already is acknowledged, too, only once it is as durable as asked: perhaps it never was synced.
///
/// Rule 5. Whether something that changes nothing has to be synced.
#[inline]
pub fn syncs_held(rules: Rules, needed: Durability, is_unsynced: bool) -> bool {
    needed == Durability::Sync && is_unsynced && !rules.broken(Mutant::HeldNotSynced)
}

/// What a replica was sent is shown to readers once it is synced, not before.
///
/// Rule 5. Whether a record is shown while it waits for its batch.
#[inline]
#[cfg(feature = "mutants")]
pub fn shows_early(rules: Rules) -> bool {
    rules.broken(Mutant::ShownBeforeDurable)
}
