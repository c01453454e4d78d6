//! Writes with operation ids, and retries that go to other nodes.
//!
//! An attempt without a clear success is repeated under the same id at the next node, a few times. Half of the writes
//! that were acknowledged are sent once more all the same, and a few are kept back and sent again much later, when
//! others have written: that must change nothing. **Measured**: how many answers repeated an earlier one, and how many
//! settled a write of unknown outcome. **In the end** every key is read at every node, at quorum. **At least**
//! [`REPEATED_MIN`] answers must have been repetitions.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rand::Rng as _;
use serde_json::Value;

use super::client::Client;
use super::keys::RotatingKeys;
use super::register::SHARE_MAX;
use super::{How, Judgement, Options, Request, Running, Workload};
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
    /// What each client has kept back.
    kept_back: Mutex<BTreeMap<ClientId, Vec<Write>>>,
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
        let keys = RotatingKeys::new(share, options.keys_at_once);
        Retries { options, keys, kept_back: Mutex::default() }
    }

    async fn write(&self, client: &mut Client) {
        let key = self.keys.take(&mut client.random).key;
        let (number, turn) = (client.id().0, client.turn());
        let request = match client.random.random_range(0..10) {
            0 => Request::Delete,
            _ => Request::Write { value: client.unique() },
        };
        let write = Write { id: format!("client-{number}:{turn}"), key, request };
        let mut status = attempt(client, &write, Attempt::First).await;
        for number in 1..ATTEMPTS_MAX {
            if status == Status::Ok || client.is_over() {
                break;
            }
            let pause = Duration::from_millis(client.random.random_range(1..20) << number);
            tokio::time::sleep(pause).await;
            status = attempt(client, &write, Attempt::Again).await;
        }
        if status == Status::Ok && client.random.random_bool(0.5) {
            attempt(client, &write, Attempt::Again).await;
        } else if status == Status::Ok {
            self.keep_back(client.id(), write);
        }
    }

    fn keep_back(&self, client: ClientId, write: Write) {
        let mut all = self.kept_back.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = all.entry(client).or_default();
        if kept.len() < KEPT_BACK_MAX {
            kept.push(write);
        }
    }

    fn something_old(&self, client: &mut Client) -> Option<Write> {
        let mut all = self.kept_back.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = all.get_mut(&client.id()).filter(|kept| !kept.is_empty())?;
        Some(kept.swap_remove(client.random.random_range(0..kept.len())))
    }
}

async fn attempt(client: &mut Client, write: &Write, attempt: Attempt) -> Status {
    let how = How { id: Some((write.id.clone(), attempt)), ..How::default() };
    let request = write.request.clone();
    match attempt {
        Attempt::First => client.ask(&write.key, request, how).await,
        Attempt::Again => client.ask_elsewhere(&write.key, request, how).await,
    }
}

impl Workload for Retries {
    fn table(&self) -> Value {
        self.options.table(TABLE)
    }

    fn act<'a>(&'a self, client: &'a mut Client) -> Running<'a, ()> {
        Box::pin(async move {
            match client.random.random_range(0..20) {
                0 => {
                    if let Some(write) = self.something_old(client) {
                        attempt(client, &write, Attempt::Again).await;
                    }
                }
                1..10 => self.write(client).await,
                _ => {
                    let key = self.keys.take(&mut client.random).key;
                    client.ask(&key, Request::Read, How::default()).await;
                }
            }
        })
    }

    fn keys(&self) -> Vec<String> {
        self.keys.all()
    }

    fn judge(&self, history: &History) -> Judgement {
        let report = retries::check(history, Limits::default());
        let repeated = report.repeated;
        let mut judgement = report.judgement();
        if repeated < REPEATED_MIN {
            judgement.void.push(format!("only {repeated} answers repeated an earlier one"));
        }
        judgement
    }
}
