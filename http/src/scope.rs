//! How much of the interface a connection is served.

/// What a connection is served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Everything, one request after another.
    Everything,
    /// One question on health, metrics or limits: the connections that serve everything are all taken.
    Health,
}
