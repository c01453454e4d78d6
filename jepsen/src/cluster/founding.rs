//! How a cluster begins: the first node founds it, the others join, and a table is made.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use reqwest::Method;
use serde_json::Value;

use super::hosts::Hosts;
use super::memory::{self, Memory};
use super::node::Site;
use super::{Cluster, Error, Node, Plan};
use crate::http::{Body, Http, Reply};
use quorate_ports::{Block, PORTS};

/// How long a cluster may take to found itself, gather its members and make a table.
const FOUNDING_TIMEOUT: Duration = Duration::from_mins(1);

/// The file with the secret that all members share, in the cluster's folder.
pub(super) const SECRET_FILE: &str = "secret";

impl Cluster {
    /// Starts all nodes and waits until every one of them is a member and ready.
    pub async fn start(plan: &Plan) -> Result<Cluster, Error> {
        std::fs::create_dir_all(&plan.folder)
            .map_err(Error::host(format!("folder {}", plan.folder.display())))?;
        let hosts =
            plan.slot.as_ref().map(|slot| Hosts::make(Arc::clone(slot), plan.nodes.len())).transpose()?;
        let (places, ports) = match &hosts {
            Some(hosts) => {
                write_secret(&plan.folder)?;
                (hosts.all().iter().cloned().map(Site::Host).collect(), Vec::new())
            }
            None => sites_on_loopback(plan.nodes.len())?,
        };
        let mut nodes = Vec::new();
        for (index, (shape, place)) in plan.nodes.iter().zip(places).enumerate() {
            nodes.push(Node::prepare(plan, index, shape, place)?);
        }
        let mut cluster = Cluster {
            nodes,
            hosts,
            _ports: ports,
            http: Http::new(),
            claims: BTreeMap::new(),
            damaged: BTreeMap::new(),
            incarnations: BTreeMap::new(),
            unexpected: Vec::new(),
            table: String::new(),
            table_id: Value::Null,
            probes: Vec::new(),
            forgets_on_power_cut: false,
            memory: Memory::default(),
        };
        let addresses: Vec<String> = cluster.nodes.iter().map(Node::address).collect();
        for node in &mut cluster.nodes {
            let own = node.address();
            node.know(addresses.iter().filter(|address| **address != own).cloned().collect());
        }
        let founder = cluster.nodes[0].address();
        cluster.nodes[0].found()?;
        cluster
            .wait("the founder to live", FOUNDING_TIMEOUT, async |cluster| {
                cluster.get_ok(0, "/health/live").await
            })
            .await?;
        for node in &mut cluster.nodes[1..] {
            node.join(&founder)?;
        }
        cluster
            .wait("all members to be listed by every node", FOUNDING_TIMEOUT, async |cluster| {
                cluster.all_know_all().await
            })
            .await?;
        cluster.bound_memory().await?;
        Ok(cluster)
    }

    /// Learns from a node's own limits how much memory nodes may take.
    async fn bound_memory(&mut self) -> Result<(), Error> {
        let bound = Cell::new(None);
        self.wait("the limits of a node", FOUNDING_TIMEOUT, async |cluster| {
            let url = format!("{}/v1/limits", cluster.nodes[0].endpoint());
            bound.set(Some(memory::bound(&cluster.http.get(&url).await.answer()?.json())?));
            Ok(())
        })
        .await?;
        self.memory.set_bound(bound.get());
        Ok(())
    }

    /// Makes a table and waits until every node is ready to serve it.
    pub async fn make_table(&mut self, table: Value) -> Result<(), Error> {
        self.forgets_on_power_cut |= table["durability"] == "os";
        self.wait("the table to be made", FOUNDING_TIMEOUT, async |cluster| {
            let url = format!("{}/v1/tables", cluster.nodes[0].endpoint());
            match cluster.http.ask(Method::POST, &url, Body::Json(table.clone())).await {
                Reply::Answer(answer) if answer.status == 409 => Ok(()),
                reply @ (Reply::Answer(_) | Reply::NotSent { .. } | Reply::Lost { .. }) => {
                    reply.success().map(drop)
                }
            }
        })
        .await?;
        self.wait_ready(FOUNDING_TIMEOUT).await?;
        let name = table["name"].as_str().unwrap_or_default();
        let id = RefCell::default();
        self.wait("the table's id", FOUNDING_TIMEOUT, async |cluster| {
            let url = format!("{}/v1/tables/{name}", cluster.nodes[0].endpoint());
            id.replace(cluster.http.get(&url).await.success()?.json()["id"].clone());
            Ok(())
        })
        .await?;
        self.table_id = id.take();
        self.write_first_probes(name, FOUNDING_TIMEOUT).await
    }

    async fn all_know_all(&self) -> Result<(), String> {
        for node in &self.nodes {
            let list = self.http.get(&format!("{}/v1/cluster/nodes", node.endpoint())).await.success();
            let list = list.map_err(|why| format!("{}: {why}", node.name()))?.json();
            let members = members(&list).map_or(0, Vec::len);
            if members != self.nodes.len() {
                return Err(format!("{} knows {members} of {} members", node.name(), self.nodes.len()));
            }
        }
        Ok(())
    }
}

/// A secret that all members of one cluster share.
fn write_secret(folder: &Path) -> Result<(), Error> {
    let path = folder.join(SECRET_FILE);
    std::fs::write(&path, "the secret of a cluster that lives for a minute\n")
        .map_err(Error::host(format!("secret {}", path.display())))
}

/// Places for so many nodes on loopback, and the blocks that their ports are from.
fn sites_on_loopback(count: usize) -> Result<(Vec<Site>, Vec<Block>), Error> {
    let (mut sites, mut blocks) = (Vec::new(), Vec::new());
    while sites.len() < count {
        let block = Block::take().map_err(|_| Error::NoFreePorts)?;
        let places = (0..PORTS / 2).take(count - sites.len());
        let site = |at| Site::Loopback { port: block.port(2 * at), peer_port: block.port(2 * at + 1) };
        sites.extend(places.map(site));
        blocks.push(block);
    }
    Ok((sites, blocks))
}

/// The members that an answer lists: an array, alone or as the member `nodes` or `items`.
pub(super) fn members(json: &Value) -> Option<&Vec<Value>> {
    json.as_array().or_else(|| ["nodes", "items"].iter().find_map(|name| json[name].as_array()))
}
