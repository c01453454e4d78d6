//! A violation: the sentence, and the few operations that show it, as intervals of time.

use super::text::{escape, time};
use quorate_checkers::judgement::Finding;
use quorate_checkers::operation::{Kind, Operation, Status};

/// So many operations are drawn.
const DRAWN_MAX: usize = 40;

const WIDTH: f64 = 960.0;
const LEFT: f64 = 330.0;
const RIGHT: f64 = 20.0;
const ROW: f64 = 20.0;

pub(super) fn section(finding: &Finding) -> String {
    let mut html = format!(
        "<div class=\"finding\"><h4>key <code>{}</code></h4><p>{}</p>\n",
        escape(&finding.key),
        escape(&finding.what)
    );
    if finding.operations.is_empty() {
        html += "<p class=\"note\">The operations of this key were not made few: others of this segment were.</p></div>\n";
        return html;
    }
    html += &format!("<div class=\"wide\">{}</div>\n", svg(&finding.operations));
    let lines: Vec<String> =
        finding.operations.iter().filter_map(|one| serde_json::to_string(one).ok()).collect();
    html += &format!(
        "<details><summary>as lines of a history</summary><pre>{}</pre></details></div>\n",
        escape(&lines.join("\n"))
    );
    html
}

fn svg(operations: &[Operation]) -> String {
    let shown = &operations[..operations.len().min(DRAWN_MAX)];
    let begin = shown.iter().map(|one| one.call).min().unwrap_or(0);
    let end = shown.iter().map(|one| one.ret.unwrap_or(one.call)).max().unwrap_or(begin);
    let end = end.max(begin + 1);
    let moments = Moments::of(shown);
    let x = |at: u64| LEFT + (WIDTH - LEFT - RIGHT) * moments.place(at);
    let mut parts = Vec::new();
    for (index, one) in shown.iter().enumerate() {
        let y = 6.0 + ROW * index as f64;
        parts.push(format!(
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
            LEFT - 10.0,
            y + 13.0,
            escape(&sentence(one))
        ));
        let since = x(one.call);
        // What is unknown, or never returned, may take effect until the end.
        let is_open =
            one.ret.is_none() || (one.status == Status::Unknown && !matches!(one.kind, Kind::Read { .. }));
        let until = one.ret.map_or(WIDTH - RIGHT, &x);
        parts.push(format!(
            "<rect class=\"{}\" x=\"{since:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"11\" rx=\"3\"><title>{} to {}</title></rect>",
            class(one),
            y + 4.0,
            (until - since).max(3.0),
            escape(&time((one.call - begin) as f64 / 1e6)),
            escape(&one.ret.map_or("never".to_owned(), |ret| time(ret.saturating_sub(begin) as f64 / 1e6))),
        ));
        if is_open {
            let y = y + 9.5;
            parts.push(format!(
                "<line class=\"open\" x1=\"{until:.1}\" x2=\"{:.1}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>",
                WIDTH - RIGHT
            ));
        }
    }
    let y = 6.0 + ROW * shown.len() as f64;
    let length = time((end - begin) as f64 / 1e6);
    let from = time(begin as f64 / 1e6);
    let more = operations.len() - shown.len();
    let more = if more > 0 { format!("; {more} operations more") } else { String::new() };
    parts.push(format!(
        "<text x=\"{LEFT}\" y=\"{:.1}\">in the order of time, not to scale; begins at {from}, lasts {length}{more}</text>",
        y + 14.0
    ));
    format!(
        "<svg class=\"intervals\" viewBox=\"0 0 {WIDTH} {:.0}\" role=\"img\" aria-label=\"the operations that show it\">{}</svg>",
        y + 22.0,
        parts.concat()
    )
}

/// Calls and returns in their order. Their distances differ by powers of ten, so that a scale would show nothing; the
/// order is all that counts.
struct Moments {
    ordered: Vec<u64>,
}

impl Moments {
    fn of(operations: &[Operation]) -> Moments {
        let mut ordered: Vec<u64> =
            operations.iter().flat_map(|one| [Some(one.call), one.ret]).flatten().collect();
        ordered.sort_unstable();
        ordered.dedup();
        Moments { ordered }
    }

    /// From 0 to 1.
    fn place(&self, at: u64) -> f64 {
        let before = self.ordered.partition_point(|moment| *moment < at);
        before as f64 / (self.ordered.len().saturating_sub(1)).max(1) as f64
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
