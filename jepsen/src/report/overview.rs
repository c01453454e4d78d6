//! The beginning of a report: the verdict, the segments, what was left out, and what each kind of fault cost.

use std::collections::BTreeMap;

use super::text::{class, count, escape, long_time, many, middle_and_longest, moment, pill, time, word};
use super::{Run, Segment};
use crate::record::{FaultRecord, SecondRecord, availability};
use crate::run::{PER_SECOND_MIN, PROGRESS_WITHIN, Verdict};

/// The words that the report uses, for those who read their first.
pub(super) const HOW_TO_READ: &str = include_str!("how_to_read.html");

/// The suite whose every segment should be violated.
const BREAKAGES: &str = "breakages";

/// What the run is called.
pub(super) fn title(run: &Run) -> String {
    match &run.record().suite {
        Some(suite) => format!("suite {suite}, {}", word(run.outcome.verdict())),
        None => format!("a run, {}", word(run.outcome.verdict())),
    }
}

pub(super) fn of(run: &Run) -> String {
    let mut html = head(run);
    html += &what_is_missing(run);
    html += &segments(run);
    html += &faults(run);
    html += &nodes(run);
    html
}

fn head(run: &Run) -> String {
    let verdict = run.outcome.verdict();
    let sum = |of: fn(&Segment) -> f64| run.segments.iter().map(of).sum::<f64>();
    let worked = sum(|segment| segment.record.seconds);
    let completed: u64 = run.segments.iter().map(|segment| segment.record.completed).sum();
    let findings: u64 = run
        .segments
        .iter()
        .map(|segment| segment.record.findings_count.max(segment.record.findings.len() as u64))
        .sum();
    let strikes: u32 =
        run.segments.iter().flat_map(|segment| &segment.record.by_fault).map(|fault| fault.strikes).sum();
    let kinds: std::collections::BTreeSet<&str> = run
        .segments
        .iter()
        .flat_map(|segment| &segment.record.by_fault)
        .map(|fault| fault.fault.as_str())
        .collect();
    let is_hunt = run.record().suite.as_deref() == Some(BREAKAGES);
    let (colour, sentence) = if is_hunt {
        (
            "hunt",
            "This run is of a build that is broken on purpose: to be violated is what each rule should come to.",
        )
    } else {
        (class(verdict), sentence(verdict))
    };
    let title = match &run.record().suite {
        Some(suite) => format!("Suite {}", escape(suite)),
        None => "A run".to_owned(),
    };
    let figure = |value: String, of: &str| format!("<div><b>{value}</b><span>{of}</span></div>");
    let figures = [
        figure(
            count(run.segments.len() as u64),
            if run.segments.len() == 1 { "segment" } else { "segments" },
        ),
        figure(long_time(worked), "under load"),
        figure(count(completed), "operations completed"),
        figure(count(u64::from(strikes)), &format!("strikes of {} kinds", kinds.len())),
        figure(count(findings), if findings == 1 { "violation" } else { "violations" }),
    ];
    let planned = match run.record().segments_planned {
        0 => String::new(),
        planned => format!(" of {planned} planned"),
    };
    let of_run = [
        ("Binary", escape(&run.record().version)),
        ("Machine", escape(&run.record().machine)),
        ("Hosts", escape(&run.record().hosts)),
        ("Begun", moment(run.record().started)),
        ("Segments done", format!("{}{planned}", run.segments.len())),
        ("Seed", format!("<code>{}</code>", run.record().seed)),
        ("Again", format!("<code>{}</code>", escape(&run.record().command))),
    ];
    let rows: String =
        of_run.iter().map(|(name, value)| format!("<dt>{name}</dt><dd>{value}</dd>")).collect();
    format!(
        "<header class=\"{colour}\">\n<p class=\"over\">Quorate, proved from outside</p>\n<h1>{title}: {}</h1>\n\
         <p>{sentence}</p>\n<div class=\"figures\">{}</div>\n</header>\n<dl class=\"facts\">{rows}</dl>\n",
        word(verdict),
        figures.concat(),
    )
}

fn sentence(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Passed => "Every segment kept every promise, under enough load to prove it.",
        Verdict::Violated => "A promise was broken. The segments below show by which operations.",
        Verdict::Undecided => "A judge gave up on some key. That is not a pass.",
        Verdict::Void => "Some segment did too little to prove anything. That is not a pass.",
    }
}

/// What was not done, and what proves nothing. Silence would look like a pass.
fn what_is_missing(run: &Run) -> String {
    let mut items: Vec<String> = run
        .record()
        .left_out
        .iter()
        .map(|left| format!("<b>{}</b> was left out: {}", escape(&left.what), escape(&left.why)))
        .collect();
    let again = &run.record().void_at_first;
    items.extend(again.iter().map(|(number, why)| {
        let why = escape(why);
        format!("<a href=\"#segment-{number}\">Segment {number}</a> was void at first and was done once more: {why}")
    }));
    items.extend(run.outcome.reasons_to_doubt().iter().map(|reason| escape(reason)));
    let never = run.outcome.never_struck();
    if !never.is_empty() {
        items.push(format!("planned, and never struck: {}", never.join(", ")));
    }
    let planned = run.record().segments_planned as usize;
    if run.segments.len() < planned {
        items.push(format!("{} of {planned} planned segments are not done", planned - run.segments.len()));
    }
    for segment in run.segments.iter().filter(|segment| !segment.record.void.is_empty()) {
        let number = segment.record.number;
        let reasons: Vec<String> = segment.record.void.iter().map(|reason| escape(reason)).collect();
        let name = if segment.record.verdict == Verdict::Void { "is void" } else { "would be void" };
        items.push(format!(
            "<a href=\"#segment-{number}\">Segment {number}</a> {name}: {}",
            reasons.join("; ")
        ));
    }
    if items.is_empty() {
        return "<p class=\"note\">Nothing was left out, and no segment was void.</p>\n".to_owned();
    }
    let items: String = items.iter().map(|item| format!("<li>{item}</li>")).collect();
    format!("<section class=\"missing\"><h2>Left out, or void</h2><ul>{items}</ul></section>\n")
}

fn segments(run: &Run) -> String {
    let row = |segment: &Segment| {
        let record = &segment.record;
        let faults = chips(&record.faults);
        format!(
            "<tr><td class=\"n\"><a href=\"#segment-{n}\">{n}</a></td><td>{}</td><td>{}</td><td class=\"faults\">{faults}\
             </td><td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"n\">{:.0}</td><td class=\"n\">{}</td></tr>\n",
            pill(record.verdict),
            escape(&record.workload),
            long_time(record.seconds),
            count(record.completed),
            record.per_second,
            time(record.longest_gap_ms),
            n = record.number,
        )
    };
    let rows: String = run.segments.iter().map(row).collect();
    format!(
        "<h2>Verdicts</h2>\n<div class=\"wide\"><table>\n<thead><tr><th class=\"n\">#</th><th>Verdict</th><th>Workload</th>\
         <th>Faults</th><th class=\"n\">Load</th><th class=\"n\">Operations</th><th class=\"n\">A second</th>\
         <th class=\"n\">Longest gap</th></tr></thead>\n<tbody>\n{rows}</tbody></table></div>\n\
         <p class=\"note\">A segment is void below {PER_SECOND_MIN:.0} completed operations a second, or if nothing \
         completes within {} s of a healing.</p>\n",
        PROGRESS_WITHIN.as_secs(),
    )
}

/// Past so many faults, only their number is shown.
const CHIPS_MAX: usize = 14;

/// Faults as chips, those of one family together.
fn chips(faults: &[String]) -> String {
    if faults.is_empty() {
        return "<i>none</i>".to_owned();
    }
    let all = escape(&faults.join(", "));
    if faults.len() > CHIPS_MAX {
        return format!("<span class=\"chip\" title=\"{all}\">{} kinds at random</span>", faults.len());
    }
    let family = |fault: &str| fault.split('-').next().unwrap_or_default().to_owned();
    let mut families: Vec<(String, Vec<&str>)> = Vec::new();
    for fault in faults {
        match families.iter_mut().find(|(name, _)| *name == family(fault)) {
            Some((_, members)) => members.push(fault),
            None => families.push((family(fault), vec![fault])),
        }
    }
    let chip = |(name, members): &(String, Vec<&str>)| match members.as_slice() {
        [one] => format!("<span class=\"chip\">{}</span>", escape(one)),
        [first, rest @ ..] => {
            // What the names share is said once.
            let tail = |fault: &str| {
                fault.strip_prefix(name.as_str()).unwrap_or(fault).trim_start_matches('-').to_owned()
            };
            let tails: Vec<String> = rest.iter().map(|fault| tail(fault)).collect();
            format!("<span class=\"chip\">{}, {}</span>", escape(first), escape(&tails.join(", ")))
        }
        [] => String::new(),
    };
    families.iter().map(chip).collect()
}

fn faults(run: &Run) -> String {
    let mut by_fault: BTreeMap<&str, (usize, FaultRecord)> = BTreeMap::new();
    for fault in run.segments.iter().flat_map(|segment| &segment.record.by_fault) {
        let (segments, sum) = by_fault.entry(&fault.fault).or_default();
        *segments += 1;
        sum.strikes += fault.strikes;
        sum.troubles += fault.troubles;
        sum.longest_gap_ms = sum.longest_gap_ms.max(fault.longest_gap_ms);
        sum.progress_ms.extend(&fault.progress_ms);
        sum.ready_ms.extend(&fault.ready_ms);
    }
    if by_fault.is_empty() {
        return "<h2>Faults</h2>\n<p class=\"note\">Nothing was broken in this run.</p>\n".to_owned();
    }
    let row = |(name, (segments, sum)): (&&str, &(usize, FaultRecord))| {
        let troubles = match sum.troubles {
            0 => "–".to_owned(),
            troubles => format!("<b class=\"bad\">{troubles}</b>"),
        };
        format!(
            "<tr><td>{}</td><td class=\"n\">{segments}</td><td class=\"n\">{}</td><td class=\"n\">{}</td>\
             <td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"n\">{troubles}</td></tr>\n",
            escape(name),
            sum.strikes,
            time(sum.longest_gap_ms),
            middle_and_longest(&sum.progress_ms),
            middle_and_longest(&sum.ready_ms),
        )
    };
    let rows: String = by_fault.iter().map(row).collect();
    format!(
        "<h2>What each kind of fault cost</h2>\n<div class=\"wide\"><table>\n<thead><tr><th>Fault</th>\
         <th class=\"n\">Segments</th><th class=\"n\">Strikes</th><th class=\"n\">Longest gap</th>\
         <th class=\"n\">First success after healing</th><th class=\"n\">All ready after healing</th>\
         <th class=\"n\">Troubles</th></tr></thead>\n<tbody>\n{rows}</tbody></table></div>\n\
         <p class=\"note\">Times are the middle one and the longest. Where faults overlap, each is charged with what \
         happened while it was in force.</p>\n"
    )
}

fn nodes(run: &Run) -> String {
    let mut by_node: BTreeMap<&str, Vec<&SecondRecord>> = BTreeMap::new();
    for second in run.segments.iter().flat_map(|segment| &segment.seconds) {
        by_node.entry(&second.node).or_default().push(second);
    }
    let mut memory: BTreeMap<&str, u64> = BTreeMap::new();
    for segment in &run.segments {
        for (node, bytes) in segment.record.nodes.iter().zip(&segment.record.memory_peak_bytes) {
            let most = memory.entry(node).or_default();
            *most = (*most).max(*bytes);
        }
    }
    let row = |(node, seconds): (&&str, &Vec<&SecondRecord>)| {
        let all: u64 = seconds.iter().map(|second| second.ok + second.fail + second.unknown).sum();
        let share = availability(seconds.iter().copied());
        let share = share.map_or("–".to_owned(), |share| format!("{share:.1} %"));
        let memory = memory.get(*node).filter(|bytes| **bytes > 0);
        let memory = memory.map_or("–".to_owned(), |bytes| format!("{} MiB", bytes >> 20));
        format!(
            "<tr><td>{}</td><td class=\"n\">{}</td><td class=\"n\">{share}</td><td class=\"n\">{memory}</td></tr>\n",
            escape(node),
            count(all)
        )
    };
    let rows: String = by_node.iter().map(row).collect();
    let segments = many(run.segments.len() as u64, "segment", "segments");
    format!(
        "<h2>Availability of each node</h2>\n<div class=\"wide\"><table>\n<thead><tr><th>Node</th>\
         <th class=\"n\">Requests</th><th class=\"n\">Answered with success</th><th class=\"n\">Most memory</th></tr>\
         </thead>\n<tbody>\n{rows}</tbody></table></div>\n<p class=\"note\">Over {segments}. Clients ask every node in \
         turn, also one that is down: a node that was struck often succeeds less.</p>\n"
    )
}
