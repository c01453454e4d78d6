//! Plans of large clusters: whether they are good ones, at a size that every run can bear; and how long they take at the
//! greatest size that there may be, by a measurement.

use super::super::*;
use crate::catalog::tests::{accept, node, table};
use crate::catalog::{NewNode, NewTable, Shard};
use crate::placement::{Settled, ShardWish, TableWish, place};
use crate::ring::{Members, Ring};
use crate::weight::Weight;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// How large a cluster is.
#[derive(Clone, Copy)]
struct Size {
    nodes: u64,
    tables: usize,
    shards: u32,
}

/// 196,608 copies, 819 for each node on average.
const SMALL: Size = Size { nodes: 240, tables: 4, shards: 16_384 };

/// As large as a cluster may be, with room for one node more.
const LARGEST: Size = Size { nodes: 9_999, tables: 64, shards: 16_384 };

const COPIES: u8 = 3;
const ZONES: u64 = 5;

/// A node of every fourth is twice as heavy as the others; the zones are even.
fn of_number(number: u64) -> NewNode {
    let weight = Weight::new(if (number / ZONES).is_multiple_of(4) { 2.0 } else { 1.0 }).expect("in range");
    NewNode { zone: format!("z{}", number % ZONES), weight, ..node(number) }
}

fn members(nodes: u64) -> Members {
    let nodes: Vec<NewNode> = (1..=nodes).map(of_number).collect();
    Members::of(nodes.iter().zip(1..).map(|(node, id)| (NodeId(id), node.zone.as_str(), node.weight)))
}

fn founded(size: Size) -> Catalog {
    let first = Catalog::bootstrap("test", quorate_model::ClusterId(7), of_number(1)).expect("accepted");
    let all =
        (2..=size.nodes).fold(first, |catalog, number| accept(&catalog, &Command::Admit(of_number(number))));
    (0..size.tables).fold(all, |catalog, at| {
        let new = NewTable { n: COPIES, shards: size.shards, ..table(&format!("t{at}")) };
        accept(&catalog, &Command::CreateTable(new))
    })
}

/// The owners that a plan wants, by shard; those of the others stay.
fn after(catalog: &Catalog, planned: &Planned) -> Vec<Vec<NodeId>> {
    let moved: BTreeMap<_, _> = planned.moves.iter().map(|it| (it.shard, it.wanted.clone())).collect();
    let shards = catalog.tables().flat_map(|entry| entry.shards());
    shards.map(|it| moved.get(&it.id).cloned().unwrap_or_else(|| it.owner_nodes().collect())).collect()
}

/// Every shard has as many owners as copies, in as many zones; every node has its share, within 2 % or one copy of each
/// table; and no more moves than has to, nothing of it between two that stay.
fn check(catalog: &Catalog, planned: &Planned, weights: &BTreeMap<NodeId, Weight>) {
    let owners = after(catalog, planned);
    let mut held: BTreeMap<NodeId, u64> = weights.keys().map(|node| (*node, 0)).collect();
    for owners in &owners {
        let zones: BTreeSet<u64> = owners.iter().map(|node| node.0 % ZONES).collect();
        assert_eq!((owners.len(), zones.len()), (usize::from(COPIES), usize::from(COPIES)), "{owners:?}");
        for node in owners {
            *held.get_mut(node).expect("a member that stays") += 1;
        }
    }
    let copies: u64 = held.values().sum();
    let heavy: u64 = weights.values().map(|weight| u64::from(weight.thousandths())).sum();
    for (node, held) in &held {
        let share = copies as f64 * f64::from(weights[node].thousandths()) / heavy as f64;
        let off = (*held as f64 - share).abs();
        assert!(off <= (share * 0.02).max(1.0), "{node} holds {held}, and its share is {share:.1}");
    }
    let preview = &planned.preview;
    assert!(
        preview.moves as f64 <= preview.moves_min as f64 * 1.02,
        "{} of {}",
        preview.moves,
        preview.moves_min
    );
    let gained: u64 = preview.nodes.iter().map(|it| it.copies_after.saturating_sub(it.copies_now)).sum();
    assert_eq!(gained, preview.moves, "nothing moves between two nodes that stay as full");
}

fn weights(nodes: impl IntoIterator<Item = u64>) -> BTreeMap<NodeId, Weight> {
    nodes.into_iter().map(|number| (NodeId(number), of_number(number).weight)).collect()
}

fn planned(catalog: &Catalog, wish: &Wish) -> Planned {
    plan(catalog, wish, &Known::default()).expect("a plan")
}

#[test]
fn plans_of_a_large_cluster_are_fair_move_little_and_heed_zones_and_weights() {
    let before = founded(SMALL);
    let added: Vec<u64> = (SMALL.nodes + 1..=SMALL.nodes + 5).collect();
    let grown =
        added.iter().fold(before.clone(), |all, number| accept(&all, &Command::Admit(of_number(*number))));
    let new: Vec<NodeId> = added.iter().copied().map(NodeId).collect();
    let add = planned(&grown, &Wish::Add { nodes: new.clone() });
    check(&grown, &add, &weights(1..=SMALL.nodes + 5));
    let to_new = add.preview.nodes.iter().filter(|it| new.contains(&it.node)).map(|it| it.copies_after);
    assert_eq!(to_new.sum::<u64>(), add.preview.moves, "whatever moves goes to those that are added");
    // A whole zone's first node leaves; the others of its zone take what it had.
    let remove = planned(&before, &Wish::Remove { nodes: vec![NodeId(7)], dead: false });
    check(&before, &remove, &weights((1..=SMALL.nodes).filter(|number| *number != 7)));
    let weight = Weight::new(3.0).expect("in range");
    let heavier = planned(&before, &Wish::Weight { node: NodeId(9), weight });
    let mut all = weights(1..=SMALL.nodes);
    all.insert(NodeId(9), weight);
    check(&before, &heavier, &all);
}

/// What this thread has worked so far. Other work on the machine is not in it, as far as it leaves the caches alone.
fn worked() -> Duration {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux keeps it");
    let nanoseconds = stat.split(' ').next().and_then(|first| first.parse().ok());
    Duration::from_nanos(nanoseconds.expect("its first number: nanoseconds on a CPU"))
}

/// The shortest of three tries, and what came of the last.
fn shortest<T>(work: impl Fn() -> T) -> (Duration, T) {
    let measured = |_| {
        let begun = worked();
        let done = work();
        (worked().saturating_sub(begun), done)
    };
    let tries: Vec<(Duration, T)> = (0..3).map(measured).collect();
    let best = tries.iter().map(|(took, _)| *took).min().expect("three tries");
    (best, tries.into_iter().last().expect("three tries").1)
}

/// The owners of the shards of a table, as a wish that they stay.
fn as_today(entry: &crate::TableEntry) -> TableWish {
    let of = |shard: &Shard| ShardWish {
        position: shard.position(entry.sharding),
        today: shard.owner_nodes().collect(),
    };
    TableWish { n: COPIES, shards: entry.shards().iter().map(of).collect() }
}

#[test]
#[ignore = "a measurement: docs/performance.md"]
fn the_largest_cluster_is_planned_in_time() {
    let before = founded(LARGEST);
    let grown = accept(&before, &Command::Admit(of_number(LARGEST.nodes + 1)));
    println!("{} nodes, {} shards; CPU time:", grown.nodes().len(), LARGEST.tables * LARGEST.shards as usize);
    let ring = || Ring::of(members(LARGEST.nodes + 1));
    let owned: Vec<TableWish> = grown.tables().map(|entry| as_today(entry)).collect();
    let new: Vec<TableWish> = owned
        .iter()
        .map(|wish| TableWish::new(COPIES, wish.shards.iter().map(|shard| shard.position)))
        .collect();
    let placed = |wishes| place(&ring(), &Settled::default(), wishes).expect("enough nodes");
    let (took, _) = shortest(|| ring().walk(quorate_model::Token(0)).next());
    println!("  {took:?}: the ring of all virtual nodes");
    let (took, _) = shortest(|| placed(&new));
    println!("  {took:?}: all shards placed, with the ring (goal: 2 s)");
    let (took, _) =
        shortest(|| owned.iter().flat_map(|wish| &wish.shards).flat_map(|it| &it.today).max().copied());
    println!("  {took:?}: all owners read once");
    let (took, _) = shortest(|| placed(&owned));
    println!("  {took:?}: the placement after one join (goal: 100 ms)");
    let wish = Wish::Add { nodes: vec![NodeId(LARGEST.nodes + 1)] };
    let (took, add) = shortest(|| planned(&grown, &wish));
    println!("  {took:?}: a plan for it with its preview, {} moves", add.preview.moves);
    check(&grown, &add, &weights(1..=LARGEST.nodes + 1));
    let (took, remove) = shortest(|| planned(&before, &Wish::Remove { nodes: vec![NodeId(7)], dead: false }));
    println!("  {took:?}: a plan for one that leaves with its preview, {} moves", remove.preview.moves);
    check(&before, &remove, &weights((1..=LARGEST.nodes).filter(|number| *number != 7)));
}
