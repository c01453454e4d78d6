//! What came of a benchmark: a table for people, a document for programs.

use crate::columns::{name, right};
use crate::exit::Failure;
use crate::output::{Output, Word, printable};
use crate::quantity::{count, latency};
use quorate_load::{Latencies, Measured};
use serde_json::{Value as Json, json};
use std::time::Duration;

/// The quantiles that are shown: as a part, as a column, in JSON.
const QUANTILES: [(f64, &str, &str); 4] =
    [(0.5, "P50", "p50"), (0.9, "P90", "p90"), (0.99, "P99", "p99"), (0.999, "P99.9", "p99_9")];

/// A table, and what else is to be known.
pub(super) fn table(output: &Output, measured: &Measured) -> Result<(), Failure> {
    let mut columns = vec![name("REQUESTS"), right("COUNT"), right("MEAN")];
    columns.extend(QUANTILES.iter().map(|(_, title, _)| right(title)));
    columns.push(right("LONGEST"));
    let kinds = [("reads", &measured.reads), ("writes", &measured.writes)];
    let row = |(kind, of): &(&str, &Latencies)| -> Vec<Word> {
        let mut row: Vec<Word> = vec![(*kind).into(), count(of.count()).into(), latency(of.mean()).into()];
        row.extend(QUANTILES.iter().map(|(part, ..)| Word::from(latency(of.quantile(*part)))));
        row.push(latency(of.longest()).into());
        row
    };
    let rows: Vec<Vec<Word>> = kinds.iter().filter(|(_, of)| of.count() > 0).map(row).collect();
    output.line(&output.table(&columns, &rows))?;
    output.line(&format!(
        "{} requests answered in {:.1} s: {} a second",
        count(measured.answered),
        measured.elapsed.as_secs_f64(),
        count(per_second(measured.answered, measured.elapsed)),
    ))?;
    for (cause, times) in &measured.failures {
        output.note(&format!("{} failed: {}", count(*times), printable(cause)));
    }
    if measured.absent > 0 {
        output.note(&format!("{} reads were of keys that are not there", count(measured.absent)));
    }
    if measured.unsent > 0 {
        output.note(&format!(
            "{} more fell due and were not sent, and are in no latency: the rate is more than this cluster, or so many \
             connections, can do",
            count(measured.unsent)
        ));
    }
    Ok(())
}

/// The same for a program; times are in microseconds.
pub(super) fn document(mut document: Json, measured: &Measured) -> Json {
    document["seconds"] = json!(measured.elapsed.as_secs_f64());
    document["answered"] = json!(measured.answered);
    document["answered_per_second"] = json!(measured.per_second());
    document["failed"] = json!(measured.failed());
    document["failures"] = json!(measured.failures);
    document["absent"] = json!(measured.absent);
    document["unsent"] = json!(measured.unsent);
    document["reads"] = kind(&measured.reads);
    document["writes"] = kind(&measured.writes);
    document
}

fn kind(of: &Latencies) -> Json {
    let microseconds = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
    let mut document = json!({
        "count": of.count(),
        "mean_us": microseconds(of.mean()),
        "longest_us": microseconds(of.longest()),
    });
    for (part, _, key) in QUANTILES {
        document[format!("{key}_us")] = json!(microseconds(of.quantile(part)));
    }
    document
}

/// So many in a time, as whole ones a second.
pub(super) fn per_second(requests: u64, time: Duration) -> u64 {
    let per_second = u128::from(requests) * 1_000 / time.as_millis().max(1);
    u64::try_from(per_second).unwrap_or(u64::MAX)
}
