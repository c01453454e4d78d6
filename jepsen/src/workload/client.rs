//! One client at work: one request after the other, each drawn anew, until the run is over.
//!
//! Every workload's clients are of this kind. What they ask is the workload's; whose turn it is to be asked, that no two
//! writes of a run store the same, and that a failure is followed by a short rest is the same for all.

use std::sync::Arc;
use std::time::Duration;

use rand_chacha::ChaCha8Rng;

use super::{Asked, How, ManyAsked, Request, Run};
use quorate_checkers::operation::{ClientId, Status};

/// How long a client rests after a request that did not succeed, so that a node that is down is asked often but not in
/// a tight loop.
const REST_AFTER_FAILURE: Duration = Duration::from_millis(10);

/// One client at work in one table.
#[derive(Debug)]
pub(super) struct Client {
    run: Arc<Run>,
    id: ClientId,
    table: &'static str,
    /// Its own randomness, from the run's seed.
    pub(super) random: ChaCha8Rng,
    /// Counts its requests; it begins at another number for each client, so that they ask different nodes at first.
    turn: usize,
}

impl Client {
    pub(super) fn new(run: Arc<Run>, id: ClientId, table: &'static str) -> Client {
        let (random, turn) = (run.random(id), id.0 as usize);
        Client { run, id, table, random, turn }
    }

    /// Its number in the run.
    pub(super) fn id(&self) -> ClientId {
        self.id
    }

    /// Whether it must stop.
    pub(super) fn is_over(&self) -> bool {
        self.run.is_over()
    }

    /// Something that nobody else stores in this run, and this client not before its next request.
    pub(super) fn unique(&self) -> String {
        format!("{}-{}", self.id.0, self.turn)
    }

    /// Asks the node whose turn it is, and rests if that did not succeed.
    pub(super) async fn ask(&mut self, key: &str, request: Request, how: How) -> Status {
        let node = self.run.node_for(self.id, self.turn);
        self.ask_at(node, key, request, how).await
    }

    /// The same at the next node of all, also for a client that otherwise stays with its own.
    pub(super) async fn ask_elsewhere(&mut self, key: &str, request: Request, how: How) -> Status {
        self.ask_at(self.turn, key, request, how).await
    }

    async fn ask_at(&mut self, node: usize, key: &str, request: Request, how: How) -> Status {
        self.turn += 1;
        let asked = Asked { client: self.id, table: self.table, key, request, how, closing: false };
        let status = self.run.perform(asked, node).await.status;
        self.rest_unless(status == Status::Ok).await;
        status
    }

    /// Reads many keys in one request, at the node whose turn it is, and rests if not all were answered.
    pub(super) async fn read_many(&mut self, keys: &[String]) {
        let node = self.run.node_for(self.id, self.turn);
        self.turn += 1;
        let many = ManyAsked { client: self.id, table: self.table, keys, closing: false };
        let all_answered = self.run.read_many(many, node).await;
        self.rest_unless(all_answered).await;
    }

    async fn rest_unless(&self, is_well: bool) {
        if !is_well {
            tokio::time::sleep(REST_AFTER_FAILURE).await;
        }
    }
}
