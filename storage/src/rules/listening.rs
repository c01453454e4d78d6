//! Peers: what a node believes of what they remember of it.

use quorate_model::{Mutant, Rules};

/// A node that began below what a peer remembers of it has lost something, and is doubtful.
///
/// Rule 13. Whether it listens to its peers at all.
#[inline]
pub fn hears_peers(rules: Rules) -> bool {
    !rules.broken(Mutant::CounterIgnored)
}
