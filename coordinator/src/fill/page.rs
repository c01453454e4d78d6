//! One page: what several owners hold of one range, and what of it must be merged here.

use quorate_model::range::{Entry, Scanned};
use quorate_model::{NodeId, Record, SortKey};
use std::collections::BTreeMap;

/// What came of asking all sources for one range.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// Records at hand, by key.
    pub records: Vec<(SortKey, Record)>,
    /// Records to be fetched: which, from whom.
    pub fetches: Vec<(NodeId, SortKey)>,
    /// Up to where the page goes; `None`: to the end of the range.
    pub until: Option<SortKey>,
}

impl Page {
    /// Of the answers for a range that ends at `end`. It goes as far as every source has answered, and no further than to
    /// the key with which the values that are taken come to `bytes_max`. What `here` answers is held already.
    pub fn of(answers: Vec<(NodeId, Scanned)>, here: NodeId, end: Option<&SortKey>, bytes_max: u64) -> Self {
        let reached = answers.iter().filter_map(|(_, scanned)| scanned.until.as_ref()).min();
        let until = reached.filter(|until| end.is_none_or(|end| *until < end)).cloned();
        let mut by_key: BTreeMap<SortKey, Vec<(NodeId, Entry)>> = BTreeMap::new();
        for (node, scanned) in answers {
            for entry in scanned.entries {
                if until.as_ref().is_none_or(|until| entry.sort_key < *until) {
                    by_key.entry(entry.sort_key.clone()).or_default().push((node, entry));
                }
            }
        }
        let mut page = Self { until, ..Self::default() };
        let mut bytes = 0;
        for (sort_key, entries) in by_key {
            if bytes >= bytes_max {
                page.until = Some(sort_key);
                break;
            }
            bytes += page.take(&sort_key, entries, here);
        }
        page
    }

    /// Takes each different record of a key once: merging them is what makes one of them. Bytes of their values.
    fn take(&mut self, sort_key: &SortKey, mut entries: Vec<(NodeId, Entry)>, here: NodeId) -> u64 {
        // What is here first, then those that came whole: an equal one needs no fetching.
        entries.sort_by_key(|(node, entry)| (*node != here, entry.record.is_none()));
        let (mut seen, mut bytes): (Vec<Entry>, u64) = (Vec::new(), 0);
        for (node, mut entry) in entries {
            let record = entry.record.take();
            if seen.contains(&entry) {
                continue;
            }
            let value_bytes = entry.value_bytes.unwrap_or(0);
            seen.push(entry);
            if node == here {
                continue;
            }
            bytes += value_bytes;
            match record {
                Some(record) => self.records.push((sort_key.clone(), record)),
                None => self.fetches.push((node, sort_key.clone())),
            }
        }
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use quorate_model::record::Body;
    use quorate_model::{Boot, NodeId, Operations, Stamps, WallTime};

    /// The node that fills itself.
    const HERE: NodeId = NodeId(7);

    fn key(text: &'static str) -> SortKey {
        SortKey::new(text.as_bytes())
    }

    fn record(seq: u64, text: &'static str) -> Record {
        let mut stamps = Stamps::new(NodeId(9), Boot(1));
        let mut version = stamps.draw().above(None).expect("room");
        for _ in 1..seq {
            version = stamps.draw().above(Some(version)).expect("room");
        }
        let body = Body::Value { content_type: String::new(), payload: Bytes::from_static(text.as_bytes()) };
        let operations = Operations::default();
        Record { version, written_at: WallTime(1), expires_at: None, body, operations }
    }

    fn scanned(entries: &[(&'static str, &Record, bool)], until: Option<&'static str>) -> Scanned {
        let entry = |(at, record, whole): &(&'static str, &Record, bool)| {
            Entry::of(key(at), (*record).clone(), *whole)
        };
        Scanned { entries: entries.iter().map(entry).collect(), until: until.map(key) }
    }

    #[test]
    fn equal_records_are_taken_once_and_different_ones_all() {
        let (old, new) = (record(1, "old"), record(2, "new"));
        let first = scanned(&[("a", &old, true), ("b", &old, true)], None);
        let second = scanned(&[("a", &old, false), ("b", &new, false), ("c", &new, false)], None);
        let page = Page::of(vec![(NodeId(1), first), (NodeId(2), second)], HERE, None, 1_000);
        assert_eq!(page.records, [(key("a"), old.clone()), (key("b"), old)]);
        assert_eq!(page.fetches, [(NodeId(2), key("b")), (NodeId(2), key("c"))]);
        assert_eq!(page.until, None);
    }

    #[test]
    fn what_is_held_here_is_taken_from_no_other() {
        let (old, new) = (record(1, "old"), record(2, "new"));
        let other = scanned(&[("a", &old, false), ("b", &new, false), ("c", &old, false)], None);
        let here = scanned(&[("a", &old, false), ("b", &old, false), ("d", &old, false)], None);
        let page = Page::of(vec![(NodeId(1), other), (HERE, here)], HERE, None, 5);
        assert_eq!(page.fetches, [(NodeId(1), key("b")), (NodeId(1), key("c"))]);
        assert_eq!((page.records, page.until), (Vec::new(), Some(key("d"))), "what is held fills no page");
    }

    #[test]
    fn a_page_ends_with_the_record_that_fills_it() {
        let one = record(1, "12345");
        let entries = [("a", &one, false), ("b", &one, false), ("c", &one, false)];
        let page = Page::of(vec![(NodeId(1), scanned(&entries, None))], HERE, None, 10);
        assert_eq!(page.fetches, [(NodeId(1), key("a")), (NodeId(1), key("b"))]);
        assert_eq!(page.until, Some(key("c")));
    }

    #[test]
    fn a_page_ends_where_the_first_source_ends() {
        let one = record(1, "v");
        let first = scanned(&[("a", &one, true), ("d", &one, true)], Some("x"));
        let second = scanned(&[("a", &one, true), ("b", &one, true)], Some("c"));
        let page = Page::of(vec![(NodeId(1), first), (NodeId(2), second)], HERE, Some(&key("x")), 1_000);
        let keys: Vec<&SortKey> = page.records.iter().map(|(at, _)| at).collect();
        assert_eq!(keys, [&key("a"), &key("b")]);
        assert_eq!(page.until, Some(key("c")));
    }
}
