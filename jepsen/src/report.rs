//! The report of a run: one HTML file that says what was proved, what was not, and why.
//!
//! It is made from the run's folder alone (see [`crate::record`]), at the end of a run or at any other time, also of a
//! run that was broken off. It needs nothing from anywhere: styles and plots are in it, and there are no scripts.
//!
//! Here and in the files below is what a report is made of, as plain figures; how it looks is `page.html`, with
//! `segment.html` for each segment. What comes first is what matters most: the verdict, then each segment's, then what was
//! left out and what was void; then what each kind of fault cost; and then, for each segment, the faults over throughput,
//! latency and the availability of each node, with the violations and the few operations that show them.
//!
//! **Left out**: the histories themselves, which are too large, and the nodes' logs.

mod finding;
mod text;
mod timeline;

use std::collections::BTreeMap;
use std::path::PathBuf;

use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{Environment, UndefinedBehavior};
use serde::Serialize;

use crate::campaign::Outcome;
use crate::record::{
    Error, EventRecord, FaultRecord, RunFolder, RunRecord, SecondRecord, SegmentRecord, availability,
};
use crate::run::{PER_SECOND_MIN, PROGRESS_WITHIN, Verdict};

/// So many segments that passed are drawn; of the others only the figures are told, so that the file of a long night
/// can still be opened on a phone. What did not pass is always drawn.
const DRAWN_MAX: usize = 150;

/// What the page is made of, in the words of its templates.
#[derive(Serialize)]
struct Page<'a> {
    style: &'static str,
    per_second_min: f64,
    progress_within_seconds: u64,
    run: &'a RunRecord,
    verdict: Verdict,
    reasons_to_doubt: Vec<String>,
    never_struck: Vec<&'static str>,
    segments: Vec<Segment>,
    faults: Vec<FaultSum<'a>>,
    nodes: Vec<NodeSum>,
}

/// One segment, with what happened when.
#[derive(Serialize)]
struct Segment {
    record: SegmentRecord,
    events: Vec<EventRecord>,
    findings: Vec<finding::Drawn>,
    /// The picture; `None` if it is left out.
    timeline: Option<timeline::Timeline>,
}

/// What one kind of fault cost in all segments.
#[derive(Default, Serialize)]
struct FaultSum<'a> {
    name: &'a str,
    segments: u32,
    sum: FaultRecord,
}

/// What one node did in all segments.
#[derive(Serialize)]
struct NodeSum {
    name: String,
    requests: u64,
    /// In percent; `None` if there were no requests.
    share: Option<f64>,
    memory_mib: u64,
}

/// Writes the report of a run into its folder, and says where it is.
pub fn write(folder: &RunFolder) -> Result<PathBuf, Error> {
    let outcome = Outcome::read(folder)?;
    let (mut segments, mut by_node) = (Vec::new(), BTreeMap::new());
    let mut drawn = 0;
    for (record, folder) in folder.read_segments()? {
        let (events, seconds) = (folder.read_events()?, folder.read_seconds()?);
        let passed = record.verdict == Verdict::Passed;
        drawn += usize::from(passed);
        let timeline =
            (!passed || drawn <= DRAWN_MAX).then(|| timeline::Timeline::of(&record, &events, &seconds));
        let findings = record.findings.iter().map(finding::Drawn::of).collect();
        for second in seconds {
            by_node.entry(second.node.clone()).or_insert_with(Vec::new).push(second);
        }
        segments.push(Segment { record, events, findings, timeline });
    }
    let nodes = by_node.into_iter().map(|(name, seconds)| node(name, &seconds, &outcome.segments)).collect();
    let page = Page {
        style: include_str!("report/style.css"),
        per_second_min: PER_SECOND_MIN,
        progress_within_seconds: PROGRESS_WITHIN.as_secs(),
        run: &outcome.run,
        verdict: outcome.verdict(),
        reasons_to_doubt: outcome.reasons_to_doubt(),
        never_struck: outcome.never_struck(),
        faults: faults(&outcome.segments),
        segments,
        nodes,
    };
    let path = folder.report_path();
    let page = environment().get_template("page.html").and_then(|template| template.render(Serde(page)));
    let page = page.map_err(|cause| Error { path: path.clone(), cause: format!("{cause:#}") })?;
    folder.write_report(&page)?;
    Ok(path)
}

/// The templates, and how they write figures.
fn environment() -> Environment<'static> {
    let mut environment = Environment::new();
    let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build();
    environment.set_syntax(syntax.expect("the delimiters are the usual ones"));
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.add_filter("time", text::time);
    environment.add_filter("long_time", text::long_time);
    environment.add_filter("count", text::count);
    environment.add_filter("moment", text::moment);
    environment.add_filter("middle_and_longest", text::middle_and_longest);
    for (name, template) in [
        ("page.html", include_str!("report/page.html")),
        ("segment.html", include_str!("report/segment.html")),
        ("timeline.html", include_str!("report/timeline.html")),
    ] {
        environment.add_template(name, template).expect("a test renders every template");
    }
    environment
}

fn faults(segments: &[SegmentRecord]) -> Vec<FaultSum<'_>> {
    let mut by_fault: BTreeMap<&str, FaultSum<'_>> = BTreeMap::new();
    for fault in segments.iter().flat_map(|segment| &segment.by_fault) {
        let FaultSum { name, segments, sum } = by_fault.entry(&fault.fault).or_default();
        (*name, *segments) = (&fault.fault, *segments + 1);
        sum.strikes += fault.strikes;
        sum.troubles += fault.troubles;
        sum.longest_gap_ms = sum.longest_gap_ms.max(fault.longest_gap_ms);
        sum.progress_ms.extend(&fault.progress_ms);
        sum.ready_ms.extend(&fault.ready_ms);
        sum.whole_ms.extend(&fault.whole_ms);
    }
    by_fault.into_values().collect()
}

fn node(name: String, seconds: &[SecondRecord], segments: &[SegmentRecord]) -> NodeSum {
    let peaks = segments.iter().flat_map(|segment| segment.nodes.iter().zip(&segment.memory_peak_bytes));
    let memory = peaks.filter(|(node, _)| **node == name).map(|(_, bytes)| *bytes).max().unwrap_or(0);
    let requests = seconds.iter().map(|second| second.ok + second.fail + second.unknown).sum();
    NodeSum { requests, share: availability(seconds.iter()), memory_mib: memory >> 20, name }
}

#[cfg(test)]
mod tests;
