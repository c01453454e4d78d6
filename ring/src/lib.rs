//! Who owns a key, and what must move when the catalog changes.

pub mod plan;

pub use plan::{Candidate, OwnerSet, Plan};
