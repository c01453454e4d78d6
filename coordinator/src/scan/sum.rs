//! What a piece of a shard adds up to, where its owners agree: whether anything has changed there, without reading it.
//!
//! Each owner keeps sums over its records (`storage/src/sums`). One owner's sum says little: it may be behind. So as
//! many are asked as meet every write of the table and each other, and a sum is told only where all of them say the
//! same.
//!
//! ```text
//!   sum ──> S          pages of the piece           sum ──> S          later: sum ──> S
//!    │                                               │                          │
//!    └── an owner that answered both times held all the while what the pages say ┘  and they still say it
//! ```
//!
//! # What two equal sums mean
//!
//! Records only grow by version, until a removal is purged: a key that was put, removed and purged leaves the sum as it was.
//! So who asks twice does so within less than `purge.after`; then an owner that says S twice held the same records in
//! between. Let the levels meet. A
//! linearizable page between the two sums says of each key what those records say: not less, since it asks one of the
//! owners that said S first; and not more, since what it says is then held by a write quorum, one of which said S
//! afterwards. The same holds for any page later, as long as the sum is S.
//!
//! Where a newer plan comes, owners differ, or one has not counted, nothing is told: the piece is to be read.

use super::page::Worth;
use crate::answer::GetError;
use crate::calls::Purpose;
use crate::context::Context;
use crate::course::{Course, Failed, Taken};
use crate::gather::{Gather, Progress};
use crate::machine::{Effect, Input, Machine};
use crate::need::Need;
use quorate_model::level::quorum;
use quorate_model::range::Extent;
use quorate_model::sync::Cuts;
use quorate_model::{Instant, Interval, Level, NodeId, Now, RangeReply, RangeRequest, Table};
use quorate_ring::Plan;
use std::sync::Arc;

/// What is to be added up.
#[derive(Clone, Debug)]
pub struct Question {
    /// A piece that lies within the shard of the plan.
    pub range: Interval,
    /// How many owners must answer: see [`level_of`].
    pub level: Level,
    /// When the client must be answered.
    pub deadline: Instant,
}

/// What it adds up to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Summed {
    /// The sum, removals and operation ids included; `None`: it is not known.
    pub sum: Option<u64>,
    /// What a page at this level promises.
    pub worth: Worth,
}

/// What the client hears.
pub type Answer = Result<Summed, GetError>;

type Effects = Vec<Effect<Answer, RangeRequest>>;

/// One piece on its way.
#[derive(Debug)]
pub struct Sum {
    question: Question,
    course: Course,
    /// The answers so far; `None`: it has not begun, or is over.
    gather: Option<Gather<Option<u64>>>,
}

/// The level at which sums of a table are compared: at least a quorum, and all owners where writes need fewer than
/// that.
pub fn level_of(asked: Level, table: &Table) -> Level {
    let n = table.n;
    if table.w.within(n) < quorum(n) || asked.within(n) >= n { Level::All } else { Level::Quorum }
}

impl Sum {
    /// By this plan, in whose shard the piece lies. It does nothing until it is told to start.
    pub fn new(plan: Arc<Plan>, question: Question, context: Context) -> Self {
        Self { question, course: Course::new(plan, context), gather: None }
    }

    fn start(&mut self, now: Now, effects: &mut Effects) {
        let mut gather = Gather::new(now, Need::Read(self.question.level), self.course.context.timing);
        let first = gather.next(now, &self.course);
        self.gather = Some(gather);
        self.ask(now, &first, effects);
    }

    fn ask(&mut self, now: Now, nodes: &[NodeId], effects: &mut Effects) {
        for to in nodes {
            let place = &self.course.plan.place;
            let interval = self.question.range.clone();
            let over = Extent { table: place.table, epoch: place.epoch, interval };
            // Its ends become ends of chunks: the next time nothing is read for it.
            let request = RangeRequest::Parts { over, cuts: Cuts::At { keys: Vec::new(), adopt: true } };
            self.course.calls.send(now, *to, Purpose::Read, request, effects);
        }
    }

    fn on_reply(&mut self, now: Now, to: NodeId, reply: RangeReply, effects: &mut Effects) {
        match (&mut self.gather, reply) {
            (Some(gather), RangeReply::Parted(parted)) if parted.sums.0.len() <= 1 => {
                gather.answer(to, parted.sums.0.first().copied());
                self.advance(now, effects);
            }
            (
                _,
                RangeReply::Scanned(_)
                | RangeReply::Refused(_)
                | RangeReply::Sums(_)
                | RangeReply::Parted(_)
                | RangeReply::Listed(_)
                | RangeReply::Fetched(_)
                | RangeReply::Paged(_)
                | RangeReply::Floored(_)
                | RangeReply::Removals(_)
                | RangeReply::Confirmed(_)
                | RangeReply::Dropped(_)
                | RangeReply::Merged
                | RangeReply::Broken,
            ) => {
                self.on_failed(now, Failed::nonsense(to, Purpose::Read), effects);
            }
        }
    }

    fn on_failed(&mut self, now: Now, failed: Failed, effects: &mut Effects) {
        if failed.replanned {
            return self.on_newer(effects);
        }
        let Some(gather) = &mut self.gather else { return };
        gather.fail(failed.to);
        self.advance(now, effects);
    }

    /// The piece may not lie within one shard any more.
    fn on_newer(&mut self, effects: &mut Effects) {
        if self.gather.is_some() {
            self.finish(Ok(self.told(None)), effects);
        }
    }

    fn on_tick(&mut self, now: Now, effects: &mut Effects) {
        let Some(gather) = &mut self.gather else { return };
        if now.instant >= self.course.context.deadline(self.question.deadline) {
            let (tally, replicas) = (gather.tally(&self.course), self.course.reports(now));
            let (required, acks, n) = (tally.required, tally.acks, tally.n);
            return self.finish(Err(GetError::Timeout { required, acks, n, replicas }), effects);
        }
        let more = gather.on_tick(now, &self.course);
        self.ask(now, &more, effects);
        self.advance(now, effects);
    }

    fn advance(&mut self, now: Now, effects: &mut Effects) {
        let Some(gather) = &mut self.gather else { return };
        let more = gather.next(now, &self.course);
        match gather.progress(now, &self.course) {
            Progress::Waiting => self.ask(now, &more, effects),
            Progress::Enough => {
                let sum = agreed(gather.answers());
                self.finish(Ok(self.told(sum)), effects);
            }
            Progress::Impossible => {
                let (tally, replicas) = (gather.tally(&self.course), self.course.reports(now));
                let (required, acks, n) = (tally.required, tally.acks, tally.n);
                self.finish(Err(GetError::Unavailable { required, acks, n, replicas }), effects);
            }
        }
    }

    fn told(&self, sum: Option<u64>) -> Summed {
        let worth = Worth::of(self.course.context.rules, self.question.level, &self.course.plan);
        Summed { sum, worth }
    }

    fn finish(&mut self, answer: Answer, effects: &mut Effects) {
        self.gather = None;
        effects.extend([Effect::Respond(answer), Effect::Done]);
    }
}

/// What all that answered say alike.
fn agreed(answers: &[(NodeId, Option<u64>)]) -> Option<u64> {
    let (_, first) = answers.first()?;
    first.filter(|_| answers.iter().all(|(_, sum)| sum == first))
}

impl Machine for Sum {
    type Request = RangeRequest;
    type Answer = Answer;

    fn step(&mut self, now: Now, input: Input<RangeReply>, effects: &mut Effects) {
        match self.course.take(now, input) {
            Taken::Start => self.start(now, effects),
            Taken::Reply { to, reply, .. } => self.on_reply(now, to, reply, effects),
            Taken::Failed(failed) => self.on_failed(now, failed, effects),
            Taken::Newer => self.on_newer(effects),
            Taken::Tick => self.on_tick(now, effects),
            Taken::Nothing => {}
        }
    }

    fn wake_at(&self) -> Option<Instant> {
        let deadline = self.course.context.deadline(self.question.deadline);
        self.gather.as_ref().map(|gather| gather.wake_at().map_or(deadline, |at| at.min(deadline)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::context::Timing;
    use crate::machine::{Call, Failure};
    use crate::story::plan_of_sets;
    use quorate_model::sync::{Items, Parted};
    use quorate_model::{Epoch, Refusal, Rules, SortKey};
    use std::collections::VecDeque;

    /// What an owner answers.
    #[derive(Clone, Copy)]
    enum Owner {
        Says(Option<u64>),
        Refuses,
        /// And says that the shard is another now.
        Knows(&'static [&'static [u64]]),
    }

    /// Adds up one piece of a shard whose owners, by id from 1 on, answer so.
    fn sum(sets: &[&[u64]], level: Level, owners: &[Owner]) -> Answer {
        let range = Interval { start: SortKey::new(Vec::new()), end: None };
        let question = Question { range, level, deadline: Instant(2_000_000) };
        let context = Context { local: NodeId(1), rules: Rules::INTACT, timing: Timing::default() };
        let mut machine = Sum::new(Arc::new(plan_of_sets(sets)), question, context);
        let (mut now, mut effects) = (Now::default(), Vec::new());
        let mut inputs: VecDeque<Input<RangeReply>> = [Input::Start].into();
        for _ in 0..100 {
            let input = inputs.pop_front().unwrap_or_else(|| {
                now.instant = machine.wake_at().expect("it waits for something");
                Input::Tick
            });
            machine.step(now, input, &mut effects);
            for effect in effects.drain(..) {
                match effect {
                    Effect::Send { call, to, request } => {
                        assert!(matches!(request, RangeRequest::Parts { .. }), "{request:?}");
                        inputs.push_back(answer(call, owners[usize::try_from(to.0 - 1).expect("few")]));
                    }
                    Effect::Respond(answer) => return answer,
                    Effect::Done => {}
                }
            }
        }
        panic!("it does not end");
    }

    fn answer(call: Call, owner: Owner) -> Input<RangeReply> {
        let failed = |refusal, newer| Input::Failed { call, failure: Failure::Refused(refusal), newer };
        match owner {
            Owner::Says(sum) => {
                let sums = Items(sum.into_iter().collect());
                Input::Reply { call, reply: RangeReply::Parted(Parted { sums, ends: Vec::new() }) }
            }
            Owner::Refuses => failed(Refusal::Filling, None),
            Owner::Knows(sets) => {
                let mut newer = plan_of_sets(sets);
                newer.place.epoch = Epoch(9);
                failed(Refusal::NotOwner, Some(Arc::new(newer)))
            }
        }
    }

    fn told(sets: &[&[u64]], level: Level, owners: &[Owner]) -> Option<u64> {
        sum(sets, level, owners).expect("enough owners answer").sum
    }

    #[test]
    fn a_sum_is_told_where_enough_owners_say_the_same() {
        let (one, other, none) = (Owner::Says(Some(7)), Owner::Says(Some(8)), Owner::Says(None));
        let three: &[&[u64]] = &[&[1, 2, 3]];
        assert_eq!(told(three, Level::Quorum, &[one, one, other]), Some(7));
        assert_eq!(told(three, Level::Quorum, &[one, other, one]), None, "owners differ");
        assert_eq!(told(three, Level::Quorum, &[one, none, one]), None, "one has not counted");
        assert_eq!(told(three, Level::Quorum, &[none, none, none]), None);
        assert_eq!(told(three, Level::All, &[one, one, other]), None, "all are asked");
        assert_eq!(told(three, Level::Quorum, &[one, Owner::Refuses, one]), Some(7), "another is asked");
    }

    #[test]
    fn a_shard_that_moves_is_counted_in_both_sets() {
        let (one, other) = (Owner::Says(Some(7)), Owner::Says(Some(8)));
        let sets: &[&[u64]] = &[&[1, 2], &[3, 4]];
        assert_eq!(told(sets, Level::Quorum, &[one, one, one, one]), Some(7));
        assert_eq!(told(sets, Level::Quorum, &[one, one, one, other]), None);
    }

    #[test]
    fn too_few_owners_are_an_error_and_a_newer_plan_tells_nothing() {
        let one = Owner::Says(Some(7));
        let failed = sum(&[&[1, 2, 3]], Level::Quorum, &[one, Owner::Refuses, Owner::Refuses]);
        assert!(matches!(failed, Err(GetError::Unavailable { required: 2, acks: 1, .. })), "{failed:?}");
        assert_eq!(told(&[&[1, 2, 3]], Level::Quorum, &[one, Owner::Knows(&[&[4, 5, 6]]), one]), None);
    }

    #[test]
    fn where_writes_need_few_owners_all_must_agree() {
        let mut table = Table::clone(&plan_of_sets(&[&[1, 2, 3]]).table);
        let levels = [Level::One, Level::Quorum, Level::Count(2), Level::Count(3), Level::All];
        let of = |table: &Table| levels.map(|level| level_of(level, table));
        let (quorum, all) = (Level::Quorum, Level::All);
        assert_eq!(of(&table), [quorum, quorum, quorum, all, all]);
        table.w = Level::One;
        assert_eq!(of(&table), [all; 5]);
    }
}
