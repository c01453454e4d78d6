//! The rules of the protocol that a replica keeps, one function each.
//!
//! A replica reads, merges, writes and syncs; where a decision is a rule of the protocol, it asks a function here. A
//! function's comment begins with the rule's sentence and ends with its number in `docs/rules.md`, which is the page
//! of all rules. Its body names the mutants that break it, and so shows what goes wrong without it.
//!
//! # Invariants
//!
//! - A mutant is named in one function of this folder (or of `coordinator/src/rules`) and nowhere else in the product.
//! - A rule is a function of its arguments: it reads and writes nothing.
//! - In a build without mutants [`Rules::broken`](quorate_model::Rules::broken) is constantly false, and each of these
//!   functions is its last line.

pub(crate) mod admission;
pub(crate) mod committing;
pub(crate) mod doubt;
pub(crate) mod durability;
pub(crate) mod fence;
pub(crate) mod filling;
pub(crate) mod hints;
pub(crate) mod listening;
pub(crate) mod merge;
pub mod purge;
pub(crate) mod sums;
