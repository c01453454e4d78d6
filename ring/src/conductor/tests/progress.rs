use super::*;
use crate::catalog::Order;

/// A job of four shards, of which the first has nearly all bytes.
const SIZES: [u64; 4] = [370, 10, 10, 10];
const ALL: u64 = 400;

/// That job, with its shards in their order. All owners have counted them.
fn unequal() -> (Moving, Vec<ShardId>) {
    let mut moving = waiting(4, ALL / 4);
    let shards: Vec<ShardId> = moving.catalog.tables().flat_map(|it| it.shards()).map(|it| it.id).collect();
    count(&mut moving, &shards, &SIZES);
    (moving, shards)
}

fn count(moving: &mut Moving, shards: &[ShardId], sizes: &[u64]) {
    for node in 1..=5 {
        moving.report(node).sizes = shards.iter().copied().zip(sizes.iter().copied()).collect();
    }
}

fn apply(moving: &mut Moving, command: &Command) {
    moving.catalog = accept(&moving.catalog, command);
}

fn start_all(moving: &mut Moving) {
    let start = moving.next().expect("they start");
    apply(moving, &start);
    assert_eq!(moving.catalog.moving().count(), 4);
}

/// The receiver holds so much of a shard.
fn hold(moving: &mut Moving, shard: ShardId, bytes: u64) {
    let since = moving.catalog.moving_shard(shard).and_then(|it| Some(it.receivers().next()?.since));
    let fill = FillReport { since: since.expect("it moves"), bytes, ..FillReport::default() };
    moving.report(6).fills.insert(shard, fill);
}

fn finish(moving: &mut Moving, shard: ShardId) {
    let epoch = moving.catalog.moving_shard(shard).expect("it moves").epoch;
    apply(moving, &Command::Advance(Advance { finish: vec![(shard, epoch)], ..Advance::of(JOB) }));
}

fn revert(moving: &mut Moving, shard: ShardId) {
    let epoch = moving.catalog.moving_shard(shard).expect("it moves").epoch;
    apply(moving, &Command::Advance(Advance { revert: vec![(shard, epoch)], ..Advance::of(JOB) }));
}

fn done(moving: &Moving) -> u64 {
    bytes_done(&moving.catalog, &moving.reports, moving.catalog.job(JOB).expect("kept"))
}

fn told(told: &mut Told, moving: &Moving) -> u64 {
    told.bytes_done(&moving.catalog, &moving.reports, moving.catalog.job(JOB).expect("kept"))
}

#[test]
fn a_job_of_unequal_shards_is_as_far_as_its_bytes() {
    let (mut moving, shards) = unequal();
    assert_eq!(done(&moving), 0);
    start_all(&mut moving);
    assert_eq!(done(&moving), 0);
    shards[1..].iter().for_each(|shard| hold(&mut moving, *shard, 10));
    assert_eq!(done(&moving), 30);
    shards[1..].iter().for_each(|shard| finish(&mut moving, *shard));
    assert_eq!(done(&moving), 30, "three of four have moved, and nearly no bytes");
    hold(&mut moving, shards[0], 185);
    assert_eq!(done(&moving), 215);
    hold(&mut moving, shards[0], 500);
    assert_eq!(done(&moving), ALL, "it has grown meanwhile");
    finish(&mut moving, shards[0]);
    assert_eq!((done(&moving), moving.catalog.job(JOB).expect("kept").state.as_str()), (ALL, "done"));
}

#[test]
fn what_an_earlier_copy_held_does_not_count_and_a_whole_one_counts_for_all() {
    let (mut moving, shards) = unequal();
    start_all(&mut moving);
    hold(&mut moving, shards[0], 185);
    let copy = moving.report(6).fills.get_mut(&shards[0]).expect("there");
    (copy.since, copy.bytes) = (Epoch(1), 185);
    assert_eq!(done(&moving), 0);
    hold(&mut moving, shards[0], 360);
    moving.report(6).fills.get_mut(&shards[0]).expect("there").is_whole = true;
    assert_eq!(done(&moving), 370);
}

#[test]
fn without_a_size_shards_count_as_equal_and_never_for_more_than_all() {
    let (mut moving, shards) = unequal();
    count(&mut moving, &shards[1..], &SIZES[1..]);
    start_all(&mut moving);
    shards[1..].iter().for_each(|shard| finish(&mut moving, *shard));
    assert_eq!(done(&moving), 300, "of the large one nothing is known");
    hold(&mut moving, shards[0], 1 << 40);
    assert_eq!(done(&moving), ALL);
}

#[test]
fn a_later_look_says_no_less_unless_a_shard_went_back() {
    let (mut moving, shards) = unequal();
    let mut last = Told::default();
    count(&mut moving, &[], &[]);
    start_all(&mut moving);
    assert_eq!(told(&mut last, &moving), 0);
    shards[1..].iter().for_each(|shard| finish(&mut moving, *shard));
    assert_eq!(told(&mut last, &moving), 300);
    let before = Moving { catalog: moving.catalog.clone(), reports: moving.reports.clone() };
    count(&mut moving, &shards, &SIZES);
    assert_eq!((done(&moving), told(&mut last, &moving)), (30, 300), "its size is known now");
    hold(&mut moving, shards[0], 300);
    assert_eq!(told(&mut last, &moving), 330);
    hold(&mut moving, shards[0], 0);
    assert_eq!(told(&mut last, &moving), 330, "the receiver has lost it, and begins anew");
    revert(&mut moving, shards[0]);
    assert_eq!(told(&mut last, &moving), 30);
    assert_eq!(told(&mut last, &before), 30, "one that looked earlier and asks later");
    apply(&mut moving, &Command::SetJob { job: JOB, to: Order::Abort });
    assert_eq!(told(&mut last, &moving), 300, "three of four stay where they are");
}
