//! An owner that stays where copies become fewer.

use super::*;

/// A shard that moves from five owners to the first three of them, of which the node at hand is one.
fn shrinking() -> Cluster {
    let mut cluster = Cluster::of(&[1, 2, 3, 4, 5], Level::Quorum);
    cluster.table.2 = Some(&[1, 2, 3]);
    cluster.state = CopyState::Whole;
    cluster
}

#[test]
fn it_keeps_its_own_and_takes_what_those_that_leave_hold() {
    let mut cluster = shrinking();
    for number in 0..20 {
        cluster.hold(4, number, 2);
        cluster.hold(5, number, 2);
        // It has some of them, some older, some newer.
        if number % 4 > 0 {
            cluster.here.insert(key(number), record_of(u64::from(number % 4), "v"));
        }
    }
    cluster.here.insert(key(99), record_of(1, "its own"));
    let mut filling = filling();
    cluster.run(&mut filling, nothing);
    assert!(
        cluster.is_merged && cluster.taken == 0 && cluster.loads == 0,
        "nothing is deleted, no page is laid over it"
    );
    for number in 0..20 {
        let newest = u64::from(number % 4).max(2);
        assert_eq!(cluster.held_here(number), Some(record_of(newest, "v").held()), "{number}");
    }
    assert!(cluster.held_here(99).is_some());
    assert_eq!(
        cluster.read,
        [1, 4].map(NodeId).into(),
        "of two that hold the same, both are asked only if they differ from it"
    );
    assert_eq!((filling.progress().filled, filling.progress().shards), (0, 0), "it was whole all the time");
}

#[test]
fn where_all_hold_the_same_nothing_is_read() {
    let mut cluster = shrinking();
    for node in [4, 5] {
        cluster.hold(node, 1, 1);
    }
    cluster.here.insert(key(1), record_of(1, "v"));
    cluster.run(&mut filling(), nothing);
    assert!(cluster.is_merged && cluster.read.is_empty());
}

#[test]
fn it_waits_for_those_that_leave_and_for_a_source_that_falls_silent() {
    let mut cluster = shrinking();
    cluster.refuses.insert(NodeId(5), Refusal::Filling);
    let mut machine = filling();
    cluster.run(&mut machine, nothing);
    assert!(!cluster.is_merged);
    let waiting = machine.progress().waiting[0].to_string();
    assert!(waiting.contains("waits for n5, which gives its copy away and is filling itself"), "{waiting}");
    cluster.refuses.clear();
    cluster.run(&mut machine, nothing);
    assert!(cluster.is_merged);
}

#[test]
fn without_those_that_are_gone_for_good_it_needs_as_many_others_as_a_copy_less_itself() {
    let mut cluster = shrinking();
    cluster.incarnations.remove(&NodeId(5));
    cluster.refuses.insert(NodeId(2), Refusal::Doubtful);
    cluster.hold(3, 7, 3);
    cluster.run(&mut filling(), nothing);
    assert!(cluster.is_merged, "n3 and n4 are enough beside it");
    assert!(cluster.held_here(7).is_some());
}
