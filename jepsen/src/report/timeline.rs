//! The picture of a segment: one line of time, and below each other what was broken, what was done, how long it took,
//! and which node answered.

use std::collections::BTreeMap;

use super::Segment;
use super::text::{escape, time};
use crate::record::{EventKind, SecondRecord};

/// What the colours mean, below the picture.
pub(super) const LEGEND: &str = "<p class=\"legend\"><span class=\"key ok\"></span>succeeded \
    <span class=\"key unsure\"></span>unknown outcome <span class=\"key bad\"></span>failed \
    <span class=\"key fault\"></span>fault in force <span class=\"key recovery\"></span>healed, not all ready yet \
    <span class=\"key closing\"></span>closing reads</p>\n";

const WIDTH: f64 = 960.0;
const LEFT: f64 = 116.0;
const RIGHT: f64 = 12.0;
const LANE: f64 = 17.0;
const UP: f64 = 88.0;
const DOWN: f64 = 30.0;
const LATENCY: f64 = 84.0;
const STRIP: f64 = 13.0;
const SPACE: f64 = 26.0;

/// The bounds of the latency plot, in milliseconds, on a scale where each line is ten times the one below.
const LATENCY_MS: (f64, f64) = (0.1, 10_000.0);

/// From seconds to the picture.
#[derive(Clone, Copy)]
struct Axis {
    seconds: f64,
}

impl Axis {
    fn x(self, second: f64) -> f64 {
        LEFT + (WIDTH - LEFT - RIGHT) * (second / self.seconds).clamp(0.0, 1.0)
    }
}

/// A second of all nodes together.
#[derive(Clone, Copy, Default)]
struct Second {
    ok: u64,
    fail: u64,
    unknown: u64,
    p50_ms: f64,
    p99_ms: f64,
}

pub(super) fn svg(segment: &Segment) -> String {
    let seconds = of_all_nodes(&segment.seconds);
    let last_event = segment.events.iter().map(|event| event.at as f64 / 1e9).fold(0.0, f64::max);
    let axis = Axis { seconds: (seconds.len() as f64).max(last_event).max(1.0) };
    let mut parts = Vec::new();
    let mut y = 8.0;
    y = faults(&mut parts, segment, axis, y);
    let plots_from = y;
    y = throughput(&mut parts, &seconds, axis, y);
    y = latency(&mut parts, &seconds, axis, y);
    y = availability(&mut parts, segment, axis, y);
    let (ticks, y) = time_axis(axis, plots_from, y);
    let closing = (segment.record.seconds < axis.seconds).then(|| {
        let x = axis.x(segment.record.seconds);
        let (width, height) = (WIDTH - RIGHT - x, y - 24.0);
        format!("<rect class=\"closing\" x=\"{x:.1}\" y=\"0\" width=\"{width:.1}\" height=\"{height:.1}\"/>")
    });
    format!(
        "<svg class=\"timeline\" viewBox=\"0 0 {WIDTH} {y:.0}\" role=\"img\" aria-label=\"faults, throughput, latency and \
         availability over time\">{}{ticks}{}</svg>",
        closing.unwrap_or_default(),
        parts.concat(),
    )
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

fn label(x: f64, y: f64, anchor: &str, text: &str) -> String {
    format!("<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{}</text>", escape(text))
}

/// A lane for each fault, with a bar for each strike.
fn faults(parts: &mut Vec<String>, segment: &Segment, axis: Axis, from: f64) -> f64 {
    let mut lanes: BTreeMap<&str, Vec<(EventKind, f64, &str)>> = BTreeMap::new();
    for event in &segment.events {
        let events = lanes.entry(&event.fault).or_default();
        events.push((event.kind, event.at as f64 / 1e9, &event.what));
    }
    let mut y = from;
    for (fault, events) in lanes {
        parts.push(label(LEFT - 8.0, y + LANE - 5.0, "end", fault));
        parts.push(format!(
            "<line class=\"lane\" x1=\"{LEFT}\" x2=\"{:.1}\" y1=\"{mid:.1}\" y2=\"{mid:.1}\"/>",
            WIDTH - RIGHT,
            mid = y + LANE / 2.0
        ));
        let (mut struck, mut healed): (Option<(f64, &str)>, Option<f64>) = (None, None);
        for (kind, at, what) in events {
            match kind {
                EventKind::Strike => struck = struck.or(Some((at, what))),
                EventKind::Heal => {
                    if let Some((since, what)) = struck.take() {
                        parts.push(bar("fault", axis, (since, at), y, what));
                    }
                    healed = Some(at);
                }
                EventKind::Recovered => {
                    if let Some(since) = healed.take() {
                        parts.push(bar("recovery", axis, (since, at), y, what));
                    }
                }
                EventKind::Trouble => parts.push(format!(
                    "<path class=\"trouble\" d=\"M{x:.1} {top:.1}l5 10h-10z\"><title>{}</title></path>",
                    escape(what),
                    x = axis.x(at),
                    top = y + 2.0
                )),
            }
        }
        if let Some((since, what)) = struck {
            parts.push(bar("fault", axis, (since, axis.seconds), y, what));
        }
        y += LANE;
    }
    if y > from { y + SPACE / 2.0 } else { y }
}

fn bar(class: &str, axis: Axis, (since, until): (f64, f64), y: f64, what: &str) -> String {
    let (x, end) = (axis.x(since), axis.x(until));
    format!(
        "<rect class=\"{class}\" x=\"{x:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{:.1}\" rx=\"2\"><title>{} to {}: {}</title></rect>",
        y + 3.0,
        (end - x).max(2.0),
        LANE - 6.0,
        format_args!("{since:.1} s"),
        format_args!("{until:.1} s"),
        escape(what),
    )
}

/// A round number that is not below this one.
fn round_up(value: f64) -> f64 {
    let scale = 10_f64.powf(value.max(1.0).log10().floor());
    [1.0, 2.0, 5.0, 10.0].into_iter().map(|step| step * scale).find(|round| *round >= value).unwrap_or(value)
}

/// What succeeded, upwards; what did not, downwards, on a scale of its own.
fn throughput(parts: &mut Vec<String>, seconds: &[Second], axis: Axis, from: f64) -> f64 {
    parts.push(label(
        LEFT,
        from + 10.0,
        "start",
        "requests a second: succeeded above, unknown and failed below",
    ));
    let top = from + 16.0;
    let base = top + UP;
    let most = |of: fn(&Second) -> u64| round_up(seconds.iter().map(of).max().unwrap_or(0) as f64);
    let (up, down) = (most(|second| second.ok), most(|second| second.fail + second.unknown));
    for share in [0.5, 1.0] {
        let y = base - UP * share;
        parts.push(grid(y));
        parts.push(label(LEFT - 8.0, y + 4.0, "end", &format!("{:.0}", up * share)));
    }
    parts.push(label(LEFT - 8.0, base + 4.0, "end", "0"));
    if seconds.iter().any(|second| second.fail + second.unknown > 0) {
        parts.push(label(LEFT - 8.0, base + DOWN + 4.0, "end", &format!("{down:.0}")));
    }
    for (at, second) in seconds.iter().enumerate() {
        let (x, width) = slot(axis, at);
        let ok = UP * second.ok as f64 / up;
        let unknown = DOWN * second.unknown as f64 / down;
        let fail = DOWN * second.fail as f64 / down;
        let mut rect = |class: &str, y: f64, height: f64| {
            if height > 0.0 {
                parts.push(format!(
                    "<rect class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\"/>"
                ));
            }
        };
        rect("ok", base - ok, ok);
        rect("unsure", base, unknown);
        rect("bad", base + unknown, fail);
    }
    parts.push(format!(
        "<line class=\"base\" x1=\"{LEFT}\" x2=\"{:.1}\" y1=\"{base:.1}\" y2=\"{base:.1}\"/>",
        WIDTH - RIGHT
    ));
    base + DOWN + SPACE
}

fn slot(axis: Axis, second: usize) -> (f64, f64) {
    let (x, end) = (axis.x(second as f64), axis.x(second as f64 + 1.0));
    (x, (end - x - 0.4).max(0.4))
}

fn grid(y: f64) -> String {
    format!("<line class=\"grid\" x1=\"{LEFT}\" x2=\"{:.1}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>", WIDTH - RIGHT)
}

/// How long successes took: the middle, and the worst node's slowest in a hundred.
fn latency(parts: &mut Vec<String>, seconds: &[Second], axis: Axis, from: f64) -> f64 {
    parts.push(label(LEFT, from + 8.0, "start", "time of a success: middle, and 99 % at the slowest node"));
    let top = from + 16.0;
    let (low, high) = (LATENCY_MS.0.log10(), LATENCY_MS.1.log10());
    let y_of =
        |ms: f64| top + LATENCY * (1.0 - (ms.max(LATENCY_MS.0).log10() - low) / (high - low)).clamp(0.0, 1.0);
    for ms in [1.0, 10.0, 100.0, 1_000.0, 10_000.0] {
        parts.push(grid(y_of(ms)));
        parts.push(label(LEFT - 8.0, y_of(ms) + 4.0, "end", &time(ms).replace(".0", "")));
    }
    for (class, of) in
        [("p99", (|second| second.p99_ms) as fn(&Second) -> f64), ("p50", |second| second.p50_ms)]
    {
        let mut path = String::new();
        let mut is_drawing = false;
        for (at, second) in seconds.iter().enumerate() {
            if second.ok == 0 {
                is_drawing = false;
                continue;
            }
            let (x, y) = (axis.x(at as f64 + 0.5), y_of(of(second)));
            // A second between two without a success would be no line at all.
            let is_alone = !is_drawing && seconds.get(at + 1).is_none_or(|next| next.ok == 0);
            path += &format!("{}{x:.1} {y:.1}", if is_drawing { 'L' } else { 'M' });
            if is_alone {
                path += "h2";
            }
            is_drawing = true;
        }
        parts.push(format!("<path class=\"{class}\" d=\"{path}\"/>"));
    }
    top + LATENCY + SPACE
}

/// A strip for each node: how many of the requests that it was asked succeeded, second by second.
fn availability(parts: &mut Vec<String>, segment: &Segment, axis: Axis, from: f64) -> f64 {
    parts.push(label(
        LEFT,
        from + 4.0,
        "start",
        "share of requests that succeeded, by the node that was asked",
    ));
    let mut y = from + 12.0;
    for node in &segment.record.nodes {
        parts.push(label(LEFT - 8.0, y + STRIP - 3.0, "end", node));
        let mut stretch: Option<(u64, u64, Availability)> = None;
        let of_node = segment.seconds.iter().filter(|second| second.node == *node);
        for second in of_node {
            let state = Availability::of(second);
            stretch = match stretch {
                Some((since, _, same)) if same == state => Some((since, second.second + 1, same)),
                other => {
                    parts.extend(other.map(|stretch| strip(axis, stretch, y)));
                    Some((second.second, second.second + 1, state))
                }
            };
        }
        parts.extend(stretch.map(|stretch| strip(axis, stretch, y)));
        y += STRIP;
    }
    y + 4.0
}

/// How available a node was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Availability {
    Unasked,
    Full,
    Most,
    Some,
    Nothing,
}

impl Availability {
    fn of(second: &SecondRecord) -> Availability {
        let all = second.ok + second.fail + second.unknown;
        match second.ok {
            _ if all == 0 => Availability::Unasked,
            0 => Availability::Nothing,
            ok if ok == all => Availability::Full,
            ok if ok * 10 >= all * 9 => Availability::Most,
            _ => Availability::Some,
        }
    }

    fn class_and_words(self) -> (&'static str, &'static str) {
        match self {
            Availability::Unasked => ("unasked", "nothing returned"),
            Availability::Full => ("full", "all succeeded"),
            Availability::Most => ("most", "more than nine of ten succeeded"),
            Availability::Some => ("some", "some succeeded"),
            Availability::Nothing => ("nothing", "none succeeded"),
        }
    }
}

fn strip(axis: Axis, (since, until, state): (u64, u64, Availability), y: f64) -> String {
    let (x, end) = (axis.x(since as f64), axis.x(until as f64));
    let (class, words) = state.class_and_words();
    format!(
        "<rect class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{:.1}\" height=\"{:.1}\"><title>{since} to {until} s: {words}\
         </title></rect>",
        end - x,
        STRIP - 3.0
    )
}

/// The lines and figures of time, which lie behind everything else.
fn time_axis(axis: Axis, top: f64, y: f64) -> (String, f64) {
    let steps = [1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1_800.0];
    let step = steps.into_iter().find(|step| axis.seconds / step <= 14.0).unwrap_or(3_600.0);
    let (mut at, mut ticks) = (0.0, String::new());
    while at <= axis.seconds {
        let x = axis.x(at);
        ticks += &format!("<line class=\"grid\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{top:.1}\" y2=\"{y:.1}\"/>");
        let is_last = axis.seconds - at < step / 4.0;
        let anchor = if at < step / 2.0 {
            "start"
        } else if is_last {
            "end"
        } else {
            "middle"
        };
        ticks += &label(x, y + 13.0, anchor, &format!("{at:.0} s"));
        at += step;
    }
    (ticks, y + 20.0)
}
