//! `bench`: load on a table, and how long requests took.

mod connection;
mod said;

use crate::context::{Context, moment};
use crate::exit::{Exit, Failure};
use crate::key::durability;
use crate::line::{Line, bar};
use crate::output::printable;
use crate::quantity::count;
use bytesize::ByteSize;
use clap::Args;
pub use connection::{Asked, Http};
use quorate_api::Code;
use quorate_api::document::TableSpec;
use quorate_api::query::Parameter;
use quorate_client::{Bearer, Client, Error, Found, Read};
use quorate_load::{Arrival, Keys, Measured, Mix, Plan, Progress, Work, run};
use quorate_model::{Durability, Level};
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

/// The longest value: what a node takes unless it is told otherwise.
const VALUE_BYTES_MAX: u64 = 16 << 20;

/// How much longer than the server a connection waits.
const GRACE: Duration = Duration::from_millis(500);

/// No measurement takes longer.
const TIME_MAX: Duration = Duration::from_secs(30 * 24 * 3_600);

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
    /// How long it is measured.
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = time)]
    time: Duration,
    /// How long the same load runs before measuring begins.
    #[arg(long, value_name = "TIME", default_value = "2s", value_parser = time)]
    warm_up: Duration,
    /// Connections, each with one request in flight, spread over the endpoints.
    #[arg(long, value_name = "COUNT", default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    connections: u32,
    /// Requests a second in all, whether or not others are answered; latency is counted from the moment a request was
    /// due [default: each connection asks again once it is answered].
    #[arg(long, value_name = "NUMBER", value_parser = rate)]
    rate: Option<f64>,
    /// Reads in a hundred requests; the others are writes.
    #[arg(long, value_name = "PERCENT", default_value_t = 50, value_parser = clap::value_parser!(u8).range(0..=100))]
    reads: u8,
    /// How many keys; if some are missing, or their values have another size, all are written first.
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

fn time(text: &str) -> Result<Duration, String> {
    let time = moment(text)?;
    if time > TIME_MAX { Err("it is at most 30 days".to_owned()) } else { Ok(time) }
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
        allow_files();
        let client = context.client()?;
        self.make_table(context, &client).await?;
        let asked = Arc::new(self.asked(context));
        self.fill(context, &client, &asked).await?;
        let keys = if self.skew > 0.0 { Keys::skewed(self.keys, self.skew) } else { Keys::even(self.keys) };
        let work = Work::Ask {
            mix: Mix { keys, reads_percent: self.reads },
            arrival: self.rate.map_or(Arrival::Closed, |per_second| Arrival::Open { per_second }),
            warm_up: self.warm_up,
            time: self.time,
        };
        let measured = self.load(context, &asked, work).await?;
        if context.output.is_json() {
            context.output.json(&said::document(self.document(context), &measured))?;
        } else {
            said::table(&context.output, &measured)?;
        }
        if measured.answered > 0 {
            return Ok(());
        }
        let sentence = format!("no request was answered, and {} failed", count(measured.failed()));
        Err(Failure::new(Exit::Unavailable, sentence).next("see what is wrong with `quorate status`"))
    }

    /// Makes the table if there is none.
    async fn make_table(&self, context: &Context, client: &Client) -> Result<(), Failure> {
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
        let mut asked =
            Asked::of(&self.table, options.endpoints.clone(), options.timeout + GRACE, self.value_bytes())
                .with_token(options.token.as_ref().and_then(Bearer::header));
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

    fn value_bytes(&self) -> usize {
        usize::try_from(self.value_size.as_u64()).unwrap_or(usize::MAX)
    }

    /// Writes all keys, unless they are there: those that a fill writes last, and some others.
    async fn fill(&self, context: &Context, client: &Client, asked: &Arc<Asked>) -> Result<(), Failure> {
        let last = self.keys.saturating_sub(u64::from(self.connections))..self.keys;
        let some = (0..16).map(|part| self.keys / 16 * part);
        let (mut are_there, read) = (true, Read::default());
        for number in some.chain(last) {
            let key = connection::key(number);
            let found = client.get(&self.table, key.as_bytes(), &read);
            are_there = match context.told("looking for the keys", found).await?.answer {
                Found::Value(value) => value.bytes.len() == self.value_bytes(),
                Found::Absent { .. } => false,
            };
            if !are_there {
                break;
            }
        }
        if are_there {
            return Ok(());
        }
        let written = self.load(context, asked, Work::Fill { keys: self.keys }).await?;
        if let Some(cause) = written.failures.keys().next() {
            let sentence = format!("the keys could not be written: {}", printable(cause));
            return Err(
                Failure::new(Exit::Unavailable, sentence).next("see what is wrong with `quorate status`")
            );
        }
        let seconds = written.elapsed.as_secs_f64();
        context.output.note(&format!("{} keys written in {seconds:.1} s", count(self.keys)));
        Ok(())
    }

    /// Does it over all connections, and says each second how far it is.
    async fn load(&self, context: &Context, asked: &Arc<Asked>, work: Work) -> Result<Measured, Failure> {
        let connections = (0..self.connections as usize).map(|number| Http::new(asked, number)).collect();
        let line = Line::new(&context.output);
        let mut before = Progress::default();
        let measured = run(connections, Plan { work, seed: 1 }, |progress| {
            let (doing, done, of) = match work {
                Work::Fill { keys } => ("writing keys", u128::from(progress.done), u128::from(keys)),
                Work::Ask { warm_up, time, .. } => {
                    ("measuring", progress.elapsed.as_millis(), (warm_up + time).as_millis())
                }
            };
            let part = |of: u128| u64::try_from(of).unwrap_or(u64::MAX);
            let rate = said::per_second(
                progress.done - before.done,
                progress.elapsed.saturating_sub(before.elapsed),
            );
            before = progress;
            let sentence = format!(
                "{doing}  {}  {} requests/s, {} failed",
                bar(part(done), part(of), done >= of),
                count(rate),
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

    /// What was asked.
    fn document(&self, context: &Context) -> serde_json::Value {
        let endpoints: Vec<String> = context.options.endpoints.iter().map(ToString::to_string).collect();
        json!({
            "table": self.table,
            "endpoints": endpoints,
            "connections": self.connections,
            "keys": self.keys,
            "value_bytes": self.value_size.as_u64(),
            "reads_percent": self.reads,
            "skew": self.skew,
            "rate": self.rate,
        })
    }
}

/// As many open files as this process may have: each connection is one, and of an open load two.
fn allow_files() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    // If it may not, some connections fail and say so.
    let _refused = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
}
