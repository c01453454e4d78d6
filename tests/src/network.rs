//! The network: loss, delay with a long tail, duplication, reordering, one-way cuts, partitions.
//!
//! Links behave like connections of the real transport, seen from the caller. A message is known *never sent* only if
//! its link was known to be down before; one that was sent and vanished is reported *lost* when the link is reset,
//! or never, so that only the caller's own deadline ends the waiting. A reset may also come although the message
//! arrived. Delays are drawn for each message, so later ones overtake earlier ones at will, and one that was
//! thought lost may arrive seconds afterwards.

use crate::random::Random;
use quorate_model::NodeId;
use std::collections::BTreeMap;

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
pub struct Fate {
    /// When copies of it arrive, in microseconds from now; none, one or two.
    pub arrivals: [Option<u64>; 2],
    /// When the sender hears that it is lost; not at all if it hears nothing.
    pub lost: Option<u64>,
    /// Whether it certainly never left: then nothing arrives.
    pub not_sent: bool,
}

/// The links between all nodes.
#[derive(Debug, Default)]
pub struct Network {
    /// How good it is now.
    pub conditions: Conditions,
    /// The node that everything reaches late.
    pub slow: Option<NodeId>,
    /// One-way cuts: when each was noticed, in microseconds.
    cuts: BTreeMap<(NodeId, NodeId), u64>,
}

impl Network {
    /// A network without cuts.
    pub fn new(conditions: Conditions) -> Self {
        Self { conditions, slow: None, cuts: BTreeMap::new() }
    }

    /// Drops everything from one node to another; both sides notice at `noticed`.
    pub fn cut(&mut self, from: NodeId, to: NodeId, noticed: u64) {
        self.cuts.entry((from, to)).or_insert(noticed);
    }

    /// Takes all cuts away.
    pub fn mend(&mut self) {
        self.cuts.clear();
    }

    /// What becomes of a request that is sent now.
    pub fn request(&self, random: &mut Random, now: u64, from: NodeId, to: NodeId) -> Fate {
        // A connection needs both directions: one cut way is enough to know that it is down.
        let cut = self.cuts.get(&(from, to));
        let noticed = [cut, self.cuts.get(&(to, from))].into_iter().flatten().min().copied();
        match noticed {
            Some(noticed) if noticed <= now => Fate::never_left(random),
            Some(noticed) => {
                let mut fate = if cut.is_some() { Fate::vanished() } else { self.travel(random, to) };
                fate.lost = random.chance(700).then(|| noticed - now + random.below(2_000));
                fate
            }
            None => self.travel(random, to),
        }
    }

    /// What becomes of an answer that is sent now.
    pub fn reply(&self, random: &mut Random, from: NodeId, to: NodeId) -> Fate {
        if self.cuts.contains_key(&(from, to)) {
            return Fate::vanished();
        }
        let mut fate = self.travel(random, to);
        fate.lost = None;
        fate
    }

    fn travel(&self, random: &mut Random, to: NodeId) -> Fate {
        let conditions = &self.conditions;
        if random.chance(conditions.loss) {
            let lost = random.chance(500).then(|| random.between(1_000, 300_000));
            return Fate { lost, ..Fate::vanished() };
        }
        let first = self.delay(random, to);
        let second = random.chance(conditions.duplication).then(|| first + self.delay(random, to));
        let lost = random.chance(conditions.reset).then(|| random.below(first + 1_000));
        Fate { arrivals: [Some(first), second], lost, not_sent: false }
    }

    fn delay(&self, random: &mut Random, to: NodeId) -> u64 {
        let slow_by = if self.slow == Some(to) { self.conditions.slow_by } else { 0 };
        let usual = random.between(slow_by / 2, slow_by) + random.between(100, 1_500);
        if random.chance(self.conditions.tail) {
            usual + random.below(self.conditions.tail_max)
        } else {
            usual
        }
    }
}

impl Fate {
    /// Nothing arrives and nobody is told.
    pub fn vanished() -> Self {
        Self { arrivals: [None; 2], lost: None, not_sent: false }
    }

    /// The link was known to be down: the sender hears so in a moment.
    pub fn never_left(random: &mut Random) -> Self {
        Self { lost: Some(random.between(10, 1_000)), not_sent: true, ..Self::vanished() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_is_silent_until_it_is_noticed_and_then_certain() {
        let (a, b) = (NodeId(1), NodeId(2));
        let mut network = Network::default();
        let mut random = Random::new(1, 0);
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
