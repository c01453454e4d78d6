//! Replicas, asked about a range: the real walk, and what the history must know of its answer.
//!
//! An answer says something of every key up to where it is complete: what is not listed is not held. So a walk that
//! leaves something out is a replica that went back.

use crate::event::{Asker, Caller};
use crate::history::Spot;
use crate::message::Told;
use crate::world::World;
use quorate_model::range::Scanned;
use quorate_model::{Extent, Held, Interval, NodeId, RangeReply, RangeRequest, Refusal};

impl World {
    /// A living replica turns to a request about a range; a busy one refuses it.
    pub(crate) fn serve_range(&mut self, at: NodeId, from: Caller, request: &RangeRequest, is_busy: bool) {
        if matches!(from.asker, Asker::Fill { .. }) && self.setting.moves > 0 {
            self.fall_unclosed(at, request.epoch());
        }
        let process = self.node(at).process.as_ref().expect("only a living process is asked");
        let reply = if is_busy {
            RangeReply::Refused(Refusal::Overloaded)
        } else {
            process.replica.serve_range(request, || false)
        };
        match &reply {
            RangeReply::Refused(refusal) => {
                self.node(at).doubted |= *refusal == Refusal::Doubtful;
                self.note_refusal(*refusal);
            }
            RangeReply::Scanned(scanned) => self.note_walk(at, from.node, request, scanned),
            RangeReply::Sums(_)
            | RangeReply::Parted(_)
            | RangeReply::Listed(_)
            | RangeReply::Fetched(_)
            | RangeReply::Paged(_)
            | RangeReply::Merged
            | RangeReply::Floored(_)
            | RangeReply::Removals(_)
            | RangeReply::Confirmed(_)
            | RangeReply::Dropped(_)
            | RangeReply::Broken => {}
        }
        let newer = self.cluster.newer_of_range(self.peek(at).heard, request, &reply);
        self.reply(at, from, Told::Range(reply), newer);
    }

    fn note_walk(&mut self, at: NodeId, asker: NodeId, request: &RangeRequest, scanned: &Scanned) {
        let Some(over) = request.extent() else { return };
        let covered = self.covered(over, request.is_reverse(), scanned);
        for (spot, held) in covered {
            self.history.holds(at, spot, held);
            if self.node(at).doubted {
                self.history.trusted_again.push((spot, at, "a walk".to_owned()));
            }
            self.note_unlearnt(at, asker, spot);
            let (heard, asked) = (self.node(at).heard, over.epoch);
            let ownership = self.cluster.ownership_of_walk(heard, request, at);
            if ownership != Some((asked, true)) {
                let what = format!("{at} answered a walk at epoch {asked}, and is at {ownership:?}");
                self.history.strays.push((spot, what));
            }
        }
    }

    /// The keys that an answer is complete for, with what it says that the replica holds.
    fn covered(&self, over: &Extent, reverse: bool, scanned: &Scanned) -> Vec<(Spot, Option<Held>)> {
        let Interval { start, end } = &over.interval;
        let piece = if reverse {
            Interval { start: scanned.until.clone().unwrap_or_else(|| start.clone()), end: end.clone() }
        } else {
            Interval { start: start.clone(), end: scanned.until.clone().or_else(|| end.clone()) }
        };
        let Some(number) = self.cluster.number_of(over.table) else { return Vec::new() };
        let within = self.cluster.in_order(number).into_iter().filter(|(key, _)| piece.contains(key));
        let held = |key| scanned.entries.iter().find(|entry| entry.sort_key == key).map(|entry| entry.held);
        within.map(|(key, spot)| (spot, held(key))).collect()
    }
}
