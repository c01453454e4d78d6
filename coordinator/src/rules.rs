//! The rules of the protocol that a coordinator keeps, one function each.
//!
//! The machines of this crate say what happens in which order; where a decision is a rule, they ask a function here.
//! A function's comment begins with the rule's sentence and ends with its number in `docs/rules.md`, which is the page
//! of all rules. Its body names the mutants that break it, and so shows what goes wrong without it.
//!
//! ```text
//!   machine ── what is at hand ──> rule ── what holds ──> machine
//!                                   └── the same, broken, in a test that asks for it
//! ```
//!
//! # Invariants
//!
//! - A mutant is named in one function of this folder (or of `storage/src/rules`) and nowhere else in the product.
//! - A rule is a function of its arguments: it holds no state, sends nothing and asks no node.
//! - In a build without mutants [`Rules::broken`](quorate_model::Rules::broken) is constantly false, and each of these
//!   functions is its last line.

pub mod closing;
pub mod expiry;
pub mod filling;
pub mod hints;
pub mod joint;
pub mod loss;
pub mod one;
pub mod outcome;
pub mod purge;
pub mod read;
pub mod replan;
pub mod retry;
pub mod scan;
pub mod sync;
pub mod time;
pub mod write;
