//! Fair shares: how much of a table each node should hold, given weights, zones and distinctness.
//!
//! In proportion to weight, as far as two laws allow: a node holds at most one copy of a shard, and a zone holds as
//! many as [`Spread`] says. What a limited node or zone cannot take goes to the others, again in proportion: water
//! that is poured into vessels of different width, some with a lid and some with a raised floor.
//!
//! ```text
//!  copies per shard  ┌── lid: one copy per node ──┐
//!                    │█│   │ │
//!   level ───────────│█│───│█│──── level * weight, the same level for every node without a limit
//!                    │█│   │█│
//!                    n1    n2
//! ```
//!
//! Whole numbers only, in units of 2^-40 copies, so that every node of the cluster computes the same.

use crate::ring::Members;
use crate::spread::Spread;
use std::collections::BTreeMap;
use std::sync::Arc;

/// One copy of every shard.
pub(super) const ONE: u128 = 1 << 40;
/// Scale of the water level: a node's share is level * weight / SCALE.
const SCALE: u128 = 1 << 20;
/// At this level every node holds all it may, even the lightest.
const LEVEL_MAX: u128 = ONE * SCALE;
/// Errors of rounding stay below this; a share so close to a whole number counts as that number.
const TOLERANCE: u128 = ONE >> 22;

/// What part of every shard each member should hold, for tables with one number of copies.
#[derive(Clone, Debug)]
pub(super) struct Shares {
    /// In units of 1 / [`ONE`] copies per shard, ordered as the members.
    pub(super) per_shard: Vec<u128>,
    /// Each member's class: those of a class have one share.
    class_of: Arc<[u32]>,
    /// The share of each class.
    of_class: Vec<u128>,
}

/// How many copies each member should hold.
pub(super) struct FairBounds {
    class_of: Arc<[u32]>,
    of_class: Vec<Bounds>,
}

/// How many copies a node should hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Bounds {
    /// Its fair share, in units of 1 / [`ONE`] copies.
    pub(super) share: u128,
    /// At least so many.
    pub(super) least: u64,
    /// At most so many.
    pub(super) most: u64,
}

/// How far from its share a node may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Slack {
    /// Rounding only: for copies that have no place yet.
    Rounding,
    /// Two percent, or one copy where that is more: so that copies that have a place move seldom.
    TwoPercent,
}

impl Shares {
    /// The fair shares of tables with `n` copies; `None` with fewer than `n` members.
    pub(super) fn of(members: &Members, n: u8) -> Option<Self> {
        let spread = members.spread(n)?;
        let mut zones: Vec<Zone> = (0..members.zones().len()).map(|_| Zone::default()).collect();
        for (at, member) in members.as_slice().iter().enumerate() {
            zones[member.zone].nodes.push((at, u128::from(member.weight.thousandths())));
        }
        zones.iter_mut().enumerate().for_each(|(zone, held)| held.bound(&spread, zone));
        let level = highest(|level| {
            zones.iter().map(|zone| zone.clamped(level)).sum::<u128>() <= u128::from(n) * ONE
        });
        let mut per_shard = vec![0; members.len()];
        for zone in &zones {
            let own_level = zone.own_level(level);
            for (at, weight) in &zone.nodes {
                per_shard[*at] = poured(own_level, *weight);
            }
        }
        Some(Self::new(per_shard))
    }

    /// These shares.
    pub(super) fn new(per_shard: Vec<u128>) -> Self {
        let mut classes = BTreeMap::new();
        let mut of_class = Vec::new();
        let mut class = |share: &u128| {
            *classes.entry(*share).or_insert_with(|| {
                of_class.push(*share);
                of_class.len() as u32 - 1
            })
        };
        let class_of = per_shard.iter().map(&mut class).collect();
        Self { per_shard, class_of, of_class }
    }

    /// The bounds of each member for so many shards.
    pub(super) fn bounds(&self, shards: u64, slack: Slack) -> FairBounds {
        let around = |share: &u128| Bounds::around(share * u128::from(shards), slack);
        FairBounds {
            class_of: Arc::clone(&self.class_of),
            of_class: self.of_class.iter().map(around).collect(),
        }
    }
}

impl FairBounds {
    /// Those of a member.
    pub(super) fn of(&self, node: usize) -> &Bounds {
        &self.of_class[self.class_of[node] as usize]
    }
}

impl Bounds {
    /// The bounds around a share.
    pub(super) fn around(share: u128, slack: Slack) -> Self {
        let whole = |copies: u128| u64::try_from(copies / ONE).expect("copies are counted in 64 bits");
        let down = |copies: u128| whole(copies + TOLERANCE);
        let up = |copies: u128| whole(copies.saturating_sub(TOLERANCE) + ONE - 1);
        let (least, most) = match slack {
            Slack::Rounding => (down(share), up(share)),
            Slack::TwoPercent => {
                let (below, above) = (up(share).saturating_sub(1), down(share) + 1);
                (up(share * 98 / 100).min(below), down(share * 102 / 100).max(above))
            }
        };
        Self { share, least, most }
    }

    /// A load in proportion to the share: for comparing nodes.
    pub(super) fn relative(&self, load: u64) -> u128 {
        (u128::from(load) << 64) / self.share.max(1)
    }
}

/// One zone: its members (index and weight), and the least and most of every shard that it holds.
#[derive(Default)]
struct Zone {
    nodes: Vec<(usize, u128)>,
    least: u128,
    most: u128,
}

impl Zone {
    fn bound(&mut self, spread: &Spread, zone: usize) {
        let bounds = spread.zones()[zone];
        self.least = bounds.least as u128 * ONE;
        self.most = bounds.most as u128 * ONE;
    }

    fn held(&self, level: u128) -> u128 {
        self.nodes.iter().map(|(_, weight)| poured(level, *weight)).sum()
    }

    fn clamped(&self, level: u128) -> u128 {
        self.held(level).clamp(self.least, self.most)
    }

    /// The level inside: the common one, unless the zone's bounds forbid it.
    fn own_level(&self, level: u128) -> u128 {
        let held = self.held(level);
        if held > self.most {
            highest(|level| self.held(level) <= self.most)
        } else if held < self.least {
            highest(|level| self.held(level) <= self.least)
        } else {
            level
        }
    }
}

/// What a node of this weight holds of every shard at a level.
fn poured(level: u128, weight: u128) -> u128 {
    (level * weight / SCALE).min(ONE)
}

/// The highest level at which something holds that holds at 0 and, once it fails, fails for ever.
fn highest(holds: impl Fn(u128) -> bool) -> u128 {
    let (mut holds_at, mut fails_at) = (0, LEVEL_MAX + 1);
    while fails_at - holds_at > 1 {
        let middle = holds_at + (fails_at - holds_at) / 2;
        if holds(middle) {
            holds_at = middle;
        } else {
            fails_at = middle;
        }
    }
    holds_at
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::weight::Weight;
    use quorate_model::NodeId;

    fn shares(n: u8, nodes: &[(&str, f64)]) -> Vec<f64> {
        let nodes = (1..)
            .zip(nodes)
            .map(|(id, (zone, weight))| (NodeId(id), *zone, Weight::new(*weight).expect("in range")));
        let shares = Shares::of(&Members::of(nodes), n).expect("enough nodes");
        let rounded = |share: &u128| (*share as f64 / ONE as f64 * 1e6).round() / 1e6;
        shares.per_shard.iter().map(rounded).collect()
    }

    #[test]
    fn equal_nodes_share_equally() {
        assert_eq!(shares(3, &[("a", 1.0), ("b", 1.0), ("c", 1.0), ("d", 1.0)]), [0.75; 4]);
    }

    #[test]
    fn without_limits_shares_are_proportional_to_weight() {
        assert_eq!(shares(1, &[("a", 1.0), ("a", 2.0), ("a", 5.0)]), [0.125, 0.25, 0.625]);
    }

    #[test]
    fn a_node_holds_no_shard_twice_and_the_rest_goes_to_the_others() {
        assert_eq!(shares(2, &[("a", 1.0), ("a", 1.0), ("a", 98.0)]), [0.5, 0.5, 1.0]);
    }

    #[test]
    fn with_as_many_zones_as_copies_each_zone_holds_one() {
        let nodes = [("a", 1.0), ("a", 1.0), ("b", 2.0), ("c", 1.0), ("c", 3.0)];
        assert_eq!(shares(3, &nodes), [0.5, 0.5, 1.0, 0.25, 0.75]);
    }

    #[test]
    fn a_heavy_zone_holds_no_more_than_a_zone_may() {
        let nodes = [("a", 10.0), ("a", 10.0), ("b", 1.0), ("c", 1.0), ("d", 2.0)];
        assert_eq!(shares(2, &nodes), [0.5, 0.5, 0.25, 0.25, 0.5]);
    }

    #[test]
    fn bounds_are_rounding_or_two_percent_or_one_copy() {
        let bounds = |share: u128, slack| {
            let bounds = Bounds::around(share, slack);
            (bounds.least, bounds.most)
        };
        assert_eq!(bounds(48 * ONE, Slack::Rounding), (48, 48));
        assert_eq!(bounds(48 * ONE - 9, Slack::Rounding), (48, 48));
        assert_eq!(bounds(ONE / 3, Slack::Rounding), (0, 1));
        assert_eq!(bounds(48 * ONE, Slack::TwoPercent), (47, 49));
        assert_eq!(bounds(192 * ONE / 5, Slack::TwoPercent), (38, 39));
        assert_eq!(bounds(1_000 * ONE, Slack::TwoPercent), (980, 1_020));
        assert_eq!(bounds(0, Slack::TwoPercent), (0, 1));
    }
}
