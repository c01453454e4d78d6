use super::starts::RANGE_SHARDS_MAX;
use super::*;
use crate::weight::Weight;
use proptest::prelude::*;
use quorate_model::{
    AcceptedLoss, Boot, Durability, Key, Level, Owner, Place, Refusal, Sharding, SortKey, Token, WallTime,
};
use std::collections::BTreeSet;

mod access;
mod plans;
mod shards;

/// A node that wants to join, with this number in every field.
pub(crate) fn node(number: u64) -> NewNode {
    NewNode {
        request: RequestId(u128::from(number)),
        name: format!("n{number}"),
        zone: format!("zone-{}", number % 3),
        weight: Weight::ONE,
        http_address: format!("127.0.0.1:{}", 7400 + number),
        peer_address: format!("127.0.0.1:{}", 17400 + number),
        boot: Boot(number),
    }
}

/// A table with the defaults.
pub(crate) fn table(name: &str) -> NewTable {
    NewTable::hash(name, RequestId(Token::of(name.as_bytes()).0.into()))
}

/// A cluster of so many nodes.
pub(crate) fn founded(nodes: u64) -> Catalog {
    let first = Catalog::bootstrap("test", ClusterId(7), node(1)).expect("accepted");
    (2..=nodes).fold(first, |catalog, number| accept(&catalog, &Command::AddNode(node(number))))
}

pub(crate) fn accept(catalog: &Catalog, command: &Command) -> Catalog {
    catalog.apply(command).expect("accepted").catalog
}

pub(crate) fn reject(catalog: &Catalog, command: &Command) -> Rejection {
    catalog.apply(command).expect_err("rejected")
}

#[test]
fn a_cluster_is_founded_once() {
    let new = Found { cluster: ClusterId(7), name: "test".to_owned(), node: node(1), level: None };
    let applied = Catalog::empty().apply(&Command::Found(new.clone())).expect("accepted");
    assert_eq!(applied.created, Some(Created::Node(Catalog::FIRST_NODE)));
    let catalog = applied.catalog;
    assert_eq!((catalog.epoch(), catalog.name(), catalog.cluster_id()), (Epoch(1), "test", ClusterId(7)));
    assert_eq!(catalog.voters().count(), 1);
    let again = catalog.apply(&Command::Found(new.clone())).expect("a repeat");
    assert!(again.repeated && again.catalog == catalog);
    let other = Found { cluster: ClusterId(8), ..new };
    let rejection = reject(&catalog, &Command::Found(other));
    assert_eq!(rejection, Rejection::AlreadyFounded { name: "test".to_owned() });
}

#[test]
fn a_drop_stays_open_until_its_owners_have_closed_it() {
    let made = accept(&founded(4), &Command::CreateTable(NewTable { shards: 16, ..table("users") }));
    let os = TableChange { durability: Some(Durability::Os), ..TableChange::of(TableId(1)) };
    let altered = accept(&made, &Command::AlterTable(os));
    let open = altered.closing_of(TableId(1)).expect("open");
    assert_eq!((open.since, open.dropped, open.needed), (Epoch(6), false, 2));
    let shards = made.table("users").expect("made").shards().iter();
    let owners = shards.map(|shard| shard.owners.iter().map(|owner| owner.node).collect::<Vec<_>>());
    assert_eq!(open.sets.iter().collect::<BTreeSet<_>>().len(), open.sets.len(), "each set once");
    assert_eq!(open.sets.iter().cloned().collect::<BTreeSet<_>>(), owners.collect());
    assert_eq!(altered.dropping("users"), None, "the table is still there");

    let dropped = accept(&altered, &Command::DropTable { table: TableId(1) });
    let open = dropped.dropping("users").expect("open");
    assert_eq!((open.table, open.since), (TableId(1), Epoch(7)));
    let again =
        accept(&dropped, &Command::CreateTable(NewTable { request: RequestId(77), ..table("users") }));
    assert!(again.dropping("users").is_some(), "the name is free, but not what was before it");
    let late = again.apply(&Command::Closed { table: TableId(1), since: Epoch(6) }).expect("late");
    assert!(late.repeated, "an earlier change of the same table");
    let closed = accept(&again, &Command::Closed { table: TableId(1), since: Epoch(7) });
    assert_eq!((closed.closing().len(), closed.epoch()), (0, Epoch(9)));
}

/// What a log of earlier versions means does not depend on the version that replays it.
#[test]
fn before_level_2_a_drop_leaves_nothing_behind() {
    let found = Found { cluster: ClusterId(7), name: "test".to_owned(), node: node(1), level: None };
    let old = accept(&Catalog::empty(), &Command::Found(found));
    let old = accept(&old, &Command::CreateTable(NewTable { n: 1, ..table("users") }));
    assert_eq!(accept(&old, &Command::DropTable { table: TableId(1) }).closing().len(), 0);
    let enabled = accept(&old, &Command::Enable { level: 2 });
    assert_eq!((old.level(), enabled.level()), (1, 2));
    assert!(enabled.apply(&Command::Enable { level: 2 }).expect("again").repeated);
    assert_eq!(accept(&enabled, &Command::DropTable { table: TableId(1) }).closing().len(), 1);
    assert_eq!(
        (old.encode()[0], enabled.encode()[0]),
        (1, 2),
        "a version before does not take the one for the other"
    );
}

#[test]
fn nothing_happens_before_a_cluster_is_founded() {
    for command in [Command::AddNode(node(1)), Command::CreateTable(table("users"))] {
        assert_eq!(reject(&Catalog::empty(), &command), Rejection::NotFounded);
    }
}

#[test]
fn a_repeated_join_gets_the_same_id_and_no_epoch() {
    let catalog = founded(2);
    let moved = NewNode { http_address: "10.0.0.2:7400".to_owned(), ..node(2) };
    let applied = catalog.apply(&Command::AddNode(moved)).expect("a repeat");
    assert_eq!(
        applied.receipt(),
        Receipt { epoch: Epoch(2), created: Some(Created::Node(NodeId(2))), repeated: true }
    );
    assert_eq!(applied.catalog, catalog);
}

#[test]
fn a_node_that_starts_again_keeps_its_id_under_new_addresses() {
    let catalog = founded(2);
    let update = NodeUpdate {
        node: NodeId(2),
        boot: Boot(77),
        http_address: "10.0.0.2:7400".to_owned(),
        peer_address: "10.0.0.2:7500".to_owned(),
        incarnation: None,
        accepted: None,
    };
    let updated = accept(&catalog, &Command::UpdateNode(update.clone()));
    let node = updated.node(NodeId(2)).expect("still a member");
    assert_eq!(
        (node.boot, node.peer_address.as_str(), node.name.as_str()),
        (Boot(77), "10.0.0.2:7500", "n2")
    );
    assert_eq!(updated.epoch(), Epoch(3));
    let again = updated.apply(&Command::UpdateNode(update.clone())).expect("a repeat");
    assert!(again.repeated && again.catalog.epoch() == Epoch(3));
    let stranger = NodeUpdate { node: NodeId(9), ..update };
    assert_eq!(reject(&updated, &Command::UpdateNode(stranger)), Rejection::NoSuchNode { node: NodeId(9) });
}

#[test]
fn a_replica_from_before_an_accepted_loss_is_refused() {
    let catalog = founded(2);
    let update = |incarnation| {
        let known = catalog.node(NodeId(2)).expect("a member");
        Command::UpdateNode(NodeUpdate {
            node: NodeId(2),
            boot: Boot(77),
            http_address: known.http_address.clone(),
            peer_address: known.peer_address.clone(),
            incarnation,
            accepted: None,
        })
    };
    let later = accept(&catalog, &update(Some(3)));
    assert_eq!(later.node(NodeId(2)).expect("a member").incarnation, 3);
    let refused = Rejection::EarlierIncarnation { node: catalog.called(NodeId(2)), told: 2, counts: 3 };
    assert_eq!(reject(&later, &update(Some(2))), refused);
    let same = accept(&later, &update(None));
    assert_eq!(same.node(NodeId(2)).expect("a member").incarnation, 3, "who says nothing changes nothing");
}

#[test]
fn a_node_that_counts_as_another_replica_has_other_copies_of_its_shards() {
    let before = accept(&founded(4), &Command::CreateTable(NewTable { n: 2, shards: 16, ..table("users") }));
    let named = |catalog: &Catalog| -> Vec<Shard> {
        catalog.tables().flat_map(|entry| entry.shards().iter().cloned().collect::<Vec<_>>()).collect()
    };
    let made = named(&before)[0].epoch;
    assert!(named(&before).iter().all(|shard| shard.owners.iter().all(|owner| owner.since == made)));
    let known = before.node(NodeId(2)).expect("a member");
    let update = |boot, incarnation| {
        Command::UpdateNode(NodeUpdate {
            node: NodeId(2),
            boot: Boot(boot),
            http_address: known.http_address.clone(),
            peer_address: known.peer_address.clone(),
            incarnation,
            accepted: None,
        })
    };
    let restarted = accept(&before, &update(77, None));
    assert_eq!(named(&restarted), named(&before), "a start changes no copy");
    let after = accept(&restarted, &update(78, Some(2)));
    for (old, new) in named(&before).iter().zip(named(&after)) {
        if !old.is_owned_by(NodeId(2)) {
            assert_eq!(*old, new);
            continue;
        }
        assert_eq!(new.epoch, after.epoch());
        for (was, is) in old.owners.iter().zip(&new.owners) {
            let since = if is.node == NodeId(2) { after.epoch() } else { was.since };
            assert_eq!(*is, Owner { node: was.node, since });
        }
    }
    assert!(named(&after).iter().any(|shard| shard.is_owned_by(NodeId(2))));
    assert!(named(&after).iter().any(|shard| !shard.is_owned_by(NodeId(2))));
    assert_eq!(Catalog::decode(&after.encode()).expect("sound"), after);
}

/// A node says that it is this replica, and that it went on after a loss.
fn went_on(catalog: &Catalog, id: u64, incarnation: u32, accepted: Option<u64>) -> Catalog {
    let known = catalog.node(NodeId(id)).expect("a member");
    accept(
        catalog,
        &Command::Announce(NodeUpdate {
            node: known.id,
            boot: Boot(1_000 * id + u64::from(incarnation)),
            http_address: known.http_address.clone(),
            peer_address: known.peer_address.clone(),
            incarnation: Some(incarnation),
            accepted: accepted.map(WallTime),
        }),
    )
}

fn losses_of(catalog: &Catalog, name: &str) -> Vec<AcceptedLoss> {
    catalog.table(name).expect("there").losses()
}

#[test]
fn an_accepted_loss_stays_with_each_shard_of_its_node_until_the_table_is_dropped() {
    let users = NewTable { n: 2, shards: 16, ..table("users") };
    let before = accept(&founded(4), &Command::CreateTable(users.clone()));
    assert_eq!(losses_of(&went_on(&before, 2, 2, None), "users"), [], "it filled itself from other owners");
    let after = went_on(&before, 2, 2, Some(7));
    let loss = AcceptedLoss { node: NodeId(2), since: after.epoch(), at: Some(WallTime(7)) };
    for (old, new) in
        before.table("users").expect("made").shards.iter().zip(&after.table("users").expect("made").shards)
    {
        let lost: Vec<_> = new.losses.iter().copied().collect();
        let expected: &[AcceptedLoss] = if old.is_owned_by(NodeId(2)) { &[loss] } else { &[] };
        assert_eq!((lost.as_slice(), new.epoch == after.epoch()), (expected, !expected.is_empty()));
    }
    assert_eq!(Catalog::decode(&after.encode()), Ok(after.clone()), "a snapshot keeps it");
    assert_eq!(
        went_on(&after, 2, 2, Some(9)).table("users"),
        after.table("users"),
        "a start is no other loss"
    );
    let again = went_on(&went_on(&after, 1, 2, Some(8)), 2, 3, Some(9));
    let nodes: Vec<_> = losses_of(&again, "users").iter().map(|loss| (loss.node.0, loss.at)).collect();
    assert_eq!(nodes, [(1, Some(WallTime(8))), (2, Some(WallTime(9)))], "the last one of each node");
    let id = again.table("users").expect("made").id;
    let os = TableChange { durability: Some(Durability::Os), ..TableChange::of(id) };
    let altered = accept(&again, &Command::AlterTable(os));
    assert_eq!(losses_of(&went_on(&altered, 2, 4, None), "users").len(), 2, "whatever happens to it since");
    let dropped = accept(&altered, &Command::DropTable { table: id });
    let made = accept(&dropped, &Command::CreateTable(NewTable { request: RequestId(99), ..users }));
    assert_eq!(losses_of(&made, "users"), [], "a new table has lost nothing");
}

#[test]
fn a_loss_that_was_accepted_below_level_2_is_known_from_that_level_on() {
    let first = Found { cluster: ClusterId(1), name: "c".to_owned(), node: node(1), level: None };
    let mut catalog = accept(&Catalog::empty(), &Command::Found(first));
    catalog = accept(&catalog, &Command::AddNode(node(2)));
    catalog = accept(&catalog, &Command::CreateTable(NewTable { n: 1, shards: 8, ..table("users") }));
    catalog = went_on(&catalog, 2, 2, Some(7));
    assert_eq!(losses_of(&catalog, "users"), [], "an earlier version would not keep it");
    catalog = accept(&catalog, &Command::Enable { level: 2 });
    let loss = AcceptedLoss { node: NodeId(2), since: catalog.epoch(), at: None };
    assert_eq!(losses_of(&catalog, "users"), [loss]);
    assert_eq!(Catalog::decode(&catalog.encode()), Ok(catalog));
}

#[test]
fn no_two_members_are_reached_at_one_address() {
    let catalog = founded(2);
    let taken = |what: &str, address: String| Rejection::AddressTaken {
        what: what.to_owned(),
        address,
        node: catalog.called(NodeId(1)),
    };
    let same_peer = NewNode { peer_address: node(1).peer_address, ..node(3) };
    let rejection = reject(&catalog, &Command::AddNode(same_peer));
    assert_eq!(rejection, taken("peer", node(1).peer_address));
    let moved = NodeUpdate {
        node: NodeId(2),
        boot: Boot(77),
        http_address: node(1).http_address,
        peer_address: node(2).peer_address,
        incarnation: None,
        accepted: None,
    };
    let rejection = reject(&catalog, &Command::UpdateNode(moved.clone()));
    assert_eq!(rejection, taken("http", node(1).http_address));
    let stays = NodeUpdate { http_address: node(2).http_address, ..moved };
    assert_eq!(accept(&catalog, &Command::UpdateNode(stays)).epoch(), Epoch(3));
}

fn announced(catalog: &Catalog, number: u64, at: u64) -> Catalog {
    let update = NodeUpdate {
        node: NodeId(number),
        boot: Boot(100 + number),
        http_address: node(at).http_address,
        peer_address: node(at).peer_address,
        incarnation: None,
        accepted: None,
    };
    accept(catalog, &Command::Announce(update))
}

fn peer_addresses(catalog: &Catalog) -> Vec<String> {
    catalog.nodes().map(|node| node.peer_address.clone()).collect()
}

#[test]
fn members_that_return_with_each_others_addresses_all_get_them_in_any_order() {
    // n1 is where n2 was, n2 where n3 was, n3 where n1 was.
    let moves = [(1, 2), (2, 3), (3, 1)];
    let wanted: Vec<_> = moves.iter().map(|(_, at)| node(*at).peer_address).collect();
    for first in 0..3 {
        for second in (0..3).filter(|second| *second != first) {
            let mut catalog = founded(3);
            for (who, at) in [moves[first], moves[second], moves[3 - first - second]] {
                catalog = announced(&catalog, who, at);
            }
            assert_eq!(peer_addresses(&catalog), wanted, "n{} first, then n{}", first + 1, second + 1);
        }
    }
}

#[test]
fn a_member_that_loses_an_address_has_none_until_it_says_where_it_is() {
    let catalog = announced(&founded(3), 1, 2);
    let moved = [node(2).peer_address, String::new(), node(3).peer_address];
    assert_eq!(peer_addresses(&catalog), moved);
    assert_eq!(catalog.node(NodeId(2)).expect("still a member").http_address, "");
    assert_eq!(Catalog::decode(&catalog.encode()), Ok(catalog.clone()), "a snapshot keeps it");
    let back = announced(&catalog, 2, 2);
    assert_eq!(peer_addresses(&back), [String::new(), node(2).peer_address, node(3).peer_address]);
}

#[test]
fn a_new_node_at_the_address_of_a_dead_member_joins_and_the_dead_one_no_longer_has_it() {
    let catalog = founded(3);
    let anew = NewNode { http_address: node(3).http_address, peer_address: node(3).peer_address, ..node(4) };
    let joined = accept(&catalog, &Command::Admit(anew.clone()));
    let wanted = [node(1).peer_address, node(2).peer_address, String::new(), node(3).peer_address];
    assert_eq!(peer_addresses(&joined), wanted);
    let again = joined.apply(&Command::Admit(anew)).expect("a repeat");
    assert!(again.repeated && again.catalog == joined);
}

#[test]
fn the_last_voter_stays_one() {
    let catalog = founded(2);
    let vote = |node, voter| Command::SetVoter { node: NodeId(node), voter };
    assert_eq!(reject(&catalog, &vote(1, false)), Rejection::LastVoter { node: catalog.called(NodeId(1)) });
    let both = accept(&catalog, &vote(2, true));
    assert_eq!(both.voters().count(), 2);
    assert!(both.apply(&vote(2, true)).expect("a repeat").repeated);
    let one = accept(&both, &vote(1, false));
    assert_eq!(one.voters().map(|node| node.id).collect::<Vec<_>>(), [NodeId(2)]);
    assert_eq!(reject(&one, &vote(9, true)), Rejection::NoSuchNode { node: NodeId(9) });
}

#[test]
fn bad_nodes_are_rejected_with_a_way_out() {
    let catalog = founded(2);
    let cases = [
        (NewNode { name: "a b".to_owned(), ..node(3) }, "use 1 to 64 of the characters"),
        (NewNode { zone: String::new(), ..node(3) }, "zone name"),
        (NewNode { name: "n1".to_owned(), ..node(3) }, "choose another --name"),
        (NewNode { http_address: "nowhere".to_owned(), ..node(3) }, "http address"),
        (NewNode { peer_address: ":1".to_owned(), ..node(3) }, "peer address"),
        (NewNode { weight: minicbor::decode(&[0]).expect("a number"), ..node(3) }, "use 0.01 to 100"),
        (
            NewNode { weight: minicbor::decode(&[0x1a, 0, 1, 0x86, 0xa1]).expect("a number"), ..node(3) },
            "use 0.01",
        ),
    ];
    for (node, words) in cases {
        let rejection = reject(&catalog, &Command::AddNode(node)).to_string();
        assert!(rejection.contains(words), "{rejection}");
    }
}

#[test]
fn a_new_table_has_equal_shards_and_n_owners_each() {
    let catalog = founded(5);
    let applied = catalog.apply(&Command::CreateTable(table("users"))).expect("accepted");
    assert_eq!(applied.created, Some(Created::Table(TableId(1))));
    let catalog = applied.catalog;
    let users = catalog.table("users").expect("made");
    assert_eq!((users.n, users.shards().len(), users.epoch()), (3, 64, Epoch(6)));
    for (at, shard) in users.shards().iter().enumerate() {
        assert_eq!(shard.position(Sharding::Hash), Token((at as u64) << 58));
        assert_eq!((shard.epoch, shard.owners.len()), (Epoch(6), 3));
    }
}

/// A range table whose shards begin at these keys, but for the first.
fn range(name: &str, split_at: &[&'static str]) -> NewRange {
    let (sharding, shards) = (Sharding::Range, split_at.len() as u32 + 1);
    let split_at = split_at.iter().map(|key| Key::new(key.as_bytes())).collect();
    NewRange { table: NewTable { sharding, shards, ..table(name) }, split_at }
}

#[test]
fn a_range_table_has_the_shards_between_its_keys() {
    let catalog = accept(&founded(5), &Command::CreateRange(range("log", &["g", "p"])));
    let table = catalog.table("log").expect("made");
    let starts: Vec<_> = table.shards().iter().map(|shard| shard.interval.start.to_string()).collect();
    assert_eq!(starts, ["", "g", "p"]);
    let index = |key: &'static str| table.shard_of(&Key::new(key.as_bytes())).id.index;
    assert_eq!(["", "a", "g", "gg", "o", "p", "z"].map(index), [0, 0, 1, 1, 1, 2, 2]);
    assert!(table.shards().iter().all(|shard| shard.owners.len() == 3));
    let again = Catalog::decode(&catalog.encode()).expect("a snapshot");
    assert_eq!(again, catalog);
    let one = accept(&catalog, &Command::CreateRange(range("one", &[])));
    assert_eq!(one.table("one").expect("made").shards().len(), 1);
}

#[test]
fn bad_splits_are_rejected_with_a_way_out() {
    let catalog = founded(3);
    let uncounted = |range: NewRange| NewRange { table: NewTable { shards: 4, ..range.table }, ..range };
    let cases = [
        (range("log", &["b", "a"]), "ascending"),
        (range("log", &["a", "a"]), "ascending"),
        (range("log", &["", "a"]), "empty"),
        (range("log", &["a"; RANGE_SHARDS_MAX]), "at most 1023"),
        (uncounted(range("log", &["a"])), "one shard more"),
    ];
    for (new, words) in cases {
        let rejection = reject(&catalog, &Command::CreateRange(new)).to_string();
        assert!(rejection.contains(words), "{rejection}");
    }
}

#[test]
fn bad_tables_are_rejected_with_a_way_out() {
    let catalog = accept(&founded(3), &Command::CreateTable(table("users")));
    let new = || table("carts");
    let cases = [
        (NewTable { name: "Users".to_owned(), ..new() }, "use 1 to 64 of the characters a-z"),
        (NewTable { name: "__quorate_x".to_owned(), ..new() }, "reserved"),
        (NewTable { name: "users".to_owned(), ..new() }, "exists already"),
        (NewTable { name: "other".to_owned(), ..table("users") }, "draw a new one"),
        (NewTable { sharding: Sharding::Range, ..new() }, "or sharding hash"),
        (NewTable { n: 0, ..new() }, "use 1 to 15"),
        (NewTable { n: 16, ..new() }, "use 1 to 15"),
        (NewTable { n: 4, ..new() }, "needs 4 nodes and the cluster has 3"),
        (NewTable { r: Level::Count(4), ..new() }, "r = 4 is out of range for n = 3"),
        (NewTable { w: Level::Count(0), ..new() }, "w = 0 is out of range"),
        (NewTable { shards: 0, ..new() }, "power of two"),
        (NewTable { shards: 48, ..new() }, "power of two"),
        (NewTable { shards: 32_768, ..new() }, "from 1 to 16384"),
        (NewTable { shards: u32::MAX, ..new() }, "power of two"),
        (NewTable { ttl_ms: Some(0), ..new() }, "ttl of 0 ms"),
        (NewTable { ttl_ms: Some(u64::MAX), ..new() }, "100 years"),
    ];
    for (table, words) in cases {
        let rejection = reject(&catalog, &Command::CreateTable(table)).to_string();
        assert!(rejection.contains(words), "{rejection}");
    }
}

#[test]
fn the_limits_of_a_cluster_hold() {
    let mut catalog = founded(1);
    let small = |number: u32| NewTable { n: 1, shards: 1, ..table(&format!("t{number}")) };
    for number in 0..TABLES_MAX {
        catalog = accept(&catalog, &Command::CreateTable(small(number)));
    }
    let one_more = reject(&catalog, &Command::CreateTable(small(TABLES_MAX)));
    assert_eq!(one_more, Rejection::TooManyTables { limit: TABLES_MAX });
    let mut full = founded(1);
    let large = |number: u32| NewTable { n: 1, shards: SHARDS_PER_TABLE_MAX, ..table(&format!("t{number}")) };
    for number in 0..SHARDS_MAX / SHARDS_PER_TABLE_MAX {
        full = accept(&full, &Command::CreateTable(large(number)));
    }
    let rejected = reject(&full, &Command::CreateTable(small(SHARDS_MAX)));
    assert_eq!(rejected, Rejection::TooManyShards { asked: 1, now: SHARDS_MAX, limit: SHARDS_MAX });
    catalog.next_table = TableId(u32::MAX);
    let dropped = accept(&catalog, &Command::DropTable { table: TableId(1) });
    let last = reject(&dropped, &Command::CreateTable(small(TABLES_MAX)));
    assert!(last.to_string().contains("never reused"), "{last}");
    catalog.next_node = NodeId(u64::MAX);
    let last = reject(&catalog, &Command::AddNode(node(2)));
    assert!(last.to_string().contains("last node id"), "{last}");
    let members = (0..u64::from(NODES_MAX)).map(|id| {
        let node = Node::sample(NodeId(id), "z", Weight::ONE);
        (node.id, Arc::new(Node { request: RequestId(u128::from(id) + 1_000_000), ..node }))
    });
    catalog.nodes = Arc::new(members.collect());
    let new = NewNode { name: "one-more".to_owned(), ..node(2) };
    assert_eq!(reject(&catalog, &Command::AddNode(new)), Rejection::TooManyNodes { limit: NODES_MAX });
}

#[test]
fn a_repeated_create_finds_its_table() {
    let catalog = accept(&founded(3), &Command::CreateTable(table("users")));
    let again = catalog.apply(&Command::CreateTable(table("users"))).expect("a repeat");
    assert_eq!((again.created, again.repeated), (Some(Created::Table(TableId(1))), true));
    assert_eq!(again.catalog, catalog);
}

#[test]
fn an_altered_table_keeps_its_shards_and_their_epochs_unless_they_promise_otherwise() {
    let before = accept(&founded(3), &Command::CreateTable(table("users")));
    let change = TableChange {
        r: Some(Level::One),
        durability: Some(Durability::Os),
        ttl: Some(TtlChange::After(5)),
        w: Some(Level::Quorum),
        n: Some(3),
        ..TableChange::of(TableId(1))
    };
    let after = accept(&before, &Command::AlterTable(change));
    let (old, new) = (before.table("users").expect("made"), after.table("users").expect("still there"));
    assert_eq!(
        (new.r, new.durability, new.ttl_ms, new.w),
        (Level::One, Durability::Os, Some(5), Level::Quorum)
    );
    assert_eq!(old.r, Level::Quorum, "the older catalog is untouched");
    for (before, after) in old.shards.iter().zip(new.shards.iter()) {
        let same =
            (before.id, &before.interval, &before.owners) == (after.id, &after.interval, &after.owners);
        assert!(same, "the same shards with the same owners");
        assert_eq!((before.epoch, after.epoch), (Epoch(4), Epoch(5)), "of another epoch");
    }
    let never = TableChange { ttl: Some(TtlChange::Never), ..TableChange::of(TableId(1)) };
    let last = accept(&after, &Command::AlterTable(never));
    let last = last.table("users").expect("there");
    assert_eq!(last.ttl_ms, None);
    assert!(
        new.shards.pieces_beside(&last.shards) == 0,
        "durability stays: shards are shared, and keep their epochs"
    );
}

#[test]
fn a_table_has_a_size_of_its_own_for_its_shards_from_level_5_on() {
    let first = Found { cluster: ClusterId(1), name: "c".to_owned(), node: node(1), level: Some(4) };
    let old = accept(&Catalog::empty(), &Command::Found(first));
    let sized = |bytes: u64| NewTable { n: 1, shard_bytes_max: Some(bytes), ..table("users") };
    let create = Command::CreateTable(sized(1 << 20));
    assert_eq!(reject(&old, &create), Rejection::ShardBytesNotEnabled { level: 4 });
    assert_eq!((create.since(), Command::CreateTable(table("users")).since()), (Protocol(6), Protocol(1)));
    let enabled = accept(&old, &Command::Enable { level: 5 });
    let small = Command::CreateTable(sized(65_535));
    assert_eq!(reject(&enabled, &small), Rejection::ShardBytesOutOfRange { bytes: 65_535 });
    let made = accept(&enabled, &create);
    let size = |catalog: &Catalog| {
        let again = Catalog::decode(&catalog.encode()).expect("sound");
        assert_eq!(again.encode()[0], 5, "an earlier version does not read it");
        again.table("users").expect("there").shard_bytes_max
    };
    assert_eq!(size(&made), Some(1 << 20));
    let change = TableChange { shard_bytes_max: Some(0), ..TableChange::of(TableId(1)) };
    assert_eq!(size(&accept(&made, &Command::AlterTable(change))), None, "as nodes are configured");
}

#[test]
fn what_cannot_be_altered_is_rejected_with_its_reason() {
    let catalog = accept(&founded(3), &Command::CreateTable(table("users")));
    let of = || TableChange::of(TableId(1));
    let cases = [
        (TableChange { w: Some(Level::One), ..of() }, "write promise and cannot be altered (it is quorum)"),
        (TableChange { n: Some(5), ..of() }, "needs 5 nodes and the cluster has 3"),
        (TableChange { n: Some(1), ..of() }, "n cannot be altered in place (it is 3)"),
        (TableChange { r: Some(Level::Count(4)), ..of() }, "r = 4 is out of range for n = 3"),
        (TableChange { ttl: Some(TtlChange::After(0)), ..of() }, "ttl of 0 ms"),
        (TableChange::of(TableId(2)), "there is no table t2"),
    ];
    for (change, words) in cases {
        let rejection = reject(&catalog, &Command::AlterTable(change)).to_string();
        assert!(rejection.contains(words), "{rejection}");
    }
}

#[test]
fn a_dropped_table_is_gone_and_its_id_is_not_used_again() {
    let catalog = accept(&founded(3), &Command::CreateTable(table("users")));
    let dropped = accept(&catalog, &Command::DropTable { table: TableId(1) });
    assert_eq!(dropped.table("users"), None);
    assert_eq!(dropped.layout(NodeId(1)).tables.len(), 0);
    assert_eq!(
        reject(&dropped, &Command::DropTable { table: TableId(1) }),
        Rejection::NoSuchTable { table: TableId(1) }
    );
    assert!(dropped.is_dropped(TableId(1)) && !catalog.is_dropped(TableId(1)));
    assert!(!dropped.is_dropped(TableId(2)), "not heard of yet is not dropped");
    let again = accept(&dropped, &Command::CreateTable(table("users")));
    assert_eq!(again.table("users").expect("made again").id, TableId(2));
}

#[test]
fn successive_catalogs_share_what_did_not_change() {
    let users = accept(&founded(5), &Command::CreateTable(table("users")));
    let both = accept(&users, &Command::CreateTable(table("carts")));
    assert!(Arc::ptr_eq(&users.nodes, &both.nodes));
    assert!(Arc::ptr_eq(users.table("users").expect("made"), both.table("users").expect("shared")));
    let joined = accept(&both, &Command::AddNode(node(6)));
    assert!(Arc::ptr_eq(&joined.tables, &both.tables));
    assert!(Arc::ptr_eq(joined.node(NodeId(3)).expect("a member"), both.node(NodeId(3)).expect("a member")));
}

/// The promise on which the data path stands: every token has exactly n nodes that admit it, and they are those that
/// a plan names.
#[test]
fn every_token_is_admitted_by_exactly_n_nodes() {
    let small = NewTable { n: 2, shards: 4, ..table("small") };
    let catalog = accept(&founded(7), &Command::CreateTable(table("users")));
    let catalog = accept(&catalog, &Command::CreateTable(small));
    let layouts: Vec<_> = catalog.nodes().map(|node| (node.id, catalog.layout(node.id))).collect();
    let edges = (0..=64u64).flat_map(|at| [(at % 64) << 58, ((at % 64) << 58).wrapping_sub(1)]);
    let inside = (0..2_000u64).map(|at| Token::of(&at.to_be_bytes()).0);
    for (token, entry) in
        edges.chain(inside).flat_map(|token| catalog.tables().map(move |entry| (token, entry)))
    {
        let sort_key = SortKey::at_token(Token(token));
        let shard = entry.shard_at(&sort_key);
        let at = Place { table: entry.id, epoch: shard.epoch, sort_key };
        let admitting: Vec<_> =
            layouts.iter().filter(|(_, layout)| layout.admit(&at).is_ok()).map(|(node, _)| *node).collect();
        let mut owners: Vec<NodeId> = shard.owner_nodes().collect();
        owners.sort_unstable();
        assert_eq!(admitting, owners, "token {token:016x} of {}", entry.name);
        assert_eq!(owners.len(), usize::from(entry.n));
    }
    let sort_key = SortKey::hashed(&Key::new(&b"k"[..]));
    let stranger = catalog.layout(NodeId(99));
    let epoch = catalog.table("users").expect("made").shard_at(&sort_key).epoch;
    assert_eq!(stranger.admit(&Place { table: TableId(1), epoch, sort_key }), Err(Refusal::NotOwner));
}

/// The log is replayed by later versions: the bytes of a command never change their meaning.
#[test]
fn golden_commands_never_change() {
    let hex = |command: &Command| {
        command.encode().iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat()
    };
    let golden = [
        (Command::SetVoter { node: NodeId(2), voter: true }, "0182038202f5"),
        (Command::DropTable { table: TableId(7) }, "0182068107"),
        (
            Command::CreateTable(NewTable::hash("t", RequestId(1))),
            concat!(
                "018204818a5000000000000000000000000000000001617482008003820180820180820080820180",
                "f61840"
            ),
        ),
        (
            Command::AddNode(node(2)),
            concat!(
                "01820181875000000000000000000000000000000002626e32667a6f6e652d321903e86e3132372e",
                "302e302e313a373430326f3132372e302e302e313a313734303202"
            ),
        ),
    ];
    let planned = golden_plans();
    for (command, bytes) in golden.into_iter().chain(planned).chain(access::golden()) {
        assert_eq!(hex(&command), bytes);
        assert_eq!(Command::decode(&command.encode()), Ok(command));
    }
}

fn golden_plans() -> Vec<(Command, &'static str)> {
    let (job, shard) = (RequestId(1), quorate_model::ShardId { table: TableId(7), index: 3 });
    let moves = vec![Move { shard, epoch: Epoch(8), wanted: vec![NodeId(1), NodeId(2)] }];
    let begin = Begin {
        id: job,
        base: Epoch(9),
        kind: JobKind::Copies,
        changes: vec![
            Change::Weight { node: NodeId(2), weight: Weight::ONE },
            Change::Drain { node: NodeId(3), drained: true },
            Change::Leave { node: NodeId(4) },
            Change::Copies { table: TableId(7), n: 2, r: Some(Level::One), w: None },
        ],
        moves: moves.clone(),
        parts: 2,
        dead: vec![NodeId(5)],
        accepted: vec![NodeId(6)],
        bytes_total: 10,
    };
    let advance = Advance {
        job,
        start: vec![shard],
        finish: vec![(shard, Epoch(4))],
        revert: vec![(shard, Epoch(5))],
        relied: vec![(NodeId(1), 2)],
    };
    let interval =
        quorate_model::Interval { start: SortKey::new(&b"a"[..]), end: Some(SortKey::new(&b"m"[..])) };
    let cut = Cut { seen: Seen { shard, epoch: Epoch(8), interval }, at: SortKey::new(&b"c"[..]) };
    vec![
        (
            Command::Begin(begin),
            concat!(
                "01820c81895000000000000000000000000000000001090484820082021903e882018203f5820281",
                "04820383070282008081838207030882010202810581060a"
            ),
        ),
        (
            Command::Extend(Extend { job, part: 1, moves }),
            "01820d8183500000000000000000000000000000000101818382070308820102",
        ),
        (
            Command::Advance(advance),
            concat!(
                "01820e81855000000000000000000000000000000001818207038182820703048182820703058182",
                "0102"
            ),
        ),
        (Command::SetJob { job, to: Order::Abort }, "01820f82500000000000000000000000000000000102"),
        (Command::RemoveNode { node: NodeId(4) }, "0182108104"),
        (Command::Forget { job }, "018211815000000000000000000000000000000001"),
        (
            Command::Recover(Recover { request: job, lost: vec![NodeId(2)], by: NodeId(1), at: WallTime(7) }),
            "0182128184500000000000000000000000000000000181020107",
        ),
        (
            Command::Split(Split { table: TableId(7), cuts: vec![cut.clone()] }),
            "01821381820781828382070308824161416d4163",
        ),
        (
            Command::Merge(Merge {
                table: TableId(7),
                pairs: vec![Pair { left: cut.seen.clone(), right: cut.seen }],
            }),
            "01821481820781828382070308824161416d8382070308824161416d",
        ),
    ]
}

#[test]
fn bytes_that_are_no_command_are_an_error() {
    let mut trailing = Command::DropTable { table: TableId(7) }.encode();
    trailing.push(0);
    for bytes in [&[][..], &[9, 0x80], &[1], &[1, 0x82, 0x18, 0x63, 0x80], &trailing] {
        assert!(Command::decode(bytes).is_err(), "{bytes:02x?}");
    }
}

fn any_level() -> impl Strategy<Value = Level> {
    prop_oneof![Just(Level::One), Just(Level::Quorum), Just(Level::All), (0u8..6).prop_map(Level::Count)]
}

fn any_command() -> impl Strategy<Value = Command> {
    let small = 0u64..8;
    let new_node = (small.clone(), small.clone(), 0u64..4).prop_map(|(request, name, zone)| NewNode {
        request: RequestId(u128::from(request)),
        zone: format!("zone-{zone}"),
        ..node(name)
    });
    let new_table = (0u64..6, 0u64..6, 0u8..5, any_level(), any_level(), 0u32..20)
        .prop_map(|(request, name, n, r, w, shards)| NewTable {
            n,
            r,
            w,
            shards,
            ..NewTable::hash(format!("t{name}"), RequestId(u128::from(request)))
        })
        .boxed();
    let durability = prop_oneof![Just(None), Just(Some(Durability::Os)), Just(Some(Durability::Sync))];
    let change = (0u32..6, prop::option::of(any_level()), prop::option::of(0u64..3), durability).prop_map(
        |(table, r, ttl, durability)| TableChange {
            r,
            durability,
            ttl: ttl.map(TtlChange::After),
            ..TableChange::of(TableId(table))
        },
    );
    let update = (small.clone(), 0u64..3).prop_map(|(number, boot)| NodeUpdate {
        node: NodeId(number),
        boot: Boot(boot),
        http_address: format!("h:{}", boot * 30_000),
        peer_address: "p:1".to_owned(),
        incarnation: (boot > 0).then_some(boot as u32),
        accepted: (boot > 1).then_some(WallTime(boot)),
    });
    prop_oneof![
        1 => new_node.clone().prop_map(|node| Command::Found(Found {
            cluster: ClusterId(1), name: "c".to_owned(), node, level: None
        })),
        2 => new_node.clone().prop_map(Command::AddNode),
        2 => new_node.prop_map(Command::Admit),
        1 => update.clone().prop_map(Command::UpdateNode),
        1 => update.prop_map(Command::Announce),
        2 => (small, any::<bool>()).prop_map(|(node, voter)| Command::SetVoter { node: NodeId(node), voter }),
        4 => new_table.clone().prop_map(Command::CreateTable),
        2 => (new_table, prop::collection::vec("[a-c]{0,2}", 0..4)).prop_map(|(table, mut keys)| {
            keys.sort();
            let split_at: Vec<Key> = keys.into_iter().map(Key::new).collect();
            let (sharding, shards) = (Sharding::Range, split_at.len() as u32 + 1);
            Command::CreateRange(NewRange { table: NewTable { sharding, shards, ..table }, split_at })
        }),
        2 => change.prop_map(Command::AlterTable),
        1 => (0u32..6).prop_map(|table| Command::DropTable { table: TableId(table) }),
        1 => (0u32..6, 4u64..40).prop_map(|(table, since)| {
            Command::Closed { table: TableId(table), since: Epoch(since) }
        }),
        1 => (0u32..5).prop_map(|level| Command::Enable { level }),
        2 => (0u128..4, 4u64..20, 0u64..8, any::<bool>()).prop_map(|(id, base, node, leaves)| {
            let node = NodeId(node);
            let change = if leaves { Change::Leave { node } } else { Change::Drain { node, drained: true } };
            Command::Begin(Begin {
                id: RequestId(id),
                base: Epoch(base),
                kind: JobKind::Remove,
                changes: vec![change],
                moves: Vec::new(),
                parts: u32::from(leaves) + 1,
                dead: Vec::new(),
                accepted: Vec::new(),
                bytes_total: 0,
            })
        }),
        1 => (0u128..4).prop_map(|job| {
            Command::Extend(Extend { job: RequestId(job), part: 1, moves: Vec::new() })
        }),
        1 => (0u128..4, 0usize..3).prop_map(|(job, to)| Command::SetJob {
            job: RequestId(job), to: [Order::Pause, Order::Resume, Order::Abort][to]
        }),
        1 => (0u64..8).prop_map(|node| Command::RemoveNode { node: NodeId(node) }),
        1 => (0u128..4).prop_map(|job| Command::Forget { job: RequestId(job) }),
        1 => (0u128..4, 0u64..8, 0u64..8).prop_map(|(request, lost, by)| Command::Recover(Recover {
            request: RequestId(request), lost: vec![NodeId(lost)], by: NodeId(by), at: WallTime(7)
        })),
        4 => access::any_change(),
    ]
}

/// A table of 100,000 shards, made by hand: more than a new one may begin with.
fn with_large_table(catalog: &Catalog) -> Catalog {
    const SHARDS: u64 = 100_000;
    let catalog = accept(catalog, &Command::CreateTable(table("large")));
    let entry = catalog.table("large").expect("made");
    let shard = entry.shards.iter().next().expect("a shard").clone();
    let starts: Vec<SortKey> = std::iter::once(quorate_model::Interval::everything().start)
        .chain((1..SHARDS).map(|at| SortKey::at_token(Token(at * (u64::MAX / SHARDS)))))
        .collect();
    let shards = shard::intervals(&starts).zip(0..).map(|(interval, index)| Shard {
        id: quorate_model::ShardId { table: entry.id, index },
        interval,
        ..shard.clone()
    });
    catalog.with_shards(entry.id, shards.collect())
}

impl Catalog {
    /// The next catalog, in which a table has these shards.
    fn with_shards(&self, table: TableId, shards: quorate_model::Pieces<Shard>) -> Self {
        let mut next = Self { epoch: self.epoch.next(), ..self.clone() };
        let entry = TableEntry { shards, ..TableEntry::clone(self.table_by_id(table).expect("made")) };
        Arc::make_mut(&mut next.tables).insert(table, Arc::new(entry));
        next
    }
}

/// What a command costs does not grow with the shards that it leaves alone.
#[test]
fn a_change_of_some_shards_makes_a_few_pieces_of_a_layout_anew() {
    let catalog = with_large_table(&founded(3));
    let large = catalog.table("large").expect("made").clone();
    let mut layouts = Layouts::new(NodeId(1));
    let before = layouts.of(&Arc::new(catalog.clone()));
    assert_eq!(before.tables[&large.id].shards.len(), 100_000);
    let changed = [0u64, 1, 70_000, 99_999].map(|at| {
        let shard = large.shards().iter().nth(at as usize).expect("there").clone();
        Shard { epoch: catalog.epoch().next(), owners: shard.owners[1..].into(), ..shard }
    });
    let next = catalog.with_shards(large.id, large.shards.with(changed.clone()));
    let after = layouts.of(&Arc::new(next.clone()));
    assert_eq!(after, next.layout(NodeId(1)));
    let (shards, anew) = (&after.tables[&large.id].shards, &before.tables[&large.id].shards);
    assert_eq!(shards.pieces_beside(anew), 3, "two of four lie in one piece");
    for shard in &changed {
        let token = SortKey::clone(&shard.interval.start);
        assert_eq!(shards.at(&token).expect("there").epoch, next.epoch());
    }
    let joined = accept(&next, &Command::AddNode(node(4)));
    let shards = &layouts.of(&Arc::new(joined)).tables[&large.id].shards;
    assert_eq!(shards.pieces_beside(&after.tables[&large.id].shards), 0, "no shard has changed");
}

proptest! {
    /// A layout that is made from the one before is the one that is made from nothing, whatever happened in between.
    #[test]
    fn layouts_made_one_from_another_are_right(
        log in prop::collection::vec((any_command(), any::<bool>()), 0..40),
    ) {
        let mut catalog = founded(3);
        let mut layouts: Vec<Layouts> = (1..=4).map(|node| Layouts::new(NodeId(node))).collect();
        for (command, is_seen) in log {
            if let Ok(applied) = catalog.apply(&command) {
                catalog = applied.catalog;
            }
            if is_seen {
                let shared = Arc::new(catalog.clone());
                for layouts in &mut layouts {
                    prop_assert_eq!(layouts.of(&shared), catalog.layout(layouts.node()));
                }
            }
        }
    }

    /// Whatever the log holds, nodes that apply it agree, each accepted command is one epoch, and each catalog on
    /// the way passes every check that a snapshot has to pass.
    #[test]
    fn any_log_gives_sound_catalogs(log in prop::collection::vec(any_command(), 0..40)) {
        let mut catalog = founded(3);
        for command in log {
            let command_again = Command::decode(&command.encode()).expect("its own encoding");
            prop_assert_eq!(&command_again, &command);
            let result = catalog.apply(&command);
            prop_assert_eq!(&result, &catalog.apply(&command_again));
            match result {
                Ok(applied) if applied.repeated => prop_assert_eq!(&applied.catalog, &catalog),
                Ok(applied) => {
                    prop_assert_eq!(applied.catalog.epoch(), catalog.epoch().next());
                    prop_assert!(applied.catalog.next_node >= catalog.next_node);
                    prop_assert!(applied.catalog.next_table >= catalog.next_table);
                    catalog = applied.catalog;
                }
                Err(rejection) => prop_assert!(rejection.to_string().len() > 20),
            }
            prop_assert_eq!(Catalog::decode(&catalog.encode()), Ok(catalog.clone()));
            let mut peers: Vec<_> = catalog.nodes().map(|node| &node.peer_address).collect();
            peers.retain(|address| !address.is_empty());
            peers.sort();
            prop_assert!(peers.windows(2).all(|two| two[0] != two[1]), "one address, one member: {:?}", peers);
        }
    }

    /// A damaged snapshot is an error, or a catalog that is sound; never a panic.
    #[test]
    fn damaged_snapshots_do_no_harm(at in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<bool>()) {
        let small = NewTable { shards: 4, ..table("users") };
        let mut bytes = accept(&founded(3), &Command::CreateTable(small)).encode();
        let at = at.index(bytes.len());
        if cut {
            bytes.truncate(at);
            prop_assert!(Catalog::decode(&bytes).is_err());
        } else {
            bytes[at] = byte;
            if let Ok(catalog) = Catalog::decode(&bytes) {
                let _ = catalog.apply(&Command::CreateTable(NewTable { shards: 2, n: 1, ..table("more") }));
                prop_assert_eq!(Catalog::decode(&catalog.encode()), Ok(catalog));
            }
        }
    }

    #[test]
    fn arbitrary_bytes_do_no_harm(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = Command::decode(&[&[1], &bytes[..]].concat());
        let _ = Catalog::decode(&[&[1], &bytes[..]].concat());
    }
}
