//! Calls that wait for their answers, by id; and the truth about each when there is none.

use crate::CallError;
use crate::frame::{self, Asked, Header};
use crate::outbox::{Outbox, Rejected};
use bytes::Bytes;
use quorate_model::Protocol;
use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::time::Instant;

/// The end of a call.
pub type Answered = Result<Bytes, CallError>;

/// Who is told the end of a call. Called exactly once, on whatever thread the end happens: it must not block.
pub type Sink = Box<dyn FnOnce(Answered) + Send>;

/// The calls of one outgoing connection.
pub struct Calls {
    /// Held while a frame is queued as well, so that a call is in both or in neither when the connection ends.
    state: Mutex<State>,
    /// What waits to be written.
    pub outbox: Outbox,
    /// The version of the protocol that the two ends speak.
    protocol: Protocol,
    sent: AtomicU64,
    /// When the other end was last heard, in milliseconds since `begun`.
    heard_ms: AtomicU64,
    begun: Instant,
}

#[derive(Default)]
struct State {
    pending: HashMap<u64, Pending>,
    last_id: u64,
    /// Calls that ended without an answer since the last one that had one.
    lost_in_a_row: u32,
    /// The last call that was answered.
    last_answered: u64,
    closed: bool,
}

struct Pending {
    sent: Instant,
    deadline: Instant,
    sink: Sink,
}

impl State {
    /// Takes out a call that the other end has answered, whether it is waited for or not.
    fn answered(&mut self, id: u64) -> Option<Pending> {
        self.last_answered = self.last_answered.max(id);
        self.lost_in_a_row = 0;
        self.pending.remove(&id)
    }
}

impl Calls {
    /// None yet, on a connection that may queue so many bytes and whose ends speak this version.
    pub fn new(queued_bytes_max: usize, protocol: Protocol) -> Self {
        Self {
            state: Mutex::default(),
            protocol,
            outbox: Outbox::new(queued_bytes_max),
            sent: AtomicU64::new(0),
            heard_ms: AtomicU64::new(0),
            begun: Instant::now(),
        }
    }

    /// Queues a request. The sink hears its end: at once if it cannot be queued or the other end does not have it, at
    /// `deadline` at the latest.
    pub fn send(&self, asked: Asked, deadline: Instant, fill: impl FnOnce(&mut Vec<u8>), sink: Sink) {
        let Asked { kind, since } = asked;
        if !self.protocol.has(since) {
            return sink(Err(CallError::NotUnderstood));
        }
        let sent = Instant::now();
        let remaining = deadline.saturating_duration_since(sent);
        if remaining.is_zero() {
            return sink(Err(CallError::NotSent("the deadline had passed")));
        }
        // Rounded up: a receiver that sees 0 would refuse what was sent in time.
        let remaining_ms = u32::try_from(remaining.as_millis()).unwrap_or(u32::MAX).saturating_add(1);
        // Encoded outside the lock; the id is put in afterwards.
        let mut frame = frame::encode(Header { kind, id: 0, remaining_ms }, fill);
        let refused = {
            let mut state = self.lock();
            state.last_id += 1;
            let id = state.last_id;
            frame[frame::ID_AT].copy_from_slice(&id.to_be_bytes());
            match if state.closed { Err(Rejected::Closed) } else { self.outbox.push(id, frame) } {
                Ok(()) => {
                    state.pending.insert(id, Pending { sent, deadline, sink });
                    None
                }
                Err(Rejected::Closed) => Some((sink, "the connection has ended")),
                Err(Rejected::Full) => Some((sink, "the queue to this node is full")),
            }
        };
        match refused {
            Some((sink, why)) => sink(Err(CallError::NotSent(why))),
            None => {
                self.sent.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// An answer has come. One that no call waits for any more is dropped.
    pub fn complete(&self, id: u64, payload: Bytes) {
        let pending = self.lock().answered(id);
        if let Some(pending) = pending {
            (pending.sink)(Ok(payload));
        }
    }

    /// The other end does not have this request.
    pub fn not_understood(&self, id: u64) {
        let pending = self.lock().answered(id);
        if let Some(pending) = pending {
            (pending.sink)(Err(CallError::NotUnderstood));
        }
    }

    /// Ends the calls whose deadline has passed.
    pub fn expire(&self, now: Instant) {
        let expired: Vec<(Pending, bool)> = {
            let mut state = self.lock();
            let ids: Vec<u64> =
                state.pending.iter().filter(|(_, call)| call.deadline <= now).map(|(id, _)| *id).collect();
            let ended = ids.into_iter().filter_map(|id| {
                let withdrawn = self.outbox.withdraw(id);
                state.lost_in_a_row = state.lost_in_a_row.saturating_add(u32::from(id > state.last_answered));
                Some((state.pending.remove(&id)?, withdrawn))
            });
            ended.collect()
        };
        for (pending, withdrawn) in expired {
            (pending.sink)(Err(if withdrawn {
                CallError::NotSent("it was still queued at its deadline")
            } else {
                CallError::Lost("no answer came in time")
            }));
        }
    }

    /// The connection has ended: so have all its calls. `untouched` are those that the writer had taken and of
    /// which not one byte was written.
    pub fn close(&self, untouched: &[u64]) {
        let (pending, queued) = {
            let mut state = self.lock();
            state.closed = true;
            (std::mem::take(&mut state.pending), self.outbox.close())
        };
        let not_sent: std::collections::HashSet<u64> = queued.iter().chain(untouched).copied().collect();
        for (id, call) in pending {
            (call.sink)(Err(if not_sent.contains(&id) {
                CallError::NotSent("the connection ended before it was written")
            } else {
                CallError::Lost("the connection ended before the answer came")
            }));
        }
    }

    /// The other end has just been heard.
    pub fn heard(&self) {
        self.heard_ms.store(self.millis(), Ordering::Relaxed);
    }

    /// How long the other end has said nothing.
    pub fn silent_for(&self) -> Duration {
        Duration::from_millis(self.millis().saturating_sub(self.heard_ms.load(Ordering::Relaxed)))
    }

    fn millis(&self) -> u64 {
        u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Calls since the last one that was answered: those that ended without an answer, and those that have waited for
    /// one for longer than `late`.
    pub fn unanswered(&self, late: Duration) -> u32 {
        let (now, state) = (Instant::now(), self.lock());
        let is_late = |(id, call): &(&u64, &Pending)| {
            **id > state.last_answered && now.saturating_duration_since(call.sent) > late
        };
        let waiting = state.pending.iter().filter(is_late).count();
        state.lost_in_a_row.saturating_add(u32::try_from(waiting).unwrap_or(u32::MAX))
    }

    /// The version of the protocol that the two ends speak.
    pub fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// Calls that wait for an answer.
    pub fn in_flight(&self) -> usize {
        self.lock().pending.len()
    }

    /// Calls queued since the connection was made.
    pub fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().expect("nothing panics while it holds this lock")
    }
}

impl Drop for Calls {
    /// No sink may be forgotten, also when the task that ran the connection was killed.
    fn drop(&mut self) {
        self.close(&[]);
    }
}
