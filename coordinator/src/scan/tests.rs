//! Pages over owners that differ, answer as far as they like, and may be away: together they are the table, once.

use super::*;
use crate::answer::GetAnswer;
use crate::context::Timing;
use crate::machine::Failure;
use crate::session::{self, Session};
use crate::story::{plan_of_sets, record_of};
use quorate_model::message::SMALL_BYTES;
use quorate_model::range::{Entry, Extent, Scanned, Walk};
use quorate_model::{
    Body, Epoch, Guarantee, Level, NodeId, RangeReply, RangeRequest, Record, Refusal, Rules, ShardNow,
    SortKey, WallTime,
};
use quorate_ring::Plan;
use std::collections::{BTreeMap, BTreeSet};

const TABLE: TableId = TableId(1);
const AT: Now = Now { instant: Instant(1_000), wall: WallTime(0) };

/// Numbers that a seed gives.
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}

/// Shards that begin at these places, each with the same three owners.
struct Shards(Vec<SortKey>);

impl Shards {
    fn plan_of(at: usize) -> Plan {
        let mut plan = plan_of_sets(&[&[1, 2, 3]]);
        plan.place.epoch = Epoch(at as u64 + 1);
        plan
    }

    /// The piece of a range that an owner answers for.
    fn cut(&self, over: &Extent, reverse: bool) -> Interval {
        let at = usize::try_from(over.epoch.0 - 1).expect("a few");
        let end = [self.0.get(at + 1).cloned(), over.interval.end.clone()].into_iter().flatten().min();
        let start = over.interval.start.clone().max(self.0[at].clone());
        assert!(if reverse {
            end == over.interval.end || end.is_some()
        } else {
            start == over.interval.start
        });
        Interval { start, end }
    }
}

impl Plans for Shards {
    fn epoch(&self) -> Epoch {
        Epoch(9)
    }

    fn plan(&self, _: TableId, sort_key: &SortKey) -> Option<Plan> {
        let mut plan = Self::plan_of(self.0.partition_point(|start| start <= sort_key) - 1);
        plan.place.sort_key = sort_key.clone();
        Some(plan)
    }

    fn plan_of_range(&self, _: TableId, range: &Interval, reverse: bool) -> Option<Plan> {
        let behind = match &range.end {
            Some(end) if reverse => self.0.partition_point(|start| start < end),
            None if reverse => self.0.len(),
            Some(_) | None => self.0.partition_point(|start| *start <= range.start),
        };
        Some(Self::plan_of(behind - 1))
    }

    fn plan_by(&self, table: TableId, sort_key: &SortKey, _: &ShardNow) -> Option<Plan> {
        self.plan(table, sort_key)
    }

    fn is_dropped(&self, _: TableId) -> bool {
        false
    }
}

/// What three owners hold; one of them may be away.
struct World {
    shards: Shards,
    owners: [BTreeMap<SortKey, Record>; 3],
    away: Option<NodeId>,
    /// How long the longest step of a page takes, in microseconds; it must be answered after 2 s.
    step_max: u64,
    /// Most records that an owner lists at once.
    walk_max: u64,
    chance: Chance,
}

impl World {
    fn drawn(seed: u64) -> Self {
        let mut chance = Chance(seed);
        let at = |text: String| SortKey::new(text.into_bytes());
        let mut owners = [BTreeMap::new(), BTreeMap::new(), BTreeMap::new()];
        for key in 0..chance.below(40) {
            let key = at(format!("k{:02}", key * 2));
            let mut newest = record_of(2, "new");
            if chance.below(4) == 0 {
                newest.body = Body::Tombstone;
            }
            let behind = chance.below(6);
            for (number, owner) in owners.iter_mut().enumerate() {
                match behind == number as u64 {
                    true if chance.below(2) == 0 => drop(owner.insert(key.clone(), record_of(1, "old"))),
                    true => {}
                    false => drop(owner.insert(key.clone(), newest.clone())),
                }
            }
        }
        let mut starts = vec![SortKey::new(Vec::new())];
        starts.extend((1..=chance.below(3)).map(|shard| at(format!("k{}", shard * 3))));
        let away = Some(NodeId(chance.below(6))).filter(|node| (1..=3).contains(&node.0));
        let step_max = [1, 1, 60_000, 900_000][chance.below(4) as usize];
        let walk_max = [6, 6, 6, 40][chance.below(4) as usize];
        Self { shards: Shards(starts), owners, away, step_max, walk_max, chance }
    }

    /// The newest of a key.
    fn newest(&self, key: &SortKey) -> Option<Record> {
        self.owners.iter().filter_map(|owner| owner.get(key)).max_by_key(|record| record.held()).cloned()
    }

    /// What a table of these keys is.
    fn values(&self) -> Vec<SortKey> {
        let keys: BTreeSet<&SortKey> = self.owners.iter().flat_map(BTreeMap::keys).collect();
        let is_value = |key: &&&SortKey| {
            self.newest(key).is_some_and(|record| matches!(record.body, Body::Value { .. }))
        };
        keys.iter().filter(is_value).map(|key| (*key).clone()).collect()
    }

    fn walk(&mut self, owner: NodeId, over: &Extent, walk: Walk) -> Scanned {
        let piece = self.shards.cut(over, walk.reverse);
        let held = &self.owners[usize::try_from(owner.0 - 1).expect("a few")];
        let mut all: Vec<_> = held.iter().filter(|(key, _)| piece.contains(key)).collect();
        if walk.reverse {
            all.reverse();
        }
        let most = (1 + self.chance.below(self.walk_max)).min(u64::from(walk.items)) as usize;
        let entries: Vec<Entry> = all
            .iter()
            .take(most)
            .map(|(key, record)| {
                let whole = walk.values && record.body.value_bytes() <= SMALL_BYTES;
                Entry::of((*key).clone(), (*record).clone(), whole)
            })
            .collect();
        let until = match entries.last().filter(|_| all.len() > most) {
            Some(last) if walk.reverse => Some(last.sort_key.clone()),
            Some(last) => Some(last.sort_key.successor()),
            None if walk.reverse => Some(piece.start),
            None => piece.end,
        };
        Scanned { entries, until }
    }

    /// What owners answer to a segment, all of them refusing if that is said.
    fn segment(
        &mut self,
        machine: Segment,
        subject: Subject,
        refusal: Option<Refusal>,
    ) -> Result<Found, GetError> {
        let mut session = Session::new(machine, subject, Rules::INTACT);
        let (mut now, mut actions) = (AT, Vec::new());
        session.start(now, &mut actions);
        for _ in 0..1_000 {
            let mut ends = Vec::new();
            for action in actions.drain(..) {
                match action {
                    session::Action::Send { call, to, .. } if Some(to) == self.away => {
                        ends.push((call, Err(Failure::NotSent)));
                    }
                    session::Action::Send { call, to, request, .. } => {
                        let RangeRequest::Scan { over, walk } = request else {
                            panic!("a scan does not ask {request:?}")
                        };
                        let reply = match refusal {
                            Some(refusal) => RangeReply::Refused(refusal),
                            None => RangeReply::Scanned(self.walk(to, &over, walk)),
                        };
                        ends.push((call, Ok(reply.into())));
                    }
                    session::Action::Respond(answer) => return answer,
                    session::Action::Done => panic!("it ends without an answer"),
                }
            }
            if ends.is_empty() {
                now.instant = now.instant.max(session.wake_at().expect("it goes on"));
                session.tick(now, &self.shards, &mut actions);
            }
            for (call, ended) in ends {
                session.ended(now, call, ended, &self.shards, &mut actions);
            }
        }
        panic!("the segment does not end");
    }

    /// One page; panics where it does not end.
    fn page(&mut self, request: &Request, refusal: Option<Refusal>) -> Answer {
        let context = Context { local: NodeId(1), rules: Rules::INTACT, timing: Timing::default() };
        let mut scan = Scan::new(TABLE, request.clone(), Instant(2_000_000), context);
        let mut inputs = std::collections::VecDeque::from([Input::Start]);
        let (mut now, mut actions) = (AT, Vec::new());
        for _ in 0..10_000 {
            let input = inputs.pop_front().expect("it waits for something");
            now.instant.0 += self.chance.below(self.step_max);
            scan.step(now, input, &self.shards, &mut actions);
            for action in actions.drain(..) {
                match action {
                    Action::Walk { machine, subject, .. } => {
                        inputs.push_back(Input::Walked(Some(self.segment(*machine, subject, refusal))));
                    }
                    Action::Read { number, plan, .. } => {
                        let answer = GetAnswer {
                            record: self.newest(&plan.place.sort_key),
                            sealed: None,
                            guarantee: Guarantee::of_read(2, 2, 3),
                            lowered: None,
                            acks: 2,
                            required: 2,
                            n: 3,
                            repaired: 1,
                            replicas: Vec::new(),
                        };
                        inputs.push_back(Input::Read(number, Some(Ok(answer))));
                    }
                    Action::Respond(answer) => return *answer,
                }
            }
        }
        panic!("the page does not end");
    }
}

fn request(range: Interval, reverse: bool, items: usize, values: bool) -> Request {
    Request { range, reverse, level: Level::Quorum, items, bytes: 1 << 20, values }
}

#[test]
fn pages_together_are_the_table_once_and_in_order() {
    for seed in 0..2_000 {
        let mut world = World::drawn(seed);
        let (reverse, values) = (seed % 2 == 1, seed % 3 == 0);
        let items = 1 + world.chance.below(12) as usize;
        let mut rest = Some(Interval::everything());
        let mut found = Vec::new();
        while let Some(range) = rest {
            let page = world.page(&request(range, reverse, items, values), None).expect("two owners answer");
            assert!(page.items.len() <= items, "seed {seed}");
            for item in page.items {
                let newest = world.newest(&item.sort_key).expect("held");
                assert_eq!(item.version, newest.version, "seed {seed}");
                assert_eq!(item.record, values.then_some(newest), "seed {seed}");
                found.push(item.sort_key);
            }
            rest = page.rest;
        }
        if reverse {
            found.reverse();
        }
        assert_eq!(found, world.values(), "seed {seed}");
    }
}

#[test]
fn a_shard_that_too_few_owners_answer_for_fails_the_page() {
    let mut world = World::drawn(3);
    world.away = None;
    let answer = world.page(&request(Interval::everything(), false, 10, false), Some(Refusal::Doubtful));
    let error = answer.expect_err("no owner answers");
    assert!(matches!(error.error, GetError::Unavailable { required: 2, acks: 0, .. }), "{error:?}");
    assert!(error.shard.is_some());
}

/// Owners send no large values to who walks: each is read, and counts for what it is all the same.
#[test]
fn a_page_of_large_values_is_as_short_as_its_bytes() {
    let large = record_of(1, &"x".repeat(2 * SMALL_BYTES));
    let keys: Vec<SortKey> = (0..9).map(|key| SortKey::new(format!("k{key}").into_bytes())).collect();
    let held: BTreeMap<SortKey, Record> = keys.iter().map(|key| (key.clone(), large.clone())).collect();
    for seed in 0..100 {
        let (mut world, reverse) = (World::drawn(seed), seed % 2 == 1);
        (world.away, world.owners) = (None, [held.clone(), held.clone(), held.clone()]);
        // Room for two of them and not for a third; and for none, where one comes all the same.
        let (bytes, most) = if seed % 4 < 2 { (5 * SMALL_BYTES, 2) } else { (1, 1) };
        let (mut rest, mut found) = (Some(Interval::everything()), Vec::new());
        while let Some(range) = rest {
            let wanted = Request { bytes, ..request(range, reverse, 100, true) };
            let page = world.page(&wanted, None).expect("two owners answer");
            assert!(page.items.len() <= most, "{} in a page of {bytes} bytes", page.items.len());
            found.extend(page.items.into_iter().map(|item| item.sort_key));
            rest = page.rest;
        }
        if reverse {
            found.reverse();
        }
        assert_eq!(found, keys);
    }
}

/// A writer of many keys, met again and again, does not keep a page from being in time.
#[test]
fn a_page_of_keys_on_which_owners_differ_ends_at_half_of_its_time() {
    let keys: Vec<SortKey> = (0..100).map(|key| SortKey::new(format!("k{key:02}").into_bytes())).collect();
    let held: BTreeMap<SortKey, Record> = keys.iter().map(|key| (key.clone(), record_of(1, "x"))).collect();
    for reverse in [false, true] {
        let mut world = World::drawn(1);
        (world.away, world.owners) = (None, [held.clone(), BTreeMap::new(), BTreeMap::new()]);
        (world.step_max, world.walk_max, world.shards) =
            (100_000, 1_000, Shards(vec![SortKey::new(Vec::new())]));
        let (mut rest, mut found, mut pages) = (Some(Interval::everything()), Vec::new(), 0);
        while let Some(range) = rest {
            let page = world.page(&request(range, reverse, 100, false), None).expect("in time");
            assert!(!page.items.is_empty(), "each page goes on");
            (found, pages) = (found.into_iter().chain(page.items).collect::<Vec<Item>>(), pages + 1);
            rest = page.rest;
        }
        assert!((3..=8).contains(&pages), "{pages} pages");
        let mut found: Vec<SortKey> = found.into_iter().map(|item| item.sort_key).collect();
        if reverse {
            found.reverse();
        }
        assert_eq!(found, keys);
    }
}
