//! Writes with operation ids, and retries that go to other nodes.
//!
//! An attempt without a clear success is repeated under the same id at the next node, a few times. Half of the writes
//! that were acknowledged are sent once more all the same, and a few are kept back and sent again much later, when
//! others have written: that must change nothing. **Measured**: how many answers repeated an earlier one, and how many
//! settled a write of unknown outcome. **In the end** every key is read at every node, at quorum. **At least**
//! [`REPEATED_MIN`] answers must have been repetitions.

use std::sync::Arc;
use std::time::Duration;

use rand::Rng as _;
use serde_json::Value;

use super::client::Client;
use super::keys::RotatingKeys;
use super::register::SHARE_MAX;
use super::{Closed, How, Judgement, Options, Request, Run, Running, Workload, closing};
use crate::outcome::Attempt;
use quorate_checkers::history::History;
use quorate_checkers::linearizable::Limits;
use quorate_checkers::operation::{ClientId, Status};
use quorate_checkers::retries;

const TABLE: &str = "retries";

/// Attempts at one write, all in all.
const ATTEMPTS_MAX: u32 = 5;

/// Below so many repeated answers nothing is proved about them.
const REPEATED_MIN: usize = 20;

/// So many acknowledged writes does a client keep back to send them again later.
const KEPT_BACK_MAX: usize = 20;

/// The workload.
#[derive(Debug)]
pub struct Retries {
    options: Options,
    keys: RotatingKeys,
}

/// One write of one client.
#[derive(Clone, Debug)]
struct Write {
    id: String,
    key: String,
    request: Request,
}

impl Retries {
    /// A workload that has not begun.
    pub fn new(options: Options) -> Retries {
        // A key's share counts writes and reads, each of which may be several attempts.
        let share = options.operations_per_key.min(SHARE_MAX / ATTEMPTS_MAX);
        Retries { options, keys: RotatingKeys::new(share, options.keys_at_once) }
    }
}

/// One client at work.
struct Writer {
    client: Client,
    sequence: u64,
    kept_back: Vec<Write>,
}

impl Writer {
    async fn attempt(&mut self, write: &Write, attempt: Attempt) -> Status {
        let how = How { id: Some((write.id.clone(), attempt)), ..How::default() };
        let request = write.request.clone();
        match attempt {
            Attempt::First => self.client.ask(&write.key, request, how).await,
            Attempt::Again => self.client.ask_elsewhere(&write.key, request, how).await,
        }
    }

    async fn write(&mut self, key: String) {
        self.sequence += 1;
        let number = self.client.id().0;
        let id = format!("client-{number}:{}", self.sequence);
        let request = match self.client.random.random_range(0..10) {
            0 => Request::Delete,
            _ => Request::Write { value: format!("{number}-{}", self.sequence) },
        };
        let write = Write { id, key, request };
        let mut status = self.attempt(&write, Attempt::First).await;
        for number in 1..ATTEMPTS_MAX {
            if status == Status::Ok || self.client.is_over() {
                break;
            }
            let pause = Duration::from_millis(self.client.random.random_range(1..20) << number);
            tokio::time::sleep(pause).await;
            status = self.attempt(&write, Attempt::Again).await;
        }
        if status == Status::Ok && self.client.random.random_bool(0.5) {
            self.attempt(&write, Attempt::Again).await;
        } else if status == Status::Ok && self.kept_back.len() < KEPT_BACK_MAX {
            self.kept_back.push(write);
        }
    }

    async fn repeat_something_old(&mut self) {
        if !self.kept_back.is_empty() {
            let at = self.client.random.random_range(0..self.kept_back.len());
            let write = self.kept_back.swap_remove(at);
            self.attempt(&write, Attempt::Again).await;
        }
    }
}

impl Workload for Retries {
    fn table(&self) -> Value {
        self.options.table(TABLE)
    }

    fn client(self: Arc<Self>, run: Arc<Run>, client: ClientId) -> Running<()> {
        Box::pin(async move {
            let client = Client::new(run, client, TABLE);
            let mut writer = Writer { client, sequence: 0, kept_back: Vec::new() };
            while !writer.client.is_over() {
                let key = self.keys.take(&mut writer.client.random).key;
                match writer.client.random.random_range(0..20) {
                    0 => writer.repeat_something_old().await,
                    1..10 => writer.write(key).await,
                    _ => {
                        writer.client.ask(&key, Request::Read, How::default()).await;
                    }
                }
            }
        })
    }

    fn close(self: Arc<Self>, run: Arc<Run>) -> Running<Closed> {
        Box::pin(async move { closing::close(&run, TABLE, self.keys.all(), &How::default()).await })
    }

    fn judge(&self, history: &History) -> Judgement {
        let report = retries::check(history, &Limits::default());
        let repeated = report.repeated;
        let mut judgement = report.judgement();
        if repeated < REPEATED_MIN {
            judgement.void.push(format!("only {repeated} answers repeated an earlier one"));
        }
        judgement
    }
}
