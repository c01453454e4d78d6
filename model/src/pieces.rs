//! What covers a sort space in intervals, in pieces that successive versions share.
//!
//! A catalog may have a million shards, and each of its commands changes a few. So the shards of a table lie in pieces of
//! at most [`PIECE_ITEMS_MAX`], in order; the next catalog copies the pieces in which something changed, and has the
//! others in common with the one before. What is derived from shards (a node's layout) lies in the same pieces: made
//! anew where the piece is another one, and shared where it is the same.
//!
//! ```text
//!   epoch 7   [ 0 .. 255 ]  [ 256 .. 511 ]  [ 512 .. 767 ]        find: the piece, then the item: two binary searches
//!                   │              │               │
//!   epoch 8       (same)    [ 256 .. 511 ]       (same)           one shard changed
//! ```

use crate::key::{Interval, SortKey};
use std::iter::FlatMap;
use std::slice::Iter;
use std::sync::Arc;

/// Most items of one piece.
pub const PIECE_ITEMS_MAX: usize = 256;

/// Something that stands for an interval of a sort space.
pub trait Placed {
    /// Its interval.
    fn interval(&self) -> &Interval;

    /// Whether it is one of the few that are looked for ([`Pieces::sought`]).
    fn is_sought(&self) -> bool {
        false
    }
}

/// See the module's essay. Cheap to clone. How the items are cut into pieces does not matter to whether two are equal.
#[derive(Debug)]
pub struct Pieces<T> {
    pieces: Arc<[Arc<Piece<T>>]>,
    len: usize,
}

/// Some neighbours: never none.
#[derive(Clone, Debug)]
pub struct Piece<T> {
    start: SortKey,
    items: Box<[T]>,
    /// Whether any of them is sought.
    is_sought: bool,
}

/// All items in order.
pub type Items<'a, T> = FlatMap<Iter<'a, Arc<Piece<T>>>, Iter<'a, T>, fn(&'a Arc<Piece<T>>) -> Iter<'a, T>>;

impl<T: Placed> Pieces<T> {
    /// All of these, which come in order.
    pub fn of(items: impl IntoIterator<Item = T>) -> Self {
        let mut items = items.into_iter().peekable();
        let mut pieces = Vec::new();
        while items.peek().is_some() {
            pieces.push(Arc::new(Piece::of(items.by_ref().take(PIECE_ITEMS_MAX))));
        }
        Self::joined(pieces)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// All of them in order.
    pub fn iter(&self) -> Items<'_, T> {
        self.pieces.iter().flat_map(|piece| piece.items.iter())
    }

    /// Those that are looked for, in order: pieces without any are not walked.
    pub fn sought(&self) -> impl Iterator<Item = &T> {
        let pieces = self.pieces.iter().filter(|piece| piece.is_sought);
        pieces.flat_map(|piece| piece.items.iter()).filter(|item| item.is_sought())
    }

    /// The last one that starts at a sort key or before it.
    pub fn at(&self, sort_key: &SortKey) -> Option<&T> {
        let (piece, item) = self.last_where(|start| start <= sort_key)?;
        Some(&self.pieces[piece].items[item])
    }

    /// The last one that starts below the end of an interval; `None` is the end of the space.
    pub fn below(&self, end: Option<&SortKey>) -> Option<&T> {
        let (piece, item) = self.last_where(|start| end.is_none_or(|end| start < end))?;
        Some(&self.pieces[piece].items[item])
    }

    /// How many pieces of this are not those of `other`: what it takes to make the one from the other.
    pub fn pieces_beside(&self, other: &Self) -> usize {
        // Most lie where they lay.
        let is_there = |(at, piece): &(usize, &Arc<Piece<T>>)| {
            other.pieces.get(*at).is_some_and(|known| Arc::ptr_eq(known, piece))
        };
        let has = |piece: &Arc<Piece<T>>| other.pieces.iter().any(|known| Arc::ptr_eq(known, piece));
        let moved = self.pieces.iter().enumerate().filter(|place| !is_there(place));
        moved.filter(|(_, piece)| !has(piece)).count()
    }

    /// What is made of each item of another one. Where that was made before, of the same piece, it is not made again.
    pub fn made_of<S: Placed>(
        sources: &Pieces<S>,
        before: Option<(&Pieces<S>, &Self)>,
        mut make: impl FnMut(&S) -> T,
    ) -> Self {
        if let Some((old, made)) = before
            && Arc::ptr_eq(&old.pieces, &sources.pieces)
        {
            return made.clone();
        }
        let known = before.into_iter().flat_map(|(old, made)| old.pieces.iter().zip(made.pieces.iter()));
        let mut known = known.peekable();
        let mut pieces = Vec::with_capacity(sources.pieces.len());
        for piece in sources.pieces.iter() {
            while known.next_if(|(old, _)| old.start < piece.start).is_some() {}
            let made = known.peek().filter(|(old, _)| Arc::ptr_eq(old, piece));
            pieces.push(match made {
                Some((_, made)) => Arc::clone(made),
                None => Arc::new(Piece::of(piece.items.iter().map(&mut make))),
            });
        }
        Self::joined(pieces)
    }

    /// The last one whose start is so, as all before it are: its piece, and where it is in that.
    fn last_where(&self, is_so: impl Fn(&SortKey) -> bool) -> Option<(usize, usize)> {
        let piece = self.pieces.partition_point(|piece| is_so(&piece.start)).checked_sub(1)?;
        let items = &self.pieces[piece].items;
        let item = items.partition_point(|item| is_so(&item.interval().start)).checked_sub(1)?;
        Some((piece, item))
    }
}

impl<T: Placed + Clone> Pieces<T> {
    /// The same with some items changed, each in its place: only their pieces are copied.
    ///
    /// # Panics
    /// If one stands for an interval that no item has.
    #[must_use]
    pub fn with(&self, changed: impl IntoIterator<Item = T>) -> Self {
        let mut pieces = self.pieces.to_vec();
        for item in changed {
            let start = &item.interval().start;
            let place = self.last_where(|known| known <= start);
            let (piece, at) = place.expect("an item is changed in its place");
            let piece = Arc::make_mut(&mut pieces[piece]);
            assert_eq!(piece.items[at].interval(), item.interval(), "an item is changed in its place");
            piece.items[at] = item;
            piece.is_sought = piece.items.iter().any(Placed::is_sought);
        }
        Self { pieces: pieces.into(), len: self.len }
    }

    /// The same with the items of an interval replaced by others that cover it: their pieces are made anew, and all others
    /// are shared.
    ///
    /// # Panics
    /// If there is none to put there, or if they do not begin and end where items do.
    #[must_use]
    pub fn recut(&self, by: &[T]) -> Self {
        let (start, end) = match by {
            [first, .., last] => (&first.interval().start, last.interval().end.as_ref()),
            [one] => (&one.interval().start, one.interval().end.as_ref()),
            [] => panic!("an interval is covered by items"),
        };
        let (first, from) = self.last_where(|known| known <= start).expect("the first item begins the space");
        let is_before = |known: &SortKey| end.is_none_or(|end| known < end);
        let (last, to) = self.last_where(is_before).expect("an interval ends behind its start");
        let (head, tail) = (&self.pieces[first].items[..from], &self.pieces[last].items[to + 1..]);
        let is_covered = self.pieces[first].items[from].interval().start == *start
            && self.pieces[last].items[to].interval().end.as_ref() == end;
        assert!(is_covered, "an interval is covered by items that begin and end where others do");
        let items: Vec<T> = head.iter().chain(by).chain(tail).cloned().collect();
        // Halves, so that the next one has room.
        let size = if items.len() > PIECE_ITEMS_MAX { items.len().div_ceil(2) } else { items.len() };
        let anew =
            items.chunks(size.min(PIECE_ITEMS_MAX)).map(|items| Arc::new(Piece::of(items.iter().cloned())));
        let pieces = self.pieces[..first].iter().cloned().chain(anew);
        Self::joined(pieces.chain(self.pieces[last + 1..].iter().cloned()).collect())
    }
}

impl<T: Placed> Piece<T> {
    fn of(items: impl Iterator<Item = T>) -> Self {
        let items: Box<[T]> = items.collect();
        let is_sought = items.iter().any(Placed::is_sought);
        Self { start: items[0].interval().start.clone(), items, is_sought }
    }
}

impl<T> Clone for Pieces<T> {
    fn clone(&self) -> Self {
        Self { pieces: Arc::clone(&self.pieces), len: self.len }
    }
}

impl<T> Pieces<T> {
    fn joined(pieces: Vec<Arc<Piece<T>>>) -> Self {
        let len = pieces.iter().map(|piece| piece.items.len()).sum();
        Self { pieces: pieces.into(), len }
    }
}

impl<T: Placed> FromIterator<T> for Pieces<T> {
    fn from_iter<I: IntoIterator<Item = T>>(items: I) -> Self {
        Self::of(items)
    }
}

impl<'a, T: Placed> IntoIterator for &'a Pieces<T> {
    type Item = &'a T;
    type IntoIter = Items<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<T: Placed + PartialEq> PartialEq for Pieces<T> {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.pieces, &other.pieces) || (self.len == other.len && self.iter().eq(other.iter()))
    }
}

impl<T: Placed + Eq> Eq for Pieces<T> {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Token;

    #[derive(Clone, Debug, PartialEq, Eq)]
    struct Item {
        interval: Interval,
        value: u64,
    }

    impl Placed for Item {
        fn interval(&self) -> &Interval {
            &self.interval
        }

        fn is_sought(&self) -> bool {
            self.value == SOUGHT
        }
    }

    /// The value of items that are looked for.
    const SOUGHT: u64 = u64::MAX;

    fn at(number: u64) -> SortKey {
        SortKey::at_token(Token(number * 10))
    }

    fn item(number: u64, value: u64) -> Item {
        Item { interval: Interval { start: at(number), end: Some(at(number + 1)) }, value }
    }

    fn items(count: u64) -> Pieces<Item> {
        (0..count).map(|number| item(number, number)).collect()
    }

    #[test]
    fn each_is_found_at_its_start_and_up_to_the_next() {
        for count in [1, 2, 255, 256, 257, 1_000] {
            let all = items(count);
            assert_eq!((all.len() as u64, all.iter().count() as u64), (count, count));
            for number in 0..count {
                for token in [number * 10, number * 10 + 9] {
                    let found = all.at(&SortKey::at_token(Token(token))).expect("found");
                    assert_eq!(found.value, number, "of {count}");
                }
            }
        }
        let all = items(1_000);
        let below = |end: Option<&SortKey>| all.below(end).map(|item| item.value);
        assert_eq!(
            (below(Some(&at(256))), below(Some(&at(1))), below(None)),
            (Some(255), Some(0), Some(999))
        );
        assert_eq!(below(Some(&at(0))), None, "nothing starts below the first");
        assert_eq!(items(0).at(&at(7)), None);
        assert_eq!(Pieces::of([item(5, 0)]).at(&at(4)), None, "before the first");
    }

    #[test]
    fn a_change_of_some_copies_as_many_pieces_at_most() {
        let all = items(10_000);
        for numbers in [&[0][..], &[9_999], &[5, 6, 7], &[1, 300, 301, 9_000]] {
            let changed = all.with(numbers.iter().map(|number| item(*number, 77)));
            assert!(changed.pieces_beside(&all) <= numbers.len(), "{numbers:?}");
            assert!(changed.pieces_beside(&all) > 0);
            for number in 0..10_000 {
                let expected = if numbers.contains(&number) { 77 } else { number };
                assert_eq!(changed.at(&at(number)).expect("found").value, expected);
            }
        }
        assert_eq!(all.with([]), all);
    }

    #[test]
    fn what_is_sought_is_found_without_a_walk_over_all() {
        let none = items(10_000);
        assert_eq!(none.sought().count(), 0);
        let some = none.with([7, 300, 9_999].map(|number| item(number, SOUGHT)));
        let found: Vec<&SortKey> = some.sought().map(|item| &item.interval.start).collect();
        assert_eq!(found, [&at(7), &at(300), &at(9_999)]);
        assert_eq!(
            some.pieces.iter().filter(|piece| piece.is_sought).count(),
            3,
            "the others are not walked"
        );
        assert_eq!(some.with([item(300, 5)]).sought().count(), 2);
        assert_eq!(Pieces::of(some.iter().cloned()).sought().count(), 3);
    }

    #[test]
    fn what_is_made_of_the_same_pieces_is_not_made_again() {
        let sources = items(100_000);
        let make = |made: &mut u64, before, sources: &Pieces<Item>| {
            Pieces::made_of(sources, before, |source: &Item| {
                *made += 1;
                Item { value: source.value * 2, ..source.clone() }
            })
        };
        let mut made = 0;
        let doubled = make(&mut made, None, &sources);
        assert_eq!(made, 100_000);
        let changed = sources.with([3, 4, 50_000].map(|number| item(number, 5)));
        made = 0;
        let after = make(&mut made, Some((&sources, &doubled)), &changed);
        assert_eq!(made, 2 * 256, "two of its pieces are others");
        assert_eq!(after, make(&mut 0, None, &changed), "as if it were made from nothing");
        made = 0;
        assert_eq!(make(&mut made, Some((&changed, &after)), &changed), after);
        assert_eq!(made, 0);
        let shorter = items(700);
        assert_eq!(make(&mut 0, Some((&sources, &doubled)), &shorter), make(&mut 0, None, &shorter));
    }

    fn between(from: u64, to: u64, value: u64) -> Item {
        Item { interval: Interval { start: at(from), end: Some(at(to)) }, value }
    }

    #[test]
    fn some_are_replaced_by_others_that_cover_the_same() {
        for count in [1, 2, 256, 257, 1_000] {
            for number in [0, count / 2, count - 1] {
                let all = items(count);
                let middle = SortKey::at_token(Token(number * 10 + 5));
                let left = Item {
                    interval: Interval { start: at(number), end: Some(middle.clone()) },
                    value: number,
                };
                let right =
                    Item { interval: Interval { start: middle, end: Some(at(number + 1)) }, value: 7_777 };
                let cut = all.recut(&[left, right]);
                assert_eq!((cut.len() as u64, cut.iter().count() as u64), (count + 1, count + 1));
                assert!(
                    cut.pieces_beside(&all) <= 2
                        && cut.pieces.iter().all(|it| it.items.len() <= PIECE_ITEMS_MAX)
                );
                let value = |token| cut.at(&SortKey::at_token(Token(token))).expect("found").value;
                assert_eq!((value(number * 10 + 4), value(number * 10 + 5)), (number, 7_777));
                assert_eq!(cut.recut(&[item(number, number)]), all, "and back again");
            }
        }
        let all = items(1_000);
        let joined = all.recut(&[between(255, 257, 9)]);
        assert_eq!(
            (joined.len(), joined.at(&at(256)).expect("found").value),
            (999, 9),
            "over the end of a piece"
        );
        assert_eq!(joined.at(&at(257)).expect("found").value, 257);
        assert_eq!(joined.recut(&[item(255, 255), item(256, 256)]), all);
        let make = |source: &Item| Item { value: source.value * 2, ..source.clone() };
        let made = Pieces::made_of(&all, None, make);
        assert_eq!(Pieces::made_of(&joined, Some((&all, &made)), make), Pieces::made_of(&joined, None, make));
        let mut grown = Pieces::of([between(0, 3_000, 0)]);
        for number in 1..3_000 {
            grown = grown.recut(&[between(number - 1, number, number - 1), between(number, 3_000, number)]);
        }
        assert_eq!(grown, items(3_000), "cut at its end again and again");
        assert!(grown.pieces.iter().all(|piece| (1..=PIECE_ITEMS_MAX).contains(&piece.items.len())));
    }

    #[test]
    #[should_panic(expected = "begin and end where others do")]
    fn what_covers_something_else_is_a_bug() {
        let _ = items(10).recut(&[Item {
            interval: Interval { start: at(2), end: Some(SortKey::at_token(Token(25))) },
            value: 0,
        }]);
    }

    #[test]
    fn cuts_do_not_matter_to_equality() {
        let whole = items(3);
        let cut = Pieces::joined(vec![
            Arc::new(Piece::of([item(0, 0)].into_iter())),
            Arc::new(Piece::of([item(1, 1), item(2, 2)].into_iter())),
        ]);
        assert_eq!(whole, cut);
        assert_ne!(whole, cut.with([item(1, 9)]));
    }
}
