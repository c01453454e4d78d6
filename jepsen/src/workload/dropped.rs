//! Single keys of a table that is dropped and made again, under its name, while clients use it.
//!
//! A drop is a delete of every key: reads and writes of the name and its drops must fit one order. So the first client,
//! beside its turns as every other, drops the table from time to time and makes it again, and each drop is written down
//! as a delete of each key. One that is acknowledged lies between its call and its answer. One that stays pending is
//! asked for again until it is acknowledged, or, more often, the table is made again at once: then it may have happened
//! at any time after its call, or never.
//!
//! **Measured**: how many drops were acknowledged, and how many were left pending. **In the end** the table is made
//! again if it is not there, and every key is read at every node. **At least** the operations that every run must do, and
//! some acknowledged drops.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rand::Rng as _;
use reqwest::Method;
use serde_json::Value;

use super::keys::RotatingKeys;
use super::{Client, Closed, How, Judgement, Options, Run, Running, Workload, closing, register};
use crate::http::{Body, Reply};
use quorate_checkers::history::History;
use quorate_checkers::judgement::Measure;
use quorate_checkers::level::Level;
use quorate_checkers::linearizable;
use quorate_checkers::operation::{ClientId, Detail, Kind, Operation, Status};

const TABLE: &str = "dropped";

/// Who drops.
const DROPPER: ClientId = ClientId(1);

/// The time between the end of one drop and the next, in nanoseconds.
const PAUSE: u64 = 400_000_000;

/// The time between two tries of what the catalog refuses.
const REST: Duration = Duration::from_millis(50);

/// How often the table is tried to be made in the end.
const TRIES_MAX: usize = 200;

/// Below so many drops that were acknowledged nothing is proved about them.
const DROPS_MIN: usize = 5;

/// What a drop is called where it is written down.
const DROP: &str = "drop";

/// The workload.
#[derive(Debug)]
pub struct Dropped {
    table: Value,
    keys: RotatingKeys,
    /// No drop before this moment of the history.
    next: AtomicU64,
}

/// What became of a drop that was asked for once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    /// It is done.
    Done,
    /// It may be done, now or later.
    Pending,
    /// It was not taken.
    Refused,
}

impl Dropped {
    /// A workload that has not begun.
    pub fn new(options: Options) -> Dropped {
        let share = options.operations_per_key.min(register::SHARE_MAX);
        Dropped {
            table: options.table(TABLE),
            keys: RotatingKeys::new(share, options.keys_at_once),
            next: AtomicU64::new(PAUSE),
        }
    }

    /// Drops the table and makes it again; what is known of the drop is written down.
    async fn drop_and_make(&self, client: &mut Client) {
        let run = client.run();
        let is_patient = client.random.random_bool(0.3);
        let call = run.recorder.now();
        let mut may_be_done = false;
        let status = loop {
            if client.is_over() {
                break Status::Unknown;
            }
            match run.drop_table(client.next_turn()).await {
                Asked::Done => break Status::Ok,
                Asked::Pending => {
                    may_be_done = true;
                    if !is_patient {
                        break Status::Unknown;
                    }
                }
                Asked::Refused => tokio::time::sleep(REST).await,
            }
        };
        let ret = run.recorder.now();
        if status == Status::Ok || may_be_done {
            self.write_down(&run, call, ret, status);
        }
        while !run.make_table(client.next_turn(), &self.table).await && !client.is_over() {
            tokio::time::sleep(REST).await;
        }
        self.next.store(run.recorder.now() + PAUSE, Ordering::Relaxed);
    }

    fn write_down(&self, run: &Run, call: u64, ret: u64, status: Status) {
        for key in self.keys.all() {
            let detail = Detail { refusal: Some(DROP.to_owned()), ..Detail::default() };
            let ret = (status == Status::Ok).then_some(ret);
            let (client, kind) = (DROPPER, Kind::Delete);
            run.recorder.record(Operation { client, key, kind, call, ret, status, closing: false, detail });
        }
    }
}

impl Run {
    /// Asks a node once to drop the table.
    async fn drop_table(&self, turn: usize) -> Asked {
        let url = format!("{}/v1/tables/{TABLE}", self.endpoint(turn));
        match self.http.ask(Method::DELETE, &url, Body::Empty).await {
            Reply::Answer(answer) if answer.is_success() || answer.status == 404 => Asked::Done,
            Reply::Answer(answer) if answer.json()["outcome"] == "not_applied" => Asked::Refused,
            Reply::NotSent { .. } => Asked::Refused,
            Reply::Answer(_) | Reply::Lost { .. } => Asked::Pending,
        }
    }

    /// Asks a node once to make the table; whether it is there.
    async fn make_table(&self, turn: usize, table: &Value) -> bool {
        let url = format!("{}/v1/tables", self.endpoint(turn));
        match self.http.ask(Method::POST, &url, Body::Json(table.clone())).await {
            Reply::Answer(answer) => answer.is_success() || answer.status == 409,
            Reply::NotSent { .. } | Reply::Lost { .. } => false,
        }
    }
}

impl Workload for Dropped {
    fn table(&self) -> Value {
        self.table.clone()
    }

    fn act<'a>(&'a self, client: &'a mut Client) -> Running<'a, ()> {
        Box::pin(async move {
            if client.id() == DROPPER && client.run().recorder.now() >= self.next.load(Ordering::Relaxed) {
                return self.drop_and_make(client).await;
            }
            let key = self.keys.take(&mut client.random).key;
            let value = client.unique();
            let (request, how) = register::draw(&mut client.random, value, Level::Quorum);
            client.ask(&key, request, How { table_may_be_gone: true, ..how }).await;
        })
    }

    fn keys(&self) -> Vec<String> {
        self.keys.all()
    }

    fn is_served_by_a_majority(&self) -> bool {
        false
    }

    fn close<'a>(&'a self, run: &'a Arc<Run>) -> Running<'a, Closed> {
        Box::pin(async move {
            for turn in 0..TRIES_MAX {
                if run.make_table(turn, &self.table).await {
                    break;
                }
                tokio::time::sleep(REST).await;
            }
            closing::at_quorum(run, self.keys()).await
        })
    }

    fn judge(&self, history: &History) -> Judgement {
        let orders = linearizable::check(&with_late_drops(history), linearizable::Limits::default());
        let mut judgement = Judgement::of_registers(&orders);
        let mut drops: Vec<(u64, Status)> = Vec::new();
        for one in history.operations.iter().filter(|one| one.detail.refusal.as_deref() == Some(DROP)) {
            drops.push((one.call, one.status));
        }
        drops.sort_unstable();
        drops.dedup();
        let acknowledged = drops.iter().filter(|(_, status)| *status == Status::Ok).count();
        if acknowledged < DROPS_MIN {
            judgement.void.push(format!("only {acknowledged} drops were acknowledged"));
        }
        judgement.measures.push(Measure::count("drops acknowledged", acknowledged));
        judgement.measures.push(Measure::count("drops left pending", drops.len() - acknowledged));
        judgement
    }
}

/// A drop of unknown outcome may come late, and takes the keys along that came into use after it was asked for.
fn with_late_drops(history: &History) -> History {
    let is_drop = |one: &&Operation| one.detail.refusal.as_deref() == Some(DROP);
    let drops: Vec<&Operation> = history.operations.iter().filter(is_drop).collect();
    let known: BTreeSet<(&str, u64)> = drops.iter().map(|one| (one.key.as_str(), one.call)).collect();
    let keys: BTreeSet<&str> = history.operations.iter().map(|one| one.key.as_str()).collect();
    let unknown: BTreeMap<u64, &Operation> =
        drops.iter().filter(|one| one.status == Status::Unknown).map(|one| (one.call, *one)).collect();
    let mut with = history.clone();
    for (call, drop) in unknown {
        let late = keys.iter().filter(|key| !known.contains(&(**key, call)));
        with.operations.extend(late.map(|key| Operation { key: (*key).to_owned(), ..drop.clone() }));
    }
    with.sort();
    with
}
