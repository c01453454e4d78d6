//! Frames get lost: some of a hundred, of whatever some hosts send or get.
//!
//! TCP makes it good, and takes its time: what is seen above is latency with a long tail, and now and then a connection
//! that gives up.

use rand::Rng as _;
use rand_chacha::ChaCha8Rng;

use super::aim::{Aim, Extent};
use super::{Fault, Struck};
use crate::cluster::network::Rule;
use crate::cluster::{Cluster, Error};

const NAME: &str = "packet-loss";

/// Of a hundred frames so many are lost. From a third on, TCP hardly moves.
const PERCENT: std::ops::RangeInclusive<u8> = 3..=25;

/// The fault.
#[derive(Debug)]
pub struct PacketLoss {
    aim: Aim,
}

impl PacketLoss {
    /// Strikes some hosts or all.
    pub fn new() -> PacketLoss {
        PacketLoss { aim: Aim::new(Extent::Some) }
    }
}

impl Fault for PacketLoss {
    fn strike(&mut self, cluster: &mut Cluster, random: &mut ChaCha8Rng) -> Result<Option<Struck>, Error> {
        let everybody: Vec<usize> = (0..cluster.nodes().len()).collect();
        let struck = self.aim.choose(&everybody, cluster, usize::MAX, random);
        let percent = random.random_range(PERCENT);
        let Some(hosts) = cluster.hosts_mut() else { return Ok(None) };
        hosts.network.set(NAME, struck.iter().map(|host| Rule::Lose { host: *host, percent }).collect())?;
        Ok(Struck::of(cluster, &struck, &format!("loses {percent} % of its frames")))
    }

    fn heal(&mut self, cluster: &mut Cluster) -> Result<String, Error> {
        if let Some(hosts) = cluster.hosts_mut() {
            hosts.network.lift(NAME)?;
        }
        Ok("loses nothing".to_owned())
    }
}
