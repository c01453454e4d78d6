//! What must be true of every history, one file for each promise.
//!
//! Two kinds of judge look at the same history. The checker of the jepsen crate knows nothing of the protocol: it
//! sees values, calls and returns. The others look at versions and replicas, which tells sooner and more exactly
//! what went wrong. Both must agree that nothing did.
//!
//! Reads below a quorum are not judged for linearizability; they must still show only what was written, and what
//! they are bound to meet: `r` owners and `w` owners share one when `r + w > n`, whatever the levels are called.
//!
//! A disk that forgets what it called synced is one holder less ([`History::surely`]): who asks so many owners that
//! they meet the others all the same must see what was acknowledged. Until its node hears from a peer what is missing,
//! cannot be known; so a quorum alone proves nothing then, and answers at a quorum are not put in order.
//!
//! Where a loss was accepted, what was acknowledged may be gone, and answers say that they promise less: what such an
//! answer shows or claims is put in no order. What says `linearizable` all the same must be (`Evidence::is_lowered`).
//!
//! Nothing vanishes but by a purge: a reader that finds nothing at all is told up to which version what was there was
//! removed, and has lost what was there unless that was so. What a reader calls expired is a record too, and may be called so only once a clock has come that far
//! ([`History::reached`]).

mod answers;
mod bounded;
mod closed;
mod converges;
mod doubt;
mod durable;
mod filled;
mod flicker;
mod identity;
mod linearizable;
mod ownership;
mod phantom;
mod resurrection;
mod scans;
mod sums;

use crate::heal::Ending;
use crate::history::{Asked, Attempt, History, Moment, Spot};
use crate::replay::REPLAYER;
use crate::setting::{Setting, TableSetting};
use quorate_model::{Guarantee, Record, Version, WallTime, level};
use std::fmt;

/// A promise: each has a file of its own that judges it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Invariant {
    /// There is an order of all operations at a quorum and above that explains every answer.
    Linearizable,
    /// What was acknowledged is met by later readers, stands above what was acknowledged before, and is there at the
    /// end.
    Durable,
    /// What a client sees was written so by a client before.
    Phantom,
    /// What was once read at a quorum is never unread.
    Flicker,
    /// After everything is healed the cluster makes progress, and replicas become equal.
    Converges,
    /// What was removed never comes back.
    Resurrection,
    /// Only owners answer, under one plan at a time, and a newer plan is taken.
    Ownership,
    /// One write has one version, and an acknowledged operation id is never applied again.
    Identity,
    /// An answer is true in what it claims, and a refusal is a promise.
    Answers,
    /// A replica that doubts its disk takes no part.
    Doubt,
    /// A copy that was lost is whole in the end, and stays so.
    Filled,
    /// A drop and the keys of its table are in one order.
    Closed,
    /// Messages, queues, hints and ids have limits, and operations end.
    Bounded,
    /// Pages of a scan cover its range once; what was there throughout is in them, and what must not be shown is not.
    Scans,
    /// A chunk's sum is what its records add up to.
    Sums,
    /// Nothing panics, and the checker comes to a verdict.
    Sound,
}

/// A promise that a history broke.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Which promise.
    pub invariant: Invariant,
    /// Of which key, where it is about one.
    pub spot: Option<Spot>,
    /// What was seen.
    pub what: String,
}

/// All that is known of a history.
pub struct Evidence<'a> {
    /// What the seed chose.
    pub setting: &'a Setting,
    /// What happened.
    pub history: &'a History,
    /// How it ended.
    pub ending: &'a Ending,
}

type Judge = fn(&Evidence<'_>, &mut Findings);

/// Every promise with its judge.
const JUDGES: [(Invariant, Judge); 15] = [
    (Invariant::Phantom, phantom::judge),
    (Invariant::Durable, durable::judge),
    (Invariant::Flicker, flicker::judge),
    (Invariant::Resurrection, resurrection::judge),
    (Invariant::Ownership, ownership::judge),
    (Invariant::Identity, identity::judge),
    (Invariant::Answers, answers::judge),
    (Invariant::Doubt, doubt::judge),
    (Invariant::Filled, filled::judge),
    (Invariant::Closed, closed::judge),
    (Invariant::Bounded, bounded::judge),
    (Invariant::Scans, scans::judge),
    (Invariant::Sums, sums::judge),
    (Invariant::Converges, converges::judge),
    (Invariant::Linearizable, linearizable::judge),
];

/// Promises about what was acknowledged, which hold no more where a loss was accepted.
const TAKEN_BACK: [Invariant; 4] =
    [Invariant::Durable, Invariant::Flicker, Invariant::Resurrection, Invariant::Identity];

/// What judges found.
#[derive(Debug)]
pub struct Findings {
    invariant: Invariant,
    violations: Vec<Violation>,
}

impl fmt::Display for Invariant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Invariant::Linearizable => "linearizable",
            Invariant::Durable => "durable",
            Invariant::Phantom => "phantom",
            Invariant::Flicker => "flicker",
            Invariant::Converges => "converges",
            Invariant::Resurrection => "resurrection",
            Invariant::Ownership => "ownership",
            Invariant::Identity => "identity",
            Invariant::Answers => "answers",
            Invariant::Doubt => "doubt",
            Invariant::Filled => "filled",
            Invariant::Closed => "closed",
            Invariant::Bounded => "bounded",
            Invariant::Scans => "scans",
            Invariant::Sums => "sums",
            Invariant::Sound => "sound",
        })
    }
}

impl Findings {
    /// The judge came to no verdict: nothing is known to be broken but the judging.
    fn undecided(&mut self, spot: impl Into<Option<Spot>>, what: String) {
        self.violations.push(Violation { invariant: Invariant::Sound, spot: spot.into(), what });
    }

    fn broken(&mut self, spot: impl Into<Option<Spot>>, what: String) {
        self.violations.push(Violation { invariant: self.invariant, spot: spot.into(), what });
    }
}

/// Judges a history; empty if every promise was kept.
pub fn judge(evidence: &Evidence<'_>) -> Vec<Violation> {
    let mut findings = Findings { invariant: Invariant::Sound, violations: Vec::new() };
    for (invariant, judge) in JUDGES {
        if evidence.has_accepted() && TAKEN_BACK.contains(&invariant) {
            continue;
        }
        findings.invariant = invariant;
        judge(evidence, &mut findings);
    }
    findings.violations
}

impl Evidence<'_> {
    /// Whether a key's table may lose what was acknowledged and not asked to be synced.
    fn may_forget(&self, spot: Spot) -> bool {
        self.setting.may_forget(spot.table)
    }

    /// Whether a key's table is gone at the end, and its records with it.
    fn is_dropped(&self, spot: Spot) -> bool {
        self.setting.dropped() == Some(spot.table)
    }

    fn table(&self, spot: Spot) -> TableSetting {
        self.setting.tables[spot.table]
    }

    /// Whether a node went on with what was left of its disk, and nothing can be demanded of what was acknowledged.
    fn has_accepted(&self) -> bool {
        !self.history.accepted.is_empty()
    }

    /// Whether an answer claims less than its levels promise, as it must after an accepted loss.
    fn is_lowered(&self, said: Guarantee, by_levels: Guarantee) -> bool {
        said < by_levels && self.has_accepted()
    }

    fn quorum(&self, spot: Spot) -> u8 {
        level::quorum(self.table(spot).n)
    }

    /// The same where there are as many copies as an answer says.
    fn quorum_of(&self, spot: Spot, said: u8) -> u8 {
        level::quorum(self.copies(self.table(spot).n, said))
    }

    /// How many owners hold at least what counts for anything.
    fn counts(&self, spot: Spot) -> u8 {
        self.quorum(spot).min(self.table_w(spot))
    }

    fn table_w(&self, spot: Spot) -> u8 {
        self.table_w_of(spot, self.table(spot).n)
    }

    /// The same where there are `n` copies.
    fn table_w_of(&self, spot: Spot, n: u8) -> u8 {
        self.table(spot).w.required(n).expect("levels are drawn within n")
    }

    /// Whether an attempt asks all owners for the sake of a hint, where there may be another number of them in the end than when
    /// it began.
    fn asks_all_that_there_are(&self, attempt: &Attempt) -> bool {
        self.setting.moves > 0 && attempt.name.client == REPLAYER
    }

    /// How many copies there were, by an answer: as many as at first, or as a plan has made of it.
    fn copies(&self, at_first: u8, said: u8) -> u8 {
        if self.history.copies.contains(&said) { said } else { at_first }
    }

    /// How many owners an attempt asked for, of `n`.
    fn required(&self, attempt: &Attempt, asked: u8, n: u8) -> u8 {
        if self.setting.changes_copies() && !attempt.closing { level::quorum(n) } else { asked }
    }

    /// Whether a reader that asked `required` owners of `n` must meet what so many of the owners hold. Where copies become more
    /// and fewer, both asked a quorum of as many as there were then, and that is enough.
    fn must_meet(&self, required: u8, holders: u8, n: u8) -> bool {
        required + holders > n || (self.setting.changes_copies() && required >= level::quorum(n))
    }

    /// Whether a reader that met a record, or nothing with all up to a version removed, met what was there at that version: it, or
    /// something later, or that it was removed since.
    fn is_met(&self, spot: Spot, found: Option<&Record>, sealed: Option<Version>, version: Version) -> bool {
        match found {
            Some(_) => is_as_late(found, version),
            None => sealed.is_some_and(|sealed| self.was_removed(spot, version, sealed)),
        }
    }

    /// Whether a version, or one above it and not above another, is a removal, or a value that may have expired.
    fn was_removed(&self, spot: Spot, version: Version, sealed: Version) -> bool {
        version <= sealed
            && self.history.makers.range((spot, version)..=(spot, sealed)).any(|(_, maker)| {
                match &self.history.attempts[maker.0].asked {
                    Asked::Write(write) => write.value.is_none() || write.expires_at.is_some(),
                    Asked::Read { .. } | Asked::Walk { .. } => false,
                }
            })
    }

    /// When a version could first be taken for expired; `None`: never, or no write made it.
    fn expired_since(&self, spot: Spot, version: Version, expires_at: WallTime) -> Option<Moment> {
        let maker = self.history.makers.get(&(spot, version))?;
        self.history.reached(self.history.attempts[maker.0].call, expires_at)
    }
}

/// Whether what was found is `version` or something later.
fn is_as_late(found: Option<&Record>, version: Version) -> bool {
    found.is_some_and(|record| record.version >= version)
}
