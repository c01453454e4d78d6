//! Round two: the record goes to all owners, and W of them must durably hold it before the client is answered.

use super::{Effects, Phase, Put};
use crate::course::Failed;
use crate::machine::Effect;
use crate::owners::Nodes;
use crate::rules::{outcome, replan, write};
use crate::spread::Spread;
use quorate_model::{Now, Record};

impl Put {
    /// Sends a record to all owners; `holders` have it (or something later) already.
    pub(super) fn spread(
        &mut self,
        now: Now,
        record: Record,
        required: u8,
        holders: Nodes,
        effects: &mut Effects,
    ) {
        let rules = self.course.context.rules;
        let required = write::acknowledged_by(rules, required);
        let mut spread =
            Spread::new(now, record, self.order.durability, required, holders, self.course.context.sending());
        let is_sent_to = |place, _| write::is_sent_to(rules, place, required);
        spread.send_where(now, &mut self.course, is_sent_to, effects);
        self.phase = Phase::Spreading(spread);
        self.advance_spread(now, effects);
    }

    /// An owner did not take the record.
    pub(super) fn on_spread_failed(&mut self, now: Now, failed: Failed, effects: &mut Effects) {
        let Phase::Spreading(spread) = &mut self.phase else { return };
        let rules = self.course.context.rules;
        let failure = outcome::known_of_record(rules, failed.failure);
        spread.fail(now, failed.to, failure);
        if write::failure_counts(rules, failure) {
            spread.acknowledge(failed.to);
        }
        if failed.replanned {
            self.replan(now, effects);
        }
        self.advance_spread(now, effects);
    }

    /// A newer plan changes where the record goes, never what it is.
    pub(super) fn respread(&mut self, now: Now, effects: &mut Effects) {
        let Phase::Spreading(spread) = &mut self.phase else { return };
        replan::sent_on_as_it_is(self.course.context.rules, spread, self.order.stamp);
        spread.again_now();
        spread.send(now, &mut self.course, effects);
    }

    pub(super) fn on_spread_tick(&mut self, now: Now, effects: &mut Effects) {
        let Phase::Spreading(spread) = &mut self.phase else { return };
        if spread.again(now) {
            write::sent_again_as_it_is(self.course.context.rules, spread, self.order.stamp);
            spread.send(now, &mut self.course, effects);
        }
        self.advance_spread(now, effects);
    }

    pub(super) fn advance_spread(&mut self, now: Now, effects: &mut Effects) {
        let Phase::Spreading(spread) = &self.phase else { return };
        if spread.is_met(&self.course.owners) {
            let Phase::Spreading(spread) = std::mem::replace(&mut self.phase, Phase::Done) else { return };
            let version =
                self.found.as_ref().map_or(spread.record().version, |found| found.operation.version);
            let answer = self.done(now, version, spread.count(&self.course.owners));
            effects.push(Effect::Respond(Ok(answer)));
            self.settle(now, spread, effects);
        } else if spread.is_not_applied() && spread.wake_at().is_none() {
            let Phase::Spreading(spread) = std::mem::replace(&mut self.phase, Phase::Done) else { return };
            self.fail_spread(now, spread, false, effects);
        }
    }

    /// Owners that failed get a hint as soon as the client is answered: the answer says so.
    fn announce_hints(&mut self, spread: &Spread) {
        for owner in spread.failed().iter() {
            self.course.calls.hinted(owner);
        }
    }

    /// Round two ended without its W.
    pub(super) fn fail_spread(&mut self, now: Now, spread: Spread, timed_out: bool, effects: &mut Effects) {
        let acks = spread.count(&self.course.owners);
        if self.found.is_none() && spread.is_not_applied() {
            return self.finish(self.unavailable(now, acks, spread.required()), effects);
        }
        self.announce_hints(&spread);
        let error = self.unknown(now, acks, timed_out);
        effects.push(Effect::Respond(Err(error)));
        self.settle(now, spread, effects);
    }
}
