//! Round two: the record goes to all owners, and W of them must durably hold it before the client is answered.

use super::{Effects, Phase, Put};
use crate::answer::PutError;
use crate::calls::Purpose;
use crate::course::Failed;
use crate::few::Nodes;
use crate::machine::{Effect, Failure};
use crate::need::Need;
use crate::round_two::RoundTwo;
use crate::rules::{outcome, replan, write};
use quorate_model::{Now, Origin, Owner, Record, Refusal};

impl Put {
    /// Sends a record to all owners; `holders` have it (or something later) already.
    pub(super) fn round_two(
        &mut self,
        now: Now,
        (record, origin): (Record, Origin),
        need: Need,
        holders: &Nodes,
        effects: &mut Effects,
    ) {
        let rules = self.course.context.rules;
        let (durability, timing) = (self.order.durability, self.course.context.sending());
        let holders = self.course.owners.copies(holders);
        let required = self.course.quota(need).numbers().max().unwrap_or(0);
        let mut round_two = RoundTwo::new(now, (record, origin), durability, need, holders, timing);
        let is_sent_to = |place, _| write::is_sent_to(rules, place, required);
        round_two.send_where(now, &mut self.course, is_sent_to, effects);
        self.phase = Phase::RoundTwo(round_two);
        self.advance_round_two(now, effects);
    }

    /// An owner did not take the record.
    pub(super) fn on_round_two_failed(&mut self, now: Now, failed: Failed, effects: &mut Effects) {
        let Phase::RoundTwo(round_two) = &mut self.phase else { return };
        let Purpose::Write(since) = failed.purpose else { return };
        let (rules, owner) = (self.course.context.rules, Owner { node: failed.to, since });
        let failure = outcome::known_of_record(rules, failed.failure);
        round_two.fail(now, owner, failure);
        if self.found.is_some() && matches!(failure, Failure::Refused(Refusal::Below { .. })) {
            // The earlier attempt was removed since, and purged elsewhere: its answer can't be repeated any more.
            return self.finish(PutError::IdempotencyExpired, effects);
        }
        if write::failure_counts(rules, failure) {
            round_two.acknowledge(owner, None);
        }
        if failed.replanned {
            self.replan(now, effects);
        }
        self.advance_round_two(now, effects);
    }

    /// A newer plan changes where the record goes, never what it is.
    pub(super) fn resend(&mut self, now: Now, effects: &mut Effects) {
        let Phase::RoundTwo(round_two) = &mut self.phase else { return };
        replan::sent_on_as_it_is(self.course.context.rules, round_two.record_mut(), self.order.stamp);
        round_two.resend_now();
        round_two.send(now, &mut self.course, effects);
    }

    pub(super) fn on_round_two_tick(&mut self, now: Now, effects: &mut Effects) {
        let Phase::RoundTwo(round_two) = &mut self.phase else { return };
        if round_two.is_resend_due(now) {
            write::sent_again_as_it_is(self.course.context.rules, round_two.record_mut(), self.order.stamp);
            round_two.send(now, &mut self.course, effects);
        }
        self.advance_round_two(now, effects);
    }

    pub(super) fn advance_round_two(&mut self, now: Now, effects: &mut Effects) {
        let Phase::RoundTwo(round_two) = &self.phase else { return };
        if round_two.is_met(&self.course) {
            let Phase::RoundTwo(round_two) = std::mem::replace(&mut self.phase, Phase::Done) else { return };
            let version =
                self.found.as_ref().map_or(round_two.record().version, |found| found.operation.version);
            let acks = self.course.owners.count(&round_two.held_by(&self.course));
            let answer = self.done(now, version, acks);
            effects.push(Effect::Respond(Ok(answer)));
            self.settle(now, round_two, effects);
        } else if round_two.is_below() {
            self.begin_above(now, effects);
        } else if round_two.is_not_applied() && round_two.wake_at().is_none() {
            let Phase::RoundTwo(round_two) = std::mem::replace(&mut self.phase, Phase::Done) else { return };
            self.fail_round_two(now, round_two, false, effects);
        }
    }

    /// Every owner that was reached has refused the record because of a floor, and none can have it: another version, or
    /// no answer to repeat any more.
    fn begin_above(&mut self, now: Now, effects: &mut Effects) {
        if self.found.is_some() {
            return self.finish(PutError::IdempotencyExpired, effects);
        }
        self.course.calls.forget();
        self.start_round_one(now, effects);
    }

    /// Owners that failed get a hint as soon as the client is answered: the answer says so.
    fn announce_hints(&mut self, round_two: &RoundTwo) {
        for owner in round_two.failed().iter() {
            self.course.calls.hinted(owner);
        }
    }

    /// Round two ended without its W.
    pub(super) fn fail_round_two(
        &mut self,
        now: Now,
        round_two: RoundTwo,
        timed_out: bool,
        effects: &mut Effects,
    ) {
        if self.found.is_none() && round_two.is_not_applied() {
            return self.finish(self.unavailable(now, round_two.tally(&self.course)), effects);
        }
        self.announce_hints(&round_two);
        let error = self.unknown(now, &round_two.held_by(&self.course), timed_out);
        effects.push(Effect::Respond(Err(error)));
        self.settle(now, round_two, effects);
    }
}
