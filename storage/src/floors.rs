//! The floors of a replica's pieces of tables: what it promises of keys of which it holds nothing.
//!
//! ```text
//! table 1  [a ······· m)   closing 7-2, sealed 7-2        no piece: no floor
//! table 1  [m ········ )   closing 9-1
//! ```
//!
//! A piece is as large as the shard was when its floors were raised. One that is raised in part is cut in two, and
//! neighbours with the same floors are joined, so that a shard that was made of others, or cut, needs nothing rewritten.
//! Floors outlive what is held: a copy that is lost and filled again keeps them. They go with their table, and with a copy
//! that is given away.
//!
//! Nothing here reads or writes: `replica/floors.rs` does.

use minicbor::{Decode, Encode};
use quorate_model::floors::Floored;
use quorate_model::{Floors, Interval, SortKey, TableId};
use std::collections::BTreeMap;
use std::ops::Bound;

/// What is noted of a piece; it begins where its key says.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Entry {
    /// Where the piece ends; `None`: with the table.
    #[n(0)]
    pub end: Option<SortKey>,
    /// Its floors.
    #[n(1)]
    pub floors: Floors,
}

/// What becomes of the pieces of a table.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// Where pieces begin that go.
    pub gone: Vec<SortKey>,
    /// Pieces that come, and where they begin.
    pub come: Vec<(SortKey, Entry)>,
}

/// See the module's essay.
#[derive(Clone, Debug, Default)]
pub struct FloorMap {
    entries: BTreeMap<(TableId, SortKey), Entry>,
}

impl FloorMap {
    /// Of what is on the disk.
    pub fn load(entries: BTreeMap<(TableId, SortKey), Entry>) -> Self {
        Self { entries }
    }

    /// The floors of a key.
    pub fn at(&self, table: TableId, sort_key: &SortKey) -> Floors {
        self.before(table, sort_key).map_or_else(Floors::default, |(_, entry)| entry.floors)
    }

    /// The pieces of an interval that have floors, in order, as far as they lie in it.
    pub fn within(&self, table: TableId, interval: &Interval) -> Vec<Floored> {
        let piece = |(start, entry): (&SortKey, &Entry)| {
            let start = start.clone().max(interval.start.clone());
            let end = earlier(entry.end.clone(), interval.end.clone());
            Floored { interval: Interval { start, end }, floors: entry.floors }
        };
        self.entries_within(table, interval).map(piece).collect()
    }

    /// What becomes of the pieces if floors are raised in an interval. Nothing changes where they are as high already.
    pub fn raised(
        &self,
        table: TableId,
        interval: &Interval,
        raise: impl Fn(Floors) -> Floors,
    ) -> Option<Change> {
        let known = self.within(table, interval);
        let mut pieces: Vec<Floored> = Vec::new();
        let mut at = Some(interval.start.clone());
        // Between pieces, and behind the last one, floors are none.
        for piece in known.into_iter().map(Some).chain([None]) {
            let Some(from) = at.take() else { break };
            let until = piece.as_ref().map_or(interval.end.clone(), |next| Some(next.interval.start.clone()));
            if until.as_ref() != Some(&from) && !(piece.is_none() && interval.end.as_ref() == Some(&from)) {
                let interval = Interval { start: from, end: until.clone() };
                pieces.push(Floored { interval, floors: Floors::default() });
            }
            if let Some(piece) = piece {
                at.clone_from(&piece.interval.end);
                pieces.push(piece);
            }
        }
        if pieces.iter().all(|piece| raise(piece.floors) == piece.floors) {
            return None;
        }
        let mut change = self.without(table, interval);
        let mut joined: Vec<(SortKey, Entry)> = Vec::new();
        for Floored { interval, floors } in pieces {
            let floors = raise(floors);
            match joined.last_mut() {
                Some((_, last)) if last.floors == floors && last.end.as_ref() == Some(&interval.start) => {
                    last.end = interval.end;
                }
                _ => joined.push((interval.start, Entry { end: interval.end, floors })),
            }
        }
        change.come.extend(joined.into_iter().filter(|(_, entry)| !entry.floors.is_none()));
        Some(change)
    }

    /// What becomes of the pieces if an interval has no floors any more.
    pub fn without(&self, table: TableId, interval: &Interval) -> Change {
        let mut change = Change::default();
        for (start, entry) in self.entries_within(table, interval) {
            change.gone.push(start.clone());
            if *start < interval.start {
                change
                    .come
                    .push((start.clone(), Entry { end: Some(interval.start.clone()), ..entry.clone() }));
            }
            if let Some(end) = &interval.end
                && entry.end.as_ref().is_none_or(|beyond| beyond > end)
            {
                change.come.push((end.clone(), entry.clone()));
            }
        }
        change
    }

    /// Takes a change, once it is durable.
    pub fn take(&mut self, table: TableId, change: Change) {
        for start in change.gone {
            self.entries.remove(&(table, start));
        }
        for (start, entry) in change.come {
            self.entries.insert((table, start), entry);
        }
    }

    /// The tables that have floors.
    pub fn tables(&self) -> impl Iterator<Item = TableId> + '_ {
        self.entries.keys().map(|(table, _)| *table)
    }

    /// A table is gone.
    pub fn forget(&mut self, table: TableId) {
        self.entries.retain(|(of, _), _| *of != table);
    }

    fn before(&self, table: TableId, sort_key: &SortKey) -> Option<(&SortKey, &Entry)> {
        if self.entries.is_empty() {
            return None;
        }
        let upto = Bound::Included((table, sort_key.clone()));
        let ((of, start), entry) = self.entries.range((Bound::Unbounded, upto)).next_back()?;
        let is_inside = *of == table && entry.end.as_ref().is_none_or(|end| sort_key < end);
        is_inside.then_some((start, entry))
    }

    fn entries_within<'a>(
        &'a self,
        table: TableId,
        interval: &'a Interval,
    ) -> impl Iterator<Item = (&'a SortKey, &'a Entry)> {
        let first = self.before(table, &interval.start);
        let behind = (Bound::Excluded((table, interval.start.clone())), Bound::Unbounded);
        let is_inside = move |of: TableId, start: &SortKey| {
            of == table && interval.end.as_ref().is_none_or(|end| start < end)
        };
        let others = self.entries.range(behind).take_while(move |((of, start), _)| is_inside(*of, start));
        first.into_iter().chain(others.map(|((_, start), entry)| (start, entry)))
    }
}

/// The earlier of two ends; `None` is the end of the table.
fn earlier(one: Option<SortKey>, other: Option<SortKey>) -> Option<SortKey> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (end, None) | (None, end) => end,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use quorate_model::floors::Raise;
    use quorate_model::{Boot, NodeId, Stamps, Version};

    const TABLE: TableId = TableId(1);

    fn at(text: &'static str) -> SortKey {
        SortKey::new(text.as_bytes())
    }

    fn interval(start: &'static str, end: Option<&'static str>) -> Interval {
        Interval { start: at(start), end: end.map(at) }
    }

    fn version(seq: u64) -> Version {
        let mut stamps = Stamps::new(NodeId(1), Boot(1));
        let mut version = stamps.draw().above(None).expect("room");
        for _ in 1..seq {
            version = Stamps::new(NodeId(1), Boot(1)).draw().above(Some(version)).expect("room");
        }
        version
    }

    fn close(map: &mut FloorMap, over: &Interval, seq: u64) -> bool {
        let change = map.raised(TABLE, over, |floors| Raise::Close(version(seq)).over(floors));
        let is_changed = change.is_some();
        map.take(TABLE, change.unwrap_or_default());
        is_changed
    }

    fn seqs(map: &FloorMap, keys: &[&'static str]) -> Vec<u64> {
        let seq = |key: &&'static str| map.at(TABLE, &at(key)).closing.map_or(0, Version::seq);
        keys.iter().map(seq).collect()
    }

    #[test]
    fn a_piece_that_is_raised_in_part_is_cut_and_equal_neighbours_are_joined() {
        let mut map = FloorMap::default();
        assert!(close(&mut map, &interval("b", Some("m")), 2));
        assert_eq!(seqs(&map, &["a", "b", "l", "m"]), [0, 2, 2, 0]);
        assert!(!close(&mut map, &interval("c", Some("d")), 1), "it is higher already");
        assert!(close(&mut map, &interval("c", Some("d")), 3));
        assert_eq!(seqs(&map, &["b", "c", "d", "l"]), [2, 3, 2, 2]);
        assert!(close(&mut map, &interval("", None), 3));
        assert_eq!(seqs(&map, &["", "a", "b", "c", "d", "z"]), [3; 6]);
        assert_eq!(map.within(TABLE, &interval("", None)).len(), 1, "one piece");
        assert_eq!(map.at(TableId(2), &at("c")), Floors::default(), "another table");
        let within = map.within(TABLE, &interval("c", Some("d")));
        assert_eq!(within[0].interval, interval("c", Some("d")), "as far as it lies inside");
    }

    #[test]
    fn what_is_given_away_takes_its_floors_along_and_leaves_those_beside_it() {
        let mut map = FloorMap::default();
        close(&mut map, &interval("", None), 2);
        let change = map.without(TABLE, &interval("c", Some("d")));
        map.take(TABLE, change);
        assert_eq!(seqs(&map, &["b", "c", "d", "z"]), [2, 0, 2, 2]);
        close(&mut map, &interval("b", Some("e")), 1);
        assert_eq!(seqs(&map, &["b", "c", "d", "z"]), [2, 1, 2, 2], "a gap between two is filled");
        map.forget(TABLE);
        assert_eq!(seqs(&map, &["b", "c"]), [0, 0]);
    }
}
