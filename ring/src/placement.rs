//! Which nodes should hold the shards of a table.

use crate::catalog::Catalog;
use crate::plan::OwnerSet;
use crate::ring::Ring;
use quorate_model::Token;

/// Owners for the shards of a new table, one set for each position; `None` with fewer than `n` nodes.
pub fn place_table(catalog: &Catalog, n: u8, positions: &[Token]) -> Option<Vec<OwnerSet>> {
    let ring = Ring::of(catalog.members());
    positions.iter().map(|position| ring.preferred(*position, n)).collect()
}
