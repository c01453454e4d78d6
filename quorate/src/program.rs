//! The command line: what an operator types, and what scripts rely on.
//!
//! ```text
//!   quorate dev | serve ──────────────> runs nodes in this process until it is told to stop
//!   quorate get, table, status, ... ──> quorate_client ──> a node's HTTP port
//!   quorate config | clone | completions | man  need no node
//! ```

use crate::commands::{clone, config as config_command, dev, serve};
use crate::{config, process};
use clap::error::ErrorKind;
use clap::{CommandFactory, Parser, Subcommand};
use quorate_cli::output::{Format, Output};
use quorate_cli::{Context, Exit, Failure, Global};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// A replicated key-value database: one binary, plain HTTP, no other service to run.
#[derive(Debug, Parser)]
#[command(name = "quorate", version, arg_required_else_help = true, max_term_width = 100)]
#[command(after_help = "Begin with `quorate dev`: a cluster of three nodes on this machine.\n\n\
    Exit codes: 0 ok, 1 other, 2 usage, 3 not found, 4 conflict, 5 unavailable (not applied),\n\
    6 unknown outcome, 7 not allowed, 8 unhealthy (status --check), 9 declined,\n    141 the reader of the output has gone.")]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run a real cluster on this machine, in one process; or disturb the one that runs.
    Dev(dev::Dev),
    /// Run one node.
    Serve(serve::Serve),
    #[command(flatten)]
    Ask(quorate_cli::Command),
    /// Print a sample configuration, check one, or show what is in force.
    Config(config_command::ConfigCommand),
    /// Make copies of the data folders of stopped nodes another cluster's.
    Clone(clone::Clone),
    /// Print a completion script for a shell.
    #[command(after_help = "Example:\n  \
        quorate completions bash > ~/.local/share/bash-completion/completions/quorate")]
    Completions {
        /// Which shell.
        shell: clap_complete::Shell,
    },
    /// Print the manual page, or write one for each command.
    #[command(after_help = "Examples:\n  \
        quorate man | man -l -\n  \
        quorate man --dir ~/.local/share/man/man1")]
    Man {
        /// Write quorate.1, quorate-get.1 and so on into this folder.
        #[arg(long, value_name = "DIR")]
        dir: Option<PathBuf>,
    },
}

impl Command {
    /// Whether the settings of a node in the environment mean nothing to it: `serve` and `config` read them, and refuse
    /// what is none. The other two may run in the start of a shell.
    fn reads_no_settings(&self) -> bool {
        match self {
            Command::Dev(_) | Command::Ask(_) => true,
            Command::Serve(_)
            | Command::Config(_)
            | Command::Clone(_)
            | Command::Completions { .. }
            | Command::Man { .. } => false,
        }
    }
}

/// Reads the arguments of this process, does what they say, and returns the code to end with.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return misunderstood(&error),
    };
    let output = Output::new(cli.global.output, cli.global.quiet, cli.global.wide);
    if cli.command.reads_no_settings() {
        for unknown in config::unknown_variables(config::environment()) {
            output.note(&format!("warning: {unknown}"));
        }
    }
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
        // Standard error is closed: that cannot be told, either.
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
    Output::new(format, false, false).failure(&failure);
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

fn run(command: Command, context: &Context) -> Result<(), Failure> {
    match command {
        Command::Serve(serve) => serve.run(),
        Command::Dev(dev) => dev.run(context),
        Command::Config(config) => config.run(context),
        Command::Clone(clone) => clone.run(context),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "quorate", &mut script);
            context.output.bytes(&script)
        }
        Command::Man { dir } => manual(dir.as_deref(), context),
        Command::Ask(command) => command.run(context),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_help_of_each_command_has_an_example() {
        let mut open = vec![Cli::command()];
        while let Some(command) = open.pop() {
            let inner: Vec<_> = command.get_subcommands().cloned().collect();
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(!inner.is_empty() || help.contains(" quorate "), "{} has no example", command.get_name());
            assert!(help.lines().all(|line| line.len() <= 100), "{help}");
            open.extend(inner);
        }
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
