//! Owners that compare what they hold: the real rounds, over the simulated network.
//!
//! What is asked of whom, merged where, and when a shard is done, the machine decides
//! ([`quorate_coordinator::sync::Round`]). Here its requests travel, with a delivery of their own each, and the real
//! replicas answer them. A merge is a batch of its own, written after as long as any other batch takes.

use crate::coverage::Happening;
use crate::event::{Event, Rounder};
use crate::heal::Ending;
use crate::network::Delivery;
use crate::random::{For, Random};
use crate::world::World;
use quorate_coordinator::sync::{
    Counts, ExchangeLimits, Input, Outcome, Round, RoundAction, Shard, Way, turns,
};
use quorate_coordinator::{Call, Failure};
use quorate_model::floors::Raise;
use quorate_model::range::writes;
use quorate_model::sync::Proof;
use quorate_model::{
    Answer, Extent, Instant, NodeId, Origin, RangeReply, RangeRequest, Refusal, Reply, Request, Span,
};

/// How often a node looks whether it is to sync, in microseconds: far more often than a real one.
const EVERY: u64 = 35_000;

/// Rounds of all nodes until owners are equal, at most, once everything is healed.
const CLOSING_ROUNDS: usize = 6;

/// How long a round may take when all is healed, in microseconds.
pub const ROUND_MAX: u64 = 20_000_000;

/// The limits of simulated exchanges: small, so that they are met.
pub const LIMITS: ExchangeLimits = ExchangeLimits {
    sums_max: 2,
    items_max: 2,
    few_keys: 1,
    bytes_max: 200,
    call_timeout: Span::from_millis(700),
};

/// A round under way.
#[derive(Debug)]
pub struct Syncing {
    number: u64,
    round: Round,
    shards: Vec<Shard>,
    outcomes: Vec<Outcome>,
    /// What was found, pulled and pushed.
    counts: Counts,
    /// Bytes of requests to other nodes, and of their answers.
    bytes: usize,
}

/// What came of the last rounds, when all was healed.
#[derive(Clone, Copy, Debug, Default)]
pub struct Proven {
    /// Whether all shards were proven equal.
    pub all: bool,
    /// Shards, each as often as it was compared with another owner.
    pub pairs: usize,
    /// Bytes between nodes.
    pub bytes: usize,
}

impl World {
    fn sync_chance(&mut self, node: NodeId) -> Random {
        let rounds = self.node(node).rounds;
        self.random(For::Sync, [node.0 << 32, rounds])
    }

    /// Plans the next look of a process, if owners compare in this history.
    pub(crate) fn plan_sync(&mut self, node: NodeId) {
        if self.setting.syncs {
            let (run, late) = (self.node(node).run, self.sync_chance(node).below(2 * EVERY));
            self.schedule.after(EVERY / 2 + late, Event::Sync { node, run });
        }
    }

    /// A process begins a round, unless one is under way.
    pub(crate) fn sync(&mut self, on: NodeId, run: u32) {
        let Some(process) = self.node(on).living(run) else { return };
        if process.syncing.is_none() && !self.closing {
            self.begin_round(on);
        }
        self.node(on).rounds += 1;
        self.plan_sync(on);
    }

    fn begin_round(&mut self, on: NodeId) {
        self.node(on).rounds += 1;
        let number = self.node(on).rounds;
        let view = self.view_of(on, [on.0 << 40, number]);
        let shards = turns(&view, on, |node, _| node == on || view.liveness().is_alive(node));
        self.start_round(on, number, shards);
    }

    fn start_round(&mut self, on: NodeId, number: u64, shards: Vec<Shard>) {
        let round = Round::new(on, shards.clone(), Way::Both, LIMITS, self.rules);
        let run = self.node(on).run;
        let process = self.node(on).process.as_mut().expect("only a living process syncs");
        process.syncing = Some(Syncing {
            number,
            round,
            shards,
            outcomes: Vec::new(),
            counts: Counts::default(),
            bytes: 0,
        });
        self.step_sync(on, run, number, Input::Start);
    }

    fn step_sync(&mut self, on: NodeId, run: u32, number: u64, input: Input) {
        let now = self.now_on(on);
        let Some(process) = self.node(on).living(run) else { return };
        let Some(syncing) = process.syncing.as_mut().filter(|syncing| syncing.number == number) else {
            return;
        };
        let mut actions = Vec::new();
        syncing.round.step(now, input, &mut actions);
        for action in actions {
            match action {
                RoundAction::Ask { call, to, request, deadline } => {
                    self.send_range(Rounder { node: on, run, round: number, call }, to, request, deadline);
                }
                RoundAction::Shard(_, outcome, counts) => {
                    let happening = match outcome {
                        Outcome::Equal | Outcome::Brought => Happening::SyncEqual,
                        Outcome::Differs | Outcome::NotCounted(_) | Outcome::Open(..) => Happening::SyncOpen,
                    };
                    self.met(happening);
                    self.tell(|| format!("{on} syncs: {outcome:?}, {counts:?}"));
                    (0..counts.pulled).for_each(|_| self.met(Happening::SyncPulled));
                    (0..counts.pushed).for_each(|_| self.met(Happening::SyncPushed));
                    if let Some(syncing) = self.syncing(on) {
                        syncing.outcomes.push(outcome);
                        syncing.counts += counts;
                    }
                }
                RoundAction::Done if !self.closing => {
                    self.node(on).living(run).expect("it lived a moment ago").syncing = None;
                }
                RoundAction::Done => {}
            }
        }
    }

    fn syncing(&mut self, on: NodeId) -> Option<&mut Syncing> {
        self.node(on).process.as_mut()?.syncing.as_mut()
    }

    pub(crate) fn send_range(&mut self, from: Rounder, to: NodeId, request: RangeRequest, deadline: Instant) {
        let answer = Err(Failure::Lost);
        self.schedule.at(deadline.0, Event::Compared { to: from, by: to, answer });
        let mut random = self.random(For::Sync, from.whom());
        let random = &mut random;
        if from.node == to {
            let micros = random.between(5, 50);
            return self.schedule.after(micros, Event::Compare { to, from, request });
        }
        if let Some(syncing) = self.syncing(from.node).filter(|syncing| syncing.number == from.round) {
            syncing.bytes += encoded(&request);
        }
        let now = self.schedule.now();
        let is_down = self.node(to).process.is_none() && self.node(to).down_known_at <= now;
        let delivery = if is_down {
            Delivery::never_left(random)
        } else {
            self.network_of(&from).request(random, now, from.node, to)
        };
        if let Some(micros) = delivery.lost {
            let failure = if delivery.not_sent { Failure::NotSent } else { Failure::Lost };
            self.schedule.after(micros, Event::Compared { to: from, by: to, answer: Err(failure) });
        }
        let slow_by = self.slow_by(&from);
        if let Some(micros) = delivery.arrivals[0] {
            self.schedule.after(micros + slow_by, Event::Compare { to, from, request });
        }
    }

    /// A request about a range arrived: it is answered at once, or merged with the next batch.
    pub(crate) fn hear_range(&mut self, at: NodeId, from: Rounder, request: RangeRequest) {
        self.introduce(at, from.node);
        let run = self.node(at).run;
        let Some(process) = self.node(at).process.as_ref() else { return };
        let is_change = match &request {
            RangeRequest::Merge { .. } | RangeRequest::Drop { .. } => true,
            RangeRequest::Floors { raise, .. } => *raise != Raise::Nothing,
            RangeRequest::Scan { .. }
            | RangeRequest::Sums { .. }
            | RangeRequest::Parts { .. }
            | RangeRequest::List { .. }
            | RangeRequest::Fetch { .. }
            | RangeRequest::Page { .. }
            | RangeRequest::Removals { .. }
            | RangeRequest::Confirm { .. } => false,
        };
        if is_change {
            let micros = self.random(For::Sync, [from.whom()[0], 1 << 40 | from.whom()[1]]);
            let micros = micros.clone().between(50, self.setting.sync_max);
            return self.schedule.after(micros, Event::Merge { at, run, from, request });
        }
        // Often in the middle: one step at a time.
        let reply = process.replica.serve_range(&request, || true);
        self.answer_range(at, from, &request, reply);
    }

    /// A replica merges what it was sent, as a batch, or changes what it was told to.
    pub(crate) fn merge(&mut self, at: NodeId, run: u32, from: Rounder, request: &RangeRequest) {
        let Some(process) = self.node(at).living(run) else { return };
        let RangeRequest::Merge { over, records } = request else {
            let Some(over) = request.extent() else { return };
            let before = self.held_in(at, over);
            let process = self.node(at).process.as_ref().expect("looked at above");
            let reply = process.replica.serve_range(request, || true);
            self.note_dropped(at, over, before);
            return self.answer_range(at, from, request, reply);
        };
        let Some(writes) = writes(over, records, Origin::Vouched) else { return };
        let replies = process.replica.apply(&writes);
        for (write, reply) in writes.iter().zip(&replies) {
            let (Request::Write { record, at: place, .. }, Reply::Written { held }) = (write, reply) else {
                continue;
            };
            if *held > record.held() {
                self.met(Happening::SyncOlder);
            }
            let Some(spot) = self.spot_of(place) else { continue };
            self.history.holds(at, spot, Some(*held));
            if held.version == record.version {
                self.history.stored.insert((spot, record.version));
            }
        }
        self.answer_range(at, from, request, RangeReply::merged(&replies));
    }

    fn answer_range(&mut self, at: NodeId, to: Rounder, request: &RangeRequest, reply: RangeReply) {
        self.note_range_doubt(at, request, &reply);
        let process = self.node(at).process.as_ref().expect("it has just answered");
        let answer: Answer<RangeReply> = process.recollection.answer(reply.clone());
        let whom = to.whom();
        let random = &mut self.random(For::Sync, [whom[0], 1 << 41 | whom[1]]);
        let told = Event::Compared { to, by: at, answer: Ok(answer) };
        if to.node == at {
            let micros = random.between(5, 50);
            return self.schedule.after(micros, told);
        }
        if let Some(syncing) = self.syncing(to.node).filter(|syncing| syncing.number == to.round) {
            syncing.bytes += encoded(&reply);
        }
        let delivery = self.network_of(&to).reply(random, at, to.node);
        if let Some(micros) = delivery.arrivals[0] {
            self.schedule.after(micros, told);
        }
    }

    /// A replica that doubts its disk, or has said so, tells nothing of a range.
    fn note_range_doubt(&mut self, at: NodeId, request: &RangeRequest, reply: &RangeReply) {
        let process = self.node(at).process.as_ref().expect("it has just answered");
        let is_doubtful = process.replica.is_doubtful() || self.peek(at).doubted;
        let told: Vec<Extent> = match (request, reply) {
            (RangeRequest::Sums { of }, RangeReply::Sums(proofs)) => {
                let told = of.iter().zip(proofs).filter(|(_, proof)| !matches!(proof, Proof::Refused(_)));
                told.map(|(over, _)| over.clone()).collect()
            }
            (_, RangeReply::Refused(refusal)) => {
                if *refusal == Refusal::Doubtful {
                    self.node(at).doubted = true;
                }
                Vec::new()
            }
            (_, RangeReply::Broken) => {
                self.node(at).doubted = true;
                Vec::new()
            }
            (request, _) => request.extent().cloned().into_iter().collect(),
        };
        if !is_doubtful {
            return;
        }
        for over in told {
            if let Some(spot) = self.cluster.spots_in(over.table, &over.interval).first() {
                self.history.trusted_again.push((*spot, at, format!("{reply:?}")));
            }
        }
    }

    /// A round hears how a call ended.
    pub(crate) fn told(&mut self, to: Rounder, by: NodeId, answer: Result<Answer<RangeReply>, Failure>) {
        let Some(process) = self.node(to.node).living(to.run) else { return };
        let call: Call = to.call;
        let input = match answer {
            Ok(answer) => Input::Reply(call, process.recollection.open(by, answer)),
            Err(failure) => Input::Failed(call, failure),
        };
        if process.purging.as_ref().is_some_and(|purging| purging.is(to.round)) {
            return self.step_purge(to.node, to.run, to.round, input);
        }
        self.step_sync(to.node, to.run, to.round, input);
    }

    /// All is healed: rounds of all nodes, until one finds everything equal. No client reads anything meanwhile.
    pub(crate) fn sync_all(&mut self, ending: &mut Ending) {
        if !self.setting.syncs {
            return;
        }
        // What was under way ends first.
        self.run_until(ROUND_MAX, |world| world.rounds_are_over());
        for _ in 0..CLOSING_ROUNDS {
            let mut proven = Proven { all: true, ..Proven::default() };
            for id in self.node_ids() {
                if ending.doubtful.contains(&id) {
                    continue;
                }
                self.begin_closing_round(id, ending);
                if !self.run_until(ROUND_MAX, |world| world.rounds_are_over()) {
                    ending.stuck.push((None, format!("a sync of {id} comes to no end")));
                    return;
                }
                let syncing = self.syncing(id).expect("it has just ended");
                let is_equal = syncing.outcomes.iter().all(|outcome| *outcome == Outcome::Equal);
                // A round that found a difference has compared more than whole sums.
                proven.all &= is_equal && syncing.counts == Counts::default();
                proven.pairs += syncing.shards.iter().map(|shard| shard.others.len()).sum::<usize>();
                proven.bytes += syncing.bytes;
                self.node(id).process.as_mut().expect("it lives").syncing = None;
            }
            ending.proven = proven;
            if proven.all {
                break;
            }
            // What was not counted is.
            for id in self.node_ids() {
                self.keep_sums(id);
            }
        }
        ending.after_sync = Some(self.holdings(ending));
    }

    fn begin_closing_round(&mut self, on: NodeId, ending: &Ending) {
        self.node(on).rounds += 1;
        let number = self.node(on).rounds;
        let view = self.view_of(on, [on.0 << 40, number]);
        let shards = turns(&view, on, |node, _| node == on || !ending.doubtful.contains(&node));
        self.start_round(on, number, shards);
    }

    /// Whether no round is under way.
    fn rounds_are_over(&self) -> bool {
        let is_over = |syncing: &Syncing| syncing.outcomes.len() == syncing.shards.len();
        let processes = self.nodes.iter().filter_map(|node| node.process.as_ref());
        processes.filter_map(|process| process.syncing.as_ref()).all(is_over)
    }
}

fn encoded<T: minicbor::Encode<()>>(message: &T) -> usize {
    minicbor::to_vec(message).expect("encoding into memory cannot fail").len()
}
