//! The pieces of work of an exchange, and the small calculations between them.

use quorate_model::sync::Keyed;
use quorate_model::{Interval, SortKey};
use std::collections::{BTreeMap, BTreeSet};

/// Something that is still to be done. Pieces lie in the order of their keys, the first on top.
#[derive(Debug, PartialEq, Eq)]
pub enum Work {
    /// Find this replica's own parts of an interval.
    Cut(Interval),
    /// Compare the sums of own parts with the other's.
    Compare(Parts),
    /// The sums of an interval differ, or are not known: find out which records do. (Own sum, the other's.)
    Look(Interval, u64, Option<u64>),
    /// Compare the other's list with an own one.
    List(Own),
    /// Bring over what these items stand for.
    Bring {
        /// Where.
        over: Interval,
        /// Which of the other's.
        theirs: Which,
        /// Which of this replica's.
        ours: Which,
    },
}

/// Which records are brought over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Which {
    /// None.
    Nothing,
    /// Those of these items.
    These(Vec<u64>),
    /// All but those of these items.
    AllBut(Vec<u64>),
}

impl Which {
    /// Those of these items.
    pub fn these(items: Vec<u64>) -> Self {
        if items.is_empty() { Which::Nothing } else { Which::These(items) }
    }
}

/// Neighbouring parts of this replica, with their sums.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parts {
    /// Where each begins, and its sum.
    pub parts: Vec<(SortKey, u64)>,
    /// Where the last one ends.
    pub end: Option<SortKey>,
}

/// What this replica lists in an interval.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Own {
    /// Where.
    pub over: Interval,
    /// In the order of the keys.
    pub records: Vec<(SortKey, u64)>,
}

impl Work {
    /// The interval that it is about.
    pub fn over(&self) -> Interval {
        match self {
            Work::Cut(over) | Work::Look(over, ..) | Work::Bring { over, .. } => over.clone(),
            Work::Compare(parts) => parts.over(),
            Work::List(own) => own.over.clone(),
        }
    }
}

impl Parts {
    /// The interval that they cover.
    pub fn over(&self) -> Interval {
        let start = self.parts.first().expect("a group has a part").0.clone();
        Interval { start, end: self.end.clone() }
    }

    /// What they add up to.
    pub fn sum(&self) -> u64 {
        self.parts.iter().fold(0, |sum, (_, part)| sum.wrapping_add(*part))
    }

    /// The same as neighbouring groups of about the same number of parts, so many at most.
    pub fn groups(&self, most: usize) -> Vec<Parts> {
        let size = self.parts.len().div_ceil(most.max(1));
        let starts = (0..self.parts.len()).step_by(size);
        let group = |from: usize| {
            let until = self.parts.len().min(from + size);
            let end =
                self.parts.get(until).map_or_else(|| self.end.clone(), |(start, _)| Some(start.clone()));
            Parts { parts: self.parts[from..until].to_vec(), end }
        };
        starts.map(group).collect()
    }
}

impl Own {
    /// The same as neighbouring pieces of about as many keys as there are pieces.
    pub fn pieces(&self) -> Vec<Own> {
        let size = self.records.len().isqrt().max(1);
        let mut pieces = Vec::new();
        let mut start = self.over.start.clone();
        for (at, records) in self.records.chunks(size).enumerate() {
            let behind = (at + 1) * size;
            let end = match self.records.get(behind) {
                Some((next, _)) => Some(between(&self.records[behind - 1].0, next)),
                None => self.over.end.clone(),
            };
            let next = end.clone();
            pieces.push(Own { over: Interval { start, end }, records: records.to_vec() });
            let Some(next) = next else { break };
            start = next;
        }
        pieces
    }

    /// What it adds up to.
    pub fn sum(&self) -> u64 {
        self.records.iter().fold(0, |sum, (_, item)| sum.wrapping_add(*item))
    }

    /// The part of it before a key, and the rest.
    pub fn split(mut self, at: &SortKey) -> (Own, Own) {
        let behind = self.records.partition_point(|(key, _)| key < at);
        let rest = self.records.split_off(behind);
        let over = Interval { start: at.clone(), end: self.over.end.take() };
        self.over.end = Some(at.clone());
        (self, Own { over, records: rest })
    }

    /// Items that only this list has, and items that only the other has.
    pub fn differences(&self, theirs: &[u64]) -> (Vec<u64>, Vec<u64>) {
        let ours: BTreeSet<u64> = self.records.iter().map(|(_, item)| *item).collect();
        let others: BTreeSet<u64> = theirs.iter().copied().collect();
        let of = |items: &BTreeSet<u64>, but: &BTreeSet<u64>| items.difference(but).copied().collect();
        (of(&ours, &others), of(&others, &ours))
    }
}

/// A short key above `before` and not above `next`.
pub fn between(before: &SortKey, next: &SortKey) -> SortKey {
    let (low, high) = (before.as_bytes(), next.as_bytes());
    let common = low.iter().zip(high).take_while(|(a, b)| a == b).count();
    SortKey::new(high[..high.len().min(common + 1)].to_vec())
}

/// Of records that one of the two sent, those that the other takes.
pub fn taken(
    sent: Vec<Keyed>,
    held: &[Keyed],
    takes: impl Fn(&quorate_model::Record, &quorate_model::Record) -> bool,
) -> Vec<Keyed> {
    let held: BTreeMap<&SortKey, &Keyed> = held.iter().map(|keyed| (&keyed.sort_key, keyed)).collect();
    let is_news =
        |keyed: &Keyed| held.get(&keyed.sort_key).is_none_or(|held| takes(&held.record, &keyed.record));
    sent.into_iter().filter(is_news).collect()
}
