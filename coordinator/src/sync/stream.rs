//! A stream: where one of the two holds nothing, all of the other's goes over, page by page, without lists. The next page is
//! asked for while the last one is merged.

use super::asking::{Asking, is_sound, nonsense};
use super::wanted::{Action, Ending};
use crate::machine::Call;
use quorate_model::sync::Fetched;
use quorate_model::{Interval, NodeId, Now, RangeReply, RangeRequest, SortKey};

/// See the module's essay.
#[derive(Debug)]
pub struct Stream {
    /// What did not come yet; `None`: all did.
    rest: Option<Interval>,
    is_pull: bool,
    fetching: Option<Call>,
    /// The call that merges, and up to where the stream is done with it.
    merging: Option<(Call, Option<SortKey>)>,
    /// What came and waits to be merged.
    page: Option<Fetched>,
}

impl Stream {
    pub fn begin(
        now: Now,
        over: Interval,
        is_pull: bool,
        asking: &mut Asking,
        actions: &mut Vec<Action>,
    ) -> Self {
        let mut stream = Self { rest: Some(over), is_pull, fetching: None, merging: None, page: None };
        stream.go_on(now, asking, actions);
        stream
    }

    /// Whom a call asks, if it is one of its.
    pub fn asks(&self, call: Call, asking: &Asking) -> Option<NodeId> {
        let (source, target) = self.ends(asking);
        if self.fetching == Some(call) {
            return Some(source);
        }
        self.merging.as_ref().filter(|(merging, _)| *merging == call).map(|_| target)
    }

    /// Goes on; `None`: all has gone over.
    pub fn on_reply(
        mut self,
        now: Now,
        call: Call,
        reply: RangeReply,
        asking: &mut Asking,
        actions: &mut Vec<Action>,
    ) -> Result<Option<Self>, Ending> {
        let (source, target) = self.ends(asking);
        if self.fetching == Some(call) {
            let over = self.rest.take().unwrap_or_else(Interval::everything);
            let RangeReply::Fetched(fetched) = reply else { return nonsense(source) };
            let keys = fetched.records.iter().map(|keyed| &keyed.sort_key);
            if !is_sound(&over, keys, fetched.until.as_ref()) {
                return nonsense(source);
            }
            self.fetching = None;
            if fetched.until != over.end
                && let Some(start) = fetched.until.clone()
            {
                self.rest = Some(Interval { start, end: over.end });
            }
            self.page = Some(fetched);
        } else if let Some((_, until)) = self.merging.take_if(|(merging, _)| *merging == call) {
            if reply != RangeReply::Merged {
                return nonsense(target);
            }
            asking.at = until.or(asking.at.take());
        }
        self.go_on(now, asking, actions);
        let is_over = self.fetching.is_none() && self.merging.is_none();
        Ok((!is_over).then_some(self))
    }

    /// Merges the page that came, if none is being merged, and asks for the next one.
    fn go_on(&mut self, now: Now, asking: &mut Asking, actions: &mut Vec<Action>) {
        let (source, target) = self.ends(asking);
        if self.merging.is_none()
            && let Some(Fetched { records, until }) = self.page.take()
        {
            if records.is_empty() {
                asking.at = until.or(asking.at.take());
            } else {
                asking.counts.differing += records.len() as u64;
                let over = asking.task.over.interval.clone();
                let request = asking.merge(&over, records, self.is_pull);
                self.merging = Some((asking.ask(now, target, request, actions), until));
            }
        }
        if self.fetching.is_none()
            && self.page.is_none()
            && let Some(rest) = &self.rest
        {
            let (over, bytes) = (asking.extent(rest), asking.limits.bytes_max);
            let request = RangeRequest::Fetch { over, wanted: None, bytes, but: None };
            self.fetching = Some(asking.ask(now, source, request, actions));
        }
    }

    /// From where it comes, and whither it goes.
    fn ends(&self, asking: &Asking) -> (NodeId, NodeId) {
        let (here, there) = (asking.task.here, asking.task.there);
        if self.is_pull { (there, here) } else { (here, there) }
    }
}
