//! Jobs, as this node tells of the whole cluster.

use super::Core;
use crate::jobs::{Full, JobId, Kind, LastEqual, Proofs, Whole, assemble};
use quorate_model::{Key, NodeId, Table, TableId};
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::time::Instant;

impl Core {
    /// Orders a job of every member; which one. Answered once every member has said whether it takes it, or `timeout` has
    /// passed.
    pub async fn order(&self, kind: Kind, table: Option<TableId>, timeout: Duration) -> Result<JobId, Full> {
        Ok(self.control.order(kind, table, Instant::now() + timeout).await?.id)
    }

    /// All jobs that members remember, the newest first; and the members that said nothing within `timeout`, with why.
    pub async fn jobs(&self, timeout: Duration) -> (Vec<Whole>, Vec<(NodeId, String)>) {
        let heard = self.control.jobs(Instant::now() + timeout).await;
        let silent = heard.iter().filter_map(|(node, said)| Some((*node, said.as_ref().err()?.clone())));
        (assemble(&heard), silent.collect())
    }

    /// When the shards of each table were last found equal, as each member says of those whose sync it runs.
    pub async fn proofs(&self, timeout: Duration) -> BTreeMap<NodeId, Result<Vec<Proofs>, String>> {
        self.control.proofs(Instant::now() + timeout).await
    }

    /// When the owners of a key's shard were last found equal.
    pub async fn last_equal(&self, table: &Table, key: &Key, timeout: Duration) -> LastEqual {
        let view = self.view();
        let Some(entry) = view.table_by_id(table.id) else { return LastEqual::ByNone(Vec::new()) };
        let shard = entry.shard_of(key);
        let owners: Vec<NodeId> = shard.owner_nodes().collect();
        let start = shard.interval.start.clone();
        self.control.last_equal(table.id, start, &owners, Instant::now() + timeout).await
    }
}
