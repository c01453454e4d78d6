//! Single keys at level one, where nothing is promised but integrity and agreement in the end.
//!
//! A read may be stale and a write may lose to an older one. But a read shows nothing that no client wrote, and once
//! all is healed and a quorum has read a key, all its owners hold the same, and so every node answers the same.
//! **Measured**: how stale reads were, and how many keys agreed by themselves, before anybody read them. **In the
//! end** the owners are looked at through `explain`, which repairs nothing, then every key is read at every node at
//! quorum, and then its owners must agree within [`AGREEMENT_TIMEOUT`]. **At least** the operations of every run.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::client::Client;
use super::keys::RotatingKeys;
use super::{Closed, Finding, How, Judgement, Measure, Options, Run, Running, Workload, closing, register};
use crate::agreement::{self, Emptiness};
use quorate_checkers::below_quorum;
use quorate_checkers::history::History;
use quorate_checkers::level::Level;

const TABLE: &str = "register-one";

/// How long owners may take to agree once a quorum has read a key.
const AGREEMENT_TIMEOUT: Duration = Duration::from_secs(15);

/// How long owners are given to agree by themselves, which is measured.
const ALONE_TIMEOUT: Duration = Duration::from_secs(5);

/// Few enough that every key's owners can be looked at in the end.
const KEYS_MAX: usize = 2_000;

/// The workload.
#[derive(Debug)]
pub struct RegisterOne {
    options: Options,
    keys: RotatingKeys,
}

impl RegisterOne {
    /// A workload that has not begun.
    pub fn new(options: Options) -> RegisterOne {
        RegisterOne { options, keys: RotatingKeys::new(options.operations_per_key, options.keys_at_once) }
    }
}

impl Workload for RegisterOne {
    fn table(&self) -> Value {
        self.options.table(TABLE)
    }

    fn act<'a>(&'a self, client: &'a mut Client) -> Running<'a, ()> {
        Box::pin(async move {
            let key = self.keys.take(&mut client.random).key;
            let value = client.unique();
            let request = register::draw(&mut client.random, value);
            client.ask(&key, request, How::at(Level::One)).await;
        })
    }

    fn keys(&self) -> Vec<String> {
        let mut keys = self.keys.all();
        keys.truncate(KEYS_MAX);
        keys
    }

    fn close<'a>(&'a self, run: &'a Arc<Run>) -> Running<'a, Closed> {
        Box::pin(async move {
            let keys = self.keys();
            let begun = Instant::now();
            let alone = agreement::wait(run, keys.clone(), begun, ALONE_TIMEOUT, Emptiness::IsEqual).await;
            let open = alone.as_ref().map_or_else(BTreeMap::len, |_| 0);
            let mut measures =
                vec![Measure::share("keys whose owners agreed unread", keys.len() - open, keys.len())];
            if let Ok(took) = alone {
                let took = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
                measures.push(Measure::time("time until all owners agreed unread", took));
            }
            let unread = closing::read_everywhere(run, keys.clone(), &How::default()).await;
            let begun = Instant::now();
            let agreed = agreement::wait(run, keys, begun, AGREEMENT_TIMEOUT, Emptiness::IsEqual).await;
            let open = agreed.err().unwrap_or_default();
            let finding = |(key, difference): (String, String)| Finding {
                key,
                what: format!("its owners still differ in the end: {difference}"),
                operations: Vec::new(),
            };
            Closed { void: unread, findings: open.into_iter().map(finding).collect(), measures }
        })
    }

    fn judge(&self, history: &History) -> Judgement {
        let mut judgement = below_quorum::check_integrity(history).judgement();
        let closing = || history.operations.iter().filter(|operation| operation.closing);
        if closing().next().is_none() {
            judgement.void.push("no key was read in the end".to_owned());
        }
        judgement
    }
}
