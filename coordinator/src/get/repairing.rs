//! Owners that are behind are brought up to date: as many as the answer needs before it, the others after it.

use super::{Effects, Get, Phase};
use crate::few::Nodes;
use crate::need::Need;
use crate::round_two::RoundTwo;
use crate::rules::{hints, one, read};
use crate::settling::Settling;
use quorate_model::{Held, Now, Origin, Owner, Record};

impl Get {
    /// The record on its way to as many owners as are needed, of which `holders` hold it.
    pub(super) fn round_two(&self, now: Now, record: Record, need: Need, holders: &Nodes) -> RoundTwo {
        let durability = self.course.plan.table.durability;
        let holders = self.course.owners.copies(holders);
        let record = (record, Origin::Vouched);
        RoundTwo::new(now, record, durability, need, holders, self.course.context.sending())
    }

    /// Whether an owner that answered lacks the greatest, or an operation id of it.
    pub(super) fn is_any_owner_behind(&self) -> bool {
        !self.stale.is_empty() || !self.unlearned.is_empty()
    }

    /// The client waits until enough owners hold the record.
    pub(super) fn start_repairing(&mut self, now: Now, mut round_two: RoundTwo, effects: &mut Effects) {
        round_two.send(now, &mut self.course, effects);
        self.phase = Phase::Repairing(round_two);
        self.advance_repair(now, effects);
    }

    pub(super) fn on_repaired(&mut self, now: Now, by: Owner, held: Held, effects: &mut Effects) {
        let is_overtaken = self.is_overtaken(held);
        match &mut self.phase {
            Phase::Repairing(_) if is_overtaken => self.begin_anew(now, effects),
            Phase::Repairing(round_two) => {
                round_two.acknowledge(by, Some(held));
                self.advance_repair(now, effects);
            }
            Phase::Settling { round_two: Some(round_two), .. } => {
                round_two.acknowledge(by, Some(held));
                self.advance_settle(effects);
            }
            Phase::Finishing(settling) => {
                settling.acknowledge(by, Some(held));
                self.advance_settle(effects);
            }
            Phase::Idle
            | Phase::Asking(_)
            | Phase::Fetching { .. }
            | Phase::Settling { round_two: None, .. }
            | Phase::Done => {}
        }
    }

    /// Whether the record that is being made safe must not be answered any more.
    fn is_overtaken(&self, held: Held) -> bool {
        let Phase::Repairing(round_two) = &self.phase else { return false };
        one::is_overtaken(self.course.context.rules, round_two.record().version, held)
    }

    fn advance_repair(&mut self, now: Now, effects: &mut Effects) {
        let Phase::Repairing(round_two) = &self.phase else { return };
        if !round_two.is_met(&self.course) {
            return;
        }
        let Phase::Repairing(round_two) = std::mem::replace(&mut self.phase, Phase::Done) else { return };
        let holders = round_two.held_by(&self.course);
        let repaired = self.stale.iter().filter(|node| holders.contains(*node)).count() as u8;
        let record = round_two.record().clone();
        self.respond(now, (Some(record), None), self.course.owners.count(&holders), repaired, effects);
        if hints::left_by_reads(self.course.context.rules) {
            self.finish_repair(now, round_two, effects);
        } else {
            self.settle(now, Some(round_two), effects);
        }
    }

    /// The client is answered with what this read has made final: every owner gets that, or a hint.
    fn finish_repair(&mut self, now: Now, mut round_two: RoundTwo, effects: &mut Effects) {
        round_two.take_back(&self.unlearned);
        let behind: Nodes = self.stale.iter().chain(self.unlearned.iter()).collect();
        if read::repairs_the_others(self.course.context.rules) {
            round_two.send_to(now, &mut self.course, &behind, effects);
        }
        self.phase = Phase::Finishing(Settling::begin(now, round_two, &mut self.course, effects));
        self.advance_settle(effects);
    }

    /// The client is answered; owners known to be stale are brought up to date.
    pub(super) fn settle(&mut self, now: Now, mut round_two: Option<RoundTwo>, effects: &mut Effects) {
        if let Some(round_two) = &mut round_two {
            round_two.take_back(&self.unlearned);
            let behind: Nodes = self.stale.iter().chain(self.unlearned.iter()).collect();
            if read::repairs_the_others(self.course.context.rules) {
                round_two.send_to(now, &mut self.course, &behind, effects);
            }
        }
        let until = now.instant + self.course.context.timing.settle;
        self.phase = Phase::Settling { round_two, until };
        self.advance_settle(effects);
    }

    pub(super) fn advance_settle(&mut self, effects: &mut Effects) {
        let is_over = match &self.phase {
            Phase::Settling { round_two, .. } => round_two.as_ref().is_none_or(RoundTwo::is_settled),
            Phase::Finishing(settling) => settling.is_settled(&self.course),
            Phase::Idle | Phase::Asking(_) | Phase::Fetching { .. } | Phase::Repairing(_) | Phase::Done => {
                false
            }
        };
        if is_over {
            self.end(effects);
        }
    }
}
