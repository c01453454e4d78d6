//! A link becomes narrow: the kernel's token bucket (`tc ... tbf`) at both ends of a host's cable.
//!
//! What does not fit waits in a queue, and what does not fit there is dropped: latency grows with load, until the load
//! gives way.

use rand::Rng as _;
use rand_chacha::ChaCha8Rng;

use super::aim::{Aim, Extent};
use super::{Fault, Struck};
use crate::cluster::{Cluster, Error};
use crate::tool;

/// How narrow, in kilobits a second.
const RATE_KBIT: std::ops::RangeInclusive<u32> = 200..=2_000;

/// The fault, and whom it struck.
#[derive(Debug)]
pub struct SlowLink {
    aim: Aim,
    struck: Vec<usize>,
}

impl SlowLink {
    /// Strikes fewer than half of the hosts.
    pub fn new() -> SlowLink {
        SlowLink { aim: Aim::new(Extent::Minority), struck: Vec::new() }
    }
}

impl Fault for SlowLink {
    fn strike(&mut self, cluster: &mut Cluster, random: &mut ChaCha8Rng) -> Result<Option<Struck>, Error> {
        let everybody: Vec<usize> = (0..cluster.nodes().len()).collect();
        self.struck = self.aim.choose(&everybody, cluster, usize::MAX, random);
        let rate = random.random_range(RATE_KBIT);
        let words = format!("root tbf rate {rate}kbit burst 16kb latency 400ms");
        let words: Vec<&str> = words.split(' ').collect();
        for host in self.struck.iter().filter_map(|index| cluster.nodes()[*index].host()) {
            tool::run("tc", &[&["qdisc", "replace", "dev", &host.port], &words[..]].concat())?;
            let inside = ["-n", &host.namespace, "qdisc", "replace", "dev", "eth0"];
            tool::run("tc", &[&inside, &words[..]].concat())?;
        }
        Ok(Struck::of(cluster, &self.struck, &format!("has {rate} kbit/s")))
    }

    fn heal(&mut self, cluster: &mut Cluster) -> Result<String, Error> {
        for index in self.struck.drain(..) {
            if let Some(host) = cluster.nodes()[index].host() {
                tool::run("tc", &["qdisc", "del", "dev", &host.port, "root"])?;
                tool::run("tc", &["-n", &host.namespace, "qdisc", "del", "dev", "eth0", "root"])?;
            }
        }
        Ok("as wide as before".to_owned())
    }
}
