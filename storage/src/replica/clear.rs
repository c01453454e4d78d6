//! Dropped tables: finding and removing what is left of them.
//!
//! A table's id is never reused, so what a dropped table left behind can't be mistaken for anything else; removing it
//! is only a matter of space, and doing it twice is harmless.

use super::emptied::Emptied;
use super::{Replica, Writer};
use crate::engine::{Batch, Direction, Engine, EngineError, Family, PageLimit};
use crate::keys::{self, DiskKey};
use quorate_model::{Durability, NodeId, Refusal, TableId};
use std::collections::BTreeSet;
use std::sync::{MutexGuard, PoisonError};
use thiserror::Error;

/// Hints that are removed at a time: writers wait for one such step at most.
const CLEAR_STEP: PageLimit = PageLimit { items: 256, bytes: 1024 * 1024 };

/// Why a dropped table's data are still there.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ClearError {
    /// The installed layout knows the table: its data are in use.
    #[error("table {0} is in the catalog, its data were left alone; install the layout without it first")]
    InUse(TableId),
    /// Refused or interrupted; purging again is harmless.
    #[error("the table's data may still be there: {0}; clear it again")]
    Refused(#[from] Refusal),
}

impl<E: Engine> Replica<E> {
    /// Removes what is held of a table that the catalog dropped: its hints, then its records. The layout without it
    /// must be installed. Durable when it returns. Writers go on meanwhile: each step is short.
    pub fn clear_table(&self, table: TableId) -> Result<(), ClearError> {
        // Records last: they are what a later start finds if this one is interrupted.
        let owners = self.hints().owners();
        for owner in owners {
            while self.clear_hints(owner, table)? {}
        }
        let mut writer = self.not_in_use(table)?;
        let mut batch = Batch::default();
        batch.delete_range(Family::Records, keys::records_of(table));
        batch.delete_range(Family::Meta, keys::chunk_sums_of(table));
        batch.delete_range(Family::Meta, keys::copies_of(table));
        batch.delete_range(Family::Meta, keys::floors_of(table));
        self.write(&mut writer, batch, Durability::Sync).map_err(|error| self.refusal(&error))?;
        self.emptied().add(keys::records_of(table));
        self.sums().forget(table);
        self.ledger_mut().forget(table);
        self.floors_mut().forget(table);
        Ok(())
    }

    /// What is noted to be given back.
    pub(super) fn emptied(&self) -> MutexGuard<'_, Emptied> {
        self.emptied.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives back the space of one range that was cleared; `false`: there is none. It may take long, and holds up nothing that
    /// a request needs.
    pub fn give_back_space(&self) -> Result<bool, Refusal> {
        self.trusted()?;
        let Some(range) = self.emptied().next() else { return Ok(false) };
        match self.engine.give_back(Family::Records, &range) {
            Ok(()) => Ok(true),
            Err(error) => {
                self.emptied().again(range);
                Err(self.refusal(&error))
            }
        }
    }

    /// Removes some of a table's hints for one owner; `false`: there is none left.
    fn clear_hints(&self, owner: NodeId, table: TableId) -> Result<bool, ClearError> {
        let range = keys::hints_of_table(owner, table);
        let page = || {
            let page = self.engine.scan(Family::Hints, &range, Direction::Forward, CLEAR_STEP);
            page.map_err(|error| self.refusal(&error))
        };
        self.trusted()?;
        // Read beforehand without the lock, so that no request waits for the disk.
        if page()?.is_empty() {
            return Ok(false);
        }
        let mut writer = self.not_in_use(table)?;
        let mut batch = Batch::default();
        let mut erased = Vec::new();
        for (key, value) in page()? {
            erased.push((key.len() + value.len()) as u64);
            batch.delete(Family::Hints, key.to_vec());
        }
        self.forget(&mut writer, owner, batch, erased.into_iter())?;
        Ok(true)
    }

    /// The right to write, if the layout does not know the table.
    fn not_in_use(&self, table: TableId) -> Result<MutexGuard<'_, Writer>, ClearError> {
        let writer = self.writer();
        if self.layout().tables.contains_key(&table) {
            return Err(ClearError::InUse(table));
        }
        self.trusted()?;
        Ok(writer)
    }

    /// The tables of which something is held, whether the catalog knows them or not: what a node compares with the
    /// catalog when it starts, in order to clear what was dropped meanwhile.
    pub fn stored_tables(&self) -> Result<Vec<TableId>, Refusal> {
        self.trusted()?;
        let one = PageLimit { items: 1, bytes: 1 };
        let mut tables: BTreeSet<TableId> = self.ledger().tables().collect();
        tables.extend(self.floors().tables());
        let mut range = keys::records_of(TableId(0));
        range.end = None;
        loop {
            let page = self.engine.scan(Family::Records, &range, Direction::Forward, one);
            let page = page.map_err(|error| self.refusal(&error))?;
            let Some((key, _)) = page.first() else { break };
            let Some(DiskKey::Record { table, .. }) = DiskKey::decode(key) else {
                return Err(self.refusal(&EngineError::Corrupt("a key that is no record's".into())));
            };
            tables.insert(table);
            let Some(behind) = keys::records_of(table).end else { break };
            range.start = behind;
        }
        Ok(tables.into_iter().collect())
    }
}
