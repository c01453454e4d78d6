//! What a member says of itself when another one asks: only it knows its disk, its store of hints and its version.
//!
//! No decision depends on it; it is for people who ask one node about all of them. A member of a version
//! that does not know the question says so, and is shown as one that did not answer.

use super::messages::{ControlReply, ControlRequest, Report};
use super::traffic::Traffic;
use super::{Control, Replica};
use crate::heat::Meter;
use quorate_model::{Epoch, NodeId};
use quorate_storage::Engine as _;
use quorate_transport::CallError;
use tokio::time::Instant;

impl Report {
    /// Of this node.
    pub fn of(replica: &Replica, meter: &Meter, traffic: Option<Traffic>, epoch: Epoch) -> Self {
        let counts = replica.hint_counts();
        let health = replica.health();
        let engine = replica.engine();
        let figures = replica.table_figures();
        let counted = figures.values().map(|figure| figure.total.bytes).sum();
        let is_all = replica.counts_all();
        // Files alone lack what is still in memory; what is not counted yet is in them.
        let bytes = if is_all { counted } else { engine.statistics().live_bytes.max(counted) };
        Self {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            epoch,
            bytes,
            free_bytes: engine.free_bytes(),
            hints: counts.iter().filter(|(_, h)| h.count > 0).map(|(owner, h)| (*owner, h.count)).collect(),
            hints_overflow: counts.values().map(|hints| hints.refused).sum(),
            doubt: health.doubt.map(|doubt| doubt.to_string()),
            disk_full: health.disk_full,
            keys: Some(figures.values().map(|figure| figure.total.values()).sum()),
            keys_exact: Some(is_all),
            load: Some(meter.load()),
            traffic,
        }
    }

    /// The hints that it keeps for one owner.
    pub fn hints_for(&self, owner: NodeId) -> u64 {
        self.hints.iter().find(|(node, _)| *node == owner).map_or(0, |(_, count)| *count)
    }
}

impl Control {
    /// What this node says of itself.
    pub(super) fn report(&self) -> Report {
        let traffic = self.traffic.get().map(|count| count());
        Report::of(&self.replica, &self.meter, traffic, self.views.epoch())
    }

    /// What every member says of itself, this one too, in the order of the catalog; or why it said nothing until
    /// `deadline`.
    pub async fn reports(&self, deadline: Instant) -> Vec<(NodeId, Result<Report, String>)> {
        let view = self.views.current();
        // All are asked together, then heard one after the other.
        let asked: Vec<_> = view
            .catalog()
            .nodes()
            .map(|node| {
                let other = node.id != self.node;
                (node.id, other.then(|| self.ask(node.id, &ControlRequest::Report, deadline)))
            })
            .collect();
        let mut reports = Vec::with_capacity(asked.len());
        for (node, asked) in asked {
            let report = match asked {
                None => Ok(self.report()),
                Some(asked) => match asked.await {
                    Ok(ControlReply::Report(report)) => Ok(report),
                    Ok(
                        ControlReply::Joined { .. }
                        | ControlReply::Written(_)
                        | ControlReply::Rejected(_)
                        | ControlReply::NotLeader(_)
                        | ControlReply::NotWritten(_)
                        | ControlReply::Unknown(_)
                        | ControlReply::Applied(_)
                        | ControlReply::Disk(_)
                        | ControlReply::Found(_)
                        | ControlReply::Figures(_)
                        | ControlReply::Closed(_)
                        | ControlReply::Jobs(_)
                        | ControlReply::Replaced { .. }
                        | ControlReply::Refused { .. }
                        | ControlReply::Heard(_)
                        | ControlReply::Log(_),
                    ) => Err("it answered another question".to_owned()),
                    Err(CallError::NotSent(why) | CallError::Lost(why)) => Err(why.to_owned()),
                    Err(error @ CallError::NotUnderstood) => Err(error.to_string()),
                },
            };
            reports.push((node, report));
        }
        reports
    }
}
