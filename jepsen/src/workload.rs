//! What clients do, and how it is judged.
//!
//! A workload is one file below this one and one line in [`WORKLOADS`]. It says which table it needs, what one client
//! does until the run is over, what is read at the very end when everything is healed, and which checker judges the
//! history. It knows nothing of faults.

mod judgement;
mod register;

use std::collections::BTreeSet;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use reqwest::Method;
use serde_json::Value;

use crate::history::{History, Recorder};
use crate::http::{Body, Http};
use crate::operation::{ClientId, Detail, Kind, Operation, Status};
use crate::outcome::{Outcome, Verb, judge};
use crate::tally::Tally;
pub use judgement::{Finding, Judgement, Measure, Verdict};

/// A future of which a table of workloads can tell the type.
pub type Running<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// What clients do. One value serves one run.
pub trait Workload: Send + Sync {
    /// The table that it needs, as the body of `POST /v1/tables`.
    fn table(&self) -> Value;

    /// What one client does, until the run is over.
    fn client(self: Arc<Self>, run: Arc<Run>, client: ClientId) -> Running<()>;

    /// The closing reads, when everything is healed and the clients have stopped. Returns what could not be read,
    /// which makes the run void.
    fn close(self: Arc<Self>, run: Arc<Run>) -> Running<Vec<String>>;

    /// What the history proves.
    fn judge(&self, history: &History) -> Judgement;
}

/// What may be said about how much clients do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Operations on one key before it is left for another, from 1 to 2,000.
    pub operations_per_key: u32,
    /// Keys in use at one moment, from 1. Fewer keys mean more contention on each.
    pub keys_at_once: usize,
}

impl Default for Options {
    /// A thousand operations on a key, five keys at once.
    fn default() -> Options {
        Options { operations_per_key: 1_000, keys_at_once: 5 }
    }
}

/// A line in the table of workloads.
pub struct Entry {
    /// Its name on the command line.
    pub name: &'static str,
    /// What it does, in one line.
    pub about: &'static str,
    /// Makes one for a run.
    pub make: fn(Options) -> Arc<dyn Workload>,
}

/// All workloads.
pub const WORKLOADS: &[Entry] = &[Entry {
    name: "register",
    about: "Read, write and delete single keys at quorum; judged for linearizability per key",
    make: |options| Arc::new(register::Register::new(options)),
}];

/// What the clients of one run share.
#[derive(Debug)]
pub struct Run {
    /// The nodes, as URLs without a path.
    pub endpoints: Vec<String>,
    /// Decides what clients do; when they do it is up to the machine.
    pub seed: u64,
    /// The history.
    pub recorder: Recorder,
    /// The counts.
    pub tally: Tally,
    /// Nodes that the closing reads need not reach: their place among the endpoints.
    excused: Mutex<BTreeSet<usize>>,
    http: Http,
    over: AtomicBool,
}

impl Run {
    /// A run against these nodes that starts now.
    pub fn start(endpoints: Vec<String>, seed: u64) -> Run {
        assert!(!endpoints.is_empty(), "a run needs a node");
        Run {
            endpoints,
            seed,
            recorder: Recorder::start(),
            tally: Tally::default(),
            excused: Mutex::default(),
            http: Http::new(),
            over: AtomicBool::new(false),
        }
    }

    /// Whether clients must stop.
    pub fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    /// Lets the clients stop after their present operation.
    pub fn end(&self) {
        self.over.store(true, Ordering::Relaxed);
    }

    /// From now on this node owes no answer: its disk was damaged, and it is right to give none.
    pub fn excuse(&self, index: usize) {
        self.excused.lock().unwrap_or_else(PoisonError::into_inner).insert(index);
    }

    /// The nodes that owe an answer in the end: their places among the endpoints.
    pub fn answerable(&self) -> Vec<usize> {
        let excused = self.excused.lock().unwrap_or_else(PoisonError::into_inner);
        (0..self.endpoints.len()).filter(|index| !excused.contains(index)).collect()
    }

    /// Does one request at quorum at the node whose turn it is, and counts and records it. The kind's value of a
    /// read is filled in.
    pub async fn perform(&self, asked: Asked<'_>, turn: usize) -> Status {
        let index = turn % self.endpoints.len();
        let node = &self.endpoints[index];
        let url = format!("{node}/v1/tables/{}/keys/{}?consistency=quorum", asked.table, asked.key);
        let (verb, method, body) = match &asked.request {
            Request::Read => (Verb::Read, Method::GET, Body::Empty),
            Request::Write { value } => (Verb::Write, Method::PUT, Body::Text(value.clone())),
            Request::Delete => (Verb::Delete, Method::DELETE, Body::Empty),
        };
        let call = self.recorder.now();
        let reply = self.http.ask(method, &url, body).await;
        let ret = self.recorder.now();
        let Outcome { status, value, .. } = {
            let outcome = judge(verb, &reply);
            self.tally.count(verb, &outcome);
            outcome
        };
        let kind = match asked.request {
            Request::Read => Kind::Read { value },
            Request::Write { value } => Kind::Write { value },
            Request::Delete => Kind::Delete,
        };
        self.recorder.record(Operation {
            client: asked.client,
            key: asked.key.to_owned(),
            kind,
            call,
            ret: Some(ret),
            status,
            closing: asked.closing,
            detail: Detail { node: u16::try_from(index + 1).ok(), ..Detail::default() },
        });
        status
    }
}

/// One request of a client.
#[derive(Clone, Debug)]
pub struct Asked<'a> {
    /// Who asks.
    pub client: ClientId,
    /// The table.
    pub table: &'a str,
    /// The key, made of letters, digits and dashes.
    pub key: &'a str,
    /// What is asked.
    pub request: Request,
    /// Whether it belongs to the closing reads.
    pub closing: bool,
}

/// What is asked of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// Read it.
    Read,
    /// Store this.
    Write {
        /// The value.
        value: String,
    },
    /// Delete it.
    Delete,
}
