//! A round: some shards of this node, each compared with every other owner that can be asked, and brought together.
//!
//! ```text
//!   whole sums of all shards, here and at each other owner
//!       ├─ equal ──────────────────────────────────────────> Equal
//!       ├─ not counted, refused, no answer ────────────────> left out, and the shard stays open: another time
//!       └─ differ ──> an exchange with each that differs ──> another one, if something came ──> whole sums ──> Equal, Brought
//! ```
//!
//! This node is the hub of a star: what one of the others has comes here, and goes to all of them. After a second pass
//! each owner holds what any of them held when the round began, also where traffic never lets two whole sums be equal.

use super::exchange::Exchange;
use super::wanted::{Action, Counts, Ending, ExchangeLimits, Input, Task, Way};
use crate::machine::{Call, Failure};
use quorate_model::sync::{PARTS_MAX, Proof, Sum};
use quorate_model::{Extent, Instant, NodeId, Now, RangeReply, RangeRequest, Rules};
use std::collections::{BTreeMap, BTreeSet};

/// Passes over a shard's other owners.
const PASSES: u8 = 2;

/// A shard of a round.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shard {
    /// The whole of it, at its epoch.
    pub over: Extent,
    /// Its other owners that can be asked.
    pub others: Vec<NodeId>,
    /// Whether that is not all of them.
    pub is_short: bool,
}

/// What a round wants done.
#[derive(Debug, PartialEq, Eq)]
pub enum RoundAction {
    /// As [`Action::Ask`].
    Ask {
        /// Which call.
        call: Call,
        /// To whom.
        to: NodeId,
        /// What.
        request: RangeRequest,
        /// When it is lost.
        deadline: Instant,
    },
    /// A shard is done: which one, and what came of it.
    Shard(usize, Outcome, Counts),
    /// All shards are done. Nothing more will happen.
    Done,
}

/// What came of a shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// All owners that were asked hold the same, by whole sums.
    Equal,
    /// All owners that were asked hold what any of them held when the round began, and something newer, not all of them
    /// the same.
    Brought,
    /// They differ, and were only looked at.
    Differs,
    /// This one is not counted whole yet.
    NotCounted(NodeId),
    /// One of them did not answer, or refused.
    Open(NodeId, Failure),
}

/// See the module's essay.
#[derive(Debug)]
pub struct Round {
    here: NodeId,
    way: Way,
    limits: ExchangeLimits,
    rules: Rules,
    shards: Vec<Shard>,
    states: Vec<State>,
    calls: u32,
    open: BTreeMap<Call, Purpose>,
    exchange: Option<(usize, Exchange)>,
}

/// How far a shard is.
#[derive(Debug, Default)]
struct State {
    proofs: BTreeMap<NodeId, Result<Proof, Failure>>,
    passes: u8,
    /// Others that did not answer, refused, or are not counted: they are left out, and the shard stays open.
    missing: BTreeMap<NodeId, Missing>,
    /// Others with whom an exchange is to be made in this pass.
    differing: BTreeSet<NodeId>,
    /// Whether something came here in this pass, that others may lack.
    came: bool,
    counts: Counts,
    is_done: bool,
}

/// Why another owner is left out.
#[derive(Clone, Copy, Debug)]
enum Missing {
    /// Its records are not all counted yet.
    NotCounted,
    /// It did not answer, or refused.
    Failed(Failure),
}

/// What a call is for.
#[derive(Debug)]
enum Purpose {
    /// Whole sums of these shards.
    Proof(NodeId, Vec<usize>),
    /// A call of the exchange.
    Exchange(Call),
}

impl Round {
    /// A round that does nothing until it is told to start.
    pub fn new(here: NodeId, shards: Vec<Shard>, way: Way, limits: ExchangeLimits, rules: Rules) -> Self {
        let states = shards.iter().map(|_| State::default()).collect();
        let (calls, open, exchange) = (0, BTreeMap::new(), None);
        Self { here, way, limits, rules, shards, states, calls, open, exchange }
    }

    /// Takes one input at one moment; appends what is to be done.
    pub fn step(&mut self, now: Now, input: Input, actions: &mut Vec<RoundAction>) {
        match input {
            Input::Start => self.prove(now, &(0..self.shards.len()).collect::<Vec<_>>(), actions),
            Input::Reply(call, reply) => match self.open.remove(&call) {
                Some(Purpose::Proof(by, of)) => self.on_proofs(by, &of, Ok(reply)),
                Some(Purpose::Exchange(call)) => self.exchange_on(now, Input::Reply(call, reply), actions),
                None => return,
            },
            Input::Failed(call, failure) => match self.open.remove(&call) {
                Some(Purpose::Proof(by, of)) => self.on_proofs(by, &of, Err(failure)),
                Some(Purpose::Exchange(call)) => self.exchange_on(now, Input::Failed(call, failure), actions),
                None => return,
            },
        }
        self.go_on(now, actions);
    }

    /// The shard that is being exchanged, and with whom.
    pub fn exchanging(&self) -> Option<(usize, NodeId)> {
        self.exchange.as_ref().map(|(at, exchange)| (*at, exchange.task().there))
    }

    /// Asks for the whole sums of these shards, here and at their other owners.
    fn prove(&mut self, now: Now, of: &[usize], actions: &mut Vec<RoundAction>) {
        let mut asked: BTreeMap<NodeId, Vec<usize>> = BTreeMap::new();
        for at in of {
            self.states[*at].proofs.clear();
            for node in self.shards[*at].others.iter().chain([&self.here]) {
                asked.entry(*node).or_default().push(*at);
            }
        }
        for (node, shards) in asked {
            for some in shards.chunks(PARTS_MAX) {
                let of = some.iter().map(|at| self.shards[*at].over.clone()).collect();
                let purpose = Purpose::Proof(node, some.to_vec());
                self.ask(
                    node,
                    RangeRequest::Sums { of },
                    now.instant + self.limits.call_timeout,
                    purpose,
                    actions,
                );
            }
        }
    }

    fn on_proofs(&mut self, by: NodeId, of: &[usize], reply: Result<RangeReply, Failure>) {
        let proofs = match reply {
            Ok(RangeReply::Sums(proofs)) if proofs.len() == of.len() => Ok(proofs),
            Ok(RangeReply::Refused(refusal)) => Err(Failure::Refused(refusal)),
            Ok(_) => Err(Failure::Lost),
            Err(failure) => Err(failure),
        };
        for (place, at) in of.iter().enumerate() {
            let proof = match &proofs {
                Ok(proofs) => match proofs[place] {
                    Proof::Refused(refusal) => Err(Failure::Refused(refusal)),
                    proof @ (Proof::Counted(_) | Proof::NotCounted) => Ok(proof),
                },
                Err(failure) => Err(*failure),
            };
            self.states[*at].proofs.insert(by, proof);
        }
    }

    /// Judges shards whose sums are all there, one after the other, and begins an exchange where one is due.
    fn go_on(&mut self, now: Now, actions: &mut Vec<RoundAction>) {
        for at in 0..self.shards.len() {
            let (shard, state) = (&self.shards[at], &self.states[at]);
            let is_judged = state.proofs.len() > shard.others.len();
            if !state.is_done && is_judged && self.exchange.is_none() {
                self.judge(now, at, actions);
            }
        }
        if self.open.is_empty() && self.exchange.is_none() && self.states.iter().all(|state| state.is_done) {
            actions.push(RoundAction::Done);
        }
    }

    fn judge(&mut self, now: Now, at: usize, actions: &mut Vec<RoundAction>) {
        let state = &mut self.states[at];
        let mut sums: BTreeMap<NodeId, Sum> = BTreeMap::new();
        for (node, proof) in &state.proofs {
            let missing = match proof {
                Ok(Proof::Counted(sum)) => {
                    sums.insert(*node, *sum);
                    continue;
                }
                Ok(Proof::NotCounted) => Missing::NotCounted,
                Ok(Proof::Refused(refusal)) => Missing::Failed(Failure::Refused(*refusal)),
                Err(failure) => Missing::Failed(*failure),
            };
            state.missing.insert(*node, missing);
        }
        let Some(own) = sums.remove(&self.here) else { return self.end_open(at, self.here, actions) };
        let differing: BTreeSet<NodeId> =
            sums.into_iter().filter(|(_, sum)| *sum != own).map(|(node, _)| node).collect();
        let differing: BTreeSet<NodeId> =
            differing.into_iter().filter(|node| !state.missing.contains_key(node)).collect();
        let is_over = state.passes >= PASSES || (state.passes > 0 && !state.came);
        if differing.is_empty() || is_over {
            // The others are brought together all the same; those that were left out come another time.
            if let Some(missing) = state.missing.keys().next().copied() {
                return self.end_open(at, missing, actions);
            }
            let outcome = if differing.is_empty() { Outcome::Equal } else { Outcome::Brought };
            return self.end(at, outcome, actions);
        }
        state.passes += 1;
        state.came = false;
        state.differing = differing;
        self.exchange_next(now, at, actions);
    }

    /// Begins the next exchange of a shard's pass; without one, the pass is over.
    fn exchange_next(&mut self, now: Now, at: usize, actions: &mut Vec<RoundAction>) {
        let state = &mut self.states[at];
        if let Some(there) = state.differing.pop_first() {
            let task = Task { over: self.shards[at].over.clone(), here: self.here, there, way: self.way };
            self.exchange = Some((at, Exchange::new(task, self.limits, self.rules)));
            return self.exchange_on(now, Input::Start, actions);
        }
        match (self.way, state.missing.keys().next().copied()) {
            (Way::Look, Some(missing)) if state.counts.differing == 0 => self.end_open(at, missing, actions),
            (Way::Look, None) if state.counts.differing == 0 => self.end(at, Outcome::Brought, actions),
            (Way::Look, _) => self.end(at, Outcome::Differs, actions),
            (Way::Pull | Way::Push | Way::Both, _) => self.prove(now, &[at], actions),
        }
    }

    fn exchange_on(&mut self, now: Now, input: Input, actions: &mut Vec<RoundAction>) {
        let Some((at, mut exchange)) = self.exchange.take() else { return };
        let mut wanted = Vec::new();
        exchange.step(now, input, &mut wanted);
        let mut ending = None;
        for action in wanted {
            match action {
                Action::Ask { call, to, request, deadline } => {
                    self.ask(to, request, deadline, Purpose::Exchange(call), actions);
                }
                Action::Done(ended) => ending = Some(ended),
            }
        }
        let Some(ending) = ending else {
            self.exchange = Some((at, exchange));
            return;
        };
        let (state, counts) = (&mut self.states[at], exchange.counts());
        state.came |= counts.pulled > 0;
        state.counts += counts;
        match ending {
            Ending::Whole => self.exchange_next(now, at, actions),
            Ending::Stopped(by, failure) => {
                state.missing.insert(by, Missing::Failed(failure));
                if by == self.here {
                    return self.end_open(at, by, actions);
                }
                self.exchange_next(now, at, actions);
            }
        }
    }

    /// A shard ends without a verdict, because of this owner.
    fn end_open(&mut self, at: usize, node: NodeId, actions: &mut Vec<RoundAction>) {
        let outcome = match self.states[at].missing.get(&node) {
            Some(Missing::Failed(failure)) => Outcome::Open(node, *failure),
            Some(Missing::NotCounted) | None => Outcome::NotCounted(node),
        };
        self.end(at, outcome, actions);
    }

    fn end(&mut self, at: usize, outcome: Outcome, actions: &mut Vec<RoundAction>) {
        let state = &mut self.states[at];
        state.is_done = true;
        actions.push(RoundAction::Shard(at, outcome, state.counts));
    }

    fn ask(
        &mut self,
        to: NodeId,
        request: RangeRequest,
        deadline: Instant,
        purpose: Purpose,
        actions: &mut Vec<RoundAction>,
    ) {
        let call = Call(self.calls);
        self.calls += 1;
        self.open.insert(call, purpose);
        actions.push(RoundAction::Ask { call, to, request, deadline });
    }
}
