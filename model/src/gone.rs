//! Why a node that was a member is none any more.

use minicbor::{Decode, Encode};
use std::fmt;

/// Why a node is let in no more. Neither is ever taken back: its id is not issued again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum Gone {
    /// It has given away what it owned, and was removed.
    #[n(0)]
    Removed,
    /// An operator said that its process never runs again.
    #[n(1)]
    Banned,
}

impl Gone {
    /// What its operator can do, as a sentence without its full stop.
    pub fn way_out(self) -> &'static str {
        match self {
            Gone::Removed => {
                "nothing in its folder counts any more: it may be deleted; to run a node here again, start it on an empty \
                 folder with --join host:port, as a new member"
            }
            Gone::Banned => {
                "what its folder holds counts no more and comes back by no start of it: keep the folder as long as writes \
                 may be missed that only this node had; to run a node here again, start it on an empty folder with --join \
                 host:port, as a new member"
            }
        }
    }
}

impl fmt::Display for Gone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Gone::Removed => "it was removed, and other members own what it owned",
            Gone::Banned => "an operator declared it gone for good, and it is let in no more",
        })
    }
}
