//! From states of a cluster to the first line that an operator reads.

use super::*;
use crate::status::facts::{Healing, Stays};

/// A cluster of three that is well, as n1 sees it.
fn well() -> Facts {
    Facts {
        asked: "n1".to_owned(),
        members: (1..=3).map(member).collect(),
        leader: Some("n1".to_owned()),
        shards: 64,
        refusing: Refusing::default(),
        free_bytes_min: Some(128 << 20),
        ..Facts::default()
    }
}

fn member(number: u32) -> Member {
    Member {
        id: format!("n{number}"),
        name: format!("n{number}"),
        address: format!("10.0.0.{number}:7400"),
        peer_address: format!("10.0.0.{number}:7500"),
        is_heard: true,
        is_returning: false,
        is_voter: true,
        answer: Answer::Ready,
        stays: Stays::Yes,
        doubt: None,
        healing: None,
        disk_full: false,
        free_bytes: Some(50 << 30),
        leftover_bytes: 0,
        version: Some("0.8.0".to_owned()),
        hints: 0,
        keeps_hints_for: Vec::new(),
        hints_overflow: 0,
    }
}

fn down(facts: &mut Facts, at: usize) {
    facts.members[at].is_heard = false;
    facts.members[at].answer = Answer::Silent("connection refused".to_owned());
}

fn not_ready(facts: &mut Facts, at: usize, code: &str) {
    facts.members[at].answer = Answer::NotReady { code: code.to_owned(), why: "it says why".to_owned() };
}

fn doubtful(facts: &mut Facts, at: usize, cause: &str) {
    facts.members[at].doubt = Some(cause.to_owned());
    not_ready(facts, at, "replica-doubtful");
}

fn filling(facts: &mut Facts, at: usize, whole: u64, waits_for: Option<&str>) {
    let waits_for = waits_for.map(str::to_owned);
    facts.members[at].healing = Some(Healing { shards: 64, whole, records: 12_345, waits_for });
    not_ready(facts, at, "unavailable");
}

#[test]
fn removals_that_wait_are_a_note_that_says_for_whom() {
    use crate::status::facts::{Held, Hold};
    let mut facts = well();
    facts.purge_held_back.insert(Hold::Node("n3".to_owned()), Held { shards: 64, removals: 12_345 });
    facts.purge_held_back.insert(Hold::Move, Held { shards: 1, removals: 1 });
    let problems = diagnose(&facts);
    let said: Vec<String> = problems.iter().map(Problem::sentence).collect();
    assert_eq!(
        said,
        [
            "the purge of 12,345 removals in 64 shards waits for n3; it goes on once n3 is up and holds everything",
            "the purge of 1 removal in 1 shard waits for a move; it goes on after that",
        ]
    );
    assert!(problems.iter().all(|problem| problem.severity == Severity::Note));
}

fn refusing(facts: &mut Facts, reads: u64, writes: u64) {
    facts.refusing = Refusing { reads, writes };
    facts.at_risk = vec!["table demo: some of its shards have fewer than 2 owners up".to_owned()];
}

fn moves() -> Job {
    let says = "add goes on: 37 of 64 shards have moved".to_owned();
    Job { says, then: "`quorate job show j`".to_owned(), is_move: true }
}

/// A state, made from one that is well, and the first line it is to have.
type Row = (fn(&mut Facts), Severity, &'static str);

const ROWS: &[Row] = &[
    (
        |facts| down(facts, 2),
        Severity::Degraded,
        "n3 is down: reads and writes go on, every shard has a quorum; start n3 again",
    ),
    (
        |facts| {
            down(facts, 2);
            facts.is_dev = true;
        },
        Severity::Degraded,
        "n3 is down: reads and writes go on, every shard has a quorum; start n3 again: `quorate dev start n3`",
    ),
    (
        |facts| {
            down(facts, 1);
            down(facts, 2);
            refusing(facts, 64, 64);
        },
        Severity::Broken,
        "n2 and n3 are down: all 64 shards refuse reads and writes; start n2 and n3 again",
    ),
    (
        |facts| {
            down(facts, 2);
            refusing(facts, 0, 16);
        },
        Severity::Broken,
        "n3 is down: 16 of 64 shards refuse writes, reads go on; start n3 again",
    ),
    (
        |facts| {
            down(facts, 2);
            refusing(facts, 16, 64);
        },
        Severity::Broken,
        "n3 is down: 16 of 64 shards refuse reads, 64 refuse writes; start n3 again",
    ),
    (
        |facts| {
            down(facts, 1);
            doubtful(facts, 2, "behind");
            refusing(facts, 64, 64);
        },
        Severity::Broken,
        "n2 is down, n3 is doubtful (behind): all 64 shards refuse reads and writes; start n2 again, \
         if its log says that it can't heal by itself: `quorate node accept-loss n3 --preview`",
    ),
    (
        |facts| doubtful(facts, 2, "behind"),
        Severity::Degraded,
        "n3 is doubtful (behind): it does not answer for its shards, their other owners do; \
         if its log says that it can't heal by itself: `quorate node accept-loss n3 --preview`",
    ),
    (
        |facts| (facts.members[2].is_heard, facts.members[2].is_returning) = (false, true),
        Severity::Degraded,
        "n3 is back, and n1 counts on it once it is steady: reads and writes go on through the others; nothing to do, \
         unless it lasts",
    ),
    (
        |facts| doubtful(facts, 2, "damaged"),
        Severity::Degraded,
        "n3 is doubtful (damaged): it does not answer for its shards, their other owners do; \
         started with `--join` it fills itself; else keep its folder aside, and start it with `--replace-self n3` on an \
         empty one",
    ),
    (
        |facts| {
            filling(facts, 2, 0, None);
            doubtful(facts, 2, "behind");
        },
        Severity::Degraded,
        "n3 is doubtful (behind): it does not answer for its shards, their other owners do; \
         n3 heals by itself: nothing to do",
    ),
    (
        |facts| {
            filling(facts, 2, 0, Some("a majority of the voters"));
            doubtful(facts, 2, "behind");
        },
        Severity::Degraded,
        "n3 is doubtful (behind): it does not answer for its shards, their other owners do; \
         n3 waits for: a majority of the voters",
    ),
    (
        |facts| filling(facts, 2, 37, None),
        Severity::Degraded,
        "n3 fills itself: 37 of 64 shards whole, 12,345 records; the other owners answer for the rest; nothing to do",
    ),
    (
        |facts| filling(facts, 2, 37, Some("shard t1/7 needs 2 whole owners beside this one and has 1 (n1)")),
        Severity::Degraded,
        "n3 fills itself: 37 of 64 shards whole, 12,345 records; the other owners answer for the rest; \
         n3 waits for: shard t1/7 needs 2 whole owners beside this one and has 1 (n1)",
    ),
    (
        |facts| {
            down(facts, 1);
            filling(facts, 2, 37, Some("shard t1/7 needs 2 whole owners beside this one and has 1 (n1)"));
            refusing(facts, 27, 27);
        },
        Severity::Broken,
        "n2 is down, n3 fills itself (37 of 64 shards whole): 27 of 64 shards refuse reads and writes; \
         start n2 again, n3 waits for: shard t1/7 needs 2 whole owners beside this one and has 1 (n1)",
    ),
    (
        |facts| not_ready(facts, 1, "draining"),
        Severity::Degraded,
        "n2 is about to stop; the others serve meanwhile; nothing to do",
    ),
    (
        |facts| not_ready(facts, 1, "starting"),
        Severity::Degraded,
        "n2 is starting; the others serve meanwhile; wait a moment; if it stays so, see its log",
    ),
    (
        |facts| not_ready(facts, 1, "unavailable"),
        Severity::Degraded,
        "n2 is not ready: it says why; see its log",
    ),
    (
        |facts| facts.leader = None,
        Severity::Degraded,
        "the catalog has no leader: tables can't be made or changed, keys do not need it; \
         one is elected within seconds; if not, the logs of the voters say why",
    ),
    (
        |facts| {
            facts.members.push(Member { is_voter: false, ..member(4) });
            facts.members[3].is_voter = false;
            down(facts, 1);
            down(facts, 2);
            facts.leader = None;
        },
        Severity::Degraded,
        "the catalog has 1 of 3 voters and no majority: tables can't be made or changed, keys do not need it; \
         bring back n2 and n3",
    ),
    (
        |facts| {
            facts.members[2].disk_full = true;
            not_ready(facts, 2, "unavailable");
        },
        Severity::Degraded,
        "the disk of n3 is full: it refuses writes, the others take them; reads go on; free some space there",
    ),
    (
        |facts| {
            facts.members[1].disk_full = true;
            facts.members[2].disk_full = true;
        },
        Severity::Broken,
        "the disks of n2 and n3 are full: they refuse writes, writes fail where too few owners have space; \
         reads go on; free some space there",
    ),
    (
        |facts| facts.members[1].free_bytes = Some(300 << 20),
        Severity::Warning,
        "the disk of n2 is nearly full: 300 MiB free, it refuses writes at 128 MiB; free some space there",
    ),
    (
        // The node that was asked is the one without a network.
        |facts| {
            for at in [1, 2] {
                facts.members[at].is_heard = false;
            }
            not_ready(facts, 0, "unavailable");
            refusing(facts, 64, 64);
        },
        Severity::Broken,
        "n1, which was asked, is cut off from its peers and refuses requests; n2 and n3 are ready; \
         check the peer network of n1; until then --endpoint 10.0.0.2:7400",
    ),
    (
        // Another one is, and this machine still reaches it.
        |facts| {
            facts.members[2].is_heard = false;
            not_ready(facts, 2, "unavailable");
        },
        Severity::Degraded,
        "n3 runs, but n1 does not hear it: reads and writes go on through the others; \
         check the network to the peer address 10.0.0.3:7500",
    ),
    (
        |facts| {
            down(facts, 2);
            facts.members[1].is_heard = false;
            not_ready(facts, 1, "unavailable");
            refusing(facts, 64, 64);
        },
        Severity::Broken,
        "n3 is down, n2 runs but is not heard: all 64 shards refuse reads and writes; start n3 again, \
         check the network to the peer address 10.0.0.2:7500",
    ),
    (
        |facts| {
            facts.members[2].is_heard = false;
            facts.is_dev = true;
        },
        Severity::Degraded,
        "n3 runs, but n1 does not hear it: reads and writes go on through the others; \
         `quorate dev heal n3` ends a `dev cut`",
    ),
    (
        |facts| facts.members[2].answer = Answer::Silent("nothing came within 1.0 s".to_owned()),
        Severity::Degraded,
        "n3 does not answer here at 10.0.0.3:7400 (nothing came within 1.0 s), but n1 hears it: reads and writes go \
         on; check its --advertise and the network from here",
    ),
    (
        |facts| facts.members[2].version = Some("0.9.0".to_owned()),
        Severity::Note,
        "two versions run: 0.8.0 on n1 and n2, 0.9.0 on n3; go on with the upgrade",
    ),
    (
        |facts| {
            facts.members[0].leftover_bytes = 3 << 30;
            facts.members[1].leftover_bytes = 1 << 30;
        },
        Severity::Note,
        "n1 and n2 still hold 4.0 GiB of shards that are with other owners now; they clear it by themselves",
    ),
    (|facts| facts.members[2].hints = 1117, Severity::Note, "1,117 hints on the way to n3; nothing to do"),
    (
        |facts| facts.members[0].hints_overflow = 400,
        Severity::Note,
        "n1 had no room for 400 hints since its data folder was made: owners that were away may lack those writes; \
         background sync brings them over: `quorate sync status`",
    ),
    (
        |facts| facts.members[2].name = "n2".to_owned(),
        Severity::Note,
        "n3 is named n2, which is another member's id; say id:n2 or name:n2",
    ),
    (
        |facts| facts.jobs = vec![moves()],
        Severity::Note,
        "add goes on: 37 of 64 shards have moved; `quorate job show j`",
    ),
    (
        |facts| facts.members[2].stays = Stays::Joining,
        Severity::Note,
        "n3 owns nothing yet; `quorate cluster plan add n3` shows what its share would be",
    ),
    (
        |facts| {
            facts.members[2].stays = Stays::Drained;
            not_ready(facts, 2, "draining");
        },
        Severity::Note,
        "n3 is drained: it gets no new copies and takes no requests for keys; `quorate node undrain n3` ends that",
    ),
    (
        |facts| {
            facts.members[2].stays = Stays::Drained;
            filling(facts, 2, 37, None);
        },
        Severity::Degraded,
        "n3 fills itself: 37 of 64 shards whole, 12,345 records; the other owners answer for the rest; nothing to do",
    ),
    (
        |facts| facts.complaint = Some("the moon is full".to_owned()),
        Severity::Degraded,
        "the moon is full; see `quorate cluster nodes --wide`",
    ),
    (
        |facts| facts.members.clear(),
        Severity::Broken,
        "the node that was asked does not know its cluster yet; \
         wait a moment; if it stays so, its log says what it waits for",
    ),
];

#[test]
fn each_state_has_its_first_line() {
    for (make, severity, line) in ROWS {
        let mut facts = well();
        make(&mut facts);
        let problems = diagnose(&facts);
        let first = problems.first().unwrap_or_else(|| panic!("nothing is said instead of: {line}"));
        assert_eq!((first.sentence().as_str(), first.severity), (*line, *severity));
    }
}

#[test]
fn what_is_well_has_no_problem() {
    let mut facts = well();
    assert_eq!(diagnose(&facts), []);
    assert_eq!(all_well(&facts), "all 3 nodes are ready, and every shard has a quorum");
    facts.members.truncate(1);
    assert_eq!(all_well(&facts), "the one node is ready, and every shard has a quorum");
    facts.shards = 0;
    assert!(all_well(&facts).contains("quorate table create"));
}

#[test]
fn members_that_come_or_were_set_aside_are_nothing_wrong() {
    let mut facts = well();
    facts.members[2].stays = Stays::Joining;
    facts.jobs = vec![moves()];
    assert_eq!(diagnose(&facts).len(), 1, "what moves is its share");
    facts.members[1].stays = Stays::Banned;
    down(&mut facts, 1);
    facts.members[2].stays = Stays::Drained;
    not_ready(&mut facts, 2, "draining");
    assert!(
        diagnose(&facts).iter().all(|problem| problem.severity == Severity::Note),
        "{:?}",
        diagnose(&facts)
    );
    assert_eq!(all_well(&facts), "the one other node is ready, and every shard has a quorum");
}

#[test]
fn several_problems_stand_by_what_they_mean() {
    let mut facts = well();
    facts.members.extend([member(4), member(5)]);
    down(&mut facts, 1);
    doubtful(&mut facts, 2, "failed");
    facts.members[3].disk_full = true;
    facts.members[4].hints = 9;
    facts.members[0].free_bytes = Some(1 << 20);
    let problems = diagnose(&facts);
    let starts: Vec<&str> =
        problems.iter().map(|problem| problem.what.split(' ').next().unwrap_or_default()).collect();
    assert_eq!(starts, ["the", "n3", "n2", "the", "9"]);
    assert!(problems.is_sorted_by_key(|problem| problem.severity));
}

/// A node without a quorum refuses because of those that are down: that is said once.
#[test]
fn consequences_are_not_problems_of_their_own() {
    let mut facts = well();
    down(&mut facts, 1);
    down(&mut facts, 2);
    refusing(&mut facts, 64, 64);
    not_ready(&mut facts, 0, "unavailable");
    facts.leader = None;
    let problems = diagnose(&facts);
    assert_eq!(problems.len(), 2, "the shards and the catalog: {problems:#?}");
}

#[test]
fn a_catalog_that_went_on_alone_is_good_to_know_and_no_fault() {
    let mut facts = well();
    facts.recoveries = vec!["the catalog went on without n2, as was decided at n1 (now)".to_owned()];
    let problems = diagnose(&facts);
    assert_eq!((problems.len(), problems[0].severity), (1, Severity::Note), "{problems:#?}");
    assert!(problems[0].sentence().contains("without n2"), "{problems:#?}");
}

#[test]
fn a_member_that_leaves_says_for_whom_it_keeps_hints() {
    let mut facts = well();
    facts.members[2].stays = Stays::Leaving;
    assert_eq!(diagnose(&facts), []);
    facts.members[2].keeps_hints_for = vec!["n2".to_owned()];
    let said: Vec<String> = diagnose(&facts).iter().map(Problem::sentence).collect();
    let expected = "n3 stays a member, leaving, while it keeps hints for n2; it is gone once another member has room for \
                    them (`replica.hint_bytes_max`), n2 ran for a moment, or is removed too (`--dead`)";
    assert_eq!(said, [expected]);
}
