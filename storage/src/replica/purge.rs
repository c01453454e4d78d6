//! Dropped tables: finding and removing what is left of them.
//!
//! A table's id is never reused, so what a dropped table left behind can't be mistaken for anything else; removing it
//! is only a matter of space, and doing it twice is harmless.

use super::Replica;
use super::hints::HintBook;
use crate::engine::{Batch, Direction, Engine, EngineError, Family, PageLimit};
use crate::keys::{self, DiskKey};
use quorate_model::{Durability, Refusal, TableId};
use thiserror::Error;

/// Why a dropped table's data are still there.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PurgeError {
    /// The installed layout knows the table: its data are in use.
    #[error("table {0} is in the catalog, its data were left alone; install the layout without it first")]
    InUse(TableId),
    /// Refused or interrupted; purging again is harmless.
    #[error("the table's data may still be there: {0}; purge again")]
    Refused(#[from] Refusal),
}

impl<E: Engine> Replica<E> {
    /// Removes what is held of a table that the catalog dropped: its records, and its hints. The layout without it
    /// must be installed. Durable when it returns.
    pub fn purge_table(&self, table: TableId) -> Result<(), PurgeError> {
        let mut writer = self.writer();
        if self.layout().tables.contains_key(&table) {
            return Err(PurgeError::InUse(table));
        }
        self.trusted()?;
        let mut batch = Batch::default();
        batch.delete_range(Family::Records, keys::records_of(table));
        for owner in self.hints().owners() {
            batch.delete_range(Family::Hints, keys::hints_of_table(owner, table));
        }
        self.write(&mut writer, batch, Durability::Sync).map_err(|error| self.refusal(&error))?;
        // Counting anew is simple, and drops are rare.
        let hints = HintBook::load(&*self.engine).map_err(|error| self.refusal(&error))?;
        *self.hints() = hints;
        Ok(())
    }

    /// The tables of which records are held, whether the catalog knows them or not: what a node compares with the
    /// catalog when it starts, in order to purge what was dropped meanwhile.
    pub fn stored_tables(&self) -> Result<Vec<TableId>, Refusal> {
        self.trusted()?;
        let one = PageLimit { items: 1, bytes: 1 };
        let mut tables = Vec::new();
        let mut range = keys::records_of(TableId(0));
        range.end = None;
        loop {
            let page = self.engine.scan(Family::Records, &range, Direction::Forward, one);
            let page = page.map_err(|error| self.refusal(&error))?;
            let Some((key, _)) = page.first() else { return Ok(tables) };
            let Some(DiskKey::Record { table, .. }) = DiskKey::decode(key) else {
                return Err(self.refusal(&EngineError::Corrupt("a key that is no record's".into())));
            };
            tables.push(table);
            let Some(behind) = keys::records_of(table).end else { return Ok(tables) };
            range.start = behind;
        }
    }
}
