//! Judges which members are there, by the rules of `ring::liveness`, and publishes it in the views.
//!
//! Ten times a second, and whenever a connection comes or goes. What is judged by is at hand: the links know when each
//! member was heard, whether it is connected, and which calls wait.

use crate::clock;
use crate::views::Views;
use quorate_model::{NodeId, Span};
use quorate_ring::liveness::{Detector, Limits, Signs, Standing, Verdict};
use quorate_transport::Links;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use tokio::time::{Instant, MissedTickBehavior};

/// How often members are judged.
const JUDGE: Duration = Duration::from_millis(100);

/// The judge of this node.
pub struct Judge {
    node: NodeId,
    links: Arc<Links>,
    views: Arc<Views>,
    detector: Mutex<Detector>,
    /// A call that waits for longer is late.
    late: Duration,
}

impl Judge {
    /// Of this node.
    pub fn new(node: NodeId, links: Arc<Links>, views: Arc<Views>, late: Duration) -> Self {
        Self { node, links, views, detector: Mutex::default(), late }
    }

    /// The last judgement of each other member.
    pub fn verdicts(&self) -> BTreeMap<NodeId, Verdict> {
        self.detector().verdicts()
    }

    /// Judges until the task is aborted.
    pub async fn keep(self: Arc<Self>) {
        let mut changes = self.links.changes();
        let mut epochs = self.views.news();
        let mut tick = tokio::time::interval(JUDGE);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            changes.borrow_and_update();
            epochs.borrow_and_update();
            self.judge();
            tokio::select! {
                _ = tick.tick() => {}
                changed = changes.changed() => if changed.is_err() { return },
                changed = epochs.changed() => if changed.is_err() { return },
            }
        }
    }

    fn judge(&self) {
        let view = self.views.current();
        let others = view.catalog().nodes().map(|other| other.id).filter(|other| *other != self.node);
        let now = clock::instant(Instant::now());
        let liveness = {
            let mut detector = self.detector();
            let before = detector.verdicts();
            detector.set_limits(Limits::every(span(self.links.alive_every())));
            let liveness = detector.judge(now, others.map(|other| (other, self.signs(other))));
            log_changes(&before, &detector.verdicts());
            liveness
        };
        self.views.set_liveness(liveness);
    }

    fn signs(&self, other: NodeId) -> Signs {
        let contact = self.links.contacts().of(other);
        Signs {
            heard: contact.last_heard().map(clock::instant),
            connected: self.links.is_up(other),
            unheard: contact.unheard().map(span),
            unanswered: self.links.unanswered(other, self.late),
        }
    }

    fn detector(&self) -> MutexGuard<'_, Detector> {
        self.detector.lock().expect("nothing panics while it holds this lock")
    }
}

/// Says who went down and who came back. That one is late passes too quickly to be said.
fn log_changes(before: &BTreeMap<NodeId, Verdict>, after: &BTreeMap<NodeId, Verdict>) {
    for (node, verdict) in after {
        let was_down = before.get(node).map(|verdict| verdict.standing == Standing::Down);
        match (verdict.standing, was_down) {
            (Standing::Down, Some(false) | None) => {
                let why = verdict.why.map(|why| why.to_string()).unwrap_or_default();
                tracing::warn!(%node, phi = verdict.phi, "a member is down for this node: {why}");
            }
            (Standing::Alive | Standing::Late, Some(true)) => {
                tracing::info!(%node, "a member is up again");
            }
            (Standing::Down, Some(true)) | (Standing::Alive | Standing::Late, Some(false) | None) => {}
        }
    }
}

fn span(duration: Duration) -> Span {
    Span(u64::try_from(duration.as_micros()).unwrap_or(u64::MAX))
}
