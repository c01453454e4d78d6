//! Purge, carried out: this node drops the removals that may go, of the shards whose first owner it is.
//!
//! What is asked of whom, and when anything is dropped, is decided by [`quorate_coordinator::purge`]. Here are the driver
//! that carries its requests on the lane of what can wait, one shard after the other, and the books that people and metrics
//! look at.

pub use quorate_coordinator::purge::PurgeLimits;

use crate::clock;
use crate::drive::Driver;
use crate::owners::Owners;
use crate::peer::Local;
use quorate_coordinator::purge::{Action, Outcome, Run, turns};
use quorate_coordinator::sync::{ExchangeLimits, Input, Shard, Throttle};
use quorate_coordinator::{Call, Failure};
use quorate_model::{RangeReply, Rules};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::task::JoinSet;

/// What the purge needs of its node.
pub struct Purge {
    /// Who can be asked.
    pub owners: Owners,
    /// For the requests.
    pub driver: Arc<Driver>,
    /// The replica.
    pub local: Arc<Local>,
    /// The rules in force.
    pub rules: Rules,
    /// When, and what.
    pub limits: PurgeLimits,
    /// How much is sent at a time.
    pub exchange: ExchangeLimits,
    /// Bytes a second at most.
    pub bytes_per_second_max: u64,
    /// What came of it.
    pub books: Arc<PurgeBooks>,
}

/// What came of the purge in this run of the process.
#[derive(Debug, Default)]
pub struct PurgeBooks(Mutex<PurgeFigures>);

/// Numbers for people and metrics.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PurgeFigures {
    /// Runs over a shard that went to their end and dropped something.
    pub runs: u64,
    /// Runs that ended because an owner did not answer, or refused.
    pub stopped: u64,
    /// Removals that this node dropped in them.
    pub dropped: u64,
}

impl PurgeBooks {
    /// The numbers now.
    pub fn figures(&self) -> PurgeFigures {
        self.lock().clone()
    }

    fn ended(&self, outcome: Outcome) {
        let mut figures = self.lock();
        match outcome {
            Outcome::Nothing => {}
            Outcome::Purged { dropped, .. } => {
                figures.runs += 1;
                figures.dropped += dropped;
            }
            Outcome::Stopped(..) => figures.stopped += 1,
        }
    }

    fn lock(&self) -> MutexGuard<'_, PurgeFigures> {
        // Every change of it is complete.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Purge {
    /// Looks for what may go until the task is aborted.
    pub async fn keep(self: Arc<Self>) {
        loop {
            tokio::time::sleep(Duration::from_micros(self.limits.every.0)).await;
            if self.local.replica().is_doubtful() || self.owners.links.is_duplicate() {
                continue;
            }
            let view = self.owners.views.current();
            let (shards, _) = turns(&view, self.owners.node, self.owners.can_be_asked());
            for shard in shards {
                while self.run(&shard).await {}
            }
        }
    }

    /// Purges one shard once; whether there is more of it.
    async fn run(&self, shard: &Shard) -> bool {
        let terms = self.limits.terms(clock::now().wall);
        let mut run = Run::new(self.owners.node, shard.clone(), terms, self.exchange, self.rules);
        let mut calls: JoinSet<(Call, Result<RangeReply, Failure>)> = JoinSet::new();
        let throttle = Throttle::new(self.bytes_per_second_max);
        let (mut actions, mut input) = (Vec::new(), Input::Start);
        loop {
            run.step(clock::now(), input, &mut actions);
            for action in actions.drain(..) {
                match action {
                    Action::Ask { call, to, request, deadline } => {
                        let answer = self.driver.ask(to, request, clock::tokio_instant(deadline));
                        calls.spawn(async move { (call, answer.await) });
                    }
                    Action::Done(outcome) => return self.ended(shard, outcome),
                }
            }
            // A call that panicked, a bug, ends its run.
            let Some(Ok((call, ended))) = calls.join_next().await else { return false };
            input = match ended {
                Ok(reply) => {
                    let bytes = minicbor::to_vec(&reply).map_or(0, |bytes| bytes.len() as u64);
                    tokio::time::sleep(Duration::from_micros(throttle.pause(bytes).0)).await;
                    Input::Reply(call, reply)
                }
                Err(failure) => Input::Failed(call, failure),
            };
        }
    }

    fn ended(&self, shard: &Shard, outcome: Outcome) -> bool {
        self.books.ended(outcome);
        let table = shard.over.table;
        match outcome {
            Outcome::Nothing => false,
            Outcome::Purged { listed, dropped, up_to, has_more } => {
                tracing::info!(%table, listed, dropped, %up_to, "removals went that every owner had sealed");
                // Without progress it would go on for ever.
                has_more && dropped > 0
            }
            Outcome::Stopped(by, failure) => {
                tracing::info!(%table, "a purge stopped at {by}: {failure:?}; it is tried again");
                false
            }
        }
    }
}
