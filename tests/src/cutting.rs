//! Shards that are split and merged, at random, beside all else that happens: some decisions come from a leader whose catalog is
//! an old one.

use crate::coverage::Happening;
use crate::history::PageOutcome;
use crate::random::{For, Random};
use crate::world::World;
use quorate_model::{CopyState, Interval, Sharding, SortKey, TableId};
use quorate_ring::{Catalog, Command, Cut, Merge, Pair, Seen, Shard, Split, TableEntry};

/// Shards of the table that are enough.
const SHARDS_MAX: usize = 6;

/// The table whose shards change.
const TABLE: TableId = TableId(1);

impl World {
    /// A split or a merge, if this is the moment for one.
    pub(crate) fn wanted_cut(&mut self) -> Option<Command> {
        let random = &mut self.random(For::Cuts, [0, self.schedule.now()]);
        if self.closing || self.leading.cuts >= self.setting.cuts || !random.chance(350) {
            return None;
        }
        self.leading.cuts += 1;
        let (first, newest) = (self.cluster.heard_first as u64, self.cluster.commands() as u64);
        let known = if random.chance(150) { random.between(first, newest) } else { newest };
        let catalog = self.cluster.catalog(known as usize);
        let table = catalog.table_by_id(TABLE)?;
        let shards: Vec<&Shard> = table.shards().iter().collect();
        if shards.len() == 1 || (shards.len() < SHARDS_MAX && random.chance(550)) {
            let mut cuts: Vec<Cut> = Vec::new();
            for shard in shards.iter().filter(|shard| shard.joint.is_none()) {
                let place = self.place_inside(table, shard, random);
                cuts.extend(place.map(|at| Cut { seen: Seen::of(shard), at }));
            }
            while cuts.len() > 1 && (cuts.len() > 2 || random.chance(800)) {
                cuts.swap_remove(random.below(cuts.len() as u64) as usize);
            }
            return (!cuts.is_empty()).then_some(Command::Split(Split { table: TABLE, cuts }));
        }
        let is_possible = |two: &&[&Shard]| {
            let is_alike = two[0].owner_nodes().all(|node| two[1].is_owned_by(node));
            is_alike && two.iter().all(|shard| shard.joint.is_none())
        };
        let pairs: Vec<&[&Shard]> = shards.windows(2).filter(is_possible).collect();
        if pairs.is_empty() {
            return None;
        }
        let two = random.pick(&pairs);
        let pair = Pair { left: Seen::of(two[0]), right: Seen::of(two[1]) };
        Some(Command::Merge(Merge { table: TABLE, pairs: vec![pair] }))
    }

    /// A place strictly inside a shard at which one of its keys begins, or right behind one.
    fn place_inside(&self, table: &TableEntry, shard: &Shard, random: &mut Random) -> Option<SortKey> {
        let place = |key: SortKey| match table.sharding {
            Sharding::Hash => SortKey::new(key.as_bytes()[..8].to_vec()),
            Sharding::Range if random.chance(200) => key.successor(),
            Sharding::Range => key,
        };
        let keys = self.cluster.in_order(0).into_iter().map(|(key, _)| key);
        let places: Vec<SortKey> = keys.map(place).collect();
        let inside =
            places.into_iter().filter(|at| *at > shard.interval.start && shard.interval.contains(at));
        let inside: Vec<SortKey> = inside.collect();
        (!inside.is_empty()).then(|| random.pick(&inside).clone())
    }

    /// What is met by a command that is accepted; or, where it is not, by one that comes too late.
    pub(crate) fn note_cut(&mut self, before: &Catalog, command: &Command, is_accepted: bool) {
        let (seen, cut, filling) = match command {
            Command::Split(split) => {
                let seen: Vec<&Seen> = split.cuts.iter().map(|cut| &cut.seen).collect();
                (seen, Happening::Split, Happening::SplitFilling)
            }
            Command::Merge(merge) => {
                let seen = merge.pairs.iter().flat_map(|pair| [&pair.left, &pair.right]).collect();
                (seen, Happening::Merged, Happening::MergedFilling)
            }
            _ => return,
        };
        if !is_accepted {
            return self.met(Happening::CutLate);
        }
        self.met(cut);
        if seen.iter().any(|seen| self.is_being_filled(&seen.interval)) {
            self.met(filling);
        }
        let job = before.running_job();
        if seen.iter().any(|seen| job.is_some_and(|job| job.pending.contains_key(&seen.shard))) {
            self.met(Happening::SplitWaiting);
        }
        let is_open = |scan: &crate::history::ScanHistory| {
            scan.table == 0 && scan.pages.last().is_some_and(|page| matches!(page.outcome, PageOutcome::Open))
        };
        if self.history.scans.iter().any(is_open) {
            self.met(Happening::CutUnderPage);
        }
    }

    /// Whether a node fills its copy of a part of this.
    fn is_being_filled(&self, interval: &Interval) -> bool {
        let meets = |other: &Interval| {
            let begins_before =
                |one: &Interval, other: &Interval| other.end.as_ref().is_none_or(|end| one.start < *end);
            begins_before(interval, other) && begins_before(other, interval)
        };
        let mut living = self.node_ids().into_iter().filter_map(|id| self.peek(id).process.as_ref());
        living.any(|process| {
            let (_, gaps) = process.replica.lacking();
            let mut gaps = gaps.iter().filter(|gap| gap.table == TABLE);
            gaps.any(|gap| gap.state == CopyState::Filling && meets(&gap.interval))
        })
    }
}
