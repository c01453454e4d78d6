//! Asking owners until enough have answered: round one of a write, and every read.
//!
//! Only as many owners are asked as answers are needed, in the plan's order. An owner that fails is replaced by the
//! next at once; one that is silent past the hedge time is joined by another, so that a silent partition costs a
//! moment and not the deadline. When too few are left, those that failed are asked again for a little while (a
//! connection may be about to come back) before the operation gives up.

use crate::context::Timing;
use crate::course::Course;
use crate::few::Nodes;
use crate::need::Need;
use crate::owners::Tally;
use quorate_model::{Instant, NodeId, Now};
use smallvec::SmallVec;

/// Answers of one kind, from as many owners as are needed.
#[derive(Debug)]
pub struct Gather<T> {
    need: Need,
    timing: Timing,
    give_up_at: Instant,
    answered: Nodes,
    answers: SmallVec<[(NodeId, T); 3]>,
    pending: Nodes,
    failed: Nodes,
    hedge_at: Option<Instant>,
    resend_at: Option<Instant>,
}

/// How far a gathering is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Answers are awaited.
    Waiting,
    /// Enough owners have answered.
    Enough,
    /// Too few owners can answer.
    Impossible,
}

impl<T> Gather<T> {
    /// A gathering of as many answers as are needed, which begins now.
    pub fn new(now: Now, need: Need, timing: Timing) -> Self {
        Self {
            need,
            timing,
            give_up_at: now.instant + timing.give_up_after,
            answered: Nodes::default(),
            answers: SmallVec::new(),
            pending: Nodes::default(),
            failed: Nodes::default(),
            hedge_at: None,
            resend_at: None,
        }
    }

    /// Whom to ask now, so that enough are asked. Each is taken as asked.
    pub fn next(&mut self, now: Now, course: &Course) -> SmallVec<[NodeId; 3]> {
        let (owners, quota) = (&course.owners, course.quota(self.need));
        let mut counted: Nodes = self.answered.iter().chain(self.pending.iter()).collect();
        let mut next = SmallVec::new();
        for node in owners.in_order() {
            let fresh = !counted.contains(node) && !self.failed.contains(node);
            if fresh && owners.helps(node, &counted, &quota) {
                counted.insert(node);
                next.push(node);
            }
        }
        self.asked(now, &next);
        next
    }

    /// Whom to ask at a tick: another owner beside a silent one, or those that failed a moment ago.
    pub fn on_tick(&mut self, now: Now, course: &Course) -> SmallVec<[NodeId; 3]> {
        if self.resend_at.is_some_and(|at| at <= now.instant) {
            self.resend_at = None;
            self.failed = Nodes::default();
            return self.next(now, course);
        }
        if self.hedge_at.is_none_or(|at| at > now.instant) {
            return SmallVec::new();
        }
        let known = |node: &NodeId| {
            self.answered.contains(*node) || self.pending.contains(*node) || self.failed.contains(*node)
        };
        let (owners, quota) = (&course.owners, course.quota(self.need));
        let helps = |node: &NodeId| owners.helps(*node, &self.answered, &quota);
        let fresh = owners.in_order().filter(|node| !known(node) && helps(node));
        let next: SmallVec<[NodeId; 3]> = fresh.take(1).collect();
        self.asked(now, &next);
        if next.is_empty() {
            self.hedge_at = None;
        }
        next
    }

    /// Takes an owner's answer.
    pub fn answer(&mut self, node: NodeId, answer: T) {
        self.pending.remove(node);
        if self.answered.insert(node) {
            self.answers.push((node, answer));
        }
    }

    /// Takes an owner's failure.
    pub fn fail(&mut self, node: NodeId) {
        if self.pending.remove(node) {
            self.failed.insert(node);
        }
    }

    /// Where it stands. Call after [`Gather::next`], so that replacements have been asked.
    pub fn progress(&mut self, now: Now, course: &Course) -> Progress {
        let (owners, quota) = (&course.owners, course.quota(self.need));
        if owners.met(&self.answered, &quota) {
            return Progress::Enough;
        }
        if owners.reachable(&self.failed, &quota) {
            return Progress::Waiting;
        }
        if self.resend_at.is_some() {
            return Progress::Waiting;
        }
        let resend_at = now.instant + self.timing.resend_after;
        if resend_at <= self.give_up_at {
            self.resend_at = Some(resend_at);
            return Progress::Waiting;
        }
        Progress::Impossible
    }

    /// When it wants a tick.
    pub fn wake_at(&self) -> Option<Instant> {
        [self.hedge_at, self.resend_at].into_iter().flatten().min()
    }

    /// The answers so far, in the order in which they came.
    pub fn answers(&self) -> &[(NodeId, T)] {
        &self.answers
    }

    /// The owners that have answered.
    pub fn answered(&self) -> Nodes {
        self.answered.clone()
    }

    /// How many answers count so far, of how many.
    pub fn tally(&self, course: &Course) -> Tally {
        course.owners.tally(&self.answered, &course.quota(self.need))
    }

    fn asked(&mut self, now: Now, nodes: &[NodeId]) {
        for node in nodes {
            self.pending.insert(*node);
        }
        if !nodes.is_empty() {
            self.hedge_at = Some(now.instant + self.timing.hedge);
        }
    }
}
