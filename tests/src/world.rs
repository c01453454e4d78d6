//! The world of one history: everything that exists in it, and the loop that lets time pass.

use crate::client::{Client, Job};
use crate::clock::Clock;
use crate::cluster::Cluster;
use crate::history::{AttemptId, History, Outcome, Spot};
use crate::network::Network;
use crate::node::Node;
use crate::parcel::{Asker, Event};
use crate::random::Random;
use crate::schedule::Schedule;
use crate::setting::Setting;
use crate::story::{Story, Telling};
use quorate_model::{Boot, Instant, NodeId, Now, Place, Rules};
use quorate_ring::Plan;
use quorate_storage::ReplicaLimits;
use std::collections::BTreeMap;
use std::sync::Arc;

/// When the first phase ends at the latest, in microseconds.
const BREAKING_MAX: u64 = 12_000_000;

/// Everything.
#[derive(Debug)]
pub struct World {
    pub(crate) setting: Setting,
    pub(crate) rules: Rules,
    pub(crate) random: Random,
    pub(crate) schedule: Schedule<Event>,
    pub(crate) network: Network,
    pub(crate) cluster: Cluster,
    pub(crate) nodes: Vec<Node>,
    pub(crate) clients: Vec<Client>,
    /// What clients want, for the attempts that are writes of theirs.
    pub(crate) jobs: BTreeMap<AttemptId, Job>,
    pub(crate) history: History,
    /// Operations that clients will still begin in the first phase.
    pub(crate) operations_left: u32,
    /// Whether everything is healed.
    pub(crate) closing: bool,
    story: Story,
    numbers: u64,
}

/// The limits of simulated replicas: small, so that they are met.
pub(crate) fn replica_limits() -> ReplicaLimits {
    ReplicaLimits { free_bytes_min: 500, hints_max: 40, ..ReplicaLimits::default() }
}

impl World {
    /// The world of a setting, at its beginning.
    pub fn new(setting: Setting, rules: Rules, telling: Telling) -> Self {
        let mut random = Random::new(setting.seed, 2);
        let cluster = Cluster::of_setting(&setting);
        let skew = setting.skew_ms;
        let mut node = |number| {
            let ahead = random.below(2 * skew + 1).cast_signed() - skew.cast_signed();
            Node::new(NodeId(number), Clock::ahead(ahead))
        };
        let nodes = (1..=setting.nodes).map(&mut node).collect();
        let mut client = |_| Client::new(setting.habits.names, random.between(1, setting.nodes));
        let clients = (0..setting.clients).map(&mut client).collect();
        let mut world = Self {
            rules,
            schedule: Schedule::new(),
            network: Network::new(setting.conditions),
            cluster,
            nodes,
            clients,
            jobs: BTreeMap::new(),
            history: History::default(),
            operations_left: setting.operations,
            closing: false,
            story: Story::new(telling),
            numbers: 0,
            random,
            setting,
        };
        world.tell(|| "== the world begins".to_owned());
        for id in world.node_ids() {
            world.node(id).heard = world.cluster.heard_first;
        }
        // Second in the order of one key: some coordinators ask it, others do not need to.
        let first = world.plan_of(NodeId(1), Spot { table: 0, key: 0 });
        world.network.slow = first.and_then(|plan| plan.sets[0].get(1).copied());
        world.begin_nodes();
        world
    }

    fn begin_nodes(&mut self) {
        for id in self.node_ids() {
            self.start(id);
            for commands in self.cluster.heard_first + 1..=self.cluster.commands() {
                let at = self.random.below(400_000);
                self.schedule.at(at, Event::Hear { node: id, commands });
            }
        }
        for client in 0..self.setting.clients {
            let at = self.random.below(3_000);
            self.schedule.at(at, Event::Act { client });
        }
    }

    /// The first phase: everything breaks while clients go on.
    pub fn run_breaking(&mut self) {
        let length = u64::from(self.setting.operations) * 20_000;
        self.plan_mishaps(length);
        while let Some(event) = self.schedule.next(BREAKING_MAX) {
            self.happen(event);
            if self.operations_left == 0 && !self.clients.iter().any(Client::is_busy) {
                break;
            }
        }
    }

    /// Lets time pass until something is so, at most so many microseconds; whether it came to be so.
    pub(crate) fn run_until(&mut self, micros: u64, mut is_so: impl FnMut(&mut Self) -> bool) -> bool {
        let until = self.schedule.now() + micros;
        loop {
            if is_so(self) {
                return true;
            }
            match self.schedule.next(until) {
                Some(event) => self.happen(event),
                None => return false,
            }
        }
    }

    fn happen(&mut self, event: Event) {
        if let Some(node) = event.place() {
            let paused_until = self.node(node).paused_until;
            if paused_until > self.schedule.now() {
                return self.schedule.at(paused_until, event);
            }
        }
        match event {
            Event::Arrive { to, from, request } => self.arrive(to, from, request),
            Event::Return { to, reply } => match to.asker {
                Asker::Operation { number, call, .. } => {
                    self.take_reply(to.node, to.life, number, call, reply);
                }
                Asker::Replay { owner, hint } => self.replayed(to.node, to.life, owner, *hint, reply),
            },
            Event::Fail { to, failure } => match to.asker {
                Asker::Operation { number, call, .. } => {
                    self.take_failure(to.node, to.life, number, call, failure);
                }
                // The hint stays, and is sent again at the next look.
                Asker::Replay { .. } => {}
            },
            Event::Commit { node, life } => self.commit(node, life),
            Event::Tick { node, life, number } => self.wake(node, life, number),
            Event::Replay { node, life } => self.replay(node, life),
            Event::Act { client } => self.act(client),
            Event::Break(mishap) if !self.closing => self.strike(&mishap),
            Event::Mend(mishap) if !self.closing => self.mend(&mishap),
            Event::Break(_) | Event::Mend(_) => {}
            Event::Hear { node, commands } => self.hear(node, commands),
        }
    }

    /// Starts a process on a node that has none.
    pub(crate) fn start(&mut self, id: NodeId) {
        if self.node(id).process.is_some() {
            return;
        }
        let (rules, boot, replica_boot) = (self.rules, Boot(self.random.bits()), Boot(self.random.bits()));
        let node = self.node(id);
        let heard = node.heard;
        node.start(boot, replica_boot, rules);
        let layout = self.cluster.layout(heard, id);
        let process = self.node(id).process.as_ref().expect("just started");
        process.replica.install(layout);
        self.tell(|| format!("{id} starts"));
        self.plan_replay(id);
    }

    /// Ends the process of a node; its clients hear no more.
    pub(crate) fn crash(&mut self, id: NodeId) {
        let known = self.schedule.now() + self.random.below(100_000);
        let node = self.node(id);
        node.down_known_at = known;
        let Some(process) = node.process.take() else { return };
        for running in process.running.into_values() {
            self.history.attempts[running.attempt.0].orphaned = true;
            if matches!(self.history.attempts[running.attempt.0].outcome, Outcome::Open) {
                self.conclude(running.attempt, Outcome::Vanished);
            }
        }
    }

    /// A node hears of the catalog up to so many commands.
    fn hear(&mut self, id: NodeId, commands: usize) {
        let node = self.node(id);
        if node.deaf || node.heard >= commands {
            return;
        }
        node.heard = commands;
        let layout = self.cluster.layout(commands, id);
        if let Some(process) = self.node(id).process.as_ref() {
            process.replica.install(layout);
        }
    }

    /// A node hears of everything.
    pub(crate) fn hear_all(&mut self, id: NodeId) {
        let commands = self.cluster.commands();
        self.hear(id, commands);
    }

    /// Where a key lives, as a node sees it now; `None` if it knows no such table.
    pub(crate) fn plan_of(&mut self, on: NodeId, spot: Spot) -> Option<Arc<Plan>> {
        let now = self.schedule.now();
        let is_down = |node: &&Node| node.process.is_none() && node.down_known_at <= now;
        let mut down: Vec<NodeId> = self.nodes.iter().filter(is_down).map(|node| node.id).collect();
        if !self.closing && self.random.chance(50) {
            // Liveness is an opinion, and a wrong one passes.
            down.push(NodeId(self.random.between(1, self.setting.nodes)));
        }
        let heard = self.node(on).heard;
        self.cluster.plan(heard, spot, on, down)
    }

    /// Nodes that a client can ask.
    pub(crate) fn coordinators(&self) -> Vec<NodeId> {
        let now = self.schedule.now();
        let answers = |node: &&Node| node.process.is_some() && node.paused_until <= now;
        self.nodes.iter().filter(answers).map(|node| node.id).collect()
    }

    /// Which key a place is of.
    pub(crate) fn spot_of(&self, place: &Place) -> Option<Spot> {
        self.cluster.spot_of(place)
    }

    /// A node.
    pub(crate) fn node(&mut self, id: NodeId) -> &mut Node {
        &mut self.nodes[(id.0 - 1) as usize]
    }

    /// All nodes.
    pub(crate) fn node_ids(&self) -> Vec<NodeId> {
        self.nodes.iter().map(|node| node.id).collect()
    }

    /// What a node takes the time to be.
    pub(crate) fn now_on(&mut self, id: NodeId) -> Now {
        let micros = self.schedule.now();
        let wall = self.node(id).clock.read(micros);
        self.history.wall_max = self.history.wall_max.max(wall);
        Now { instant: Instant(micros), wall }
    }

    /// A number that was not given out before.
    pub(crate) fn next_number(&mut self) -> u64 {
        self.numbers += 1;
        self.numbers
    }

    /// Tells a line of the story.
    pub(crate) fn tell(&mut self, line: impl FnOnce() -> String) {
        self.story.tell(self.schedule.now(), line);
    }

    /// What was chosen, what happened, how it is told, and how long it took in microseconds.
    pub fn into_parts(self) -> (Setting, History, Story, u64) {
        (self.setting, self.history, self.story, self.schedule.now())
    }
}
