//! `backup prune`: removes old snapshots, and the segments that only they name.

use super::failed::failed;
use super::place::Place;
use crate::confirm::by_yes;
use crate::context::Context;
use crate::exit::Failure;
use crate::quantity::{self, counted};
use clap::Args;
use serde_json::json;
use std::num::NonZeroU32;
use std::time::SystemTime;

/// `quorate backup prune`.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  quorate backup prune /backup/orders --keep 14")]
pub struct Prune {
    #[command(flatten)]
    place: Place,
    /// So many snapshots stay, the last ones.
    #[arg(long, value_name = "COUNT")]
    keep: NonZeroU32,
}

impl Prune {
    /// Removes the others.
    pub async fn run(self, context: &Context) -> Result<(), Failure> {
        let repository = self.place.open().await?;
        let keep = self.keep.get() as usize;
        let go = repository.ids().await.map_err(failed)?.len().saturating_sub(keep) as u64;
        if go > 0 {
            let snapshots = counted(go, "snapshot");
            by_yes(&format!("Remove {snapshots} of {}?", repository.place()), context)?;
        }
        let pruned = repository.prune(keep, SystemTime::now()).await.map_err(failed)?;
        let output = &context.output;
        if output.is_json() {
            return output.json(&json!({
                "removed": pruned.snapshots,
                "segments": pruned.segments,
                "bytes": pruned.bytes,
            }));
        }
        let snapshots = counted(pruned.snapshots.len() as u64, "snapshot");
        let segments = counted(pruned.segments, "segment");
        output.line(&format!("{snapshots} and {segments} removed, {}", quantity::bytes(pruned.bytes)))
    }
}
