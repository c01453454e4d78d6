//! A node's filling over owners that answer, refuse, change and fall silent.

use super::*;
use crate::context::Timing;
use crate::story::{plan_of_sets, record_of};
use quorate_model::floors::{Floored, Raise};
use quorate_model::range::{Entry, Scanned};
use quorate_model::sync::{Proof, Sum};
use quorate_model::{
    Epoch, Fill, Floors, Held, Interval, Level, Paged, RangeRequest, Raw, Record, Request, Rules, ShardNow,
    Source, WallTime,
};
use quorate_ring::Plan;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

const AT: Now = Now { instant: Instant(1_000), wall: WallTime(0) };
const TABLE: TableId = TableId(1);

mod merging;

/// A table of one shard with these owners and this promise; and the owners that it moves to.
struct Table(&'static [u64], Level, Option<&'static [u64]>);

impl Plans for Table {
    fn epoch(&self) -> Epoch {
        Epoch(1)
    }

    fn plan(&self, _: TableId, sort_key: &SortKey) -> Option<Plan> {
        let mut plan = match self.2 {
            Some(next) => plan_of_sets(&[self.0, next]),
            None => plan_of_sets(&[self.0]),
        };
        let table = quorate_model::Table { n: self.0.len() as u8, w: self.1, ..(*plan.table).clone() };
        (plan.table, plan.place.sort_key) = (table.into(), sort_key.clone());
        Some(plan)
    }

    fn plan_of_range(&self, table: TableId, range: &Interval, _: bool) -> Option<Plan> {
        self.plan(table, &range.start)
    }

    fn plan_by(&self, _: TableId, _: &SortKey, _: &ShardNow) -> Option<Plan> {
        None
    }

    fn is_dropped(&self, _: TableId) -> bool {
        false
    }
}

fn key(number: u8) -> SortKey {
    SortKey::new(vec![number])
}

/// The owners' records, who refuses, and what the node at hand has done.
struct Cluster {
    table: Table,
    held: BTreeMap<NodeId, BTreeMap<SortKey, Record>>,
    refuses: BTreeMap<NodeId, Refusal>,
    incarnations: BTreeMap<NodeId, u64>,
    state: CopyState,
    fill: Fill,
    here: BTreeMap<SortKey, Record>,
    taken: u32,
    asked: u32,
    /// Who was asked for pages.
    read: BTreeSet<NodeId>,
    /// Whose sums are not counted yet.
    counting: Option<NodeId>,
    /// Whether the owners run an earlier version.
    is_old: bool,
    /// The floors of owners that have some.
    floors: BTreeMap<NodeId, Floors>,
    /// Those that the copy was begun with.
    begun_with: Vec<Floored>,
    /// Raw pages that were asked for, and how often some were taken in.
    paged: u32,
    loads: u32,
    /// Whether the copy is merged.
    is_merged: bool,
}

/// Any number that tells different records apart.
fn sum_of(records: &BTreeMap<SortKey, Record>) -> Sum {
    let item = |(at, record): (&SortKey, &Record)| {
        let mut hasher = DefaultHasher::new();
        format!("{at:?} {:?}", record.held()).hash(&mut hasher);
        u128::from(hasher.finish())
    };
    Sum(records.iter().map(item).sum())
}

impl Cluster {
    fn of(owners: &'static [u64], w: Level) -> Self {
        let nodes = owners.iter().map(|owner| NodeId(*owner));
        Self {
            table: Table(owners, w, None),
            held: nodes.clone().map(|node| (node, BTreeMap::new())).collect(),
            refuses: BTreeMap::new(),
            incarnations: nodes.map(|node| (node, 1)).collect(),
            state: CopyState::Lossy,
            fill: Fill::default(),
            here: BTreeMap::new(),
            taken: 0,
            asked: 0,
            read: BTreeSet::new(),
            counting: None,
            is_old: false,
            floors: BTreeMap::new(),
            begun_with: Vec::new(),
            paged: 0,
            loads: 0,
            is_merged: false,
        }
    }

    fn hold(&mut self, node: u64, number: u8, seq: u64) {
        let records = self.held.get_mut(&NodeId(node)).expect("an owner");
        records.insert(key(number), record_of(seq, "v"));
    }

    fn gap(&self) -> Gap {
        let plan = self.table.plan(TABLE, &key(0)).expect("a table");
        let (epoch, interval) = (plan.place.epoch, Interval::everything());
        Gap { table: TABLE, epoch, interval, state: self.state, fill: self.fill.clone() }
    }

    fn look(&self) -> Input {
        let is_done = self.state == CopyState::Whole && (self.is_merged || self.table.2.is_none());
        let gaps = if is_done { Vec::new() } else { vec![self.gap()] };
        let member = |(node, incarnation): (&NodeId, &u64)| {
            let doubts = self.refuses.get(node) == Some(&Refusal::Doubtful);
            (*node, Member { incarnation: *incarnation, doubts })
        };
        Input::Look(gaps, self.incarnations.iter().map(member).collect())
    }

    /// Carries out what is wanted until nothing is, or until `stops`; after so many actions something happens.
    fn run(&mut self, filling: &mut Filling, mut happens: impl FnMut(&mut Self, u32)) {
        let mut inputs = vec![self.look()];
        while let Some(input) = inputs.pop() {
            let mut actions = Vec::new();
            filling.step(AT, input, &self.table, &mut actions);
            for action in actions {
                self.asked += 1;
                assert!(self.asked < 10_000, "it comes to an end");
                happens(self, self.asked);
                inputs.insert(0, self.carry_out(action));
            }
        }
    }

    fn carry_out(&mut self, action: Action) -> Input {
        match action {
            Action::Ask { number, to, request: RangeRequest::Scan { over, walk }, .. } => {
                if let Some(refusal) = self.refuses.get(&to) {
                    return Input::Answered(number, Some(RangeReply::Refused(*refusal)));
                }
                if walk.items > 1 {
                    self.read.insert(to);
                }
                let mut scanned = Scanned::default();
                for (at, record) in self.held_by(to).iter().filter(|(at, _)| over.interval.contains(at)) {
                    scanned.entries.push(Entry::of(at.clone(), record.clone(), walk.values));
                    if scanned.entries.len() == walk.items as usize {
                        scanned.until = Some(at.successor());
                        break;
                    }
                }
                Input::Answered(number, Some(RangeReply::Scanned(scanned)))
            }
            Action::Ask { number, to, request: RangeRequest::Sums { of }, .. } => {
                let proof = match self.refuses.get(&to) {
                    Some(refusal) => Proof::Refused(*refusal),
                    None if self.counting == Some(to) => Proof::NotCounted,
                    None => Proof::Counted(sum_of(self.held_by(to))),
                };
                assert_eq!(of.len(), 1);
                Input::Answered(number, Some(RangeReply::Sums(vec![proof])))
            }
            Action::Ask { number, to, request: RangeRequest::Page { over, bytes }, .. } => {
                if let Some(refusal) = self.refuses.get(&to) {
                    return Input::Answered(number, Some(RangeReply::Refused(*refusal)));
                }
                self.read.insert(to);
                self.paged += 1;
                if self.is_old {
                    return Input::Answered(number, Some(RangeReply::Refused(Refusal::NotUnderstood)));
                }
                let mut paged = Paged::default();
                for (at, record) in self.held[&to].iter().filter(|(at, _)| over.interval.contains(at)) {
                    paged.records.push(Raw { sort_key: at.clone(), record: record.encode().into() });
                    if paged.records.iter().map(Raw::bytes).sum::<usize>() >= bytes as usize {
                        paged.until = Some(at.successor());
                        break;
                    }
                }
                Input::Answered(number, Some(RangeReply::Paged(paged)))
            }
            Action::Ask { number, to, request: RangeRequest::Floors { over, raise }, .. } => {
                assert_eq!(raise, Raise::Nothing, "a filling only asks");
                if self.is_old {
                    return Input::Answered(number, Some(RangeReply::Refused(Refusal::NotUnderstood)));
                }
                let piece = |floors: &Floors| Floored { interval: over.interval.clone(), floors: *floors };
                let pieces = self.floors.get(&to).map(piece).into_iter().collect();
                Input::Answered(number, Some(RangeReply::Floored(pieces)))
            }
            Action::Ask { request, .. } => panic!("a filling does not ask {request:?}"),
            Action::Load { number, records, .. } => {
                assert_eq!(self.state, CopyState::Filling, "nothing is taken in before it is taken");
                for Raw { sort_key, record } in records {
                    let record = Record::decode(&record).expect("a record");
                    let held = self.here.entry(sort_key).or_insert_with(|| record.clone());
                    if record.held() > held.held() {
                        *held = record;
                    }
                }
                self.loads += 1;
                Input::Noted(number, Ok(()))
            }
            Action::Fetch { number, to, requests, .. } => {
                let read =
                    |request: &Request| Reply::Record(self.held[&to].get(&request.place().sort_key).cloned());
                Input::Replied(number, Some(requests.iter().map(read).collect()))
            }
            Action::Merge { number, requests } => {
                assert_ne!(self.state, CopyState::Lossy, "nothing is merged before it is taken");
                let mut replies = Vec::new();
                for request in requests {
                    let Request::Write { at, record, .. } = request else { panic!("{request:?}") };
                    let held = self.here.entry(at.sort_key).or_insert_with(|| record.clone());
                    if record.held() > held.held() {
                        *held = record;
                    }
                    replies.push(Reply::Written { held: held.held() });
                }
                Input::Replied(number, Some(replies))
            }
            Action::Take { number, floors, .. } => {
                self.begun_with = floors;
                (self.state, self.taken) = (CopyState::Filling, self.taken + 1);
                self.here.clear();
                Input::Noted(number, Ok(()))
            }
            Action::Note { number, fill, .. } => {
                self.fill = fill;
                Input::Noted(number, Ok(()))
            }
            Action::End { number, .. } => {
                self.is_merged = self.state == CopyState::Whole;
                self.state = CopyState::Whole;
                Input::Noted(number, Ok(()))
            }
        }
    }

    /// What a node holds; the one at hand, where it merges.
    fn held_by(&self, node: NodeId) -> &BTreeMap<SortKey, Record> {
        if node == NodeId(1) { &self.here } else { &self.held[&node] }
    }

    fn held_here(&self, number: u8) -> Option<Held> {
        self.here.get(&key(number)).map(Record::held)
    }
}

fn filling() -> Filling {
    let context = Context { local: NodeId(1), rules: Rules::INTACT, timing: Timing::default() };
    let limits = FillLimits {
        page_items_max: 3,
        page_bytes_max: 150,
        load_bytes_max: 300,
        merges_max: 2,
        fetches_max: 2,
        ..FillLimits::default()
    };
    Filling::new(context, limits)
}

fn nothing(_: &mut Cluster, _: u32) {}

#[test]
fn a_copy_begins_with_the_floors_of_all_its_sources() {
    let mut cluster = Cluster::of(&[1, 2, 3], Level::Quorum);
    let floors = |seq| Floors { closing: Some(record_of(seq, "floor").version), ..Floors::default() };
    cluster.floors.insert(NodeId(2), floors(4));
    cluster.floors.insert(NodeId(3), floors(7));
    cluster.run(&mut filling(), |_, _| ());
    let begun: BTreeSet<_> = cluster.begun_with.iter().map(|piece| piece.floors.closing).collect();
    assert_eq!(begun, [4, 7].map(|seq| floors(seq).closing).into_iter().collect());
    assert_eq!(cluster.state, CopyState::Whole);
}

#[test]
fn a_replica_holds_the_newest_of_what_its_sources_hold() {
    let mut cluster = Cluster::of(&[1, 2, 3], Level::Quorum);
    for number in 0..20 {
        cluster.hold(2, number, 1 + u64::from(number % 3));
        cluster.hold(3, number, 1 + u64::from(number % 2));
    }
    cluster.hold(3, 30, 7);
    cluster.here.insert(key(99), record_of(1, "from before"));
    let mut filling = filling();
    cluster.run(&mut filling, nothing);
    assert_eq!((cluster.state, cluster.taken), (CopyState::Whole, 1));
    for number in 0..20 {
        let newest = 1 + u64::from((number % 3).max(number % 2));
        assert_eq!(cluster.held_here(number), Some(record_of(newest, "v").held()), "{number}");
    }
    assert_eq!(cluster.held_here(30), Some(record_of(7, "v").held()), "held by one of them");
    assert_eq!(cluster.held_here(99), None, "what was there is deleted");
    assert_eq!((filling.progress().filled, filling.progress().shards), (1, 0));
}

#[test]
fn with_too_few_whole_owners_nothing_is_touched_and_it_is_said_what_is_missing() {
    for (refusal, why) in [(Refusal::Filling, "is filling itself"), (Refusal::Doubtful, "doubts its disk")] {
        let mut cluster = Cluster::of(&[1, 2, 3], Level::Quorum);
        cluster.refuses.insert(NodeId(3), refusal);
        let mut filling = filling();
        cluster.run(&mut filling, nothing);
        assert_eq!((cluster.state, cluster.taken), (CopyState::Lossy, 0));
        let waiting = &filling.progress().waiting;
        let expected = format!("needs 2 whole owners beside this one and has 1 (n2); n3 {why}");
        assert!(waiting[0].to_string().ends_with(&expected), "{}", waiting[0]);
        cluster.refuses.clear();
        cluster.run(&mut filling, nothing);
        assert_eq!(cluster.state, CopyState::Whole, "once it is there");
        assert_eq!(filling.progress().waiting, []);
    }
}

#[test]
fn what_one_owner_alone_may_have_acknowledged_comes_from_no_other() {
    let mut cluster = Cluster::of(&[1, 2, 3], Level::One);
    let mut filling = filling();
    cluster.run(&mut filling, nothing);
    assert_eq!((cluster.state, cluster.taken), (CopyState::Lossy, 0));
    let sentence = filling.progress().waiting[0].to_string();
    assert!(
        sentence.contains("needs 3 whole owners beside this one and its table has 2 others"),
        "{sentence}"
    );
}

#[test]
fn a_source_that_has_lost_something_itself_does_not_count() {
    let mut cluster = Cluster::of(&[1, 2, 3, 4, 5], Level::Quorum);
    cluster.hold(5, 1, 9);
    let mut filling = filling();
    // Three are compared, one of them is read, and it then learns that it had forgotten what the fifth still has.
    cluster.run(&mut filling, |cluster, actions| {
        if actions == 10 {
            cluster.refuses.insert(NodeId(2), Refusal::Doubtful);
        }
    });
    assert_eq!(cluster.state, CopyState::Whole);
    assert_eq!(cluster.held_here(1), Some(record_of(9, "v").held()), "the fifth was read in its place");
    let sources: Vec<NodeId> = cluster.fill.sources.iter().map(|source| source.node).collect();
    assert!(!sources.contains(&NodeId(2)), "{sources:?}");
}

#[test]
fn it_goes_on_where_it_was_and_begins_anew_if_a_source_is_another_one() {
    for incarnation in [1, 2] {
        let mut cluster = Cluster::of(&[1, 2, 3], Level::Quorum);
        for number in 0..9 {
            cluster.hold(2, number, 2);
        }
        cluster.state = CopyState::Filling;
        let sources = [2, 3].map(|node| Source { node: NodeId(node), incarnation: 1 }).to_vec();
        cluster.fill = Fill { up_to: Some(key(6)), sources };
        cluster.incarnations.insert(NodeId(3), incarnation);
        cluster.run(&mut filling(), nothing);
        assert_eq!((cluster.state, cluster.taken), (CopyState::Whole, 0), "it is never taken twice");
        let merged = cluster.here.len();
        assert_eq!(merged, if incarnation == 1 { 3 } else { 9 });
    }
}

#[test]
fn sources_that_hold_the_same_are_read_once() {
    for (other, counting, read) in
        [(5, None, vec![2]), (6, None, vec![2, 3]), (5, Some(NodeId(2)), vec![2, 3])]
    {
        let mut cluster = Cluster::of(&[1, 2, 3], Level::Quorum);
        cluster.counting = counting;
        for number in 0..9 {
            cluster.hold(2, number, 5);
            cluster.hold(3, number, if number == 4 { other } else { 5 });
        }
        cluster.run(&mut filling(), nothing);
        assert_eq!(cluster.read, read.into_iter().map(NodeId).collect());
        assert_eq!(cluster.held_here(4), Some(record_of(other, "v").held()));
        let sources: Vec<NodeId> = cluster.fill.sources.iter().map(|source| source.node).collect();
        assert_eq!(sources, [NodeId(2), NodeId(3)], "both are asked again at the end");
    }
}

#[test]
fn pages_of_the_only_source_are_gathered_and_one_of_an_earlier_version_lists_its_keys() {
    for is_old in [false, true] {
        let mut cluster = Cluster::of(&[1, 2, 3], Level::Quorum);
        cluster.is_old = is_old;
        for number in 0..20 {
            cluster.hold(2, number, 5);
            cluster.hold(3, number, 5);
        }
        cluster.run(&mut filling(), nothing);
        assert!((0..20).all(|number| cluster.held_here(number) == Some(record_of(5, "v").held())));
        assert_eq!(cluster.read, BTreeSet::from([NodeId(2)]));
        if is_old {
            assert_eq!((cluster.paged, cluster.loads), (1, 0), "it is asked once");
        } else {
            assert!(
                cluster.loads > 1 && cluster.paged > cluster.loads,
                "{} {}",
                cluster.paged,
                cluster.loads
            );
        }
    }
}

/// Ten shards at one look: how many became whole, and how many questions that took.
fn after_one_look(cluster: &mut Cluster) -> (usize, usize) {
    let Input::Look(_, members) = cluster.look() else { panic!("a look") };
    cluster.state = CopyState::Filling;
    let of = |number: u8| Interval { start: key(number), end: Some(key(number + 1)) };
    let gaps = (0..10).map(|number| Gap { interval: of(number), ..cluster.gap() }).collect();
    let (mut filling, mut inputs) = (filling(), vec![Input::Look(gaps, members)]);
    let (mut whole, mut asked) = (0, 0);
    while let Some(input) = inputs.pop() {
        let mut actions = Vec::new();
        filling.step(AT, input, &cluster.table, &mut actions);
        whole += actions.iter().filter(|action| matches!(action, Action::End { .. })).count();
        asked += actions.iter().filter(|action| matches!(action, Action::Ask { .. })).count();
        for action in actions {
            inputs.insert(0, cluster.carry_out(action));
            cluster.state = CopyState::Filling;
        }
    }
    (whole, asked)
}

#[test]
fn a_shard_that_is_whole_is_followed_by_the_next_at_once() {
    let mut cluster = Cluster::of(&[1, 2, 3], Level::Quorum);
    (0..10).for_each(|number| cluster.hold(2, number, 1));
    assert_eq!(after_one_look(&mut cluster).0, 10, "though four have room at once");
}

#[test]
fn shards_that_can_not_go_on_keep_their_places_until_the_next_look() {
    let mut cluster = Cluster::of(&[1, 2, 3], Level::Quorum);
    cluster.refuses.insert(NodeId(3), Refusal::Filling);
    assert_eq!(after_one_look(&mut cluster), (0, 8), "four shards, two owners");
}
