//! What is said of a job, by who remembers what.

use super::super::{Kind, Taken};
use super::*;
use quorate_model::Boot;

fn boot(run: u64) -> Boot {
    Boot(run << 32)
}

fn order() -> Order {
    let id = JobId::new(NodeId(1), boot(1), 1);
    Order { id, kind: Kind::Sync, table: None, cause: Cause::Order, ordered_at: WallTime(5) }
}

fn part(ended: bool) -> Part {
    let found = Found { shards: 4, equal: 4, ..Found::default() };
    let ended_at = ended.then_some(WallTime(9));
    Part { order: order(), began_at: Some(WallTime(6)), ended_at, found, reason: None }
}

fn took(node: u64, boot: u64) -> Said {
    Said { node: NodeId(node), boot: Some(self::boot(boot)), why: None }
}

type Heard = Result<Remembered, String>;

#[allow(clippy::unnecessary_wraps, reason = "another member may have said nothing")]
fn remembers(boot: u64, parts: Vec<Part>, by: Option<Vec<Said>>) -> Heard {
    let taken = by.map(|by| Taken { order: order(), by }).into_iter().collect();
    Ok(Remembered { boot: self::boot(boot), parts, taken })
}

fn one(heard: [Heard; 3]) -> Whole {
    let heard = (1..).map(NodeId).zip(heard).collect();
    let mut jobs = assemble(&heard);
    assert_eq!(jobs.len(), 1, "{jobs:?}");
    jobs.remove(0)
}

fn why(job: &Whole, node: u64) -> (Absent, &str) {
    match &job.members[&NodeId(node)] {
        Member::Absent(absent, why) => (*absent, why),
        Member::Part(part) => panic!("n{node} has a part: {part:?}"),
    }
}

#[test]
fn a_job_is_done_once_every_member_has_done_its_part() {
    let by = || Some(vec![took(1, 1), took(2, 2), took(3, 3)]);
    let of = |boot, ended| remembers(boot, vec![part(ended)], None);
    let job = one([remembers(1, vec![part(true)], by()), of(2, true), of(3, false)]);
    assert_eq!((job.state(), job.ended_at(), job.found().shards), (State::Running, None, 12));
    let job = one([remembers(1, vec![part(true)], by()), of(2, true), of(3, true)]);
    assert_eq!(
        (job.state(), job.began_at(), job.ended_at()),
        (State::Done, Some(WallTime(6)), Some(WallTime(9)))
    );
}

#[test]
fn who_did_not_take_the_order_is_named_with_the_reason() {
    let refused = Said { node: NodeId(3), boot: None, why: Some("no connection".to_owned()) };
    let by = Some(vec![took(1, 1), took(2, 2), refused]);
    let job = one([
        remembers(1, vec![part(true)], by),
        remembers(2, vec![part(true)], None),
        remembers(3, Vec::new(), None),
    ]);
    assert_eq!((job.state(), why(&job, 3)), (State::Incomplete, (Absent::NotTaken, "no connection")));
}

#[test]
fn a_member_that_started_again_has_forgotten_and_one_that_is_away_is_silent() {
    let by = Some(vec![took(1, 1), took(2, 2), took(3, 3)]);
    let job = one([
        remembers(1, vec![part(true)], by.clone()),
        remembers(22, Vec::new(), None),
        Err("no answer in time".to_owned()),
    ]);
    assert_eq!(why(&job, 2), (Absent::Forgotten, "forgotten: it has started again"));
    assert_eq!(why(&job, 3), (Absent::Silent, "no answer in time"));
    assert_eq!(job.state(), State::Incomplete);
    let job = one([
        remembers(1, vec![part(true)], by),
        remembers(2, Vec::new(), None),
        remembers(3, vec![part(true)], None),
    ]);
    assert_eq!(why(&job, 2), (Absent::Forgotten, "forgotten: too many jobs came after it"));
}

#[test]
fn the_others_still_know_what_the_one_that_took_the_order_forgot() {
    let job = one([
        remembers(11, Vec::new(), None),
        remembers(2, vec![part(true)], None),
        remembers(3, Vec::new(), None),
    ]);
    assert_eq!(why(&job, 1), (Absent::Forgotten, "forgotten: it has started again"));
    let unknown =
        "it knows nothing of this job; whether it was asked, n1 has started again and has forgotten";
    assert_eq!(why(&job, 3), (Absent::Forgotten, unknown));
    assert_eq!(job.state(), State::Incomplete);
}

#[test]
fn an_order_on_its_way_and_what_nobody_ordered() {
    let told = remembers(1, vec![part(false)], Some(Vec::new()));
    let job = one([told, remembers(2, Vec::new(), None), remembers(3, Vec::new(), None)]);
    assert_eq!(why(&job, 2), (Absent::Silent, "the order is on its way to it"));
    let own = Part { order: Order { cause: Cause::Time, ..order() }, ..part(true) };
    let job = one([remembers(1, vec![own], None), remembers(2, Vec::new(), None), Err("away".to_owned())]);
    assert_eq!((job.state(), job.members.len()), (State::Done, 1));
}
