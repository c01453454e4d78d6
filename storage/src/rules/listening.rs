//! What a replica believes of what its peers remember of it.

use quorate_model::{Mutant, Rules};

/// **A replica that lost data does not vote as if it had not.** A node takes what a peer remembers of it: one that began
/// below what it had said before has lost something, and is doubtful (design, section 5).
///
/// Mutants: [`Mutant::CounterIgnored`].
pub(crate) fn listens_to_peers(rules: Rules) -> bool {
    !rules.broken(Mutant::CounterIgnored)
}
