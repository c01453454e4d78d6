//! What happened, as the invariants see it: every attempt of a client, and what replicas were seen to store.
//!
//! One *attempt* is one operation of one coordinator. A client that tries again makes another attempt, perhaps under
//! the same operation id. Moments are numbered: each call and each answer of the history has its own number, so
//! that `a.ret < b.call` says that a was over before b began, without ties.

use crate::coverage::Coverage;
use crate::random::mix;
use quorate_coordinator::scan::{self, segment};
use quorate_coordinator::{GetAnswer, GetError, PutAnswer, PutError};
use quorate_model::{
    Body, Durability, Epoch, Held, Interval, NodeId, OperationId, Record, SortKey, TableId, Version, WallTime,
};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// Which key of which table, by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Spot {
    /// The table.
    pub table: usize,
    /// The key in it.
    pub key: usize,
}

/// A number in order of time, unique in its history.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Moment(pub u64);

/// The number of an attempt: its place in [`History::attempts`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AttemptId(pub usize);

/// What tells an attempt from all others whatever else happens: who, which of its actions, which part of that, which
/// try. Streams of chance are named so.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name {
    /// The client.
    pub client: u32,
    /// Which of its actions.
    pub action: u32,
    /// Which part of the action.
    pub part: u16,
    /// Which try.
    pub attempt: u16,
}

/// A write as a client asked for it.
#[derive(Clone, Debug)]
pub struct Write {
    /// Owners that must acknowledge.
    pub required: u8,
    /// The value; `None` deletes.
    pub value: Option<String>,
    /// Whether it is made long, so that owners do not send it unasked.
    pub is_large: bool,
    /// When the value expires.
    pub expires_at: Option<WallTime>,
    /// What an acknowledgement must mean.
    pub durability: Durability,
    /// The client's id for it.
    pub id: Option<OperationId>,
    /// Whether the client says that it tried before.
    pub is_retry: bool,
}

/// What a client asked for.
#[derive(Clone, Debug)]
pub enum Asked {
    /// A read that so many owners must answer.
    Read {
        /// Owners.
        required: u8,
    },
    /// A write.
    Write(Write),
    /// A walk over a segment of a scan, that so many owners must answer.
    Walk {
        /// Owners.
        required: u8,
    },
}

/// What came of an attempt.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// Nothing yet.
    Open,
    /// A read's answer.
    Got(GetAnswer),
    /// A write's acknowledgement.
    Stored(PutAnswer),
    /// A read failed.
    GetFailed(GetError),
    /// A walk is over.
    Walked(segment::Answer),
    /// A write failed, or may have.
    PutFailed(PutError),
    /// The coordinator died and no answer will ever come.
    Vanished,
}

/// How long a coordinator stood still during an operation, in microseconds.
#[derive(Clone, Copy, Debug, Default)]
pub struct StoodStill {
    /// Until the client was answered.
    pub before_answer: u64,
    /// Until the operation ended.
    pub before_end: u64,
}

/// One operation of one coordinator.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// Its name.
    pub name: Name,
    /// Who asked.
    pub client: u32,
    /// Who coordinated.
    pub coordinator: NodeId,
    /// Of which key; of a walk, the first of its table.
    pub spot: Spot,
    /// What was asked.
    pub asked: Asked,
    /// When it began.
    pub call: Moment,
    /// When the client had its answer, or lost its coordinator.
    pub ret: Option<Moment>,
    /// What came of it.
    pub outcome: Outcome,
    /// The versions that this attempt was the first to send. A write has at most one.
    pub made: Vec<Version>,
    /// Whether it sent its record to owners itself. A write at `one` whose owner's answer got lost never knew it.
    pub sent: bool,
    /// What its answer means at least, if it is a read: the least durable plan that it followed.
    pub durability: Durability,
    /// When it left asking behind (its first record was sent, or it was answered): the owners whose answers had been
    /// given under the plan that it followed then.
    pub based_on: Option<u8>,
    /// Messages sent for it.
    pub messages: u32,
    /// How long the operation lived, in microseconds; `None` while it lives or if its coordinator died.
    pub lived: Option<u64>,
    /// How long it may take the client to be answered, in microseconds.
    pub timeout: u64,
    /// How long the answer took, in microseconds.
    pub answered_after: Option<u64>,
    /// How long its coordinator stood still before the answer and before the end, in microseconds.
    pub stood_still: StoodStill,
    /// How often it took a newer plan.
    pub replans: u32,
    /// How often it was refused because of a floor.
    pub below: u32,
    /// The earliest wall clock that its coordinator saw while at it.
    pub wall_min: WallTime,
    /// Whether its coordinator died before the operation had ended.
    pub orphaned: bool,
    /// Whether it began after everything was healed.
    pub closing: bool,
}

/// One scan of a client: page after page, each from where the one before it ended.
#[derive(Clone, Debug)]
pub struct ScanHistory {
    /// Who asked.
    pub client: u32,
    /// Of which table.
    pub table: usize,
    /// The whole range.
    pub range: Interval,
    /// Whether from its end downwards.
    pub reverse: bool,
    /// Owners that must answer for each key.
    pub required: u8,
    /// Its pages, in the order in which they were asked for. One that failed is followed by another of the same rest.
    pub pages: Vec<PageHistory>,
}

/// One page of a scan.
#[derive(Clone, Debug)]
pub struct PageHistory {
    /// Who coordinated.
    pub coordinator: NodeId,
    /// What was asked for: what was left of the range.
    pub from: Interval,
    /// Most keys.
    pub items: usize,
    /// When it was asked for.
    pub call: Moment,
    /// When it was answered, or its coordinator died.
    pub ret: Option<Moment>,
    /// The earliest wall clock that its coordinator saw while at it.
    pub wall_min: WallTime,
    /// What came of it.
    pub outcome: PageOutcome,
}

/// What came of a page.
#[derive(Clone, Debug)]
pub enum PageOutcome {
    /// Nothing yet.
    Open,
    /// It was answered.
    Answered(scan::Page),
    /// It failed.
    Failed(scan::Error),
    /// The coordinator died.
    Vanished,
}

/// A copy of a piece of a table that a node has filled, or begun to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filled {
    /// Whose.
    pub node: NodeId,
    /// Which of its replicas.
    pub incarnation: u64,
    /// Of which table.
    pub table: TableId,
    /// Since when the node has it.
    pub since: Option<Epoch>,
    /// Of which piece.
    pub interval: Interval,
}

impl Filled {
    /// Whether it is a part of the same copy, in which some key is of both.
    pub fn meets(&self, other: &Filled) -> bool {
        let begins_before =
            |one: &Interval, other: &Interval| other.end.as_ref().is_none_or(|end| one.start < *end);
        let is_same = |one: &Filled| (one.node, one.incarnation, one.table, one.since);
        is_same(self) == is_same(other)
            && begins_before(&self.interval, &other.interval)
            && begins_before(&other.interval, &self.interval)
    }

    /// Whether a key is of it, and of a part of the same copy.
    pub fn holds(&self, part: &Filled, key: &SortKey) -> bool {
        self.meets(part) && self.interval.contains(key)
    }
}

/// Everything that happened.
#[derive(Debug, Default)]
pub struct History {
    /// Numbers of copies that the first table got.
    pub copies: BTreeSet<u8>,
    /// All attempts, in the order in which they began.
    pub attempts: Vec<Attempt>,
    /// All scans, in the order in which they began.
    pub scans: Vec<ScanHistory>,
    /// Who first sent a version.
    pub makers: BTreeMap<(Spot, Version), AttemptId>,
    /// What was first sent under a version (unless it is the version found expired).
    pub contents: BTreeMap<(Spot, Version), Body>,
    /// Versions that were sent with two contents.
    pub torn: Vec<(Spot, Version)>,
    /// Versions that some replica acknowledged to hold.
    pub stored: BTreeSet<(Spot, Version)>,
    /// The latest that each replica ever said it holds, and those that later said they hold less.
    pub replicas: BTreeMap<(Spot, NodeId), Held>,
    /// Replicas that went back.
    pub went_back: Vec<(Spot, NodeId, Held, Option<Held>)>,
    /// Hints that were kept, durably: for whom, which key, what.
    pub hints: Vec<Hinted>,
    /// For whom a hint was asked to be kept, by which attempt.
    pub hinted: BTreeSet<(AttemptId, NodeId)>,
    /// Those of them that are certainly kept.
    pub kept: BTreeSet<(AttemptId, NodeId)>,
    /// Owners that turned out to hold something greater than the hint that they were brought: by whom, and what.
    pub overtaken: Vec<Hinted>,
    /// Answers of replicas that did not own the key at the epoch of the request.
    pub strays: Vec<(Spot, String)>,
    /// Coordinators that sent by an old plan although they had been given a newer one.
    pub ignored_plans: Vec<(Spot, AttemptId)>,
    /// Operations that were told of a stale plan although their coordinator might have heard of the newer one.
    pub not_awaited: Vec<(Spot, AttemptId)>,
    /// Attempts that did not go on by what a refusal said is in force.
    pub unheeded: Vec<(Spot, AttemptId)>,
    /// Reads that sent a record before their clients were answered, with what they sent.
    pub wrote_first: BTreeSet<(Spot, AttemptId, Held)>,
    /// Answers to operation ids of which too few owners knew that the id had become the version named.
    pub unknown_ids: Vec<(Spot, String)>,
    /// Refused writes that were carried out.
    pub refused_yet_stored: Vec<(Spot, NodeId, Version)>,
    /// Replicas that answered after they had doubted their disks.
    pub trusted_again: Vec<(Spot, NodeId, String)>,
    /// Replicas that answered although their disks had lost something, and a peer that they talked to knew it.
    pub unlearnt: Vec<(Spot, NodeId)>,
    /// Nodes whose disks forgot what they had called synced.
    pub liars: BTreeSet<NodeId>,
    /// Nodes that have lost their disks, or what they believed of them, and came back as other incarnations.
    pub lost: BTreeSet<NodeId>,
    /// Those that were declared dead, and may run on.
    pub dead: BTreeSet<NodeId>,
    /// Those whose operators decided that they go on with what is left.
    pub accepted: BTreeSet<NodeId>,
    /// Copies that were said to be whole again.
    pub whole: Vec<Filled>,
    /// Copies that were begun.
    pub taken: Vec<Filled>,
    /// Those of them that were not whole later, or were to be begun again, though no disk lied.
    pub unwhole: Vec<String>,
    /// The most hints that one node ever kept.
    pub hints_max: u64,
    /// The most bytes of hints that one node ever kept.
    pub hint_bytes_max: u64,
    /// The most operation ids that one record ever had, on its way or in an answer.
    pub operations_max: usize,
    /// When enough owners durably refused the table that is dropped.
    pub drop_closed: Option<Moment>,
    /// What happened, counted.
    pub coverage: Coverage,
    /// The furthest that any wall clock was seen to be after each moment and before the next.
    walls: Vec<WallTime>,
}

/// A hint that a node keeps, or what its owner holds instead.
#[derive(Clone, Copy, Debug)]
pub struct Hinted {
    /// Who keeps it.
    pub keeper: NodeId,
    /// For whom.
    pub owner: NodeId,
    /// Which key.
    pub spot: Spot,
    /// What.
    pub held: Held,
}

impl fmt::Display for Spot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "t{}/k{}", self.table, self.key)
    }
}

impl Name {
    /// As one number, for streams of chance.
    pub fn number(self) -> u64 {
        let who = u64::from(self.client) << 32 | u64::from(self.action);
        mix(mix(who) ^ (u64::from(self.part) << 16 | u64::from(self.attempt)))
    }
}

impl History {
    /// The next moment. They are even: what happens between two of them has an odd one.
    pub fn moment(&mut self) -> Moment {
        self.walls.push(WallTime::default());
        Moment(2 * self.walls.len() as u64)
    }

    /// Notes that a process looked at a wall clock.
    pub fn looked(&mut self, wall: WallTime) {
        if let Some(furthest) = self.walls.last_mut() {
            *furthest = wall.max(*furthest);
        }
    }

    /// When a value that was asked for at `call` could first be taken for expired: the first moment after that at which
    /// any clock that a process looked at had come so far. `None`: never.
    pub fn reached(&self, call: Moment, expires_at: WallTime) -> Option<Moment> {
        let first = (call.0 / 2).saturating_sub(1) as usize;
        let since = self.walls.get(first..)?.iter().position(|furthest| *furthest >= expires_at)?;
        Some(Moment(2 * (first + since) as u64 + 3))
    }

    /// Of so many nodes that said they hold something, those that hold it for certain: a disk that lies is not one. A node
    /// that came back after a loss holds again what as many held as count for anything, `counts`.
    pub fn surely(&self, holders: u8, counts: u8) -> u8 {
        let lost = if holders < counts { self.lost.difference(&self.liars).count() } else { 0 };
        holders.saturating_sub((self.liars.len() + lost) as u8)
    }

    /// Whether a node may have lost something, by a lie of its disk or knowingly.
    pub fn has_lost(&self, node: NodeId) -> bool {
        self.liars.contains(&node) || self.lost.contains(&node)
    }

    /// Notes that an attempt sent a record; only the first to do so made its version.
    pub fn sent(&mut self, attempt: AttemptId, spot: Spot, record: &Record) {
        let version = record.version;
        let is_write = matches!(self.attempts[attempt.0].asked, Asked::Write(_));
        if !is_write && self.attempts[attempt.0].ret.is_none() {
            self.wrote_first.insert((spot, attempt, record.held()));
        }
        if is_write && !self.makers.contains_key(&(spot, version)) {
            self.makers.insert((spot, version), attempt);
            self.attempts[attempt.0].made.push(version);
        }
        if record.body == Body::Expired {
            return;
        }
        let known = self.contents.entry((spot, version)).or_insert_with(|| record.body.clone());
        if *known != record.body {
            self.torn.push((spot, version));
        }
    }

    /// Notes what a replica says it holds.
    pub fn holds(&mut self, replica: NodeId, spot: Spot, held: Option<Held>) {
        let known = self.replicas.get(&(spot, replica)).copied();
        if held < known {
            self.went_back.extend(known.map(|known| (spot, replica, known, held)));
        } else if let Some(held) = held {
            self.replicas.insert((spot, replica), held);
        }
    }

    /// Attempts that asked for a write, with the write.
    pub fn writes(&self) -> impl Iterator<Item = (AttemptId, &Attempt, &Write)> {
        self.attempts.iter().enumerate().filter_map(|(number, attempt)| match &attempt.asked {
            Asked::Write(write) => Some((AttemptId(number), attempt, write)),
            Asked::Read { .. } | Asked::Walk { .. } => None,
        })
    }

    /// Writes that were acknowledged.
    pub fn acknowledged(&self) -> impl Iterator<Item = (&Attempt, &Write, &PutAnswer)> {
        self.writes().filter_map(|(_, attempt, write)| match &attempt.outcome {
            Outcome::Stored(answer) => Some((attempt, write, answer)),
            Outcome::Open
            | Outcome::Got(_)
            | Outcome::GetFailed(_)
            | Outcome::Walked(_)
            | Outcome::PutFailed(_)
            | Outcome::Vanished => None,
        })
    }

    /// Reads that were answered.
    pub fn answered(&self) -> impl Iterator<Item = (&Attempt, &GetAnswer)> {
        self.attempts.iter().filter_map(|attempt| match &attempt.outcome {
            Outcome::Got(answer) => Some((attempt, answer)),
            Outcome::Open
            | Outcome::Stored(_)
            | Outcome::GetFailed(_)
            | Outcome::Walked(_)
            | Outcome::PutFailed(_)
            | Outcome::Vanished => None,
        })
    }
}

impl Attempt {
    /// Whether it was over before the other began.
    pub fn precedes(&self, other: &Attempt) -> bool {
        self.ret.is_some_and(|ret| ret < other.call)
    }
}

/// What a reader sees in a record: its value, or nothing.
pub fn seen(record: Option<&Record>) -> Option<String> {
    match &record?.body {
        Body::Value { payload, .. } => Some(String::from_utf8_lossy(payload).trim_end().to_owned()),
        Body::Tombstone | Body::Expired => None,
    }
}
