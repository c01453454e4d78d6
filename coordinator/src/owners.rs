//! Quorums as pure objects: who counts, and whether they are enough.
//!
//! Everything is counted over the *sets* of a plan. A shard at rest has one set of N owners; one that moves has two,
//! perhaps of different sizes, and a quota is met only when it is met in each, by the number that it has there. Hints
//! and fallback nodes never count: a node outside the sets changes nothing.
//!
//! What an owner has acknowledged is a fact about its copy. A node that gave its copy away and became an owner again
//! has another one, and what it acknowledged before counts no more.

use crate::few::{Copies, Nodes};
use crate::rules::replan;
use quorate_model::{NodeId, Owner, Rules};
use quorate_ring::{OwnerSet, Plan, Quota};
use smallvec::SmallVec;

/// The owners of one key, as one plan names them.
#[derive(Clone, Debug)]
pub struct Owners {
    sets: SmallVec<[OwnerSet; 2]>,
    order: SmallVec<[Owner; 5]>,
}

/// How far a count is, as a client is told: of the last set, unless only an earlier one is short.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tally {
    /// Owners that count.
    pub acks: u8,
    /// Owners that are needed.
    pub required: u8,
    /// Owners that there are.
    pub n: u8,
}

impl Owners {
    /// The owners of a plan.
    pub fn of(plan: &Plan) -> Self {
        let owner = |node| plan.sets.iter().flatten().find(|owner| owner.node == node).copied();
        let order = plan.candidates.iter().filter_map(|candidate| owner(candidate.node)).collect();
        Self { sets: plan.sets.clone(), order }
    }

    /// Every owner once, in the order in which to ask them.
    pub fn in_order(&self) -> impl Iterator<Item = NodeId> + '_ {
        self.order.iter().map(|owner| owner.node)
    }

    /// The same with the copy that each has.
    pub fn copies_in_order(&self) -> impl Iterator<Item = Owner> + '_ {
        self.order.iter().copied()
    }

    /// The owners of the first set, in the order in which to ask them: those whose copies are complete.
    pub fn first_in_order(&self) -> impl Iterator<Item = NodeId> + '_ {
        let is_first = |owner: &&Owner| self.sets.first().is_some_and(|set| set.contains(owner));
        self.order.iter().filter(is_first).map(|owner| owner.node)
    }

    /// The copies that these nodes have.
    pub fn copies(&self, nodes: &Nodes) -> Copies {
        self.copies_in_order().filter(|owner| nodes.contains(owner.node)).collect()
    }

    /// The owners that have one of these copies.
    pub fn with(&self, rules: Rules, copies: &Copies) -> Nodes {
        let has = |owner: &Owner| copies.iter().any(|copy| replan::counts_as(rules, copy, *owner));
        self.copies_in_order().filter(has).map(|owner| owner.node).collect()
    }

    /// How many of `nodes` count in the last set.
    pub fn count(&self, nodes: &Nodes) -> u8 {
        self.sets.last().map_or(0, |set| of_set(set, nodes))
    }

    /// Whether `nodes` meet a quota: in each set by its number.
    pub fn met(&self, nodes: &Nodes, quota: &Quota) -> bool {
        self.numbered(quota).all(|(set, required)| of_set(set, nodes) >= required)
    }

    /// Whether a quota can still be met without `lost`.
    pub fn reachable(&self, lost: &Nodes, quota: &Quota) -> bool {
        self.numbered(quota).all(|(set, required)| set.len() as u8 - of_set(set, lost) >= required)
    }

    /// Whether one more `node` beside `nodes` would bring a set that is short of its quota closer to it.
    pub fn helps(&self, node: NodeId, nodes: &Nodes, quota: &Quota) -> bool {
        let mut sets = self.numbered(quota);
        sets.any(|(set, required)| of_set(set, nodes) < required && set.iter().any(|it| it.node == node))
    }

    /// How far `nodes` are.
    pub fn tally(&self, nodes: &Nodes, quota: &Quota) -> Tally {
        let tallies = self.numbered(quota).map(|(set, required)| Tally {
            acks: of_set(set, nodes),
            required,
            n: set.len() as u8,
        });
        let in_each: SmallVec<[Tally; 2]> = tallies.collect();
        let short = in_each.iter().rev().find(|tally| tally.acks < tally.required);
        short.or(in_each.last()).copied().unwrap_or(Tally { acks: 0, required: 0, n: 0 })
    }

    fn numbered<'a>(&'a self, quota: &'a Quota) -> impl Iterator<Item = (&'a OwnerSet, u8)> {
        self.sets.iter().zip(quota.numbers())
    }
}

/// How many of `nodes` are in a set.
fn of_set(set: &OwnerSet, nodes: &Nodes) -> u8 {
    set.iter().filter(|owner| nodes.contains(owner.node)).count() as u8
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::story::plan_of_sets;
    use quorate_model::{Epoch, Level};

    fn nodes(ids: &[u64]) -> Nodes {
        ids.iter().map(|id| NodeId(*id)).collect()
    }

    fn owners(sets: &[&[u64]]) -> (Owners, impl Fn(Level) -> Quota) {
        let plan = plan_of_sets(sets);
        (Owners::of(&plan), move |level| plan.quota(level))
    }

    #[test]
    fn a_stranger_never_counts() {
        let (owners, quota) = owners(&[&[1, 2, 3]]);
        let quorum = quota(Level::Quorum);
        assert_eq!(owners.count(&nodes(&[1, 9])), 1);
        assert!(!owners.met(&nodes(&[1, 8, 9]), &quorum));
        assert!(owners.met(&nodes(&[1, 3]), &quorum));
    }

    #[test]
    fn a_moving_shard_needs_the_quorum_in_each_set() {
        let (owners, quota) = owners(&[&[1, 2, 3], &[2, 3, 4]]);
        let quorum = quota(Level::Quorum);
        assert!(!owners.met(&nodes(&[1, 2]), &quorum), "only one of the new set");
        assert!(owners.met(&nodes(&[2, 3]), &quorum));
        assert!(owners.met(&nodes(&[1, 2, 4]), &quorum));
        assert!(!owners.reachable(&nodes(&[3, 4]), &quorum));
        assert!(owners.helps(NodeId(4), &nodes(&[1, 2]), &quorum));
        assert!(!owners.helps(NodeId(1), &nodes(&[2, 3]), &quorum));
    }

    #[test]
    fn each_set_has_a_number_of_its_own() {
        let (owners, quota) = owners(&[&[1, 2, 3], &[1, 2, 3, 4, 5]]);
        let quorum = quota(Level::Quorum);
        assert!(!owners.met(&nodes(&[1, 2]), &quorum), "two of three, and two of five");
        assert!(!owners.met(&nodes(&[1, 4, 5]), &quorum), "one of three, and three of five");
        assert!(owners.met(&nodes(&[1, 2, 4]), &quorum));
        assert!(owners.met(&nodes(&[1, 2, 3]), &quorum));
        assert!(owners.reachable(&nodes(&[1, 4]), &quorum), "two of three are left, and three of five");
        assert!(!owners.reachable(&nodes(&[1, 2]), &quorum), "one of three is left, and three of five");
        assert!(!owners.reachable(&nodes(&[3, 4, 5]), &quorum), "two of three are left, and two of five");
        assert!(owners.helps(NodeId(5), &nodes(&[1, 2]), &quorum), "the larger set is short of one");
        assert!(!owners.helps(NodeId(5), &nodes(&[1, 4, 2]), &quorum));
        let all = quota(Level::All);
        assert!(!owners.met(&nodes(&[1, 2, 3, 4]), &all));
        assert!(owners.met(&nodes(&[1, 2, 3, 4, 5]), &all));
        assert!(owners.met(&nodes(&[3]), &quota(Level::One)));
        assert!(!owners.met(&nodes(&[4]), &quota(Level::One)), "none of the old owners");
    }

    #[test]
    fn a_client_is_told_of_the_new_owners_unless_only_the_old_ones_are_short() {
        let (owners, quota) = owners(&[&[1, 2, 3], &[1, 4, 5, 6, 7]]);
        let quorum = quota(Level::Quorum);
        let told = |ids: &[u64]| {
            let Tally { acks, required, n } = owners.tally(&nodes(ids), &quorum);
            (acks, required, n)
        };
        assert_eq!(told(&[1, 2, 4, 5]), (3, 3, 5), "both are met");
        assert_eq!(told(&[1]), (1, 3, 5), "neither is");
        assert_eq!(told(&[2, 3, 4]), (1, 3, 5), "the new one is not");
        assert_eq!(told(&[4, 5, 6]), (0, 2, 3), "only the old one is not");
    }

    #[test]
    fn what_is_reachable_shrinks_with_the_lost() {
        let (owners, quota) = owners(&[&[1, 2, 3]]);
        assert!(owners.reachable(&nodes(&[1]), &quota(Level::Quorum)));
        assert!(!owners.reachable(&nodes(&[1, 2]), &quota(Level::Quorum)));
        assert!(owners.reachable(&Nodes::default(), &quota(Level::All)));
    }

    #[test]
    fn a_copy_that_was_given_away_counts_no_more() {
        let mut plan = plan_of_sets(&[&[1, 2, 3]]);
        let acknowledged = Owners::of(&plan).copies(&nodes(&[1, 2]));
        plan.sets[0][0].since = Epoch(7);
        let (owners, quorum) = (Owners::of(&plan), plan.quorum());
        assert!(owners.with(Rules::INTACT, &acknowledged) == nodes(&[2]), "n1 has another copy now");
        assert!(!owners.met(&owners.with(Rules::INTACT, &acknowledged), &quorum));
        let again: Copies = acknowledged.iter().chain([plan.sets[0][0]]).collect();
        assert!(
            owners.met(&owners.with(Rules::INTACT, &again), &quorum),
            "it has acknowledged with the new one too"
        );
    }

    #[test]
    fn the_first_set_is_the_old_one() {
        let (owners, _) = owners(&[&[1, 2, 3], &[2, 3, 4]]);
        assert_eq!(owners.first_in_order().collect::<Vec<_>>(), [1, 2, 3].map(NodeId));
    }
}
