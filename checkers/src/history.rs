//! Histories: what all clients did, in the file format that any outside checker can judge too.
//!
//! A history file has one JSON object a line, one operation each:
//!
//! ```json
//! {"client":1,"key":"k","op":"read|write|cas|delete","value":"..","expect":"..","call":17,"ret":42,"status":"ok","final":true}
//! ```
//!
//! `value` is null for a read that found no such key, and absent for a delete; `expect` belongs to `cas` alone;
//! `final` is written only where it is true. Times are nanoseconds of one monotonic clock, since the history began.
//!
//! Where they are known, these members follow. A checker of plain registers may ignore them, but for `replayed` and
//! for a `level` below the quorum:
//!
//! | member | meaning |
//! |---|---|
//! | `node` | the node that was asked, `n1` and so on |
//! | `level` | the level asked for, where a workload mixes levels: `one`, `quorum`, `all` or a number |
//! | `id` | the operation id, the same for each attempt at one write |
//! | `version` | the version that the answer named |
//! | `replayed` | true if the answer repeated an earlier one: then this attempt stored nothing |
//! | `ttl_ms` | the time to live that was asked for: the value may become absent, once, at any time |
//! | `refusal` | what came in place of a success, in a few words: `503 unavailable`, `timeout` |

use std::collections::BTreeMap;
use std::io::{BufRead, Write};

use serde::{Deserialize, Serialize};

use crate::level::Level;
use crate::operation::{ClientId, Detail, Kind, Operation, Status};

/// All operations of a run, in the order of their calls once [`History::sort`] has been called.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct History {
    /// The operations, of all keys and clients.
    pub operations: Vec<Operation>,
}

impl History {
    /// Puts the operations in the order of their calls; those of one moment in the order of their clients.
    pub fn sort(&mut self) {
        self.operations.sort_by_key(|operation| (operation.call, operation.client));
    }

    /// The operations of each key that are of this kind, in the order that they have here.
    pub(crate) fn by_key(&self, is_meant: impl Fn(&Operation) -> bool) -> BTreeMap<&str, Vec<&Operation>> {
        let mut by_key: BTreeMap<&str, Vec<&Operation>> = BTreeMap::new();
        for operation in self.operations.iter().filter(|one| is_meant(one)) {
            by_key.entry(&operation.key).or_default().push(operation);
        }
        by_key
    }

    /// Writes the history as JSON lines, in the order it is in.
    pub fn write_to(&self, mut sink: impl Write) -> std::io::Result<()> {
        for operation in &self.operations {
            serde_json::to_writer(&mut sink, operation)?;
            sink.write_all(b"\n")?;
        }
        sink.flush()
    }

    /// Reads a history from JSON lines; empty lines are skipped.
    pub fn read_from(source: impl BufRead) -> Result<History, ReadError> {
        let mut operations = Vec::new();
        for (index, line) in source.lines().enumerate() {
            let number = index + 1;
            let line = line.map_err(|error| ReadError { line: number, cause: error.to_string() })?;
            if line.trim().is_empty() {
                continue;
            }
            let operation = serde_json::from_str::<Operation>(&line)
                .map_err(|error| ReadError { line: number, cause: error.to_string() })?;
            operations.push(operation);
        }
        Ok(History { operations })
    }
}

/// A history file that cannot be read. Nothing was judged.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("history, line {line}: {cause}")]
pub struct ReadError {
    /// The line, from 1; 0 if the file could not be opened.
    pub line: usize,
    /// What is wrong with it.
    pub cause: String,
}

/// The shape of one line of a history file.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    client: ClientId,
    key: String,
    op: Verb,
    #[serde(default, skip_serializing_if = "Member::is_missing")]
    value: Member,
    #[serde(default, skip_serializing_if = "Member::is_missing")]
    expect: Member,
    call: u64,
    ret: Option<u64>,
    status: Status,
    #[serde(rename = "final", default, skip_serializing_if = "std::ops::Not::not")]
    closing: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    node: Option<NodeName>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    level: Option<Level>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    version: Option<String>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    replayed: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ttl_ms: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    refusal: Option<String>,
}

/// A node's number as the name that the cluster gave it.
#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
struct NodeName(u16);

impl From<NodeName> for String {
    fn from(name: NodeName) -> String {
        format!("n{}", name.0)
    }
}

impl TryFrom<String> for NodeName {
    type Error = String;

    fn try_from(text: String) -> Result<NodeName, String> {
        let number = text.strip_prefix('n').and_then(|number| number.parse().ok());
        number.map(NodeName).ok_or_else(|| format!("{text:?} is no node: n1 and so on"))
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Verb {
    Read,
    Write,
    Cas,
    Delete,
}

/// A member that keeps `null`, which means "no such key", apart from not being there.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Option<String>", into = "Option<String>")]
enum Member {
    #[default]
    Missing,
    Null,
    Text(String),
}

impl Member {
    fn is_missing(&self) -> bool {
        *self == Member::Missing
    }

    fn text(self) -> Option<String> {
        match self {
            Member::Missing | Member::Null => None,
            Member::Text(text) => Some(text),
        }
    }
}

impl From<Option<String>> for Member {
    fn from(text: Option<String>) -> Member {
        text.map_or(Member::Null, Member::Text)
    }
}

impl From<Member> for Option<String> {
    fn from(member: Member) -> Option<String> {
        member.text()
    }
}

impl From<&Operation> for Line {
    fn from(operation: &Operation) -> Line {
        let (op, value, expect) = match &operation.kind {
            Kind::Read { value } => (Verb::Read, value.clone().into(), Member::Missing),
            Kind::Write { value } => (Verb::Write, Member::Text(value.clone()), Member::Missing),
            Kind::Delete => (Verb::Delete, Member::Missing, Member::Missing),
            Kind::Cas { expect, value } => (Verb::Cas, Member::Text(value.clone()), expect.clone().into()),
        };
        let detail = operation.detail.clone();
        Line {
            client: operation.client,
            key: operation.key.clone(),
            op,
            value,
            expect,
            call: operation.call,
            ret: operation.ret,
            status: operation.status,
            closing: operation.closing,
            node: detail.node.map(NodeName),
            level: detail.level,
            id: detail.id,
            version: detail.version,
            replayed: detail.replayed,
            ttl_ms: detail.ttl_ms,
            refusal: detail.refusal,
        }
    }
}

impl Serialize for Operation {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Line::from(self).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Operation {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Operation, D::Error> {
        let line = Line::deserialize(deserializer)?;
        Operation::try_from(line).map_err(serde::de::Error::custom)
    }
}

impl TryFrom<Line> for Operation {
    type Error = String;

    fn try_from(line: Line) -> Result<Operation, String> {
        if line.op == Verb::Cas && line.expect.is_missing() {
            return Err("a cas needs what it expects (null: no such key)".to_owned());
        }
        let given = line.value.text();
        let kind = match line.op {
            Verb::Read => Kind::Read { value: given },
            Verb::Write => Kind::Write { value: given.ok_or("a write needs a value")? },
            Verb::Delete => Kind::Delete,
            Verb::Cas => Kind::Cas { expect: line.expect.text(), value: given.ok_or("a cas needs a value")? },
        };
        if line.ret.is_some_and(|ret| ret < line.call) {
            return Err("it returns before it is called".to_owned());
        }
        match line.status {
            Status::Ok if line.ret.is_none() => {
                Err("an ok operation needs the time of its return".to_owned())
            }
            Status::Mismatch if !matches!(kind, Kind::Cas { .. }) => {
                Err("only a cas can be a mismatch".to_owned())
            }
            Status::Ok | Status::Fail | Status::Unknown | Status::Mismatch => Ok(Operation {
                client: line.client,
                key: line.key,
                kind,
                call: line.call,
                ret: line.ret,
                status: line.status,
                closing: line.closing,
                detail: Detail {
                    node: line.node.map(|name| name.0),
                    level: line.level,
                    id: line.id,
                    version: line.version,
                    replayed: line.replayed,
                    ttl_ms: line.ttl_ms,
                    refusal: line.refusal,
                },
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVERY_SHAPE: &str = r#"{"client":1,"key":"k","op":"read","value":null,"call":1,"ret":2,"status":"ok","final":true}
{"client":2,"key":"k","op":"read","value":"a","call":3,"ret":4,"status":"ok"}
{"client":1,"key":"k\u0000\n","op":"write","value":"","call":5,"ret":null,"status":"unknown"}
{"client":1,"key":"k","op":"cas","value":"b","expect":"a","call":6,"ret":7,"status":"mismatch"}
{"client":1,"key":"k","op":"cas","value":"b","expect":null,"call":8,"ret":9,"status":"fail"}
{"client":3,"key":"k","op":"delete","call":10,"ret":11,"status":"ok"}
{"client":3,"key":"k","op":"write","value":"c","call":12,"ret":13,"status":"ok","node":"n2","level":"one","id":"c:7","version":"5-n2","replayed":true,"ttl_ms":500}
{"client":3,"key":"k","op":"read","value":"c","call":14,"ret":15,"status":"ok","node":"n12","level":"2"}
{"client":3,"key":"k","op":"delete","call":16,"ret":17,"status":"unknown","node":"n1","refusal":"timeout"}
"#;

    #[test]
    fn every_shape_is_written_as_it_was_read() {
        let history = History::read_from(EVERY_SHAPE.as_bytes()).expect("legal lines");
        let mut written = Vec::new();
        history.write_to(&mut written).expect("a vector takes everything");
        assert_eq!(String::from_utf8(written).expect("JSON is UTF-8"), EVERY_SHAPE);
        assert_eq!(history.operations[0].kind, Kind::Read { value: None });
        assert!(history.operations[0].closing);
        assert_eq!(history.operations[4].kind, Kind::Cas { expect: None, value: "b".into() });
    }

    #[test]
    fn a_wrong_line_is_named() {
        for (wrong, cause) in [
            (
                r#"{"client":1,"key":"k","op":"write","call":1,"ret":2,"status":"ok"}"#,
                "a write needs a value",
            ),
            (r#"{"client":1,"key":"k","op":"delete","call":3,"ret":2,"status":"ok"}"#, "returns before"),
            (
                r#"{"client":1,"key":"k","op":"delete","call":3,"ret":null,"status":"ok"}"#,
                "time of its return",
            ),
            (r#"{"client":1,"key":"k","op":"delete","call":3,"ret":4,"status":"mismatch"}"#, "only a cas"),
            (
                r#"{"client":1,"key":"k","op":"cas","value":"x","call":3,"ret":4,"status":"ok"}"#,
                "what it expects",
            ),
            (r#"{"client":1,"key":"k","op":"append","call":3,"ret":4,"status":"ok"}"#, "unknown variant"),
            (
                r#"{"client":1,"key":"k","op":"delete","call":3,"ret":4,"status":"ok","node":"7"}"#,
                "is no node",
            ),
            (
                r#"{"client":1,"key":"k","op":"delete","call":3,"ret":4,"status":"ok","nodes":1}"#,
                "unknown field",
            ),
        ] {
            let text = format!("\n{wrong}\n");
            let error = History::read_from(text.as_bytes()).expect_err(wrong);
            assert_eq!(error.line, 2, "{wrong}");
            assert!(error.cause.contains(cause), "{wrong}: {error}");
        }
    }
}
