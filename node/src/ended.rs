//! Why a node ends by itself: another process has its id, or it is no member any more.

use quorate_model::{Gone, NodeId};
use quorate_ring::Catalog;
use quorate_transport::Links;
use std::fmt;

/// Why a node must not go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Another live process has its id: the whole sentence.
    Duplicate(String),
    /// It is no member any more, for good.
    Gone {
        /// Its id.
        node: NodeId,
        /// Why.
        gone: Gone,
        /// The member that says so; `None`: its own catalog does.
        by: Option<NodeId>,
    },
}

impl Ended {
    /// That a node is no member any more, if it is none: as its own catalog says, or a member that refuses it.
    pub fn dismissed(node: NodeId, links: &Links, catalog: &Catalog) -> Option<Self> {
        if let Some(gone) = catalog.gone(node) {
            return Some(Self::Gone { node, gone, by: None });
        }
        let said = links.gone().borrow().clone()?;
        Some(Self::Gone { node, gone: said.gone, by: Some(said.peer) })
    }

    /// What its operator can do, as a sentence without its full stop; `None`: the reason says it.
    pub fn way_out(&self) -> Option<&'static str> {
        match self {
            Ended::Duplicate(_) => None,
            Ended::Gone { gone, .. } => Some(gone.way_out()),
        }
    }
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Ended::Duplicate(why) => f.write_str(why),
            Ended::Gone { node, gone, by } => {
                write!(f, "{node} is not a member of this cluster any more: {gone}")?;
                by.map_or(Ok(()), |by| write!(f, " (as {by} says)"))
            }
        }
    }
}
