//! The catalog of the simulated cluster: one log of commands, of which every node has heard a prefix.
//!
//! Consensus itself is not simulated here. What it promises is: all nodes apply the same commands in the same order,
//! each with its own lag. That is what a node's `heard` says.

use crate::history::Spot;
use crate::setting::{Setting, TableSetting};
use quorate_coordinator::answers;
use quorate_model::{
    Boot, ClusterId, Durability, Epoch, Extent, Interval, Key, Layout, Mode, NodeId, Place, RangeReply,
    RangeRequest, Reply, Rules, ShardNow, Sharding, SortKey, TableId, WallTime,
};
use quorate_ring::{
    Catalog, Closing, Command, Created, Cut, Liveness, NewNode, NewRange, NewTable, NodeUpdate, Plan,
    Rejection, RequestId, Seen, ShardRejection, Split, TableChange, View, Weight,
};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The log, as the catalogs after each command, and where each key stands.
#[derive(Debug)]
pub struct Cluster {
    catalogs: Vec<Arc<Catalog>>,
    tables: Vec<TableId>,
    keys: BTreeMap<Spot, Key>,
    spots: BTreeMap<(TableId, SortKey), Spot>,
    /// How many commands every node has heard at the beginning.
    pub heard_first: usize,
    /// How many there are before durability begins to change.
    pub founded: usize,
    /// How many there are once the drop of a table is closed; none is heard before it is.
    pub closed: Option<usize>,
    /// How many there are with the drop of a table.
    dropped_at: Option<usize>,
    /// The most that any node has ever heard.
    pub heard_most: usize,
    /// The commands: each catalog but the first is after one of them.
    log: Vec<Command>,
    /// Which table is dropped.
    dropped: Option<usize>,
    rules: Rules,
    /// Whether shards move.
    moves: bool,
}

impl Cluster {
    /// The whole log of a setting: nodes, tables, and a few later changes.
    pub fn of_setting(setting: &Setting, rules: Rules) -> Self {
        let founder = new_node(1);
        let mut catalog = Catalog::bootstrap("sim", ClusterId(1), founder).expect("the founding is in order");
        let mut catalogs = vec![Arc::new(catalog.clone())];
        let mut tables = Vec::new();
        let (mut heard_first, mut founded, mut dropped_at) = (0, 0, None);
        let log = commands(setting);
        for command in &log {
            let applied = catalog.apply(command).expect("the log is in order");
            if let Some(Created::Table(table)) = applied.created {
                tables.push(table);
            }
            let founds = match command {
                Command::AlterTable(change) => change.durability.is_none(),
                _ => dropped_at.is_none(),
            };
            if matches!(command, Command::DropTable { .. }) {
                dropped_at = Some(catalogs.len() + 1);
            }
            if founds && dropped_at.is_none() {
                founded = catalogs.len() + 1;
            }
            catalog = applied.catalog;
            catalogs.push(Arc::new(catalog.clone()));
            if tables.len() == 1 && heard_first == 0 {
                heard_first = catalogs.len();
            }
        }
        let mut cluster = Self {
            closed: dropped_at.is_some().then_some(catalogs.len()),
            catalogs,
            tables,
            keys: BTreeMap::new(),
            spots: BTreeMap::new(),
            heard_first,
            founded,
            dropped_at,
            heard_most: heard_first,
            log,
            dropped: setting.dropped(),
            rules,
            moves: setting.conducts(),
        };
        for table in 0..cluster.tables.len() {
            for key in 0..setting.keys as usize {
                // Another place on the ring in every history.
                let name = Key::new(format!("k{key}.{}", setting.seed % 1_000));
                cluster.place(Spot { table, key }, name);
            }
        }
        cluster
    }

    /// A node announces that it is another incarnation, perhaps one that goes on after an accepted loss: the next command
    /// that no node has heard yet. How many there are with it.
    pub fn announce(&mut self, node: NodeId, incarnation: u64, accepted: Option<WallTime>) -> usize {
        // Behind what the node has announced itself and no node has heard.
        let is_its =
            |command: &Command| matches!(command, Command::UpdateNode(update) if update.node == node);
        let unheard = self.log.iter().rposition(is_its).map_or(0, |last| last + 2);
        // Where commands are accepted one by one, no later one is known yet.
        let at = if self.moves { self.catalogs.len() } else { self.heard_most.max(unheard) };
        let known = self.catalogs[at - 1].node(node).expect("a member");
        let update = NodeUpdate {
            node,
            boot: known.boot,
            http_address: known.http_address.clone(),
            peer_address: known.peer_address.clone(),
            incarnation: Some(incarnation as u32),
            accepted,
        };
        self.log.insert(at - 1, Command::UpdateNode(update));
        for count in [self.closed.as_mut(), self.dropped_at.as_mut(), Some(&mut self.founded)] {
            if let Some(count) = count.filter(|count| **count > at) {
                *count += 1;
            }
        }
        self.catalogs.truncate(at);
        for number in at - 1..self.log.len() {
            if let (Command::Closed { since, .. }, Some(dropped_at)) =
                (&mut self.log[number], self.dropped_at)
            {
                *since = self.catalogs[dropped_at - 1].epoch();
            }
            let (before, command) = (&self.catalogs[number], &self.log[number]);
            let after = match before.apply(command) {
                Ok(applied) => Arc::new(applied.catalog),
                // Planned before the announcement, and refused behind it: consensus leaves the catalog as it is.
                Err(Rejection::Shard(ShardRejection::Changed { .. })) => Arc::clone(before),
                Err(error) => panic!("the log is in order: {error}"),
            };
            self.catalogs.push(after);
        }
        at + 1
    }

    /// The catalog after all commands.
    pub fn newest(&self) -> &Arc<Catalog> {
        self.catalogs.last().expect("there is the founding")
    }

    /// One more command behind all others; how many there are with it. `None`: it is rejected.
    pub fn append(&mut self, command: Command) -> Option<usize> {
        let applied = self.newest().apply(&command).ok()?;
        self.log.push(command);
        self.catalogs.push(Arc::new(applied.catalog));
        Some(self.catalogs.len())
    }

    /// The catalog of a node that has heard so many commands.
    pub fn catalog(&self, heard: usize) -> Arc<Catalog> {
        Arc::clone(&self.catalogs[heard - 1])
    }

    /// Which replica of each node counts that is not declared dead, for a node that has heard so many commands.
    pub fn incarnations(&self, heard: usize) -> BTreeMap<NodeId, u64> {
        let there = self.catalogs[heard - 1].nodes().filter(|node| !node.is_gone());
        there.map(|node| (node.id, node.incarnation.into())).collect()
    }

    /// How many commands there are before the drop of a table.
    pub fn before_drop(&self) -> Option<usize> {
        Some(self.dropped_at? - 1)
    }

    /// How many commands there are.
    pub fn commands(&self) -> usize {
        self.catalogs.len()
    }

    /// What a node owns, having heard so many commands.
    pub fn layout(&self, heard: usize, node: NodeId) -> Layout {
        self.catalogs[heard - 1].layout(node)
    }

    /// Where a key lives, for a coordinator that has heard so many commands; `None` if it knows no such table.
    pub fn plan(&self, heard: usize, spot: Spot, local: NodeId, down: Vec<NodeId>) -> Option<Arc<Plan>> {
        let view = View::new(Arc::clone(&self.catalogs[heard - 1]), Liveness::with_down(down));
        let table = view.table_by_id(self.tables[spot.table])?;
        if !answers(self.rules, view.catalog(), table) {
            return None;
        }
        Some(Arc::new(view.plan(table, &self.keys[&spot], local)))
    }

    /// Where a walk over a range begins, for a coordinator that has heard so many commands.
    pub fn plan_of_range(
        &self,
        heard: usize,
        (table, range, reverse): (TableId, &Interval, bool),
        local: NodeId,
        down: Vec<NodeId>,
    ) -> Option<Plan> {
        let view = View::new(Arc::clone(&self.catalogs[heard - 1]), Liveness::with_down(down));
        let table = view.table_by_id(table)?;
        answers(self.rules, view.catalog(), table).then(|| view.plan_of_range(table, range, reverse, local))
    }

    /// The drop that is open right before it is closed.
    pub fn closing(&self) -> Option<Arc<Closing>> {
        let open = &self.catalogs[self.closed? - 2];
        open.closing_of(self.tables[self.dropped?]).cloned()
    }

    /// Whether a table is gone, for a node that has heard so many commands.
    pub fn is_dropped(&self, heard: usize, table: TableId) -> bool {
        self.catalogs[heard - 1].is_dropped(table)
    }

    /// Where a key lives by what another node said is in force.
    pub fn plan_by(
        &self,
        heard: usize,
        (table, sort_key, now): (TableId, &SortKey, &ShardNow),
        local: NodeId,
        down: Vec<NodeId>,
    ) -> Option<Plan> {
        let view = View::new(Arc::clone(&self.catalogs[heard - 1]), Liveness::with_down(down));
        view.plan_by(view.table_by_id(table)?, now, sort_key.clone(), local)
    }

    /// What a node that has heard so many commands says with a reply about a range.
    pub fn newer_of_range(
        &self,
        heard: usize,
        request: &RangeRequest,
        reply: &RangeReply,
    ) -> Option<ShardNow> {
        let catalog = Arc::clone(&self.catalogs[heard.checked_sub(1)?]);
        View::new(catalog, Liveness::all_alive()).newer_of_range(request, reply)
    }

    /// Where a key stands in its table.
    pub fn sort_key(&self, spot: Spot) -> SortKey {
        let stands = self.spots.iter().find(|(_, known)| **known == spot);
        let ((_, sort_key), _) = stands.expect("every key has its place");
        sort_key.clone()
    }

    /// The id of a table.
    pub fn table(&self, number: usize) -> TableId {
        self.tables[number]
    }

    /// The number of a table.
    pub fn number_of(&self, table: TableId) -> Option<usize> {
        self.tables.iter().position(|known| *known == table)
    }

    /// The keys of a table in their order, with where each stands.
    pub fn in_order(&self, number: usize) -> Vec<(SortKey, Spot)> {
        let table = self.tables[number];
        let of_table = self.spots.iter().filter(|((of, _), _)| *of == table);
        of_table.map(|((_, sort_key), spot)| (sort_key.clone(), *spot)).collect()
    }

    /// The epoch of the shard in which a walk begins and whether a node owns it, for one that has heard so many commands.
    pub fn ownership_of_walk(
        &self,
        heard: usize,
        request: &RangeRequest,
        node: NodeId,
    ) -> Option<(Epoch, bool)> {
        let Extent { table, interval, .. } = request.extent()?;
        let table = self.catalogs[heard - 1].table_by_id(*table)?;
        let shard = if request.is_reverse() {
            table.shard_below(interval.end.as_ref())
        } else {
            table.shard_at(&interval.start)
        };
        Some((shard.epoch, shard.is_held_by(node)))
    }

    /// What a node that has heard so many commands says with a reply.
    pub fn newer(&self, heard: usize, place: &Place, reply: &Reply) -> Option<ShardNow> {
        let catalog = Arc::clone(&self.catalogs[heard.checked_sub(1)?]);
        View::new(catalog, Liveness::all_alive()).newer(place, reply)
    }

    /// The catalog as a node sees it that has heard so many commands.
    pub fn view(&self, heard: usize, down: Vec<NodeId>) -> View {
        View::new(Arc::clone(&self.catalogs[heard - 1]), Liveness::with_down(down))
    }

    /// The keys of a table in an interval.
    pub fn spots_in(&self, table: TableId, interval: &Interval) -> Vec<Spot> {
        let inside = self.spots.iter().filter(|((of, key), _)| *of == table && interval.contains(key));
        inside.map(|(_, spot)| *spot).collect()
    }

    /// The catalog's epoch, for a node that has heard so many commands.
    pub fn epoch(&self, heard: usize) -> Epoch {
        self.catalogs[heard - 1].epoch()
    }

    /// The epoch of a key's shard and whether a node owns it, for one that has heard so many commands.
    pub fn ownership(&self, heard: usize, spot: Spot, node: NodeId) -> Option<(Epoch, bool)> {
        let table = self.catalogs[heard - 1].table_by_id(self.tables[spot.table])?;
        let shard = table.shard_of(&self.keys[&spot]);
        Some((shard.epoch, shard.is_held_by(node)))
    }

    /// Whether a command raises the first table to `sync`.
    pub fn raises(&self, command: usize) -> bool {
        let durability = |at: usize| {
            let table = self.catalogs.get(at)?.table_by_id(self.tables[0])?;
            Some(table.durability)
        };
        command >= 2
            && durability(command - 2) == Some(Durability::Os)
            && durability(command - 1) == Some(Durability::Sync)
    }

    /// Which key a place is of.
    pub fn spot_of(&self, place: &Place) -> Option<Spot> {
        self.spots.get(&(place.table, place.sort_key.clone())).copied()
    }

    /// All keys of all tables that stay.
    pub fn spots(&self) -> Vec<Spot> {
        self.keys.keys().copied().filter(|spot| Some(spot.table) != self.dropped).collect()
    }

    /// All keys of the table that is dropped.
    pub fn dropped_spots(&self) -> Vec<Spot> {
        self.keys.keys().copied().filter(|spot| Some(spot.table) == self.dropped).collect()
    }

    /// Notes where a key stands.
    fn place(&mut self, spot: Spot, key: Key) {
        let id = self.tables[spot.table];
        let mut newest_first = self.catalogs.iter().rev();
        let table = newest_first.find_map(|catalog| catalog.table_by_id(id)).expect("the log made it");
        self.spots.insert((table.id, table.sort_key(&key)), spot);
        self.keys.insert(spot, key);
    }
}

fn commands(setting: &Setting) -> Vec<Command> {
    let mut commands: Vec<Command> =
        (2..=setting.nodes).map(|number| Command::AddNode(new_node(number))).collect();
    let create = |number: usize, name: usize, table: &TableSetting| {
        let request = RequestId(1_000 + number as u128);
        let split_at = splits(setting, table.sharding);
        let new = NewTable {
            request,
            name: format!("table{name}"),
            sharding: table.sharding,
            n: table.n,
            r: table.r,
            w: table.w,
            mode: Mode::Register,
            durability: table.durability,
            ttl_ms: None,
            shard_bytes_max: None,
            shards: if table.sharding == Sharding::Range { split_at.len() as u32 + 1 } else { 2 },
        };
        match table.sharding {
            Sharding::Hash => Command::CreateTable(new),
            Sharding::Range => Command::CreateRange(NewRange { table: new, split_at }),
        }
    };
    let at_first = setting.dropped().map_or(setting.tables.len(), |dropped| dropped + 1);
    for (number, table) in setting.tables[..at_first].iter().enumerate() {
        commands.push(create(number, number, table));
    }
    // A change that moves the epoch and nothing else.
    let other = TableChange { r: Some(setting.tables[0].r), ..TableChange::of(TableId(1)) };
    commands.push(Command::AlterTable(other));
    // Changes that move the shards' epochs, with the same owners.
    for alters in 1..=setting.alters {
        let durability = Some(setting.durability_after(alters));
        commands.push(Command::AlterTable(TableChange { durability, ..TableChange::of(TableId(1)) }));
    }
    if let Some(dropped) = setting.dropped() {
        let table = TableId(dropped as u32 + 1);
        if setting.cuts > 0 {
            let split = split_of(&commands, table);
            commands.push(split);
        }
        commands.push(Command::DropTable { table });
        commands.push(create(dropped + 1, dropped, &setting.tables[dropped + 1]));
        // The founding is the first epoch.
        let since = Epoch(commands.len() as u64);
        commands.push(Command::Closed { table, since });
    }
    commands
}

/// The split of a table's last shard, by the commands before.
fn split_of(commands: &[Command], table: TableId) -> Command {
    let first = Catalog::bootstrap("sim", ClusterId(1), new_node(1)).expect("the founding is in order");
    let apply = |catalog: Catalog, command: &Command| catalog.apply(command).expect("in order").catalog;
    let catalog = commands.iter().fold(first, apply);
    let last = catalog.table_by_id(table).and_then(|table| table.shards().iter().last());
    let last = last.expect("it was made");
    let at = SortKey::new([last.interval.start.as_bytes(), &[0xC0; 8]].concat()[..8].to_vec());
    let at = if at > last.interval.start { at } else { SortKey::new([0xC0; 8].to_vec()) };
    Command::Split(Split { table, cuts: vec![Cut { seen: Seen::of(last), at }] })
}

/// Where the shards of a table begin, but for the first: a range table has up to three.
fn splits(setting: &Setting, sharding: Sharding) -> Vec<Key> {
    if sharding == Sharding::Hash {
        return Vec::new();
    }
    let places = [setting.keys / 3, setting.keys * 2 / 3].map(|key| Key::new(format!("k{}", key.max(1))));
    BTreeSet::from(places).into_iter().collect()
}

fn new_node(number: u64) -> NewNode {
    NewNode {
        request: RequestId(u128::from(number)),
        name: format!("n{number}"),
        zone: format!("z{}", number % 3),
        weight: Weight::ONE,
        http_address: format!("127.0.0.1:{}", 7_400 + number),
        peer_address: format!("127.0.0.1:{}", 7_500 + number),
        boot: Boot(number),
    }
}
