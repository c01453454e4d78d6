//! The first answers of a read, and what is decided on them.

use super::judge::{self, Judged, View};
use super::{Effects, Get, Phase};
use crate::answer::GetError;
use crate::calls::Purpose;
use crate::few::Nodes;
use crate::gather::{Gather, Progress};
use crate::need::Need;
use crate::rules::{expiry, read};
use quorate_model::{NodeId, Now, Record, Request};

impl Get {
    pub(super) fn start(&mut self, now: Now, effects: &mut Effects) {
        let need = Need::Read(self.question.level);
        let mut gather = Gather::new(now, need, self.course.context.timing);
        let first = gather.next(now, &self.course);
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
        let more = gather.next(now, &self.course);
        match gather.progress(now, &self.course) {
            Progress::Waiting => self.ask(now, &more, effects),
            Progress::Enough => {
                let judged = judge::judge(gather.answers(), self.course.context.rules);
                let views = if judged.is_partial() { gather.answers().to_vec() } else { Vec::new() };
                let answered = gather.answered();
                self.act_on(now, judged, (views, answered), effects);
            }
            Progress::Impossible => {
                let tally = gather.tally(&self.course);
                self.give_up(now, tally, effects);
            }
        }
    }

    /// A record that was missing has been fetched.
    pub(super) fn judge(&mut self, now: Now, views: Vec<(NodeId, View)>, effects: &mut Effects) {
        let answered = views.iter().map(|(node, _)| *node).collect();
        let judged = judge::judge(&views, self.course.context.rules);
        self.act_on(now, judged, (views, answered), effects);
    }

    /// These owners have answered; what they said is needed where the greatest is still to be fetched.
    fn act_on(
        &mut self,
        now: Now,
        judged: Judged,
        (views, answered): (Vec<(NodeId, View)>, Nodes),
        effects: &mut Effects,
    ) {
        match judged {
            Judged::Divergent => {
                let replicas = self.course.reports(now);
                self.finish(Err(GetError::Divergent { replicas }), effects);
            }
            Judged::Nothing { sealed } => {
                self.answer_removed(now, self.course.owners.count(&answered), sealed, effects);
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
        let (rules, level) = (self.course.context.rules, self.question.level);
        if record.is_due(now.wall.min(self.asked_at)) {
            if self.course.plan.sizes().any(|n| expiry::is_made_final(rules, level.within(n), n)) {
                return self.make_expiry_final(now, record, effects);
            }
            return self.answer_first(now, record, holders, |due| expiry::shown(rules, due), effects);
        }
        let need = Need::Answered(level);
        if self.course.owners.met(&holders, &self.course.quota(need)) {
            return self.answer_first(now, record, holders, |record| record, effects);
        }
        let round_two = self.round_two(now, record, need, &holders);
        self.start_repairing(now, round_two, effects);
    }

    /// No owner holds the flag yet: it has to reach a write quorum before the client is told of it.
    fn make_expiry_final(&mut self, now: Now, due: Record, effects: &mut Effects) {
        self.unlearned = Nodes::default();
        let round_two = self.round_two(now, due.into_expired(), Need::Flagged, &Nodes::default());
        self.start_repairing(now, round_two, effects);
    }

    /// Answers at once, and brings owners that are behind up to date then.
    fn answer_first(
        &mut self,
        now: Now,
        record: Record,
        holders: Nodes,
        shown: impl FnOnce(Record) -> Record,
        effects: &mut Effects,
    ) {
        let acks = self.course.owners.count(&holders);
        let needs_repair = self.is_any_owner_behind() && read::repairs(self.course.context.rules);
        let repaired = needs_repair.then(|| record.clone());
        self.respond(now, (Some(shown(record)), None), acks, 0, effects);
        let round_two = repaired.map(|record| self.round_two(now, record, Need::Quorum, &holders));
        self.settle(now, round_two, effects);
    }
}
