//! What goes on beside requests: who is alive, whether the disk is trusted, whether this node may go on at all.

use crate::control::{Control, DiskState};
use crate::engine::Replica;
use crate::recollection::Recollection;
use crate::views::Views;
use quorate_model::{Boot, NodeId};
use quorate_ring::Liveness;
use quorate_storage::{Identity, Stage};
use quorate_transport::{Lane, Links, RefusalReason};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;

/// How often the replica's health is looked at.
const HEALTH_LOOK: Duration = Duration::from_millis(500);

/// How often progress is saved and told where no traffic does it.
const RECOLLECT: Duration = Duration::from_secs(1);

/// What was told is told again after so long: the one that heard it may have been started anew.
const RETELL: Duration = Duration::from_secs(5);

/// A refusal as a duplicate counts once it is repeated after so long: the connection of a process that has just been
/// killed may have seemed alive a moment longer.
const DUPLICATE_CONFIRM: Duration = Duration::from_secs(1);

/// A refusal as a duplicate that nobody repeats for so long is forgotten.
const DUPLICATE_MEMORY: Duration = Duration::from_secs(5);

/// How long a catalog that knows this life of the node may take to arrive here before it is asked for again.
const CATALOG_WAIT: Duration = Duration::from_secs(5);

/// Publishes who can be reached, whenever that changes.
pub async fn liveness(node: NodeId, links: Arc<Links>, views: Arc<Views>) {
    let mut changes = links.changes();
    let mut epochs = views.news();
    loop {
        changes.borrow_and_update();
        epochs.borrow_and_update();
        let view = views.current();
        let others = view.catalog().nodes().map(|other| other.id).filter(|other| *other != node);
        views.set_liveness(Liveness::with_down(others.filter(|other| !links.is_up(*other))));
        tokio::select! {
            changed = changes.changed() => if changed.is_err() { return },
            changed = epochs.changed() => if changed.is_err() { return },
        }
    }
}

/// A replica that doubts its disk takes no part in consensus either.
pub async fn health(replica: Arc<Replica>, control: Arc<Control>) {
    while !replica.is_doubtful() {
        tokio::time::sleep(HEALTH_LOOK).await;
    }
    tracing::error!("this node takes no part in consensus any more: its replica doubts its disk");
    control.stop().await;
}

/// Makes durable what peers have said of their progress, and tells them how this node's disk is, where no traffic does
/// either, and hears how theirs are. A doubtful node goes on telling: the others should not count on it. One that can't read
/// the catalog knows nobody to tell, but answers those who tell it.
pub async fn recollect(
    replica: Arc<Replica>,
    recollection: Arc<Recollection>,
    control: Arc<Control>,
    links: Arc<Links>,
    views: Arc<Views>,
) {
    let me = links.identity().node;
    let mut told: BTreeMap<NodeId, (DiskState, Instant)> = BTreeMap::new();
    let mut refused = None;
    loop {
        if !replica.is_doubtful() {
            let saving = Arc::clone(&replica);
            let saved = tokio::task::spawn_blocking(move || saving.save_remembered()).await;
            match saved {
                // Said when it changes: a full disk may stay full for days.
                Ok(Err(refusal)) if refused != Some(refusal) => {
                    tracing::warn!("what peers said of their progress is not on the disk yet: {refusal}");
                    refused = Some(refusal);
                }
                Ok(Ok(_)) => refused = None,
                Ok(Err(_)) | Err(_) => {}
            }
        }
        let state = recollection.disk();
        let now = Instant::now();
        let is_news = |node: NodeId| {
            told.get(&node).is_none_or(|(said, at)| *said != state || now.duration_since(*at) > RETELL)
        };
        let view = views.current();
        let others = view.catalog().nodes().map(|node| node.id).filter(|node| *node != me);
        let due = others.filter(|node| links.is_lane_up(*node, Lane::Urgent) && is_news(*node));
        for node in due.collect::<Vec<_>>() {
            if let Some(theirs) = control.exchange_disks(node, state.clone(), now + RECOLLECT).await {
                recollection.note(node, theirs);
                told.insert(node, (state.clone(), now));
            }
        }
        tokio::time::sleep(RECOLLECT).await;
    }
}

/// Ends the node if another live process uses its id. Meanwhile it serves no keys.
pub async fn duplicate(links: Arc<Links>, failed: watch::Sender<Option<String>>) {
    let mut duplicate = links.duplicate();
    loop {
        if duplicate.wait_for(Option::is_some).await.is_err() {
            return;
        }
        tokio::time::sleep(DUPLICATE_CONFIRM).await;
        duplicate.mark_unchanged();
        let repeated = tokio::time::timeout(DUPLICATE_MEMORY, duplicate.changed()).await;
        if repeated.is_err() {
            links.forget_duplicate();
        }
        let why = duplicate.borrow().as_ref().map(|duplicate| duplicate.why.clone());
        if let Some(why) = why.filter(|_| repeated.is_ok()) {
            tracing::error!("this node must not go on: {why}");
            failed.send_replace(Some(why));
            return;
        }
    }
}

/// Tells the catalog that this node lives again; ends it if the catalog hears of another life of it afterwards.
pub async fn announce(
    node: NodeId,
    control: Arc<Control>,
    links: Arc<Links>,
    views: Arc<Views>,
    me: (Boot, String, String),
    failed: watch::Sender<Option<String>>,
) {
    let (boot, http_address, peer_address) = me;
    let known = control.announce(boot, http_address, peer_address).await;
    links.wake_all();
    while !views.reached(known, Instant::now() + CATALOG_WAIT).await {}
    links.wake_all();
    let mut epochs = views.news();
    loop {
        epochs.borrow_and_update();
        let other = views.current().catalog().node(node).map(|known| known.boot);
        if let Some(other) = other.filter(|other| *other != boot) {
            let why = RefusalReason::Duplicate { node, other }.to_string();
            tracing::error!("this node must not go on: {why}");
            failed.send_replace(Some(why));
            return;
        }
        if epochs.changed().await.is_err() {
            return;
        }
    }
}

/// Tells the catalog where a node that doubts its disk is reached: it must be found to be asked, replaced or accepted.
pub async fn announce_doubtful(
    control: Arc<Control>,
    boot: Boot,
    http_address: String,
    peer_address: String,
) {
    control.announce(boot, http_address, peer_address).await;
}

/// Notes in the folder that this node is a member, once the catalog that has it is here.
pub async fn membership(node: NodeId, views: Arc<Views>, folder: PathBuf, mut identity: Identity) {
    let mut epochs = views.news();
    while views.current().catalog().node(node).is_none() {
        if epochs.changed().await.is_err() {
            return;
        }
    }
    identity.stage = Stage::Member;
    let written = tokio::task::spawn_blocking(move || identity.write(&folder)).await;
    match written {
        Ok(Ok(())) => {}
        // The next start tries again.
        Ok(Err(error)) => tracing::warn!("the folder does not say yet that this node is a member: {error}"),
        Err(error) => tracing::warn!("the folder does not say yet that this node is a member: {error}"),
    }
}
