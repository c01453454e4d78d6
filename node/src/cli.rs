//! The command line: what an operator types, and what scripts rely on.
//!
//! ```text
//!   quorate dev | serve ──────────────> runs nodes in this process until it is told to stop
//!   quorate get, table, status, ... ──> quorate_client ──> a node's HTTP port
//!   quorate config | completions | man  need no node
//! ```
//!
//! # Invariants
//!
//! - Data goes to standard output and nothing else does; words go to standard error.
//! - The exit code says what happened ([`exit::Exit`]); a write of unknown outcome has its own.
//! - Each error names the next step. What loses data asks for the name of what is lost, and `--yes` is no answer.
//! - Bytes of keys and values, and the words of a server, never reach a terminal unescaped, but for the value that
//!   `get` was asked for.

mod cluster;
mod config;
mod confirm;
mod dev;
mod document;
mod exit;
mod key;
mod node;
mod output;
mod ring_picture;
mod serve;
mod status;
mod table;
mod wait;

pub use exit::{Exit, Failure};
pub(crate) use key::takes_key;

use crate::process;
use clap::error::ErrorKind;
use clap::{Args, CommandFactory, Parser, Subcommand};
use output::{Format, Output};
use quorate_client::{Client, Endpoint, Options};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

/// A replicated key-value database: one binary, plain HTTP, no other service to run.
#[derive(Debug, Parser)]
#[command(name = "quorate", version, arg_required_else_help = true, max_term_width = 110)]
#[command(after_help = "Begin with `quorate dev`: a cluster of three nodes on this machine.\n\n\
    Exit codes: 0 ok, 1 other, 2 usage, 3 not found, 4 conflict, 5 unavailable (not applied),\n\
    6 unknown outcome, 7 not allowed, 8 unhealthy (status --check), 9 declined.")]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

/// What every command understands.
#[derive(Args, Debug)]
#[command(next_help_heading = "Global options")]
struct Global {
    /// HTTP address of a node; repeat it for others to fall back on [env: `QUORATE_ENDPOINTS`, with commas]
    /// [default: 127.0.0.1:7400].
    #[arg(long, global = true, value_name = "HOST:PORT", value_delimiter = ',')]
    endpoint: Vec<Endpoint>,
    /// How data is written to standard output.
    #[arg(long, global = true, value_name = "FORMAT", default_value = "table", value_parser = Format::parser())]
    output: Format,
    /// How long a request may take, such as 500ms or 10s [default: 5s; 30s to change tables].
    #[arg(long, global = true, value_name = "TIME", value_parser = moment)]
    timeout: Option<Duration>,
    /// Nothing but data and errors.
    #[arg(long, short, global = true)]
    quiet: bool,
    /// Answer yes to every question; what loses data still asks for its name.
    #[arg(long, global = true)]
    yes: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run a real cluster on this machine, in one process; or disturb the one that runs.
    Dev(dev::Dev),
    /// Run one node.
    Serve(serve::Serve),
    /// Show how the cluster is.
    Status(status::Status),
    /// Read a value; its bytes go to standard output as they are.
    Get(key::Get),
    /// Store a value.
    Put(key::Put),
    /// Delete a key.
    Delete(key::Delete),
    /// Read many keys at once.
    Mget(key::Mget),
    /// Show where a key lives.
    Locate(key::Locate),
    /// Show where a key lives and what each owner holds of it.
    Explain(key::Explain),
    /// List, make, change and drop tables.
    Table(table::TableCommand),
    /// Show members and their places on the ring.
    Cluster(cluster::ClusterCommand),
    /// Show one member, or let one go on that doubts its disk.
    Node(node::NodeCommand),
    /// Print a sample configuration, check one, or show what is in force.
    Config(config::ConfigCommand),
    /// Print a completion script for a shell.
    Completions {
        /// Which shell.
        shell: clap_complete::Shell,
    },
    /// Print the manual page, or write one for each command.
    Man {
        /// Write quorate.1, quorate-get.1 and so on into this folder.
        #[arg(long, value_name = "DIR")]
        dir: Option<PathBuf>,
    },
}

/// The variable with the endpoints.
const ENDPOINTS: &str = "QUORATE_ENDPOINTS";

/// The variable with the configuration file.
const CONFIG: &str = "QUORATE_CONFIG";

/// What a command has to work with.
struct Context {
    output: Output,
    options: Options,
    /// Whether the command line says how long a request may take.
    has_timeout: bool,
    yes: bool,
}

/// Reads the arguments of this process, does what they say, and returns the code to end with.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return misunderstood(&error),
    };
    let output = Output::new(cli.global.output, cli.global.quiet);
    let done = Context::new(cli.global, output.clone()).and_then(|context| run(cli.command, &context));
    process::flush_log();
    match done {
        Ok(()) => Exit::Ok.into(),
        Err(failure) => {
            output.failure(&failure);
            failure.exit.into()
        }
    }
}

/// Help and version are answers; everything else is an error of usage, in JSON for a program that asked for it.
fn misunderstood(error: &clap::Error) -> ExitCode {
    let format = asked_format(std::env::args_os().skip(1));
    if !error.use_stderr() || format == Format::Table {
        // Nobody reads it: there is nobody to tell that, either.
        let _unread = error.print();
        return if error.use_stderr() { Exit::Usage.into() } else { Exit::Ok.into() };
    }
    let said = error.to_string();
    let mut parts = said.split("\n\n");
    let sentence = match error.kind() {
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => "a command is missing",
        _ => parts.next().unwrap_or_default(),
    };
    let sentence = sentence.trim_start_matches("error: ").split_whitespace().collect::<Vec<_>>().join(" ");
    let failure = Failure::new(Exit::Usage, sentence).next("the same with --help says what there is");
    Output::new(format, false).failure(&failure);
    failure.exit.into()
}

/// The output format of a command line that was not understood as a whole.
fn asked_format(mut arguments: impl Iterator<Item = std::ffi::OsString>) -> Format {
    let mut format = Format::Table;
    while let Some(argument) = arguments.next() {
        let value = match argument.to_str() {
            Some("--") => break,
            Some("--output") => arguments.next(),
            Some(text) => text.strip_prefix("--output=").map(Into::into),
            None => None,
        };
        if let Some(value) = value {
            format = value.to_str().and_then(Format::parse).unwrap_or(format);
        }
    }
    format
}

/// A length of time in which something can happen: at least a millisecond, which is what servers count.
fn moment(text: &str) -> Result<Duration, String> {
    let time = crate::config::values::duration(text)?;
    if time.as_millis() == 0 { Err("it is at least 1ms".to_owned()) } else { Ok(time) }
}

fn run(command: Command, context: &Context) -> Result<(), Failure> {
    match command {
        Command::Serve(serve) => serve.run(),
        Command::Dev(dev) => dev.run(context),
        Command::Config(config) => config.run(context),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "quorate", &mut script);
            context.output.bytes(&script)
        }
        Command::Man { dir } => manual(dir.as_deref(), context),
        Command::Status(status) => block_on(status.run(context)),
        Command::Get(get) => block_on(get.run(context)),
        Command::Put(put) => block_on(put.run(context)),
        Command::Delete(delete) => block_on(delete.run(context)),
        Command::Mget(mget) => block_on(mget.run(context)),
        Command::Locate(locate) => block_on(locate.run(context)),
        Command::Explain(explain) => block_on(explain.run(context)),
        Command::Table(table) => block_on(table.run(context)),
        Command::Cluster(cluster) => block_on(cluster.run(context)),
        Command::Node(node) => block_on(node.run(context)),
    }
}

fn manual(folder: Option<&Path>, context: &Context) -> Result<(), Failure> {
    let failed = |error| Failure::new(Exit::Other, format!("the manual page cannot be written: {error}"));
    if let Some(folder) = folder {
        return clap_mangen::generate_to(Cli::command(), folder).map_err(failed);
    }
    let mut page = Vec::new();
    clap_mangen::Man::new(Cli::command()).render(&mut page).map_err(failed)?;
    context.output.bytes(&page)
}

impl Context {
    fn new(global: Global, output: Output) -> Result<Self, Failure> {
        let mut options = Options::default();
        let endpoints =
            if global.endpoint.is_empty() { endpoints_of_environment()? } else { global.endpoint };
        if !endpoints.is_empty() {
            options.endpoints = endpoints;
        }
        let has_timeout = global.timeout.is_some();
        if let Some(timeout) = global.timeout {
            options.timeout = timeout;
            options.admin_timeout = timeout;
        }
        Ok(Self { output, options, has_timeout, yes: global.yes })
    }

    fn client(&self) -> Result<Client, Failure> {
        Ok(Client::new(self.options.clone())?)
    }

    /// The same with a shorter patience for administration, unless the command line says how long.
    fn client_within(&self, patience: Duration) -> Result<Client, Failure> {
        let mut options = self.options.clone();
        if !self.has_timeout {
            options.admin_timeout = patience;
        }
        Ok(Client::new(options)?)
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

/// The configuration file that a command was given, or else the environment; an empty variable names none.
fn config_file(given: Option<&Path>) -> Option<PathBuf> {
    let named = given.map(PathBuf::from).or_else(|| std::env::var_os(CONFIG).map(PathBuf::from));
    named.filter(|path| !path.as_os_str().is_empty())
}

/// Runs one command's requests; one thread is enough for them.
fn block_on(work: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(Exit::Other, format!("no reactor could be started: {error}")))?;
    runtime.block_on(work)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_reference_names_every_command_and_flag() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/cli.md");
        let text = std::fs::read_to_string(path).expect("the reference");
        let mut open = vec![Cli::command()];
        while let Some(command) = open.pop() {
            for flag in command.get_arguments().filter_map(clap::Arg::get_long) {
                assert!(text.contains(&format!("--{flag}")), "docs/cli.md does not know --{flag}");
            }
            for inner in command.get_subcommands() {
                assert!(text.contains(inner.get_name()), "docs/cli.md does not know {}", inner.get_name());
                open.push(inner.clone());
            }
        }
    }
}
