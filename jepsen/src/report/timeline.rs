//! The picture of a segment: one line of time, and below each other what was broken, what was done, how long it took,
//! and which node answered. Times are seconds of the history; `timeline.html` draws in these units.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::record::{EventKind, EventRecord, SecondRecord, SegmentRecord};

#[derive(Serialize)]
pub(super) struct Timeline {
    /// How long the line of time is.
    seconds: f64,
    /// The time between two of its figures.
    step: f64,
    /// What the heights of the plots of requests a second mean.
    most_ok: f64,
    most_not: f64,
    lanes: Vec<Lane>,
    throughput: Vec<Second>,
    /// The middle of the latencies, and the worst node's slowest in a hundred: as paths, where a unit upwards is ten times
    /// as long, and 0 is a millisecond.
    p50: String,
    p99: String,
    nodes: Vec<Strip>,
}

/// What one fault did.
#[derive(Serialize)]
struct Lane {
    fault: String,
    bars: Vec<Bar>,
    troubles: Vec<(f64, String)>,
}

/// A stretch of time, and what it was.
#[derive(Serialize)]
struct Bar {
    class: &'static str,
    since: f64,
    until: f64,
    what: String,
}

/// A second of all nodes together.
#[derive(Clone, Copy, Default, Serialize)]
struct Second {
    ok: u64,
    fail: u64,
    unknown: u64,
    p50_ms: f64,
    p99_ms: f64,
}

/// How available a node was: how many of the requests that it was asked succeeded, second by second.
#[derive(Serialize)]
struct Strip {
    name: String,
    bars: Vec<Bar>,
}

impl Timeline {
    pub(super) fn of(record: &SegmentRecord, events: &[EventRecord], seconds: &[SecondRecord]) -> Timeline {
        let throughput = of_all_nodes(seconds);
        let last_event = events.iter().map(seconds_of).fold(0.0, f64::max);
        let length = (throughput.len() as f64).max(last_event).max(1.0);
        let steps = [1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1_800.0];
        let most = |of: fn(&Second) -> u64| round_up(throughput.iter().map(of).max().unwrap_or(0) as f64);
        let strip = |name: &String| {
            let of_node: Vec<&SecondRecord> = seconds.iter().filter(|second| second.node == *name).collect();
            let same = of_node.chunk_by(|one, next| availability(one) == availability(next));
            let bar = |same: &[&SecondRecord]| {
                let (class, what) = availability(same[0]);
                let (since, until) = (same[0].second as f64, (same[same.len() - 1].second + 1) as f64);
                Bar { class, since, until, what: what.to_owned() }
            };
            Strip { name: name.clone(), bars: same.map(bar).collect() }
        };
        Timeline {
            seconds: length,
            step: steps.into_iter().find(|step| length / step <= 14.0).unwrap_or(3_600.0),
            most_ok: most(|second| second.ok),
            most_not: most(|second| second.fail + second.unknown),
            lanes: lanes(events, length),
            p50: path(&throughput, |second| second.p50_ms),
            p99: path(&throughput, |second| second.p99_ms),
            nodes: record.nodes.iter().map(strip).collect(),
            throughput,
        }
    }
}

fn seconds_of(event: &EventRecord) -> f64 {
    event.at as f64 / 1e9
}

fn of_all_nodes(lines: &[SecondRecord]) -> Vec<Second> {
    let count = lines.iter().map(|line| line.second + 1).max().unwrap_or(0);
    let mut seconds = vec![Second::default(); usize::try_from(count).unwrap_or(0)];
    for line in lines {
        let second = &mut seconds[line.second as usize];
        let before = second.ok as f64;
        second.ok += line.ok;
        second.fail += line.fail;
        second.unknown += line.unknown;
        if second.ok > 0 {
            second.p50_ms = (second.p50_ms * before + line.p50_ms * line.ok as f64) / second.ok as f64;
        }
        second.p99_ms = second.p99_ms.max(line.p99_ms);
    }
    seconds
}

/// A lane for each fault, with a bar for each strike.
fn lanes(events: &[EventRecord], length: f64) -> Vec<Lane> {
    let mut by_fault: BTreeMap<&str, Vec<&EventRecord>> = BTreeMap::new();
    for event in events {
        by_fault.entry(&event.fault).or_default().push(event);
    }
    let lane = |(fault, events): (&str, Vec<&EventRecord>)| {
        let mut lane = Lane { fault: fault.to_owned(), bars: Vec::new(), troubles: Vec::new() };
        let (mut struck, mut healed): (Option<&EventRecord>, Option<f64>) = (None, None);
        let mut recovered = None;
        let bar =
            |class, since, until, event: &EventRecord| Bar { class, since, until, what: event.what.clone() };
        for event in events {
            let at = seconds_of(event);
            match event.kind {
                EventKind::Strike => struck = struck.or(Some(event)),
                EventKind::Heal => {
                    lane.bars
                        .extend(struck.take().map(|strike| bar("fault", seconds_of(strike), at, strike)));
                    healed = Some(at);
                }
                EventKind::Recovered => {
                    lane.bars.extend(healed.take().map(|since| bar("recovery", since, at, event)));
                    recovered = Some(at);
                }
                EventKind::Whole => {
                    lane.bars.extend(recovered.map(|since| bar("recovery", since, at, event)));
                }
                EventKind::Trouble => lane.troubles.push((at, event.what.clone())),
            }
        }
        lane.bars.extend(struck.map(|strike| bar("fault", seconds_of(strike), length, strike)));
        lane
    };
    by_fault.into_iter().map(lane).collect()
}

/// A line through the seconds in which something succeeded.
fn path(seconds: &[Second], of: fn(&Second) -> f64) -> String {
    let mut path = String::new();
    let mut from = 0;
    for stretch in seconds.chunk_by(|one, next| (one.ok > 0) == (next.ok > 0)) {
        for (at, second) in (from..).zip(stretch).filter(|(_, second)| second.ok > 0) {
            let command = if at == from { 'M' } else { 'L' };
            path += &format!("{command}{}.5 {:.2}", at, -of(second).clamp(0.1, 1e4).log10());
        }
        if stretch[0].ok > 0 && stretch.len() == 1 {
            // A second between two without a success would be no line at all.
            path += "h0.2";
        }
        from += stretch.len();
    }
    path
}

/// A round number that is not below this one.
fn round_up(value: f64) -> f64 {
    let scale = 10_f64.powf(value.max(1.0).log10().floor());
    [1.0, 2.0, 5.0, 10.0].into_iter().map(|step| step * scale).find(|round| *round >= value).unwrap_or(value)
}

/// How available a node was in a second: a class of the style, and in words.
fn availability(second: &SecondRecord) -> (&'static str, &'static str) {
    let all = second.ok + second.fail + second.unknown;
    match second.ok {
        _ if all == 0 => ("unasked", "nothing returned"),
        0 => ("nothing", "none succeeded"),
        ok if ok == all => ("full", "all succeeded"),
        ok if ok * 10 >= all * 9 => ("most", "more than nine of ten succeeded"),
        _ => ("some", "some succeeded"),
    }
}
