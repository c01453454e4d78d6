//! Connections between members are reset.
//!
//! `reset`: all that a host has are cut at once (`ss -K`), new ones are let through. `reject`: until it is healed, every
//! segment that the host sends to a member is answered with a reset, by a rule in the host's own namespace (the bridge
//! cannot reject in every kernel). Unlike a partition, everybody learns of it at once.

use rand_chacha::ChaCha8Rng;

use super::aim::{Aim, Extent};
use super::{Fault, Struck};
use crate::cluster::hosts::{Host, PEER_PORT};
use crate::cluster::{Cluster, Error};
use crate::tool;

/// The table of rules, in the host's own namespace.
const TABLE: &str = "resets";

/// How it is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// Once.
    Cut,
    /// Until it is healed.
    Reject,
}

/// The fault, and whom it struck.
#[derive(Debug)]
pub struct Reset {
    manner: Manner,
    aim: Aim,
    struck: Vec<usize>,
}

impl Reset {
    /// In this manner.
    pub fn new(manner: Manner) -> Reset {
        let extent = match manner {
            Manner::Cut => Extent::Some,
            Manner::Reject => Extent::Minority,
        };
        Reset { manner, aim: Aim::new(extent), struck: Vec::new() }
    }
}

impl Fault for Reset {
    fn strike(&mut self, cluster: &mut Cluster, random: &mut ChaCha8Rng) -> Result<Option<Struck>, Error> {
        let everybody: Vec<usize> = (0..cluster.nodes().len()).collect();
        self.struck = self.aim.choose(&everybody, cluster, usize::MAX, random);
        for host in self.struck.iter().filter_map(|index| cluster.nodes()[*index].host()) {
            match self.manner {
                Manner::Cut => cut_peers(host)?,
                Manner::Reject => {
                    let table = format!(
                        "table ip {TABLE} {{\n  chain out {{\n    type filter hook output priority 0\n    \
                         tcp dport {PEER_PORT} reject with tcp reset\n    tcp sport {PEER_PORT} reject with tcp \
                         reset\n  }}\n}}\n"
                    );
                    host.run("nft", &["-f", "-"], &table).map(drop)?;
                }
            }
        }
        let what = match self.manner {
            Manner::Cut => "had its connections reset",
            Manner::Reject => "gets resets only",
        };
        Ok(Struck::of(cluster, &self.struck, what))
    }

    fn heal(&mut self, cluster: &mut Cluster) -> Result<String, Error> {
        for index in self.struck.drain(..) {
            if let (Some(host), Manner::Reject) = (cluster.nodes()[index].host(), self.manner) {
                host.run("nft", &["delete", "table", "ip", TABLE], "")?;
            }
        }
        Ok("connects again".to_owned())
    }
}

/// Cuts all connections of a host to and from other members.
pub(super) fn cut_peers(host: &Host) -> Result<(), tool::Error> {
    let port = format!(":{PEER_PORT}");
    let arguments =
        ["-t", "-K", "state", "established", "(", "dport", "=", &port, "or", "sport", "=", &port, ")"];
    host.run("ss", &arguments, "").map(drop)
}
