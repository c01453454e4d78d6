//! The ring: virtual nodes, and the clockwise walk that says which nodes a position prefers.
//!
//! Each node stands on the ring of 2^64 tokens many times, in proportion to its weight. A shard stands there once, at
//! its start token, and prefers the nodes in the order in which a clockwise walk meets them:
//!
//! ```text
//!              n2
//!         n1 ·    · n3          a walk from x meets n3, n1, n2:
//!          ·        ·           that is the order of preference
//!        n3 ·      · x
//!             n2  n1
//! ```
//!
//! The walk alone leaves some nodes far above the mean, so `placement.rs` bounds it; the ring is what makes
//! two plans alike: a node that joins takes its places from all others, and changes no order between the others.
//!
//! A position is a hash of (node id, index) and nothing else, so that no node's name, address, or neighbour moves
//! it. Golden vectors pin it.

use crate::spread::Spread;
use crate::weight::Weight;
use quorate_model::{NodeId, Token};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

/// Virtual nodes of a node of weight 1.0.
pub const POSITIONS_PER_WEIGHT: u64 = 256;

/// What placement needs to know of one node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Member {
    /// The node.
    pub node: NodeId,
    /// Its failure domain, as an index into the zones in alphabetical order.
    pub zone: usize,
    /// Its share.
    pub weight: Weight,
}

/// The nodes that may own shards, ordered by id, and their zones.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Members {
    members: Vec<Member>,
    zones: Vec<String>,
}

/// The virtual nodes of all members, in clockwise order. They are worked out when they are first asked for: where one
/// node joins, only its own are.
#[derive(Clone, Debug)]
pub struct Ring {
    members: Members,
    positions: OnceLock<Positions>,
    /// The positions of each member, ordered.
    of_member: Vec<OnceLock<Vec<Token>>>,
}

/// The positions of all members, and where to look for one.
#[derive(Clone, Debug)]
struct Positions {
    /// Position, and whose it is as an index into the members. Ordered; two nodes at one position keep the order
    /// of their ids.
    all: Vec<(Token, u32)>,
    /// How many positions have less in their first bits, for each value of these.
    before: Vec<u32>,
    /// How many bits are not among them.
    shift: u32,
}

/// The position of one virtual node: the token of the node's id and the virtual node's index, big-endian.
pub fn position(node: NodeId, index: u32) -> Token {
    let mut name = [0; 12];
    name[..8].copy_from_slice(&node.0.to_be_bytes());
    name[8..].copy_from_slice(&index.to_be_bytes());
    Token::of(&name)
}

/// Virtual nodes of a node of this weight: proportional, rounded, at least one.
pub fn positions_of(weight: Weight) -> u32 {
    let scaled = u64::from(weight.thousandths()) * POSITIONS_PER_WEIGHT;
    u32::try_from(((scaled + 500) / 1_000).max(1)).expect("a weight is at most 100, so 25,600 positions")
}

impl Members {
    /// These nodes, each with its zone and weight.
    pub fn of<'a>(nodes: impl IntoIterator<Item = (NodeId, &'a str, Weight)>) -> Self {
        let mut nodes: Vec<(NodeId, &str, Weight)> = nodes.into_iter().collect();
        nodes.sort_by_key(|(node, ..)| *node);
        nodes.dedup_by_key(|(node, ..)| *node);
        let zones: BTreeSet<&str> = nodes.iter().map(|(_, zone, _)| *zone).collect();
        let index: BTreeMap<&str, usize> = zones.iter().enumerate().map(|(at, zone)| (*zone, at)).collect();
        let members = nodes
            .iter()
            .map(|(node, zone, weight)| Member { node: *node, zone: index[zone], weight: *weight })
            .collect();
        Self { members, zones: zones.into_iter().map(str::to_owned).collect() }
    }

    /// All of them, ordered by id.
    pub fn as_slice(&self) -> &[Member] {
        &self.members
    }

    /// How many nodes there are.
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// Whether there is no node.
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// Where a node stands in [`Members::as_slice`].
    pub fn index_of(&self, node: NodeId) -> Option<usize> {
        // Ids are issued one after the other: a node stands where its id says, less those that are missing before it.
        let (first, last) = (self.members.first()?.node.0, self.members.last()?.node.0);
        if !(first..=last).contains(&node.0) {
            return None;
        }
        let missing =
            usize::try_from(last - first).map_or(usize::MAX, |span| span.saturating_add(1) - self.len());
        let most = usize::try_from(node.0 - first).unwrap_or(usize::MAX);
        let least = most.saturating_sub(missing);
        let among = &self.members[least..self.len().min(most.saturating_add(1))];
        among.binary_search_by_key(&node, |member| member.node).ok().map(|at| least + at)
    }

    /// The zones' names; a member's zone is an index into them.
    pub fn zones(&self) -> &[String] {
        &self.zones
    }

    /// How the copies of a shard with `n` copies spread over the zones; `None` with fewer than `n` nodes.
    pub fn spread(&self, n: u8) -> Option<Spread> {
        let mut sizes = vec![0; self.zones.len()];
        for member in &self.members {
            sizes[member.zone] += 1;
        }
        Spread::of(usize::from(n), &sizes)
    }
}

impl Ring {
    /// The ring of these members.
    pub fn of(members: Members) -> Self {
        let of_member = vec![OnceLock::new(); members.len()];
        Self { members, positions: OnceLock::new(), of_member }
    }

    /// The members on it.
    pub fn members(&self) -> &Members {
        &self.members
    }

    /// How many virtual nodes stand on it.
    pub fn len(&self) -> usize {
        self.members.as_slice().iter().map(|member| positions_of(member.weight) as usize).sum()
    }

    /// Whether it has no node.
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// The members (as indices) that a clockwise walk from a token meets, one for each virtual node, once around.
    pub fn walk(&self, from: Token) -> impl Iterator<Item = usize> + '_ {
        let positions = self.positions();
        let (before, after) = positions.all.split_at(positions.first_from(from));
        after.iter().chain(before).map(|(_, owner)| *owner as usize)
    }

    /// How far a walk from a token goes until it meets a member (an index).
    pub fn distance(&self, from: Token, member: usize) -> u64 {
        let tokens = self.of_member(member);
        let next = tokens.partition_point(|token| *token < from) % tokens.len();
        tokens[next].0.wrapping_sub(from.0)
    }

    /// Puts members (indices) into the order in which a walk from a token meets them.
    pub fn order(&self, from: Token, members: &mut [usize]) {
        members.sort_by_cached_key(|member| (self.distance(from, *member), *member));
    }

    fn of_member(&self, member: usize) -> &[Token] {
        self.of_member[member].get_or_init(|| positions_on_ring(&self.members.members[member]))
    }

    fn positions(&self) -> &Positions {
        self.positions.get_or_init(|| Positions::of(&self.members))
    }
}

impl Positions {
    fn of(members: &Members) -> Self {
        let of_member = |(member, owner)| hashed(member).map(move |token| (token, owner));
        let mut all: Vec<(Token, u32)> = members.members.iter().zip(0..).flat_map(of_member).collect();
        all.sort_unstable();
        // Some two positions for each value of the first bits: they are hashes, so they lie evenly.
        let bits = (all.len() / 2).checked_ilog2().unwrap_or(0).max(1);
        let shift = u64::BITS - bits;
        let mut before = vec![0; (1 << bits) + 1];
        for (token, _) in &all {
            before[(token.0 >> shift) as usize + 1] += 1;
        }
        (1..before.len()).for_each(|at| before[at] += before[at - 1]);
        Self { all, before, shift }
    }

    /// The first position that is a token or after it.
    fn first_from(&self, token: Token) -> usize {
        let first_bits = (token.0 >> self.shift) as usize;
        let (from, to) = (self.before[first_bits] as usize, self.before[first_bits + 1] as usize);
        from + self.all[from..to].partition_point(|(known, _)| *known < token)
    }
}

/// The positions of a member in no order.
fn hashed(member: &Member) -> impl Iterator<Item = Token> + use<> {
    let node = member.node;
    (0..positions_of(member.weight)).map(move |index| position(node, index))
}

fn positions_on_ring(member: &Member) -> Vec<Token> {
    let mut tokens: Vec<Token> = hashed(member).collect();
    tokens.sort_unstable();
    tokens
}

#[cfg(test)]
mod tests;
