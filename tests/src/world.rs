//! The world of one history: everything that exists in it, and the loop that lets time pass.

use crate::client::{Client, Job};
use crate::clock::Clock;
use crate::cluster::Cluster;
use crate::coverage::Happening;
use crate::event::{Asker, Event};
use crate::faults::Drawn;
use crate::filling;
use crate::history::{AttemptId, History, Moment, Name, Outcome, PageOutcome, Spot};
use crate::message::Told;
use crate::moving::Leading;
use crate::network::Network;
use crate::node::Node;
use crate::random::{For, Random};
use crate::replay::{self, Repair};
use crate::scan::Part;
use crate::schedule::Schedule;
use crate::setting::Setting;
use crate::story::{Story, Telling};
use quorate_coordinator::Said;
use quorate_model::{Boot, Instant, Interval, NodeId, Now, Place, Rules, TableId};
use quorate_ring::{Plan, View};
use quorate_storage::{CommitterLimits, ReplicaLimits};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// When the first phase ends at the latest, in microseconds.
const BREAKING_MAX: u64 = 12_000_000;

/// Everything.
#[derive(Debug)]
pub struct World {
    pub(crate) setting: Setting,
    pub(crate) rules: Rules,
    pub(crate) schedule: Schedule<Event>,
    pub(crate) network: Network,
    pub(crate) cluster: Cluster,
    pub(crate) nodes: Vec<Node>,
    pub(crate) clients: Vec<Client>,
    /// What clients want, for the attempts that are writes of theirs.
    pub(crate) jobs: BTreeMap<AttemptId, Job>,
    pub(crate) history: History,
    /// Reads that decide what becomes of a hint.
    pub(crate) repairs: BTreeMap<AttemptId, Repair>,
    /// Operations of pages: which page waits for which.
    pub(crate) parts: BTreeMap<AttemptId, Part>,
    /// What breaks, by number.
    pub(crate) mishaps: Vec<Drawn>,
    /// Operations that the second phase and replays have begun: names for streams of chance.
    pub(crate) own_operations: u32,
    /// Operations that clients will still begin in the first phase.
    pub(crate) operations_left: u32,
    /// What the leader of the moment knows of shards that move.
    pub(crate) leading: Leading,
    /// Nodes that were declared dead, whether their processes run or not.
    pub(crate) gone: BTreeSet<NodeId>,
    /// Owners that have said that they refuse the dropped table.
    pub(crate) closers: BTreeSet<NodeId>,
    /// Whether everything is healed.
    pub(crate) closing: bool,
    story: Story,
    numbers: u64,
}

/// The limits of simulated replicas: small, so that they are met.
fn replica_limits(setting: &Setting) -> ReplicaLimits {
    let (hints_max, hint_bytes_max) = (setting.hints_max, setting.hint_bytes_max);
    ReplicaLimits {
        free_bytes_min: 500,
        file_records_min: 1,
        hints_max,
        hint_bytes_max,
        ..ReplicaLimits::default()
    }
}

/// The limits of a simulated committer: small, so that they are met.
fn committer_limits(setting: &Setting) -> CommitterLimits {
    CommitterLimits { queue_items_max: setting.queue_max, batch_items_max: 8, ..CommitterLimits::default() }
}

impl World {
    /// The world of a setting, at its beginning.
    pub fn new(setting: Setting, rules: Rules, telling: Telling) -> Self {
        let cluster = Cluster::of_setting(&setting, rules);
        let (seed, skew) = (setting.seed, setting.skew_ms);
        let node = |number| {
            let mut random = Random::new(seed, For::Clocks, [number, 0]);
            let ahead = random.below(2 * skew + 1).cast_signed() - skew.cast_signed();
            Node::new(NodeId(number), Clock::ahead(ahead))
        };
        let nodes = (1..=setting.nodes).map(node).collect();
        let client = |client| {
            let favourite = Random::new(seed, For::Client, [client, 0]).between(1, setting.nodes);
            Client::new(setting.habits.names, favourite)
        };
        let clients = (0..u64::from(setting.clients)).map(client).collect();
        let mut world = Self {
            rules,
            schedule: Schedule::new(),
            network: Network::new(setting.conditions),
            cluster,
            nodes,
            clients,
            jobs: BTreeMap::new(),
            history: History::default(),
            repairs: BTreeMap::new(),
            parts: BTreeMap::new(),
            mishaps: Vec::new(),
            own_operations: 0,
            operations_left: setting.operations,
            leading: Leading::default(),
            gone: BTreeSet::new(),
            closers: BTreeSet::new(),
            closing: false,
            story: Story::new(telling),
            numbers: 0,
            setting,
        };
        world.tell(|| "== the world begins".to_owned());
        for id in world.node_ids() {
            world.node(id).heard = world.cluster.heard_first;
        }
        // Second in the order of one key: some coordinators ask it, others do not need to.
        let first = world.plan_of(NodeId(1), Spot { table: 0, key: 0 }, [0, 0]);
        world.network.slow = first.and_then(|plan| plan.sets[0].get(1).map(|owner| owner.node));
        world.begin_nodes();
        world
    }

    fn begin_nodes(&mut self) {
        for id in self.node_ids() {
            self.start(id);
            for commands in self.cluster.heard_first + 1..=self.cluster.commands() {
                let at = self.heard_at(id, commands);
                self.schedule.at(at, Event::Hear { node: id, commands });
            }
        }
        self.plan_conducting();
        for client in 0..self.setting.clients {
            let at = self.random(For::Client, [u64::from(client), 1]).below(3_000);
            self.schedule.at(at, Event::Act { client });
        }
    }

    /// When a node hears of a command, if nothing keeps it from that.
    fn heard_at(&self, node: NodeId, command: usize) -> u64 {
        let mut own = self.random(For::Catalog, [command as u64, node.0]);
        if command <= self.cluster.founded {
            return own.below(400_000);
        }
        let committed = self.random(For::Catalog, [command as u64, 0]).below(self.length());
        let lag = *own.pick(&[1_000, 30_000, 300_000]);
        committed + own.below(lag)
    }

    /// About how long the first phase lasts, in microseconds.
    fn length(&self) -> u64 {
        u64::from(self.setting.operations) * 20_000
    }

    /// The stream of chance for one decision.
    pub(crate) fn random(&self, purpose: For, whom: [u64; 2]) -> Random {
        Random::new(self.setting.seed, purpose, whom)
    }

    /// Something happened.
    pub(crate) fn met(&mut self, happening: Happening) {
        self.history.coverage.met(happening);
    }

    /// A name for the next operation that no client asked for.
    pub(crate) fn own_name(&mut self, client: u32) -> Name {
        self.own_operations += 1;
        Name { client, action: self.own_operations, part: 0, attempt: 0 }
    }

    /// The first phase: everything breaks while clients go on.
    pub fn run_breaking(&mut self) {
        self.plan_mishaps(self.length());
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
                self.met(Happening::StoodStill);
                return self.schedule.at(paused_until, event);
            }
        }
        match event {
            Event::Arrive { to, from, request, remaining } => self.arrive(to, from, request, remaining),
            Event::Return { to, by, mut answer } => {
                let Some(process) = self.node(to.node).living(to.run) else { return };
                let newer = answer.take_newer();
                let reply = process.recollection.open(by, answer);
                match to.asker {
                    Asker::Operation { number, call, .. } => {
                        self.end_call(to.node, to.run, number, call, Ok(Said { reply, newer }));
                    }
                    Asker::Fill { number, part, .. } => {
                        self.end_filling(to.node, to.run, (number, part), Some(reply));
                    }
                    Asker::Replay { number, owner } => {
                        let Told::Key(reply) = reply else { panic!("a hint was answered {reply:?}") };
                        self.end_replayed(to.node, to.run, (owner, number), Some(reply));
                    }
                }
            }
            Event::Fail { to, failure } => match to.asker {
                Asker::Operation { number, call, .. } => {
                    self.end_call(to.node, to.run, number, call, Err(failure));
                }
                Asker::Fill { number, part, .. } => {
                    self.end_filling(to.node, to.run, (number, part), None);
                }
                Asker::Replay { number, owner } => {
                    self.end_replayed(to.node, to.run, (owner, number), None);
                }
            },
            Event::Commit { node, run } => self.commit(node, run),
            Event::Tick { node, run, number } => self.wake(node, run, number),
            Event::Replay { node, run } => self.replay(node, run),
            Event::Fill { node, run } => self.look_for_gaps(node, run),
            Event::Repaired { node, run, owner, number, answer } => {
                self.hear_repaired((node, run), (owner, number), answer.map(|answer| *answer));
            }
            Event::Paged { node, run, page, input } => self.hear_paged((node, run), page, *input),
            Event::Sync { node, run } => self.sync(node, run),
            Event::Purge { node, run } => self.purge(node, run),
            Event::Compare { to, from, request } => self.hear_range(to, from, request),
            Event::Merge { at, run, from, request } => self.merge(at, run, from, &request),
            Event::Compared { to, by, answer } => self.told(to, by, answer),
            Event::Act { client } => self.act(client),
            Event::Break(number) if !self.closing => self.strike(number),
            Event::Mend(number) if !self.closing => self.mend(number),
            Event::Break(_) | Event::Mend(_) => {}
            Event::Hear { node, commands } => self.hear(node, commands),
            Event::Conduct => self.conduct(),
        }
    }

    /// Starts a process on a node that has none.
    pub(crate) fn start(&mut self, id: NodeId) {
        if self.node(id).process.is_some() {
            return;
        }
        if self.node(id).lost {
            self.come_back(id);
        }
        if std::mem::take(&mut self.node(id).was_filling) {
            self.met(Happening::FillResumed);
        }
        let rules = self.rules;
        let run = self.node(id).run;
        let mut random = self.random(For::Process, [id.0, u64::from(run)]);
        let (boot, replica_boot) = (Boot(random.bits()), Boot(random.bits()));
        let replay = replay::of_node(self.context(id));
        let filling = filling::of_node(self.context(id));
        let stamps = self.context(id).stamps(boot);
        let (limits, committer) = (replica_limits(&self.setting), committer_limits(&self.setting));
        let node = self.node(id);
        let heard = node.heard;
        node.start(boot, replica_boot, rules, (limits, committer), (replay, filling, stamps));
        let layout = self.cluster.layout(heard, id);
        let process = self.node(id).process.as_ref().expect("just started");
        process.replica.install(layout);
        self.tell(|| format!("{id} starts, and has heard of command {heard} of the catalog"));
        if self.setting.drops || self.setting.conducts() {
            // What it forgot it hears again.
            let longest = if self.setting.fills_owners() { 500_000 } else { 1_200_000 };
            let micros = self.random(For::Catalog, [u64::from(run), id.0 << 32]).below(longest);
            let commands = self.cluster.commands();
            self.schedule.after(micros, Event::Hear { node: id, commands });
        }
        // A starting node hears all that it can reach before it serves.
        for peer in self.node_ids() {
            self.introduce(id, peer);
        }
        self.plan_replay(id);
        self.plan_sync(id);
        self.plan_purge(id);
        self.plan_fill(id);
    }

    /// Ends the process of a node; its clients hear no more.
    pub(crate) fn crash(&mut self, id: NodeId) {
        let run = self.node(id).run;
        self.note_filling_ends(id);
        let known =
            self.schedule.now() + self.random(For::Process, [id.0, u64::from(run) << 32]).below(100_000);
        let now = self.schedule.now();
        let node = self.node(id);
        node.down_known_at = known;
        node.go_on(now);
        let Some(process) = node.process.take() else { return };
        self.met(Happening::Crashed);
        for page in process.pages.into_values() {
            self.end_page(page, PageOutcome::Vanished);
        }
        for running in process.running.into_values() {
            self.history.attempts[running.attempt.0].orphaned = true;
            if matches!(self.history.attempts[running.attempt.0].outcome, Outcome::Open) {
                self.met(Happening::Vanished);
                self.conclude(running.attempt, Outcome::Vanished);
            }
        }
    }

    /// A node hears of the catalog up to so many commands.
    fn hear(&mut self, id: NodeId, commands: usize) {
        let commands = self.heard_until_closed(id, commands);
        let is_gone = self.gone.contains(&id);
        let node = self.node(id);
        if node.deaf || node.heard >= commands || is_gone {
            return;
        }
        let heard = std::mem::replace(&mut node.heard, commands);
        self.tell(|| format!("{id} hears of command {commands} of the catalog"));
        self.fill_up(id);
        if (heard + 1..=commands).any(|command| self.cluster.raises(command)) {
            self.met(Happening::Raised);
        }
        self.cluster.heard_most = self.cluster.heard_most.max(commands);
        let layout = self.cluster.layout(commands, id);
        if self.setting.moves > 0 {
            self.clear_leftovers(id, layout.clone());
        }
        let cluster = &self.cluster;
        if let Some(process) = self.nodes[(id.0 - 1) as usize].process.as_ref() {
            process.replica.install(layout);
            for table in process.replica.stored_tables().unwrap_or_default() {
                if cluster.is_dropped(commands, table) {
                    // A replica that can't clear it keeps it for good.
                    let _refused = process.replica.clear_table(table);
                }
            }
            self.catch_up(id);
        }
    }

    /// How much of so many commands a node can hear of now: the leader closes a drop once enough owners have said that they
    /// refuse the table.
    fn heard_until_closed(&mut self, id: NodeId, commands: usize) -> usize {
        let Some(closed) = self.cluster.closed.filter(|closed| commands >= *closed) else { return commands };
        if self.is_closed() {
            return commands;
        }
        self.schedule.after(20_000, Event::Hear { node: id, commands });
        closed - 1
    }

    /// Whether enough owners have ever said that they refuse the dropped table.
    fn is_closed(&mut self) -> bool {
        if self.history.drop_closed.is_some() {
            return true;
        }
        let Some(closing) = self.cluster.closing() else { return true };
        for node in &self.nodes {
            let closed = node.process.as_ref().map(|process| process.replica.closed());
            if closed.is_some_and(|closed| closed >= closing.since) {
                self.closers.insert(node.id);
            }
        }
        if !closing.missing(|node| self.closers.contains(&node)).is_empty() {
            return false;
        }
        let moment = self.moment();
        self.history.drop_closed = Some(moment);
        self.met(Happening::DropClosed);
        self.tell(|| format!("the drop is closed by {:?}", closing.owners()));
        true
    }

    /// The catalog as a node sees it now, with those down that are.
    pub(crate) fn view_of(&self, on: NodeId, whom: [u64; 2]) -> View {
        self.cluster.view(self.peek(on).heard, self.seem_down(whom))
    }

    /// A node hears of everything.
    pub(crate) fn hear_all(&mut self, id: NodeId) {
        let commands = self.cluster.commands();
        self.hear(id, commands);
    }

    /// Where a key lives, as a node sees it now; `None` if it knows no such table. `whom` names the stream of chance.
    pub(crate) fn plan_of(&self, on: NodeId, spot: Spot, whom: [u64; 2]) -> Option<Arc<Plan>> {
        let down = self.seem_down(whom);
        self.cluster.plan(self.peek(on).heard, spot, on, down)
    }

    /// Where a walk over a range begins, as a node sees it now.
    pub(crate) fn plan_of_range(
        &self,
        on: NodeId,
        walk: (TableId, &Interval, bool),
        whom: [u64; 2],
    ) -> Option<Plan> {
        self.cluster.plan_of_range(self.peek(on).heard, walk, on, self.seem_down(whom))
    }

    /// Who seems down now.
    pub(crate) fn seem_down(&self, whom: [u64; 2]) -> Vec<NodeId> {
        let now = self.schedule.now();
        let is_down = |node: &&Node| node.process.is_none() && node.down_known_at <= now;
        let mut down: Vec<NodeId> = self.nodes.iter().filter(is_down).map(|node| node.id).collect();
        down.extend(&self.gone);
        let mut random = self.random(For::Liveness, whom);
        if !self.closing && random.chance(50) {
            // Liveness is an opinion, and a wrong one passes.
            down.push(NodeId(random.between(1, self.setting.nodes)));
        }
        down
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

    /// A node, to look at.
    pub(crate) fn peek(&self, id: NodeId) -> &Node {
        &self.nodes[(id.0 - 1) as usize]
    }

    /// All nodes; in the end without those that were declared dead, of which nothing is demanded.
    pub(crate) fn node_ids(&self) -> Vec<NodeId> {
        let counts = |node: &&Node| !(self.closing && self.gone.contains(&node.id));
        self.nodes.iter().filter(counts).map(|node| node.id).collect()
    }

    /// All nodes that were not declared dead.
    pub(crate) fn living_ids(&self) -> Vec<NodeId> {
        self.node_ids().into_iter().filter(|id| !self.gone.contains(id)).collect()
    }

    /// What a node takes the time to be.
    pub(crate) fn now_on(&mut self, id: NodeId) -> Now {
        let micros = self.schedule.now();
        let clock = self.node(id).clock;
        let wall = clock.read(micros);
        if clock.is_stopped() {
            self.met(Happening::ClockStood);
        } else if wall != Clock::default().read(micros) {
            self.met(Happening::Skewed);
        }
        self.history.looked(wall);
        Now { instant: Instant(micros), wall }
    }

    /// The next moment of the history, which sees how far each wall clock has come.
    pub(crate) fn moment(&mut self) -> Moment {
        let (moment, micros) = (self.history.moment(), self.schedule.now());
        for node in &self.nodes {
            self.history.looked(node.clock.read(micros));
        }
        moment
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
