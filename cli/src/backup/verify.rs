//! `backup verify`: reads all of a snapshot and checks it; with `--against`, beside tables of the cluster.

use super::compare::{Comparing, Difference};
use super::pace::Pace;
use super::place::{Place, chosen, snapshot};
use super::plan::{self, Planned};
use super::reading::apart;
use super::side::by_side;
use crate::bulk::Meter;
use crate::context::Context;
use crate::exit::{Exit, Failure};
use crate::output::printable;
use crate::quantity::{self, count, counted};
use bytesize::ByteSize;
use clap::Args;
use quorate_backup::record::Totals;
use quorate_backup::segment::Reader;
use quorate_backup::snapshot::{Piece, Snapshot, Table};
use quorate_backup::{Error, Fault, Repository};
use serde_json::json;
use std::sync::Arc;

/// `quorate backup verify`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  \
    quorate backup verify /backup/orders                       # the last snapshot\n  \
    quorate backup verify /backup/orders 20261128T120000123Z-1a2b3c4d --table users --against")]
pub struct Verify {
    #[command(flatten)]
    place: Place,
    /// The snapshot [default: the last one].
    snapshot: Option<String>,
    /// This table alone; may be repeated [default: all tables].
    #[arg(long, value_name = "TABLE")]
    table: Vec<String>,
    /// Compare it with the tables of the same names in the cluster, or one table with the one that is named.
    #[arg(long, value_name = "TABLE", num_args = 0..=1, require_equals = true, default_missing_value = "")]
    against: Option<String>,
    /// Most bytes of keys and values that are read of the cluster in a second.
    #[arg(long, value_name = "SIZE", requires = "against")]
    bytes_per_second: Option<ByteSize>,
    /// Pieces of tables that are read side by side.
    #[arg(long, value_name = "COUNT", default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=64))]
    parallel: u32,
}

/// What came of checking a piece.
struct Checked {
    totals: Totals,
    wrong: Vec<String>,
}

impl Verify {
    /// Reads it all.
    pub async fn run(self, context: &Context) -> Result<(), Failure> {
        let repository = self.place.open().await?;
        let snapshot = snapshot(&repository, self.snapshot.as_deref()).await?;
        let tables = chosen(&snapshot, &self.table)?;
        let mut meter = Meter::new(&context.output, "checked");
        let all = tables.iter().map(|at| snapshot.tables[*at].totals().records).sum();
        let pieces = tables.iter().flat_map(|at| snapshot.tables[*at].pieces.iter().cloned()).collect();
        let mut wrong = Vec::new();
        let check = |piece: Piece| {
            let repository = repository.clone();
            async move { Ok(check(&repository, &piece).await) }
        };
        by_side(pieces, self.parallel, check, |checked: Checked| {
            let far = meter.keys + checked.totals.records;
            meter.add(checked.totals.records, checked.totals.bytes, Some((far, all)));
            wrong.extend(checked.wrong);
            Ok(())
        })
        .await?;
        meter.line.clear();
        for what in &wrong {
            context.output.note(&printable(what));
        }
        if !wrong.is_empty() {
            let files = counted(wrong.len() as u64, "file");
            let sentence = format!("snapshot {} is damaged: {files} of it can't be used", snapshot.id);
            let next = "restore from another snapshot or another copy, and make a new one with --full";
            return Err(Failure::new(Exit::Unhealthy, sentence).next(next));
        }
        let (keys, bytes) = (meter.keys, meter.bytes);
        drop(meter);
        let differing = match &self.against {
            None => Vec::new(),
            Some(into) => {
                let named = Some(into.as_str()).filter(|into| !into.is_empty());
                self.compare(context, &repository, &snapshot, (&tables, named)).await?
            }
        };
        said(context, &snapshot, (tables.len(), keys, bytes), self.against.is_some(), &differing)
    }

    /// The tables that differ from those of the cluster.
    async fn compare(
        &self,
        context: &Context,
        repository: &Repository,
        snapshot: &Snapshot,
        (tables, named): (&[usize], Option<&str>),
    ) -> Result<Vec<(String, Difference)>, Failure> {
        if named.is_some() && tables.len() != 1 {
            let sentence = "--against=TABLE is for one table: name it with --table";
            return Err(Failure::new(Exit::Usage, sentence));
        }
        let pace = Arc::new(Pace::new(self.bytes_per_second.map(|size| size.as_u64())));
        let comparing = Comparing { client: context.client()?, repository: repository.clone(), pace };
        let mut differing = Vec::new();
        for at in tables {
            let ours = &snapshot.tables[*at];
            let into = named.unwrap_or(&ours.name);
            if let Some(difference) = compared(context, &comparing, ours, into, self.parallel).await? {
                differing.push((into.to_owned(), difference));
            }
        }
        Ok(differing)
    }
}

/// How a table of the cluster differs from that of a snapshot; `None`: it does not.
pub async fn compared(
    context: &Context,
    comparing: &Comparing,
    ours: &Table,
    into: &str,
    parallel: u32,
) -> Result<Option<Difference>, Failure> {
    let Planned { table, .. } = plan::planned(context, &comparing.client, into, None).await?;
    let mut meter = Meter::new(&context.output, "compared");
    let all = ours.totals().records;
    if table.definition.sharding != ours.definition.sharding {
        let overs: Vec<_> = table.units.into_iter().map(|unit| unit.over).collect();
        return Ok(comparing.whole(ours, into, &overs).await?.1);
    }
    let mut found: Option<Difference> = None;
    let work = |piece: Piece| {
        let (comparing, into) = (comparing.clone(), into.to_owned());
        async move { comparing.piece(&into, &piece).await.map(|(_, found)| (piece.totals(), found)) }
    };
    by_side(ours.pieces.clone(), parallel, work, |(totals, difference): (Totals, Option<Difference>)| {
        let far = meter.keys + totals.records;
        meter.add(totals.records, totals.bytes, Some((far, all)));
        if let Some(difference) = difference {
            found.get_or_insert_with(Difference::default).join(difference);
        }
        Ok(())
    })
    .await?;
    Ok(found)
}

/// Reads all of a piece.
async fn check(repository: &Repository, piece: &Piece) -> Checked {
    let mut all = Totals::default();
    let mut wrong = Vec::new();
    for segment in &piece.segments {
        let bytes = match repository.segment(segment).await {
            Ok(bytes) => bytes,
            Err(error) => {
                wrong.push(error.to_string());
                continue;
            }
        };
        match apart(move || totals(&bytes)).await {
            Ok(totals) if totals.records == segment.keys => all.join(&totals),
            Ok(_) => {
                let fault = Fault::Impossible("it has other keys than the snapshot says".to_owned());
                wrong.push(repository.bad_segment(segment, fault).to_string());
            }
            Err(fault) => wrong.push(repository.bad_segment(segment, fault).to_string()),
        }
    }
    if wrong.is_empty() && all != piece.totals() {
        let fault = Fault::Impossible("its segments hold something else than it says of a piece".to_owned());
        let (name, place) = ("the snapshot".to_owned(), repository.place());
        wrong.push(Error::Bad { name, place, fault }.to_string());
    }
    Checked { totals: piece.totals(), wrong }
}

fn totals(bytes: &[u8]) -> Result<Totals, Fault> {
    let mut reader = Reader::new(bytes)?;
    while reader.block()?.is_some() {}
    Ok(*reader.totals())
}

fn said(
    context: &Context,
    snapshot: &Snapshot,
    (tables, keys, bytes): (usize, u64, u64),
    is_compared: bool,
    differing: &[(String, Difference)],
) -> Result<(), Failure> {
    let output = &context.output;
    if output.is_json() {
        let differing: Vec<_> = differing
            .iter()
            .map(|(table, found)| {
                json!({
                    "table": table,
                    "missing": found.missing,
                    "other": found.other,
                    "added": found.added,
                    "keys": found.keys,
                    "says": found.sentence(),
                })
            })
            .collect();
        let compared = is_compared.then_some(differing);
        output.json(&json!({
            "snapshot": snapshot.id,
            "tables": tables,
            "keys": keys,
            "bytes": bytes,
            "whole": true,
            "differing": compared,
        }))?;
    } else {
        let tables = counted(tables as u64, "table");
        let all = format!("{} keys, {}", count(keys), quantity::bytes(bytes));
        let beside =
            if is_compared && differing.is_empty() { ", and the same as in the cluster" } else { "" };
        output.line(&format!("snapshot {} is whole: {tables}, {all}{beside}", snapshot.id))?;
    }
    if differing.is_empty() {
        return Ok(());
    }
    let sentences = differing.iter().map(|(table, found)| format!("table {table}: {}", found.sentence()));
    let sentence = printable(&sentences.collect::<Vec<_>>().join("; "));
    let next = "what was written since the snapshot differs: that is no damage";
    Err(Failure::new(Exit::Unhealthy, sentence).next(next))
}
