//! How far a replica has come: what makes a log that was cut short, or a folder that is an old copy, noticeable.
//!
//! A log that ends too early looks like one whose last write was torn: nothing in it says that acknowledged records
//! are missing behind its end. So each replica counts its durable changes, says the count in its answers, and the node
//! that hears it remembers it. A node that starts again below what a peer remembers of it has lost something, and
//! knows.

use crate::ids::Boot;
use minicbor::{Decode, Encode};
use std::fmt;

/// How many changes of a replica were durable: grows with each of them, never repeats within an incarnation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
#[cbor(transparent)]
pub struct CommitCounter(#[n(0)] pub u64);

/// One run of one incarnation of a node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub struct Run {
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
    pub run: Run,
    /// How far it had come.
    #[n(1)]
    pub counter: CommitCounter,
}

impl Committed {
    /// The one that says more: of a later incarnation, or further. `furthest(a, b)` and `furthest(b, a)` say as much.
    #[must_use]
    pub fn furthest(self, other: Self) -> Self {
        let rank = |it: Self| (it.run.incarnation, it.counter);
        if rank(other) >= rank(self) { other } else { self }
    }

    /// Whether a node whose run is `now` and began at `began` must have lost something, if this was said of an earlier
    /// run of the same incarnation. An earlier incarnation is not what counts any more.
    pub fn proves_loss(self, now: Run, began: CommitCounter) -> bool {
        self.run.incarnation == now.incarnation && self.run.boot != now.boot && self.counter > began
    }
}

impl Committed {
    /// Whether a peer that says this of a node has met another process with that node's id while this one had the run
    /// `now`: the folder does not know the boot id (`is_own`), and the peer said something else (`said_before`) earlier
    /// in this run. So what it says now is no earlier run, and nothing that this node could have lost.
    ///
    /// What a peer says first in a run may be of an earlier one: an old copy of a folder does not know the boots after
    /// it, and is judged by its counter ([`Committed::proves_loss`]).
    pub fn proves_copy(self, now: Run, is_own: bool, said_before: Option<Option<Committed>>) -> bool {
        let is_news = said_before.is_some_and(|before| before != Some(self));
        self.run.incarnation == now.incarnation && self.run.boot != now.boot && !is_own && is_news
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
        Committed { run: Run { incarnation, boot: Boot(boot) }, counter: CommitCounter(counter) }
    }

    #[test]
    fn what_says_more_stays() {
        assert_eq!(said(1, 1, 5).furthest(said(1, 2, 7)), said(1, 2, 7));
        assert_eq!(said(1, 1, 9).furthest(said(1, 2, 7)), said(1, 1, 9), "a late message of an earlier run");
        assert_eq!(said(1, 1, 9).furthest(said(2, 3, 1)), said(2, 3, 1), "a later incarnation begins anew");
        assert_eq!(said(1, 1, 9).furthest(said(1, 2, 9)), said(1, 2, 9), "the later of two that say as much");
    }

    #[test]
    fn a_process_that_the_folder_does_not_know_is_a_copy_only_if_it_was_met_during_this_run() {
        let now = Run { incarnation: 1, boot: Boot(8) };
        let copy = said(1, 9, 50);
        assert!(copy.proves_copy(now, false, Some(Some(said(1, 8, 20)))));
        assert!(copy.proves_copy(now, false, Some(None)), "it remembered nothing, then this");
        assert!(said(1, 9, 51).proves_copy(now, false, Some(Some(copy))), "it goes on elsewhere");
        assert!(!copy.proves_copy(now, false, None), "an old folder does not know what came after it");
        assert!(!copy.proves_copy(now, false, Some(Some(copy))), "judged before");
        assert!(!copy.proves_copy(now, true, Some(None)), "a late message of an earlier run");
        assert!(!said(1, 8, 50).proves_copy(now, true, Some(None)), "this very run");
        assert!(!said(2, 9, 50).proves_copy(now, false, Some(None)), "another incarnation");
    }

    #[test]
    fn only_an_earlier_life_of_the_same_incarnation_that_came_further_proves_a_loss() {
        let now = Run { incarnation: 2, boot: Boot(8) };
        let began = CommitCounter(10);
        assert!(said(2, 7, 11).proves_loss(now, began));
        assert!(!said(2, 7, 10).proves_loss(now, began), "not further");
        assert!(!said(2, 8, 11).proves_loss(now, began), "this very run");
        assert!(!said(1, 7, 11).proves_loss(now, began), "what was lost with it was accepted");
    }
}
