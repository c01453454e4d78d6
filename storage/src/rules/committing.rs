//! What the committer may store.

use crate::engine::Engine;
use crate::replica::Replica;
use quorate_model::{Mutant, Request};

/// **A refusal is a promise: nothing was stored.** A request whose deadline passed while it waited is refused, and never
/// carried out (design, section 2, rule 7: *not applied* is said only of what no owner can have).
///
/// Mutants: [`Mutant::LateApplied`].
pub(crate) fn refuse_late<E: Engine>(replica: &Replica<E>, request: &Request) {
    if replica.rules().broken(Mutant::LateApplied) {
        replica.apply(std::slice::from_ref(request));
    }
}
