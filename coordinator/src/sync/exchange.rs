//! One interval, this node's replica and one other owner's.
//!
//! A stack of pieces of work in the order of their keys, and one of them in hand. What is in hand asks one of the two
//! replicas at a time; only a stream asks for the next page while the last one is merged.
//!
//! ```text
//!   Cut ──> Compare ──differs, one part──> Look ─┬─ nothing on one side ──> Stream
//!              └─ differs, several ─> Compare    └─ own list ──> List ─┬─ many keys: sums of some each ──> List
//!                                                                      └─ few: their list ──> Bring
//! ```

use super::asking::{Asking, is_sound, nonsense};
use super::bring::Bring;
use super::stream::Stream;
use super::wanted::{Action, Counts, Ending, ExchangeLimits, Input, Task, Way};
use super::work::{Own, Parts, Which, Work};
use crate::machine::{Call, Failure};
use quorate_model::sync::{Cuts, Listed, PARTS_MAX, Parted};
use quorate_model::{Interval, NodeId, Now, RangeReply, RangeRequest, Rules, SortKey};

/// See the module's essay.
#[derive(Debug)]
pub struct Exchange {
    asking: Asking,
    /// What is left to do, the first on top.
    todo: Vec<Work>,
    doing: Doing,
}

/// What is in hand, and the call that it waits for.
#[derive(Debug)]
enum Doing {
    Nothing,
    Cut(Call, Interval),
    Compare(Call, Parts, Vec<Parts>),
    /// An own list.
    Look(Call, Interval),
    /// The other's sums of pieces of an own list.
    Narrow(Call, Own, Vec<Own>),
    /// The other's list.
    List(Call, Own),
    Bring(Bring),
    Stream(Stream),
}

type Step = Result<(), Ending>;

impl Exchange {
    /// An exchange that does nothing until it is told to start.
    pub fn new(task: Task, limits: ExchangeLimits, rules: Rules) -> Self {
        let todo = vec![Work::Cut(task.over.interval.clone())];
        Self { asking: Asking::new(task, limits, rules), todo, doing: Doing::Nothing }
    }

    /// Everything before this key is done; `None`: everything is.
    pub fn at(&self) -> Option<&SortKey> {
        self.asking.at.as_ref()
    }

    /// What came of it so far.
    pub fn counts(&self) -> Counts {
        self.asking.counts
    }

    /// What it is to do.
    pub fn task(&self) -> &Task {
        &self.asking.task
    }

    /// Takes one input at one moment; appends what is to be done.
    pub fn step(&mut self, now: Now, input: Input, actions: &mut Vec<Action>) {
        let step = match input {
            Input::Start => Ok(()),
            Input::Reply(call, RangeReply::Refused(refusal)) => {
                self.on_failed(call, Failure::Refused(refusal))
            }
            Input::Reply(call, RangeReply::Broken) => self.on_failed(call, Failure::Lost),
            Input::Reply(call, reply) => self.on_reply(now, call, reply, actions),
            Input::Failed(call, failure) => self.on_failed(call, failure),
        };
        if let Err(ending) = step.and_then(|()| self.go_on(now, actions)) {
            self.todo.clear();
            self.doing = Doing::Nothing;
            actions.push(Action::Done(ending));
        }
    }

    /// Takes the next piece of work in hand, if none is; an error is the end.
    fn go_on(&mut self, now: Now, actions: &mut Vec<Action>) -> Step {
        while matches!(self.doing, Doing::Nothing) {
            let Some(work) = self.todo.pop() else {
                self.asking.at = None;
                return Err(Ending::Whole);
            };
            self.asking.at = Some(work.over().start);
            self.doing = self.begin(now, work, actions);
        }
        Ok(())
    }

    fn begin(&mut self, now: Now, work: Work, actions: &mut Vec<Action>) -> Doing {
        let asking = &mut self.asking;
        let Task { here, there, way, .. } = asking.task;
        match work {
            Work::Cut(over) => {
                let cuts = Cuts::Own(PARTS_MAX as u32);
                let request = RangeRequest::Parts { over: asking.extent(&over), cuts };
                Doing::Cut(asking.ask(now, here, request, actions), over)
            }
            Work::Compare(parts) => {
                let groups = parts.groups(asking.limits.sums_max);
                let keys = groups[1..].iter().map(|group| group.over().start).collect();
                let over = asking.extent(&parts.over());
                let request = RangeRequest::Parts { over, cuts: Cuts::At { keys, adopt: true } };
                Doing::Compare(asking.ask(now, there, request, actions), parts, groups)
            }
            Work::Look(_, 0, _) if way == Way::Push => Doing::Nothing,
            Work::Look(over, 0, theirs) if theirs != Some(0) && way != Way::Look => {
                Doing::Stream(Stream::begin(now, over, true, asking, actions))
            }
            Work::Look(over, _, Some(0)) if matches!(way, Way::Both | Way::Push) => {
                Doing::Stream(Stream::begin(now, over, false, asking, actions))
            }
            Work::Look(_, _, Some(0)) if way == Way::Pull => Doing::Nothing,
            Work::Look(over, ..) => {
                let request = asking.list(&over, true);
                Doing::Look(asking.ask(now, here, request, actions), over)
            }
            Work::List(own) if own.records.len() > asking.limits.few_keys.max(1) => {
                let pieces = own.pieces();
                let keys = pieces[1..].iter().map(|piece| piece.over.start.clone()).collect();
                let over = asking.extent(&own.over);
                let request = RangeRequest::Parts { over, cuts: Cuts::At { keys, adopt: false } };
                Doing::Narrow(asking.ask(now, there, request, actions), own, pieces)
            }
            Work::List(own) => {
                let request = asking.list(&own.over, false);
                Doing::List(asking.ask(now, there, request, actions), own)
            }
            Work::Bring { over, theirs, ours } => {
                Doing::Bring(Bring::begin(now, over, (theirs, ours), asking, actions))
            }
        }
    }

    fn on_failed(&mut self, call: Call, failure: Failure) -> Step {
        match self.doing.asks(call, &self.asking) {
            Some(by) => Err(Ending::Stopped(by, failure)),
            None => Ok(()),
        }
    }

    fn on_reply(&mut self, now: Now, call: Call, reply: RangeReply, actions: &mut Vec<Action>) -> Step {
        let Some(by) = self.doing.asks(call, &self.asking) else { return Ok(()) };
        let asking = &mut self.asking;
        match (std::mem::replace(&mut self.doing, Doing::Nothing), reply) {
            (Doing::Stream(stream), reply) => {
                let stream = stream.on_reply(now, call, reply, asking, actions)?;
                self.doing = stream.map_or(Doing::Nothing, Doing::Stream);
                Ok(())
            }
            (Doing::Bring(bring), reply) => {
                let bring = bring.on_reply(now, reply, asking, &mut self.todo, actions)?;
                self.doing = bring.map_or(Doing::Nothing, Doing::Bring);
                Ok(())
            }
            (Doing::Cut(_, over), RangeReply::Parted(parted)) => self.on_cut(over, parted),
            (Doing::Compare(_, parts, groups), RangeReply::Parted(parted)) => {
                self.on_compared(&parts, groups, &parted)
            }
            (Doing::Look(_, over), RangeReply::Listed(listed)) => self.on_own_list(over, listed),
            (Doing::Narrow(_, own, pieces), RangeReply::Parted(parted)) => {
                self.on_narrowed(own, pieces, &parted)
            }
            (Doing::List(_, own), RangeReply::Listed(listed)) => self.on_list(own, listed),
            _ => nonsense(by),
        }
    }

    /// This replica's own parts are known.
    fn on_cut(&mut self, over: Interval, parted: Parted) -> Step {
        let Parted { sums, ends } = parted;
        let is_all = sums.0.len() == ends.len() + 1;
        let is_sound = !sums.0.is_empty()
            && (is_all || sums.0.len() == ends.len())
            && ends.iter().all(|end| *end > over.start && over.contains(end))
            && ends.is_sorted_by(|a, b| a < b);
        if !is_sound {
            return nonsense(self.asking.task.here);
        }
        let starts = std::iter::once(over.start).chain(ends.iter().cloned());
        let parts: Vec<(SortKey, u64)> = starts.zip(sums.0).collect();
        let end = if is_all { over.end.clone() } else { ends.last().cloned() };
        if !is_all && let Some(start) = end.clone() {
            self.todo.push(Work::Cut(Interval { start, end: over.end }));
        }
        self.todo.push(Work::Compare(Parts { parts, end }));
        Ok(())
    }

    /// The other's sums of groups of parts are known: those that differ are looked at.
    fn on_compared(&mut self, parts: &Parts, groups: Vec<Parts>, parted: &Parted) -> Step {
        let sums = &parted.sums.0;
        if sums.len() > groups.len() {
            return nonsense(self.asking.task.there);
        }
        if let (Some(uncounted), 0) = (groups.first(), sums.len()) {
            // Too large to be added up at once.
            self.compare_from(1, &groups, parts);
            self.look_into(uncounted.clone(), None);
            return Ok(());
        }
        self.compare_from(sums.len(), &groups, parts);
        for (group, sum) in groups.into_iter().zip(sums).rev() {
            if group.sum() != *sum {
                self.look_into(group, Some(*sum));
            }
        }
        Ok(())
    }

    /// Groups from this one on are compared later.
    fn compare_from(&mut self, from: usize, groups: &[Parts], parts: &Parts) {
        let behind: Vec<_> = groups[from..].iter().flat_map(|group| group.parts.clone()).collect();
        if !behind.is_empty() {
            self.todo.push(Work::Compare(Parts { parts: behind, end: parts.end.clone() }));
        }
    }

    fn look_into(&mut self, group: Parts, theirs: Option<u64>) {
        let work = if group.parts.len() > 1 {
            Work::Compare(group)
        } else {
            Work::Look(group.over(), group.sum(), theirs)
        };
        self.todo.push(work);
    }

    /// This replica's own list is known.
    fn on_own_list(&mut self, over: Interval, listed: Listed) -> Step {
        let Listed { items, keys, until } = listed;
        if keys.len() != items.0.len() || !is_sound(&over, keys.iter(), until.as_ref()) {
            return nonsense(self.asking.task.here);
        }
        if until != over.end
            && let Some(start) = until.clone()
        {
            // What is behind the list is not known to differ as such: its sum is not.
            self.todo.push(Work::Cut(Interval { start, end: over.end.clone() }));
        }
        let over = Interval { start: over.start, end: until };
        self.todo.push(Work::List(Own { over, records: keys.into_iter().zip(items.0).collect() }));
        Ok(())
    }

    /// The other's sums of pieces of an own list are known.
    fn on_narrowed(&mut self, own: Own, pieces: Vec<Own>, parted: &Parted) -> Step {
        let sums = &parted.sums.0;
        if sums.len() > pieces.len() {
            return nonsense(self.asking.task.there);
        }
        let known = sums.len().max(1);
        if let Some(next) = pieces.get(known) {
            let (_, behind) = own.split(&next.over.start.clone());
            self.todo.push(Work::List(behind));
        }
        for (at, piece) in pieces.into_iter().take(known).enumerate().rev() {
            if sums.get(at) == Some(&piece.sum()) {
                continue;
            }
            // Neighbours that differ are listed together.
            match self.todo.last_mut() {
                Some(Work::List(next))
                    if piece.over.end.as_ref() == Some(&next.over.start)
                        && piece.records.len() + next.records.len() <= self.asking.limits.few_keys =>
                {
                    let behind = std::mem::take(&mut next.records);
                    next.over.start = piece.over.start;
                    next.records = piece.records.into_iter().chain(behind).collect();
                }
                _ => self.todo.push(Work::List(piece)),
            }
        }
        Ok(())
    }

    /// The other's list is known: what differs is brought over.
    fn on_list(&mut self, own: Own, listed: Listed) -> Step {
        if !is_sound(&own.over, [].iter(), listed.until.as_ref()) {
            return nonsense(self.asking.task.there);
        }
        let own = match listed.until {
            Some(until) if Some(&until) != own.over.end.as_ref() => {
                let (own, behind) = own.split(&until);
                self.todo.push(Work::List(behind));
                own
            }
            Some(_) | None => own,
        };
        let (ours, theirs) = own.differences(&listed.items.0);
        self.asking.counts.differing += (ours.len() + theirs.len()) as u64;
        // Of what goes one way all is brought that the other does not have as it was looked at: it may be another one by now.
        let (theirs, ours) = match self.asking.task.way {
            Way::Look => (Which::Nothing, Which::Nothing),
            Way::Both => (Which::these(theirs), Which::these(ours)),
            Way::Pull if theirs.is_empty() => (Which::Nothing, Which::Nothing),
            Way::Pull => {
                let held = own.records.iter().map(|(_, item)| *item).collect();
                (Which::AllBut(held), Which::Nothing)
            }
            Way::Push if ours.is_empty() => (Which::Nothing, Which::Nothing),
            Way::Push => (Which::Nothing, Which::AllBut(listed.items.0)),
        };
        if (&theirs, &ours) != (&Which::Nothing, &Which::Nothing) {
            self.todo.push(Work::Bring { over: own.over, theirs, ours });
        }
        Ok(())
    }
}

impl Doing {
    /// Whom a call asks, if it is the one that is waited for.
    fn asks(&self, waited: Call, asking: &Asking) -> Option<NodeId> {
        let Task { here, there, .. } = asking.task;
        let (call, by) = match self {
            Doing::Nothing => return None,
            Doing::Stream(stream) => return stream.asks(waited, asking),
            Doing::Bring(bring) => (bring.call(), bring.asks(asking)),
            Doing::Cut(call, _) | Doing::Look(call, _) => (*call, here),
            Doing::Compare(call, ..) | Doing::Narrow(call, ..) | Doing::List(call, _) => (*call, there),
        };
        (call == waited).then_some(by)
    }
}
