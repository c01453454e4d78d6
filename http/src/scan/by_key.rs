//! The order of keys where there is none: a hash table's keys between bounds, least first.
//!
//! ```text
//!   tokens 1/4 ──> pages ──> the least keys of them ──┐
//!   ...                                               ├──> the least of all ──> their values, if wanted ──> a page
//!   tokens 4/4 ──> pages ──> the least keys of them ──┘
//! ```
//!
//! Neighbours lie in any shard, so the whole table is walked for each page, and what is not among the least is forgotten:
//! memory is bounded, work is not, and the answer says how many keys were looked at. What a page says of a key is what
//! the page of the walk said of it; with values, what a read of it said afterwards.

use super::asked::Scan;
use super::walk;
use crate::fault::Fault;
use crate::keys;
use crate::problem::Problem;
use quorate_api::query::Part;
use quorate_coordinator::scan::{Error, Item, Page, Request, Worth};
use quorate_model::range::ENTRIES_MAX;
use quorate_model::{Interval, Key, SortKey, Table};
use quorate_node::core::GetRequest;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// Parts of the table that are walked side by side.
const PARTS: u32 = 4;

/// Values that are read side by side.
const READS: usize = 16;

/// What a walk over the whole table has found.
pub(super) struct Found {
    /// The page; its range, and what is left of it, are of keys.
    pub page: Page,
    /// Keys in the range.
    pub count: u64,
    /// Keys of the table that were looked at.
    pub scanned: u64,
}

/// The least keys of those that it was offered, or the greatest: so many at most.
struct Least {
    items: BTreeMap<Vec<u8>, Item>,
    most: usize,
    reverse: bool,
    /// Whether there were more.
    is_cut: bool,
    count: u64,
}

/// What one part of the table has.
struct Walked {
    least: Least,
    worth: Option<Worth>,
    repaired: u32,
}

enum Failed {
    Scan(Error),
    TooMany,
}

impl Least {
    fn new(most: usize, reverse: bool) -> Self {
        Self { items: BTreeMap::new(), most, reverse, is_cut: false, count: 0 }
    }

    fn offer(&mut self, key: Vec<u8>, item: Item) {
        let worst = if self.reverse { self.items.first_key_value() } else { self.items.last_key_value() };
        let is_worse = worst.is_none_or(|(worst, _)| if self.reverse { key < *worst } else { key > *worst });
        if self.items.len() >= self.most {
            self.is_cut = true;
            if is_worse {
                return;
            }
            if self.reverse {
                self.items.pop_first()
            } else {
                self.items.pop_last()
            };
        }
        self.items.insert(key, item);
    }

    /// Takes over what another one has.
    fn merge(&mut self, other: Self) {
        self.count += other.count;
        self.is_cut |= other.is_cut;
        other.items.into_iter().for_each(|(key, item)| self.offer(key, item));
    }

    fn in_order(self) -> Vec<(Vec<u8>, Item)> {
        let mut items: Vec<_> = self.items.into_iter().collect();
        if self.reverse {
            items.reverse();
        }
        items
    }
}

/// One page, whose range is of keys; without any, if none is wanted (`items` of 0): they are only counted.
pub(super) async fn page(
    scan: &Scan,
    table: &Arc<Table>,
    wanted: Request,
    timeout: Duration,
) -> Result<Found, Problem> {
    let until = Instant::now() + timeout;
    let scanned = Arc::new(AtomicU64::new(0));
    let mut parts = JoinSet::new();
    for part in (1..=PARTS).filter_map(|number| Part::new(number, PARTS)) {
        let (app, table, wanted) = (scan.app.clone(), Arc::clone(table), wanted.clone());
        let scanned = Arc::clone(&scanned);
        parts.spawn(async move {
            let most = app.limits.unordered_scan_keys_max;
            let mut walked =
                Walked { least: Least::new(wanted.items, wanted.reverse), worth: None, repaired: 0 };
            let mut rest = Some(walk::tokens(part));
            while let Some(range) = rest {
                let (items, bytes) = (ENTRIES_MAX as usize, app.limits.batch_bytes_max);
                let (values, reverse, level) = (false, false, wanted.level);
                let request = Request { range, reverse, level, items, bytes, values };
                let left = until.saturating_duration_since(Instant::now());
                let page = app.core.scan(&table, request, left).await.map_err(Failed::Scan)?;
                let count = page.items.len() as u64;
                if scanned.fetch_add(count, Ordering::Relaxed) + count > most as u64 {
                    return Err(Failed::TooMany);
                }
                walked.take(&table, &wanted.range, page.items);
                walked.repaired += page.repaired;
                walked.worth = Some(least_worth(walked.worth, page.worth));
                rest = page.rest;
            }
            Ok(walked)
        });
    }
    let mut all = Walked { least: Least::new(wanted.items, wanted.reverse), worth: None, repaired: 0 };
    while let Some(part) = parts.join_next().await {
        let walked = match part.map_err(|_| Problem::from(Fault::Panicked))? {
            Ok(walked) => walked,
            Err(Failed::Scan(error)) => return Err(scan.problem(table, error)),
            Err(Failed::TooMany) => {
                let limit = scan.app.limits.unordered_scan_keys_max;
                return Err(Problem::from(Fault::TooManyUnordered { limit }).on(table).at(scan.level));
            }
        };
        all.repaired += walked.repaired;
        all.worth = walked.worth.map(|worth| least_worth(all.worth, worth)).or(all.worth);
        all.least.merge(walked.least);
    }
    let (count, scanned) = (all.least.count, scanned.load(Ordering::Relaxed));
    let page = all.page(scan, table, &wanted, until).await?;
    Ok(Found { page, count, scanned })
}

impl Walked {
    fn take(&mut self, table: &Table, range: &Interval, items: Vec<Item>) {
        for item in items {
            let key = walk::key_of(table, &item.sort_key);
            if range.contains(&SortKey::new(key.to_vec())) {
                self.least.count += 1;
                if self.least.most > 0 {
                    self.least.offer(key.to_vec(), item);
                }
            }
        }
    }

    /// The least keys as a page, with their values if they are wanted: as many as it has room for.
    async fn page(
        self,
        scan: &Scan,
        table: &Arc<Table>,
        wanted: &Request,
        until: Instant,
    ) -> Result<Page, Problem> {
        let Walked { least, worth, mut repaired } = self;
        let mut worth = worth.expect("a walk has a page at least");
        let mut is_cut = least.is_cut;
        let (mut items, mut bytes, mut last, mut is_full) = (Vec::new(), 0, None, false);
        let mut left = least.in_order().into_iter().peekable();
        while left.peek().is_some() {
            let mut some: Vec<(Vec<u8>, Option<Item>)> =
                left.by_ref().take(READS).map(|(key, item)| (key, Some(item))).collect();
            if wanted.values {
                for (at, answer) in read(scan, table, &some, until).await? {
                    worth = worth.and(answer.guarantee, answer.lowered);
                    repaired += u32::from(answer.repaired > 0);
                    let known = some[at].1.take().map(|item| item.sort_key);
                    some[at].1 = known.zip(answer.record).and_then(|(at, record)| Item::of(at, record, true));
                }
            }
            let mut some = some.into_iter();
            for (key, item) in some.by_ref() {
                let with_it = bytes + item.as_ref().map_or(0, Item::bytes);
                if with_it > wanted.bytes && !items.is_empty() {
                    // It begins the next page.
                    (is_full, is_cut) = (true, true);
                    break;
                }
                bytes = with_it;
                items.extend(item);
                last = Some(key);
                is_full = bytes >= wanted.bytes;
                if is_full {
                    break;
                }
            }
            if is_full {
                is_cut |= some.next().is_some() || left.peek().is_some();
                break;
            }
        }
        let rest = last.filter(|_| is_cut).map(|last| {
            let Interval { start, end } = wanted.range.clone();
            let last = SortKey::new(last);
            if wanted.reverse {
                Interval { start, end: Some(last) }
            } else {
                Interval { start: last.successor(), end }
            }
        });
        Ok(Page { items, rest, worth, repaired })
    }
}

/// Reads some keys; the answers with the places of their keys.
async fn read(
    scan: &Scan,
    table: &Arc<Table>,
    some: &[(Vec<u8>, Option<Item>)],
    until: Instant,
) -> Result<Vec<(usize, quorate_coordinator::GetAnswer)>, Problem> {
    let mut reads = JoinSet::new();
    for (at, (key, _)) in some.iter().enumerate() {
        let (app, level) = (scan.app.clone(), scan.level);
        let timeout = until.saturating_duration_since(Instant::now());
        let request = GetRequest { table: Arc::clone(table), key: Key::new(key.clone()), level, timeout };
        reads.spawn(async move { keys::get(&app, &request).await.map(|answer| (at, answer)) });
    }
    let mut answers = Vec::with_capacity(some.len());
    while let Some(read) = reads.join_next().await {
        answers.push(read.map_err(|_| Problem::from(Fault::Panicked))??);
    }
    Ok(answers)
}

/// What both promise.
fn least_worth(one: Option<Worth>, other: Worth) -> Worth {
    one.map_or(other, |one| one.and(other.guarantee, other.lowered))
}

#[cfg(test)]
mod tests {
    use super::*;
    use quorate_model::Version;

    fn found(keys: &[&str], most: usize, reverse: bool) -> (Vec<String>, bool) {
        let of = |keys: &[&str]| {
            let mut least = Least::new(most, reverse);
            for key in keys {
                let item = Item {
                    sort_key: SortKey::new(key.as_bytes().to_vec()),
                    version: "1-1.1.1".parse::<Version>().expect("a version"),
                    value_bytes: 0,
                    expires_at: None,
                    record: None,
                };
                least.offer(key.as_bytes().to_vec(), item);
            }
            least
        };
        let (one, other) = keys.split_at(keys.len() / 2);
        let mut both = of(one);
        both.merge(of(other));
        let is_cut = both.is_cut;
        let text = |(key, _): (Vec<u8>, Item)| String::from_utf8(key).expect("text");
        (both.in_order().into_iter().map(text).collect(), is_cut)
    }

    #[test]
    fn the_least_of_all_parts_stay_and_it_is_known_whether_there_are_more() {
        let keys = ["d", "a", "f", "c", "b", "e"];
        assert_eq!(found(&keys, 2, false), (vec!["a".to_owned(), "b".to_owned()], true));
        assert_eq!(found(&keys, 2, true), (vec!["f".to_owned(), "e".to_owned()], true));
        assert_eq!(found(&keys, 6, false).0.concat(), "abcdef");
        assert!(!found(&keys, 6, false).1 && !found(&keys, 6, true).1);
        assert!(found(&keys, 5, false).1);
    }
}
