//! Nodes that were started one by one, each as a process of its own.

use crate::process::{Ended, PATIENCE, Running, free_ports, quorate, run};
use quorate_client::{Client, Endpoint, Options};
use serde_json::Value as Json;
use std::path::PathBuf;
use std::time::Instant;

/// A cluster: its folders, its ports, and those of its nodes that run.
pub struct Nodes {
    pub folder: tempfile::TempDir,
    pub running: Vec<Option<Running>>,
    ports: quorate_ports::Block,
    /// Variables of their environment.
    settings: Vec<(&'static str, &'static str)>,
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
        let peers = format!("127.0.0.1:{}", self.port(at) + 1);
        let mut command = quorate();
        let (name, address) = (name(at), self.address(at));
        command.args(["serve", "--name", &name, "--listen", &address, "--peer-listen", &peers]);
        command.args(membership).arg("--data").arg(self.data(at)).envs(self.settings.iter().copied());
        let mut node = Running::start(command);
        node.until_said("the node serves");
        self.running.resize_with(self.running.len().max(at + 1), || None);
        self.running[at].insert(node)
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
        format!("127.0.0.1:{}", self.port(at))
    }

    fn port(&self, at: usize) -> u16 {
        self.ports.port(u16::try_from(2 * at).expect("few"))
    }

    /// A client of these nodes.
    pub fn client(&self, at: &[usize]) -> Client {
        let endpoints = at.iter().map(|at| Endpoint::new("127.0.0.1", self.port(*at))).collect();
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
        shown(&self.until_ended(arguments, |ended| ended.code == 0 && is_good(&shown(ended))))
    }

    /// The same of one that is for people. Lines may be broken anywhere.
    #[track_caller]
    pub fn until_text(&self, arguments: &[&str], is_good: impl Fn(&str) -> bool) {
        let text = |ended: &Ended| ended.text().split_whitespace().collect::<Vec<_>>().join(" ");
        self.until_ended(arguments, |ended| is_good(&text(ended)));
    }

    #[track_caller]
    fn until_ended(&self, arguments: &[&str], is_good: impl Fn(&Ended) -> bool) -> Ended {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let ended = self.run(0, arguments);
            if is_good(&ended) {
                return ended;
            }
            assert!(Instant::now() < deadline, "{arguments:?}: {ended:?}");
        }
    }
}

/// What a node is called, counted from 0.
pub fn name(at: usize) -> String {
    format!("n{}", at + 1)
}
