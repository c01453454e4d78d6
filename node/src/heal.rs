//! Coming back by itself: a node that doubts its disk, and whose data others have, gives its data up and fills itself anew.
//!
//! ```text
//!   doubt while it runs ──> start again ──> doubt from the start ──> vote taken away ──> decision on the disk ─┐
//!   filling (`fill.rs`) <── the catalog names the incarnation <── start again <───────────────────────────────┘
//! ```
//!
//! The decision is the one that an operator makes with `node accept-loss`, but for the data: nothing of them is believed,
//! and nothing deleted before others have answered that they hold everything. It is made only where it can help: damaged
//! files can't be opened, a node alone has no other to fill itself from, and of a table with a promise of one owner
//! others may not have what this one acknowledged.
//!
//! Each start is preceded by a pause, so that a disk that fails again and again costs no loop.

use crate::core::Core;
use quorate_storage::Cause;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// The pause before a start, and between attempts.
const PAUSE: Duration = Duration::from_secs(2);

/// How long an attempt to have the vote taken away may take.
const ATTEMPT: Duration = Duration::from_secs(10);

/// Whether a doubt for this reason is one that others' data can end.
fn can_heal(cause: Cause) -> bool {
    match cause {
        Cause::Behind | Cause::MachineStopped | Cause::Failed => true,
        Cause::Damaged => false,
    }
}

/// Waits for a doubt, and does what ends it, until the node is started again or the task is aborted.
pub async fn keep(core: Arc<Core>) {
    let mut said = None;
    loop {
        tokio::time::sleep(PAUSE).await;
        let Some(doubt) = core.local.replica().health().doubt else { continue };
        if !can_heal(doubt.cause) {
            return;
        }
        if !core.control.is_silent() {
            tracing::warn!("this node began to doubt its disk while it ran: it starts again, to heal");
            core.restart.send_replace(true);
            return;
        }
        let view = core.view();
        // Before level 2 acknowledgements are not told apart by the copy that gave them.
        if view.catalog().nodes().len() < 2 || view.catalog().level() < 2 {
            continue;
        }
        if let Some(table) = core.table_without_sources() {
            let why = format!(
                "no number of other owners has everything that this one acknowledged of table {table}: \
                 `quorate node accept-loss` goes on with what is there"
            );
            if said.as_ref() != Some(&why) {
                tracing::warn!("this node can't heal by itself: {why}");
            }
            said = Some(why);
            continue;
        }
        match core.give_data_up(Instant::now() + ATTEMPT).await {
            Ok(incarnation) => {
                tracing::warn!(incarnation, "this node gives its data up and fills itself from other owners");
                return;
            }
            Err(error) => {
                let error = error.to_string();
                if said.as_ref() != Some(&error) {
                    tracing::warn!("this node can't heal yet: {error}");
                }
                said = Some(error);
            }
        }
    }
}
