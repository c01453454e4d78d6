//! Limits: the range of each, and their relations. A limit of nothing, or one that another makes pointless, is refused
//! before anything starts.

use crate::config::Config;
use crate::config::error::{Error, refuse};
use crate::config::values::in_bytes;
use quorate_node::peer::BATCH_ITEMS_MAX;
use quorate_transport as transport;
use std::time::Duration;

const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

/// The most that a plain count may be: more is a slip, and would let a process die slowly.
const COUNT_MAX: u64 = 1_000_000;

/// No single wait is longer.
const HOUR: Duration = Duration::from_hours(1);

/// Checks all of them.
pub(super) fn check(config: &Config) -> Result<(), Error> {
    sizes_of_requests(config)?;
    memory_of_requests(config)?;
    times_of_requests(config)?;
    peers(config)?;
    timing(config)?;
    hints(config)?;
    sync(config)?;
    purge(config)?;
    shards(config)?;
    storage(config)
}

/// Refuses a number outside `range`; `why` says what sets the bounds.
fn within(name: &str, value: usize, range: std::ops::RangeInclusive<u64>, why: &str) -> Result<(), Error> {
    // The unit is in the name.
    let shown = |bound: u64| if name.contains("bytes") { in_bytes(bound) } else { bound.to_string() };
    let (least, most) = (*range.start(), *range.end());
    refuse(!range.contains(&(value as u64)), || {
        format!("{name} is from {} to {} ({why})", shown(least), shown(most))
    })
}

/// Refuses what is no time to a program that counts milliseconds, and one that is too long.
fn lasting(name: &str, value: Duration, most: Duration, why: &str) -> Result<(), Error> {
    refuse(value < Duration::from_millis(1) || value > most, || {
        format!("{name} is from 1ms to {} ({why})", humantime::format_duration(most))
    })
}

fn sizes_of_requests(config: &Config) -> Result<(), Error> {
    let limits = &config.limits;
    let (key, value) = (quorate_model::key::KEY_BYTES_MAX, quorate_model::record::VALUE_BYTES_MAX);
    let bodies = limits.bodies_bytes_max as u64;
    within("limits.key_bytes_max", limits.key_bytes_max, 1..=key as u64, "what a record can hold")?;
    within(
        "limits.value_bytes_max",
        limits.value_bytes_max,
        1..=(value as u64).min(bodies),
        "what a record can hold, and limits.bodies_bytes_max",
    )?;
    let of_bodies = "limits.bodies_bytes_max";
    within("limits.batch_bytes_max", limits.batch_bytes_max, 1..=bodies, of_bodies)?;
    within("limits.document_bytes_max", limits.document_bytes_max, 1..=bodies, of_bodies)?;
    let of_one = "a bound on one request";
    within("limits.batch_items_max", limits.batch_items_max, 1..=100_000, of_one)?;
    within("limits.batch_items_running_max", limits.batch_items_running_max, 1..=10_000, of_one)?;
    within("limits.unordered_scan_keys_max", limits.unordered_scan_keys_max, 1..=1_000_000_000, of_one)?;
    refuse(!(8 << 10..=1 << 20).contains(&limits.head_bytes_max), || {
        "limits.head_bytes_max is from 8KiB to 1MiB".to_owned()
    })
}

fn memory_of_requests(config: &Config) -> Result<(), Error> {
    let limits = &config.limits;
    let of_process = "a bound on one process";
    for (name, value) in [
        ("limits.connections_max", limits.connections_max),
        ("limits.connections_backlog", limits.connections_backlog as usize),
        ("limits.requests_running_max", limits.requests_running_max),
        ("limits.operations_running_max", limits.operations_running_max),
    ] {
        within(name, value, 1..=COUNT_MAX, of_process)?;
    }
    let (of_one, of_all) = (limits.auth_failures_max, limits.auth_failures_all_max);
    within("limits.auth_failures_max", of_one, 1..=COUNT_MAX, of_process)?;
    let least = "limits.auth_failures_max, and a bound on one process";
    within("limits.auth_failures_all_max", of_all, of_one as u64..=COUNT_MAX, least)?;
    within("limits.health_connections_max", limits.health_connections_max, 0..=10_000, of_process)?;
    let (value, batch) = (limits.value_bytes_max as u64, limits.batch_bytes_max as u64);
    let most = 1 << 40;
    within("limits.bodies_bytes_max", limits.bodies_bytes_max, 1..=most, of_process)?;
    within(
        "limits.operations_bytes_max",
        limits.operations_bytes_max,
        value..=most,
        "limits.value_bytes_max, and a bound on one process",
    )?;
    within(
        "limits.answers_bytes_max",
        limits.answers_bytes_max,
        value.max(batch)..=most,
        "limits.value_bytes_max, limits.batch_bytes_max, and a bound on one process",
    )
}

fn times_of_requests(config: &Config) -> Result<(), Error> {
    let limits = &config.limits;
    let longest = limits.request_timeout_max;
    let of_longest = "limits.request_timeout_max";
    lasting(of_longest, longest, Duration::from_mins(1), "the hard limit")?;
    lasting("limits.request_timeout", limits.request_timeout, longest, of_longest)?;
    lasting("limits.change_timeout", limits.change_timeout, longest, of_longest)?;
    lasting("limits.stall_timeout", limits.stall_timeout, limits.body_timeout, "limits.body_timeout")?;
    let of_connection = "a bound on one connection";
    lasting("limits.head_timeout", limits.head_timeout, HOUR, of_connection)?;
    lasting("limits.idle_timeout", limits.idle_timeout, HOUR, of_connection)?;
    lasting("limits.body_timeout", limits.body_timeout, HOUR, of_connection)?;
    lasting("limits.drain_timeout", limits.drain_timeout, HOUR, "a bound on stopping")?;
    refuse(limits.drain_notice > HOUR, || {
        "limits.drain_notice is at most 1h (a bound on stopping)".to_owned()
    })
}

fn peers(config: &Config) -> Result<(), Error> {
    let peers = &config.peer_limits;
    let frame = transport::Limits::default().frame_bytes_max as u64;
    let of_frame = "what the largest value needs, and a bound on one message";
    within("peers.frame_bytes_max", peers.frame_bytes_max, frame..=GIB, of_frame)?;
    let of_queue = "peers.frame_bytes_max, and a bound on one connection";
    let one = peers.frame_bytes_max as u64;
    within("peers.queued_bytes_max", peers.queued_bytes_max, one..=16 * GIB, of_queue)?;
    within("peers.working_bytes_max", peers.working_bytes_max, one..=16 * GIB, of_queue)?;
    let lanes = transport::Lane::ALL.len() as u64;
    let of_lanes = "a member has 3 connections, and a bound on one process";
    within("peers.incoming_max", peers.incoming_max, lanes..=COUNT_MAX, of_lanes)?;
    within("peers.incoming_per_member_max", peers.incoming_per_member_max, lanes..=1_000, of_lanes)?;
    within("peers.unproven_max", peers.unproven_max, 1..=10_000, "a bound on one process")?;
    lasting("peers.silence", peers.silence, HOUR, "a member that is down must be noticed")?;
    lasting("peers.keepalive", peers.keepalive, peers.silence / 2, "half of peers.silence")?;
    lasting("peers.alive", peers.alive, HOUR, "a bound on one pause")?;
    lasting("peers.handshake", peers.handshake, HOUR, "a bound on one attempt")?;
    lasting("peers.backoff_max", peers.backoff_max, HOUR, "a bound on one pause")?;
    lasting("peers.backoff_min", peers.backoff_min, peers.backoff_max, "peers.backoff_max")
}

fn timing(config: &Config) -> Result<(), Error> {
    let timing = &config.timing;
    let of_request = "a bound on one request";
    let most = Duration::from_mins(1);
    let time = |span: quorate_model::Span| Duration::from_micros(span.0);
    lasting("timing.hedge", time(timing.hedge), most, of_request)?;
    lasting("timing.give_up_after", time(timing.give_up_after), most, of_request)?;
    lasting(
        "timing.resend_after",
        time(timing.resend_after),
        time(timing.give_up_after),
        "timing.give_up_after",
    )?;
    lasting("timing.settle", time(timing.settle), most, of_request)
}

fn hints(config: &Config) -> Result<(), Error> {
    let (replica, replay) = (&config.storage.replica, &config.replay);
    let per_owner = replica.hint_bytes_per_owner_max;
    refuse(per_owner == 0 || per_owner > replica.hint_bytes_max, || {
        "replica.hint_bytes_per_owner_max is above 0 and at most replica.hint_bytes_max".to_owned()
    })?;
    refuse(!(1..=100_000_000).contains(&replica.hints_max), || {
        "replica.hints_max is from 1 to 100000000 (all of them are counted at a start)".to_owned()
    })?;
    let of_message = "a bound on one message";
    within("replay.batch_items_max", replay.batch_items_max, 1..=BATCH_ITEMS_MAX as u64, of_message)?;
    within("replay.batch_bytes_max", replay.batch_bytes_max, 1..=16 * MIB, of_message)?;
    within("replay.repairs_running_max", replay.repairs_running_max, 1..=1_000, "a bound on one owner")?;
    let time = |span: quorate_model::Span| Duration::from_micros(span.0);
    lasting("replay.batch_timeout", time(replay.batch_timeout), HOUR, "a bound on one message")?;
    lasting(
        "replay.repair_timeout",
        time(replay.repair_timeout),
        Duration::from_mins(1),
        "a bound on one read",
    )
}

fn sync(config: &Config) -> Result<(), Error> {
    let sync = &config.sync;
    let time = |span: quorate_model::Span| Duration::from_micros(span.0);
    let of_node = "a bound on one node";
    within("sync.bytes_per_second_max", sync.bytes_per_second_max, MIB..=100 * GIB, of_node)?;
    within("sync.batch_bytes_max", sync.batch_bytes_max, 1..=16 * MIB, "a bound on one message")?;
    within("fill.bytes_per_second_max", config.fill.bytes_per_second_max, MIB..=100 * GIB, of_node)?;
    lasting("sync.every", time(sync.every), 24 * HOUR, of_node)?;
    lasting("sync.after_return", time(sync.after_return), HOUR, of_node)?;
    lasting("sync.retry_after", time(sync.retry_after), HOUR, of_node)?;
    lasting("sync.call_timeout", time(sync.call_timeout), HOUR, "a bound on one message")
}

fn purge(config: &Config) -> Result<(), Error> {
    let purge = &config.purge;
    let time = |span: quorate_model::Span| Duration::from_micros(span.0);
    let kept = "removals are kept for so long at least";
    lasting("purge.after", time(purge.after), 24_000 * HOUR, kept)?;
    lasting("purge.ids_keep", time(purge.ids_keep), 24_000 * HOUR, kept)?;
    lasting("purge.every", time(purge.every), 24 * HOUR, "a bound on one node")
}

fn shards(config: &Config) -> Result<(), Error> {
    let shards = &config.shards;
    let time = |span: quorate_model::Span| Duration::from_micros(span.0);
    let bytes_max = usize::try_from(shards.bytes_max).unwrap_or(usize::MAX);
    within(
        "shards.bytes_max",
        bytes_max,
        64 * 1024..=1024 * GIB,
        "a chunk of sums, and what one move may take",
    )?;
    let load_min = usize::try_from(shards.load_min).unwrap_or(usize::MAX);
    within("shards.load_min", load_min, 1..=COUNT_MAX, "requests that one node can carry out")?;
    lasting("shards.uneven_for", time(shards.uneven_for), 24 * HOUR, "a bound on one node")?;
    lasting("shards.pause", time(shards.pause), 24 * HOUR, "a bound on one node")
}

fn storage(config: &Config) -> Result<(), Error> {
    let (replica, committer, reads, rocks) =
        (&config.storage.replica, &config.storage.committer, &config.storage.reads, &config.storage.rocks);
    let of_process = "a bound on one process";
    within("committer.queue_items_max", committer.queue_items_max, 1..=COUNT_MAX, of_process)?;
    within("committer.queue_bytes_max", committer.queue_bytes_max, 1..=64 * GIB, of_process)?;
    within("committer.batch_items_max", committer.batch_items_max, 1..=COUNT_MAX, of_process)?;
    within("committer.batch_bytes_max", committer.batch_bytes_max, 1..=GIB, "a bound on one write")?;
    within("reads.running_max", reads.running_max, 1..=256, "threads of one process")?;
    let running = reads.running_max as u64;
    let of_reads = "reads.running_max, and a bound on one process";
    within("reads.waiting_max", reads.waiting_max, running..=COUNT_MAX, of_reads)?;
    let of_memory = "the memory of one machine";
    within("rocksdb.block_cache_bytes", rocks.block_cache_bytes, MIB..=(1 << 44), of_memory)?;
    within("rocksdb.memtable_bytes", rocks.memtable_bytes, MIB..=(1 << 44), of_memory)?;
    let rate = rocks.background_bytes_per_second as usize;
    within("rocksdb.background_bytes_per_second", rate, MIB..=2_047 * MIB, "what a disk can write")?;
    within("rocksdb.background_jobs", rocks.background_jobs.into(), 1..=64, "threads of one process")?;
    within("rocksdb.open_files_max", rocks.open_files_max.into(), 64..=32_767, of_process)?;
    refuse(replica.free_bytes_min <= rocks.memtable_bytes as u64 / 4, || {
        "replica.free_bytes_min is more than a quarter of rocksdb.memtable_bytes: what is in memory must still fit on \
         the disk"
            .to_owned()
    })
}
