//! The heat of this node: a sample of the keys that its replica is asked for, put to shards every ten seconds.
//!
//! One of 64 requests is noted; between two looks 16,384 at most, and what comes beyond makes each of them stand for more.
//! A request that is not noted costs one addition.

use crate::views::Views;
use quorate_model::{ShardId, SortKey, Span, TableId};
use quorate_ring::heat::{Heat, History, Spot};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// One of so many requests is noted.
const EACH: u64 = 64;

/// Most that are noted between two looks.
const NOTED_MAX: usize = 16_384;

/// How often what was noted is put to shards.
const LOOK: Duration = Duration::from_secs(10);

/// See the module's essay.
#[derive(Debug, Default)]
pub struct Meter {
    requests: AtomicU64,
    noted: Mutex<Vec<(TableId, SortKey)>>,
    heat: Mutex<Heat>,
    history: Mutex<History>,
}

impl Meter {
    /// A request for a key is carried out here.
    pub fn count(&self, table: TableId, key: &SortKey) {
        if !self.requests.fetch_add(1, Ordering::Relaxed).is_multiple_of(EACH) {
            return;
        }
        let mut noted = self.noted.lock().unwrap_or_else(PoisonError::into_inner);
        if noted.len() < NOTED_MAX {
            noted.push((table, key.clone()));
        }
    }

    /// Requests a second of each shard that has some.
    pub fn rates(&self) -> BTreeMap<ShardId, u64> {
        self.heat().rates().collect()
    }

    /// Those of each table that has some.
    pub fn loads(&self) -> BTreeMap<TableId, u64> {
        self.heat().loads()
    }

    /// Those of all shards together.
    pub fn load(&self) -> u64 {
        self.loads().values().sum()
    }

    /// Requests a second of a shard in each minute of the last hour, the earliest first.
    pub fn history(&self, shard: ShardId) -> Vec<u64> {
        self.past().of(shard)
    }

    /// Where the load of a shard is.
    pub fn spot(&self, shard: ShardId) -> Spot {
        self.heat().spot(shard)
    }

    /// Looks from time to time, until the task is aborted.
    pub async fn keep(self: Arc<Self>, views: Arc<Views>) {
        let (mut looked, mut counted) = (Instant::now(), self.requests.load(Ordering::Relaxed));
        loop {
            tokio::time::sleep(LOOK).await;
            let noted = std::mem::take(&mut *self.noted.lock().unwrap_or_else(PoisonError::into_inner));
            let (now, requests) = (Instant::now(), self.requests.load(Ordering::Relaxed));
            let each = ((requests - counted) / (noted.len() as u64).max(1)).max(1);
            let time = Span(u64::try_from((now - looked).as_micros()).unwrap_or(u64::MAX));
            (looked, counted) = (now, requests);
            self.heat().take(views.current().catalog(), noted, each, time);
            self.past().take(self.rates().into_iter(), time);
        }
    }

    fn heat(&self) -> MutexGuard<'_, Heat> {
        // Every change of it is complete, even after a panic elsewhere.
        self.heat.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn past(&self) -> MutexGuard<'_, History> {
        self.history.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_of_so_many_requests_is_noted_and_no_more_than_there_is_room_for() {
        let meter = Meter::default();
        let key = SortKey::new(&b"k"[..]);
        (0..EACH * 10).for_each(|_| meter.count(TableId(1), &key));
        assert_eq!(meter.noted.lock().expect("whole").len(), 10);
        (0..EACH * NOTED_MAX as u64).for_each(|_| meter.count(TableId(1), &key));
        assert_eq!(meter.noted.lock().expect("whole").len(), NOTED_MAX);
    }
}
