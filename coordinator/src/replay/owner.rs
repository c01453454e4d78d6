//! The replay to one owner: page by page, each of them sent, made sure of and erased before the next.
//!
//! A step that ends the replay for now is an error: with the reason, or without one when no page is left.
//!
//! What is left of a page stays. Where this node is to leave, other members are asked to keep it first, one after the other.

use super::keeping::{Asked, Keeping};
use super::limits::ReplayLimits;
use super::wanted::{Action, Pause};
use crate::context::Context;
use crate::get::{self, Get, Question};
use crate::plans::Plans;
use crate::rules::hints;
use quorate_model::{Hint, Level, NodeId, Now, Origin, Refusal, Reply, Request, SortKey, TableId};
use quorate_ring::Plan;
use std::collections::BTreeMap;
use std::sync::Arc;

/// One owner's replay.
#[derive(Debug)]
pub struct Owner {
    node: NodeId,
    stage: Stage,
    handed_over: u64,
    reads: u32,
    /// Whether it can't be reached: nothing is sent to it.
    is_away: bool,
    /// Who keeps what can't be handed over.
    keeping: Keeping,
}

/// Where, when and within which limits a step is taken.
#[derive(Clone, Copy, Debug)]
pub struct At {
    pub context: Context,
    pub limits: ReplayLimits,
    pub now: Now,
}

#[derive(Debug)]
enum Stage {
    /// A page is being read.
    Paging,
    /// A batch is on its way.
    Sending { page: Page, sent: Vec<Hint>, former: Vec<Hint> },
    /// What the node does not own any more goes to one of its owners each: a batch is on its way to one of those.
    Handing { page: Page, overtaken: Vec<Hint>, former: Vec<Hint>, handed: Vec<Hint> },
    /// Reads at all owners are under way, and more are to come.
    Reading { page: Page, overtaken: Vec<Hint>, reading: BTreeMap<u32, Hint> },
    /// Another member is asked to keep hints in the place of this node.
    HandingOn { page: Page, keeper: NodeId, hints: Vec<Hint> },
    /// What is done is being erased.
    Erasing { page: Page },
}

/// What is known of the page at hand.
#[derive(Debug)]
struct Page {
    last: (TableId, SortKey),
    done: Vec<Hint>,
    /// What stays, unless another member keeps it.
    left: Vec<Hint>,
    refused: Option<Reply>,
}

/// What an owner's reply says about a hint.
#[derive(Debug, PartialEq, Eq)]
enum Acknowledged {
    /// It holds exactly what the hint said, or refuses it because of a floor.
    AsHinted,
    /// It holds something higher.
    Higher,
    /// It has not taken it.
    No,
}

impl Stage {
    /// Takes a stage that is over; one that goes on stays as it is.
    fn leave(&mut self, is_over: impl Fn(&Stage) -> bool) -> Stage {
        if is_over(self) { std::mem::replace(self, Stage::Paging) } else { Stage::Paging }
    }
}

type Step = Result<(), Option<Pause>>;

impl Owner {
    /// Begins with the first page.
    pub fn begin(node: NodeId, at: At, actions: &mut Vec<Action>) -> Self {
        let (stage, keeping) = (Stage::Paging, Keeping::default());
        let mut owner = Self { node, stage, handed_over: 0, reads: 0, is_away: false, keeping };
        owner.ask_page(at, None, actions);
        owner
    }

    /// The same where this node is to leave: these members may keep what it can't hand over.
    pub fn kept_by(self, keepers: Vec<NodeId>) -> Self {
        Self { keeping: Keeping::by(keepers), ..self }
    }

    /// The same of an owner who can't be reached.
    pub fn away(self) -> Self {
        Self { is_away: true, ..self }
    }

    /// Whether some of its hints were kept by no other member.
    pub fn is_unkept(&self) -> bool {
        self.keeping.has_failed()
    }

    /// Hints handed over so far.
    pub fn handed_over(&self) -> u64 {
        self.handed_over
    }

    /// A page has been read: what can be sent is sent.
    pub fn on_page(
        &mut self,
        at: At,
        page: Result<Vec<Hint>, Refusal>,
        plans: &impl Plans,
        actions: &mut Vec<Action>,
    ) -> Step {
        if !matches!(self.stage, Stage::Paging) {
            return Ok(());
        }
        let hints = page.map_err(|refusal| Some(Pause::Here(refusal)))?;
        let last = hints.last().map(|hint| (hint.table, hint.sort_key.clone())).ok_or(None)?;
        let rules = at.context.rules;
        if !hints::handed_over(rules) {
            return self.erase(Page { last, done: hints, left: Vec::new(), refused: None }, at, actions);
        }
        // A table that this catalog has issued and does not have is gone; one it has not issued yet will come.
        let (done, rest): (Vec<Hint>, Vec<Hint>) =
            hints.into_iter().partition(|hint| plans.is_dropped(hint.table));
        let mut page = Page { last, done, left: Vec::new(), refused: None };
        if self.is_away {
            page.left = rest;
            return self.hand_on(page, at, plans, actions);
        }
        let (mut sent, mut requests, mut former) = (Vec::new(), Vec::new(), Vec::new());
        for hint in rest {
            match plans.plan(hint.table, &hint.sort_key) {
                Some(plan) if self.is_owner(&plan) => {
                    requests.push(write_of(&hint, plan));
                    sent.push(hint);
                }
                Some(_) => former.push(hint),
                None => {}
            }
        }
        if sent.is_empty() {
            return self.hand(page, Vec::new(), former, at, plans, actions);
        }
        if hints::erased_unanswered(rules) {
            actions.push(Action::Erase { owner: self.node, hints: sent.clone() });
        }
        let deadline = at.now.instant + at.limits.batch_timeout;
        actions.push(Action::Send { owner: self.node, to: self.node, requests, deadline });
        self.stage = Stage::Sending { page, sent, former };
        Ok(())
    }

    /// Hands what this node's hints say of keys that it does not own any more to an owner of each, one owner after the
    /// other; then reads them at all of their owners.
    fn hand(
        &mut self,
        mut page: Page,
        overtaken: Vec<Hint>,
        former: Vec<Hint>,
        at: At,
        plans: &impl Plans,
        actions: &mut Vec<Action>,
    ) -> Step {
        let (mut to, mut requests) = (None, Vec::new());
        let (mut handed, mut left) = (Vec::new(), Vec::new());
        for hint in former {
            // One whose owners are all away stays, and is looked at again.
            let Some(plan) = plans.plan(hint.table, &hint.sort_key) else { continue };
            let Some(owner) = plan.candidates.iter().find(|it| it.alive).map(|it| it.node) else {
                page.left.push(hint);
                continue;
            };
            if *to.get_or_insert(owner) == owner {
                requests.push(write_of(&hint, plan));
                handed.push(hint);
            } else {
                left.push(hint);
            }
        }
        let Some(to) = to else { return self.read_on(page, overtaken, at, plans, actions) };
        let deadline = at.now.instant + at.limits.batch_timeout;
        actions.push(Action::Send { owner: self.node, to, requests, deadline });
        self.stage = Stage::Handing { page, overtaken, former: left, handed };
        Ok(())
    }

    /// An owner has answered what was handed to it in the place of this node, or has not: that stays.
    fn on_handed(
        &mut self,
        at: At,
        replies: Option<Vec<Reply>>,
        plans: &impl Plans,
        actions: &mut Vec<Action>,
    ) -> Step {
        let Stage::Handing { mut page, mut overtaken, former, handed } =
            self.stage.leave(|stage| matches!(stage, Stage::Handing { .. }))
        else {
            return Ok(());
        };
        let Some(replies) = replies.filter(|replies| replies.len() == handed.len()) else {
            page.left.extend(handed);
            return self.hand(page, overtaken, former, at, plans, actions);
        };
        for (hint, reply) in handed.into_iter().zip(replies) {
            match acknowledged(&hint, &reply) {
                Acknowledged::AsHinted | Acknowledged::Higher => overtaken.push(hint),
                Acknowledged::No => page.left.push(hint),
            }
        }
        self.hand(page, overtaken, former, at, plans, actions)
    }

    /// The owner has answered a batch, or has not.
    pub fn on_replies(
        &mut self,
        at: At,
        replies: Option<Vec<Reply>>,
        plans: &impl Plans,
        actions: &mut Vec<Action>,
    ) -> Step {
        match self.stage {
            Stage::Handing { .. } => return self.on_handed(at, replies, plans, actions),
            Stage::HandingOn { .. } => return self.on_handed_on(at, replies, plans, actions),
            Stage::Paging | Stage::Sending { .. } | Stage::Reading { .. } | Stage::Erasing { .. } => {}
        }
        let Stage::Sending { mut page, sent, former } =
            self.stage.leave(|stage| matches!(stage, Stage::Sending { .. }))
        else {
            return Ok(());
        };
        let Some(replies) = replies.filter(|replies| replies.len() == sent.len()) else {
            if self.keeping.is_over() {
                return Err(Some(Pause::Away));
            }
            self.is_away = true;
            page.left.extend(sent.into_iter().chain(former));
            return self.hand_on(page, at, plans, actions);
        };
        let mut overtaken = Vec::new();
        for (hint, reply) in sent.into_iter().zip(replies) {
            match acknowledged(&hint, &reply) {
                Acknowledged::AsHinted => page.done.push(hint),
                Acknowledged::Higher if hints::erased_unrepaired(at.context.rules) => page.done.push(hint),
                Acknowledged::Higher => overtaken.push(hint),
                Acknowledged::No => {
                    page.refused = Some(reply);
                    page.left.push(hint);
                }
            }
        }
        self.hand(page, overtaken, former, at, plans, actions)
    }

    /// A read at all owners is over: its hint is done if it saw that all of them hold the same.
    pub fn on_read(
        &mut self,
        at: At,
        number: u32,
        answer: Option<get::Answer>,
        plans: &impl Plans,
        actions: &mut Vec<Action>,
    ) -> Step {
        let Stage::Reading { mut page, overtaken, mut reading } =
            self.stage.leave(|stage| matches!(stage, Stage::Reading { .. }))
        else {
            return Ok(());
        };
        if let Some(hint) = reading.remove(&number) {
            let is_done = matches!(answer, Some(Ok(answer)) if answer.acks == answer.n);
            if is_done { page.done.push(hint) } else { page.left.push(hint) }
        }
        self.read(page, overtaken, reading, at, plans, actions)
    }

    /// What was done is erased: the next page, unless the owner took nothing of this one.
    pub fn on_erased(&mut self, at: At, erased: Result<usize, Refusal>, actions: &mut Vec<Action>) -> Step {
        // Hints that a broken rule erased too soon are asked for in another stage.
        let Stage::Erasing { page } = self.stage.leave(|stage| matches!(stage, Stage::Erasing { .. })) else {
            return Ok(());
        };
        let erased = erased.map_err(|refusal| Some(Pause::Here(refusal)))?;
        self.handed_over += erased as u64;
        self.ask_page(at, Some(page.last), actions);
        Ok(())
    }

    fn ask_page(&mut self, at: At, after: Option<(TableId, SortKey)>, actions: &mut Vec<Action>) {
        let ReplayLimits { batch_items_max: items, batch_bytes_max: bytes, .. } = at.limits;
        self.stage = Stage::Paging;
        actions.push(Action::Page { owner: self.node, after, items, bytes });
    }

    fn read_on(
        &mut self,
        page: Page,
        overtaken: Vec<Hint>,
        at: At,
        plans: &impl Plans,
        actions: &mut Vec<Action>,
    ) -> Step {
        self.read(page, overtaken, BTreeMap::new(), at, plans, actions)
    }

    /// Begins as many reads as may run at once; erases what is done when there are none left.
    fn read(
        &mut self,
        mut page: Page,
        mut overtaken: Vec<Hint>,
        mut reading: BTreeMap<u32, Hint>,
        at: At,
        plans: &impl Plans,
        actions: &mut Vec<Action>,
    ) -> Step {
        while reading.len() < at.limits.repairs_running_max.max(1) {
            let Some(hint) = overtaken.pop() else { break };
            // Of this moment: an owner that was down when the page was read may be back.
            let Some(plan) = plans.plan(hint.table, &hint.sort_key) else { continue };
            if plan.candidates.iter().any(|candidate| !candidate.alive) {
                page.left.push(hint);
                continue;
            }
            let deadline = at.now.instant + at.limits.repair_timeout;
            let question = Question { level: Level::All, deadline };
            let plan = Arc::new(plan);
            let machine = Box::new(Get::new(Arc::clone(&plan), question, at.context));
            let number = self.reads;
            self.reads += 1;
            actions.push(Action::Read { owner: self.node, number, machine, plan, deadline });
            reading.insert(number, hint);
        }
        if reading.is_empty() {
            return self.hand_on(page, at, plans, actions);
        }
        self.stage = Stage::Reading { page, overtaken, reading };
        Ok(())
    }

    /// Asks another member to keep what is left of a page: one after the other, until each hint is kept or none takes it.
    /// Where this node stays it asks none.
    fn hand_on(&mut self, mut page: Page, at: At, plans: &impl Plans, actions: &mut Vec<Action>) -> Step {
        let Some(asked) = self.keeping.next(self.node, &mut page.left, plans) else {
            return self.erase(page, at, actions);
        };
        let Asked { keeper, hints, requests } = asked;
        if hints::erased_unanswered(at.context.rules) {
            actions.push(Action::Erase { owner: self.node, hints: hints.clone() });
        }
        let deadline = at.now.instant + at.limits.batch_timeout;
        actions.push(Action::Send { owner: self.node, to: keeper, requests, deadline });
        self.stage = Stage::HandingOn { page, keeper, hints };
        Ok(())
    }

    /// A member has answered which hints it keeps from now on, or has not.
    fn on_handed_on(
        &mut self,
        at: At,
        replies: Option<Vec<Reply>>,
        plans: &impl Plans,
        actions: &mut Vec<Action>,
    ) -> Step {
        let Stage::HandingOn { mut page, keeper, hints } =
            self.stage.leave(|stage| matches!(stage, Stage::HandingOn { .. }))
        else {
            return Ok(());
        };
        let (kept, left) = self.keeping.answered(keeper, hints, replies);
        page.done.extend(kept);
        page.left.extend(left);
        self.hand_on(page, at, plans, actions)
    }

    fn erase(&mut self, mut page: Page, at: At, actions: &mut Vec<Action>) -> Step {
        let done = std::mem::take(&mut page.done);
        if !done.is_empty() {
            actions.push(Action::Erase { owner: self.node, hints: done });
            self.stage = Stage::Erasing { page };
            return Ok(());
        }
        if self.is_away && self.keeping.is_over() {
            return Err(Some(Pause::Unkept(self.keeping.said())));
        }
        if let Some(reply) = page.refused {
            return Err(Some(Pause::Refused(Box::new(reply))));
        }
        self.ask_page(at, Some(page.last), actions);
        Ok(())
    }

    fn is_owner(&self, plan: &Plan) -> bool {
        plan.candidates.iter().any(|candidate| candidate.node == self.node)
    }
}

/// A hint as a write to an owner of its key.
fn write_of(hint: &Hint, plan: Plan) -> Request {
    let (record, durability) = (hint.record.clone(), plan.table.durability);
    Request::Write { at: plan.place, record, durability, origin: Origin::Fresh }
}

fn acknowledged(hint: &Hint, reply: &Reply) -> Acknowledged {
    let hinted = hint.record.held();
    match reply {
        Reply::Written { held } if *held > hinted => Acknowledged::Higher,
        Reply::Written { held } if *held == hinted => Acknowledged::AsHinted,
        // Removals up to it may be gone: other owners bring what of it still counts.
        Reply::Refused(Refusal::Below { .. }) => Acknowledged::AsHinted,
        Reply::Written { .. }
        | Reply::Known { .. }
        | Reply::Record(_)
        | Reply::Digest { .. }
        | Reply::Assigned { .. }
        | Reply::Hinted
        | Reply::Inspected(_)
        | Reply::Absent { .. }
        | Reply::Refused(_)
        | Reply::Broken => Acknowledged::No,
    }
}
