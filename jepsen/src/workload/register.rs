//! Single keys, read, written and deleted by all clients at once, at quorum.
//!
//! Every value is written once only, so a read tells which write it saw. The search of the checker explodes on long
//! histories, so a key gets a bounded number of operations and then makes room for a fresh one; at most ten clients
//! work on it. Each client asks another node each time, also the one that is down: a client cannot know that.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

use super::{Asked, Judgement, Options, Request, Run, Running, Workload};
use crate::history::History;
use crate::linearizable;
use crate::operation::{ClientId, Status};

const TABLE: &str = "register";

/// The most operations that the checker is asked to judge on one key.
const OPERATIONS_PER_KEY_MAX: u32 = 2_000;

/// How long a client waits after a request that did not succeed, so that a node that is down is asked often but not
/// in a tight loop.
const PAUSE_AFTER_FAILURE: Duration = Duration::from_millis(10);

/// How often a closing read of one key is tried, at all nodes together.
const CLOSING_TRIES_MAX: usize = 20;

/// The workload.
#[derive(Debug)]
pub struct Register {
    keys: Mutex<Keys>,
}

/// The keys in use, and those that have had their share.
#[derive(Debug)]
struct Keys {
    operations_per_key: u32,
    /// The number of each key in use, and the operations left for it.
    current: Vec<(u32, u32)>,
    /// How many keys there are; they are numbered from 0.
    count: u32,
}

impl Keys {
    fn take(&mut self, slot: usize) -> String {
        let (number, left) = &mut self.current[slot];
        if *left == 0 {
            (*number, *left) = (self.count, self.operations_per_key);
            self.count += 1;
        }
        *left -= 1;
        key_name(*number)
    }
}

fn key_name(number: u32) -> String {
    format!("key-{number}")
}

impl Register {
    /// A register workload that has not begun.
    pub fn new(options: Options) -> Register {
        // Some room is kept for the closing reads.
        let room = OPERATIONS_PER_KEY_MAX - u32::try_from(CLOSING_TRIES_MAX).expect("a small number");
        let operations_per_key = options.operations_per_key.clamp(1, room);
        let slots = u32::try_from(options.keys_at_once.max(1)).unwrap_or(u32::MAX);
        let current = (0..slots).map(|number| (number, operations_per_key)).collect();
        Register { keys: Mutex::new(Keys { operations_per_key, current, count: slots }) }
    }

    fn take_key(&self, random: &mut ChaCha8Rng) -> String {
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        let slot = random.random_range(0..keys.current.len());
        keys.take(slot)
    }

    fn all_keys(&self) -> Vec<String> {
        let keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        (0..keys.count).map(key_name).collect()
    }
}

impl Workload for Register {
    fn table(&self) -> Value {
        json!({ "name": TABLE, "sharding": "hash", "n": 3 })
    }

    fn client(self: Arc<Self>, run: Arc<Run>, client: ClientId) -> Running<()> {
        Box::pin(async move {
            let mut random = ChaCha8Rng::seed_from_u64(run.seed);
            random.set_stream(u64::from(client.0) + 1);
            let mut turn = client.0 as usize;
            while !run.is_over() {
                let key = self.take_key(&mut random);
                let request = match random.random_range(0..10) {
                    0..5 => Request::Read,
                    5..9 => Request::Write { value: format!("{}-{turn}", client.0) },
                    _ => Request::Delete,
                };
                let asked = Asked { client, table: TABLE, key: &key, request, closing: false };
                let status = run.perform(asked, turn).await;
                if status != Status::Ok {
                    tokio::time::sleep(PAUSE_AFTER_FAILURE).await;
                }
                turn += 1;
            }
        })
    }

    fn close(self: Arc<Self>, run: Arc<Run>) -> Running<Vec<String>> {
        Box::pin(async move {
            let mut unread = Vec::new();
            for key in self.all_keys() {
                if !read_at_every_node(&run, &key).await {
                    unread.push(format!("{key} could not be read at every node in the end"));
                }
            }
            unread
        })
    }

    fn judge(&self, history: &History) -> Judgement {
        let report = linearizable::check(history, &linearizable::Limits::default());
        Judgement::of_registers(&report)
    }
}

/// Reads a key until every node that owes an answer has given one, and says whether they did.
async fn read_at_every_node(run: &Run, key: &str) -> bool {
    let mut silent: VecDeque<usize> = run.answerable().into();
    for _ in 0..CLOSING_TRIES_MAX {
        let Some(node) = silent.pop_front() else { return true };
        let (client, request) = (ClientId(0), Request::Read);
        let asked = Asked { client, table: TABLE, key, request, closing: true };
        if run.perform(asked, node).await != Status::Ok {
            silent.push_back(node);
            tokio::time::sleep(PAUSE_AFTER_FAILURE).await;
        }
    }
    silent.is_empty()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn keys_are_left_after_their_share_and_all_are_known_at_the_end() {
        let register = Register::new(Options { operations_per_key: 7, keys_at_once: 3 });
        let mut random = ChaCha8Rng::seed_from_u64(1);
        let mut counts: BTreeMap<String, u32> = BTreeMap::new();
        for _ in 0..1_000 {
            *counts.entry(register.take_key(&mut random)).or_default() += 1;
        }
        assert!(counts.values().all(|count| *count <= 7), "{counts:?}");
        assert!(counts.values().filter(|count| **count == 7).count() > 100);
        let all = register.all_keys();
        assert!(counts.keys().all(|key| all.contains(key)));
    }

    #[test]
    fn no_key_gets_more_than_the_checker_can_bear() {
        let register = Register::new(Options { operations_per_key: 1_000_000, keys_at_once: 1 });
        let mut random = ChaCha8Rng::seed_from_u64(1);
        let first = (0..5_000).filter(|_| register.take_key(&mut random) == "key-0").count();
        assert!(first + CLOSING_TRIES_MAX <= 2_000, "{first}");
    }
}
