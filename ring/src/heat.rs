//! Heat: which shards the requests of one node are for, and where in them.
//!
//! A node keeps a sample of the keys that it is asked for, one of so many requests. From time to time the sample is put to the
//! shards that there are then, so that a split or a merge means nothing to it:
//!
//! ```text
//!   requests ── one of 64 ──> (key, key, key ..) ── every 10 s ──> by shard: a rate, and the last keys in their order
//!                                                                     │
//!            ≥ half are one key: a hot key <── no split helps ────────┤
//!            the later half lies beyond the earlier: it grows <───────┤
//!            else: the key that halves them, to split at <────────────┘
//! ```
//!
//! The rate is an average in which what is 30 s old counts half. What it was over the last hour is kept beside
//! ([`History`]).
//!
//! # What is absent
//!
//! Clocks, and the requests themselves. Exact counts: a shard of a few requests a second may show none for a while.

mod history;

pub use history::History;

use crate::catalog::Catalog;
use quorate_model::{ShardId, SortKey, Span, TableId};
use std::collections::{BTreeMap, VecDeque};

/// In this time an average forgets half.
const HALVED_IN: Span = Span::from_millis(30_000);

/// Keys of a shard that are kept.
const KEYS_KEPT: usize = 64;

/// Fewer say nothing about where load is.
const KEYS_MIN: usize = 32;

/// What requests of one node were for.
#[derive(Clone, Debug, Default)]
pub struct Heat {
    shards: BTreeMap<ShardId, Warmth>,
}

/// What is known of one shard.
#[derive(Clone, Debug, Default)]
struct Warmth {
    /// Requests a second, in thousandths.
    rate: u64,
    /// The last keys, the earliest first.
    keys: VecDeque<SortKey>,
}

/// Where the load of a shard is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Spot {
    /// Too little is known.
    Unknown,
    /// Half of the requests are for one key: no split helps.
    Key(SortKey),
    /// Requests go on at one end, and each is beyond those before: a split leaves it all in one part.
    Grows,
    /// A key that leaves a quarter of the requests on either side at least.
    Half(SortKey),
}

impl Spot {
    /// The key to split at, if a split helps.
    pub fn half(&self) -> Option<&SortKey> {
        match self {
            Spot::Half(at) => Some(at),
            Spot::Unknown | Spot::Key(_) | Spot::Grows => None,
        }
    }
}

impl Heat {
    /// Takes a sample of the requests of some time: each of its keys stands for `each` requests.
    pub fn take(&mut self, catalog: &Catalog, sample: Vec<(TableId, SortKey)>, each: u64, time: Span) {
        let mut counts: BTreeMap<ShardId, u64> = BTreeMap::new();
        for (table, key) in sample {
            let Some(entry) = catalog.table_by_id(table) else { continue };
            let shard = entry.shard_at(&key).id;
            *counts.entry(shard).or_default() += each;
            let keys = &mut self.shards.entry(shard).or_default().keys;
            keys.push_back(key);
            if keys.len() > KEYS_KEPT {
                keys.pop_front();
            }
        }
        let micros = time.0.max(1);
        for (shard, warmth) in &mut self.shards {
            let count = u128::from(counts.get(shard).copied().unwrap_or(0));
            let now = u64::try_from(count * 1_000_000_000 / u128::from(micros)).unwrap_or(u64::MAX);
            warmth.rate = kept(warmth.rate, micros).saturating_add(now.saturating_sub(kept(now, micros)));
        }
        let is_there = |shard: &ShardId, warmth: &Warmth| {
            let entry = catalog.table_by_id(shard.table);
            let last = warmth.keys.back().zip(entry).map(|(key, entry)| entry.shard_at(key).id);
            warmth.rate > 0 && last == Some(*shard)
        };
        self.shards.retain(|shard, warmth| is_there(shard, warmth));
        for (shard, warmth) in &mut self.shards {
            // What lies in another part now is told by that.
            let entry = catalog.table_by_id(shard.table);
            warmth.keys.retain(|key| entry.is_some_and(|entry| entry.shard_at(key).id == *shard));
        }
    }

    /// Requests a second of each shard that has some.
    pub fn rates(&self) -> impl Iterator<Item = (ShardId, u64)> + '_ {
        self.shards.iter().map(|(shard, warmth)| (*shard, warmth.rate / 1_000))
    }

    /// The same of each table that has some: what is less than one for a shard counts here.
    pub fn loads(&self) -> BTreeMap<TableId, u64> {
        let mut loads: BTreeMap<TableId, u64> = BTreeMap::new();
        for (shard, warmth) in &self.shards {
            *loads.entry(shard.table).or_default() += warmth.rate;
        }
        loads.into_iter().map(|(table, load)| (table, load / 1_000)).collect()
    }

    /// Where the load of a shard is.
    pub fn spot(&self, shard: ShardId) -> Spot {
        let Some(Warmth { keys, .. }) = self.shards.get(&shard).filter(|it| it.keys.len() >= KEYS_MIN) else {
            return Spot::Unknown;
        };
        let (count, half) = (keys.len(), keys.len() / 2);
        let mut sorted: Vec<&SortKey> = keys.iter().collect();
        sorted.sort_unstable();
        let same = sorted.chunk_by(|one, other| one == other).max_by_key(|same| same.len());
        if let Some(same) = same.filter(|same| same.len() * 2 >= count) {
            return Spot::Key(same[0].clone());
        }
        let (earlier, later): (Vec<&SortKey>, Vec<&SortKey>) =
            (keys.iter().take(half).collect(), keys.iter().skip(half).collect());
        let beyond = |is_beyond: &dyn Fn(&SortKey) -> bool| {
            later.iter().filter(|key| is_beyond(key)).count() * 8 >= later.len() * 7
        };
        let (least, most) = (earlier.iter().min().copied(), earlier.iter().max().copied());
        if beyond(&|key| Some(key) > most) || beyond(&|key| Some(key) < least) {
            return Spot::Grows;
        }
        let at = sorted[half];
        let left = sorted.partition_point(|key| *key < at);
        if left * 4 >= count && (count - left) * 4 >= count { Spot::Half(at.clone()) } else { Spot::Unknown }
    }
}

/// What is left of an average after some time.
fn kept(rate: u64, micros: u64) -> u64 {
    // 2^-x by halves, and in between by a straight line: what is off is a few hundredths.
    let halves = (micros / HALVED_IN.0).min(63);
    let rest = u128::from(micros % HALVED_IN.0);
    let whole = u128::from(rate >> halves);
    let left = whole - whole * rest / u128::from(2 * HALVED_IN.0);
    // One in more than a minute and a half is none.
    if left < 10 { 0 } else { u64::try_from(left).unwrap_or(u64::MAX) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::tests::{accept, founded, table};
    use crate::catalog::{Command, Cut, NewRange, NewTable, Seen, Split};
    use quorate_model::Sharding;

    const TABLE: TableId = TableId(1);
    const TEN: Span = Span::from_millis(10_000);

    fn catalog() -> Catalog {
        let new = NewTable { sharding: Sharding::Range, shards: 1, ..table("log") };
        accept(&founded(3), &Command::CreateRange(NewRange { table: new, split_at: Vec::new() }))
    }

    fn key(number: u64) -> SortKey {
        SortKey::new(format!("{number:06}").into_bytes())
    }

    fn sample(numbers: impl Iterator<Item = u64>) -> Vec<(TableId, SortKey)> {
        numbers.map(|number| (TABLE, key(number))).collect()
    }

    fn first() -> ShardId {
        ShardId { table: TABLE, index: 0 }
    }

    fn spot(numbers: impl Iterator<Item = u64>) -> Spot {
        let mut heat = Heat::default();
        heat.take(&catalog(), sample(numbers), 64, TEN);
        heat.spot(first())
    }

    #[test]
    fn a_rate_is_come_to_and_forgotten_by_half_each_half_minute() {
        let catalog = catalog();
        let mut heat = Heat::default();
        let rate = |heat: &Heat| heat.rates().next().map_or(0, |(_, rate)| rate);
        for _ in 0..30 {
            heat.take(&catalog, sample(0..100), 64, TEN);
        }
        assert!((600..=640).contains(&rate(&heat)), "{}", rate(&heat));
        for _ in 0..3 {
            heat.take(&catalog, Vec::new(), 64, TEN);
        }
        assert!((290..=380).contains(&rate(&heat)), "{}", rate(&heat));
        for _ in 0..100 {
            heat.take(&catalog, Vec::new(), 64, TEN);
        }
        assert_eq!(heat.rates().count(), 0, "nothing is kept of what is cold");
    }

    #[test]
    fn where_load_is_even_its_middle_is_found() {
        let Spot::Half(at) = spot((0..64).map(|number| number * 37 % 64)) else { panic!("it is even") };
        assert!((key(16)..=key(48)).contains(&at), "{at}");
        assert_eq!(spot(0..10), Spot::Unknown, "too few to say");
    }

    #[test]
    fn a_hot_key_and_a_key_that_grows_are_told_apart() {
        assert_eq!(spot((0..64).map(|number| if number % 2 == 0 { 7 } else { number })), Spot::Key(key(7)));
        assert_eq!(
            spot((0..64).map(|number| number ^ 3)),
            Spot::Grows,
            "several clients, a little out of order"
        );
        assert_eq!(spot((0..64).map(|number| 1_000 - number)), Spot::Grows);
    }

    #[test]
    fn after_a_split_each_part_has_its_own() {
        let catalog = catalog();
        let mut heat = Heat::default();
        heat.take(&catalog, sample((0..64).map(|number| number * 37 % 64)), 64, TEN);
        let shard = catalog.table("log").expect("made").shards().iter().next().expect("one").clone();
        let cut = Cut { seen: Seen::of(&shard), at: key(32) };
        let halves = accept(&catalog, &Command::Split(Split { table: TABLE, cuts: vec![cut] }));
        heat.take(&halves, sample((0..64).map(|number| number * 37 % 64)), 64, TEN);
        assert_eq!(heat.rates().count(), 2);
        let Spot::Half(at) = heat.spot(first()) else { panic!("{:?}", heat.spot(first())) };
        assert!(at < key(32));
    }
}
