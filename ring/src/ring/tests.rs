use super::*;

fn members(nodes: &[(&str, f64)]) -> Members {
    let nodes = nodes.iter().zip(1..);
    Members::of(
        nodes.map(|((zone, weight), id)| (NodeId(id), *zone, Weight::new(*weight).expect("in range"))),
    )
}

/// A change here would make every new plan move every shard.
#[test]
fn golden_positions_never_change() {
    let golden = [
        (1, 0, 0xf75c_b44c_5696_b758),
        (1, 1, 0x8e3e_a701_bb4e_d5de),
        (2, 0, 0x478a_21f5_0fb9_093c),
        (1_000_000, 255, 0x6be7_d94b_749a_13d3),
        (u64::MAX, u32::MAX, 0x2277_02df_44c8_6137),
    ];
    for (node, index, token) in golden {
        assert_eq!(position(NodeId(node), index), Token(token), "node {node}, index {index}");
    }
}

#[test]
fn virtual_nodes_are_proportional_to_weight() {
    let count = |weight| positions_of(Weight::new(weight).expect("in range"));
    assert_eq!((count(0.01), count(0.5), count(1.0), count(3.0), count(100.0)), (3, 128, 256, 768, 25_600));
}

#[test]
fn positions_are_distinct() {
    let ring = Ring::of(members(&[("a", 1.0), ("b", 2.0), ("c", 0.5), ("a", 1.0), ("b", 4.0)]));
    assert_eq!(ring.len(), 256 + 512 + 128 + 256 + 1024);
    assert!(ring.positions().all.windows(2).all(|pair| pair[0].0 < pair[1].0));
}

#[test]
fn a_walk_goes_once_around_and_starts_at_its_token() {
    let ring = Ring::of(members(&[("a", 1.0), ("b", 1.0)]));
    for from in [Token(0), ring.positions().all[300].0, Token(u64::MAX)] {
        assert_eq!(ring.walk(from).count(), ring.len());
    }
    let (token, owner) = ring.positions().all[300];
    assert_eq!(ring.walk(token).next(), Some(owner as usize));
    assert_eq!(ring.walk(Token(token.0 + 1)).next(), Some(ring.positions().all[301].1 as usize));
}

/// A join inserts a node into orders of preference and changes nothing else about them.
#[test]
fn a_join_keeps_the_order_of_the_others() {
    let nodes = [("a", 1.0), ("b", 1.0), ("c", 2.0), ("a", 1.0), ("b", 1.0)];
    let (before, after) = (Ring::of(members(&nodes[..4])), Ring::of(members(&nodes)));
    for from in (0..200).map(|step: u64| Token(step << 56)) {
        let order = |ring: &Ring| {
            let mut members: Vec<usize> = (0..ring.members().len()).collect();
            ring.order(from, &mut members);
            members
        };
        let mut others = order(&after);
        others.retain(|member| *member != 4);
        assert_eq!(order(&before), others);
    }
}

/// A walk reads as many positions as it needs to meet its nodes, not the whole ring: counted, not timed.
#[test]
fn a_walk_over_ten_thousand_nodes_meets_its_owners_early() {
    let nodes: Vec<(String, f64)> = (0..10_000).map(|at| (format!("zone-{}", at % 7), 1.0)).collect();
    let nodes: Vec<(&str, f64)> = nodes.iter().map(|(zone, weight)| (zone.as_str(), *weight)).collect();
    let ring = Ring::of(members(&nodes));
    assert_eq!(ring.len(), 2_560_000);
    for step in 0..1_000u64 {
        let from = Token(step << 54);
        let mut zones = BTreeSet::new();
        let steps = ring.walk(from).position(|at| {
            zones.insert(ring.members().as_slice()[at].zone);
            zones.len() == 3
        });
        assert!(steps.expect("there are seven zones") < 64, "{steps:?} positions for owners in three zones");
    }
}
