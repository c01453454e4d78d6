//! The load generator: clients of a workload at work, at their own pace or at a given rate.
//!
//! *Closed*: so many clients, each of which asks again once it has its answer. A cluster that gets slower is asked for
//! less. *Open*: so many requests a second, whatever becomes of them, each counted from the moment at which it was due:
//! a cluster that gets slower is asked for as much as before, and what waits shows in the latency. There is one request of
//! a client under way at a time; so an open shift takes a client that has nothing to do, and makes another if there is none.
//!
//! A [`Shift`] is one stretch of such work. Several may follow or overlap each other in a run: their clients differ, and all
//! write into the run's history, from which everything is measured afterwards.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::task::{JoinHandle, JoinSet};

use crate::workload::{Client, Run, Workload};

/// Clients of one open shift. When all wait for an answer, a request that is due is not sent, which the shift tells.
const OPEN_MAX: usize = 8_192;

/// How often an open shift sends what is due.
const TICK: Duration = Duration::from_millis(2);

/// Clients at work.
#[derive(Debug)]
pub struct Shift {
    /// When it began, in nanoseconds of the history.
    pub began: u64,
    over: Arc<AtomicBool>,
    working: JoinHandle<Worked>,
}

/// What an ended shift did, beside what is in the history.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Worked {
    /// How many turns an open shift has given to clients.
    pub sent: u64,
    /// When the requests were due that it could not send, in nanoseconds of the history.
    pub unsent: Vec<u64>,
    /// Clients that broke off.
    pub broken: Vec<String>,
}

impl Shift {
    /// So many clients, each at its own pace.
    pub fn closed(workload: &Arc<dyn Workload>, run: &Arc<Run>, clients: u32) -> Shift {
        let over = Arc::new(AtomicBool::new(false));
        let mut acting = JoinSet::new();
        for _ in 0..clients {
            let (workload, mut client) = (Arc::clone(workload), run.client(&over));
            acting.spawn(async move {
                while !client.is_over() {
                    workload.act(&mut client).await;
                }
            });
        }
        let working = tokio::spawn(async move {
            let mut worked = Worked::default();
            while let Some(ended) = acting.join_next().await {
                worked.note(ended);
            }
            worked
        });
        Shift { began: run.recorder.now(), over, working }
    }

    /// So many requests a second, due from now on and for so long.
    pub fn open(workload: &Arc<dyn Workload>, run: &Arc<Run>, per_second: f64, time: Duration) -> Shift {
        let over = Arc::new(AtomicBool::new(false));
        let began = run.recorder.now();
        let until = began.saturating_add(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX));
        let rate = Rate { per_second, began, until };
        let working = tokio::spawn(at_rate(Arc::clone(workload), Arc::clone(run), rate, Arc::clone(&over)));
        Shift { began, over, working }
    }

    /// No client begins anything any more.
    pub fn stop(&self) {
        self.over.store(true, Ordering::Relaxed);
    }

    /// The same, and waits until every request has its end. Each is given up after a while, so that this is bounded.
    pub async fn end(self) -> Worked {
        self.stop();
        self.working
            .await
            .unwrap_or_else(|error| Worked { broken: vec![broke_off(&error)], ..Worked::default() })
    }
}

impl Worked {
    fn note(&mut self, ended: Result<(), tokio::task::JoinError>) {
        self.broken.extend(ended.err().map(|error| broke_off(&error)));
    }
}

fn broke_off(error: &tokio::task::JoinError) -> String {
    format!("a client broke off: {error}")
}

/// When requests are due: so many a second from one moment to another, in nanoseconds of the history.
#[derive(Clone, Copy)]
struct Rate {
    per_second: f64,
    began: u64,
    until: u64,
}

async fn at_rate(workload: Arc<dyn Workload>, run: Arc<Run>, rate: Rate, over: Arc<AtomicBool>) -> Worked {
    let mut worked = Worked::default();
    let idle: Arc<Mutex<VecDeque<Client>>> = Arc::default();
    let (mut acting, mut made, mut turns) = (JoinSet::new(), 0, 0_u64);
    while !over.load(Ordering::Relaxed) && run.recorder.now() < rate.until {
        let now = run.recorder.now().min(rate.until - 1);
        loop {
            let due = rate.began.saturating_add(whole(turns as f64 / rate.per_second * 1e9));
            if due > now {
                break;
            }
            turns += 1;
            let waiting = idle.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
            let client =
                waiting.or_else(|| (made < OPEN_MAX).then(|| run.client(&over)).inspect(|_| made += 1));
            let Some(mut client) = client else {
                worked.unsent.push(due);
                continue;
            };
            worked.sent += 1;
            client.is_due(due);
            let (workload, idle) = (Arc::clone(&workload), Arc::clone(&idle));
            acting.spawn(async move {
                workload.act(&mut client).await;
                idle.lock().unwrap_or_else(PoisonError::into_inner).push_back(client);
            });
        }
        while let Some(ended) = acting.try_join_next() {
            worked.note(ended);
        }
        tokio::time::sleep(TICK).await;
    }
    while let Some(ended) = acting.join_next().await {
        worked.note(ended);
    }
    worked
}

/// The whole part of a number that is not below zero.
#[expect(clippy::cast_sign_loss, reason = "it is not below zero")]
pub fn whole(number: f64) -> u64 {
    number as u64
}
