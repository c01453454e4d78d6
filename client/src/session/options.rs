//! How a session behaves.

use super::hedge::Hedge;
use std::time::Duration;

/// How a session behaves; the client beneath has its own [`Options`](crate::Options).
#[derive(Clone, Debug)]
pub struct SessionOptions {
    /// How long an operation may take, with all its attempts and pauses. Default: 5 s.
    pub deadline: Duration,
    /// Whom a key's request goes to. Default: an owner of the key.
    pub routing: Routing,
    /// When a read is sent to a second node too. Default: never.
    pub hedge: Hedge,
}

/// Whom a key's request goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Routing {
    /// An owner of the key, where the cluster says that it is reached; else any node.
    Owner,
    /// The client's endpoints, in turn.
    Any,
}

impl Default for SessionOptions {
    fn default() -> Self {
        Self { deadline: Duration::from_secs(5), routing: Routing::Owner, hedge: Hedge::Never }
    }
}
