//! What must be true of every history, one file for each promise.
//!
//! Two kinds of judge look at the same history. The checker of the jepsen crate knows nothing of the protocol: it
//! sees values, calls and returns. The others look at versions and replicas, which tells sooner and more exactly
//! what went wrong. Both must agree that nothing did.
//!
//! Reads below a quorum are not judged for linearizability; they must still show only what was written, and what
//! they are bound to meet: `r` owners and `w` owners share one when `r + w > n`, whatever the levels are called.

mod answers;
mod bounded;
mod converges;
mod durable;
mod flicker;
mod identity;
mod linearizable;
mod phantom;
mod resurrection;

use crate::heal::Ending;
use crate::history::{History, Spot};
use crate::setting::{Setting, TableSetting};
use quorate_model::{Record, Version, level};

/// A promise that a history broke.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Which promise.
    pub invariant: &'static str,
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

/// Every promise, by the name of its file.
const INVARIANTS: [(&str, Judge); 9] = [
    ("phantom", phantom::judge),
    ("durable", durable::judge),
    ("flicker", flicker::judge),
    ("resurrection", resurrection::judge),
    ("identity", identity::judge),
    ("answers", answers::judge),
    ("bounded", bounded::judge),
    ("converges", converges::judge),
    ("linearizable", linearizable::judge),
];

/// What judges found.
#[derive(Debug, Default)]
pub struct Findings {
    invariant: &'static str,
    violations: Vec<Violation>,
}

impl Findings {
    fn broken(&mut self, spot: impl Into<Option<Spot>>, what: String) {
        self.violations.push(Violation { invariant: self.invariant, spot: spot.into(), what });
    }
}

/// Judges a history; empty if every promise was kept.
pub fn judge(evidence: &Evidence<'_>) -> Vec<Violation> {
    let mut findings = Findings::default();
    for (name, judge) in INVARIANTS {
        findings.invariant = name;
        judge(evidence, &mut findings);
    }
    findings.violations
}

impl Evidence<'_> {
    /// Whether a key's table may lose what was acknowledged and not asked to be synced.
    fn may_forget(&self, spot: Spot) -> bool {
        self.setting.may_forget(spot.table)
    }

    fn table(&self, spot: Spot) -> TableSetting {
        self.setting.tables[spot.table]
    }

    fn quorum(&self, spot: Spot) -> u8 {
        level::quorum(self.table(spot).n)
    }

    fn table_w(&self, spot: Spot) -> u8 {
        let table = self.table(spot);
        table.w.required(table.n).expect("levels are drawn within n")
    }

    /// Whether what was found is `version` or something later. Nothing at all is as late as a version that removes
    /// the value: its proof may be purged.
    fn is_as_late(&self, spot: Spot, found: Option<&Record>, version: Version) -> bool {
        match found {
            Some(record) => record.version >= version,
            None => self.history.makers.get(&(spot, version)).is_some_and(|maker| {
                let asked = &self.history.attempts[maker.0].asked;
                matches!(asked, crate::history::Asked::Write(write)
                    if write.value.is_none() || write.expires_at.is_some())
            }),
        }
    }
}
