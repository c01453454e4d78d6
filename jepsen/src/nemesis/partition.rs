//! The network falls apart, in five shapes.
//!
//! ```text
//!   one        a | b c d e          one node alone
//!   halves     a b | c d e          a minority and a majority
//!   ring       a-b-c-d-e-a          each sees a majority, and no two see the same
//!   bridge     a b - c - d e        two sides that only c can see both of
//!   one way    a -> b c d e         a is heard but hears nothing, or hears and is not heard
//! ```
//!
//! Frames between nodes are dropped on the bridge; established connections hang, as on a cable that was pulled. The
//! clients reach all nodes.

use rand::Rng as _;
use rand::seq::SliceRandom as _;
use rand_chacha::ChaCha8Rng;

use super::{Fault, Struck};
use crate::cluster::network::{Rule, between};
use crate::cluster::{Cluster, Error};

/// How the network falls apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// One node alone.
    One,
    /// Two sides.
    Halves,
    /// Each sees a majority, and no two the same.
    Ring,
    /// Two sides, and one node that sees both.
    Bridge,
    /// One node that is not heard, or does not hear.
    OneWay,
}

/// The fault.
#[derive(Debug)]
pub struct Partition {
    name: &'static str,
    shape: Shape,
}

impl Partition {
    /// A partition of this shape, under its name in the table of faults.
    pub fn new(name: &'static str, shape: Shape) -> Partition {
        Partition { name, shape }
    }
}

impl Fault for Partition {
    fn strike(&mut self, cluster: &mut Cluster, random: &mut ChaCha8Rng) -> Result<Option<Struck>, Error> {
        let mut order: Vec<usize> = (0..cluster.nodes().len()).collect();
        order.shuffle(random);
        let (rules, what) = rules(self.shape, &order, random.random());
        let Some(hosts) = cluster.hosts_mut() else { return Ok(None) };
        hosts.network.set(self.name, rules)?;
        let named = |indexes: &[usize]| {
            let names: Vec<&str> = indexes.iter().map(|index| cluster.nodes()[*index].name()).collect();
            names.join(" ")
        };
        let parts: Vec<String> = what.parts.iter().map(|part| named(part)).collect();
        let text = format!("{}: {}", what.words, parts.join(" | "));
        let nodes = what.parts.first().map(|part| part.to_vec()).unwrap_or_default();
        let struck = Struck { nodes, what: text, majority: Vec::new() };
        Ok(Some(match self.shape {
            Shape::One | Shape::Halves => struck.others_serve(cluster),
            // Of these shapes no side is whole.
            Shape::Ring | Shape::Bridge | Shape::OneWay => struck,
        }))
    }

    fn heal(&mut self, cluster: &mut Cluster) -> Result<String, Error> {
        if let Some(hosts) = cluster.hosts_mut() {
            hosts.network.lift(self.name)?;
        }
        Ok("whole again".to_owned())
    }
}

/// A partition in words: the parts, the one that is cut off first.
struct Parts<'a> {
    words: &'static str,
    parts: Vec<&'a [usize]>,
}

/// The rules of a partition of nodes in this order.
fn rules(shape: Shape, order: &[usize], is_deaf: bool) -> (Vec<Rule>, Parts<'_>) {
    let half = order.len() / 2;
    match shape {
        Shape::One => {
            let (one, rest) = order.split_at(1);
            (between(one, rest), Parts { words: "alone", parts: vec![one, rest] })
        }
        Shape::Halves => {
            let (small, large) = order.split_at(half);
            (between(small, large), Parts { words: "two sides", parts: vec![small, large] })
        }
        Shape::Ring => (ring(order), Parts { words: "ring", parts: vec![order] }),
        Shape::Bridge => {
            let (one, rest) = order.split_at(half);
            let (bridge, other) = rest.split_at(1);
            (between(one, other), Parts { words: "bridge in the middle", parts: vec![one, bridge, other] })
        }
        Shape::OneWay => {
            let (one, rest) = order.split_at(1);
            let cut = |other: &usize| {
                let (from, to) = if is_deaf { (*other, one[0]) } else { (one[0], *other) };
                Rule::Cut { from, to }
            };
            let words = if is_deaf { "hears nothing" } else { "is not heard" };
            (rest.iter().map(cut).collect(), Parts { words, parts: vec![one, rest] })
        }
    }
}

/// Everybody sees so many neighbours on both sides of a circle that these and itself are a majority. Among fewer than
/// five that would be everybody, so there one pair is cut: the others' majorities are whole, and theirs differ.
fn ring(order: &[usize]) -> Vec<Rule> {
    let count = order.len();
    if count < 5 {
        return between(&order[..1], &order[1..order.len().min(2)]);
    }
    let reach = (count / 2).div_ceil(2);
    let is_far = |a: usize, b: usize| {
        let distance = a.abs_diff(b);
        distance.min(count - distance) > reach
    };
    let pairs = (0..count).flat_map(|a| (0..count).map(move |b| (a, b)));
    pairs.filter(|(a, b)| is_far(*a, *b)).map(|(a, b)| Rule::Cut { from: order[a], to: order[b] }).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// Whom each of five nodes hears, itself among them.
    fn heard(rules: &[Rule]) -> Vec<BTreeSet<usize>> {
        let is_cut = |a, b| rules.contains(&Rule::Cut { from: a, to: b });
        (0..5).map(|to| (0..5).filter(|from| !is_cut(*from, to)).collect()).collect()
    }

    #[test]
    fn in_a_ring_each_sees_a_majority_and_no_two_see_the_same() {
        let seen = heard(&rules(Shape::Ring, &[0, 1, 2, 3, 4], false).0);
        assert!(seen.iter().all(|who| who.len() == 3), "{seen:?}");
        assert_eq!(seen.iter().collect::<BTreeSet<_>>().len(), 5);
    }

    #[test]
    fn a_bridge_is_seen_by_both_sides() {
        let seen = heard(&rules(Shape::Bridge, &[0, 1, 2, 3, 4], false).0);
        assert_eq!(seen[2].len(), 5);
        assert_eq!(seen[0], [0, 1, 2].into());
        assert_eq!(seen[4], [2, 3, 4].into());
    }

    #[test]
    fn sides_and_single_nodes_are_cut_in_both_directions() {
        let seen = heard(&rules(Shape::Halves, &[0, 1, 2, 3, 4], false).0);
        assert_eq!((seen[0].len(), seen[4].len()), (2, 3));
        let seen = heard(&rules(Shape::One, &[3, 1, 2, 0, 4], false).0);
        assert_eq!((seen[3].len(), seen[0].len()), (1, 4));
    }

    #[test]
    fn one_way_is_one_way() {
        let deaf = heard(&rules(Shape::OneWay, &[0, 1, 2, 3, 4], true).0);
        assert_eq!((deaf[0].len(), deaf[1].len()), (1, 5));
        let unheard = heard(&rules(Shape::OneWay, &[0, 1, 2, 3, 4], false).0);
        assert_eq!((unheard[0].len(), unheard[1].len()), (5, 4));
    }

    #[test]
    fn three_nodes_have_every_shape_too() {
        for shape in [Shape::One, Shape::Halves, Shape::Ring, Shape::Bridge, Shape::OneWay] {
            assert!(!rules(shape, &[0, 1, 2], false).0.is_empty(), "{shape:?}");
        }
    }
}
