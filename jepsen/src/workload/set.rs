//! Keys that are written once and looked for ever after.
//!
//! A register cannot see an acknowledged write that was lost and then overwritten unread. Here nothing is overwritten:
//! each element is a key of its own. Clients mostly add; now and then they look for some that were added lately, one
//! by one or many in one request, and for any of all. **Measured**: how long elements took to be seen. **In the end**
//! every node scans all of them, at quorum. **At least** so many must have been acknowledged
//! (`workload/elements.rs`).

use std::sync::Arc;

use rand::Rng as _;
use serde_json::Value;

use super::client::Client;
use super::elements::{self, Elements};
use super::paging::Over;
use super::{Closed, How, Judgement, Options, Request, Run, Running, Workload, closing};
use quorate_checkers::history::History;

const TABLE: &str = "set";

/// What elements begin with.
const ELEMENT: &str = "e-";

/// So many elements are looked for in one request.
const AT_ONCE: usize = 20;

/// Elements of a page in the end.
const PAGE_ITEMS: usize = 1_000;

/// The workload.
#[derive(Debug)]
pub struct Set {
    options: Options,
    elements: Elements,
}

impl Set {
    /// A workload that has not begun.
    pub fn new(options: Options) -> Set {
        Set { options, elements: Elements::default() }
    }
}

impl Workload for Set {
    fn table(&self) -> Value {
        self.options.table(TABLE)
    }

    fn act<'a>(&'a self, client: &'a mut Client) -> Running<'a, ()> {
        Box::pin(async move {
            match client.random.random_range(0..20) {
                0 => {
                    let keys = self.elements.some(&mut client.random, AT_ONCE);
                    if !keys.is_empty() {
                        client.read_many(&keys).await;
                    }
                }
                1..8 => {
                    if let Some(key) = self.elements.some(&mut client.random, 1).first() {
                        client.ask(key, Request::Read, How::default()).await;
                    }
                }
                _ => {
                    let key = format!("{ELEMENT}{}", client.unique());
                    self.elements.add(client, key).await;
                }
            }
        })
    }

    fn keys(&self) -> Vec<String> {
        self.elements.all()
    }

    fn close<'a>(&'a self, run: &'a Arc<Run>) -> Running<'a, Closed> {
        let over = Over { limit: PAGE_ITEMS, own: ELEMENT, ..Over::default() };
        Box::pin(closing::close_by_scans(run, self.keys(), over))
    }

    fn judge(&self, history: &History) -> Judgement {
        elements::judge(history)
    }
}
