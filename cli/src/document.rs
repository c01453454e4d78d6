//! A server's document for people: single values first, each beside its name, then a table for each list.
//!
//! Values are said as people say them (`3.2 GiB`, `3 m 12 s`), by the unit in their name. A list that is known has a
//! [`View`]: its ordinary columns. `--wide` shows all others too, and so does a list of which nothing is known: what a
//! newer server adds is shown.

mod members;
mod views;

pub use members::is_joining;
pub use views::{JOBS, MOVES, NODES, PLANS, ROLES, SHARDS, SYNC, TABLES, TOKENS, USERS, View};

use crate::columns::Align::{self, Name, Right};
use crate::columns::Column;
use crate::exit::Failure;
use crate::output::{Output, printable};
use crate::quantity;
use crate::word::{Tone, Word};
use serde_json::{Map, Value as Json};
use std::time::{Duration, SystemTime};
use views::VIEWS;

/// Names that come first among single values, in this order; the others follow by the alphabet.
const FIRST: &str = "name node table id type cause says key key_b64 agree health state result zone address weight voter leader shards sharding \
    n r w mode durability ttl token shard index start end epoch leader version size tombstone expired expires_at written_at \
    hints_for digest";

/// The members of an element that stand below the table: they are sentences.
const SENTENCES: [&str; 2] = [ERROR, "waits_for"];

/// Figures of which a picture can be made, and no word: only JSON has them.
const FOR_PROGRAMS: [&str; 3] = ["traffic", "heat", "tokens"];

/// The one of them that is no good news.
const ERROR: &str = "error";

/// Shows a document: as it is for JSON, else as names, values and tables.
pub fn show(output: &Output, document: &Json) -> Result<(), Failure> {
    if output.is_json() { output.json(document) } else { output.line(&text(output, document)) }
}

/// Shows a list: an element a row, or a document each for JSON.
pub fn show_list(output: &Output, view: View, elements: &[Json], none: &str) -> Result<(), Failure> {
    if output.is_json() {
        output.jsons(elements)
    } else if elements.is_empty() {
        output.note(none);
        Ok(())
    } else {
        output.line(&table(output, Some(view), elements))
    }
}

/// The elements of the list that a document has under `name`.
pub fn elements(mut document: Json, name: &str) -> Vec<Json> {
    match document.get_mut(name).map(Json::take) {
        Some(Json::Array(elements)) => elements,
        Some(Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) | Json::Object(_)) | None => {
            Vec::new()
        }
    }
}

fn text(output: &Output, document: &Json) -> String {
    let Json::Object(members) = document else { return word(document) };
    let mut lines = Vec::new();
    let mut tables = Vec::new();
    for (name, value) in flattened(members) {
        match value {
            Json::Array(elements) if elements.iter().any(Json::is_object) => tables.push((name, elements)),
            value => lines.push((spoken(&name), said(&name, &value))),
        }
    }
    let width = lines.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    let indent = " ".repeat(width + 2);
    let mut parts: Vec<String> = lines
        .iter()
        .map(|(name, value)| {
            // Wrapped as a whole, so that its later lines stand under the value.
            let line = output.wrapped(&format!("{}  {value}", "x".repeat(width)), &indent);
            format!("{}{}", output.toned(Tone::Faint, &format!("{name:width$}")), &line[width..])
        })
        .collect();
    for (name, elements) in tables {
        let view = VIEWS.iter().find(|view| view.list == name).copied();
        let title = output.toned(Tone::Strong, &spoken(&name));
        parts.push(format!("\n{title}\n{}", table(output, view, &elements)));
    }
    parts.join("\n")
}

/// The elements as rows, and below them what went wrong with some.
pub fn table(output: &Output, view: Option<View>, elements: &[Json]) -> String {
    let owns_something = |element: &Json| element["shards"].as_u64().is_some_and(|shards| shards > 0);
    let has_owners = elements.iter().any(owns_something);
    let rows: Vec<Vec<(String, Json)>> = elements
        .iter()
        .map(|element| match element {
            Json::Object(node) => flattened(&members::with_words(node, has_owners)),
            other => vec![("value".to_owned(), other.clone())],
        })
        .collect();
    let columns = columns(output, view, &rows);
    let id = view.map_or("ID", |view| view.id);
    let known: Vec<Column> =
        columns.iter().map(|(name, align)| Column::new(title(name, id), *align)).collect();
    let cells: Vec<Vec<Word>> = rows
        .iter()
        .map(|row| {
            let of = |name: &str| row.iter().find(|(of, _)| of == name).map(|(_, value)| value);
            columns
                .iter()
                .map(|(name, _)| of(name).map_or_else(|| "".into(), |value| cell(name, value)))
                .collect()
        })
        .collect();
    let mut text = output.table(&known, &cells);
    let is_sentence =
        |(name, value): &&(String, Json)| SENTENCES.contains(&name.as_str()) && !value.is_null();
    for row in &rows {
        let of =
            ["id", "node", "shard", "name"].iter().find_map(|name| row.iter().find(|(of, _)| of == name));
        let of = of.map(|(_, value)| word(value)).unwrap_or_default();
        for (name, sentence) in row.iter().filter(is_sentence) {
            // What a shard waits for begins with its verb.
            let colon = if name == ERROR { ":" } else { "" };
            let line = output.wrapped(&format!("{of}{colon} {}", word(sentence)), "  ");
            text.push('\n');
            text.push_str(&if name == ERROR { output.toned(Tone::Bad, &line) } else { line });
        }
    }
    text
}

/// The columns to show: those of the view that say something, and with `--wide`, or without a view, all others.
fn columns(output: &Output, view: Option<View>, rows: &[Vec<(String, Json)>]) -> Vec<(String, Align)> {
    let mut columns: Vec<(String, Align)> =
        view.iter().flat_map(|view| view.columns).map(|(name, align)| ((*name).to_owned(), *align)).collect();
    if output.wide || view.is_none() {
        let mut others: Vec<String> = Vec::new();
        for (name, value) in rows.iter().flatten() {
            let is_new = columns.iter().all(|(of, _)| of != name)
                && !others.contains(name)
                && !SENTENCES.contains(&name.as_str());
            if is_new && !value.is_null() {
                others.push(name.clone());
            }
        }
        others.sort_by_key(|name| rank(name));
        columns.extend(others.into_iter().map(|name| {
            let is_number = |(of, value): &(String, Json)| *of == name && value.is_number();
            let align = if rows.iter().flatten().any(is_number) { Right } else { Name };
            (name, align)
        }));
    }
    let of =
        |row: &Vec<(String, Json)>, name: &str| row.iter().find(|(of, _)| of == name).map(|(_, v)| v.clone());
    // What no element knows only makes the table wide, and so does a name that says the id once more.
    columns.retain(|(name, _)| {
        let is_known = |row: &Vec<(String, Json)>| of(row, name).is_some_and(|value| !value.is_null());
        let is_news = |row: &Vec<(String, Json)>| {
            name != "name" || ["id", "node"].iter().all(|id| of(row, id) != of(row, "name"))
        };
        rows.iter().any(is_known) && rows.iter().any(is_news)
    });
    columns
}

/// A member's name as people read it, without the unit that its value says.
fn spoken(name: &str) -> String {
    match name {
        "key_b64" => "key (base64url)".to_owned(),
        "bytes" => "data".to_owned(),
        "bytes_done" => "data done".to_owned(),
        "minimum_bytes" => "least data".to_owned(),
        _ => {
            let bare = ["_bytes", "_ms", "_at"].iter().find_map(|unit| name.strip_suffix(unit));
            bare.unwrap_or(name).replace('_', " ")
        }
    }
}

fn title(name: &str, id: &str) -> String {
    match name {
        "id" => id.to_owned(),
        "up" => "STATE".to_owned(),
        _ => spoken(name).to_uppercase(),
    }
}

/// A value in a table.
fn cell(name: &str, value: &Json) -> Word {
    let text = match (name, value) {
        ("up", Json::Bool(true)) => "up".to_owned(),
        ("up", Json::Bool(false)) => "down".to_owned(),
        (_, Json::String(text)) if name.ends_with("_at") => {
            moment(text).map_or_else(|| printable(text), |(_, ago)| ago)
        }
        ("silent_ms", Json::Number(ms)) => {
            ms.as_u64().map_or_else(|| word(value), |ms| quantity::short_span(Duration::from_millis(ms)))
        }
        _ => said(name, value),
    };
    toned(name, text)
}

/// A state in its colour, anything else as it is.
pub fn toned(name: &str, value: String) -> Word {
    let tone = match (name, value.as_str()) {
        ("state" | "up" | "result" | "status", "up" | "ack" | "ready") => Some(Tone::Good),
        (
            "state" | "up" | "result" | "status",
            "down" | "doubtful" | "filling" | "lost" | "timeout" | "banned",
        ) => Some(Tone::Bad),
        _ => None,
    };
    match tone {
        Some(tone) => Word::toned(tone, value),
        None => Word::from(value),
    }
}

/// A value with the unit that its name has.
fn said(name: &str, value: &Json) -> String {
    let last = name.rsplit('.').next().unwrap_or(name);
    match value {
        Json::Null if last == "ttl" => "never".to_owned(),
        Json::Number(number) => match number.as_u64() {
            Some(bytes) if matches!(last, "bytes" | "bytes_done" | "size") || last.ends_with("_bytes") => {
                quantity::bytes(bytes)
            }
            Some(seconds) if last == "seconds" => quantity::span(Duration::from_secs(seconds)),
            Some(ms) if last.ends_with("_ms") => quantity::span(Duration::from_millis(ms)),
            Some(count) if COUNTS.split_ascii_whitespace().any(|name| name == last) => quantity::count(count),
            None if last == "phi" => number.as_f64().map_or_else(|| word(value), quantity::short),
            Some(_) | None => word(value),
        },
        Json::String(text) if last.ends_with("_at") => match moment(text) {
            Some((at, ago)) => format!("{at} ({ago})"),
            None => word(value),
        },
        _ => word(value),
    }
}

/// Members that count things. Epochs and indexes are names made of digits.
const COUNTS: &str = "hints shards whole tables nodes positions records hints_overflow shards_confirmed \
    equal brought differing differences pulled pushed looked_after never_equal moves minimum_moves shards_done \
    shards_active shards_pending shards_moving receiving";

/// A moment as it is written, and how long ago that is.
fn moment(text: &str) -> Option<(String, String)> {
    let at = humantime::parse_rfc3339(text).ok()?;
    Some((printable(text), quantity::relative(at, SystemTime::now())))
}

/// Members in the order in which people look for them; the members of inner objects as `outer.inner`.
fn flattened(members: &Map<String, Json>) -> Vec<(String, Json)> {
    let mut flat = Vec::new();
    for (name, value) in members.iter().filter(|(name, _)| !FOR_PROGRAMS.contains(&name.as_str())) {
        match value {
            Json::Object(inner) => {
                flat.extend(flattened(inner).into_iter().map(|(of, value)| (format!("{name}.{of}"), value)));
            }
            value => flat.push((name.clone(), value.clone())),
        }
    }
    flat.sort_by_key(|(name, _)| rank(name));
    flat
}

fn rank(name: &str) -> (usize, String) {
    let first = FIRST.split_ascii_whitespace().position(|first| first == name);
    // A sentence comes last.
    let otherwise = if SENTENCES.contains(&name) { usize::MAX } else { usize::MAX - 1 };
    (first.unwrap_or(otherwise), name.to_owned())
}

/// A value on one line.
pub fn word(value: &Json) -> String {
    match value {
        Json::Null => "-".to_owned(),
        Json::String(text) => printable(text),
        Json::Bool(true) => "yes".to_owned(),
        Json::Bool(false) => "no".to_owned(),
        // A weight of 1.0 is 1 to a person.
        Json::Number(number) => match number.as_f64() {
            Some(float) if number.is_f64() => float.to_string(),
            Some(_) | None => number.to_string(),
        },
        Json::Array(elements) if elements.is_empty() => "-".to_owned(),
        Json::Array(elements) => elements.iter().map(word).collect::<Vec<_>>().join(" "),
        Json::Object(members) => members
            .iter()
            .map(|(name, value)| format!("{name}={}", word(value)))
            .collect::<Vec<_>>()
            .join(" "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::WIDTH;
    use serde_json::json;

    #[test]
    fn a_document_is_values_then_tables() {
        let document = json!({
            "zebra": true, "name": "demo", "inner": {"b": 2}, "ttl": null, "silent_ms": 192_000, "size": 2048,
            "things": [{"node": "n1", "state": "up", "unknown": null}, {"node": "n2", "extra": 7, "error": "no answer"}],
        });
        assert_eq!(
            text(&Output::piped(false), &document),
            "name     demo\nttl      never\nsize     2.0 KiB\ninner.b  2\nsilent   3 m 12 s\nzebra    yes\n\n\
             things\nNODE  STATE  EXTRA\nn1    up\nn2               7\nn2: no answer"
        );
    }

    /// Every list, with longer names and larger numbers than anything should have.
    #[test]
    fn every_table_fits() {
        let long = "rel-production-eu-west-1-orders-service-quorate-db-0";
        let mut element = json!({
            "id": long, "node": long, "name": format!("{long}.example"), "key": long, "zone": "eu-west-1-availability-zone-b",
            "state": "doubtful", "silent_ms": 86_399_000, "phi": 99.0, "leader": true, "voter": true, "address": format!("{long}.internal.example:65535"),
            "shards": 262_144, "bytes": 1_125_895_000_000_000_u64, "free_bytes": 1_125_895_000_000_000_u64,
            "hints": 9_999_999, "keys": 9_999_999_999_u64, "removals": 9_999_999_999_u64, "exact": false,
            "counted_by": long, "sharding": "range", "mode": "consensus", "n": 15, "r": "quorum", "w": "quorum",
            "durability": "sync", "ttl": "36500d", "owners": [long, long, long], "start": "ffffffffffffffff",
            "end": long, "epoch": 1_234_567, "up": false, "version": "1234567890123-12.1234567.1234567",
            "size": 1_048_575, "tombstone": false, "expired": false, "written_at": "2020-11-28T15:19:37.123Z",
            "expires_at": "2090-11-28T15:19:37.123Z", "hints_for": [long],
            "error": format!("no answer from {long} and {long}"),
        });
        let of_jobs = json!({
            "type": "verify", "table": long, "cause": "returned", "ordered_at": "2020-11-28T15:19:37.123Z", "equal": 262_144,
            "brought": 262_144, "differing": 262_144, "not_counted": 262_144, "open": 262_144, "short": 262_144,
            "looked_after": 262_144, "never_equal": 262_144, "oldest_equal_at": "2020-11-28T15:19:37.123Z",
            "differences": 9_999_999, "last_job": long, "roles": [long], "certificate": long, "tokens": [long, long],
            "user": long, "created_at": "2020-11-28T15:19:37.123Z", "grants": format!("{long} {long}"),
        });
        let of_moves = json!({
            "shards_done": 262_144, "shards_active": 262_144, "bytes_done": 1_125_895_000_000_000_u64, "moves": 3_932_160,
            "minimum_moves": 3_932_160, "made_at": "2020-11-28T15:19:37.123Z", "kept_until": "2090-11-28T15:19:37.123Z",
            "seconds": 9_999_999, "receiving": 262_144, "next": [long, long, long], "shard": long,
        });
        for more in [of_jobs, of_moves] {
            element.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        }
        for view in VIEWS {
            let elements = [element.clone(), element.clone()];
            let table = table(&Output::piped(false), Some(*view), &elements);
            for line in table.lines() {
                assert!(
                    line.chars().count() <= WIDTH,
                    "{} is {} wide:\n{table}",
                    view.list,
                    line.chars().count()
                );
            }
            let title = table.lines().next().unwrap_or_default();
            assert!(
                title.split_whitespace().count() >= view.columns.len() - 1,
                "a column is missing: {title}"
            );
            assert!(
                super::table(&Output::piped(true), Some(*view), &elements).contains(long),
                "--wide cuts nothing"
            );
        }
    }

    #[test]
    fn a_view_leaves_the_rest_to_wide() {
        let node = json!({"id": "n1", "name": "n1", "zone": "z1", "state": "up", "peer_address": "a:1", "weight": 1.0});
        assert_eq!(
            table(&Output::piped(false), Some(NODES), std::slice::from_ref(&node)),
            "NODE  ZONE  STATE\nn1    z1    up"
        );
        assert_eq!(
            table(&Output::piped(true), Some(NODES), &[node]),
            "NODE  ZONE  STATE  WEIGHT  PEER ADDRESS\nn1    z1    up          1  a:1"
        );
    }

    #[test]
    fn a_list_stands_alone_or_under_its_name() {
        assert_eq!(elements(json!({"tables": [1, 2]}), "tables").len(), 2);
        assert_eq!(elements(json!({"nodes": [1, 2]}), "tables").len(), 0);
    }

    #[test]
    fn a_servers_words_do_not_command_the_terminal() {
        assert_eq!(word(&json!("a\u{1b}[31mb")), "a\u{fffd}[31mb");
    }
}
