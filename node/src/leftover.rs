//! Clearing what this node does not own any more, in the background: at the start, and after each catalog.
//!
//! A job is done without waiting for it: no request asks for what lies there. How much is left is told to the members with
//! all that this node says of itself.

use crate::peer::Local;
use crate::recollection::Recollection;
use crate::views::Views;
use quorate_model::Refusal;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// Catalogs that come one after the other are looked at together.
const GATHER: Duration = Duration::from_secs(1);

/// How soon it is tried again where the disk refuses.
const RETRY: Duration = Duration::from_secs(10);

/// Shards that are cleared at a time: requests go on between them.
const STEP: usize = 1;

/// How often what is left is counted while it is cleared: that costs a look at every shard.
const COUNT: Duration = Duration::from_secs(1);

/// Clears leftovers until the task is aborted.
pub async fn keep(local: Arc<Local>, views: Arc<Views>, recollection: Arc<Recollection>) {
    let mut epochs = views.news();
    let mut said = None;
    loop {
        epochs.borrow_and_update();
        match clear(&local, &recollection).await {
            Ok(()) => said = None,
            Err(refusal) => {
                if said != Some(refusal) {
                    tracing::info!("what this node does not own any more is not all cleared yet: {refusal}");
                    said = Some(refusal);
                }
                tokio::time::sleep(RETRY).await;
                continue;
            }
        }
        if epochs.changed().await.is_err() {
            return;
        }
        tokio::time::sleep(GATHER).await;
    }
}

async fn clear(local: &Local, recollection: &Recollection) -> Result<(), Refusal> {
    let (begun, mut shards) = (Instant::now(), 0_u64);
    let mut counted = begun;
    count(local, recollection).await;
    loop {
        let replica = Arc::clone(local.replica());
        let cleared = local.background().run(move || replica.clear_leftovers(STEP)).await;
        if !cleared.unwrap_or(Err(Refusal::Doubtful))? {
            break;
        }
        shards += STEP as u64;
        if counted.elapsed() >= COUNT {
            count(local, recollection).await;
            counted = Instant::now();
        }
    }
    if shards > 0 {
        count(local, recollection).await;
        let millis = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        tracing::info!(shards, millis, "shards that are with other owners now were cleared here");
    }
    give_back(local).await
}

/// Notes how much is left.
async fn count(local: &Local, recollection: &Recollection) {
    let replica = Arc::clone(local.replica());
    if let Ok(bytes) = local.background().run(move || replica.leftover_bytes()).await {
        recollection.note_leftover(bytes);
    }
}

/// Gives the space of what was cleared back to the disk, of dropped tables too: a range at a time.
async fn give_back(local: &Local) -> Result<(), Refusal> {
    loop {
        let replica = Arc::clone(local.replica());
        // Not on the thread of background work, which others wait for: this one waits for the engine's own.
        let given = tokio::task::spawn_blocking(move || replica.give_back_space()).await;
        if !given.unwrap_or(Err(Refusal::Doubtful))? {
            return Ok(());
        }
    }
}
