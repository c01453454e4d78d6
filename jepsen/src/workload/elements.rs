//! Keys that are written once and never again, and what is proved of them: what is known never goes away.

use std::sync::{Mutex, PoisonError};

use rand::Rng as _;
use rand_chacha::ChaCha8Rng;

use super::client::Client;
use super::{How, Judgement, Request};
use quorate_checkers::history::History;
use quorate_checkers::set_full;

/// Below so many acknowledged elements nothing is proved.
const ACKNOWLEDGED_MIN: usize = 100;

/// So many of the last elements are looked for most often.
const LATELY: usize = 200;

/// Every element that a client has begun to add.
#[derive(Debug, Default)]
pub(super) struct Elements {
    all: Mutex<Vec<String>>,
}

impl Elements {
    /// Adds one: its value is its key.
    pub(super) async fn add(&self, client: &mut Client, key: String) {
        self.all.lock().unwrap_or_else(PoisonError::into_inner).push(key.clone());
        let request = Request::Write { value: key.clone() };
        client.ask(&key, request, How::default()).await;
    }

    /// Some that were added one after another: mostly of the last ones, sometimes of all.
    pub(super) fn some(&self, random: &mut ChaCha8Rng, count: usize) -> Vec<String> {
        let all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        let oldest = if random.random_bool(0.8) { all.len().saturating_sub(LATELY) } else { 0 };
        if all.is_empty() {
            return Vec::new();
        }
        let from = random.random_range(oldest..all.len());
        all[from..(from + count).min(all.len())].to_vec()
    }

    /// All of them.
    pub(super) fn all(&self) -> Vec<String> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// What a history of elements proves.
pub(super) fn judge(history: &History) -> Judgement {
    let report = set_full::check_history(history);
    let acknowledged = report.acknowledged;
    let mut judgement = report.judgement(history);
    if acknowledged < ACKNOWLEDGED_MIN {
        judgement.void.push(format!("only {acknowledged} keys were acknowledged"));
    }
    judgement
}
