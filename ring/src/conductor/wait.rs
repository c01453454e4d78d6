//! What a shard of a job waits for: before it begins to move, and while it does.

use crate::catalog::Catalog;
use quorate_model::NodeId;

/// What a shard waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wait {
    /// Nothing but its turn: as many shards move as may at once.
    Turn,
    /// Its job is paused.
    Paused,
    /// Too few of its owners can be asked for a copy to be made of it.
    Sources {
        /// How many more must be.
        missing: u8,
        /// Those that can't.
        nodes: Vec<NodeId>,
    },
    /// A node that should get it can't be asked.
    Away {
        /// Who.
        node: NodeId,
    },
    /// A node that should get it has too little space.
    Space {
        /// Who.
        node: NodeId,
        /// Bytes that it would get, those that are on their way included.
        bytes: u64,
        /// Bytes that it can take.
        free: u64,
    },
    /// Too few old owners have closed the stage before.
    Unclosed {
        /// How many more must.
        missing: u8,
        /// Those that have not.
        nodes: Vec<NodeId>,
    },
    /// A receiver does not hold everything yet.
    Receiving {
        /// Who.
        node: NodeId,
        /// What it says of why, if it does not go on.
        error: Option<String>,
    },
    /// A new owner that was one before fills itself after a loss.
    Filling {
        /// Who.
        node: NodeId,
    },
    /// A new owner that was one before has not merged what the others hold, which it must where copies become fewer.
    Unmerged {
        /// Who.
        node: NodeId,
        /// What it says of why, if it does not go on.
        error: Option<String>,
    },
}

impl Wait {
    /// Whether it passes by itself in the course of a job: nothing is missing.
    pub fn is_usual(&self) -> bool {
        match self {
            Wait::Turn
            | Wait::Paused
            | Wait::Receiving { error: None, .. }
            | Wait::Unmerged { error: None, .. } => true,
            Wait::Sources { .. }
            | Wait::Away { .. }
            | Wait::Space { .. }
            | Wait::Unclosed { .. }
            | Wait::Receiving { error: Some(_), .. }
            | Wait::Filling { .. }
            | Wait::Unmerged { error: Some(_), .. } => false,
        }
    }

    /// The same as the end of a sentence that begins with the shard.
    pub fn says(&self, catalog: &Catalog) -> String {
        let who = |nodes: &[NodeId]| {
            if nodes.is_empty() {
                return "none that can be asked".to_owned();
            }
            catalog.called_all(nodes.iter().copied())
        };
        let called = |node: &NodeId| catalog.called(*node);
        match self {
            Wait::Turn => "waits for its turn".to_owned(),
            Wait::Paused => "waits until its job goes on: it is paused".to_owned(),
            Wait::Sources { missing, nodes } => {
                format!("waits until {missing} more of its owners can be asked ({})", who(nodes))
            }
            Wait::Away { node } => {
                format!("waits for {}, which should get it and can't be asked", called(node))
            }
            Wait::Space { node, bytes, free } => {
                format!("waits for space: {} would get {bytes} bytes and can take {free}", called(node))
            }
            Wait::Unclosed { missing, nodes } => {
                format!(
                    "waits until {missing} more of its old owners refuse what was before ({})",
                    who(nodes)
                )
            }
            Wait::Receiving { node, error: None } => format!("waits until {} holds everything", called(node)),
            Wait::Receiving { node, error: Some(error) } => {
                format!("waits for {}, which does not go on: {error}", called(node))
            }
            Wait::Filling { node } => format!("waits until {} has healed", called(node)),
            Wait::Unmerged { node, error: None } => {
                format!("waits until {} has merged what the other owners hold", called(node))
            }
            Wait::Unmerged { node, error: Some(error) } => {
                format!(
                    "waits for {}, which does not merge what the other owners hold: {error}",
                    called(node)
                )
            }
        }
    }
}
