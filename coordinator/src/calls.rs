//! The calls of one operation: which are open, to whom, and what each owner said so far.

use crate::answer::{ReplicaReport, ReplicaResult};
use crate::machine::{Call, Effect, Failure};
use quorate_model::{Epoch, Instant, NodeId, Now, Span};

/// Why a call was made: decides who takes its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Round one of a write.
    Ask,
    /// A read that counts towards R.
    Read,
    /// A read of the whole record after only its digest was known.
    Fetch,
    /// A record for an owner, for the copy that it has since this epoch.
    Write(Epoch),
    /// A draft for the first owner of a write at `one`.
    Assign,
    /// A hint to be kept for this owner.
    Hint(NodeId),
}

/// A call that is closed: whom it asked, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Closed {
    /// Whom it asked.
    pub to: NodeId,
    /// Why.
    pub purpose: Purpose,
}

/// The calls of one operation.
#[derive(Debug, Default)]
pub struct Calls {
    made: u32,
    open: Vec<(Call, Closed, Instant)>,
    reports: Vec<(NodeId, ReplicaResult, Span, bool)>,
}

impl Calls {
    /// Makes a call.
    pub fn send<A, Q>(
        &mut self,
        now: Now,
        to: NodeId,
        purpose: Purpose,
        request: Q,
        effects: &mut Vec<Effect<A, Q>>,
    ) {
        let call = Call(self.made);
        self.made += 1;
        self.open.push((call, Closed { to, purpose }, now.instant));
        match purpose {
            Purpose::Hint(owner) => self.hinted(owner),
            _ => self.report(to, ReplicaResult::Timeout, Span(0)),
        }
        effects.push(Effect::Send { call, to, request });
    }

    /// Closes a call at its answer; `None` if it is not open (an answer that came twice).
    pub fn answered(&mut self, now: Now, call: Call) -> Option<Closed> {
        let closed = self.close(now, call, ReplicaResult::Ack)?;
        if closed.purpose == Purpose::Ask {
            self.result(closed.to, ReplicaResult::Answered);
        }
        Some(closed)
    }

    /// Closes a call at its failure; `None` if it is not open.
    pub fn failed(&mut self, now: Now, call: Call, failure: Failure) -> Option<Closed> {
        let result = match failure {
            Failure::NotSent => ReplicaResult::Down,
            Failure::Lost => ReplicaResult::Lost,
            Failure::Refused(refusal) => ReplicaResult::Refused(refusal),
        };
        self.close(now, call, result)
    }

    /// Notes an owner that was not asked because it is known to be down.
    pub fn is_down(&mut self, node: NodeId) {
        if self.reports.iter().all(|report| report.0 != node) {
            self.report(node, ReplicaResult::Down, Span(0));
        }
    }

    /// Notes that a hint is left for this owner.
    pub fn hinted(&mut self, owner: NodeId) {
        if let Some(report) = self.reports.iter_mut().find(|report| report.0 == owner) {
            report.3 = true;
        } else {
            self.reports.push((owner, ReplicaResult::Down, Span(0), true));
        }
    }

    /// Drops the open calls of a plan that is no longer in force: their answers must not count in the new one.
    pub fn forget(&mut self) {
        self.open.clear();
    }

    /// Whether an owner was asked to show its record and has not answered.
    pub fn is_fetching(&self) -> bool {
        self.open.iter().any(|(_, call, _)| call.purpose == Purpose::Fetch)
    }

    /// Whether a hint is still on its way to a store.
    pub fn is_hinting(&self) -> bool {
        self.open.iter().any(|(_, call, _)| matches!(call.purpose, Purpose::Hint(_)))
    }

    /// What each owner said so far.
    pub fn reports(&self, now: Now) -> Vec<ReplicaReport> {
        let waiting = |node| {
            let asked = |(_, call, at): &&(Call, Closed, Instant)| call.to == node && *at <= now.instant;
            self.open.iter().find(asked).map(|(_, _, at)| now.instant - *at)
        };
        let report = |&(node, result, after, hint): &(NodeId, ReplicaResult, Span, bool)| {
            let after = if result == ReplicaResult::Timeout { waiting(node).unwrap_or(after) } else { after };
            ReplicaReport { node, result, after, hint }
        };
        self.reports.iter().map(report).collect()
    }

    fn close(&mut self, now: Now, call: Call, result: ReplicaResult) -> Option<Closed> {
        let at = self.open.iter().position(|(open, _, _)| *open == call)?;
        let (_, closed, sent) = self.open.swap_remove(at);
        if !matches!(closed.purpose, Purpose::Hint(_)) {
            self.report(closed.to, result, now.instant - sent);
        }
        Some(closed)
    }

    fn result(&mut self, node: NodeId, result: ReplicaResult) {
        if let Some(report) = self.reports.iter_mut().find(|report| report.0 == node) {
            report.1 = result;
        }
    }

    fn report(&mut self, node: NodeId, result: ReplicaResult, after: Span) {
        match self.reports.iter_mut().find(|report| report.0 == node) {
            Some(report) => (report.1, report.2) = (result, after),
            None => self.reports.push((node, result, after, false)),
        }
    }
}
