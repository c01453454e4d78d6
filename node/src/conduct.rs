//! Jobs carried out: the leader writes the next step of the job that runs, as the [`conductor`] says it.
//!
//! What a step is decided from stands in the catalog and in what the members say of themselves each second, and at once
//! where something has come about ([`tell_leader`]). So any leader can go on with a job, and none has to be told of it.

use crate::automatic::ShardLimits;
use crate::clock;
use crate::control::Control;
use crate::control::Moving;
use crate::recollection::Recollection;
use quorate_model::{NodeId, Rules};
use quorate_ring::conductor::{self, Limits, NodeReport, Tending, Watch};
use quorate_ring::{Catalog, Command, Job, JobId, View};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// How often the leader looks, beside at every change.
const LOOK: Duration = Duration::from_millis(500);

/// Pause after each command.
const PAUSE: Duration = Duration::from_millis(200);

/// How long writing one command may take.
const WRITE: Duration = Duration::from_secs(5);

/// How long news for the leader are gathered.
const GATHER: Duration = Duration::from_millis(50);

/// How long the leader may take to hear them.
const TELL: Duration = Duration::from_secs(1);

/// How often is looked whether shards should change by themselves: no moment of it matters.
const TEND: Duration = Duration::from_secs(1);

/// Goes on with jobs, and lets shards change by themselves, whenever this node leads, until the task is aborted.
pub async fn keep(
    control: Arc<Control>,
    recollection: Arc<Recollection>,
    rules: Rules,
    shards: Option<ShardLimits>,
) {
    let (mut tending, mut tended) = (Tending::default(), Instant::now());
    let mut changes = control.changes();
    let mut epochs = control.views().news();
    let mut news = recollection.news();
    let mut watch = Watch::default();
    let mut running: Option<JobId> = None;
    loop {
        changes.borrow_and_update();
        epochs.borrow_and_update();
        news.borrow_and_update();
        if control.leads() {
            let view = control.views().current();
            running = say_ended(running, view.catalog());
            let mut command = next(rules, &view, control.node(), &recollection, &mut watch);
            let due = shards.filter(|_| command.is_none() && tended.elapsed() >= TEND);
            if let Some(limits) = due {
                tended = Instant::now();
                let reports = reports(&view, control.node(), &recollection);
                command = tending.next(view.catalog(), &reports, clock::now().instant, &limits.tend());
                if let Some(command) = &command {
                    tracing::info!("{} is due", command.describe());
                }
            }
            if let Some(command) = command {
                let what = command.describe();
                if let Err(error) = control.write(&command, Instant::now() + WRITE).await {
                    tracing::warn!("{what} was not written, and is looked at again: {error}");
                }
                tokio::time::sleep(PAUSE).await;
                continue;
            }
        } else {
            (watch, running) = (Watch::default(), None);
            tending = Tending::default();
        }
        tokio::select! {
            changed = changes.changed() => if changed.is_err() { return },
            changed = epochs.changed() => if changed.is_err() { return },
            changed = news.changed() => if changed.is_err() { return },
            () = tokio::time::sleep(LOOK) => {}
        }
    }
}

/// The next command, if one is due.
fn next(
    rules: Rules,
    view: &View,
    node: NodeId,
    recollection: &Recollection,
    watch: &mut Watch,
) -> Option<Command> {
    let catalog = view.catalog();
    let has_work = catalog.running_job().is_some() || catalog.nodes().any(|node| !node.is_allocatable());
    if !has_work {
        *watch = Watch::default();
        return None;
    }
    let reports = reports(view, node, recollection);
    let now = clock::now().instant;
    watch.observe(catalog, &reports, now);
    conductor::next(rules, catalog, &reports, watch, now, &Limits::default())
}

/// What each member has said last; of itself this node knows.
pub fn reports(view: &View, node: NodeId, recollection: &Recollection) -> BTreeMap<NodeId, NodeReport> {
    let own = recollection.moving();
    let others = recollection.disk_states().into_iter().filter(|(other, _)| *other != node);
    let others = others.filter_map(|(other, said)| {
        let is_up = view.liveness().is_alive(other) && said.doubt.is_none();
        Some((other, said.moving?.report(is_up)))
    });
    let is_up = !recollection.doubts();
    others.chain(std::iter::once((node, own.report(is_up)))).collect()
}

/// Tells the leader what has come about here: something is closed, a copy is taken or whole. Until the task is aborted.
pub async fn tell_leader(control: Arc<Control>, recollection: Arc<Recollection>) {
    let mut epochs = control.views().news();
    let mut fills = recollection.fills();
    let mut told = (None, Moving::default());
    loop {
        tokio::select! {
            changed = epochs.changed() => if changed.is_err() { return },
            changed = fills.changed() => if changed.is_err() { return },
        }
        tokio::time::sleep(GATHER).await;
        epochs.borrow_and_update();
        fills.borrow_and_update();
        let view = control.views().current();
        if view.catalog().running_job().is_none() {
            continue;
        }
        let leader = control.leader();
        let news = (leader, milestones(recollection.moving()));
        if news == told {
            continue;
        }
        match leader {
            Some(leader) if leader == control.node() => recollection.say_news(),
            Some(leader) => {
                let state = recollection.disk();
                // One that did not hear it is told within a second, with all the others.
                if let Some(theirs) = control.exchange_disks(leader, state, Instant::now() + TELL).await {
                    recollection.note(leader, theirs);
                }
            }
            None => {}
        }
        told = news;
    }
}

/// What is said without the numbers that always change.
fn milestones(mut said: Moving) -> Moving {
    said.copies.iter_mut().for_each(|copy| copy.bytes = 0);
    Moving { free_bytes: None, sizes: Vec::new(), tended: None, leftover_bytes: None, ..said }
}

/// Says in the log that the job that ran has ended; the one that runs now.
fn say_ended(before: Option<JobId>, catalog: &Catalog) -> Option<JobId> {
    let running = catalog.running_job().map(|job| job.id);
    if let Some(job) = before.filter(|before| Some(*before) != running).and_then(|id| catalog.job(id)) {
        let Job { id, kind, state, done, total, .. } = &**job;
        tracing::info!(job = %id, kind = kind.as_str(), %state, done, total, "a job that moves shards has ended");
    }
    running
}
