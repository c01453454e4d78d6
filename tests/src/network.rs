//! The network: loss, delay with a long tail, duplication, reordering, one-way cuts, partitions.
//!
//! Links behave like connections of the real transport, seen from the caller. A message is known *never sent* only if
//! its link was known to be down before; one that was sent and vanished is reported *lost* when the link is reset,
//! or never, so that only the caller's own deadline ends the waiting. A reset may also come although the message
//! arrived. Delays are drawn for each message, so later ones overtake earlier ones at will, and one that was
//! thought lost may arrive seconds afterwards.

use crate::coverage::Happening;
use crate::random::Random;
use quorate_model::NodeId;
use std::collections::{BTreeMap, BTreeSet};

/// How good the network is apart from cuts.
#[derive(Clone, Copy, Debug, Default)]
pub struct Conditions {
    /// Messages that vanish, of a thousand.
    pub loss: u64,
    /// Messages that arrive twice, of a thousand.
    pub duplication: u64,
    /// Messages that take far longer than the others, of a thousand.
    pub tail: u64,
    /// How long those take at most, in microseconds.
    pub tail_max: u64,
    /// How late everything reaches the slow node, though what it sends is fast, in microseconds; 0: no such node.
    pub slow_by: u64,
    /// Messages that arrive, and yet the link is reset before the answer, of a thousand.
    pub reset: u64,
}

/// What becomes of one message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// When copies of it arrive, in microseconds from now; none, one or two.
    pub arrivals: [Option<u64>; 2],
    /// When the sender hears that it is lost; not at all if it hears nothing.
    pub lost: Option<u64>,
    /// Whether it certainly never left: then nothing arrives.
    pub not_sent: bool,
    /// What befell it, if anything did.
    pub befell: Option<Happening>,
}

/// The links between all nodes.
#[derive(Clone, Debug, Default)]
pub struct Network {
    /// How good it is now.
    pub conditions: Conditions,
    /// The node that everything reaches late.
    pub slow: Option<NodeId>,
    /// The latest arrival planned on each link.
    latest: BTreeMap<(NodeId, NodeId), u64>,
    /// One-way cuts: when each was noticed, in microseconds.
    cuts: BTreeMap<(NodeId, NodeId), u64>,
    /// Nodes that no other talks to any more.
    severed: BTreeSet<NodeId>,
}

impl Network {
    /// A network without cuts.
    pub fn new(conditions: Conditions) -> Self {
        Self { conditions, ..Self::default() }
    }

    /// Drops everything from one node to another; both sides notice at `noticed`.
    pub fn cut(&mut self, from: NodeId, to: NodeId, noticed: u64) {
        self.cuts.entry((from, to)).or_insert(noticed);
    }

    /// Cuts a node off for good: no other one talks to it.
    pub fn sever(&mut self, node: NodeId) {
        self.severed.insert(node);
    }

    fn is_severed(&self, one: NodeId, other: NodeId) -> bool {
        one != other && (self.severed.contains(&one) || self.severed.contains(&other))
    }

    /// Takes all cuts away that can be mended.
    pub fn mend(&mut self) {
        self.cuts.clear();
    }

    /// What becomes of a request that is sent now.
    pub fn request(&self, random: &mut Random, now: u64, from: NodeId, to: NodeId) -> Delivery {
        if self.is_severed(from, to) {
            return Delivery::never_left(random);
        }
        // A connection needs both directions: one cut way is enough to know that it is down.
        let cut = self.cuts.get(&(from, to));
        let noticed = [cut, self.cuts.get(&(to, from))].into_iter().flatten().min().copied();
        match noticed {
            Some(noticed) if noticed <= now => Delivery::never_left(random),
            Some(noticed) => {
                let mut delivery = match cut {
                    Some(_) => Delivery::vanished(self.kind_of_cut(from, to)),
                    None => self.travel(random, to),
                };
                delivery.lost = random.chance(700).then(|| noticed - now + random.below(2_000));
                delivery
            }
            None => self.travel(random, to),
        }
    }

    /// What becomes of an answer that is sent now.
    pub fn reply(&self, random: &mut Random, from: NodeId, to: NodeId) -> Delivery {
        if self.cuts.contains_key(&(from, to)) || self.is_severed(from, to) {
            return Delivery::vanished(self.kind_of_cut(from, to));
        }
        let mut delivery = self.travel(random, to);
        delivery.lost = None;
        delivery
    }

    /// Whether nothing is cut between two nodes.
    pub fn is_open(&self, one: NodeId, other: NodeId) -> bool {
        let is_cut = self.cuts.contains_key(&(one, other)) || self.cuts.contains_key(&(other, one));
        !is_cut && !self.is_severed(one, other)
    }

    /// Whether a message that arrives then was sent after one that arrives later.
    pub fn is_overtaking(&mut self, from: NodeId, to: NodeId, arrival: u64) -> bool {
        let latest = self.latest.entry((from, to)).or_default();
        let overtakes = arrival < *latest;
        *latest = arrival.max(*latest);
        overtakes
    }

    fn kind_of_cut(&self, from: NodeId, to: NodeId) -> Happening {
        if self.cuts.contains_key(&(to, from)) { Happening::Partitioned } else { Happening::OneWay }
    }

    fn travel(&self, random: &mut Random, to: NodeId) -> Delivery {
        let conditions = &self.conditions;
        if random.chance(conditions.loss) {
            let lost = random.chance(500).then(|| random.between(1_000, 300_000));
            return Delivery { lost, ..Delivery::vanished(Happening::Lost) };
        }
        let (first, is_tail) = self.delay(random, to);
        let second = random.chance(conditions.duplication).then(|| first + self.delay(random, to).0);
        let lost = random.chance(conditions.reset).then(|| random.below(first + 1_000));
        let befell = [
            (lost.is_some(), Happening::Reset),
            (second.is_some(), Happening::Duplicated),
            (is_tail, Happening::Tail),
        ];
        let befell = befell.into_iter().find(|(did, _)| *did).map(|(_, happening)| happening);
        Delivery { arrivals: [Some(first), second], lost, not_sent: false, befell }
    }

    /// How long a message takes, and whether that is far longer than usual.
    fn delay(&self, random: &mut Random, to: NodeId) -> (u64, bool) {
        let slow_by = if self.slow == Some(to) { self.conditions.slow_by } else { 0 };
        let usual = random.between(slow_by / 2, slow_by) + random.between(100, 1_500);
        let is_tail = random.chance(self.conditions.tail);
        (if is_tail { usual + random.below(self.conditions.tail_max) } else { usual }, is_tail)
    }
}

impl Delivery {
    /// Nothing arrives and no caller is told.
    pub fn vanished(befell: Happening) -> Self {
        Self { arrivals: [None; 2], lost: None, not_sent: false, befell: Some(befell) }
    }

    /// The link was known to be down: the sender hears so in a moment.
    pub fn never_left(random: &mut Random) -> Self {
        let lost = Some(random.between(10, 1_000));
        Self { lost, not_sent: true, ..Self::vanished(Happening::NotSent) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_is_silent_until_it_is_noticed_and_then_certain() {
        let (a, b) = (NodeId(1), NodeId(2));
        let mut network = Network::default();
        let mut random = Random::new(1, crate::random::For::Request, [0, 0]);
        network.cut(a, b, 1_000);
        let early = network.request(&mut random, 999, a, b);
        assert!(early.arrivals == [None; 2] && !early.not_sent);
        let back = network.request(&mut random, 999, b, a);
        assert!(back.arrivals[0].is_some(), "the other way is open");
        assert!(network.request(&mut random, 1_000, a, b).not_sent);
        assert!(network.request(&mut random, 1_000, b, a).not_sent, "no connection without both ways");
        network.mend();
        assert!(network.request(&mut random, 1_000, a, b).arrivals[0].is_some());
    }
}
