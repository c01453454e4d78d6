//! What goes on beside requests: who is alive, whether the disk is trusted, whether this node may go on at all.

use super::uniqueness::{self, Known, Refused, Verdict};
use crate::control::{Control, DiskState, ProposeError};
use crate::core::Core;
use crate::ended::Ended;
use crate::engine::Replica;
use crate::recollection::Recollection;
use crate::recovering::Recovering;
use crate::views::Views;
use quorate_model::NodeId;
use quorate_ring::{Command, NodeUpdate, Recover};
use quorate_storage::{Identity, Stage};
use quorate_transport::{Lane, Links, RefusalReason, Server};
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

/// How often the member that refused this node is asked again.
const DUPLICATE_LOOK: Duration = Duration::from_millis(500);

/// How long a catalog that knows this run of the node may take to arrive here before it is asked for again.
const CATALOG_WAIT: Duration = Duration::from_secs(5);

/// A replica that doubts its disk takes no part in consensus either.
pub async fn health(replica: Arc<Replica>, control: Arc<Control>) {
    while !replica.is_doubtful() {
        tokio::time::sleep(HEALTH_LOOK).await;
    }
    tracing::error!("this node takes no part in consensus any more: its replica doubts its disk");
    control.stop().await;
}

/// Makes durable what peers have said of their progress, and tells them how this node's disk is, where no traffic does
/// either, and hears how theirs are. A doubtful node goes on telling: the others should not count on it. One that can't
/// read the catalog knows no member to tell, but answers those that tell it.
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
        close(&replica, &views).await;
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

/// Tries again to note what the newest layout takes away, where the disk refused that so far.
async fn close(replica: &Arc<Replica>, views: &Views) {
    if replica.is_doubtful() || replica.closed() >= views.epoch() {
        return;
    }
    let replica = Arc::clone(replica);
    let closed = tokio::task::spawn_blocking(move || replica.close()).await;
    if let Err(error) = closed {
        tracing::warn!("what was taken away is not noted yet: {error}");
    }
}

/// Ends the node if another live process uses its id. Meanwhile it serves no keys. `is_home`: it is where the catalog
/// knew it when it started.
pub async fn duplicate(links: Arc<Links>, is_home: bool, failed: watch::Sender<Option<Ended>>) {
    let mut duplicate = links.duplicate();
    loop {
        if duplicate.wait_for(Option::is_some).await.is_err() {
            return;
        }
        tracing::warn!("another process may have the id of this node: it serves no keys until that is clear");
        let first = Instant::now();
        loop {
            tokio::time::sleep(DUPLICATE_LOOK).await;
            let Some(said) = duplicate.borrow().clone() else { break };
            let now = Instant::now();
            let ago = |moment: Instant| now.duration_since(moment);
            let refusal = Refused { first: ago(first), said: ago(said.said), heard: ago(said.heard) };
            match uniqueness::refused(refusal, is_home) {
                Verdict::Proven => {
                    let (address, peer) = (&said.address, said.peer);
                    let found = if peer == links.identity().node {
                        format!("it answers at {address}, where this node was before; this process ends")
                    } else {
                        format!("node {peer} at {address} hears it; this process ends")
                    };
                    let why = format!("{}: {found}", said.why);
                    tracing::error!("this node must not go on: {why}");
                    failed.send_replace(Some(Ended::Duplicate(why)));
                    return;
                }
                Verdict::Over => {
                    links.forget_duplicate();
                    break;
                }
                Verdict::Open => {}
            }
            // The connection to that member may have gone elsewhere since: what was said there stands until it is
            // unsaid.
            let _acted_upon = links.probe(said.peer, &said.address).await;
        }
        tracing::info!("no other process has the id of this node any more");
    }
}

/// Ends the node once it is no member any more. From then on it takes no request, so that nothing that it still holds is
/// taken for what the cluster has.
pub async fn dismissed(core: Arc<Core>, failed: watch::Sender<Option<Ended>>) {
    let (mut refused, mut epochs) = (core.links.gone(), core.views.news());
    loop {
        refused.borrow_and_update();
        epochs.borrow_and_update();
        if let Some(ended) = core.dismissed() {
            core.drain();
            let way_out = ended.way_out().unwrap_or_default();
            tracing::error!("this node must not go on: {ended}; {way_out}");
            failed.send_replace(Some(ended));
            return;
        }
        tokio::select! {
            changed = refused.changed() => if changed.is_err() { return },
            changed = epochs.changed() => if changed.is_err() { return },
        }
    }
}

/// Ends what nodes that are no members any more have of connections to this one, until the task is aborted.
pub async fn keep_out(server: Arc<Server>, views: Arc<Views>) {
    let mut epochs = views.news();
    loop {
        epochs.borrow_and_update();
        let view = views.current();
        server.end_connections(|node| view.catalog().gone(node).is_some());
        if epochs.changed().await.is_err() {
            return;
        }
    }
}

/// A node that is not where it was looks at its former address: a process of the same id there is the original of a
/// copy, or a copy. The one that has moved gives way.
pub async fn watch_home(links: Arc<Links>, former: String) {
    let me = links.identity().node;
    let begun = Instant::now();
    loop {
        if let Err(error) = links.probe(me, &former).await
            && error.found_instead().is_some()
        {
            // The address belongs to another member now.
            return;
        }
        tokio::time::sleep(uniqueness::next_look_at_home(begun.elapsed())).await;
    }
}

/// Tells the catalog that this node lives again; ends it if the catalog hears of another run of it afterwards.
pub async fn announce(
    node: NodeId,
    control: Arc<Control>,
    links: Arc<Links>,
    views: Arc<Views>,
    me: NodeUpdate,
    failed: watch::Sender<Option<Ended>>,
) {
    let known = control.announce(&me).await;
    links.wake_all();
    while !views.reached(known, Instant::now() + CATALOG_WAIT).await {}
    links.wake_all();
    let mut epochs = views.news();
    loop {
        epochs.borrow_and_update();
        let view = views.current();
        let known = view.catalog().node(node).map(|known| &**known);
        match uniqueness::in_catalog(known, me.boot, &me.http_address, &me.peer_address) {
            Known::Other(other) => {
                let why = RefusalReason::Duplicate { node, other, heard_ms: None }.to_string();
                tracing::error!("this node must not go on: {why}");
                failed.send_replace(Some(Ended::Duplicate(why)));
                return;
            }
            Known::Elsewhere => {
                tracing::info!("the catalog does not say any more where this node is: it announces it again");
                control.announce(&me).await;
            }
            Known::AsItIs => {}
        }
        if epochs.changed().await.is_err() {
            return;
        }
    }
}

/// Tells the catalog that members were given up, as an operator decided, and forgets the note of it then.
pub async fn recover(
    node: NodeId,
    recovering: Recovering,
    control: Arc<Control>,
    views: Arc<Views>,
    folder: PathBuf,
) {
    let Recovering { request, at, lost, .. } = recovering;
    let is_told = || views.current().catalog().recoveries().iter().any(|known| known.request == request);
    while !is_told() {
        let recover = Recover { request, lost: lost.clone(), by: node, at };
        match control.write(&Command::Recover(recover), Instant::now() + CATALOG_WAIT).await {
            Ok(receipt) => {
                views.reached(receipt.epoch, Instant::now() + CATALOG_WAIT).await;
            }
            Err(ProposeError::Rejected(why)) => {
                tracing::error!("the catalog does not give up the members that it was to: {why}");
                break;
            }
            Err(error @ (ProposeError::Unavailable { .. } | ProposeError::Unknown { .. })) => {
                tracing::debug!("the catalog is not told of the recovery yet: {error}");
                tokio::time::sleep(RECOLLECT).await;
            }
        }
    }
    if is_told() {
        tracing::warn!(?lost, "the catalog goes on without these members: they are banned");
    }
    let forgotten = tokio::task::spawn_blocking(move || Recovering::forget(&folder)).await;
    if let Ok(Err(error)) = forgotten {
        tracing::warn!("the note of the recovery is still in the data folder: {error}");
    }
}

/// Tells the catalog where a node that doubts its disk is reached: it must be found to be asked, replaced or accepted.
pub async fn announce_doubtful(control: Arc<Control>, me: NodeUpdate) {
    control.announce(&me).await;
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
