//! Accepting that this node's replica has lost something: what may be lost, and going on with the rest.
//!
//! Only what is whole and too short can be accepted in place ([`quorate_storage::Acceptance`]). What is lost depends on
//! the other owners: an acknowledged write is on as many owners as the table's `w` says, so that the others still have
//! it, unless w is 1 or they are lost too; but a quorum that this node is in may not see it until a read has met an
//! owner that has it. That is said for each table, before an operator decides.
//!
//! A node that fills itself after a loss (`fill.rs`), and can't since too few other owners hold everything, may accept
//! the loss too: then its lossy copies count as they are. What it has begun to fill it goes on filling.
//!
//! Left out: what exactly is missing (only another owner knows).

use super::Core;
use crate::control::DiskState;
use crate::control::replace::without_sources;
use quorate_model::{CopyState, Durability, NodeId};
use quorate_ring::Shard;
use quorate_storage::{Acceptance, Cause, ConsensusFate, DataFate, Doubt};
use std::sync::Arc;
use thiserror::Error;
use tokio::time::Instant;

/// What an operator should know before accepting a loss.
#[derive(Clone, Debug)]
pub struct Loss {
    /// What happened.
    pub doubt: Doubt,
    /// The incarnation that has lost something.
    pub incarnation: u64,
    /// Of each table of which this node owns a shard.
    pub tables: Vec<TableLoss>,
}

/// What of one table may be lost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableLoss {
    /// Its name.
    pub name: String,
    /// Copies of each record.
    pub n: u8,
    /// Its write promise, as a number of owners.
    pub w: u8,
    /// What an acknowledgement means.
    pub durability: Durability,
    /// Shards that this node owns.
    pub shards: usize,
    /// Those of them of which every other owner is up, trusts its disk, and has never gone on after a loss.
    pub shards_confirmed: usize,
}

/// Why a loss was not accepted. Nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum LossError {
    /// Another node's loss.
    #[error(
        "only {node} itself can read its disk and accept what it has lost: ask it, at {address}; nothing was changed"
    )]
    Elsewhere {
        /// The node.
        node: NodeId,
        /// Where clients reach it.
        address: String,
    },
    /// Not the name of what is lost.
    #[error(
        "the loss of {given} was accepted, and this is {expected}: give the name of the node that may have lost something; nothing was changed"
    )]
    OtherName {
        /// What was given, escaped.
        given: String,
        /// This node.
        expected: String,
    },
    /// Nothing is lost.
    #[error("{0} does not doubt its disk: there is no loss to accept; nothing was changed")]
    NotDoubtful(NodeId),
    /// The doubt came while it ran.
    #[error(
        "this node began to doubt its disk while it ran, and only a start shows what is still there: start it again, and \
         accept the loss then; nothing was changed"
    )]
    NotRestarted,
    /// A folder of an earlier incarnation: the member lives on in another one, or was in it last.
    #[error(
        "the member went on as incarnation {counts}, in another folder, and this one is of an earlier incarnation: nothing in it \
         counts any more, so that it can be neither accepted nor filled; nothing was changed; stop this process, and start \
         the later folder; this one may be removed; if the later one is lost too, start an empty folder (serve --join \
         host:port --replace-self NODE)"
    )]
    FromBefore {
        /// The incarnation that counts.
        counts: u64,
    },
    /// Not a loss at the end.
    #[error(
        "the data are damaged ({0}), not only too short: any key may read as missing, so they cannot be accepted; stop \
         this node, keep its folder aside, and start it with an empty folder (serve --join host:port --replace-self NODE); \
         nothing was changed"
    )]
    Damaged(String),
    /// Reading everything found damage.
    #[error(
        "reading all that is left failed ({0}): the data are damaged, not only too short, so they cannot be accepted; \
         stop this node, keep its folder aside, and start it with an empty folder (serve --join host:port --replace-self \
         NODE); nothing was changed"
    )]
    Unreadable(String),
    /// The decision could not be written down.
    #[error("the decision could not be written down: {0}; nothing was changed")]
    Disk(String),
    /// The others could not be asked.
    #[error(
        "this node's vote on the catalog may be among what was lost, so the leader must take it away first, and that was \
         not possible: {0}; nothing is accepted; try again once a majority of the voters is up"
    )]
    Unavailable(String),
}

/// What an accepted loss has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// The incarnation from the next start on.
    pub incarnation: u64,
    /// Records that were read and are kept.
    pub records: u64,
}

impl TableLoss {
    /// What may be lost, in one sentence.
    pub fn sentence(&self) -> String {
        let Self { name, n, w, durability, shards, shards_confirmed } = self;
        let others =
            format!("{shards_confirmed} of {shards} shards have all their other owners up and trusted");
        let at_once = match durability {
            Durability::Sync => "",
            Durability::Os => "; owners that stopped with the same machine or power may have lost them too",
        };
        if *n == 1 {
            format!("table {name}: this node has the only copy: what is missing here is lost for good")
        } else if *w == 1 {
            format!(
                "table {name} (w=1 of {n}): writes that only this node had acknowledged are lost for good; {others}{at_once}"
            )
        } else if shards_confirmed == shards {
            format!(
                "table {name} (w={w} of {n}): each acknowledged write is on {} or more of the other owners, which are \
                 all up; until a quorum read has met it there, a key may read as older or as missing{at_once}",
                w - 1
            )
        } else {
            format!(
                "table {name} (w={w} of {n}): {others}; in the others, writes that only this node and an owner that is \
                 down, in doubt, or went on after a loss of its own had acknowledged are lost unless that owner still \
                 has them; elsewhere, until a quorum read \
                 has met it, a key may read as older or as missing{at_once}"
            )
        }
    }
}

impl Core {
    /// What may be lost if this node goes on with what its disk still holds.
    pub fn loss(&self) -> Result<Loss, LossError> {
        let doubt = self.local.replica().health().doubt.or_else(|| self.unhealed());
        let doubt = doubt.ok_or(LossError::NotDoubtful(self.node))?;
        let view = self.view();
        let disks = self.disks();
        let is_trusted = |shard: &Shard, node: NodeId| {
            // One that went on after a loss that was accepted may lack just what this node lacks, and one that fills itself
            // lacks something still.
            let has_all = shard.losses.iter().all(|loss| loss.node != node);
            let is_well = |disk: &DiskState| {
                let healing = disk.healing.as_ref();
                disk.doubt.is_none() && healing.is_none_or(|healing| healing.answers(shard.id))
            };
            has_all && view.liveness().is_alive(node) && disks.get(&node).is_none_or(is_well)
        };
        let mut tables = Vec::new();
        for table in view.catalog().tables() {
            let owned = table.shards().iter().filter(|shard| shard.is_owned_by(self.node));
            let (mut shards, mut shards_confirmed) = (0, 0);
            for shard in owned {
                let mut others = shard.owner_nodes().filter(|node| *node != self.node);
                shards += 1;
                shards_confirmed += usize::from(others.all(|node| is_trusted(shard, node)));
            }
            if shards > 0 {
                tables.push(TableLoss {
                    name: table.name.clone(),
                    n: table.n,
                    w: table.w_required().max(1),
                    durability: table.durability,
                    shards,
                    shards_confirmed,
                });
            }
        }
        Ok(Loss { doubt, incarnation: self.links.identity().incarnation, tables })
    }

    /// What stands for a doubt where this node has lost something and trusts its disk again: copies of which too few other
    /// owners hold everything.
    fn unhealed(&self) -> Option<Doubt> {
        let gaps = self.local.replica().gaps(usize::MAX);
        let lossy = gaps.iter().filter(|gap| gap.state == CopyState::Lossy).count();
        let why =
            format!("it has lost something, and {lossy} of its shards are not filled from other owners yet");
        (lossy > 0).then(|| Doubt::new(Cause::Behind, why))
    }

    /// The tables of which this node owns a shard and other owners can't have everything.
    pub(crate) fn tables_without_sources(&self) -> Vec<String> {
        without_sources(&self.view(), self.node)
    }

    /// Whether this doubt is one that can be accepted in place, as far as is known without reading everything.
    pub fn expect_acceptable(&self, doubt: &Doubt) -> Result<(), LossError> {
        self.expect_the_latest()?;
        match doubt.cause {
            Cause::Damaged => Err(LossError::Damaged(doubt.reason.clone())),
            Cause::Failed | Cause::Behind | Cause::MachineStopped if !self.local.replica().is_doubtful() => {
                Ok(())
            }
            Cause::Failed | Cause::Behind | Cause::MachineStopped if !self.control.is_silent() => {
                Err(LossError::NotRestarted)
            }
            Cause::Failed | Cause::Behind | Cause::MachineStopped => Ok(()),
        }
    }

    /// A folder from before another incarnation must not become one of the same number.
    fn expect_the_latest(&self) -> Result<(), LossError> {
        self.recollection.counts_instead().map_or(Ok(()), |counts| Err(LossError::FromBefore { counts }))
    }

    /// Accepts the loss: reads everything that is left, has this node's vote taken away where it may have been lost,
    /// and writes the decision down. It is carried out when the node starts again, which it asks for.
    pub async fn accept_loss(&self, deadline: Instant) -> Result<Accepted, LossError> {
        let Loss { doubt, incarnation, .. } = self.loss()?;
        self.expect_acceptable(&doubt)?;
        let replica = Arc::clone(self.local.replica());
        let read = tokio::task::spawn_blocking(move || replica.read_all()).await;
        let read = read.map_err(|error| LossError::Unreadable(error.to_string()))?;
        let seen = read.map_err(|error| LossError::Unreadable(error.to_string()))?;
        let consensus = self.give_vote_up(&doubt, deadline).await?;
        let acceptance = Acceptance { incarnation: incarnation + 1, consensus, data: DataFate::Kept };
        self.decide(acceptance).await?;
        Ok(Accepted { incarnation: acceptance.incarnation, records: seen.records })
    }

    /// Gives up what this node still has of its data: it fills itself from other owners after a start, which it asks for.
    /// The incarnation from then on.
    pub(crate) async fn give_data_up(&self, deadline: Instant) -> Result<u64, LossError> {
        self.expect_the_latest()?;
        let Loss { doubt, incarnation, .. } = self.loss()?;
        let consensus = self.give_vote_up(&doubt, deadline).await?;
        let acceptance = Acceptance { incarnation: incarnation + 1, consensus, data: DataFate::Lossy };
        self.decide(acceptance).await?;
        Ok(acceptance.incarnation)
    }

    /// Has this node's vote taken away where it may have been lost.
    async fn give_vote_up(&self, doubt: &Doubt, deadline: Instant) -> Result<ConsensusFate, LossError> {
        if self.votes_are_safe(doubt) {
            return Ok(ConsensusFate::Kept);
        }
        self.control.leave_consensus(deadline).await.map_err(LossError::Unavailable)?;
        Ok(ConsensusFate::Forgotten)
    }

    /// Writes a decision down, and asks for the start that carries it out.
    async fn decide(&self, acceptance: Acceptance) -> Result<(), LossError> {
        let folder = self.folder.clone();
        let written = tokio::task::spawn_blocking(move || acceptance.write(&folder)).await;
        let written = written.map_err(|error| LossError::Disk(error.to_string()))?;
        written.map_err(|error| LossError::Disk(error.to_string()))?;
        let Acceptance { incarnation, consensus, data } = acceptance;
        tracing::warn!(node = %self.node, incarnation, ?consensus, ?data, "a loss was accepted");
        self.restart.send_replace(true);
        Ok(())
    }

    /// Whether no vote can be among what was lost: the log of consensus is always synced, which a stop of the machine
    /// takes nothing of; and who is the only member has promised nothing to another.
    fn votes_are_safe(&self, doubt: &Doubt) -> bool {
        // A node that takes part has lost no vote, or the others have taken it away.
        !self.local.replica().is_doubtful()
            || doubt.cause == Cause::MachineStopped
            || self.view().catalog().nodes().len() == 1
    }
}
