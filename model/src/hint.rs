//! A hint: a record kept for an owner that could not be reached. It never counts towards a quorum.

use crate::ids::TableId;
use crate::key::SortKey;
use crate::record::Record;

/// See the module's essay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hint {
    /// Its table.
    pub table: TableId,
    /// Its position.
    pub sort_key: SortKey,
    /// What to tell the owner.
    pub record: Record,
}
