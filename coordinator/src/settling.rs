//! After the answer: late acknowledgements, and a hint for each owner that did not give one.
//!
//! Whatever an answer has made final at a quorum reaches every owner so: a client's write, and what a read made safe
//! before it answered (a record that only some owners had, or that a value has expired). A hint never counts. It goes to
//! this node's own store, or, where this node itself is the owner that failed, to an owner that holds the record.

use crate::calls::Purpose;
use crate::course::Course;
use crate::few::Nodes;
use crate::machine::{Effect, Failure};
use crate::round_two::RoundTwo;
use crate::rules::hints;
use quorate_model::{Held, Instant, NodeId, Now, Owner, Refusal, Request};

/// A record whose client is answered, on its way to the owners that lack it.
#[derive(Debug)]
pub struct Settling {
    /// The record and who holds it.
    round_two: RoundTwo,
    /// Owners for whom a hint was left.
    hinted: Nodes,
    /// When silent owners get a hint.
    until: Option<Instant>,
    /// When nothing is waited for any more, not even hints.
    end: Instant,
}

impl Settling {
    /// The client is answered; owners that have failed get their hints.
    pub fn begin<A>(
        now: Now,
        round_two: RoundTwo,
        course: &mut Course,
        effects: &mut Vec<Effect<A>>,
    ) -> Self {
        let until = now.instant + course.context.timing.settle;
        let end = until + course.context.timing.settle;
        let failed: Vec<NodeId> = round_two.failed().iter().collect();
        let mut settling = Self { round_two, hinted: Nodes::default(), until: Some(until), end };
        for owner in failed {
            settling.leave_hint(now, owner, course, effects);
        }
        settling
    }

    /// An owner has acknowledged.
    pub fn acknowledge(&mut self, owner: Owner, held: Option<Held>) {
        self.round_two.acknowledge(owner, held);
    }

    /// A call got no answer that counts.
    pub fn fail<A>(
        &mut self,
        now: Now,
        (to, purpose, failure): (NodeId, Purpose, Failure),
        course: &mut Course,
        effects: &mut Vec<Effect<A>>,
    ) {
        match purpose {
            Purpose::Write(since) if hints::needs_none(course.context.rules, failure) => {
                self.acknowledge(Owner { node: to, since }, None);
            }
            Purpose::Write(since) if matches!(failure, Failure::Refused(Refusal::Below { .. })) => {
                let owner = Owner { node: to, since };
                self.round_two.fail(now, owner, failure);
                if self.round_two.is_vouched_anew(owner) {
                    self.round_two.try_again(owner);
                    self.round_two.send_to(now, course, &[to].into_iter().collect(), effects);
                } else {
                    self.leave_hint(now, to, course, effects);
                }
            }
            Purpose::Write(since) => {
                self.round_two.fail(now, Owner { node: to, since }, failure);
                self.leave_hint(now, to, course, effects);
            }
            // The own store would not keep it: an owner that holds the record may.
            Purpose::Hint(owner) if to == course.context.local => {
                let keeper = self.keeper(course, |node| node != to && node != owner);
                self.send_hint(now, owner, keeper, course, effects);
            }
            Purpose::Hint(_) | Purpose::Ask | Purpose::Read | Purpose::Fetch | Purpose::Assign => {}
        }
    }

    /// A moment has come; whether nothing is waited for any more.
    pub fn tick<A>(&mut self, now: Now, course: &mut Course, effects: &mut Vec<Effect<A>>) -> bool {
        if self.until.is_some_and(|until| until <= now.instant) {
            // First the hints, however late: a process that stood still past the end has to leave them too.
            self.until = None;
            self.end = self.end.max(now.instant + course.context.timing.settle);
            let holders = self.round_two.held_by(course);
            let silent: Vec<NodeId> =
                course.owners.in_order().filter(|node| !holders.contains(*node)).collect();
            for owner in silent {
                self.leave_hint(now, owner, course, effects);
            }
        } else if self.end <= now.instant {
            if course.context.settles() {
                return true;
            }
            self.end = now.instant + course.context.timing.settle;
        }
        self.is_settled(course)
    }

    /// Whether every owner has acknowledged or has its hint.
    pub fn is_settled(&self, course: &Course) -> bool {
        (self.round_two.is_settled() || self.until.is_none()) && !course.calls.is_hinting()
    }

    /// When it wants a tick.
    pub fn wake_at(&self) -> Instant {
        self.until.unwrap_or(self.end)
    }

    fn leave_hint<A>(&mut self, now: Now, owner: NodeId, course: &mut Course, effects: &mut Vec<Effect<A>>) {
        let local = course.context.local;
        if !self.hinted.insert(owner) {
            return;
        }
        let keeper = if owner == local { self.keeper(course, |node| node != local) } else { Some(local) };
        self.send_hint(now, owner, keeper, course, effects);
    }

    /// Who keeps what this node can't keep: an owner that holds the record; where shards were merged or moved since, one that
    /// acknowledged it.
    fn keeper(&self, course: &Course, may_keep: impl Fn(NodeId) -> bool) -> Option<NodeId> {
        let holding = self.round_two.held_by(course);
        let mut nodes = holding.iter().chain(self.round_two.acknowledged_by());
        nodes.find(|node| may_keep(*node))
    }

    fn send_hint<A>(
        &self,
        now: Now,
        owner: NodeId,
        keeper: Option<NodeId>,
        course: &mut Course,
        effects: &mut Vec<Effect<A>>,
    ) {
        if let Some(keeper) = keeper {
            let (at, record) = (course.plan.place.clone(), self.round_two.record().clone());
            let request = Request::Hint { owner, at, record };
            course.calls.send(now, keeper, Purpose::Hint(owner), request, effects);
        }
    }
}
