//! What a request costs: three real nodes on this machine, the same load on a bare HTTP server, and CPU time of both.
//!
//! ```text
//!   this process: load ──> three processes of `quorate serve`    CPU of the three / requests answered
//!                     ──> one process of a bare hyper server     the same
//! ```
//!
//! On two cores that servers and clients share, requests a second say little, and they differ from day to day. CPU time of the
//! servers for a request stays nearly the same, and its ratio to that of a bare HTTP server in the same run more so. Systems take
//! turns, forwards and then backwards (A B B A), and the median of all rounds counts, beside the least and the most.
//!
//! # What is absent
//!
//! A gate: no figure here fails a run. What tests may hold are counts.

mod bare;
mod case;
mod cluster;
mod figure;
mod measure;
mod plot;
mod process;
mod report;

use case::{BARE, Case, GET, Load, OURS, PUT};
use clap::{Parser, Subcommand};
use cluster::Cluster;
use figure::Figure;
use measure::{Servers, measure};
use process::Process;
use report::Report;
use std::collections::BTreeSet;
use std::io::Write as _;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// What a benchmark ends with: a sentence, and nothing to branch on.
type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

/// Connections, unless it is what is varied.
const CONNECTIONS: usize = 64;

/// Connections of the sweep.
const SWEEP: [usize; 5] = [1, 4, 16, 64, 256];

/// Hundredths of the most that is possible, at which latency is measured.
const LOADS: [u32; 3] = [25, 50, 75];

/// After so long a server that does not listen never will.
const PATIENCE: Duration = Duration::from_secs(10);

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
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// How many seconds, each time.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..))]
    seconds: u64,
    /// How many keys.
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u64).range(1..))]
    keys: u64,
}

/// What is measured: our nodes and the bare server.
struct Rig {
    cluster: Cluster,
    bare: (Process, SocketAddr),
}

fn main() -> ExitCode {
    let done = match Arguments::parse().command {
        Command::Bare { address } => bare::serve(address).map_err(Into::into),
        Command::Ours(ours) => ours.run(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&error.to_string());
            ExitCode::FAILURE
        }
    }
}

impl Ours {
    fn run(&self) -> Outcome<()> {
        tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(self.measure())
    }

    async fn measure(&self) -> Outcome<()> {
        std::fs::create_dir_all(&self.out)?;
        let folder = tempfile::tempdir()?;
        let ports = quorate_ports::Block::take()?;
        let cluster = Cluster::start(&self.quorate, folder.path(), &ports).await?;
        let rig = Rig { cluster, bare: bare(&folder.path().join("bare.log"), &ports)? };
        let mut report = Report::of(self.keys, self.seconds);
        let mut filled = BTreeSet::new();
        for case in OURS {
            if filled.insert(case.table) {
                say(&format!("filling table {}", case.table));
                rig.measure(case, Load::fill(self.keys)).await?;
            }
        }
        let time = Duration::from_secs(self.seconds);
        for round in 1..=self.rounds {
            let mut turns: Vec<&Case> = std::iter::once(&BARE).chain(OURS).collect();
            if round % 2 == 0 {
                turns.reverse();
            }
            for case in turns {
                say(&format!("round {round} of {}: {}", self.rounds, case.name));
                let load = Load::closed(CONNECTIONS, self.keys, time);
                report.rounds.push(rig.measure(case, load).await?);
            }
        }
        report.write(&self.out)?;
        for connections in SWEEP {
            for case in [&BARE, &GET, &PUT] {
                say(&format!("{connections} connections: {}", case.name));
                report.sweep.push(rig.measure(case, Load::closed(connections, self.keys, time)).await?);
            }
        }
        report.write(&self.out)?;
        for of in [&GET, &PUT] {
            for part in LOADS {
                let rate = report.peak(of.name) * f64::from(part) / 100.0;
                if rate < 1.0 {
                    continue;
                }
                for case in [of, &BARE] {
                    say(&format!(
                        "{rate:.0} requests a second, {part} % of the most of {}: {}",
                        of.name, case.name
                    ));
                    let load = Load::open(CONNECTIONS, self.keys, time, rate);
                    report.open.push(rig.measure(case, load).await?);
                }
            }
        }
        report.memory = rig.cluster.memory();
        report.write(&self.out)?;
        writeln!(std::io::stdout(), "{}", report.markdown())?;
        say(&format!("written to {}", self.out.display()));
        Ok(())
    }
}

impl Rig {
    /// One measurement: of our nodes, or of the bare server.
    async fn measure(&self, case: &Case, load: Load) -> Outcome<Figure> {
        let servers = if case.name == BARE.name {
            Servers { processes: vec![&self.bare.0], addresses: vec![self.bare.1] }
        } else {
            Servers { processes: self.cluster.processes(), addresses: self.cluster.addresses() }
        };
        measure(&servers, case, load).await
    }
}

/// The bare server, in a process of its own, once it listens.
fn bare(log: &Path, ports: &quorate_ports::Block) -> Outcome<(Process, SocketAddr)> {
    let address: SocketAddr = ports.address(cluster::PORTS).parse()?;
    let mut command = std::process::Command::new(std::env::current_exe()?);
    command.args(["bare", &address.to_string()]);
    let (process, deadline) = (Process::start(command, log)?, Instant::now() + PATIENCE);
    while let Err(error) = TcpStream::connect(address) {
        if Instant::now() > deadline {
            return Err(format!("the bare server does not listen: {error}").into());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok((process, address))
}

fn say(what: &str) {
    // A standard error that can't be written can't be told so.
    let _unread = writeln!(std::io::stderr(), "quorate-bench: {what}");
}
