//! A violation: the sentence, and the few operations that show it, as intervals of time.
//!
//! Calls and returns are drawn in their order. Their distances differ by powers of ten, so that a scale would show
//! nothing; the order is all that counts.

use quorate_checkers::judgement::Finding;
use quorate_checkers::operation::{Kind, Operation, Status};
use serde::Serialize;

/// So many operations are drawn.
const DRAWN_MAX: usize = 40;

/// A violation, as it is drawn.
#[derive(Serialize)]
pub(super) struct Drawn {
    key: String,
    what: String,
    rows: Vec<Row>,
    /// When the first was called, and how long all took, in milliseconds.
    begin_ms: f64,
    length_ms: f64,
    /// How many operations are not drawn.
    more: usize,
    /// All of them, as lines of a history.
    lines: String,
}

/// One operation. Places are shares of the width, from 0 to 1.
#[derive(Serialize)]
struct Row {
    sentence: String,
    class: &'static str,
    since: f64,
    until: f64,
    /// Whether it may take effect until the end: what is unknown, or never returned.
    is_open: bool,
    called_ms: f64,
    returned_ms: Option<f64>,
}

impl Drawn {
    pub(super) fn of(finding: &Finding) -> Drawn {
        let all = &finding.operations;
        let shown = &all[..all.len().min(DRAWN_MAX)];
        let mut moments: Vec<u64> =
            shown.iter().flat_map(|one| [Some(one.call), one.ret]).flatten().collect();
        moments.sort_unstable();
        moments.dedup();
        let (begin, end) = (moments.first().copied().unwrap_or(0), moments.last().copied().unwrap_or(0));
        let place = |at: u64| {
            moments.partition_point(|moment| *moment < at) as f64
                / moments.len().saturating_sub(1).max(1) as f64
        };
        let ms = |at: u64| at.saturating_sub(begin) as f64 / 1e6;
        let row = |one: &Operation| Row {
            sentence: sentence(one),
            class: class(one),
            since: place(one.call),
            until: one.ret.map_or(1.0, place),
            is_open: one.ret.is_none()
                || (one.status == Status::Unknown && !matches!(one.kind, Kind::Read { .. })),
            called_ms: ms(one.call),
            returned_ms: one.ret.map(ms),
        };
        let lines: Vec<String> = all.iter().filter_map(|one| serde_json::to_string(one).ok()).collect();
        Drawn {
            key: finding.key.clone(),
            what: finding.what.clone(),
            rows: shown.iter().map(row).collect(),
            begin_ms: begin as f64 / 1e6,
            length_ms: ms(end),
            more: all.len() - shown.len(),
            lines: lines.join("\n"),
        }
    }
}

fn class(one: &Operation) -> &'static str {
    match (&one.kind, one.status) {
        (_, Status::Fail | Status::Mismatch) => "failed",
        (Kind::Read { .. }, Status::Ok | Status::Unknown) => "read",
        (Kind::Write { .. } | Kind::Cas { .. }, Status::Ok) => "write",
        (Kind::Delete, Status::Ok) => "delete",
        (Kind::Write { .. } | Kind::Cas { .. } | Kind::Delete, Status::Unknown) => "unsure",
    }
}

/// Who did what, where, and what came of it.
fn sentence(one: &Operation) -> String {
    let shortened = |value: &str| {
        let short: String = value.chars().take(18).collect();
        if short.len() < value.len() { format!("{short}…") } else { short }
    };
    let seen = |value: &Option<String>| value.as_ref().map_or("nothing".to_owned(), |value| shortened(value));
    let what = match &one.kind {
        Kind::Read { value } if one.status == Status::Ok => format!("read: {}", seen(value)),
        Kind::Read { .. } => "read".to_owned(),
        Kind::Write { value } => format!("write {}", shortened(value)),
        Kind::Delete => "delete".to_owned(),
        Kind::Cas { expect, value } => format!("cas {} to {}", seen(expect), shortened(value)),
    };
    let status = match one.status {
        Status::Ok if one.detail.replayed => ", repeated",
        Status::Ok => "",
        Status::Fail => ", failed",
        Status::Unknown => ", unknown",
        Status::Mismatch => ", mismatch",
    };
    let node = one.detail.node.map_or(String::new(), |node| format!(" at n{node}"));
    let level = one.detail.level.map_or(String::new(), |level| format!(", {level}"));
    format!("client {}{node}{level}: {what}{status}", one.client.0)
}
