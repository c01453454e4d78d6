//! Keys that are written once and looked for ever after.
//!
//! A register cannot see an acknowledged write that was lost and then overwritten unread. Here nothing is overwritten:
//! each element is a key of its own. Clients mostly add; now and then they look for some that were added lately, one
//! by one or many in one request, and for any of all. **Measured**: how long elements took to be seen. **In the end**
//! every node scans all of them, at quorum. **At least** [`ELEMENTS_MIN`] elements must have been acknowledged.

use std::sync::{Arc, Mutex, PoisonError};

use rand::Rng as _;
use rand_chacha::ChaCha8Rng;
use serde_json::Value;

use super::client::Client;
use super::paging::Over;
use super::{Closed, How, Judgement, Options, Request, Run, Running, Workload, closing};
use quorate_checkers::history::History;
use quorate_checkers::set_full;

const TABLE: &str = "set";

/// What elements begin with.
const ELEMENT: &str = "e-";

/// Below so many acknowledged elements nothing is proved.
const ELEMENTS_MIN: usize = 100;

/// So many of the last elements are looked for most often.
const LATELY: usize = 200;

/// So many elements are looked for in one request.
const AT_ONCE: usize = 20;

/// Elements of a page in the end.
const PAGE_ITEMS: usize = 1_000;

/// The workload.
#[derive(Debug)]
pub struct Set {
    options: Options,
    /// Every element that a client has begun to add.
    elements: Mutex<Vec<String>>,
}

impl Set {
    /// A workload that has not begun.
    pub fn new(options: Options) -> Set {
        Set { options, elements: Mutex::default() }
    }

    fn new_element(&self, unique: &str) -> String {
        let element = format!("{ELEMENT}{unique}");
        self.elements.lock().unwrap_or_else(PoisonError::into_inner).push(element.clone());
        element
    }

    /// Some elements that lie beside each other: mostly of the last ones, sometimes of all.
    fn some(&self, random: &mut ChaCha8Rng, count: usize) -> Vec<String> {
        let elements = self.elements.lock().unwrap_or_else(PoisonError::into_inner);
        let oldest = if random.random_bool(0.8) { elements.len().saturating_sub(LATELY) } else { 0 };
        if elements.is_empty() {
            return Vec::new();
        }
        let from = random.random_range(oldest..elements.len());
        elements[from..(from + count).min(elements.len())].to_vec()
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
                    let keys = self.some(&mut client.random, AT_ONCE);
                    if !keys.is_empty() {
                        client.read_many(&keys).await;
                    }
                }
                1..8 => {
                    if let Some(key) = self.some(&mut client.random, 1).first() {
                        client.ask(key, Request::Read, How::default()).await;
                    }
                }
                _ => {
                    let key = self.new_element(&client.unique());
                    let request = Request::Write { value: key.clone() };
                    client.ask(&key, request, How::default()).await;
                }
            }
        })
    }

    fn keys(&self) -> Vec<String> {
        self.elements.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn close<'a>(&'a self, run: &'a Arc<Run>) -> Running<'a, Closed> {
        let over = Over { limit: PAGE_ITEMS, own: ELEMENT, ..Over::default() };
        Box::pin(closing::close_by_scans(run, self.keys(), over))
    }

    fn judge(&self, history: &History) -> Judgement {
        let report = set_full::check_history(history);
        let acknowledged = report.acknowledged;
        let mut judgement = report.judgement(history);
        if acknowledged < ELEMENTS_MIN {
            judgement.void.push(format!("only {acknowledged} elements were acknowledged"));
        }
        judgement
    }
}
