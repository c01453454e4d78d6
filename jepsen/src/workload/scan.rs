//! Keys of a range table that are written once, and scans over parts of them.
//!
//! Each key that was there throughout a scan appears in it exactly once, whatever happened meanwhile to shards, nodes and
//! networks. Clients mostly add; now and then one of them scans a few groups of keys there or back, in pages of any length,
//! each page at another node. **In the end** every node scans all. **At least** so many keys must have been acknowledged
//! (`workload/elements.rs`), and [`SCANS_MIN`] scans come to their end.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rand::Rng as _;
use serde_json::{Value, json};

use super::client::Client;
use super::elements::{self, Elements};
use super::paging::Over;
use super::{Closed, Judgement, Options, Run, Running, Workload, closing};
use quorate_checkers::history::History;

/// Below so many scans nothing is proved.
const SCANS_MIN: usize = 20;

/// Keys are in so many groups, each a prefix; shards begin at every sixteenth.
const GROUPS: u32 = 64;

/// What each of them begins with.
const GROUP: &str = "g";

/// Of so many turns of a client one is a scan.
const SCAN_EVERY: u32 = 60;

/// The workload.
#[derive(Debug)]
pub struct Scans {
    options: Options,
    elements: Elements,
    /// Scans that came to their end.
    ended: AtomicUsize,
}

impl Scans {
    /// A workload that has not begun.
    pub fn new(options: Options) -> Scans {
        Scans { options, elements: Elements::default(), ended: AtomicUsize::new(0) }
    }
}

fn prefix(group: u32) -> String {
    format!("{GROUP}{group:02}")
}

impl Workload for Scans {
    fn table(&self) -> Value {
        let mut table = self.options.table("scan");
        table["sharding"] = json!("range");
        table["split_at"] = json!((1..4).map(|shard| prefix(shard * GROUPS / 4)).collect::<Vec<_>>());
        table
    }

    fn act<'a>(&'a self, client: &'a mut Client) -> Running<'a, ()> {
        Box::pin(async move {
            if client.random.random_range(0..SCAN_EVERY) > 0 {
                let group = client.random.random_range(0..GROUPS);
                let key = format!("{}-{}", prefix(group), client.unique());
                return self.elements.add(client, key).await;
            }
            let random = &mut client.random;
            let from = random.random_range(0..GROUPS);
            let groups = random.random_range(1..=4);
            let over = Over {
                bounds: Some((prefix(from), prefix(from + groups))),
                reverse: random.random_bool(0.5),
                limit: random.random_range(5..100),
                own: GROUP,
            };
            let keys = self.keys();
            if client.scan(&keys, over).await {
                self.ended.fetch_add(1, Ordering::Relaxed);
            }
        })
    }

    fn keys(&self) -> Vec<String> {
        self.elements.all()
    }

    fn close<'a>(&'a self, run: &'a Arc<Run>) -> Running<'a, Closed> {
        Box::pin(async move {
            let bounds = Some((prefix(0), prefix(GROUPS)));
            let over = Over { bounds, reverse: false, limit: 1_000, own: GROUP };
            let mut closed = closing::close_by_scans(run, self.keys(), over).await;
            let ended = self.ended.load(Ordering::Relaxed);
            if ended < SCANS_MIN {
                closed.void.push(format!("only {ended} scans came to their end"));
            }
            closed
        })
    }

    fn judge(&self, history: &History) -> Judgement {
        elements::judge(history)
    }
}
