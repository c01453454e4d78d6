//! What goes on beside requests: who is alive, whether the disk is trusted, whether this node may go on at all.

use crate::control::Control;
use crate::engine::Replica;
use crate::transport::Links;
use crate::views::Views;
use quorate_model::NodeId;
use quorate_ring::Liveness;
use quorate_storage::{Identity, Stage};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;

/// How often the replica's health is looked at.
const HEALTH_LOOK: Duration = Duration::from_millis(500);

/// Another live process with this node's id is borne so long: a connection of this node's own earlier life may still
/// seem alive to a peer for a few seconds.
const DUPLICATE_PATIENCE: Duration = Duration::from_secs(10);

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

/// Ends the node if another live process goes on using its id.
pub async fn duplicate(links: Arc<Links>, failed: watch::Sender<Option<String>>) {
    let mut duplicate = links.duplicate();
    loop {
        if duplicate.wait_for(Option::is_some).await.is_err() {
            return;
        }
        let until = Instant::now() + DUPLICATE_PATIENCE;
        let resolved = tokio::time::timeout_at(until, duplicate.wait_for(Option::is_none)).await.is_ok();
        if !resolved {
            let why = duplicate.borrow().clone();
            tracing::error!("this node must not go on: {}", why.as_deref().unwrap_or_default());
            failed.send_replace(why);
            return;
        }
    }
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
