//! The second phase: everything is healed, and the cluster must make progress and come together within a bound.
//!
//! In order: operations end and hints reach their owners; where removals go, the last of them go; where owners compare
//! what they hold, they do; every key is read at a quorum; acknowledged writes are
//! retried; every key is read at all owners, which repairs them; the replicas are compared; at last every key is
//! written and read once more. The writes come last, so that they hide nothing.

use crate::history::{AttemptId, Name, Outcome, PageOutcome, Spot, Write};
use crate::node::Process;
use crate::purge::AllFloors;
use crate::random::For;
use crate::replay::REPLAYER;
use crate::sync::Proven;
use crate::world::World;
use quorate_model::Hint;
use quorate_model::{Interval, Level, NodeId, Record, Reply, Request, SortKey, level};
use quorate_storage::ReadTier;
use std::collections::{BTreeMap, BTreeSet};

/// The client number of closing operations.
pub const CLOSER: u32 = u32::MAX - 1;

/// How long the cluster may take to come to rest, in microseconds.
const REST_MAX: u64 = 30_000_000;

/// How long a message may be under way, and its duplicate behind it, in microseconds.
const STRAGGLERS_MAX: u64 = 3_200_000;

/// Retries of acknowledged writes in the second phase.
const RETRIES_MAX: usize = 6;

/// What replicas hold: for each owner of each key.
pub type Holdings = BTreeMap<(Spot, NodeId), Option<Record>>;

/// What the second phase found.
#[derive(Debug, Default)]
pub struct Ending {
    /// Nodes that doubt their disks and take no part.
    pub doubtful: BTreeSet<NodeId>,
    /// Owners of each key.
    pub owners: BTreeMap<Spot, Vec<NodeId>>,
    /// How many hints had been kept until then.
    pub hints: usize,
    /// How many hints had been overtaken until then.
    pub overtaken: usize,
    /// What owners that can be asked held after all hints were replayed and before anything was read.
    pub after_hints: Holdings,
    /// The same once owners had compared what they hold, still before anything was read; `None`: they did not.
    pub after_sync: Option<Holdings>,
    /// How that ended.
    pub proven: Proven,
    /// The floors of owners at the time of `after_hints`.
    pub floors_after_hints: AllFloors,
    /// The floors of owners in the end.
    pub floors: AllFloors,
    /// The same after the closing reads.
    pub at_end: Holdings,
    /// Sums that are wrong, with the node that keeps them.
    pub sums: Vec<(NodeId, String)>,
    /// The keys of each table in their order, with where each stands.
    pub in_order: Vec<Vec<(SortKey, Spot)>>,
    /// Copies that are not whole long after everything was healed.
    pub unfilled: Vec<String>,
    /// What did not come to be.
    pub stuck: Vec<(Option<Spot>, String)>,
}

impl Ending {
    /// Owners of a key that can answer.
    fn possible(&self, spot: Spot) -> u8 {
        self.owners[&spot].iter().filter(|owner| !self.doubtful.contains(owner)).count() as u8
    }
}

impl World {
    /// Heals everything and sees what becomes of it.
    pub fn run_closing(&mut self) -> Ending {
        self.closing = true;
        for id in self.gone.clone() {
            self.crash(id);
        }
        self.heal();
        self.take_out_broken();
        let mut ending = Ending::default();
        if self.setting.heals() && !self.run_until(REST_MAX, World::is_everything_whole) {
            ending.unfilled = self.node_ids().into_iter().filter_map(|id| self.lacks(id)).collect();
        }
        if !self.run_until(REST_MAX, |world| world.is_no_shard_moving()) {
            ending.stuck.push((None, "shards move long after everything was healed".to_owned()));
            return ending;
        }
        for id in self.node_ids() {
            self.hear_all(id);
        }
        ending.doubtful = self.take_out_broken();
        ending.in_order = (0..self.setting.tables.len()).map(|table| self.cluster.in_order(table)).collect();
        for spot in self.cluster.spots() {
            let plan = self.cluster.plan(self.cluster.commands(), spot, NodeId(1), Vec::new());
            let plan = plan.expect("the whole log makes every table");
            ending.owners.insert(spot, plan.sets.iter().flatten().map(|owner| owner.node).collect());
        }
        for spot in self.cluster.dropped_spots() {
            ending.owners.insert(spot, Vec::new());
        }
        if !ending.unfilled.is_empty() {
            return ending;
        }
        self.run_until(STRAGGLERS_MAX, |_| false);
        if !self.run_until(REST_MAX, |world| world.is_at_rest(&ending)) {
            ending.stuck.push((None, "operations or hints are still on their way long after".to_owned()));
            return ending;
        }
        (ending.hints, ending.overtaken) = (self.history.hints.len(), self.history.overtaken.len());
        ending.after_hints = self.holdings(&ending);
        ending.floors_after_hints = self.all_floors(&ending);
        self.purge_all(&mut ending);
        self.sync_all(&mut ending);
        self.read_all(&mut ending, |_, _| Level::Quorum);
        self.scan_all(&mut ending);
        self.retry_acknowledged(&mut ending);
        self.read_all(&mut ending, |n, doubtful| Level::Count(n - doubtful));
        ending.at_end = self.holdings(&ending);
        self.write_all(&mut ending);
        self.recount(&mut ending);
        self.leave_repairs();
        ending
    }

    /// No client waits for reads that bring owners together and are still under way: the history is over.
    fn leave_repairs(&mut self) {
        let processes = self.nodes.iter().filter_map(|node| node.process.as_ref());
        for running in processes.flat_map(|process| process.running.values()) {
            self.history.attempts[running.attempt.0].orphaned |= running.name.client == REPLAYER;
        }
    }

    /// Nodes with a failed disk notice it now, if they have not yet.
    fn take_out_broken(&mut self) -> BTreeSet<NodeId> {
        for one in self.node_ids() {
            for other in self.node_ids() {
                self.introduce(one, other);
            }
        }
        let mut doubtful = BTreeSet::new();
        for id in self.node_ids() {
            let node = self.node(id);
            let process = node.process.as_ref().expect("all were started");
            if node.broken {
                process.replica.doubt("its disk failed");
            }
            if process.replica.is_doubtful() {
                doubtful.insert(id);
            }
        }
        doubtful
    }

    fn is_at_rest(&mut self, ending: &Ending) -> bool {
        if !self.is_idle() {
            return false;
        }
        let trusted = |id: &NodeId| !ending.doubtful.contains(id);
        let ids: Vec<NodeId> = self.node_ids().into_iter().filter(trusted).collect();
        ids.iter().all(|keeper| {
            let process = self.node(*keeper).process.as_ref().expect("all were started");
            let counts = process.replica.hint_counts();
            let mut owners =
                ids.iter().filter(|owner| counts.get(owner).is_some_and(|hints| hints.count > 0));
            owners.all(|owner| {
                self.hints_of(*keeper, *owner).iter().all(|hint| self.is_stuck_by_right(ending, *owner, hint))
            })
        })
    }

    /// Whether no client's operation is under way. Reads that bring owners together may go on for ever where one of
    /// them is out.
    fn is_idle(&self) -> bool {
        let is_over = |process: &Process| {
            let mut running = process.running.values();
            process.pages.is_empty() && running.all(|running| running.name.client == REPLAYER)
        };
        self.nodes.iter().all(|node| node.process.as_ref().is_none_or(is_over))
    }

    /// Whether a hint may stay: its owner holds something later, and not all owners can be asked whether they do too.
    fn is_stuck_by_right(&mut self, ending: &Ending, owner: NodeId, hint: &Hint) -> bool {
        let Some(spot) = self.spot_of_hint(hint) else { return true };
        let is_one_out = ending.owners[&spot].iter().any(|owner| ending.doubtful.contains(owner));
        is_one_out && self.holding(spot, owner).is_some_and(|record| record.held() > hint.record.held())
    }

    /// What owners that can be asked hold now.
    pub(crate) fn holdings(&mut self, ending: &Ending) -> Holdings {
        let mut holdings = Holdings::new();
        for (spot, owners) in &ending.owners {
            for owner in owners.iter().filter(|owner| !ending.doubtful.contains(owner)) {
                holdings.insert((*spot, *owner), self.holding(*spot, *owner));
            }
        }
        holdings
    }

    /// What an owner that can be asked holds now.
    fn holding(&mut self, spot: Spot, owner: NodeId) -> Option<Record> {
        let plan = self.plan_of(owner, spot, [0, 0]).expect("every node has heard of every table");
        let request = Request::Read { at: plan.place.clone(), whole: true };
        let process = self.node(owner).process.as_ref().expect("all were started");
        match process.replica.read(&request, ReadTier::Disk) {
            Some(Reply::Record(record)) => record,
            Some(Reply::Absent { .. }) => None,
            other => panic!("{owner} answered {other:?} when all is healed"),
        }
    }

    fn read_all(&mut self, ending: &mut Ending, level: impl Fn(u8, u8) -> Level) {
        let mut reads = Vec::new();
        for spot in self.cluster.spots() {
            let doubtful =
                ending.owners[&spot].iter().filter(|owner| ending.doubtful.contains(owner)).count();
            let level = level(ending.owners[&spot].len() as u8, doubtful as u8);
            let name = self.own_name(CLOSER);
            let on = self.some_node(name);
            let read = self.launch_read(name, on, spot, level).expect("every table is known");
            reads.push(read);
            self.demand_full(ending, &mut reads);
        }
        self.demand(ending, &reads);
    }

    /// Scans every table at a quorum, there and back.
    fn scan_all(&mut self, ending: &mut Ending) {
        let begun = self.history.scans.len();
        let stays = |table: &usize| self.setting.dropped() != Some(*table);
        for table in (0..self.setting.tables.len()).filter(stays).collect::<Vec<usize>>() {
            let required = level::quorum(self.setting.tables[table].n);
            for reverse in [false, true] {
                let name = self.own_name(CLOSER);
                self.begin_scan(name, (table, required), Interval::everything(), reverse, (2, reverse));
            }
        }
        self.demand(ending, &[]);
        for scan in &self.history.scans[begun..] {
            match scan.pages.last().map(|page| &page.outcome) {
                Some(PageOutcome::Answered(page)) if page.rest.is_none() => {}
                outcome => {
                    let what = format!("a scan failed although all is healed: {outcome:?}");
                    ending.stuck.push((None, what));
                }
            }
        }
    }

    fn retry_acknowledged(&mut self, ending: &mut Ending) {
        let writes: Vec<(Spot, Write)> = self
            .history
            .acknowledged()
            .filter(|(attempt, write, _)| write.id.is_some() && !attempt.closing)
            .filter(|(attempt, _, _)| self.setting.dropped() != Some(attempt.spot.table))
            .map(|(attempt, write, _)| (attempt.spot, write.clone()))
            .collect();
        let mut retries = Vec::new();
        for _ in 0..RETRIES_MAX.min(writes.len()) {
            let name = self.own_name(CLOSER);
            let (spot, write) = self.random(For::Closing, [name.number(), 1]).pick(&writes).clone();
            let required = write.required.min(ending.possible(spot));
            let table = self.setting.tables[spot.table];
            if required < table.w.required(table.n).expect("levels are drawn within n") {
                continue;
            }
            let on = self.some_node(name);
            let write = Write { is_retry: true, required, ..write };
            retries.push(self.launch_write(name, on, spot, write).expect("every table is known"));
            self.demand_full(ending, &mut retries);
        }
        self.demand(ending, &retries);
    }

    fn write_all(&mut self, ending: &mut Ending) {
        let mut writes = Vec::new();
        for spot in self.cluster.spots() {
            let name = self.own_name(CLOSER);
            let table = self.setting.tables[spot.table];
            let required = Level::Quorum.required(table.n).expect("a quorum is within n");
            let write = Write {
                required: required.min(ending.possible(spot)),
                value: Some(format!("last{}", name.action)),
                is_large: false,
                expires_at: None,
                durability: table.durability,
                id: None,
                is_retry: false,
            };
            let on = self.some_node(name);
            writes.push(self.launch_write(name, on, spot, write).expect("every table is known"));
            self.demand_full(ending, &mut writes);
        }
        self.demand(ending, &writes);
        self.read_all(ending, |_, _| Level::Quorum);
    }

    /// Demands these operations once they are as many as a queue takes: no replica may refuse one as too many.
    fn demand_full(&mut self, ending: &mut Ending, attempts: &mut Vec<AttemptId>) {
        if attempts.len() >= self.setting.queue_max {
            self.demand(ending, attempts);
            attempts.clear();
        }
    }

    /// Waits until these operations are over: now that all is healed, none may fail for want of owners or time.
    fn demand(&mut self, ending: &mut Ending, attempts: &[AttemptId]) {
        if !self.run_until(REST_MAX, |world| world.is_idle()) {
            ending.stuck.push((None, "operations are still on their way long after".to_owned()));
        }
        for id in attempts {
            let attempt = &self.history.attempts[id.0];
            let progressed = match &attempt.outcome {
                Outcome::Got(_) | Outcome::Stored(_) | Outcome::Walked(Ok(_)) => true,
                Outcome::PutFailed(error) => matches!(
                    error,
                    quorate_coordinator::PutError::IdempotencyExpired
                        | quorate_coordinator::PutError::IdempotencyReused
                ),
                Outcome::Open | Outcome::GetFailed(_) | Outcome::Walked(Err(_)) | Outcome::Vanished => false,
            };
            if !progressed {
                let what = format!("op {} failed although all is healed: {:?}", id.0, attempt.outcome);
                ending.stuck.push((Some(attempt.spot), what));
            }
        }
    }

    pub(crate) fn some_node(&self, name: Name) -> NodeId {
        *self.random(For::Closing, [name.number(), 0]).pick(&self.node_ids())
    }
}
