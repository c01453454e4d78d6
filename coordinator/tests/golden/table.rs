//! A table small enough to be told: a few keys in a few shards, three owners in memory, and pages of a scan.
//!
//! Commands:
//!
//! ```text
//! shards KEY ...              shards begin at these keys, and one before the first of them
//! held NODE KEY=VALUE ...     what an owner holds; `=-` is a removal, `KEY=VALUE@2` a later version than without
//! down NODE ... | up NODE ... whether these answer
//! epoch E NODE ...            these nodes know the catalog up to epoch E, and refuse older requests with a newer plan of it
//! scan [reverse] [items=N] [from=KEY] [to=KEY] [r=LEVEL]   one page, to its answer
//! replicas                    what every owner holds
//! ```
//!
//! Walks and reads are the real sessions, one after the other; each call is answered at once.

use bytes::Bytes;
use goldenscript::{Command, Context as ScriptContext, Runner};
use quorate_coordinator::scan::{Action, Answer, Input, Request, Scan};
use quorate_coordinator::{Context, Ended, Failure, Machine, Plans, Said, Session, Subject, Timing, session};
use quorate_model::range::{Entry, Scanned, Walk};
use quorate_model::record::merge;
use quorate_model::{
    Body, Boot, Durability, Epoch, Extent, Instant, Interval, Level, Mode, NodeId, Now, Operations, Owner,
    Place, RangeReply, RangeRequest, Record, Refusal, Reply, Request as KeyRequest, Rules, ShardId, ShardNow,
    Sharding, SortKey, Stamps, Table, TableId, WallTime,
};
use quorate_ring::{Candidate, OwnerSet, Plan};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::error::Error;
use std::fmt::Write;
use std::sync::Arc;

const TABLE: TableId = TableId(1);
const OWNERS: [NodeId; 3] = [NodeId(1), NodeId(2), NodeId(3)];
const DEADLINE: Instant = Instant(3_000_000);

/// See the module's essay.
#[derive(Default)]
pub struct World {
    starts: BTreeSet<SortKey>,
    held: BTreeMap<NodeId, BTreeMap<SortKey, Record>>,
    down: BTreeSet<NodeId>,
    /// Epochs after the first one that each node has heard of.
    later: BTreeMap<NodeId, u64>,
    out: String,
}

type Outcome<T> = Result<T, Box<dyn Error>>;

impl Runner for World {
    type Command = Command;

    fn run(&mut self, command: &Command, _: &ScriptContext) -> Outcome<String> {
        self.out.clear();
        let mut args = command.consume_args();
        match command.name.as_str() {
            "shards" => {
                while let Some(start) = args.next_pos() {
                    self.starts.insert(key(start));
                }
            }
            "held" => {
                let node = NodeId(args.next_pos().ok_or("a node")?.parse()?);
                while let Some((name, value)) = args.next_key() {
                    self.held.entry(node).or_default().insert(key(name), record(value)?);
                }
            }
            "down" | "up" => {
                while let Some(node) = args.next_pos() {
                    let node = NodeId(node.parse()?);
                    if command.name == "down" {
                        self.down.insert(node)
                    } else {
                        self.down.remove(&node)
                    };
                }
            }
            "epoch" => {
                let epoch: u64 = args.next_pos().ok_or("an epoch")?.parse()?;
                while let Some(node) = args.next_pos() {
                    self.later.insert(NodeId(node.parse()?), epoch - 1);
                }
            }
            "scan" => {
                let reverse = args.next_pos() == Some("reverse");
                let bound = |text: Option<&str>| text.map(key);
                let request = Request {
                    range: Interval {
                        start: bound(args.take_key("from")).unwrap_or_else(|| key("")),
                        end: bound(args.take_key("to")),
                    },
                    reverse,
                    level: args.take_key("r").unwrap_or("quorum").parse()?,
                    items: args.take_key("items").unwrap_or("100").parse()?,
                    bytes: 1 << 20,
                    values: true,
                };
                let answer = self.page(request);
                self.show(&answer);
            }
            "replicas" => {
                for node in OWNERS {
                    let held = self.held.entry(node).or_default();
                    let all: Vec<String> =
                        held.iter().map(|(key, record)| format!("{key} {}", brief(record))).collect();
                    writeln!(self.out, "{node}  {}", all.join(", "))?;
                }
            }
            other => return Err(format!("no such command: {other}").into()),
        }
        args.reject_next()?;
        Ok(std::mem::take(&mut self.out))
    }
}

impl World {
    /// One page, to its answer.
    fn page(&mut self, request: Request) -> Answer {
        let context = Context { local: OWNERS[0], rules: Rules::INTACT, timing: Timing::default() };
        let mut scan = Scan::new(TABLE, request, DEADLINE, context);
        let mut inputs = VecDeque::from([Input::Start]);
        while let Some(input) = inputs.pop_front() {
            let mut actions = Vec::new();
            scan.step(moment(0), input, &Catalog(self), &mut actions);
            for action in actions {
                match action {
                    Action::Walk { machine, subject, plan } => {
                        self.tell(&format!("shard {}", plan.shard.index));
                        let answer = self.operate(*machine, subject, Self::walked);
                        inputs.push_back(Input::Walked(answer));
                    }
                    Action::Read { number, machine, subject, plan } => {
                        self.tell(&format!("read {}", plan.place.sort_key));
                        let answer = self.operate(*machine, subject, Self::served);
                        inputs.push_back(Input::Read(number, answer));
                    }
                    Action::Respond(answer) => return *answer,
                }
            }
        }
        panic!("the page waits for nothing");
    }

    /// Runs an operation to its end.
    fn operate<M: Machine>(
        &mut self,
        machine: M,
        subject: Subject,
        serve: impl Fn(&mut Self, NodeId, &M::Request) -> Said<<M::Request as quorate_coordinator::Ask>::Reply>,
    ) -> Option<M::Answer> {
        let mut session = Session::new(machine, subject, Rules::INTACT);
        let (mut at, mut answered, mut actions) = (0, None, Vec::new());
        session.start(moment(at), &mut actions);
        loop {
            let mut ends: Vec<(_, Ended<_>)> = Vec::new();
            for action in actions.drain(..) {
                match action {
                    session::Action::Send { call, to, .. } if self.down.contains(&to) => {
                        self.tell(&format!("  n1 -> {to}  is not sent"));
                        ends.push((call, Err(Failure::NotSent)));
                    }
                    session::Action::Send { call, to, request, .. } => {
                        ends.push((call, Ok(serve(self, to, &request))));
                    }
                    session::Action::Respond(answer) => answered = Some(answer),
                    session::Action::Done => return answered,
                }
            }
            if ends.is_empty() {
                at = session.wake_at().expect("it goes on").0.max(at);
                session.tick(moment(at), &Catalog(self), &mut actions);
            }
            for (call, ended) in ends {
                session.ended(moment(at), call, ended, &Catalog(self), &mut actions);
            }
        }
    }

    /// An owner's answer to a walk.
    fn walked(&mut self, by: NodeId, request: &RangeRequest) -> Said<RangeReply> {
        let RangeRequest::Scan { over, walk } = request else { panic!("a scan walks: {request:?}") };
        let asked = format!("  n1 -> {by}  walk {} for {}", range(&over.interval), walk.items);
        if let Some(newer) = self.newer(by, over.epoch, &over.interval, walk.reverse) {
            let refusal = Refusal::Stale { current: newer.epoch };
            self.tell(&format!("{asked}  {refusal:?}"));
            return Said { reply: RangeReply::Refused(refusal), newer: Some(newer) };
        }
        let scanned = self.walk(by, over, *walk);
        let entry = |entry: &Entry| format!("{} {}", entry.sort_key, entry.held.version.seq());
        let entries: Vec<String> = scanned.entries.iter().map(entry).collect();
        let until = scanned.until.as_ref().map_or("the end".to_owned(), ToString::to_string);
        self.tell(&format!("{asked}  [{}] until {until}", entries.join(", ")));
        RangeReply::Scanned(scanned).into()
    }

    fn walk(&mut self, by: NodeId, over: &Extent, walk: Walk) -> Scanned {
        let shard = self.shard_of(&over.interval, walk.reverse);
        let ends = [shard.interval.end.clone(), over.interval.end.clone()];
        let piece = Interval {
            start: over.interval.start.clone().max(shard.interval.start),
            end: ends.into_iter().flatten().min(),
        };
        let within = self.held.entry(by).or_default().iter().filter(|(key, _)| piece.contains(key));
        let mut entries: Vec<Entry> =
            within.map(|(key, record)| Entry::of(key.clone(), record.clone(), walk.values)).collect();
        if walk.reverse {
            entries.reverse();
        }
        let is_cut = entries.len() >= walk.items as usize;
        entries.truncate(walk.items as usize);
        let until = match entries.last().filter(|_| is_cut) {
            Some(last) if walk.reverse => Some(last.sort_key.clone()),
            Some(last) => Some(last.sort_key.successor()),
            None if walk.reverse => Some(piece.start),
            None => piece.end,
        };
        Scanned { entries, until }
    }

    /// An owner's answer to a request of one key.
    fn served(&mut self, by: NodeId, request: &KeyRequest) -> Said<Reply> {
        let at = request.place().clone();
        let interval = Interval { start: at.sort_key.clone(), end: None };
        if let Some(newer) = self.newer(by, at.epoch, &interval, false) {
            let refusal = Refusal::Stale { current: newer.epoch };
            self.tell(&format!("  n1 -> {by}  refuses: {refusal:?}"));
            return Said { reply: Reply::Refused(refusal), newer: Some(newer) };
        }
        let held = self.held.entry(by).or_default();
        let (asked, reply) = match request {
            KeyRequest::Read { .. } => ("read".to_owned(), Reply::Record(held.get(&at.sort_key).cloned())),
            KeyRequest::Write { record, .. } => {
                let before = held.get(&at.sort_key).cloned();
                let merged = before.map_or(record.clone(), |before| merge(before, record.clone()));
                held.insert(at.sort_key.clone(), merged.clone());
                (format!("write {}", brief(record)), Reply::Written { held: merged.held() })
            }
            KeyRequest::Hint { .. } => ("hint".to_owned(), Reply::Hinted),
            KeyRequest::Ask { .. } | KeyRequest::Assign { .. } | KeyRequest::Inspect { .. } => {
                panic!("a read does not ask so: {request:?}")
            }
        };
        let said = match &reply {
            Reply::Record(record) => record.as_ref().map_or("nothing".to_owned(), brief),
            reply => format!("{reply:?}").split([' ', '{']).next().unwrap_or_default().to_lowercase(),
        };
        self.tell(&format!("  n1 -> {by}  {asked}  {said}"));
        reply.into()
    }

    /// What a node that knows a later epoch says is in force.
    fn newer(&self, by: NodeId, named: Epoch, range: &Interval, reverse: bool) -> Option<ShardNow> {
        let epoch = Epoch(1 + self.later.get(&by).copied().unwrap_or_default());
        let shard = self.shard_of(range, reverse);
        (epoch > named).then(|| ShardNow { epoch, ..shard })
    }

    /// The shard in which a walk begins, at the first epoch.
    fn shard_of(&self, range: &Interval, reverse: bool) -> ShardNow {
        let starts: Vec<SortKey> = std::iter::once(key("")).chain(self.starts.iter().cloned()).collect();
        let behind = match &range.end {
            Some(end) if reverse => starts.partition_point(|start| start < end),
            None if reverse => starts.len(),
            Some(_) | None => starts.partition_point(|start| *start <= range.start),
        };
        let interval = Interval { start: starts[behind - 1].clone(), end: starts.get(behind).cloned() };
        let set = OWNERS.map(Owner::unnamed).to_vec();
        ShardNow { index: behind as u32 - 1, interval, epoch: Epoch(1), sets: vec![set], has_losses: None }
    }

    fn show(&mut self, answer: &Answer) {
        let line = match answer {
            Ok(page) => {
                let item = |item: &quorate_coordinator::scan::Item| {
                    format!("{} {}", item.sort_key, item.record.as_ref().map_or(String::new(), brief))
                };
                let items: Vec<String> = page.items.iter().map(item).collect();
                let rest =
                    page.rest.as_ref().map_or("the end".to_owned(), |rest| format!("rest {}", range(rest)));
                format!(
                    "[{}], {rest}, {}, repaired {}",
                    items.join(", "),
                    page.worth.guarantee,
                    page.repaired
                )
            }
            Err(error) => {
                let shard = error.shard.map_or("table".to_owned(), |shard| format!("shard {}", shard.index));
                format!("{shard}: {error}")
            }
        };
        self.tell(&format!("client <- {line}"));
    }

    fn tell(&mut self, line: &str) {
        self.out.push_str(line);
        self.out.push('\n');
    }
}

/// The catalog as the coordinator knows it: its first epoch.
struct Catalog<'a>(&'a World);

impl Catalog<'_> {
    fn plan_of(now: &ShardNow, sort_key: SortKey) -> Plan {
        let table = Table {
            id: TABLE,
            name: "t".into(),
            sharding: Sharding::Range,
            n: 3,
            r: Level::Quorum,
            w: Level::Quorum,
            mode: Mode::Register,
            durability: Durability::Sync,
            ttl_ms: None,
            shard_bytes_max: None,
        };
        let set: OwnerSet = OWNERS.map(Owner::unnamed).into_iter().collect();
        Plan {
            table: Arc::new(table),
            shard: ShardId { table: TABLE, index: now.index },
            place: Place { table: TABLE, epoch: now.epoch, sort_key },
            sets: [set].into_iter().collect(),
            candidates: OWNERS.map(|node| Candidate { node, alive: true }).into_iter().collect(),
            has_losses: false,
        }
    }
}

impl Plans for Catalog<'_> {
    fn epoch(&self) -> Epoch {
        Epoch(1)
    }

    fn plan(&self, _: TableId, sort_key: &SortKey) -> Option<Plan> {
        let range = Interval { start: sort_key.clone(), end: None };
        Some(Self::plan_of(&self.0.shard_of(&range, false), sort_key.clone()))
    }

    fn plan_of_range(&self, _: TableId, range: &Interval, reverse: bool) -> Option<Plan> {
        let shard = self.0.shard_of(range, reverse);
        Some(Self::plan_of(&shard, shard.interval.start.clone()))
    }

    fn plan_by(&self, _: TableId, sort_key: &SortKey, now: &ShardNow) -> Option<Plan> {
        Some(Self::plan_of(now, sort_key.clone()))
    }

    fn is_dropped(&self, _: TableId) -> bool {
        false
    }
}

fn key(text: &str) -> SortKey {
    SortKey::new(text.as_bytes().to_vec())
}

fn moment(micros: u64) -> Now {
    Now { instant: Instant(1_000_000 + micros.saturating_sub(1_000_000)), wall: WallTime(1_000) }
}

/// `VALUE`, `VALUE@2`, or `-` for a removal.
fn record(text: &str) -> Outcome<Record> {
    let (value, seq) = text.split_once('@').unwrap_or((text, "1"));
    let mut stamps = Stamps::new(NodeId(9), Boot(9));
    let version = (0..seq.parse::<u64>()?).fold(None, |seen, _| stamps.draw().above(seen).ok());
    let body = match value {
        "-" => Body::Tombstone,
        value => Body::Value { content_type: String::new(), payload: Bytes::from(value.to_owned()) },
    };
    let version = version.ok_or("versions count from 1")?;
    Ok(Record { version, written_at: WallTime(1), expires_at: None, body, operations: Operations::default() })
}

fn brief(record: &Record) -> String {
    let seq = record.version.seq();
    match &record.body {
        Body::Value { payload, .. } => format!("{:?}@{seq}", String::from_utf8_lossy(payload)),
        Body::Tombstone => format!("removed@{seq}"),
        Body::Expired => format!("expired@{seq}"),
    }
}

fn range(range: &Interval) -> String {
    format!("[{}, {})", range.start, range.end.as_ref().map_or("end".to_owned(), ToString::to_string))
}
