//! Purging that goes wrong: tombstones are dropped without the proof and the floor that rule 9 demands, and values before their
//! time.
//!
//! Nothing here exists while the rules are in place: then removals go by the real runs alone (`purge.rs`).

use crate::world::World;
use quorate_model::{Body, Held, NodeId, Record, Reply, Request};
use quorate_storage::ReadTier;
use quorate_storage::rules::purge::{self, Discarded};

/// How old a tombstone must be to go, in milliseconds: many times what a message usually takes.
const AGE_MS: u64 = 150;

/// Whether it stands for a value that is no more.
fn is_removal(record: &Record) -> bool {
    match record.body {
        Body::Tombstone | Body::Expired => true,
        Body::Value { .. } => false,
    }
}

impl World {
    /// Drops what a broken rule lets go, as a node's housekeeping would.
    pub(crate) fn sweep(&mut self, on: NodeId) {
        match purge::discarded(self.rules) {
            Discarded::Nothing => {}
            Discarded::RemovalsByAge => {
                let now = self.now_on(on).wall;
                let is_old = |record: &Record| {
                    let since = record.expires_at.unwrap_or_default().max(record.written_at);
                    is_removal(record) && since.plus_millis(AGE_MS) <= now
                };
                self.drop_at(on, is_old);
            }
            Discarded::RemovalsHeldByAll => {
                for held in self.held_by_all() {
                    for owner in self.node_ids() {
                        self.drop_at(owner, |record| is_removal(record) && record.held() == held);
                    }
                }
            }
            Discarded::Expiring => {
                self.drop_at(on, |record| !is_removal(record) && record.expires_at.is_some());
            }
        }
    }

    fn drop_at(&mut self, node: NodeId, goes: impl Fn(&Record) -> bool) {
        if let Some(process) = self.node(node).process.as_ref() {
            process.replica.drop_records(goes);
        }
    }

    /// What every owner of some key holds, the same at each.
    fn held_by_all(&mut self) -> Vec<Held> {
        let mut all = Vec::new();
        for spot in self.cluster.spots() {
            let commands = self.cluster.commands();
            let Some(plan) = self.cluster.plan(commands, spot, NodeId(1), Vec::new()) else { continue };
            let request = Request::Inspect { at: plan.place.clone() };
            let held = |node: NodeId| {
                let process = self.nodes[(node.0 - 1) as usize].process.as_ref()?;
                match process.replica.read(&request, ReadTier::Disk) {
                    Some(Reply::Inspected(inspection)) => inspection.held,
                    _ => None,
                }
            };
            let mut owners = plan.sets.iter().flatten().map(|owner| owner.node).map(held);
            let first = owners.next().flatten();
            if owners.all(|other| other == first) {
                all.extend(first);
            }
        }
        all
    }
}
