//! A server's document for people: single values first, each beside its name, then a table for each list.
//!
//! Nothing here knows a particular document: what a newer server adds is shown too. Only the order in which people
//! look for things is known.

use crate::exit::Failure;
use crate::output::{Output, Tone, Word, printable};
use serde_json::{Map, Value as Json};

/// Names that come first, in this order; the others follow by the alphabet.
const FIRST: &str = "name node table id key key_b64 health state result zone address weight voter leader shards sharding \
    n r w mode durability ttl token shard index start end epoch leader version size tombstone expired expires_at written_at \
    hints_for digest";

/// The name that comes last: it is long.
const LAST: &str = "error";

/// Shows a document: as it is for JSON, else as names, values and tables.
pub fn show(output: &Output, document: &Json) -> Result<(), Failure> {
    if output.is_json() { output.json(document) } else { output.line(&text(output, document)) }
}

/// Shows a list: an element a row, or a document each for JSON.
pub fn show_list(output: &Output, elements: &[Json], none: &str) -> Result<(), Failure> {
    if output.is_json() {
        output.jsons(elements)
    } else if elements.is_empty() {
        output.note(none);
        Ok(())
    } else {
        output.line(&table(output, elements))
    }
}

/// The elements of a list, whether the document is one or has one under `name` (or `items`).
pub fn elements(document: Json, name: &str) -> Vec<Json> {
    match document {
        Json::Array(elements) => elements,
        Json::Object(mut members) => match [name, "items"].iter().find_map(|name| members.remove(*name)) {
            Some(Json::Array(elements)) => elements,
            Some(_) | None => Vec::new(),
        },
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => Vec::new(),
    }
}

fn text(output: &Output, document: &Json) -> String {
    let Json::Object(members) = document else { return word(document) };
    let mut lines = Vec::new();
    let mut tables = Vec::new();
    for (name, value) in flattened(members) {
        match value {
            Json::Array(elements) if elements.iter().any(Json::is_object) => tables.push((name, elements)),
            value => lines.push((name, word(&value))),
        }
    }
    let width = lines.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    let mut parts: Vec<String> = lines
        .iter()
        .map(|(name, value)| format!("{}  {value}", output.toned(Tone::Faint, &format!("{name:width$}"))))
        .collect();
    for (name, elements) in tables {
        parts.push(format!("\n{}\n{}", output.toned(Tone::Strong, &name), table(output, &elements)));
    }
    parts.join("\n")
}

fn table(output: &Output, elements: &[Json]) -> String {
    let rows: Vec<Vec<(String, Json)>> = elements
        .iter()
        .map(|element| match element {
            Json::Object(members) => flattened(members),
            other => vec![("value".to_owned(), other.clone())],
        })
        .collect();
    let mut names: Vec<String> = Vec::new();
    for (name, _) in rows.iter().flatten() {
        if !names.contains(name) {
            names.push(name.clone());
        }
    }
    // What no element knows only makes the table wide.
    let is_known = |name: &str| rows.iter().flatten().any(|(of, value)| of == name && !value.is_null());
    names.retain(|name| is_known(name));
    names.sort_by_key(|name| rank(name));
    let titles: Vec<String> = names.iter().map(|name| name.to_uppercase().replace('_', " ")).collect();
    let cells = rows
        .iter()
        .map(|row| {
            names
                .iter()
                .map(|name| {
                    let value = row.iter().find(|(of, _)| of == name).map(|(_, value)| word(value));
                    toned(name, value.unwrap_or_default())
                })
                .collect()
        })
        .collect();
    output.table(&titles.iter().map(String::as_str).collect::<Vec<_>>(), cells)
}

/// A state in its colour, anything else as it is.
pub fn toned(name: &str, value: String) -> Word {
    let tone = match (name, value.as_str()) {
        ("state" | "liveness" | "result" | "status", "up" | "ack" | "ready" | "alive") => Some(Tone::Good),
        ("state" | "liveness" | "result" | "status", "down" | "dead" | "lost") => Some(Tone::Bad),
        ("error", text) if !text.is_empty() => Some(Tone::Bad),
        _ => None,
    };
    match tone {
        Some(tone) => Word::toned(tone, value),
        None => Word::from(value),
    }
}

/// Members in the order in which people look for them; the members of inner objects as `outer.inner`.
fn flattened(members: &Map<String, Json>) -> Vec<(String, Json)> {
    let mut flat = Vec::new();
    for (name, value) in members {
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
    let otherwise = if name == LAST { usize::MAX } else { usize::MAX - 1 };
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
    use crate::output::Format;
    use serde_json::json;

    #[test]
    fn a_document_is_values_then_tables() {
        let document = json!({
            "zebra": true, "name": "demo", "inner": {"b": 2},
            "owners": [{"node": "n1", "state": "up", "unknown": null}, {"node": "n2", "extra": 7}],
        });
        let text = text(&Output::new(Format::Table, false), &document);
        assert_eq!(
            text,
            "name     demo\ninner.b  2\nzebra    yes\n\nowners\nNODE  STATE  EXTRA\nn1    up\nn2           7"
        );
    }

    #[test]
    fn a_list_stands_alone_or_under_its_name() {
        assert_eq!(elements(json!([1]), "tables").len(), 1);
        assert_eq!(elements(json!({"tables": [1, 2]}), "tables").len(), 2);
        assert_eq!(elements(json!({"items": [1, 2]}), "tables").len(), 2);
    }

    #[test]
    fn a_servers_words_do_not_command_the_terminal() {
        assert_eq!(word(&json!("a\u{1b}[31mb")), "a\u{fffd}[31mb");
    }
}
