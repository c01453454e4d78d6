//! How far a replica has come: what makes a log that was cut short, or a folder that is an old copy, noticeable.
//!
//! A log that ends too early looks like one whose last write was torn: nothing in it says that acknowledged records
//! are missing behind its end. So each replica counts its durable changes, says the count in its answers, and whoever
//! hears it remembers it. A node that starts again below what a peer remembers of it has lost something, and knows.

use crate::ids::Boot;
use minicbor::{Decode, Encode};
use std::fmt;

/// How many changes of a replica were durable: grows with each of them, never repeats within an incarnation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
#[cbor(transparent)]
pub struct CommitCounter(#[n(0)] pub u64);

/// One life of one incarnation of a node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub struct Life {
    /// Which of its replicas, from 1: grows when the node returns after having lost data.
    #[n(0)]
    pub incarnation: u64,
    /// Which start of its process.
    #[n(1)]
    pub boot: Boot,
}

/// "Up to here everything was durable": what a node says of itself, and what its peers remember.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Encode, Decode)]
pub struct Committed {
    /// Who says so.
    #[n(0)]
    pub life: Life,
    /// How far it had come.
    #[n(1)]
    pub counter: CommitCounter,
}

impl Committed {
    /// The one that says more: of a later incarnation, or further. `furthest(a, b)` and `furthest(b, a)` say as much.
    #[must_use]
    pub fn furthest(self, other: Self) -> Self {
        let rank = |it: Self| (it.life.incarnation, it.counter);
        if rank(other) >= rank(self) { other } else { self }
    }

    /// Whether a node that lives `now` and began at `began` must have lost something, if this was said of an earlier
    /// life of the same incarnation. An earlier incarnation is not what counts any more.
    pub fn proves_loss(self, now: Life, began: CommitCounter) -> bool {
        self.life.incarnation == now.incarnation && self.life.boot != now.boot && self.counter > began
    }
}

impl fmt::Display for CommitCounter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(incarnation: u64, boot: u64, counter: u64) -> Committed {
        Committed { life: Life { incarnation, boot: Boot(boot) }, counter: CommitCounter(counter) }
    }

    #[test]
    fn what_says_more_stays() {
        assert_eq!(said(1, 1, 5).furthest(said(1, 2, 7)), said(1, 2, 7));
        assert_eq!(said(1, 1, 9).furthest(said(1, 2, 7)), said(1, 1, 9), "a late message of an earlier life");
        assert_eq!(said(1, 1, 9).furthest(said(2, 3, 1)), said(2, 3, 1), "a later incarnation begins anew");
        assert_eq!(said(1, 1, 9).furthest(said(1, 2, 9)), said(1, 2, 9), "the later of two that say as much");
    }

    #[test]
    fn only_an_earlier_life_of_the_same_incarnation_that_came_further_proves_a_loss() {
        let now = Life { incarnation: 2, boot: Boot(8) };
        let began = CommitCounter(10);
        assert!(said(2, 7, 11).proves_loss(now, began));
        assert!(!said(2, 7, 10).proves_loss(now, began), "not further");
        assert!(!said(2, 8, 11).proves_loss(now, began), "this very life");
        assert!(!said(1, 7, 11).proves_loss(now, began), "what was lost with it was accepted");
    }
}
