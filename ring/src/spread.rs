//! How the copies of one shard spread over zones: as evenly as the zones' nodes allow.
//!
//! With `n` copies, let `k` be the largest number such that every zone can hold `min(nodes, k)` copies without
//! exceeding `n` in all. Then each zone holds at least `min(nodes, k)` copies, and at most one more:
//!
//! ```text
//! n   nodes in zones    copies in zones
//! 3   4, 4, 4           1, 1, 1
//! 3   4, 4, 4, 4        at most 1 each (k = 0)
//! 3   4, 4              2, 1 or 1, 2
//! 5   1, 4, 4           1, 2, 2 (the small zone holds what it can)
//! 3   4                 3
//! ```
//!
//! So there are as many distinct zones as there can be, and losing one zone loses as few copies as possible.

/// Bounds on the copies of one shard in each zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spread {
    bounds: Vec<ZoneBounds>,
    /// Copies beyond the least of all zones.
    extra: usize,
}

/// Bounds on the copies of one shard in one zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ZoneBounds {
    /// Every shard has at least so many copies there.
    pub least: usize,
    /// And at most so many: `least`, or one more.
    pub most: usize,
}

impl Spread {
    /// The spread of `n` copies over zones with so many nodes; `None` if there are fewer than `n` nodes.
    pub fn of(n: usize, nodes_in_zone: &[usize]) -> Option<Self> {
        if n == 0 || nodes_in_zone.iter().sum::<usize>() < n {
            return None;
        }
        let held = |k: usize| nodes_in_zone.iter().map(|nodes| (*nodes).min(k)).sum::<usize>();
        let k = (0..=n).rev().find(|k| held(*k) <= n).expect("nothing is held at k = 0");
        let extra = n - held(k);
        let one_more = if extra > 0 { k + 1 } else { k };
        let bounds = nodes_in_zone
            .iter()
            .map(|nodes| ZoneBounds { least: (*nodes).min(k), most: (*nodes).min(one_more) })
            .collect();
        Some(Self { bounds, extra })
    }

    /// The bounds of each zone.
    pub fn zones(&self) -> &[ZoneBounds] {
        &self.bounds
    }

    /// Whether one more copy in a zone leaves a shard with these copies completable.
    pub fn admits(&self, in_zone: &[usize], zone: usize) -> bool {
        let bounds = self.bounds[zone];
        in_zone[zone] < bounds.least || (in_zone[zone] < bounds.most && self.extras(in_zone) < self.extra)
    }

    /// Whether a copy of a complete shard may go from one zone, which holds so many, to another, so that the spread
    /// still holds.
    pub fn admits_swap(&self, from: usize, held_from: usize, to: usize, held_to: usize) -> bool {
        from == to || (held_from > self.bounds[from].least && held_to < self.bounds[to].most)
    }

    /// Whether copies in these zones, one for each copy, can all stay: they are completable, in whatever order they came.
    pub fn keeps(&self, zones: &[usize]) -> bool {
        let mut extras = 0;
        for (at, zone) in zones.iter().enumerate() {
            let bounds = self.bounds[*zone];
            let held = zones[..=at].iter().filter(|other| *other == zone).count();
            if held > bounds.most {
                return false;
            }
            extras += usize::from(held > bounds.least);
        }
        extras <= self.extra
    }

    /// Whether a complete shard with these copies obeys the spread.
    pub fn holds(&self, in_zone: &[usize]) -> bool {
        self.bounds.iter().zip(in_zone).all(|(bounds, held)| (bounds.least..=bounds.most).contains(held))
    }

    /// Copies above the least of their zone.
    fn extras(&self, in_zone: &[usize]) -> usize {
        self.bounds.iter().zip(in_zone).map(|(bounds, held)| held.saturating_sub(bounds.least)).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn bounds(n: usize, zones: &[usize]) -> Vec<(usize, usize)> {
        let spread = Spread::of(n, zones).expect("enough nodes");
        spread.zones().iter().map(|zone| (zone.least, zone.most)).collect()
    }

    #[test]
    fn the_table_of_the_essay_is_true() {
        assert_eq!(bounds(3, &[4, 4, 4]), [(1, 1), (1, 1), (1, 1)]);
        assert_eq!(bounds(3, &[4, 4, 4, 4]), [(0, 1), (0, 1), (0, 1), (0, 1)]);
        assert_eq!(bounds(3, &[4, 4]), [(1, 2), (1, 2)]);
        assert_eq!(bounds(5, &[1, 4, 4]), [(1, 1), (2, 2), (2, 2)]);
        assert_eq!(bounds(3, &[4]), [(3, 3)]);
        assert_eq!(bounds(4, &[3, 3, 3]), [(1, 2), (1, 2), (1, 2)]);
        assert_eq!(Spread::of(3, &[1, 1]), None);
    }

    proptest! {
        /// Taking copies wherever they are admitted, in any order of zones, always ends with a spread that holds.
        #[test]
        fn whatever_is_admitted_can_be_completed(
            zones in prop::collection::vec(1usize..6, 1..6),
            n in 1usize..16,
            order in prop::collection::vec(any::<prop::sample::Index>(), 200),
        ) {
            let Some(spread) = Spread::of(n, &zones) else { return Ok(()) };
            let mut held = vec![0; zones.len()];
            for zone in order.iter().map(|index| index.index(zones.len())).chain((0..zones.len()).cycle().take(200)) {
                if held.iter().sum::<usize>() < n && spread.admits(&held, zone) {
                    held[zone] += 1;
                }
            }
            prop_assert_eq!(held.iter().sum::<usize>(), n);
            prop_assert!(spread.holds(&held), "{:?} in {:?}", held, zones);
            let in_zones: Vec<usize> =
                (0..zones.len()).flat_map(|zone| std::iter::repeat_n(zone, held[zone])).collect();
            prop_assert!((0..=n).all(|kept| spread.keeps(&in_zones[..kept])), "{:?} in {:?}", held, zones);
            prop_assert!(held.iter().zip(&zones).all(|(held, nodes)| held <= nodes));
        }
    }
}
