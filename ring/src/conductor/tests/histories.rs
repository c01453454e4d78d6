//! Random histories: nodes that hear late, fall and lose their disks, operators that change their minds, leaders that
//! forget and write what they decided long ago. Whatever happens, the catalog stays one that the protocol allows, and in
//! the end every job has ended.

use super::*;
use crate::catalog::{Order, TableChange};
use crate::planner::{self, Known, Wish};
use crate::weight::Weight;
use proptest::prelude::*;
use quorate_model::{Durability, Owner};

/// Small, so that windows are met.
const LIMITS: Limits = Limits {
    shards_max: 5,
    large_max: 2,
    large_bytes: 60,
    bytes_max: 200,
    space_percent: 120,
    move_patience: Span::from_millis(600_000),
};

/// A node as it is, whatever was heard of it.
#[derive(Clone, Debug)]
struct Real {
    is_up: bool,
    incarnation: u32,
    closed: Epoch,
    copies: BTreeMap<ShardId, FillReport>,
}

struct World {
    catalog: Catalog,
    real: BTreeMap<NodeId, Real>,
    heard: BTreeMap<NodeId, NodeReport>,
    watch: Watch,
    now: Instant,
    /// What a leader decided and has not written yet.
    late: Option<Command>,
    /// The last name of each copy that there ever was.
    since: BTreeMap<(ShardId, NodeId), Epoch>,
    requests: u128,
    /// Whether a change of n was aborted: then shards of two sizes rest.
    is_mixed: bool,
}

fn size(shard: ShardId) -> u64 {
    u64::from(shard.index * 37 % 101)
}

impl World {
    fn new() -> Self {
        let mut catalog = founded(6);
        let quorum = NewTable { shards: 16, ..table("users") };
        let one = NewTable { shards: 4, n: 2, w: Level::One, ..table("one") };
        for new in [quorum, one] {
            catalog = accept(&catalog, &Command::CreateTable(new));
        }
        let mut world = Self {
            catalog,
            real: BTreeMap::new(),
            heard: BTreeMap::new(),
            watch: Watch::default(),
            now: Instant(0),
            late: None,
            since: BTreeMap::new(),
            requests: 1_000,
            is_mixed: false,
        };
        for node in 1..=6 {
            world.join(NodeId(node));
        }
        // What a table is made with is whole at once.
        world
            .real
            .values_mut()
            .flat_map(|node| node.copies.values_mut())
            .for_each(|copy| copy.is_whole = true);
        world.check();
        world
    }

    fn join(&mut self, node: NodeId) {
        let real = Real { is_up: true, incarnation: 1, closed: Epoch(0), copies: BTreeMap::new() };
        self.real.insert(node, real);
        self.hear_of(node);
    }

    fn shards(&self) -> impl Iterator<Item = &Shard> {
        self.catalog.tables().flat_map(|entry| entry.shards())
    }

    /// A node hears of the present catalog: it refuses what was before, and takes the copies that it should have.
    fn hear_of(&mut self, node: NodeId) {
        let Some(known) = self.catalog.node(node) else { return };
        let Some(real) = self.real.get_mut(&node).filter(|real| real.is_up) else { return };
        if known.incarnation != real.incarnation {
            return;
        }
        let shards = self.catalog.tables().flat_map(|entry| entry.shards());
        let held: BTreeMap<ShardId, Epoch> =
            shards.filter_map(|shard| Some((shard.id, shard.copy_of(node)?.0.since))).collect();
        real.copies.retain(|shard, _| held.contains_key(shard));
        for (shard, since) in held {
            let copy = real.copies.entry(shard).or_default();
            if copy.since < since {
                *copy = FillReport { since, ..FillReport::default() };
            }
        }
        real.closed = self.catalog.epoch();
    }

    /// A node copies some bytes of everything that it lacks.
    fn fill(&mut self, node: NodeId, bytes: u64) {
        let Some(real) = self.real.get_mut(&node).filter(|real| real.is_up) else { return };
        for (shard, copy) in &mut real.copies {
            copy.bytes = (copy.bytes + bytes).min(size(*shard));
            copy.is_whole |= copy.bytes >= size(*shard);
            if copy.is_whole
                && let Some(joint) = self.catalog.moving_shard(*shard).and_then(|shard| shard.joint.as_ref())
                && real.closed >= joint.began
            {
                copy.merged = joint.began;
            }
        }
    }

    /// The leader hears of a node.
    fn listen_to(&mut self, node: NodeId) {
        let Some(real) = self.real.get(&node) else { return };
        let is_up = real.is_up;
        if let Some(heard) = self.heard.get_mut(&node).filter(|_| !is_up) {
            heard.is_up = false;
        }
        if is_up {
            let fills = real.copies.clone();
            let report = NodeReport {
                incarnation: real.incarnation,
                closed: real.closed,
                free_bytes: 100_000,
                is_up,
                sizes: fills.keys().map(|shard| (*shard, size(*shard))).collect(),
                fills,
                keeps_hints: false,
                ..NodeReport::default()
            };
            self.heard.insert(node, report);
        }
    }

    fn lose_disk(&mut self, node: NodeId) {
        let Some(known) = self.catalog.node(node) else { return };
        let Some(real) = self.real.get_mut(&node).filter(|real| real.is_up) else { return };
        real.incarnation += 1;
        (real.closed, real.copies) = (Epoch(0), BTreeMap::new());
        let update = NodeUpdate {
            node,
            boot: Boot(u64::from(real.incarnation) << 32),
            http_address: known.http_address.clone(),
            peer_address: known.peer_address.clone(),
            incarnation: Some(real.incarnation),
            accepted: None,
        };
        self.write(&Command::Announce(update));
    }

    fn look(&mut self) -> Option<Command> {
        self.watch.observe(&self.catalog, &self.heard, self.now);
        next(Rules::INTACT, &self.catalog, &self.heard, &self.watch, self.now, &LIMITS)
    }

    /// Writes a command, which may be refused; every catalog on the way is looked at.
    fn write(&mut self, command: &Command) -> bool {
        let Ok(applied) = self.catalog.apply(command) else { return false };
        let before = std::mem::replace(&mut self.catalog, applied.catalog);
        if let Command::Advance(advance) = command {
            self.check_arrived(&before, advance);
        }
        self.check();
        true
    }

    /// What has arrived was whole, and enough of its old owners refused what was before, in truth and not by hearsay.
    fn check_arrived(&self, before: &Catalog, advance: &Advance) {
        for (id, _) in &advance.finish {
            let shard = before.moving_shard(*id).expect("it moved");
            let joint = shard.joint.as_ref().expect("it moved");
            let job = before.job(advance.job).expect("it moved");
            for owner in shard.receivers() {
                let copy = &self.real[&owner.node].copies[id];
                assert!(copy.is_whole && copy.since == owner.since, "{id}: {owner:?} has {copy:?}");
            }
            let has_closed =
                |owner: &&Owner| owner.since > joint.began || self.real[&owner.node].closed >= joint.began;
            let closed = shard.owners.iter().filter(has_closed).count();
            let n = shard.owners.len();
            let accepted = shard.owner_nodes().filter(|node| job.accepted.contains(node)).count();
            assert!(closed >= (n / 2 + 1).min(n - accepted), "{id}: {closed} of {n} have closed");
        }
    }

    /// What a leader starts now is within the windows; what one had decided long ago may come on top of it. Bytes are known by
    /// hearsay only.
    fn check_windows(&self, command: &Command) {
        let Command::Advance(advance) = command else { return };
        let started = advance.start.iter().filter_map(|shard| self.catalog.moving_shard(*shard));
        for owner in started.flat_map(Shard::receivers) {
            let is_to = |shard: &&Shard| shard.receivers().any(|it| it.node == owner.node);
            let shards = self.catalog.moving().filter(is_to).count();
            assert!(shards <= LIMITS.shards_max as usize, "{shards} shards go to {owner:?}");
        }
    }

    fn check(&mut self) {
        let catalog = &self.catalog;
        let job = catalog.running_job();
        assert_eq!(job.map_or(0, |job| job.active) as usize, catalog.moving().count());
        let mut since = Vec::new();
        for entry in catalog.tables() {
            for shard in entry.shards() {
                let is_changing = self.is_mixed || job.is_some_and(|job| job.kind == JobKind::Copies);
                if shard.joint.is_none() && !is_changing {
                    assert_eq!(shard.owners.len(), usize::from(entry.n), "{}", shard.id);
                }
                if let Some(joint) = &shard.joint {
                    assert_eq!(Some(joint.job), job.map(|job| job.id));
                    let is_kept = self.is_mixed && joint.next.len() == shard.owners.len();
                    assert!(is_kept || joint.next.len() == usize::from(entry.n));
                    assert!(joint.began <= shard.epoch);
                }
                for set in shard.sets() {
                    let nodes: BTreeSet<NodeId> = set.iter().map(|owner| owner.node).collect();
                    assert_eq!(nodes.len(), set.len(), "distinct");
                    assert!(nodes.iter().all(|node| catalog.node(*node).is_some()), "members");
                    since.extend(set.iter().map(|owner| ((shard.id, owner.node), owner.since)));
                }
            }
        }
        for (copy, now) in since {
            let last = self.since.entry(copy).or_default();
            assert!(*last <= now, "{copy:?} was of {last}, and is of {now}");
            *last = now;
        }
        assert_eq!(Catalog::decode(&catalog.encode()).as_ref(), Ok(catalog), "a snapshot keeps it");
    }

    fn plan(&mut self, wish: &Wish) {
        let away = |(node, real): (&NodeId, &Real)| (!real.is_up).then_some(*node);
        let away: BTreeSet<NodeId> = self.real.iter().filter_map(away).collect();
        let accepted = match wish {
            Wish::Remove { nodes, dead: true } => nodes.iter().copied().collect(),
            Wish::Add { .. }
            | Wish::Remove { .. }
            | Wish::Replace { .. }
            | Wish::Weight { .. }
            | Wish::Copies { .. }
            | Wish::Drain { .. }
            | Wish::Balance => BTreeSet::new(),
        };
        let sizes = self.shards().map(|shard| (shard.id, size(shard.id))).collect();
        let known = Known { sizes, away, accepted, ..Known::default() };
        let Ok(planned) = planner::plan(&self.catalog, wish, &known) else { return };
        self.requests += 1;
        for command in planned.commands(RequestId(self.requests)) {
            assert!(self.write(&command), "{wish:?}: {:?}", self.catalog.apply(&command));
        }
    }

    fn node(&self, number: u32) -> NodeId {
        let nodes: Vec<NodeId> = self.real.keys().copied().collect();
        nodes[number as usize % nodes.len()]
    }

    fn set_job(&mut self, to: Order) {
        let Some(job) = self.catalog.running_job() else { return };
        let id = job.id;
        self.is_mixed |= to == Order::Abort && job.kind == JobKind::Copies;
        self.write(&Command::SetJob { job: id, to });
    }

    fn act(&mut self, action: u32, number: u32) {
        let node = self.node(number);
        let is_up = self.real[&node].is_up;
        match action {
            0..=5 => self.hear_of(node),
            6..=9 => self.fill(node, u64::from(number % 80)),
            10..=15 => self.listen_to(node),
            16..=22 => {
                if let Some(command) = self.look() {
                    assert!(self.write(&command), "{command:?}: {:?}", self.catalog.apply(&command));
                    self.check_windows(&command);
                }
            }
            23 => self.late = self.look(),
            24 => {
                if let Some(command) = self.late.take() {
                    self.write(&command);
                }
            }
            25 => self.watch = Watch::default(),
            26 | 27 => self.now = self.now + Span::from_millis(u64::from(number % 700) * 1_000),
            28 => self.real.get_mut(&node).expect("there").is_up = false,
            29 | 30 => {
                let is_banned = self.catalog.node(node).is_none_or(|it| it.is_gone());
                self.real.get_mut(&node).expect("there").is_up = is_up || !is_banned;
            }
            31 => self.lose_disk(node),
            32 => self.set_job([Order::Pause, Order::Resume, Order::Abort][number as usize % 3]),
            33 => self.set_job(Order::Resume),
            34 => {
                let durability =
                    Some(if number.is_multiple_of(2) { Durability::Os } else { Durability::Sync });
                let change = TableChange { durability, ..TableChange::of(TableId(1)) };
                self.write(&Command::AlterTable(change));
            }
            35 if self.catalog.nodes().len() < 9 => {
                let new = crate::catalog::tests::node(100 + self.requests as u64);
                self.requests += 1;
                if self.write(&Command::Admit(new)) {
                    let id = self.catalog.nodes().last().expect("one").id;
                    self.join(id);
                }
            }
            36 => self.plan(&Wish::Remove { nodes: vec![node], dead: !is_up }),
            37 => self.plan(&Wish::Balance),
            38 => {
                let weight = Weight::new(f64::from(number % 4 + 1)).expect("in range");
                self.plan(&Wish::Weight { node, weight });
            }
            39 => {
                let n = (number / 7 % 4 + 1) as u8;
                self.plan(&Wish::Copies { table: TableId(1), n, r: None, w: None });
            }
            40 => {
                let new = self.node(number / 11);
                self.plan(&Wish::Replace { old: node, new, dead: !is_up });
            }
            _ => self.plan(&Wish::Drain { node, drained: number.is_multiple_of(3) }),
        }
    }

    /// Everything works again: does everything end?
    fn end(&mut self) {
        for _ in 0..2_000 {
            let nodes: Vec<NodeId> = self.real.keys().copied().collect();
            for node in nodes {
                if self.catalog.node(node).is_some_and(|node| !node.is_gone()) {
                    self.real.get_mut(&node).expect("there").is_up = true;
                }
                self.hear_of(node);
                self.fill(node, 1_000);
                self.listen_to(node);
            }
            self.set_job(Order::Resume);
            self.now = self.now + MINUTE;
            match self.look() {
                Some(command) => assert!(self.write(&command), "{command:?}"),
                None if self.catalog.running_job().is_none() => break,
                None => {}
            }
        }
        let job = self.catalog.running_job();
        let waits: Vec<_> =
            self.catalog.moving().map(|shard| waits_for(&self.catalog, &self.heard, shard.id)).collect();
        assert!(job.is_none(), "{job:?} waits for {waits:?}");
        assert_eq!(self.catalog.moving().count(), 0);
        for entry in self.catalog.tables().filter(|_| !self.is_mixed) {
            assert!(entry.shards().iter().all(|shard| shard.owners.len() == usize::from(entry.n)));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn whatever_happens_every_job_ends_and_every_shard_has_lawful_owners(
        actions in prop::collection::vec((0u32..42, any::<u32>()), 0..250),
    ) {
        let mut world = World::new();
        for (action, number) in actions {
            world.act(action, number);
        }
        world.end();
    }
}
