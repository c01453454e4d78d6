//! Plans: what an operator wants of the cluster, as moves of shards, with a preview that says what it costs.
//!
//! A plan is made from one catalog, by any node, and changes nothing. Applied, it becomes a job
//! ([`crate::catalog::job`]); it is refused then if what it was made from has changed.
//!
//! ```text
//!   catalog, wish ──> members and n from then on ──> placement ──> moves ──> Begin, Extend ..
//!   bytes, who is away ────────────────────────────────┴──> preview
//! ```
//!
//! # Laws
//!
//! - What the placement promises (`ring/src/placement`): each node within 2 % of its share, or one copy; little moves, and
//!   between nodes that stay nothing where zones are even.
//! - A drained node keeps what it has and gets nothing.
//! - A change of one table's number of copies moves shards of that table alone. Every other plan leaves each shard as many
//!   owners as it has.
//! - What the catalog would reject is no plan.
//! - A plan that could lose something is refused, unless the nodes are named of which that is accepted.
//!
//! # What is absent
//!
//! Heat. Time: how fast bytes are copied is known to the nodes, not here.

mod asked;
mod meanwhile;
mod preview;
mod wanted;

pub use asked::{Known, NoPlan, Wish};
pub use meanwhile::Meanwhile;
pub use preview::{NodeShare, Preview};

use crate::catalog::command::planned::SHARDS_PER_COMMAND_MAX;
use crate::catalog::{Begin, Catalog, Change, Command, Extend, JobId, JobKind, Move};
use quorate_model::{Epoch, NodeId};

/// A plan, to be shown and applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Planned {
    /// The topology from which it was made.
    pub base: Epoch,
    /// What it is for.
    pub kind: JobKind,
    /// What changes at once.
    pub changes: Vec<Change>,
    /// What moves.
    pub moves: Vec<Move>,
    /// Members that are gone for good.
    pub dead: Vec<NodeId>,
    /// Members of which loss is accepted.
    pub accepted: Vec<NodeId>,
    /// What it costs and means.
    pub preview: Preview,
}

/// The plan that makes of a cluster what is wished.
pub fn plan(catalog: &Catalog, wish: &Wish, known: &Known) -> Result<Planned, NoPlan> {
    if let Some(job) = catalog.running_job() {
        return Err(NoPlan::JobRuns { job: job.id });
    }
    let target = wanted::Target::of(catalog, wish, known)?;
    let moves = target.moves(catalog)?;
    if moves.is_empty()
        && let Some(why) = target.idle(catalog, wish)
    {
        return Err(NoPlan::Nothing { why });
    }
    target.check_sources(catalog, &moves, known)?;
    let preview = Preview::of(catalog, &target, &moves, known)?;
    let planned = Planned {
        base: catalog.topology(),
        kind: target.kind,
        changes: target.changes,
        moves,
        dead: target.dead,
        accepted: known.accepted.iter().copied().collect(),
        preview,
    };
    // The first command has all that a plan says beside further moves.
    match planned.commands(JobId::default()).first().map(|begin| catalog.apply(begin)) {
        Some(Err(rejection)) => Err(NoPlan::Rejected(rejection)),
        Some(Ok(_)) | None => Ok(planned),
    }
}

impl Planned {
    /// The commands that begin it, in their order.
    pub fn commands(&self, id: JobId) -> Vec<Command> {
        let mut parts = self.moves.chunks(SHARDS_PER_COMMAND_MAX);
        let first = parts.next().unwrap_or_default().to_vec();
        let begin = Begin {
            id,
            base: self.base,
            kind: self.kind,
            changes: self.changes.clone(),
            moves: first,
            parts: 1 + parts.len() as u32,
            dead: self.dead.clone(),
            accepted: self.accepted.clone(),
            bytes_total: self.preview.bytes,
        };
        let extend =
            |(moves, part): (&[Move], u32)| Command::Extend(Extend { job: id, part, moves: moves.to_vec() });
        std::iter::once(Command::Begin(begin)).chain(parts.zip(1..).map(extend)).collect()
    }
}

#[cfg(test)]
mod tests;
