//! The job that was begun here: one that comes to wait is to end, since it keeps all others away.

use super::said::Said;
use crate::catalog::{Begin, Catalog, Job, JobId, JobKind, JobState, Move, RequestId, Shard};
use quorate_model::{Instant, NodeId};
use std::collections::BTreeSet;

/// The lower half of the names of jobs that were begun here; an operator's are drawn at random.
const BY_ITSELF: u64 = u64::from_be_bytes(*b"balance.");

/// The job that was begun here, if one runs.
#[derive(Clone, Debug, Default)]
pub(super) struct Own(Option<Progress>);

/// How far it is, since when, and since when a node is away that it needs.
#[derive(Clone, Debug)]
struct Progress {
    job: JobId,
    done: u32,
    bytes: u64,
    since: Instant,
    away: Option<Instant>,
}

impl Own {
    /// A job that begins with these moves; the bytes of them.
    pub fn begin(catalog: &Catalog, (moves, bytes_total): (Vec<Move>, u64)) -> Begin {
        Begin {
            // No other job begins at this epoch.
            id: RequestId(u128::from(catalog.epoch().0) << 64 | u128::from(BY_ITSELF)),
            base: catalog.topology(),
            kind: JobKind::Balance,
            changes: Vec::new(),
            moves,
            parts: 1,
            dead: Vec::new(),
            accepted: Vec::new(),
            bytes_total,
        }
    }

    /// How far the running job is, and whether it is to end: it waits for a node that is away, or for what else there may be.
    pub fn is_late(&mut self, job: &Job, said: &Said<'_>, now: Instant) -> bool {
        if job.kind != JobKind::Balance || job.id.0 as u64 != BY_ITSELF || job.state != JobState::Running {
            self.0 = None;
            return false;
        }
        let up: BTreeSet<NodeId> = said.reports().map(|(node, _)| node).collect();
        let moving = said.catalog.moving().flat_map(Shard::holder_nodes);
        let waiting = job.pending.iter().flat_map(|(id, pending)| {
            let entry = said.catalog.table_by_id(id.table);
            let owners = entry.map(|entry| entry.shard_at(&pending.start).owner_nodes());
            owners.into_iter().flatten().chain(pending.wanted.iter().copied())
        });
        let is_away = moving.chain(waiting).any(|node| !up.contains(&node));
        let fills = said.reports().flat_map(|(_, report)| report.fills.values());
        let (done, bytes) = (job.done, fills.map(|fill| fill.bytes).sum());
        let mut own = self.0.take().filter(|own| own.job == job.id).unwrap_or(Progress {
            job: job.id,
            done,
            bytes,
            since: now,
            away: None,
        });
        // A shard that goes back and begins again has made no progress before it has more than it had.
        if done > own.done || bytes > own.bytes {
            own.since = now;
            (own.done, own.bytes) = (done, if done > own.done { bytes } else { bytes.max(own.bytes) });
        }
        own.away = is_away.then(|| own.away.unwrap_or(now));
        let is_late = now - own.since >= said.limits.still_for
            || own.away.is_some_and(|since| now - since >= said.limits.away_for);
        self.0 = Some(own);
        is_late
    }
}
