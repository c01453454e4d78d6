//! Whether this node can serve its tables now, and what it can say about itself.

use super::{Core, HintStatistics, Reached, Statistics, TableHeld};
use crate::control::Healing;
use crate::recovery::Outlook;
use quorate_model::NodeId;
use quorate_storage::{Cause, Doubt, Engine};
use quorate_transport::Lane;
use std::sync::atomic::Ordering;

/// So many members that can't be reached are named with the reason.
const UNREACHABLE_SAID_MAX: usize = 3;

impl Core {
    /// Why this node cannot serve its tables at their default levels; empty: it can.
    pub fn readiness(&self) -> Vec<String> {
        if let Some(ended) = self.dismissed() {
            let way_out = ended.way_out().unwrap_or_default();
            return vec![format!("{ended}; the process ends: {way_out}")];
        }
        let mut reasons = Vec::new();
        if self.is_stopping() {
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
        if known.drained {
            reasons.push(format!(
                "the node is drained: it keeps what it has and answers its peers for it, takes no requests for keys, and \
                 gets no new copies, until POST /v1/cluster/nodes/{}/undrain",
                self.node
            ));
        }
        let incarnation = self.links.identity().incarnation;
        if u64::from(known.incarnation) != incarnation {
            reasons.push(format!(
                "the catalog does not name incarnation {incarnation} of this node yet: until then it answers for no key"
            ));
        }
        if let Some(healing) = self.healing().filter(|_| health.doubt.is_none()) {
            let Healing { shards, whole, records, waits_for, .. } = healing;
            let waits_for =
                waits_for.map_or_else(String::new, |waits_for| format!("; waits for: {waits_for}"));
            reasons.push(format!(
                "the node has lost something and fills itself from other owners: {whole} of its {shards} shards are whole \
                 ({records} records so far){waits_for}"
            ));
        }
        let healthy = reasons.len();
        reasons.extend(self.counted().tables_at_risk(&view));
        if reasons.len() > healthy {
            let down = self.links.report().into_iter().filter(|link| link.lane == Lane::Data && !link.up);
            let said = down.filter_map(|link| {
                link.last_error.map(|why| format!("no connection to node {}: {why}", link.node))
            });
            reasons.extend(said.take(UNREACHABLE_SAID_MAX));
        }
        reasons
    }

    /// How many voters there are to change the catalog, and whether keys can be served meanwhile: what the one lacks, the
    /// other may have.
    pub(super) fn what_is_up(&self) -> String {
        let (view, counted) = (self.view(), self.counted());
        let voters: Vec<NodeId> = view.catalog().voters().map(|node| node.id).collect();
        let up = voters.iter().filter(|voter| counted.is_up(**voter)).count();
        let risks = counted.tables_at_risk(&view);
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

    /// What ends a doubt: the node itself, or an operator. Damage may hide behind any key, so that only other data help;
    /// data that are whole and too short may be accepted as they are.
    fn way_out(&self, doubt: &Doubt) -> String {
        let anew = format!(
            "stop this node, keep its folder aside, and start it with an empty folder on a disk that works (serve --join \
             host:port --replace-self {})",
            self.node
        );
        if let Some(counts) = self.recollection.counts_instead() {
            return format!(
                "the member went on as incarnation {counts}, in another folder, and this one is of an earlier incarnation: \
                 nothing in it counts any more, and nothing of it was changed; stop this process, and start the later \
                 folder; this one may be removed; if the later one is lost too, {anew}"
            );
        }
        let accept =
            format!("`quorate node accept-loss {}` says what may be lost and, once accepted", self.node);
        let by_hand = match doubt.cause {
            Cause::Damaged => return anew,
            Cause::Failed => format!(
                "check the disk and start this node again; {accept}, goes on with what is there; if the disk fails \
                 again, {anew}"
            ),
            Cause::Behind | Cause::MachineStopped => format!("{accept}, goes on with what is there"),
        };
        match self.recovery.outlook() {
            Outlook::Heals => {
                "it heals by itself: it gives its data up and fills itself from the other owners".to_owned()
            }
            Outlook::Waits(why) => {
                format!("it heals by itself once it can, and waits for this: {why}; or {by_hand}")
            }
            Outlook::Never(why) => format!("it can't heal by itself ({why}): {by_hand}"),
            Outlook::Off => by_hand,
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
        let loads = self.local.loads();
        let held = view.catalog().tables().filter_map(|table| {
            let figure = figures.get(&table.id)?;
            Some(TableHeld {
                name: table.name.clone(),
                keys: figure.total.values(),
                removals: figure.total.removals,
                bytes: figure.total.bytes,
                is_exact: figure.is_exact,
                load: loads.get(&table.id).copied().unwrap_or(0),
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

    /// Makes this node say that it is about to stop: it is not ready any more, and serves on, so that load balancers can
    /// leave it alone before any request is refused.
    pub fn announce_stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    /// Makes this node take nothing new.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }
}
