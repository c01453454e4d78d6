//! `scan`: the keys of a table in their order, page after page, as the reader takes them.
//!
//! Each page is written whole before the next one is asked for, so that what was written always ends at a cursor: after
//! Ctrl-C or an error, the scan goes on from there.

use crate::columns::{left, name, right};
use crate::context::Context;
use crate::exit::{Exit, Failure};
use crate::key::Bounds;
use crate::mget::shortened;
use crate::output::{Format, Output, Word, readable};
use bytesize::ByteSize;
use clap::Args;
use quorate_client::{Item, Scan as Asked, Scanning};
use quorate_model::Level;
use serde_json::json;
use std::num::NonZeroU64;

/// `quorate scan`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  \
    quorate scan log --prefix 2026-11- --limit 20\n  \
    quorate scan log --start 2026-06 --end 2026-08 --values --output jsonl > summer.jsonl\n  \
    quorate scan log --reverse --limit 1\n  \
    quorate scan log --count --prefix 2026-")]
pub struct Scan {
    /// The table.
    table: String,
    #[command(flatten)]
    bounds: Bounds,
    /// Most keys [default: as many as there are].
    #[arg(long, value_name = "COUNT")]
    limit: Option<NonZeroU64>,
    /// Most bytes of keys and values of a page that a node makes, as 64KiB [default: the node's limit].
    #[arg(long, value_name = "SIZE")]
    bytes: Option<ByteSize>,
    /// The last key first.
    #[arg(long)]
    reverse: bool,
    /// Values too.
    #[arg(long)]
    values: bool,
    /// How many keys there are, in place of the keys.
    #[arg(long, conflicts_with_all = ["limit", "bytes", "values"])]
    count: bool,
    /// Go on where a scan with the same --prefix, --start, --end and --reverse ended.
    #[arg(long, value_name = "CURSOR")]
    cursor: Option<String>,
    /// Owners that must answer for each key: one, quorum, all or a number [default: the table's].
    #[arg(long, short = 'c', value_name = "LEVEL")]
    consistency: Option<Level>,
    /// The same as --consistency; beside it only if equal.
    #[arg(long, value_name = "LEVEL")]
    r: Option<Level>,
}

impl Scan {
    /// Writes the keys, a page at a time; a reader that goes away ends it.
    pub async fn run(self, context: &Context) -> Result<(), Failure> {
        let [prefix, start, end] = self.bounds.read()?;
        let asked = Asked {
            prefix,
            start,
            end,
            reverse: self.reverse,
            values: self.values,
            consistency: self.consistency,
            r: self.r,
            limit: self.limit.map(NonZeroU64::get),
            bytes: self.bytes.map(|size| size.as_u64()),
            part: None,
            cursor: self.cursor,
        };
        let client = context.client()?;
        if self.count {
            let count = context.told("counting the keys", client.count(&self.table, &asked)).await?;
            return match context.output.format {
                Format::Table => context.output.line(&count.to_string()),
                Format::Json | Format::Jsonl => {
                    context.output.json(&json!({ "table": self.table, "count": count }))
                }
            };
        }
        let mut scanning = client.scan(&self.table, &asked);
        let mut written = Written { output: &context.output, values: self.values, items: 0 };
        let ended = match written.pages(context, &mut scanning).await {
            // Who reads the beginning of a long list has what was wanted of it.
            Err(failure) if failure.exit == Exit::ReaderGone => return Ok(()),
            Ok(()) => written.end(),
            Err(failure) if written.items == 0 => Err(failure),
            Err(failure) => written.end().and(Err(failure)),
        };
        match ended {
            Err(failure) if failure.exit == Exit::ReaderGone => Ok(()),
            Err(failure) => Err(match scanning.cursor() {
                Some(cursor) => failure.next(format!("go on with what is left: --cursor {cursor}")),
                None => failure,
            }),
            Ok(()) => {
                if let Some(cursor) = scanning.cursor() {
                    context.output.note(&format!("there is more: --cursor {cursor}"));
                }
                Ok(())
            }
        }
    }
}

/// What is written so far.
struct Written<'a> {
    output: &'a Output,
    values: bool,
    items: u64,
}

impl Written<'_> {
    /// All pages, until Ctrl-C.
    async fn pages(&mut self, context: &Context, scanning: &mut Scanning) -> Result<(), Failure> {
        let mut interrupted = std::pin::pin!(tokio::signal::ctrl_c());
        loop {
            let page = context.told("reading the keys", scanning.turn());
            let has_page = tokio::select! {
                biased;
                _ = &mut interrupted => {
                    let sentence = format!("stopped after {} keys", self.items);
                    return Err(Failure::new(Exit::Interrupted, sentence));
                }
                page = page => page?,
            };
            if !has_page {
                return Ok(());
            }
            let items: Vec<Item> = scanning.at_hand().collect();
            self.page(&items)?;
        }
    }

    fn page(&mut self, items: &[Item]) -> Result<(), Failure> {
        let is_first = self.items == 0;
        self.items += items.len() as u64;
        if items.is_empty() {
            return Ok(());
        }
        let mut text = String::new();
        match self.output.format {
            Format::Table => {
                let table = self.table(items);
                let behind_title = table.find('\n').map_or("", |end| &table[end + 1..]);
                text.push_str(if is_first { &table } else { behind_title });
                text.push('\n');
            }
            Format::Jsonl => {
                for item in items {
                    text.push_str(&format!("{}\n", json!(item.listed)));
                }
            }
            Format::Json => {
                for (at, item) in items.iter().enumerate() {
                    let before = if is_first && at == 0 { "[\n" } else { ",\n" };
                    text.push_str(&format!("{before}{}", json!(item.listed)));
                }
            }
        }
        self.output.bytes(text.as_bytes())
    }

    /// What stands behind the last page.
    fn end(&self) -> Result<(), Failure> {
        match self.output.format {
            Format::Table | Format::Jsonl => Ok(()),
            Format::Json => self.output.line(if self.items == 0 { "[]" } else { "\n]" }),
        }
    }

    fn table(&self, items: &[Item]) -> String {
        let row = |item: &Item| {
            let mut row: Vec<Word> = vec![readable(&item.key).into(), item.listed.size.to_string().into()];
            if self.values {
                row.push(shortened(item.value.as_deref().unwrap_or_default()).into());
            }
            row
        };
        let mut columns = vec![name("KEY"), right("BYTES")];
        if self.values {
            columns.push(left("VALUE"));
        }
        self.output.table(&columns, &items.iter().map(row).collect::<Vec<_>>())
    }
}
