//! Clients: what they ask, of whom, and what they do when an answer does not come.
//!
//! A client does one thing at a time (a batch is one thing). It gives most writes a value that no client wrote before.
//! When it does not learn what became of a write, it may try again at another coordinator, under the same operation
//! id and with the same body, or drop it and go on. It also remembers old writes and repeats some of them long after,
//! which must never do anything.

use crate::brief;
use crate::drive::{Operation, Running, Watched};
use crate::event::Event;
use crate::history::{Asked, Attempt, AttemptId, Name, Outcome, Spot, StoodStill, Write};
use crate::random::{For, Random};
use crate::scan::Scanning;
use crate::setting::Habits;
use crate::world::World;
use bytes::Bytes;
use quorate_coordinator::context::Context;
use quorate_coordinator::{Get, Position, Put, Session, Subject, Timing, get, order};
use quorate_model::message::{Draft, SMALL_BYTES};
use quorate_model::{Body, Durability, Instant, Level, NodeId, OperationId, Token, level};
use quorate_ring::Plan;
use std::collections::{BTreeMap, BTreeSet};

/// Attempts of one write, in a row.
const ATTEMPTS_MAX: u32 = 4;

/// Chance of a thousand that a write below the table's w may carry an operation id, which is refused there.
const ID_BELOW_TABLE: u64 = 200;

/// One client.
#[derive(Debug, Default)]
pub struct Client {
    /// Its operations that have no answer yet.
    open: usize,
    /// A write to try again.
    again: Option<Job>,
    /// A scan whose next page it asks for.
    scanning: Option<Scanning>,
    /// Writes with an id that are over, one way or the other.
    past: Vec<Job>,
    /// What it began so far.
    actions: u32,
    /// Its pauses so far.
    pauses: u32,
    /// The sequence of each of its names.
    sequences: Vec<u64>,
    /// The coordinator it likes.
    favourite: u64,
}

/// One write of a client, through all its attempts.
#[derive(Clone, Debug)]
pub struct Job {
    name: Name,
    spot: Spot,
    write: Write,
    attempts: u32,
    acknowledged: bool,
}

/// What a client turns to.
enum Thing {
    Read,
    Write,
    Delete,
    Batch,
    Repeat,
    Scan,
}

impl Client {
    /// A client that likes some coordinator.
    pub fn new(names: u64, favourite: u64) -> Self {
        Self { sequences: vec![0; names as usize], favourite, ..Self::default() }
    }

    /// Whether it waits for an answer or has something to try again.
    pub fn is_busy(&self) -> bool {
        self.open > 0 || self.again.is_some() || self.scanning.is_some()
    }
}

impl World {
    /// A client does its next thing.
    pub(crate) fn act(&mut self, client: u32) {
        if self.closing || self.clients[client as usize].open > 0 {
            return;
        }
        if self.coordinators().is_empty() {
            return self.schedule.after(10_000, Event::Act { client });
        }
        if let Some(job) = self.clients[client as usize].again.take() {
            let random = &mut self.random(For::Action, [job.name.number(), 1]);
            return self.attempt_write(job, random);
        }
        if let Some(scanning) = self.clients[client as usize].scanning.take() {
            self.next_page(scanning);
            return self.pause_unless_waiting(client);
        }
        if self.operations_left == 0 {
            return;
        }
        self.operations_left -= 1;
        let who = &mut self.clients[client as usize];
        let name = Name { client, action: who.actions, part: 0, attempt: 0 };
        who.actions += 1;
        if !self.setting.trim.actions.contains(&(client, name.action)) {
            self.begin_something(name);
        }
        self.pause_unless_waiting(client);
    }

    /// Nothing could be asked: no table known yet, nothing to repeat, or left out.
    fn pause_unless_waiting(&mut self, client: u32) {
        if self.clients[client as usize].open == 0 {
            self.pause(client);
        }
    }

    /// A client waits for one answer more.
    pub(crate) fn waits(&mut self, client: u32) {
        if let Some(who) = self.clients.get_mut(client as usize) {
            who.open += 1;
        }
    }

    /// A client asks for its next page when it turns to something again; who closes the history, at once.
    pub(crate) fn go_on_scanning(&mut self, scanning: Scanning) {
        match self.clients.get_mut(scanning.client() as usize) {
            Some(who) => who.scanning = Some(scanning),
            None => self.next_page(scanning),
        }
    }

    fn begin_something(&mut self, name: Name) {
        let habits = self.setting.habits;
        let weights = [habits.read, habits.write, habits.delete, habits.batch, habits.repeat, habits.scan];
        let random = &mut self.random(For::Action, [name.number(), 0]);
        let thing = match random.weighted(&weights) {
            0 => Thing::Read,
            1 => Thing::Write,
            2 => Thing::Delete,
            3 => Thing::Batch,
            4 => Thing::Repeat,
            _ => Thing::Scan,
        };
        match thing {
            Thing::Read => self.read_something(name, random),
            Thing::Write => self.write_something(name, random, false),
            Thing::Delete => self.write_something(name, random, true),
            Thing::Batch => {
                for part in 0..random.between(2, 3) as u16 {
                    let name = Name { part, ..name };
                    if random.chance(400) {
                        self.read_something(name, random);
                    } else {
                        self.write_something(name, random, false);
                    }
                }
            }
            Thing::Repeat => self.repeat_something(name, random),
            Thing::Scan => self.scan_something(name, random),
        }
    }

    /// An attempt has its outcome: the client hears it.
    pub(crate) fn conclude(&mut self, id: AttemptId, outcome: Outcome) {
        let ret = self.moment();
        let attempt = &mut self.history.attempts[id.0];
        assert!(matches!(attempt.outcome, Outcome::Open), "an operation answers once");
        (attempt.ret, attempt.outcome) = (Some(ret), outcome);
        let (name, client, told) = (attempt.name, attempt.client, attempt.outcome.clone());
        self.tell(|| format!("client {client} op {} => {}", id.0, brief::outcome(&told)));
        self.repaired(id, &told);
        self.paged(id, &told);
        let Some(mut job) = self.jobs.remove(&id) else { return self.heard_back(client) };
        let retry = match told {
            Outcome::Stored(_) => {
                job.acknowledged = true;
                false
            }
            Outcome::PutFailed(_) | Outcome::Vanished => job.attempts < ATTEMPTS_MAX,
            Outcome::Open | Outcome::Got(_) | Outcome::GetFailed(_) | Outcome::Walked(_) => false,
        };
        if job.write.id.is_some() && (client as usize) < self.clients.len() {
            let mut random = self.random(For::Again, [name.number(), 0]);
            let again = retry && random.chance(self.setting.habits.retry);
            let client = &mut self.clients[client as usize];
            if again && client.again.is_none() {
                client.again = Some(job);
            } else {
                client.past.push(job);
            }
        }
        self.heard_back(client);
    }

    pub(crate) fn heard_back(&mut self, client: u32) {
        let Some(who) = self.clients.get_mut(client as usize) else { return };
        who.open -= 1;
        if who.open == 0 {
            self.pause(client);
        }
    }

    fn pause(&mut self, client: u32) {
        let who = &mut self.clients[client as usize];
        who.pauses += 1;
        let whom = [u64::from(client), u64::from(who.pauses)];
        let micros = self.random(For::Pause, whom).below(self.setting.habits.pause_max) + 1;
        self.schedule.after(micros, Event::Act { client });
    }

    fn read_something(&mut self, name: Name, random: &mut Random) {
        let spot = self.some_spot(random);
        let table = self.setting.tables[spot.table];
        let level = self.some_level(random, table.r, table.n);
        if let Some(on) = self.some_coordinator(name.client, random) {
            self.launch_read(name, on, spot, self.asked(level));
        }
    }

    fn write_something(&mut self, name: Name, random: &mut Random, delete: bool) {
        let spot = self.some_spot(random);
        let table = self.setting.tables[spot.table];
        let required = self.some_level(random, table.w, table.n);
        let table_w = table.w.required(table.n).expect("levels are drawn within n");
        // Operation ids are refused below the table's promise: few clients try.
        let may = required >= table_w || random.chance(ID_BELOW_TABLE);
        let wants_id = random.chance(self.setting.habits.id);
        let id = (may && wants_id).then(|| self.next_id(name.client, random));
        let raised = random.chance(self.setting.habits.raised);
        let is_large = random.chance(self.setting.habits.large);
        let write = Write {
            required,
            value: (!delete).then(|| new_value(name)),
            is_large,
            expires_at: None,
            durability: if raised { Durability::Sync } else { Durability::Os },
            id,
            is_retry: false,
        };
        self.attempt_write(Job { name, spot, write, attempts: 0, acknowledged: false }, random);
    }

    /// Repeats a write that was over long ago; sometimes, by mistake, with another body.
    fn repeat_something(&mut self, name: Name, random: &mut Random) {
        let past = &self.clients[name.client as usize].past;
        let Some(last) = past.last() else { return self.read_something(name, random) };
        let latest = self.setting.habits.latest;
        let is_latest = latest > 0 && random.chance(latest);
        let mut job = if is_latest { last.clone() } else { random.pick(past).clone() };
        job.name = name;
        job.attempts = ATTEMPTS_MAX;
        if job.acknowledged && random.chance(150) {
            job.write.value = Some(new_value(name));
        }
        self.attempt_write(job, random);
    }

    fn attempt_write(&mut self, mut job: Job, random: &mut Random) {
        let Some(on) = self.some_coordinator(job.name.client, random) else { return };
        job.write.is_retry = job.attempts > 0;
        if job.attempts > 0 && random.chance(self.setting.habits.raised_again) {
            // A retry that asks for more than before gets it.
            job.write.durability = Durability::Sync;
        }
        job.attempts += 1;
        job.name.attempt += 1;
        let now = self.now_on(on);
        if job.attempts == 1 && job.write.value.is_some() && random.chance(self.setting.habits.ttl) {
            job.write.expires_at = Some(now.wall.plus_millis(random.between(5, 400)));
        }
        if let Some(attempt) = self.launch_write(job.name, on, job.spot, job.write.clone()) {
            self.jobs.insert(attempt, job);
        }
    }

    /// What a client asks for that wants so many owners of as many as there are at first.
    pub(crate) fn asked(&self, required: u8) -> Level {
        if self.setting.changes_copies() { Level::Quorum } else { Level::Count(required) }
    }

    /// Starts a read; `None` if that node does not know the table.
    pub(crate) fn launch_read(
        &mut self,
        name: Name,
        on: NodeId,
        spot: Spot,
        level: Level,
    ) -> Option<AttemptId> {
        let plan = self.plan_of(on, spot, [name.number(), 0])?;
        let timeout = self.some_timeout(name);
        let deadline = Instant(self.schedule.now() + timeout);
        let machine = Get::new(plan.clone(), get::Question { level, deadline }, self.context(on));
        let required = level.within(plan.n());
        let machine = Operation::Get(Box::new(machine));
        let at = Position::Key(plan.place.sort_key.clone());
        Some(self.begin(name, on, spot, Asked::Read { required }, timeout, machine, &plan, at))
    }

    /// Starts a write; `None` if that node does not know the table.
    pub(crate) fn launch_write(
        &mut self,
        name: Name,
        on: NodeId,
        spot: Spot,
        mut write: Write,
    ) -> Option<AttemptId> {
        let plan = self.plan_of(on, spot, [name.number(), 0])?;
        // An acknowledgement means what the table promises or more. The edge turns away who asks for less; here owners
        // are asked for less all the same, and must not give it.
        let asked = write.durability;
        write.durability = asked.max(plan.table.durability);
        let level = self.asked(write.required);
        write.required = level.within(plan.n());
        let timeout = self.some_timeout(name);
        let deadline = Instant(self.schedule.now() + timeout);
        let written_at = self.now_on(on).wall;
        let body = match &write.value {
            Some(value) => {
                let length = if write.is_large { SMALL_BYTES + 100 } else { 0 };
                let payload = Bytes::from(format!("{value:<length$}"));
                Body::Value { content_type: "text/plain".to_owned(), payload }
            }
            None => Body::Tombstone,
        };
        let attempt = write.id.clone().map(|id| order::Attempt {
            id,
            digest: Token::of(write.value.as_deref().unwrap_or("deleted").as_bytes()).0,
            is_retry: write.is_retry,
        });
        let stamp = self.node(on).process.as_mut().expect("clients ask living nodes").stamps.draw();
        let order = order::Order {
            draft: Draft { body, written_at, expires_at: write.expires_at },
            level,
            durability: asked,
            attempt,
            stamp,
            deadline,
        };
        let machine = Operation::Put(Box::new(Put::new(plan.clone(), order, self.context(on))));
        let at = Position::Key(plan.place.sort_key.clone());
        Some(self.begin(name, on, spot, Asked::Write(write), timeout, machine, &plan, at))
    }

    #[expect(clippy::too_many_arguments, reason = "who asks whom for what")]
    pub(crate) fn begin(
        &mut self,
        name: Name,
        on: NodeId,
        spot: Spot,
        asked: Asked,
        timeout: u64,
        machine: Operation,
        plan: &Plan,
        at: Position,
    ) -> AttemptId {
        let id = AttemptId(self.history.attempts.len());
        let client = name.client;
        self.tell(|| format!("client {client} op {} at {on}: {spot} {}", id.0, brief::asked(&asked)));
        let now = self.now_on(on);
        let call = self.moment();
        self.history.attempts.push(Attempt {
            name,
            client,
            coordinator: on,
            spot,
            asked,
            call,
            ret: None,
            outcome: Outcome::Open,
            made: Vec::new(),
            sent: false,
            durability: plan.table.durability,
            based_on: None,
            messages: 0,
            lived: None,
            timeout,
            answered_after: None,
            stood_still: StoodStill::default(),
            replans: 0,
            below: 0,
            wall_min: now.wall,
            orphaned: false,
            closing: self.closing,
        });
        self.waits(client);
        let deadline = Instant(self.schedule.now() + timeout);
        let subject = Subject { table: plan.table.id, at, deadline };
        let running = Running {
            attempt: id,
            name,
            session: Session::new(Watched::new(machine), subject, self.rules),
            spot,
            epoch: plan.place.epoch,
            asked: BTreeMap::new(),
            answered: BTreeSet::new(),
            until: None,
            started: self.schedule.now(),
            woken_at: None,
            steps: 0,
        };
        self.launch(on, running);
        id
    }

    pub(crate) fn context(&self, on: NodeId) -> Context {
        let timing = Timing { hedge: self.setting.hedge, ..Timing::default() };
        Context { local: on, rules: self.rules, timing }
    }

    fn some_spot(&self, random: &mut Random) -> Spot {
        let table = random.below(self.setting.tables.len() as u64) as usize;
        Spot { table, key: random.below(self.setting.keys) as usize }
    }

    pub(crate) fn some_level(&self, random: &mut Random, usual: Level, n: u8) -> u8 {
        let usual = usual.required(n).expect("levels are drawn within n");
        let Habits { other_level, at_quorum, .. } = self.setting.habits;
        if random.chance(other_level) {
            if at_quorum > 0 && random.chance(at_quorum) {
                return level::quorum(n);
            }
            match random.weighted(&[50, 15, 35]) {
                0 => 1,
                1 => level::quorum(n),
                _ => random.between(1, u64::from(n)) as u8,
            }
        } else {
            usual
        }
    }

    pub(crate) fn some_timeout(&self, name: Name) -> u64 {
        if self.closing {
            return 2_000_000;
        }
        let (least, most) = self.setting.timeout;
        self.random(For::Attempt, [name.number(), 0]).between(least, most)
    }

    pub(crate) fn some_coordinator(&self, client: u32, random: &mut Random) -> Option<NodeId> {
        let coordinators = self.coordinators();
        let favourite = NodeId(self.clients[client as usize].favourite);
        if coordinators.is_empty() {
            return None;
        }
        let stays = coordinators.contains(&favourite) && random.chance(500);
        Some(if stays { favourite } else { *random.pick(&coordinators) })
    }

    fn next_id(&mut self, client: u32, random: &mut Random) -> OperationId {
        let sequences = &mut self.clients[client as usize].sequences;
        let name = random.below(sequences.len() as u64) as usize;
        sequences[name] += 1;
        OperationId { client: format!("c{client}.{name}"), sequence: sequences[name] }
    }
}

/// A value that no other write has.
fn new_value(name: Name) -> String {
    let part = ["", "b", "c"][usize::from(name.part)];
    format!("v{}.{}{part}", name.client, name.action)
}
