//! After the answer of a write: see [`Settling`].

use super::{Effects, Phase, Put};
use crate::calls::Purpose;
use crate::machine::{Effect, Failure};
use crate::round_two::RoundTwo;
use crate::settling::Settling;
use quorate_model::{NodeId, Now};

impl Put {
    /// The client is answered; the operation lives on.
    pub(super) fn settle(&mut self, now: Now, round_two: RoundTwo, effects: &mut Effects) {
        self.phase = Phase::Settling(Settling::begin(now, round_two, &mut self.course, effects));
        self.advance_settle(effects);
    }

    pub(super) fn on_failed_settling(
        &mut self,
        now: Now,
        to: NodeId,
        purpose: Purpose,
        failure: Failure,
        effects: &mut Effects,
    ) {
        let Phase::Settling(settling) = &mut self.phase else { return };
        settling.fail(now, (to, purpose, failure), &mut self.course, effects);
        self.advance_settle(effects);
    }

    pub(super) fn on_settle_tick(&mut self, now: Now, effects: &mut Effects) {
        let Phase::Settling(settling) = &mut self.phase else { return };
        if settling.tick(now, &mut self.course, effects) {
            self.end(effects);
        }
    }

    pub(super) fn advance_settle(&mut self, effects: &mut Effects) {
        let Phase::Settling(settling) = &self.phase else { return };
        if settling.is_settled(&self.course) {
            self.end(effects);
        }
    }

    fn end(&mut self, effects: &mut Effects) {
        self.phase = Phase::Done;
        effects.push(Effect::Done);
    }
}
