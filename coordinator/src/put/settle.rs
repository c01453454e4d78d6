//! After the answer: late acknowledgements, and a hint for each owner that did not give one.
//!
//! A hint never counts. It goes to this node's own store, or, where this node itself is the owner that failed, to an
//! owner that holds the record.

use super::{Effects, Phase, Put};
use crate::calls::Purpose;
use crate::machine::{Effect, Failure};
use crate::owners::Nodes;
use crate::rules::hints;
use crate::spread::Spread;
use quorate_model::{Instant, NodeId, Now, Request};

/// A write whose client is answered.
#[derive(Debug)]
pub(super) struct Settle {
    /// The record and who holds it.
    pub spread: Spread,
    /// Owners for whom a hint was left.
    hinted: Nodes,
    /// When silent owners get a hint.
    until: Option<Instant>,
    /// When nothing is waited for any more, not even hints.
    end: Instant,
}

impl Settle {
    pub(super) fn wake_at(&self) -> Option<Instant> {
        self.until.or(Some(self.end))
    }
}

impl Put {
    /// The client is answered; the operation lives on.
    pub(super) fn settle(&mut self, now: Now, spread: Spread, effects: &mut Effects) {
        let until = now.instant + self.course.context.timing.settle;
        let end = until + self.course.context.timing.settle;
        let failed: Vec<NodeId> = spread.failed().iter().collect();
        self.phase = Phase::Settling(Settle { spread, hinted: Nodes::default(), until: Some(until), end });
        for owner in failed {
            self.leave_hint(now, owner, effects);
        }
        self.advance_settle(now, effects);
    }

    pub(super) fn on_failed_settling(
        &mut self,
        now: Now,
        to: NodeId,
        purpose: Purpose,
        failure: Failure,
        effects: &mut Effects,
    ) {
        let Phase::Settling(settle) = &mut self.phase else { return };
        match purpose {
            Purpose::Write if hints::needs_none(self.course.context.rules, failure) => {
                settle.spread.acknowledge(to);
            }
            Purpose::Write => {
                settle.spread.fail(now, to, failure);
                self.leave_hint(now, to, effects);
            }
            // The own store would not keep it: an owner that holds the record may.
            Purpose::Hint(owner) if to == self.course.context.local => {
                let keeper = settle.spread.holders().iter().find(|node| *node != to && *node != owner);
                self.send_hint(now, owner, keeper, effects);
            }
            Purpose::Hint(_) | Purpose::Ask | Purpose::Read | Purpose::Fetch | Purpose::Assign => {}
        }
        self.advance_settle(now, effects);
    }

    pub(super) fn on_settle_tick(&mut self, now: Now, effects: &mut Effects) {
        let Phase::Settling(settle) = &mut self.phase else { return };
        if settle.until.is_some_and(|until| until <= now.instant) {
            // First the hints, however late: a process that stood still past the end owes them too.
            settle.until = None;
            settle.end = settle.end.max(now.instant + self.course.context.timing.settle);
            let silent: Vec<NodeId> =
                self.course.owners.in_order().filter(|node| !settle.spread.is_held_by(*node)).collect();
            for owner in silent {
                self.leave_hint(now, owner, effects);
            }
        } else if settle.end <= now.instant {
            if self.course.context.settles() {
                return self.end(effects);
            }
            settle.end = now.instant + self.course.context.timing.settle;
        }
        self.advance_settle(now, effects);
    }

    pub(super) fn advance_settle(&mut self, _: Now, effects: &mut Effects) {
        let Phase::Settling(settle) = &self.phase else { return };
        let nobody_to_wait_for = settle.spread.is_settled() || settle.until.is_none();
        if nobody_to_wait_for && !self.course.calls.is_hinting() {
            self.end(effects);
        }
    }

    fn leave_hint(&mut self, now: Now, owner: NodeId, effects: &mut Effects) {
        let local = self.course.context.local;
        let Phase::Settling(settle) = &mut self.phase else { return };
        if !settle.hinted.insert(owner) {
            return;
        }
        let keeper = if owner == local {
            settle.spread.holders().iter().find(|node| *node != local)
        } else {
            Some(local)
        };
        self.send_hint(now, owner, keeper, effects);
    }

    fn send_hint(&mut self, now: Now, owner: NodeId, keeper: Option<NodeId>, effects: &mut Effects) {
        let Phase::Settling(settle) = &self.phase else { return };
        if let Some(keeper) = keeper {
            let (at, record) = (self.course.plan.place.clone(), settle.spread.record().clone());
            let request = Request::Hint { owner, at, record };
            self.course.calls.send(now, keeper, Purpose::Hint(owner), request, effects);
        }
    }

    fn end(&mut self, effects: &mut Effects) {
        self.phase = Phase::Done;
        effects.push(Effect::Done);
    }
}
