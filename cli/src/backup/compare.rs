//! A snapshot beside a table: piece by piece, by what each adds up to, and where that differs key by key.
//!
//! Both sides are read at one time, and values come to their end meanwhile. So those that expire within a while after
//! the comparison began are left out on both sides ([`Horizon`]). A table whose keys lie otherwise than those of the
//! snapshot (one was a hash table, the other is a range table) is compared as a whole, and then it is not known which
//! keys differ.

use super::failed::failed;
use super::pace::Pace;
use super::plan::scan_of;
use super::reading::{record, turn};
use super::time::now_ms;
use crate::exit::Failure;
use crate::output::readable;
use crate::quantity::counted;
use quorate_backup::Repository;
use quorate_backup::record::{ContentSum, Record, Totals};
use quorate_backup::segment::Reader;
use quorate_backup::snapshot::{Over, Piece, Table};
use quorate_client::Client;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Keys that are named of those that differ.
const NAMED_MAX: usize = 10;

/// How long reading one piece may take, at most about.
const OF_PIECE_MS: u64 = 10 * 60 * 1_000;

/// The same of a whole table.
const OF_TABLE_MS: u64 = 24 * 3_600 * 1_000;

/// Values that expire before it, in milliseconds since 1970, are not compared.
#[derive(Clone, Copy, Debug)]
pub struct Horizon(u64);

/// What both sides are read with.
#[derive(Clone)]
pub struct Comparing {
    /// Where the table is asked for.
    pub client: Client,
    /// Where the snapshot is.
    pub repository: Repository,
    /// How fast it may go.
    pub pace: Arc<Pace>,
}

/// How a table differs from a snapshot of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Difference {
    /// Keys that the table lacks.
    pub missing: u64,
    /// Keys that the snapshot lacks.
    pub added: u64,
    /// Keys that hold something else.
    pub other: u64,
    /// Some of these keys.
    pub keys: Vec<String>,
    /// Keys on both sides, where only that is known: of the snapshot, and of the table.
    pub counts: Option<(u64, u64)>,
}

impl Horizon {
    fn after(millis: u64) -> Self {
        Self(now_ms().saturating_add(millis))
    }

    fn counts(self, record: &Record) -> bool {
        record.expires_at.is_none_or(|at| at > self.0)
    }
}

impl Comparing {
    /// One piece of a snapshot beside the same of a table; `None`: they are the same. With the keys that were compared.
    pub async fn piece(&self, table: &str, piece: &Piece) -> Result<(u64, Option<Difference>), Failure> {
        let horizon = Horizon::after(OF_PIECE_MS);
        let here = self.snapshot_totals(piece, horizon).await?;
        let there = self.table_totals(table, &piece.over, horizon).await?;
        if here == there {
            return Ok((here.records, None));
        }
        let (mut ours, mut theirs) = (BTreeMap::new(), BTreeMap::new());
        let each = |record: &Record| {
            ours.insert(record.key.clone(), record.item());
        };
        self.of_snapshot(piece, horizon, each).await?;
        let each = |record: &Record| {
            theirs.insert(record.key.clone(), record.item());
        };
        self.of_table(table, &piece.over, horizon, each).await?;
        let difference = differing(&ours, theirs);
        Ok((here.records, (difference != Difference::default()).then_some(difference)))
    }

    /// All of a snapshot's table beside all of a table that is read in these pieces.
    pub async fn whole(
        &self,
        ours: &Table,
        table: &str,
        overs: &[Over],
    ) -> Result<(u64, Option<Difference>), Failure> {
        let horizon = Horizon::after(OF_TABLE_MS);
        let (mut here, mut there) = (Totals::default(), Totals::default());
        for piece in &ours.pieces {
            here.join(&self.snapshot_totals(piece, horizon).await?);
        }
        for over in overs {
            there.join(&self.table_totals(table, over, horizon).await?);
        }
        let counts = Some((here.records, there.records));
        let difference = (here != there).then(|| Difference { counts, ..Difference::default() });
        Ok((here.records, difference))
    }

    /// What a piece of the snapshot comes to; it is read only for the sake of values that expire.
    async fn snapshot_totals(&self, piece: &Piece, horizon: Horizon) -> Result<Totals, Failure> {
        if piece.expiring == 0 {
            return Ok(piece.totals());
        }
        let mut totals = Totals::default();
        self.of_snapshot(piece, horizon, |record| totals.add(record)).await?;
        Ok(totals)
    }

    async fn table_totals(&self, table: &str, over: &Over, horizon: Horizon) -> Result<Totals, Failure> {
        let mut totals = Totals::default();
        self.of_table(table, over, horizon, |record| totals.add(record)).await?;
        Ok(totals)
    }

    async fn of_snapshot(
        &self,
        piece: &Piece,
        horizon: Horizon,
        mut each: impl FnMut(&Record),
    ) -> Result<(), Failure> {
        for segment in &piece.segments {
            let bytes = self.repository.segment(segment).await.map_err(failed)?;
            let bad = |fault| failed(self.repository.bad_segment(segment, fault));
            let mut reader = Reader::new(&bytes).map_err(bad)?;
            while let Some(records) = reader.block().map_err(bad)? {
                records.iter().filter(|record| horizon.counts(record)).for_each(&mut each);
            }
        }
        Ok(())
    }

    async fn of_table(
        &self,
        table: &str,
        over: &Over,
        horizon: Horizon,
        mut each: impl FnMut(&Record),
    ) -> Result<(), Failure> {
        let mut scanning = self.client.scan(table, &scan_of(over)?);
        loop {
            turn(&mut scanning).await?;
            let records = scanning.at_hand().map(record).collect::<Result<Vec<Record>, Failure>>()?;
            self.pace.take(records.iter().map(Record::bytes).sum()).await;
            records.iter().filter(|record| horizon.counts(record)).for_each(&mut each);
            if scanning.is_over() {
                return Ok(());
            }
        }
    }
}

/// How two sides differ.
fn differing(ours: &BTreeMap<Vec<u8>, ContentSum>, mut theirs: BTreeMap<Vec<u8>, ContentSum>) -> Difference {
    let mut difference = Difference::default();
    for (key, item) in ours {
        match theirs.remove(key) {
            Some(other) if other == *item => continue,
            Some(_) => difference.other += 1,
            None => difference.missing += 1,
        }
        difference.name(key);
    }
    for key in theirs.keys() {
        difference.added += 1;
        difference.name(key);
    }
    difference
}

impl Difference {
    fn name(&mut self, key: &[u8]) {
        if self.keys.len() < NAMED_MAX {
            self.keys.push(readable(key));
        }
    }

    /// Another one beside it.
    pub fn join(&mut self, other: Self) {
        self.missing += other.missing;
        self.added += other.added;
        self.other += other.other;
        self.keys.extend(other.keys);
        self.keys.truncate(NAMED_MAX);
        self.counts = self.counts.or(other.counts);
    }

    /// What differs, in words.
    pub fn sentence(&self) -> String {
        if let Some((here, there)) = self.counts {
            let (here, there) = (counted(here, "key"), counted(there, "key"));
            return format!(
                "the snapshot has {here} and the table {there}, and what they hold is not the same"
            );
        }
        let some = [
            (self.missing, "missing in the table"),
            (self.other, "with something else"),
            (self.added, "in the table alone"),
        ];
        let some = some.iter().filter(|(number, _)| *number > 0);
        let some: Vec<String> =
            some.map(|(number, what)| format!("{} {what}", counted(*number, "key"))).collect();
        format!("{} ({})", some.join(", "), self.keys.join(" "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn side(keys: &[(&str, u128)]) -> BTreeMap<Vec<u8>, ContentSum> {
        keys.iter().map(|(key, item)| (key.as_bytes().to_vec(), ContentSum(*item))).collect()
    }

    #[test]
    fn keys_that_differ_are_counted_and_named() {
        let ours = side(&[("a", 1), ("b", 2), ("c", 3)]);
        assert_eq!(differing(&ours, ours.clone()), Difference::default());
        let mut difference = differing(&ours, side(&[("a", 1), ("c", 4), ("d", 5)]));
        assert_eq!(
            difference.sentence(),
            "1 key missing in the table, 1 key with something else, 1 key in the table alone (b c d)"
        );
        let many: Vec<(String, u128)> = (0..20).map(|at| (format!("k{at:02}"), 0)).collect();
        let many: Vec<(&str, u128)> = many.iter().map(|(key, item)| (key.as_str(), *item)).collect();
        difference.join(differing(&side(&[]), side(&many)));
        assert_eq!((difference.added, difference.keys.len()), (21, NAMED_MAX));
        let counts = Difference { counts: Some((1, 2)), ..Difference::default() };
        assert!(counts.sentence().contains("1 key and the table 2 keys"), "{}", counts.sentence());
    }

    #[test]
    fn what_is_about_to_expire_is_not_compared() {
        let expires = |expires_at| Record {
            key: Vec::new(),
            value: Vec::new(),
            content_type: String::new(),
            version: String::new(),
            expires_at,
        };
        let horizon = Horizon::after(1_000);
        assert!(horizon.counts(&expires(None)) && horizon.counts(&expires(Some(now_ms() + 100_000))));
        assert!(!horizon.counts(&expires(Some(0))) && !horizon.counts(&expires(Some(horizon.0))));
    }
}
