//! One segment of a report.

use super::Segment;
use super::text::{count, escape, long_time, pill, time, whole};
use super::{finding, timeline};
use crate::record::{EventKind, SegmentRecord};
use crate::run::Verdict;
use quorate_checkers::operation::Status;

/// Past so many faults, a heading tells only their number.
const FAULTS_TOLD_MAX: usize = 8;

/// So many events are listed.
const EVENTS_MAX: usize = 200;

pub(super) fn section(segment: &Segment, is_drawn: bool) -> String {
    let record = &segment.record;
    let open = if record.verdict == Verdict::Passed && record.number != 1 { "" } else { " open" };
    let faults = match record.faults.as_slice() {
        [] => "no faults".to_owned(),
        many if many.len() > FAULTS_TOLD_MAX => format!("{} kinds of faults at random", many.len()),
        few => few.join(", "),
    };
    let durability =
        if record.durability == "sync" { String::new() } else { format!(", {}", record.durability) };
    let mut html = format!(
        "<details class=\"segment\" id=\"segment-{n}\"{open}>\n<summary>{} <b>{n}. {}{}</b> <span>{}</span></summary>\n",
        pill(record.verdict),
        escape(&record.workload),
        escape(&durability),
        escape(&faults),
        n = record.number,
    );
    html += &reasons(record);
    for one in &record.findings {
        html += &finding::section(one);
    }
    let more = record.findings_count.saturating_sub(record.findings.len() as u64);
    if more > 0 {
        html += &format!("<p class=\"note\">and {} more like these</p>\n", count(more));
    }
    if is_drawn {
        html += &format!("<div class=\"wide\">{}</div>\n", timeline::svg(segment));
        html += timeline::LEGEND;
    } else {
        html += "<p class=\"note\">This segment passed, like many others before it, and is not drawn.</p>\n";
    }
    html += &figures(record);
    html += &details("What the judge says", &format!("<pre>{}</pre>", escape(&record.explanation)));
    html += &details("Outcomes of all requests", &outcomes(record));
    html += &details("Events", &events(segment));
    html += "</details>\n";
    html
}

fn details(summary: &str, content: &str) -> String {
    format!("<details><summary>{summary}</summary>{content}</details>\n")
}

/// Why the segment is what it is, beside the findings.
fn reasons(record: &SegmentRecord) -> String {
    let mut items: Vec<String> = Vec::new();
    items.extend(record.void.iter().map(|reason| format!("<b>void</b>: {}", escape(reason))));
    items.extend(
        record.misdeeds.iter().map(|misdeed| format!("<b>a node misbehaved</b>: {}", escape(misdeed))),
    );
    items.extend(
        record.breaches.iter().map(|breach| format!("<b>breach of the contract</b>: {}", escape(breach))),
    );
    let more = record.breaches_count.saturating_sub(record.breaches.len() as u64);
    if more > 0 {
        items.push(format!("and {more} breaches more"));
    }
    if items.is_empty() {
        return String::new();
    }
    let items: String = items.iter().map(|item| format!("<li>{item}</li>")).collect();
    format!("<ul class=\"reasons\">{items}</ul>\n")
}

fn figures(record: &SegmentRecord) -> String {
    let clients = match record.clients {
        0 => "At rates of its own".to_owned(),
        clients => format!("{clients} clients"),
    };
    let mut rows = vec![(
        "Load".to_owned(),
        format!(
            "{clients} for {}: {} operations, {:.0} a second, longest gap {}",
            long_time(record.seconds),
            count(record.completed),
            record.per_second,
            time(record.longest_gap_ms),
        ),
    )];
    for measure in &record.measures {
        let value = match measure.unit.as_str() {
            "ms" => time(measure.value),
            "" => whole(measure.value),
            unit => format!("{:.1} {}", measure.value, escape(unit)),
        };
        rows.push((escape(&measure.name), value));
    }
    rows.push(("Seed".to_owned(), format!("<code>{}</code>", record.seed)));
    rows.push(("Again".to_owned(), format!("<code>{}</code>", escape(&record.command))));
    let rows: String = rows.iter().map(|(name, value)| format!("<dt>{name}</dt><dd>{value}</dd>")).collect();
    format!("<dl class=\"facts\">{rows}</dl>\n")
}

fn outcomes(record: &SegmentRecord) -> String {
    let row = |one: &crate::record::CountRecord| {
        let (class, status) = match one.status {
            Status::Ok => ("good", "ok"),
            Status::Fail => ("", "fail"),
            Status::Unknown => ("unsure", "unknown"),
            Status::Mismatch => ("", "mismatch"),
        };
        format!(
            "<tr><td>{}</td><td class=\"{class}\">{status}</td><td>{}</td><td class=\"n\">{}</td></tr>\n",
            escape(&one.verb),
            escape(&one.label),
            count(one.count)
        )
    };
    let rows: String = record.counts.iter().map(row).collect();
    format!(
        "<div class=\"wide\"><table><thead><tr><th>Asked</th><th>Outcome</th><th>Answer</th><th class=\"n\">Count</th></tr>\
         </thead><tbody>{rows}</tbody></table></div>"
    )
}

fn events(segment: &Segment) -> String {
    let row = |event: &crate::record::EventRecord| {
        let (class, kind) = match event.kind {
            EventKind::Strike => ("", "strike"),
            EventKind::Heal => ("", "heal"),
            EventKind::Recovered => ("good", "recovered"),
            EventKind::Trouble => ("bad", "trouble"),
        };
        format!(
            "<tr><td class=\"n\">{:.3} s</td><td>{}</td><td class=\"{class}\">{kind}</td><td>{}</td></tr>\n",
            event.at as f64 / 1e9,
            escape(&event.fault),
            escape(&event.what)
        )
    };
    let rows: String = segment.events.iter().take(EVENTS_MAX).map(row).collect();
    let more = segment.events.len().saturating_sub(EVENTS_MAX);
    let more = if more > 0 { format!("<p class=\"note\">and {more} more</p>") } else { String::new() };
    if rows.is_empty() {
        return "<p class=\"note\">Nothing was broken.</p>".to_owned();
    }
    format!(
        "<div class=\"wide\"><table><thead><tr><th class=\"n\">At</th><th>Fault</th><th>Event</th><th>What</th></tr></thead>\
         <tbody>{rows}</tbody></table></div>{more}"
    )
}
