//! Clients: what they ask, of whom, and what they do when an answer does not come.
//!
//! A client does one thing at a time (a batch is one thing). It gives most writes a value that nobody wrote before.
//! When it does not learn what became of a write, it may try again at another coordinator, under the same operation
//! id and with the same body, or drop it and go on. It also remembers old writes and repeats some of them long after,
//! which must never do anything.

use crate::brief;
use crate::drive::{Operation, Running};
use crate::history::{Asked, Attempt, AttemptId, Outcome, Spot, Write};
use crate::parcel::Event;
use crate::world::World;
use bytes::Bytes;
use quorate_coordinator::context::Context;
use quorate_coordinator::{Get, Put, Timing, get, put};
use quorate_model::message::Draft;
use quorate_model::{Body, Durability, Instant, Level, NodeId, OperationId, Token};
use std::collections::BTreeSet;

/// Attempts of one write, in a row.
const ATTEMPTS_MAX: u32 = 4;

/// One client.
#[derive(Debug, Default)]
pub struct Client {
    /// Its operations that have no answer yet.
    open: usize,
    /// A write to try again.
    again: Option<Job>,
    /// Writes with an id that are over, one way or the other.
    past: Vec<Job>,
    /// The sequence of each of its names.
    sequences: Vec<u64>,
    /// The coordinator it likes.
    favourite: u64,
}

/// One write of a client, through all its attempts.
#[derive(Clone, Debug)]
pub struct Job {
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
}

impl Client {
    /// A client that likes some coordinator.
    pub fn new(names: u64, favourite: u64) -> Self {
        Self { sequences: vec![0; names as usize], favourite, ..Self::default() }
    }

    /// Whether it waits for an answer or has something to try again.
    pub fn is_busy(&self) -> bool {
        self.open > 0 || self.again.is_some()
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
            return self.attempt_write(client, job);
        }
        if self.operations_left == 0 {
            return;
        }
        self.operations_left -= 1;
        let habits = self.setting.habits;
        let weights = [habits.read, habits.write, habits.delete, habits.batch, habits.repeat];
        let thing = match self.random.weighted(&weights) {
            0 => Thing::Read,
            1 => Thing::Write,
            2 => Thing::Delete,
            3 => Thing::Batch,
            _ => Thing::Repeat,
        };
        match thing {
            Thing::Read => self.read_something(client),
            Thing::Write => self.write_something(client, false),
            Thing::Delete => self.write_something(client, true),
            Thing::Batch => {
                for _ in 0..self.random.between(2, 3) {
                    if self.random.chance(400) {
                        self.read_something(client);
                    } else {
                        self.write_something(client, false);
                    }
                }
            }
            Thing::Repeat => self.repeat_something(client),
        }
        if self.clients[client as usize].open == 0 {
            // Nothing could be asked: no table known yet, nothing to repeat.
            self.pause(client);
        }
    }

    /// An attempt has its outcome: the client hears it.
    pub(crate) fn conclude(&mut self, id: AttemptId, outcome: Outcome) {
        let ret = self.history.moment();
        for node in self.node_ids() {
            self.now_on(node);
        }
        let wall_max = self.history.wall_max;
        let attempt = &mut self.history.attempts[id.0];
        assert!(matches!(attempt.outcome, Outcome::Open), "an operation answers once");
        (attempt.ret, attempt.outcome, attempt.wall_max) = (Some(ret), outcome, wall_max);
        let (client, told) = (attempt.client, attempt.outcome.clone());
        self.tell(|| format!("client {client} op {} => {}", id.0, brief::outcome(&told)));
        let Some(mut job) = self.jobs.remove(&id) else { return self.heard_back(client) };
        let retry = match told {
            Outcome::Stored(_) => {
                job.acknowledged = true;
                false
            }
            Outcome::PutFailed(_) | Outcome::Vanished => job.attempts < ATTEMPTS_MAX,
            Outcome::Open | Outcome::Got(_) | Outcome::GetFailed(_) => false,
        };
        if job.write.id.is_some() && (client as usize) < self.clients.len() {
            let again = retry && self.random.chance(self.setting.habits.retry);
            let client = &mut self.clients[client as usize];
            if again && client.again.is_none() {
                client.again = Some(job);
            } else {
                client.past.push(job);
            }
        }
        self.heard_back(client);
    }

    fn heard_back(&mut self, client: u32) {
        let Some(who) = self.clients.get_mut(client as usize) else { return };
        who.open -= 1;
        if who.open == 0 {
            self.pause(client);
        }
    }

    fn pause(&mut self, client: u32) {
        let micros = self.random.below(self.setting.habits.pause_max) + 1;
        self.schedule.after(micros, Event::Act { client });
    }

    fn read_something(&mut self, client: u32) {
        let spot = self.some_spot();
        let table = self.setting.tables[spot.table];
        let level = self.some_level(table.r, table.n);
        self.attempt_read(client, spot, level);
    }

    fn write_something(&mut self, client: u32, delete: bool) {
        let spot = self.some_spot();
        let table = self.setting.tables[spot.table];
        let required = self.some_level(table.w, table.n);
        let table_w = table.w.required(table.n).expect("levels are drawn within n");
        // Operation ids are refused below the table's promise.
        let wants_id = required >= table_w && self.random.chance(self.setting.habits.id);
        let id = wants_id.then(|| self.next_id(client));
        let raised = self.random.chance(self.setting.habits.raised);
        let write = Write {
            required,
            value: (!delete).then(|| self.new_value()),
            expires_at: None,
            durability: if raised { Durability::Sync } else { table.durability },
            id,
            is_retry: false,
        };
        self.attempt_write(client, Job { spot, write, attempts: 0, acknowledged: false });
    }

    /// Repeats a write that was over long ago; sometimes, by mistake, with another body.
    fn repeat_something(&mut self, client: u32) {
        let past = &self.clients[client as usize].past;
        if past.is_empty() {
            return self.read_something(client);
        }
        let mut job = self.random.pick(past).clone();
        job.attempts = ATTEMPTS_MAX;
        if job.acknowledged && self.random.chance(150) {
            job.write.value = Some(self.new_value());
        }
        self.attempt_write(client, job);
    }

    fn attempt_write(&mut self, client: u32, mut job: Job) {
        let Some(on) = self.some_coordinator(client) else { return };
        job.write.is_retry = job.attempts > 0;
        job.attempts += 1;
        let now = self.now_on(on);
        if job.attempts == 1 && job.write.value.is_some() && self.random.chance(self.setting.habits.ttl) {
            job.write.expires_at = Some(now.wall.plus_millis(self.random.between(5, 400)));
        }
        if let Some(attempt) = self.launch_write(client, on, job.spot, job.write.clone()) {
            self.jobs.insert(attempt, job);
        }
    }

    fn attempt_read(&mut self, client: u32, spot: Spot, required: u8) {
        if let Some(on) = self.some_coordinator(client) {
            self.launch_read(client, on, spot, required);
        }
    }

    /// Starts a read; `None` if that node does not know the table.
    pub(crate) fn launch_read(
        &mut self,
        client: u32,
        on: NodeId,
        spot: Spot,
        required: u8,
    ) -> Option<AttemptId> {
        let plan = self.plan_of(on, spot)?;
        let timeout = self.some_timeout();
        let deadline = Instant(self.schedule.now() + timeout);
        let machine = Get::new(plan.clone(), get::Question { required, deadline }, self.context(on));
        let machine = Operation::Get(Box::new(machine));
        Some(self.begin(client, on, spot, Asked::Read { required }, timeout, machine, plan.place.epoch))
    }

    /// Starts a write; `None` if that node does not know the table.
    pub(crate) fn launch_write(
        &mut self,
        client: u32,
        on: NodeId,
        spot: Spot,
        write: Write,
    ) -> Option<AttemptId> {
        let plan = self.plan_of(on, spot)?;
        let timeout = self.some_timeout();
        let deadline = Instant(self.schedule.now() + timeout);
        let written_at = self.now_on(on).wall;
        let body = match &write.value {
            Some(value) => {
                Body::Value { content_type: "text/plain".to_owned(), payload: Bytes::from(value.clone()) }
            }
            None => Body::Tombstone,
        };
        let attempt = write.id.clone().map(|id| put::Attempt {
            id,
            digest: Token::of(write.value.as_deref().unwrap_or("deleted").as_bytes()).0,
            is_retry: write.is_retry,
        });
        let stamp = self.node(on).process.as_mut().expect("clients ask living nodes").stamps.draw();
        let order = put::Order {
            draft: Draft { body, written_at, expires_at: write.expires_at },
            required: write.required,
            durability: write.durability,
            attempt,
            stamp,
            deadline,
        };
        let machine = Operation::Put(Box::new(Put::new(plan.clone(), order, self.context(on))));
        Some(self.begin(client, on, spot, Asked::Write(write), timeout, machine, plan.place.epoch))
    }

    #[expect(clippy::too_many_arguments, reason = "who asks whom for what")]
    fn begin(
        &mut self,
        client: u32,
        on: NodeId,
        spot: Spot,
        asked: Asked,
        timeout: u64,
        machine: Operation,
        epoch: quorate_model::Epoch,
    ) -> AttemptId {
        let id = AttemptId(self.history.attempts.len());
        self.tell(|| format!("client {client} op {} at {on}: {spot} {}", id.0, brief::asked(&asked)));
        let now = self.now_on(on);
        let call = self.history.moment();
        self.history.attempts.push(Attempt {
            client,
            coordinator: on,
            spot,
            asked,
            call,
            ret: None,
            outcome: Outcome::Open,
            made: Vec::new(),
            spread: false,
            messages: 0,
            lived: None,
            timeout,
            answered_after: None,
            wall_min: now.wall,
            wall_max: now.wall,
            orphaned: false,
            closing: self.closing,
        });
        if let Some(who) = self.clients.get_mut(client as usize) {
            who.open += 1;
        }
        let started = self.schedule.now();
        let running = Running {
            attempt: id,
            machine,
            spot,
            epoch,
            open: BTreeSet::new(),
            started,
            woken_at: None,
            steps: 0,
        };
        self.launch(on, running);
        id
    }

    fn context(&self, on: NodeId) -> Context {
        let timing = Timing { hedge: self.setting.hedge, ..Timing::default() };
        Context { local: on, rules: self.rules, timing }
    }

    fn some_spot(&mut self) -> Spot {
        let table = self.random.below(self.setting.tables.len() as u64) as usize;
        Spot { table, key: self.random.below(self.setting.keys) as usize }
    }

    fn some_level(&mut self, usual: Level, n: u8) -> u8 {
        let usual = usual.required(n).expect("levels are drawn within n");
        if self.random.chance(self.setting.habits.other_level) {
            if self.random.chance(500) { 1 } else { self.random.between(1, u64::from(n)) as u8 }
        } else {
            usual
        }
    }

    fn some_timeout(&mut self) -> u64 {
        if self.closing {
            return 2_000_000;
        }
        let (least, most) = self.setting.timeout;
        self.random.between(least, most)
    }

    fn some_coordinator(&mut self, client: u32) -> Option<NodeId> {
        let coordinators = self.coordinators();
        let favourite = NodeId(self.clients[client as usize].favourite);
        if coordinators.is_empty() {
            return None;
        }
        let stays = coordinators.contains(&favourite) && self.random.chance(500);
        Some(if stays { favourite } else { *self.random.pick(&coordinators) })
    }

    fn next_id(&mut self, client: u32) -> OperationId {
        let sequences = &mut self.clients[client as usize].sequences;
        let name = self.random.below(sequences.len() as u64) as usize;
        sequences[name] += 1;
        OperationId { client: format!("c{client}.{name}"), sequence: sequences[name] }
    }

    pub(crate) fn new_value(&mut self) -> String {
        format!("v{}", self.next_number())
    }
}
