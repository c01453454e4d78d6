//! Requests of which most are for some of the keys: a leader splits and moves until every member carries its share, and
//! then leaves all as it is.

use super::*;
use quorate_model::Key;

/// Requests a second for each of so many keys; a key is its number.
struct Requests {
    rates: Vec<u64>,
    /// How large a part of the requests the first owner carries alone: reads, in hundredths.
    reads: u64,
}

fn numbered(number: usize) -> SortKey {
    SortKey::new(format!("{number:05}").into_bytes())
}

impl Requests {
    /// So many keys, of which the first tenth gets 80 % of so many requests.
    fn skewed(keys: usize, all: u64, reads: u64) -> Self {
        let hot = keys / 10;
        let rate = |number: usize| {
            if number < hot { all * 80 / 100 / hot as u64 } else { all * 20 / 100 / (keys - hot) as u64 }
        };
        Self { rates: (0..keys).map(rate).collect(), reads }
    }

    fn of(&self, shard: &Shard) -> (u64, Option<SortKey>) {
        let inside = |number: &usize| shard.interval.contains(&numbered(*number));
        let numbers: Vec<usize> = (0..self.rates.len()).filter(inside).collect();
        let all: u64 = numbers.iter().map(|number| self.rates[*number]).sum();
        let mut sum = 0;
        let half = numbers.into_iter().find(|number| {
            sum += self.rates[*number];
            sum * 2 >= all
        });
        (all, half.map(numbered))
    }
}

impl Leader {
    /// Every owner says what it carries.
    fn hears(&mut self, requests: &Requests, most: usize) {
        for report in self.reports.values_mut() {
            report.shards.clear();
            report.loads = Some(BTreeMap::new());
        }
        for shard in shards(&self.catalog) {
            let (all, half) = requests.of(&shard);
            for (at, owner) in shard.owner_nodes().enumerate() {
                let read = if at == 0 { all * requests.reads / 100 } else { 0 };
                let load = all * (100 - requests.reads) / 100 + read;
                let report = self.reports.get_mut(&owner).expect("a member");
                *report.loads.get_or_insert_default().entry(shard.id.table).or_default() += load;
                report.shards.push(ShardReport {
                    shard: shard.id,
                    start: shard.interval.start.clone(),
                    bytes: 0,
                    half: None,
                    load,
                    spot: half.clone().map_or(Spot::Unknown, Spot::Half),
                });
            }
        }
        for report in self.reports.values_mut() {
            report.shards.sort_by_key(|said| std::cmp::Reverse(said.load));
            report.shards.truncate(most);
        }
    }

    /// As long a time, in which jobs are carried out at once; how many moves there were.
    fn lives(&mut self, requests: &Requests, seconds: u64) -> usize {
        let mut moves = 0;
        self.hears(requests, 32);
        for _ in 0..seconds {
            for (_, command) in self.goes_on(1) {
                if let Command::Begin(begin) = &command {
                    moves += begin.moves.len();
                    self.catalog = carried_out(&self.catalog);
                }
                self.hears(requests, 32);
            }
        }
        moves
    }

    /// What the member carries that carries most, in hundredths of the mean.
    fn busy(&mut self, requests: &Requests) -> u64 {
        self.hears(requests, 32);
        let load = |report: &NodeReport| report.loads.iter().flat_map(BTreeMap::values).sum();
        let loads: Vec<u64> = self.reports.values().map(load).collect();
        let mean = loads.iter().sum::<u64>() / loads.len() as u64;
        loads.iter().max().expect("members") * 100 / mean.max(1)
    }
}

/// A range table of twelve shards over six nodes, which lies evenly but for what it is asked.
fn spread(n: u8, zones: &[&str]) -> Catalog {
    let mut catalog = founded(1);
    for number in 2..=6u64 {
        let mut new = node(number);
        if let Some(zone) = zones.get(number as usize % 3) {
            (*zone).clone_into(&mut new.zone);
        }
        catalog = accept(&catalog, &Command::Admit(new));
    }
    let split_at = (1..12).map(|at| Key::new(format!("{:05}", at * 100))).collect();
    let new = NewTable { sharding: Sharding::Range, shards: 12, n, ..table("log") };
    accept(&catalog, &Command::CreateRange(NewRange { table: new, split_at }))
}

#[test]
fn a_skewed_load_is_split_and_spread_within_ten_minutes_and_then_all_is_quiet() {
    let three = ["a", "b", "c"];
    for (n, reads, zones) in [
        (3, 0, &[][..]),
        (3, 20, &[]),
        (3, 30, &three),
        (1, 0, &[]),
        (1, 0, &three),
        (2, 20, &three),
        (5, 20, &[]),
    ] {
        let case = format!("{n} copies, {reads} % reads, zones {zones:?}");
        let mut leader = Leader::of(spread(n, zones));
        let requests = Requests::skewed(1_200, 60_000, reads);
        assert!(leader.busy(&requests) > 110, "{case}: even from the beginning");
        leader.lives(&requests, 600);
        assert!(leader.busy(&requests) <= 112, "{case}: {} % after ten minutes", leader.busy(&requests));
        leader.lives(&requests, 600);
        assert!(leader.busy(&requests) <= 110, "{case}: {} % after twenty", leader.busy(&requests));
        let (copies, shards) = (copies(&leader.catalog), shards(&leader.catalog).len());
        assert!(
            copies.iter().max() <= copies.iter().min().map(|least| least + 2).as_ref(),
            "{case}: {copies:?}"
        );
        assert!(shards <= 64, "{case}: {shards} shards");
        assert_eq!(leader.lives(&requests, 3_600), 0, "{case}: then all is quiet");
    }
}

#[test]
fn who_is_asked_for_little_or_for_what_all_own_is_left_alone() {
    let mut leader = Leader::of(spread(3, &[]));
    let little = Requests::skewed(1_200, 1_200, 0);
    assert_eq!(leader.lives(&little, 1_200), 0, "under load_min");
    let split_at = vec![Key::new("00060")];
    let new = NewTable { sharding: Sharding::Range, shards: 2, ..table("log") };
    let catalog = accept(&founded(3), &Command::CreateRange(NewRange { table: new, split_at }));
    let mut leader = Leader::of(catalog);
    let requests = Requests::skewed(1_200, 60_000, 50);
    assert_eq!(leader.lives(&requests, 3_600), 0, "three copies on three nodes");
    assert!(shards(&leader.catalog).len() <= 8, "no split that only a balance would need");
}

#[test]
fn jobs_that_are_no_help_become_rare() {
    // Whatever moves, requests follow it: the second member always says that it carries most.
    let mut leader = Leader::of(spread(2, &[]));
    let requests = Requests::skewed(1_200, 6_000, 0);
    let mut begun = [0, 0];
    for tens in 0..720 {
        leader.hears(&requests, 32);
        for (node, report) in &mut leader.reports {
            let load = if *node == NodeId(2) { 5_000 } else { 1_000 };
            report.loads = Some(BTreeMap::from([(TableId(1), load)]));
        }
        for (_, command) in leader.goes_on(10) {
            if matches!(command, Command::Begin(_)) {
                begun[tens / 360] += 1;
                leader.catalog = carried_out(&leader.catalog);
            }
        }
    }
    assert!((1..=8).contains(&begun[0]) && begun[1] <= 2, "{begun:?}");
}

#[test]
fn copies_that_zones_keep_where_they_are_do_not_keep_requests_from_being_balanced() {
    // The nodes of two zones of one node each hold a copy of everything; the third zone has four.
    let mut catalog = founded(1);
    for (number, zone) in (2..=6u64).zip(["zone-0", "zone-2", "zone-2", "zone-2", "zone-2"]) {
        let mut new = node(number);
        zone.clone_into(&mut new.zone);
        catalog = accept(&catalog, &Command::Admit(new));
    }
    let split_at = (1..12).map(|at| Key::new(format!("{:05}", at * 100))).collect();
    let new = NewTable { sharding: Sharding::Range, shards: 12, ..table("log") };
    let mut leader = Leader::of(accept(&catalog, &Command::CreateRange(NewRange { table: new, split_at })));
    let requests = Requests::skewed(1_200, 60_000, 0);
    leader.lives(&requests, 1_800);
    let loads =
        |leader: &Leader, node| leader.reports[&NodeId(node)].loads.iter().flatten().map(|it| *it.1).sum();
    let loads: Vec<u64> = (3..=6).map(|node| loads(&leader, node)).collect();
    let mean = loads.iter().sum::<u64>() / 4;
    assert!(loads.iter().all(|load| load * 100 <= mean * 115), "within its zone: {loads:?}");
    assert_eq!(leader.lives(&requests, 3_600), 0, "then all is quiet");
}

#[test]
fn where_a_member_does_not_say_what_it_carries_no_request_moves() {
    let mut leader = Leader::of(spread(3, &[]));
    leader.limits.hot_for = Span::from_millis(u64::MAX / 2_000);
    let requests = Requests::skewed(1_200, 60_000, 0);
    for _ in 0..60 {
        leader.hears(&requests, 32);
        leader.reports.get_mut(&NodeId(4)).expect("a member").loads = None;
        let done = leader.goes_on(10);
        assert!(!done.iter().any(|(_, command)| matches!(command, Command::Begin(_))), "{done:?}");
    }
}

#[test]
fn of_many_that_carry_too_much_each_is_relieved() {
    // Five carry nearly all, the sixth next to nothing: no few moves lower the most of all.
    let mut leader = Leader::of(spread(2, &[]));
    let of_sixth = |shard: &Shard| shard.is_owned_by(NodeId(6));
    let mut rates = vec![0; 1_200];
    for shard in shards(&leader.catalog).iter().filter(|shard| !of_sixth(shard)) {
        let inside = (0..1_200).filter(|number| shard.interval.contains(&numbered(*number)));
        inside.for_each(|number| rates[number] = 50);
    }
    let requests = Requests { rates, reads: 0 };
    assert!(leader.busy(&requests) > 110);
    assert!(leader.lives(&requests, 600) > 0);
    leader.lives(&requests, 1_200);
    assert!(leader.busy(&requests) <= 115, "{}", leader.busy(&requests));
}
