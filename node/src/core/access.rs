//! Who may do what, as this node knows it.

use super::Core;
use crate::clock;
use quorate_model::WallTime;
use quorate_ring::Access;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

impl Core {
    /// Who may do what; `None`: access control is off, and everyone who reaches this node may do everything. What the
    /// folder remembers counts as long as this node has no catalog as new as that.
    pub fn access(&self) -> Option<Arc<Access>> {
        self.views.look(|view| {
            let catalog = view.catalog();
            let noted = self.access_note.as_ref().filter(|noted| noted.epoch > catalog.epoch());
            let access = noted.map_or(catalog.access(), |noted| &noted.access);
            access.is_on().then(|| Arc::clone(access))
        })
    }

    /// Asks the leader, or else some members, for a newer catalog, and waits for it at most so long: for what must not be
    /// judged by an earlier one.
    pub async fn refresh(&self, timeout: Duration) -> bool {
        self.control.refresh(Instant::now() + timeout).await
    }

    /// The time by this node's clock: tokens expire by it.
    pub fn wall(&self) -> WallTime {
        clock::wall()
    }
}
