//! What a read and a write on their way have in common: the plan in force, its owners, the calls.
//!
//! Both machines hold one [`Course`] and ask it what an input means to them. It knows which calls are open, so an
//! answer that comes twice belongs to no call; and it is the one place that takes a newer plan after a refusal. What
//! follows from a new plan (round one again, the same version again) is the machine's to decide.

use crate::answer::ReplicaReport;
use crate::calls::{Calls, Closed, Purpose};
use crate::context::Context;
use crate::machine::{Failure, Input};
use crate::need::Need;
use crate::owners::Owners;
use crate::rules::{joint, replan};
use quorate_model::{NodeId, Now, Reply};
use quorate_ring::{Plan, Quota};
use std::sync::Arc;

/// See the module's essay.
#[derive(Debug)]
pub struct Course {
    /// The plan in force.
    pub plan: Arc<Plan>,
    /// Its owners.
    pub owners: Owners,
    /// Where, by which rules, with which times.
    pub context: Context,
    /// The calls, and what each owner said.
    pub calls: Calls,
}

/// What an input means.
#[derive(Debug)]
pub enum Taken<R = Reply> {
    /// Begin.
    Start,
    /// An owner answered.
    Reply {
        /// Who.
        to: NodeId,
        /// What it was asked for.
        purpose: Purpose,
        /// The answer.
        reply: R,
    },
    /// A call got no answer that counts.
    Failed(Failed),
    /// A call that no longer matters was refused, and the newer plan that came with it is in force now.
    Newer,
    /// A moment has come.
    Tick,
    /// Nothing: the call is closed already, or belongs to a plan that is no longer in force.
    Nothing,
}

/// A call that got no answer that counts.
#[derive(Clone, Copy, Debug)]
pub struct Failed {
    /// Whom it asked.
    pub to: NodeId,
    /// Why.
    pub purpose: Purpose,
    /// What is known of its outcome.
    pub failure: Failure,
    /// Whether a newer plan came with it and is in force now.
    pub replanned: bool,
}

impl Course {
    /// An operation that follows this plan, and has done nothing yet.
    pub fn new(plan: Arc<Plan>, context: Context) -> Self {
        let plan = joint::counted(context.rules, plan);
        Self { owners: Owners::of(&plan), plan, context, calls: Calls::default() }
    }

    /// What an input means; closes its call, and takes the newer plan that came with a refusal.
    pub fn take<R>(&mut self, now: Now, input: Input<R>) -> Taken<R> {
        match input {
            Input::Start => Taken::Start,
            Input::Reply { call, reply } => match self.calls.answered(now, call) {
                Some(Closed { to, purpose }) => Taken::Reply { to, purpose, reply },
                None => Taken::Nothing,
            },
            Input::Failed { call, failure, newer } => match self.calls.failed(now, call, failure) {
                Some(Closed { to, purpose }) => {
                    let replanned = newer.is_some_and(|plan| self.adopt(plan));
                    Taken::Failed(Failed { to, purpose, failure, replanned })
                }
                // Even a refusal that comes too late tells of a newer catalog.
                None if newer.is_some_and(|plan| self.adopt(plan)) => Taken::Newer,
                None => Taken::Nothing,
            },
            Input::Tick => Taken::Tick,
        }
    }

    /// Whether what was gathered so far must be gathered anew: answers given under an older plan do not count in a
    /// newer one.
    pub fn begins_anew(&self, failed: &Failed) -> bool {
        replan::asks_again(self.context.rules, failed.replanned)
    }

    /// How many owners are needed in each set.
    pub fn quota(&self, need: Need) -> Quota {
        need.quota(self.context.rules, &self.plan)
    }

    /// What each owner said so far.
    pub fn reports(&self, now: Now) -> Vec<ReplicaReport> {
        self.calls.reports(now)
    }

    /// Takes a newer plan of the same key, or range; false if it is not newer.
    fn adopt(&mut self, plan: Arc<Plan>) -> bool {
        let (in_force, offered) = (self.plan.place.epoch, plan.place.epoch);
        let is_same_table = plan.table.id == self.plan.table.id;
        let newer = is_same_table && replan::takes_newer(self.context.rules, in_force, offered);
        if newer {
            let plan = joint::counted(self.context.rules, plan);
            self.owners = Owners::of(&plan);
            self.plan = plan;
        }
        newer
    }
}

impl Failed {
    /// An answer of another kind than was asked for: the peer is broken, and the outcome of the call unknown.
    pub fn nonsense(to: NodeId, purpose: Purpose) -> Self {
        Self { to, purpose, failure: Failure::Lost, replanned: false }
    }
}
