//! One client at work: one request after the other, each drawn anew, until the run is over.
//!
//! Every workload's clients are of this kind. What they ask is the workload's; whose turn it is to be asked, that no two
//! writes of a run store the same, and that a failure is followed by a short rest is the same for all.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rand_chacha::ChaCha8Rng;

use super::paging::{Over, Scanned};
use super::{Asked, How, ManyAsked, Request, Run};
use quorate_checkers::operation::{ClientId, Status};

/// How long a client rests after a request that did not succeed, so that a node that is down is asked often but not in
/// a tight loop.
const REST_AFTER_FAILURE: Duration = Duration::from_millis(10);

/// One client at work.
#[derive(Debug)]
pub struct Client {
    run: Arc<Run>,
    id: ClientId,
    /// Its own randomness, from the run's seed.
    pub random: ChaCha8Rng,
    /// Counts its requests; it begins at another number for each client, so that they ask different nodes at first.
    turn: usize,
    over: Arc<AtomicBool>,
    due: Option<u64>,
}

impl Client {
    /// A client of this number, which works until it is over.
    pub(super) fn new(run: Arc<Run>, id: ClientId, over: Arc<AtomicBool>) -> Client {
        let (random, turn) = (run.random(id), id.0 as usize);
        Client { run, id, random, turn, over, due: None }
    }

    /// Its number in the run.
    pub fn id(&self) -> ClientId {
        self.id
    }

    /// How many requests it has done, counted from another number for each client.
    pub fn turn(&self) -> usize {
        self.turn
    }

    /// The run that it works for.
    pub fn run(&self) -> Arc<Run> {
        Arc::clone(&self.run)
    }

    /// The node whose turn it is for a request that is about no key.
    pub fn next_turn(&mut self) -> usize {
        self.turn += 1;
        self.turn
    }

    /// Whether it must stop.
    pub fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    /// Its next request counts from this moment, in nanoseconds of the history.
    pub fn is_due(&mut self, due: u64) {
        self.due = Some(due);
    }

    /// Something that no other client stores in this run, and this one not before its next request.
    pub fn unique(&self) -> String {
        format!("{}-{}", self.id.0, self.turn)
    }

    /// Asks the node whose turn it is, and rests if that did not succeed.
    pub async fn ask(&mut self, key: &str, request: Request, how: How) -> Status {
        let node = self.run.node_for(self.id, self.turn);
        self.ask_at(node, key, request, how).await
    }

    /// The same at the next node of all, also for a client that otherwise stays with its own.
    pub async fn ask_elsewhere(&mut self, key: &str, request: Request, how: How) -> Status {
        self.ask_at(self.turn, key, request, how).await
    }

    async fn ask_at(&mut self, node: usize, key: &str, request: Request, how: How) -> Status {
        self.turn += 1;
        let due = self.due.take();
        let asked = Asked { client: self.id, key, request, how, closing: false, due };
        let status = self.run.perform(asked, node).await.status;
        self.rest_unless(status == Status::Ok).await;
        status
    }

    /// Reads many keys in one request, at the node whose turn it is, and rests if not all were answered.
    pub async fn read_many(&mut self, keys: &[String]) {
        let node = self.run.node_for(self.id, self.turn);
        self.turn += 1;
        let many = ManyAsked { client: self.id, keys, closing: false, due: self.due.take() };
        let all_answered = self.run.read_many(many, node).await;
        self.rest_unless(all_answered).await;
    }

    /// Scans keys of which these may be there, each page at the next node of all, and rests if it did not come to its end.
    pub async fn scan(&mut self, known: &[String], over: Over) -> bool {
        self.turn += 1;
        self.due = None;
        let asked = Scanned { client: self.id, known, over, closing: false, wanders: true };
        let has_ended = self.run.scan(&asked, self.turn).await;
        self.rest_unless(has_ended).await;
        has_ended
    }

    async fn rest_unless(&self, is_well: bool) {
        if !is_well {
            tokio::time::sleep(REST_AFTER_FAILURE).await;
        }
    }
}
