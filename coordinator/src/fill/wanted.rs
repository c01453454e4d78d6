//! What a filling wants done, and why a shard does not get further.

use quorate_model::floors::Floored;
use quorate_model::{Fill, Gap, Instant, NodeId, RangeRequest, Raw, Refusal, Request, ShardId};
use quorate_ring::Catalog;
use std::fmt;

/// What a filling wants done. Each is answered by one input with its number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Ask an owner what it holds.
    Ask {
        /// The number.
        number: u64,
        /// Whom.
        to: NodeId,
        /// What.
        request: RangeRequest,
        /// When it is lost.
        deadline: Instant,
    },
    /// Ask an owner for records.
    Fetch {
        /// The number.
        number: u64,
        /// Whom.
        to: NodeId,
        /// Which: a read of each.
        requests: Vec<Request>,
        /// When they are lost.
        deadline: Instant,
    },
    /// Merge records here.
    Merge {
        /// The number.
        number: u64,
        /// A write of each.
        requests: Vec<Request>,
    },
    /// Take in records of a shard that is being filled, as they came from another owner's disk.
    Load {
        /// The number.
        number: u64,
        /// The shard.
        gap: Gap,
        /// The records, in ascending order of their keys.
        records: Vec<Raw>,
    },
    /// Delete what is held of a lossy shard, take up these floors, and take writes from then on.
    Take {
        /// The number.
        number: u64,
        /// The shard.
        gap: Gap,
        /// Those of all sources.
        floors: Vec<Floored>,
    },
    /// Note how far a shard is filled.
    Note {
        /// The number.
        number: u64,
        /// The shard.
        gap: Gap,
        /// How far.
        fill: Fill,
    },
    /// Note that a shard is whole.
    End {
        /// The number.
        number: u64,
        /// The shard.
        gap: Gap,
    },
}

/// Why a shard does not get further for now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// The shard.
    pub shard: ShardId,
    /// What is missing.
    pub cause: Cause,
}

/// What is missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cause {
    /// Other owners that hold everything.
    Sources {
        /// How many are needed.
        needed: u8,
        /// How many there are beside this one.
        others: u8,
        /// Those that hold everything.
        whole: Vec<NodeId>,
        /// What is wrong with the others.
        lacking: Vec<(NodeId, Lack)>,
    },
    /// An owner that gives its copy away: what only it holds would be lost.
    Leaving(NodeId, Lack),
    /// An owner that was a source, and does not answer now.
    Source(NodeId),
    /// This node's own replica.
    Here(Refusal),
}

/// Why an owner is no source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lack {
    /// It can't be reached.
    Away,
    /// It doubts its disk.
    Doubts,
    /// It is filling itself.
    Fills,
    /// It refuses for another reason, which passes.
    Refuses(Passing),
}

/// A refusal that passes by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Passing {
    /// It has another catalog.
    Catalog,
    /// It is busy, or runs another version.
    Busy,
}

impl Lack {
    /// What a refusal says about its owner.
    pub(super) fn of(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Doubtful => Lack::Doubts,
            Refusal::Filling => Lack::Fills,
            Refusal::Stale { .. } | Refusal::Behind { .. } | Refusal::NotOwner => {
                Lack::Refuses(Passing::Catalog)
            }
            Refusal::DiskFull
            | Refusal::Overloaded
            | Refusal::Late
            | Refusal::Exhausted
            | Refusal::NotUnderstood
            | Refusal::Unfamiliar
            | Refusal::Below { .. } => Lack::Refuses(Passing::Busy),
        }
    }

    /// Whether what it told before counts no more.
    pub(super) fn is_loss(self) -> bool {
        match self {
            Lack::Doubts | Lack::Fills => true,
            Lack::Away | Lack::Refuses(_) => false,
        }
    }
}

impl fmt::Display for Lack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Lack::Away => "can't be reached",
            Lack::Doubts => "doubts its disk",
            Lack::Fills => "is filling itself",
            Lack::Refuses(Passing::Catalog) => "has another catalog",
            Lack::Refuses(Passing::Busy) => "is busy",
        })
    }
}

impl fmt::Display for Waiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { shard, cause } = self;
        write!(f, "shard {shard} {cause}")
    }
}

impl Cause {
    /// The same with the names of members.
    pub fn says(&self, catalog: &Catalog) -> String {
        self.words(|node| catalog.called(node))
    }

    fn words(&self, called: impl Fn(NodeId) -> String) -> String {
        match self {
            Cause::Sources { needed, others, .. } if needed > others => format!(
                "needs {needed} whole owners beside this one and its table has {others} others: no number of them has every \
                 write that this one acknowledged alone; accepting the loss or dropping the table ends that"
            ),
            Cause::Sources { needed, whole, lacking, .. } => {
                let mut said = format!("needs {needed} whole owners beside this one and has {}", whole.len());
                if !whole.is_empty() {
                    let names: Vec<String> = whole.iter().map(|node| called(*node)).collect();
                    said.push_str(&format!(" ({})", names.join(", ")));
                }
                let lacks = lacking.iter().map(|(node, lack)| format!("; {} {lack}", called(*node)));
                said.extend(lacks);
                said
            }
            Cause::Leaving(node, lack) => format!(
                "waits for {}, which gives its copy away and {lack}: what it alone acknowledged would be lost",
                called(*node)
            ),
            Cause::Source(node) => {
                format!("was filled from {} too, which does not answer now", called(*node))
            }
            Cause::Here(refusal) => format!("can't go on here: {refusal}"),
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.words(|node| node.to_string()))
    }
}
