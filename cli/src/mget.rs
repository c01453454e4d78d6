//! `mget`: many keys at once.

use crate::columns::{name, right};
use crate::context::Context;
use crate::exit::{Exit, Failure};
use crate::key::{ReadFlags, key_bytes};
use crate::output::{Tone, Word, printable, readable};
use crate::quantity;
use clap::Args;
use quorate_client::MgetItem;
use serde_json::{Value as Json, json};
use std::ffi::OsString;

/// `quorate mget`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  \
    quorate mget demo user/1 user/2\n  \
    quorate --output jsonl mget demo user/1 user/2")]
pub struct Mget {
    /// The table.
    table: String,
    /// The keys.
    #[arg(required = true)]
    keys: Vec<OsString>,
    /// Each KEY is base64url.
    #[arg(long)]
    b64: bool,
    #[command(flatten)]
    read: ReadFlags,
}

impl Mget {
    /// One line a key; every key has its own status.
    pub async fn run(self, context: &Context) -> Result<(), Failure> {
        let b64 = self.b64;
        let keys: Vec<Vec<u8>> =
            self.keys.into_iter().map(|key| key_bytes(key, b64)).collect::<Result<_, _>>()?;
        let client = context.client()?;
        let items =
            context.told("reading the keys", client.mget(&self.table, &keys, &self.read.read())).await?;
        let output = &context.output;
        if output.is_json() {
            let all: Vec<Json> = items
                .iter()
                .map(|item| {
                    // All that the server said of it.
                    let mut document = item.raw.clone();
                    document["table"] = json!(self.table);
                    document
                })
                .collect();
            output.jsons(&all)?;
        } else {
            let rows: Vec<Vec<Word>> = items
                .iter()
                .map(|item| {
                    let value = match &item.value {
                        Some(value) => Word::from(shortened(&value.bytes)),
                        None if item.status == 404 => Word::toned(Tone::Faint, "no such key"),
                        None => Word::toned(Tone::Bad, printable(refusal(item))),
                    };
                    vec![readable(&item.key).into(), item.status.to_string().into(), value]
                })
                .collect();
            output.line(&output.table(&[name("KEY"), right("STATUS"), name("VALUE")], &rows))?;
        }
        let failed = items.iter().filter(|item| item.status != 200 && item.status != 404).count();
        if failed == 0 {
            return Ok(());
        }
        let left_out = items.iter().filter(|item| item.status == LEFT_OUT).count();
        let next = if left_out == failed {
            "their values did not fit into one answer: read those keys alone, with `quorate get`"
        } else {
            "see which nodes are down with `quorate status`"
        };
        let sentence = format!("{failed} of {} keys could not be read", items.len());
        Err(Failure::new(Exit::Unavailable, sentence).next(next))
    }
}

/// The status of a value that one `mget` has no room for.
const LEFT_OUT: u16 = 413;

/// So many characters of a value fit into a table.
const SHOWN_CHARS_MAX: usize = 80;

/// A value in a table: its beginning, if it is long.
pub fn shortened(bytes: &[u8]) -> String {
    let text = readable(&bytes[..bytes.len().min(4 * SHOWN_CHARS_MAX)]);
    if text.chars().count() <= SHOWN_CHARS_MAX && bytes.len() <= 4 * SHOWN_CHARS_MAX {
        return text;
    }
    let beginning: String = text.chars().take(SHOWN_CHARS_MAX).collect();
    format!("{beginning}… ({})", quantity::bytes(bytes.len() as u64))
}

/// Why there is no value, in words.
fn refusal(item: &MgetItem) -> &str {
    let said = item.error.as_ref().map_or("", |problem| {
        if problem.detail.is_empty() { &problem.code } else { problem.detail.as_str() }
    });
    if said.is_empty() { "could not be read" } else { said }
}
