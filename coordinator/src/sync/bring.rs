//! Bringing over what two lists have shown to differ.
//!
//! ```text
//!   fetch theirs ──> fetch ours ──> what this replica takes is merged here ──> what the other takes is merged there
//! ```
//!
//! Both are fetched before either is merged: of a key that both hold in different states each takes the other's record only
//! if that changes its own.

use super::asking::{Asking, is_sound, nonsense};
use super::wanted::{Action, Ending};
use super::work::{Which, Work, taken};
use crate::machine::Call;
use crate::rules::sync;
use quorate_model::sync::{Fetched, ITEMS_MAX, Items, Keyed};
use quorate_model::{Interval, NodeId, Now, RangeReply, RangeRequest};

/// See the module's essay.
#[derive(Debug)]
pub struct Bring {
    call: Call,
    over: Interval,
    /// Which of the other's.
    theirs: Which,
    /// Which of this replica's.
    ours: Which,
    step: Step,
}

#[derive(Debug)]
enum Step {
    /// Records come from there.
    Theirs,
    /// Records come from here; those that came from there.
    Ours(Vec<Keyed>),
    /// Records are merged here; those that are to be merged there.
    Pulling(Vec<Keyed>),
    /// Records are merged there.
    Pushing,
}

impl Bring {
    pub fn begin(
        now: Now,
        over: Interval,
        (theirs, ours): (Which, Which),
        asking: &mut Asking,
        actions: &mut Vec<Action>,
    ) -> Self {
        let is_theirs = theirs != Which::Nothing;
        let step = if is_theirs { Step::Theirs } else { Step::Ours(Vec::new()) };
        let mut bring = Self { call: Call(0), over, theirs, ours, step };
        bring.fetch(now, asking, actions);
        bring
    }

    /// The call that it waits for.
    pub fn call(&self) -> Call {
        self.call
    }

    /// Whom it asks.
    pub fn asks(&self, asking: &Asking) -> NodeId {
        match self.step {
            Step::Ours(_) | Step::Pulling(_) => asking.task.here,
            Step::Theirs | Step::Pushing => asking.task.there,
        }
    }

    /// Goes on; `None`: all that was to be brought is, or lies on top of what is to be done.
    pub fn on_reply(
        self,
        now: Now,
        reply: RangeReply,
        asking: &mut Asking,
        todo: &mut Vec<Work>,
        actions: &mut Vec<Action>,
    ) -> Result<Option<Self>, Ending> {
        let by = self.asks(asking);
        match (reply, &self.step) {
            (RangeReply::Fetched(fetched), Step::Theirs | Step::Ours(_)) => {
                let keys = fetched.records.iter().map(|keyed| &keyed.sort_key);
                if !is_sound(&self.over, keys, fetched.until.as_ref()) {
                    return nonsense(by);
                }
                Ok(self.on_fetched(now, fetched, asking, todo, actions))
            }
            (RangeReply::Merged, Step::Pulling(_) | Step::Pushing) => {
                Ok(self.on_merged(now, asking, actions))
            }
            _ => nonsense(by),
        }
    }

    fn fetch(&mut self, now: Now, asking: &mut Asking, actions: &mut Vec<Action>) {
        let which = if matches!(self.step, Step::Theirs) { &self.theirs } else { &self.ours };
        let items = |items: &[u64]| Some(Items(items.iter().copied().take(ITEMS_MAX).collect()));
        let (wanted, but) = match which {
            Which::Nothing => (items(&[]), None),
            Which::These(these) => (items(these), None),
            Which::AllBut(these) => (None, items(these)),
        };
        let (over, bytes) = (asking.extent(&self.over), asking.limits.bytes_max);
        let to = self.asks(asking);
        self.call = asking.ask(now, to, RangeRequest::Fetch { over, wanted, bytes, but }, actions);
    }

    fn on_fetched(
        mut self,
        now: Now,
        fetched: Fetched,
        asking: &mut Asking,
        todo: &mut Vec<Work>,
        actions: &mut Vec<Action>,
    ) -> Option<Self> {
        // Up to where both are known: the rest comes afterwards.
        if fetched.until != self.over.end
            && let Some(start) = fetched.until.clone()
        {
            let over = Interval { start, end: self.over.end.take() };
            self.over.end = fetched.until;
            todo.push(Work::Bring { over, theirs: self.theirs.clone(), ours: self.ours.clone() });
        }
        match std::mem::replace(&mut self.step, Step::Pushing) {
            Step::Theirs if self.ours != Which::Nothing => {
                self.step = Step::Ours(fetched.records);
                self.fetch(now, asking, actions);
                Some(self)
            }
            Step::Theirs => self.merge_here(now, fetched.records, &[], asking, actions),
            Step::Ours(mut came) => {
                came.retain(|keyed| self.over.contains(&keyed.sort_key));
                self.merge_here(now, came, &fetched.records, asking, actions)
            }
            Step::Pulling(_) | Step::Pushing => None,
        }
    }

    fn merge_here(
        mut self,
        now: Now,
        came: Vec<Keyed>,
        own: &[Keyed],
        asking: &mut Asking,
        actions: &mut Vec<Action>,
    ) -> Option<Self> {
        let push = taken(own.to_vec(), &came, sync::takes);
        let pull = taken(came, own, sync::takes);
        if pull.is_empty() {
            return self.merge_there(now, push, asking, actions);
        }
        let request = asking.merge(&self.over, pull, true);
        self.step = Step::Pulling(push);
        self.call = asking.ask(now, asking.task.here, request, actions);
        Some(self)
    }

    fn merge_there(
        mut self,
        now: Now,
        push: Vec<Keyed>,
        asking: &mut Asking,
        actions: &mut Vec<Action>,
    ) -> Option<Self> {
        if push.is_empty() {
            return None;
        }
        let request = asking.merge(&self.over, push, false);
        self.step = Step::Pushing;
        self.call = asking.ask(now, asking.task.there, request, actions);
        Some(self)
    }

    fn on_merged(mut self, now: Now, asking: &mut Asking, actions: &mut Vec<Action>) -> Option<Self> {
        match std::mem::replace(&mut self.step, Step::Pushing) {
            Step::Pulling(push) => self.merge_there(now, push, asking, actions),
            Step::Pushing | Step::Theirs | Step::Ours(_) => None,
        }
    }
}
