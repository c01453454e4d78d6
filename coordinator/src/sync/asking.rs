//! What all pieces of an exchange have in common: whom they ask, what came of it, and how far it is.

use super::wanted::{Action, Counts, Ending, ExchangeLimits, Task};
use crate::machine::{Call, Failure};
use crate::rules::sync;
use quorate_model::sync::Keyed;
use quorate_model::{Extent, Interval, NodeId, Now, RangeRequest, Rules, SortKey};

/// See the module's essay.
#[derive(Debug)]
pub struct Asking {
    pub task: Task,
    pub limits: ExchangeLimits,
    pub rules: Rules,
    /// Everything before it is done; `None`: everything is.
    pub at: Option<SortKey>,
    pub counts: Counts,
    calls: u32,
}

impl Asking {
    pub fn new(task: Task, limits: ExchangeLimits, rules: Rules) -> Self {
        let at = Some(task.over.interval.start.clone());
        Self { task, limits, rules, at, counts: Counts::default(), calls: 0 }
    }

    /// Sends a request to one of the two.
    pub fn ask(&mut self, now: Now, to: NodeId, request: RangeRequest, actions: &mut Vec<Action>) -> Call {
        let call = Call(self.calls);
        self.calls += 1;
        let deadline = now.instant + self.limits.call_timeout;
        actions.push(Action::Ask { call, to, request, deadline });
        call
    }

    pub fn extent(&self, interval: &Interval) -> Extent {
        Extent { interval: interval.clone(), ..self.task.over }
    }

    /// Asks for a list.
    pub fn list(&self, over: &Interval, keys: bool) -> RangeRequest {
        RangeRequest::List { over: self.extent(over), items: self.limits.items_max, keys }
    }

    /// Asks to merge records; counts them.
    pub fn merge(&mut self, over: &Interval, records: Vec<Keyed>, is_pull: bool) -> RangeRequest {
        let count = records.len() as u64;
        if is_pull {
            self.counts.pulled += count;
        } else {
            self.counts.pushed += count;
        }
        let brought = |keyed: Keyed| Keyed { record: sync::brought(self.rules, keyed.record), ..keyed };
        let records: Vec<Keyed> = records.into_iter().map(brought).collect();
        let bytes: usize = records.iter().map(|keyed| keyed.record.body.value_bytes()).sum();
        self.counts.value_bytes += bytes as u64;
        RangeRequest::Merge { over: self.extent(over), records }
    }
}

/// A node answered what makes no sense.
pub fn nonsense<T>(by: NodeId) -> Result<T, Ending> {
    Err(Ending::Stopped(by, Failure::Lost))
}

/// Whether an answer about a range goes on from where it begins, stays within it, and is in order.
pub fn is_sound<'a>(
    over: &Interval,
    keys: impl Iterator<Item = &'a SortKey> + Clone,
    until: Option<&SortKey>,
) -> bool {
    let reaches = match (until, &over.end) {
        (Some(until), Some(end)) => *until > over.start && until <= end,
        (Some(until), None) => *until > over.start,
        (None, end) => end.is_none(),
    };
    let is_inside = |key: &SortKey| over.contains(key) && until.is_none_or(|until| key < until);
    reaches && keys.clone().is_sorted_by(|a, b| a < b) && keys.clone().all(is_inside)
}
