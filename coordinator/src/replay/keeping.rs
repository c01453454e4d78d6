//! Which members keep hints in the place of a node that leaves: an owner of the key first, then the others, until one does.

use crate::plans::Plans;
use quorate_model::{Hint, NodeId, Reply, Request};
use quorate_ring::Plan;

/// Whom one owner's replay may still ask. None where this node stays.
#[derive(Debug, Default)]
pub struct Keeping {
    /// Members that have refused nothing.
    keepers: Vec<NodeId>,
    /// Whether one has, or did not answer.
    is_refused: bool,
    /// What the last of these said, if it answered.
    said: Option<Box<Reply>>,
}

/// What one member is asked to keep.
#[derive(Debug)]
pub struct Asked {
    /// Whom.
    pub keeper: NodeId,
    /// The hints.
    pub hints: Vec<Hint>,
    /// The same as requests.
    pub requests: Vec<Request>,
}

impl Keeping {
    /// By some of these.
    pub fn by(keepers: Vec<NodeId>) -> Self {
        Self { keepers, ..Self::default() }
    }

    /// Whether there is no member to ask, or no more.
    pub fn is_over(&self) -> bool {
        self.keepers.is_empty()
    }

    /// Whether there were some, and hints were left that none of them has kept.
    pub fn has_failed(&self) -> bool {
        self.is_refused && self.keepers.is_empty()
    }

    /// What the last one said that refused, if it answered.
    pub fn said(&self) -> Option<Box<Reply>> {
        self.said.clone()
    }

    /// Takes those hints for `owner` out of `left` that one member is asked to keep next; `None`: none of them is for any.
    pub fn next(&self, owner: NodeId, left: &mut Vec<Hint>, plans: &impl Plans) -> Option<Asked> {
        if self.is_over() {
            return None;
        }
        let mut asked: Option<Asked> = None;
        for hint in std::mem::take(left) {
            let plan = plans.plan(hint.table, &hint.sort_key);
            let found = plan.and_then(|plan| Some((self.keeper(owner, &plan)?, plan.place)));
            let Some((keeper, at)) = found else {
                left.push(hint);
                continue;
            };
            let asked =
                asked.get_or_insert_with(|| Asked { keeper, hints: Vec::new(), requests: Vec::new() });
            if asked.keeper == keeper {
                asked.requests.push(Request::Hint { owner, at, record: hint.record.clone() });
                asked.hints.push(hint);
            } else {
                left.push(hint);
            }
        }
        asked
    }

    /// Takes what a member answered: those hints that it keeps from now on, durably as their tables promise; then those that
    /// it does not. One that leaves some is asked for no more.
    pub fn answered(
        &mut self,
        keeper: NodeId,
        hints: Vec<Hint>,
        replies: Option<Vec<Reply>>,
    ) -> (Vec<Hint>, Vec<Hint>) {
        let replies = replies.filter(|replies| replies.len() == hints.len());
        let Some(replies) = replies else {
            self.refuse(keeper, None);
            return (Vec::new(), hints);
        };
        let (mut kept, mut left) = (Vec::new(), Vec::new());
        for (hint, reply) in hints.into_iter().zip(replies) {
            if reply == Reply::Hinted {
                kept.push(hint);
            } else {
                left.push(hint);
                self.refuse(keeper, Some(reply));
            }
        }
        (kept, left)
    }

    fn refuse(&mut self, keeper: NodeId, said: Option<Reply>) {
        self.keepers.retain(|node| *node != keeper);
        (self.is_refused, self.said) = (true, said.map(Box::new));
    }

    fn keeper(&self, owner: NodeId, plan: &Plan) -> Option<NodeId> {
        let owners = plan.candidates.iter().filter(|it| it.alive).map(|it| it.node);
        let may_keep = |node: &NodeId| *node != owner && self.keepers.contains(node);
        owners.chain(self.keepers.iter().copied()).find(may_keep)
    }
}
