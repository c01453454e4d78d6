//! `export`: a table's keys and values as lines, from several parts of it side by side.

use super::resume::{Part, Progress, Target};
use super::{Meter, Pauses, is_passing, key_of, put_of};
use crate::context::Context;
use crate::exit::{Exit, Failure};
use crate::key::Bounds;
use clap::Args;
use quorate_api::text::{from_base64url, to_base64url};
use quorate_client::{Client, Scan, Scanning};
use quorate_model::Level;
use serde_json::json;
use std::path::PathBuf;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// So often it is noted how far an export is.
const NOTE_INTERVAL: Duration = Duration::from_secs(1);

/// Parts that are read side by side unless the command line says otherwise.
const PARALLEL_DEFAULT: u32 = 4;

/// `quorate export`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  \
    quorate export users --to users.jsonl\n  \
    quorate export users --to users.jsonl --resume           # goes on with one that was ended\n  \
    quorate export log --prefix 2026-11- | gzip > november.jsonl.gz")]
pub struct Export {
    /// The table.
    table: String,
    /// The file, which must be new; its lines come in no order [default: standard output, in the order of the table].
    #[arg(long, value_name = "FILE")]
    to: Option<PathBuf>,
    /// Go on with an export to --to that was ended.
    #[arg(long, requires = "to")]
    resume: bool,
    /// Go on where an export to standard output with the same --prefix, --start and --end ended.
    #[arg(long, value_name = "CURSOR", conflicts_with = "to")]
    cursor: Option<String>,
    /// Parts of the table that are read side by side, with --to.
    #[arg(long, value_name = "COUNT", requires = "to", default_value_t = PARALLEL_DEFAULT,
        value_parser = clap::value_parser!(u32).range(1..=64))]
    parallel: u32,
    #[command(flatten)]
    bounds: Bounds,
    /// Owners that must answer for each key: one, quorum, all or a number [default: the table's].
    #[arg(long, short = 'c', value_name = "LEVEL")]
    consistency: Option<Level>,
}

/// A page of one part, as lines.
struct Page {
    part: usize,
    text: Vec<u8>,
    keys: u64,
    cursor: Option<String>,
    is_over: bool,
}

impl Export {
    /// Writes every key of the range once.
    pub async fn run(self, context: &Context) -> Result<(), Failure> {
        let Self { table, to, resume, cursor, parallel, bounds, consistency } = self;
        let [prefix, start, end] = bounds.read()?;
        let asked = Scan { prefix, start, end, values: true, consistency, ..Scan::default() };
        Exporting { table, to, resume, cursor, parallel }.run(context, asked).await
    }
}

/// An export whose range is understood.
struct Exporting {
    table: String,
    to: Option<PathBuf>,
    resume: bool,
    cursor: Option<String>,
    parallel: u32,
}

impl Exporting {
    async fn run(self, context: &Context, asked: Scan) -> Result<(), Failure> {
        let client = context.client()?;
        match &self.to {
            Some(path) => {
                let (target, progress) = if self.resume {
                    let (target, progress) = Target::resume(path)?;
                    self.is_of(&progress, &asked)?;
                    (target, progress)
                } else {
                    let parts = self.parts(context, &client, &asked).await?;
                    let mut target = Target::create(path)?;
                    let progress = Progress {
                        table: self.table.clone(),
                        bounds: bounds(&asked),
                        bytes: 0,
                        keys: 0,
                        parts,
                    };
                    target.note(&progress)?;
                    (target, progress)
                };
                self.to_file(context, &client, &asked, target, progress).await
            }
            None => self.to_output(context, &client, asked).await,
        }
    }

    /// Whether a note is of what the command line names.
    fn is_of(&self, progress: &Progress, asked: &Scan) -> Result<(), Failure> {
        if progress.table == self.table && progress.bounds == bounds(asked) {
            return Ok(());
        }
        let sentence =
            format!("the export that was ended is of table {}, or of other bounds", progress.table);
        Err(Failure::new(Exit::Usage, sentence).next("give the same table, --prefix, --start and --end"))
    }

    /// The parts in which a table is read: of a hash table equal ones, of a range table its shards, or what the range has
    /// of them.
    async fn parts(&self, context: &Context, client: &Client, asked: &Scan) -> Result<Vec<Part>, Failure> {
        let whole = Part { tokens: None, start: None, end: None, cursor: None, is_over: false };
        let table = context.told("reading the table's description", client.table(&self.table)).await?;
        if table["sharding"] == "hash" && bounds(asked).iter().any(Option::is_some) {
            return Ok(vec![whole]);
        }
        if table["sharding"] == "hash" {
            let part = |number| Part { tokens: Some(format!("{number}/{}", self.parallel)), ..whole.clone() };
            return Ok((1..=self.parallel).map(part).collect());
        }
        if asked.prefix.is_some() || self.parallel == 1 {
            return Ok(vec![whole]);
        }
        let shards = context.told("listing the table's shards", client.shards(&self.table)).await?;
        let starts = shards.read.shards.iter().map(|shard| &shard.start);
        let mut bounds: Vec<Vec<u8>> = starts.filter_map(key_of).collect();
        let is_inside = |bound: &Vec<u8>| {
            asked.start.as_ref().is_none_or(|start| start < bound)
                && asked.end.as_ref().is_none_or(|end| bound < end)
        };
        bounds.retain(|bound| !bound.is_empty() && is_inside(bound));
        let most = usize::try_from(self.parallel).unwrap_or(usize::MAX);
        let every = (bounds.len() + 1).div_ceil(most);
        let bounds: Vec<String> =
            bounds.into_iter().skip(every - 1).step_by(every).map(|bound| to_base64url(&bound)).collect();
        let starts = std::iter::once(None).chain(bounds.iter().cloned().map(Some));
        let ends = bounds.iter().cloned().map(Some).chain(std::iter::once(None));
        Ok(starts.zip(ends).map(|(start, end)| Part { start, end, ..whole.clone() }).collect())
    }

    async fn to_file(
        &self,
        context: &Context,
        client: &Client,
        asked: &Scan,
        mut target: Target,
        mut progress: Progress,
    ) -> Result<(), Failure> {
        let all = self.estimate(client, asked).await;
        let mut meter = Meter::new(&context.output, "exported");
        meter.begin_at(progress.keys, progress.bytes);
        let (pages, mut written) = mpsc::channel(1);
        let mut parts = JoinSet::new();
        for (number, part) in progress.parts.iter().enumerate().filter(|(_, part)| !part.is_over) {
            let scanning = client.scan(&self.table, &of_part(asked, part)?);
            parts.spawn(read(number, scanning, pages.clone()));
        }
        drop(pages);
        let mut noted_at = Instant::now();
        let mut interrupted = std::pin::pin!(tokio::signal::ctrl_c());
        let ended = loop {
            let Some(page) = next(&mut written, &mut interrupted, &meter).await else { break Ok(()) };
            let page = match page {
                Ok(page) => page,
                Err(failure) => break Err(failure),
            };
            if let Err(failure) = target.append(&page.text) {
                break Err(failure);
            }
            progress.bytes += page.text.len() as u64;
            progress.keys += page.keys;
            let part = &mut progress.parts[page.part];
            (part.cursor, part.is_over) = (page.cursor, page.is_over);
            meter.add(page.keys, page.text.len() as u64, all.map(|all| (progress.keys, all)));
            if noted_at.elapsed() >= NOTE_INTERVAL {
                target.note(&progress)?;
                noted_at = Instant::now();
            }
        };
        meter.line.clear();
        let is_over = progress.parts.iter().all(|part| part.is_over);
        let ended = ended.and_then(|()| whole(is_over));
        match ended {
            Ok(()) => {
                target.end()?;
                self.say(context, &meter)
            }
            Err(failure) => {
                target.note(&progress)?;
                Err(failure.next("what was written stays; go on with the same command and --resume"))
            }
        }
    }

    async fn to_output(&self, context: &Context, client: &Client, asked: Scan) -> Result<(), Failure> {
        let all = self.estimate(client, &asked).await;
        let scanning = client.scan(&self.table, &Scan { cursor: self.cursor.clone(), ..asked });
        let mut meter = Meter::new(&context.output, "exported");
        let (pages, mut written) = mpsc::channel(1);
        let (mut cursor, mut is_over) = (self.cursor.clone(), false);
        let reading = tokio::spawn(read(0, scanning, pages));
        let mut interrupted = std::pin::pin!(tokio::signal::ctrl_c());
        let ended = loop {
            let Some(page) = next(&mut written, &mut interrupted, &meter).await else { break Ok(()) };
            match page.and_then(|page| context.output.bytes(&page.text).map(|()| page)) {
                Ok(page) => {
                    meter.add(
                        page.keys,
                        page.text.len() as u64,
                        all.map(|all| (meter.keys + page.keys, all)),
                    );
                    (cursor, is_over) = (page.cursor, page.is_over);
                }
                Err(failure) => break Err(failure),
            }
        };
        reading.abort();
        let ended = ended.and_then(|()| whole(is_over));
        meter.line.clear();
        match ended {
            Ok(()) => {
                context.output.note(&meter.sentence());
                Ok(())
            }
            Err(failure) if failure.exit == Exit::ReaderGone => Ok(()),
            Err(failure) => Err(match cursor {
                Some(cursor) => failure.next(format!("go on with what is left: --cursor {cursor}")),
                None => failure,
            }),
        }
    }

    /// About how many keys there are, as owners have counted them; `None`: it is not known, or only a part is wanted.
    async fn estimate(&self, client: &Client, asked: &Scan) -> Option<u64> {
        if bounds(asked).iter().any(Option::is_some) {
            return None;
        }
        client.table_stats(&self.table).await.ok()?["keys"].as_u64()
    }

    fn say(&self, context: &Context, meter: &Meter<'_>) -> Result<(), Failure> {
        let output = &context.output;
        if output.is_json() {
            return output
                .json(&json!({ "table": self.table, "exported": meter.keys, "bytes": meter.bytes }));
        }
        output.line(&meter.sentence())
    }
}

/// Reads all pages of a part; each is asked for when the one before is taken.
async fn read(part: usize, mut scanning: Scanning, pages: mpsc::Sender<Result<Page, Failure>>) {
    loop {
        let mut pauses = Pauses::new();
        let turned = loop {
            match scanning.turn().await.map_err(Failure::from) {
                Err(failure) if is_passing(&failure) && pauses.wait().await => {}
                turned => break turned,
            }
        };
        let page = match turned {
            Err(failure) => Err(failure),
            Ok(false) => return,
            Ok(true) => {
                let (mut text, mut keys) = (Vec::new(), 0);
                for item in scanning.at_hand() {
                    serde_json::to_writer(&mut text, &put_of(item.listed))
                        .expect("a document of plain values");
                    text.push(b'\n');
                    keys += 1;
                }
                let cursor = scanning.cursor().map(str::to_owned);
                Ok(Page { part, text, keys, cursor, is_over: scanning.is_over() })
            }
        };
        let is_last = page.as_ref().map_or(true, |page| page.is_over);
        // A writer that is gone wants no more.
        if pages.send(page).await.is_err() || is_last {
            return;
        }
    }
}

/// The next page; an error: Ctrl-C, or why there is none.
async fn next(
    pages: &mut mpsc::Receiver<Result<Page, Failure>>,
    interrupted: &mut (impl Future<Output = std::io::Result<()>> + Unpin),
    meter: &Meter<'_>,
) -> Option<Result<Page, Failure>> {
    tokio::select! {
        biased;
        _ = interrupted => Some(Err(Failure::new(Exit::Interrupted, meter.sentence()))),
        page = pages.recv() => page,
    }
}

/// A part that ended without a word is a bug, and no whole export.
fn whole(is_over: bool) -> Result<(), Failure> {
    let sentence = "a part of the table was not read to its end: a bug in this command";
    if is_over { Ok(()) } else { Err(Failure::new(Exit::Other, sentence)) }
}

/// The bounds that the command line names, as text.
fn bounds(asked: &Scan) -> [Option<String>; 3] {
    [&asked.prefix, &asked.start, &asked.end].map(|bound| bound.as_deref().map(to_base64url))
}

/// The scan of one part.
fn of_part(asked: &Scan, part: &Part) -> Result<Scan, Failure> {
    let damaged = || Failure::new(Exit::Other, "the note of how far the export is, is damaged");
    let bytes = |text: &Option<String>| match text {
        Some(text) => from_base64url(text.as_bytes()).map(Some).ok_or_else(damaged),
        None => Ok(None),
    };
    let mut scan = Scan { cursor: part.cursor.clone(), ..asked.clone() };
    if let Some(text) = &part.tokens {
        scan.part = Some(text.parse().map_err(|_| damaged())?);
    }
    // A part lies inside of the range, so the narrower of two bounds is the part's.
    scan.start = bytes(&part.start)?.or(scan.start);
    scan.end = bytes(&part.end)?.or(scan.end);
    Ok(scan)
}
