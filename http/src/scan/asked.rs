//! What the pages of one request have in common.

use crate::app::App;
use crate::problem::Problem;
use quorate_coordinator::GetError;
use quorate_coordinator::scan::Error;
use quorate_model::{Level, Table};
use std::time::Duration;

/// See the module's sentence.
pub(super) struct Scan {
    /// The node.
    pub app: App,
    /// The level of every page.
    pub level: Level,
    /// How long each page may take.
    pub timeout: Duration,
}

impl Scan {
    /// Why a page failed.
    pub fn problem(&self, table: &Table, error: Error) -> Problem {
        self.app.metrics.replicas(match &error.error {
            GetError::Unavailable { replicas, .. }
            | GetError::Timeout { replicas, .. }
            | GetError::Divergent { replicas } => replicas,
        });
        let problem = Problem::from(error.error).at(self.level).on(table);
        match error.shard {
            Some(shard) => problem.in_shard(shard),
            None => problem,
        }
    }
}
