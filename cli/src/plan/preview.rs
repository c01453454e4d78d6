//! The preview of a plan: the screen on which an operator decides.
//!
//! First what moves in one line, then what each node has and will have, then what it takes, what stays available, why a
//! node keeps what it has, and what to know first.

use crate::columns::{name, right};
use crate::output::{Output, Tone, Word, printable};
use crate::quantity::{bytes, count, counted, listed, span};
use quorate_api::document::{Plan, PlanNode};
use std::collections::BTreeMap;
use std::time::Duration;

/// The width of the words before the sentences.
const LABEL_WIDTH: usize = 11;

/// The preview, over as many lines as it needs.
pub fn text(output: &Output, plan: &Plan) -> String {
    let mut parts = vec![headline(output, plan), String::new(), table(output, &plan.nodes), String::new()];
    let mut say = |label: &str, tone: Tone, sentence: &str| {
        let indent = " ".repeat(LABEL_WIDTH + 2);
        let line = format!("{}  {}", "x".repeat(LABEL_WIDTH), printable(sentence));
        let wrapped = output.wrapped(&line, &indent);
        let label = output.toned(tone, &format!("{label:LABEL_WIDTH$}"));
        parts.push(format!("{label}{}", &wrapped[LABEL_WIDTH..]));
    };
    if plan.moves > 0 {
        say("moves", Tone::Faint, &moves(plan));
        say("takes", Tone::Faint, &takes(plan));
    }
    say("space", Tone::Faint, &space(&plan.nodes));
    say("meanwhile", Tone::Faint, &plan.available);
    for (at, (why, nodes)) in unchanged(&plan.nodes).iter().enumerate() {
        say(if at == 0 { "unchanged" } else { "" }, Tone::Faint, &format!("{}: {why}", listed(nodes)));
    }
    for warning in &plan.warnings {
        say("! know", Tone::Bad, warning);
    }
    parts.join("\n")
}

fn headline(output: &Output, plan: &Plan) -> String {
    let what = if plan.moves == 0 {
        "nothing moves".to_owned()
    } else {
        format!("{} of {} move, {}", copies(plan.moves), counted(plan.shards, "shard"), bytes(plan.bytes))
    };
    let id = output.toned(Tone::Strong, &printable(&plan.id));
    format!("plan {id}  {}: {what}", printable(&plan.kind))
}

/// What each node has now and when the plan is carried out. A member that is named like its id has no name here.
fn table(output: &Output, nodes: &[PlanNode]) -> String {
    let has_names = nodes.iter().any(|node| node.name != node.node);
    let columns = [
        name("NODE"),
        name("NAME"),
        name("ZONE"),
        right("COPIES"),
        right("AFTER"),
        right("DATA"),
        right("AFTER"),
        right("NEEDS"),
        right("FREE"),
    ];
    let kept = |at: &usize| has_names || *at != 1;
    let row = |node: &PlanNode| -> Vec<Word> {
        let more = node.copies_after > node.copies_now;
        let changed = |text: String| match node.copies_now == node.copies_after {
            true => Word::from(text),
            false => Word::toned(if more { Tone::Good } else { Tone::Strong }, text),
        };
        vec![
            printable(&node.node).into(),
            printable(&node.name).into(),
            printable(&node.zone).into(),
            count(node.copies_now).into(),
            changed(count(node.copies_after)),
            bytes(node.bytes_now).into(),
            changed(bytes(node.bytes_after)),
            needs(node).map_or_else(|| "-".to_owned(), bytes).into(),
            node.free_bytes.map_or_else(|| "-".to_owned(), bytes).into(),
        ]
    };
    let pick = |cells: Vec<Word>| -> Vec<Word> {
        cells.into_iter().enumerate().filter(|(at, _)| kept(at)).map(|(_, cell)| cell).collect()
    };
    let rows: Vec<Vec<Word>> = nodes.iter().map(|node| pick(row(node))).collect();
    let columns: Vec<_> =
        columns.into_iter().enumerate().filter(|(at, _)| kept(at)).map(|(_, column)| column).collect();
    output.table(&columns, &rows)
}

/// Space that a node needs for what it gets, with a tenth more; `None`: it gets no more than it gives.
fn needs(node: &PlanNode) -> Option<u64> {
    let more = node.bytes_after.saturating_sub(node.bytes_now);
    (node.copies_after > node.copies_now).then_some(more.saturating_add(more / 10))
}

fn moves(plan: &Plan) -> String {
    let all = format!("{}, {}", copies(plan.moves), bytes(plan.bytes));
    if plan.moves <= plan.minimum_moves {
        format!("{all}: as few as this can be done with")
    } else {
        let least = format!("{}, {}", copies(plan.minimum_moves), bytes(plan.minimum_bytes));
        format!("{all}; the fewest possible are {least}")
    }
}

fn takes(plan: &Plan) -> String {
    if plan.bytes == 0 {
        return "about a second: its shards are empty, or not counted yet".to_owned();
    }
    let about = match plan.seconds {
        0 | 1 => "about a second".to_owned(),
        seconds => format!("about {}", span(Duration::from_secs(seconds))),
    };
    format!("{about}, at the rate at which a node takes copies in today (64 MiB/s)")
}

fn space(nodes: &[PlanNode]) -> String {
    let gets: Vec<&PlanNode> = nodes.iter().filter(|node| needs(node).is_some()).collect();
    if gets.is_empty() {
        return "no node needs more".to_owned();
    }
    let unknown: Vec<String> =
        gets.iter().filter(|node| node.free_bytes.is_none()).map(|node| node.node.clone()).collect();
    let tightest = gets
        .iter()
        .filter_map(|node| Some((node, needs(node)?, node.free_bytes?)))
        .min_by_key(|(_, needs, free)| free.saturating_sub(*needs));
    let mut sentence = match tightest {
        Some((node, needs, free)) => {
            let others = if gets.len() > 1 { ", and the others have more left" } else { "" };
            format!("{} needs {} and has {} free{others}", node.node, bytes(needs), bytes(free))
        }
        None => String::new(),
    };
    if !unknown.is_empty() {
        let gap = if sentence.is_empty() { "" } else { "; " };
        sentence.push_str(&format!("{gap}how much is free on {} is not known", listed(&unknown)));
    }
    sentence
}

/// Why nodes keep as many copies as they have, each reason once.
fn unchanged(nodes: &[PlanNode]) -> BTreeMap<&str, Vec<String>> {
    let mut reasons: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for node in nodes {
        if let Some(why) = &node.why_unchanged {
            reasons.entry(why).or_default().push(node.node.clone());
        }
    }
    reasons
}

fn copies(number: u64) -> String {
    if number == 1 { "1 copy".to_owned() } else { format!("{} copies", count(number)) }
}

#[cfg(test)]
mod tests;
