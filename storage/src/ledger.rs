//! The ledger: how much a replica holds of what it should, piece by piece, on its disk.
//!
//! A replica that has lost something may not answer as if it had not: it would show a quorum that misses an acknowledged
//! write. So the loss is noted before the replica serves again, for everything that it held before, and each piece of a
//! table gets an entry once something is done about it:
//!
//! ```text
//! Lost { incarnation 2, began 40 }        all that was given to this node up to epoch 40 is lossy, but for
//! table 1  [a ······· m)   whole          filled, and noted so
//! table 1  [m ········ )   filling        merged from n1 and n2 up to "q"
//! ```
//!
//! A shard is lossy, filling, whole: never back within an incarnation. A copy that a move gives to the node begins as a lossy
//! one: nothing is held of it yet, and what lies there is of an earlier one. Its entry names the copy, and stays. When the last one is whole the ledger is empty
//! again. A table that was made after the loss was never lost. Which epoch that was is not known when the loss is noted,
//! so the epoch of the first layout that names the new incarnation is noted with it: the catalog that names it knows
//! every table from before.
//!
//! # Invariants
//!
//! - An entry that is missing means *lossy* while something is noted as lost, and *whole* otherwise, or where the rest was
//!   accepted as it is.
//! - An entry that can't be read makes the replica doubtful: it never counts as a better one.
//! - Entries do not overlap. Shards may be split and merged while a piece is filled, so a piece is not always a shard: what
//!   is noted of a part leaves what is noted of the rest, and a shard of several pieces is filled piece by piece.
//!
//! Nothing here reads or writes: `replica/ledger.rs` does.
//!
//! # What is left out
//!
//! The fence of single shards. Fields are numbered, so that entries grow.

use crate::rules::filling;
use minicbor::{Decode, Encode};
use quorate_model::layout::{Copy, Role};
use quorate_model::{CopyState, Epoch, Fill, Interval, Rules, SortKey, TableId};
use std::collections::BTreeMap;
use std::ops::Bound;

/// What was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Lost {
    /// The replica that knows of it: the one after the loss.
    #[n(0)]
    pub incarnation: u64,
    /// The epoch of the first layout that named it; `None`: there was none yet. What was given to the node later was not
    /// lost.
    #[n(1)]
    pub began: Option<Epoch>,
    /// Whether what has no entry counts as it is: the rest was accepted as lost. `None`: it does not.
    #[n(2)]
    pub kept: Option<bool>,
}

/// What is noted of a piece of a table.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Entry {
    /// Where the piece ends; `None`: with the table.
    #[n(0)]
    pub end: Option<SortKey>,
    /// What is there.
    #[n(1)]
    pub state: CopyState,
    /// How far it is filled.
    #[n(2)]
    pub fill: Option<Fill>,
    /// Which copy that a move gave to the node was begun here; `None`: the node fills its own again.
    #[n(3)]
    pub since: Option<Epoch>,
}

/// See the module's essay.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    rules: Rules,
    lost: Option<Lost>,
    entries: BTreeMap<(TableId, SortKey), Entry>,
    /// At which of its epochs this run has merged into a shard that moves to fewer owners what the others hold. Not on the disk:
    /// a later run does it again, which costs sums.
    merged: BTreeMap<(TableId, SortKey), Epoch>,
}

impl Ledger {
    /// Of what is on the disk.
    pub fn load(rules: Rules, lost: Option<Lost>, entries: BTreeMap<(TableId, SortKey), Entry>) -> Self {
        let mut ledger = Self { rules, lost, entries, merged: BTreeMap::new() };
        for entry in ledger.entries.values_mut() {
            entry.state = filling::after_restart(rules, entry.state);
        }
        ledger
    }

    /// Whether nothing is noted: everything is whole.
    pub fn is_clear(&self) -> bool {
        self.lost.is_none()
    }

    /// What was lost.
    pub fn lost(&self) -> Option<Lost> {
        self.lost
    }

    /// Takes what was lost as noted; `None`: nothing is missing any more.
    pub fn set_lost(&mut self, lost: Option<Lost>) {
        self.lost = lost;
        if lost.is_none() {
            // Which copies of moves were begun stays known: to begin one twice would delete it.
            self.entries.retain(|_, entry| entry.since.is_some());
        }
    }

    /// Where entries begin that are of a loss, and of no move.
    pub fn of_loss(&self) -> impl Iterator<Item = (TableId, SortKey)> + '_ {
        let of_loss = self.entries.iter().filter(|(_, entry)| entry.since.is_none());
        of_loss.map(|(at, _)| at.clone())
    }

    /// Takes what is noted of a piece.
    pub fn set(&mut self, table: TableId, start: SortKey, entry: Entry) {
        self.entries.insert((table, start), entry);
    }

    /// The tables of which something is noted.
    pub fn tables(&self) -> impl Iterator<Item = TableId> + '_ {
        self.entries.keys().map(|(table, _)| *table)
    }

    /// A table is gone.
    pub fn forget(&mut self, table: TableId) {
        self.entries.retain(|(of, _), _| *of != table);
    }

    /// Nothing is noted any more of the piece that begins there.
    pub fn remove(&mut self, table: TableId, start: &SortKey) {
        self.entries.remove(&(table, start.clone()));
    }

    /// At which epoch of the shard that begins there this run has merged what its other owners hold; 0: never.
    pub fn merged(&self, table: TableId, start: &SortKey) -> Epoch {
        self.merged.get(&(table, start.clone())).copied().unwrap_or(Epoch(0))
    }

    /// It has, and all of that is durable.
    pub fn set_merged(&mut self, table: TableId, start: SortKey, epoch: Epoch) {
        self.merged.insert((table, start), epoch);
    }

    /// No shard moves to fewer owners any more.
    pub fn forget_merged(&mut self) {
        self.merged.clear();
    }

    /// Whether a copy that a move gave to the node after an epoch was begun in an interval.
    pub fn is_given_after(&self, table: TableId, interval: &Interval, epoch: Epoch) -> bool {
        self.entries_within(table, interval).any(|(_, entry)| entry.since.is_some_and(|since| since > epoch))
    }

    /// What is noted once nothing, or something else, is noted of an interval: where entries begin that go, and those that lie
    /// across one of its ends, as far as they lie beside it.
    pub fn without(&self, table: TableId, interval: &Interval) -> (Vec<SortKey>, Vec<(SortKey, Entry)>) {
        let (mut gone, mut cut) = (Vec::new(), Vec::new());
        for (start, entry) in self.entries_within(table, interval) {
            if *start < interval.start {
                cut.push((start.clone(), Entry { end: Some(interval.start.clone()), ..entry.clone() }));
            } else {
                gone.push(start.clone());
            }
            if let Some(end) = &interval.end
                && entry.end.as_ref().is_none_or(|beyond| beyond > end)
            {
                cut.push((end.clone(), entry.clone()));
            }
        }
        (gone, cut)
    }

    fn entries_within<'a>(
        &'a self,
        table: TableId,
        interval: &'a Interval,
    ) -> impl Iterator<Item = (&'a SortKey, &'a Entry)> {
        let first = self.entry_at(table, &interval.start);
        let behind = (Bound::Excluded((table, interval.start.clone())), Bound::Unbounded);
        let is_inside = move |of: TableId, start: &SortKey| {
            of == table && interval.end.as_ref().is_none_or(|end| start < end)
        };
        let others = self.entries.range(behind).take_while(move |((of, start), _)| is_inside(*of, start));
        first.into_iter().chain(others.map(|((_, start), entry)| (start, entry)))
    }

    /// What is held of the piece around a key, of a copy.
    pub fn at(&self, table: TableId, sort_key: &SortKey, copy: Copy) -> CopyState {
        if copy.role == Role::Receiver {
            let entry = self.entry_at(table, sort_key).map(|(_, entry)| entry);
            let begun = entry.filter(|entry| entry.since == Some(copy.since));
            return begun.map_or(CopyState::Lossy, |entry| entry.state);
        }
        if !self.may_lack(copy) {
            return CopyState::Whole;
        }
        self.entry_at(table, sort_key).map_or(self.unnoted(), |(_, entry)| entry.state)
    }

    /// The worst of what is held in an interval, of a copy.
    pub fn within(&self, table: TableId, interval: &Interval, copy: Copy) -> CopyState {
        if copy.role == Role::Receiver {
            // Begun as a whole, and no piece of it by itself.
            return self.at(table, &interval.start, copy);
        }
        self.walk(table, interval, copy).map(|(_, state)| state).max().unwrap_or_default()
    }

    /// The pieces of an interval that something different is noted of, of a copy, and what is held of each. A shard may have
    /// been merged from two, one of which was filled already.
    pub fn pieces(&self, table: TableId, interval: &Interval, copy: Copy) -> Vec<(Interval, CopyState)> {
        if copy.role == Role::Receiver || !filling::goes_by_pieces(self.rules) {
            return vec![(interval.clone(), self.within(table, interval, copy))];
        }
        self.walk(table, interval, copy).collect()
    }

    fn walk<'a>(
        &'a self,
        table: TableId,
        interval: &'a Interval,
        copy: Copy,
    ) -> impl Iterator<Item = (Interval, CopyState)> + 'a {
        let mut at = Some(interval.start.clone());
        std::iter::from_fn(move || {
            let start = at.take()?;
            if !self.may_lack(copy) {
                return Some((Interval { start, end: interval.end.clone() }, CopyState::Whole));
            }
            let (state, end) = match self.entry_at(table, &start) {
                Some((_, entry)) => (entry.state, entry.end.clone()),
                None => (self.unnoted(), self.entry_behind(table, &start)),
            };
            let is_inside = |end: &SortKey| interval.end.as_ref().is_none_or(|asked| end < asked);
            at = end.filter(is_inside);
            let end = at.clone().or_else(|| interval.end.clone());
            Some((Interval { start, end }, state))
        })
    }

    /// How far a piece is filled. What is noted may be of a longer one, of which it was a part.
    pub fn fill(&self, table: TableId, piece: &Interval) -> Fill {
        let entry = self.entry_at(table, &piece.start).map(|(_, entry)| entry);
        let fill = entry.and_then(|entry| entry.fill.clone()).unwrap_or_default();
        let is_inside =
            |up_to: &SortKey| *up_to > piece.start && piece.end.as_ref().is_none_or(|end| up_to <= end);
        // Of a part that was filled to its end and beyond nothing but that is known: it is compared again.
        if fill.up_to.as_ref().is_none_or(is_inside) { fill } else { Fill::default() }
    }

    /// What a piece without an entry is.
    fn unnoted(&self) -> CopyState {
        let is_kept = self.lost.is_some_and(|lost| lost.kept == Some(true));
        if is_kept { CopyState::Whole } else { CopyState::Lossy }
    }

    /// Where the first entry behind a key begins.
    fn entry_behind(&self, table: TableId, sort_key: &SortKey) -> Option<SortKey> {
        let behind = Bound::Excluded((table, sort_key.clone()));
        let ((of, start), _) = self.entries.range((behind, Bound::Unbounded)).next()?;
        (*of == table).then(|| start.clone())
    }

    /// Whether a copy was given to the node before the loss.
    fn may_lack(&self, copy: Copy) -> bool {
        self.lost.is_some_and(|lost| lost.began.is_none_or(|began| copy.since <= began))
    }

    fn entry_at(&self, table: TableId, sort_key: &SortKey) -> Option<(&SortKey, &Entry)> {
        let upto = Bound::Included((table, sort_key.clone()));
        let ((of, start), entry) = self.entries.range((Bound::Unbounded, upto)).next_back()?;
        let is_inside = *of == table && entry.end.as_ref().is_none_or(|end| sort_key < end);
        is_inside.then_some((start, entry))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &'static str) -> SortKey {
        SortKey::new(text.as_bytes())
    }

    fn ledger(began: Option<u64>) -> Ledger {
        let lost = Lost { incarnation: 2, began: began.map(Epoch), kept: None };
        Ledger::load(Rules::INTACT, Some(lost), BTreeMap::new())
    }

    const T: TableId = TableId(1);
    const OLD: Copy = Copy { role: Role::Owner, since: Epoch(3) };

    #[test]
    fn what_was_given_before_the_loss_is_lossy_until_it_is_noted_otherwise() {
        let mut ledger = ledger(Some(40));
        assert_eq!(ledger.at(T, &key("b"), OLD), CopyState::Lossy);
        assert_eq!(
            ledger.at(T, &key("b"), Copy { role: Role::Owner, since: Epoch(41) }),
            CopyState::Whole,
            "made since"
        );
        ledger.set(
            T,
            key("a"),
            Entry { end: Some(key("m")), state: CopyState::Whole, fill: None, since: None },
        );
        assert_eq!(ledger.at(T, &key("b"), OLD), CopyState::Whole);
        assert_eq!(ledger.at(T, &key("m"), OLD), CopyState::Lossy);
        assert_eq!(ledger.at(TableId(2), &key("b"), OLD), CopyState::Lossy);
        ledger.set_lost(None);
        assert_eq!(ledger.at(T, &key("m"), OLD), CopyState::Whole);
    }

    #[test]
    fn where_the_rest_was_accepted_only_what_is_being_filled_is_not_whole() {
        let mut ledger = ledger(Some(40));
        let filling = Entry { end: Some(key("m")), state: CopyState::Filling, fill: None, since: None };
        ledger.set(T, key("c"), filling);
        ledger.set_lost(Some(Lost { incarnation: 3, began: None, kept: Some(true) }));
        let state = |at: &'static str| ledger.at(T, &key(at), OLD);
        assert_eq!(
            [state("a"), state("c"), state("m")],
            [CopyState::Whole, CopyState::Filling, CopyState::Whole]
        );
        assert_eq!(ledger.within(T, &Interval::everything(), OLD), CopyState::Filling);
        let behind = Interval { start: key("m"), end: None };
        assert_eq!(ledger.within(T, &behind, OLD), CopyState::Whole);
    }

    fn piece(start: &'static str, end: &'static str) -> Interval {
        Interval { start: key(start), end: Some(key(end)) }
    }

    #[test]
    fn what_is_noted_of_a_longer_piece_holds_for_its_parts() {
        let mut ledger = ledger(Some(40));
        let fill = Fill { up_to: Some(key("k")), sources: Vec::new() };
        let entry =
            Entry { end: Some(key("z")), state: CopyState::Filling, fill: Some(fill.clone()), since: None };
        ledger.set(T, key("a"), entry);
        let filled = |start, end| ledger.fill(T, &piece(start, end));
        assert_eq!(filled("a", "z"), fill);
        assert_eq!((filled("c", "m"), filled("a", "k")), (fill.clone(), fill));
        assert_eq!(filled("k", "z"), Fill::default(), "of that nothing is filled");
        assert_eq!(filled("a", "c"), Fill::default(), "of that all is, and it is looked at again");
    }

    #[test]
    fn a_shard_of_two_is_filled_piece_by_piece() {
        let mut ledger = ledger(Some(40));
        let entry = |end, state| Entry { end: Some(key(end)), state, fill: None, since: None };
        ledger.set(T, key("a"), entry("k", CopyState::Filling));
        ledger.set(T, key("p"), entry("z", CopyState::Whole));
        let expected = [
            (piece("b", "k"), CopyState::Filling),
            (piece("k", "p"), CopyState::Lossy),
            (piece("p", "s"), CopyState::Whole),
        ];
        assert_eq!(ledger.pieces(T, &piece("b", "s"), OLD), expected);
        let copy = Copy { role: Role::Receiver, since: Epoch(50) };
        assert_eq!(ledger.pieces(T, &piece("b", "s"), copy), [(piece("b", "s"), CopyState::Lossy)]);
    }

    #[test]
    fn an_interval_is_as_good_as_the_worst_piece_of_it() {
        let mut ledger = ledger(None);
        let all = Interval { start: key("a"), end: Some(key("z")) };
        ledger.set(
            T,
            key("a"),
            Entry { end: Some(key("m")), state: CopyState::Whole, fill: None, since: None },
        );
        assert_eq!(ledger.within(T, &all, OLD), CopyState::Lossy, "the second half is not noted");
        let second = Entry { end: None, state: CopyState::Filling, fill: None, since: None };
        ledger.set(T, key("m"), second.clone());
        assert_eq!(ledger.within(T, &all, OLD), CopyState::Filling);
        let first = Interval { start: key("b"), end: Some(key("m")) };
        assert_eq!(ledger.within(T, &first, OLD), CopyState::Whole);
        ledger.set(T, key("m"), Entry { state: CopyState::Whole, ..second });
        assert_eq!(ledger.within(T, &all, OLD), CopyState::Whole);
        let everything = Interval::everything();
        assert_eq!(ledger.within(T, &everything, OLD), CopyState::Lossy, "what lies before is not noted");
    }
}
