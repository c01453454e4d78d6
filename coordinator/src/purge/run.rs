//! The purge of one shard: one step after the other, each begun when all calls of the one before have been answered.

use super::wanted::{Action, Outcome, Terms};
use crate::machine::{Call, Failure};
use crate::rules::purge;
use crate::sync::{self, Exchange, ExchangeLimits, Shard, Task, Way};
use quorate_model::floors::{self, REMOVALS_MAX, Raise, Removal, Removals, Wanted};
use quorate_model::sync::{Keyed, RECORDS_MAX};
use quorate_model::{
    Extent, Floors, Held, Instant, Interval, NodeId, Now, RangeReply, RangeRequest, Rules, SortKey, Version,
};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// See the module's essay.
#[derive(Debug)]
pub struct Run {
    here: NodeId,
    shard: Shard,
    terms: Terms,
    limits: ExchangeLimits,
    rules: Rules,
    /// What is left to do behind the present step.
    steps: VecDeque<Step>,
    doing: Doing,
    calls: u32,
    open: BTreeMap<Call, NodeId>,
    /// The version that is closed and sealed; `None`: none is chosen yet.
    up_to: Option<Version>,
    list: Vec<Removal>,
    /// What is being listed: what several owners hold once.
    found: BTreeMap<(SortKey, Held), bool>,
    is_full: bool,
    dropped: u64,
    exchange: Option<(Exchange, BTreeMap<Call, Call>)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Close,
    Pull(NodeId),
    List,
    Push(NodeId),
    Confirm,
    Seal,
    Drop,
}

/// The present step, as far as its calls do not say what it is.
#[derive(Debug)]
enum Doing {
    /// Not started.
    Idle,
    /// The removals of an owner, by its place, are looked through for the highest.
    Choosing { of: usize, highest: Option<Version> },
    /// Values whose time has come get their flag here; how the choice goes on behind them.
    Flagging { highest: Option<Version>, rest: Vec<Keyed>, until: Option<SortKey> },
    /// Floors are raised at all owners.
    Raising(Raise),
    /// One other owner and this one compare what they hold.
    Exchanging,
    /// The removals of an owner, by its place, are listed.
    Listing { of: usize },
    /// Each owner is asked for the part of the list from this place on; those that one does not hold so.
    Confirming { from: usize, others: BTreeSet<usize> },
    /// Each owner drops the part of the list from this place on.
    Dropping { from: usize },
    /// Nothing more will happen.
    Done,
}

impl Run {
    /// A run of this node over a shard with all of its other owners. It does nothing until it is told to start.
    pub fn new(here: NodeId, shard: Shard, terms: Terms, limits: ExchangeLimits, rules: Rules) -> Self {
        Self {
            here,
            shard,
            terms,
            limits,
            rules,
            steps: VecDeque::new(),
            doing: Doing::Idle,
            calls: 0,
            open: BTreeMap::new(),
            up_to: None,
            list: Vec::new(),
            found: BTreeMap::new(),
            is_full: false,
            dropped: 0,
            exchange: None,
        }
    }

    /// Takes one input at one moment; appends what is to be done.
    pub fn step(&mut self, now: Now, input: sync::Input, actions: &mut Vec<Action>) {
        let step = match input {
            sync::Input::Start => {
                self.look(now, 0, None, self.shard.over.interval.start.clone(), actions);
                Ok(())
            }
            sync::Input::Reply(call, reply) => match self.open.remove(&call) {
                Some(by) => self.on_reply(now, call, by, reply, actions),
                None => return,
            },
            sync::Input::Failed(call, failure) => match self.open.remove(&call) {
                Some(by) => Err((by, failure)),
                None => return,
            },
        };
        if let Err((by, failure)) = step {
            self.end(Outcome::Stopped(by, failure), actions);
        }
    }

    fn on_reply(
        &mut self,
        now: Now,
        call: Call,
        by: NodeId,
        reply: RangeReply,
        actions: &mut Vec<Action>,
    ) -> Result<(), (NodeId, Failure)> {
        if self.exchange.is_some() {
            self.on_exchanged(now, call, reply, actions);
            return Ok(());
        }
        match (std::mem::replace(&mut self.doing, Doing::Done), reply) {
            (_, RangeReply::Refused(refusal)) => return Err((by, Failure::Refused(refusal))),
            (Doing::Choosing { of, highest }, RangeReply::Removals(removals)) => {
                self.on_looked(now, (of, highest), removals, actions);
            }
            (Doing::Flagging { highest, rest, until }, RangeReply::Merged) => {
                self.flag(now, (0, highest), rest, until, actions);
            }
            (Doing::Raising(raise), RangeReply::Floored(pieces)) => {
                if !is_raised(raise, &pieces, &self.shard.over.interval) {
                    // It lost its disk since it closed: it is another one now.
                    return Err((by, Failure::Lost));
                }
                self.doing = Doing::Raising(raise);
                self.next_once_answered(now, actions);
            }
            (Doing::Listing { of }, RangeReply::Removals(removals)) => {
                self.on_listed(now, of, removals, actions);
            }
            (Doing::Confirming { from, mut others }, RangeReply::Confirmed(places)) => {
                others.extend(places.into_iter().map(|place| from + place as usize));
                self.doing = Doing::Confirming { from, others };
                self.confirm_on(now, actions);
            }
            (Doing::Dropping { from }, RangeReply::Dropped(dropped)) => {
                self.dropped += if by == self.here { u64::from(dropped) } else { 0 };
                self.doing = Doing::Dropping { from };
                if self.open.is_empty() {
                    self.drop_from(now, from + REMOVALS_MAX, actions);
                }
            }
            _ => return Err((by, Failure::Lost)),
        }
        Ok(())
    }

    /// This node first, and then all others.
    fn owner(&self, of: usize) -> Option<NodeId> {
        std::iter::once(self.here).chain(self.shard.others.iter().copied()).nth(of)
    }

    /// Looks through an owner's removals from a key on.
    fn look(
        &mut self,
        now: Now,
        of: usize,
        highest: Option<Version>,
        from: SortKey,
        actions: &mut Vec<Action>,
    ) {
        let Some(to) = self.owner(of) else { return self.choose(now, highest, actions) };
        self.doing = Doing::Choosing { of, highest };
        self.ask_removals(now, to, from, actions);
    }

    fn ask_removals(&mut self, now: Now, to: NodeId, from: SortKey, actions: &mut Vec<Action>) {
        let Terms { before, with_ids_before, .. } = self.terms;
        let items = u32::try_from(REMOVALS_MAX).unwrap_or(u32::MAX);
        let wanted = Wanted { up_to: self.up_to, before, with_ids_before, items };
        let interval = Interval { start: from, end: self.shard.over.interval.end.clone() };
        let over = Extent { interval, ..self.shard.over };
        self.ask(now, to, RangeRequest::Removals { over, wanted }, actions);
    }

    fn on_looked(
        &mut self,
        now: Now,
        (of, highest): (usize, Option<Version>),
        removals: Removals,
        actions: &mut Vec<Action>,
    ) {
        let Removals { found, due, until } = removals;
        let found = found.iter().map(|removal| removal.held.version);
        // What is due at others gets its flag there when it is brought.
        let due = if of == 0 { due } else { Vec::new() };
        let highest = found.chain(due.iter().map(|keyed| keyed.record.version)).max().max(highest);
        self.flag(now, (of, highest), due, until, actions);
    }

    /// Values whose time has come get their flag here, some at a time: they go like any removal.
    fn flag(
        &mut self,
        now: Now,
        (of, highest): (usize, Option<Version>),
        mut due: Vec<Keyed>,
        until: Option<SortKey>,
        actions: &mut Vec<Action>,
    ) {
        if !due.is_empty() {
            let rest = due.split_off(due.len().min(RECORDS_MAX));
            let over = self.shard.over.clone();
            self.doing = Doing::Flagging { highest, rest, until };
            self.ask(now, self.here, RangeRequest::Merge { over, records: due }, actions);
            return;
        }
        match until {
            Some(until) if Some(&until) != self.shard.over.interval.end.as_ref() => {
                self.look(now, of, highest, until, actions);
            }
            Some(_) | None => {
                let start = self.shard.over.interval.start.clone();
                self.look(now, of + 1, highest, start, actions);
            }
        }
    }

    /// The version is chosen: what is to be done then.
    fn choose(&mut self, now: Now, highest: Option<Version>, actions: &mut Vec<Action>) {
        if highest.is_none() {
            return self.end(Outcome::Nothing, actions);
        }
        self.up_to = highest;
        let others = self.shard.others.clone();
        let mut passes: Vec<Step> = others.iter().map(|node| Step::Pull(*node)).collect();
        passes.push(Step::List);
        if purge::brings(self.rules) {
            passes.extend(others.iter().map(|node| Step::Push(*node)));
        }
        passes.push(Step::Confirm);
        let place = if purge::closes_first(self.rules) { 0 } else { passes.len() };
        passes.insert(place, Step::Close);
        self.steps = passes.into_iter().chain([Step::Seal, Step::Seal, Step::Drop]).collect();
        self.next(now, actions);
    }

    fn next_once_answered(&mut self, now: Now, actions: &mut Vec<Action>) {
        if self.open.is_empty() {
            self.next(now, actions);
        }
    }

    fn next(&mut self, now: Now, actions: &mut Vec<Action>) {
        let (Some(step), Some(up_to)) = (self.steps.pop_front(), self.up_to) else {
            return self.end(Outcome::Nothing, actions);
        };
        match step {
            Step::Close => self.raise(now, Raise::Close(up_to), actions),
            Step::Pull(there) => self.exchange_with(now, there, Way::Pull, actions),
            Step::Push(there) => self.exchange_with(now, there, Way::Push, actions),
            Step::List => {
                let start = self.shard.over.interval.start.clone();
                self.list(now, 0, start, actions);
            }
            Step::Confirm => self.confirm_from(now, 0, BTreeSet::new(), actions),
            Step::Seal => {
                let forgets = self.list.iter().any(|removal| removal.has_ids);
                self.raise(now, Raise::Seal { up_to, forgets }, actions);
            }
            Step::Drop => self.drop_from(now, 0, actions),
        }
    }

    fn raise(&mut self, now: Now, raise: Raise, actions: &mut Vec<Action>) {
        self.doing = Doing::Raising(raise);
        self.ask_all(now, &RangeRequest::Floors { over: self.shard.over.clone(), raise }, actions);
    }

    fn exchange_with(&mut self, now: Now, there: NodeId, way: Way, actions: &mut Vec<Action>) {
        let task = Task { over: self.shard.over.clone(), here: self.here, there, way };
        self.exchange = Some((Exchange::new(task, self.limits, self.rules), BTreeMap::new()));
        self.doing = Doing::Exchanging;
        self.step_exchange(now, sync::Input::Start, actions);
    }

    fn on_exchanged(&mut self, now: Now, call: Call, reply: RangeReply, actions: &mut Vec<Action>) {
        let call = self.exchange.as_mut().and_then(|(_, calls)| calls.remove(&call));
        if let Some(call) = call {
            self.step_exchange(now, sync::Input::Reply(call, reply), actions);
        }
    }

    fn step_exchange(&mut self, now: Now, input: sync::Input, actions: &mut Vec<Action>) {
        let Some((mut exchange, mut calls)) = self.exchange.take() else { return };
        let mut wanted = Vec::new();
        exchange.step(now, input, &mut wanted);
        let mut ending = None;
        for action in wanted {
            match action {
                sync::Action::Ask { call, to, request, .. } => {
                    calls.insert(self.ask(now, to, request, actions), call);
                }
                sync::Action::Done(ended) => ending = Some(ended),
            }
        }
        match ending {
            None => self.exchange = Some((exchange, calls)),
            Some(sync::Ending::Whole) => self.next(now, actions),
            Some(sync::Ending::Stopped(by, failure)) => self.end(Outcome::Stopped(by, failure), actions),
        }
    }

    /// Lists an owner's removals from a key on.
    fn list(&mut self, now: Now, of: usize, from: SortKey, actions: &mut Vec<Action>) {
        if let Some(to) = self.owner(of) {
            self.doing = Doing::Listing { of };
            return self.ask_removals(now, to, from, actions);
        }
        let found = std::mem::take(&mut self.found);
        self.list = found
            .into_iter()
            .map(|((sort_key, held), has_ids)| Removal { sort_key, held, has_ids })
            .collect();
        self.next(now, actions);
    }

    fn on_listed(&mut self, now: Now, of: usize, removals: Removals, actions: &mut Vec<Action>) {
        let Removals { found, until, .. } = removals;
        for Removal { sort_key, held, has_ids } in found {
            let at = (sort_key, held);
            if self.found.len() < self.terms.list_max || self.found.contains_key(&at) {
                *self.found.entry(at).or_default() |= has_ids;
            } else {
                self.is_full = true;
            }
        }
        match until {
            Some(until) if Some(&until) != self.shard.over.interval.end.as_ref() && !self.is_full => {
                self.list(now, of, until, actions);
            }
            Some(_) | None => self.list(now, of + 1, self.shard.over.interval.start.clone(), actions),
        }
    }

    /// Asks every owner which of the listed it does not hold exactly so, part by part.
    fn confirm_from(&mut self, now: Now, from: usize, others: BTreeSet<usize>, actions: &mut Vec<Action>) {
        let part = self.part(from);
        self.doing = Doing::Confirming { from, others };
        if part.is_empty() {
            return self.confirm_on(now, actions);
        }
        let request = RangeRequest::Confirm { over: self.shard.over.clone(), removals: part };
        self.ask_all(now, &request, actions);
    }

    fn confirm_on(&mut self, now: Now, actions: &mut Vec<Action>) {
        if !self.open.is_empty() {
            return;
        }
        let Doing::Confirming { from, others } = &mut self.doing else { return };
        let (behind, others) = (*from + REMOVALS_MAX, std::mem::take(others));
        if behind < self.list.len() {
            return self.confirm_from(now, behind, others, actions);
        }
        let mut place = 0;
        self.list.retain(|_| {
            place += 1;
            !others.contains(&(place - 1))
        });
        self.next(now, actions);
    }

    /// Has every owner drop what is listed from a place on, part by part.
    fn drop_from(&mut self, now: Now, from: usize, actions: &mut Vec<Action>) {
        let Some(up_to) = self.up_to else { return };
        let part = self.part(from);
        if part.is_empty() && from > 0 {
            let (listed, dropped, has_more) = (self.list.len() as u64, self.dropped, self.is_full);
            return self.end(Outcome::Purged { listed, dropped, up_to, has_more }, actions);
        }
        self.doing = Doing::Dropping { from };
        let request = RangeRequest::Drop { over: self.shard.over.clone(), up_to, removals: part };
        self.ask_all(now, &request, actions);
    }

    fn part(&self, from: usize) -> Vec<Removal> {
        self.list.iter().skip(from).take(REMOVALS_MAX).cloned().collect()
    }

    fn ask_all(&mut self, now: Now, request: &RangeRequest, actions: &mut Vec<Action>) {
        for node in self.shard.others.clone().into_iter().chain([self.here]) {
            self.ask(now, node, request.clone(), actions);
        }
    }

    fn ask(&mut self, now: Now, to: NodeId, request: RangeRequest, actions: &mut Vec<Action>) -> Call {
        let call = Call(self.calls);
        self.calls += 1;
        self.open.insert(call, to);
        let deadline: Instant = now.instant + self.limits.call_timeout;
        actions.push(Action::Ask { call, to, request, deadline });
        call
    }

    fn end(&mut self, outcome: Outcome, actions: &mut Vec<Action>) {
        self.doing = Doing::Done;
        self.open.clear();
        self.exchange = None;
        actions.push(Action::Done(outcome));
    }
}

/// Whether the floors of a shard are raised so at an owner that says that they are these.
fn is_raised(raise: Raise, pieces: &[floors::Floored], over: &Interval) -> bool {
    let is_so = |floors: Floors| match raise {
        Raise::Nothing => true,
        Raise::Close(up_to) => floors.closing >= Some(up_to),
        Raise::Seal { up_to, .. } => floors.sealed >= Some(up_to),
    };
    floors::all(pieces, over, is_so)
}
