//! `bench`: load on a table, and how long requests took.

mod connection;

use crate::columns::{name, right};
use crate::context::{Context, moment};
use crate::exit::{Exit, Failure};
use crate::key::durability;
use crate::line::{Line, bar};
use crate::output::{Word, printable};
use crate::quantity::{count, latency};
use bytesize::ByteSize;
use clap::Args;
use connection::PREFIX;
pub use connection::{Asked, Http};
use quorate_api::Code;
use quorate_api::document::TableSpec;
use quorate_api::query::Parameter;
use quorate_client::{Client, Error, Scan};
use quorate_load::{Arrival, Keys, Latencies, Measured, Mix, Plan, Work, run};
use quorate_model::{Durability, Level};
use serde_json::{Value as Json, json};
use std::sync::Arc;
use std::time::Duration;

/// The quantiles that are shown: as a part, as a column, in JSON.
const QUANTILES: [(f64, &str, &str); 4] =
    [(0.5, "P50", "p50"), (0.9, "P90", "p90"), (0.99, "P99", "p99"), (0.999, "P99.9", "p99_9")];

/// The longest value: what a node takes unless it is told otherwise.
const VALUE_BYTES_MAX: u64 = 16 << 20;

/// How much longer than the server a connection waits.
const GRACE: Duration = Duration::from_millis(500);

/// `quorate bench`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  \
    quorate bench\n  \
    quorate bench --reads 95 --skew 0.99 --time 1m\n  \
    quorate bench --rate 2000 --consistency one --output json\n  \
    quorate bench events --value-size 1KiB --connections 256")]
pub struct Bench {
    /// The table; made if there is none. Keys of it that begin with bench/ are written.
    #[arg(default_value = "bench")]
    table: String,
    /// For how long it is measured.
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = moment)]
    time: Duration,
    /// So long before, the load is the same and does not count.
    #[arg(long, value_name = "TIME", default_value = "2s", value_parser = moment)]
    warm_up: Duration,
    /// Connections, each with one request in flight, spread over the endpoints.
    #[arg(long, value_name = "COUNT", default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    connections: u32,
    /// Requests a second in all, due whether or not others are answered; latency is from then on [default: each
    /// connection asks again once it is answered].
    #[arg(long, value_name = "NUMBER", value_parser = rate)]
    rate: Option<f64>,
    /// Reads in a hundred requests; the others are writes.
    #[arg(long, value_name = "PERCENT", default_value_t = 50, value_parser = clap::value_parser!(u8).range(0..=100))]
    reads: u8,
    /// How many keys; those that lack are written first.
    #[arg(long, value_name = "COUNT", default_value_t = 100_000, value_parser = clap::value_parser!(u64).range(1..=1_000_000_000))]
    keys: u64,
    /// Bytes of a value; they hardly compress.
    #[arg(long, value_name = "SIZE", default_value = "100B")]
    value_size: ByteSize,
    /// How unevenly keys are asked for: 0 evenly, 0.99 as in YCSB (exponent of a Zipf distribution).
    #[arg(long, value_name = "EXPONENT", default_value_t = 0.0, value_parser = skew)]
    skew: f64,
    /// Owners that must answer: one, quorum, all or a number [default: the table's].
    #[arg(long, short = 'c', value_name = "LEVEL")]
    consistency: Option<Level>,
    /// What an acknowledgement means: sync or os; more than the table's, never less.
    #[arg(long, value_name = "HOW", value_parser = durability)]
    durability: Option<Durability>,
}

fn rate(text: &str) -> Result<f64, String> {
    let rate = text.parse::<f64>().ok().filter(|rate| (0.01..=10_000_000.0).contains(rate));
    rate.ok_or_else(|| "it is a number of requests a second, from 0.01 to 10000000".to_owned())
}

fn skew(text: &str) -> Result<f64, String> {
    let skew = text.parse::<f64>().ok().filter(|skew| (0.0..=10.0).contains(skew));
    skew.ok_or_else(|| "it is a number from 0 to 10".to_owned())
}

impl Bench {
    /// Makes what is lacking, asks, and says how it was; Ctrl-C ends it.
    pub async fn run(self, context: &Context) -> Result<(), Failure> {
        tokio::select! {
            biased;
            _ = tokio::signal::ctrl_c() => {
                Err(Failure::new(Exit::Interrupted, "stopped before its end: nothing was measured"))
            }
            done = self.measure(context) => done,
        }
    }

    async fn measure(&self, context: &Context) -> Result<(), Failure> {
        if self.value_size.as_u64() > VALUE_BYTES_MAX {
            return Err(Failure::new(Exit::Usage, "--value-size is at most 16MiB"));
        }
        let client = context.client_within(context.options.admin_timeout)?;
        self.table(context, &client).await?;
        let asked = Arc::new(self.asked(context));
        self.fill(context, &client, &asked).await?;
        let keys = if self.skew > 0.0 { Keys::skewed(self.keys, self.skew) } else { Keys::even(self.keys) };
        let work = Work::Ask {
            mix: Mix { keys, reads_percent: self.reads },
            arrival: self.rate.map_or(Arrival::Closed, |per_second| Arrival::Open { per_second }),
            warm_up: self.warm_up,
            time: self.time,
        };
        let all = self.warm_up + self.time;
        let measured = self.load(context, &asked, work, |done| (done, all)).await?;
        self.say(context, &measured)
    }

    /// Makes the table if there is none.
    async fn table(&self, context: &Context, client: &Client) -> Result<(), Failure> {
        match context.told("looking for the table", client.table(&self.table)).await {
            Ok(_) => Ok(()),
            Err(Error::Problem { problem, .. }) if problem.known_code() == Some(Code::NoSuchTable) => {
                let spec = TableSpec { name: self.table.clone(), ..TableSpec::default() };
                context.told("making the table", client.create_table(&spec)).await?;
                context.output.note(&format!("table {} is made; drop it when you are done", self.table));
                Ok(())
            }
            Err(error) => Err(error.into()),
        }
    }

    fn asked(&self, context: &Context) -> Asked {
        let options = &context.options;
        let value_bytes = usize::try_from(self.value_size.as_u64()).unwrap_or(usize::MAX);
        let mut asked =
            Asked::of(&self.table, options.endpoints.clone(), options.timeout + GRACE, value_bytes);
        let timeout = (Parameter::Timeout, format!("{}ms", options.timeout.as_millis()));
        let level = self.consistency.map(|level| (Parameter::Consistency, level.to_string()));
        let durability = self.durability.map(|how| (Parameter::Durability, how.to_string()));
        let query = |of: &mut dyn Iterator<Item = (Parameter, String)>| {
            let pairs: Vec<String> = of.map(|(name, value)| format!("{}={value}", name.as_str())).collect();
            format!("?{}", pairs.join("&"))
        };
        asked.read_query = query(&mut std::iter::once(timeout.clone()).chain(level.clone()));
        asked.write_query = query(&mut std::iter::once(timeout).chain(level).chain(durability));
        asked
    }

    /// Writes all keys, unless as many are there.
    async fn fill(&self, context: &Context, client: &Client, asked: &Arc<Asked>) -> Result<(), Failure> {
        let ours = Scan { prefix: Some(PREFIX.into()), ..Scan::default() };
        let there = context.told("counting the keys", client.count(&self.table, &ours)).await?;
        if there >= self.keys {
            return Ok(());
        }
        let work = Work::Fill { keys: self.keys };
        let written = self.load(context, asked, work, |_| (Duration::ZERO, Duration::ZERO)).await?;
        let failed = written.failed();
        if failed > 0 {
            let cause = written.failures.keys().next().map_or("", String::as_str);
            let sentence =
                format!("{failed} of {} keys could not be written: {}", self.keys, printable(cause));
            return Err(
                Failure::new(Exit::Unavailable, sentence).next("see what is wrong with `quorate status`")
            );
        }
        context.output.note(&format!(
            "{} keys written in {:.1} s",
            count(self.keys),
            written.elapsed.as_secs_f64()
        ));
        Ok(())
    }

    /// Does it over all connections, and says each second how far it is: `part` is of what.
    async fn load(
        &self,
        context: &Context,
        asked: &Arc<Asked>,
        work: Work,
        part: impl Fn(Duration) -> (Duration, Duration),
    ) -> Result<Measured, Failure> {
        let connections = (0..self.connections as usize).map(|number| Http::new(asked, number)).collect();
        let line = Line::new(&context.output);
        let mut before = (Duration::ZERO, 0);
        let measured = run(connections, Plan { work, seed: 1 }, |progress| {
            let (done, of) = match work {
                Work::Fill { keys } => (progress.done, keys),
                Work::Ask { .. } => {
                    let (done, of) = part(progress.elapsed);
                    (done.as_millis() as u64, of.as_millis() as u64)
                }
            };
            let rate =
                (progress.done - before.1) as f64 / (progress.elapsed - before.0).as_secs_f64().max(0.001);
            before = (progress.elapsed, progress.done);
            let doing = match work {
                Work::Fill { .. } => "writing keys",
                Work::Ask { .. } => "measuring",
            };
            let sentence = format!(
                "{doing}  {}  {} requests/s, {} failed",
                bar(done, of, done >= of),
                count(rate as u64),
                count(progress.failed)
            );
            let document = json!({
                "doing": doing,
                "seconds": progress.elapsed.as_secs_f64(),
                "answered": progress.done,
                "failed": progress.failed,
            });
            line.write(&sentence, &document);
        });
        let measured = measured.await;
        line.clear();
        measured.map_err(|error| Failure::new(Exit::Other, format!("no timer could be had: {error}")))
    }

    /// What came of it; no request that was answered is a failure.
    fn say(&self, context: &Context, measured: &Measured) -> Result<(), Failure> {
        let output = &context.output;
        let failed = measured.failed();
        if output.is_json() {
            output.json(&self.document(context, measured))?;
        } else {
            let mut columns = vec![name("REQUESTS"), right("ANSWERED"), right("PER SECOND"), right("MEAN")];
            columns.extend(QUANTILES.iter().map(|(_, title, _)| right(title)));
            columns.push(right("LONGEST"));
            let kinds = [("reads", &measured.reads), ("writes", &measured.writes)];
            let row = |(kind, of): &(&str, &Latencies)| -> Vec<Word> {
                let rate = of.count() as f64 / measured.elapsed.as_secs_f64();
                let mut row: Vec<Word> = vec![
                    (*kind).into(),
                    count(of.count()).into(),
                    count(rate.round() as u64).into(),
                    latency(of.mean()).into(),
                ];
                row.extend(QUANTILES.iter().map(|(part, ..)| Word::from(latency(of.quantile(*part)))));
                row.push(latency(of.longest()).into());
                row
            };
            let rows: Vec<Vec<Word>> = kinds.iter().filter(|(_, of)| of.count() > 0).map(row).collect();
            output.line(&output.table(&columns, &rows))?;
            for (cause, times) in &measured.failures {
                output.note(&format!("{} failed: {}", count(*times), printable(cause)));
            }
            if measured.unsent > 0 {
                output.note(&format!(
                    "{} more were due and not sent: the rate is more than this cluster, or this many connections, can do",
                    count(measured.unsent)
                ));
            }
        }
        if measured.reads.count() + measured.writes.count() > 0 {
            return Ok(());
        }
        let sentence = format!("not one request was answered, and {} failed", count(failed));
        Err(Failure::new(Exit::Unavailable, sentence).next("see what is wrong with `quorate status`"))
    }

    fn document(&self, context: &Context, measured: &Measured) -> Json {
        let endpoints: Vec<String> = context.options.endpoints.iter().map(ToString::to_string).collect();
        let seconds = measured.elapsed.as_secs_f64();
        json!({
            "table": self.table,
            "endpoints": endpoints,
            "connections": self.connections,
            "keys": self.keys,
            "value_bytes": self.value_size.as_u64(),
            "reads_percent": self.reads,
            "skew": self.skew,
            "rate": self.rate,
            "seconds": seconds,
            "answered_per_second": measured.per_second(),
            "failed": measured.failed(),
            "failures": measured.failures,
            "unsent": measured.unsent,
            "reads": kind(&measured.reads, seconds),
            "writes": kind(&measured.writes, seconds),
        })
    }
}

/// What is said of reads, or of writes: times in microseconds.
fn kind(of: &Latencies, seconds: f64) -> Json {
    let microseconds = |time: Duration| time.as_micros() as u64;
    let mut document = json!({
        "answered": of.count(),
        "per_second": of.count() as f64 / seconds,
        "mean_us": microseconds(of.mean()),
        "longest_us": microseconds(of.longest()),
    });
    for (part, _, key) in QUANTILES {
        document[format!("{key}_us")] = json!(microseconds(of.quantile(part)));
    }
    document
}
