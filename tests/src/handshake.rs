//! Handshakes: before two nodes answer each other anything, each tells the other what it remembers of it. What is told,
//! remembered and believed is decided by the real [`quorate_storage::Recollection`]; here it is carried, and looked at.

use crate::coverage::Happening;
use crate::world::World;
use quorate_model::NodeId;

impl World {
    /// Two nodes that can talk tell each other what they remember of each other.
    pub(crate) fn introduce(&mut self, one: NodeId, other: NodeId) {
        if one != other && self.network.is_open(one, other) {
            self.tell_what_is_remembered(one, other);
            self.tell_what_is_remembered(other, one);
        }
    }

    fn tell_what_is_remembered(&mut self, by: NodeId, of: NodeId) {
        let Some(teller) = self.node(by).process.as_ref() else { return };
        let told = teller.recollection.tells(of);
        let Some(process) = self.node(of).process.as_ref() else { return };
        let is_news = !process.replica.is_doubtful();
        if process.recollection.told(by, told) && is_news {
            self.met(Happening::LossLearnt);
            self.tell(|| format!("{of} learns from {by} that its disk has lost something"));
        }
    }

    /// Whether a node could tell another that its disk has lost something.
    pub(crate) fn knows_of_a_loss(&mut self, by: NodeId, of: NodeId) -> bool {
        let teller = self.node(by).process.as_ref();
        let Some(remembered) = teller.and_then(|process| process.replica.remembered(of)) else {
            return false;
        };
        let process = self.node(of).process.as_ref();
        process.is_some_and(|process| {
            remembered.proves_loss(process.recollection.run(), process.replica.began())
        })
    }
}
