//! `quorate backup`: what tables hold, kept outside of the cluster, and brought back into any.
//!
//! ```text
//!   create    pages at a quorum ──> segments ──> snapshot          what has not changed is taken over, unread
//!   verify    snapshot ──> every digest; beside a table, key by key
//!   restore   snapshot ──> a new table ──> the same check
//! ```
//!
//! It asks any node over HTTP, as `export` does, so that neither the nodes nor their disks need to be at hand, and the cluster
//! that takes a snapshot in may have another size and another name. The format is that of [`quorate_backup`].

mod compare;
mod create;
mod failed;
mod list;
mod pace;
mod place;
mod plan;
mod prune;
mod putting;
mod reading;
mod restore;
mod side;
mod spec;
mod sums;
mod time;
mod verify;

use crate::context::Context;
use crate::exit::Failure;
use clap::{Args, Subcommand};

/// `quorate backup`.
#[derive(Args, Debug)]
pub struct BackupCommand {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Make a snapshot of tables; what has not changed since the one before is taken over unread.
    Create(create::Create),
    /// Show the snapshots of a repository.
    List(list::List),
    /// Read a snapshot and check every digest; with --against, compare it with a table.
    Verify(verify::Verify),
    /// Make tables of a snapshot, in this cluster or another one, and check them.
    Restore(restore::Restore),
    /// Remove all snapshots but the last ones, and what only they need.
    Prune(prune::Prune),
}

impl BackupCommand {
    /// Does it.
    pub async fn run(self, context: &Context) -> Result<(), Failure> {
        match self.action {
            Action::Create(create) => create.run(context).await,
            Action::List(list) => list.run(context).await,
            Action::Verify(verify) => verify.run(context).await,
            Action::Restore(restore) => restore.run(context).await,
            Action::Prune(prune) => prune.run(context).await,
        }
    }
}
