//! Exchanges between two tables in memory, which answer as replicas do: some answers are cut short, some calls fail, and
//! writes come in between.

use super::work::between;
use super::*;
use crate::machine::Failure;
use proptest::prelude::*;
use quorate_model::sync::{Cuts, Fetched, Items, Keyed, Listed, Parted, Proof, Sum};
use quorate_model::{
    Body, Boot, Epoch, Extent, Instant, Interval, NodeId, Now, Operation, OperationId, Operations,
    RangeReply, RangeRequest, Record, Rules, SortKey, Stamps, TableId, Version, WallTime, record,
};
use std::collections::BTreeMap;

const HERE: NodeId = NodeId(1);
const THERE: NodeId = NodeId(2);
const NOW: Now = Now { instant: Instant(0), wall: WallTime(0) };

pub(crate) type Table = BTreeMap<SortKey, Record>;

/// What random choices are made of.
pub(crate) struct Dice(pub u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
}

pub(crate) fn version(seq: u64, node: u64) -> Version {
    let mut stamps = Stamps::new(NodeId(node), Boot(1));
    (0..=seq).fold(None, |seen, _| stamps.draw().above(seen).ok()).expect("seq counts from 0")
}

/// Equal arguments make equal records.
fn a_record(seq: u64, node: u64, kind: u64) -> Record {
    let version = version(seq, node);
    let value = Body::Value { content_type: String::new(), payload: format!("{seq}.{node}").into() };
    let id = OperationId { client: format!("c{}", kind % 5), sequence: 1 };
    let ids = Operations::of(Operation { id, version, digest: 7 });
    Record {
        version,
        written_at: WallTime(seq),
        expires_at: None,
        body: [value.clone(), value, Body::Tombstone, Body::Expired][(kind % 4) as usize].clone(),
        operations: if kind < 10 { ids } else { Operations::default() },
    }
}

pub(crate) fn a_key(number: u64) -> SortKey {
    SortKey::new(format!("k{number:04}").into_bytes())
}

fn item(key: &SortKey, record: &Record) -> u64 {
    let parts = [record.digest(), record.operations.digest()];
    let bytes = key.as_bytes().iter().copied().chain(parts.iter().flat_map(|part| part.to_be_bytes()));
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

pub(crate) fn put(table: &mut Table, key: SortKey, record: Record) {
    let merged = match table.remove(&key) {
        Some(held) => record::merge(held, record),
        None => record,
    };
    table.insert(key, merged);
}

/// Answers as a replica does, now and then with less than was asked for.
pub(crate) fn serve(table: &mut Table, request: RangeRequest, dice: &mut Dice) -> RangeReply {
    let within = |table: &Table, over: &Interval| -> Vec<(SortKey, Record)> {
        let inside = table.iter().filter(|(key, _)| over.contains(key));
        inside.map(|(key, record)| (key.clone(), record.clone())).collect()
    };
    let sum = |table: &Table, over: &Interval| {
        within(table, over).iter().fold(0u64, |sum, (key, record)| sum.wrapping_add(item(key, record)))
    };
    match request {
        RangeRequest::Parts { over, cuts } => {
            let (keys, is_own) = match cuts {
                Cuts::At { keys, .. } => (keys, false),
                Cuts::Own(most) => {
                    let all = within(table, &over.interval);
                    let starts = all.chunks(7).skip(1).map(|chunk| chunk[0].0.clone());
                    (starts.take(most.min(3) as usize).collect(), true)
                }
            };
            let mut start = over.interval.start.clone();
            let mut parted = Parted::default();
            let is_short = is_own && keys.len() == 3;
            for end in keys.into_iter().map(Some).chain([over.interval.end.clone()]) {
                let is_cut = !is_own && dice.roll(12) == 0;
                let is_last_of_many = is_short && parted.ends.len() == 3;
                if is_cut || is_last_of_many {
                    break;
                }
                parted.sums.0.push(sum(table, &Interval { start: start.clone(), end: end.clone() }));
                let Some(end) = end.filter(|end| Some(end) != over.interval.end.as_ref()) else { break };
                if is_own {
                    parted.ends.push(end.clone());
                }
                start = end;
            }
            RangeReply::Parted(parted)
        }
        RangeRequest::List { over, items, keys } => {
            let most = (items as usize).min(1 + dice.roll(20) as usize);
            let all = within(table, &over.interval);
            let is_whole = all.len() <= most;
            let some = &all[..all.len().min(most)];
            RangeReply::Listed(Listed {
                items: Items(some.iter().map(|(key, record)| item(key, record)).collect()),
                keys: if keys { some.iter().map(|(key, _)| key.clone()).collect() } else { Vec::new() },
                until: if is_whole { over.interval.end } else { some.last().map(|(key, _)| key.successor()) },
            })
        }
        RangeRequest::Fetch { over, wanted, but, .. } => {
            let most = 1 + dice.roll(6) as usize;
            let is_wanted = |(key, record): &(SortKey, Record)| {
                wanted.as_ref().is_none_or(|wanted| wanted.0.contains(&item(key, record)))
                    && but.as_ref().is_none_or(|but| !but.0.contains(&item(key, record)))
            };
            let all: Vec<_> = within(table, &over.interval).into_iter().filter(is_wanted).collect();
            let until = all.get(most - 1).filter(|_| all.len() > most).map(|(key, _)| key.successor());
            let some = all.into_iter().take(most);
            let records = some.map(|(sort_key, record)| Keyed { sort_key, record }).collect();
            RangeReply::Fetched(Fetched { records, until: until.or(over.interval.end) })
        }
        RangeRequest::Merge { over, records } => {
            for Keyed { sort_key, record } in records {
                assert!(over.interval.contains(&sort_key));
                put(table, sort_key, record);
            }
            RangeReply::Merged
        }
        RangeRequest::Scan { .. }
        | RangeRequest::Sums { .. }
        | RangeRequest::Page { .. }
        | RangeRequest::Floors { .. }
        | RangeRequest::Removals { .. }
        | RangeRequest::Confirm { .. }
        | RangeRequest::Drop { .. } => {
            panic!("an exchange does not ask that")
        }
    }
}

#[derive(Debug)]
struct Run {
    here: Table,
    there: Table,
    counts: Counts,
}

const LIMITS: ExchangeLimits = ExchangeLimits {
    sums_max: 3,
    items_max: 40,
    few_keys: 4,
    bytes_max: 1_000,
    call_timeout: quorate_model::Span::from_millis(1),
};

/// Runs an exchange to its end; one in `failing` calls fails (0: none), and the exchange goes on from where it was.
fn run(here: &Table, there: &Table, way: Way, failing: u64, seed: u64, rules: Rules) -> Run {
    let mut dice = Dice(seed);
    let mut tables = BTreeMap::from([(HERE, here.clone()), (THERE, there.clone())]);
    let mut counts = Counts::default();
    let mut interval = Interval::everything();
    for _ in 0..10_000 {
        let over = Extent { table: TableId(1), epoch: Epoch(1), interval: interval.clone() };
        let mut exchange = Exchange::new(Task { over, here: HERE, there: THERE, way }, LIMITS, rules);
        let mut inputs = vec![Input::Start];
        let mut ended = None;
        while ended.is_none() {
            // Two calls may be open: their answers come in any order.
            let at = dice.roll(inputs.len() as u64) as usize;
            let (mut actions, input) = (Vec::new(), inputs.swap_remove(at));
            exchange.step(NOW, input, &mut actions);
            for action in actions {
                match action {
                    Action::Ask { call, .. } if failing > 0 && dice.roll(failing) == 0 => {
                        inputs.push(Input::Failed(call, Failure::Lost));
                    }
                    Action::Ask { call, to, request, .. } => {
                        let table = tables.get_mut(&to).expect("one of the two");
                        inputs.push(Input::Reply(call, serve(table, request, &mut dice)));
                    }
                    Action::Done(ending) => ended = Some(ending),
                }
            }
        }
        counts.differing += exchange.counts().differing;
        counts.pulled += exchange.counts().pulled;
        counts.pushed += exchange.counts().pushed;
        match (ended, exchange.at()) {
            (Some(Ending::Whole), None) => {
                let (here, there) = (tables.remove(&HERE), tables.remove(&THERE));
                let (here, there) = (here.expect("here"), there.expect("there"));
                return Run { here, there, counts };
            }
            (Some(Ending::Stopped(..)), Some(at)) => interval.start = at.clone(),
            other => panic!("ended in the middle: {other:?}"),
        }
    }
    panic!("it comes to no end");
}

fn merged(one: &Table, other: &Table) -> Table {
    let mut all = one.clone();
    for (key, record) in other {
        put(&mut all, key.clone(), record.clone());
    }
    all
}

/// Two tables that have most in common, where `different` of a thousand keys are not the same.
fn two_tables(keys: u64, different: u64, seed: u64) -> (Table, Table) {
    let mut dice = Dice(seed);
    let (mut here, mut there) = (Table::new(), Table::new());
    for number in 0..keys {
        let kind = dice.roll(20);
        let common = a_record(1, 1, kind);
        if dice.roll(1_000) >= different {
            here.insert(a_key(number), common.clone());
            there.insert(a_key(number), common);
            continue;
        }
        match dice.roll(5) {
            0 => drop(here.insert(a_key(number), common)),
            1 => drop(there.insert(a_key(number), common)),
            2 => {
                here.insert(a_key(number), a_record(2, 1, kind));
                there.insert(a_key(number), a_record(3, 2, dice.roll(20)));
            }
            3 => {
                // Another expired flag, and other ids.
                here.insert(a_key(number), a_record(1, 1, 12));
                there.insert(a_key(number), a_record(1, 1, 12).into_expired());
            }
            _ => {
                let ids = a_record(1, 1, 1).operations;
                here.insert(a_key(number), Record { operations: ids, ..common.clone() });
                there.insert(a_key(number), common);
            }
        }
    }
    (here, there)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn both_hold_the_merge_of_both(keys in 0u64..300, part in 0usize..6, failing in 0usize..3, seed: u64) {
        let different = [0, 2, 20, 200, 900, 1_000][part];
        let (here, there) = two_tables(keys, different, seed);
        let run = run(&here, &there, Way::Both, [0, 40, 8][failing], seed, Rules::INTACT);
        let all = merged(&here, &there);
        prop_assert_eq!(&run.here, &all);
        prop_assert_eq!(&run.there, &all);
        if here == there {
            prop_assert_eq!(run.counts, Counts::default());
        }
    }

    #[test]
    fn a_pull_changes_nothing_there(keys in 0u64..300, part in 0usize..6, failing in 0usize..3, seed: u64) {
        let different = [0, 2, 20, 200, 900, 1_000][part];
        let (mut here, there) = two_tables(keys, different, seed);
        if seed.is_multiple_of(4) {
            here.clear();
        }
        let run = run(&here, &there, Way::Pull, [0, 40, 8][failing], seed, Rules::INTACT);
        prop_assert_eq!(&run.here, &merged(&here, &there));
        prop_assert_eq!(&run.there, &there);
    }

    #[test]
    fn a_look_changes_nothing(keys in 0u64..200, different in 0u64..1_000, seed: u64) {
        let (here, there) = two_tables(keys, different, seed);
        let run = run(&here, &there, Way::Look, 0, seed, Rules::INTACT);
        prop_assert_eq!(&run.here, &here);
        prop_assert_eq!(&run.there, &there);
        let known = |table: &Table, other: &Table| {
            table.iter().filter(|(key, record)| other.get(*key) != Some(*record)).count() as u64
        };
        prop_assert_eq!(run.counts.differing, known(&here, &there) + known(&there, &here));
    }

    #[test]
    fn a_cut_lies_between_its_neighbours(a: Vec<u8>, b: Vec<u8>) {
        let (low, high) = (SortKey::new(a.clone().min(b.clone())), SortKey::new(a.max(b)));
        prop_assume!(low < high);
        let cut = between(&low, &high);
        prop_assert!(low < cut && cut <= high);
    }
}

#[test]
fn an_empty_replica_streams_and_asks_for_no_lists() {
    let (_, there) = two_tables(200, 0, 7);
    let run = run(&Table::new(), &there, Way::Pull, 0, 7, Rules::INTACT);
    assert_eq!(run.here, there);
    assert_eq!(run.counts.pulled, 200);
}

#[test]
fn a_refusal_ends_it_and_names_who_refused() {
    let over = Extent { table: TableId(1), epoch: Epoch(1), interval: Interval::everything() };
    let task = Task { over, here: HERE, there: THERE, way: Way::Both };
    let mut exchange = Exchange::new(task, LIMITS, Rules::INTACT);
    let mut actions = Vec::new();
    exchange.step(NOW, Input::Start, &mut actions);
    let [Action::Ask { call, to: HERE, .. }] = actions[..] else { panic!("it asks this node first") };
    let refusal = quorate_model::Refusal::Stale { current: Epoch(2) };
    actions.clear();
    exchange.step(NOW, Input::Reply(call, RangeReply::Refused(refusal)), &mut actions);
    let ending = Ending::Stopped(HERE, Failure::Refused(refusal));
    assert_eq!(actions, vec![Action::Done(ending)]);
    assert_eq!(exchange.at(), Some(&Interval::everything().start), "it goes on from there");
}

/// A round over one shard of `HERE`, `THERE` and a third owner that fails as it is told; what came of it, and the tables.
fn round_of_three(tables: &mut BTreeMap<NodeId, Table>, third: Failure) -> Option<Outcome> {
    let over = Extent { table: TableId(1), epoch: Epoch(1), interval: Interval::everything() };
    let shard = Shard { over, others: vec![THERE, NodeId(3)], is_short: false };
    let mut round = Round::new(HERE, vec![shard], Way::Both, LIMITS, Rules::INTACT);
    let (mut dice, mut inputs, mut came) = (Dice(5), vec![Input::Start], None);
    while let Some(input) = inputs.pop() {
        let mut actions = Vec::new();
        round.step(NOW, input, &mut actions);
        for action in actions {
            match action {
                RoundAction::Ask { call, to: NodeId(3), .. } => {
                    inputs.push(Input::Failed(call, third));
                }
                RoundAction::Ask { call, to, request: RangeRequest::Sums { of }, .. } => {
                    let table = &tables[&to];
                    let sum =
                        table.iter().fold(0u128, |sum, (key, record)| sum + u128::from(item(key, record)));
                    let proofs = of.iter().map(|_| Proof::Counted(Sum(sum))).collect();
                    inputs.push(Input::Reply(call, RangeReply::Sums(proofs)));
                }
                RoundAction::Ask { call, to, request, .. } => {
                    let table = tables.get_mut(&to).expect("one of the two");
                    inputs.push(Input::Reply(call, serve(table, request, &mut dice)));
                }
                RoundAction::Shard(_, outcome, _) => came = Some(outcome),
                RoundAction::Done => return came,
            }
        }
    }
    panic!("the round comes to no end")
}

#[test]
fn an_owner_that_refuses_keeps_the_others_from_nothing_but_the_proof() {
    let (here, there) = two_tables(100, 200, 9);
    let all = merged(&here, &there);
    let mut tables = BTreeMap::from([(HERE, here), (THERE, there)]);
    let refusal = Failure::Refused(quorate_model::Refusal::Doubtful);
    assert_eq!(round_of_three(&mut tables, refusal), Some(Outcome::Open(NodeId(3), refusal)));
    assert_eq!((&tables[&HERE], &tables[&THERE]), (&all, &all));
}
