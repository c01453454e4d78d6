//! `backup restore`: makes tables of a snapshot, in this cluster or another one of any size, and checks them.
//!
//! ```text
//!   look at all tables ──> make them ──> note ──> segments ──> batches of puts ──> note ── .. ──> compare
//! ```
//!
//! A table that has a key is never written to. One that was ended goes on where its note says, into the tables that
//! it has made: they are told from others of the same name by their ids. Each put has an operation id, the same
//! whenever it is sent, so that one that comes late, or again, does not undo what a client wrote meanwhile.

use super::compare::{Comparing, Difference};
use super::failed::{failed, resumable};
use super::pace::Pace;
use super::place::{Place, chosen, snapshot};
use super::plan;
use super::putting::{Putting, Stored};
use super::side::by_side;
use super::spec::{Changed, spec};
use super::verify::compared;
use crate::bulk::Meter;
use crate::context::Context;
use crate::exit::{Exit, Failure};
use crate::output::printable;
use crate::quantity::{self, count, counted};
use bytesize::ByteSize;
use clap::Args;
use quorate_backup::notes::{Restore as Note, RestoredTable};
use quorate_backup::segment::digest;
use quorate_backup::snapshot::{Segment, Snapshot};
use quorate_backup::{Error, Repository};
use quorate_client::{Client, Scan};
use quorate_model::Level;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::Instant;

/// So often it is noted how far it is.
const NOTE_INTERVAL: Duration = Duration::from_secs(2);

/// `quorate backup restore`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  \
    quorate backup restore /backup/orders                           # all tables of the last snapshot\n  \
    quorate backup restore /backup/orders --table users --as old    # beside the one that is there\n  \
    quorate backup restore s3://backup/orders 20261128T120000123Z-1a2b3c4d -n 5 --resume")]
pub struct Restore {
    #[command(flatten)]
    place: Place,
    /// The snapshot [default: the last one].
    snapshot: Option<String>,
    /// This table alone; may be repeated [default: all tables].
    #[arg(long, value_name = "TABLE")]
    table: Vec<String>,
    /// The name that the table gets, where --table names one [default: the same].
    #[arg(long = "as", value_name = "NAME", requires = "table")]
    into: Option<String>,
    #[command(flatten)]
    changed: Changed,
    /// Go on with a restore of the same tables that was ended.
    #[arg(long)]
    resume: bool,
    /// Most bytes of keys and values that are written in a second.
    #[arg(long, value_name = "SIZE")]
    bytes_per_second: Option<ByteSize>,
    /// Segments that are stored side by side.
    #[arg(long, value_name = "COUNT", default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=64))]
    parallel: u32,
}

/// A restore on its way.
struct Restoring<'a> {
    context: &'a Context,
    client: Client,
    repository: Repository,
    snapshot: Snapshot,
    note: Note,
    /// The note's name.
    name: String,
}

/// A segment that is to be stored.
struct Job {
    /// The place of its table in the note.
    table: usize,
    /// Its place in the table.
    place: u64,
    into: String,
    run: String,
    segment: Segment,
}

impl Restore {
    /// Makes the tables.
    pub async fn run(self, context: &Context) -> Result<(), Failure> {
        let client = context.client()?;
        let repository = self.place.open().await?;
        let snapshot = snapshot(&repository, self.snapshot.as_deref()).await?;
        let names = self.names(&snapshot)?;
        let cluster = context.told("asking for the cluster", client.cluster()).await?.read.id;
        let name = name_of(&snapshot.id, &cluster, &names);
        let note = if self.resume { repository.restore(&name).await.map_err(failed)? } else { None };
        let note = match note {
            Some(note) => {
                expect_same(context, &client, &note).await?;
                note
            }
            None if self.resume => {
                let sentence = format!("no restore of these tables was begun from {}", repository.place());
                let next = "give the same snapshot, --table and --as, or begin it without --resume";
                return Err(Failure::new(Exit::NotFound, sentence).next(next));
            }
            None => {
                let tables = self.made(context, &client, &snapshot, &names).await?;
                Note { snapshot: snapshot.id.clone(), cluster, tables }
            }
        };
        repository.note_restore(&name, &note).await.map_err(failed)?;
        let restoring = Restoring { context, client, repository, snapshot, note, name };
        restoring.run(&self).await
    }

    /// Each table with the name that it gets.
    fn names(&self, snapshot: &Snapshot) -> Result<Vec<(String, String)>, Failure> {
        let tables = chosen(snapshot, &self.table)?;
        if self.into.is_some() && tables.len() != 1 {
            return Err(Failure::new(Exit::Usage, "--as is for one table: name it with --table"));
        }
        let name = |at: usize| snapshot.tables[at].name.clone();
        Ok(tables.into_iter().map(|at| (name(at), self.into.clone().unwrap_or_else(|| name(at)))).collect())
    }

    /// Makes the tables that are not there. Nothing is made where one of them has a key.
    async fn made(
        &self,
        context: &Context,
        client: &Client,
        snapshot: &Snapshot,
        names: &[(String, String)],
    ) -> Result<Vec<RestoredTable>, Failure> {
        let mut there = Vec::new();
        for (_, into) in names {
            there.push(empty(context, client, into).await?);
        }
        let mut made = Vec::new();
        for ((name, into), id) in names.iter().zip(there) {
            let id = if let Some(id) = id {
                context.output.note(&format!("table {into} is there, without a key: it is filled as it is"));
                id
            } else {
                let was = snapshot.table(name).expect("it was chosen from there");
                let spec = spec(into, &was.definition, &self.changed);
                context.told(&format!("making table {into}"), client.create_table(&spec)).await?;
                plan::described(context, client, into).await?.id
            };
            let (name, into) = (name.clone(), into.clone());
            made.push(RestoredTable { name, into, id, stored: 0, later: Vec::new() });
        }
        Ok(made)
    }
}

/// A name of a note: of a snapshot into a cluster, under these names.
fn name_of(snapshot: &str, cluster: &str, names: &[(String, String)]) -> String {
    let all = names
        .iter()
        .fold(format!("{snapshot} {cluster}"), |all, (name, into)| format!("{all} {name} {into}"));
    format!("restore-{}", &digest(all.as_bytes())[..16])
}

/// The id of a table that is there and has no key; `None`: there is none of the name. An error: it has one.
async fn empty(context: &Context, client: &Client, name: &str) -> Result<Option<String>, Failure> {
    let found = match plan::described(context, client, name).await {
        Err(failure) if failure.exit == Exit::NotFound => return Ok(None),
        found => found?,
    };
    let scan = Scan { limit: Some(1), consistency: Some(Level::Quorum), ..Scan::default() };
    if client.scan(name, &scan).next().await?.is_none() {
        return Ok(Some(found.id));
    }
    let sentence = format!("table {name} is there and has keys: it is not written over; nothing was done");
    let next = format!(
        "give it another name with --table and --as, or drop {name} first; a restore that was ended goes on with --resume"
    );
    Err(Failure::new(Exit::Conflict, sentence).next(next))
}

/// Refuses to go on into a table that was dropped and made anew since.
async fn expect_same(context: &Context, client: &Client, note: &Note) -> Result<(), Failure> {
    for table in &note.tables {
        let now = plan::described(context, client, &table.into).await?;
        if now.id != table.id {
            let sentence = format!("table {} is not the one that this restore has made", table.into);
            let next = "begin it anew: without --resume, and into a name that is free";
            return Err(Failure::new(Exit::Conflict, sentence).next(next));
        }
    }
    Ok(())
}

impl Restoring<'_> {
    async fn run(mut self, command: &Restore) -> Result<(), Failure> {
        let pace = Arc::new(Pace::new(command.bytes_per_second.map(|size| size.as_u64())));
        let mut meter = Meter::new(&self.context.output, "restored");
        let stored = self.store(Arc::clone(&pace), command.parallel, &mut meter).await;
        meter.line.clear();
        drop(meter);
        let stored = match stored {
            Ok(stored) => stored,
            Err(failure) => {
                // Why it ended is the word that counts; what is not noted is sent again, and changes nothing.
                drop(self.repository.note_restore(&self.name, &self.note).await);
                let next = "what was stored stays; go on with the same command and --resume";
                return Err(resumable(failure, next));
            }
        };
        let differing = self.compared(pace, command.parallel).await?;
        if let Some((into, difference)) = differing.first() {
            let sentence = format!("table {into} is not as in the snapshot: {}", difference.sentence());
            let next =
                "where clients have written to it meanwhile, that is why; else report it, and keep both";
            return Err(Failure::new(Exit::Unhealthy, printable(&sentence)).next(next));
        }
        let forgotten = self.repository.forget_restore(&self.name).await;
        if let Err(error) = forgotten {
            self.context.output.note(&format!("the note of this restore stays: {error}"));
        }
        self.said(&stored)
    }

    /// The segments that are not stored yet.
    fn jobs(&self) -> Vec<Job> {
        let mut jobs = Vec::new();
        for (table, restored) in self.note.tables.iter().enumerate() {
            let Some(ours) = self.snapshot.table(&restored.name) else { continue };
            let run = &digest(format!("{} {}", self.snapshot.id, restored.id).as_bytes())[..20];
            let segments = ours.pieces.iter().flat_map(|piece| &piece.segments);
            for (place, segment) in (0_u64..).zip(segments).filter(|(place, _)| !restored.has(*place)) {
                let (into, run, segment) = (restored.into.clone(), format!("b{run}"), segment.clone());
                jobs.push(Job { table, place, into, run, segment });
            }
        }
        jobs
    }

    async fn store(
        &mut self,
        pace: Arc<Pace>,
        parallel: u32,
        meter: &mut Meter<'_>,
    ) -> Result<Stored, Failure> {
        let putting = Putting::new(self.context, &self.client, &self.repository, pace).await?;
        let (jobs, mut all) = (self.jobs(), Stored::default());
        let keys: u64 = jobs.iter().map(|job| job.segment.keys).sum();
        let work = |job: Job| {
            let putting = putting.clone();
            async move {
                let stored = putting.segment(&job.into, &job.run, &job.segment).await?;
                Ok((job.table, job.place, stored))
            }
        };
        let (sender, mut notes) = mpsc::unbounded_channel::<Note>();
        let (repository, name) = (self.repository.clone(), self.name.clone());
        let noting = tokio::spawn(async move {
            while let Some(note) = notes.recv().await {
                repository.note_restore(&name, &note).await?;
            }
            Ok::<(), Error>(())
        });
        let (note, mut noted_at) = (&mut self.note, Instant::now());
        let ended = by_side(jobs, parallel, work, |(table, place, stored): (usize, u64, Stored)| {
            note.tables[table].add(place);
            let far = meter.keys + stored.keys + stored.over;
            meter.add(stored.keys + stored.over, stored.bytes, Some((far, keys)));
            all.join(&stored);
            if noted_at.elapsed() >= NOTE_INTERVAL {
                noted_at = Instant::now();
                // One that could not be written is said below.
                drop(sender.send(note.clone()));
            }
            Ok(())
        })
        .await;
        drop(sender);
        if let Err(error) = noting.await.expect("it does not panic") {
            self.context.output.note(&format!("it is not noted how far the restore is: {error}"));
        }
        ended.map(|()| all)
    }

    /// The tables that are not as in the snapshot.
    async fn compared(&self, pace: Arc<Pace>, parallel: u32) -> Result<Vec<(String, Difference)>, Failure> {
        let (client, repository) = (self.client.clone(), self.repository.clone());
        let comparing = Comparing { client, repository, pace };
        let mut differing = Vec::new();
        for table in &self.note.tables {
            let Some(ours) = self.snapshot.table(&table.name) else { continue };
            let found = compared(self.context, &comparing, ours, &table.into, parallel).await?;
            differing.extend(found.map(|difference| (table.into.clone(), difference)));
        }
        Ok(differing)
    }

    fn said(&self, stored: &Stored) -> Result<(), Failure> {
        let output = &self.context.output;
        if output.is_json() {
            let tables: Vec<_> = self.note.tables.iter().map(|table| table.into.as_str()).collect();
            return output.json(&json!({
                "snapshot": self.snapshot.id,
                "tables": tables,
                "restored": stored.keys,
                "expired": stored.over,
                "bytes": stored.bytes,
                "verified": true,
            }));
        }
        let tables = counted(self.note.tables.len() as u64, "table");
        let all = format!("{} keys restored, {}", count(stored.keys), quantity::bytes(stored.bytes));
        let over = match stored.over {
            0 => String::new(),
            over => format!("; {} left out, whose time has passed", counted(over, "value")),
        };
        output.line(&format!("{tables} of snapshot {} verified: {all}{over}", self.snapshot.id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_is_of_one_snapshot_one_cluster_and_these_names() {
        let pair = |name: &str, into: &str| (name.to_owned(), into.to_owned());
        let one = name_of("s", "c", &[pair("t", "t")]);
        assert_eq!(one, name_of("s", "c", &[pair("t", "t")]));
        for other in [
            name_of("s2", "c", &[pair("t", "t")]),
            name_of("s", "c2", &[pair("t", "t")]),
            name_of("s", "c", &[pair("t", "u")]),
            name_of("s", "c", &[pair("t", "t"), pair("u", "u")]),
        ] {
            assert_ne!(one, other);
        }
        assert!(one.len() < 64 && one.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-'));
    }
}
