//! Nodes of `quorate serve`, each a process of its own on ports of its own, so that it is found again where it was.

use crate::process::{Ended, PATIENCE, Running, free_ports, quorate, run};
use quorate_client::{Client, Endpoint, Options};
use quorate_ports::Block;
use serde_json::Value as Json;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

/// A node that serves.
pub struct Node {
    pub process: Running,
    pub endpoint: String,
}

/// A cluster: its folders, its ports, and those of its nodes that run.
pub struct Nodes {
    pub folder: tempfile::TempDir,
    pub running: Vec<Option<Running>>,
    ports: Block,
    /// Variables of their environment.
    settings: Vec<(&'static str, &'static str)>,
}

/// A process on two ports of the block.
pub fn begun(data: &Path, ports: &Block, at: u16, arguments: &[&str]) -> Running {
    Running::start(serving(data, of_block(ports, at), arguments))
}

/// A process on whichever ports are free: it serves, or will say why not.
pub fn begun_anywhere(data: &Path, arguments: &[&str]) -> Running {
    Running::start(serving(data, [(); 2].map(|()| "127.0.0.1:0".to_owned()), arguments))
}

/// The node of a process, once it serves.
pub fn served(mut process: Running) -> Node {
    let line = process.until_said("the node serves");
    let line: Json = serde_json::from_str(&line).expect("a log line in JSON");
    let endpoint = line["clients"].as_str().expect("its address").to_owned();
    Node { process, endpoint }
}

fn of_block(ports: &Block, at: u16) -> [String; 2] {
    [2 * at, 2 * at + 1].map(|port| ports.address(port))
}

/// On these addresses: for clients, for peers.
fn serving(data: &Path, [clients, peers]: [String; 2], arguments: &[&str]) -> Command {
    let mut command = quorate();
    command.args(["serve", "--listen", &clients, "--peer-listen", &peers]);
    command.args(["--log-format", "json"]).args(arguments).arg("--data").arg(data);
    command
}

/// Asks until what is said holds.
#[track_caller]
fn until(what: &str, ask: impl Fn() -> Ended, holds: impl Fn(&Ended) -> bool) -> Ended {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let ended = ask();
        if holds(&ended) {
            return ended;
        }
        assert!(Instant::now() < deadline, "waited in vain until {what}: {ended:?}");
    }
}

impl Node {
    /// One on whichever ports are free.
    pub fn start(data: &Path, arguments: &[&str]) -> Self {
        served(begun_anywhere(data, arguments))
    }

    /// Runs a command that asks it.
    pub fn run(&self, arguments: &[&str]) -> Ended {
        run(&[&["--endpoint", self.endpoint.as_str()], arguments].concat())
    }

    /// Runs a command until what it says holds.
    #[track_caller]
    pub fn until(&self, what: &str, arguments: &[&str], holds: impl Fn(&Ended) -> bool) -> Ended {
        until(what, || self.run(arguments), holds)
    }

    /// Waits until its cluster is healthy.
    #[track_caller]
    pub fn until_ready(&self) {
        self.until("all is well", &["status", "--check"], |ended| ended.code == 0);
    }
}

impl Nodes {
    /// So many nodes, all members of one cluster.
    pub fn start(count: usize, settings: &[(&'static str, &'static str)]) -> Self {
        let (folder, ports) = (tempfile::tempdir().expect("a folder"), free_ports());
        let mut nodes = Self { folder, ports, running: Vec::new(), settings: settings.to_vec() };
        nodes.serve(0, &["--bootstrap", "--cluster-name", "nodes"]);
        for at in 1..count {
            nodes.join(at);
        }
        nodes.until_members(count);
        nodes
    }

    /// One more, a member that owns nothing yet.
    pub fn join(&mut self, at: usize) {
        let first = self.address(0);
        self.serve(at, &["--join", &first]);
    }

    /// Starts a node, and waits until it serves.
    pub fn serve(&mut self, at: usize, membership: &[&str]) -> &mut Running {
        let name = name(at);
        let arguments = [&["--name", name.as_str()], membership].concat();
        let mut command = serving(&self.data(at), of_block(&self.ports, of_pair(at)), &arguments);
        command.envs(self.settings.iter().copied());
        self.running.resize_with(self.running.len().max(at + 1), || None);
        self.running[at].insert(served(Running::start(command)).process)
    }

    /// Its process, which does not run any more for this cluster.
    pub fn take(&mut self, at: usize) -> Running {
        self.running[at].take().expect("it runs")
    }

    /// Its data folder.
    pub fn data(&self, at: usize) -> PathBuf {
        self.folder.path().join(name(at))
    }

    /// Where it answers.
    pub fn address(&self, at: usize) -> String {
        self.ports.address(2 * of_pair(at))
    }

    /// A client of these nodes.
    pub fn client(&self, at: &[usize]) -> Client {
        let port = |at: &usize| self.ports.port(2 * of_pair(*at));
        let endpoints = at.iter().map(|at| Endpoint::new("127.0.0.1", port(at))).collect();
        Client::new(Options { endpoints, ..Options::default() }).expect("a client")
    }

    /// Runs a command against one of them.
    pub fn run(&self, at: usize, arguments: &[&str]) -> Ended {
        run(&[&["--endpoint", &self.address(at)], arguments].concat())
    }

    /// Waits until the first knows so many members.
    #[track_caller]
    pub fn until_members(&self, count: usize) {
        self.until(&["cluster", "nodes", "--output", "json"], |nodes| {
            nodes.as_array().map(Vec::len) == Some(count)
        });
    }

    /// Waits until a command, asked of the first, shows what is wanted.
    #[track_caller]
    pub fn until(&self, arguments: &[&str], is_good: impl Fn(&Json) -> bool) -> Json {
        let shown = |ended: &Ended| serde_json::from_slice(&ended.stdout).unwrap_or(Json::Null);
        let is_shown = |ended: &Ended| ended.code == 0 && is_good(&shown(ended));
        shown(&until(&format!("{arguments:?} shows it"), || self.run(0, arguments), is_shown))
    }

    /// The same of one that is for people. Lines may be broken anywhere.
    #[track_caller]
    pub fn until_text(&self, arguments: &[&str], is_good: impl Fn(&str) -> bool) {
        let text = |ended: &Ended| ended.text().split_whitespace().collect::<Vec<_>>().join(" ");
        until(&format!("{arguments:?} says it"), || self.run(0, arguments), |ended| is_good(&text(ended)));
    }
}

/// What a node is called, counted from 0.
pub fn name(at: usize) -> String {
    format!("n{}", at + 1)
}

fn of_pair(at: usize) -> u16 {
    u16::try_from(at).expect("few")
}
