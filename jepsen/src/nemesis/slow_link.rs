//! A link becomes narrow: the kernel's token bucket (`tc ... tbf`) at both ends of a host's cable.
//!
//! What does not fit waits in a queue, and what does not fit there is dropped: latency grows with load, until the load
//! gives way.

use rand::Rng as _;
use rand_chacha::ChaCha8Rng;

use super::aim::{Effect, Told};
use crate::cluster::Cluster;
use crate::tool;

/// How narrow, in kilobits a second.
const RATE_KBIT: std::ops::RangeInclusive<u32> = 200..=2_000;

/// The fault.
#[derive(Debug)]
pub struct SlowLink;

impl Effect for SlowLink {
    fn strike(&mut self, cluster: &mut Cluster, nodes: &[usize], random: &mut ChaCha8Rng) -> Told {
        let rate = random.random_range(RATE_KBIT);
        let words = format!("root tbf rate {rate}kbit burst 16kb latency 400ms");
        let words: Vec<&str> = words.split(' ').collect();
        for host in nodes.iter().filter_map(|index| cluster.nodes()[*index].host()) {
            tool::run("tc", &[&["qdisc", "replace", "dev", &host.port], &words[..]].concat())?;
            let inside = ["-n", &host.namespace, "qdisc", "replace", "dev", "eth0"];
            tool::run("tc", &[&inside, &words[..]].concat())?;
        }
        Ok(format!("has {rate} kbit/s"))
    }

    fn heal(&mut self, cluster: &mut Cluster, nodes: &[usize]) -> Told {
        for host in nodes.iter().filter_map(|index| cluster.nodes()[*index].host()) {
            tool::run("tc", &["qdisc", "del", "dev", &host.port, "root"])?;
            tool::run("tc", &["-n", &host.namespace, "qdisc", "del", "dev", "eth0", "root"])?;
        }
        Ok("as wide as before".to_owned())
    }
}
