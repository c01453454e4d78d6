//! Hints on their way to their owners, as the node's replayer drives them.
//!
//! Each process looks through its hints from time to time, sends each record to its owner under the current epoch,
//! and erases it when the owner has acknowledged. If the owner turns out to hold something later, others may lack
//! that too: a read at `all` brings them together.

use crate::coverage::Happening;
use crate::parcel::{Asker, Caller, Event};
use crate::random::{For, mix};
use crate::world::World;
use quorate_model::{Mutant, NodeId, Reply, Request};
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
            let process = self.node(on).process.as_ref().expect("looked at above");
            let Ok(hints) = process.replica.hints_for(owner, None, PAGE) else { continue };
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

    fn replay_one(&mut self, on: NodeId, life: u32, owner: NodeId, hint: Hint) {
        let place = quorate_model::Place {
            table: hint.table,
            epoch: quorate_model::Epoch(0),
            sort_key: hint.sort_key.clone(),
        };
        let Some(spot) = self.cluster.spot_of(&place) else { return };
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
        let asker = Asker::Replay { number, owner, hint: Box::new(hint) };
        self.send(Caller { node: on, life, asker }, owner, request, ANSWER_MAX);
    }

    /// An owner answered a replayed hint.
    pub(crate) fn replayed(&mut self, on: NodeId, life: u32, owner: NodeId, hint: Hint, reply: Reply) {
        let Reply::Written { held } = reply else { return };
        let Some(process) = self.node(on).living(life) else { return };
        // A doubtful or full disk keeps the hint: it is replayed again, which is harmless.
        let erased = process.replica.erase_hints(owner, std::slice::from_ref(&hint));
        self.history.coverage.met(Happening::HintReplayed);
        if erased == Ok(0) || held <= hint.record.held() {
            return;
        }
        let place = quorate_model::Place {
            table: hint.table,
            epoch: quorate_model::Epoch(0),
            sort_key: hint.sort_key,
        };
        if let Some(spot) = self.cluster.spot_of(&place) {
            let n = self.setting.tables[spot.table].n;
            let name = self.own_name(REPLAYER);
            self.launch_read(name, on, spot, n);
        }
    }
}
