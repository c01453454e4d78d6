//! A write at `one` on a table that promises more: the first owner reached gives the version.
//!
//! Only owners of the first set are asked: an owner that is still being given its copy knows too little to tell what
//! comes next. No round one: the owner takes `seq + 1` above what it holds, acknowledges, and that same version then goes to the
//! other owners. Another owner is tried only if the first certainly took nothing, because two owners would give one
//! write two versions.

use super::{Effects, Phase, Put};
use crate::calls::Purpose;
use crate::course::Failed;
use crate::few::Nodes;
use crate::machine::Effect;
use crate::need::Need;
use crate::round_two::RoundTwo;
use crate::rules::one;
use quorate_model::{NodeId, Now, Origin, Record, Request};

impl Put {
    /// Tries the next owner that was not tried.
    pub(super) fn try_assign(&mut self, now: Now, effects: &mut Effects) {
        let Phase::Assigning(tried) = &self.phase else { return };
        let next = self.course.owners.first_in_order().find(|node| !tried.contains(*node));
        match next {
            Some(node) => {
                let request = Request::Assign {
                    at: self.course.plan.place.clone(),
                    draft: self.order.draft.clone(),
                    durability: self.order.durability,
                };
                self.course.calls.send(now, node, Purpose::Assign, request, effects);
            }
            None => self.finish(self.unavailable(now, self.tally(&Nodes::default())), effects),
        }
    }

    pub(super) fn on_assigned(&mut self, now: Now, by: NodeId, mut record: Record, effects: &mut Effects) {
        if !matches!(self.phase, Phase::Assigning(_)) {
            return;
        }
        let version = record.version;
        effects.push(Effect::Respond(Ok(self.done(now, version, 1))));
        let rules = self.course.context.rules;
        one::sent_on_as_assigned(rules, &mut record, self.order.stamp);
        let holders = self.course.owners.copies(&[by].into_iter().collect());
        let (durability, timing) = (self.order.durability, self.course.context.sending());
        let need = Need::Acknowledged(self.order.level);
        let mut round_two = RoundTwo::new(now, (record, Origin::Vouched), durability, need, holders, timing);
        if one::goes_to_the_others(rules) {
            round_two.send(now, &mut self.course, effects);
        }
        self.settle(now, round_two, effects);
    }

    /// The owner took nothing, for certain, or it is unknown. Where the plan was stale, every owner may be tried again.
    pub(super) fn on_assign_failed(&mut self, now: Now, failed: Failed, effects: &mut Effects) {
        let Failed { to, failure, replanned, .. } = failed;
        if replanned {
            self.replan(now, effects);
            return self.try_assign(now, effects);
        }
        let Phase::Assigning(tried) = &mut self.phase else { return };
        if one::may_try_another(self.course.context.rules, failure) {
            tried.insert(to);
            self.try_assign(now, effects);
        } else {
            // It may have the write, under a version that no other owner knows.
            self.finish(self.unknown(now, &Nodes::default(), false), effects);
        }
    }
}
