//! What an operator types.

use crate::cluster::Cluster;
use crate::tool;

/// Makes a plan and applies it: the id of the job that carries it out; `None` if it is refused or there is nothing to do.
pub fn apply(cluster: &Cluster, plan: &[&str]) -> Option<String> {
    let said = type_in(cluster, &[&["cluster", "plan"], plan, &["--apply", "--yes"]].concat())?;
    Some(said["job"]["id"].as_str()?.to_owned())
}

/// Lets a job end where it is.
pub fn abort(cluster: &Cluster, job: &str) {
    // One that has ended, or that no node can be asked about, is seen at the end of the run.
    let _ = type_in(cluster, &["job", "abort", job, "--yes"]);
}

/// What a command answers, asked of all nodes that run in turn; `None` if it failed.
pub fn type_in(cluster: &Cluster, command: &[&str]) -> Option<serde_json::Value> {
    let nodes = cluster.nodes().iter().filter(|node| node.is_running());
    let mut all: Vec<String> = nodes.flat_map(|node| ["--endpoint".to_owned(), node.address()]).collect();
    all.extend(["--output", "json", "--timeout", "5s"].iter().chain(command).map(|word| (*word).to_owned()));
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    let binary = cluster.nodes().first()?.binary().display().to_string();
    let said = tokio::task::block_in_place(|| tool::run(&binary, &all)).ok()?;
    serde_json::from_str(&said).ok()
}
