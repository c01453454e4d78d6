//! From an applied catalog to what the rest of the node sees of it.
//!
//! In this order: the replica refuses by the new layout, the links know the members, the view is there, who waits
//! for the epoch is woken. Data of tables that are gone are removed afterwards, in the background.

use crate::engine::Replica;
use crate::views::Views;
use quorate_consensus::Publish;
use quorate_model::{Durability, Layout, NodeId};
use quorate_ring::{Catalog, Layouts};
use quorate_storage::{ClearError, RunNote};
use quorate_transport::Links;
use std::pin::Pin;
use std::sync::{Arc, Mutex};

/// Publishes catalogs on one node.
pub struct Publisher {
    /// What this node owns, made of one catalog after the other.
    layouts: Mutex<Layouts>,
    replica: Arc<Replica>,
    links: Arc<Links>,
    views: Arc<Views>,
    /// `None`: on a disk that is doubted, or in a test.
    run: Option<Arc<RunNote>>,
}

impl Publisher {
    /// To these.
    pub fn new(
        node: NodeId,
        replica: Arc<Replica>,
        links: Arc<Links>,
        views: Arc<Views>,
        run: Option<Arc<RunNote>>,
    ) -> Self {
        Self { layouts: Mutex::new(Layouts::new(node)), replica, links, views, run }
    }

    /// Publishes a catalog. The one that is in force already changes nothing, and an older one (such as the last
    /// snapshot, at a start) neither.
    async fn put_in_force(&self, catalog: Arc<Catalog>) {
        if catalog.epoch() <= self.views.epoch() {
            return;
        }
        let layout = self.layouts.lock().expect("nothing panics while it holds this lock").of(&catalog);
        let (replica, run) = (Arc::clone(&self.replica), self.run.clone());
        // Waits for the batch that is being written, so not on the reactor.
        let installed = tokio::task::spawn_blocking(move || {
            let layout = match run {
                Some(run) if !replica.is_doubtful() => promised(layout, &run),
                Some(_) | None => layout,
            };
            replica.install(layout);
        })
        .await;
        installed.expect("installing a layout does not panic");
        // One that is banned is dialed no more, and hears why when it dials.
        let members = catalog.nodes().filter(|node| !node.is_gone());
        self.links.set_members(members.map(|node| (node.id, node.peer_address.as_str())));
        self.views.publish(Arc::clone(&catalog));
        self.remove_dropped(catalog);
    }

    /// Removes what is held of tables that the catalog does not have.
    fn remove_dropped(&self, catalog: Arc<Catalog>) {
        let replica = Arc::clone(&self.replica);
        tokio::task::spawn_blocking(move || {
            // A doubtful replica keeps what it has.
            let Ok(stored) = replica.stored_tables() else { return };
            for table in stored.into_iter().filter(|table| catalog.is_dropped(*table)) {
                match replica.clear_table(table) {
                    Ok(()) => tracing::info!(%table, "removed the data of a dropped table"),
                    Err(ClearError::InUse(_)) => {}
                    Err(ClearError::Refused(refusal)) => {
                        tracing::warn!(%table, "the data of a dropped table are still here: {refusal}");
                    }
                }
            }
            // What refuses that now does so later, too; nothing depends on it.
            while replica.give_back_space() == Ok(true) {}
        });
    }
}

impl Publish for Publisher {
    fn publish(&self, catalog: Arc<Catalog>) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(self.put_in_force(catalog))
    }
}

/// A layout under which nothing is promised that the folder does not know of: before this node acknowledges anything
/// that is not synced, that is noted. Where it can't be, such tables are synced like all others.
fn promised(mut layout: Layout, run: &RunNote) -> Layout {
    let is_unsynced = layout.tables.values().any(|table| {
        table.durability == Durability::Os && table.shards.iter().any(|shard| shard.copy.is_some())
    });
    if !is_unsynced {
        return layout;
    }
    if let Err(error) = run.promise_unsynced() {
        tracing::warn!(%error, "the folder can't note that this node serves tables with durability=os: it syncs them");
        for table in layout.tables.values_mut() {
            table.durability = Durability::Sync;
        }
    }
    layout
}
