//! What a judgement of the cluster needs to know. [`super::asked`] asks for it; a test writes it down.

use crate::quantity::count;
use std::collections::BTreeMap;

/// What is known of the cluster at one moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Facts {
    /// The id of the node that was asked; the rest is as this node sees it.
    pub asked: String,
    /// The members.
    pub members: Vec<Member>,
    /// The leader of the catalog.
    pub leader: Option<String>,
    /// Shards of all tables.
    pub shards: u64,
    /// Shards of which reads, and of which writes, are refused at their tables' levels.
    pub refusing: Refusing,
    /// The node's own sentences about tables at risk.
    pub at_risk: Vec<String>,
    /// Its sentences about tables that have lost something which was accepted.
    pub accepted_losses: Vec<String>,
    /// That the catalog went on without members, as sentences.
    pub recoveries: Vec<String>,
    /// What the node says of the whole, if it sees something wrong.
    pub complaint: Option<String>,
    /// Free space at which the node that was asked stops to take writes.
    pub free_bytes_min: Option<u64>,
    /// Jobs that go on.
    pub jobs: Vec<Job>,
    /// Removals that can't go for now, by what holds them back.
    pub purge_held_back: BTreeMap<Hold, Held>,
    /// Whether this is a cluster of `quorate dev`, whose nodes are started by `quorate dev start`.
    pub is_dev: bool,
}

/// What holds back the purge of removals.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Hold {
    /// A member that is away, doubts its disk or fills itself.
    Node(String),
    /// Shards that move, or are about to.
    Move,
}

/// How much is held back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// Shards.
    pub shards: u64,
    /// The removals in them.
    pub removals: u64,
}

/// A job that goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    /// What it does, and how far it is.
    pub says: String,
    /// What to do about it.
    pub then: String,
    /// Whether it moves shards.
    pub is_move: bool,
}

/// Shards that have too few owners up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Refusing {
    /// For a read at their table's level.
    pub reads: u64,
    /// For a write at their table's level.
    pub writes: u64,
}

/// One member: what the node that was asked says of it, and what it says itself.
#[derive(Clone, Debug, PartialEq)]
pub struct Member {
    /// Its id.
    pub id: String,
    /// Its name, where that is another word.
    pub name: String,
    /// Where its clients reach it.
    pub address: String,
    /// Where its peers reach it.
    pub peer_address: String,
    /// Whether the node that was asked hears it.
    pub is_heard: bool,
    /// Whether that node hears it again, and waits until that is steady.
    pub is_returning: bool,
    /// Whether it votes on the catalog.
    pub is_voter: bool,
    /// What it said to this machine.
    pub answer: Answer,
    /// Whether it stays, comes or goes.
    pub stays: Stays,
    /// Why it is doubtful, in one word.
    pub doubt: Option<String>,
    /// How far it has come back from a loss by itself.
    pub healing: Option<Healing>,
    /// Whether it refuses writes for want of space.
    pub disk_full: bool,
    /// Free space on its disk.
    pub free_bytes: Option<u64>,
    /// Bytes that it holds of shards that are with other owners now, as far as it says.
    pub leftover_bytes: u64,
    /// The version of its program.
    pub version: Option<String>,
    /// Hints that wait for it, at every member that answered.
    pub hints: u64,
    /// Members for which it keeps hints.
    pub keeps_hints_for: Vec<String>,
    /// Hints that it could not keep for others, since its data folder was made.
    pub hints_overflow: u64,
}

/// Whether a member stays one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Stays {
    /// It does.
    #[default]
    Yes,
    /// It owns nothing yet, while others do.
    Joining,
    /// It gets no new copies, as an operator said.
    Drained,
    /// It gives away what it owns, and is gone then.
    Leaving,
    /// An operator declared it gone for good.
    Banned,
}

/// How far a member has come back from a loss.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Healing {
    /// Shards that it owns.
    pub shards: u64,
    /// Those that are whole.
    pub whole: u64,
    /// Records that it has taken from other owners.
    pub records: u64,
    /// What it waits for; `None`: it goes on.
    pub waits_for: Option<String>,
}

/// How a member answered when it was asked whether it is ready.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It is.
    Ready,
    /// It is not, and says why.
    NotReady {
        /// The word for it: `starting`, `draining`, `replica-doubtful`, `unavailable`.
        code: String,
        /// The sentence.
        why: String,
    },
    /// It could not be asked.
    Silent(String),
}

impl Member {
    /// Whether it lacks nothing that it should hold, and has space.
    pub fn is_well(&self) -> bool {
        self.doubt.is_none() && self.healing.is_none() && !self.disk_full
    }

    /// What there is to do about one that heals.
    pub fn patience(&self, healing: &Healing) -> String {
        match &healing.waits_for {
            Some(what) => format!("{} waits for: {what}", self.id),
            None if self.doubt.is_some() => format!("{} heals by itself: nothing to do", self.id),
            None => "nothing to do".to_owned(),
        }
    }
}

impl Healing {
    /// In a few words.
    pub fn progress(&self) -> String {
        format!("{} of {} shards whole", count(self.whole), count(self.shards))
    }
}
