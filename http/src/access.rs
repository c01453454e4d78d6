//! Who asks: recognised by a token or a client certificate, as the catalog knows them.
//!
//! ```text
//!   Authorization: Bearer qrt_<id>_<secret> ──> id ──> SHA-256(secret) = the catalog's? ──┐
//!                                                                                        ├──> Caller ──> may it?
//!   client certificate (only without a token) ──> its name ──> the user who has that ────┘
//! ```
//!
//! # Invariants
//!
//! - Nothing is told of what was wrong: an unknown id, a wrong secret, an expired token and an unknown certificate are
//!   answered with the same words, after the same work. The metrics know.
//! - Failures are counted for each source and for all ([`Failed`]); beyond the limit they are answered 429. A credential that
//!   is right is taken even then: no stranger can lock a user out.
//! - No verified token is remembered: one SHA-256 of 32 bytes is the verification, and a revoked token ends with the next
//!   catalog.
//!
//! What a request needs stands in [`quorate_api::needs`]; whether this caller has it is judged in `admit.rs`.

mod admitted;
mod caller;
mod failed;
mod guard;
mod token;

pub use admitted::admitted;
pub use caller::{Caller, Known};
pub use failed::Failed;
pub use guard::{AccessSetup, Guard};
pub use token::{draw, new_token};
