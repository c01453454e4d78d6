//! Where a connection stands, and until when it may stand there.
//!
//! A connection that does nothing must end by itself, or silent clients fill the node. Four signals move it:
//!
//! ```text
//!            first byte                 whole head                answer handed over
//!   Fresh ──────────────> Head ──────────────────────> Serving ──────────────────────> Idle
//!                          ^                                                            │
//!                          └──────────────────────── next byte ────────────────────────┘
//! ```
//!
//! `Fresh` and `Head` last at most the head timeout, `Idle` the idle timeout. `Serving` has a deadline of its own
//! (the request's, and the body's), so here it has none. Beside all of that stands the stall: an answer that the
//! client does not take.

use super::scope::Scope;
use crate::limits::Limits;
use hyper::body::Incoming;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// How long a client may take for its question where connections are scarce: a client that asks for a node's health
/// asks at once.
const HEALTH_HEAD_TIMEOUT: Duration = Duration::from_secs(1);

/// Where a connection stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Nothing has come yet.
    Fresh,
    /// A head is coming.
    Head,
    /// A request is at work.
    Serving,
    /// Between two requests.
    Idle,
}

/// One connection's state, shared by its socket, its service and its driver.
#[derive(Debug)]
pub struct Timers {
    head_timeout: Duration,
    idle_timeout: Duration,
    stall_timeout: Duration,
    state: Mutex<State>,
    /// What its request's handler left of the body.
    rest: Mutex<Option<Incoming>>,
}

#[derive(Debug)]
struct State {
    phase: Phase,
    since: Instant,
    stalled_since: Option<Instant>,
}

impl Timers {
    /// Of a connection that begins now.
    pub fn new(limits: &Limits, scope: Scope) -> Self {
        let head_timeout = match scope {
            Scope::Everything => limits.head_timeout,
            Scope::Health => limits.head_timeout.min(HEALTH_HEAD_TIMEOUT),
        };
        Self {
            head_timeout,
            idle_timeout: limits.idle_timeout,
            stall_timeout: limits.stall_timeout,
            state: Mutex::new(State { phase: Phase::Fresh, since: Instant::now(), stalled_since: None }),
            rest: Mutex::new(None),
        }
    }

    /// A body that was not read to its end.
    pub fn leave(&self, rest: Incoming) {
        *self.rest.lock().unwrap_or_else(PoisonError::into_inner) = Some(rest);
    }

    /// What was left of the body.
    pub fn rest(&self) -> Option<Incoming> {
        self.rest.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Where it stands.
    pub fn phase(&self) -> Phase {
        self.state().phase
    }

    /// Bytes came in.
    pub fn received(&self) {
        let mut state = self.state();
        match state.phase {
            Phase::Fresh | Phase::Idle => state.enter(Phase::Head),
            Phase::Head | Phase::Serving => {}
        }
    }

    /// A whole head was handed to the service.
    pub fn serving(&self) {
        self.state().enter(Phase::Serving);
    }

    /// The answer was handed over to the socket.
    pub fn served(&self) {
        self.state().enter(Phase::Idle);
    }

    /// The socket takes no more bytes.
    pub fn stalled(&self) {
        let mut state = self.state();
        state.stalled_since.get_or_insert_with(Instant::now);
    }

    /// The socket took bytes.
    pub fn sent(&self) {
        self.state().stalled_since = None;
    }

    /// When it will have stood there too long, and whether for a stall; `None`: never.
    pub fn deadline(&self) -> Option<(Instant, bool)> {
        let state = self.state();
        let phase = match state.phase {
            Phase::Fresh | Phase::Head => Some(state.since + self.head_timeout),
            Phase::Idle => Some(state.since + self.idle_timeout),
            Phase::Serving => None,
        };
        let stall = state.stalled_since.map(|since| since + self.stall_timeout);
        match (phase, stall) {
            (Some(phase), Some(stall)) if phase <= stall => Some((phase, false)),
            (_, Some(stall)) => Some((stall, true)),
            (Some(phase), None) => Some((phase, false)),
            (None, None) => None,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn enter(&mut self, phase: Phase) {
        self.phase = phase;
        self.since = Instant::now();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn dribbling_a_head_does_not_prolong_it() {
        let limits = Limits::default();
        let timers = Timers::new(&limits, Scope::Everything);
        timers.received();
        let deadline = timers.deadline();
        tokio::time::advance(Duration::from_secs(3)).await;
        timers.received();
        assert_eq!(timers.deadline(), deadline);
    }

    #[tokio::test(start_paused = true)]
    async fn each_phase_has_its_own_deadline() {
        let limits = Limits::default();
        let timers = Timers::new(&limits, Scope::Everything);
        let start = Instant::now();
        assert_eq!(
            timers.deadline(),
            Some((start + limits.head_timeout, false)),
            "silent from the beginning"
        );
        timers.received();
        timers.serving();
        assert_eq!(timers.deadline(), None, "the request has its own");
        timers.stalled();
        assert_eq!(timers.deadline(), Some((start + limits.stall_timeout, true)));
        timers.sent();
        timers.served();
        assert_eq!(timers.deadline(), Some((start + limits.idle_timeout, false)));
    }
}
