//! Frames get lost: some of a hundred, of whatever some hosts send or get.
//!
//! TCP makes it good, and takes its time: what is seen above is latency with a long tail, and now and then a connection
//! that gives up.

use rand::Rng as _;
use rand_chacha::ChaCha8Rng;

use super::aim::{Effect, Told};
use crate::cluster::Cluster;
use crate::cluster::network::Rule;

const NAME: &str = "packet-loss";

/// Of a hundred frames so many are lost. From a third on, TCP hardly moves.
const PERCENT: std::ops::RangeInclusive<u8> = 3..=25;

/// The fault.
#[derive(Debug)]
pub struct PacketLoss;

impl Effect for PacketLoss {
    fn strike(&mut self, cluster: &mut Cluster, nodes: &[usize], random: &mut ChaCha8Rng) -> Told {
        let percent = random.random_range(PERCENT);
        if let Some(hosts) = cluster.hosts_mut() {
            let rules = nodes.iter().map(|host| Rule::Lose { host: *host, percent });
            hosts.network.set(NAME, rules.collect())?;
        }
        Ok(format!("loses {percent} % of its frames"))
    }

    fn heal(&mut self, cluster: &mut Cluster, _nodes: &[usize]) -> Told {
        if let Some(hosts) = cluster.hosts_mut() {
            hosts.network.lift(NAME)?;
        }
        Ok("loses nothing".to_owned())
    }
}
