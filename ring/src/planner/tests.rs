mod large;

use super::*;
use crate::catalog::tests::{accept, founded, node, reject, table};
use crate::catalog::{JobState, NewNode, NewTable, NodeState, Order, RequestId};
use crate::weight::Weight;
use proptest::prelude::*;
use quorate_model::{Level, ShardId, TableId};
use std::collections::{BTreeMap, BTreeSet};

const JOB: RequestId = RequestId(500);

/// So many nodes of one zone.
fn alike(nodes: u64) -> Catalog {
    let in_zone = |number| NewNode { zone: "z".to_owned(), ..node(number) };
    let first = Catalog::bootstrap("test", quorate_model::ClusterId(7), in_zone(1)).expect("accepted");
    (2..=nodes).fold(first, |catalog, number| accept(&catalog, &Command::Admit(in_zone(number))))
}

fn joined(catalog: &Catalog, nodes: u64) -> Catalog {
    let first = catalog.nodes().len() as u64 + 1;
    let in_zone = |number| NewNode { zone: "z".to_owned(), ..node(number) };
    (first..first + nodes)
        .fold(catalog.clone(), |catalog, number| accept(&catalog, &Command::Admit(in_zone(number))))
}

fn with_table(catalog: &Catalog, name: &str, n: u8, shards: u32) -> Catalog {
    accept(catalog, &Command::CreateTable(NewTable { n, shards, ..table(name) }))
}

fn planned(catalog: &Catalog, wish: &Wish) -> Planned {
    plan(catalog, wish, &Known::default()).expect("a plan")
}

fn none(catalog: &Catalog, wish: &Wish, known: &Known) -> NoPlan {
    plan(catalog, wish, known).expect_err("no plan")
}

/// The same catalog when a plan was carried out.
fn carried_out(catalog: &Catalog, planned: &Planned, id: u128) -> Catalog {
    let id = RequestId(id);
    let mut catalog =
        planned.commands(id).iter().fold(catalog.clone(), |catalog, command| accept(&catalog, command));
    let advance = |advance| Command::Advance(advance);
    while let Some(job) = catalog.running_job().cloned() {
        let rests = |shard: &&ShardId| catalog.moving_shard(**shard).is_none();
        let start: Vec<ShardId> = job.pending.keys().filter(rests).take(500).copied().collect();
        let finish = catalog.moving().map(|shard| (shard.id, shard.epoch)).collect();
        catalog = accept(
            &catalog,
            &advance(crate::catalog::Advance { start, finish, ..crate::catalog::Advance::of(id) }),
        );
    }
    catalog
}

/// Copies on each member now.
fn copies(catalog: &Catalog) -> BTreeMap<NodeId, u64> {
    let mut copies: BTreeMap<NodeId, u64> = catalog.nodes().map(|node| (node.id, 0)).collect();
    for owner in catalog.tables().flat_map(|entry| entry.shards()).flat_map(|shard| &shard.owners) {
        *copies.get_mut(&owner.node).expect("a member") += 1;
    }
    copies
}

/// What the preview says is what comes of the plan, every node that holds something is within 2 % of the mean or one copy,
/// and no more moves than has to.
fn check(catalog: &Catalog, planned: &Planned, holders: u64) -> Catalog {
    let after = carried_out(catalog, planned, 900 + u128::from(catalog.epoch().0));
    let preview = &planned.preview;
    let now: BTreeMap<NodeId, u64> = preview.nodes.iter().map(|it| (it.node, it.copies_now)).collect();
    let then: BTreeMap<NodeId, u64> = preview.nodes.iter().map(|it| (it.node, it.copies_after)).collect();
    assert_eq!((now, &then), (copies(catalog), &copies(&after)));
    let mean = then.values().sum::<u64>() as f64 / holders as f64;
    for (node, copies) in then.iter().filter(|(node, _)| after.node(**node).expect("there").is_allocatable())
    {
        let off = (*copies as f64 - mean).abs();
        assert!(off <= (mean * 0.02).max(1.0), "{node} holds {copies} of {mean} in the mean");
    }
    let (moves, min) = (preview.moves as f64, preview.moves_min as f64);
    if planned.gives_up(catalog) {
        // Which copies are given up is found shard by shard: it may take some moves to be fair again.
        assert!(moves <= min + holders as f64 * 0.25, "{moves} of {min}, {holders} nodes");
        return after;
    }
    assert!(moves <= (min * 1.02).max(min + 1.0), "{moves} of {min}");
    let gained: u64 = preview.nodes.iter().map(|it| it.copies_after.saturating_sub(it.copies_now)).sum();
    // A copy more of each shard may have to go round a node that has one already.
    let round = if planned.kind == JobKind::Copies { preview.moves - gained } else { 0 };
    assert_eq!(gained + round, preview.moves, "nothing moves between two nodes that both stay as full");
    after
}

impl Planned {
    /// Whether shards have fewer copies afterwards.
    fn gives_up(&self, catalog: &Catalog) -> bool {
        let mut shards = catalog.tables().flat_map(|entry| entry.shards());
        let first = shards.next().expect("a shard");
        self.moves.iter().any(|it| it.wanted.len() < first.owners.len())
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn members_that_are_added_get_their_share_and_nothing_else_moves(
        nodes in 1u64..40, added in 1u64..6, n in 1u8..5, doublings in 5u32..10,
    ) {
        let n = n.min(nodes as u8);
        // Below that a newcomer without a copy is within one copy of its share.
        prop_assume!(u64::from(n) << doublings >= 2 * (nodes + added));
        let before = joined(&with_table(&alike(nodes), "users", n, 1 << doublings), added);
        let new: Vec<NodeId> = (nodes + 1..=nodes + added).map(NodeId).collect();
        let planned = planned(&before, &Wish::Add { nodes: new.clone() });
        let to_new = planned.preview.nodes.iter().filter(|it| new.contains(&it.node));
        prop_assert_eq!(to_new.map(|it| it.copies_after).sum::<u64>(), planned.preview.moves);
        check(&before, &planned, nodes + added);
    }

    #[test]
    fn a_member_that_leaves_gives_all_it_has_and_nothing_else_moves(
        nodes in 2u64..40, n in 1u8..5, doublings in 4u32..9, gone in any::<prop::sample::Index>(), dead in any::<bool>(),
    ) {
        let n = n.min(nodes as u8 - 1);
        let before = with_table(&alike(nodes), "users", n, 1 << doublings);
        let node = NodeId(gone.index(nodes as usize) as u64 + 1);
        let (away, accepted) = if dead { (BTreeSet::from([node]), BTreeSet::from([node])) } else { Default::default() };
        let known = Known { away, accepted, ..Known::default() };
        let planned = plan(&before, &Wish::Remove { nodes: vec![node], dead }, &known).expect("a plan");
        prop_assert_eq!(planned.preview.moves, copies(&before)[&node]);
        let after = check(&before, &planned, nodes - 1);
        let state = if dead { NodeState::Banned } else { NodeState::Leaving };
        prop_assert_eq!((copies(&after)[&node], after.node(node).expect("there").state), (0, state));
    }

    #[test]
    fn a_member_takes_the_place_of_another(nodes in 3u64..40, doublings in 4u32..9, zones in any::<bool>()) {
        let start = if zones { founded(nodes) } else { alike(nodes) };
        let before = joined(&with_table(&start, "users", 3, 1 << doublings), 1);
        let new = NodeId(nodes + 1);
        let planned = planned(&before, &Wish::Replace { old: NodeId(2), new, dead: false });
        let after = carried_out(&before, &planned, 900);
        prop_assert_eq!(copies(&after)[&NodeId(2)], 0);
        if !zones {
            prop_assert_eq!(copies(&after)[&new], copies(&before)[&NodeId(2)]);
            prop_assert_eq!((planned.preview.moves, planned.preview.moves_min), (copies(&after)[&new], copies(&after)[&new]));
        }
    }

    #[test]
    fn another_number_of_copies_is_as_fair(nodes in 5u64..40, n in 1u8..6, to in 1u8..6, doublings in 4u32..8) {
        prop_assume!(n != to);
        let before = with_table(&alike(nodes), "users", n, 1 << doublings);
        let table = TableId(1);
        let planned = planned(&before, &Wish::Copies { table, n: to, r: None, w: None });
        let shards = 1u64 << doublings;
        prop_assert_eq!(planned.moves.len() as u64, shards, "every shard has another set");
        let after = check(&before, &planned, nodes);
        prop_assert!(after.tables().flat_map(|it| it.shards()).all(|shard| shard.owners.len() == usize::from(to)));
        let balanced = none(&after, &Wish::Balance, &Known::default());
        prop_assert!(matches!(balanced, NoPlan::Nothing { .. }), "{balanced}");
    }
}

/// What moves anyway makes room: the emptiest member has a copy of the last shard already.
#[test]
fn a_copy_that_has_to_move_goes_where_none_of_those_that_stay_has_to_make_room() {
    for nodes in 5..12 {
        for (n, gone) in (2..5).flat_map(|n| (1..=nodes).map(move |gone| (n, gone))) {
            let before = with_table(&alike(nodes), "users", n, 16);
            let planned = planned(&before, &Wish::Remove { nodes: vec![NodeId(gone)], dead: false });
            let held = copies(&before)[&NodeId(gone)];
            assert_eq!(planned.preview.moves, held, "n{gone} of {nodes} leaves, n = {n}");
        }
    }
}

/// One after the other they would hand copies to those that leave next.
#[test]
fn members_that_leave_together_move_no_copy_twice() {
    let before = with_table(&alike(6), "users", 3, 64);
    let nodes = [4, 5, 6, 5].map(NodeId).to_vec();
    let planned = planned(&before, &Wish::Remove { nodes, dead: false });
    let held: u64 = [4, 5, 6].iter().map(|node| copies(&before)[&NodeId(*node)]).sum();
    assert_eq!((planned.preview.moves, planned.preview.moves_min), (held, held));
    let after = carried_out(&before, &planned, 900);
    let left: Vec<u64> = (1..=6).map(|node| copies(&after)[&NodeId(node)]).collect();
    assert_eq!(left, [64, 64, 64, 0, 0, 0]);
    assert!((4..=6).all(|node| after.node(NodeId(node)).expect("there").state == NodeState::Leaving));
}

#[test]
fn a_heavy_member_gets_more_and_a_drained_one_keeps_what_it_has() {
    let before = with_table(&alike(5), "users", 3, 128);
    let weight = Weight::new(2.0).expect("in range");
    let heavier = planned(&before, &Wish::Weight { node: NodeId(2), weight });
    let after = carried_out(&before, &heavier, 900);
    let held = copies(&after);
    assert!(held[&NodeId(2)] >= 124 && held[&NodeId(2)] <= 128, "at most each shard once: {held:?}");
    let drain = planned(&after, &Wish::Drain { node: NodeId(3), drained: true });
    assert_eq!((drain.preview.moves, drain.moves.len()), (0, 0));
    let drained = carried_out(&after, &drain, 901);
    assert_eq!(copies(&drained), held);
    let grown = joined(&drained, 1);
    let add = planned(&grown, &Wish::Add { nodes: vec![NodeId(6)] });
    let full = carried_out(&grown, &add, 902);
    assert_eq!(copies(&full)[&NodeId(3)], held[&NodeId(3)]);
    assert!(copies(&full)[&NodeId(6)] > 40, "{:?}", copies(&full));
    let why: Vec<&str> =
        add.preview.unchanged.iter().filter(|it| it.0 == NodeId(3)).map(|it| it.1.as_str()).collect();
    assert_eq!(why, ["it is drained: it keeps what it has and gets nothing"]);
    let leave = planned(&full, &Wish::Remove { nodes: vec![NodeId(3)], dead: false });
    assert_eq!(copies(&carried_out(&full, &leave, 903))[&NodeId(3)], 0);
}

#[test]
fn a_long_plan_is_cut_into_commands_within_their_limits() {
    let mut catalog = alike(3);
    for at in 0..5 {
        catalog = with_table(&catalog, &format!("t{at}"), 3, 1_024);
    }
    let grown = joined(&catalog, 1);
    let planned = planned(&grown, &Wish::Add { nodes: vec![NodeId(4)] });
    assert!(planned.moves.len() > 3_000);
    let commands = planned.commands(JOB);
    assert!(commands.len() > 3, "{}", commands.len());
    let gathering = accept(&grown, &commands[0]);
    assert!(matches!(gathering.job(JOB).expect("begun").state, JobState::Gathering { .. }));
    let after = carried_out(&grown, &planned, 501);
    assert_eq!(after.job(RequestId(501)).expect("kept").done as usize, planned.moves.len());
}

#[test]
fn a_plan_that_can_not_be_is_refused_with_its_reason() {
    let catalog = with_table(&with_table(&alike(3), "users", 3, 16), "logs", 2, 16);
    let known = Known::default();
    let away =
        |nodes: &[u64]| Known { away: nodes.iter().copied().map(NodeId).collect(), ..Known::default() };
    let remove = |dead| Wish::Remove { nodes: vec![NodeId(3)], dead };
    let words = |wish: &Wish, known: &Known| none(&catalog, wish, known).to_string();
    let few = words(&remove(false), &known);
    assert!(few.contains("2 nodes would be left") && few.contains("users (n = 3)"), "{few}");
    assert!(!few.contains("logs"), "{few}");
    let grown = joined(&catalog, 1);
    let words = |wish: &Wish, known: &Known| none(&grown, wish, known).to_string();
    assert!(words(&remove(false), &away(&[3])).contains("(--dead)"));
    assert!(words(&remove(true), &known).contains("without --dead"));
    let lost = none(&grown, &remove(true), &away(&[3]));
    let NoPlan::MayLose { tables, .. } = &lost else { panic!("{lost}") };
    assert_eq!(tables, "logs", "of two copies one is left, which may be late");
    let accepted = Known { accepted: BTreeSet::from([NodeId(3)]), ..away(&[3]) };
    let plan = plan(&grown, &remove(true), &accepted).expect("accepted");
    assert_eq!((plan.dead.len(), plan.accepted.len(), plan.changes.len()), (1, 1, 0));
    assert!(plan.preview.warnings.iter().any(|it| it.contains("is lost by this plan")), "{:?}", plan.preview);
    let six = Wish::Copies { table: TableId(1), n: 6, r: None, w: None };
    assert!(words(&six, &known).contains("needs 6 nodes and the cluster has 4"));
    let out = Wish::Copies { table: TableId(1), n: 2, r: Some(Level::Count(3)), w: None };
    assert!(words(&out, &known).contains("r = 3 is out of range for n = 2"));
    assert!(
        words(&Wish::Copies { table: TableId(9), n: 2, r: None, w: None }, &known).contains("no table t9")
    );
    assert!(words(&Wish::Add { nodes: vec![NodeId(9)] }, &known).contains("n9 is not a member"));
    let sizes = grown.tables().flat_map(|it| it.shards()).map(|it| (it.id, 1_000)).collect();
    let free_bytes = BTreeMap::from([(NodeId(4), 100)]);
    let full = Known { sizes, free_bytes, ..Known::default() };
    assert!(words(&Wish::Add { nodes: vec![NodeId(4)] }, &full).contains("can take 100"));
    let drained = carried_out(&grown, &planned(&grown, &Wish::Drain { node: NodeId(4), drained: true }), 9);
    let aside = none(&drained, &Wish::Add { nodes: vec![NodeId(4)] }, &known).to_string();
    assert_eq!(
        aside,
        "n4 gets no copies, since it is drained: undrain it first (`quorate node undrain n4`), or choose another one"
    );
    let begun = accept(&grown, &planned(&grown, &Wish::Balance).commands(JOB)[0]);
    assert_eq!(none(&begun, &Wish::Balance, &known), NoPlan::JobRuns { job: JOB });
    let aborted = accept(&begun, &Command::SetJob { job: JOB, to: Order::Abort });
    let late = reject(&aborted, &planned(&grown, &Wish::Balance).commands(RequestId(7))[0]);
    assert!(late.to_string().contains("make the plan again"), "{late}");
}

/// What can't be is refused when it is planned, not when it is applied.
#[test]
fn a_number_of_copies_that_can_not_be_is_no_plan() {
    let numbered = NewTable { n: 3, w: Level::Count(2), shards: 16, ..table("users") };
    let catalog = accept(&alike(5), &Command::CreateTable(numbered));
    let drained =
        carried_out(&catalog, &planned(&catalog, &Wish::Drain { node: NodeId(5), drained: true }), 9);
    let copies = |n, w| Wish::Copies { table: TableId(1), n, r: None, w };
    for (catalog, wish, words) in [
        (&catalog, copies(0, None), "n = 0 is not a number of copies: use 1 to 15"),
        (&catalog, copies(16, None), "n = 16 is not a number of copies"),
        (&catalog, copies(6, Some(Level::Quorum)), "needs 6 nodes and the cluster has 5"),
        (&drained, copies(5, Some(Level::Quorum)), "needs 5 nodes and the cluster has 4"),
        (&catalog, copies(1, None), "give w anew"),
        (&catalog, copies(1, Some(Level::Count(2))), "w = 2 is out of range for n = 1"),
        (&catalog, copies(5, Some(Level::All)), "give a w that means 2 of 3"),
    ] {
        let refused = none(catalog, &wish, &Known::default());
        assert!(matches!(refused, NoPlan::Rejected(_)) && refused.to_string().contains(words), "{refused}");
    }
}

/// Where nothing would change it is said what is so already, and what keeps it so.
#[test]
fn a_plan_that_changes_nothing_says_why() {
    let catalog = with_table(&alike(4), "users", 3, 16);
    let nothing = |catalog: &Catalog, wish: &Wish| match none(catalog, wish, &Known::default()) {
        NoPlan::Nothing { why } => why,
        other => panic!("{other}"),
    };
    let copies = Wish::Copies { table: TableId(1), n: 3, r: None, w: None };
    assert_eq!(nothing(&catalog, &copies), "table users has n = 3 already");
    let weight = Wish::Weight { node: NodeId(2), weight: Weight::ONE };
    assert_eq!(nothing(&catalog, &weight), "n2 has the weight 1 already, and its share");
    assert!(nothing(&catalog, &Wish::Balance).ends_with("holds its share already, within 2 % or one copy"));
    assert!(nothing(&alike(3), &Wish::Balance).contains("no table yet"));
    let undrained = Wish::Drain { node: NodeId(3), drained: false };
    assert_eq!(nothing(&catalog, &undrained), "n3 is not drained already");
    let drain = planned(&catalog, &Wish::Drain { node: NodeId(3), drained: true });
    let drained = carried_out(&catalog, &drain, 9);
    for wish in [Wish::Balance, Wish::Add { nodes: vec![NodeId(2)] }] {
        let why = nothing(&drained, &wish);
        assert!(why.contains("get nothing (n3): undrain them first"), "{why}");
    }
    // The drained member could hold what no other may get.
    let few =
        none(&drained, &Wish::Remove { nodes: vec![NodeId(2)], dead: false }, &Known::default()).to_string();
    assert!(few.contains("users (n = 3)") && few.contains("drained members get none (n3)"), "{few}");
}

/// Other tables lie as unevenly as can be: a newcomer has nothing of them.
#[test]
fn another_number_of_copies_moves_shards_of_its_table_alone() {
    let catalog = with_table(&with_table(&alike(3), "users", 3, 16), "logs", 2, 64);
    let grown = joined(&catalog, 2);
    let users = TableId(1);
    let planned = planned(&grown, &Wish::Copies { table: users, n: 4, r: None, w: None });
    assert_eq!(planned.moves.len(), 16);
    assert!(planned.moves.iter().all(|it| it.shard.table == users), "{:?}", planned.moves);
    let after = carried_out(&grown, &planned, 900);
    assert_eq!(after.table("logs").expect("there").shards(), grown.table("logs").expect("there").shards());
    assert!(copies(&after)[&NodeId(4)] > 0 && copies(&after)[&NodeId(5)] > 0);
}

/// A change of n was aborted in the middle: what had moved keeps its owners, and what had not, too.
#[test]
fn a_later_plan_leaves_each_shard_as_many_owners_as_it_has() {
    let catalog = with_table(&alike(5), "users", 3, 16);
    let more = planned(&catalog, &Wish::Copies { table: TableId(1), n: 5, r: None, w: None });
    let begun = accept(&catalog, &more.commands(JOB)[0]);
    let some: Vec<ShardId> = more.moves.iter().take(4).map(|it| it.shard).collect();
    let start = crate::catalog::Advance { start: some, ..crate::catalog::Advance::of(JOB) };
    let moving = accept(&begun, &Command::Advance(start));
    let finish = moving.moving().map(|shard| (shard.id, shard.epoch)).collect();
    let finish = crate::catalog::Advance { finish, ..crate::catalog::Advance::of(JOB) };
    let half = accept(&moving, &Command::Advance(finish));
    let aborted = accept(&half, &Command::SetJob { job: JOB, to: Order::Abort });
    let sizes = |catalog: &Catalog| {
        let shards = catalog.table("users").expect("there").shards().iter();
        shards.map(|shard| shard.owners.len()).collect::<Vec<usize>>()
    };
    assert_eq!(sizes(&aborted).iter().filter(|size| **size == 5).count(), 4);
    let grown = joined(&aborted, 1);
    for wish in [
        Wish::Add { nodes: vec![NodeId(6)] },
        Wish::Remove { nodes: vec![NodeId(2)], dead: false },
        Wish::Weight { node: NodeId(3), weight: Weight::new(2.0).expect("in range") },
    ] {
        let after = carried_out(&grown, &planned(&grown, &wish), 901);
        assert_eq!(sizes(&after), sizes(&aborted), "{wish:?}");
    }
    let again = Wish::Copies { table: TableId(1), n: 5, r: None, w: None };
    assert!(sizes(&carried_out(&grown, &planned(&grown, &again), 902)).iter().all(|size| *size == 5));
}

#[test]
fn one_that_another_member_hears_is_not_dead() {
    let grown = joined(&with_table(&alike(3), "users", 3, 16), 1);
    let away = Known { away: BTreeSet::from([NodeId(3)]), ..Known::default() };
    let heard = Known { heard_by: BTreeMap::from([(NodeId(3), NodeId(2))]), ..away.clone() };
    for wish in [
        Wish::Remove { nodes: vec![NodeId(3)], dead: true },
        Wish::Replace { old: NodeId(3), new: NodeId(4), dead: true },
    ] {
        plan(&grown, &wish, &away).expect("no member hears it");
        let refused = none(&grown, &wish, &heard).to_string();
        assert!(
            refused.contains("n3 is heard by n2") && refused.contains("stop its process first"),
            "{refused}"
        );
    }
}

#[test]
fn a_preview_says_what_an_operator_should_know_first() {
    let all = NewTable { w: Level::All, shards: 16, ..table("all") };
    let one = NewTable { w: Level::One, shards: 16, ..table("one") };
    let mut catalog = with_table(&alike(4), "users", 3, 16);
    for new in [all, one] {
        catalog = accept(&catalog, &Command::CreateTable(new));
    }
    let grown = joined(&catalog, 1);
    let sizes = grown.tables().flat_map(|it| it.shards()).map(|it| (it.id, 10)).collect();
    let counted = Some(BTreeSet::new());
    let known = Known { sizes, counted, away: BTreeSet::from([NodeId(2)]), ..Known::default() };
    let planned = plan(&grown, &Wish::Add { nodes: vec![NodeId(5)] }, &known).expect("a plan");
    let preview = &planned.preview;
    let has = |words: &str| preview.warnings.iter().any(|warning| warning.contains(words));
    assert!(
        has("table all has w = all")
            && has("table one has w = one: a shard of it moves only while 3 of its 3")
    );
    assert!(!has("table users has w"), "a quorum is usual: {:?}", preview.warnings);
    assert!(has(&format!("{} of the shards that move are still being counted", planned.moves.len())));
    assert!(has("n2 can't be reached") && has("shards of table one wait"), "{:?}", preview.warnings);
    assert_eq!((preview.bytes, preview.bytes_min), (preview.moves * 10, preview.moves_min * 10));
    let new = preview.nodes.last().expect("n5");
    assert_eq!((new.copies_now, new.bytes_now, new.bytes_after), (0, 0, new.copies_after * 10));
}
