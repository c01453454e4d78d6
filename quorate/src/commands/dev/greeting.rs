//! The words that a newcomer reads in the first minute.

use super::folder::Folder;
use crate::dev::{NodeState, TABLE};
use quorate_cli::columns::name;
use quorate_cli::output::Output;
use quorate_cli::quantity::counted;
use quorate_cli::word::{Tone, Word};
use quorate_client::Endpoint;
use serde_json::{Value as Json, json};
use std::net::SocketAddr;
use std::path::Path;

/// What a first-time user needs to know, and nothing else.
pub struct Greeting<'a> {
    pub nodes: &'a [NodeState],
    pub control: SocketAddr,
    pub folder: &'a Folder,
    pub log: &'a Path,
    /// Whether a further node may come.
    pub has_room: bool,
}

impl Greeting<'_> {
    /// For a program.
    pub fn json(&self) -> Json {
        json!({
            "nodes": self.nodes,
            "control": self.control,
            "table": TABLE,
            "data": self.folder.path,
            "ephemeral": self.folder.is_temporary,
            "log": self.log,
        })
    }

    /// For a person.
    pub fn text(&self, output: &Output) -> String {
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
        if self.has_room {
            lines.extend([
                String::new(),
                faint("# add a node, and watch its share of the data arrive"),
                format!("  {quorate} dev add --wait"),
            ]);
        }
        lines
    }

    /// How this program is called from another terminal, with the endpoint if it is not the usual one.
    fn command(&self) -> String {
        called(Some(&self.nodes[0].http.into()))
    }
}

/// How this program is called for the cluster of this node: with the endpoint if it is not the usual one.
pub fn called(endpoint: Option<&Endpoint>) -> String {
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
