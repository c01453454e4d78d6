mod histories;
mod progress;

use super::*;
use crate::catalog::tests::{accept, founded, table};
use crate::catalog::{Begin, Change, JobKind, Move, NewTable, NodeUpdate, RequestId};
use quorate_model::{Boot, Epoch, Level, Span, TableId};

const JOB: RequestId = RequestId(500);
const MINUTE: Span = Span::from_millis(60_000);

/// A cluster in which the first shard of a table moves from some owners to others.
struct Moving {
    catalog: Catalog,
    reports: BTreeMap<NodeId, NodeReport>,
}

fn ids(nodes: &[u64]) -> Vec<NodeId> {
    nodes.iter().copied().map(NodeId).collect()
}

/// A table with one shard on so many nodes.
fn at_rest(n: u8, w: Level) -> Catalog {
    let catalog = founded(u64::from(n));
    accept(&catalog, &Command::CreateTable(NewTable { n, w, shards: 1, ..table("users") }))
}

fn only(catalog: &Catalog) -> Shard {
    catalog.tables().flat_map(|entry| entry.shards()).next().expect("a shard").clone()
}

impl Moving {
    /// From nodes 1 to n to these. No node has heard of it yet.
    fn of(n: u8, w: Level, to: &[u64], dead: &[u64], accepted: &[u64]) -> Self {
        let mut catalog = at_rest(n, w);
        let most = to.iter().copied().max().unwrap_or(0);
        for number in u64::from(n) + 1..=most {
            catalog = accept(&catalog, &Command::Admit(crate::catalog::tests::node(number)));
        }
        let shard = only(&catalog);
        let (is_other_n, table) = (to.len() != usize::from(n), shard.id.table);
        let copies = Change::Copies { table, n: to.len() as u8, r: None, w: None };
        let begin = Begin {
            id: JOB,
            base: catalog.topology(),
            kind: JobKind::Copies,
            changes: if is_other_n { vec![copies] } else { Vec::new() },
            moves: vec![Move { shard: shard.id, epoch: shard.epoch, wanted: ids(to) }],
            parts: 1,
            dead: ids(dead),
            accepted: ids(accepted),
            bytes_total: 0,
        };
        catalog = accept(&catalog, &Command::Begin(begin));
        let start = Advance { start: vec![shard.id], ..Advance::of(JOB) };
        catalog = accept(&catalog, &Command::Advance(start));
        Self { catalog, reports: BTreeMap::new() }
    }

    fn shard(&self) -> Shard {
        only(&self.catalog)
    }

    fn report(&mut self, node: u64) -> &mut NodeReport {
        let incarnation = self.catalog.node(NodeId(node)).expect("a member").incarnation;
        let report = self.reports.entry(NodeId(node)).or_default();
        (report.incarnation, report.is_up, report.free_bytes) = (incarnation, true, 1 << 40);
        report
    }

    /// These have closed the stage before.
    fn closed(mut self, nodes: &[u64]) -> Self {
        let epoch = self.catalog.epoch();
        for node in nodes {
            self.report(*node).closed = epoch;
        }
        self
    }

    /// These hold everything, as the copies that they should have, and have merged what the others hold.
    fn whole(mut self, nodes: &[u64]) -> Self {
        let shard = self.shard();
        for node in nodes {
            let since = shard.copy_of(NodeId(*node)).expect("a copy").0.since;
            let fill = FillReport { since, is_whole: true, ..FillReport::default() };
            self.report(*node).fills.insert(shard.id, fill);
        }
        self
    }

    fn merged(mut self, nodes: &[u64]) -> Self {
        self = self.whole(nodes);
        let (shard, epoch) = (self.shard().id, self.catalog.epoch());
        for node in nodes {
            self.report(*node).fills.get_mut(&shard).expect("whole").merged = epoch;
        }
        self
    }

    /// A node is another replica from now on.
    fn lost(mut self, node: u64) -> Self {
        let known = self.catalog.node(NodeId(node)).expect("a member");
        let update = NodeUpdate {
            node: known.id,
            boot: Boot(777),
            http_address: known.http_address.clone(),
            peer_address: known.peer_address.clone(),
            incarnation: Some(known.incarnation + 1),
            accepted: None,
        };
        self.catalog = accept(&self.catalog, &Command::Announce(update));
        self
    }

    fn next(&self) -> Option<Command> {
        next(Rules::INTACT, &self.catalog, &self.reports, &Watch::default(), Instant(0), &Limits::default())
    }

    fn has_arrived(&self) -> bool {
        let waits = waits_for(&self.catalog, &self.reports, self.shard().id);
        match self.next() {
            Some(Command::Advance(advance)) => {
                assert_eq!(advance.finish.len(), 1);
                assert_eq!(waits, None);
                let after = accept(&self.catalog, &Command::Advance(advance));
                assert!(only(&after).joint.is_none());
                true
            }
            Some(other) => panic!("{other:?}"),
            None => {
                assert!(waits.expect("a reason").says(&self.catalog).len() > 10);
                false
            }
        }
    }
}

#[test]
fn a_shard_arrives_once_f_old_owners_have_closed_and_its_receivers_are_whole() {
    for (n, w, needed) in [
        (3, Level::Quorum, 2),
        (3, Level::One, 3),
        (3, Level::All, 3),
        (4, Level::Quorum, 3),
        (5, Level::Count(2), 4),
        (5, Level::Quorum, 3),
    ] {
        let new = u64::from(n) + 1;
        let to: Vec<u64> = (2..=new).collect();
        for closed in 0..=u64::from(n) {
            let closed_by: Vec<u64> = (1..=closed).collect();
            let moving = Moving::of(n, w, &to, &[], &[]).closed(&closed_by);
            assert!(!moving.has_arrived(), "n = {n}, w = {w}: the receiver is not whole");
            assert_eq!(
                moving.whole(&[new]).has_arrived(),
                closed >= needed,
                "n = {n}, w = {w}: {closed} closed"
            );
        }
    }
}

#[test]
fn another_replica_has_closed_what_was_before_it_but_holds_nothing() {
    let moving = || Moving::of(3, Level::Quorum, &[2, 3, 4], &[], &[]);
    assert!(!moving().closed(&[2]).whole(&[4]).has_arrived());
    assert!(
        moving().lost(1).closed(&[2]).whole(&[4]).has_arrived(),
        "n1 leaves: that it lost its disk matters not"
    );
    let stays = || moving().lost(3).closed(&[1, 2]).whole(&[4]);
    assert!(!stays().has_arrived(), "n3 stays, and fills itself");
    assert!(stays().whole(&[3]).has_arrived());
    let receiver = moving().closed(&[1, 2, 3]).whole(&[4]).lost(4);
    assert!(!receiver.has_arrived(), "what was heard of the replica before does not count");
    let again = receiver.whole(&[4]);
    assert!(again.has_arrived());
    let mut late = again;
    let shard = late.shard().id;
    late.report(4).fills.get_mut(&shard).expect("there").since = Epoch(1);
    assert!(!late.has_arrived(), "an earlier copy is whole");
}

#[test]
fn a_command_names_the_replicas_on_whose_word_it_stands() {
    let moving = Moving::of(3, Level::Quorum, &[2, 3, 4], &[], &[]).closed(&[1, 2]).whole(&[4]);
    let Some(Command::Advance(advance)) = moving.next() else { panic!("it has arrived") };
    assert_eq!(advance.relied, [(NodeId(1), 1), (NodeId(2), 1), (NodeId(4), 1)]);
    for node in [1, 2, 4] {
        let catalog = Moving { catalog: moving.catalog.clone(), reports: BTreeMap::new() }.lost(node).catalog;
        let late = catalog.apply(&Command::Advance(advance.clone()));
        assert!(late.is_err(), "n{node} is another replica by now");
    }
}

#[test]
fn a_stayer_that_fills_itself_holds_a_shard_up() {
    let mut moving = Moving::of(3, Level::Quorum, &[2, 3, 4], &[], &[]).closed(&[1, 2]).whole(&[3, 4]);
    assert!(moving.has_arrived());
    let shard = moving.shard().id;
    moving.report(3).fills.get_mut(&shard).expect("there").is_whole = false;
    assert!(!moving.has_arrived());
    moving.report(3).is_up = false;
    assert!(!moving.has_arrived(), "one that is away counts as it was last heard");
    moving.reports.remove(&NodeId(3));
    assert!(moving.has_arrived(), "one that was never heard does not");
}

#[test]
fn where_copies_become_fewer_every_stayer_has_merged() {
    let all = [1, 2, 3, 4, 5];
    let moving = || Moving::of(5, Level::Quorum, &[1, 2, 3], &[], &[]).closed(&all);
    assert!(!moving().has_arrived() && !moving().whole(&[1, 2, 3]).has_arrived());
    assert!(!moving().merged(&[1, 2]).has_arrived());
    assert!(moving().merged(&[1, 2, 3]).has_arrived());
    let mut stands = moving().merged(&[1, 2]).whole(&[3]);
    let shard = stands.shard().id;
    let fill = stands.report(3).fills.get_mut(&shard).expect("whole");
    fill.error = Some("it waits for n5".to_owned());
    let wait = waits_for(&stands.catalog, &stands.reports, shard).expect("n3 has not merged");
    assert!(!wait.is_usual() && wait.says(&stands.catalog).contains("n3"), "{wait:?}");
    assert!(wait.says(&stands.catalog).ends_with("it waits for n5"), "{wait:?}");
    let grows = Moving::of(3, Level::Quorum, &[1, 2, 3, 4, 5], &[], &[]).closed(&[1, 2]);
    assert!(grows.whole(&[4, 5]).has_arrived(), "where they become more none has to");
}

#[test]
fn the_dead_are_excused_from_w_and_accepted_ones_from_all() {
    let moving = |w, dead: &[u64], accepted: &[u64]| Moving::of(3, w, &[2, 3, 4], dead, accepted).whole(&[4]);
    assert!(!moving(Level::All, &[], &[]).closed(&[2, 3]).has_arrived());
    assert!(moving(Level::All, &[1], &[]).closed(&[2, 3]).has_arrived());
    assert!(
        !moving(Level::One, &[1], &[]).closed(&[2, 3]).has_arrived(),
        "it may be the only one that holds it"
    );
    assert!(moving(Level::One, &[1], &[1]).closed(&[2, 3]).has_arrived());
    assert!(!moving(Level::One, &[1], &[1]).closed(&[2]).has_arrived());
    let mut speaks = moving(Level::Quorum, &[1], &[]).closed(&[2]);
    let epoch = speaks.catalog.epoch();
    speaks.report(1).closed = epoch;
    assert!(!speaks.has_arrived(), "a banned node is not heard");
}

/// A cluster of six in which a job is to move these shards of one table, with these sizes.
fn waiting(shards: u32, bytes: u64) -> Moving {
    let new = NewTable { n: 3, shards, ..table("users") };
    let mut catalog = accept(&founded(5), &Command::CreateTable(new));
    catalog = accept(&catalog, &Command::Admit(crate::catalog::tests::node(6)));
    let to_six = |shard: &Shard| {
        let mut wanted: Vec<NodeId> = shard.owner_nodes().collect();
        wanted[0] = NodeId(6);
        Move { shard: shard.id, epoch: shard.epoch, wanted }
    };
    let moves = catalog.tables().flat_map(|entry| entry.shards()).map(to_six).collect();
    let begin = Begin {
        id: JOB,
        base: catalog.topology(),
        kind: JobKind::Add,
        changes: Vec::new(),
        moves,
        parts: 1,
        dead: Vec::new(),
        accepted: Vec::new(),
        bytes_total: u64::from(shards) * bytes,
    };
    catalog = accept(&catalog, &Command::Begin(begin));
    let mut moving = Moving { catalog, reports: BTreeMap::new() };
    (1..=6).for_each(|node| moving.report(node).free_bytes = u64::MAX);
    moving
}

impl Moving {
    fn started(&self) -> usize {
        match self.next() {
            Some(Command::Advance(advance)) => advance.start.len(),
            Some(other) => panic!("{other:?}"),
            None => 0,
        }
    }
}

#[test]
fn shards_start_within_the_windows_of_their_receiver() {
    const MIB: u64 = 1 << 20;
    assert_eq!(waiting(128, MIB).started(), 64, "small ones");
    assert_eq!(waiting(128, 16 * MIB).started(), 8, "large ones");
    assert_eq!(waiting(128, 500 * MIB).started(), 4, "2 GiB");
    assert_eq!(waiting(128, 5_000 * MIB).started(), 1, "one is one, however large");
    let mut counted = waiting(128, 16 * MIB);
    let shards: Vec<ShardId> = counted.catalog.tables().flat_map(|it| it.shards()).map(|it| it.id).collect();
    for node in 1..=5 {
        counted.report(node).sizes = shards.iter().map(|shard| (*shard, MIB)).collect();
    }
    assert_eq!(counted.started(), 64, "what owners have counted, not what the plan expected");
    let mut running = waiting(128, 16 * MIB);
    let Some(command) = running.next() else { panic!("some start") };
    running.catalog = accept(&running.catalog, &command);
    assert_eq!(running.started(), 0, "the window is full");
}

#[test]
fn nothing_starts_where_it_would_only_wait() {
    let mut away = waiting(8, 1);
    away.report(6).is_up = false;
    assert_eq!(away.started(), 0, "the receiver is away");
    let mut full = waiting(8, 100);
    full.report(6).free_bytes = 359;
    assert_eq!(full.started(), 2, "each takes 1.2 times its bytes");
    let mut stands = waiting(8, 1);
    let id = stands.catalog.running_job().expect("runs").pending.keys().next().copied().expect("one");
    let error = Some("the disk is nearly full".to_owned());
    stands.report(6).fills.insert(id, FillReport { error, ..FillReport::default() });
    assert_eq!(stands.started(), 0, "the receiver does not go on with what it has");
    let mut alone = waiting(8, 1);
    (1..=4).for_each(|node| alone.report(node).is_up = false);
    assert_eq!(alone.started(), 0, "too few old owners can be asked");
}

/// What is said of shards that have not begun.
#[test]
fn what_has_not_begun_says_what_it_waits_for() {
    let words = |moving: &Moving| {
        let waits = pending(&moving.catalog, &moving.reports, &Limits::default(), 1);
        waits.first().map(|(_, wait)| wait.says(&moving.catalog)).unwrap_or_default()
    };
    let mut away = waiting(8, 1);
    away.report(6).is_up = false;
    assert_eq!(words(&away), "waits for n6, which should get it and can't be asked");
    let mut full = waiting(8, 100);
    full.report(6).free_bytes = 90;
    assert_eq!(words(&full), "waits for space: n6 would get 100 bytes and can take 90");
    let mut alone = waiting(8, 1);
    (1..=4).for_each(|node| alone.report(node).is_up = false);
    assert!(words(&alone).contains("more of its owners can be asked (n"), "{}", words(&alone));
    let busy = waiting(128, 16 << 20);
    let begun = accept(&busy.catalog, &busy.next().expect("some start"));
    assert_eq!(words(&Moving { catalog: begun, reports: busy.reports }), "waits for its turn");
    let idle = waiting(8, 1);
    let paused = accept(&idle.catalog, &Command::SetJob { job: JOB, to: crate::catalog::Order::Pause });
    assert!(words(&Moving { catalog: paused, reports: idle.reports }).contains("it is paused"));
}

/// The only owner of a shard is gone for good, and its operator accepts that what it held is lost.
#[test]
fn a_shard_whose_only_owner_is_gone_moves_without_a_source_once_that_is_accepted() {
    let with_jobs = |dead: &[u64], accepted: &[u64]| {
        let mut catalog = at_rest(1, Level::Quorum);
        catalog = accept(&catalog, &Command::Admit(crate::catalog::tests::node(2)));
        let shard = only(&catalog);
        let begin = Begin {
            id: JOB,
            base: catalog.topology(),
            kind: JobKind::Remove,
            changes: Vec::new(),
            moves: vec![Move { shard: shard.id, epoch: shard.epoch, wanted: ids(&[2]) }],
            parts: 1,
            dead: ids(dead),
            accepted: ids(accepted),
            bytes_total: 0,
        };
        let mut moving =
            Moving { catalog: accept(&catalog, &Command::Begin(begin)), reports: BTreeMap::new() };
        moving.report(2);
        moving
    };
    let unaccepted = with_jobs(&[1], &[]);
    assert_eq!(unaccepted.next(), None);
    let waits = pending(&unaccepted.catalog, &unaccepted.reports, &Limits::default(), 9);
    assert_eq!(waits[0].1, Wait::Sources { missing: 1, nodes: ids(&[1]) });
    let mut accepted = with_jobs(&[1], &[1]);
    let start = accepted.next().expect("it starts");
    accepted.catalog = accept(&accepted.catalog, &start);
    let moving = accepted.whole(&[2]);
    assert!(moving.has_arrived());
    let arrived = accept(&moving.catalog, &moving.next().expect("it arrives"));
    let losses: Vec<NodeId> = only(&arrived).losses.iter().map(|loss| loss.node).collect();
    assert_eq!(losses, ids(&[1]), "answers about it say so from then on");
}

#[test]
fn a_shard_that_stands_still_goes_back_and_rests() {
    let mut moving = waiting(1, 100);
    let (mut watch, mut now, limits) = (Watch::default(), Instant(0), Limits::default());
    let mut look = |moving: &Moving, now: Instant| {
        watch.observe(&moving.catalog, &moving.reports, now);
        next(Rules::INTACT, &moving.catalog, &moving.reports, &watch, now, &limits)
    };
    let Some(start) = look(&moving, now) else { panic!("it starts") };
    moving.catalog = accept(&moving.catalog, &start);
    let shard = moving.shard();
    let since = shard.receivers().next().expect("n6").since;
    for minute in 0..30 {
        let fill = FillReport { since, bytes: minute, ..FillReport::default() };
        moving.report(6).fills.insert(shard.id, fill);
        assert_eq!(look(&moving, now), None, "a byte a minute is progress");
        now = now + MINUTE;
    }
    for _ in 0..9 {
        assert_eq!(look(&moving, now), None);
        now = now + MINUTE;
    }
    let Some(Command::Advance(back)) = look(&moving, now) else { panic!("it goes back") };
    assert_eq!((back.revert.len(), back.start.len()), (1, 0));
    moving.catalog = accept(&moving.catalog, &Command::Advance(back));
    for _ in 0..10 {
        assert_eq!(look(&moving, now), None, "it rests");
        now = now + MINUTE;
    }
    assert!(matches!(look(&moving, now), Some(Command::Advance(advance)) if advance.start.len() == 1));
}

#[test]
fn a_paused_job_starts_nothing_and_an_aborting_one_takes_everything_back() {
    let mut moving = waiting(128, 1);
    let start = moving.next().expect("some start");
    moving.catalog = accept(&moving.catalog, &start);
    let paused = accept(&moving.catalog, &Command::SetJob { job: JOB, to: crate::catalog::Order::Pause });
    let paused = Moving { catalog: paused, reports: moving.reports.clone() };
    assert_eq!(paused.next(), None);
    let aborting = accept(&paused.catalog, &Command::SetJob { job: JOB, to: crate::catalog::Order::Abort });
    let aborting = Moving { catalog: aborting, reports: BTreeMap::new() };
    let back = aborting.next().expect("no node has to be heard for that");
    let after = accept(&aborting.catalog, &back);
    assert_eq!(after.job(JOB).expect("kept").state, JobState::Aborted);
    assert_eq!(after.moving().count(), 0);
}

#[test]
fn a_member_that_leaves_is_removed_once_nothing_is_left_with_it() {
    let mut catalog = at_rest(3, Level::Quorum);
    for number in 4..=5 {
        catalog = accept(&catalog, &Command::Admit(crate::catalog::tests::node(number)));
    }
    let begin = |catalog: &Catalog, changes, dead| {
        Command::Begin(Begin {
            id: RequestId(600 + u128::from(catalog.epoch().0)),
            base: catalog.topology(),
            kind: JobKind::Remove,
            changes,
            moves: Vec::new(),
            parts: 1,
            dead,
            accepted: Vec::new(),
            bytes_total: 0,
        })
    };
    let leave = begin(&catalog, vec![Change::Leave { node: NodeId(4) }], Vec::new());
    let dropped = accept(&catalog, &Command::DropTable { table: TableId(1) });
    let mut leaving = Moving { catalog: accept(&catalog, &leave), reports: BTreeMap::new() };
    assert_eq!(leaving.next(), None, "it was not heard: it may keep hints");
    leaving.report(4).keeps_hints = true;
    assert_eq!(leaving.next(), None);
    leaving.report(4).keeps_hints = false;
    let remove = Some(Command::RemoveNode { node: NodeId(4) });
    assert_eq!(leaving.next(), remove);
    let voting = accept(&leaving.catalog, &Command::SetVoter { node: NodeId(4), voter: true });
    let voting = Moving { catalog: voting, reports: leaving.reports.clone() };
    assert_eq!(voting.next(), None);
    // What it must close, it can be asked for only as a member.
    let leave = begin(&dropped, vec![Change::Leave { node: NodeId(3) }], Vec::new());
    let mut awaited = Moving { catalog: accept(&dropped, &leave), reports: BTreeMap::new() };
    awaited.report(3).keeps_hints = false;
    assert_eq!(awaited.next(), None);
    let ban = begin(&dropped, Vec::new(), vec![NodeId(3)]);
    let banned = Moving { catalog: accept(&dropped, &ban), reports: BTreeMap::new() };
    assert_eq!(banned.next(), Some(Command::RemoveNode { node: NodeId(3) }));
}
