//! What is asked below the quorum: little is promised, and that little is judged.
//!
//! **Integrity.** A read shows nothing that no client wrote: of each value that is seen there is a write that was
//! called before the read returned and that did not certainly fail.
//!
//! **The mixture.** Levels may be mixed on one key, and those who ask at a quorum are still promised linearizability
//! among themselves. To them a write below the quorum is one of unknown outcome, whatever its answer was: it may take
//! effect at any time after its call, once, or never, since it may lose to an older write. So for the search for an
//! order (see [`crate::linearizable`]) such writes become unknown, and reads below the quorum are left out.
//!
//! **Regular.** Where r of a read and the table's `w` together are more than the copies, a read sees every write that
//! was acknowledged at the table's `w` or above before it began, or one that was under way: it is never stale in the
//! sense below.
//!
//! **Staleness** is measured elsewhere, and is no promise there. A read is stale by the time since the value that it
//! showed was surely overwritten: since the return of the first write or delete that was acknowledged as a quorum
//! counts it, was called after that value was acknowledged, and returned before the read was called. Where no client
//! writes at a quorum, every acknowledged write counts.

use std::fmt;

use crate::history::History;
use crate::judgement::{Finding, Judgement, Measure};
use crate::level::Level;
use crate::linearizable::{self, Limits};
use crate::operation::{Kind, Operation, Status};

/// So many reads that missed something are told one by one.
const MISSED_MAX: usize = 10;

/// Whether an operation was asked at a quorum of so many copies or above. One that does not say is one at a quorum.
pub fn is_quorum(operation: &Operation, copies: u8) -> bool {
    operation.detail.level.unwrap_or(Level::Quorum).is_quorum(copies)
}

/// What was found of reads below the quorum.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Integrity {
    /// How many reads were judged.
    pub reads: usize,
    /// For each stale one, by how many nanoseconds; in order.
    pub stale: Vec<u64>,
    /// The first of them, each with the write that it missed.
    pub missed: Vec<Finding>,
    /// Whether a stale read breaks a promise.
    pub must_be_fresh: bool,
    /// Reads of what no client wrote, each with the failed or late writes of that value.
    pub phantoms: Vec<Finding>,
}

/// What was found of a mixture of levels.
#[derive(Clone, Debug, PartialEq)]
pub struct Mixture {
    /// Of the operations at a quorum and above.
    pub orders: linearizable::Report,
    /// Of the reads below.
    pub integrity: Integrity,
}

/// Judges a history in which nothing is promised but integrity: of all reads, whatever their level.
pub fn check_integrity(history: &History) -> Integrity {
    check_reads(history, |_| true, |_| true)
}

/// Judges a history of a table with that `w`: reads that are regular must not be stale, and all must have integrity.
pub fn check_regular(history: &History, copies: u8, table_w: Level) -> Integrity {
    let owners = |one: &Operation| one.detail.level.unwrap_or(Level::Quorum).owners(copies);
    let is_regular = |read: &Operation| owners(read) + table_w.owners(copies) > copies;
    let counts = |write: &Operation| owners(write) >= table_w.owners(copies);
    let mut found = check_reads(history, is_regular, counts);
    found.phantoms = check_reads(history, |_| true, counts).phantoms;
    found.must_be_fresh = true;
    found
}

/// Judges a history of mixed levels.
pub fn check_mixed(history: &History, copies: u8) -> Mixture {
    let operations =
        history.operations.iter().filter_map(|operation| as_quorum_sees_it(operation, copies)).collect();
    Mixture {
        orders: linearizable::check(&History { operations }, Limits::default()),
        integrity: check_reads(history, |read| !is_quorum(read, copies), |write| is_quorum(write, copies)),
    }
}

/// The operation as it is to those who ask at a quorum; `None` if it is nothing to them.
fn as_quorum_sees_it(operation: &Operation, copies: u8) -> Option<Operation> {
    if is_quorum(operation, copies) {
        return Some(operation.clone());
    }
    match (&operation.kind, operation.status) {
        (Kind::Read { .. }, _) => None,
        (_, Status::Fail | Status::Mismatch) => Some(operation.clone()),
        (Kind::Write { .. } | Kind::Delete | Kind::Cas { .. }, Status::Ok | Status::Unknown) => {
            Some(Operation { status: Status::Unknown, ..operation.clone() })
        }
    }
}

fn check_reads(
    history: &History,
    is_judged: impl Fn(&Operation) -> bool,
    overwrites: impl Fn(&Operation) -> bool,
) -> Integrity {
    let mut found = Integrity::default();
    for operations in history.by_key(|_| true).values() {
        let writes: Vec<&Operation> =
            operations.iter().copied().filter(|one| !matches!(one.kind, Kind::Read { .. })).collect();
        for read in operations.iter().filter(|one| one.status == Status::Ok && is_judged(one)) {
            let Kind::Read { value } = &read.kind else { continue };
            found.reads += 1;
            found.phantoms.extend(phantom(read, value.as_deref(), &writes));
            let Some((maker, missed)) = misses(read, value.as_deref(), &writes, &overwrites) else {
                continue;
            };
            found.stale.extend(missed.ret.map(|ret| read.call - ret));
            if found.missed.len() < MISSED_MAX {
                found.missed.push(Finding {
                    key: read.key.clone(),
                    what: "a read missed a write that was acknowledged before it began".to_owned(),
                    operations: maker.into_iter().chain([missed, read]).cloned().collect(),
                });
            }
        }
    }
    found.stale.sort_unstable();
    found
}

fn makes(write: &Operation, value: Option<&str>) -> bool {
    match &write.kind {
        Kind::Read { .. } => false,
        Kind::Write { value: written } | Kind::Cas { value: written, .. } => value == Some(written),
        Kind::Delete => value.is_none(),
    }
}

fn may_have_happened(write: &Operation) -> bool {
    matches!(write.status, Status::Ok | Status::Unknown)
}

fn phantom(read: &Operation, value: Option<&str>, writes: &[&Operation]) -> Option<Finding> {
    // There is nothing before anything is written.
    let value = value?;
    let of_value = || writes.iter().copied().filter(|write| makes(write, Some(value)));
    let has_reason =
        of_value().any(|write| may_have_happened(write) && read.ret.is_none_or(|ret| write.call <= ret));
    (!has_reason).then(|| Finding {
        key: read.key.clone(),
        what: format!("a read saw {value:?}, which no client can have written by then"),
        operations: of_value().chain([read]).cloned().collect(),
    })
}

/// The write that a read shows, if any, and the first one that it misses; `None` if it need not miss any. Of several
/// writes that it may show, the one is meant that misses least.
fn misses<'a>(
    read: &Operation,
    value: Option<&str>,
    writes: &[&'a Operation],
    overwrites: impl Fn(&Operation) -> bool,
) -> Option<(Option<&'a Operation>, &'a Operation)> {
    let may_be_meant = |write: &&Operation| {
        makes(write, value) && may_have_happened(write) && read.ret.is_none_or(|ret| write.call <= ret)
    };
    let beginning = value.is_none().then_some(None);
    let mut kindest: Option<(Option<&Operation>, &Operation)> = None;
    for maker in writes.iter().copied().filter(may_be_meant).map(Some).chain(beginning) {
        let known = match maker {
            Some(write) if write.status == Status::Ok => write.ret?,
            // It may have taken effect just now.
            Some(_) => return None,
            None => 0,
        };
        let missed = writes
            .iter()
            .copied()
            .filter(|write| write.status == Status::Ok && overwrites(write) && !makes(write, value))
            .filter(|write| write.call > known && write.precedes(read))
            .min_by_key(|write| write.ret)?;
        if kindest.is_none_or(|(_, other)| other.ret < missed.ret) {
            kindest = Some((maker, missed));
        }
    }
    kindest
}

impl Integrity {
    fn measures(&self) -> Vec<Measure> {
        let mut measures = vec![
            Measure::count("reads whose age was measured", self.reads),
            Measure::share("of them were stale", self.stale.len(), self.reads.max(1)),
        ];
        if let (Some(median), Some(longest)) = (self.stale.get(self.stale.len() / 2), self.stale.last()) {
            measures.push(Measure::time("half of the stale ones by less than", *median));
            measures.push(Measure::time("the stalest by", *longest));
        }
        measures
    }

    /// As the judgement of a workload.
    pub fn judgement(self) -> Judgement {
        let (text, measures) = (self.to_string(), self.measures());
        let mut findings = self.phantoms;
        if self.must_be_fresh {
            findings.extend(self.missed);
        }
        Judgement::of(text, findings, measures)
    }
}

impl Mixture {
    /// As the judgement of a workload.
    pub fn judgement(self) -> Judgement {
        let text = format!("at a quorum and above: {}\nbelow: {}", self.orders, self.integrity);
        let below = self.integrity.judgement();
        let mut judgement = Judgement::of_registers(&self.orders);
        judgement.text = text;
        judgement.add_findings(below.findings);
        judgement.measures = below.measures;
        judgement
    }
}

impl fmt::Display for Integrity {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (reads, stale, phantoms) = (self.reads, self.stale.len(), self.phantoms.len());
        write!(formatter, "{reads} reads: {stale} stale, {phantoms} of what no client wrote")?;
        if self.must_be_fresh && stale > 0 {
            write!(formatter, ", where none may be stale")?;
        }
        for phantom in &self.phantoms {
            write!(formatter, "\n  key {:?}: {}", phantom.key, phantom.what)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
