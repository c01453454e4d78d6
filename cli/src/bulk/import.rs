//! `import`: stores the lines of an export, many keys a request and several requests at once.
//!
//! ```text
//!   lines ──> Reader ──> batches ──┬──> request ──┐
//!                                  ├──> request ──┼──> stored up to line N, without a gap
//!                                  └──> request ──┘
//! ```
//!
//! Lines of one key are stored in their order: a batch has a key once, and waits while another one with a key of it is on its
//! way. What is not known to be stored is sent again. Each line has an operation id, the run's name and its number, so that
//! one that is stored already, or comes late, is recognised, and does not undo what others wrote to its key meanwhile.

use super::Meter;
use super::storing::store;
use crate::context::Context;
use crate::exit::{Exit, Failure};
use crate::key::durability;
use crate::output::printable;
use clap::Args;
use quorate_api::document::PutItem;
use quorate_api::query::TimeToLive;
use quorate_api::text::{from_base64, to_base64url};
use quorate_client::{Client, Write};
use quorate_model::operation::ParseOperationIdError;
use quorate_model::{Durability, Level, OperationId};
use serde::Deserialize;
use serde_json::json;
use std::collections::{BTreeMap, HashSet};
use std::fs::File;
use std::hash::{BuildHasher as _, RandomState};
use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// Keys that one request stores at most, unless the server takes fewer.
const ITEMS_MAX: usize = 500;

/// Bytes of lines that one request has at most, unless one line alone has more, or the server takes fewer.
const BYTES_MAX: usize = 1 << 20;

/// Longest line: a value of the hard limit in base64, with room for the rest.
const LINE_BYTES_MAX: u64 = 64 << 20;

/// `quorate import`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  \
    quorate import users users.jsonl\n  \
    zcat november.jsonl.gz | quorate import log -\n  \
    quorate import users users.jsonl --skip 120000 --run iX3mB0a9kQzE   # goes on where one ended")]
pub struct Import {
    /// The table, which must be there.
    table: String,
    /// The file; `-` reads standard input. A line is what `export` or `scan --values --output jsonl` writes.
    file: PathBuf,
    /// Lines at the beginning that are left out: those that are stored already.
    #[arg(long, value_name = "LINES", default_value_t = 0)]
    skip: u64,
    /// The run of the same file that is gone on with, as it was named: what it has stored is not stored again.
    #[arg(long, value_name = "NAME", value_parser = run)]
    run: Option<String>,
    /// Requests that are on their way at once.
    #[arg(long, value_name = "COUNT", default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=64))]
    parallel: u32,
    /// Owners that must hold each key durably: one, quorum, all or a number [default: the table's].
    #[arg(long, short = 'c', value_name = "LEVEL")]
    consistency: Option<Level>,
    /// What an acknowledgement means: sync or os; more than the table's, never less.
    #[arg(long, value_name = "HOW", value_parser = durability)]
    durability: Option<Durability>,
}

/// A line: what a batch calls `put`, beside what only a scan says.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    key: Option<String>,
    key_b64: Option<String>,
    value: Option<String>,
    value_b64: Option<String>,
    content_type: Option<String>,
    ttl: Option<String>,
    expires_at: Option<String>,
    #[serde(rename = "version")]
    _version: Option<String>,
    #[serde(rename = "size")]
    _size: Option<u64>,
}

/// Some lines with a key each, in their order.
#[derive(Default)]
struct Batch {
    /// Whose operation ids the lines have; `None`: they have none.
    run: Option<String>,
    /// The number of the first one, counted from 1.
    first: u64,
    items: Vec<PutItem>,
    /// The numbers of the lines of the items: empty lines lie between.
    lines: Vec<u64>,
    /// The number of the last line that was read for it.
    last: u64,
    keys: HashSet<String>,
    bytes: u64,
}

/// What is read of the file.
struct Reader<R> {
    lines: R,
    /// Whose operation ids the lines get; `None`: none.
    run: Option<String>,
    number: u64,
    /// The line that did not fit into the batch before.
    kept: Option<(u64, PutItem, u64)>,
    items_max: usize,
    bytes_max: u64,
}

impl Import {
    /// Stores every line.
    pub async fn run(self, context: &Context) -> Result<(), Failure> {
        let client = context.client()?;
        let limits = context.told("asking for the limits", client.limits()).await?;
        let limit = |name: &str, max: usize| {
            let limit = limits.get(None, name).and_then(|limit| usize::try_from(limit).ok());
            limit.map_or(max, |limit| limit.min(max)).max(1)
        };
        let run = self.run.clone().unwrap_or_else(drawn);
        let takes_ids = self.takes_ids(context, &client).await?;
        let (input, all) = self.open()?;
        let reader = Reader {
            lines: BufReader::with_capacity(1 << 20, input),
            run: takes_ids.then(|| run.clone()),
            number: 0,
            kept: None,
            items_max: limit("batch_items_max", ITEMS_MAX),
            bytes_max: limit("batch_bytes_max", BYTES_MAX) as u64,
        };
        let mut meter = Meter::new(&context.output, "stored");
        let (mut done, ended) = self.store(client, reader, all, &mut meter).await;
        meter.line.clear();
        match ended {
            Ok(()) => {
                let output = &context.output;
                if output.is_json() {
                    let document = json!({ "table": self.table, "stored": meter.keys, "bytes": meter.bytes });
                    return output.json(&document);
                }
                output.line(&meter.sentence())
            }
            Err(failure) => {
                done = done.max(self.skip);
                let named = if takes_ids { format!(" --run {run}") } else { String::new() };
                Err(failure.next(format!(
                    "the first {done} lines are stored; go on with the others: --skip {done}{named}"
                )))
            }
        }
    }

    /// Whether writes may have operation ids: not below the table's own level.
    async fn takes_ids(&self, context: &Context, client: &Client) -> Result<bool, Failure> {
        let Some(level) = self.consistency else { return Ok(true) };
        let table = context.told("reading the table's description", client.table(&self.table)).await?;
        let n = table["n"].as_u64().and_then(|n| u8::try_from(n).ok());
        let w = table["w"].as_str().and_then(|w| w.parse::<Level>().ok());
        Ok(n.zip(w).is_some_and(|(n, w)| level.within(n) >= w.within(n)))
    }

    /// The input, and how many bytes it has, if that is known.
    fn open(&self) -> Result<(Box<dyn Read + Send>, Option<u64>), Failure> {
        if self.file.as_os_str() == "-" {
            return Ok((Box::new(std::io::stdin()), None));
        }
        let failed = |error: std::io::Error| {
            Failure::new(Exit::Usage, format!("{} can't be read: {error}", self.file.display()))
        };
        let file = File::open(&self.file).map_err(failed)?;
        let metadata = file.metadata().map_err(failed)?;
        if metadata.is_dir() {
            return Err(failed(std::io::ErrorKind::IsADirectory.into()));
        }
        Ok((Box::new(file), metadata.is_file().then_some(metadata.len())))
    }

    /// Stores all batches. How many lines at the beginning are stored, and how it ended.
    async fn store(
        &self,
        client: Client,
        mut reader: Reader<impl BufRead + Send + 'static>,
        all: Option<u64>,
        meter: &mut Meter<'_>,
    ) -> (u64, Result<(), Failure>) {
        let write = Write { consistency: self.consistency, durability: self.durability, ..Write::default() };
        let (batches, mut read) = mpsc::channel::<Result<Batch, Failure>>(2);
        let skip = self.skip;
        // A thread of its own: standard input can be silent for as long as it likes.
        std::thread::spawn(move || {
            while let Some(batch) = reader.next(skip).transpose() {
                let is_last = batch.is_err();
                if batches.blocking_send(batch).is_err() || is_last {
                    return;
                }
            }
        });
        let mut stored = Stored::new(skip);
        let mut on_their_way: JoinSet<(Batch, Result<(), Failure>)> = JoinSet::new();
        let mut keys: HashSet<String> = HashSet::new();
        let mut waiting: Option<Batch> = None;
        let mut failed = None;
        let mut is_read = false;
        let mut interrupted = std::pin::pin!(tokio::signal::ctrl_c());
        loop {
            let has_room = on_their_way.len() < self.parallel as usize && failed.is_none();
            if has_room && let Some(batch) = waiting.take_if(|batch| batch.keys.is_disjoint(&keys)) {
                keys.extend(batch.keys.iter().cloned());
                stored.begun(&batch);
                let (client, table, write) = (client.clone(), self.table.clone(), write.clone());
                on_their_way.spawn(async move {
                    let ended = batch.store(&client, &table, &write).await;
                    (batch, ended)
                });
                continue;
            }
            if on_their_way.is_empty() && waiting.is_none() && (is_read || failed.is_some()) {
                break;
            }
            if on_their_way.is_empty() && failed.is_some() {
                break;
            }
            tokio::select! {
                biased;
                _ = &mut interrupted => {
                    failed.get_or_insert_with(|| Failure::new(Exit::Interrupted, meter.sentence()));
                    break;
                }
                Some(done) = on_their_way.join_next() => {
                    let Ok((batch, ended)) = done else { panic!("storing a batch panicked") };
                    for key in &batch.keys {
                        keys.remove(key);
                    }
                    match ended {
                        Ok(()) => {
                            stored.ended(&batch);
                            let far = all.map(|all| (stored.bytes + batch.bytes, all));
                            meter.add(batch.items.len() as u64, batch.bytes, far);
                            stored.bytes += batch.bytes;
                        }
                        Err(failure) => failed = failed.or(Some(failure)),
                    }
                }
                batch = read.recv(), if waiting.is_none() && !is_read && failed.is_none() => match batch {
                    Some(Ok(batch)) => waiting = Some(batch),
                    Some(Err(failure)) => failed = Some(failure),
                    None => is_read = true,
                },
            }
        }
        (stored.without_gap, failed.map_or(Ok(()), Err))
    }
}

/// How far it is without a gap.
struct Stored {
    without_gap: u64,
    /// Batches that are on their way, or stored behind one that is: by their first line, their last, and whether they are.
    later: BTreeMap<u64, (u64, bool)>,
    bytes: u64,
}

impl Stored {
    fn new(skipped: u64) -> Self {
        Self { without_gap: skipped, later: BTreeMap::new(), bytes: 0 }
    }

    fn begun(&mut self, batch: &Batch) {
        self.later.insert(batch.first, (batch.last, false));
    }

    fn ended(&mut self, batch: &Batch) {
        self.later.insert(batch.first, (batch.last, true));
        while let Some(first) = self.later.first_entry().filter(|first| first.get().1) {
            self.without_gap = first.remove().0;
        }
    }
}

impl Batch {
    /// Stores all of it.
    async fn store(&self, client: &Client, table: &str, write: &Write) -> Result<(), Failure> {
        let id = |at: usize| self.run.as_ref().map(|run| format!("{run}:{}", self.lines[at]));
        let name = |at: usize| format!("line {}", self.lines[at]);
        store(client, (table, write), &self.items, id, name).await
    }
}

impl<R: BufRead> Reader<R> {
    /// The next batch; `None`: there is none.
    fn next(&mut self, skip: u64) -> Result<Option<Batch>, Failure> {
        let mut batch = Batch { run: self.run.clone(), first: self.number + 1, ..Batch::default() };
        loop {
            let (number, item, bytes) = match self.kept.take() {
                Some(kept) => {
                    batch.first = kept.0;
                    kept
                }
                None => match self.line(skip)? {
                    Some(line) => line,
                    None => break,
                },
            };
            let key = name_of(&item);
            let is_full = batch.items.len() >= self.items_max || batch.bytes + bytes > self.bytes_max;
            if !batch.items.is_empty() && (is_full || batch.keys.contains(&key)) {
                self.kept = Some((number, item, bytes));
                break;
            }
            batch.keys.insert(key);
            batch.items.push(item);
            batch.lines.push(number);
            batch.bytes += bytes;
            batch.last = number;
        }
        Ok((!batch.items.is_empty()).then_some(batch))
    }

    /// The next line that says something: its number, what it says, its bytes.
    fn line(&mut self, skip: u64) -> Result<Option<(u64, PutItem, u64)>, Failure> {
        loop {
            let mut text = Vec::new();
            let failed = |error: &std::io::Error| {
                Failure::new(Exit::Other, format!("the input can't be read: {error}"))
            };
            let mut limited = (&mut self.lines).take(LINE_BYTES_MAX);
            let bytes = limited.read_until(b'\n', &mut text).map_err(|error| failed(&error))? as u64;
            if bytes == 0 {
                return Ok(None);
            }
            self.number += 1;
            let number = self.number;
            if number <= skip || text.iter().all(u8::is_ascii_whitespace) {
                continue;
            }
            let refused = |why: String| {
                let sentence = format!("line {number} is not stored: {why}");
                Failure::new(Exit::Usage, sentence)
            };
            if bytes == LINE_BYTES_MAX && text.last() != Some(&b'\n') {
                return Err(refused(format!("it is longer than {LINE_BYTES_MAX} bytes")));
            }
            let line: Line = serde_json::from_slice(&text).map_err(|error| {
                refused(format!("it is not what export writes: {}", printable(&error.to_string())))
            })?;
            return Ok(Some((number, line.item().map_err(|why| refused(why.to_owned()))?, bytes)));
        }
    }
}

impl Line {
    fn item(self) -> Result<PutItem, &'static str> {
        let Line { key, key_b64, value, value_b64, content_type, ttl, expires_at, .. } = self;
        if key.is_some() == key_b64.is_some() {
            return Err("it has not one of \"key\" and \"key_b64\"");
        }
        if value.is_some() == value_b64.is_some() {
            return Err("it has not one of \"value\" and \"value_b64\" (a scan writes them with --values)");
        }
        // What was exported without an end has none, whatever the table has for values that name none.
        let is_endless = ttl.is_none() && expires_at.is_none();
        let ttl = if is_endless { Some(TimeToLive::Unlimited.to_string()) } else { ttl };
        Ok(PutItem { key, key_b64, value, value_b64, content_type, ttl, expires_at })
    }
}

/// A name for a run that no other one has.
fn drawn() -> String {
    // The standard library seeds these from the system.
    let drawn = RandomState::new().hash_one(std::process::id());
    format!("i{}", to_base64url(&drawn.to_be_bytes()))
}

/// The name of a run: what an operation id begins with.
fn run(text: &str) -> Result<String, String> {
    let id: OperationId =
        format!("{text}:0").parse().map_err(|error: ParseOperationIdError| error.to_string())?;
    Ok(id.client)
}

/// A key, so that equal ones are equal.
fn name_of(item: &PutItem) -> String {
    match (&item.key, &item.key_b64) {
        (Some(text), _) => to_base64url(text.as_bytes()),
        (None, Some(text)) => from_base64(text).map_or_else(|| text.clone(), |bytes| to_base64url(&bytes)),
        (None, None) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batches(text: &str, items_max: usize, skip: u64) -> Vec<(u64, u64, Vec<u64>)> {
        let mut reader = Reader {
            lines: text.as_bytes(),
            run: None,
            number: 0,
            kept: None,
            items_max,
            bytes_max: 1 << 20,
        };
        let mut all = Vec::new();
        while let Some(batch) = reader.next(skip).expect("lines") {
            all.push((batch.first, batch.last, batch.lines));
        }
        all
    }

    fn line(key: &str) -> String {
        format!("{{\"key\":\"{key}\",\"value\":\"v\",\"version\":\"1-1.1.1\",\"size\":1}}\n")
    }

    #[test]
    fn a_batch_has_a_key_once_and_is_no_longer_than_the_server_takes() {
        let text = ["a", "b", "c", "a"].map(line).concat();
        assert_eq!(batches(&text, 9, 0), [(1, 3, vec![1, 2, 3]), (4, 4, vec![4])]);
        assert_eq!(batches(&text, 2, 0), [(1, 2, vec![1, 2]), (3, 4, vec![3, 4])]);
        // The same bytes, said in another way.
        let other = format!("{}{{\"key_b64\":\"YQ==\",\"value_b64\":\"\"}}\n", line("a"));
        assert_eq!(batches(&other, 9, 0).len(), 2);
    }

    #[test]
    fn what_was_stored_and_empty_lines_are_left_out() {
        let text = format!("{}\n{}{}", line("a"), line("b"), line("c"));
        assert_eq!(batches(&text, 9, 0), [(1, 4, vec![1, 3, 4])]);
        assert_eq!(batches(&text, 9, 1), [(1, 4, vec![3, 4])]);
        assert_eq!(batches(&text, 9, 9), []);
    }

    #[test]
    fn what_is_stored_is_counted_without_a_gap() {
        let batch = |first, last| Batch { first, last, ..Batch::default() };
        let mut stored = Stored::new(0);
        for (first, last) in [(1, 500), (501, 900), (901, 1_000)] {
            stored.begun(&batch(first, last));
        }
        stored.ended(&batch(501, 900));
        assert_eq!(stored.without_gap, 0);
        stored.ended(&batch(1, 500));
        assert_eq!(stored.without_gap, 900);
        stored.ended(&batch(901, 1_000));
        assert_eq!(stored.without_gap, 1_000);
    }

    #[test]
    fn a_line_that_is_none_is_named() {
        for (text, why) in [
            ("{\"key\":\"a\"}\n", "--values"),
            ("{\"value\":\"a\"}\n", "key_b64"),
            ("{\"key\":\"a\",\"key_b64\":\"YQ\",\"value\":\"\"}\n", "key_b64"),
            ("{\"key\":\"a\",\"value\":1}\n", "not what export writes"),
            ("{\"kye\":\"a\",\"value\":\"\"}\n", "kye"),
            ("no\n", "not what export writes"),
        ] {
            let text = format!("\n{text}");
            let mut reader = Reader {
                lines: text.as_bytes(),
                run: None,
                number: 0,
                kept: None,
                items_max: 9,
                bytes_max: 9,
            };
            let Err(failure) = reader.next(0) else { panic!("{text}") };
            assert!(failure.sentence.starts_with("line 2 is not stored: "), "{}", failure.sentence);
            assert!(failure.sentence.contains(why), "{}", failure.sentence);
        }
    }
}
