//! Writes: how many are asked, which version they get, and who must hold it.

use crate::machine::Failure;
use quorate_model::version::SeqExhausted;
use quorate_model::{Boot, Mutant, Now, Record, Rules, Stamp, Version, level};

/// Round one waits for `N - min(table's w, quorum) + 1` owners, whatever the request's own w: an owner that
/// acknowledged a write is among them.
///
/// Rule 1.
#[inline]
pub fn asked_in_round_one(rules: Rules, n: u8, table_w: u8, required: u8) -> u8 {
    if rules.broken(Mutant::VersionFromOneReplica) {
        return 1;
    }
    if rules.broken(Mutant::RoundOneByRequestW) {
        return n - required.min(level::quorum(n)) + 1;
    }
    if rules.broken(Mutant::RoundOneUncapped) {
        return n - table_w + 1;
    }
    level::round_one(n, table_w)
}

/// A version is one above the highest that round one found, and unique: no two writes are equal, and no clock takes
/// part.
///
/// Rule 2. `own` is what the coordinator's own replica answered.
#[inline]
#[cfg_attr(not(feature = "mutants"), expect(unused_variables, reason = "only its mutants look at clocks"))]
pub fn version(
    rules: Rules,
    stamp: Stamp,
    highest: Option<Version>,
    now: Now,
    own: impl FnOnce() -> Option<Version>,
) -> Result<Version, SeqExhausted> {
    #[cfg(feature = "mutants")]
    {
        if rules.broken(Mutant::VersionsMayTie) {
            return Ok(stamp.that_may_tie(highest));
        }
        if rules.broken(Mutant::WallClockVersions) {
            return Ok(stamp.of_wall_clock(now.wall));
        }
        if rules.broken(Mutant::HybridClockVersions) {
            return Ok(stamp.of_hybrid_clock(now.wall, own()));
        }
    }
    stamp.above(highest)
}

/// A process that starts again never makes the versions of the one before: its boot id was drawn anew, and is part of
/// each.
///
/// Rule 2. The boot id in the versions of a start that drew this one.
#[inline]
pub fn boot_of_versions(rules: Rules, drawn: Boot) -> Boot {
    if rules.broken(Mutant::BootReused) { Boot(0) } else { drawn }
}

/// Round two sends the record to all N owners, not only to as many as must acknowledge it.
///
/// Rule 1. Whether it goes to the owner at this place in the order, from 0.
#[inline]
pub fn is_sent_to(rules: Rules, place: usize, required: u8) -> bool {
    place < usize::from(required) || !rules.broken(Mutant::SentToFewerOwners)
}

/// A write is answered once W owners have acknowledged it.
///
/// Rule 1.
#[inline]
pub fn acknowledged_by(rules: Rules, required: u8) -> u8 {
    let too_few = u8::from(rules.broken(Mutant::OneAckTooFew));
    (required - too_few).max(1)
}

/// Only an owner that took the record counts towards W: a refusal does not, nor does the hint that is left instead.
///
/// Rule 4. Whether an owner that failed counts all the same.
#[inline]
pub fn failure_counts(rules: Rules, failure: Failure) -> bool {
    let is_refused = matches!(failure, Failure::Refused(_));
    rules.broken(Mutant::HintsCount) || (is_refused && rules.broken(Mutant::RefusalCounts))
}

/// One write has one version: a record that is sent again, because its acknowledgement is late, is the same record.
///
/// Rule 7.
#[inline]
#[cfg_attr(not(feature = "mutants"), expect(unused_variables, reason = "only its mutant changes anything"))]
pub fn sent_again_as_it_is(rules: Rules, record: &mut Record, stamp: Stamp) {
    #[cfg(feature = "mutants")]
    if rules.broken(Mutant::SecondVersion) {
        renew(record, stamp);
    }
}

/// Another version of the same write: what some mutants make.
#[cfg(feature = "mutants")]
pub(super) fn renew(record: &mut Record, stamp: Stamp) {
    record.version = stamp.above(Some(record.version)).unwrap_or(record.version);
}
