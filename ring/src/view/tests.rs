use super::*;
use crate::catalog::tests::{founded, table};
use crate::plan::OwnerSet;
use quorate_model::{Level, Owner, Token};

fn view(down: &[u64]) -> View {
    let catalog = founded(5).apply(&crate::Command::CreateTable(table("users"))).expect("accepted").catalog;
    View::new(Arc::new(catalog), Liveness::with_down(down.iter().copied().map(NodeId)))
}

fn order(plan: &Plan) -> Vec<NodeId> {
    plan.candidates.iter().map(|candidate| candidate.node).collect()
}

#[test]
fn a_plan_carries_the_shard_its_epoch_and_its_owners() {
    let view = view(&[]);
    let users = view.table("users").expect("made");
    for key in (0..500).map(|at| Key::new(format!("key-{at}"))) {
        let plan = view.plan(users, &key, NodeId(99));
        let shard = users.shard_of(&key);
        assert_eq!(plan.shard, shard.id);
        assert!(shard.interval.contains(&plan.place.sort_key));
        assert_eq!(plan.place, Place { table: users.id, epoch: shard.epoch, sort_key: users.sort_key(&key) });
        assert_eq!(plan.sets.as_slice(), std::slice::from_ref(&shard.owners));
        let mut ring_order: Vec<NodeId> = shard.owner_nodes().collect();
        ring_order.rotate_left((shard.id.index as usize + 99) % 3);
        assert_eq!(order(&plan), ring_order, "a coordinator that owns nothing asks in ring order");
        assert!(Arc::ptr_eq(&plan.table, users.table()));
    }
}

#[test]
fn candidates_are_this_node_then_the_living_then_the_others() {
    let all = view(&[]);
    let users = all.table("users").expect("made");
    let key = Key::new(&b"user-17"[..]);
    let [a, b, c] = order(&all.plan(users, &key, NodeId(99)))[..] else { panic!("three owners") };
    assert_eq!(order(&all.plan(users, &key, NodeId(100))), [b, c, a], "ring order begins elsewhere");
    assert_eq!(order(&all.plan(users, &key, c))[0], c);
    let without_a = all.with_liveness(Liveness::with_down([a]));
    assert_eq!(order(&without_a.plan(users, &key, NodeId(99))), [b, c, a]);
    assert_eq!(order(&without_a.plan(users, &key, c)), [c, b, a]);
    let without_both = all.with_liveness(Liveness::with_down([b, a]));
    let plan = without_both.plan(users, &key, NodeId(99));
    assert_eq!(order(&plan)[0], c);
    assert_eq!(plan.candidates.iter().map(|at| at.alive).collect::<Vec<_>>(), [true, false, false]);
    assert_eq!(plan.sets, all.plan(users, &key, NodeId(99)).sets, "liveness never changes who counts");
}

#[test]
fn owners_in_every_set_are_asked_first() {
    let sets: [OwnerSet; 2] =
        [[5, 1, 2, 3], [4, 2, 3, 6]].map(|set| set.map(NodeId).map(Owner::unnamed).into_iter().collect());
    let order = |down: &[u64], local, turn| {
        let liveness = Liveness::with_down(down.iter().copied().map(NodeId));
        let candidates = Candidate::in_order(&sets, NodeId(local), &liveness, turn);
        candidates.iter().map(|candidate| candidate.node.0).collect::<Vec<_>>()
    };
    assert_eq!(order(&[], 99, 0), [2, 3, 5, 1, 4, 6]);
    assert_eq!(order(&[], 3, 0), [3, 2, 5, 1, 4, 6], "this node, if it counts in each");
    assert_eq!(
        order(&[], 4, 0),
        [2, 3, 4, 5, 1, 6],
        "this node counts in one: after those that count in both"
    );
    assert_eq!(order(&[2, 5], 99, 0), [3, 1, 4, 6, 2, 5], "what is down comes last");
    assert_eq!(order(&[], 99, 3), [3, 2, 4, 6, 5, 1], "ring order begins elsewhere");
    assert_eq!(order(&[], 99, 6), order(&[], 99, 0));
}

#[test]
fn a_level_is_a_number_for_each_set() {
    let view = view(&[]);
    let users = view.table("users").expect("made");
    let mut plan = view.plan(users, &Key::new(&b"user-17"[..]), NodeId(1));
    let numbers = |quota: crate::Quota| quota.numbers().collect::<Vec<_>>();
    assert_eq!((numbers(plan.quorum()), plan.n()), (vec![2], 3));
    plan.sets.push((1..=5).map(NodeId).map(Owner::unnamed).collect());
    assert_eq!((numbers(plan.quorum()), plan.n()), (vec![2, 3], 5));
    assert_eq!(numbers(plan.round_one()), [2, 3]);
    for (level, expected) in [(Level::One, [1, 1]), (Level::All, [3, 5]), (Level::Count(4), [3, 4])] {
        assert_eq!(numbers(plan.quota(level)), expected, "{level}");
    }
}

#[test]
fn a_refusal_says_what_is_in_force_and_a_plan_is_made_by_it() {
    let old = view(&[2]);
    let users = old.table("users").expect("made");
    let os = crate::TableChange {
        durability: Some(quorate_model::Durability::Os),
        ..crate::TableChange::of(users.id)
    };
    let altered = old.catalog().apply(&crate::Command::AlterTable(os)).expect("accepted").catalog;
    let new = old.with_catalog(Arc::new(altered));
    let (asked, local) = (old.plan(users, &Key::new(&b"user-17"[..]), NodeId(4)), NodeId(4));
    let stale = Reply::Refused(Refusal::Stale { current: new.epoch() });
    let now = new.newer(&asked.place, &stale).expect("its shards are of another epoch");
    let by = old.plan_by(users, &now, asked.place.sort_key.clone(), local).expect("a plan");
    let there = new.plan(new.table("users").expect("there"), &Key::new(&b"user-17"[..]), local);
    assert_eq!(by.place, there.place);
    assert_eq!((by.shard, &by.sets, &by.candidates), (there.shard, &there.sets, &there.candidates));
    assert_eq!(new.newer(&asked.place, &Reply::Refused(Refusal::DiskFull)), None, "no matter of the catalog");
    assert_eq!(old.newer(&asked.place, &Reply::Refused(Refusal::NotOwner)), None, "nothing newer is known");
    let elsewhere = quorate_model::Interval { start: SortKey::new(vec![255; 9]), end: None };
    for wrong in [ShardNow { interval: elsewhere, ..now.clone() }, ShardNow { sets: Vec::new(), ..now }] {
        assert_eq!(old.plan_by(users, &wrong, asked.place.sort_key.clone(), local), None);
    }
}

#[test]
fn a_refusal_tells_of_an_accepted_loss_to_a_coordinator_that_has_not_heard_of_it() {
    let old = view(&[]);
    let users = old.table("users").expect("made");
    let key = Key::new(&b"user-17"[..]);
    let asked = old.plan(users, &key, NodeId(99));
    let known = old.catalog().node(asked.sets[0][0].node).expect("a member");
    let update = crate::NodeUpdate {
        node: known.id,
        boot: known.boot,
        http_address: known.http_address.clone(),
        peer_address: known.peer_address.clone(),
        incarnation: Some(2),
        accepted: Some(quorate_model::WallTime(7)),
    };
    let lost = old.catalog().apply(&crate::Command::Announce(update)).expect("accepted").catalog;
    let new = old.with_catalog(Arc::new(lost));
    assert!(!asked.has_losses && new.plan(new.table("users").expect("there"), &key, NodeId(99)).has_losses);
    let stale = Reply::Refused(Refusal::Stale { current: new.epoch() });
    let now = new.newer(&asked.place, &stale).expect("its shards are of another epoch");
    let sort_key = asked.place.sort_key.clone();
    assert!(old.plan_by(users, &now, sort_key.clone(), NodeId(99)).expect("a plan").has_losses);
    // An owner of the version before says nothing of it; what is known stays known.
    let silent = ShardNow { has_losses: None, ..now };
    let entry = new.table("users").expect("there");
    assert!(new.plan_by(entry, &silent, sort_key, NodeId(99)).expect("a plan").has_losses);
}

#[test]
fn a_refused_walk_is_told_of_the_shard_that_it_begins_in() {
    let old = view(&[]);
    let users = old.table("users").expect("made");
    let os = Some(quorate_model::Durability::Os);
    let change = crate::TableChange { durability: os, ..crate::TableChange::of(users.id) };
    let new = old.with_catalog(Arc::new(
        old.catalog().apply(&crate::Command::AlterTable(change)).expect("altered").catalog,
    ));
    for reverse in [false, true] {
        let interval = quorate_model::Interval::everything();
        let plan = old.plan_of_range(users, &interval, reverse, NodeId(4));
        let over = Extent { table: users.id, epoch: plan.place.epoch, interval };
        let walk = quorate_model::range::Walk { reverse, items: 1, bytes: 1, values: false };
        let request = RangeRequest::Scan { over, walk };
        let stale = RangeReply::Refused(Refusal::Stale { current: new.epoch() });
        let now = new.newer_of_range(&request, &stale).expect("its shards are of another epoch");
        assert_eq!((now.index, now.epoch), (plan.shard.index, new.epoch()));
        assert_eq!(new.newer_of_range(&request, &RangeReply::Refused(Refusal::Late)), None);
        assert_eq!(old.newer_of_range(&request, &stale), None, "nothing newer is known");
    }
}

#[test]
fn this_node_is_alive_to_itself() {
    let all = view(&[]);
    let key = Key::new(&b"user-17"[..]);
    let owner = order(&all.plan(all.table("users").expect("made"), &key, NodeId(99)))[1];
    let doubtful = all.with_liveness(Liveness::with_down([owner]));
    let plan = doubtful.plan(doubtful.table("users").expect("made"), &key, owner);
    assert_eq!(plan.candidates[0], Candidate { node: owner, alive: true });
}

#[test]
fn locate_says_what_plan_does() {
    let view = view(&[2]);
    let users = view.table("users").expect("made");
    for key in (0..100).map(|at| Key::new(format!("key-{at}"))) {
        let (plan, location) = (view.plan(users, &key, NodeId(99)), view.locate(users, &key));
        assert_eq!((location.shard, location.epoch), (plan.shard, plan.place.epoch));
        assert_eq!(location.token, Token::of(key.as_bytes()));
        assert!(location.interval.contains(&plan.place.sort_key));
        assert!(location.owners.iter().all(|owner| plan.candidates.contains(owner)));
        assert!(location.owners.iter().all(|owner| owner.alive == (owner.node != NodeId(2))));
    }
}
