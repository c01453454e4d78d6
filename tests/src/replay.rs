//! Hints on their way to their owners, as the node's replayer drives them.
//!
//! Each process looks through its hints from time to time, sends each record to its owner under the current epoch,
//! and erases it when the owner says that it holds exactly this. If the owner turns out to hold something later, others
//! may lack that too, and perhaps nobody else knows of it: reads at all owners bring them together, and the hint stays
//! until such a read saw that all of them hold the same.

use crate::coverage::Happening;
use crate::history::{AttemptId, Hinted, Outcome, Spot};
use crate::parcel::{Asker, Caller, Event};
use crate::random::{For, mix};
use crate::world::World;
use quorate_model::{Epoch, Mutant, NodeId, Place, Reply, Request, SortKey, TableId};
use quorate_storage::Hint;
use quorate_storage::engine::PageLimit;

/// The client number of reads that replay asks for.
pub const REPLAYER: u32 = u32::MAX;

/// How often a node looks through its hints, in microseconds.
const EVERY: u64 = 80_000;

/// How long an answer to a hint is waited for, in microseconds.
const ANSWER_MAX: u64 = 1_500_000;

/// Hints sent to one owner at a time.
const PAGE: PageLimit = PageLimit { items: 4, bytes: 64 * 1024 };

/// A read at all owners that decides what becomes of a hint.
#[derive(Clone, Debug)]
pub struct Repair {
    node: NodeId,
    life: u32,
    owner: NodeId,
    hint: Hint,
}

impl World {
    /// Plans the next look of a process through its hints.
    pub(crate) fn plan_replay(&mut self, node: NodeId) {
        let life = self.node(node).life;
        self.node(node).replays += 1;
        let whom = [node.0, self.node(node).replays];
        let micros = EVERY / 2 + self.random(For::Replay, whom).below(EVERY);
        self.schedule.after(micros, Event::Replay { node, life });
    }

    /// A process looks through its hints.
    pub(crate) fn replay(&mut self, on: NodeId, life: u32) {
        if self.node(on).living(life).is_none() {
            return;
        }
        self.plan_replay(on);
        #[cfg(feature = "mutants")]
        self.sweep(on);
        for owner in self.node_ids() {
            let hints = self.hints_of(on, owner);
            if self.rules.broken(Mutant::HintsDropped) {
                let process = self.node(on).process.as_ref().expect("looked at above");
                let _ = process.replica.erase_hints(owner, &hints);
                continue;
            }
            for hint in hints {
                self.replay_one(on, life, owner, hint);
            }
        }
    }

    /// All hints that a node keeps for an owner; none if it doubts its disk.
    pub(crate) fn hints_of(&mut self, on: NodeId, owner: NodeId) -> Vec<Hint> {
        let Some(process) = self.node(on).process.as_ref() else { return Vec::new() };
        let mut hints: Vec<Hint> = Vec::new();
        loop {
            let after: Option<(TableId, &SortKey)> = hints.last().map(|hint| (hint.table, &hint.sort_key));
            match process.replica.hints_for(owner, after, PAGE) {
                Ok(page) if !page.is_empty() => hints.extend(page),
                Ok(_) | Err(_) => return hints,
            }
        }
    }

    /// Which key a hint is of.
    pub(crate) fn spot_of_hint(&self, hint: &Hint) -> Option<Spot> {
        let place = Place { table: hint.table, epoch: Epoch(0), sort_key: hint.sort_key.clone() };
        self.cluster.spot_of(&place)
    }

    fn replay_one(&mut self, on: NodeId, life: u32, owner: NodeId, hint: Hint) {
        let Some(spot) = self.spot_of_hint(&hint) else { return };
        let process = self.node(on).process.as_ref().expect("looked at by the caller");
        if process.replaying.values().any(|under_way| *under_way == (owner, spot)) {
            return;
        }
        self.node(on).replays += 1;
        let number = self.node(on).replays;
        let Some(plan) = self.plan_of(on, spot, [mix(on.0), number]) else { return };
        if self.rules.broken(Mutant::HintErasedUnanswered) {
            let process = self.node(on).process.as_ref().expect("looked at above");
            let _ = process.replica.erase_hints(owner, std::slice::from_ref(&hint));
        }
        let request = Request::Write {
            at: plan.place.clone(),
            record: hint.record.clone(),
            durability: plan.table.durability,
        };
        let process = self.node(on).process.as_mut().expect("looked at by the caller");
        process.replaying.insert(number, (owner, spot));
        let asker = Asker::Replay { number, owner, hint: Box::new(hint) };
        self.send(Caller { node: on, life, asker }, owner, request, ANSWER_MAX);
    }

    /// Whether nothing has come yet for a hint on its way. It is answered once; what comes later is dropped.
    pub(crate) fn is_awaited(&mut self, on: NodeId, life: u32, number: u64) -> bool {
        let process = self.node(on).living(life);
        process.is_some_and(|process| process.replaying.remove(&number).is_some())
    }

    /// An owner answered a replayed hint.
    pub(crate) fn replayed(&mut self, on: NodeId, life: u32, owner: NodeId, hint: Hint, reply: Reply) {
        let Reply::Written { held } = reply else { return };
        if self.node(on).living(life).is_none() || held < hint.record.held() {
            return;
        }
        self.history.coverage.met(Happening::HintReplayed);
        if held == hint.record.held() {
            return self.erase_hint(on, life, owner, &hint);
        }
        let Some(spot) = self.spot_of_hint(&hint) else { return };
        if self.rules.broken(Mutant::HintErasedUnrepaired) {
            self.erase_hint(on, life, owner, &hint);
        }
        self.met(Happening::HintOvertaken);
        self.history.overtaken.push(Hinted { keeper: on, owner, spot, held });
        self.repair(spot, Repair { node: on, life, owner, hint });
    }

    /// An owner holds something later than a hint of this key: a read at all owners, unless one is under way or one of
    /// them is known to be down. The hint is looked at again.
    fn repair(&mut self, spot: Spot, repair: Repair) {
        let is_this = |other: &Repair| {
            (other.node, other.life, other.owner) == (repair.node, repair.life, repair.owner)
                && (other.hint.table, &other.hint.sort_key) == (repair.hint.table, &repair.hint.sort_key)
        };
        if self.repairs.values().any(is_this) {
            return;
        }
        let name = self.own_name(REPLAYER);
        let plan = self.plan_of(repair.node, spot, [name.number(), 0]);
        let may_answer = plan.is_some_and(|plan| plan.candidates.iter().all(|candidate| candidate.alive));
        let n = self.setting.tables[spot.table].n;
        let read = may_answer.then(|| self.launch_read(name, repair.node, spot, n)).flatten();
        if let Some(read) = read {
            self.repairs.insert(read, repair);
        }
    }

    /// A read that was to bring owners together is over: the hint is done if it saw that all of them hold the same.
    pub(crate) fn repaired(&mut self, read: AttemptId, outcome: &Outcome) {
        let Some(Repair { node, life, owner, hint }) = self.repairs.remove(&read) else { return };
        if matches!(outcome, Outcome::Got(answer) if answer.acks == answer.n) {
            self.erase_hint(node, life, owner, &hint);
        }
    }

    /// Erases a hint that is done. A doubtful or full disk keeps it: it is replayed again, which is harmless.
    fn erase_hint(&mut self, on: NodeId, life: u32, owner: NodeId, hint: &Hint) {
        if let Some(process) = self.node(on).living(life) {
            let _ = process.replica.erase_hints(owner, std::slice::from_ref(hint));
        }
    }
}
