//! Discarding records as a broken rule lets it: for the simulator only.

use super::Replica;
use super::sums::item;
use crate::engine::{Batch, Engine, EngineError, Family, KeyRange, for_each};
use crate::rules::purge;
use quorate_model::{Durability, Record};

impl<E: Engine> Replica<E> {
    /// Drops the records of which the simulator says so: those that a broken rule lets go. Does nothing while it is in
    /// place.
    pub fn drop_records(&self, goes: impl Fn(&Record) -> bool) {
        if purge::discarded(self.rules) == purge::Discarded::Nothing || self.is_doubtful() {
            return;
        }
        let mut writer = self.writer();
        let mut batch = Batch::default();
        let mut sums = self.batch_sums();
        let hasher = self.sums().hasher();
        let everything = KeyRange { start: Vec::new(), end: None };
        let walked = for_each(&*self.engine, Family::Records, everything, |key, value| {
            let record = Record::decode(&value).map_err(|error| EngineError::Corrupt(error.to_string()))?;
            if goes(&record) {
                sums.note(&key, item(hasher, &key, &value), None);
                batch.delete(Family::Records, key.to_vec());
            }
            Ok(())
        });
        sums.delete_rows(&self.sums(), &mut batch);
        match walked.and_then(|()| self.write(&mut writer, batch, Durability::Sync)) {
            Ok(()) => sums.count(&mut self.sums()),
            Err(error) => self.judge(&error),
        }
    }
}
