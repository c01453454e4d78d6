//! A world small enough to be told: one key, N replicas in memory, one coordinator, and messages that flow in order.
//!
//! Commands:
//!
//! ```text
//! cluster n=3 [w=quorum] [r=quorum] [local=1] [os] a new world; the table's levels; the coordinator's node; durability
//! held NODE seq=S value=V [ttl=MS] [id=c:1] [assigned]  what an owner holds already (or from now on)
//! down|silent|full|doubtful|lossy|mute|busy|dying|up NODE ...      how a node behaves from now on
//! epoch E NODE ...      these nodes know the catalog up to epoch E, and refuse older requests with a newer plan of it
//! sets E "1 2 3" ["2 3 4@E"]  from this epoch on the key has these owners, or these two sets; `4@E`: since that epoch
//! wiped NODE ...        what these nodes hold is gone: they are given another copy
//! plan E                the coordinator knows it from now on; before, it hears of it with the refusals
//! put VALUE | delete   [sync] [w=LEVEL] [id=c:1] [retry] [ttl=MS] [as=NAME]
//! get [r=LEVEL]
//! wait MS                                          time passes, the machine ticks when it wants to
//! stand MS                                         the process stands still so long, then ticks once
//! replicas                                         what every replica holds, and the hints
//! ```
//!
//! A *silent* node takes nothing and never answers; a *lossy* one takes what it is sent to store, and its answer is
//! lost with the connection; a *mute* one never shows a whole record. Every record counts as
//! large. A *busy* one takes nothing to store, a *full* one says so in round one already;
//! a *dying* one answers once more and is down then. `down` nodes may be known to be down (`down known 3`), as the plan of the next command
//! says it.

use bytes::Bytes;
use goldenscript::{Command, Context as ScriptContext, Runner};
use quorate_coordinator::{
    Attempt, Call, Context, Effect, Failure, Get, GetAnswer, GetError, Input, Machine, Order, Put, PutAnswer,
    PutError, Question, Timing,
};
use quorate_model::message::Draft;
use quorate_model::record::merge;
use quorate_model::{
    Body, Boot, Durability, Epoch, Held, Instant, Key, Level, Mode, NodeId, Now, Operation, OperationId,
    Operations, Owner, Place, Record, Refusal, Reply, Request, Rules, ShardId, Sharding, SortKey, Span,
    Stamp, Stamps, Table, TableId, Version, WallTime,
};
use quorate_ring::{Candidate, Liveness, OwnerSet, Plan};
use smallvec::SmallVec;
use std::collections::{BTreeMap, VecDeque};
use std::error::Error;
use std::fmt::Write;
use std::sync::Arc;

const TIMEOUT_MS: u64 = 2_000;

#[derive(Clone, Copy, Default, PartialEq)]
enum Behaviour {
    #[default]
    Up,
    Down,
    Silent,
    Full,
    Doubtful,
    Lossy,
    Mute,
    Busy,
    Dying,
}

#[derive(Default)]
struct Replica {
    behaviour: Behaviour,
    /// Epochs after the first one that it has heard of.
    later_epochs: u64,
    record: Option<Record>,
    hints: Vec<(NodeId, Held)>,
}

enum Running {
    Put(Put),
    Get(Get),
}

enum Told {
    Put(Result<PutAnswer, PutError>),
    Get(Result<GetAnswer, GetError>),
}

/// See the module's essay.
#[derive(Default)]
pub struct World {
    plan: Option<Arc<Plan>>,
    /// The owners from these epochs on.
    sets: BTreeMap<Epoch, SmallVec<[OwnerSet; 2]>>,
    local: NodeId,
    replicas: BTreeMap<NodeId, Replica>,
    stamps: BTreeMap<NodeId, Stamps>,
    now_ms: u64,
    running: Option<Running>,
    out: String,
}

type Outcome<T> = Result<T, Box<dyn Error>>;

impl Runner for World {
    type Command = Command;

    fn run(&mut self, command: &Command, _: &ScriptContext) -> Outcome<String> {
        self.out.clear();
        let mut args = command.consume_args();
        match command.name.as_str() {
            "cluster" => {
                let n = args.take_key("n").unwrap_or("3").parse()?;
                let level = |text: Option<&str>| text.unwrap_or("quorum").parse::<Level>();
                let (w, r) = (level(args.take_key("w"))?, level(args.take_key("r"))?);
                let local = args.take_key("local").unwrap_or("1").parse()?;
                self.found(n, w, r, NodeId(local));
                if args.next_pos() == Some("os") {
                    self.keep_in_memory()?;
                }
            }
            "held" => {
                let node = NodeId(args.next_pos().ok_or("a node")?.parse()?);
                let seq = args.take_key("seq").ok_or("seq")?.parse()?;
                let value = args.take_key("value").unwrap_or_default().to_owned();
                let ttl = args.take_key("ttl").map(str::parse).transpose()?;
                let id = args.take_key("id").map(str::parse).transpose()?;
                let assigned = args.next_pos().is_some();
                let record = earlier_record(seq, &value, ttl, id, assigned);
                self.replica(node).record = Some(record);
            }
            "down" | "silent" | "full" | "doubtful" | "lossy" | "mute" | "busy" | "dying" | "up" => {
                let behaviour = match command.name.as_str() {
                    "down" => Behaviour::Down,
                    "silent" => Behaviour::Silent,
                    "full" => Behaviour::Full,
                    "doubtful" => Behaviour::Doubtful,
                    "lossy" => Behaviour::Lossy,
                    "mute" => Behaviour::Mute,
                    "busy" => Behaviour::Busy,
                    "dying" => Behaviour::Dying,
                    _ => Behaviour::Up,
                };
                let mut alive = true;
                while let Some(word) = args.next_pos() {
                    if word == "known" {
                        alive = false;
                        continue;
                    }
                    let node = NodeId(word.parse()?);
                    self.replica(node).behaviour = behaviour;
                    self.seems(node, alive)?;
                }
            }
            "epoch" => {
                let epoch: u64 = args.next_pos().ok_or("an epoch")?.parse()?;
                while let Some(node) = args.next_pos() {
                    self.replica(NodeId(node.parse()?)).later_epochs = epoch - 1;
                }
            }
            "sets" => {
                let epoch = Epoch(args.next_pos().ok_or("an epoch")?.parse()?);
                let mut sets = SmallVec::new();
                while let Some(set) = args.next_pos() {
                    sets.push(set.split(' ').map(owner).collect::<Result<OwnerSet, _>>()?);
                }
                self.sets.insert(epoch, sets);
                if epoch == self.plan.as_ref().ok_or("no cluster yet")?.place.epoch {
                    self.plan = Some(self.plan_at(epoch));
                }
            }
            "wiped" => {
                while let Some(node) = args.next_pos() {
                    self.replica(NodeId(node.parse()?)).record = None;
                }
            }
            "plan" => {
                let epoch = args.next_pos().ok_or("an epoch")?.parse()?;
                self.plan = Some(self.plan_at(Epoch(epoch)));
            }
            "put" | "delete" => {
                let value = if command.name == "put" { args.next_pos() } else { None };
                let (mut retry, mut sync) = (false, false);
                while let Some(word) = args.next_pos() {
                    retry |= word == "retry";
                    sync |= word == "sync";
                }
                let ttl: Option<u64> = args.take_key("ttl").map(str::parse).transpose()?;
                let w = args.take_key("w").map(str::parse).transpose()?;
                let id = args.take_key("id").map(str::parse).transpose()?;
                self.start_put(value, ttl, w, id, retry, sync)?;
            }
            "get" => {
                let r = args.take_key("r").map(str::parse).transpose()?;
                self.start_get(r)?;
            }
            "wait" => {
                let ms = args.next_pos().ok_or("milliseconds")?.parse()?;
                self.wait(ms);
            }
            "stand" => {
                self.now_ms += args.next_pos().ok_or("milliseconds")?.parse::<u64>()?;
                self.flow(Input::Tick);
            }
            "replicas" => self.show_replicas(),
            other => return Err(format!("no such command: {other}").into()),
        }
        args.reject_next()?;
        Ok(std::mem::take(&mut self.out))
    }
}

impl World {
    fn found(&mut self, n: u8, w: Level, r: Level, local: NodeId) {
        *self = Self { local, now_ms: 1_000, ..Self::default() };
        let nodes: Vec<NodeId> = (1..=u64::from(n)).map(NodeId).collect();
        for node in nodes.iter().copied().chain([local]) {
            self.replicas.entry(node).or_default();
            self.stamps.entry(node).or_insert_with(|| Stamps::new(node, Boot(0)));
        }
        let table = Table {
            id: TableId(1),
            name: "t".into(),
            sharding: Sharding::Hash,
            n,
            r,
            w,
            mode: Mode::Register,
            durability: Durability::Sync,
            ttl_ms: None,
            shard_bytes_max: None,
        };
        let set: OwnerSet = nodes.iter().copied().map(Owner::unnamed).collect();
        let mut order = nodes;
        order.sort_by_key(|node| *node != local);
        self.plan = Some(Arc::new(Plan {
            table: Arc::new(table),
            shard: ShardId { table: TableId(1), index: 0 },
            place: Place {
                table: TableId(1),
                epoch: Epoch(1),
                sort_key: SortKey::hashed(&Key::new(&b"k"[..])),
            },
            sets: [set].into_iter().collect(),
            candidates: order.into_iter().map(|node| Candidate { node, alive: true }).collect(),
            has_losses: false,
        }));
    }

    /// The table's acknowledgements mean no sync.
    fn keep_in_memory(&mut self) -> Outcome<()> {
        let plan = Arc::make_mut(self.plan.as_mut().ok_or("no cluster yet")?);
        Arc::make_mut(&mut plan.table).durability = Durability::Os;
        Ok(())
    }

    /// The plan as it is at an epoch: with the same owners, unless others were named.
    fn plan_at(&self, epoch: Epoch) -> Arc<Plan> {
        let mut plan = Plan::clone(self.plan.as_ref().expect("a cluster was founded"));
        plan.place.epoch = epoch;
        if let Some((_, sets)) = self.sets.range(..=epoch).next_back() {
            plan.candidates = Candidate::in_order(sets, self.local, &Liveness::default(), 0);
            plan.sets.clone_from(sets);
        }
        Arc::new(plan)
    }

    fn seems(&mut self, node: NodeId, alive: bool) -> Outcome<()> {
        let plan = Arc::make_mut(self.plan.as_mut().ok_or("no cluster yet")?);
        for candidate in plan.candidates.iter_mut().filter(|candidate| candidate.node == node) {
            candidate.alive = alive;
        }
        plan.candidates.sort_by_key(|candidate| !candidate.alive);
        Ok(())
    }

    fn start_put(
        &mut self,
        value: Option<&str>,
        ttl: Option<u64>,
        w: Option<Level>,
        id: Option<OperationId>,
        is_retry: bool,
        sync: bool,
    ) -> Outcome<()> {
        let plan = self.plan.clone().ok_or("no cluster yet")?;
        let body = match value {
            Some(value) => {
                Body::Value { content_type: String::new(), payload: Bytes::copy_from_slice(value.as_bytes()) }
            }
            None => Body::Tombstone,
        };
        let digest = value.map_or(0, |value| Key::new(value.as_bytes().to_vec()).token().0);
        let draft = Draft {
            body,
            written_at: self.now().wall,
            expires_at: ttl.map(|ttl| self.now().wall.plus_millis(ttl)),
        };
        let order = Order {
            draft,
            level: w.unwrap_or(plan.table.w),
            durability: if sync { Durability::Sync } else { plan.table.durability },
            attempt: id.map(|id| Attempt { id, digest, is_retry }),
            stamp: self.stamp(self.local),
            deadline: self.now().instant + Span::from_millis(TIMEOUT_MS),
        };
        self.running = Some(Running::Put(Put::new(plan, order, self.context())));
        self.flow(Input::Start);
        Ok(())
    }

    fn start_get(&mut self, r: Option<Level>) -> Outcome<()> {
        let plan = self.plan.clone().ok_or("no cluster yet")?;
        let question = Question {
            level: r.unwrap_or(plan.table.r),
            deadline: self.now().instant + Span::from_millis(TIMEOUT_MS),
        };
        self.running = Some(Running::Get(Get::new(plan, question, self.context())));
        self.flow(Input::Start);
        Ok(())
    }

    fn context(&self) -> Context {
        Context { local: self.local, rules: Rules::INTACT, timing: Timing::default() }
    }

    fn now(&self) -> Now {
        Now { instant: Instant(self.now_ms * 1_000), wall: WallTime(self.now_ms) }
    }

    fn stamp(&mut self, node: NodeId) -> Stamp {
        self.stamps.entry(node).or_insert_with(|| Stamps::new(node, Boot(0))).draw()
    }

    fn replica(&mut self, node: NodeId) -> &mut Replica {
        self.replicas.entry(node).or_default()
    }

    /// Lets time pass; the machine is ticked whenever it wants to be.
    fn wait(&mut self, ms: u64) {
        let until = self.now_ms + ms;
        while let Some(at) = self.wake_at().filter(|at| at.0.div_ceil(1_000) <= until) {
            self.now_ms = self.now_ms.max(at.0.div_ceil(1_000));
            self.flow(Input::Tick);
        }
        self.now_ms = until;
    }

    fn wake_at(&self) -> Option<Instant> {
        match self.running.as_ref()? {
            Running::Put(put) => put.wake_at(),
            Running::Get(get) => get.wake_at(),
        }
    }

    /// Steps the machine, and delivers messages in order until none is left.
    fn flow(&mut self, input: Input) {
        let mut inputs = VecDeque::from([input]);
        while let Some(input) = inputs.pop_front() {
            let now = self.now();
            let mut sends = Vec::new();
            let mut told = Vec::new();
            let mut done = false;
            let Some(running) = &mut self.running else { return };
            match running {
                Running::Put(put) => {
                    let mut effects = Vec::new();
                    put.step(now, input, &mut effects);
                    sort(effects, Told::Put, &mut sends, &mut told, &mut done);
                }
                Running::Get(get) => {
                    let mut effects = Vec::new();
                    get.step(now, input, &mut effects);
                    sort(effects, Told::Get, &mut sends, &mut told, &mut done);
                }
            }
            // What is sent in one step stands before what is answered in it only if it came first.
            for told in told {
                let at = self.now_ms - 1_000;
                let _ = writeln!(self.out, "{at:>4} ms  client <- {}", tell(&told));
            }
            for (call, to, request) in sends {
                inputs.extend(self.deliver(call, to, &request));
            }
            if done {
                let at = self.now_ms - 1_000;
                let _ = writeln!(self.out, "{at:>4} ms  done");
                self.running = None;
            }
        }
    }

    fn deliver(&mut self, call: Call, to: NodeId, request: &Request) -> Option<Input> {
        let behaviour = self.replica(to).behaviour;
        let local = self.local;
        let (asked, known) = (request.place().epoch, Epoch(1 + self.replica(to).later_epochs));
        let is_hint = matches!(request, Request::Hint { .. });
        let reply = match (behaviour, request.is_write()) {
            (Behaviour::Up, _) if !is_hint && asked < known => {
                Err(Failure::Refused(Refusal::Stale { current: known }))
            }
            (Behaviour::Up, _) if !is_hint && asked > known => {
                Err(Failure::Refused(Refusal::Behind { current: known }))
            }
            (Behaviour::Down, _) => Err(Failure::NotSent),
            (Behaviour::Silent, _) => Ok(None),
            (Behaviour::Dying, _) => {
                self.replica(to).behaviour = Behaviour::Down;
                Ok(Some(self.serve(to, request)))
            }
            (Behaviour::Mute, _) if matches!(request, Request::Read { whole: true, .. }) => Ok(None),
            (Behaviour::Doubtful, _) => Err(Failure::Refused(Refusal::Doubtful)),
            (Behaviour::Full, true) => Err(Failure::Refused(Refusal::DiskFull)),
            (Behaviour::Full, false) if matches!(request, Request::Ask { .. }) => {
                Err(Failure::Refused(Refusal::DiskFull))
            }
            (Behaviour::Busy, true) => Err(Failure::Refused(Refusal::Overloaded)),
            (Behaviour::Lossy, true) => {
                self.serve(to, request);
                Err(Failure::Lost)
            }
            (Behaviour::Up | Behaviour::Mute, _)
            | (Behaviour::Full | Behaviour::Lossy | Behaviour::Busy, false) => {
                Ok(Some(self.serve(to, request)))
            }
        };
        let said = match &reply {
            Ok(Some(reply)) => show_reply(reply),
            Ok(None) => "(silence)".to_owned(),
            Err(failure) => format!("{failure:?}"),
        };
        let at = self.now_ms - 1_000;
        let _ = writeln!(self.out, "{at:>4} ms  {local} -> {to}  {:<24} {said}", show_request(request));
        match reply {
            Ok(None) => None,
            Ok(Some(reply)) => Some(Input::Reply { call, reply }),
            Err(failure) => {
                let newer = match failure {
                    Failure::Refused(Refusal::Stale { current }) => Some(self.plan_at(current)),
                    _ => None,
                };
                Some(Input::Failed { call, failure, newer })
            }
        }
    }

    fn serve(&mut self, to: NodeId, request: &Request) -> Reply {
        let stamp = self.stamp(to);
        let replica = self.replica(to);
        let held = replica.record.as_ref().map(Record::held);
        match request {
            Request::Ask { .. } => Reply::Known {
                held,
                operations: replica
                    .record
                    .as_ref()
                    .map_or_else(Operations::default, |r| r.operations.clone()),
                floor: None,
                forgot: None,
            },
            Request::Read { whole: true, .. } => Reply::Record(replica.record.clone()),
            Request::Read { whole: false, .. } => Reply::Digest {
                held,
                digest: replica.record.as_ref().map_or(0, Record::digest),
                operations: replica.record.as_ref().map(|r| r.operations.clone()).unwrap_or_default(),
            },
            Request::Write { record, .. } => {
                let merged = match replica.record.take() {
                    Some(own) => merge(own, record.clone()),
                    None => record.clone(),
                };
                let held = merged.held();
                replica.record = Some(merged);
                Reply::Written { held }
            }
            Request::Assign { draft, .. } => {
                let version = stamp.above(held.map(|held| held.version)).expect("far from the end");
                let record = Record {
                    version,
                    written_at: draft.written_at,
                    expires_at: draft.expires_at,
                    body: draft.body.clone(),
                    operations: Operations::default(),
                };
                replica.record = Some(record.clone());
                Reply::Assigned { record }
            }
            Request::Hint { owner, record, .. } => {
                replica.hints.push((*owner, record.held()));
                Reply::Hinted
            }
            Request::Inspect { .. } => Reply::Refused(Refusal::NotOwner),
        }
    }

    fn show_replicas(&mut self) {
        for (node, replica) in &self.replicas {
            let record = replica.record.as_ref().map_or("-".to_owned(), show_record);
            let _ = write!(self.out, "{node}: {record}");
            for (owner, held) in &replica.hints {
                let _ = write!(self.out, "; hint for {owner}: {}", show_held(Some(*held)));
            }
            self.out.push('\n');
        }
    }
}

/// An owner in words: `4`, or `4@3` since epoch 3.
fn owner(words: &str) -> Outcome<Owner> {
    let (node, since) = words.split_once('@').unwrap_or((words, "0"));
    Ok(Owner { node: NodeId(node.parse()?), since: Epoch(since.parse()?) })
}

fn sort<A>(
    effects: Vec<Effect<A>>,
    wrap: impl Fn(A) -> Told,
    sends: &mut Vec<(Call, NodeId, Request)>,
    told: &mut Vec<Told>,
    done: &mut bool,
) {
    for effect in effects {
        match effect {
            Effect::Send { call, to, request } => sends.push((call, to, request)),
            Effect::Respond(answer) => told.push(wrap(answer)),
            Effect::Done => *done = true,
        }
    }
}

/// A record of an earlier writer, the same at every owner that is given it.
fn earlier_record(
    seq: u64,
    value: &str,
    ttl: Option<u64>,
    id: Option<OperationId>,
    assigned: bool,
) -> Record {
    let source = if assigned { Stamps::assigning } else { Stamps::new };
    let mut stamps = source(NodeId(9), Boot(0));
    let stamp = stamps.draw();
    let version: Version = (0..seq).fold(None, |seen, _| stamp.above(seen).ok()).expect("seq counts from 1");
    let digest = Key::new(value.as_bytes().to_vec()).token().0;
    Record {
        version,
        written_at: WallTime(1_000),
        expires_at: ttl.map(|ttl| WallTime(1_000 + ttl)),
        body: Body::Value { content_type: String::new(), payload: Bytes::copy_from_slice(value.as_bytes()) },
        operations: id
            .map_or_else(Operations::default, |id| Operations::of(Operation { id, version, digest })),
    }
}

fn show_held(held: Option<Held>) -> String {
    match held {
        None => "-".into(),
        Some(held) => {
            let expired = if held.expired { " expired" } else { "" };
            format!("{}-{}{expired}", held.version.seq(), held.version.node())
        }
    }
}

fn show_record(record: &Record) -> String {
    let body = match &record.body {
        Body::Value { payload, .. } => format!(" {:?}", String::from_utf8_lossy(payload)),
        Body::Tombstone => " tombstone".to_owned(),
        Body::Expired => String::new(),
    };
    let ids: Vec<String> = record.operations.as_slice().iter().map(|known| known.id.to_string()).collect();
    let ids = if ids.is_empty() { String::new() } else { format!(" [{}]", ids.join(" ")) };
    format!("{}{body}{ids}", show_held(Some(record.held())))
}

fn show_request(request: &Request) -> String {
    match request {
        Request::Ask { .. } => "ask".into(),
        Request::Read { whole: true, .. } => "read".into(),
        Request::Read { whole: false, .. } => "read digest".into(),
        Request::Write { record, durability: Durability::Os, .. } => {
            format!("write {} os", show_record(record))
        }
        Request::Write { record, durability: Durability::Sync, .. } => {
            format!("write {}", show_record(record))
        }
        Request::Assign { .. } => "assign".into(),
        Request::Hint { owner, record, .. } => format!("hint for {owner} {}", show_held(Some(record.held()))),
        Request::Inspect { .. } => "inspect".into(),
    }
}

fn show_reply(reply: &Reply) -> String {
    match reply {
        Reply::Known { held, operations, .. } => {
            let ids: Vec<String> = operations.as_slice().iter().map(|known| known.id.to_string()).collect();
            let ids = if ids.is_empty() { String::new() } else { format!(" [{}]", ids.join(" ")) };
            format!("known {}{ids}", show_held(*held))
        }
        Reply::Record(record) => record.as_ref().map_or("nothing".into(), show_record),
        Reply::Digest { held, .. } => format!("digest of {}", show_held(*held)),
        Reply::Written { held } => format!("written, holds {}", show_held(Some(*held))),
        Reply::Assigned { record } => format!("assigned {}", show_held(Some(record.held()))),
        Reply::Hinted => "kept".into(),
        Reply::Inspected(_) => "inspected".into(),
        Reply::Refused(refusal) => format!("refused: {refusal}"),
        Reply::Broken => "broken".into(),
        Reply::Absent { sealed } => format!("nothing, sealed up to {}", show_held(Some(Held::live(*sealed)))),
    }
}

fn tell(told: &Told) -> String {
    match told {
        Told::Put(Ok(answer)) => {
            let replayed = if answer.replayed { ", replayed" } else { "" };
            let version = show_held(Some(Held::live(answer.version)));
            format!(
                "ok {version}, {}, acks {} of {}{replayed}",
                answer.guarantee, answer.acks, answer.required
            )
        }
        Told::Put(Err(error)) => format!("{:?}: {error}", error.outcome()),
        Told::Get(Ok(answer)) => {
            let record = answer.record.as_ref().map_or("nothing".into(), show_record);
            let (guarantee, acks, repaired) = (answer.guarantee, answer.acks, answer.repaired);
            format!("{record}, {guarantee}, acks {acks}, repaired {repaired}")
        }
        Told::Get(Err(error)) => format!("failed: {error}"),
    }
}
