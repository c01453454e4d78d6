//! `backup create`: a snapshot of tables, which goes on where it was ended.
//!
//! Several units of tables are read side by side ([`super::reading`]). What is durable of each is noted every two
//! seconds, so that a process that was killed has lost no more than that; the snapshot is written last.

use super::failed::{failed, resumable};
use super::pace::Pace;
use super::place::Place;
use super::plan::{self, Planned, least};
use super::reading::{Job, Reading, Told};
use super::time::{id, now};
use crate::bulk::Meter;
use crate::context::Context;
use crate::exit::{Exit, Failure};
use crate::output::printable;
use crate::quantity::{self, count, counted};
use bytesize::ByteSize;
use clap::Args;
use quorate_backup::notes::Unfinished;
use quorate_backup::snapshot::{Cluster, Over, Page, Piece, Snapshot, Table};
use quorate_backup::{Error, Repository};
use quorate_client::Client;
use serde_json::json;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// So often it is noted how far it is.
const NOTE_INTERVAL: Duration = Duration::from_secs(2);

/// Units that are read side by side unless the command line says otherwise.
const PARALLEL_DEFAULT: u32 = 4;

/// `quorate backup create`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  \
    quorate backup create /backup/orders                # all tables; later on what has changed\n  \
    quorate backup create s3://backup/orders --table users --bytes-per-second 20MiB\n  \
    quorate backup create /backup/orders --resume       # goes on with one that was ended")]
pub struct Create {
    #[command(flatten)]
    place: Place,
    /// Of this table alone; may be repeated [default: all tables].
    #[arg(long, value_name = "TABLE")]
    table: Vec<String>,
    /// Read also what has not changed since the snapshot before.
    #[arg(long)]
    full: bool,
    /// Go on with a snapshot that was begun and not finished.
    #[arg(long, conflicts_with_all = ["table", "full"])]
    resume: bool,
    /// Most bytes of keys and values that are read in a second, such as 20MiB [default: as many as it can].
    #[arg(long, value_name = "SIZE")]
    bytes_per_second: Option<ByteSize>,
    /// Pieces of tables that are read side by side.
    #[arg(long, value_name = "COUNT", default_value_t = PARALLEL_DEFAULT,
        value_parser = clap::value_parser!(u32).range(1..=64))]
    parallel: u32,
}

/// A snapshot that is being made.
struct Making {
    unfinished: Unfinished,
    /// The snapshot before.
    parent: Option<Snapshot>,
    /// About how many keys there are; `None`: that is not known.
    keys: Option<u64>,
}

impl Create {
    /// Makes a snapshot.
    pub async fn run(self, context: &Context) -> Result<(), Failure> {
        let client = context.client()?;
        let cluster = context.told("asking for the cluster", client.cluster()).await?.read;
        let cluster = Cluster { id: cluster.id, name: cluster.name };
        let page = Page { cluster: cluster.clone(), made_at: now() };
        let repository = Repository::open_or_make(self.place.store()?, page).await.map_err(failed)?;
        expect_cluster(&repository.page().cluster, &cluster, &repository.place())?;
        let making = if self.resume {
            resumed(&repository, &cluster).await?
        } else {
            self.begun(context, &client, &repository, cluster).await?
        };
        let pace = Arc::new(Pace::new(self.bytes_per_second.map(|size| size.as_u64())));
        let id = making.unfinished.id.clone();
        let reading = Reading { client, repository, pace, id };
        self.make(context, reading, making).await
    }

    /// A snapshot that begins now, with a note that says so.
    async fn begun(
        &self,
        context: &Context,
        client: &Client,
        repository: &Repository,
        cluster: Cluster,
    ) -> Result<Making, Failure> {
        let parent = if self.full { None } else { parent(context, repository, &cluster).await? };
        let names =
            if self.table.is_empty() { plan::all(context, client).await? } else { self.table.clone() };
        let (mut tables, mut keys): (Vec<_>, u64) = (Vec::new(), 0);
        for name in names {
            if tables.iter().any(|table: &quorate_backup::notes::UnfinishedTable| table.name == name) {
                continue;
            }
            let before = parent.as_ref().and_then(|parent| parent.table(&name));
            let planned: Planned = plan::planned(context, client, &name, before).await?;
            keys = keys.saturating_add(planned.keys);
            tables.push(planned.table);
        }
        let (id, began_at) = (id()?, now());
        let parent_id = parent.as_ref().map(|parent| parent.id.clone());
        let unfinished = Unfinished { id, parent: parent_id, cluster, began_at, tables };
        if repository.unfinished().await.is_ok_and(|other| other.is_some()) {
            context.output.note("a snapshot that was begun before and not finished is given up");
        }
        repository.note(&unfinished).await.map_err(failed)?;
        Ok(Making { unfinished, parent, keys: (keys > 0).then_some(keys) })
    }

    async fn make(self, context: &Context, reading: Reading, mut making: Making) -> Result<(), Failure> {
        let mut meter = Meter::new(&context.output, "saved");
        let read = making.pieces().fold((0, 0), |(keys, bytes), it| (keys + it.keys, bytes + it.bytes));
        meter.begin_at(read.0, read.1);
        let ended = read_all(&reading, &mut making, self.parallel, &mut meter).await;
        meter.line.clear();
        let Reading { client, repository, .. } = reading;
        let ended = match ended {
            Ok(()) => making.finished(context, &client, &repository).await,
            Err(failure) => Err(failure),
        };
        match ended {
            Ok(snapshot) => said(context, &snapshot, &repository),
            Err(failure) => {
                // Why it ended is the word that counts; what is not noted is read again.
                drop(repository.note(&making.unfinished).await);
                let next = "what was saved stays; go on with `quorate backup create` and --resume";
                Err(resumable(failure, next))
            }
        }
    }
}

/// Refuses a repository of another cluster.
fn expect_cluster(known: &Cluster, here: &Cluster, place: &str) -> Result<(), Failure> {
    if known.id == here.id {
        return Ok(());
    }
    let sentence = format!(
        "{place} keeps the snapshots of cluster {} ({}), and this is cluster {} ({}); nothing was written",
        known.name, known.id, here.name, here.id
    );
    let next = "name another repository: one is of one cluster, also where two have the same name";
    Err(Failure::new(Exit::Conflict, printable(&sentence)).next(next))
}

/// The last snapshot, from which unchanged pieces may be taken over. One that can't be read is passed over, with a
/// word.
async fn parent(
    context: &Context,
    repository: &Repository,
    cluster: &Cluster,
) -> Result<Option<Snapshot>, Failure> {
    for id in repository.ids().await.map_err(failed)?.into_iter().rev() {
        match repository.snapshot(&id).await {
            Ok(snapshot) => {
                let place = format!("snapshot {id} in {}", repository.place());
                expect_cluster(&snapshot.cluster, cluster, &place)?;
                return Ok(Some(snapshot));
            }
            Err(error @ Error::Bad { .. }) => {
                context.output.note(&format!("nothing is taken over from snapshot {id}: {error}"));
            }
            Err(error) => return Err(failed(error)),
        }
    }
    Ok(None)
}

/// The snapshot that was begun and not finished.
async fn resumed(repository: &Repository, cluster: &Cluster) -> Result<Making, Failure> {
    let unfinished = repository.unfinished().await.map_err(failed)?.ok_or_else(|| {
        let sentence = format!("no snapshot was begun and not finished in {}", repository.place());
        Failure::new(Exit::NotFound, sentence).next("begin one, without --resume")
    })?;
    let place = format!("the snapshot that was begun in {}", repository.place());
    expect_cluster(&unfinished.cluster, cluster, &place)?;
    let parent = match &unfinished.parent {
        Some(parent) => Some(repository.snapshot(parent).await.map_err(failed)?),
        None => None,
    };
    Ok(Making { unfinished, parent, keys: None })
}

impl Making {
    /// Every piece so far.
    fn pieces(&self) -> impl Iterator<Item = &Piece> {
        self.unfinished.tables.iter().flat_map(|table| &table.units).flat_map(|unit| &unit.pieces)
    }

    /// What is left to be read.
    fn jobs(&self) -> VecDeque<Job> {
        let mut jobs = VecDeque::new();
        for (at, table) in self.unfinished.tables.iter().enumerate() {
            let before = self.parent.as_ref().and_then(|parent| parent.table(&table.name));
            let before = before.filter(|before| before.id == table.id);
            let known: BTreeMap<&Over, &Piece> = before
                .map(|before| before.pieces.iter().map(|piece| (&piece.over, piece)).collect())
                .unwrap_or_default();
            for (place, unit) in table.units.iter().enumerate().filter(|(_, unit)| !unit.is_over) {
                let piece = known.get(&unit.over).copied().cloned();
                jobs.push_back(Job {
                    table: at,
                    place,
                    name: table.name.clone(),
                    is_range: table.definition.sharding == "range",
                    unit: unit.clone(),
                    known: piece.zip(before.map(|before| before.consistency.clone())),
                });
            }
        }
        jobs
    }

    fn take(&mut self, told: Told) {
        let table = &mut self.unfinished.tables[told.table];
        table.units[told.place] = told.unit;
        if let Some(guarantee) = told.guarantee {
            let before = table.consistency.as_deref().unwrap_or(&guarantee);
            table.consistency = Some(least(before, &guarantee));
        }
    }

    /// All is read: the snapshot is written.
    async fn finished(
        &self,
        context: &Context,
        client: &Client,
        repository: &Repository,
    ) -> Result<Snapshot, Failure> {
        let Unfinished { id, parent, cluster, began_at, tables } = self.unfinished.clone();
        for table in &tables {
            let now = plan::described(context, client, &table.name).await?;
            if now.id != table.id {
                let sentence = format!("table {} was dropped and made anew meanwhile", table.name);
                return Err(Failure::new(Exit::Conflict, sentence).next("begin again, without --resume"));
            }
        }
        let tables = tables.into_iter().map(|table| Table {
            pieces: table.units.into_iter().flat_map(|unit| unit.pieces).collect(),
            // A table without a page has no shard that could promise less.
            consistency: table.consistency.unwrap_or_else(|| "linearizable".to_owned()),
            name: table.name,
            id: table.id,
            definition: table.definition,
        });
        let (program, ended_at) = (env!("CARGO_PKG_VERSION").to_owned(), now());
        let tables = tables.collect();
        let snapshot = Snapshot { id, parent, cluster, program, began_at, ended_at, tables };
        repository.finish(&snapshot).await.map_err(failed)?;
        Ok(snapshot)
    }
}

/// Reads all that is left, several units side by side.
async fn read_all(
    reading: &Reading,
    making: &mut Making,
    parallel: u32,
    meter: &mut Meter<'_>,
) -> Result<(), Failure> {
    let jobs = Arc::new(Mutex::new(making.jobs()));
    let (tell, mut told) = mpsc::channel(1);
    let mut readers = JoinSet::new();
    for _ in 0..parallel {
        let (reading, jobs, tell) = (reading.clone(), Arc::clone(&jobs), tell.clone());
        readers.spawn(async move {
            let next = || jobs.lock().expect("nothing panics while it holds this lock").pop_front();
            while let Some(job) = next() {
                if let Err(failure) = reading.read(job, &tell).await {
                    // One that is gone has ended already.
                    drop(tell.send(Err(failure)).await);
                    return;
                }
            }
        });
    }
    drop(tell);
    let mut noted_at = Instant::now();
    let mut interrupted = std::pin::pin!(tokio::signal::ctrl_c());
    loop {
        let told = tokio::select! {
            biased;
            _ = &mut interrupted => return Err(Failure::new(Exit::Interrupted, meter.sentence())),
            told = told.recv() => told,
        };
        let Some(told) = told else { break };
        let told: Told = told?;
        let (keys, bytes) = (told.keys, told.bytes);
        making.take(told);
        let far = meter.keys + keys;
        meter.add(keys, bytes, making.keys.map(|all| (far, all)));
        if noted_at.elapsed() >= NOTE_INTERVAL {
            reading.repository.note(&making.unfinished).await.map_err(failed)?;
            noted_at = Instant::now();
        }
    }
    // Readers that have panicked have not said so.
    let is_whole = making.unfinished.tables.iter().flat_map(|table| &table.units).all(|unit| unit.is_over);
    let sentence = "a part of a table was not read to its end: a bug in this command";
    if is_whole { Ok(()) } else { Err(Failure::new(Exit::Other, sentence)) }
}

fn said(context: &Context, snapshot: &Snapshot, repository: &Repository) -> Result<(), Failure> {
    let (output, totals, read) = (&context.output, snapshot.totals(), snapshot.read_bytes());
    if output.is_json() {
        return output.json(&json!({
            "snapshot": snapshot.id,
            "repository": repository.place(),
            "parent": snapshot.parent,
            "tables": snapshot.tables.len(),
            "keys": totals.records,
            "bytes": totals.bytes,
            "bytes_read": read,
        }));
    }
    let tables = counted(snapshot.tables.len() as u64, "table");
    let all = format!("{} keys, {}", count(totals.records), quantity::bytes(totals.bytes));
    let taken = totals.bytes.saturating_sub(read);
    let from = match &snapshot.parent {
        Some(parent) => format!("; {} of that unchanged since {parent}", quantity::bytes(taken)),
        None => String::new(),
    };
    output.line(&format!("snapshot {}: {tables}, {all}{from}", snapshot.id))
}
