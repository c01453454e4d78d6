//! Versions: what orders two writes of one key. Nothing outside this file makes one.
//!
//! A version is `(seq, node, boot, counter)`, compared in that order. `seq` is one more than the highest that the
//! writer saw at enough owners, so a later write is always above an earlier one; the rest makes it unique: node ids
//! are never reused, `boot` is drawn anew at each start and `counter` never repeats within a boot. Without the
//! last two, two writes of one node could tie, and a tie is two values under one name.
//!
//! No wall clock takes part.

use crate::ids::{Boot, NodeId};
use minicbor::{Decode, Encode};
use std::fmt;
use std::str::FromStr;
use thiserror::Error;

/// What orders two writes of one key; unique per write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub struct Version {
    #[n(0)]
    seq: u64,
    #[n(1)]
    node: NodeId,
    #[n(2)]
    boot: Boot,
    #[n(3)]
    counter: u64,
}

/// The unique part of a version that is not made yet: one writer's claim to one write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Stamp {
    node: NodeId,
    boot: Boot,
    counter: u64,
}

/// Set in the counter of a version that an owner assigned to a write at `one`, which asked no other owner first.
const ASSIGNED: u64 = 1 << 63;

/// A writer's source of stamps. One per (node, boot): two sources with the same pair would repeat each other.
#[derive(Debug)]
pub struct Stamps {
    node: NodeId,
    boot: Boot,
    next: u64,
}

/// What a replica holds of a key, as far as order goes: the version, and whether it was found expired. The
/// expired state of a version beats the version itself and is never undone (the derived order says so).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub struct Held {
    /// The version.
    #[n(0)]
    pub version: Version,
    /// Whether a read found this version past its expiry instant and made that final.
    #[n(1)]
    pub expired: bool,
}

/// The sequence number of a key is used up (2^64 - 1); the write was not applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error(
    "the key's version numbers are used up; the write was not applied; delete the table or use another key"
)]
pub struct SeqExhausted;

/// A version in text that is not one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("not a version: expected <seq>-<node>.<boot>.<counter>")]
pub struct ParseVersionError;

impl Stamps {
    /// The source of this run of this node. `boot` must be drawn anew at each start, and for each source.
    pub fn new(node: NodeId, boot: Boot) -> Self {
        Self { node, boot, next: 0 }
    }

    /// The source of this run of this node's replica, for writes at `one`. Its versions say that no owner was asked
    /// first: they may stand below a write that was acknowledged before ([`Version::is_assigned`]).
    pub fn assigning(node: NodeId, boot: Boot) -> Self {
        Self { node, boot, next: ASSIGNED }
    }

    /// The next stamp, never given out before.
    pub fn draw(&mut self) -> Stamp {
        let counter = self.next;
        self.next += 1;
        Stamp { node: self.node, boot: self.boot, counter }
    }
}

impl Stamp {
    /// The version of a write whose writer saw `highest` (or no version at all) at enough owners.
    pub fn above(self, highest: Option<Version>) -> Result<Version, SeqExhausted> {
        let seq = highest.map_or(0, |version| version.seq).checked_add(1).ok_or(SeqExhausted)?;
        Ok(Version { seq, node: self.node, boot: self.boot, counter: self.counter })
    }

    /// A version that is not unique: what [`crate::mutant::Mutant::VersionsMayTie`] breaks.
    #[cfg(feature = "mutants")]
    pub fn that_may_tie(self, highest: Option<Version>) -> Version {
        let seq = highest.map_or(1, |version| version.seq + 1);
        Version { seq, node: self.node, boot: Boot(0), counter: 0 }
    }

    /// A version of a wall clock: what [`crate::mutant::Mutant::WallClockVersions`] breaks.
    #[cfg(feature = "mutants")]
    pub fn of_wall_clock(self, now: crate::time::WallTime) -> Version {
        Version { seq: now.0, node: self.node, boot: self.boot, counter: self.counter }
    }

    /// A version of a hybrid clock, which is the wall clock or one more than its owner heard of: what
    /// [`crate::mutant::Mutant::HybridClockVersions`] breaks.
    #[cfg(feature = "mutants")]
    pub fn of_hybrid_clock(self, now: crate::time::WallTime, heard: Option<Version>) -> Version {
        let seq = heard.map_or(0, |version| version.seq + 1).max(now.0);
        Version { seq, node: self.node, boot: self.boot, counter: self.counter }
    }

    /// The node whose stamp it is.
    pub fn node(self) -> NodeId {
        self.node
    }
}

impl Version {
    /// The number that grows with every update of the key, from 1.
    pub fn seq(self) -> u64 {
        self.seq
    }

    /// The node that made it.
    pub fn node(self) -> NodeId {
        self.node
    }

    /// Whether an owner gave it to a write at `one` without a round one. Such a write may have begun after one with
    /// a greater version was acknowledged; then it is lost, and no read at a quorum may show it any more.
    pub fn is_assigned(self) -> bool {
        self.counter & ASSIGNED != 0
    }

    /// How many bytes [`Version::to_bytes`] makes.
    pub const BYTES: usize = 32;

    /// Fixed-size form for record headers, big-endian: its byte order is the version order.
    pub fn to_bytes(self) -> [u8; Self::BYTES] {
        let mut out = [0; Self::BYTES];
        out[0..8].copy_from_slice(&self.seq.to_be_bytes());
        out[8..16].copy_from_slice(&self.node.0.to_be_bytes());
        out[16..24].copy_from_slice(&self.boot.0.to_be_bytes());
        out[24..32].copy_from_slice(&self.counter.to_be_bytes());
        out
    }

    /// Inverse of [`Version::to_bytes`].
    pub fn from_bytes(bytes: [u8; Self::BYTES]) -> Self {
        let word =
            |at: usize| u64::from_be_bytes(bytes[at..at + 8].try_into().expect("eight bytes of thirty-two"));
        Self { seq: word(0), node: NodeId(word(8)), boot: Boot(word(16)), counter: word(24) }
    }
}

impl Held {
    /// A version that no read found expired.
    pub fn live(version: Version) -> Self {
        Self { version, expired: false }
    }
}

#[cfg(feature = "mutants")]
impl Held {
    /// What [`crate::mutant::Mutant::NodeBeforeSeq`] orders by: the right parts in the wrong order.
    pub fn by_node_first(self) -> (NodeId, Self) {
        (self.version.node, self)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}.{:x}.{:x}", self.seq, self.node.0, self.boot.0, self.counter)
    }
}

impl FromStr for Version {
    type Err = ParseVersionError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (seq, writer) = text.split_once('-').ok_or(ParseVersionError)?;
        let mut parts = writer.split('.');
        let mut part = |radix| {
            let text = parts.next().ok_or(ParseVersionError)?;
            u64::from_str_radix(text, radix).map_err(|_| ParseVersionError)
        };
        let (node, boot, counter) = (part(10)?, part(16)?, part(16)?);
        if parts.next().is_some() {
            return Err(ParseVersionError);
        }
        let seq = seq.parse().map_err(|_| ParseVersionError)?;
        Ok(Self { seq, node: NodeId(node), boot: Boot(boot), counter })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    pub(crate) fn any_version() -> impl Strategy<Value = Version> {
        (0u64..4, 0u64..3, 0u64..3, 0u64..4).prop_map(|(seq, node, boot, counter)| Version {
            seq,
            node: NodeId(node),
            boot: Boot(boot),
            counter,
        })
    }

    proptest! {
        #[test]
        fn bytes_and_text_round_trip_and_keep_the_order(a in any_version(), b in any_version()) {
            prop_assert_eq!(Version::from_bytes(a.to_bytes()), a);
            prop_assert_eq!(a.to_string().parse(), Ok(a));
            prop_assert_eq!(a.cmp(&b), a.to_bytes().cmp(&b.to_bytes()));
        }

        #[test]
        fn a_write_is_above_what_its_writer_saw(seen in any_version(), node in 0u64..3) {
            let stamp = Stamps::new(NodeId(node), Boot(0)).draw();
            prop_assert!(stamp.above(Some(seen)).expect("far from the end") > seen);
        }
    }

    #[test]
    fn two_writes_of_one_node_above_the_same_version_differ() {
        let mut stamps = Stamps::new(NodeId(1), Boot(7));
        assert_ne!(stamps.draw().above(None), stamps.draw().above(None));
    }

    #[test]
    fn an_assigned_version_says_so() {
        let of = |mut stamps: Stamps| stamps.draw().above(None).expect("first");
        assert!(of(Stamps::assigning(NodeId(1), Boot(7))).is_assigned());
        assert!(!of(Stamps::new(NodeId(1), Boot(7))).is_assigned());
    }

    #[test]
    fn two_boots_of_one_node_above_the_same_version_differ() {
        let first = Stamps::new(NodeId(1), Boot(7)).draw();
        let second = Stamps::new(NodeId(1), Boot(8)).draw();
        assert_ne!(first.above(None), second.above(None));
    }

    #[test]
    fn the_last_number_is_refused_not_wrapped() {
        let last = Version { seq: u64::MAX, node: NodeId(1), boot: Boot(1), counter: 0 };
        assert_eq!(Stamps::new(NodeId(1), Boot(7)).draw().above(Some(last)), Err(SeqExhausted));
    }

    #[test]
    fn expired_beats_the_version_and_loses_to_the_next() {
        let mut stamps = Stamps::new(NodeId(1), Boot(7));
        let first = stamps.draw().above(None).expect("first");
        let second = stamps.draw().above(Some(first)).expect("second");
        let expired = Held { version: first, expired: true };
        assert!(Held::live(first) < expired);
        assert!(expired < Held::live(second));
    }
}
