//! Single keys at level one, where nothing is promised but integrity and agreement in the end.
//!
//! A read may be stale and a write may lose to an older one. But a read shows nothing that no client wrote, and once
//! all is healed and a quorum has read a key, all its owners hold the same, and so every node answers the same.
//! **Measured**: how stale reads were, and how many keys agreed by themselves, before any client read them. **In the
//! end** the owners are looked at through `explain`, which repairs nothing, then every key is read at every node at
//! quorum, and then its owners must agree within [`AGREEMENT_TIMEOUT`]. **At least** the operations of every run.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::keys::OPERATIONS_PER_KEY_MAX;
use super::single::Single;
use super::{Closed, Finding, How, Judgement, Measure, Options, Run, Running, closing, register};
use crate::agreement::{self, Emptiness};
use quorate_checkers::below_quorum;
use quorate_checkers::history::History;
use quorate_checkers::level::Level;

/// How long owners may take to agree once a quorum has read a key.
const AGREEMENT_TIMEOUT: Duration = Duration::from_secs(15);

/// How long owners are given to agree by themselves, which is measured.
const ALONE_TIMEOUT: Duration = Duration::from_secs(5);

/// Few enough that every key's owners can be looked at in the end.
const KEYS_MAX: usize = 2_000;

/// The workload.
pub(super) fn make(options: Options) -> Single {
    let draw = |random: &mut _, value| register::draw(random, value, Level::One);
    let single = Single::new("register-one", options, OPERATIONS_PER_KEY_MAX, draw, judge);
    Single { close, ..single }
}

fn close(run: &Arc<Run>, mut keys: Vec<String>) -> Running<'_, Closed> {
    Box::pin(async move {
        keys.truncate(KEYS_MAX);
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

fn judge(history: &History) -> Judgement {
    let mut judgement = below_quorum::check_integrity(history).judgement();
    let closing = || history.operations.iter().filter(|operation| operation.closing);
    if closing().next().is_none() {
        judgement.void.push("no key was read in the end".to_owned());
    }
    judgement
}
