//! What nodes remember of each other's disks, as the node's connections and answers carry it.
//!
//! Before two nodes answer each other anything, each tells the other what it remembers of it; with each answer a
//! replica says how far its disk has come, and whoever asked remembers it before the answer counts. So a disk that lost
//! what it had called synced is found out by the first peer that knew more.

use crate::coverage::Happening;
use crate::parcel::Caller;
use crate::world::World;
use quorate_model::{Committed, Mutant, NodeId};

impl World {
    /// Two nodes that can talk tell each other what they remember of each other.
    pub(crate) fn introduce(&mut self, one: NodeId, other: NodeId) {
        if one != other && self.network.is_open(one, other) {
            self.tell_what_is_remembered(one, other);
            self.tell_what_is_remembered(other, one);
        }
    }

    fn tell_what_is_remembered(&mut self, by: NodeId, of: NodeId) {
        if self.rules.broken(Mutant::CounterIgnored) {
            return;
        }
        let Some(remembered) = self.remembered(by, of) else { return };
        let Some(process) = self.node(of).process.as_ref() else { return };
        let is_news = !process.replica.is_doubtful();
        if process.replica.recall(by, remembered, process.life) && is_news {
            self.met(Happening::LossLearnt);
            self.tell(|| format!("{of} learns from {by} that its disk has lost something"));
        }
    }

    /// Whether a node could tell another that its disk has lost something.
    pub(crate) fn knows_of_a_loss(&mut self, by: NodeId, of: NodeId) -> bool {
        let Some(remembered) = self.remembered(by, of) else { return false };
        let process = self.node(of).process.as_ref();
        process.is_some_and(|process| remembered.proves_loss(process.life, process.replica.began()))
    }

    fn remembered(&mut self, by: NodeId, of: NodeId) -> Option<Committed> {
        self.node(by).process.as_ref()?.replica.remembered(of)
    }

    /// How far a node's disk has come; nothing if it doubts it.
    pub(crate) fn committed(&mut self, of: NodeId) -> Option<Committed> {
        let process = self.node(of).process.as_ref()?;
        process.replica.committed().map(|counter| Committed { life: process.life, counter })
    }

    /// Whoever asked remembers how far the disk of the one who answered has come, before the answer counts.
    pub(crate) fn remember(&mut self, asker: &Caller, by: NodeId, committed: Option<Committed>) {
        let Some(committed) = committed.filter(|_| asker.node != by) else { return };
        if let Some(process) = self.node(asker.node).living(asker.life) {
            process.replica.remember(by, committed);
        }
    }
}
