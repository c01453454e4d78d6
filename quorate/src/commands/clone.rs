//! `quorate clone`: copies of data folders become another cluster's.

use clap::Args;
use quorate_cli::{Context, Exit, Failure};
use quorate_model::ClusterId;
use quorate_model::table::is_table_name;
use quorate_storage::{CloneError, Identity, RocksOptions, clone_as};
use serde_json::json;
use std::path::PathBuf;

/// `quorate clone`.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  \
    quorate clone /copies/a /copies/b /copies/c --cluster-name staging\n  \
    quorate serve --data /copies/a --join b.staging:7400 --secret-file staging-secret")]
pub struct Clone {
    /// Copies of the data folders of stopped nodes.
    #[arg(required = true, value_name = "FOLDER")]
    folders: Vec<PathBuf>,
    /// What the clone is called: not as the cluster that was copied.
    #[arg(long, value_name = "NAME")]
    cluster_name: String,
    /// The clone's id, as this command has printed it: for folders on other machines [default: a new one].
    #[arg(long, value_name = "ID")]
    cluster: Option<ClusterId>,
}

impl Clone {
    /// Does it.
    pub fn run(self, context: &Context) -> Result<(), Failure> {
        let output = &context.output;
        if !is_table_name(&self.cluster_name) {
            let why = format!(
                "{:?} is no name of a cluster: it has 1 to 64 of a-z, 0-9, '_' and '-'",
                self.cluster_name
            );
            return Err(Failure::new(Exit::Usage, why));
        }
        let cluster = self.cluster.unwrap_or_else(quorate_node::node::folder::draw_cluster);
        self.expect_one_cluster()?;
        let mut cloned = Vec::new();
        for folder in &self.folders {
            let (before, identity) = clone_as(folder, cluster, &self.cluster_name, &RocksOptions::default())
                .map_err(|error| failed(&error).next(self.again(cluster)))?;
            output.note(&format!(
                "{}: {} of cluster {} ({}) is {} of cluster {} now",
                folder.display(),
                before.node,
                before.cluster_name,
                before.cluster,
                identity.node,
                identity.cluster_name
            ));
            cloned.push(json!({
                "folder": folder.display().to_string(),
                "node": identity.node.to_string(),
                "from": before.cluster.to_string(),
                "from_name": before.cluster_name,
            }));
        }
        if output.is_json() {
            return output.json(&json!({
                "cluster": cluster.to_string(), "cluster_name": self.cluster_name, "folders": cloned,
            }));
        }
        output.note(&format!("  next: {}", self.again(cluster)));
        output.bytes(format!("{cluster}\n").as_bytes())
    }

    /// The same for folders that are elsewhere.
    fn again(&self, cluster: ClusterId) -> String {
        let name = &self.cluster_name;
        format!(
            "for each other copy `quorate clone FOLDER --cluster-name {name} --cluster {cluster}`, before any is started"
        )
    }

    /// Copies of two clusters do not become one.
    fn expect_one_cluster(&self) -> Result<(), Failure> {
        let mut first: Option<Identity> = None;
        for folder in &self.folders {
            let read = Identity::read(folder).map_err(|error| failed(&error.into()))?;
            let found = read.ok_or_else(|| failed(&CloneError::Empty(folder.clone())))?;
            let first = first.get_or_insert_with(|| found.clone());
            // One that was cloned before is of the other cluster already.
            let is_cloned = |of: &Identity| Some(of.cluster) == self.cluster;
            if first.cluster != found.cluster && !is_cloned(first) && !is_cloned(&found) {
                let why = format!(
                    "{} belongs to cluster {} ({}), and another of these folders to {}: no folder was changed",
                    folder.display(),
                    found.cluster,
                    found.cluster_name,
                    first.cluster
                );
                return Err(Failure::new(Exit::Conflict, why));
            }
        }
        Ok(())
    }
}

fn failed(error: &CloneError) -> Failure {
    let exit = match error {
        CloneError::Empty(_) => Exit::NotFound,
        CloneError::SameName { .. } | CloneError::NotMember(_) => Exit::Conflict,
        CloneError::Doubtful { .. }
        | CloneError::Identity(_)
        | CloneError::Open(_)
        | CloneError::Engine(_) => Exit::Other,
    };
    Failure::new(exit, error.to_string())
}
