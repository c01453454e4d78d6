//! What peers said of their progress, kept for them: the memory that a damaged disk does not have of itself.
//!
//! A peer's commit counter comes with each of its answers and must outlive a power cut of the whole cluster. That
//! costs no sync of its own: what is new in the book of peers (`peer_book.rs`) is piggybacked on the next batch that is
//! synced anyway, and where no such batch comes, [`Replica::save_remembered`] is called now and then beside the data path.
//!
//! The other way round, [`Replica::recall`] takes what a peer remembers of this node. If an earlier run of this
//! incarnation had come further than this one began, acknowledged records are missing here: the log was cut short, or
//! the folder is an old copy.
//!
//! Left out: which records are missing. A counter says that something is, not what.

use super::Replica;
use crate::doubt::{Cause, Doubt};
use crate::engine::{Batch, Engine};
use crate::rules::listening;
use quorate_model::{CommitCounter, Committed, Durability, NodeId, Refusal, Run};

impl<E: Engine> Replica<E> {
    /// How far this replica has come, for its answers. Everything that it acknowledged as synced lies before it. `None`
    /// while it doubts its disk: it says nothing then that a peer should remember.
    pub fn committed(&self) -> Option<CommitCounter> {
        (!self.is_doubtful()).then(|| self.engine.committed())
    }

    /// How far it had come when this run of it began.
    pub fn began(&self) -> CommitCounter {
        self.began
    }

    /// Remembers how far a peer has come; durable with the next synced batch.
    pub fn remember(&self, peer: NodeId, committed: Committed) {
        self.peers().note(peer, committed);
    }

    /// What is remembered of a peer.
    pub fn remembered(&self, peer: NodeId) -> Option<Committed> {
        self.peers().known(peer)
    }

    /// Makes what is remembered durable, if it is not yet; whether there was anything to write. Blocks on the disk.
    pub fn save_remembered(&self) -> Result<bool, Refusal> {
        let mut writer = self.writer();
        self.trusted()?;
        let mut batch = Batch::housekeeping();
        let piggybacked = self.peers().piggyback(&mut batch);
        if piggybacked.is_empty() {
            return Ok(false);
        }
        self.write(&mut writer, batch, Durability::Sync).map_err(|error| self.refusal(&error))?;
        self.peers().saved(&piggybacked);
        Ok(true)
    }

    /// Takes what a peer remembers of this node, whose run is `now`. The replica becomes doubtful if an earlier run had
    /// come further than this one began; whether it did.
    pub fn recall(&self, peer: NodeId, remembered: Committed, now: Run) -> bool {
        if !listening::hears_peers(self.rules) || !remembered.proves_loss(now, self.began) {
            return false;
        }
        self.mark_doubtful(Doubt::new(
            Cause::Behind,
            format!(
                "the database began at change {}, but node {peer} remembers change {} of it (boot {}): acknowledged \
                 records are missing, or the folder is an old copy, or a copy of it ran elsewhere; if there is a newer \
                 folder, use that one",
                self.began, remembered.counter, remembered.run.boot
            ),
        ));
        true
    }
}
