//! `quorate dev`: a cluster to try things on, and the words that somebody reads in their first minute.

use crate::dev::{
    Act, CONNECTIONS_MAX, CONTROL_STEP, Cluster, Error, NODES_MAX, NodeState, PORT_STEP, Plan, TABLE,
    control, kept,
};
use crate::process::{self, LogFile, LogFileError, OpenFiles, StopSignal};
use clap::{Args, Subcommand};
use quorate_cli::columns::name;
use quorate_cli::output::{Output, Tone, Word};
use quorate_cli::quantity::counted;
use quorate_cli::{Context, Exit, Failure, block_on, document};
use quorate_client::{Client, Endpoint, Method, Options};
use quorate_http::Limits;
use quorate_storage::{RocksOptions, keep_private};
use serde_json::{Value as Json, json};
use std::fs::DirBuilder;
use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;

/// How long killing or starting a node may take.
const ACT_TIMEOUT: Duration = Duration::from_mins(1);

/// Nodes of a new cluster that nobody gave a number.
const NODES: usize = 3;

/// The log, in the folder of the nodes' folders.
const LOG: &str = "dev.log";

/// So many names of a temporary folder are tried.
const TEMPORARY_NAMES_MAX: usize = 64;

/// `quorate dev`.
#[derive(Args, Debug)]
#[command(args_conflicts_with_subcommands = true)]
#[command(after_help = "Examples:\n  \
    quorate dev\n  \
    quorate dev --nodes 5 --ephemeral --port 8400\n  \
    quorate dev kill n3        # in a second terminal")]
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
}

#[derive(Args, Debug)]
struct Target {
    /// The node, such as n2.
    node: String,
}

/// Where the nodes' folders are.
struct Folder {
    path: PathBuf,
    /// Whether it is deleted at the end.
    is_temporary: bool,
}

impl Dev {
    /// Runs a cluster, or disturbs the one that runs.
    pub fn run(self, context: &Context) -> Result<(), Failure> {
        match self.act {
            None => self.run.run(context),
            Some(command) => {
                let (act, target) = match command {
                    ActCommand::Kill(target) => (Act::Kill, target),
                    ActCommand::Start(target) => (Act::Start, target),
                    ActCommand::Cut(target) => (Act::Cut, target),
                    ActCommand::Heal(target) => (Act::Heal, target),
                };
                block_on(disturb(context, act, &target.node))
            }
        }
    }
}

impl Run {
    fn run(self, context: &Context) -> Result<(), Failure> {
        process::keep_files_private();
        let folder = Folder::open(&self, &context.output)?;
        let nodes = self.nodes(&folder)?;
        let zones = self.zones.unwrap_or(nodes.min(3));
        if !(1..=NODES_MAX).contains(&nodes) || !(1..=nodes).contains(&zones) {
            let sentence = format!("a development cluster has 1 to {NODES_MAX} nodes in 1 to as many zones");
            return Err(Failure::new(Exit::Usage, sentence));
        }
        if self.port > u16::MAX - PORT_STEP * NODES_MAX as u16 {
            return Err(Failure::new(
                Exit::Usage,
                format!("--port {} leaves no room for the other nodes", self.port),
            ));
        }
        let of_one = OpenFiles {
            connections: CONNECTIONS_MAX + Limits::default().health_connections_max,
            peers: quorate_transport::Limits::default().open_files_max(nodes),
            tables: RocksOptions::default().open_files_max.into(),
        };
        process::raise_open_files(of_one, nodes)
            .map_err(|error| Failure::new(Exit::Other, error.to_string()))?;
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
        let plan = Plan { nodes, zones, port: self.port, folder: folder.path.clone() };
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().map_err(
                |error| Failure::new(Exit::Other, format!("no reactor could be started: {error}")),
            )?;
        runtime.block_on(until_stopped(context, &plan, &folder, &log))
    }

    /// How many nodes there will be: all that the folder has, at least.
    fn nodes(&self, folder: &Folder) -> Result<usize, Failure> {
        let kept = kept(&folder.path).map_err(|error| Failure::new(Exit::Other, error.to_string()))?;
        let last = kept.last().copied().unwrap_or(0);
        let nodes = self.nodes.unwrap_or(if last == 0 { NODES } else { last });
        if nodes >= last {
            return Ok(nodes);
        }
        let names: Vec<String> = kept.iter().map(|number| format!("n{number}")).collect();
        let ports: Vec<String> =
            kept.iter().map(|number| (self.port + PORT_STEP * (*number as u16 - 1)).to_string()).collect();
        let sentence = format!(
            "the folder {} has a cluster of {}, which needs all of them, and --nodes {nodes} is fewer; nothing was started",
            folder.path.display(),
            names.join(", ")
        );
        let next = format!(
            "say --nodes {last} or leave it out (ports {} then), or choose another folder: --data DIR, or --ephemeral",
            ports.join(", ")
        );
        Err(Failure::new(Exit::Usage, sentence).next(next))
    }
}

async fn until_stopped(context: &Context, plan: &Plan, folder: &Folder, log: &Path) -> Result<(), Failure> {
    let output = &context.output;
    let mut signals = StopSignal::listen().map_err(|error| Failure::new(Exit::Other, error.to_string()))?;
    output.note(&format!("starting {} nodes, with their data in {} ...", plan.nodes, folder.path.display()));
    let cluster = tokio::select! {
        started = Cluster::start(plan, |what| output.note(what)) => {
            started.map_err(|error| not_started(&error, log))?
        }
        _ = signals.wait() => return Ok(()),
    };
    let nodes = cluster.nodes();
    let shared: control::Shared = Arc::new(Mutex::new(Some(cluster)));
    let port = if plan.port == 0 { 0 } else { plan.port + CONTROL_STEP };
    let server = control::serve(SocketAddr::from((Ipv4Addr::LOCALHOST, port)), Arc::clone(&shared)).map_err(
        |error| Failure::new(Exit::Other, format!("the control port {port} cannot be used: {error}")),
    )?;
    let greeting = Greeting { nodes: &nodes, control: server.address(), folder, log };
    let greeted =
        if output.is_json() { output.json(&greeting.json()) } else { output.line(&greeting.text(output)) };
    if let Err(failure) = greeted {
        // The cluster is there, whoever reads of it or not.
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
        | Error::Already { .. } => format!("the log says more: {}", log.display()),
    };
    Failure::new(Exit::Other, error.to_string()).next(next)
}

impl Folder {
    fn open(run: &Run, output: &Output) -> Result<Self, Failure> {
        let is_temporary = run.ephemeral;
        if is_temporary {
            return Ok(Self { path: temporary_folder()?, is_temporary });
        }
        let path = match &run.data {
            Some(path) => path.clone(),
            None => default_folder()?,
        };
        let is_ours = |name: &str| name == LOG || name == "n1";
        let narrowed =
            keep_private(&path, is_ours).map_err(|error| Failure::new(Exit::Other, error.to_string()))?;
        if narrowed {
            output.note(&format!(
                "other users of this machine could read {}: it is kept to this user now",
                path.display()
            ));
        }
        Ok(Self { path, is_temporary })
    }

    fn farewell(&self) -> String {
        if self.is_temporary {
            "stopped; the data is deleted".to_owned()
        } else {
            format!("stopped; the data is kept in {}", self.path.display())
        }
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if self.is_temporary {
            // It is in the folder for temporary things: what cannot be deleted now, the system deletes.
            let _left = std::fs::remove_dir_all(&self.path);
        }
    }
}

/// A new folder for temporary things, under a name that nobody has taken.
fn temporary_folder() -> Result<PathBuf, Failure> {
    let above = std::env::temp_dir();
    for attempt in 0..TEMPORARY_NAMES_MAX {
        let path = above.join(format!("quorate-dev-{}-{attempt}", std::process::id()));
        match DirBuilder::new().mode(0o700).create(&path) {
            Ok(()) => return Ok(path),
            // Another user's, perhaps: it is left alone.
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) => {
                let sentence = format!("{} cannot be made: {error}", path.display());
                return Err(Failure::new(Exit::Other, sentence).next("set TMPDIR, or say --data DIR"));
            }
        }
    }
    let sentence = format!("every name for a temporary folder in {} is taken", above.display());
    Err(Failure::new(Exit::Other, sentence).next("set TMPDIR, or say --data DIR"))
}

/// Where programs keep a user's data.
fn default_folder() -> Result<PathBuf, Failure> {
    let of = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let data = of("XDG_DATA_HOME").or_else(|| Some(of("HOME")?.join(".local/share")));
    data.map(|data| data.join("quorate/dev")).ok_or_else(|| {
        Failure::new(Exit::Usage, "there is no HOME to keep the data in: say --data DIR or --ephemeral")
    })
}

/// What a first-time user needs to know, and nothing else.
struct Greeting<'a> {
    nodes: &'a [NodeState],
    control: SocketAddr,
    folder: &'a Folder,
    log: &'a Path,
}

impl Greeting<'_> {
    fn json(&self) -> Json {
        json!({
            "nodes": self.nodes,
            "control": self.control,
            "table": TABLE,
            "data": self.folder.path,
            "ephemeral": self.folder.is_temporary,
            "log": self.log,
        })
    }

    fn text(&self, output: &Output) -> String {
        let strong = |text: &str| output.toned(Tone::Strong, text);
        let faint = |text: &str| output.toned(Tone::Faint, text);
        let zones = self.nodes.iter().map(|node| &node.zone).collect::<std::collections::BTreeSet<_>>().len();
        let rows = self
            .nodes
            .iter()
            .map(|node| {
                vec![
                    Word::toned(Tone::Strong, node.name.as_str()),
                    format!("http://{}", node.http).into(),
                    node.zone.as_str().into(),
                ]
            })
            .collect::<Vec<_>>();
        let table = output.table(&[name("NODE"), name("CLIENTS"), name("ZONE")], &rows);
        let kept = if self.folder.is_temporary { "deleted at the end" } else { "kept for the next time" };
        let mut lines = vec![
            String::new(),
            format!(
                "{}  {} in {}, one process, talking over loopback TCP",
                strong("Quorate is up"),
                counted(self.nodes.len() as u64, "node"),
                counted(zones as u64, "zone"),
            ),
            String::new(),
        ];
        lines.extend(table.lines().map(|line| format!("  {line}")));
        lines.push(String::new());
        lines.push(format!("  {}  {} ({kept})", faint("data"), self.folder.path.display()));
        lines.push(format!("  {}   {}", faint("log"), self.log.display()));
        lines.push(String::new());
        lines.push(strong("Try it, in a second terminal"));
        lines.push(String::new());
        lines.extend(self.suggestions(output));
        lines.push(String::new());
        lines.push(faint("Ctrl-C stops the cluster."));
        lines.join("\n")
    }

    /// Commands that can be pasted as they are.
    fn suggestions(&self, output: &Output) -> Vec<String> {
        let faint = |text: &str| format!("  {}", output.toned(Tone::Faint, text));
        let first = &self.nodes[0];
        let key = |node: &NodeState| format!("http://{}/v1/tables/{TABLE}/keys/greeting", node.http);
        let quorate = self.command();
        let (Some(other), Some(last)) = (self.nodes.get(1), self.nodes.last()) else {
            return vec![
                faint("# store and read"),
                format!("  curl -X PUT {} -d 'hello'", key(first)),
                format!("  curl -i     {}", key(first)),
            ];
        };
        let mut lines = vec![
            faint("# store at one node, read at another; the answer says what it promises"),
            format!("  curl -X PUT {} -d 'hello'", key(first)),
            format!("  curl -i     {}", key(other)),
            String::new(),
        ];
        let after = if self.nodes.len() > 2 {
            "# kill a node, abruptly: the two that are left are a quorum, and both commands still work"
        } else {
            "# kill a node, abruptly: one of two is no quorum, and both commands say so"
        };
        lines.extend([
            faint(after),
            format!("  {quorate} dev kill {}", last.name),
            format!("  {quorate} explain {TABLE} greeting"),
            String::new(),
            faint("# bring it back: it catches up by itself"),
            format!("  {quorate} dev start {}", last.name),
            format!("  {quorate} status"),
        ]);
        lines
    }

    /// How this program is called from another terminal, with the endpoint if it is not the usual one.
    fn command(&self) -> String {
        called(Some(&self.nodes[0].http.into()))
    }
}

/// How this program is called for the cluster of this node: with the endpoint if it is not the usual one.
fn called(endpoint: Option<&Endpoint>) -> String {
    let program = program();
    match endpoint {
        Some(endpoint) if endpoint.port() != quorate_client::DEFAULT_PORT => {
            format!("{program} --endpoint {endpoint}")
        }
        Some(_) | None => program,
    }
}

/// `quorate` if that is what a shell would find, else where this program is.
fn program() -> String {
    let Ok(this) = std::env::current_exe() else { return "quorate".to_owned() };
    let paths = std::env::var_os("PATH").unwrap_or_default();
    let found =
        std::env::split_paths(&paths).map(|folder| folder.join("quorate")).find(|path| path.is_file());
    if found.and_then(|found| found.canonicalize().ok()) == this.canonicalize().ok() {
        return "quorate".to_owned();
    }
    // A checkout has a wrapper that is easier to type.
    if Path::new("scripts/quorate").is_file() {
        return "scripts/quorate".to_owned();
    }
    this.display().to_string()
}

/// Does something to a node of the cluster that runs in another terminal.
async fn disturb(context: &Context, act: Act, node: &str) -> Result<(), Failure> {
    let control = find_control(context).await?;
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

/// The control port of the cluster that the endpoints belong to: nine ports above the first node's, on loopback.
async fn find_control(context: &Context) -> Result<Client, Failure> {
    for endpoint in &context.options.endpoints {
        for candidate in candidates(endpoint) {
            let options =
                Options { endpoints: vec![candidate], admin_timeout: ACT_TIMEOUT, ..context.options.clone() };
            let client = Client::new(options)?;
            if client.ask("/v1/dev".to_owned()).await.is_ok() {
                return Ok(client);
            }
        }
    }
    let names: Vec<String> = context.options.endpoints.iter().map(ToString::to_string).collect();
    Err(Failure::new(Exit::Unavailable, format!("no development cluster is found by {}", names.join(", ")))
        .next("start one with `quorate dev`, or name its first node with --endpoint 127.0.0.1:PORT"))
}

/// Where the control port may be, if this is the endpoint of one of its nodes, or the control port itself.
fn candidates(endpoint: &Endpoint) -> Vec<Endpoint> {
    let port = endpoint.port();
    let of_node = (0..NODES_MAX as u16).filter_map(|at| {
        let first = port.checked_sub(at * PORT_STEP)?;
        Some(Endpoint::new(endpoint.host(), first.checked_add(CONTROL_STEP)?))
    });
    of_node.chain([endpoint.clone()]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_control_port_follows_from_any_node() {
        let found = |port| candidates(&Endpoint::new("127.0.0.1", port)).iter().any(|c| c.port() == 7409);
        assert!(found(7400) && found(7410) && found(7480) && found(7409));
        assert!(!found(7411));
    }
}
