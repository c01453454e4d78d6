//! Copies that fill themselves after a loss: the real machine, as a node carries it out, and the way back of a node.
//!
//! What is asked when, and noted when, the machine decides ([`quorate_coordinator::fill`]). A node whose disk was lost, or
//! that doubts it, comes back as another incarnation: its disk notes that everything is lossy, by the real rules, and a
//! command of the catalog names the incarnation.

use crate::coverage::Happening;
use crate::event::{Asker, Caller, Event};
use crate::faults::{Drawn, Mishap};
use crate::heard::Heard;
use crate::history::Filled;
use crate::message::{Message, Told};
use crate::random::{For, Random};
use crate::world::World;
use quorate_coordinator::Context;
use quorate_coordinator::fill::{Action, Cause, FillLimits, Filling, Input, Member};
use quorate_model::{CopyState, Epoch, Gap, NodeId, RangeRequest, Refusal, Request, Span};
use quorate_ring::{OwnerSet, Shard};
use quorate_storage::{Acceptance, ConsensusFate, DataFate, Engine};
use std::collections::BTreeMap;

/// How often a node looks for copies that are not whole, in microseconds.
const LOOK_EVERY: u64 = 60_000;

/// The limits of a simulated filling: small, so that they are met.
const LIMITS: FillLimits = FillLimits {
    shards_max: 2,
    page_items_max: 2,
    page_bytes_max: 150,
    load_bytes_max: 150,
    merges_max: 2,
    fetches_max: 2,
    timeout: Span::from_millis(300),
    source_patience: Span::from_millis(400),
    look_every: Span(LOOK_EVERY),
};

/// The filling of a node that starts.
pub fn of_node(context: Context) -> Filling {
    Filling::new(context, LIMITS)
}

impl World {
    /// Plans the next look of a process: a timer is a little late.
    pub(crate) fn plan_fill(&mut self, node: NodeId) {
        let (run, now) = (self.node(node).run, self.schedule.now());
        let late = self.random(For::Filling, [node.0, now]).below(LOOK_EVERY / 2);
        let process = self.node(node).process.as_ref().expect("only a living process fills");
        let at = process.filling.as_ref().map_or(now, |filling| filling.wake_at().0.max(now));
        self.schedule.at(at + late, Event::Fill { node, run });
    }

    /// A process looks for copies that are not whole. One that doubts its disk ends, and comes back as another incarnation.
    pub(crate) fn look_for_gaps(&mut self, on: NodeId, run: u32) {
        let heals = self.setting.heals();
        let Some(process) = self.node(on).living(run) else { return };
        if process.replica.is_doubtful() {
            if heals && !self.gone.contains(&on) {
                self.crash(on);
                self.node(on).lost = true;
                return self.start(on);
            }
            return self.plan_fill(on);
        }
        // What a full disk kept it from noting is tried again about every second.
        let replica = process.replica.clone();
        if self.random(For::Filling, [on.0 << 32, self.schedule.now()]).chance(60) {
            replica.close();
        }
        let gaps = replica.gaps(usize::MAX);
        self.note_gaps(on, &gaps);
        let members = self.members(on);
        self.step_filling(on, run, Input::Look(gaps, members));
        if self.node(on).living(run).is_some() {
            self.plan_fill(on);
        }
    }

    /// What a node knows of the members.
    fn members(&mut self, on: NodeId) -> BTreeMap<NodeId, Member> {
        let heard = self.node(on).heard;
        let doubts = |node: NodeId| {
            let process = self.peek(node).process.as_ref();
            self.network.is_open(on, node) && process.is_some_and(|process| process.replica.is_doubtful())
        };
        let member = |(node, incarnation)| (node, Member { incarnation, doubts: doubts(node) });
        self.cluster.incarnations(heard).into_iter().map(member).collect()
    }

    /// What the history must know of copies that are not whole.
    fn note_gaps(&mut self, on: NodeId, gaps: &[Gap]) {
        for gap in gaps.iter().filter(|gap| gap.state != CopyState::Whole) {
            let copy = self.copy(on, gap);
            let is_known = |known: &[Filled]| known.iter().any(|known| known.meets(&copy));
            let was = if is_known(&self.history.whole) {
                "whole, and then it was not"
            } else if gap.state == CopyState::Lossy && is_known(&self.history.taken) {
                "begun, and then it was not"
            } else {
                continue;
            };
            if !self.history.liars.contains(&on) {
                self.history.unwhole.push(format!("{on} said that its copy of {} was {was}", gap.table));
            }
        }
        let others = self.nodes.iter().filter(|node| node.id != on && node.incarnation > 1);
        let is_filling = |replica: &quorate_storage::Replica<_>| {
            let (owned, whole) = replica.wholeness();
            whole < owned
        };
        let mut others = others.filter_map(|node| node.process.as_ref());
        if gaps.iter().any(|gap| gap.state != CopyState::Whole)
            && others.any(|process| is_filling(&process.replica))
        {
            self.met(Happening::FillTwice);
        }
    }

    /// Tells the filling of a process something, and does what it wants done.
    fn step_filling(&mut self, on: NodeId, run: u32, input: Input) {
        let mut inputs = vec![input];
        while let Some(input) = inputs.pop() {
            let now = self.now_on(on);
            let whom = [on.0 << 8, self.schedule.now()];
            let Some(process) = self.node(on).living(run) else { return };
            // Out of its process, so that it can look plans up in the world.
            let Some(mut filling) = process.filling.take() else { return };
            let mut actions = Vec::new();
            filling.step(now, input, &Heard { world: self, on, whom }, &mut actions);
            for waiting in filling.progress().waiting {
                match waiting.cause {
                    Cause::Sources { .. } => self.met(Happening::FillWaited),
                    Cause::Here(Refusal::DiskFull) => self.met(Happening::FillFull),
                    Cause::Leaving(..) | Cause::Source(_) | Cause::Here(_) => {}
                }
            }
            self.node(on).living(run).expect("a step does not end its process").filling = Some(filling);
            for action in actions {
                inputs.extend(self.carry_out_filling(on, run, action));
            }
        }
    }

    /// Does what a filling wants done; what came of it, if that is known at once.
    fn carry_out_filling(&mut self, on: NodeId, run: u32, action: Action) -> Option<Input> {
        let process = self.node(on).process.as_ref().expect("only a living process fills");
        match action {
            Action::Ask { number, to, request, deadline } => {
                self.tell(|| format!("{on} fills: asks {to}"));
                self.ask_source(on, run, (number, to), request, deadline.0);
                None
            }
            Action::Fetch { number, to, requests, deadline } => {
                self.send_parts(on, run, (number, to), requests, deadline.0);
                None
            }
            Action::Merge { number, requests } => {
                let deadline = self.schedule.now() + LIMITS.timeout.0;
                self.send_parts(on, run, (number, on), requests, deadline);
                None
            }
            Action::Load { number, gap, records } => {
                let loaded = process.replica.load(&gap, &records);
                self.tell(|| format!("{on} takes in {} records of {}: {loaded:?}", records.len(), gap.table));
                Some(Input::Noted(number, loaded))
            }
            Action::Take { number, gap, floors } => {
                if !floors.is_empty() {
                    self.met(Happening::FloorsCopied);
                }
                let process = self.node(on).process.as_ref().expect("looked at above");
                let taken = process.replica.take(&gap, &floors);
                if taken.is_ok() {
                    self.met(Happening::Taken);
                    self.forget_earlier_copy(on, &gap);
                }
                self.tell(|| format!("{on} takes its copy of {}: {taken:?}", gap.table));
                Some(Input::Noted(number, taken))
            }
            Action::Note { number, gap, fill } => {
                Some(Input::Noted(number, process.replica.filled(&gap, fill)))
            }
            Action::End { number, gap } => {
                let whole = process.replica.whole(&gap);
                if whole.is_ok() && gap.state == CopyState::Whole {
                    self.met(Happening::StayerMerged);
                } else if whole.is_ok() {
                    self.met(Happening::Filled);
                    let copy = self.copy(on, &gap);
                    self.history.whole.push(copy);
                    self.fall_soon(on);
                }
                self.tell(|| format!("{on} is whole in {}: {whole:?}", gap.table));
                Some(Input::Noted(number, whole))
            }
        }
    }

    /// The copy that a gap is of.
    fn copy(&self, on: NodeId, gap: &Gap) -> Filled {
        let node = self.peek(on);
        let layout = self.cluster.layout(node.heard, on);
        let shard = layout.tables.get(&gap.table).and_then(|table| table.shard(&gap.interval.start));
        Filled {
            node: on,
            incarnation: node.incarnation,
            table: gap.table,
            since: shard.and_then(|shard| shard.copy).map(|copy| copy.since),
            interval: gap.interval.clone(),
        }
    }

    /// What a node held of a copy that it has given away is deleted when it gets another one.
    fn forget_earlier_copy(&mut self, on: NodeId, gap: &Gap) {
        let copy = self.copy(on, gap);
        for spot in self.cluster.spots_in(gap.table, &gap.interval) {
            let sort_key = self.cluster.sort_key(spot);
            if !self.history.taken.iter().any(|taken| taken.holds(&copy, &sort_key)) {
                self.history.replicas.remove(&(spot, on));
            }
        }
        self.history.taken.push(copy);
    }

    /// What was said a moment ago must outlive the power: in some histories it is cut then.
    fn fall_soon(&mut self, on: NodeId) {
        let random = &mut self.random(For::Filling, [on.0 << 24, self.schedule.now()]);
        if self.setting.mishaps.loss == 0 || self.closing || !random.chance(300) {
            return;
        }
        self.fall_within(on, 1_500, random);
    }

    /// An owner was asked for its copy at an epoch that its layout has: if its disk is too full to note that it refuses what was
    /// before, its power may be cut soon.
    pub(crate) fn fall_unclosed(&mut self, on: NodeId, asked: Epoch) {
        let node = self.peek(on);
        let Some(process) = node.process.as_ref() else { return };
        if process.replica.closed() >= asked || self.cluster.epoch(node.heard) < asked {
            return;
        }
        self.met(Happening::AskedUnclosed);
        let random = &mut self.random(For::Filling, [on.0 << 40, self.schedule.now()]);
        let now = self.schedule.now();
        let falls = |drawn: &Drawn| drawn.mishap == Mishap::Power(on) && drawn.at + drawn.lasting >= now;
        if self.setting.fills_owners() && !self.closing && !self.mishaps.iter().any(falls) {
            self.fall_within(on, 60_000, random);
        }
    }

    /// A node hears something new of the catalog, and its disk may be full by then.
    pub(crate) fn fill_up(&mut self, on: NodeId) {
        if !self.setting.fills_owners() || self.closing {
            return;
        }
        let random = &mut self.random(For::Filling, [on.0 << 48, self.schedule.now()]);
        // One that fills a copy itself would be kept from that.
        let is_in = |set: &OwnerSet| set.iter().any(|owner| owner.node == on);
        let gives = |shard: &Shard| is_in(&shard.owners) && !shard.sets().all(is_in);
        let takes = |shard: &Shard| shard.is_held_by(on) && !is_in(&shard.owners);
        let view = self.cluster.view(self.peek(on).heard, Vec::new());
        let now = self.schedule.now();
        let is_full = |drawn: &Drawn| {
            matches!(drawn.mishap, Mishap::DiskFull(_)) && (drawn.at..drawn.at + drawn.lasting).contains(&now)
        };
        // The others take what clients write.
        let is_owner = view.catalog().moving().any(gives)
            && !view.catalog().moving().any(takes)
            && !self.mishaps.iter().any(is_full);
        if is_owner && random.chance(700) {
            let (at, number) = (now, self.mishaps.len());
            let lasting = random.between(100_000, 300_000);
            self.mishaps.push(Drawn { at, lasting, mishap: Mishap::DiskFull(on) });
            if !self.setting.trim.mishaps.contains(&number) {
                self.strike(number);
                self.schedule.at(at + lasting, Event::Mend(number));
            }
        }
    }

    /// The power of a node is cut within so many microseconds, for a short time.
    fn fall_within(&mut self, on: NodeId, micros: u64, random: &mut Random) {
        let (at, number) = (self.schedule.now() + random.below(micros), self.mishaps.len());
        let lasting = random.between(5_000, 60_000);
        self.mishaps.push(Drawn { at, lasting, mishap: Mishap::Power(on) });
        if !self.setting.trim.mishaps.contains(&number) {
            self.schedule.at(at, Event::Break(number));
            self.schedule.at(at + lasting, Event::Mend(number));
        }
    }

    fn ask_source(
        &mut self,
        on: NodeId,
        run: u32,
        (number, to): (u64, NodeId),
        request: RangeRequest,
        deadline: u64,
    ) {
        let remaining = deadline.saturating_sub(self.schedule.now());
        let message = self.next_number();
        let asker = Asker::Fill { message, number, part: 0 };
        self.send(Caller { node: on, run, asker }, to, Message::Range(request), remaining);
    }

    fn send_parts(
        &mut self,
        on: NodeId,
        run: u32,
        (number, to): (u64, NodeId),
        requests: Vec<Request>,
        deadline: u64,
    ) {
        let remaining = deadline.saturating_sub(self.schedule.now());
        let process = self.node(on).process.as_mut().expect("only a living process fills");
        process.fetches.insert(number, vec![None; requests.len()]);
        for (part, request) in requests.into_iter().enumerate() {
            let message = self.next_number();
            let asker = Asker::Fill { message, number, part };
            self.send(Caller { node: on, run, asker }, to, Message::Key(request), remaining);
        }
    }

    /// Something that a filling asked for was answered, or will not be. What comes twice is dropped.
    pub(crate) fn end_filling(
        &mut self,
        on: NodeId,
        run: u32,
        (number, part): (u64, usize),
        told: Option<Told>,
    ) {
        let Some(process) = self.node(on).living(run) else { return };
        let input = match told {
            Some(Told::Range(reply)) => Input::Answered(number, Some(reply)),
            Some(Told::Key(reply)) => {
                let Some(parts) = process.fetches.get_mut(&number) else { return };
                parts[part].get_or_insert(reply);
                if parts.iter().any(Option::is_none) {
                    return;
                }
                let parts = process.fetches.remove(&number).unwrap_or_default();
                Input::Replied(number, parts.into_iter().collect())
            }
            None if process.fetches.remove(&number).is_some() => Input::Replied(number, None),
            None => Input::Answered(number, None),
        };
        self.step_filling(on, run, input);
    }

    /// A node that has lost its disk, or what it believed of it, comes back as another incarnation.
    pub(crate) fn come_back(&mut self, id: NodeId) {
        let wall = self.now_on(id).wall;
        let node = self.node(id);
        let goes_on = std::mem::take(&mut node.goes_on);
        (node.lost, node.broken, node.doubted, node.was_filling) = (false, false, false, false);
        node.incarnation += 1;
        let (incarnation, engine) = (node.incarnation, std::sync::Arc::clone(&node.engine));
        engine.begin_anew();
        // A start waits for the little space that this takes.
        engine.set_capacity(None);
        let data = if goes_on { DataFate::Kept } else { DataFate::Lossy };
        let acceptance = Acceptance { incarnation, consensus: ConsensusFate::Forgotten, data };
        acceptance.note(&*engine).expect("the disk works again");
        assert!(!engine.is_doubtful());
        self.history.lost.insert(id);
        self.history.replicas.retain(|(_, node), _| *node != id);
        self.met(Happening::CameBack);
        self.tell(|| format!("{id} comes back as incarnation {incarnation}"));
        let (first, before) = (self.cluster.heard_first, self.node(id).heard);
        let random = &mut self.random(For::Filling, [id.0 << 16, incarnation]);
        if random.chance(500) {
            // It has lost its log of the catalog, or the end of it.
            self.node(id).heard = random.between(first as u64, before as u64) as usize;
        }
        let commands = self.cluster.announce(id, incarnation, goes_on.then_some(wall));
        for node in self.node_ids() {
            // Twice: who can't hear it now hears it later.
            for longest in [40_000, 600_000] {
                let micros = random.below(longest);
                self.schedule.after(micros, Event::Hear { node, commands });
            }
            // The commands behind it are one later now.
            let (later, commands) = (random.below(1_500_000), self.cluster.commands());
            self.schedule.after(later, Event::Hear { node, commands });
        }
        if let Some(before) = self.cluster.before_drop().filter(|before| self.cluster.heard_most <= *before) {
            // The drop comes while it fills itself.
            for node in self.node_ids() {
                let micros = random.between(30_000, 250_000);
                self.schedule.after(micros, Event::Hear { node, commands: before + 1 });
            }
        }
    }

    /// Whether every node trusts its disk and holds everything that it owns.
    pub(crate) fn is_everything_whole(&mut self) -> bool {
        self.node_ids().into_iter().all(|id| {
            self.peek(id).process.as_ref().is_some_and(|process| {
                let (owned, whole) = process.replica.wholeness();
                !process.replica.is_doubtful() && owned == whole && process.replica.gaps(1).is_empty()
            })
        })
    }

    /// What keeps a node from being whole.
    pub(crate) fn lacks(&self, id: NodeId) -> Option<String> {
        let process = self.peek(id).process.as_ref()?;
        let gaps = process.replica.gaps(usize::MAX);
        let waiting = process.filling.as_ref().map(|filling| filling.progress().waiting).unwrap_or_default();
        let first = gaps.first()?;
        Some(format!("{id} is {} in {} long after: {waiting:?}", first.state, first.table))
    }

    /// Notes that a process ends while it fills copies.
    pub(crate) fn note_filling_ends(&mut self, id: NodeId) {
        let Some(process) = self.node(id).process.as_ref() else { return };
        let is_filling = process.replica.gaps(usize::MAX).iter().any(|gap| gap.state == CopyState::Filling);
        self.node(id).was_filling = is_filling;
    }
}
