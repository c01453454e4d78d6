//! Shards that move: plans at random, and the real conductor over what nodes say of themselves.
//!
//! One node leads at a time, and another one soon: a new leader knows what the catalog says and nothing else. What it knows of
//! a node is what that node said when it last could. Commands that are accepted stand at the end of the log; who hears of
//! them when is left to chance, old owners often last.

use crate::coverage::Happening;
use crate::event::Event;
use crate::history::Spot;
use crate::random::{For, Random};
use crate::setting::Mishaps;
use crate::world::World;
use quorate_model::{CopyState, Instant, Layout, NodeId, ShardId, Span, TableId, level};
use quorate_ring::conductor::{
    self, FillReport, Limits, NodeReport, ShardReport, TendLimits, Tending, Watch,
};
use quorate_ring::heat;
use quorate_ring::{Begin, Catalog, Change, Command, JobKind, Move, Order, RequestId, Shard};
use quorate_storage::{Engine, Replica, Standing};
use std::collections::BTreeMap;

/// How long a shard may stand still.
const PATIENCE: Span = Span::from_millis(600);

/// When shards change by themselves, where they do: after a few writes, and soon.
const TENDED: TendLimits = TendLimits {
    bytes_max: 200,
    load_min: 1,
    hot_for: Span::from_millis(60),
    merge_after: PATIENCE,
    uneven_for: Span::from_millis(60),
    pause: Span::from_millis(60),
    load_settles: Span::from_millis(30),
    rest: Span::from_millis(60),
    away_for: Span::from_millis(15),
    still_for: Span::from_millis(150),
};

/// How long one node leads, in microseconds.
const TERM: u64 = 350_000;

/// What the leader of the moment knows.
#[derive(Debug, Default)]
pub struct Leading {
    term: u64,
    watch: Watch,
    tending: Tending,
    reports: BTreeMap<NodeId, NodeReport>,
    /// Plans that were begun.
    plans: u64,
    /// Splits and merges that were decided.
    pub(crate) cuts: u64,
}

/// The most copies that a table gets.
const COPIES_MAX: u8 = 5;

/// Another number of copies with the same quorum; of one copy there is none.
fn alike(n: u8) -> u8 {
    if n.is_multiple_of(2) { n + 1 } else { (n - 1).max(1) }
}

/// What an owner says of its shards: sizes as they are, and requests that each has by chance.
fn large_of<E: Engine>(
    node: NodeId,
    catalog: &Catalog,
    replica: &Replica<E>,
    load: impl Fn(ShardId) -> u64,
) -> Vec<ShardReport> {
    let owned = catalog.tables().flat_map(|entry| entry.shards()).filter(|shard| shard.is_owned_by(node));
    let report = |shard: &Shard| {
        let figure = replica.interval_figures(shard.id.table, std::slice::from_ref(&shard.interval)).pop()?;
        figure.is_exact.then(|| ShardReport {
            shard: shard.id,
            start: shard.interval.start.clone(),
            bytes: figure.total.bytes,
            half: replica.half(shard.id.table, &shard.interval),
            load: load(shard.id),
            spot: heat::Spot::Unknown,
        })
    };
    owned.filter_map(report).collect()
}

impl World {
    /// Plans the next look of the leader, if shards move in this history.
    pub(crate) fn plan_conducting(&mut self) {
        if self.setting.conducts() {
            let later = self.random(For::Moves, [0, self.schedule.now()]).between(8_000, 40_000);
            self.schedule.after(later, Event::Conduct);
        }
    }

    /// The leader looks what the catalog needs, and writes it.
    pub(crate) fn conduct(&mut self) {
        self.plan_conducting();
        let now = self.schedule.now();
        let term = now / TERM;
        if self.leading.term != term {
            let Leading { plans, cuts, .. } = self.leading;
            self.leading = Leading { term, plans, cuts, ..Leading::default() };
        }
        let leader = *self.random(For::Moves, [1, term]).pick(&self.living_ids());
        if self.peek(leader).process.is_none() || self.peek(leader).paused_until > now {
            return;
        }
        let catalog = std::sync::Arc::clone(self.cluster.newest());
        self.hear_reports(leader, &catalog);
        let at = Instant(now);
        self.leading.watch.observe(&catalog, &self.leading.reports, at);
        let limits = Limits { move_patience: PATIENCE, ..Limits::default() };
        let next =
            conductor::next(self.rules, &catalog, &self.leading.reports, &self.leading.watch, at, &limits);
        let cut = self.wanted_cut();
        if let Some(command) = cut.or(next) {
            return self.write(command);
        }
        if self.setting.tends && !self.closing {
            let reports = &self.leading.reports;
            if let Some(command) = self.leading.tending.next(&catalog, reports, at, &TENDED) {
                self.met(match &command {
                    Command::Begin(_) => Happening::Balanced,
                    Command::SetJob { .. } => Happening::GaveUp,
                    _ => Happening::Tended,
                });
                return self.write(command);
            }
        }
        if let Some(command) = self.wanted(&catalog) {
            self.write(command);
        }
    }

    /// Who can be heard says how far it is.
    fn hear_reports(&mut self, leader: NodeId, catalog: &Catalog) {
        for id in self.node_ids() {
            let is_open = id == leader || self.network.is_open(id, leader);
            let says = self.closing || self.random(For::Moves, [2 + id.0, self.schedule.now()]).chance(600);
            let node = self.peek(id);
            let process =
                node.process.as_ref().filter(|_| is_open && node.paused_until <= self.schedule.now());
            let Some(process) = process else {
                if let Some(report) = self.leading.reports.get_mut(&id) {
                    report.is_up = false;
                }
                continue;
            };
            if !says {
                continue;
            }
            let mut report = NodeReport {
                incarnation: node.incarnation as u32,
                closed: process.replica.closed(),
                free_bytes: u64::MAX,
                is_up: !process.replica.is_doubtful(),
                ..NodeReport::default()
            };
            for shard in catalog.moving().filter(|shard| shard.is_held_by(id)) {
                let held = process.replica.copy_in(shard.id.table, &shard.interval);
                if let Some(Standing { since, state, merged }) = held {
                    let is_whole = state == CopyState::Whole;
                    let fill = FillReport { since, is_whole, merged, ..FillReport::default() };
                    report.fills.insert(shard.id, fill);
                }
            }
            if self.setting.tends {
                let load = |shard: ShardId| {
                    let seed = [1 << 32, u64::from(shard.index) << 32 | u64::from(shard.table.0)];
                    self.random(For::Moves, seed).below(100)
                };
                report.shards = large_of(id, catalog, &process.replica, load);
                let loads = report.loads.get_or_insert_default();
                for said in &report.shards {
                    *loads.entry(said.shard.table).or_default() += said.load;
                }
            }
            self.leading.reports.insert(id, report);
        }
    }

    /// What an operator wants now.
    fn wanted(&mut self, catalog: &Catalog) -> Option<Command> {
        let random = &mut self.random(For::Moves, [100, self.schedule.now()]);
        if let Some(job) = catalog.running_job() {
            let aborts = !self.closing && !self.setting.fills_owners() && random.chance(15);
            return aborts.then_some(Command::SetJob { job: job.id, to: Order::Abort });
        }
        if let Some(left) = self.left_by_the_dead(catalog, random) {
            return Some(left);
        }
        if self.closing || self.leading.plans >= self.setting.moves || !random.chance(300) {
            return None;
        }
        self.leading.plans += 1;
        let table = catalog.table_by_id(TableId(1))?;
        let living = self.living_ids();
        // An owner that stays need not be closed before the new one is filled, if few leave.
        let (changed, swapped) = if self.setting.fills_owners() { (0, 950) } else { (700, 300) };
        if self.setting.changes_copies() && random.chance(changed) {
            let n = self.wanted_copies(table.n, random);
            if usize::from(n) <= living.len() {
                return Some(self.other_copies(catalog, n, random));
            }
        }
        let mut moves = Vec::new();
        for shard in table.shards() {
            let mut nodes = living.clone();
            let mut wanted = Vec::new();
            while wanted.len() < shard.owners.len() {
                wanted.push(nodes.swap_remove(random.below(nodes.len() as u64) as usize));
            }
            if random.chance(swapped) {
                // One owner for another, as most moves are.
                wanted = shard.owner_nodes().collect();
                let others: Vec<NodeId> =
                    living.iter().copied().filter(|node| !wanted.contains(node)).collect();
                let place = random.below(wanted.len() as u64) as usize;
                wanted[place] = *others.get(random.below(others.len() as u64) as usize)?;
            }
            let is_other = wanted.iter().any(|node| !shard.is_owned_by(*node));
            if is_other {
                moves.push(Move { shard: shard.id, epoch: shard.epoch, wanted });
            }
        }
        (!moves.is_empty()).then(|| Command::Begin(self.a_job(catalog, JobKind::Move, Vec::new(), moves)))
    }

    /// What an operator wants who finds a node gone for good, or has declared one dead that still owns something since that job was
    /// aborted. `None`: nothing of that kind.
    fn left_by_the_dead(&mut self, catalog: &Catalog, random: &mut Random) -> Option<Command> {
        let table = catalog.table_by_id(TableId(1))?;
        let owned = |node: NodeId| table.shards().iter().any(|shard| shard.is_owned_by(node));
        let dead = self.gone.iter().copied().find(|node| owned(*node)).or_else(|| {
            let declares = self.setting.bans && self.gone.is_empty() && !self.closing && random.chance(700);
            // As many are left as there are copies; the first one votes, and that would keep it a member.
            let most = table.shards().iter().map(|shard| shard.owners.len()).max();
            let spares = self.living_ids().len() > usize::from(table.n).max(most.unwrap_or_default());
            // Those that are left certainly hold everything, or no plan would be made.
            let all_spare = table.shards().iter().all(|shard| shard.owners.len() > 2);
            let spares = spares && all_spare;
            let candidates: Vec<NodeId> =
                self.node_ids().into_iter().filter(|node| node.0 > 1 && owned(*node)).collect();
            (declares && spares && !candidates.is_empty()).then(|| *random.pick(&candidates))
        })?;
        self.leading.plans += 1;
        let others = |shard: &Shard| -> Vec<NodeId> {
            let is_other = |node: &NodeId| *node != dead && !shard.is_owned_by(*node);
            self.living_ids().into_iter().filter(is_other).collect()
        };
        let mut moved = |shard: &Shard| {
            let new = *random.pick(&others(shard));
            let wanted = shard.owner_nodes().map(|node| if node == dead { new } else { node }).collect();
            Move { shard: shard.id, epoch: shard.epoch, wanted }
        };
        let moves = table.shards().iter().filter(|shard| shard.is_owned_by(dead)).map(&mut moved).collect();
        let begin = self.a_job(catalog, JobKind::Remove, Vec::new(), moves);
        Some(Command::Begin(Begin { dead: vec![dead], ..begin }))
    }

    /// The table gets another number of copies.
    fn note_copies(&mut self, before: u8, n: u8) {
        self.history.copies.insert(n);
        if level::quorum(before) != level::quorum(n) {
            self.met(Happening::OtherQuorum);
        }
    }

    /// A node was declared dead: it may run on, and no other one talks to it any more.
    fn declare_dead(&mut self, node: NodeId) {
        if self.gone.insert(node) {
            self.met(Happening::DeclaredDead);
            self.network.sever(node);
            // What it alone held is lost.
            self.history.lost.insert(node);
            self.history.dead.insert(node);
            self.tell(|| format!("{node} is declared dead"));
        }
    }

    /// How many copies an operator wants instead of so many: often one that leaves a quorum what it is, so that half of the
    /// owners may be a quorum in one set and not in the other. One alone can be lost with its disk.
    fn wanted_copies(&self, n: u8, random: &mut Random) -> u8 {
        if random.chance(500) {
            return alike(n);
        }
        let Mishaps { loss, accept, .. } = self.setting.mishaps;
        let least = if loss + accept > 0 { 2 } else { 1 };
        let others: Vec<u8> = (least..=COPIES_MAX).filter(|other| *other != n).collect();
        *random.pick(&others)
    }

    /// So many copies of each shard. Some shards have as many already, since such a job was aborted.
    fn other_copies(&self, catalog: &Catalog, n: u8, random: &mut Random) -> Command {
        let table = catalog.table_by_id(TableId(1)).expect("it is never dropped where shards move");
        let mut moved = |shard: &Shard| {
            let mut wanted: Vec<NodeId> = shard.owner_nodes().collect();
            let mut others: Vec<NodeId> =
                self.living_ids().into_iter().filter(|node| !wanted.contains(node)).collect();
            if wanted.len() == usize::from(n) {
                return None;
            }
            let spare = usize::from(!others.is_empty() && random.chance(300));
            while !others.is_empty() && wanted.len() < usize::from(n) + spare {
                wanted.push(others.swap_remove(random.below(others.len() as u64) as usize));
            }
            while wanted.len() > usize::from(n) {
                wanted.swap_remove(random.below(wanted.len() as u64) as usize);
            }
            Some(Move { shard: shard.id, epoch: shard.epoch, wanted })
        };
        let moves = table.shards().iter().filter_map(&mut moved).collect();
        let change = Change::Copies { table: table.id, n, r: None, w: None };
        Command::Begin(self.a_job(catalog, JobKind::Copies, vec![change], moves))
    }

    fn a_job(&self, catalog: &Catalog, kind: JobKind, changes: Vec<Change>, moves: Vec<Move>) -> Begin {
        Begin {
            id: RequestId(1_000_000 + u128::from(self.leading.plans)),
            base: catalog.topology(),
            kind,
            changes,
            moves,
            parts: 1,
            dead: Vec::new(),
            accepted: Vec::new(),
            bytes_total: 0,
        }
    }

    /// A command is accepted, and each node hears of it when it does.
    fn write(&mut self, command: Command) {
        let before = std::sync::Arc::clone(self.cluster.newest());
        let words = format!("{command:?}");
        let appended = self.cluster.append(command.clone());
        self.note_cut(&before, &command, appended.is_some());
        let Some(commands) = appended else {
            return self.tell(|| format!("the leader's word is not in force any more: {words}"));
        };
        self.tell(|| format!("command {commands}: {words}"));
        if let Command::Begin(begin) = &command {
            begin.dead.iter().for_each(|node| self.declare_dead(*node));
            for change in &begin.changes {
                if let Change::Copies { n, .. } = change {
                    self.note_copies(before.table_by_id(TableId(1)).map_or(*n, |table| table.n), *n);
                }
            }
        }
        if let Command::Advance(advance) = &command {
            for (happening, count) in [
                (Happening::MoveStarted, advance.start.len()),
                (Happening::MoveFinished, advance.finish.len()),
                (Happening::MoveReverted, advance.revert.len()),
            ] {
                (0..count).for_each(|_| self.met(happening));
            }
        }
        let table = before.table_by_id(TableId(1));
        let is_old =
            |id: NodeId| table.is_some_and(|table| table.shards().iter().any(|shard| shard.is_owned_by(id)));
        for node in self.node_ids() {
            let random = &mut self.random(For::Moves, [200 + node.0, commands as u64]);
            let is_late = self.setting.late_owners && is_old(node);
            let times = if is_late && self.setting.fills_owners() {
                // One is asked for its copy, and back with the catalog from before, while another one still goes by that.
                let is_first = self.random(For::Moves, [400 + node.0, self.leading.plans]).chance(500);
                let longest = if is_first { 60_000 } else { 900_000 };
                [random.between(longest / 3, longest), random.between(longest / 2, longest)]
            } else if is_late {
                [random.between(60_000, 600_000), random.between(60_000, 900_000)]
            } else {
                [random.below(20_000), random.below(400_000)]
            };
            for micros in times {
                self.schedule.after(micros, Event::Hear { node, commands });
            }
        }
    }

    /// A node clears what it does not own any more by what it has just heard.
    pub(crate) fn clear_leftovers(&mut self, id: NodeId, layout: Layout) {
        let Some(process) = self.node(id).process.as_ref() else { return };
        process.replica.install(layout.clone());
        // A replica that doubts its disk keeps all of it.
        let _refused = process.replica.clear_leftovers(usize::MAX);
        let is_elsewhere = |spot: &Spot, world: &World| {
            world.cluster.ownership(world.peek(id).heard, *spot, id).is_some_and(|(_, is_held)| !is_held)
        };
        for spot in self.cluster.spots() {
            if is_elsewhere(&spot, self) {
                self.history.replicas.remove(&(spot, id));
            }
        }
    }

    /// Whether no shard moves, no job goes on, and none has to begin.
    pub(crate) fn is_no_shard_moving(&self) -> bool {
        let newest = self.cluster.newest();
        let mut shards = newest.tables().flat_map(|entry| entry.shards());
        let is_left = shards.any(|shard| shard.owner_nodes().any(|node| self.gone.contains(&node)));
        newest.moving().next().is_none() && newest.running_job().is_none() && !is_left
    }
}
