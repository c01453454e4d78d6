mod load;

use super::*;
use crate::catalog::tests::{accept, founded, node, table};
use crate::catalog::{Advance, Cut, NewRange, NewTable, Order, RequestId, Seen, Shard, Split, TableChange};
use crate::conductor::{FillReport, PairReport, ShardReport};
use crate::heat::Spot;
use quorate_model::{ShardId, Sharding, SortKey, TableId};
use std::sync::Arc;

const SECOND: u64 = 1_000_000;

fn key(text: &str) -> SortKey {
    SortKey::new(text.as_bytes().to_vec())
}

fn ranged(nodes: u64) -> Catalog {
    let new = NewTable { sharding: Sharding::Range, shards: 1, ..table("log") };
    accept(&founded(nodes), &Command::CreateRange(NewRange { table: new, split_at: Vec::new() }))
}

fn shards(catalog: &Catalog) -> Vec<Shard> {
    catalog.table("log").expect("made").shards().iter().cloned().collect()
}

/// What a leader knows, at moments that follow each other.
struct Leader {
    catalog: Catalog,
    reports: BTreeMap<NodeId, NodeReport>,
    tending: Tending,
    now: u64,
    limits: TendLimits,
}

impl Leader {
    fn of(catalog: Catalog) -> Self {
        let up = |node: &Arc<crate::catalog::Node>| {
            let free_bytes = 1 << 40;
            let incarnation = node.incarnation;
            let loads = Some(BTreeMap::new());
            (node.id, NodeReport { incarnation, free_bytes, is_up: true, loads, ..NodeReport::default() })
        };
        let reports = catalog.nodes().map(up).collect();
        Self { catalog, reports, tending: Tending::default(), now: 0, limits: TendLimits::default() }
    }

    /// The first owner of a shard says so much of it.
    fn says(&mut self, shard: &Shard, bytes: u64, half: Option<&str>, load: u64, spot: Spot) {
        let owner = shard.owner_nodes().next().expect("an owner");
        let report = self.reports.get_mut(&owner).expect("a member");
        let (id, start) = (shard.id, shard.interval.start.clone());
        report.shards.retain(|known| known.shard != id);
        report.shards.push(ShardReport { shard: id, start, bytes, half: half.map(key), load, spot });
        let loads = report.shards.iter().map(|shard| shard.load).sum();
        for report in self.reports.values_mut() {
            report.loads = Some(BTreeMap::from([(id.table, loads)]));
        }
    }

    fn pairs(&mut self, bytes: u64, load: u64) {
        let shards = shards(&self.catalog);
        let pairs = shards.windows(2).map(|two| PairReport {
            left: two[0].id,
            start: two[0].interval.start.clone(),
            bytes,
            load,
        });
        let pairs: Vec<PairReport> = pairs.collect();
        for owner in shards[0].owner_nodes() {
            self.reports.get_mut(&owner).expect("a member").pairs.clone_from(&pairs);
        }
    }

    /// Looks each second, and does what is wanted; what was done, and after how many seconds.
    fn goes_on(&mut self, seconds: u64) -> Vec<(u64, Command)> {
        let mut done = Vec::new();
        for second in 0..seconds {
            let now = Instant(self.now + second * SECOND);
            if let Some(command) = self.tending.next(&self.catalog, &self.reports, now, &self.limits) {
                self.catalog = accept(&self.catalog, &command);
                done.push((second, command));
            }
        }
        self.now += seconds * SECOND;
        done
    }
}

#[test]
fn a_shard_that_is_too_large_is_split_at_once_and_once() {
    let mut leader = Leader::of(ranged(3));
    let whole = shards(&leader.catalog).remove(0);
    leader.says(&whole, 256 << 20, Some("m"), 0, Spot::Unknown);
    assert_eq!(leader.goes_on(1_000), [], "as large as it may be");
    leader.says(&whole, (256 << 20) + 1, None, 0, Spot::Unknown);
    assert_eq!(leader.goes_on(1_000), [], "it is not known where");
    leader.says(&whole, (256 << 20) + 1, Some("m"), 0, Spot::Unknown);
    // The report is the same for ever, and is of what there was.
    let done = leader.goes_on(1_000);
    assert_eq!(done.len(), 1, "{done:?}");
    assert_eq!(done[0].0, 0);
    let starts: Vec<SortKey> =
        shards(&leader.catalog).into_iter().map(|shard| shard.interval.start).collect();
    assert_eq!(starts, [key(""), key("m")]);
}

#[test]
fn a_hash_table_is_split_between_tokens() {
    let catalog = accept(&founded(3), &Command::CreateTable(NewTable { shards: 1, ..table("log") }));
    let mut leader = Leader::of(catalog);
    let whole = shards(&leader.catalog).remove(0);
    leader.says(&whole, 1 << 30, Some("01234567and a key"), 0, Spot::Unknown);
    assert_eq!(leader.goes_on(1).len(), 1);
    assert_eq!(shards(&leader.catalog)[1].interval.start, key("01234567"));
}

#[test]
fn a_shard_that_is_hot_for_a_minute_is_split_where_its_requests_are_halved() {
    let mut leader = Leader::of(ranged(3));
    let whole = shards(&leader.catalog).remove(0);
    leader.says(&whole, 0, None, 999, Spot::Half(key("f")));
    assert_eq!(leader.goes_on(600), [], "that is not much");
    leader.says(&whole, 0, None, 1_000, Spot::Half(key("f")));
    assert_eq!(leader.goes_on(59), []);
    leader.says(&whole, 0, None, 10, Spot::Half(key("f")));
    assert_eq!(leader.goes_on(1), [], "it was over");
    leader.says(&whole, 0, None, 5_000, Spot::Half(key("f")));
    let done = leader.goes_on(300);
    assert_eq!((done.len(), done[0].0), (1, 60), "{done:?}");
    assert_eq!(shards(&leader.catalog)[1].interval.start, key("f"));
}

#[test]
fn a_hot_key_and_a_key_that_grows_are_not_split_for_their_load() {
    for spot in [Spot::Key(key("f")), Spot::Grows, Spot::Unknown] {
        let mut leader = Leader::of(ranged(3));
        let whole = shards(&leader.catalog).remove(0);
        leader.says(&whole, 1 << 20, Some("m"), 1_000_000, spot);
        assert_eq!(leader.goes_on(600), []);
    }
}

#[test]
fn of_shards_that_carry_the_same_none_is_split() {
    let mut leader = Leader::of(ranged(3));
    leader.limits.uneven_for = Span::from_millis(u64::MAX / 2_000);
    for round in 0..8 {
        for shard in shards(&leader.catalog) {
            let at = format!("{}m", shard.interval.start);
            leader.says(&shard, 0, None, 100_000, Spot::Half(key(&at)));
        }
        let done = leader.goes_on(120);
        assert!(round < 3 || done.is_empty(), "round {round}: {} shards", shards(&leader.catalog).len());
    }
    assert!(shards(&leader.catalog).len() <= 8);
}

#[test]
fn small_cold_neighbours_are_merged_once_they_have_stayed_so_for_long() {
    let mut leader = Leader::of(ranged(3));
    for at in ["m", "f", "t"] {
        let holding = shards(&leader.catalog).into_iter().find(|shard| shard.interval.contains(&key(at)));
        let cut = Cut { seen: Seen::of(&holding.expect("one")), at: key(at) };
        let split = Split { table: TableId(1), cuts: vec![cut] };
        leader.catalog = accept(&leader.catalog, &Command::Split(split));
    }
    leader.pairs(64 << 20, 0);
    assert_eq!(leader.goes_on(7_200), [], "together a quarter of what is split");
    leader.pairs(1 << 20, 250);
    assert_eq!(leader.goes_on(7_200), [], "a quarter of what is split for its load");
    leader.pairs(1 << 20, 10);
    let done = leader.goes_on(1_801);
    assert_eq!((done.len(), done[0].0), (1, 1_800));
    assert_eq!(shards(&leader.catalog).len(), 2, "two pairs at once");
    leader.pairs(1 << 20, 10);
    let done = leader.goes_on(1_801);
    assert_eq!(
        (done.len(), done[0].0, shards(&leader.catalog).len()),
        (1, 1_800, 1),
        "again only after as long"
    );
    leader.pairs(1 << 20, 0);
    assert_eq!(leader.goes_on(7_200), [], "it began with one");
}

/// One owner may carry all reads, or fill its copy.
#[test]
fn neighbours_that_one_owner_calls_large_or_hot_or_says_nothing_of_stay_two() {
    let mut leader = Leader::of(ranged(3));
    let whole = shards(&leader.catalog).remove(0);
    let cut = Cut { seen: Seen::of(&whole), at: key("m") };
    let split = Split { table: TableId(1), cuts: vec![cut] };
    leader.catalog = accept(&leader.catalog, &Command::Split(split));
    let (first, second) = (NodeId(1), NodeId(2));
    for (bytes, load) in [(100 << 20, 0), (0, 900)] {
        leader.pairs(0, 0);
        let pair = &mut leader.reports.get_mut(&first).expect("a member").pairs[0];
        (pair.bytes, pair.load) = (bytes, load);
        assert_eq!(leader.goes_on(7_200), []);
    }
    leader.pairs(0, 0);
    leader.reports.get_mut(&second).expect("a member").pairs.clear();
    assert_eq!(leader.goes_on(7_200), []);
    leader.pairs(0, 0);
    leader.reports.get_mut(&second).expect("a member").is_up = false;
    assert_eq!(leader.goes_on(7_200), [], "what it said last is of what was");
}

/// Another owner has not heard of a split yet, and would cut at another place.
#[test]
fn what_is_said_of_a_shard_that_was_split_just_now_counts_no_more() {
    let mut leader = Leader::of(ranged(3));
    let whole = shards(&leader.catalog).remove(0);
    for (node, half) in [(1, "m"), (2, "f")] {
        let (shard, start, half) = (whole.id, whole.interval.start.clone(), Some(key(half)));
        let report = ShardReport { shard, start, bytes: 1 << 30, half, load: 0, spot: Spot::Unknown };
        leader.reports.get_mut(&NodeId(node)).expect("a member").shards = vec![report];
    }
    assert_eq!(leader.goes_on(5).len(), 1);
    leader.reports.values_mut().for_each(|report| report.shards.clear());
    assert_eq!((leader.goes_on(600), shards(&leader.catalog).len()), (Vec::new(), 2));
}

#[test]
fn a_table_is_not_merged_below_what_it_was_made_with() {
    let new = NewTable { sharding: Sharding::Range, shards: 3, ..table("log") };
    let split_at = ["f", "m"].map(quorate_model::Key::new).to_vec();
    let catalog = accept(&founded(3), &Command::CreateRange(NewRange { table: new, split_at }));
    let mut leader = Leader::of(catalog);
    leader.pairs(0, 0);
    assert_eq!(leader.goes_on(7_200), []);
}

/// A table of twelve shards, split from one on three of six nodes that all own something else.
fn lopsided() -> Catalog {
    let mut catalog = ranged(3);
    for number in 4..=6 {
        catalog = accept(&catalog, &Command::Admit(node(number)));
    }
    catalog = accept(&catalog, &Command::CreateTable(NewTable { shards: 8, ..table("other") }));
    for at in 1..12u8 {
        let last = shards(&catalog).pop().expect("one");
        let cut = Cut { seen: Seen::of(&last), at: SortKey::new(vec![at]) };
        catalog = accept(&catalog, &Command::Split(Split { table: last.id.table, cuts: vec![cut] }));
    }
    catalog
}

fn copies(catalog: &Catalog) -> Vec<u64> {
    let of = |node: NodeId| {
        catalog.tables().flat_map(|entry| entry.shards()).filter(|shard| shard.is_owned_by(node)).count()
            as u64
    };
    catalog.nodes().map(|node| of(node.id)).collect()
}

/// The job that was begun is carried out at once.
fn carried_out(catalog: &Catalog) -> Catalog {
    let job = catalog.running_job().expect("it runs").clone();
    let start = job.pending.keys().copied().collect();
    let moving = accept(catalog, &Command::Advance(Advance { start, ..Advance::of(job.id) }));
    let finish = moving.moving().map(|shard| (shard.id, shard.epoch)).collect();
    accept(&moving, &Command::Advance(Advance { finish, ..Advance::of(job.id) }))
}

#[test]
fn copies_that_lie_unevenly_move_until_all_have_their_share() {
    let mut leader = Leader::of(lopsided());
    let before = copies(&leader.catalog);
    assert!(before.iter().max() > before.iter().min().map(|least| least + 4).as_ref(), "{before:?}");
    assert_eq!(leader.goes_on(60), []);
    let mut moves = 0;
    loop {
        let done = leader.goes_on(130);
        let Some((_, command)) = done.first() else { break };
        let Command::Begin(begin) = command else { panic!("{command:?}") };
        assert_eq!(done.len(), 1, "nothing while it runs");
        leader.catalog = carried_out(&leader.catalog);
        moves += begin.moves.len();
        assert!(moves < 40, "{:?}", copies(&leader.catalog));
    }
    let after = copies(&leader.catalog);
    let (least, most) = (after.iter().min().expect("six"), after.iter().max().expect("six"));
    assert!(most - least <= 2, "{after:?}");
    assert!(
        shards(&leader.catalog).iter().any(|shard| shard.is_owned_by(NodeId(6))),
        "the range table spreads"
    );
}

#[test]
fn a_member_that_owns_nothing_or_is_away_or_drained_gets_nothing() {
    let alone = accept(&ranged(3), &Command::Admit(node(4)));
    let mut leader = Leader::of(alone);
    for at in 1..12u8 {
        let last = shards(&leader.catalog).pop().expect("one");
        let cut = Cut { seen: Seen::of(&last), at: SortKey::new(vec![at]) };
        let split = Split { table: last.id.table, cuts: vec![cut] };
        leader.catalog = accept(&leader.catalog, &Command::Split(split));
    }
    assert_eq!(leader.goes_on(600), [], "n4 waits for an operator");
    let mut leader = Leader::of(lopsided());
    for number in 4..=6 {
        leader.reports.get_mut(&NodeId(number)).expect("a member").is_up = false;
    }
    assert_eq!(leader.goes_on(600), []);
}

#[test]
fn no_move_begins_that_would_have_to_wait() {
    let waits: [fn(&mut Leader); 2] = [
        |leader| leader.reports.values_mut().for_each(|report| report.free_bytes = 0),
        |leader| {
            // An owner of each shard that could move: its copy may be needed as a source.
            for node in 1..=3 {
                leader.reports.get_mut(&NodeId(node)).expect("a member").is_up = false;
            }
        },
    ];
    for wait in waits {
        let mut leader = Leader::of(lopsided());
        for node in 1..=6 {
            let report = leader.reports.get_mut(&NodeId(node)).expect("a member");
            report.bytes = BTreeMap::from([(TableId(1), 12 << 20)]);
        }
        wait(&mut leader);
        let moved = leader.goes_on(600);
        let of_log = |command: &Command| match command {
            Command::Begin(begin) => begin.moves.iter().any(|moved| moved.shard.table == TableId(1)),
            _ => false,
        };
        assert!(!moved.iter().any(|(_, command)| of_log(command)), "{moved:?}");
    }
}

#[test]
fn a_table_may_say_itself_how_large_its_shards_become() {
    let sized = |bytes: u64| {
        let change = TableChange { shard_bytes_max: Some(bytes), ..TableChange::of(TableId(1)) };
        accept(&ranged(3), &Command::AlterTable(change))
    };
    let mut leader = Leader::of(sized(1 << 20));
    let whole = shards(&leader.catalog).remove(0);
    leader.says(&whole, (1 << 20) + 1, Some("m"), 0, Spot::Unknown);
    assert_eq!(leader.goes_on(1).len(), 1);
    let halves = shards(&leader.catalog);
    for half in &halves {
        leader.says(half, 0, None, 0, Spot::Unknown);
    }
    leader.pairs(1 << 18, 0);
    assert_eq!(leader.goes_on(1_801), []);
    leader.pairs((1 << 18) - 1, 0);
    assert_eq!(leader.goes_on(1_801).len(), 1, "a quarter of what its shards may be");
    let mut leader = Leader::of(sized(0));
    leader.says(&whole, 256 << 20, Some("m"), 0, Spot::Unknown);
    assert_eq!(leader.goes_on(100), [], "as it is configured");
}

#[test]
fn a_balance_that_waits_for_a_node_is_given_up_and_an_operators_is_not() {
    let begun = |operator: bool| {
        let mut leader = Leader::of(lopsided());
        let done = leader.goes_on(62);
        let [(_, Command::Begin(begin))] = &done[..] else { panic!("{done:?}") };
        let taker = begin.moves[0].wanted.iter().find(|node| node.0 > 3).expect("it spreads");
        if operator {
            let job = leader.catalog.running_job().expect("it runs").id;
            let abort = Command::SetJob { job, to: Order::Abort };
            let aborted = accept(&leader.catalog, &abort);
            let mut begin = begin.clone();
            (begin.id, begin.base) = (RequestId(7), aborted.topology());
            leader.catalog = accept(&aborted, &Command::Begin(begin));
        }
        (*taker, leader)
    };
    let (_, mut leader) = begun(false);
    assert_eq!(leader.goes_on(600), [], "all are there");
    let late = leader.goes_on(1_400);
    assert!(matches!(late[..], [(_, Command::SetJob { to: Order::Abort, .. })]), "it stands still: {late:?}");
    // Shards that begin, go back and begin again are no progress; bytes are.
    let (_, mut leader) = begun(false);
    let job = leader.catalog.running_job().expect("it runs").clone();
    let start: Vec<ShardId> = job.pending.keys().copied().collect();
    for round in 0..8 {
        let step = if round % 2 == 0 {
            Advance { start: start.clone(), ..Advance::of(job.id) }
        } else {
            let revert = leader.catalog.moving().map(|shard| (shard.id, shard.epoch)).collect();
            Advance { revert, ..Advance::of(job.id) }
        };
        leader.catalog = accept(&leader.catalog, &Command::Advance(step));
        let fill = FillReport { bytes: 100 * (round / 6), ..FillReport::default() };
        leader.reports.get_mut(&NodeId(4)).expect("a member").fills = BTreeMap::from([(start[0], fill)]);
        assert_eq!(leader.goes_on(290), [], "round {round}");
        if round == 5 {
            let mut other = leader.tending.clone();
            let now = Instant(leader.now + 100 * SECOND);
            let aborted = other.next(&leader.catalog, &leader.reports, now, &leader.limits);
            assert!(matches!(aborted, Some(Command::SetJob { .. })), "{aborted:?}");
        }
    }
    for operator in [false, true] {
        let (taker, mut leader) = begun(operator);
        leader.reports.get_mut(&taker).expect("a member").is_up = false;
        assert_eq!(leader.goes_on(119), []);
        let aborted = leader.goes_on(5);
        assert_eq!(aborted.len(), usize::from(!operator), "{aborted:?}");
    }
}

#[test]
fn everything_stands_back_while_a_job_runs_and_below_level_4() {
    let mut leader = Leader::of(lopsided());
    let whole = shards(&leader.catalog).remove(0);
    assert_eq!(leader.goes_on(62).len(), 1, "a move");
    leader.says(&whole, 1 << 40, Some("\0"), 1 << 40, Spot::Half(key("\0")));
    assert_eq!(leader.goes_on(600), []);
}
