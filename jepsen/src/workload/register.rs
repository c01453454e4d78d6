//! Single keys, read, written and deleted by all clients at once, at quorum or above.
//!
//! Every value is written once only, so a read tells which write it saw. **Measured**: nothing beside the load. **In
//! the end** every key is read at every node, at quorum also where the clients asked for all: a node whose disk was
//! broken on purpose does not come back. **At least** the operations that every run must do.

use rand::Rng as _;
use rand_chacha::ChaCha8Rng;
use serde_json::Value;

use super::client::Client;
use super::keys::{OPERATIONS_PER_KEY_MAX, RotatingKeys};
use super::{How, Judgement, Options, Request, Running, Workload};
use quorate_checkers::history::History;
use quorate_checkers::level::Level;
use quorate_checkers::linearizable;

const TABLE: &str = "register";

/// Some room is kept for the closing reads.
pub(super) const SHARE_MAX: u32 = OPERATIONS_PER_KEY_MAX - 100;

/// The workload.
#[derive(Debug)]
pub struct Register {
    options: Options,
    level: Level,
    keys: RotatingKeys,
}

impl Register {
    /// A register workload that has not begun.
    pub fn new(options: Options, level: Level) -> Register {
        let keys = RotatingKeys::new(options.operations_per_key.min(SHARE_MAX), options.keys_at_once);
        Register { options, level, keys }
    }
}

impl Workload for Register {
    fn table(&self) -> Value {
        self.options.table(TABLE)
    }

    fn act<'a>(&'a self, client: &'a mut Client) -> Running<'a, ()> {
        Box::pin(async move {
            let key = self.keys.take(&mut client.random).key;
            let value = client.unique();
            let request = draw(&mut client.random, value);
            client.ask(&key, request, How::at(self.level)).await;
        })
    }

    fn keys(&self) -> Vec<String> {
        self.keys.all()
    }

    fn judge(&self, history: &History) -> Judgement {
        Judgement::of_registers(&linearizable::check(history, linearizable::Limits::default()))
    }
}

/// Half of the requests read, a tenth delete.
pub(super) fn draw(random: &mut ChaCha8Rng, value: String) -> Request {
    match random.random_range(0..10) {
        0..5 => Request::Read,
        5..9 => Request::Write { value },
        _ => Request::Delete,
    }
}
