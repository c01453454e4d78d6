//! Workloads whose clients ask one thing of one key at a turn: what differs is how it is drawn and how it is judged.

use std::sync::Arc;

use rand_chacha::ChaCha8Rng;
use serde_json::Value;

use super::client::Client;
use super::keys::RotatingKeys;
use super::{Closed, How, Judgement, Options, Request, Run, Running, Workload, closing};
use quorate_checkers::history::History;

/// A workload of this kind.
pub(super) struct Single {
    /// The table that it needs.
    pub table: Value,
    /// The keys that it uses.
    pub keys: RotatingKeys,
    /// Draws what is asked; the text is a value that no other request writes.
    pub draw: fn(&mut ChaCha8Rng, String) -> (Request, How),
    /// What is done in the end.
    pub close: for<'a> fn(&'a Arc<Run>, Vec<String>) -> Running<'a, Closed>,
    /// Whether a majority of the owners is enough for all that is asked at a quorum or below.
    pub is_served_by_a_majority: bool,
    /// What the history proves.
    pub judge: fn(&History) -> Judgement,
}

impl Single {
    /// A workload on a table of this name, with at most so many operations on a key, whose keys are all read at quorum in
    /// the end.
    pub fn new(
        name: &str,
        options: Options,
        share_max: u32,
        draw: fn(&mut ChaCha8Rng, String) -> (Request, How),
        judge: fn(&History) -> Judgement,
    ) -> Single {
        let keys = RotatingKeys::new(options.operations_per_key.min(share_max), options.keys_at_once);
        Single {
            table: options.table(name),
            keys,
            draw,
            close: closing::at_quorum,
            is_served_by_a_majority: true,
            judge,
        }
    }
}

impl Workload for Single {
    fn table(&self) -> Value {
        self.table.clone()
    }

    fn act<'a>(&'a self, client: &'a mut Client) -> Running<'a, ()> {
        Box::pin(async move {
            let key = self.keys.take(&mut client.random).key;
            let value = client.unique();
            let (request, how) = (self.draw)(&mut client.random, value);
            client.ask(&key, request, how).await;
        })
    }

    fn keys(&self) -> Vec<String> {
        self.keys.all()
    }

    fn close<'a>(&'a self, run: &'a Arc<Run>) -> Running<'a, Closed> {
        (self.close)(run, self.keys())
    }

    fn is_served_by_a_majority(&self) -> bool {
        self.is_served_by_a_majority
    }

    fn judge(&self, history: &History) -> Judgement {
        (self.judge)(history)
    }
}
