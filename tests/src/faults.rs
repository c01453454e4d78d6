//! What breaks, and how it is mended again.
//!
//! Mishaps are drawn before the history begins, each with its moment and how long it lasts. Whatever is broken when
//! the second phase begins is mended then; only a disk that failed for good stays failed, and its node with it.

use crate::coverage::Happening;
use crate::event::Event;
use crate::random::{For, Random};
use crate::setting::Mishaps;
use crate::world::World;
use quorate_model::NodeId;
use quorate_storage::{Engine, Fault};

/// One thing that breaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mishap {
    /// A process dies; what it handed to the operating system stays.
    Crash(NodeId),
    /// The power of one node is cut; what was not synced is gone, but for some of it, by luck.
    Power(NodeId),
    /// The power of all nodes is cut at one moment.
    Blackout,
    /// A process stands still.
    Pause(NodeId),
    /// One node is cut off from all others.
    Isolate(NodeId),
    /// These nodes and the others lose each other.
    Split(Vec<NodeId>),
    /// Nothing gets from the first to the second.
    OneWay(NodeId, NodeId),
    /// A wall clock jumps by so many milliseconds.
    ClockJump(NodeId, i64),
    /// A wall clock stops.
    ClockStop(NodeId),
    /// A disk is full.
    DiskFull(NodeId),
    /// The disks of all nodes but one are full; one of them has space again later.
    FullBeside(NodeId),
    /// A disk fails for good: its next operation of this kind, and then its replica doubts it.
    DiskError(NodeId, Fault),
    /// A disk pretends to sync, until its power is cut: then it has forgotten what it called synced.
    Lie(NodeId),
    /// A process ends, and its disk is lost, or nothing on it is believed any more.
    Loss(NodeId),
    /// A disk forgets its latest batches with its process, and its node goes on with the rest: that is accepted.
    Accept(NodeId),
    /// A disk takes long for every batch.
    SlowDisk(NodeId),
    /// A node hears nothing new of the catalog.
    Lag(NodeId),
}

/// A mishap with its moment and how long it lasts, in microseconds.
#[derive(Clone, Debug)]
pub struct Drawn {
    /// When it strikes.
    pub at: u64,
    /// How long until it is mended.
    pub lasting: u64,
    /// What it is.
    pub mishap: Mishap,
}

/// Draws what breaks within the first `length` microseconds: when, for how long, what.
pub fn draw(random: &mut Random, weights: &Mishaps, nodes: &[NodeId], length: u64) -> Vec<Drawn> {
    let count = random.between(weights.count_max / 2, weights.count_max);
    let mut failing = None;
    let mut drawn = Vec::new();
    for _ in 0..count {
        let at = random.below(length);
        let lasting = random.between(20_000, weights.lasting_max);
        drawn.push(Drawn { at, lasting, mishap: draw_one(random, weights, nodes, &mut failing) });
    }
    drawn
}

fn draw_one(
    random: &mut Random,
    weights: &Mishaps,
    nodes: &[NodeId],
    failing: &mut Option<NodeId>,
) -> Mishap {
    let node = *random.pick(nodes);
    let kinds = [
        weights.crash,
        weights.power,
        weights.blackout,
        weights.pause,
        weights.isolate,
        weights.split,
        weights.one_way,
        weights.clock,
        weights.disk_full,
        weights.disk_error,
        weights.lie,
        weights.slow_disk,
        weights.lag,
        weights.loss,
        weights.accept,
        weights.full_beside,
    ];
    match random.weighted(&kinds) {
        0 => Mishap::Crash(node),
        1 => Mishap::Power(node),
        2 => Mishap::Blackout,
        3 => Mishap::Pause(node),
        4 => Mishap::Isolate(node),
        5 => Mishap::Split(nodes.iter().copied().filter(|_| random.chance(500)).collect()),
        6 => Mishap::OneWay(node, *random.pick(nodes)),
        7 if random.chance(300) => Mishap::ClockStop(node),
        7 => Mishap::ClockJump(node, random.below(2_000).cast_signed() - 1_000),
        8 => Mishap::DiskFull(node),
        // One node at most: a minority.
        9 => {
            let node = *failing.get_or_insert(node);
            Mishap::DiskError(node, *random.pick(&[Fault::Sync, Fault::SyncKept, Fault::Write, Fault::Read]))
        }
        10 => Mishap::Lie(*failing.get_or_insert(node)),
        11 => Mishap::SlowDisk(node),
        12 => Mishap::Lag(node),
        14 => Mishap::Accept(node),
        // The one that loses its disk.
        15 => Mishap::FullBeside(*failing.get_or_insert(node)),
        // Few enough nodes that the others have everything.
        _ if weights.losses_max > 1 => Mishap::Loss(nodes[(node.0 % 2) as usize]),
        _ => Mishap::Loss(*failing.get_or_insert(node)),
    }
}

impl World {
    /// Lets something break now.
    pub(crate) fn strike(&mut self, number: usize) {
        let mishap = self.mishaps[number].mishap.clone();
        let random = &mut self.random(For::Mishap, [number as u64, 0]);
        self.tell(|| format!("!! {mishap:?}"));
        match &mishap {
            Mishap::Crash(node) => self.crash(*node),
            Mishap::Power(node) => {
                self.met(Happening::PowerCut);
                self.cut_power(*node, random);
            }
            Mishap::Blackout => {
                self.met(Happening::Blackout);
                for node in self.node_ids() {
                    self.cut_power(node, random);
                }
            }
            Mishap::Pause(node) => {
                let longest = *random.pick(&[200_000, 800_000, 2_600_000]);
                let (now, micros) = (self.schedule.now(), random.between(10_000, longest));
                self.node(*node).stand_still(now, now + micros);
            }
            Mishap::Isolate(node) => self.divide(&[*node], random),
            Mishap::Split(side) => self.divide(side, random),
            Mishap::OneWay(from, to) => {
                let noticed = self.notice(random);
                self.network.cut(*from, *to, noticed);
            }
            Mishap::ClockJump(node, by_ms) => {
                self.met(Happening::ClockJumped);
                self.node(*node).clock.jump(*by_ms);
            }
            Mishap::ClockStop(node) => {
                let now = self.schedule.now();
                self.node(*node).clock.stop(now);
            }
            Mishap::DiskFull(node) => {
                // Where shards move, not even what a catalog wants to be noted.
                let spare = if self.setting.moves > 0 { 0 } else { random.below(2_000) };
                let engine = &self.node(*node).engine;
                engine.set_capacity(Some(engine.used_bytes() + spare));
            }
            Mishap::FullBeside(node) => {
                for other in self.node_ids().into_iter().filter(|other| other != node) {
                    // So little that no write is taken, and enough to note what a catalog wants.
                    let (engine, spare) = (&self.node(other).engine, random.between(200, 450));
                    engine.set_capacity(Some(engine.used_bytes() + spare));
                }
            }
            Mishap::DiskError(node, fault) => {
                let node = self.node(*node);
                node.broken = true;
                node.engine.fail_next(*fault);
            }
            Mishap::Lie(node) | Mishap::Accept(node) => self.node(*node).engine.lie(),
            Mishap::SlowDisk(node) => {
                let until = self.schedule.now() + self.mishaps[number].lasting;
                self.node(*node).slow_until = until;
            }
            Mishap::Lag(node) => self.node(*node).deaf = true,
            Mishap::Loss(node) => self.lose_disk(*node, random),
        }
    }

    /// Mends what broke.
    pub(crate) fn mend(&mut self, number: usize) {
        let mishap = self.mishaps[number].mishap.clone();
        self.tell(|| format!("ok {mishap:?}"));
        match &mishap {
            Mishap::Power(node) if self.setting.moves > 0 => {
                // A full disk was emptied meanwhile.
                self.node(*node).engine.set_capacity(None);
                self.start(*node);
            }
            Mishap::Crash(node) | Mishap::Power(node) | Mishap::Loss(node) => self.start(*node),
            Mishap::Blackout => {
                for node in self.node_ids() {
                    self.start(node);
                }
            }
            // Cuts of two mishaps at once are mended together: partitions come and go.
            Mishap::Isolate(_) | Mishap::Split(_) | Mishap::OneWay(..) => self.network.mend(),
            Mishap::ClockStop(node) => self.node(*node).clock.set_right(),
            Mishap::Lie(node) => {
                let random = &mut self.random(For::Mishap, [number as u64, 1]);
                self.cut_power(*node, random);
                self.start(*node);
            }
            Mishap::Accept(node) => {
                let random = &mut self.random(For::Mishap, [number as u64, 1]);
                self.lose_end(*node, random);
                self.start(*node);
            }
            Mishap::DiskFull(node) => self.node(*node).engine.set_capacity(None),
            Mishap::FullBeside(node) => {
                let others: Vec<NodeId> = self.node_ids().into_iter().filter(|other| other != node).collect();
                let random = &mut self.random(For::Mishap, [number as u64, 1]);
                self.node(*random.pick(&others)).engine.set_capacity(None);
            }
            Mishap::Lag(node) => {
                self.node(*node).deaf = false;
                self.hear_all(*node);
            }
            Mishap::Pause(_) | Mishap::ClockJump(..) | Mishap::DiskError(..) | Mishap::SlowDisk(_) => {}
        }
    }

    /// Mends everything that can be mended, and calms the network.
    pub(crate) fn heal(&mut self) {
        self.tell(|| "== everything is healed".to_owned());
        self.network.mend();
        self.network.conditions = crate::network::Conditions::default();
        self.setting.refusals = 0;
        for id in self.node_ids() {
            let node = self.node(id);
            node.clock.set_right();
            node.engine.set_capacity(None);
            node.deaf = false;
            // Who stands still goes on by itself, before anything is demanded.
            node.slow_until = 0;
            self.start(id);
            self.hear_all(id);
        }
        for id in self.node_ids() {
            // What was not closed before the last of them had heard of it.
            self.hear_all(id);
        }
    }

    /// Draws what will break, and plans it.
    pub(crate) fn plan_mishaps(&mut self, length: u64) {
        let nodes = self.node_ids();
        let random = &mut self.random(For::Mishaps, [0, 0]);
        self.mishaps = draw(random, &self.setting.mishaps, &nodes, length);
        for (number, drawn) in self.mishaps.iter().enumerate() {
            if !self.setting.trim.mishaps.contains(&number) {
                self.schedule.at(drawn.at, Event::Break(number));
                self.schedule.at(drawn.at + drawn.lasting, Event::Mend(number));
            }
        }
    }

    fn divide(&mut self, side: &[NodeId], random: &mut Random) {
        let noticed = self.notice(random);
        for from in self.node_ids() {
            for to in self.node_ids() {
                if side.contains(&from) != side.contains(&to) {
                    self.network.cut(from, to, noticed);
                }
            }
        }
    }

    /// When a cut made now is noticed: at once, or after a while of silence.
    fn notice(&mut self, random: &mut Random) -> u64 {
        let silent = *random.pick(&[500, 50_000, 400_000]);
        self.schedule.now() + random.below(silent)
    }

    /// A node loses its disk, or what it believed of it, and knows.
    fn lose_disk(&mut self, id: NodeId, random: &mut Random) {
        self.crash(id);
        self.met(Happening::DiskLost);
        if self.node(id).was_filling {
            self.met(Happening::LostAgain);
        }
        if random.chance(500) {
            self.node(id).engine.wipe();
        }
        self.history.lost.insert(id);
        self.node(id).lost = true;
    }

    /// A node loses the end of what its disk called synced, knows, and will go on with what is left.
    fn lose_end(&mut self, id: NodeId, random: &mut Random) {
        self.crash(id);
        let engine = &self.node(id).engine;
        let unsynced = engine.unsynced_batches() as u64;
        let kept = random.below(unsynced + 1);
        engine.crash_keeping(kept as usize);
        if kept < unsynced {
            self.met(Happening::LossAccepted);
            if self.cluster.newest().moving().any(|shard| shard.is_held_by(id)) {
                self.met(Happening::LossInMove);
            }
            self.history.accepted.insert(id);
            self.node(id).lost = true;
            self.node(id).goes_on = true;
        }
    }

    fn cut_power(&mut self, id: NodeId, random: &mut Random) {
        self.crash(id);
        let engine = std::sync::Arc::clone(&self.node(id).engine);
        let (unsynced, committed) = (engine.unsynced_batches() as u64, engine.committed());
        let kept = random.below(unsynced + 1);
        if kept < unsynced {
            self.met(Happening::Forgotten);
        }
        engine.crash_keeping(kept as usize);
        if let Some(before) = self.cluster.before_drop() {
            // Right before the drop, most of the time: then it may answer for the table.
            let heard = self.node(id).heard;
            let before = heard.min(before);
            let kept = random.between(before as u64, heard as u64) as usize;
            self.node(id).heard = if random.chance(700) { before } else { kept };
            if self.node(id).heard < heard {
                self.met(Happening::FellBack);
            }
        }
        let fills = self.setting.fills_owners();
        if self.setting.conducts() && random.chance(if fills { 900 } else { 500 }) {
            // It starts with an older catalog than it had: the log's end was not synced.
            let (first, heard) = (self.cluster.heard_first as u64, self.node(id).heard as u64);
            let first = if fills { first.max(heard.saturating_sub(3)) } else { first };
            self.node(id).heard = random.between(first, heard) as usize;
        }
        if engine.committed() < committed {
            self.met(Happening::SyncedLost);
            self.history.liars.insert(id);
        }
    }
}
