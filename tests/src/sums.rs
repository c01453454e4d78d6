//! Sums of chunks as a node keeps them beside everything else, and how they stand at the end.

use crate::heal::Ending;
use crate::world::World;
use quorate_model::NodeId;
use quorate_storage::PageLimit;

/// Records that a walk reads at a time: one, so that it is often in the middle of a chunk.
const PAGE: PageLimit = PageLimit { items: 1, bytes: 1 };

/// Pages that a walk reads each time a node looks after its sums.
const PAGES: usize = 2;

impl World {
    /// Looks after the sums, as a node's housekeeping does: rows are written, what is missing is counted.
    pub(crate) fn keep_sums(&mut self, on: NodeId) {
        let Some(process) = self.node(on).process.as_ref() else { return };
        // What it can't do now it does another time, and a disk that fails is judged where it is used.
        if process.replica.settle_sums().is_err() {
            return;
        }
        for _ in 0..PAGES {
            if !process.replica.walk_sums(PAGE).unwrap_or(false) {
                return;
            }
        }
    }

    /// Counts everything again at every replica that can be trusted: as it is, and after all is counted.
    pub(crate) fn recount(&mut self, ending: &mut Ending) {
        for id in self.node_ids() {
            self.recount_at(id, ending);
            let process = self.node(id).process.as_ref().expect("all were started");
            while process.replica.walk_sums(PAGE).unwrap_or(false) {}
            self.recount_at(id, ending);
        }
    }

    fn recount_at(&mut self, id: NodeId, ending: &mut Ending) {
        let process = self.node(id).process.as_ref().expect("all were started");
        if process.replica.is_doubtful() {
            return;
        }
        match process.replica.recount() {
            Ok(recount) => ending.sums.extend(recount.wrong.into_iter().map(|wrong| (id, wrong))),
            Err(error) => ending.sums.push((id, error.to_string())),
        }
    }
}
