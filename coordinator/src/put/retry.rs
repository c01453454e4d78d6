//! Retries: an operation id that round one found is not applied again.
//!
//! The first answer may be repeated only once a write quorum holds the record of that operation (or a later one)
//! *and* its id: the attempt that left the id behind may itself never have reached a quorum, and an answer makes it
//! acknowledged. Where the quorum is missing, the greatest record is fetched from an owner that holds it, given
//! every id that round one saw, and sent on.

use super::found::{Found, Known};
use super::{Effects, Phase, Put};
use crate::calls::Purpose;
use crate::course::Failed;
use crate::few::Nodes;
use crate::machine::Effect;
use crate::need::Need;
use crate::rules::retry;
use quorate_model::{Held, NodeId, Now, Operation, Operations, Origin, Record, Request};

impl Put {
    /// Repeats the first answer, once a write quorum holds what it says.
    pub(super) fn replay(
        &mut self,
        now: Now,
        operation: Operation,
        known: &[(NodeId, Known)],
        union: Operations,
        effects: &mut Effects,
    ) {
        let rules = self.course.context.rules;
        let holds = |known: &Known| {
            let has_record = known.held >= Some(Held::live(operation.version));
            has_record && retry::knows_attempt(rules, &known.operations, &operation)
        };
        // Round one tells what is durable as the table says. Where the request asks for more, every owner has to be
        // written to once more: whether what it holds is synced is unknown.
        let is_raised = self.order.durability > self.course.plan.table.durability;
        let holders: Nodes =
            known.iter().filter(|(_, known)| holds(known) && !is_raised).map(|(node, _)| *node).collect();
        let mut sources: Vec<_> = known.iter().map(|(node, known)| (known.held, *node)).collect();
        sources.sort();
        let sources = sources.into_iter().map(|(_, node)| node).collect();
        let version = operation.version;
        let acks = self.course.owners.count(&holders);
        let is_held = self.course.owners.met(&holders, &self.course.quota(Need::Repeated(self.order.level)));
        self.found = Some(Found { operation, holders, union, sources });
        if retry::repeats_answer(rules, is_held) {
            effects.push(Effect::Respond(Ok(self.done(now, version, acks))));
            effects.push(Effect::Done);
            self.phase = Phase::Done;
        } else {
            self.phase = Phase::Fetching;
            self.fetch_next(now, effects);
        }
    }

    /// Fetches the greatest record from the next owner that was found to hold one.
    pub(super) fn fetch_next(&mut self, now: Now, effects: &mut Effects) {
        let source = self.found.as_mut().and_then(|found| found.sources.pop());
        match source {
            Some(node) => {
                let request = Request::Read { at: self.course.plan.place.clone(), whole: true };
                self.course.calls.send(now, node, Purpose::Fetch, request, effects);
            }
            // The earlier attempt is there, and no more can be said now.
            None => self.finish(self.unknown(now, &Nodes::default(), false), effects),
        }
    }

    /// Sends the fetched record on with every id that round one saw.
    pub(super) fn on_fetched(
        &mut self,
        now: Now,
        from: NodeId,
        fetched: Option<Record>,
        effects: &mut Effects,
    ) {
        if !matches!(self.phase, Phase::Fetching) {
            return;
        }
        let Some(found) = &self.found else { return };
        let least = Held::live(found.operation.version);
        let Some(mut record) = fetched.filter(|record| record.held() >= least) else {
            // This owner no longer holds what it said it held.
            return self.on_failed(now, Failed::nonsense(from, Purpose::Fetch), effects);
        };
        record.operations = record.operations.merge(&found.union);
        let holders = found.holders.clone();
        let need = Need::Repeated(self.order.level);
        self.round_two(now, (record, Origin::Vouched), need, &holders, effects);
    }
}
