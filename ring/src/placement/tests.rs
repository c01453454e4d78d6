use super::share::{Bounds, ONE, Shares, Slack};
use super::wish::ShardWish;
use super::*;
use crate::ring::Members;
use crate::weight::Weight;
use proptest::prelude::*;
use quorate_model::{NodeId, Token};
use std::collections::{BTreeMap, BTreeSet};

/// Owners of each table's shards.
type Placement = Vec<Vec<Wanted>>;

/// Nodes n1, n2, ... by zone and weight.
fn ring(nodes: &[(&str, f64)]) -> Ring {
    let nodes = (1..).zip(nodes);
    Ring::of(Members::of(
        nodes.map(|(id, (zone, weight))| (NodeId(id), *zone, Weight::new(*weight).expect("in range"))),
    ))
}

fn new_table(n: u8, shards: u32) -> TableWish {
    TableWish::new(n, (0..shards).map(|at| Token((u64::MAX / u64::from(shards)).wrapping_mul(u64::from(at)))))
}

/// The same shards, with owners.
fn owned(wish: &TableWish, owners: &[Wanted]) -> TableWish {
    let shard = |(shard, today): (&ShardWish, &Wanted)| ShardWish { today: today.clone(), ..shard.clone() };
    TableWish { n: wish.n, shards: wish.shards.iter().zip(owners).map(shard).collect() }
}

fn all_owned(wishes: &[TableWish], placement: &[Vec<Wanted>]) -> Vec<TableWish> {
    wishes.iter().zip(placement).map(|(wish, owners)| owned(wish, owners)).collect()
}

/// Distinct owners in ring order, spread over zones, and every node within bounds.
fn check_laws(ring: &Ring, wishes: &[TableWish], placement: &[Vec<Wanted>], slack: Slack) {
    let members = ring.members();
    let mut total = vec![0u64; members.len()];
    let mut total_share = vec![0u128; members.len()];
    for (wish, owners) in wishes.iter().zip(placement) {
        let shares = Shares::of(members, wish.n).expect("enough nodes");
        let mut load = vec![0u64; members.len()];
        assert_eq!(owners.len(), wish.shards.len());
        for (shard, owners) in wish.shards.iter().zip(owners) {
            let indexes: Vec<usize> =
                owners.iter().map(|node| members.index_of(*node).expect("a member")).collect();
            assert_eq!(indexes.iter().collect::<BTreeSet<_>>().len(), usize::from(wish.n), "distinct owners");
            let mut ordered = indexes.clone();
            ring.order(shard.position, &mut ordered);
            assert_eq!(ordered, indexes, "ring order");
            let mut in_zone = vec![0; members.zones().len()];
            for index in &indexes {
                in_zone[members.as_slice()[*index].zone] += 1;
                load[*index] += 1;
            }
            assert!(members.spread(wish.n).expect("enough").holds(&in_zone), "zones {in_zone:?}");
        }
        for (node, load) in load.iter().enumerate() {
            let share = shares.per_shard[node] * wish.shards.len() as u128;
            let bounds = Bounds::around(share, slack);
            assert!((bounds.least..=bounds.most).contains(load), "table: {load} on {node}, {bounds:?}");
            total[node] += load;
            total_share[node] += share;
        }
    }
    for (node, total) in total.iter().enumerate() {
        let bounds = Bounds::around(total_share[node], slack);
        assert!((bounds.least..=bounds.most).contains(total), "all: {total} on {node}, {bounds:?}");
    }
}

/// Copies on each node of a ring.
fn loads(ring: &Ring, placement: &[Vec<Wanted>]) -> Vec<u64> {
    let mut loads = vec![0; ring.members().len()];
    for owner in placement.iter().flatten().flatten() {
        loads[ring.members().index_of(*owner).expect("a member")] += 1;
    }
    loads
}

/// Copies that go to a node that does not own the shard today.
fn moved(today: &[TableWish], placement: &[Vec<Wanted>]) -> u64 {
    let shards = today.iter().flat_map(|wish| &wish.shards).zip(placement.iter().flatten());
    shards
        .map(|(shard, owners)| owners.iter().filter(|node| !shard.today.contains(node)).count() as u64)
        .sum()
}

/// What the last node of a ring should hold of these tables.
fn share_of_the_last(ring: &Ring, wishes: &[TableWish]) -> f64 {
    let share = |wish: &TableWish| {
        let shares = Shares::of(ring.members(), wish.n).expect("enough nodes");
        shares.per_shard.last().expect("there is a node") * wish.shards.len() as u128
    };
    wishes.iter().map(share).sum::<u128>() as f64 / ONE as f64
}

/// The owners of every shard: those that are placed, and of the others those of today, all in ring order.
fn all_placed(ring: &Ring, settled: &Settled, wishes: &[TableWish]) -> Option<Placement> {
    let in_ring_order = |shard: &ShardWish| -> Wanted {
        let members = ring.members();
        let mut owners: Vec<usize> = shard.today.iter().filter_map(|node| members.index_of(*node)).collect();
        ring.order(shard.position, &mut owners);
        owners.into_iter().map(|owner| members.as_slice()[owner].node).collect()
    };
    let today = |wish: &TableWish| wish.shards.iter().map(in_ring_order).collect::<Vec<Wanted>>();
    let mut all: Placement = wishes.iter().map(today).collect();
    for (owners, placed) in all.iter_mut().zip(super::place(ring, settled, wishes)?) {
        for (at, wanted) in placed {
            owners[at] = wanted;
        }
    }
    Some(all)
}

fn place_new(ring: &Ring, wishes: &[TableWish]) -> Placement {
    let placement = all_placed(ring, &Settled::default(), wishes).expect("enough nodes");
    check_laws(ring, wishes, &placement, Slack::Rounding);
    placement
}

#[test]
fn equal_nodes_hold_equally_many() {
    let four = ring(&[("a", 1.0), ("b", 1.0), ("c", 1.0), ("d", 1.0)]);
    assert_eq!(loads(&four, &place_new(&four, &[new_table(3, 64)])), [48; 4]);
    let five = ring(&[("a", 1.0); 5]);
    assert_eq!(loads(&five, &place_new(&five, &[new_table(3, 64)])).iter().max(), Some(&39));
}

#[test]
fn five_unequal_nodes_in_three_zones() {
    let ring = ring(&[("a", 1.0), ("a", 1.0), ("b", 2.0), ("c", 1.0), ("c", 3.0)]);
    let placement = place_new(&ring, &[new_table(3, 64)]);
    assert_eq!(loads(&ring, &placement), [32, 32, 64, 16, 48], "each zone holds every shard once");
}

#[test]
fn five_unequal_nodes_in_one_zone() {
    let ring = ring(&[("a", 1.0), ("a", 1.0), ("a", 2.0), ("a", 1.0), ("a", 3.0)]);
    let placement = place_new(&ring, &[new_table(2, 64)]);
    assert_eq!(loads(&ring, &placement), [16, 16, 32, 16, 48]);
}

#[test]
fn fewer_nodes_than_copies_is_no_placement() {
    let two = ring(&[("a", 1.0), ("b", 1.0)]);
    assert_eq!(all_placed(&two, &Settled::default(), &[new_table(3, 4)]), None);
}

#[test]
fn many_small_tables_balance_together() {
    let ten = ring(&[("a", 1.0); 10]);
    let mut settled = Settled::default();
    for _ in 0..100 {
        let placement = all_placed(&ten, &settled, &[new_table(3, 1)]).expect("enough nodes");
        *settled.shards_by_copies.entry(3).or_default() += 1;
        for owner in placement.iter().flatten().flatten() {
            *settled.copies.entry(*owner).or_default() += 1;
        }
    }
    assert_eq!(settled.copies.values().copied().collect::<Vec<_>>(), [30; 10]);
}

#[test]
fn a_new_table_is_balanced_by_itself_where_others_cannot_move() {
    let four = ring(&[("a", 1.0); 4]);
    let settled = Settled {
        copies: (1..=3).map(|node| (NodeId(node), 64)).collect(),
        shards_by_copies: BTreeMap::from([(3, 64)]),
    };
    let placement = all_placed(&four, &settled, &[new_table(3, 64)]).expect("enough nodes");
    assert_eq!(loads(&four, &placement), [48; 4]);
}

/// What a join does to owners: the placement before is a new one, the placement after starts from it.
#[derive(Debug)]
struct Join {
    /// Copies on the newcomer, and what it should hold.
    newcomer: (u64, f64),
    /// Copies that go from a node that stays to another that stays.
    between_stayers: u64,
}

fn join(before: &[(&str, f64)], joined: (&str, f64), wishes: &[TableWish]) -> Join {
    let today = all_owned(wishes, &place_new(&ring(before), wishes));
    let after = ring(&[before, &[joined]].concat());
    let placement = all_placed(&after, &Settled::default(), &today).expect("enough nodes");
    check_laws(&after, &today, &placement, Slack::TwoPercent);
    let held = *loads(&after, &placement).last().expect("it is the last");
    let between_stayers = moved(&today, &placement) - held;
    Join { newcomer: (held, share_of_the_last(&after, wishes)), between_stayers }
}

/// A join in an ordinary cluster: copies go to the newcomer only, and about as many as it should hold.
fn check_join(before: &[(&str, f64)], joined: (&str, f64), wishes: &[TableWish]) {
    let join = join(before, joined, wishes);
    assert_eq!(join.between_stayers, 0, "{join:?}");
    let (held, share) = join.newcomer;
    assert!(held as f64 <= (share * 1.02).max(share + 1.0), "{join:?}");
}

#[test]
fn a_join_moves_its_share_to_the_newcomer_and_nothing_else() {
    let one_zone = vec![("a", 1.0); 12];
    for size in 3..12 {
        check_join(&one_zone[..size], ("a", 1.0), &[new_table(3, 64)]);
        check_join(&one_zone[..size], ("a", 2.0), &[new_table(3, 64), new_table(2, 16), new_table(1, 4)]);
        check_join(&one_zone[..size], ("b", 0.5), &[new_table(3, 256)]);
    }
    let three_zones = [("a", 1.0), ("b", 1.0), ("c", 1.0), ("a", 2.0), ("b", 1.0), ("c", 3.0)];
    for size in 3..6 {
        check_join(&three_zones[..size], ("c", 1.0), &[new_table(3, 64)]);
        check_join(&three_zones[..size], ("d", 1.0), &[new_table(3, 64), new_table(3, 64)]);
    }
}

#[test]
fn a_new_zone_takes_one_copy_of_each_shard_where_zones_were_too_few() {
    check_join(&[("a", 1.0), ("a", 1.0), ("b", 1.0), ("b", 1.0)], ("c", 1.0), &[new_table(3, 64)]);
}

#[test]
fn joins_one_after_the_other_stay_near_the_minimum() {
    let nodes = vec![("a", 1.0); 30];
    let wish = [new_table(3, 512)];
    let mut today = all_owned(&wish, &place_new(&ring(&nodes[..3]), &wish));
    for size in 4..=30 {
        let ring = ring(&nodes[..size]);
        let placement = all_placed(&ring, &Settled::default(), &today).expect("enough nodes");
        check_laws(&ring, &today, &placement, Slack::TwoPercent);
        let (held, moved) = (loads(&ring, &placement)[size - 1], moved(&today, &placement));
        assert_eq!(held, moved, "size {size}: moves between nodes that stay");
        assert!(moved as f64 <= share_of_the_last(&ring, &wish) * 1.02, "size {size}: {moved} moved");
        today = all_owned(&today, &placement);
    }
}

#[test]
fn nothing_moves_when_nothing_changes() {
    let ring = ring(&[("a", 1.0), ("a", 1.0), ("b", 2.0), ("c", 1.0), ("c", 3.0), ("d", 0.3)]);
    let wishes = [new_table(3, 64), new_table(2, 32)];
    let placement = place_new(&ring, &wishes);
    let again =
        all_placed(&ring, &Settled::default(), &all_owned(&wishes, &placement)).expect("enough nodes");
    assert_eq!(again, placement);
}

#[test]
fn what_a_departed_node_held_goes_to_the_others_and_nothing_else_moves() {
    let nodes = [("a", 1.0); 6];
    let wishes = [new_table(3, 64)];
    let placement = place_new(&ring(&nodes), &wishes);
    let after = ring(&nodes[..5]);
    let today = all_owned(&wishes, &placement);
    let again = all_placed(&after, &Settled::default(), &today).expect("enough nodes");
    check_laws(&after, &wishes, &again, Slack::TwoPercent);
    assert_eq!(moved(&today, &again), 32, "a sixth of 3 * 64 copies");
}

#[test]
fn a_large_cluster_is_placed_within_rounding() {
    let nodes: Vec<(String, f64)> =
        (0..200u32).map(|at| (format!("zone-{}", at % 5), f64::from(at % 4 + 1))).collect();
    let nodes: Vec<(&str, f64)> = nodes.iter().map(|(zone, weight)| (zone.as_str(), *weight)).collect();
    let placement = place_new(&ring(&nodes), &[new_table(3, 4_096)]);
    assert_eq!(placement.iter().flatten().map(Wanted::len).sum::<usize>(), 3 * 4_096);
}

/// A change here would make nodes of two versions disagree about one log.
#[test]
fn golden_owners_never_change() {
    let ring = ring(&[("a", 1.0), ("a", 1.0), ("b", 2.0), ("c", 1.0), ("c", 3.0)]);
    let placement = place_new(&ring, &[new_table(3, 8)]);
    let owners: Vec<Vec<u64>> =
        placement[0].iter().map(|owners| owners.iter().map(|owner| owner.0).collect()).collect();
    let golden = [[4, 3, 1], [4, 3, 1], [5, 3, 2], [3, 5, 2], [2, 5, 3], [5, 2, 3], [1, 5, 3], [5, 3, 1]];
    assert_eq!(owners, golden);
}

fn any_nodes(most: usize) -> impl Strategy<Value = Vec<(String, f64)>> {
    let node = (0u8..5, 1u32..40).prop_map(|(zone, weight)| (format!("z{zone}"), f64::from(weight) / 10.0));
    prop::collection::vec(node, 1..most)
}

fn any_tables() -> impl Strategy<Value = Vec<TableWish>> {
    let table = (1u8..6, 0u32..7).prop_map(|(n, doublings)| new_table(n, 1 << doublings));
    prop::collection::vec(table, 1..4)
}

/// The same tables with no more copies than there are nodes.
fn at_most(nodes: usize, mut wishes: Vec<TableWish>) -> Vec<TableWish> {
    for wish in &mut wishes {
        wish.n = wish.n.min(nodes as u8);
    }
    wishes
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Whatever the members and tables: a placement exists, and it is as fair as whole copies can be.
    #[test]
    fn new_tables_are_placed_within_rounding(nodes in any_nodes(12), wishes in any_tables()) {
        let nodes: Vec<(&str, f64)> = nodes.iter().map(|(zone, weight)| (zone.as_str(), *weight)).collect();
        place_new(&ring(&nodes), &at_most(nodes.len(), wishes));
    }

    /// From the owners of any other set of members (who may be gone), the laws hold again.
    #[test]
    fn any_change_of_members_ends_within_two_percent(
        before in any_nodes(10), after in any_nodes(10), wishes in any_tables(),
    ) {
        let wishes = at_most(before.len().min(after.len()), wishes);
        let view = |nodes: &'_ [(String, f64)]| -> Ring {
            let nodes: Vec<(&str, f64)> = nodes.iter().map(|(zone, weight)| (zone.as_str(), *weight)).collect();
            ring(&nodes)
        };
        let today = all_owned(&wishes, &place_new(&view(&before), &wishes));
        let after = view(&after);
        let placement = all_placed(&after, &Settled::default(), &today).expect("enough nodes");
        check_laws(&after, &today, &placement, Slack::TwoPercent);
    }

    /// Where zones are even and enough, or there is one, a join never moves a copy between two nodes that both stay.
    #[test]
    fn joins_of_even_zones_move_to_the_newcomer_only(
        zones in 1usize..6, nodes_per_zone in 1usize..5, heavy in any::<bool>(), zone in 0usize..6, n in 1u8..6,
    ) {
        let names = ["z0", "z1", "z2", "z3", "z4", "z5"];
        let weight = if heavy { 2.0 } else { 1.0 };
        let before: Vec<(&str, f64)> =
            (0..zones * nodes_per_zone).map(|at| (names[at % zones], weight)).collect();
        let n = if zones == 1 { n.min(before.len() as u8) } else { n.min(zones as u8) };
        check_join(&before, (names[zone.min(zones)], 1.0), &[new_table(n, 64)]);
    }

    /// Odd zones, odd weights, tiny tables: the shares of those who stay are rounded anew, which may move one copy to
    /// each of them, and no more.
    #[test]
    fn any_join_moves_little_between_nodes_that_stay(
        before in any_nodes(10), zone in 0u8..5, weight in 1u32..40, wishes in any_tables(),
    ) {
        let before: Vec<(&str, f64)> = before.iter().map(|(zone, weight)| (zone.as_str(), *weight)).collect();
        let wishes = at_most(before.len(), wishes);
        let join = join(&before, (&format!("z{zone}"), f64::from(weight) / 10.0), &wishes);
        prop_assert!(join.between_stayers <= before.len() as u64, "{join:?}");
    }
}
