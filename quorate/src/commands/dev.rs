//! `quorate dev`: a cluster to try things on, and the words that a newcomer reads in the first minute.

mod control;
mod folder;
mod greeting;
mod growth;

use crate::dev::{
    Act, CONTROL_STEP, Cluster, Error, NODES_MAX, Numbers, PORT_STEP, Plan, raise_open_files, remote,
};
use crate::process::{self, LogFile, LogFileError, StopSignal};
use clap::{Args, Subcommand};
use folder::{Folder, LOG};
use greeting::{Greeting, called};
use quorate_cli::{Context, Exit, Failure, block_on, document};
use quorate_client::Method;
use serde_json::Value as Json;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::sync::Mutex;

/// Nodes of a new cluster without a given number.
const NODES: usize = 3;

/// `quorate dev`.
#[derive(Args, Debug)]
#[command(args_conflicts_with_subcommands = true)]
#[command(after_help = "Examples:\n  \
    quorate dev\n  \
    quorate dev --nodes 5 --ephemeral --port 8400\n  \
    quorate dev kill n3        # in a second terminal\n  \
    quorate dev add --wait     # a further node gets its share of the data")]
pub struct Dev {
    #[command(subcommand)]
    act: Option<ActCommand>,
    #[command(flatten)]
    run: Run,
}

/// A cluster to run.
#[derive(Args, Debug)]
struct Run {
    /// How many nodes, 1 to 9 [default: as many as the folder has, else 3].
    #[arg(long)]
    nodes: Option<usize>,
    /// How many zones they are spread over [default: one for each node, up to 3].
    #[arg(long)]
    zones: Option<usize>,
    /// Keep the data in this folder [default: $XDG_DATA_HOME/quorate/dev, else ~/.local/share/quorate/dev].
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Keep the data in a temporary folder, and delete it at the end.
    #[arg(long, conflicts_with = "data")]
    ephemeral: bool,
    /// The first node's port; the others follow in steps of ten. 0: ports that are free.
    #[arg(long, default_value_t = 7400)]
    port: u16,
}

/// What to do to a node of the cluster that runs in another terminal.
#[derive(Debug, Subcommand)]
enum ActCommand {
    /// End a node abruptly: no drain, no flush.
    #[command(after_help = "Example:\n  quorate dev kill n3")]
    Kill(Target),
    /// Start a node again, with the data it has.
    #[command(after_help = "Example:\n  quorate dev start n3")]
    Start(Target),
    /// Drop a node's peer traffic, both ways: to itself it seems well.
    #[command(after_help = "Example:\n  quorate dev cut n2")]
    Cut(Target),
    /// Let its peer traffic flow again.
    #[command(after_help = "Example:\n  quorate dev heal n2")]
    Heal(Target),
    /// Start a further node, and give it its share of the data by a plan.
    #[command(after_help = "Example:\n  quorate dev add --wait")]
    Add {
        /// Wait until its share has arrived.
        #[arg(long)]
        wait: bool,
    },
    /// Move a node's copies to the others by a plan, wait for that, and end it.
    #[command(after_help = "Example:\n  quorate dev remove n4")]
    Remove(Target),
}

#[derive(Args, Debug)]
struct Target {
    /// The node, such as n2.
    node: String,
}

impl Dev {
    /// Runs a cluster, or disturbs the one that runs.
    pub fn run(self, context: &Context) -> Result<(), Failure> {
        let act = |act, target: &Target| block_on(disturb(context, act, &target.node));
        match self.act {
            None => self.run.run(context),
            Some(ActCommand::Kill(target)) => act(Act::Kill, &target),
            Some(ActCommand::Start(target)) => act(Act::Start, &target),
            Some(ActCommand::Cut(target)) => act(Act::Cut, &target),
            Some(ActCommand::Heal(target)) => act(Act::Heal, &target),
            Some(ActCommand::Add { wait }) => block_on(growth::add(context, wait)),
            Some(ActCommand::Remove(target)) => block_on(growth::remove(context, &target.node)),
        }
    }
}

impl Run {
    fn run(self, context: &Context) -> Result<(), Failure> {
        process::keep_files_private();
        let folder = Folder::open(self.data.as_deref(), self.ephemeral, &context.output)?;
        let numbers = self.numbers(&folder)?;
        let nodes = numbers.len();
        let zones = self.zones.unwrap_or(nodes.min(3));
        if !(1..=nodes).contains(&zones) {
            return Err(out_of_range());
        }
        if self.port > u16::MAX - PORT_STEP * NODES_MAX as u16 {
            return Err(Failure::new(
                Exit::Usage,
                format!("--port {} leaves no room for the other nodes", self.port),
            ));
        }
        raise_open_files(nodes).map_err(|error| Failure::new(Exit::Other, error.to_string()))?;
        let log = folder.path.join(LOG);
        let file = LogFile::open(&log).map_err(|error| match error {
            LogFileError::Taken => {
                let sentence = format!("another `quorate dev` runs on the folder {}", folder.path.display());
                Failure::new(Exit::Other, sentence)
                    .next("stop it, or choose another folder and other ports: --ephemeral --port 7600")
            }
            LogFileError::Failed(error) => {
                Failure::new(Exit::Other, format!("{} cannot be written: {error}", log.display()))
            }
        })?;
        process::start_logging_into(file, "info")
            .map_err(|error| Failure::new(Exit::Other, error.to_string()))?;
        process::log_panics();
        let plan = Plan { numbers, zones, port: self.port, folder: folder.path.clone() };
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().map_err(
                |error| Failure::new(Exit::Other, format!("no reactor could be started: {error}")),
            )?;
        runtime.block_on(until_stopped(context, &plan, &folder, &log))
    }

    /// Which nodes there will be: all that the folder has, at least.
    fn numbers(&self, folder: &Folder) -> Result<Vec<usize>, Failure> {
        let numbers =
            Numbers::of(&folder.path).map_err(|error| Failure::new(Exit::Other, error.to_string()))?;
        let least = numbers.least();
        let nodes = self.nodes.unwrap_or(if least == 0 { NODES } else { least });
        if !(1..=numbers.most()).contains(&nodes) {
            return Err(out_of_range());
        }
        if nodes >= least {
            return Ok(numbers.first(nodes));
        }
        let kept = numbers.kept();
        let names: Vec<String> = kept.iter().map(|number| format!("n{number}")).collect();
        let ports: Vec<String> =
            kept.iter().map(|number| (self.port + PORT_STEP * (*number as u16 - 1)).to_string()).collect();
        let sentence = format!(
            "the folder {} has a cluster of {}, which needs all of them, and --nodes {nodes} is fewer; nothing was started",
            folder.path.display(),
            names.join(", ")
        );
        let next = format!(
            "say --nodes {least} or leave it out (ports {} then), or choose another folder: --data DIR, or --ephemeral",
            ports.join(", ")
        );
        Err(Failure::new(Exit::Usage, sentence).next(next))
    }
}

fn out_of_range() -> Failure {
    let sentence = format!("a development cluster has 1 to {NODES_MAX} nodes in 1 to as many zones");
    Failure::new(Exit::Usage, sentence)
}

async fn until_stopped(context: &Context, plan: &Plan, folder: &Folder, log: &Path) -> Result<(), Failure> {
    let output = &context.output;
    let mut signals = StopSignal::listen().map_err(|error| Failure::new(Exit::Other, error.to_string()))?;
    output.note(&format!(
        "starting {} nodes, with their data in {} ...",
        plan.numbers.len(),
        folder.path.display()
    ));
    let cluster = tokio::select! {
        started = Cluster::start(plan, |what| output.note(what)) => {
            started.map_err(|error| not_started(&error, log))?
        }
        _ = signals.wait() => return Ok(()),
    };
    let nodes = cluster.nodes();
    let shared: remote::Shared = Arc::new(Mutex::new(Some(cluster)));
    let port = if plan.port == 0 { 0 } else { plan.port + CONTROL_STEP };
    let server = remote::serve(SocketAddr::from((Ipv4Addr::LOCALHOST, port)), Arc::clone(&shared)).map_err(
        |error| Failure::new(Exit::Other, format!("the command port {port} cannot be used: {error}")),
    )?;
    tokio::spawn(remote::keep(Arc::clone(&shared)));
    let has_room = plan.numbers.last().is_some_and(|last| *last < NODES_MAX);
    let greeting = Greeting { nodes: &nodes, control: server.address(), folder, log, has_room };
    let greeted =
        if output.is_json() { output.json(&greeting.json()) } else { output.line(&greeting.text(output)) };
    if let Err(failure) = greeted {
        // The cluster is there, whether its output is read or not.
        tracing::warn!("{}", failure.sentence);
        output.note(&format!("{}; the cluster is up all the same", failure.sentence));
    }
    signals.wait().await;
    output.note("\nstopping ... (once more to stop at once)");
    let cluster = shared.lock().await.take();
    let stopped = async {
        if let Some(cluster) = cluster {
            cluster.shutdown().await;
        }
    };
    tokio::select! {
        () = stopped => output.note(&folder.farewell()),
        _ = signals.wait_for_another() => {}
    }
    Ok(())
}

fn not_started(error: &Error, log: &Path) -> Failure {
    let next = match error {
        Error::Start { .. } if error.to_string().contains("in use") => {
            "another `quorate dev` may be running: stop it, or choose other ports with --port 7500".to_owned()
        }
        Error::Start { .. }
        | Error::Folder(_)
        | Error::NotReady { .. }
        | Error::Table(_)
        | Error::NoSuchNode { .. }
        | Error::Full
        | Error::NotJoined { .. }
        | Error::OpenFiles(_)
        | Error::Already { .. } => format!("the log says more: {}", log.display()),
    };
    Failure::new(Exit::Other, error.to_string()).next(next)
}

/// Does something to a node of the cluster that runs in another terminal.
async fn disturb(context: &Context, act: Act, node: &str) -> Result<(), Failure> {
    let control = control::find(context).await?;
    let path = format!("/v1/dev/nodes/{}/{}", node.escape_default(), act.as_str());
    let state: Json = control.change(Method::POST, path, None::<&()>).await?;
    if context.output.is_json() {
        return context.output.json(&state);
    }
    let word = |name: &str| state.get(name).map(document::word).unwrap_or_default();
    let name = word("name");
    let command = called(context.options.endpoints.first());
    let (done, then) = match act {
        Act::Kill => ("is down, abruptly", format!("`{command} dev start {name}` brings it back")),
        Act::Start => {
            ("runs again, on the data it had", format!("`{command} status` shows when it is ready"))
        }
        Act::Cut => (
            "hears no other node, and no other node hears it",
            format!("`{command} dev heal {name}` ends that"),
        ),
        Act::Heal => ("is connected again", format!("`{command} status` shows when it is ready")),
    };
    context.output.note(&format!("{name} {done}\n  next: {then}"));
    Ok(())
}
