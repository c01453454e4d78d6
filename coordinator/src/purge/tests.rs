//! Runs over owners in memory, which answer as replicas do.

use super::*;
use crate::machine::Failure;
use crate::sync::tests::{Dice, Table, a_key, put, serve, version};
use crate::sync::{ExchangeLimits, Input, Shard};
use quorate_model::floors::{Floored, Removal, Removals};
use quorate_model::{
    Body, Epoch, Extent, Floors, Held as HeldVersion, Instant, Interval, NodeId, Now, Operations, RangeReply,
    RangeRequest, Record, Refusal, Rules, TableId, WallTime,
};
use std::collections::{BTreeMap, VecDeque};

const NOW: Now = Now { instant: Instant(0), wall: WallTime(0) };

#[derive(Default)]
struct Owner {
    table: Table,
    floors: Floors,
    sealed_times: u32,
}

struct Owners {
    all: BTreeMap<NodeId, Owner>,
    /// Who refuses, from which of its calls on.
    refuses: Option<(NodeId, usize)>,
    asked: BTreeMap<NodeId, usize>,
    /// What lands at a node, of the first key, before that node is asked what it holds.
    lands: Option<(NodeId, Record)>,
}

fn a_record(seq: u64, body: Body) -> Record {
    let operations = Operations::default();
    Record { version: version(seq, 7), written_at: WallTime(seq), expires_at: None, body, operations }
}

fn value(seq: u64) -> Record {
    a_record(seq, Body::Value { content_type: String::new(), payload: format!("v{seq}").into() })
}

fn removal(seq: u64) -> Record {
    a_record(seq, Body::Tombstone)
}

fn over() -> Extent {
    Extent { table: TableId(1), epoch: Epoch(1), interval: Interval::everything() }
}

impl Owners {
    fn new() -> Self {
        let all = [1, 2, 3].map(|node| (NodeId(node), Owner::default())).into_iter().collect();
        Self { all, refuses: None, asked: BTreeMap::new(), lands: None }
    }

    fn hold(&mut self, nodes: &[u64], key: u64, record: &Record) {
        for node in nodes {
            put(&mut self.all.get_mut(&NodeId(*node)).expect("an owner").table, a_key(key), record.clone());
        }
    }

    fn held(&self, key: u64) -> Vec<Option<HeldVersion>> {
        self.all.values().map(|owner| owner.table.get(&a_key(key)).map(Record::held)).collect()
    }

    fn answer(&mut self, to: NodeId, request: RangeRequest) -> RangeReply {
        let asked = self.asked.entry(to).or_default();
        *asked += 1;
        if self.refuses.is_some_and(|(node, from)| node == to && *asked >= from) {
            return RangeReply::Refused(Refusal::Filling);
        }
        if let (RangeRequest::Confirm { .. }, Some((node, record))) = (&request, self.lands.clone())
            && node == to
        {
            self.hold(&[node.0], 1, &record);
        }
        let everywhere = self.all.values().map(|owner| owner.sealed_times).min();
        let owner = self.all.get_mut(&to).expect("an owner");
        match request {
            RangeRequest::Floors { over, raise } => {
                let before = owner.floors;
                owner.floors = raise.over(before);
                owner.sealed_times += u32::from(matches!(raise, quorate_model::floors::Raise::Seal { .. }));
                RangeReply::Floored(vec![Floored { interval: over.interval, floors: owner.floors }])
            }
            RangeRequest::Removals { wanted, .. } => {
                let found = owner.table.iter().filter(|(_, record)| {
                    let is_removal = !matches!(record.body, Body::Value { .. });
                    let is_old = record.written_at <= wanted.before;
                    is_removal && is_old && wanted.up_to.is_none_or(|up_to| record.version <= up_to)
                });
                let found = found.map(|(key, record)| Removal {
                    sort_key: key.clone(),
                    held: record.held(),
                    has_ids: false,
                });
                RangeReply::Removals(Removals { found: found.collect(), due: Vec::new(), until: None })
            }
            RangeRequest::Confirm { removals, .. } => {
                let is_held = |removal: &Removal| {
                    let held = owner.table.get(&removal.sort_key).map(Record::held);
                    let is_dropped = held.is_none() && owner.floors.sealed >= Some(removal.held.version);
                    held == Some(removal.held) || is_dropped
                };
                let others = (0..).zip(&removals).filter(|(_, removal)| !is_held(removal));
                RangeReply::Confirmed(others.map(|(place, _)| place).collect())
            }
            RangeRequest::Drop { removals, .. } => {
                assert!(everywhere >= Some(2), "every owner has sealed, and sealed again");
                let before = owner.table.len();
                owner.table.retain(|key, record| {
                    !removals.iter().any(|it| it.sort_key == *key && it.held == record.held())
                });
                RangeReply::Dropped((before - owner.table.len()) as u32)
            }
            RangeRequest::Merge { records, .. } => {
                for keyed in records {
                    let is_held = owner.table.contains_key(&keyed.sort_key);
                    if is_held || owner.floors.sealed < Some(keyed.record.version) {
                        put(&mut owner.table, keyed.sort_key, keyed.record);
                    }
                }
                RangeReply::Merged
            }
            request => serve(&mut owner.table, request, &mut Dice(7)),
        }
    }

    /// Runs the purge of node 1 to its end.
    fn purge(&mut self, rules: Rules) -> Outcome {
        let others = vec![NodeId(2), NodeId(3)];
        let shard = Shard { over: over(), others, is_short: false };
        let terms = Terms { before: WallTime(50), with_ids_before: WallTime(50), list_max: 10 };
        let mut run = Run::new(NodeId(1), shard, terms, ExchangeLimits::default(), rules);
        let (mut inputs, mut actions) = (VecDeque::from([Input::Start]), Vec::new());
        while let Some(input) = inputs.pop_front() {
            run.step(NOW, input, &mut actions);
            for action in actions.drain(..) {
                match action {
                    Action::Ask { call, to, request, .. } => {
                        inputs.push_back(Input::Reply(call, self.answer(to, request)));
                    }
                    Action::Done(outcome) => return outcome,
                }
            }
        }
        panic!("it waits for nothing, and has not ended");
    }
}

#[test]
fn a_removal_goes_once_every_owner_holds_it() {
    let mut owners = Owners::new();
    owners.hold(&[1, 2, 3], 1, &value(1));
    owners.hold(&[2, 3], 1, &removal(4));
    owners.hold(&[1, 3], 2, &value(2));
    owners.hold(&[1, 2, 3], 3, &removal(60));
    let outcome = owners.purge(Rules::INTACT);
    let Outcome::Purged { listed: 1, dropped: 1, up_to, has_more: false } = outcome else {
        panic!("{outcome:?}");
    };
    assert_eq!((up_to, owners.held(1)), (version(4, 7), vec![None; 3]));
    assert_eq!(owners.held(2), vec![Some(value(2).held()); 3], "the others are brought what they lack");
    assert_eq!(owners.held(3), vec![Some(removal(60).held()); 3], "too young");
    assert!(owners.all.values().all(|owner| owner.floors.sealed == Some(version(4, 7))));
}

#[test]
fn a_removal_stays_where_an_owner_holds_anything_else() {
    let mut owners = Owners::new();
    owners.hold(&[1, 2], 1, &removal(4));
    owners.hold(&[3], 1, &value(2));
    owners.hold(&[1, 2, 3], 2, &removal(9));
    // It is late, lands on the value of the third owner, and will be acknowledged by another one before it comes here.
    owners.lands = Some((NodeId(3), value(5)));
    let outcome = owners.purge(Rules::INTACT);
    assert!(matches!(outcome, Outcome::Purged { listed: 1, .. }), "{outcome:?}");
    let removed = Some(removal(4).held());
    assert_eq!(owners.held(1), [removed, removed, Some(value(5).held())], "nothing of it went");
    assert_eq!(owners.held(2), vec![None; 3]);
}

#[test]
fn a_removal_that_one_owner_kept_goes_with_the_next_run() {
    for keeper in 1..=3 {
        let mut owners = Owners::new();
        owners.hold(&[1, 2, 3], 1, &removal(4));
        owners.purge(Rules::INTACT);
        // It had not heard that it was to drop it.
        owners.hold(&[keeper], 1, &removal(4));
        let outcome = owners.purge(Rules::INTACT);
        assert!(matches!(outcome, Outcome::Purged { listed: 1, .. }), "{outcome:?}");
        assert_eq!(owners.held(1), vec![None; 3], "n{keeper} kept it");
        assert_eq!(owners.purge(Rules::INTACT), Outcome::Nothing);
    }
}

#[test]
fn the_first_refusal_ends_a_run_and_nothing_went() {
    let calls = {
        let mut owners = Owners::new();
        owners.hold(&[1, 2, 3], 1, &removal(4));
        owners.purge(Rules::INTACT);
        owners.asked[&NodeId(2)]
    };
    assert!(calls > 5, "it asks {calls} times");
    for from in 1..calls {
        let mut owners = Owners::new();
        owners.refuses = Some((NodeId(2), from));
        owners.hold(&[1, 2, 3], 1, &removal(4));
        let stopped = Outcome::Stopped(NodeId(2), Failure::Refused(Refusal::Filling));
        assert_eq!(owners.purge(Rules::INTACT), stopped);
        assert_eq!(owners.held(1), vec![Some(removal(4).held()); 3], "it refused its call {from}");
    }
}
