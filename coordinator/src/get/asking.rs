//! The first answers of a read, and what is decided on them.

use super::judge::{self, Judged, View};
use super::{Effects, Get, Phase};
use crate::answer::GetError;
use crate::calls::Purpose;
use crate::gather::{Gather, Progress};
use crate::owners::Nodes;
use quorate_model::{Mutant, NodeId, Now, Record, Request, level};

impl Get {
    pub(super) fn start(&mut self, now: Now, effects: &mut Effects) {
        let too_few = u8::from(self.course.context.rules.broken(Mutant::OneAnswerTooFew));
        let required = (self.question.required - too_few).max(1);
        let mut gather = Gather::new(now, required, self.course.context.timing);
        let first = gather.next(now, &self.course.owners);
        self.phase = Phase::Asking(gather);
        (self.whole_from, self.asked_at) = (None, now.wall);
        self.ask(now, &first, effects);
    }

    /// Asks again from the beginning. Answers that are still under way no longer count.
    pub(super) fn begin_anew(&mut self, now: Now, effects: &mut Effects) {
        self.course.calls.forget();
        (self.stale, self.unlearned) = (Nodes::default(), Nodes::default());
        self.start(now, effects);
    }

    pub(super) fn ask(&mut self, now: Now, nodes: &[NodeId], effects: &mut Effects) {
        for node in nodes {
            let whole = *self.whole_from.get_or_insert(*node) == *node || self.begun_anew;
            let request = Request::Read { at: self.course.plan.place.clone(), whole };
            self.course.calls.send(now, *node, Purpose::Read, request, effects);
        }
    }

    pub(super) fn on_view(&mut self, now: Now, from: NodeId, view: View, effects: &mut Effects) {
        if let Phase::Asking(gather) = &mut self.phase {
            gather.answer(from, view);
            self.advance_asking(now, effects);
        }
    }

    pub(super) fn advance_asking(&mut self, now: Now, effects: &mut Effects) {
        let Phase::Asking(gather) = &mut self.phase else { return };
        let more = gather.next(now, &self.course.owners);
        match gather.progress(now, &self.course.owners) {
            Progress::Waiting => self.ask(now, &more, effects),
            Progress::Enough => {
                let views = gather.answers().to_vec();
                self.judge(now, views, effects);
            }
            Progress::Impossible => {
                let (acks, required) = (gather.count(&self.course.owners), gather.required());
                self.give_up(now, acks, required, effects);
            }
        }
    }

    /// R owners have answered (and a record that was missing has been fetched).
    pub(super) fn judge(&mut self, now: Now, views: Vec<(NodeId, View)>, effects: &mut Effects) {
        match judge::judge(&views, self.course.context.rules) {
            Judged::Divergent => {
                let replicas = self.course.reports(now);
                self.finish(Err(GetError::Divergent { replicas }), effects);
            }
            Judged::Nothing => {
                let acks = self.course.owners.count(&views.iter().map(|(node, _)| *node).collect());
                self.respond(now, None, acks, 0, effects);
                self.settle(now, None, effects);
            }
            Judged::Fetch { sources } => self.start_fetching(now, views, sources, effects),
            Judged::Greatest { record, holders, stale, unlearned } => {
                (self.stale, self.unlearned) = (stale, unlearned);
                self.decide(now, record, holders, effects);
            }
        }
    }

    /// The greatest record found is known whole: answer it, or make it safe to answer first.
    fn decide(&mut self, now: Now, record: Record, holders: Nodes, effects: &mut Effects) {
        let rules = self.course.context.rules;
        let quorum = level::quorum(self.course.n());
        let is_due = record.is_due(now.wall.min(self.asked_at));
        let acks = self.course.owners.count(&holders);
        if self.question.required < quorum && !rules.broken(Mutant::RepairedBelowQuorum) {
            let shows_due = rules.broken(Mutant::ExpiredShown);
            let shown = if is_due && !shows_due { record.clone().into_expired() } else { record.clone() };
            self.respond(now, Some(shown), acks, 0, effects);
            let needs_repair = self.is_anybody_behind() && !rules.broken(Mutant::NoReadRepair);
            let spread = needs_repair.then(|| self.spread(now, record, holders));
            return self.settle(now, spread, effects);
        }
        if is_due && rules.broken(Mutant::ExpiryNotFlagged) {
            self.respond(now, Some(record.into_expired()), acks, 0, effects);
            return self.settle(now, None, effects);
        }
        if is_due && rules.broken(Mutant::ExpiryFlaggedAfterAnswer) {
            let record = record.into_expired();
            self.respond(now, Some(record.clone()), acks, 0, effects);
            let mut spread = self.spread(now, record, Nodes::default());
            spread.send(now, &mut self.course, effects);
            return self.settle(now, Some(spread), effects);
        }
        // Nobody holds the flag yet: it has to reach a write quorum before anybody is told of it.
        let (record, holders) = if is_due {
            self.unlearned = Nodes::default();
            (record.into_expired(), Nodes::default())
        } else {
            (record, holders)
        };
        let is_held = self.course.owners.met(&holders, quorum);
        let repairs = !rules.broken(Mutant::NoReadRepair);
        if is_held || !repairs || rules.broken(Mutant::RepairAfterAnswer) {
            self.respond(now, Some(record.clone()), self.course.owners.count(&holders), 0, effects);
            let needs_repair = repairs && (self.is_anybody_behind() || !is_held);
            let spread = needs_repair.then(|| self.spread(now, record, holders));
            return self.settle(now, spread, effects);
        }
        let spread = self.spread(now, record, holders);
        self.start_repairing(now, spread, effects);
    }
}
