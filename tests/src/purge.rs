//! Removals that go: the real runs, over the simulated network.
//!
//! What is asked of whom, and when anything is dropped, the machine decides ([`quorate_coordinator::purge`]); its requests
//! travel as those of a sync do (`sync.rs`). Removals are old after some milliseconds, and messages of clients' operations
//! are held back for longer than whole runs take: some of them one by one, some all of one operation, as if its coordinator
//! stood still between its rounds.

use crate::coverage::Happening;
use crate::event::{Asker, Caller, Event, Rounder};
use crate::heal::Ending;
use crate::history::Spot;
use crate::message::Message;
use crate::network::Network;
use crate::random::{For, Random};
use crate::sync::{LIMITS, ROUND_MAX};
use crate::world::World;
use quorate_coordinator::purge::{Action, Outcome, Run, Terms, turns};
use quorate_coordinator::sync::{Input, Shard};
use quorate_model::{Epoch, Extent, Floors, Held, NodeId, Place, Reply, Request, WallTime};
use quorate_storage::ReadTier;
use std::collections::BTreeMap;

/// How often a node looks whether it is to purge, in microseconds: far more often than a real one.
const EVERY: u64 = 30_000;

/// Removals on one list.
const LIST_MAX: usize = 2;

/// Runs over a shard until all its removals are gone, at most, once everything is healed.
const CLOSING_RUNS: usize = 24;

/// How long a message is held back, in microseconds.
const HELD_BACK: (u64, u64) = (60_000, 1_500_000);

/// How much later a message of a run arrives, at most, in microseconds.
const SLOW_MAX: u64 = 120_000;

/// Of a thousand operations, those whose coordinator stands still before it writes.
const STANDS_STILL: u64 = 125;

/// The floors of each owner of each key.
pub type AllFloors = BTreeMap<(Spot, NodeId), Floors>;

/// A run under way.
#[derive(Debug)]
pub struct Purging {
    number: u64,
    run: Run,
    outcome: Option<Outcome>,
}

impl Purging {
    /// Whether a call of this round is one of its.
    pub fn is(&self, number: u64) -> bool {
        self.number == number
    }
}

impl World {
    fn purge_chance(&mut self, node: NodeId) -> Random {
        let rounds = self.node(node).rounds;
        self.random(For::Purge, [node.0 << 32, rounds])
    }

    /// Plans the next look of a process, if removals go in this history.
    pub(crate) fn plan_purge(&mut self, node: NodeId) {
        if self.setting.purges {
            let (run, late) = (self.node(node).run, self.purge_chance(node).below(2 * EVERY));
            self.schedule.after(EVERY / 2 + late, Event::Purge { node, run });
        }
    }

    /// A process begins a run, unless one is under way.
    pub(crate) fn purge(&mut self, on: NodeId, run: u32) {
        let Some(process) = self.node(on).living(run) else { return };
        let is_free = process.purging.is_none() && !process.replica.is_doubtful();
        if is_free && !self.closing {
            let shards = self.purge_turns(on);
            let at = self.purge_chance(on).below(shards.len() as u64) as usize;
            if let Some(shard) = shards.get(at) {
                self.start_purge(on, shard.clone());
            }
        }
        self.node(on).rounds += 1;
        self.plan_purge(on);
    }

    fn purge_turns(&mut self, on: NodeId) -> Vec<Shard> {
        self.node(on).rounds += 1;
        let number = self.node(on).rounds;
        let view = self.view_of(on, [on.0 << 40, number]);
        turns(&view, on, |node, _| node == on || view.liveness().is_alive(node)).0
    }

    fn start_purge(&mut self, on: NodeId, shard: Shard) {
        self.node(on).rounds += 1;
        let number = self.node(on).rounds;
        let wall = self.now_on(on).wall;
        let before = |millis: u64| WallTime(wall.0.saturating_sub(millis));
        let (purge_after, ids_keep) =
            if self.closing { (0, 0) } else { (self.setting.purge_after_ms, self.setting.ids_keep_ms) };
        let terms =
            Terms { before: before(purge_after), with_ids_before: before(ids_keep), list_max: LIST_MAX };
        self.tell(|| format!("{on} purges {}", shard.over.table));
        let run = Run::new(on, shard, terms, LIMITS, self.rules);
        let process = self.node(on).process.as_mut().expect("only a living process purges");
        process.purging = Some(Purging { number, run, outcome: None });
        let run = self.node(on).run;
        self.step_purge(on, run, number, Input::Start);
    }

    /// A run hears something, and what it wants is done.
    pub(crate) fn step_purge(&mut self, on: NodeId, run: u32, number: u64, input: Input) {
        let now = self.now_on(on);
        let Some(process) = self.node(on).living(run) else { return };
        let Some(purging) = process.purging.as_mut().filter(|purging| purging.is(number)) else { return };
        let mut actions = Vec::new();
        purging.run.step(now, input, &mut actions);
        for action in actions {
            match action {
                Action::Ask { call, to, request, deadline } => {
                    self.tell(|| format!("{on} purge -> {to} {request:?}"));
                    self.send_range(Rounder { node: on, run, round: number, call }, to, request, deadline);
                }
                Action::Done(outcome) => {
                    self.tell(|| format!("{on} has purged: {outcome:?}"));
                    let happening = match outcome {
                        Outcome::Nothing => Happening::PurgeIdle,
                        Outcome::Purged { .. } => Happening::Purged,
                        Outcome::Stopped(..) => Happening::PurgeStopped,
                    };
                    self.met(happening);
                    let is_closing = self.closing;
                    let process = self.node(on).living(run).expect("it lived a moment ago");
                    if is_closing {
                        process.purging.as_mut().expect("it has just ended").outcome = Some(outcome);
                    } else {
                        process.purging = None;
                    }
                }
            }
        }
    }

    fn is_of_run(&self, from: &Rounder) -> bool {
        let process = self.peek(from.node).process.as_ref();
        process.and_then(|process| process.purging.as_ref()).is_some_and(|purging| purging.is(from.round))
    }

    /// The network as a round or a run meets it: what a run says is not lost by bad luck, for it would seldom end.
    pub(crate) fn network_of(&self, from: &Rounder) -> Network {
        let mut network = self.network.clone();
        if self.is_of_run(from) {
            (network.conditions.loss, network.conditions.reset) = (0, 0);
        }
        network
    }

    /// How much later than usual a message of a run arrives, in microseconds: much may happen between two of its steps.
    pub(crate) fn slow_by(&self, from: &Rounder) -> u64 {
        if !self.is_of_run(from) || self.closing {
            return 0;
        }
        let [who, call] = from.whom();
        let random = &mut self.random(For::Purge, [who, call << 8 | 4]);
        if random.chance(self.setting.held_back) { random.between(5_000, SLOW_MAX) } else { 0 }
    }

    /// How long a message is held back, in microseconds.
    pub(crate) fn held_back(&self, from: &Caller, request: &Message) -> u64 {
        let held = self.setting.held_back;
        if held == 0 || self.closing {
            return 0;
        }
        match request {
            Message::Key(Request::Write { .. }) => {
                if let Asker::Operation { name, .. } = from.asker {
                    let random = &mut self.random(For::Purge, [name.number(), 1]);
                    if random.chance(STANDS_STILL) {
                        return random.between(HELD_BACK.0, HELD_BACK.1);
                    }
                }
                let [who, call] = from.whom();
                let random = &mut self.random(For::Purge, [who, call << 8 | 2]);
                if random.chance(held) { random.between(HELD_BACK.0, HELD_BACK.1) } else { 0 }
            }
            // Long enough that a run ends between two answers to one read.
            Message::Key(Request::Read { .. }) => {
                let [who, call] = from.whom();
                let random = &mut self.random(For::Purge, [who, call << 8 | 3]);
                if random.chance(held) { random.between(HELD_BACK.0, HELD_BACK.0 * 5) } else { 0 }
            }
            Message::Key(
                Request::Ask { .. } | Request::Assign { .. } | Request::Hint { .. } | Request::Inspect { .. },
            )
            | Message::Range(_) => 0,
        }
    }

    /// What a replica holds of an interval.
    pub(crate) fn held_in(&mut self, at: NodeId, over: &Extent) -> BTreeMap<Spot, Held> {
        let spots = self.cluster.spots_in(over.table, &over.interval);
        let held = |spot: Spot| {
            let process = self.peek(at).process.as_ref()?;
            let place = Place { sort_key: self.cluster.sort_key(spot), table: over.table, epoch: over.epoch };
            match process.replica.read(&Request::Inspect { at: place }, ReadTier::Disk) {
                Some(Reply::Inspected(inspection)) => Some((spot, inspection.held?)),
                _ => None,
            }
        };
        spots.into_iter().filter_map(held).collect()
    }

    /// The removal that a replica holds of a key.
    fn removal_at(&self, at: NodeId, spot: Spot) -> Option<Held> {
        let (table, sort_key) = (self.cluster.table(spot.table), self.cluster.sort_key(spot));
        let process = self.peek(at).process.as_ref()?;
        let request = Request::Inspect { at: Place { table, epoch: Epoch(0), sort_key } };
        match process.replica.read(&request, ReadTier::Disk) {
            Some(Reply::Inspected(inspection)) => {
                let held = inspection.held?;
                (inspection.tombstone || held.expired).then_some(held)
            }
            _ => None,
        }
    }

    /// What a replica held and does not hold any more, since it was told to drop something.
    pub(crate) fn note_dropped(&mut self, at: NodeId, over: &Extent, before: BTreeMap<Spot, Held>) {
        let after = self.held_in(at, over);
        for (spot, held) in before {
            if !after.contains_key(&spot) {
                self.met(Happening::RemovalDropped);
                self.tell(|| format!("{at} drops {held:?} of {spot}"));
                self.history.replicas.remove(&(spot, at));
            }
        }
    }

    /// The floors of all owners of all keys.
    pub(crate) fn all_floors(&mut self, ending: &Ending) -> AllFloors {
        let mut floors = AllFloors::new();
        for (spot, owners) in &ending.owners {
            for owner in owners {
                let process = self.peek(*owner).process.as_ref().expect("all were started");
                let (table, sort_key) = (self.cluster.table(spot.table), self.cluster.sort_key(*spot));
                floors.insert((*spot, *owner), process.replica.floors_at(table, &sort_key));
            }
        }
        floors
    }

    /// All is healed: runs of all nodes, until no removal is left. Removals that stay are noted.
    pub(crate) fn purge_all(&mut self, ending: &mut Ending) {
        if !self.setting.purges {
            return;
        }
        // What was under way ends first.
        self.run_until(ROUND_MAX, |world| world.no_run_is_under_way());
        for id in self.node_ids() {
            if ending.doubtful.is_empty() {
                for shard in self.purge_turns(id) {
                    self.purge_shard(id, &shard, ending);
                }
            }
        }
        ending.floors = self.all_floors(ending);
        if !ending.doubtful.is_empty() {
            // A shard with an owner that is out is not purged.
            return;
        }
        for (spot, owners) in ending.owners.clone() {
            for owner in owners {
                if let Some(removal) = self.removal_at(owner, spot) {
                    let what = format!("{owner} holds {removal:?}, which should have gone");
                    ending.stuck.push((Some(spot), what));
                }
            }
        }
    }

    fn purge_shard(&mut self, on: NodeId, shard: &Shard, ending: &mut Ending) {
        for _ in 0..CLOSING_RUNS {
            self.start_purge(on, shard.clone());
            if !self.run_until(ROUND_MAX, |world| world.no_run_is_under_way()) {
                return ending.stuck.push((None, format!("a purge of {on} comes to no end")));
            }
            let process = self.node(on).process.as_mut().expect("it lives");
            let outcome = process.purging.take().and_then(|purging| purging.outcome);
            match outcome {
                Some(Outcome::Purged { .. }) => {}
                Some(Outcome::Nothing) | None => return,
                Some(Outcome::Stopped(by, failure)) => {
                    let what = format!("a purge stopped at {by} although all is healed: {failure:?}");
                    return ending.stuck.push((None, what));
                }
            }
        }
    }

    /// Whether every run has ended.
    fn no_run_is_under_way(&self) -> bool {
        let processes = self.nodes.iter().filter_map(|node| node.process.as_ref());
        processes.filter_map(|process| process.purging.as_ref()).all(|purging| purging.outcome.is_some())
    }
}
