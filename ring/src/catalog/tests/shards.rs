//! Shards that are split and merged.

use super::plans::{JOB, again, at_epochs, begin, begun, finish, id, shard, shards, start};
use super::*;
use crate::View;
use quorate_model::ShardId;

/// Five nodes, and a range table of three copies in one shard.
fn ranged() -> Catalog {
    accept(&founded(5), &Command::CreateRange(range("logs", &[])))
}

fn key(text: &str) -> SortKey {
    SortKey::new(text.as_bytes().to_vec())
}

fn cut(catalog: &Catalog, index: u32, at: SortKey) -> Command {
    let cut = Cut { seen: Seen::of(&shard(catalog, index)), at };
    Command::Split(Split { table: TableId(1), cuts: vec![cut] })
}

fn split(catalog: &Catalog, index: u32, at: &str) -> Catalog {
    accept(catalog, &cut(catalog, index, key(at)))
}

fn pair(catalog: &Catalog, left: u32, right: u32) -> Command {
    let seen = |index| Seen::of(&shard(catalog, index));
    Command::Merge(Merge { table: TableId(1), pairs: vec![Pair { left: seen(left), right: seen(right) }] })
}

fn merge(catalog: &Catalog, left: u32, right: u32) -> Catalog {
    accept(catalog, &pair(catalog, left, right))
}

/// The numbers of the table's shards, and where each begins.
fn starts(catalog: &Catalog) -> Vec<(u32, String)> {
    shards(catalog).iter().map(|shard| (shard.id.index, shard.interval.start.to_string())).collect()
}

fn says(catalog: &Catalog, command: &Command) -> String {
    reject(catalog, command).to_string()
}

#[test]
fn a_split_changes_neither_owners_nor_epochs() {
    let before = ranged();
    let one = shard(&before, 0);
    let command = cut(&before, 0, key("m"));
    let after = again(&accept(&before, &command));
    assert_eq!(starts(&after), [(0, String::new()), (1, "m".to_owned())]);
    for half in shards(&after) {
        assert_eq!((&half.owners, half.epoch, half.merged), (&one.owners, one.epoch, Epoch(0)));
    }
    let ends: Vec<_> = shards(&after).into_iter().map(|shard| shard.interval.end).collect();
    assert_eq!(ends, [Some(key("m")), None]);
    assert_eq!(after.topology(), before.topology(), "a plan stays what it is");
    assert!(after.apply(&command).expect("accepted").repeated, "a second copy finds the first one");
    for node in 1..=5 {
        let (old, new) = (before.layout(NodeId(node)), after.layout(NodeId(node)));
        for at in ["", "a", "m", "z"] {
            let place = Place { table: TableId(1), epoch: one.epoch, sort_key: key(at) };
            assert_eq!(old.admit(&place), new.admit(&place), "{at:?} on n{node}");
        }
    }
}

#[test]
fn what_changed_since_is_not_split() {
    let before = ranged();
    let late = cut(&before, 0, key("p"));
    let after = split(&before, 0, "m");
    assert_eq!(
        says(&after, &late),
        "shard logs/0 is not what it was when this was decided (then it holds the whole table at epoch 6; now it holds all up \
         to \"m\" at epoch 6): look at the table's shards again"
    );
    let gone = pair(&after, 0, 1);
    let one = merge(&after, 0, 1);
    assert!(one.apply(&gone).expect("accepted").repeated);
    let right = cut(&after, 1, key("p"));
    assert!(says(&one, &right).contains("there is no shard of this number now"));
}

#[test]
fn a_shard_is_cut_inside_only_and_a_hash_table_between_tokens() {
    let catalog = split(&split(&ranged(), 0, "m"), 1, "t");
    for (at, words) in [("m", "all from \"m\" up to \"t\""), ("t", "up to \"t\""), ("", "all from \"m\"")] {
        let said = says(&catalog, &cut(&catalog, 1, key(at)));
        assert!(
            said.contains(words) && said.contains("table \"logs\"") && said.contains("shard logs/1"),
            "{said}"
        );
    }
    let long = SortKey::new(vec![b'x'; quorate_model::key::KEY_BYTES_MAX + 1]);
    let said = says(&catalog, &cut(&catalog, 2, long));
    assert!(said.contains("no key is that long") && said.len() < 250, "{said}");
    let hashed = accept(&founded(3), &Command::CreateTable(NewTable { shards: 2, ..table("users") }));
    let inside = SortKey::at_token(Token(77));
    let (left, right) = (shard(&accept(&hashed, &cut(&hashed, 0, inside.clone())), 0), shard(&hashed, 1));
    assert_eq!((left.interval.end, right.position(Sharding::Hash)), (Some(inside), Token(1 << 63)));
    let within_a_token = SortKey::hashed(&Key::new(&b"k"[..]));
    let said =
        says(&hashed, &cut(&hashed, u32::from(within_a_token >= right.interval.start), within_a_token));
    assert!(said.contains("name a token, 16 hexadecimal digits"), "{said}");
    let none = Command::Split(Split { table: TableId(1), cuts: Vec::new() });
    assert!(says(&hashed, &none).contains("1 to 16 times"));
    let many = Cut { seen: Seen::of(&right), at: SortKey::at_token(Token(u64::MAX)) };
    let many = Command::Split(Split { table: TableId(1), cuts: vec![many; 17] });
    assert!(says(&hashed, &many).contains("this one 17 times"));
}

#[test]
fn several_are_split_by_one_command_or_none() {
    let catalog = split(&ranged(), 0, "m");
    let cuts = |second: &str| {
        let cut = |index, at: &str| Cut { seen: Seen::of(&shard(&catalog, index)), at: key(at) };
        Command::Split(Split { table: TableId(1), cuts: vec![cut(0, "c"), cut(1, second)] })
    };
    assert!(says(&catalog, &cuts("a")).contains("can't be split at \"a\""));
    let both = accept(&catalog, &cuts("t"));
    assert_eq!(both.epoch(), catalog.epoch().next());
    let expected = [(0, ""), (2, "c"), (1, "m"), (3, "t")];
    assert_eq!(starts(&both), expected.map(|(index, start)| (index, start.to_owned())));
}

#[test]
fn a_shard_that_waits_to_be_moved_is_split_with_its_wish_and_one_that_moves_is_not() {
    let planned = begun(&ranged(), &[0]);
    let wanted = planned.job(JOB).expect("it runs").pending[&id(0)].wanted.clone();
    let halves = again(&split(&planned, 0, "m"));
    let job = halves.job(JOB).expect("it runs");
    assert_eq!((job.total, job.pending.len()), (2, 2));
    assert!(job.pending.values().all(|wish| wish.wanted == wanted));
    let said = says(&halves, &pair(&halves, 0, 1));
    assert!(said.contains("shard logs/0 is to be moved by job"), "{said}");
    let moving = start(&halves, &[0, 1]);
    assert!(says(&moving, &cut(&moving, 1, key("t"))).contains("shard logs/1 moves now"));
    assert!(says(&moving, &pair(&moving, 0, 1)).contains("shard logs/0 moves now"));
    let arrived = finish(&finish(&moving, &[1]), &[0]);
    assert!(shards(&arrived).iter().all(|shard| shard.owner_nodes().eq(wanted.iter().copied())));
    assert_eq!(arrived.job(JOB).expect("kept").state, JobState::Done);
    merge(&arrived, 0, 1);
}

#[test]
fn while_a_plan_is_written_no_shard_changes_under_it() {
    let catalog = split(&ranged(), 0, "m");
    let gathering = accept(&catalog, &Command::Begin(Begin { parts: 2, ..begin(&catalog, Vec::new()) }));
    for command in [cut(&gathering, 0, key("c")), pair(&gathering, 0, 1)] {
        assert!(says(&gathering, &command).contains("is being written"));
    }
}

#[test]
fn neighbours_on_the_same_nodes_become_one_at_a_later_epoch() {
    let apart = split(&split(&ranged(), 0, "m"), 1, "t");
    assert_eq!(
        says(&apart, &pair(&apart, 0, 2)),
        "shards logs/0 and logs/2 are not neighbours in this order: name one and the next one"
    );
    assert!(says(&apart, &pair(&apart, 1, 0)).contains("not neighbours"));
    let merged = again(&merge(&apart, 0, 1));
    assert_eq!(starts(&merged), [(0, String::new()), (2, "t".to_owned())]);
    let (old, new) = (shard(&apart, 0), shard(&merged, 0));
    assert_eq!((new.epoch, new.merged, &new.owners), (merged.epoch(), merged.epoch(), &old.owners));
    let again = split(&merged, 0, "m");
    let numbers: Vec<u32> = starts(&again).into_iter().map(|(index, _)| index).collect();
    assert_eq!(numbers, [0, 3, 2], "no number comes twice");
    assert_eq!(shard(&again, 3).merged, merged.epoch());
    let moved = finish(&start(&begun(&again, &[3]), &[3]), &[3]);
    let said = says(&moved, &pair(&moved, 0, 3));
    assert!(said.contains("a merge moves nothing") && said.contains("n1"), "{said}");
}

#[test]
fn a_merged_copy_is_as_old_as_its_older_half_and_goes_by_a_name_of_its_own() {
    let apart = split(&ranged(), 0, "m");
    let there = finish(&start(&begun(&apart, &[1]), &[1]), &[1]);
    let gone = shard(&apart, 1).owners.last().expect("an owner").node;
    let old = accept(&there, &Command::Forget { job: JOB });
    let back = Move { wanted: shard(&apart, 1).owner_nodes().collect(), ..moved_to(&old, 1) };
    let back = accept(&old, &Command::Begin(begin(&old, vec![back])));
    let back = finish(&start(&back, &[1]), &[1]);
    let since = |catalog: &Catalog, index| {
        let shard = shard(catalog, index);
        shard.owners.iter().find(|owner| owner.node == gone).expect("an owner").since
    };
    assert!(since(&back, 1) > since(&back, 0), "its copy of this half is another one");
    let merged = merge(&back, 0, 1);
    assert_eq!(since(&merged, 0), since(&back, 0));
    let view = View::new(Arc::new(merged.clone()), crate::Liveness::all_alive());
    let plan = view.plan_at(merged.table("logs").expect("made"), key("z"), NodeId(1));
    assert!(plan.sets.iter().flatten().all(|owner| owner.since == merged.epoch()), "{:?}", plan.sets);
    let refused = quorate_model::Reply::Refused(Refusal::Stale { current: merged.epoch() });
    let place = Place { table: TableId(1), epoch: shard(&back, 1).epoch, sort_key: key("z") };
    let now = view.newer(&place, &refused).expect("it is newer");
    assert!(now.sets.iter().flatten().all(|owner| owner.since == merged.epoch()), "{now:?}");
}

fn moved_to(catalog: &Catalog, index: u32) -> Move {
    let shard = shard(catalog, index);
    Move { shard: shard.id, epoch: shard.epoch, wanted: Vec::new() }
}

#[test]
fn what_was_lost_of_either_half_is_lost_of_the_whole() {
    let apart = split(&ranged(), 0, "m");
    let owners: Vec<NodeId> = shard(&apart, 0).owner_nodes().collect();
    let one = went_on(&apart, owners[0].0, 2, Some(7));
    assert_eq!(shards(&split(&one, 0, "c")).iter().filter(|shard| !shard.losses.is_empty()).count(), 3);
    let later = went_on(&merge(&one, 0, 1), owners[1].0, 2, Some(9));
    let lost: Vec<NodeId> = shard(&later, 0).losses.iter().map(|loss| loss.node).collect();
    assert_eq!(lost, owners[..2]);
    let halves = split(&later, 0, "m");
    assert_eq!(shard(&merge(&halves, 0, 2), 0).losses, shard(&later, 0).losses, "none is counted twice");
}

#[test]
fn below_level_4_no_shard_changes() {
    let found = Found { cluster: ClusterId(7), name: "test".to_owned(), node: node(1), level: Some(3) };
    let mut old = accept(&Catalog::empty(), &Command::Found(found));
    for number in 2..=3 {
        old = accept(&old, &Command::AddNode(node(number)));
    }
    old = accept(&old, &Command::CreateRange(range("logs", &["m"])));
    assert_eq!(old.encode()[0], 3, "an earlier version reads it");
    for command in [cut(&old, 0, key("c")), pair(&old, 0, 1)] {
        assert_eq!(reject(&old, &command), ShardRejection::NotEnabled { level: 3 }.into());
        assert_eq!(command.since(), Protocol(5));
    }
    let enabled = again(&accept(&old, &Command::Enable { level: 4 }));
    assert_eq!((enabled.encode()[0], enabled.protocol()), (4, Protocol(5)));
    split(&enabled, 0, "c");
}

#[derive(Clone, Debug)]
enum Step {
    Split(prop::sample::Index, u8),
    Merge(prop::sample::Index),
    Move(prop::sample::Index),
    Seen,
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (any::<prop::sample::Index>(), any::<u8>()).prop_map(|(which, at)| Step::Split(which, at)),
        3 => any::<prop::sample::Index>().prop_map(Step::Merge),
        1 => any::<prop::sample::Index>().prop_map(Step::Move),
        2 => Just(Step::Seen),
    ]
}

proptest! {
    /// Whatever is split, merged and moved in between: the shards cover the space, no number comes twice, each key's owners
    /// stay unless they are moved, its epoch never falls, and layouts that are made one from another are right.
    #[test]
    fn shards_cover_the_space_whatever_becomes_of_them(steps in prop::collection::vec(any_step(), 0..40)) {
        let mut catalog = ranged();
        let mut layouts = Layouts::new(NodeId(1));
        let mut given: BTreeSet<ShardId> = shards(&catalog).iter().map(|shard| shard.id).collect();
        for step in steps {
            let all = shards(&catalog);
            let before = catalog.clone();
            let is_move = matches!(step, Step::Move(_));
            let command = match step {
                Step::Split(which, at) => cut(&catalog, which.get(&all).id.index, SortKey::new(vec![at])),
                Step::Merge(which) => {
                    let at = which.index(all.len());
                    let (Some(left), Some(right)) = (all.get(at), all.get(at + 1)) else { continue };
                    pair(&catalog, left.id.index, right.id.index)
                }
                Step::Move(which) => {
                    let index = which.get(&all).id.index;
                    let _ = catalog.apply(&Command::Forget { job: JOB }).map(|applied| catalog = applied.catalog);
                    catalog = start(&begun(&catalog, &[index]), &[index]);
                    let finish = at_epochs(&catalog, &[index]);
                    Command::Advance(Advance { finish, ..Advance::of(JOB) })
                }
                Step::Seen => {
                    let shared = Arc::new(catalog.clone());
                    prop_assert_eq!(layouts.of(&shared), catalog.layout(NodeId(1)));
                    continue;
                }
            };
            let Ok(applied) = catalog.apply(&command) else { continue };
            catalog = applied.catalog;
            again(&catalog);
            let now = shards(&catalog);
            let mut end = Some(SortKey::new(&b""[..]));
            for shard in &now {
                prop_assert_eq!(Some(&shard.interval.start), end.as_ref());
                end = shard.interval.end.clone();
                let is_new = all.iter().all(|known| known.id != shard.id);
                prop_assert!(!is_new || given.insert(shard.id), "{} was given before", shard.id);
            }
            prop_assert_eq!(end, None);
            for at in (0..=255).map(|at| SortKey::new(vec![at])) {
                let of = |catalog: &Catalog| catalog.table("logs").expect("made").shard_at(&at).clone();
                let (old, new) = (of(&before), of(&catalog));
                prop_assert!(new.epoch >= old.epoch);
                if !is_move {
                    prop_assert!(old.owner_nodes().eq(new.owner_nodes()));
                }
            }
        }
    }
}
