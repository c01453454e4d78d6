//! This node's own replica, as something that can be asked without waiting.

use crate::background::Background;
use crate::engine::Replica;
use crate::heat::Meter;
use crate::views::Views;
use quorate_model::range;
use quorate_model::sync::Keyed;
use quorate_model::{Extent, Origin, RangeReply, RangeRequest, Refusal, Reply, Request, TableId};
use quorate_storage::{Committer, ReadTier};
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::Instant;

/// Limits of the reads that leave the reactor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadLimits {
    /// Reads that may be at the disk at once: more would only wait for each other there. Default 16.
    pub running_max: usize,
    /// Reads that may wait for the disk or be there. Past it they are refused. Default 1,024.
    pub waiting_max: usize,
}

impl Default for ReadLimits {
    fn default() -> Self {
        Self { running_max: 16, waiting_max: 1_024 }
    }
}

/// What is called with the reply, on whatever thread has it.
pub type OnReply = Box<dyn FnOnce(Reply) + Send>;

/// The same for a request about a range.
pub type OnRangeReply = Box<dyn FnOnce(RangeReply) + Send>;

/// How long a walk over a range may take before it answers what it has: a field of removals costs short answers and not
/// a long stall.
const WALK_MAX: Duration = Duration::from_millis(20);

/// This node's replica.
pub struct Local {
    replica: Arc<Replica>,
    committer: Arc<Committer>,
    views: Arc<Views>,
    limits: ReadLimits,
    background: Background,
    meter: Arc<Meter>,
    /// Whether requests are carried out yet.
    open: watch::Sender<bool>,
    at_the_disk: Arc<Semaphore>,
    disk_reads: AtomicU64,
    disk_reads_total: AtomicU64,
    requests: AtomicU64,
    panics: AtomicU64,
}

/// Reads that left the reactor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DiskReads {
    /// Now.
    pub running: u64,
    /// Since the start.
    pub total: u64,
}

impl Local {
    /// Over a replica and its committer; closed until [`Local::open`].
    pub fn new(
        replica: Arc<Replica>,
        committer: Arc<Committer>,
        views: Arc<Views>,
        limits: ReadLimits,
        background: Background,
        meter: Arc<Meter>,
    ) -> Arc<Self> {
        Arc::new(Self {
            replica,
            committer,
            views,
            limits,
            background,
            meter,
            open: watch::Sender::new(false),
            at_the_disk: Arc::new(Semaphore::new(limits.running_max)),
            disk_reads: AtomicU64::new(0),
            disk_reads_total: AtomicU64::new(0),
            requests: AtomicU64::new(0),
            panics: AtomicU64::new(0),
        })
    }

    /// From now on requests are carried out, also those that have come before.
    pub fn open(&self) {
        self.open.send_replace(true);
    }

    /// Begins one request; must be called on the runtime. Until the replica is opened, requests wait. A request of a catalog that this node has not applied yet
    /// waits for it, half of the time that is left at most, and is then answered whatever the catalog says.
    pub fn begin(self: &Arc<Self>, request: Request, deadline: Instant, reply: OnReply) {
        self.requests.fetch_add(1, Ordering::Relaxed);
        let now = Instant::now();
        if deadline <= now {
            return reply(Reply::Refused(Refusal::Late));
        }
        let is_open = *self.open.borrow();
        if is_open && request.place().epoch <= self.views.epoch() {
            return self.carry_out(request, deadline, reply);
        }
        let this = Arc::clone(self);
        tokio::spawn(async move {
            let opened = async { drop(this.open.subscribe().wait_for(|open| *open).await) };
            if tokio::time::timeout_at(deadline, opened).await.is_err() {
                return reply(Reply::Refused(Refusal::Late));
            }
            this.views.reached(request.place().epoch, now + (deadline - now) / 2).await;
            this.carry_out(request, deadline, reply);
        });
    }

    fn carry_out(self: &Arc<Self>, request: Request, deadline: Instant, reply: OnReply) {
        match &request {
            // What is asked for a digest is answered whole elsewhere, and is counted there.
            Request::Read { at, whole: true } | Request::Write { at, .. } | Request::Assign { at, .. } => {
                self.meter.count(at.table, &at.sort_key);
            }
            Request::Read { whole: false, .. }
            | Request::Ask { .. }
            | Request::Hint { .. }
            | Request::Inspect { .. } => {}
        }
        if request.is_write() {
            return self.committer.submit(request, Some(deadline.into_std()), reply);
        }
        match self.read(&request, ReadTier::BlockCache) {
            Ok(Some(answer)) => reply(answer),
            Ok(None) => self.read_from_disk(request, deadline, reply),
            // Dropping the callback says that the call is lost.
            Err(Panicked) => {}
        }
    }

    fn read_from_disk(self: &Arc<Self>, request: Request, deadline: Instant, reply: OnReply) {
        let this = Arc::clone(self);
        tokio::spawn(async move {
            let Some(place) = this.place_at_the_disk().await else {
                return reply(Reply::Refused(Refusal::Overloaded));
            };
            // Whether the blocking task runs to its end is not awaited: it answers by itself.
            drop(tokio::task::spawn_blocking(move || {
                let answer = if Instant::now() >= deadline {
                    Ok(Some(Reply::Refused(Refusal::Late)))
                } else {
                    this.read(&request, ReadTier::Disk)
                };
                drop(place);
                if let Ok(Some(answer)) = answer {
                    reply(answer);
                }
            }));
        });
    }

    /// Begins a request about a range; must be called on the runtime. As [`Local::begin`], and always at the disk.
    pub fn begin_range(self: &Arc<Self>, request: RangeRequest, deadline: Instant, reply: OnRangeReply) {
        self.requests.fetch_add(1, Ordering::Relaxed);
        let now = Instant::now();
        let this = Arc::clone(self);
        tokio::spawn(async move {
            let opened = async { drop(this.open.subscribe().wait_for(|open| *open).await) };
            if deadline <= now || tokio::time::timeout_at(deadline, opened).await.is_err() {
                return reply(RangeReply::Refused(Refusal::Late));
            }
            this.views.reached(request.epoch(), now + (deadline - now) / 2).await;
            if let RangeRequest::Merge { over, records } = &request {
                return this.merge(over, records, deadline, reply);
            }
            let Some(place) = this.place_at_the_disk().await else {
                return reply(RangeReply::Refused(Refusal::Overloaded));
            };
            // Who fills a copy can wait, and who looks for removals.
            let can_wait = matches!(request, RangeRequest::Page { .. } | RangeRequest::Removals { .. });
            let ranging = Arc::clone(&this);
            let work = move || {
                let until = std::time::Instant::now() + WALK_MAX;
                let is_over = || {
                    if can_wait {
                        // A thread of low priority is not interrupted by one that wakes before its slice is over.
                        std::thread::yield_now();
                    }
                    std::time::Instant::now() >= until
                };
                let walk = || this.replica.serve_range(&request, is_over);
                let answer = if Instant::now() >= deadline {
                    Ok(RangeReply::Refused(Refusal::Late))
                } else {
                    this.caught(walk)
                };
                drop(place);
                if let Ok(answer) = answer {
                    reply(answer);
                }
            };
            if can_wait {
                ranging.background.begin(work);
            } else {
                drop(tokio::task::spawn_blocking(work));
            }
        });
    }

    /// Merges records as the writes that they are, each through the committer; answers once all of them are answered.
    fn merge(&self, over: &Extent, records: &[Keyed], deadline: Instant, reply: OnRangeReply) {
        let Some(writes) = range::writes(over, records, Origin::Vouched) else {
            return reply(RangeReply::Refused(Refusal::NotOwner));
        };
        if writes.is_empty() {
            return reply(RangeReply::Merged);
        }
        let left = writes.len();
        let open = Arc::new(Mutex::new((left, Vec::with_capacity(left), Some(reply))));
        for write in writes {
            let open = Arc::clone(&open);
            let complete = move |answer: Reply| {
                let mut open = open.lock().expect("nothing panics while it holds this lock");
                let (left, answers, reply) = &mut *open;
                answers.push(answer);
                *left -= 1;
                if *left == 0
                    && let Some(reply) = reply.take()
                {
                    reply(RangeReply::merged(answers));
                }
            };
            self.committer.submit(write, Some(deadline.into_std()), Box::new(complete));
        }
    }

    /// Waits for a place among the reads at the disk; `None`: too many wait already.
    async fn place_at_the_disk(self: &Arc<Self>) -> Option<AtTheDisk> {
        if self.disk_reads.fetch_add(1, Ordering::Relaxed) >= self.limits.waiting_max as u64 {
            self.disk_reads.fetch_sub(1, Ordering::Relaxed);
            return None;
        }
        self.disk_reads_total.fetch_add(1, Ordering::Relaxed);
        let mut waiting = AtTheDisk { local: Arc::clone(self), place: None };
        let place = Arc::clone(&self.at_the_disk).acquire_owned().await;
        waiting.place = Some(place.expect("the semaphore is never closed"));
        Some(waiting)
    }

    fn read(&self, request: &Request, tier: ReadTier) -> Result<Option<Reply>, Panicked> {
        self.caught(|| self.replica.read(request, tier))
    }

    /// What a read came to; counts its panic.
    fn caught<T>(&self, read: impl FnOnce() -> T) -> Result<T, Panicked> {
        catch_unwind(AssertUnwindSafe(read)).map_err(|_| {
            self.panics.fetch_add(1, Ordering::Relaxed);
            Panicked
        })
    }

    /// The replica itself, for health, hints and layouts.
    pub fn replica(&self) -> &Arc<Replica> {
        &self.replica
    }

    /// Where work with it is done that can wait.
    pub fn background(&self) -> &Background {
        &self.background
    }

    /// Its committer, for its statistics.
    pub fn committer(&self) -> &Committer {
        &self.committer
    }

    /// Reads that left the reactor.
    pub fn disk_reads(&self) -> DiskReads {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        DiskReads { running: count(&self.disk_reads), total: count(&self.disk_reads_total) }
    }

    /// Requests a second that are carried out here, of each table that has some.
    pub fn loads(&self) -> BTreeMap<TableId, u64> {
        self.meter.loads()
    }

    /// Requests begun since the start.
    pub fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    /// Reads that panicked.
    pub fn panics(&self) -> u64 {
        self.panics.load(Ordering::Relaxed)
    }
}

/// A read that waits for the disk or is there, for as long as this exists.
struct AtTheDisk {
    local: Arc<Local>,
    place: Option<OwnedSemaphorePermit>,
}

impl Drop for AtTheDisk {
    fn drop(&mut self) {
        self.place = None;
        self.local.disk_reads.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A read panicked: a bug, counted.
struct Panicked;
