//! What a request costs: three real nodes on this machine, the same load on a bare HTTP server, and CPU time of both.
//!
//! ```text
//!   this process: load ──> three processes of `quorate serve`    CPU of the three / requests answered
//!                     ──> one process of a bare hyper server     the same
//! ```
//!
//! Two cores that servers and clients share say little by requests a second, and differ from day to day. CPU time of servers for
//! each request, and its ratio to a bare HTTP server's in the same run, hold. So systems take turns, forwards and then backwards
//! (A B B A), and the median of all rounds counts, beside the least and the most.
//!
//! # What is absent
//!
//! A gate: no figure here fails a run. What tests may hold are counts.

mod bare;
mod case;
mod cluster;
mod plot;
mod process;
mod report;

use case::{Case, Load, OURS, measure};
use clap::{Parser, Subcommand};
use cluster::Cluster;
use process::Process;
use report::{Figure, Report};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What a benchmark ends with: a sentence, and nothing to branch on.
type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

/// Connections, unless it is what is varied.
const CONNECTIONS: usize = 64;

/// Connections of the sweep.
const SWEEP: [usize; 5] = [1, 4, 16, 64, 256];

/// Hundredths of the most that is possible, at which latency is measured.
const LOADS: [u64; 3] = [25, 50, 75];

/// What a request costs, measured beside a bare HTTP server.
#[derive(Debug, Parser)]
#[command(name = "quorate-bench")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Measure this tree's nodes.
    Ours(Ours),
    /// A bare HTTP server, to compare with.
    #[command(hide = true)]
    Bare {
        /// Where it listens.
        address: SocketAddr,
    },
}

#[derive(Debug, clap::Args)]
struct Ours {
    /// The program that is measured.
    #[arg(long)]
    quorate: PathBuf,
    /// Where results go.
    #[arg(long)]
    out: PathBuf,
    /// How often each is measured.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// For how many seconds, each time.
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// How many keys.
    #[arg(long, default_value_t = 100_000)]
    keys: u64,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Outcome<()> {
    match Arguments::parse().command {
        Command::Bare { address } => bare::serve(address).await,
        Command::Ours(ours) => ours.run().await,
    }
}

impl Ours {
    async fn run(&self) -> Outcome<()> {
        std::fs::create_dir_all(&self.out)?;
        let folder = tempfile::tempdir()?;
        let ports = quorate_ports::Block::take()?;
        let cluster = Cluster::start(&self.quorate, folder.path(), &ports).await?;
        let bare = bare(&folder.path().join("bare.log"), &ports)?;
        let mut report = Report::of(self);
        for case in OURS {
            say(&format!("filling the table of {}", case.name));
            measure(&cluster.servers(), case, &cluster, Load::fill(self.keys)).await?;
        }
        let time = Duration::from_secs(self.seconds);
        for round in 0..self.rounds {
            let mut turns: Vec<Option<&Case>> = std::iter::once(None).chain(OURS.iter().map(Some)).collect();
            if round % 2 == 1 {
                turns.reverse();
            }
            for turn in turns {
                let name = turn.map_or(bare::NAME, |case| case.name);
                say(&format!("round {} of {}: {name}", round + 1, self.rounds));
                let load = Load::closed(CONNECTIONS, self.keys, time);
                report.rounds.push(self.figure(&cluster, &bare, turn, load).await?);
            }
        }
        for connections in SWEEP {
            for turn in [None, Some(&OURS[1]), Some(&OURS[2])] {
                say(&format!("{connections} connections: {}", turn.map_or(bare::NAME, |case| case.name)));
                let load = Load::closed(connections, self.keys, time);
                report.sweep.push(self.figure(&cluster, &bare, turn, load).await?);
            }
        }
        for turn in [&OURS[1], &OURS[2]] {
            let peak = report.peak(turn.name);
            for load in LOADS {
                let rate = peak * load as f64 / 100.0;
                say(&format!(
                    "{rate:.0} requests a second, {load} % of the most: {} and {}",
                    turn.name,
                    bare::NAME
                ));
                for turn in [Some(turn), None] {
                    let load = Load::open(CONNECTIONS, self.keys, time, rate);
                    report.open.push(self.figure(&cluster, &bare, turn, load).await?);
                }
            }
        }
        report.memory = cluster.memory();
        report.write(&self.out)?;
        println!("{}", report.markdown());
        say(&format!("written to {}", self.out.display()));
        Ok(())
    }

    /// One measurement: of a case of ours, or of the bare server.
    async fn figure(
        &self,
        cluster: &Cluster,
        bare: &(Process, SocketAddr),
        turn: Option<&Case>,
        load: Load,
    ) -> Outcome<Figure> {
        match turn {
            Some(case) => measure(&cluster.servers(), case, cluster, load).await,
            None => measure(&[&bare.0], &bare::CASE, &[bare.1], load).await,
        }
    }
}

/// The bare server, in a process of its own.
fn bare(log: &Path, ports: &quorate_ports::Block) -> Outcome<(Process, SocketAddr)> {
    let address: SocketAddr = ports.address(cluster::PORTS).parse()?;
    let mut command = std::process::Command::new(std::env::current_exe()?);
    command.args(["bare", &address.to_string()]);
    Ok((Process::start(command, log)?, address))
}

fn say(what: &str) {
    eprintln!("quorate-bench: {what}");
}
