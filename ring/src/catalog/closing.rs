//! What a change of the catalog leaves behind until enough owners refuse it: a table that was dropped, or its earlier
//! promises.
//!
//! A node that has not heard of the change still answers as the catalog before it says. So the change is over only once
//! no quorum, no round one and no promised write can complete there any more: once F owners of each set have durably
//! *closed* it. The leader asks them and writes [`Command::Closed`](super::Command::Closed); until then the entry
//! here says which change is open, and each view knows it.
//!
//! ```text
//! F = max(q, n - min(w, q) + 1, w)      of n owners, q = floor(n / 2) + 1, w the table's write promise
//! ```
//!
//! At most n - F owners answer by the earlier catalog then, fewer than any of the three numbers asks for.

use minicbor::{Decode, Encode};
use quorate_model::level::{quorum, round_one};
use quorate_model::{Epoch, NodeId, Table, TableId};
use std::collections::BTreeSet;

/// One open change.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Closing {
    /// The table as it was before.
    #[n(0)]
    pub table: TableId,
    /// Its name, which another table may have by now.
    #[n(1)]
    pub name: String,
    /// The epoch of the change: an owner has closed what was before once it refuses all earlier ones.
    #[n(2)]
    pub since: Epoch,
    /// Whether the table was dropped; false: its promises changed.
    #[n(3)]
    pub dropped: bool,
    /// How many owners of each set must have closed it: F.
    #[n(4)]
    pub needed: u8,
    /// The different sets of owners of its shards; of one that moves, the old set: whatever counts in a stage up to the
    /// change must count there too.
    #[n(5)]
    pub sets: Vec<Vec<NodeId>>,
    /// F of each set, where the sets are not alike; `None`: it is `needed` of all.
    #[n(6)]
    pub needed_each: Option<Vec<u8>>,
}

/// F: how many of a set of `n` owners must refuse a stage before nothing that counts can complete in it.
pub fn owners_to_close(table: &Table, n: u8) -> u8 {
    let promised = table.w.within(n);
    quorum(n).max(round_one(n, promised)).max(promised)
}

impl Closing {
    /// The owners that have not closed it, in those sets in which too few have; empty: it is over.
    pub fn missing(&self, has_closed: impl Fn(NodeId) -> bool) -> BTreeSet<NodeId> {
        let is_short = |(set, needed): &(&Vec<NodeId>, u8)| {
            set.iter().filter(|owner| has_closed(**owner)).count() < usize::from(*needed)
        };
        let short = self.sets_needed().filter(is_short).flat_map(|(set, _)| set);
        short.copied().filter(|owner| !has_closed(*owner)).collect()
    }

    /// Whether a catalog of this epoch can have written it: else it is damaged.
    pub(super) fn is_sound(&self, epoch: Epoch) -> bool {
        let is_reachable = |(set, needed): (&Vec<NodeId>, u8)| usize::from(needed) <= set.len();
        let is_each = self.needed_each.as_ref().is_none_or(|each| each.len() == self.sets.len());
        self.since <= epoch && self.needed > 0 && is_each && self.sets_needed().all(is_reachable)
    }

    /// The sets, and how many of each must have closed it.
    pub fn sets_needed(&self) -> impl Iterator<Item = (&Vec<NodeId>, u8)> {
        let each = |at: usize| self.needed_each.as_ref().map_or(self.needed, |each| each[at]);
        self.sets.iter().enumerate().map(move |(at, set)| (set, each(at)))
    }

    /// The same without a node that is no member any more, if it was asked: no member hears it, so it counts as one that has
    /// closed it.
    pub(super) fn without(&self, node: NodeId) -> Option<Self> {
        if self.sets.iter().all(|set| !set.contains(&node)) {
            return None;
        }
        let less = |(set, needed): (&Vec<NodeId>, u8)| {
            let left: Vec<NodeId> = set.iter().copied().filter(|owner| *owner != node).collect();
            let gone = u8::from(left.len() < set.len());
            (left, needed.saturating_sub(gone))
        };
        let (sets, each): (Vec<_>, Vec<_>) = self.sets_needed().map(less).unzip();
        Some(Self { sets, needed_each: Some(each), ..self.clone() })
    }

    /// Every owner that is asked.
    pub fn owners(&self) -> BTreeSet<NodeId> {
        self.sets.iter().flatten().copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use quorate_model::{Durability, Level, Mode, Sharding};

    fn table(n: u8, w: Level) -> Table {
        Table {
            id: TableId(1),
            name: "t".into(),
            sharding: Sharding::Hash,
            n,
            r: Level::Quorum,
            w,
            mode: Mode::Register,
            durability: Durability::Sync,
            ttl_ms: None,
            shard_bytes_max: None,
        }
    }

    /// Whatever answers by the earlier catalog once F owners have closed it is too few for anything that counts.
    #[test]
    fn nothing_that_counts_completes_among_the_owners_that_are_left() {
        for n in 1..=15 {
            for w in 1..=n {
                let needed = owners_to_close(&table(n, Level::Count(w)), n);
                assert!((1..=n).contains(&needed));
                let (left, quorum) = (n - needed, n / 2 + 1);
                let round_one = n - w.min(quorum) + 1;
                assert!(left < quorum && left < round_one && left < w, "n={n} w={w} F={needed}");
                assert!(left < n - w + 1, "no read that claims to be regular either: n={n} w={w}");
            }
        }
        assert_eq!(owners_to_close(&table(3, Level::Quorum), 3), 2);
        assert_eq!(owners_to_close(&table(3, Level::One), 3), 3);
        assert_eq!(owners_to_close(&table(3, Level::All), 3), 3);
    }

    #[test]
    fn it_is_over_once_enough_of_each_set_have_closed_it() {
        let closing = Closing {
            table: TableId(1),
            name: "t".into(),
            since: Epoch(7),
            dropped: true,
            needed: 2,
            sets: vec![vec![NodeId(1), NodeId(2), NodeId(3)], vec![NodeId(3), NodeId(4), NodeId(5)]],
            needed_each: None,
        };
        let missing = |closed: &[u64]| {
            let missing = closing.missing(|node| closed.contains(&node.0));
            missing.into_iter().map(|node| node.0).collect::<Vec<_>>()
        };
        assert_eq!(missing(&[]), [1, 2, 3, 4, 5]);
        assert_eq!(missing(&[1, 2]), [3, 4, 5], "the other set has none yet");
        assert_eq!(missing(&[1, 2, 3]), [4, 5]);
        assert_eq!(missing(&[2, 3, 4]), [0; 0]);
        let removed = closing.without(NodeId(4)).expect("it was asked");
        assert!(
            removed.missing(|node| [2, 3].contains(&node.0)).is_empty(),
            "no node waits for a removed one"
        );
        assert_eq!(
            removed.missing(|node| node.0 == 1).len(),
            3,
            "n2 and n3 of the one set, n3 and n5 of the other"
        );
        assert!(removed.is_sound(Epoch(7)) && closing.without(NodeId(9)).is_none());
    }
}
