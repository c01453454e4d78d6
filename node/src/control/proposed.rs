//! What became of a change of the catalog.

use quorate_model::NodeId;
use quorate_ring::{Receipt, Rejection};
use thiserror::Error;

/// A change of the catalog that has taken effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proposed {
    /// The epoch that has the change, and what it made. Every reachable member has applied it, but for those in
    /// `lagging`.
    pub receipt: Receipt,
    /// Reachable members that had not applied it when the timeout came. They will; until then they may answer
    /// from the catalog before it.
    pub lagging: Vec<NodeId>,
    /// Owners that are awaited still: until enough of them durably refuse what the change took away, they may answer and
    /// acknowledge as before it. Empty: it is closed, or took nothing away.
    pub open: Vec<NodeId>,
}

/// Why a change of the catalog was not made, or whether that is unknown.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ProposeError {
    /// The catalog does not allow it; nothing has changed.
    #[error("{0}; nothing was changed")]
    Rejected(Rejection),
    /// No leader with a majority of the voters could be reached; nothing has changed and nothing will.
    #[error("{reason}; nothing was changed; try again once a majority of the voters is up")]
    Unavailable {
        /// What is missing.
        reason: String,
    },
    /// It was handed to the leader and no answer came back: it may take effect, or may yet, at most once.
    #[error(
        "{reason}; the change may have taken effect, or may yet; look at the catalog before trying again"
    )]
    Unknown {
        /// What happened.
        reason: String,
    },
}
