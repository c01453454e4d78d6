//! What a seed chooses before anything happens: how large the cluster is, how tables are kept, how bad the network
//! is, what breaks and what clients like to do.
//!
//! Histories are small (a few nodes, a few keys, twenty to sixty operations) and nasty: what a large history shows
//! after hours a small one shows at once if its parts meet often enough. A *profile* aims a history at one rule, so that
//! rare meetings (seventeen clients on one key, a clock that jumps past an expiry) are not left to luck. The profile is
//! chosen by the seed alone: intact and broken protocols get the same histories.

use crate::cut::Trim;
use crate::network::Conditions;
use crate::random::{For, Random};
use quorate_model::level::quorum;
use quorate_model::{Durability, Level, Sharding, Span};

/// Bytes of hints that are never met: each node keeps some tens of records.
pub const HINT_BYTES_MAX: u64 = 1_000_000;

/// What a history is aimed at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Profile {
    /// A bit of everything.
    Mixed,
    /// All clients at one key, and messages that overtake each other.
    Contention,
    /// Lost answers and retries at other coordinators.
    Retries,
    /// More clients on one key than it remembers.
    Forgetting,
    /// Short times to live and clocks that disagree.
    Expiry,
    /// Levels mixed on the same keys.
    Levels,
    /// A table at `one`, whose writes are acknowledged long before most owners have them.
    Eager,
    /// Reads so slow that writes at a quorum and at `one` pass them on the way.
    Overtaking,
    /// Power cuts, also of all nodes at once.
    Power,
    /// Nodes that are away for long, and what is kept for them.
    Absence,
    /// Changes of the catalog under way, of which each node hears at another time.
    Catalog,
    /// Processes that stand still and disks that are slow, so that what arrives is late.
    Slowness,
    /// A table that trusts the operating system, requests that do not, or its change to `sync`, and blackouts.
    Raising,
    /// Disks that are lost, also again and again, and copies that fill themselves under clients.
    Filling,
    /// Scans of tables of both kinds, over owners that lack what others have.
    Scanning,
    /// Nodes that go on with what is left of their disks, as their operators decided.
    Accepting,
    /// Shards that move under clients, and nodes that hear late of it.
    Moving,
    /// Deletions, removals that go soon, and messages that come long after.
    Grave,
    /// Shards that are split and merged under scans, moves, and copies that fill themselves.
    Splitting,
}

impl Profile {
    /// Those that follow each other from seed to seed.
    pub const IN_TURN: [Profile; 13] = [
        Profile::Mixed,
        Profile::Contention,
        Profile::Retries,
        Profile::Forgetting,
        Profile::Expiry,
        Profile::Levels,
        Profile::Eager,
        Profile::Overtaking,
        Profile::Power,
        Profile::Absence,
        Profile::Catalog,
        Profile::Slowness,
        Profile::Raising,
    ];

    /// Those that take the place of one in turn, in some of a thousand histories each. The rest stays as it was.
    pub const INSTEAD: [(Profile, u64); 6] = [
        (Profile::Scanning, 80),
        (Profile::Filling, 100),
        (Profile::Accepting, 40),
        (Profile::Moving, 120),
        (Profile::Grave, 120),
        (Profile::Splitting, 150),
    ];

    /// The one of this name, as people type it: `grave`.
    pub fn named(name: &str) -> Option<Self> {
        let all = Self::IN_TURN.into_iter().chain(Self::INSTEAD.map(|(profile, _)| profile));
        all.into_iter().find(|profile| format!("{profile:?}").eq_ignore_ascii_case(name))
    }

    /// What a seed is aimed at.
    pub(crate) fn of_seed(seed: u64) -> Self {
        let instead = Self::INSTEAD
            .into_iter()
            .find(|(profile, chance)| Random::new(seed, For::Profile, [*profile as u64, 0]).chance(*chance));
        let in_turn = Self::IN_TURN[(seed % Self::IN_TURN.len() as u64) as usize];
        instead.map_or(in_turn, |(profile, _)| profile)
    }
}

/// How one table is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TableSetting {
    /// By token or by key.
    pub sharding: Sharding,
    /// Copies.
    pub n: u8,
    /// Default level of reads.
    pub r: Level,
    /// The write promise.
    pub w: Level,
    /// What an acknowledgement means.
    pub durability: Durability,
}

/// What clients like to do: weights of the things they may do next, and chances of a thousand.
#[derive(Clone, Copy, Debug, Default)]
pub struct Habits {
    /// Weight of reads.
    pub read: u64,
    /// Weight of writes of a new value.
    pub write: u64,
    /// Weight of deletions.
    pub delete: u64,
    /// Weight of several reads and writes at once.
    pub batch: u64,
    /// Weight of repeating a write that was done or given up long ago.
    pub repeat: u64,
    /// Weight of scans.
    pub scan: u64,
    /// Chance that what is repeated is the latest of them.
    pub latest: u64,
    /// Chance that an operation asks for another level than its table's: half of the time for `one`, else often for a
    /// quorum.
    pub other_level: u64,
    /// Chance that one which does asks for a quorum all the same.
    pub at_quorum: u64,
    /// Chance that a write carries an operation id.
    pub id: u64,
    /// Chance that a write of unknown outcome is tried again.
    pub retry: u64,
    /// Chance that a write asks to be synced whatever its table says.
    pub raised: u64,
    /// Chance that one which is tried again does.
    pub raised_again: u64,
    /// Chance that a value is given a time to live.
    pub ttl: u64,
    /// Chance that a value is too large for owners to send it unasked.
    pub large: u64,
    /// Longest pause before the next thing, in microseconds.
    pub pause_max: u64,
    /// Names that clients use in operation ids, each.
    pub names: u64,
}

/// What breaks: weights.
#[derive(Clone, Copy, Debug, Default)]
pub struct Mishaps {
    /// How many things break, at most.
    pub count_max: u64,
    /// A process dies and comes back.
    pub crash: u64,
    /// The power of one node is cut.
    pub power: u64,
    /// The power of all nodes is cut at once.
    pub blackout: u64,
    /// A process stands still and goes on.
    pub pause: u64,
    /// One node loses all others.
    pub isolate: u64,
    /// The nodes fall into two halves.
    pub split: u64,
    /// One direction of one link is cut.
    pub one_way: u64,
    /// A wall clock jumps or stops.
    pub clock: u64,
    /// A disk is full for a while.
    pub disk_full: u64,
    /// All disks but one are full for a while.
    pub full_beside: u64,
    /// A disk fails for good.
    pub disk_error: u64,
    /// A disk pretends to sync, until a power cut forgets what it pretended.
    pub lie: u64,
    /// A disk takes long for every batch, for a while.
    pub slow_disk: u64,
    /// A node hears nothing new of the catalog for a while.
    pub lag: u64,
    /// A disk is lost, and its node knows.
    pub loss: u64,
    /// A disk forgets its end, and that is accepted.
    pub accept: u64,
    /// Nodes that may lose their disks.
    pub losses_max: u64,
    /// How long each of them lasts at most, in microseconds.
    pub lasting_max: u64,
}

/// Everything that a seed chooses beforehand.
#[derive(Clone, Debug)]
pub struct Setting {
    /// The seed.
    pub seed: u64,
    /// What the history is aimed at.
    pub profile: Profile,
    /// Nodes in the cluster; those above a table's N own nothing of some keys.
    pub nodes: u64,
    /// The tables.
    pub tables: Vec<TableSetting>,
    /// Keys of each table.
    pub keys: u64,
    /// Clients, each with one thing to do at a time.
    pub clients: u32,
    /// Operations before everything is healed.
    pub operations: u32,
    /// Deadlines of operations lie in this range, in microseconds.
    pub timeout: (u64, u64),
    /// How long an owner may be silent before another is asked.
    pub hedge: Span,
    /// The network, while it is bad.
    pub conditions: Conditions,
    /// How long a synced batch takes at most, in microseconds.
    pub sync_max: u64,
    /// Requests that a busy replica refuses, of a thousand.
    pub refusals: u64,
    /// Requests that wait for a replica's disk, at most; what comes beyond is refused.
    pub queue_max: usize,
    /// Hints that a node keeps, at most.
    pub hints_max: u64,
    /// Bytes of hints that a node keeps, at most.
    pub hint_bytes_max: u64,
    /// How often the first table's durability is changed while clients go on.
    pub alters: u64,
    /// Whether the second of three tables is dropped under clients, and the third made under its name; a node that starts
    /// again may know of neither.
    pub drops: bool,
    /// Whether owners compare what they hold without being asked, and nothing else tells an owner that was away what it
    /// missed: no hint is kept.
    pub syncs: bool,
    /// Plans that move shards of the first table while clients go on.
    pub moves: u64,
    /// Splits and merges of the first table's shards while clients go on; where a table is dropped, it is split before.
    pub cuts: u64,
    /// Whether shards change by themselves, too: those of a few hundred bytes are large.
    pub tends: bool,
    /// Whether old owners hear last of what is taken from them.
    pub late_owners: bool,
    /// Whether an operator declares a node dead that may run on.
    pub bans: bool,
    /// Whether removals go.
    pub purges: bool,
    /// How old they must be, in milliseconds.
    pub purge_after_ms: u64,
    /// How old those must be that have operation ids, in milliseconds.
    pub ids_keep_ms: u64,
    /// Messages of clients' operations that are held back, of a thousand.
    pub held_back: u64,
    /// Wall clocks are wrong by up to so many milliseconds.
    pub skew_ms: u64,
    /// What clients like to do.
    pub habits: Habits,
    /// What breaks.
    pub mishaps: Mishaps,
    /// The run of each node from which on it runs a newer version; empty: all run one version.
    pub upgrades: Vec<u32>,
    /// Whether refusals say what is in force of a shard, where all run one version: not in the version before.
    pub refusals_say: bool,
    /// What is left out of the history, to make it shorter.
    pub trim: Trim,
}

impl Setting {
    /// What this seed chooses.
    pub fn of_seed(seed: u64) -> Self {
        let random = &mut Random::new(seed, For::Setting, [0, 0]);
        let profile = Profile::of_seed(seed);
        let n = [3, 5, 4, 2, 1][random.weighted(&[70, 14, 10, 4, 2])];
        let mut setting = Self {
            seed,
            profile,
            nodes: u64::from(n) + [0, 1, 2][random.weighted(&[60, 25, 15])],
            tables: Vec::new(),
            keys: random.between(1, 3),
            clients: random.between(2, 5) as u32,
            operations: random.between(24, 56) as u32,
            timeout: (100_000, random.between(200_000, 900_000)),
            hedge: Span::from_millis(*random.pick(&[3, 10, 20, 60])),
            conditions: conditions(random),
            sync_max: *random.pick(&[300, 2_000, 12_000]),
            refusals: *random.pick(&[0, 0, 10, 50]),
            queue_max: *random.pick(&[3, 100, 100]),
            hints_max: *random.pick(&[1, 2, 40, 40, 40, 40]),
            hint_bytes_max: HINT_BYTES_MAX,
            alters: *random.pick(&[0, 0, 0, 1, 2]),
            drops: false,
            syncs: false,
            moves: 0,
            cuts: 0,
            tends: false,
            late_owners: false,
            bans: false,
            purges: false,
            purge_after_ms: 0,
            ids_keep_ms: 0,
            held_back: 0,
            skew_ms: *random.pick(&[0, 50, 50, 400]),
            habits: habits(random),
            mishaps: mishaps(random),
            upgrades: Vec::new(),
            refusals_say: Random::new(seed, For::Versions, [1, 0]).chance(300),
            trim: Trim::default(),
        };
        setting.tables = vec![table(random, n)];
        if random.chance(150) {
            setting.tables.push(table(random, n));
        }
        setting.scan_some();
        setting.aim(random);
        setting.cut_some();
        if random.chance(100) {
            // About two small records, or none that is large.
            setting.hint_bytes_max = 400;
        }
        let is_absence = profile == Profile::Absence;
        if is_absence && Random::new(seed, For::Sync, [0, 0]).chance(750) {
            setting.sync_alone();
        }
        setting.keep_promises_possible(random);
        let is_of_one_version = setting.syncs
            || matches!(
                setting.profile,
                Profile::Filling | Profile::Accepting | Profile::Moving | Profile::Grave | Profile::Splitting
            );
        setting.upgrades = if is_of_one_version { Vec::new() } else { Self::upgrades(seed, setting.nodes) };
        setting
    }

    /// Whether a table may lose what was acknowledged: it trusts the operating system, at least for a time, and the
    /// power may be cut. What was asked to be synced is promised even then; the rest is documented to be at risk.
    pub fn may_forget(&self, table: usize) -> bool {
        let is_altered = table == 0 && self.alters > 0;
        self.cuts_power() && (is_altered || self.tables[table].durability == Durability::Os)
    }

    /// The table that is dropped; the next one gets its name.
    pub fn dropped(&self) -> Option<usize> {
        (self.drops && self.tables.len() == 3).then_some(1)
    }

    /// Whether commands are accepted one by one, as a leader decides.
    pub fn conducts(&self) -> bool {
        self.moves > 0 || (self.cuts > 0 && !self.drops)
    }

    /// Some histories of other profiles in which shards are split and merged, too. A stream of its own: all else stays as it
    /// was without.
    fn cut_some(&mut self) {
        let random = &mut Random::new(self.seed, For::Cuts, [1, 0]);
        let is_apt =
            matches!(self.profile, Profile::Moving | Profile::Grave | Profile::Scanning) || self.drops;
        if is_apt && random.chance(250) {
            self.cuts = random.between(2, 8);
        }
    }

    /// Whether disks are full when their nodes hear that a shard moves.
    pub fn fills_owners(&self) -> bool {
        self.moves > 0 && self.mishaps.disk_full > 0
    }

    /// Whether the first table's copies may become more and fewer. Then clients ask for a quorum alone, which means another
    /// number of owners each time.
    pub fn changes_copies(&self) -> bool {
        let TableSetting { r, w, .. } = self.tables[0];
        self.moves > 0 && self.habits.other_level == 0 && (r, w) == (Level::Quorum, Level::Quorum)
    }

    /// Which tables are of ranges, and whether clients scan. A stream of its own: all else stays as it was without.
    fn scan_some(&mut self) {
        let random = &mut Random::new(self.seed, For::Scans, [0, 0]);
        for table in &mut self.tables {
            table.sharding = if random.chance(300) { Sharding::Range } else { Sharding::Hash };
        }
        if random.chance(150) {
            self.habits.scan = 12;
        }
    }

    /// Whether a node that lost something comes back and fills itself: where all run one version.
    pub fn heals(&self) -> bool {
        self.upgrades.is_empty()
    }

    /// One node loses its disk again and again, or two of many; hints are few, so that only filling brings back what was
    /// lost.
    fn lose_disks(&mut self, random: &mut Random) {
        if random.chance(250) {
            self.drop_a_table(random);
        } else {
            self.tables.truncate(1);
            let n = *random.pick(&[3, 3, 3, 3, 4, 5]);
            let w = if random.chance(350) { Level::All } else { Level::Quorum };
            self.tables[0] =
                TableSetting { n, r: Level::Quorum, w, durability: Durability::Sync, ..self.tables[0] };
            self.nodes = u64::from(n) + random.below(2);
            (self.keys, self.operations) = (random.between(2, 8), random.between(50, 100) as u32);
        }
        self.alters = 0;
        if self.tables[0].w == Level::All {
            // What is held by a quorum alone.
            (self.habits.other_level, self.habits.at_quorum) = (850, 750);
        }
        (self.clients, self.hints_max) = (random.between(2, 4) as u32, *random.pick(&[0, 0, 40]));
        (self.habits.ttl, self.habits.pause_max) = (0, 20_000);
        self.conditions.loss = *random.pick(&[0, 80, 250]);
        self.sync_max = *random.pick(&[2_000, 12_000]);
        let losses_max = if self.tables[0].n > 3 { 2 } else { 1 };
        self.mishaps = Mishaps {
            count_max: 16,
            loss: 60,
            losses_max,
            crash: 60,
            power: 30,
            isolate: 15,
            disk_full: 25,
            lasting_max: *random.pick(&[60_000, 250_000]),
            ..Mishaps::default()
        };
        if self.drops {
            return;
        }
        if random.chance(500) {
            // Owners lack what was written while they were away, and there are few reads that would bring it to them.
            (self.keys, self.hints_max, self.habits.read) = (random.between(8, 16), 0, 4);
            (self.mishaps.isolate, self.mishaps.crash, self.mishaps.disk_full) = (80, 30, 0);
            return;
        }
        if random.chance(500) {
            return self.lose_first_of_few(random);
        }
        // There is more to fill than a disk that is full has room for.
        (self.keys, self.mishaps.disk_full) = (random.between(6, 12), 90);
    }

    /// Shards move again and again, between few nodes or many; owners of the stage before hear late of it, or forget that they
    /// had heard, and coordinators that know as little go on with them.
    fn move_shards(&mut self, random: &mut Random) {
        self.tables.truncate(1);
        let n = *random.pick(&[3, 3, 3, 4, 2, 2]);
        let w = *random.pick(&[Level::Quorum, Level::Quorum, Level::Quorum, Level::All]);
        self.tables[0] =
            TableSetting { n, r: Level::Quorum, w, durability: Durability::Sync, ..self.tables[0] };
        self.nodes = (u64::from(n) + random.between(1, 3)).min(6);
        (self.keys, self.clients) = (random.between(1, 5), random.between(3, 5) as u32);
        (self.operations, self.alters) = (random.between(60, 110) as u32, 0);
        (self.moves, self.late_owners) = (random.between(2, 8), random.chance(400));
        (self.hints_max, self.sync_max) = (*random.pick(&[0, 0, 40]), *random.pick(&[300, 2_000, 12_000]));
        let habits = &mut self.habits;
        (habits.read, habits.write, habits.delete, habits.scan) = (50, 40, 8, 0);
        (habits.ttl, habits.other_level, habits.pause_max) = (0, *random.pick(&[0, 300, 600]), 20_000);
        self.conditions.loss = *random.pick(&[0, 80, 300]);
        if n.is_multiple_of(2) {
            // Copies may become more: what one owner is worth is another thing then.
            self.habits.other_level = 0;
        }
        if random.chance(400) {
            // Half of the owners are enough for round one. Where copies become more, a quorum of the new ones can do without
            // that half, and a coordinator that knows of it alone goes on.
            (self.tables[0].n, self.tables[0].w) = (*random.pick(&[2, 4]), Level::Quorum);
            self.nodes = u64::from(self.tables[0].n) + random.between(1, 2);
            (self.keys, self.late_owners, self.timeout) = (1, false, (600_000, 1_200_000));
            self.conditions = Conditions::default();
            self.habits.other_level = 0;
            (self.operations, self.clients) = (random.between(120, 180) as u32, 5);
            let lasting_max = 1_200_000;
            self.mishaps = Mishaps { count_max: 10, lag: 100, crash: 5, lasting_max, ..Mishaps::default() };
            return;
        }
        if n == 3 && random.chance(400) {
            // Writes that are with one owner for long, which gives its copy away.
            (self.habits.other_level, self.hints_max, self.conditions.loss) = (900, 0, 500);
            (self.keys, self.moves, self.habits.read) = (random.between(3, 6), 10, 5);
        }
        self.mishaps = Mishaps {
            count_max: 12,
            crash: 40,
            power: 20,
            isolate: 30,
            split: 15,
            pause: 20,
            lag: 60,
            loss: 10,
            losses_max: 1,
            lasting_max: *random.pick(&[60_000, 250_000, 600_000]),
            ..Mishaps::default()
        };
        if n == 3 && w == Level::Quorum && random.chance(400) {
            // Copies may become fewer. Writes that one owner misses for good, while nothing brings owners together.
            self.habits.other_level = 0;
            (self.hints_max, self.timeout, self.habits.read) = (0, (60_000, 150_000), 5);
            (self.keys, self.moves, self.operations) = (random.between(6, 12), 12, 240);
            (self.habits.id, self.habits.pause_max, self.queue_max) = (0, 120_000, 100);
            (self.nodes, self.late_owners) = (random.between(3, 4), false);
            self.mishaps =
                Mishaps { count_max: 8, isolate: 100, lasting_max: 1_200_000, ..Mishaps::default() };
            return;
        }
        // A write promise of more than a quorum makes reads of one owner `regular`, which one that is declared dead breaks.
        if n >= 3 && w == Level::Quorum && random.chance(450) {
            (self.bans, self.nodes) = (true, u64::from(n) + 3);
            (self.mishaps.losses_max, self.mishaps.loss) = (0, 0);
        }
    }

    /// Owners that lack several keys in a row, under scans.
    fn scan_all(&mut self, random: &mut Random) {
        let (habits, mishaps) = (&mut self.habits, &mut self.mishaps);
        // Owners that lack several keys in a row, pages that end between them, and nothing that brings what they
        // lack but the scans themselves.
        (habits.scan, habits.read, habits.batch, habits.delete) = (60, 5, 0, 20);
        (self.keys, self.clients) = (random.between(4, 7), random.between(2, 4) as u32);
        self.tables.truncate(1);
        self.tables[0].n = 3;
        (self.tables[0].r, self.tables[0].w) = (Level::Quorum, Level::Quorum);
        self.nodes = self.nodes.max(3) + random.below(2);
        self.alters = if random.chance(400) { random.between(1, 3) } else { 0 };
        habits.ttl = *random.pick(&[0, 0, 300]);
        self.operations = random.between(40, 70) as u32;
        if random.chance(700) {
            // Nodes that lack several keys in a row, while no hints are kept for them.
            (self.hints_max, habits.ttl, self.keys) = (0, 0, random.between(10, 20));
            // At the end all keys are written at once.
            self.queue_max = 100;
            *mishaps = Mishaps { count_max: 6, isolate: 80, crash: 20, ..Mishaps::default() };
            (mishaps.lasting_max, habits.pause_max) = (400_000, 20_000);
            (habits.scan, habits.read, habits.delete, habits.other_level) = (30, 0, 5, 0);
            self.timeout = (100_000, 250_000);
        }
    }

    /// Shards are split and merged again and again: while they move, while copies of them are filled, under pages of scans.
    fn split_shards(&mut self, random: &mut Random) {
        self.cuts = random.between(6, 30);
        match random.weighted(&[40, 50, 10]) {
            0 => {
                self.move_shards(random);
                (self.keys, self.tends) = (self.keys.max(4), random.chance(900));
                self.habits.scan = *random.pick(&[0, 0, 15]);
            }
            1 => self.fill_and_split(random),
            _ => self.scan_all(random),
        }
    }

    /// One node loses its disk again and again, and fills copies that are split and merged meanwhile; some writes are with one
    /// owner for long.
    fn fill_and_split(&mut self, random: &mut Random) {
        self.tables.truncate(1);
        let w = if random.chance(200) { Level::All } else { Level::Quorum };
        self.tables[0] =
            TableSetting { n: 3, r: Level::Quorum, w, durability: Durability::Sync, ..self.tables[0] };
        (self.nodes, self.alters) = (random.between(3, 4), 0);
        (self.keys, self.clients) = (random.between(3, 10), random.between(3, 6) as u32);
        (self.operations, self.hints_max) = (random.between(80, 140) as u32, *random.pick(&[0, 0, 40]));
        (self.habits.ttl, self.habits.pause_max, self.habits.scan) = (0, 20_000, *random.pick(&[0, 0, 10]));
        self.habits.other_level = if w == Level::All { 700 } else { 0 };
        self.sync_max = *random.pick(&[2_000, 12_000]);
        if random.chance(500) {
            // The one that took a record first has lost it, and was filled by the others, before another one takes it.
            (self.timeout, self.conditions) = ((1_500_000, 2_500_000), Conditions::default());
            (self.habits.read, self.habits.write) = (60, 30);
            let lasting_max = *random.pick(&[150_000, 400_000]);
            self.mishaps = Mishaps {
                count_max: 12,
                loss: 50,
                losses_max: 1,
                full_beside: 50,
                lasting_max,
                ..Mishaps::default()
            };
            return;
        }
        self.conditions.loss = *random.pick(&[0, 80, 250]);
        self.mishaps = Mishaps {
            count_max: 16,
            loss: 60,
            losses_max: 1,
            crash: 40,
            power: 20,
            isolate: 20,
            disk_full: 25,
            lasting_max: *random.pick(&[60_000, 250_000]),
            ..Mishaps::default()
        };
    }

    /// In some histories nodes lose the end of what they knew while shards move, and go on. A stream of its own: the others
    /// stay as they are without.
    fn lose_while_moving(&mut self) {
        let random = &mut Random::new(self.seed, For::Moves, [u64::MAX, 0]);
        // Those that are about nodes declared dead, or about writes at one owner, have no room for more.
        if self.bans || self.habits.other_level == 900 {
            return;
        }
        match random.weighted(&[600, 150, 250]) {
            0 => return,
            1 => {
                // That is accepted, whatever it was: also that a shard is another's.
                let lasting_max = *random.pick(&[60_000, 250_000]);
                self.mishaps = Mishaps { count_max: 12, lag: 40, lasting_max, ..Mishaps::default() };
                (self.mishaps.accept, self.mishaps.crash, self.mishaps.isolate) = (60, 20, 30);
            }
            _ => {
                // Owners whose disks are full when they hear of a move, and whose power is cut once their copies are asked
                // for: they start with the catalog from before, which the others still go by.
                (self.tables[0].n, self.tables[0].w, self.nodes) = (2, Level::Quorum, random.between(4, 5));
                (self.keys, self.late_owners, self.hints_max) = (random.between(10, 20), true, 0);
                (self.habits.read, self.habits.write, self.queue_max) = (4, 90, 100);
                (self.conditions, self.timeout) = (Conditions::default(), (50_000, 150_000));
                (self.operations, self.clients) = (random.between(350, 450) as u32, 6);
                self.habits.other_level = 0;
                let lasting_max = 600_000;
                self.mishaps = Mishaps { count_max: 6, lag: 60, lasting_max, ..Mishaps::default() };
                self.mishaps.disk_full = 1;
            }
        }
        self.moves = 12;
    }

    /// Keys are deleted as often as they are written, and removals go as soon as they can, while messages are held back for
    /// longer than that takes. Some owners miss writes; some lose their disks, and some shards move.
    fn dig(&mut self, random: &mut Random) {
        self.tables.truncate(1);
        let n = *random.pick(&[3, 3, 3, 3, 2, 5]);
        let level = Level::Quorum;
        self.tables[0] =
            TableSetting { n, r: level, w: level, durability: Durability::Sync, ..self.tables[0] };
        self.nodes = u64::from(n) + random.below(2);
        (self.keys, self.clients) = (*random.pick(&[1, 2, 2, 6]), random.between(3, 6) as u32);
        (self.operations, self.alters) = (random.between(80, 160) as u32, 0);
        (self.purges, self.held_back) = (true, *random.pick(&[60, 120, 250]));
        self.syncs = random.chance(300);
        (self.purge_after_ms, self.ids_keep_ms) = (*random.pick(&[0, 10, 60]), *random.pick(&[0, 0, 100]));
        (self.hints_max, self.sync_max) = (*random.pick(&[0, 0, 40]), *random.pick(&[300, 2_000]));
        (self.timeout, self.refusals, self.queue_max) = ((150_000, random.between(300_000, 900_000)), 0, 100);
        let loss = *random.pick(&[0, 20, 80]);
        self.conditions =
            Conditions { loss, duplication: *random.pick(&[0, 0, 40]), ..Conditions::default() };
        let habits = &mut self.habits;
        (habits.read, habits.write, habits.delete, habits.scan) = (35, 30, 40, *random.pick(&[0, 0, 10]));
        (habits.batch, habits.repeat, habits.other_level) = (0, *random.pick(&[0, 15]), 0);
        (habits.ttl, habits.pause_max) =
            (*random.pick(&[0, 0, 500]), *random.pick(&[20_000, 60_000, 120_000]));
        self.mishaps = Mishaps {
            count_max: *random.pick(&[0, 6, 10]),
            crash: 30,
            isolate: 50,
            one_way: 20,
            pause: 20,
            lasting_max: *random.pick(&[40_000, 150_000]),
            ..Mishaps::default()
        };
        match random.weighted(&[20, 20, 20, 15, 10, 20]) {
            0 => {}
            1 => {
                // So many writes that some fall between any two steps of a run.
                (self.keys, self.clients, self.operations) = (random.between(2, 3), 6, 260);
                (self.habits.pause_max, self.conditions.loss, self.mishaps.count_max) = (6_000, 0, 0);
                self.purge_after_ms = 0;
            }
            2 => {
                // What one owner has not heard of it does not hear of later.
                (self.keys, self.hints_max, self.syncs) = (6, 0, false);
                (self.conditions.loss, self.mishaps.count_max) = (*random.pick(&[150, 300]), 0);
                (self.habits.read, self.habits.pause_max, self.purge_after_ms) = (8, 20_000, 0);
            }
            3 => self.expire_and_dig(random),
            4 => {
                (self.mishaps.loss, self.mishaps.losses_max, self.mishaps.count_max) = (60, 1, 10);
                self.read_all(random);
            }
            _ => {
                (self.nodes, self.moves) = (u64::from(n) + 2, random.between(2, 6));
                self.late_owners = random.chance(300);
                self.read_all(random);
            }
        }
    }

    /// Some are read at all owners, one of which may lack what the others hold below a floor.
    fn read_all(&mut self, random: &mut Random) {
        self.habits.ttl = 0;
        if random.chance(750) {
            (self.keys, self.habits.other_level, self.habits.read) = (6, 600, 60);
            self.sync_max = 300;
        }
    }

    /// Values expire, by clocks that disagree, and what one reader makes final is cut off before all owners have it.
    fn expire_and_dig(&mut self, random: &mut Random) {
        let habits = &mut self.habits;
        (habits.ttl, habits.read, habits.write, habits.delete) = (950, 90, 20, 4);
        (habits.repeat, habits.pause_max) = (0, 20_000);
        (self.keys, self.hints_max, self.syncs) = (random.between(1, 3), 0, false);
        self.skew_ms = *random.pick(&[50, 400, 1_500]);
        (self.purge_after_ms, self.conditions.loss) = (0, *random.pick(&[80, 200]));
        self.mishaps.count_max = *random.pick(&[0, 12]);
    }

    /// Nodes lose the end of what they had acknowledged and go on, one after the other, under clients at a quorum: what
    /// was acknowledged is missing then, and what is written later may stand below it. Some hear late of it.
    fn accept_losses(&mut self, random: &mut Random) {
        self.tables.truncate(1);
        let n = *random.pick(&[3, 3, 3, 4, 5]);
        let w = if random.chance(200) { Level::All } else { Level::Quorum };
        self.tables[0] =
            TableSetting { n, r: Level::Quorum, w, durability: Durability::Sync, ..self.tables[0] };
        self.nodes = u64::from(n) + random.below(2);
        (self.keys, self.clients) = (random.between(1, 3), random.between(2, 4) as u32);
        (self.operations, self.alters) = (random.between(50, 90) as u32, random.below(2));
        self.hints_max = *random.pick(&[0, 0, 40]);
        let habits = &mut self.habits;
        (habits.read, habits.write, habits.delete) = (60, 30, 5);
        (habits.ttl, habits.other_level, habits.pause_max) = (0, *random.pick(&[0, 0, 200]), 15_000);
        self.conditions.loss = *random.pick(&[0, 80, 250]);
        self.mishaps = Mishaps {
            count_max: 10,
            accept: 60,
            crash: 20,
            isolate: 50,
            lag: 20,
            lasting_max: *random.pick(&[60_000, 250_000]),
            ..Mishaps::default()
        };
    }

    /// Writes that are patient while most disks are full: the one that took a record first has lost it, and was filled by
    /// the others, before another one takes it.
    fn lose_first_of_few(&mut self, random: &mut Random) {
        (self.tables[0].n, self.tables[0].w, self.nodes) = (3, Level::Quorum, random.between(3, 4));
        (self.keys, self.hints_max, self.timeout) = (random.between(3, 6), 0, (1_500_000, 2_500_000));
        (self.clients, self.conditions) = (random.between(4, 6) as u32, Conditions::default());
        (self.habits.read, self.habits.write, self.habits.other_level) = (60, 30, 0);
        self.mishaps = Mishaps {
            count_max: 12,
            loss: 40,
            losses_max: 1,
            full_beside: 60,
            lasting_max: *random.pick(&[150_000, 400_000]),
            ..Mishaps::default()
        };
    }

    /// A table is dropped while nodes are away, have not heard of it, or forget that they had.
    fn drop_a_table(&mut self, random: &mut Random) {
        let table = TableSetting {
            n: 3,
            r: Level::Quorum,
            w: Level::Quorum,
            durability: Durability::Sync,
            ..self.tables[0]
        };
        (self.drops, self.tables, self.alters) = (true, vec![table; 3], 0);
        self.nodes = random.between(3, 5);
        (self.keys, self.operations) = (1, random.between(60, 100) as u32);
        let lasting_max = 700_000;
        self.mishaps = Mishaps {
            count_max: 8,
            power: 40,
            blackout: 60,
            lag: 60,
            crash: 20,
            lasting_max,
            ..Mishaps::default()
        };
    }

    /// Owners that are away long and often, of which no hint tells; a disk may fail, and few reads repair anything.
    fn sync_alone(&mut self) {
        let random = &mut Random::new(self.seed, For::Sync, [1, 0]);
        (self.syncs, self.hints_max, self.alters) = (true, 0, 0);
        for table in &mut self.tables {
            (table.n, table.r, table.w) = (3, Level::Quorum, Level::Quorum);
            table.durability = Durability::Sync;
        }
        self.nodes = random.between(3, 4);
        self.mishaps = Mishaps {
            count_max: 8,
            isolate: 50,
            crash: 30,
            split: 20,
            power: 10,
            disk_error: 20,
            lasting_max: *random.pick(&[300_000, 900_000]),
            ..Mishaps::default()
        };
        let habits = &mut self.habits;
        (habits.read, habits.write, habits.delete, habits.id) = (15, 70, 15, 600);
        (habits.ttl, habits.repeat, habits.pause_max) = (*random.pick(&[0, 200]), 20, 10_000);
        (self.keys, self.operations) = (random.between(1, 3), random.between(40, 90) as u32);
        let tail_max = *random.pick(&[20_000, 150_000, 400_000]);
        self.conditions = Conditions { tail: 250, tail_max, loss: 40, ..Conditions::default() };
    }

    fn cuts_power(&self) -> bool {
        self.mishaps.count_max > 0 && self.mishaps.power + self.mishaps.blackout > 0
    }

    /// The durability of the first table after so many changes.
    pub fn durability_after(&self, alters: u64) -> Durability {
        match (self.tables[0].durability, alters % 2) {
            (first, 0) => first,
            (Durability::Os, _) => Durability::Sync,
            (Durability::Sync, _) => Durability::Os,
        }
    }

    /// Turns the history towards its profile.
    fn aim(&mut self, random: &mut Random) {
        let (habits, mishaps) = (&mut self.habits, &mut self.mishaps);
        match self.profile {
            Profile::Mixed => {}
            Profile::Contention => {
                self.keys = 1;
                self.tables.truncate(1);
                self.clients = random.between(3, 6) as u32;
                habits.pause_max = 3_000;
                self.conditions.tail = 150;
                if random.chance(400) {
                    // Where a quorum is three, two owners are more than one and still too few.
                    (self.tables[0].n, self.tables[0].r, self.tables[0].w) =
                        (5, Level::Quorum, Level::Quorum);
                    self.nodes = self.nodes.max(5);
                    self.conditions = Conditions { tail: 400, tail_max: 80_000, loss: 80, ..self.conditions };
                }
            }
            Profile::Retries => {
                (habits.id, habits.retry, habits.repeat) = (900, 900, 25);
                self.keys = random.between(1, 2);
                if random.chance(500) {
                    // An id that one owner knows, later writes at all of them, and neither a hint nor a read that
                    // tells the others of the id.
                    (self.keys, self.hints_max, self.conditions.loss) = (1, 0, 300);
                    (habits.read, habits.batch, habits.names) = (1, 0, 1);
                    (self.timeout, self.operations) = ((100_000, 200_000), random.between(14, 24) as u32);
                }
                self.conditions.loss = self.conditions.loss.max(80);
                self.conditions.reset = 60;
                if random.chance(400) {
                    self.attempt_often(random);
                }
            }
            Profile::Forgetting => {
                (habits.id, habits.retry, habits.repeat) = (1_000, 800, 35);
                (habits.names, habits.write, habits.read) = (random.between(5, 9), 70, 15);
                (self.keys, self.clients) = (1, 3);
                self.tables.truncate(1);
                self.operations = random.between(60, 90) as u32;
                mishaps.count_max = 2;
            }
            Profile::Expiry => {
                // Few writes, so that one version is read, expires and is flagged while copies of it are still under
                // way; and clocks so far apart that some reader would show it again.
                (habits.ttl, habits.read, habits.write) = (900, 90, 20);
                self.skew_ms = *random.pick(&[50, 400, 1_500]);
                mishaps.clock = 40;
                self.keys = random.between(1, 2);
                self.conditions.duplication = 150;
                (self.conditions.tail, self.conditions.tail_max) = (200, *random.pick(&[50_000, 400_000]));
                if random.chance(400) {
                    // One reader's flag is on its way to the owners that the next reader asks.
                    (self.tables[0].r, self.tables[0].w, habits.other_level) =
                        (Level::Quorum, Level::Quorum, 0);
                    self.tables.truncate(1);
                    self.conditions = Conditions { tail: 500, tail_max: 60_000, ..Conditions::default() };
                    (self.keys, self.clients, habits.pause_max) = (1, 6, 4_000);
                    self.operations = random.between(90, 120) as u32;
                    (self.timeout, mishaps.count_max) = ((300_000, 900_000), 0);
                }
            }
            Profile::Levels => {
                habits.other_level = 700;
                self.keys = random.between(1, 2);
                // Coordinators that own nothing, and answers that get lost: no coordinator knows what an owner assigned.
                self.nodes += 2;
                self.conditions.reset = 250;
                match random.weighted(&[50, 30, 20]) {
                    0 => {}
                    1 => {
                        // Writes at a quorum of a table that promises more, and one owner that has not heard of them.
                        self.tables[0].w = Level::All;
                        (self.keys, habits.write, habits.pause_max) = (1, 100, 4_000);
                        (self.conditions.tail, self.conditions.tail_max) = (300, 100_000);
                        self.conditions.reset = 20;
                    }
                    _ => {
                        // One owner alone: if its answer is lost, no other owner tells that it took the write.
                        (self.tables[0].n, self.tables[0].r, self.tables[0].w) =
                            (1, Level::Quorum, Level::Quorum);
                        self.conditions.reset = 400;
                    }
                }
            }
            Profile::Eager => {
                (self.tables[0].w, self.tables[0].n, habits.other_level) = (Level::One, 3, 1_000);
                self.nodes = self.nodes.max(3);
                self.tables[0].r = Level::Quorum;
                self.tables.truncate(1);
                self.conditions = Conditions { tail: 500, tail_max: 40_000, ..Conditions::default() };
                (self.keys, habits.pause_max, self.timeout) = (1, 1_000, (300_000, 900_000));
                (habits.read, habits.write, self.clients, self.sync_max) = (10, 90, 3, 300);
                mishaps.count_max = 0;
            }
            Profile::Overtaking => {
                (self.tables[0].w, self.tables[0].r, habits.other_level) =
                    (Level::Quorum, Level::Quorum, 700);
                (self.tables[0].n, self.nodes, self.hedge) = (3, 3, Span::from_millis(200));
                self.tables.truncate(1);
                self.conditions = Conditions { slow_by: 60_000, ..Conditions::default() };
                (self.keys, self.clients, self.sync_max) = (1, 8, 300);
                (habits.read, habits.write, habits.pause_max) = (60, 60, 15_000);
                self.timeout = (400_000, 900_000);
                self.operations = random.between(120, 160) as u32;
                mishaps.count_max = 0;
            }
            Profile::Power => {
                (mishaps.count_max, mishaps.power, mishaps.blackout, mishaps.crash) = (6, 60, 40, 20);
                // A disk that is slow has taken much that it has not synced when its power is cut.
                (mishaps.lie, mishaps.slow_disk, habits.pause_max) = (15, 40, 5_000);
                let forgets = random.chance(250);
                for table in &mut self.tables {
                    table.durability = if forgets { Durability::Os } else { Durability::Sync };
                }
                habits.raised = if forgets { 500 } else { 50 };
                self.alters = if forgets { random.below(2) } else { 0 };
                if random.chance(250) {
                    self.restart_often();
                }
            }
            Profile::Absence => {
                (mishaps.isolate, mishaps.crash, mishaps.split) = (60, 40, 30);
                habits.write = 70;
                self.keys = random.between(2, 4);
            }
            Profile::Catalog => {
                self.alters = random.between(2, 6);
                (mishaps.lag, mishaps.count_max) = (60, 6);
                (mishaps.power, mishaps.blackout) = (0, 0);
                self.conditions.tail = 150;
                (self.keys, habits.write) = (random.between(1, 2), 60);
                let far_behind = random.chance(500);
                if far_behind {
                    // One node so far behind, and clients so patient, that the catalog is awaited in vain.
                    (mishaps.lasting_max, mishaps.lag) = (2_000_000, 120);
                    self.timeout = (1_200_000, 2_000_000);
                } else if random.chance(500) {
                    self.drop_a_table(random);
                }
            }
            Profile::Slowness => {
                (mishaps.pause, mishaps.slow_disk, mishaps.count_max) = (40, 90, 6);
                (habits.write, self.timeout) = (90, (1_500_000, 2_000_000));
                // Few writes of many keys: what is missing somewhere is not soon hidden by something later.
                (self.keys, self.operations) = (4, random.between(10, 18) as u32);
                if random.chance(500) {
                    self.tables[0].w = Level::All;
                }
            }
            Profile::Filling => self.lose_disks(random),
            Profile::Accepting => self.accept_losses(random),
            Profile::Moving => {
                self.move_shards(random);
                self.lose_while_moving();
            }
            Profile::Grave => self.dig(random),
            Profile::Splitting => self.split_shards(random),
            Profile::Scanning => self.scan_all(random),
            Profile::Raising => {
                *mishaps = Mishaps { count_max: 6, power: 20, blackout: 80, ..Mishaps::default() };
                mishaps.lasting_max = 40_000;
                self.operations = random.between(60, 100) as u32;
                self.conditions = Conditions { tail: 100, tail_max: 20_000, ..Conditions::default() };
                (self.keys, self.sync_max, habits.delete, habits.ttl) = (1, 300, 0, 0);
                (self.tables[0].n, self.tables[0].durability) = (3, Durability::Os);
                self.nodes = self.nodes.max(3);
                (self.tables[0].r, self.tables[0].w) = (Level::Quorum, Level::Quorum);
                self.tables.truncate(1);
                if random.chance(500) {
                    (self.alters, habits.raised) = (random.between(1, 3), 0);
                    (habits.read, habits.write, habits.pause_max) = (90, 12, 30_000);
                } else {
                    // What is synced is synced for the sake of one that was held already.
                    (self.alters, habits.raised, habits.raised_again) = (0, 10, 800);
                    (habits.id, habits.repeat, habits.names) = (1_000, 60, 4);
                    (habits.read, habits.write, self.clients) = (40, 20, 3);
                }
            }
        }
    }

    /// Times to live so short that the first write of each is often cut off, with its record on one owner and not on others.
    fn restart_often(&mut self) {
        self.mishaps = Mishaps { count_max: 40, blackout: 1, lasting_max: 20_000, ..Mishaps::default() };
        self.tables.truncate(1);
        let table = &mut self.tables[0];
        (table.n, table.r, table.w) = (3, Level::Quorum, Level::Quorum);
        table.durability = Durability::Sync;
        self.nodes = self.nodes.max(3);
        (self.keys, self.clients, self.alters, self.sync_max) = (1, 1, 0, 12_000);
        (self.habits.read, self.habits.write, self.habits.pause_max) = (10, 90, 2_000);
        self.habits.other_level = 0;
    }

    /// Attempts at one id that are cut off, each with its record on another owner; later writes that hide them all; and
    /// the latest write of each client repeated again and again, while late messages make that every repetition hears of
    /// other owners.
    fn attempt_often(&mut self, random: &mut Random) {
        self.restart_often();
        let (habits, mishaps) = (&mut self.habits, &mut self.mishaps);
        mishaps.count_max = 200;
        (habits.id, habits.retry, habits.names) = (1_000, 900, 1);
        (habits.read, habits.write, habits.delete, habits.batch) = (1, 40, 0, 0);
        (habits.repeat, habits.latest, habits.ttl) = (60, 900, 0);
        // Neither a hint nor a read tells the other owners of an attempt.
        (self.nodes, self.clients, self.hints_max) = (3, 2, 0);
        (self.hedge, self.timeout) = (Span::from_millis(3), (60_000, 200_000));
        self.operations = random.between(120, 180) as u32;
        self.conditions = Conditions { tail: 250, tail_max: 40_000, ..Conditions::default() };
    }

    /// When each node of a cluster is upgraded, where a history tells of an upgrade. A stream of its own: all else that the
    /// seed chooses is the same with it and without.
    fn upgrades(seed: u64, nodes: u64) -> Vec<u32> {
        let random = &mut Random::new(seed, For::Versions, [0, 0]);
        if !random.chance(150) {
            return Vec::new();
        }
        (0..nodes).map(|_| *random.pick(&[1, 1, 2, 2, 3])).collect()
    }

    /// Takes out what no protocol can stand, so that what is left must be stood: a failed disk is a minority.
    fn keep_promises_possible(&mut self, random: &mut Random) {
        // Outside the profiles that are about power, most tables that may forget are kept from it: much less can be
        // demanded of them.
        let os = self.tables.iter().any(|table| table.durability == Durability::Os);
        let is_about_power = matches!(self.profile, Profile::Power | Profile::Raising);
        if os && !is_about_power && random.chance(800) {
            (self.mishaps.power, self.mishaps.blackout) = (0, 0);
        }
        // A table that never forgets stays so while the power may be cut, or nothing could be demanded of it.
        if self.cuts_power() && self.tables[0].durability == Durability::Sync {
            self.alters = 0;
        }
        // A disk that lied ends in a power cut: where nothing else cuts the power, nothing may be unsynced by right.
        if !self.cuts_power() && (os || self.alters > 0) {
            self.mishaps.lie = 0;
        }
        let spare = |table: &TableSetting| {
            let w = table.w.required(table.n).expect("levels are drawn within n");
            table.n >= 3 && w >= quorum(table.n)
        };
        if !self.tables.iter().all(spare) {
            (self.mishaps.disk_error, self.mishaps.lie) = (0, 0);
        }
    }
}

fn conditions(random: &mut Random) -> Conditions {
    if random.chance(150) {
        return Conditions::default();
    }
    Conditions {
        loss: *random.pick(&[0, 20, 80, 200]),
        duplication: *random.pick(&[0, 20, 100]),
        tail: *random.pick(&[0, 30, 100, 250]),
        tail_max: *random.pick(&[20_000, 200_000, 1_500_000]),
        slow_by: 0,
        reset: *random.pick(&[0, 10, 40]),
    }
}

fn table(random: &mut Random, n: u8) -> TableSetting {
    let level = |random: &mut Random| match random.weighted(&[70, 12, 12, 6]) {
        0 => Level::Quorum,
        1 => Level::One,
        2 => Level::All,
        _ => Level::Count(random.between(1, u64::from(n)) as u8),
    };
    TableSetting {
        sharding: Sharding::Hash,
        n,
        r: level(random),
        w: level(random),
        durability: if random.chance(200) { Durability::Os } else { Durability::Sync },
    }
}

fn habits(random: &mut Random) -> Habits {
    Habits {
        read: 50,
        write: 40,
        delete: *random.pick(&[0, 5, 20]),
        batch: *random.pick(&[0, 5]),
        repeat: *random.pick(&[0, 10]),
        scan: 0,
        latest: 0,
        other_level: *random.pick(&[0, 100, 300]),
        at_quorum: 0,
        id: *random.pick(&[0, 300, 900]),
        retry: *random.pick(&[300, 800]),
        raised: 100,
        raised_again: 100,
        ttl: *random.pick(&[0, 0, 150]),
        large: *random.pick(&[0, 300]),
        pause_max: *random.pick(&[2_000, 10_000, 40_000]),
        names: random.between(1, 2),
    }
}

fn mishaps(random: &mut Random) -> Mishaps {
    Mishaps {
        count_max: *random.pick(&[0, 2, 4, 8]),
        crash: 12,
        power: 8,
        blackout: 2,
        pause: 8,
        isolate: 12,
        split: 8,
        one_way: 10,
        clock: 5,
        disk_full: 5,
        full_beside: 0,
        disk_error: 4,
        lie: 8,
        slow_disk: 4,
        lasting_max: 700_000,
        lag: 5,
        loss: 0,
        accept: 0,
        losses_max: 1,
    }
}
