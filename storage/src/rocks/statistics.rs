//! What RocksDB says about itself, summed over the families.

use super::{Opened, RocksEngine};
use crate::engine::{EngineStatistics, Family};
use rocksdb::properties;
use std::sync::PoisonError;
use std::sync::atomic::Ordering;

impl RocksEngine {
    pub(super) fn read_statistics(&self) -> EngineStatistics {
        let slot = self.opened.read().unwrap_or_else(PoisonError::into_inner);
        let Some(opened) = &*slot else { return EngineStatistics::default() };
        EngineStatistics {
            writes: self.writes.load(Ordering::Relaxed),
            syncs: self.syncs.load(Ordering::Relaxed),
            memtable_bytes: opened.sum(properties::SIZE_ALL_MEM_TABLES),
            memtables_waiting: opened.sum(properties::NUM_IMMUTABLE_MEM_TABLE),
            level_zero_files: opened.sum(&properties::num_files_at_level(0)),
            pending_compaction_bytes: opened.sum(properties::ESTIMATE_PENDING_COMPACTION_BYTES),
            delayed_write_rate: opened.of_database(properties::ACTUAL_DELAYED_WRITE_RATE),
            writes_stopped: opened.of_database(properties::IS_WRITE_STOPPED),
            background_errors: opened.of_database(properties::BACKGROUND_ERRORS),
            live_bytes: opened.sum(properties::ESTIMATE_LIVE_DATA_SIZE),
            block_cache_bytes: opened.cache.get_usage() as u64,
        }
    }
}

impl Opened {
    fn of_database(&self, property: &properties::PropName) -> u64 {
        self.database.property_int_value(property).ok().flatten().unwrap_or(0)
    }

    fn sum(&self, property: &properties::PropName) -> u64 {
        let of = |family| self.database.property_int_value_cf(self.family(family), property);
        Family::ALL.into_iter().filter_map(|family| of(family).ok().flatten()).sum()
    }
}
