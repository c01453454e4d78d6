//! Addresses that a command takes for a node.

/// What happens if another member has an address that a node asks for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Addresses {
    /// The command is rejected.
    Free,
    /// The other member has none any more.
    Taken,
}
