//! Open changes: what a coordinator does while owners may still act by the catalog before a change.

use quorate_model::{Mutant, Rules, Table};
use quorate_ring::Catalog;

/// A table answers nothing while a dropped one of its name is not closed: owners that have not heard of the drop may
/// still answer for that one.
///
/// Rule 6. Whether requests for the table are taken.
#[inline]
pub fn answers(rules: Rules, catalog: &Catalog, table: &Table) -> bool {
    catalog.dropping(&table.name).is_none() || rules.broken(Mutant::DropNotAwaited)
}
