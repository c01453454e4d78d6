//! Bringing one record to a quorum of owners: round two of a write, a repair before the answer, a found retry.
//!
//! The record goes to every owner that is not known to hold it (or something later), always under the same version.
//! An owner that fails is sent the same record again while its client waits for the quorum: merging makes that
//! harmless. `stored` remembers whether any owner may have it, which is what separates *not applied* from *unknown*.
//!
//! A floor may refuse a record that no owner is known to hold; once one has acknowledged this very record it is *vouched*
//! for, and goes to the others again.

use crate::calls::Purpose;
use crate::context::{RESEND_AFTER_MAX, Timing};
use crate::course::Course;
use crate::few::{Copies, Nodes};
use crate::machine::{Effect, Failure};
use crate::need::Need;
use crate::owners::Tally;
use quorate_model::{Durability, Held, Instant, NodeId, Now, Origin, Owner, Record, Refusal, Request, Span};

/// One record on its way to a quorum.
#[derive(Debug)]
pub struct RoundTwo {
    record: Record,
    /// How it comes: vouched, once an owner has acknowledged this very record.
    origin: Origin,
    durability: Durability,
    need: Need,
    holders: Copies,
    pending: Copies,
    failed: Copies,
    stored: bool,
    /// Whether an owner refused it because of a floor.
    below: bool,
    /// Those to which it went vouched for.
    vouched: Copies,
    resend_at: Option<Instant>,
    resend_after: Span,
    give_up_at: Instant,
}

impl RoundTwo {
    /// A record on its way to as many owners as are needed; `holders` hold it (or something later) already.
    pub fn new(
        now: Now,
        (record, origin): (Record, Origin),
        durability: Durability,
        need: Need,
        holders: Copies,
        timing: Timing,
    ) -> Self {
        Self {
            record,
            origin,
            durability,
            need,
            below: false,
            vouched: Copies::default(),
            stored: !holders.is_empty(),
            holders,
            pending: Copies::default(),
            failed: Copies::default(),
            resend_at: None,
            resend_after: timing.resend_after,
            give_up_at: now.instant + timing.give_up_after,
        }
    }

    /// Sends the record to every owner that neither holds it nor was sent it.
    pub fn send<A>(&mut self, now: Now, course: &mut Course, effects: &mut Vec<Effect<A>>) {
        self.send_where(now, course, |_, _| true, effects);
    }

    /// The same to some owners only.
    pub fn send_to<A>(&mut self, now: Now, course: &mut Course, only: &Nodes, effects: &mut Vec<Effect<A>>) {
        self.send_where(now, course, |_, node| only.contains(node), effects);
    }

    /// The same to those of which their place in the order (from 0) and they themselves say so.
    pub fn send_where<A>(
        &mut self,
        now: Now,
        course: &mut Course,
        wanted: impl Fn(usize, NodeId) -> bool,
        effects: &mut Vec<Effect<A>>,
    ) {
        let holding = self.held_by(course);
        let Course { plan, owners, calls, .. } = course;
        for (place, owner) in owners.copies_in_order().enumerate() {
            let idle = !holding.contains(owner.node) && !self.failed.contains(owner);
            if wanted(place, owner.node) && idle && self.pending.insert(owner) {
                let request = Request::Write {
                    at: plan.place.clone(),
                    record: self.record.clone(),
                    durability: self.durability,
                    origin: self.origin,
                };
                if self.origin == Origin::Vouched {
                    self.vouched.insert(owner);
                }
                calls.send(now, owner.node, Purpose::Write(owner.since), request, effects);
            }
        }
    }

    /// Takes an owner's acknowledgement, for the copy to which the record was sent, and what it holds.
    pub fn acknowledge(&mut self, owner: Owner, held: Option<Held>) {
        self.stored = true;
        if held == Some(self.record.held()) {
            self.origin = Origin::Vouched;
        }
        self.pending.remove(owner);
        self.failed.remove(owner);
        self.holders.insert(owner);
    }

    /// Owners that hold the record, but not all that came with it, are to be sent it all the same.
    pub fn take_back(&mut self, nodes: &Nodes) {
        self.holders = self.holders.iter().filter(|owner| !nodes.contains(owner.node)).collect();
    }

    /// Takes an owner's failure. It will be sent the record again: until the deadline if any owner may have it,
    /// because then only success or *unknown* can be answered; else for as long as patience lasts.
    pub fn fail(&mut self, now: Now, owner: Owner, failure: Failure) {
        match failure {
            Failure::Refused(Refusal::Below { .. }) => self.below = true,
            Failure::NotSent | Failure::Refused(_) => {}
            Failure::Lost => self.stored = true,
        }
        if self.pending.remove(owner) {
            self.failed.insert(owner);
        }
        let resend_at = now.instant + self.resend_after;
        if self.stored || !self.pending.is_empty() || resend_at <= self.give_up_at {
            self.resend_at.get_or_insert(resend_at);
        } else if self.resend_at.is_some_and(|at| at > self.give_up_at) {
            // An earlier failure counted on an owner that might still take it, and that has failed since.
            self.resend_at = None;
        }
    }

    /// Those that failed may be sent the record again, if the time has come; true if so.
    pub fn is_resend_due(&mut self, now: Now) -> bool {
        if self.resend_at.is_none_or(|at| at > now.instant) {
            return false;
        }
        self.resend_at = None;
        self.resend_after = Span(self.resend_after.0.saturating_mul(2)).min(RESEND_AFTER_MAX);
        self.failed = Copies::default();
        true
    }

    /// Whether enough owners hold the record.
    pub fn is_met(&self, course: &Course) -> bool {
        course.owners.met(&self.held_by(course), &course.quota(self.need))
    }

    /// Whether no owner has it and none can still get it: it certainly was not applied.
    pub fn is_not_applied(&self) -> bool {
        !self.stored && self.pending.is_empty()
    }

    /// Whether no owner has it, none can still get it, and a floor is why.
    pub fn is_below(&self) -> bool {
        self.below && self.is_not_applied()
    }

    /// Whether an owner that refused it because of a floor is to be sent it again, vouched for.
    pub fn is_vouched_anew(&self, owner: Owner) -> bool {
        self.origin == Origin::Vouched && !self.vouched.iter().any(|other| other == owner)
    }

    /// An owner that failed may be sent it again at once.
    pub fn try_again(&mut self, owner: Owner) {
        self.failed.remove(owner);
    }

    /// How many owners hold it, of how many.
    pub fn tally(&self, course: &Course) -> Tally {
        course.owners.tally(&self.held_by(course), &course.quota(self.need))
    }

    /// The owners that hold it.
    pub fn held_by(&self, course: &Course) -> Nodes {
        course.owners.with(course.context.rules, &self.holders)
    }

    /// The nodes of which a copy has acknowledged it, whether or not it counts by the plan in force.
    pub fn acknowledged_by(&self) -> impl Iterator<Item = NodeId> + '_ {
        self.holders.iter().map(|owner| owner.node)
    }

    /// The owners that failed and were not sent it again yet.
    pub fn failed(&self) -> Nodes {
        self.failed.iter().map(|owner| owner.node).collect()
    }

    /// Whether no owner has still to answer.
    pub fn is_settled(&self) -> bool {
        self.pending.is_empty()
    }

    /// The record.
    pub fn record(&self) -> &Record {
        &self.record
    }

    /// Sends are due at once, to every owner that lacks the record: the owners may have changed.
    pub fn resend_now(&mut self) {
        self.resend_at = None;
        self.failed = Copies::default();
    }

    /// The record, for the rules that it is sent again as it is.
    pub fn record_mut(&mut self) -> &mut Record {
        &mut self.record
    }

    /// When it wants a tick.
    pub fn wake_at(&self) -> Option<Instant> {
        self.resend_at
    }
}
