//! Where plans come from: the newest catalog that a node has applied, with who seems down.
//!
//! An operation goes by one plan. Where it needs another (an owner refused for the sake of the catalog, a hint is
//! handed over long after it was kept), it is looked up here by the driver of the machines: the process in its views,
//! the simulator in its catalog.

use quorate_model::{Epoch, Interval, ShardNow, SortKey, TableId};
use quorate_ring::Plan;

/// See the module's essay.
pub trait Plans {
    /// The epoch of the newest catalog.
    fn epoch(&self) -> Epoch;

    /// Where a key lives; `None`: this catalog has no such table (any more, or yet).
    fn plan(&self, table: TableId, sort_key: &SortKey) -> Option<Plan>;

    /// Where a walk over a range begins: the plan of the shard that holds its first sort key, or in reverse its last ones;
    /// `None`: this catalog has no such table.
    fn plan_of_range(&self, table: TableId, range: &Interval, reverse: bool) -> Option<Plan>;

    /// Where a key lives by what another node said is in force of its shard; `None`: this catalog has no such table, or
    /// what was said can't be.
    fn plan_by(&self, table: TableId, sort_key: &SortKey, now: &ShardNow) -> Option<Plan>;

    /// Whether a table is gone: this catalog has issued its id and has it no more.
    fn is_dropped(&self, table: TableId) -> bool;
}
