//! Plans, jobs and shards that move.

use super::*;
use crate::View;
use crate::catalog::command::planned::{COMMAND_BYTES_MAX, PARTS_MAX, SHARDS_PER_COMMAND_MAX};
use crate::catalog::job::ENDED_JOBS_MAX;
use quorate_model::layout::Role;
use quorate_model::{Refusal, Reply, ShardId};

pub(super) const JOB: JobId = RequestId(500);

/// Five nodes, of which all hold something of a table with three copies.
fn cluster() -> Catalog {
    accept(&founded(5), &Command::CreateTable(NewTable { shards: 16, ..table("users") }))
}

pub(super) fn shards(catalog: &Catalog) -> Vec<Shard> {
    catalog.tables().flat_map(|entry| entry.shards()).cloned().collect()
}

pub(super) fn shard(catalog: &Catalog, index: u32) -> Shard {
    shards(catalog).into_iter().find(|shard| shard.id.index == index).expect("there")
}

fn nodes(shard: &Shard) -> Vec<NodeId> {
    shard.owner_nodes().collect()
}

/// The last owner goes, and the first node that is none comes.
fn moved(catalog: &Catalog, index: u32) -> Move {
    let shard = shard(catalog, index);
    let new =
        catalog.nodes().map(|node| node.id).find(|node| !shard.is_owned_by(*node)).expect("one is none");
    let mut wanted = nodes(&shard);
    wanted.pop();
    wanted.push(new);
    Move { shard: shard.id, epoch: shard.epoch, wanted }
}

pub(super) fn begin(catalog: &Catalog, moves: Vec<Move>) -> Begin {
    Begin {
        id: JOB,
        base: catalog.topology(),
        kind: JobKind::Move,
        changes: Vec::new(),
        moves,
        parts: 1,
        dead: Vec::new(),
        accepted: Vec::new(),
        bytes_total: 7,
    }
}

pub(super) fn begun(catalog: &Catalog, indexes: &[u32]) -> Catalog {
    let moves = indexes.iter().map(|index| moved(catalog, *index)).collect();
    accept(catalog, &Command::Begin(begin(catalog, moves)))
}

pub(super) fn id(index: u32) -> ShardId {
    ShardId { table: TableId(1), index }
}

pub(super) fn start(catalog: &Catalog, indexes: &[u32]) -> Catalog {
    let start = indexes.iter().map(|index| id(*index)).collect();
    accept(catalog, &Command::Advance(Advance { start, ..Advance::of(JOB) }))
}

pub(super) fn at_epochs(catalog: &Catalog, indexes: &[u32]) -> Vec<(ShardId, Epoch)> {
    indexes.iter().map(|index| (id(*index), shard(catalog, *index).epoch)).collect()
}

pub(super) fn finish(catalog: &Catalog, indexes: &[u32]) -> Catalog {
    let finish = at_epochs(catalog, indexes);
    accept(catalog, &Command::Advance(Advance { finish, ..Advance::of(JOB) }))
}

fn revert(catalog: &Catalog, indexes: &[u32]) -> Catalog {
    let revert = at_epochs(catalog, indexes);
    accept(catalog, &Command::Advance(Advance { revert, ..Advance::of(JOB) }))
}

fn order(catalog: &Catalog, to: Order) -> Catalog {
    accept(catalog, &Command::SetJob { job: JOB, to })
}

fn state(catalog: &Catalog) -> JobState {
    catalog.job(JOB).expect("kept").state.clone()
}

fn announced_as(catalog: &Catalog, node: NodeId, incarnation: u32) -> Catalog {
    let known = catalog.node(node).expect("a member");
    let update = NodeUpdate {
        node,
        boot: Boot(9_000 + u64::from(incarnation)),
        http_address: known.http_address.clone(),
        peer_address: known.peer_address.clone(),
        incarnation: Some(incarnation),
        accepted: None,
    };
    accept(catalog, &Command::Announce(update))
}

/// The same from a snapshot.
pub(super) fn again(catalog: &Catalog) -> Catalog {
    let again = Catalog::decode(&catalog.encode()).expect("sound");
    assert_eq!(again, *catalog);
    again
}

#[test]
fn a_shard_moves_in_two_steps_and_a_copy_keeps_its_name_where_its_node_stays() {
    let before = cluster();
    let wanted = moved(&before, 3).wanted;
    let planned = begun(&before, &[3]);
    assert_eq!(shards(&planned), shards(&before), "a plan moves nothing by itself");
    assert_eq!((state(&planned), planned.moving().count()), (JobState::Running, 0));
    let moving = start(&again(&planned), &[3]);
    let (old, joint) = (shard(&before, 3), shard(&moving, 3));
    assert_eq!((&joint.owners, joint.epoch), (&old.owners, moving.epoch()));
    let next = &joint.joint.as_ref().expect("it moves").next;
    assert_eq!(next.iter().map(|owner| owner.node).collect::<Vec<_>>(), wanted);
    for owner in next {
        let since = old.owners.iter().find(|it| it.node == owner.node).map_or(moving.epoch(), |it| it.since);
        assert_eq!(owner.since, since);
    }
    assert_eq!(moving.moving().map(|shard| shard.id).collect::<Vec<_>>(), [id(3)]);
    let job = moving.job(JOB).expect("it runs");
    assert_eq!((job.active, job.done, job.total, job.pending.len(), job.bytes_total), (1, 0, 1, 0, 7));
    let arrived = finish(&again(&moving), &[3]);
    let rests = shard(&arrived, 3);
    assert_eq!((rests.owners.clone(), rests.joint, rests.epoch), (next.clone(), None, arrived.epoch()));
    assert_eq!((state(&arrived), arrived.job(JOB).expect("kept").done), (JobState::Done, 1));
    assert_eq!(arrived.topology(), arrived.epoch(), "a plan from before the end is out of date");
    again(&arrived);
}

#[test]
fn while_a_shard_moves_plans_layouts_and_refusals_know_both_sets() {
    let before = cluster();
    let moving = start(&begun(&before, &[3]), &[3]);
    let shard = shard(&moving, 3);
    let joint = shard.joint.clone().expect("it moves");
    let view = View::new(Arc::new(moving.clone()), crate::Liveness::default());
    let entry = view.table("users").expect("there");
    let plan = view.plan_at(entry, shard.interval.start.clone(), NodeId(1));
    assert_eq!(plan.sets.as_slice(), [shard.owners.clone(), joint.next.clone()], "the old one first");
    let reply = Reply::Refused(Refusal::NotOwner);
    let asked = Place { table: entry.id, epoch: Epoch(1), sort_key: shard.interval.start.clone() };
    let now = view.newer(&asked, &reply).expect("it has changed");
    assert!(now.is_sound());
    assert_eq!(now.sets, [shard.owners.to_vec(), joint.next.to_vec()]);
    let leaves = shard.owner_nodes().find(|node| !joint.has(*node)).expect("one leaves");
    let comes = shard.receivers().next().expect("one comes").node;
    for node in moving.nodes().map(|node| node.id) {
        let layout = moving.layout(node);
        let copy = layout.tables[&entry.id].shard(&shard.interval.start).expect("there").copy;
        let role = copy.map(|copy| copy.role);
        let expected =
            if node == comes { Some(Role::Receiver) } else { shard.is_owned_by(node).then_some(Role::Owner) };
        assert_eq!(role, expected, "{node}");
        assert_eq!(shard.is_held_by(node), expected.is_some());
        if let Some(copy) = copy {
            let since = if node == comes { moving.epoch() } else { shard.owners[0].since };
            assert_eq!(copy.since, since);
        }
    }
    assert!(shard.is_owned_by(leaves) && !shard.is_owned_by(comes));
    assert_eq!(shard.holder_nodes().count(), 4);
}

#[test]
fn where_copies_become_fewer_those_that_stay_have_something_to_merge() {
    let before = cluster();
    let entry = before.tables().next().expect("a table");
    let (table, first) = (entry.id, entry.shards().iter().next().expect("a shard").clone());
    let wanted = |shard: &Shard| shard.owner_nodes().take(2).collect::<Vec<NodeId>>();
    let moves = entry.shards().iter().map(|shard| Move {
        shard: shard.id,
        epoch: shard.epoch,
        wanted: wanted(shard),
    });
    let change = Change::Copies { table, n: 2, r: None, w: None };
    let begin = Begin { changes: vec![change], kind: JobKind::Copies, ..begin(&before, moves.collect()) };
    let begun = accept(&before, &Command::Begin(begin));
    let moving = start(&begun, &[first.id.index]);
    let shard = moving.table_by_id(table).expect("there").shard_at(&first.interval.start);
    assert!(shard.becomes_smaller());
    let roles: Vec<Role> = first.owner_nodes().map(|node| shard.copy_of(node).expect("an owner").1).collect();
    assert_eq!(roles, [Role::Stayer, Role::Stayer, Role::Owner]);
    let layout = moving.layout(wanted(&first)[0]);
    let sought: Vec<_> = layout.tables[&table].shards.sought().map(|shard| &shard.interval.start).collect();
    assert_eq!(sought, [&first.interval.start], "of the others there is nothing to do yet");
    let arrived = finish(&moving, &[first.id.index]);
    let shard = arrived.table_by_id(table).expect("there").shard_at(&first.interval.start);
    assert_eq!(shard.copy_of(wanted(&first)[0]).expect("an owner").1, Role::Owner);
}

#[test]
fn what_goes_back_waits_to_be_tried_again_unless_its_job_is_aborted() {
    let before = cluster();
    let moving = start(&begun(&before, &[3, 4, 5]), &[3, 4]);
    let wanted = moved(&before, 3).wanted;
    for running in [moving.clone(), order(&moving, Order::Pause)] {
        let back = revert(&running, &[3]);
        let rests = shard(&back, 3);
        let old = shard(&before, 3).owners;
        assert_eq!((rests.owners, rests.joint, rests.epoch), (old, None, back.epoch()));
        let job = back.job(JOB).expect("it runs");
        assert_eq!(job.pending[&id(3)].wanted.to_vec(), wanted);
        assert_eq!((job.active, job.pending.len()), (1, 2));
        again(&back);
    }
    let aborting = order(&finish(&moving, &[4]), Order::Abort);
    let job = aborting.job(JOB).expect("it ends");
    assert_eq!((state(&aborting), job.active, job.pending.len()), (JobState::Aborting, 1, 0));
    let aborted = revert(&again(&aborting), &[3]);
    assert_eq!(state(&aborted), JobState::Aborted);
    assert_eq!(shard(&aborted, 3).owners, shard(&before, 3).owners);
    assert_eq!(nodes(&shard(&aborted, 4)), moved(&before, 4).wanted, "what has arrived stays");
    assert!(aborted.running_job().is_none() && aborted.apply(&abort()).expect("again").repeated);
    again(&aborted);
}

fn abort() -> Command {
    Command::SetJob { job: JOB, to: Order::Abort }
}

#[test]
fn one_step_that_is_wrong_makes_none_of_a_command() {
    let catalog = start(&begun(&cluster(), &[3, 4, 5]), &[3, 4]);
    let finish = at_epochs(&catalog, &[3]);
    let wrong = (id(4), Epoch(1));
    let advance = Advance { start: vec![id(5)], finish, revert: vec![wrong], ..Advance::of(JOB) };
    let before = catalog.clone();
    reject(&catalog, &Command::Advance(advance.clone()));
    assert_eq!(catalog, before);
    let advance = Advance { revert: at_epochs(&catalog, &[4]), ..advance };
    let after = accept(&catalog, &Command::Advance(advance.clone()));
    assert_eq!(after.moving().map(|shard| shard.id).collect::<Vec<_>>(), [id(5)]);
    let late = reject(&after, &Command::Advance(advance));
    assert!(matches!(late, Rejection::Plan(PlanRejection::WrongStage { .. })), "a second copy: {late}");
    let none = after.apply(&Command::Advance(Advance::of(JOB))).expect("nothing to do");
    assert!(none.repeated);
}

#[test]
fn what_changes_while_a_shard_moves_changes_both_sets() {
    let moving = start(&begun(&cluster(), &[3]), &[3]);
    let began = moving.epoch();
    let joint = shard(&moving, 3);
    let stays =
        joint.owner_nodes().find(|node| joint.joint.as_ref().expect("moves").has(*node)).expect("one");
    let comes = joint.receivers().next().expect("one").node;
    let os = TableChange { durability: Some(Durability::Os), ..TableChange::of(TableId(1)) };
    let altered = accept(&moving, &Command::AlterTable(os));
    let bumped = shard(&altered, 3);
    assert_eq!((bumped.epoch, &bumped.joint), (altered.epoch(), &joint.joint), "the move is the same");
    for node in [stays, comes] {
        let lost = announced_as(&altered, node, 2);
        let after = shard(&again(&lost), 3);
        let named = after.joint.as_ref().expect("moves");
        assert_eq!((after.epoch, named.began), (lost.epoch(), began));
        let since: Vec<_> = after.sets().flatten().filter(|owner| owner.node == node).collect();
        assert!(since.iter().all(|owner| owner.since == lost.epoch()), "{since:?}");
        assert_eq!(since.len(), if node == stays { 2 } else { 1 });
        let rests = finish(&lost, &[3]);
        assert_eq!(shard(&rests, 3).owners, named.next);
    }
}

#[test]
fn a_table_that_is_dropped_leaves_its_job() {
    let moving = start(&begun(&cluster(), &[3, 4]), &[3]);
    let dropped = accept(&moving, &Command::DropTable { table: TableId(1) });
    let job = dropped.job(JOB).expect("kept");
    assert_eq!((&job.state, job.active, job.done, job.total), (&JobState::Done, 0, 0, 2));
    assert_eq!((dropped.moving().count(), job.ended), (0, Some(dropped.epoch())));
    let open = dropped.closing_of(TableId(1)).expect("open");
    let old: BTreeSet<Vec<NodeId>> = shards(&moving).iter().map(nodes).collect();
    assert_eq!(open.sets.iter().cloned().collect::<BTreeSet<_>>(), old, "of a shard that moves the old set");
    again(&dropped);
}

#[test]
fn a_long_plan_starts_once_all_its_parts_are_there() {
    let catalog = cluster();
    let first = Begin { parts: 3, ..begin(&catalog, vec![moved(&catalog, 1)]) };
    let gathering = accept(&catalog, &Command::Begin(first));
    assert_eq!(state(&gathering), JobState::Gathering { parts_missing: BTreeSet::from([1, 2]), parts: 3 });
    let part = |part, index| Command::Extend(Extend { job: JOB, part, moves: vec![moved(&catalog, index)] });
    let start = Command::Advance(Advance { start: vec![id(1)], ..Advance::of(JOB) });
    assert!(reject(&gathering, &start).to_string().contains("gathering"));
    let two = accept(&again(&gathering), &part(2, 2));
    assert!(two.apply(&part(2, 2)).expect("again").repeated);
    assert!(reject(&two, &part(3, 4)).to_string().contains("none of this plan"));
    assert!(reject(&two, &part(1, 2)).to_string().contains("twice"));
    let whole = accept(&two, &part(1, 3));
    assert_eq!((state(&whole), whole.job(JOB).expect("runs").total), (JobState::Running, 3));
    assert!(whole.apply(&part(1, 3)).expect("again").repeated);
    accept(&whole, &start);
    assert_eq!(state(&order(&gathering, Order::Abort)), JobState::Aborted, "nothing has started");
    assert!(reject(&order(&gathering, Order::Abort), &part(1, 3)).to_string().contains("takes no more"));
}

#[test]
fn a_repeated_request_finds_its_job() {
    let catalog = cluster();
    let begin = Command::Begin(begin(&catalog, vec![moved(&catalog, 3)]));
    let begun = accept(&catalog, &begin);
    for later in [begun.clone(), order(&begun, Order::Abort)] {
        let again = later.apply(&begin).expect("a repeat");
        assert!(again.repeated && again.catalog == later);
    }
    for same in [Order::Pause, Order::Abort] {
        let once = order(&begun, same);
        assert!(once.apply(&Command::SetJob { job: JOB, to: same }).expect("again").repeated);
    }
    assert_eq!(state(&order(&order(&begun, Order::Pause), Order::Resume)), JobState::Running);
}

/// One node gives all it has to the others.
fn removal(catalog: &Catalog, node: NodeId, dead: bool) -> Begin {
    let owned = shards(catalog).into_iter().filter(|shard| shard.is_owned_by(node));
    let moves = owned.map(|shard| {
        let mut others = catalog.nodes().map(|node| node.id).filter(|it| !shard.is_owned_by(*it));
        let new = others.next().expect("one is none");
        let wanted = shard.owner_nodes().map(|it| if it == node { new } else { it }).collect();
        Move { shard: shard.id, epoch: shard.epoch, wanted }
    });
    let moves = moves.collect();
    let changes = if dead { Vec::new() } else { vec![Change::Leave { node }] };
    let dead = if dead { vec![node] } else { Vec::new() };
    Begin { kind: JobKind::Remove, changes, dead, ..begin(catalog, moves) }
}

#[test]
fn a_member_leaves_once_it_owns_nothing_and_an_abort_makes_it_stay() {
    let catalog = cluster();
    let node = NodeId(4);
    let moves: Vec<u32> = removal(&catalog, node, false).moves.iter().map(|it| it.shard.index).collect();
    let leaving = accept(&catalog, &Command::Begin(removal(&catalog, node, false)));
    assert_eq!(leaving.node(node).expect("a member").state, NodeState::Leaving);
    let remove = Command::RemoveNode { node };
    assert!(reject(&leaving, &remove).to_string().contains("still has shards of table \"users\""));
    let made = accept(&leaving, &Command::CreateTable(NewTable { shards: 8, ..table("more") }));
    assert!(shards(&made).iter().filter(|it| it.id.table == TableId(2)).all(|it| !it.is_owned_by(node)));
    let stays = order(&again(&leaving), Order::Abort);
    assert_eq!(stays.node(node).expect("a member").state, NodeState::Member);
    let empty = finish(&start(&leaving, &moves), &moves);
    assert_eq!(state(&empty), JobState::Done);
    let voting = accept(&empty, &Command::SetVoter { node, voter: true });
    assert!(reject(&voting, &remove).to_string().contains("still votes"));
    let gone = accept(&empty, &remove);
    assert!(gone.node(node).is_none() && gone.topology() == gone.epoch());
    assert!(gone.apply(&remove).expect("again").repeated);
    assert_eq!(
        reject(&gone, &Command::RemoveNode { node: NodeId(99) }),
        Rejection::NoSuchNode { node: NodeId(99) }
    );
    let joined = accept(&gone, &Command::Admit(NewNode { request: RequestId(4_444), ..super::node(4) }));
    assert_eq!(joined.node_by_name("n4").expect("the name is free").id, NodeId(6), "the id is not");
    again(&joined);
}

#[test]
fn a_dead_member_is_banned_and_what_it_should_have_closed_waits_for_it_no_longer() {
    let node = NodeId(4);
    let new = NewTable { w: Level::All, shards: 4, ..table("all") };
    let made = accept(&cluster(), &Command::CreateTable(new));
    let dropped = accept(&made, &Command::DropTable { table: TableId(2) });
    assert!(dropped.closing_of(TableId(2)).expect("open").owners().contains(&node));
    let plan = removal(&dropped, node, true);
    let moves: Vec<u32> = plan.moves.iter().map(|it| it.shard.index).collect();
    let banned = accept(&dropped, &Command::Begin(plan));
    assert_eq!(banned.node(node).expect("a member").state, NodeState::Banned);
    let aborted = order(&banned, Order::Abort);
    assert_eq!(aborted.node(node).expect("a member").state, NodeState::Banned, "it does not live again");
    accept(&aborted, &Command::Begin(Begin { id: RequestId(501), ..removal(&aborted, node, true) }));
    let gone = accept(&finish(&start(&banned, &moves), &moves), &Command::RemoveNode { node });
    let open = gone.closing_of(TableId(2)).expect("open");
    assert!(!open.owners().contains(&node));
    assert!(open.missing(|_| true).is_empty() && !open.missing(|_| false).is_empty());
    again(&gone);
}

#[test]
fn a_table_gets_another_number_of_copies_and_its_promise_stays() {
    let catalog = cluster();
    let change = |n, r, w| Change::Copies { table: TableId(1), n, r, w };
    let plan = |catalog: &Catalog, n: u8, r, w| {
        let moves = shards(catalog).into_iter().map(|shard| {
            let all = catalog.nodes().map(|node| node.id);
            let others = all.filter(|node| !shard.is_owned_by(*node));
            let wanted = shard.owner_nodes().chain(others).take(usize::from(n)).collect();
            Move { shard: shard.id, epoch: shard.epoch, wanted }
        });
        let moves = moves.collect();
        Begin { kind: JobKind::Copies, changes: vec![change(n, r, w)], ..begin(catalog, moves) }
    };
    let all: Vec<u32> = (0..16).collect();
    let begun = accept(&catalog, &Command::Begin(plan(&catalog, 5, None, None)));
    let users = begun.table("users").expect("there");
    assert_eq!((users.n, users.shards().iter().next().expect("one").owners.len()), (5, 3));
    let moving = start(&again(&begun), &all[..8]);
    let sizes: Vec<usize> = shard(&moving, 0).sets().map(crate::OwnerSet::len).collect();
    assert_eq!(sizes, [3, 5]);
    let five = finish(&start(&finish(&again(&moving), &all[..8]), &all[8..]), &all[8..]);
    assert!(shards(&five).iter().all(|shard| shard.owners.len() == 5));
    let two = Begin { id: RequestId(501), ..plan(&five, 2, None, None) };
    assert_eq!(accept(&five, &Command::Begin(two)).table("users").expect("there").n, 2);
    // What was aborted in the middle goes on by another plan, in either direction.
    let half = order(&finish(&moving, &all[..8]), Order::Abort);
    let users = half.table("users").expect("there");
    assert_eq!((users.n, users.epoch), (3, half.epoch()), "an abort leaves n as it was");
    again(&half);
    // Each shard keeps as many owners as it has, whatever it is moved for.
    for (index, copies) in [(0, 5), (9, 3)] {
        let shard = shard(&half, index);
        let grown = accept(&half, &Command::Admit(node(6)));
        let wanted: Vec<NodeId> = shard.owner_nodes().skip(1).chain([NodeId(6)]).collect();
        let moves = vec![Move { shard: shard.id, epoch: shard.epoch, wanted: wanted.clone() }];
        accept(&grown, &Command::Begin(Begin { id: RequestId(501), ..begin(&grown, moves) }));
        let wanted = wanted[1..].to_vec();
        let fewer = vec![Move { shard: shard.id, epoch: shard.epoch, wanted }];
        let words =
            reject(&grown, &Command::Begin(Begin { id: RequestId(501), ..begin(&grown, fewer) })).to_string();
        assert!(words.contains(&format!("to have {} different owners", copies - 1)), "{words}");
    }
    // What goes back later than the order is over takes n back then.
    let aborting = order(&moving, Order::Abort);
    assert_eq!((state(&aborting), aborting.table("users").expect("there").n), (JobState::Aborting, 5));
    assert_eq!(revert(&again(&aborting), &all[..8]).table("users").expect("there").n, 3);
    let dropped = accept(&half, &Command::DropTable { table: TableId(1) });
    let open = dropped.closing_of(TableId(1)).expect("open");
    let needed: BTreeSet<(usize, u8)> = open.sets_needed().map(|(set, needed)| (set.len(), needed)).collect();
    assert_eq!(needed, BTreeSet::from([(3, 2), (5, 3)]), "F of each set by its own size");
    again(&dropped);
    let shrunk = Begin { id: RequestId(501), ..plan(&half, 3, None, None) };
    let rest: Vec<Move> =
        shrunk.moves.iter().filter(|it| shard(&half, it.shard.index).owners.len() != 3).cloned().collect();
    assert_eq!(rest.len(), 8);
    accept(&half, &Command::Begin(Begin { moves: rest.clone(), ..shrunk.clone() }));
    let some = Begin { moves: rest[1..].to_vec(), ..shrunk };
    assert!(reject(&half, &Command::Begin(some)).to_string().contains("with another number of copies"));
    let numbered = NewTable { r: Level::Count(2), w: Level::Count(2), shards: 16, ..table("users") };
    let counted = accept(&founded(5), &Command::CreateTable(numbered));
    let words = |r, w| reject(&counted, &Command::Begin(plan(&counted, 5, r, w))).to_string();
    assert!(words(None, Some(Level::Quorum)).contains("give r anew"));
    assert!(words(Some(Level::Quorum), None).contains("give w anew"));
    assert!(words(Some(Level::Quorum), Some(Level::Count(3))).contains("give a w that means 2 of 3"));
    assert!(words(Some(Level::Count(6)), Some(Level::Quorum)).contains("r = 6 is out of range"));
    let begun =
        accept(&counted, &Command::Begin(plan(&counted, 5, Some(Level::Count(3)), Some(Level::Quorum))));
    let levels = |catalog: &Catalog| {
        let users = catalog.table("users").expect("there");
        (users.n, users.r, users.w)
    };
    let two = Level::Count(2);
    assert_eq!(levels(&order(&begun, Order::Abort)), (3, two, two), "nothing had moved");
    let half = finish(&start(&begun, &all[..8]), &all[..8]);
    // Of five, a quorum is three: reads count on that for what was written there since.
    assert_eq!(levels(&order(&half, Order::Abort)), (3, two, Level::Quorum));
}

#[test]
fn weights_and_drains_change_at_once_and_a_plan_that_moves_nothing_is_done() {
    let catalog = cluster();
    let heavy = Weight::new(2.0).expect("in range");
    let changes = vec![
        Change::Weight { node: NodeId(2), weight: heavy },
        Change::Drain { node: NodeId(3), drained: true },
    ];
    let drained = accept(&catalog, &Command::Begin(Begin { changes, ..begin(&catalog, Vec::new()) }));
    assert_eq!((state(&drained), drained.node(NodeId(2)).expect("there").weight), (JobState::Done, heavy));
    let node = drained.node(NodeId(3)).expect("there");
    assert!(node.drained && !node.is_allocatable());
    assert_eq!((drained.members().len(), drained.allocatable().len()), (5, 4));
    let five = NewTable { n: 5, ..table("five") };
    assert!(reject(&drained, &Command::CreateTable(five)).to_string().contains("needs 5 nodes"));
    again(&drained);
}

/// Each rejection once, with its way out.
#[test]
fn what_can_not_be_planned_is_rejected_with_its_reason() {
    let catalog = cluster();
    let plan = |moves| begin(&catalog, moves);
    let one = || moved(&catalog, 3);
    let drain = Begin {
        id: RequestId(400),
        changes: vec![Change::Drain { node: NodeId(5), drained: true }],
        ..plan(Vec::new())
    };
    let drained = accept(&catalog, &Command::Begin(drain));
    let to_five = |catalog: &Catalog| {
        let free = shards(catalog).into_iter().find(|shard| !shard.is_owned_by(NodeId(5))).expect("one");
        let mut wanted = nodes(&free);
        wanted[0] = NodeId(5);
        Move { shard: free.id, epoch: free.epoch, wanted }
    };
    let running = begun(&catalog, &[3]);
    let leave = |node| Change::Leave { node: NodeId(node) };
    let weight = |node, weight| Change::Weight { node: NodeId(node), weight };
    let off = minicbor::decode(&[0]).expect("a number");
    let copies = |n| Change::Copies { table: TableId(1), n, r: None, w: None };
    let with = |changes: Vec<Change>, moves: Vec<Move>| Begin { changes, ..plan(moves) };
    let many = vec![one(); SHARDS_PER_COMMAND_MAX + 1];
    let large = vec![NodeId(u64::MAX); COMMAND_BYTES_MAX / 8];
    let cases: Vec<(&Catalog, Begin, &str)> = vec![
        (&catalog, Begin { base: Epoch(1), ..plan(vec![one()]) }, "make the plan again"),
        (&running, Begin { id: RequestId(501), ..begin(&running, vec![one()]) }, "is not over yet"),
        (&catalog, Begin { parts: PARTS_MAX + 1, ..plan(vec![one()]) }, "at most 1024"),
        (&catalog, plan(many), "names at most 1024 shards"),
        (&catalog, Begin { accepted: large, ..plan(Vec::new()) }, "has at most 524288 bytes"),
        (&catalog, plan(vec![one(), one()]), "moves shard users/3 twice"),
        (&catalog, plan(vec![Move { epoch: Epoch(1), ..one() }]), "has changed since"),
        (&catalog, plan(vec![Move { shard: id(99), ..one() }]), "there is no shard users/99"),
        (&catalog, plan(vec![Move { wanted: one().wanted[1..].to_vec(), ..one() }]), "name exactly 3"),
        (&catalog, plan(vec![Move { wanted: vec![NodeId(1); 3], ..one() }]), "name exactly 3"),
        (
            &catalog,
            plan(vec![Move { wanted: nodes(&shard(&catalog, 3)), ..one() }]),
            "is with these owners already",
        ),
        (
            &catalog,
            plan(vec![Move { wanted: vec![NodeId(1), NodeId(2), NodeId(9)], ..one() }]),
            "n9 is not a member",
        ),
        (&drained, begin(&drained, vec![to_five(&drained)]), "since it is drained"),
        (&catalog, with(vec![leave(5)], vec![to_five(&catalog)]), "since it is leaving"),
        (&catalog, Begin { dead: vec![NodeId(5)], ..plan(vec![to_five(&catalog)]) }, "since it is banned"),
        (&catalog, Begin { dead: vec![NodeId(9)], ..plan(Vec::new()) }, "n9 is not a member"),
        (&catalog, with(vec![leave(5)], Vec::new()), "on a node that leaves"),
        (&catalog, with(vec![leave(5), leave(5)], Vec::new()), "changes one thing twice"),
        (&catalog, with(vec![leave(9)], Vec::new()), "n9 is not a member"),
        (&catalog, with(vec![weight(2, off)], Vec::new()), "use 0.01 to 100"),
        (&catalog, with(vec![copies(16)], Vec::new()), "use 1 to 15"),
        (&catalog, with(vec![copies(6)], Vec::new()), "needs 6 nodes and the cluster has 5"),
    ];
    for (catalog, begin, words) in cases {
        let rejection = reject(catalog, &Command::Begin(begin)).to_string();
        assert!(rejection.contains(words), "{words:?}: {rejection}");
    }
}

#[test]
fn what_a_job_can_not_do_is_rejected_with_its_reason() {
    let catalog = cluster();
    let moving = start(&begun(&catalog, &[3, 4]), &[3]);
    let advance = |advance: Advance| Command::Advance(advance);
    let of = || Advance::of(JOB);
    let other = Advance::of(RequestId(9));
    let relied = |node, incarnation| vec![(NodeId(node), incarnation)];
    let set = |to| Command::SetJob { job: JOB, to };
    let done = begun(&catalog, &[]);
    let banned = accept(&catalog, &Command::Begin(removal(&catalog, NodeId(4), true)));
    let paused = order(&moving, Order::Pause);
    let cases: Vec<(&Catalog, Command, &str)> = vec![
        (&moving, advance(Advance { start: vec![id(4)], ..other }), "there is no job"),
        (&moving, advance(Advance { start: vec![id(3)], ..of() }), "does not wait to be moved"),
        (&moving, advance(Advance { start: vec![id(4), id(4)], ..of() }), "names a shard twice"),
        (&moving, advance(Advance { finish: vec![(id(4), Epoch(6))], ..of() }), "is not moved by this job"),
        (&moving, advance(Advance { finish: vec![(id(3), Epoch(6))], ..of() }), "has changed since"),
        (&moving, advance(Advance { revert: vec![(id(3), Epoch(6))], ..of() }), "has changed since"),
        (
            &moving,
            advance(Advance { finish: at_epochs(&moving, &[3]), relied: relied(1, 2), ..of() }),
            "incarnation 1 now",
        ),
        (
            &moving,
            advance(Advance { finish: at_epochs(&moving, &[3]), relied: relied(9, 1), ..of() }),
            "n9 is not a member",
        ),
        (
            &moving,
            advance(Advance { start: vec![id(4); SHARDS_PER_COMMAND_MAX + 1], ..of() }),
            "names at most 1024 shards",
        ),
        (&paused, advance(Advance { start: vec![id(4)], ..of() }), "is paused, so it starts no shards"),
        (&done, advance(Advance { start: vec![id(4)], ..of() }), "moves no shards any more"),
        (&done, set(Order::Abort), "make a plan for the way back"),
        (&done, set(Order::Pause), "any more"),
        (&moving, Command::SetJob { job: RequestId(9), to: Order::Pause }, "there is no job"),
        (&moving, Command::Forget { job: JOB }, "can't be forgotten"),
        (&banned, Command::RemoveNode { node: NodeId(4) }, "still has shards"),
    ];
    for (catalog, command, words) in cases {
        let rejection = reject(catalog, &command).to_string();
        assert!(rejection.contains(words), "{words:?}: {rejection}");
    }
    let gathering = Begin { parts: 2, ..begin(&catalog, vec![moved(&catalog, 3)]) };
    let gathering = accept(&catalog, &Command::Begin(gathering));
    assert!(reject(&gathering, &set(Order::Pause)).to_string().contains("wait for the rest"));
    let empty = accept(&catalog, &Command::AddNode(node(6)));
    let mut to_six = moved(&empty, 3);
    to_six.wanted[2] = NodeId(6);
    let wanted = accept(&empty, &Command::Begin(begin(&empty, vec![to_six])));
    let rejection = reject(&wanted, &Command::RemoveNode { node: NodeId(6) }).to_string();
    assert!(rejection.contains("is to get shards"), "{rejection}");
}

fn recover(lost: &[u64], by: u64) -> Recover {
    let lost = lost.iter().copied().map(NodeId).collect();
    Recover { request: RequestId(900), lost, by: NodeId(by), at: WallTime(7) }
}

/// Five voters, of which three are gone: what enough are left of keeps its owners, the rest goes on with what is left.
#[test]
fn a_catalog_goes_on_without_members_that_are_given_up_and_keeps_that_it_did() {
    let before = cluster();
    let after = accept(&before, &Command::Recover(recover(&[3, 4, 5], 1)));
    let lost: BTreeSet<NodeId> = [3, 4, 5].map(NodeId).into();
    for node in after.nodes() {
        let is_banned = node.is_gone();
        assert_eq!((is_banned, after.gone(node.id).is_some()), (lost.contains(&node.id), is_banned));
    }
    let mut sizes = BTreeSet::new();
    for (was, now) in shards(&before).into_iter().zip(shards(&after)) {
        let left: Vec<Owner> = was.owners.iter().filter(|it| !lost.contains(&it.node)).copied().collect();
        sizes.insert(left.len());
        let losses: BTreeSet<NodeId> = now.losses.iter().map(|loss| loss.node).collect();
        match left.len() {
            2 => assert_eq!(now, was, "two of three hold everything: a plan gives it a third one"),
            1 => {
                assert_eq!((now.owners.to_vec(), now.epoch), (left, after.epoch()));
                assert_eq!(losses, nodes(&was).into_iter().filter(|node| lost.contains(node)).collect());
            }
            _ => {
                assert_eq!(now.owners.len(), 2, "as many as there are");
                assert!(
                    now.owners.iter().all(|owner| owner.since == after.epoch()),
                    "copies of another name"
                );
                assert_eq!(losses, lost);
            }
        }
    }
    assert_eq!(sizes, BTreeSet::from([0, 1, 2]), "each case is there");
    assert_eq!(after.table("users").expect("there").n, 3);
    let [recovery] = after.recoveries() else { panic!("one") };
    assert_eq!((recovery.by, recovery.epoch, recovery.lost.len()), (NodeId(1), after.epoch(), 3));
    again(&after);
    assert!(after.apply(&Command::Recover(recover(&[3, 4, 5], 1))).expect("again").repeated);
    // Members that come give it as many copies as before.
    let grown = (6..=8).fold(after, |catalog, number| accept(&catalog, &Command::Admit(node(number))));
    let moves = shards(&grown).into_iter().map(|shard| {
        let keeps = shard.owner_nodes().filter(|node| !lost.contains(node));
        let wanted = keeps.chain((6..=8).map(NodeId)).take(3).collect();
        Move { shard: shard.id, epoch: shard.epoch, wanted }
    });
    let copies = Change::Copies { table: TableId(1), n: 3, r: None, w: None };
    let begin = Begin { kind: JobKind::Copies, changes: vec![copies], ..begin(&grown, moves.collect()) };
    accept(&grown, &Command::Begin(begin));
}

#[test]
fn a_recovery_takes_back_what_moves() {
    let before = cluster();
    let moving = start(&begun(&before, &[3, 4, 5]), &[3, 4]);
    let after = accept(&again(&moving), &Command::Recover(recover(&[5], 1)));
    assert_eq!((state(&after), after.moving().count()), (JobState::Aborted, 0));
    for index in [3, 4, 5] {
        assert_eq!(shard(&after, index).owners, shard(&before, index).owners);
    }
    again(&after);
    for (lost, by) in [(&[][..], 1), (&[1], 1), (&[9], 1), (&[2], 9)] {
        reject(&before, &Command::Recover(recover(lost, by)));
    }
}

#[test]
fn the_last_jobs_that_ended_are_kept_until_they_are_forgotten() {
    let mut catalog = cluster();
    for number in 0..ENDED_JOBS_MAX as u128 + 3 {
        let begin = Begin { id: RequestId(number), ..begin(&catalog, Vec::new()) };
        catalog = accept(&catalog, &Command::Begin(begin));
    }
    assert_eq!(catalog.jobs().len(), ENDED_JOBS_MAX);
    assert!(catalog.job(RequestId(2)).is_none() && catalog.job(RequestId(3)).is_some());
    let forgotten = accept(&catalog, &Command::Forget { job: RequestId(3) });
    assert!(forgotten.job(RequestId(3)).is_none());
    assert!(forgotten.apply(&Command::Forget { job: RequestId(3) }).expect("again").repeated);
    again(&forgotten);
}

/// What a log of earlier versions means does not depend on the version that replays it, and neither does its snapshot.
#[test]
fn below_level_3_nothing_is_planned_and_a_log_means_what_it_meant() {
    let found = Found { cluster: ClusterId(7), name: "test".to_owned(), node: node(1), level: Some(2) };
    let mut old = accept(&Catalog::empty(), &Command::Found(found));
    for number in 2..=5 {
        old = accept(&old, &Command::AddNode(node(number)));
    }
    old = accept(&old, &Command::CreateTable(NewTable { shards: 16, ..table("users") }));
    assert_eq!((old.topology(), old.encode()[0]), (Epoch(0), 2), "an earlier version reads it");
    assert_eq!(shards(&old), shards(&cluster()), "the same owners, since the same epochs");
    let commands = [
        Command::Begin(begin(&old, Vec::new())),
        Command::Extend(Extend { job: JOB, part: 1, moves: Vec::new() }),
        Command::Advance(Advance::of(JOB)),
        abort(),
        Command::RemoveNode { node: NodeId(2) },
        Command::Forget { job: JOB },
    ];
    for command in &commands {
        assert_eq!(reject(&old, command), PlanRejection::NotEnabled { level: 2 }.into());
        assert_eq!(command.since(), Protocol(4));
    }
    assert_eq!(Command::Enable { level: 2 }.since(), Protocol(2));
    assert_eq!(Command::Enable { level: 3 }.since(), Protocol(4));
    let enabled = accept(&again(&old), &Command::Enable { level: 3 });
    assert_eq!((enabled.topology(), enabled.encode()[0]), (enabled.epoch(), 3));
    assert_eq!((old.protocol(), enabled.protocol()), (Protocol(2), Protocol(4)));
    assert_eq!(shards(&enabled), shards(&old));
    begun(&enabled, &[3]);
}

proptest! {
    /// A damaged snapshot of a cluster in the middle of a job is an error, or a catalog that is sound; never a panic.
    #[test]
    fn damaged_snapshots_of_moves_do_no_harm(at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let catalog = start(&begun(&cluster(), &[3, 4, 5]), &[3, 4]);
        let mut bytes = catalog.encode();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        if let Ok(catalog) = Catalog::decode(&bytes) {
            let revert = catalog.moving().map(|shard| (shard.id, shard.epoch)).collect();
            let job = catalog.running_job().map_or(JOB, |job| job.id);
            let _ = catalog.apply(&Command::Advance(Advance { revert, start: vec![id(5)], ..Advance::of(job) }));
            let _ = catalog.apply(&Command::DropTable { table: TableId(1) });
            prop_assert_eq!(Catalog::decode(&catalog.encode()), Ok(catalog));
        }
    }
}
