//! A walk over a table's keys: its bounds, how far it has come, and the cursor that says so.

use crate::fault::Fault;
use crate::limits::Limits;
use quorate_api::cursor::{self, Cursor};
use quorate_api::query::{Part, ScanQuery};
use quorate_coordinator::scan::{Page, Request, Worth};
use quorate_model::range::ENTRIES_MAX;
use quorate_model::{Interval, Level, Sharding, SortKey, Table};
use std::sync::Arc;

/// Keys of a page unless its request says otherwise.
const ITEMS_DEFAULT: usize = 1_000;

/// Bytes that a key of the token takes in front of a sort key.
const TOKEN_BYTES: usize = 8;

/// See the module's sentence.
pub(super) struct Walk {
    table: Arc<Table>,
    /// What is left of the range; `None`: nothing.
    rest: Option<Interval>,
    reverse: bool,
    values: bool,
    count: bool,
    /// Keys that are still wanted; `None`: as many as there are.
    left: Option<usize>,
    /// Most bytes of a page; `None`: the server's limit.
    bytes: Option<usize>,
    /// Digest of the bounds.
    scan: u64,
    /// Whether a hash table is listed in the order of its keys, for the sake of bounds: then `rest` is of keys.
    is_by_key: bool,
    /// Whether pages are for a stream.
    is_stream: bool,
    /// Of a walk by key: keys that were looked at for the last page, and those of them in the range.
    looked: Option<(u64, u64)>,
    /// What all pages promise so far.
    worth: Option<Worth>,
    /// Keys of which owners were brought up to date for them.
    repaired: u32,
}

impl Walk {
    /// The walk that a query asks for.
    pub fn begin(query: &ScanQuery, table: &Arc<Table>) -> Result<Self, Fault> {
        let ScanQuery { prefix, start, end, limit, bytes, reverse, values, count, sum, cursor, part } = query;
        let is_bounded = [prefix, start, end].iter().any(|bound| bound.is_some());
        let is_by_key = is_bounded && table.sharding == Sharding::Hash;
        let is_paged = limit.is_some() || bytes.is_some() || cursor.is_some();
        if *sum && (is_by_key || *reverse || *values || *count || is_paged) {
            return Err(Fault::Summed);
        }
        let mut range = match table.sharding {
            _ if part.is_some() && (is_by_key || table.sharding == Sharding::Range) => {
                return Err(Fault::Parted);
            }
            Sharding::Hash if !is_by_key => part.map_or_else(Interval::everything, tokens),
            Sharding::Hash | Sharding::Range => bounds(prefix.as_deref(), start.as_deref(), end.as_deref()),
        };
        let part = part.map(|part| part.to_string());
        let mut bounds = vec![prefix.as_deref(), start.as_deref(), end.as_deref()];
        bounds.extend(part.as_ref().map(|part| Some(part.as_bytes())));
        let scan = cursor::digest(&bounds);
        if let Some(text) = cursor {
            let cursor = Cursor::decode(text).ok_or(Fault::Cursor("it is damaged, or was never one"))?;
            if cursor.table != table.id {
                return Err(Fault::Cursor("it is of another table, or of one of this name that was dropped"));
            }
            if cursor.reverse != *reverse {
                return Err(Fault::Cursor("it goes the other way"));
            }
            if cursor.scan != scan {
                return Err(Fault::Cursor(
                    "it is of other bounds: give the same prefix, start, end and part with it",
                ));
            }
            let position = SortKey::new(cursor.position);
            if *reverse {
                range.end = Some(position);
            } else {
                range.start = position;
            }
        }
        let (reverse, values, count) = (*reverse, *values && !*count, *count);
        let (table, left, bytes) = (Arc::clone(table), *limit, *bytes);
        let (rest, is_stream, looked, worth, repaired) = (Some(range), false, None, None, 0);
        Ok(Self {
            table,
            rest,
            reverse,
            values,
            count,
            left,
            bytes,
            scan,
            is_by_key,
            is_stream,
            looked,
            worth,
            repaired,
        })
    }

    /// What is left of the range.
    pub fn range(&self) -> Interval {
        self.rest.clone().unwrap_or_else(Interval::everything)
    }

    /// The next page.
    pub fn request(&self, limits: &Limits, level: Level) -> Request {
        let of_page = limits.batch_items_max.min(ITEMS_DEFAULT);
        let (page_max, asked_max) = match (self.count, self.is_by_key) {
            // They are counted as they are found.
            (true, true) => return self.request_of(limits, level, 0),
            (true, false) => (ENTRIES_MAX as usize, ENTRIES_MAX as usize),
            // Each page walks over the whole table.
            (false, true) if self.is_stream => (ENTRIES_MAX as usize, ENTRIES_MAX as usize),
            (false, _) => (of_page, limits.batch_items_max),
        };
        let items = self.left.map_or(page_max, |left| left.min(asked_max)).max(1);
        self.request_of(limits, level, items)
    }

    fn request_of(&self, limits: &Limits, level: Level, items: usize) -> Request {
        Request {
            range: self.range(),
            reverse: self.reverse,
            level,
            items,
            bytes: self.bytes.map_or(limits.batch_bytes_max, |bytes| bytes.min(limits.batch_bytes_max)),
            values: self.values,
        }
    }

    /// A page was answered.
    pub fn took(&mut self, page: &Page) {
        self.rest.clone_from(&page.rest);
        self.left = self.left.map(|left| left.saturating_sub(page.items.len()));
        let Worth { guarantee, lowered, .. } = page.worth;
        self.worth = Some(self.worth.map_or(page.worth, |worth| worth.and(guarantee, lowered)));
        self.repaired = self.repaired.saturating_add(page.repaired);
    }

    /// What all pages promise so far, and keys of which owners were brought up to date for them; `None`: there was none.
    pub fn worth(&self) -> Option<(Worth, u32)> {
        self.worth.map(|worth| (worth, self.repaired))
    }

    /// Whether nothing is left of the range, or of the number of keys that are wanted.
    pub fn is_over(&self) -> bool {
        self.rest.is_none() || self.left == Some(0)
    }

    /// Where to go on; `None`: nowhere.
    pub fn cursor(&self) -> Option<String> {
        let rest = self.rest.as_ref()?;
        let position = if self.reverse { rest.end.as_ref()? } else { &rest.start };
        let (table, reverse, scan) = (self.table.id, self.reverse, self.scan);
        Some(Cursor { table, reverse, scan, position: position.as_bytes().to_vec() }.encode())
    }

    /// The keys that are left of its range; `None`: it goes by tokens, over keys anywhere.
    pub fn keys(&self) -> Option<&Interval> {
        let is_of_keys = self.is_by_key || self.table.sharding == Sharding::Range;
        self.rest.as_ref().filter(|_| is_of_keys)
    }

    /// Its pages are for a stream.
    pub fn as_stream(&mut self) {
        self.is_stream = true;
    }

    /// Whether a hash table is listed in the order of its keys.
    pub fn is_by_key(&self) -> bool {
        self.is_by_key
    }

    /// So many keys were looked at for a page, and so many of them are in the range.
    pub fn looked(&mut self, scanned: u64, count: u64) {
        self.looked = Some((scanned, count));
    }

    /// Keys that were looked at for the last page, where those are more than it has.
    pub fn scanned(&self) -> Option<u64> {
        self.looked.map(|(scanned, _)| scanned)
    }

    /// Keys in the range, where the last page looked at all of it.
    pub fn counted(&self) -> Option<u64> {
        self.looked.map(|(_, count)| count)
    }

    /// The table.
    pub fn table(&self) -> &Arc<Table> {
        &self.table
    }
}

/// The keys of a part of a hash table.
pub(super) fn tokens(part: Part) -> Interval {
    let bound = |token: u64| SortKey::new(token.to_be_bytes().to_vec());
    let start = if part.start() == 0 { SortKey::new(Vec::new()) } else { bound(part.start()) };
    Interval { start, end: part.end().map(bound) }
}

/// The keys between bounds.
fn bounds(prefix: Option<&[u8]>, start: Option<&[u8]>, end: Option<&[u8]>) -> Interval {
    let prefix = prefix.unwrap_or_default();
    let behind_prefix = behind(prefix);
    let ends = end.map(<[u8]>::to_vec).into_iter().chain(behind_prefix);
    Interval {
        start: SortKey::new(start.unwrap_or_default().max(prefix).to_vec()),
        end: ends.min().map(SortKey::new),
    }
}

/// The first key behind all that begin with a prefix; `None`: there is none.
fn behind(prefix: &[u8]) -> Option<Vec<u8>> {
    let kept = prefix.iter().rposition(|byte| *byte != u8::MAX)?;
    let mut behind = prefix[..=kept].to_vec();
    behind[kept] += 1;
    Some(behind)
}

/// The key that stands at a place of a table.
pub(super) fn key_of<'a>(table: &Table, sort_key: &'a SortKey) -> &'a [u8] {
    let bytes = sort_key.as_bytes();
    match table.sharding {
        Sharding::Hash => bytes.get(TOKEN_BYTES..).unwrap_or_default(),
        Sharding::Range => bytes,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn between(prefix: &str, start: &str, end: Option<&str>) -> (String, Option<String>) {
        let text = |key: &SortKey| key.to_string();
        let range = bounds(Some(prefix.as_bytes()), Some(start.as_bytes()), end.map(str::as_bytes));
        (text(&range.start), range.end.as_ref().map(text))
    }

    #[test]
    fn bounds_meet_the_prefix() {
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(between("", "", None), (String::new(), None));
        assert_eq!(between("user/", "", None), ("user/".to_owned(), some("user0")));
        assert_eq!(between("user/", "user/b", Some("user/c")), ("user/b".to_owned(), some("user/c")));
        assert_eq!(between("user/", "a", Some("z")), ("user/".to_owned(), some("user0")));
        assert_eq!(behind(b"a\xff\xff"), Some(b"b".to_vec()));
        assert_eq!(behind(b"\xff"), None);
    }
}
