//! Whether this process is the only one with its id, or gives way to another.
//!
//! A data folder can be moved, and copied; so two processes may have one id. No process can see that alone. Three others
//! tell it:
//!
//! | who | what it says | what follows |
//! |---|---|---|
//! | a peer | it hears another process with this id, and refuses this one | [`refused`] |
//! | the node at the former address | it has this id | the same: it refuses as a peer does |
//! | the catalog | another start of this node was announced after this one | [`in_catalog`] |
//!
//! Until a refusal is proven or over, the node serves no key. A process that was killed or cut off may seem alive until
//! its silence is noticed; so a refusal counts once the other process was heard well after the first one. A node where
//! the catalog knows it waits longer than one that comes from elsewhere: the one that has moved gives way.
//!
//! Plain code: who is asked, and how often, is in `tasks.rs`. Whether a process is let in as a member is decided at the
//! other end ([`crate::peer`]), and what a peer remembers of a copy in `quorate_model::Committed::proves_copy`.

use quorate_model::Boot;
use quorate_ring::Node;
use std::time::Duration;

/// The other process was heard so long after the first refusal, and this node comes from elsewhere: it ends.
const CONFIRM: Duration = Duration::from_secs(1);

/// A node where the catalog knows it gives one that comes from elsewhere so long to find it there and end.
const CONFIRM_AT_HOME: Duration = Duration::from_secs(10);

/// A refusal that is not repeated for so long is over.
const MEMORY: Duration = Duration::from_secs(5);

/// Pauses between two looks at the address that a node had before: at first, and later.
const HOME_LOOK: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(15));

/// For so long the first of them.
const HOME_WATCH: Duration = Duration::from_mins(2);

/// How old a refusal is, all of it seen from now.
#[derive(Clone, Copy, Debug)]
pub struct Refused {
    /// Since when there has been a refusal, without a pause.
    pub first: Duration,
    /// When it was said last.
    pub said: Duration,
    /// When the peer that said it last had heard the other process.
    pub heard: Duration,
}

/// What a refusal means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Another process lives with this id: this one ends.
    Proven,
    /// It may: no key is served, and the peer is asked again.
    Open,
    /// It does not, or not any more.
    Over,
}

/// What a refusal because of another process with this node's id means. `is_home`: this node is where the catalog knew
/// it when it started.
pub fn refused(refusal: Refused, is_home: bool) -> Verdict {
    let confirmed_after = if is_home { CONFIRM_AT_HOME } else { CONFIRM };
    let heard_after = refusal.first.checked_sub(refusal.heard);
    if heard_after.is_some_and(|after| after >= confirmed_after) {
        Verdict::Proven
    } else if refusal.said >= MEMORY {
        Verdict::Over
    } else {
        Verdict::Open
    }
}

/// How long to wait for the next look at the former address, which has been watched for so long.
pub fn next_look_at_home(watched: Duration) -> Duration {
    let (first, later) = HOME_LOOK;
    if watched < HOME_WATCH { first } else { later }
}

/// What the catalog says of this node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Known {
    /// What this process says, or nothing.
    AsItIs,
    /// This start of it, at another address: another member has announced one of its addresses, and is not heard there
    /// if this one is. It is announced again.
    Elsewhere,
    /// Another start of it, which was announced later: this process ends.
    Other(Boot),
}

/// What the catalog's entry says of this process, whose own announcement has been applied.
pub fn in_catalog(known: Option<&Node>, boot: Boot, http_address: &str, peer_address: &str) -> Known {
    match known {
        Some(known) if known.boot != boot => Known::Other(known.boot),
        Some(known) if known.http_address != http_address || known.peer_address != peer_address => {
            Known::Elsewhere
        }
        Some(_) | None => Known::AsItIs,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use quorate_model::ClusterId;
    use quorate_ring::{Catalog, NewNode, RequestId, Weight};

    #[test]
    fn a_refusal_counts_once_the_other_process_was_heard_well_after_the_first() {
        // Seconds ago: the first refusal, the last one, when the other process was heard; from elsewhere, at home.
        let rows = [
            (0.0, 0.0, 0.0, Verdict::Open, Verdict::Open),
            (0.9, 0.0, 0.0, Verdict::Open, Verdict::Open),
            (1.0, 0.0, 0.0, Verdict::Proven, Verdict::Open),
            (9.9, 0.0, 0.0, Verdict::Proven, Verdict::Open),
            (10.0, 0.0, 0.0, Verdict::Proven, Verdict::Proven),
            // Said again and again, of a process that was heard before the first refusal and never since: it was killed.
            (3.0, 0.0, 3.5, Verdict::Open, Verdict::Open),
            (3.0, 0.0, 2.5, Verdict::Open, Verdict::Open),
            (3.0, 0.0, 2.0, Verdict::Proven, Verdict::Open),
            // Not said any more.
            (6.0, 4.9, 5.9, Verdict::Open, Verdict::Open),
            (6.0, 5.0, 5.9, Verdict::Over, Verdict::Over),
            // What was proven stays so, however long ago it was said.
            (20.0, 6.0, 7.0, Verdict::Proven, Verdict::Proven),
        ];
        for (first, said, heard, from_elsewhere, at_home) in rows {
            let ago = Duration::from_secs_f64;
            let refusal = Refused { first: ago(first), said: ago(said), heard: ago(heard) };
            assert_eq!(refused(refusal, false), from_elsewhere, "{refusal:?} from elsewhere");
            assert_eq!(refused(refusal, true), at_home, "{refusal:?} at home");
        }
    }

    #[test]
    fn the_former_address_is_looked_at_often_at_first() {
        assert_eq!(next_look_at_home(Duration::ZERO), HOME_LOOK.0);
        assert_eq!(next_look_at_home(HOME_WATCH), HOME_LOOK.1);
        assert!(HOME_LOOK.0 < CONFIRM_AT_HOME, "it finds the original before that one could give way");
    }

    #[test]
    fn a_later_start_in_the_catalog_ends_this_one_and_a_lost_address_is_announced_again() {
        let new = NewNode {
            request: RequestId(1),
            name: "n1".into(),
            zone: "z".into(),
            weight: Weight::ONE,
            http_address: "a:1".into(),
            peer_address: "a:2".into(),
            boot: Boot(1),
        };
        let catalog = Catalog::bootstrap("c", ClusterId(1), new).expect("founded");
        let known = catalog.nodes().next().map(|node| &**node);
        assert_eq!(in_catalog(known, Boot(1), "a:1", "a:2"), Known::AsItIs);
        assert_eq!(in_catalog(None, Boot(1), "a:1", "a:2"), Known::AsItIs, "it says nothing of it");
        assert_eq!(in_catalog(known, Boot(1), "b:1", "a:2"), Known::Elsewhere);
        assert_eq!(in_catalog(known, Boot(1), "a:1", ""), Known::Elsewhere);
        assert_eq!(in_catalog(known, Boot(2), "a:1", "a:2"), Known::Other(Boot(1)));
        assert_eq!(
            in_catalog(known, Boot(2), "b:1", "a:2"),
            Known::Other(Boot(1)),
            "it does not announce itself"
        );
    }
}
