//! Scans: pages cover their range, each key in it once; a key that was there throughout is in it, and what is past its
//! expiry is not.
//!
//! Each page's answer is also a read of every key that it covers, also of those that it does not list: where owners
//! that answer are enough, these reads are put in one order with all others (`linearizable.rs`).
//!
//! What a page at few owners must show is what any of so many owners must have met: see `durable.rs`.

use super::{Evidence, Findings};
use crate::history::{Attempt, Moment, Outcome, PageHistory, PageOutcome, ScanHistory, Spot, Write, seen};
use quorate_coordinator::answer::Outcome as Claim;
use quorate_coordinator::scan::{Item, Page};
use quorate_model::level;
use quorate_model::{Body, Durability, Guarantee, Interval, Record, SortKey};

/// What a page says of one key.
pub(super) struct Shown<'a> {
    /// The scan.
    pub scan: &'a ScanHistory,
    /// The page.
    pub page: &'a PageHistory,
    /// Of which key.
    pub spot: Spot,
    /// What it lists; `None`: that it has no value.
    pub item: Option<&'a Item>,
}

pub(super) fn judge(evidence: &Evidence<'_>, findings: &mut Findings) {
    for (number, scan) in evidence.history.scans.iter().enumerate() {
        let mut rest = Some(scan.range.clone());
        for page in &scan.pages {
            if rest.as_ref() != Some(&page.from) {
                findings.broken(None, format!("scan {number} asked for {:?} behind {rest:?}", page.from));
            }
            match &page.outcome {
                PageOutcome::Answered(answer) => {
                    covers(evidence, findings, (number, scan, page, answer));
                    rest.clone_from(&answer.rest);
                }
                PageOutcome::Open => {
                    findings.broken(None, format!("a page of scan {number} was never answered"));
                }
                PageOutcome::Failed(_) | PageOutcome::Vanished => {}
            }
        }
        if rest.is_none() && !evidence.has_accepted() {
            shows_what_was_there(evidence, findings, (number, scan));
        }
    }
    for shown in shown(evidence) {
        is_true(evidence, findings, &shown);
    }
}

/// What pages say of each key that they cover.
pub(super) fn shown<'a>(evidence: &'a Evidence<'_>) -> impl Iterator<Item = Shown<'a>> {
    let pages =
        evidence.history.scans.iter().flat_map(|scan| scan.pages.iter().map(move |page| (scan, page)));
    pages.flat_map(|(scan, page)| {
        let PageOutcome::Answered(answer) = &page.outcome else { return Vec::new() };
        let covered = covered(&page.from, answer.rest.as_ref(), scan.reverse);
        let keys = evidence.ending.in_order[scan.table].iter().filter(|(key, _)| covered.contains(key));
        let item = |key: &SortKey| answer.items.iter().find(|item| item.sort_key == *key);
        keys.map(|(key, spot)| Shown { scan, page, spot: *spot, item: item(key) }).collect()
    })
}

/// The value of a listed key, as its page shows it or as it was written; `None`: no write made it.
pub(super) fn value(evidence: &Evidence<'_>, spot: Spot, item: &Item) -> Option<String> {
    if let Some(record) = &item.record {
        return seen(Some(record));
    }
    let body = evidence.history.contents.get(&(spot, item.version))?;
    let Body::Value { payload, .. } = body else { return None };
    Some(String::from_utf8_lossy(payload).trim_end().to_owned())
}

/// The piece of a range that a page is about, by what it leaves.
fn covered(from: &Interval, rest: Option<&Interval>, reverse: bool) -> Interval {
    match rest {
        None => from.clone(),
        Some(rest) if reverse => {
            Interval { start: rest.end.clone().unwrap_or_else(|| from.start.clone()), end: from.end.clone() }
        }
        Some(rest) => Interval { start: from.start.clone(), end: Some(rest.start.clone()) },
    }
}

/// A page lists keys of what it covers only, in order, not more than were asked for; it leaves the end of what it was
/// asked for, and less than that.
fn covers(
    evidence: &Evidence<'_>,
    findings: &mut Findings,
    (number, scan, page, answer): (usize, &ScanHistory, &PageHistory, &Page),
) {
    let covered = covered(&page.from, answer.rest.as_ref(), scan.reverse);
    let keys = || answer.items.iter().map(|item| &item.sort_key);
    let in_order =
        if scan.reverse { keys().is_sorted_by(|a, b| a > b) } else { keys().is_sorted_by(|a, b| a < b) };
    if !in_order || !keys().all(|key| covered.contains(key)) {
        findings.broken(None, format!("a page of scan {number} over {covered:?} is {answer:?}"));
    }
    if answer.items.len() > page.items {
        findings.broken(None, format!("scan {number} asked for {} keys: {answer:?}", page.items));
    }
    if let Some(rest) = &answer.rest {
        let is_tail = if scan.reverse {
            rest.start == page.from.start && rest.end.is_some() && rest.end != page.from.end
        } else {
            rest.end == page.from.end && rest.start > page.from.start
        };
        if !is_tail || rest.end.as_ref().is_some_and(|end| *end <= rest.start) {
            findings.broken(None, format!("scan {number} was left with {rest:?} of {:?}", page.from));
        }
    }
    let table = evidence.setting.tables[scan.table];
    let n = evidence.copies(table.n, answer.worth.n);
    let table_w = table.w.required(n).expect("levels are drawn within n");
    let changes = evidence.setting.changes_copies();
    let required = if changes { level::quorum(n) } else { scan.required };
    let claim = Guarantee::of_read(required, table_w, n);
    let said = answer.worth.guarantee;
    let is_claim = said == claim || evidence.is_lowered(said, claim);
    if !is_claim || (answer.worth.required, answer.worth.n) != (required, n) {
        let what = format!("a page at {required} of {n} claims {:?}", answer.worth);
        findings.broken(None, what);
    }
}

/// What a page lists was written so, before it was answered, and is not past its expiry for all that its coordinator
/// knew.
fn is_true(evidence: &Evidence<'_>, findings: &mut Findings, shown: &Shown<'_>) {
    let Shown { page, spot, item, .. } = shown;
    let Some(item) = item else { return };
    let Some(maker) = evidence.history.makers.get(&(*spot, item.version)) else {
        return findings.broken(*spot, format!("a page lists {}, which no write made", item.version));
    };
    let written = value(evidence, *spot, item);
    let attempt = &evidence.history.attempts[maker.0];
    let crate::history::Asked::Write(write) = &attempt.asked else { return };
    if written != write.value || written.is_none() || item.expires_at != write.expires_at {
        findings.broken(*spot, format!("a page lists {item:?}, which was asked for as {write:?}"));
    }
    if page.ret.is_some_and(|ret| ret < attempt.call) {
        findings.broken(*spot, format!("{} was listed before it was asked for", item.version));
    }
    if item.expires_at.is_some_and(|at| at <= page.wall_min) {
        let what = format!("{} was listed although its coordinator knew it expired", item.version);
        findings.broken(*spot, what);
    }
    let size = item.record.as_ref().map(Record::held);
    if size.is_some_and(|held| held.version != item.version) {
        findings.broken(*spot, format!("a page lists {} with another record", item.version));
    }
}

/// A key that was there throughout a whole scan is in it. That it is not there twice follows from the order of pages.
fn shows_what_was_there(
    evidence: &Evidence<'_>,
    findings: &mut Findings,
    (number, scan): (usize, &ScanHistory),
) {
    let (Some(first), Some(last)) = (scan.pages.first(), scan.pages.last().and_then(|page| page.ret)) else {
        return;
    };
    let is_listed = |spot: Spot| {
        shown(evidence)
            .any(|shown| std::ptr::eq(shown.scan, scan) && shown.spot == spot && shown.item.is_some())
    };
    let within = evidence.ending.in_order[scan.table].iter().filter(|(key, _)| scan.range.contains(key));
    for (_, spot) in within {
        if was_there(evidence, *spot, scan.required, first.call, last) && !is_listed(*spot) {
            let what =
                format!("scan {number} went over the whole range, and a key that was there is not in it");
            findings.broken(*spot, what);
        }
    }
}

/// Whether a key certainly had a value from one moment to another, to a reader of so many owners: a value was acknowledged
/// before, and whatever may have removed it was acknowledged before that value was written, or came later.
fn was_there(evidence: &Evidence<'_>, spot: Spot, required: u8, from: Moment, until: Moment) -> bool {
    let of_key = |attempt: &Attempt| attempt.spot == spot;
    let removes = |write: &Write| write.value.is_none() || write.expires_at.is_some();
    let never = |attempt: &Attempt| matches!(&attempt.outcome, Outcome::PutFailed(error) if error.outcome() == Claim::NotApplied);
    let may_forget = |write: &Write| evidence.may_forget(spot) && write.durability == Durability::Os;
    let (n, quorum) = (evidence.table(spot).n, evidence.quorum(spot));
    evidence.history.acknowledged().any(|(put, write, answer)| {
        let quorum = write.required.max(quorum);
        let said = if answer.replayed { quorum } else { write.required };
        let holders = evidence.history.surely(said, evidence.counts(spot));
        let is_there = of_key(put)
            && !removes(write)
            && !may_forget(write)
            && put.ret.is_some_and(|ret| ret < from)
            && evidence.must_meet(required, holders, n);
        is_there
            && evidence.history.writes().all(|(_, other, write)| {
                let is_before = matches!(other.outcome, Outcome::Stored(_)) && other.precedes(put);
                !of_key(other)
                    || !removes(write)
                    || never(other)
                    || is_before && other.made.iter().all(|made| *made < answer.version)
                    || other.call > until
            })
    })
}
