//! Round one: what do enough owners hold, and has this operation been seen?

use super::found::Known;
use super::{Effects, Phase, Put};
use crate::answer::PutError;
use crate::calls::Purpose;
use crate::few::Nodes;
use crate::gather::{Gather, Progress};
use crate::need::Need;
use crate::owners::Tally;
use crate::rules::purge;
use crate::rules::retry::{self, Verdict};
use crate::rules::write;
use quorate_model::{NodeId, Now, Operation, Operations, Origin, Record, Request, Version};

impl Put {
    pub(super) fn start_round_one(&mut self, now: Now, effects: &mut Effects) {
        let need = Need::Asked(self.order.level);
        let mut gather = Gather::new(now, need, self.course.context.timing);
        let first = gather.next(now, &self.course);
        self.phase = Phase::RoundOne(gather);
        self.ask(now, &first, effects);
    }

    pub(super) fn ask(&mut self, now: Now, nodes: &[NodeId], effects: &mut Effects) {
        for node in nodes {
            let request = Request::Ask { at: self.course.plan.place.clone() };
            self.course.calls.send(now, *node, Purpose::Ask, request, effects);
        }
    }

    pub(super) fn advance_round_one(&mut self, now: Now, effects: &mut Effects) {
        let Phase::RoundOne(gather) = &mut self.phase else { return };
        let more = gather.next(now, &self.course);
        let progress = gather.progress(now, &self.course);
        match progress {
            Progress::Waiting => self.ask(now, &more, effects),
            Progress::Enough => self.end_round_one(now, effects),
            Progress::Impossible => {
                let tally = gather.tally(&self.course);
                self.finish(self.unavailable(now, tally), effects);
            }
        }
    }

    fn end_round_one(&mut self, now: Now, effects: &mut Effects) {
        let Phase::RoundOne(gather) = std::mem::replace(&mut self.phase, Phase::Idle) else { return };
        let known = gather.answers();
        let highest = known.iter().filter_map(|(_, known)| known.held).max().map(|held| held.version);
        let floor = known.iter().filter_map(|(_, known)| known.floor).max();
        let forgot = known.iter().filter_map(|(_, known)| known.forgot).max();
        let union =
            known.iter().fold(Operations::default(), |union, (_, known)| union.merge(&known.operations));
        let rules = self.course.context.rules;
        let highest = purge::above_floor(rules, highest, floor);
        let verdict =
            self.order.attempt.as_ref().map(|attempt| retry::verdict(rules, attempt, &union, forgot));
        match verdict {
            None | Some(Verdict::Fresh) => self.start_round_two(now, highest, gather.answers(), effects),
            Some(Verdict::Reused) => self.finish(PutError::IdempotencyReused, effects),
            Some(Verdict::Expired) => self.finish(PutError::IdempotencyExpired, effects),
            Some(Verdict::Found(operation)) => {
                self.replay(now, operation, gather.answers(), union, effects);
            }
        }
    }

    fn start_round_two(
        &mut self,
        now: Now,
        highest: Option<Version>,
        known: &[(NodeId, Known)],
        effects: &mut Effects,
    ) {
        if let Some(too_few) = self.too_few_alive(known) {
            let down: Vec<NodeId> = self
                .course
                .plan
                .candidates
                .iter()
                .filter(|owner| !owner.alive)
                .map(|owner| owner.node)
                .collect();
            for node in down {
                self.course.calls.is_down(node);
            }
            return self.finish(self.unavailable(now, too_few), effects);
        }
        let own = || {
            let own = known.iter().find(|(node, _)| *node == self.course.context.local);
            own.and_then(|(_, known)| known.held).map(|held| held.version)
        };
        let rules = self.course.context.rules;
        let Ok(version) = write::version(rules, self.order.stamp, highest, now, own) else {
            return self.finish(PutError::Exhausted, effects);
        };
        let operations = self.order.attempt.as_ref().map_or_else(Operations::default, |attempt| {
            let id = attempt.id.clone();
            Operations::of(Operation { id, version, digest: attempt.digest })
        });
        let draft = self.order.draft.clone();
        let record = Record {
            version,
            written_at: draft.written_at,
            expires_at: draft.expires_at,
            body: draft.body,
            operations,
        };
        let need = Need::Acknowledged(self.order.level);
        self.round_two(now, (record, Origin::Fresh), need, &Nodes::default(), effects);
    }

    /// How many owners seem alive (or have just answered, whatever they seem), if that is fewer than the request's W:
    /// better refused now, with certainty, than sent to some and unknown.
    fn too_few_alive(&self, known: &[(NodeId, Known)]) -> Option<Tally> {
        let seem_alive =
            self.course.plan.candidates.iter().filter(|owner| owner.alive).map(|owner| owner.node);
        let alive: Nodes = seem_alive.chain(known.iter().map(|(node, _)| *node)).collect();
        let Tally { acks, required, n } = self.tally(&alive);
        (acks < required).then_some(Tally { acks, required, n })
    }
}
