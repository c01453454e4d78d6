//! Whether a shard that moves has arrived: see the conductor's essay.

use super::facts::Facts;
use super::wait::Wait;
use crate::catalog::{Job, Joint, Shard};
use crate::plan::OwnerSet;
use crate::rules::moves;
use quorate_model::{NodeId, Owner};
use std::collections::BTreeSet;

/// The replicas on whose word a shard has arrived.
pub(super) type Relied = BTreeSet<(NodeId, u32)>;

impl Facts<'_> {
    /// Whether a shard that `job` moves has arrived, and by whose word.
    pub(super) fn arrived(&self, job: &Job, shard: &Shard) -> Result<Relied, Wait> {
        let Some(joint) = &shard.joint else { return Ok(Relied::new()) };
        let mut relied = self.closed(job, shard, joint)?;
        for owner in shard.receivers() {
            self.is_received(shard, owner, &mut relied)?;
        }
        let must_merge = shard.becomes_smaller();
        for owner in joint.next.iter().filter(|owner| shard.is_owned_by(owner.node)) {
            self.is_kept(shard, joint, owner, must_merge, &mut relied)?;
        }
        Ok(relied)
    }

    /// Whether nothing that counts can complete any more before the move.
    fn closed(&self, job: &Job, shard: &Shard, joint: &Joint) -> Result<Relied, Wait> {
        let has_closed = |owner: &&Owner| {
            owner.since > joint.began
                || self.report(owner.node).is_some_and(|report| report.closed >= joint.began)
        };
        let (closed, open): (Vec<&Owner>, Vec<&Owner>) = shard.owners.iter().partition(has_closed);
        let needed = self.owners_to_close(job, shard);
        if closed.len() < usize::from(needed) {
            let nodes = open.into_iter().map(|owner| owner.node).filter(|node| !self.is_banned(*node));
            return Err(Wait::Unclosed { missing: needed - closed.len() as u8, nodes: nodes.collect() });
        }
        let incarnation = |owner: &Owner| Some((owner.node, self.catalog.node(owner.node)?.incarnation));
        Ok(closed.into_iter().filter_map(incarnation).collect())
    }

    /// F of the old set, less those that can't be asked.
    fn owners_to_close(&self, job: &Job, shard: &Shard) -> u8 {
        let n = shard.owners.len() as u8;
        let of =
            |is_one: &dyn Fn(NodeId) -> bool| shard.owner_nodes().filter(|node| is_one(*node)).count() as u8;
        let gone = of(&|node| job.dead.contains(&node) || self.is_banned(node));
        let accepted = of(&|node| job.accepted.contains(&node));
        let w = self.promised(shard, n);
        let asked = moves::owners_to_close(self.rules, n, w.min(n - gone));
        asked.min(n - accepted)
    }

    /// What the shard's table promises of writes, in a set of `n`.
    pub(super) fn promised(&self, shard: &Shard, n: u8) -> u8 {
        self.catalog.table_by_id(shard.id.table).map_or(n, |entry| entry.w.within(n))
    }

    fn is_received(&self, shard: &Shard, owner: &Owner, relied: &mut Relied) -> Result<(), Wait> {
        let node = owner.node;
        let report = self.report(node).ok_or(Wait::Receiving { node, error: None })?;
        match report.fills.get(&shard.id) {
            Some(fill) if moves::has_arrived(self.rules, fill.since == owner.since && fill.is_whole) => {
                relied.insert((node, report.incarnation));
                Ok(())
            }
            fill => Err(Wait::Receiving { node, error: fill.and_then(|fill| fill.error.clone()) }),
        }
    }

    /// Whether an owner that stays holds what it should.
    fn is_kept(
        &self,
        shard: &Shard,
        joint: &Joint,
        owner: &Owner,
        must_merge: bool,
        relied: &mut Relied,
    ) -> Result<(), Wait> {
        let node = owner.node;
        let report = self.report(node);
        let fill = report.and_then(|report| report.fills.get(&shard.id));
        // A replica that counts only since the move began has lost what the one before held, until it says otherwise.
        let is_another = owner.since > joint.began;
        let is_whole = match (report, fill) {
            (Some(_), Some(fill)) => fill.is_whole && (!is_another || fill.since == owner.since),
            (Some(_), None) | (None, _) => !is_another,
        };
        if !is_whole {
            return Err(Wait::Filling { node });
        }
        if must_merge && fill.is_none_or(|fill| fill.merged < joint.began) {
            return Err(Wait::Unmerged { node, error: fill.and_then(|fill| fill.error.clone()) });
        }
        relied.extend(report.map(|report| (node, report.incarnation)));
        Ok(())
    }
}

/// The nodes that copy when a shard moves to a set: those that are new, and all where copies become fewer.
pub(super) fn copying(owners: &OwnerSet, wanted: &[NodeId]) -> Vec<NodeId> {
    let is_fewer = wanted.len() < owners.len();
    let is_new = |node: &NodeId| owners.iter().all(|owner| owner.node != *node);
    wanted.iter().copied().filter(|node| is_fewer || is_new(node)).collect()
}
