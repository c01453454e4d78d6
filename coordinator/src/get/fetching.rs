//! The greatest record is known by its digest only: it is fetched from an owner that holds it.

use super::judge::View;
use super::{Effects, Get, Phase};
use crate::calls::Purpose;
use quorate_model::{NodeId, Now, Request};

impl Get {
    /// Fetches the greatest from one of these, the last first.
    pub(super) fn start_fetching(
        &mut self,
        now: Now,
        views: Vec<(NodeId, View)>,
        mut sources: Vec<NodeId>,
        effects: &mut Effects,
    ) {
        let first = sources.pop();
        let hedge_at = now.instant + self.course.context.timing.hedge;
        self.phase = Phase::Fetching { views, sources, hedge_at };
        if let Some(first) = first {
            self.fetch(now, first, effects);
        }
    }

    fn fetch(&mut self, now: Now, from: NodeId, effects: &mut Effects) {
        let request = Request::Read { at: self.course.plan.place.clone(), whole: true };
        self.course.calls.send(now, from, Purpose::Fetch, request, effects);
    }

    /// The owner that was asked to show the greatest record is silent or has failed: the next one, or all owners anew.
    pub(super) fn fetch_next(&mut self, now: Now, effects: &mut Effects) {
        let Phase::Fetching { views, sources, hedge_at } = &mut self.phase else { return };
        *hedge_at = now.instant + self.course.context.timing.hedge;
        let shown = views.iter().map(|(node, _)| *node).collect();
        if let Some(next) = sources.pop() {
            self.fetch(now, next, effects);
        } else if !self.begun_anew {
            self.begun_anew = true;
            self.begin_anew(now, effects);
        } else if !self.course.calls.is_fetching() {
            self.give_up(now, self.tally(&shown), effects);
        }
    }

    pub(super) fn on_fetched(&mut self, now: Now, from: NodeId, view: View, effects: &mut Effects) {
        let Phase::Fetching { views, .. } = &mut self.phase else { return };
        let mut views = std::mem::take(views);
        // What it holds now may be greater than what it answered before; never less, unless that was removed and purged.
        views.retain(|(node, _)| *node != from);
        views.push((from, view));
        self.judge(now, views, effects);
    }
}
