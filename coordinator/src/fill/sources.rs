//! Who a shard is filled from: the owners that hold everything, and those of them that need not be read.

use super::wanted::Lack;
use crate::rules::filling;
use quorate_model::sync::{Proof, Sum};
use quorate_model::{NodeId, RangeReply, Rules};
use std::collections::BTreeMap;

/// The owners are asked whether they hold everything.
#[derive(Debug, Default)]
pub struct Probe {
    pub asked: BTreeMap<u64, NodeId>,
    pub whole: Vec<NodeId>,
    pub lacking: Vec<(NodeId, Lack)>,
}

/// The sources are asked what the shard adds up to.
#[derive(Debug)]
pub struct Comparison {
    asked: BTreeMap<u64, NodeId>,
    /// In the order of the questions: the first one is read in any case.
    sums: Vec<(NodeId, Option<Sum>)>,
    open: usize,
}

impl Comparison {
    /// That has asked these.
    pub fn of(asked: BTreeMap<u64, NodeId>) -> Self {
        let sums: Vec<(NodeId, Option<Sum>)> = asked.values().map(|node| (*node, None)).collect();
        Self { open: sums.len(), asked, sums }
    }

    /// One has answered, or has not; whether all have.
    pub fn take(&mut self, number: u64, reply: Option<RangeReply>) -> bool {
        if let Some(node) = self.asked.remove(&number) {
            self.open -= 1;
            let proof = match reply {
                Some(RangeReply::Sums(proofs)) => proofs.first().copied(),
                Some(_) | None => None,
            };
            if let (Some(Proof::Counted(sum)), Some(of)) =
                (proof, self.sums.iter_mut().find(|(source, _)| *source == node))
            {
                of.1 = Some(sum);
            }
        }
        self.open == 0
    }

    /// The first source, and those of the others that may hold anything that none of these holds.
    pub fn different(&self, rules: Rules) -> Vec<NodeId> {
        let mut read: Vec<(NodeId, Option<Sum>)> = Vec::new();
        for (node, sum) in &self.sums {
            if read.is_empty() || filling::is_read(rules, &read, *sum) {
                read.push((*node, *sum));
            }
        }
        read.into_iter().map(|(node, _)| node).collect()
    }
}

/// Whether an owner may be copied from, by what it says of its sums.
pub fn told(proofs: &[Proof]) -> Result<(), Lack> {
    match proofs.first() {
        Some(Proof::Counted(_) | Proof::NotCounted) => Ok(()),
        Some(Proof::Refused(refusal)) => Err(Lack::of(*refusal)),
        None => Err(Lack::Away),
    }
}
