//! Whether this node can serve its tables now, and what it can say about itself.

use super::{Core, HintStatistics, Reached, Statistics, TableHeld};
use crate::control::DiskState;
use quorate_coordinator::fill::Progress;
use quorate_model::level::{quorum, round_one};
use quorate_model::{NodeId, Table};
use quorate_ring::View;
use quorate_ring::catalog::Shard;
use quorate_storage::{Cause, Doubt, Engine};
use quorate_transport::Lane;
use std::collections::BTreeMap;
use std::sync::PoisonError;
use std::sync::atomic::Ordering;

/// So many members that can't be reached are named with the reason.
const UNREACHABLE_SAID_MAX: usize = 3;

/// Owners of a shard that must be up so that its table can be read and written at its default levels: round one of
/// a write counts too, and on a table whose w is below a quorum it needs more of them than the write itself.
fn owners_needed(table: &Table) -> u8 {
    let round_one = round_one(table.n, table.w_required());
    table.r_required().max(table.w_required()).max(quorum(table.n)).max(round_one)
}

/// A sentence on each table that has shards with too few owners up.
pub fn tables_at_risk(view: &View, is_up: impl Fn(NodeId) -> bool) -> Vec<String> {
    let mut risks = Vec::new();
    for table in view.catalog().tables() {
        let needed = owners_needed(table);
        let up = |shard: &&Shard| shard.nodes().filter(|node| is_up(*node)).count();
        let short = table.shards().iter().filter(|shard| up(shard) < usize::from(needed)).count();
        if short > 0 {
            let (name, shards, w) = (&table.name, table.shards().len(), table.w);
            let why = if table.w_required() < quorum(table.n) {
                format!(
                    " (with w={w}, round one of a write needs {})",
                    round_one(table.n, table.w_required())
                )
            } else {
                String::new()
            };
            risks.push(format!(
                "table {name}: {short} of {shards} shards have fewer than {needed} owners up{why}"
            ));
        }
    }
    risks
}

/// Shards whose reads, and whose writes, too few owners can answer for at their tables' levels.
pub fn shards_refusing(view: &View, is_up: impl Fn(NodeId) -> bool) -> (usize, usize) {
    let (mut reads, mut writes) = (0, 0);
    for table in view.catalog().tables() {
        let written = table.w_required().max(round_one(table.n, table.w_required()));
        for shard in table.shards() {
            let up = shard.nodes().filter(|node| is_up(*node)).count();
            reads += usize::from(up < usize::from(table.r_required()));
            writes += usize::from(up < usize::from(written));
        }
    }
    (reads, writes)
}

impl Core {
    /// Why this node cannot serve its tables at their default levels; empty: it can.
    pub fn readiness(&self) -> Vec<String> {
        let mut reasons = Vec::new();
        if self.is_draining() {
            reasons.push("the node is about to stop".to_owned());
        }
        let health = self.local.replica().health();
        if let Some(doubt) = &health.doubt {
            reasons.push(format!(
                "the replica doubts its disk: {doubt}; it answers and votes no more, also after a restart: {}",
                self.way_out(doubt)
            ));
        }
        if health.disk_full {
            reasons.push(
                "the disk is full: writes are refused, reads go on, nothing is lost; free some space, and writes go \
                 on by themselves"
                    .to_owned(),
            );
        }
        if let Some(shortage) = self.local.replica().engine().shortage() {
            reasons.push(format!(
                "the operating system gives this node no file: {shortage}; writes are refused meanwhile, nothing is \
                 lost, and they go on by themselves; allow it more open files (LimitNOFILE), or stop what uses them up"
            ));
        }
        if let Some(duplicate) = self.links.duplicate().borrow().clone() {
            reasons.push(duplicate.why);
        }
        let view = self.view();
        let catalog = view.catalog();
        let Some(known) = catalog.node(self.node) else {
            reasons.push("the catalog that has this node has not arrived yet".to_owned());
            return reasons;
        };
        let incarnation = self.links.identity().incarnation;
        if u64::from(known.incarnation) != incarnation {
            reasons.push(format!(
                "the catalog does not name incarnation {incarnation} of this node yet: until then it answers for no key"
            ));
        }
        // Asked of the replica: the filling itself may not have looked yet.
        let (owned, whole) = self.local.replica().wholeness();
        if whole < owned {
            let filling = self.filling();
            let waiting = filling.waiting.first().map_or(String::new(), |waiting| format!("; {waiting}"));
            reasons.push(format!(
                "the node has lost something and fills itself from other owners: {whole} of its {owned} shards are whole \
                 ({} records so far){waiting}",
                filling.records
            ));
        }
        let healthy = reasons.len();
        let disks = self.disks();
        reasons.extend(tables_at_risk(&view, |node| self.is_up(&view, &disks, node)));
        if reasons.len() > healthy {
            let down = self.links.report().into_iter().filter(|link| link.lane == Lane::Data && !link.up);
            let said = down.filter_map(|link| {
                link.last_error.map(|why| format!("no connection to node {}: {why}", link.node))
            });
            reasons.extend(said.take(UNREACHABLE_SAID_MAX));
        }
        reasons
    }

    /// Whether a member can be counted on, as far as this node knows.
    fn is_up(&self, view: &View, disks: &BTreeMap<NodeId, DiskState>, node: NodeId) -> bool {
        let doubts = disks.get(&node).is_some_and(|disk| disk.doubt.is_some());
        node == self.node || (view.liveness().is_alive(node) && !doubts)
    }

    /// How many voters there are to change the catalog, and whether keys can be served meanwhile: what the one lacks, the
    /// other may have.
    pub(super) fn what_is_up(&self) -> String {
        let (view, disks) = (self.view(), self.disks());
        let voters: Vec<NodeId> = view.catalog().voters().map(|node| node.id).collect();
        let up = voters.iter().filter(|voter| self.is_up(&view, &disks, **voter)).count();
        let risks = tables_at_risk(&view, |node| self.is_up(&view, &disks, node));
        let keys = match risks.first() {
            None => "keys of every table have their quorum".to_owned(),
            Some(risk) if risks.len() == 1 => risk.clone(),
            Some(risk) => format!("{risk} (and {} tables more)", risks.len() - 1),
        };
        format!("{up} of {} voters can be reached from here; {keys}", voters.len())
    }

    /// Half a sentence on what this node can't know while the catalog does not say where it is; `None`: it does.
    pub fn whereabouts_unknown(&self) -> Option<String> {
        let view = self.view();
        let known = view.catalog().node(self.node)?;
        let Reached { http_address, peer_address } = &self.reached;
        let is_known = known.http_address == *http_address && known.peer_address == *peer_address;
        (!is_known).then(|| {
            format!(
                "{} has moved and the catalog does not have its address yet: the others may not reach it",
                self.node
            )
        })
    }

    /// What an operator can do about a doubt. Damage may hide behind any key, so that only other data help; data that
    /// are whole and too short may be accepted as they are.
    fn way_out(&self, doubt: &Doubt) -> String {
        const ANEW: &str = "stop this node, keep its folder aside, and let a new node join with an empty folder on a disk that works";
        let accept =
            format!("`quorate node accept-loss {}` says what may be lost and, once accepted", self.node);
        match doubt.cause {
            Cause::Damaged => ANEW.to_owned(),
            Cause::Failed => format!(
                "check the disk and start this node again; {accept}, goes on with what is there; if the disk fails \
                 again, {ANEW}"
            ),
            Cause::Behind | Cause::MachineStopped => format!("{accept}, goes on with what is there"),
        }
    }

    /// What this node can say about itself in numbers.
    pub fn statistics(&self) -> Statistics {
        let replica = self.local.replica();
        let counts = replica.hint_counts();
        let disk_reads = self.local.disk_reads();
        let committer = self.local.committer().statistics();
        let engine = replica.engine().statistics();
        let health = replica.health();
        let figures = replica.table_figures();
        let view = self.views.current();
        let held = view.catalog().tables().filter_map(|table| {
            let figure = figures.get(&table.id)?;
            Some(TableHeld {
                name: table.name.clone(),
                keys: figure.total.values(),
                removals: figure.total.removals,
                bytes: figure.total.bytes,
                is_exact: figure.is_exact,
            })
        });
        Statistics {
            epoch: self.views.epoch(),
            hints: HintStatistics {
                waiting: counts.iter().map(|(owner, hints)| (*owner, hints.count)).collect(),
                overflow_total: counts.values().map(|hints| hints.refused).sum(),
                replayed_total: self.hints.replayed(),
            },
            replica_doubt: health.doubt,
            disk_full: health.disk_full,
            free_bytes: replica.engine().free_bytes(),
            links: self.links(),
            committer_queue_items: committer.queue_items as u64,
            committer,
            disk_reads_running: disk_reads.running,
            disk_reads_total: disk_reads.total,
            peer_requests_total: self.local.requests(),
            panics_total: self.local.panics() + self.driver.panics(),
            operations_running: self.driver.load().running,
            operations_value_bytes: self.driver.load().value_bytes,
            replica: replica.statistics(),
            engine,
            sums: replica.sum_statistics(),
            tables: held.collect(),
        }
    }

    /// How far this node has filled itself after a loss.
    pub fn filling(&self) -> Progress {
        self.filled.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Makes this node say that it is about to stop: it is not ready any more.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }
}
