//! Whether this node can serve its tables now, and what it can say about itself.

use super::{Core, HintStatistics, LinkStatistics, Statistics};
use quorate_model::level::quorum;
use quorate_storage::Engine;
use std::sync::atomic::Ordering;

impl Core {
    /// Why this node cannot serve its tables at their default levels; empty: it can.
    pub fn readiness(&self) -> Vec<String> {
        let mut reasons = Vec::new();
        if self.is_draining() {
            reasons.push("the node is about to stop".to_owned());
        }
        let health = self.local.replica().health();
        if let Some(doubt) = health.doubt {
            reasons.push(format!(
                "the replica doubts its disk: {doubt}; it answers and votes no more, also after a restart: stop this \
                 node, keep its folder aside, and let a new node join with an empty folder on a disk that works"
            ));
        }
        if health.disk_full {
            reasons.push("the disk is full: writes are refused, reads go on".to_owned());
        }
        if let Some(duplicate) = self.links.duplicate().borrow().clone() {
            reasons.push(duplicate);
        }
        let view = self.view();
        let catalog = view.catalog();
        if catalog.node(self.node).is_none() {
            reasons.push("the catalog that has this node has not arrived yet".to_owned());
            return reasons;
        }
        let alive = |node| node == self.node || view.liveness().is_alive(node);
        for table in catalog.tables() {
            let needed = table.r_required().max(table.w_required()).max(quorum(table.n));
            let short = table.shards().iter().filter(|shard| {
                let reachable = shard.owners.iter().filter(|owner| alive(**owner)).count();
                reachable < usize::from(needed)
            });
            let short = short.count();
            if short > 0 {
                let (name, shards) = (&table.name, table.shards().len());
                reasons.push(format!(
                    "table {name}: {short} of {shards} shards have fewer than {needed} owners that can be reached"
                ));
            }
        }
        reasons
    }

    /// What this node can say about itself in numbers.
    pub fn statistics(&self) -> Statistics {
        let replica = self.local.replica();
        let counts = replica.hint_counts();
        let disk_reads = self.local.disk_reads();
        let committer = self.local.committer().statistics();
        let engine = replica.engine().statistics();
        Statistics {
            epoch: self.views.epoch(),
            hints: HintStatistics {
                waiting: counts.iter().map(|(owner, hints)| (*owner, hints.count)).collect(),
                overflow_total: counts.values().map(|hints| hints.refused).sum(),
                replayed_total: self.hints.replayed(),
            },
            replica_doubt: replica.health().doubt,
            links: self.links.report().into_iter().map(LinkStatistics::from).collect(),
            committer_queue_items: committer.queue_items as u64,
            committer,
            disk_reads_running: disk_reads.running,
            disk_reads_total: disk_reads.total,
            peer_requests_total: self.local.requests(),
            panics_total: self.local.panics() + self.driver.panics(),
            operations_running: self.driver.running(),
            replica: replica.statistics(),
            engine,
        }
    }

    /// Makes this node say that it is about to stop: it is not ready any more.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }
}
