//! `backup list`: the snapshots of a repository, the oldest first.

use super::failed::failed;
use super::place::Place;
use super::time::{millis, now_ms};
use crate::columns::{left, name, right};
use crate::context::Context;
use crate::exit::{Exit, Failure};
use crate::output::{Word, printable};
use crate::quantity::{self, count, short_span};
use clap::Args;
use quorate_backup::snapshot::{Snapshot, Table};
use serde_json::{Value as Json, json};
use std::time::Duration;

/// `quorate backup list`.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  quorate backup list /backup/orders")]
pub struct List {
    #[command(flatten)]
    place: Place,
}

impl List {
    /// Shows them.
    pub async fn run(self, context: &Context) -> Result<(), Failure> {
        let repository = self.place.open().await?;
        let output = &context.output;
        let (mut found, mut bad) = (Vec::new(), Vec::new());
        for id in repository.ids().await.map_err(failed)? {
            match repository.snapshot(&id).await {
                Ok(snapshot) => found.push(snapshot),
                Err(error) => bad.push((id, error)),
            }
        }
        let now = now_ms();
        if output.is_json() {
            let unreadable =
                bad.iter().map(|(id, error)| json!({ "snapshot": id, "error": error.to_string() }));
            let documents: Vec<Json> = found.iter().map(|it| document(it, now)).chain(unreadable).collect();
            output.jsons(&documents)?;
        } else if found.is_empty() && bad.is_empty() {
            output.note(&format!("there is no snapshot in {}", repository.place()));
        } else {
            let columns = [
                name("SNAPSHOT"),
                right("AGE"),
                left("CLUSTER"),
                name("TABLES"),
                right("KEYS"),
                right("SIZE"),
                right("READ"),
                name("PARENT"),
            ];
            let rows: Vec<Vec<Word>> = found.iter().map(|snapshot| row(snapshot, now)).collect();
            output.line(&output.table(&columns, &rows))?;
        }
        if let Ok(Some(unfinished)) = repository.unfinished().await {
            output.note(&format!(
                "snapshot {} is not finished: go on with `quorate backup create` and --resume",
                unfinished.id
            ));
        }
        for (id, error) in &bad {
            output.note(&printable(&format!("snapshot {id} can't be used: {error}")));
        }
        match bad.len() {
            0 => Ok(()),
            number => Err(Failure::new(Exit::Unhealthy, format!("{number} snapshots can't be used"))),
        }
    }
}

fn age(snapshot: &Snapshot, now: u64) -> Option<Duration> {
    millis(&snapshot.ended_at).map(|at| Duration::from_millis(now.saturating_sub(at)))
}

fn row(snapshot: &Snapshot, now: u64) -> Vec<Word> {
    let totals = snapshot.totals();
    let tables: Vec<&str> = snapshot.tables.iter().map(|table| table.name.as_str()).collect();
    let age = age(snapshot, now).map_or_else(|| "-".to_owned(), short_span);
    [
        snapshot.id.clone(),
        age,
        printable(&snapshot.cluster.name),
        printable(&tables.join(" ")),
        count(totals.records),
        quantity::bytes(totals.bytes),
        quantity::bytes(snapshot.read_bytes()),
        snapshot.parent.clone().unwrap_or_else(|| "-".to_owned()),
    ]
    .map(Word::from)
    .to_vec()
}

fn document(snapshot: &Snapshot, now: u64) -> Json {
    let totals = snapshot.totals();
    let table = |table: &Table| {
        let totals = table.totals();
        json!({
            "table": table.name,
            "keys": totals.records,
            "bytes": totals.bytes,
            "bytes_read": table.read_bytes(&snapshot.id),
            "content": totals.content,
            "consistency": table.consistency,
            "pieces": table.pieces.len(),
        })
    };
    json!({
        "snapshot": snapshot.id,
        "parent": snapshot.parent,
        "cluster": snapshot.cluster,
        "program": snapshot.program,
        "began_at": snapshot.began_at,
        "ended_at": snapshot.ended_at,
        "age_ms": age(snapshot, now).and_then(|age| u64::try_from(age.as_millis()).ok()),
        "keys": totals.records,
        "bytes": totals.bytes,
        "bytes_read": snapshot.read_bytes(),
        "tables": snapshot.tables.iter().map(table).collect::<Vec<_>>(),
    })
}
