//! Three nodes, each a process of its own on loopback.

use crate::Outcome;
use crate::process::Process;
use quorate_client::{Client, Options};
use quorate_ports::Block;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

const NODES: u16 = 3;

/// Ports of the block that a cluster uses.
pub const PORTS: u16 = 2 * NODES;

/// After so long a cluster that is not ready never will be.
const PATIENCE: Duration = Duration::from_secs(60);

/// See the module's sentence.
pub struct Cluster {
    nodes: Vec<(Process, SocketAddr)>,
}

impl Cluster {
    /// Starts them with what a node has by default, and makes a table for each durability.
    pub async fn start(quorate: &Path, folder: &Path, ports: &Block) -> Outcome<Self> {
        let mut nodes = Vec::new();
        for at in 0..NODES {
            let name = format!("n{}", at + 1);
            let mut command = Command::new(quorate);
            command.args(["serve", "--name", &name, "--listen", &ports.address(2 * at)]);
            command.args(["--peer-listen", &ports.address(2 * at + 1), "--data"]).arg(folder.join(&name));
            if at == 0 {
                command.args(["--bootstrap", "--cluster-name", "bench"]);
            } else {
                command.args(["--join", &ports.address(0)]);
            }
            let process = Process::start(command, &folder.join(format!("{name}.log")))?;
            let address: SocketAddr = ports.address(2 * at).parse()?;
            nodes.push((process, address));
            until_ready(address, usize::from(at) + 1).await?;
        }
        let cluster = Self { nodes };
        let client = client(cluster.nodes[0].1)?;
        for durability in ["os", "sync"] {
            let spec = serde_json::json!({ "name": durability, "durability": durability });
            client.create_table(&serde_json::from_value(spec)?).await?;
        }
        Ok(cluster)
    }

    /// Their processes.
    pub fn processes(&self) -> Vec<&Process> {
        self.nodes.iter().map(|(process, _)| process).collect()
    }

    /// Where they answer clients.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.nodes.iter().map(|(_, address)| *address).collect()
    }

    /// Bytes of memory that each holds.
    pub fn memory(&self) -> Vec<u64> {
        self.nodes.iter().map(|(process, _)| process.memory()).collect()
    }
}

fn client(address: SocketAddr) -> Outcome<Client> {
    Ok(Client::new(Options { endpoints: vec![address.into()], ..Options::default() })?)
}

/// Waits until a node serves, and knows so many members.
async fn until_ready(address: SocketAddr, members: usize) -> Outcome<()> {
    let (client, deadline) = (client(address)?, Instant::now() + PATIENCE);
    loop {
        let is_ready = client.ready().await.is_ok();
        let known = if is_ready { client.nodes().await.map_or(0, |nodes| nodes.read.nodes.len()) } else { 0 };
        if known >= members {
            return Ok(());
        }
        if Instant::now() > deadline {
            return Err(format!("the node at {address} is not ready: see its log").into());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
