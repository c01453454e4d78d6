//! What every command understands, and what it has to work with.

use crate::exit::{Exit, Failure};
use crate::output::{Format, Output};
use crate::token;
use clap::Args;
use quorate_client::{Client, Endpoint, Options};
use std::path::PathBuf;
use std::time::Duration;

/// The variable with the endpoints.
const ENDPOINTS: &str = "QUORATE_ENDPOINTS";

/// What every command understands.
#[derive(Args, Debug)]
#[command(next_help_heading = "Global options")]
pub struct Global {
    /// HTTP address of a node; repeat it for others to fall back on [env: `QUORATE_ENDPOINTS`, with commas]
    /// [default: 127.0.0.1:7400].
    #[arg(long, global = true, value_name = "HOST:PORT", value_delimiter = ',')]
    pub endpoint: Vec<Endpoint>,
    /// File with the token by which the cluster recognises you [env: `QUORATE_TOKEN_FILE`, or `QUORATE_TOKEN` with the
    /// token itself].
    #[arg(long, global = true, value_name = "FILE")]
    pub token_file: Option<PathBuf>,
    /// How data is written to standard output.
    #[arg(long, global = true, value_name = "FORMAT", default_value = "table", value_parser = Format::parser())]
    pub output: Format,
    /// How long a request may take, such as 500ms or 10s [default: 5s; 30s to change tables].
    #[arg(long, global = true, value_name = "TIME", value_parser = moment)]
    pub timeout: Option<Duration>,
    /// Nothing but data and errors.
    #[arg(long, short, global = true)]
    pub quiet: bool,
    /// Tables with every column, and nothing cut to fit.
    #[arg(long, global = true)]
    pub wide: bool,
    /// Answer yes to every question; what loses data still asks for its name.
    #[arg(long, global = true)]
    pub yes: bool,
}

/// What a command has to work with.
pub struct Context {
    /// Where its output goes.
    pub output: Output,
    /// How a cluster is reached.
    pub options: Options,
    /// Whether the command line says how long a request may take.
    has_timeout: bool,
    /// Whether every question is answered with yes.
    pub yes: bool,
}

/// A length of time in which something can happen: at least a millisecond, which is what servers count.
pub fn moment(text: &str) -> Result<Duration, String> {
    let time = humantime::parse_duration(text)
        .map_err(|_| "it is a length of time with its unit, for example 250ms, 2s or 10m".to_owned())?;
    if time.as_millis() == 0 { Err("it is at least 1ms".to_owned()) } else { Ok(time) }
}

impl Context {
    /// From what every command understands.
    pub fn new(global: Global, output: Output) -> Result<Self, Failure> {
        let mut options = Options::default();
        let endpoints =
            if global.endpoint.is_empty() { endpoints_of_environment()? } else { global.endpoint };
        if !endpoints.is_empty() {
            options.endpoints = endpoints;
        }
        options.token = token::find(global.token_file.as_deref(), &output)?;
        let has_timeout = global.timeout.is_some();
        if let Some(timeout) = global.timeout {
            options.timeout = timeout;
            options.admin_timeout = timeout;
        }
        Ok(Self { output, options, has_timeout, yes: global.yes })
    }

    /// A client of the cluster.
    pub fn client(&self) -> Result<Client, Failure> {
        self.warn_of_readers();
        Ok(Client::new(self.options.clone())?)
    }

    /// The same with a shorter patience for administration, unless the command line says how long.
    pub fn client_within(&self, patience: Duration) -> Result<Client, Failure> {
        let mut options = self.options.clone();
        if !self.has_timeout {
            options.admin_timeout = patience;
        }
        self.warn_of_readers();
        Ok(Client::new(options)?)
    }

    fn warn_of_readers(&self) {
        if self.options.token.is_some() {
            token::warn_of_readers(&self.options.endpoints, &self.output);
        }
    }
}

/// The endpoints in the environment; none if the variable is empty, which is how scripts unset one.
fn endpoints_of_environment() -> Result<Vec<Endpoint>, Failure> {
    let text = std::env::var_os(ENDPOINTS).unwrap_or_default();
    let text = text.to_string_lossy();
    let endpoints = text.split(',').map(str::trim).filter(|text| !text.is_empty()).map(str::parse);
    endpoints
        .collect::<Result<_, _>>()
        .map_err(|error| Failure::new(Exit::Usage, format!("the environment variable {ENDPOINTS}: {error}")))
}

/// Runs one command's requests; one thread is enough for them.
pub fn block_on(work: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(Exit::Other, format!("no reactor could be started: {error}")))?;
    runtime.block_on(work)
}
