//! Keys that are deleted and made again, over and over, and at last deleted for good.
//!
//! A replica that was away while a key was deleted must not bring it back. So a key is churned for its share of
//! operations, then deleted until that is acknowledged, and from then on it lies in the graveyard, where it is looked
//! at for the rest of the run. **Measured**: how many values were over and looked for again. **In the end** every key,
//! those in the graveyard too, is read at every node at quorum, when all nodes have returned. **At least**
//! [`GRAVES_MIN`] keys must lie in the graveyard.

use std::sync::{Mutex, PoisonError};

use rand::Rng as _;
use rand::seq::IndexedRandom as _;
use serde_json::Value;

use super::client::Client;
use super::keys::RotatingKeys;
use super::{How, Judgement, Options, Request, Running, Workload};
use quorate_checkers::history::History;
use quorate_checkers::linearizable::{self, Limits};
use quorate_checkers::no_return;
use quorate_checkers::operation::{Kind, Status};

const TABLE: &str = "churn";

/// A key is churned for no longer than this many operations, so that there are many graves.
const SHARE_MAX: u32 = 150;

/// Below so many deletes that were acknowledged nothing is proved about them.
const GRAVES_MIN: usize = 20;

/// So many graves are looked at, of those that were dug last: reads of one key are bounded.
const GRAVES_LOOKED_AT: usize = 300;

/// The workload.
#[derive(Debug)]
pub struct Churn {
    options: Options,
    keys: RotatingKeys,
    graves: Mutex<Vec<String>>,
}

impl Churn {
    /// A workload that has not begun.
    pub fn new(options: Options) -> Churn {
        let share = options.operations_per_key.min(SHARE_MAX);
        Churn { options, keys: RotatingKeys::new(share, options.keys_at_once), graves: Mutex::default() }
    }

    fn bury(&self, key: String) {
        self.graves.lock().unwrap_or_else(PoisonError::into_inner).push(key);
    }

    fn some_grave(&self, random: &mut rand_chacha::ChaCha8Rng) -> Option<String> {
        let graves = self.graves.lock().unwrap_or_else(PoisonError::into_inner);
        let from = graves.len().saturating_sub(GRAVES_LOOKED_AT);
        graves[from..].choose(random).cloned()
    }
}

impl Workload for Churn {
    fn table(&self) -> Value {
        self.options.table(TABLE)
    }

    fn act<'a>(&'a self, client: &'a mut Client) -> Running<'a, ()> {
        Box::pin(async move {
            let looks_back = client.random.random_bool(0.1);
            let grave = if looks_back { self.some_grave(&mut client.random) } else { None };
            let (key, request, is_last) = if let Some(key) = grave {
                (key, Request::Read, false)
            } else {
                let taken = self.keys.take(&mut client.random);
                let request = match client.random.random_range(0..20) {
                    _ if taken.is_last => Request::Delete,
                    0..8 => Request::Read,
                    8..14 => Request::Write { value: client.unique() },
                    _ => Request::Delete,
                };
                (taken.key, request, taken.is_last)
            };
            let mut status = client.ask(&key, request, How::default()).await;
            while is_last && status != Status::Ok && !client.is_over() {
                status = client.ask(&key, Request::Delete, How::default()).await;
            }
            if is_last && status == Status::Ok {
                self.bury(key);
            }
        })
    }

    fn keys(&self) -> Vec<String> {
        self.keys.all()
    }

    fn judge(&self, history: &History) -> Judgement {
        let orders = linearizable::check(history, Limits::default());
        let mut judgement = Judgement::of_registers(&orders);
        judgement.add(no_return::check(history).judgement());
        let is_delete = |kind: &Kind| matches!(kind, Kind::Delete);
        let deletes =
            history.operations.iter().filter(|one| is_delete(&one.kind) && one.status == Status::Ok).count();
        if deletes < GRAVES_MIN {
            judgement.void.push(format!("only {deletes} deletes were acknowledged"));
        }
        judgement
    }
}
