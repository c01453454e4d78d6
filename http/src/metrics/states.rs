//! States of the node, asked of their owner at each scrape.

use super::lines;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, MetricEncoder};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use quorate_model::NodeId;
use quorate_node::core::{Core, HeldBack, LinkStatistics, Statistics, TableHeld};
use quorate_node::jobs::{Found, Proofs};
use quorate_node::purge::PurgeFigures;
use quorate_ring::liveness::{Standing, Verdict};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Weak;

/// A node's states. Holds the node weakly: a node that has stopped has none.
pub struct States(Weak<Core>);

impl States {
    /// Of this node.
    pub fn new(core: Weak<Core>) -> Self {
        Self(core)
    }
}

impl fmt::Debug for States {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("States")
    }
}

impl Collector for States {
    fn encode(&self, mut encoder: DescriptorEncoder) -> fmt::Result {
        let Some(core) = self.0.upgrade() else { return Ok(()) };
        let statistics = core.statistics();
        singles(&mut encoder, &statistics)?;
        healing(&mut encoder, &core)?;
        hints(&mut encoder, &core, &statistics)?;
        tables(&mut encoder, &statistics.tables)?;
        syncs(&mut encoder, &core)?;
        purges(&mut encoder, &core)?;
        links(&mut encoder, &statistics.links)?;
        members(&mut encoder, &core.verdicts())
    }
}

/// Values without labels: name, help, whether it only grows, value.
fn singles(encoder: &mut DescriptorEncoder, statistics: &Statistics) -> fmt::Result {
    let Statistics { committer, replica, engine, sums, .. } = statistics;
    let doubtful = u64::from(statistics.replica_doubt.is_some());
    let gauges = [
        ("catalog_epoch", "The catalog's epoch as this node has applied it", statistics.epoch.0),
        ("replica_doubtful", "1 while the replica doubts its disk and neither answers nor votes", doubtful),
        (
            "replica_disk_full",
            "1 while writes are refused because the disk is full",
            u64::from(statistics.disk_full),
        ),
        (
            "replica_free_bytes",
            "Free bytes on the disk of the data folder; 0 also where the system does not tell",
            statistics.free_bytes.unwrap_or(0),
        ),
        ("operations_running", "Operations whose machines are at work", statistics.operations_running),
        (
            "operations_value_bytes",
            "Bytes of the values that operations at work hold",
            statistics.operations_value_bytes,
        ),
        (
            "disk_reads_running",
            "Reads that left the reactor for the disk, now",
            statistics.disk_reads_running,
        ),
        ("committer_queue_items", "Writes that wait for the committer", committer.queue_items as u64),
        (
            "committer_queue_bytes",
            "Bytes of writes that wait for the committer",
            committer.queue_bytes as u64,
        ),
        ("committer_batch_items_peak", "Most writes in one batch so far", committer.batch_items_peak as u64),
        ("chunks", "Chunks of which sums are kept", sums.chunks),
        (
            "chunks_missing",
            "Chunks that are being counted; until it is 0 the tables' figures are too low",
            sums.missing,
        ),
        ("rocksdb_memtable_bytes", "Bytes in memory tables", engine.memtable_bytes),
        ("rocksdb_memtables_waiting", "Memory tables that wait to be written out", engine.memtables_waiting),
        ("rocksdb_level_zero_files", "Files of the first level", engine.level_zero_files),
        (
            "rocksdb_pending_compaction_bytes",
            "Bytes that wait to be compacted",
            engine.pending_compaction_bytes,
        ),
        (
            "rocksdb_delayed_write_rate",
            "Bytes a second that writes are held to; 0: not at all",
            engine.delayed_write_rate,
        ),
        ("rocksdb_writes_stopped", "1 while writes are stopped", engine.writes_stopped),
        ("rocksdb_live_bytes", "Bytes of live files", engine.live_bytes),
        ("rocksdb_block_cache_bytes", "Bytes in the block cache", engine.block_cache_bytes),
    ];
    for (name, help, value) in gauges {
        gauge(encoder.encode_descriptor(name, help, None, MetricType::Gauge)?, value)?;
    }
    let counters = [
        ("peer_requests", "Requests to this node's replica", statistics.peer_requests_total),
        ("panics", "Operations and peers' requests that panicked", statistics.panics_total),
        ("disk_reads", "Reads that left the reactor for the disk", statistics.disk_reads_total),
        (
            "hints_overflow",
            "Hints that could not be kept since the data folder was made",
            statistics.hints.overflow_total,
        ),
        ("hints_replayed", "Hints handed over", statistics.hints.replayed_total),
        ("committer_batches", "Batches committed", committer.batches),
        ("committer_requests", "Requests committed", committer.requests),
        ("committer_overloaded", "Requests refused because the queue was full", committer.overloaded),
        ("committer_late", "Requests refused because their deadline had passed", committer.late),
        ("replica_syncs", "Synced writes of the log for records", replica.syncs),
        ("replica_stored", "Records stored", replica.stored),
        ("replica_unchanged", "Writes that changed nothing", replica.unchanged),
        ("rocksdb_syncs", "Synced writes of the log", engine.syncs),
        ("rocksdb_background_errors", "Errors in the background", engine.background_errors),
        (
            "log_lines_dropped",
            "Log lines that could not be written, or not as fast as they came",
            lines::DROPPED.total(),
        ),
        (
            "log_lines_held_back",
            "Log lines that were counted instead of written, in floods",
            lines::HELD_BACK.total(),
        ),
    ];
    for (name, help, value) in counters {
        counter(encoder.encode_descriptor(name, help, None, MetricType::Counter)?, value)?;
    }
    Ok(())
}

/// How far this node has come back from a loss: 0 while there is nothing to come back from.
fn healing(encoder: &mut DescriptorEncoder, core: &Core) -> fmt::Result {
    let healing = core.healing();
    let lacking = healing.as_ref().map_or(0, |healing| healing.shards - healing.whole);
    let waits = u64::from(healing.as_ref().is_some_and(|healing| healing.waits_for.is_some()));
    let gauges = [
        (
            "heal_shards_lacking",
            "Shards of which this node does not hold everything and fills itself",
            lacking,
        ),
        ("heal_waits", "1 while that does not go on; /health/ready says for what it waits", waits),
    ];
    for (name, help, value) in gauges {
        gauge(encoder.encode_descriptor(name, help, None, MetricType::Gauge)?, value)?;
    }
    let filling = core.filling();
    let counters = [
        (
            "heal_records",
            "Records that this node has taken from other owners, to fill copies that it lost or was given",
            filling.records,
        ),
        ("heal_bytes", "Bytes of these: keys and records, before compression", filling.bytes),
    ];
    for (name, help, value) in counters {
        counter(encoder.encode_descriptor(name, help, None, MetricType::Counter)?, value)?;
    }
    Ok(())
}

/// One line for each other member, also at zero: what is not there can't be alerted on.
fn hints(encoder: &mut DescriptorEncoder, core: &Core, statistics: &Statistics) -> fmt::Result {
    let mut family = encoder.encode_descriptor(
        "hints_waiting",
        "Hints that wait for an owner",
        None,
        MetricType::Gauge,
    )?;
    let view = core.view();
    let others = view.catalog().nodes().map(|node| node.id).filter(|node| *node != core.node());
    let mut waiting: BTreeMap<NodeId, u64> = others.map(|node| (node, 0)).collect();
    waiting.extend(statistics.hints.waiting.iter().copied());
    for (owner, count) in &waiting {
        gauge(family.encode_family(&[("owner", owner.to_string())])?, *count)?;
    }
    Ok(())
}

/// What became of comparing owners.
fn syncs(encoder: &mut DescriptorEncoder, core: &Core) -> fmt::Result {
    type Value = fn(&Proofs) -> f64;
    let Found { pulled, pushed, differences, bytes, .. } = core.sync().totals();
    let counters = [
        ("sync_records_pulled", "Records that a sync merged here", pulled),
        ("sync_records_pushed", "Records that a sync of this node merged at other owners", pushed),
        ("sync_records_differing", "Records that a sync of this node found at one owner only", differences),
        ("sync_bytes", "Bytes between nodes of the syncs of this node", bytes),
    ];
    for (name, help, value) in counters {
        counter(encoder.encode_descriptor(name, help, None, MetricType::Counter)?, value)?;
    }
    let gauges: [(&str, &str, Value); 3] = [
        ("sync_shards", "Shards of a table with several owners whose sync this node runs", |of| {
            of.shards as f64
        }),
        ("sync_shards_unproven", "Those never found equal at all owners since the start", |of| {
            of.never as f64
        }),
        ("sync_proven_age_seconds", "Age of the oldest proof that the owners of a shard are equal", |of| {
            of.oldest_ms as f64 / 1e3
        }),
    ];
    let (proofs, view) = (core.sync().proofs(), core.view());
    for (name, help, value) in gauges {
        let mut family = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
        for of in &proofs {
            let Some(table) = view.table_by_id(of.table) else { continue };
            let labels = [("table", table.name.clone())];
            ConstGauge::new(value(of)).encode(family.encode_family(&labels)?)?;
        }
    }
    Ok(())
}

/// What became of removals, and what keeps them.
fn purges(encoder: &mut DescriptorEncoder, core: &Core) -> fmt::Result {
    let PurgeFigures { runs, stopped, dropped } = core.purge().figures();
    let counters = [
        ("purge_removals_dropped", "Removals that this node dropped in runs of its own", dropped),
        ("purge_runs", "Runs of this node over a shard in which removals went", runs),
        (
            "purge_stopped",
            "Runs of this node that ended because an owner did not answer, or refused",
            stopped,
        ),
    ];
    for (name, help, value) in counters {
        counter(encoder.encode_descriptor(name, help, None, MetricType::Counter)?, value)?;
    }
    let help =
        "Shards whose removals this node would drop but for an owner that is away or not whole, or a move";
    let mut family = encoder.encode_descriptor("purge_held_back", help, None, MetricType::Gauge)?;
    let view = core.view();
    for HeldBack { table, by, shards, .. } in core.purge_held_back() {
        let Some(table) = view.table_by_id(table) else { continue };
        let by = by.map_or_else(|| "move".to_owned(), |by| by.to_string());
        gauge(family.encode_family(&[("table", table.name.clone()), ("by", by)])?, shards)?;
    }
    Ok(())
}

/// What this node holds of each table.
fn tables(encoder: &mut DescriptorEncoder, tables: &[TableHeld]) -> fmt::Result {
    type Value = fn(&TableHeld) -> u64;
    let gauges: [(&str, &str, Value); 5] = [
        ("table_load", "Requests a second that this node carries out for a table", |held| held.load),
        ("table_keys", "Keys with a value of a table that this node holds", |held| held.keys),
        ("table_removals", "Keys of a table of which only the removal is held", |held| held.removals),
        ("table_bytes", "Bytes of a table's keys and records here, before compression", |held| held.bytes),
        ("table_exact", "1 while all that this node holds of a table is counted", |held| {
            u64::from(held.is_exact)
        }),
    ];
    for (name, help, value) in gauges {
        let mut family = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
        for table in tables {
            gauge(family.encode_family(&[("table", table.name.clone())])?, value(table))?;
        }
    }
    Ok(())
}

fn links(encoder: &mut DescriptorEncoder, links: &[LinkStatistics]) -> fmt::Result {
    type Value = fn(&LinkStatistics) -> u64;
    let gauges: [(&str, &str, Value); 3] = [
        ("link_up", "1 while the connection to a member is up", |link| u64::from(link.up)),
        ("link_in_flight", "Requests that wait for a member's answer", |link| link.in_flight),
        ("link_queued_bytes", "Bytes that wait to be sent to a member", |link| link.queued_bytes),
    ];
    for (name, help, value) in gauges {
        let mut family = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
        for link in links {
            let labels = [("node", link.node.to_string()), ("lane", link.lane.to_owned())];
            gauge(family.encode_family(&labels)?, value(link))?;
        }
    }
    let counters: [(&str, &str, Value); 2] = [
        ("link_sent", "Requests sent to a member", |link| link.sent_total),
        ("link_connects", "Connections made to a member", |link| link.connects_total),
    ];
    for (name, help, value) in counters {
        let mut family = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
        for link in links {
            let labels = [("node", link.node.to_string()), ("lane", link.lane.to_owned())];
            counter(family.encode_family(&labels)?, value(link))?;
        }
    }
    Ok(())
}

/// What this node makes of the other members' signs of presence.
fn members(encoder: &mut DescriptorEncoder, verdicts: &BTreeMap<NodeId, Verdict>) -> fmt::Result {
    type Value = fn(&Verdict) -> f64;
    let gauges: [(&str, &str, Value); 3] = [
        ("member_up", "1 unless a member is down for this node", |it| {
            f64::from(it.standing != Standing::Down)
        }),
        ("member_phi", "How surprising a member's silence is: 5 it is asked last, 8 it is down", |it| it.phi),
        ("member_silent_seconds", "Since when nothing was heard of a member; NaN: never", |it| {
            it.silent.map_or(f64::NAN, |silent| silent.0 as f64 / 1e6)
        }),
    ];
    for (name, help, value) in gauges {
        let mut family = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
        for (node, verdict) in verdicts {
            ConstGauge::new(value(verdict)).encode(family.encode_family(&[("node", node.to_string())])?)?;
        }
    }
    let (name, help) = ("member_falls", "How often a member went down for this node");
    let mut family = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
    for (node, verdict) in verdicts {
        counter(family.encode_family(&[("node", node.to_string())])?, verdict.falls)?;
    }
    Ok(())
}

fn gauge(encoder: MetricEncoder, value: u64) -> fmt::Result {
    ConstGauge::new(value).encode(encoder)
}

fn counter(encoder: MetricEncoder, value: u64) -> fmt::Result {
    ConstCounter::new(value).encode(encoder)
}
