//! Coming back by itself: a node that doubts its disk, and whose data others have, gives its data up and fills itself anew.
//!
//! ```text
//!   doubt while it runs ──> start again ──> doubt from the start ──> vote taken away ──> decision on the disk ─┐
//!   filling (`fill.rs`) <── the catalog names the incarnation <── start again <───────────────────────────────┘
//! ```
//!
//! The decision is the one that an operator makes with `node accept-loss`, but for the data: nothing of them is believed,
//! and nothing deleted before others have answered that they hold everything. It is made only where it can help: damaged
//! files can't be opened, and a node alone has no other to fill itself from. Of a table with a promise of one owner others
//! may not have what this one acknowledged: its shards stay as they are, and those of the other tables are filled.
//!
//! Each start is preceded by a pause, so that a disk that fails again and again costs no loop, and by writing the
//! doubt down once more: a disk that failed may have refused it, and a start that does not find it would believe the data.

use crate::core::Core;
use crate::recovery::{Outlook, can_heal};
use quorate_model::Epoch;
use quorate_ring::TableEntry;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// The pause before a start, and between attempts.
const PAUSE: Duration = Duration::from_secs(2);

/// How long an attempt to have the vote taken away may take.
const ATTEMPT: Duration = Duration::from_secs(10);

/// Says from the first moment that a doubt does not end by itself, where that is known.
pub fn foresee(core: &Core) {
    if core.local.replica().is_doubtful()
        && let Some(why) = obstacle(core)
    {
        tracing::warn!("this node can't heal by itself: {why}");
        core.recovery.expect(Outlook::Never(why));
    }
}

/// Waits for a doubt, and does what ends it, until the node is started again or the task is aborted.
pub async fn keep(core: Arc<Core>) {
    loop {
        tokio::time::sleep(PAUSE).await;
        let Some(doubt) = core.local.replica().health().doubt else { continue };
        if !can_heal(doubt.cause) {
            return;
        }
        let outlook = match (obstacle(&core), write_doubt_again(&core).await) {
            (Some(why), _) => Outlook::Never(why),
            (None, Err(error)) => Outlook::Waits(format!("the disk takes no synced write: {error}")),
            (None, Ok(())) if !core.control.is_silent() => {
                tracing::warn!("this node began to doubt its disk while it ran: it starts again, to heal");
                core.restart.send_replace(true);
                return;
            }
            (None, Ok(())) => match core.give_data_up(Instant::now() + ATTEMPT).await {
                Ok(incarnation) => {
                    tracing::warn!(
                        incarnation,
                        "this node gives its data up and fills itself from other owners"
                    );
                    core.recovery.expect(Outlook::Heals);
                    return;
                }
                Err(error) => Outlook::Waits(error.to_string()),
            },
        };
        if core.recovery.expect(outlook.clone()) {
            match outlook {
                Outlook::Never(why) => tracing::warn!("this node can't heal by itself: {why}"),
                Outlook::Waits(why) => tracing::warn!("this node can't heal yet: {why}"),
                Outlook::Off | Outlook::Heals => {}
            }
        }
    }
}

/// Writes the doubt down once more. A disk that failed may have refused it, and the next start must find it; one that takes
/// no synced write leaves a node that starts nothing to go on with.
async fn write_doubt_again(core: &Core) -> io::Result<()> {
    let replica = Arc::clone(core.local.replica());
    let written = tokio::task::spawn_blocking(move || replica.engine().write_doubt_again());
    written.await.unwrap_or_else(|error| Err(io::Error::other(error)))
}

/// Why other owners' data can't end this node's doubt.
fn obstacle(core: &Core) -> Option<String> {
    if let Some(counts) = core.recollection.counts_instead() {
        return Some(format!("the member went on as incarnation {counts}, in another folder"));
    }
    let view = core.view();
    if view.epoch() == Epoch(0) {
        // Nothing is known of the others yet.
        return None;
    }
    if view.catalog().nodes().len() < 2 {
        return Some("it knows of no other node".to_owned());
    }
    // Before level 2 acknowledgements are not told apart by the copy that gave them.
    if view.catalog().level() < 2 {
        return Some("the catalog is at level 1 until every node runs a version that can do this".to_owned());
    }
    let without = core.tables_without_sources();
    let is_owner_of =
        |table: &&Arc<TableEntry>| table.shards().iter().any(|shard| shard.is_owned_by(core.node));
    if without.is_empty() || without.len() < view.catalog().tables().filter(is_owner_of).count() {
        return None;
    }
    let tables = without.join(", ");
    Some(format!("no number of other owners has everything that this one acknowledged of table {tables}"))
}
