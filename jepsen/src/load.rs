//! Load while nodes die and come back: no request at the others may fail, and what was missed must be made good.
//!
//! Clients send a mixed load (put, get, delete, mget, all at quorum) at a fixed rate to the nodes that are up. Round
//! by round one node is killed with kill -9, stays away for a while, and comes back on the same folder:
//!
//! ```text
//!   quiet | killed: keys of this phase are written without it | back: others keys are written | quiet | ...
//!                                                             ^ at most 30 s until explain shows, for every key of
//!                                                               the phase before, the same version at every owner
//! ```
//!
//! Two things must hold. No request at another node fails, from the first moment on: a quorum is up all the time. And
//! the node that comes back gets what it missed by itself: this is looked at with `explain` alone, since a read would
//! repair what it looks at. Keys of one phase are not touched in the next, so that what is compared stands still.
//!
//! Requests that were under way at the node when it was killed count for nothing: their client has lost its node. All others
//! are in the history, and must have an order as well.

mod rounds;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use quorate_checkers::history::History;
use quorate_checkers::judgement::{Finding, Judgement, Measure};
use quorate_checkers::linearizable::{self, Limits};
use quorate_checkers::operation::{Operation, Status};
use quorate_checkers::throughput;
use rand::Rng as _;
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

use crate::workload::{Client, Closed, Course, How, Request, Run, Running, Workload};
use rounds::Round;

/// The name of the workload and of its table.
pub const NAME: &str = "load";

/// While a node is away, this share of the requests a second that completed just before must complete, or the run is void:
/// a ratio of one run, so that it does not depend on the machine.
const RATE_KEPT_MIN: f64 = 2.0 / 3.0;

/// How many keys a phase has.
const KEYS_PER_PHASE: u32 = 500;

/// How many keys one mget asks for.
const KEYS_PER_MGET: usize = 5;

/// How the load is done.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// How often a node is killed and comes back.
    pub rounds: u32,
    /// Requests a second.
    pub rate: u32,
    /// How long a node stays away.
    pub down: Duration,
    /// How long all nodes are up between two rounds.
    pub quiet: Duration,
}

/// The load.
#[derive(Debug)]
pub struct Load {
    settings: Settings,
    phase: Mutex<Phase>,
    rounds: Mutex<Vec<Round>>,
}

/// The keys of one stretch of time.
#[derive(Debug, Default)]
struct Phase {
    name: String,
    /// Keys for which a put or delete was begun.
    written: BTreeSet<String>,
}

impl Load {
    /// A load that has not begun.
    pub fn new(settings: Settings) -> Load {
        Load { settings, phase: Mutex::default(), rounds: Mutex::default() }
    }

    /// From now on, keys have another name. Returns the keys that were written in the phase that ends.
    fn begin_phase(&self, name: String) -> BTreeSet<String> {
        let mut phase = self.phase.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut *phase, Phase { name, written: BTreeSet::new() }).written
    }

    fn take_key(&self, random: &mut ChaCha8Rng, for_writing: bool) -> String {
        let mut phase = self.phase.lock().unwrap_or_else(PoisonError::into_inner);
        let key = format!("{}-{}", phase.name, random.random_range(0..KEYS_PER_PHASE));
        if for_writing {
            phase.written.insert(key.clone());
        }
        key
    }

    fn rounds(&self) -> Vec<Round> {
        self.rounds.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Workload for Load {
    fn table(&self) -> Value {
        json!({ "name": NAME, "sharding": "hash", "n": 3 })
    }

    fn act<'a>(&'a self, client: &'a mut Client) -> Running<'a, ()> {
        Box::pin(async move {
            let random = &mut client.random;
            let (key, request) = match random.random_range(0..100) {
                0..40 => (self.take_key(random, true), Request::Write { value: client.unique() }),
                40..70 => (self.take_key(random, false), Request::Read),
                70..80 => (self.take_key(random, true), Request::Delete),
                _ => {
                    let mut keys = BTreeSet::new();
                    while keys.len() < KEYS_PER_MGET {
                        keys.insert(self.take_key(random, false));
                    }
                    return client.read_many(&Vec::from_iter(keys)).await;
                }
            };
            client.ask(&key, request, How::default()).await;
        })
    }

    fn keys(&self) -> Vec<String> {
        self.rounds().into_iter().flat_map(|round| round.missed).collect()
    }

    /// Nothing is read: each key was looked at when its node was back.
    fn close<'a>(&'a self, run: &'a Arc<Run>) -> Running<'a, Closed> {
        Box::pin(async move { closed(&self.rounds(), &run.recorder.history()) })
    }

    fn judge(&self, history: &History) -> Judgement {
        Judgement::of_registers(&linearizable::check(history, Limits::default()))
    }

    fn course(&self) -> Option<&dyn Course> {
        Some(self)
    }
}

/// What is wrong with the rounds, and with the requests meanwhile, whatever their order.
fn closed(rounds: &[Round], history: &History) -> Closed {
    let mut closed = Closed::default();
    let (mut lowest, mut quiet_since) = (1.0_f64, 0);
    for (number, round) in (1..).zip(rounds) {
        let finding = |what: String| Finding { key: round.node.clone(), what, operations: Vec::new() };
        let mut find = |what: String| closed.findings.push(finding(format!("round {number}: {what}")));
        match round.ready {
            Some(ready) => closed.measures.push(Measure::time("ready after its return", nanoseconds(ready))),
            None => find("it was not ready in time after its return".to_owned()),
        }
        match &round.converged {
            Ok(after) => {
                closed.measures.push(Measure::time("owners equal after its return", nanoseconds(*after)));
            }
            Err(different) => find(format!(
                "owners of {} of {} keys still differed: {}",
                different.len(),
                round.missed.len(),
                different.iter().take(3).cloned().collect::<Vec<_>>().join("; ")
            )),
        }
        if round.differed_before == 0 {
            closed.void.push(format!("round {number}: {} had missed nothing that was looked at", round.node));
        }
        let rate = |from, to| throughput::measure(history, from, to).per_second;
        let (quiet, away) = (rate(quiet_since, round.killed), rate(round.killed, round.back));
        if away < quiet * RATE_KEPT_MIN {
            closed.void.push(format!(
                "round {number}: {away:.1} requests a second while {} was away, {quiet:.1} before",
                round.node
            ));
        }
        // One that was never welcome again is found wrong above; after it there is no rate to compare with.
        if quiet > 0.0 {
            lowest = lowest.min(away / quiet);
        }
        quiet_since = round.welcome;
    }
    closed.measures.push(Measure {
        name: "lowest rate while a node was away, of that before".to_owned(),
        value: 100.0 * lowest,
        unit: "%".to_owned(),
    });
    let (failed, orphaned) = failures(rounds, history);
    closed.measures.push(Measure::count("requests under way at a node when it was killed", orphaned));
    closed.findings.extend(failed.into_iter().map(|operation| Finding {
        key: operation.key.clone(),
        what: format!(
            "a request failed at n{}, which was up: {}",
            operation.detail.node.unwrap_or_default(),
            operation.detail.refusal.as_deref().unwrap_or("no word")
        ),
        operations: vec![operation.clone()],
    }));
    closed
}

/// The requests that failed at a node that was up all the while, and how many failed at one that was killed meanwhile.
fn failures<'a>(rounds: &[Round], history: &'a History) -> (Vec<&'a Operation>, usize) {
    let is_away = |operation: &Operation| {
        let node = operation.detail.node.map(|number| format!("n{number}"));
        let ret = operation.ret.unwrap_or(u64::MAX);
        rounds.iter().any(|round| {
            node.as_ref() == Some(&round.node) && operation.call <= round.welcome && ret >= round.killed
        })
    };
    let mut seen = BTreeSet::new();
    let failed = history.operations.iter().filter(|operation| match operation.status {
        Status::Ok | Status::Mismatch => false,
        // Many keys that were asked for in one request are one.
        Status::Fail | Status::Unknown => seen.insert((operation.client, operation.call)),
    });
    let (orphaned, failed): (Vec<&Operation>, Vec<&Operation>) = failed.partition(|one| is_away(one));
    (failed, orphaned.len())
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use quorate_checkers::operation::{Detail, Kind};
    use rand::SeedableRng as _;

    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn settings() -> Settings {
        Settings { rounds: 1, rate: 300, down: Duration::from_secs(5), quiet: Duration::from_secs(2) }
    }

    fn request(number: u32, call: u64, node: u16, status: Status) -> Operation {
        Operation {
            detail: Detail { node: Some(node), ..Detail::default() },
            ..Operation::new(number, "k", Kind::Delete, call, Some(call + SECOND / 100), status)
        }
    }

    /// A node that was away from the fifth second to the tenth, and three hundred requests in each second.
    fn good() -> (Round, History) {
        let round = Round {
            node: "n2".into(),
            killed: 5 * SECOND,
            back: 10 * SECOND,
            welcome: 11 * SECOND,
            missed: BTreeSet::from(["k".to_owned()]),
            differed_before: 3,
            ready: Some(Duration::from_secs(1)),
            converged: Ok(Duration::from_secs(2)),
        };
        let at = |number: u32| request(number, u64::from(number) * SECOND / 300, 1, Status::Ok);
        (round, History { operations: (0..4_500).map(at).collect() })
    }

    #[test]
    fn a_good_round_passes() {
        let (round, history) = good();
        let closed = closed(&[round], &history);
        assert!(closed.findings.is_empty() && closed.void.is_empty(), "{closed:?}");
    }

    #[test]
    fn each_promise_can_be_broken() {
        type Spoil = fn(&mut Round, &mut History);
        let spoils: [(&str, Spoil); 4] = [
            ("not ready", |round, _| round.ready = None),
            ("not equal", |round, _| round.converged = Err(vec!["k: differs".into()])),
            ("failed elsewhere", |_, history| {
                history.operations.push(request(9_000, 6 * SECOND, 1, Status::Fail));
            }),
            ("failed before", |_, history| {
                history.operations.push(request(9_000, 3 * SECOND, 2, Status::Unknown));
            }),
        ];
        for (what, spoil) in spoils {
            let (mut round, mut history) = good();
            spoil(&mut round, &mut history);
            assert_eq!(closed(&[round], &history).findings.len(), 1, "{what}");
        }
    }

    #[test]
    fn failures_at_a_node_that_is_killed_count_for_nothing() {
        let (round, mut history) = good();
        let just_before = 5 * SECOND - SECOND / 200;
        history.operations.push(request(9_000, just_before, 2, Status::Unknown));
        history.operations.push(request(9_001, just_before, 2, Status::Unknown));
        assert_eq!(failures(std::slice::from_ref(&round), &history).1, 2);
        assert!(closed(&[round], &history).findings.is_empty());
    }

    #[test]
    fn too_little_load_or_nothing_missed_proves_nothing() {
        let (round, mut history) = good();
        let is_away = |one: &Operation| (5 * SECOND..10 * SECOND).contains(&one.call);
        history.operations.retain(|one| !is_away(one) || one.client.0 % 2 == 0);
        assert_eq!(closed(std::slice::from_ref(&round), &history).void.len(), 1);
        let (mut round, history) = good();
        round.differed_before = 0;
        assert_eq!(closed(&[round], &history).void.len(), 1);
    }

    #[test]
    fn the_keys_of_a_phase_are_those_that_were_written_in_it() {
        let load = Load::new(settings());
        let mut random = ChaCha8Rng::seed_from_u64(1);
        load.begin_phase("a".into());
        let written = load.take_key(&mut random, true);
        load.take_key(&mut random, false);
        assert_eq!(load.begin_phase("b".into()), BTreeSet::from([written]));
        assert_eq!(load.begin_phase("c".into()), BTreeSet::new());
    }
}
