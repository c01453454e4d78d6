//! Hosts of their own: network namespaces on one bridge.
//!
//! ```text
//!   root namespace: the clients         qj0br 10.88.0.254
//!                                     /       |        \
//!   bridge ports                  qj0v1     qj0v2      qj0v3        rules and shaping sit here
//!                                   |         |          |
//!   namespaces                   qj0n1     qj0n2      qj0n3         eth0 10.88.0.1, .2, .3
//! ```
//!
//! A frame from one node to another passes two ports of the bridge, where a rule of nftables may drop it: in one
//! direction only, if so wished. The clients reach every node all the time, as a client beside each node would.

use std::process::Command;
use std::sync::Arc;

use super::Error;
use super::network::Network;
use super::slot::Slot;
use crate::tool;

/// Where clients are answered on each host.
const PORT: u16 = 7_400;

/// Where members are answered on each host.
pub const PEER_PORT: u16 = 7_500;

/// The bridge's own address, where the clients are.
const BRIDGE: u8 = 254;

/// The namespaces of one cluster, removed when this is dropped.
#[derive(Debug)]
pub struct Hosts {
    slot: Arc<Slot>,
    all: Vec<Host>,
    /// What the bridge lets through.
    pub network: Network,
}

/// One host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    /// The name of its namespace.
    pub namespace: String,
    /// The port of the bridge that it hangs on.
    pub port: String,
    /// Its address, without a port.
    pub ip: String,
}

impl Hosts {
    /// Makes so many hosts, from 1 to 200.
    pub fn make(slot: Arc<Slot>, count: usize) -> Result<Hosts, Error> {
        slot.clean();
        let prefix = slot.prefix();
        let hosts: Vec<Host> = (1..=count)
            .map(|number| Host {
                namespace: format!("{prefix}n{number}"),
                port: format!("{prefix}v{number}"),
                ip: slot.address(u8::try_from(number).expect("there are at most 200 hosts")),
            })
            .collect();
        let network = Network::new(prefix.clone(), hosts.iter().map(|host| host.port.clone()).collect());
        // From here on, whatever fails, dropping this removes what was made.
        let made = Hosts { slot, all: hosts, network };
        made.raise()?;
        Ok(made)
    }

    fn raise(&self) -> Result<(), Error> {
        let bridge = format!("{}br", self.slot.prefix());
        let address = format!("{}/24", self.slot.address(BRIDGE));
        tool::run("ip", &["link", "add", &bridge, "type", "bridge"])?;
        // Without an address of its own a bridge takes that of a port, and changes it when ports come and go.
        tool::run("ip", &["link", "set", &bridge, "address", "02:00:00:58:00:fe"])?;
        tool::run("ip", &["addr", "add", &address, "dev", &bridge])?;
        tool::run("ip", &["link", "set", &bridge, "up"])?;
        for host in &self.all {
            let Host { namespace, port, ip } = host;
            tool::run("ip", &["netns", "add", namespace])?;
            let peer = ["peer", "name", "eth0", "netns", namespace];
            tool::run("ip", &[&["link", "add", port, "type", "veth"], &peer[..]].concat())?;
            tool::run("ip", &["link", "set", port, "master", &bridge, "up"])?;
            tool::run("ip", &["-n", namespace, "addr", "add", &format!("{ip}/24"), "dev", "eth0"])?;
            tool::run("ip", &["-n", namespace, "link", "set", "eth0", "up"])?;
            tool::run("ip", &["-n", namespace, "link", "set", "lo", "up"])?;
        }
        Ok(())
    }

    /// The hosts, in the order of the nodes.
    pub fn all(&self) -> &[Host] {
        &self.all
    }

    /// The number that all names come from.
    pub fn slot(&self) -> &Slot {
        &self.slot
    }
}

impl Drop for Hosts {
    fn drop(&mut self) {
        self.slot.clean();
    }
}

impl Host {
    /// Where clients are answered.
    pub fn address(&self) -> String {
        format!("{}:{PORT}", self.ip)
    }

    /// Where members are answered.
    pub fn peer_address(&self) -> String {
        format!("{}:{PEER_PORT}", self.ip)
    }

    /// A command that runs on this host. The process that is started becomes the program: its id is the program's.
    pub fn command(&self, program: &std::path::Path) -> Command {
        let mut command = tool::command("nsenter");
        command.arg(format!("--net=/run/netns/{}", self.namespace)).arg("--").arg(program);
        command
    }

    /// Runs a program of the system on this host to its end.
    pub fn run(&self, program: &str, arguments: &[&str], input: &str) -> Result<String, tool::Error> {
        let network = format!("--net=/run/netns/{}", self.namespace);
        let path = tool::find(program).map_or(program.to_owned(), |path| path.display().to_string());
        tool::run_with("nsenter", &[&[network.as_str(), "--", &path], arguments].concat(), input)
    }
}
