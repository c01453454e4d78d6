//! A node gets less of the machine than it needs: a control group with little processor or memory.
//!
//! A process that is short of memory may be killed by the kernel. That is a crash like another, and it is started again
//! when there is enough.

use rand::Rng as _;
use rand_chacha::ChaCha8Rng;

use super::aim::{Aim, Extent};
use super::{Fault, Struck};
use crate::cluster::limits::{self, Limit};
use crate::cluster::{Cluster, Error, Excuse};

/// Hundredths of one processor that are left.
const PERCENT: std::ops::RangeInclusive<u64> = 2..=15;

/// Memory that a node may take beyond what it has, in MiB.
const MORE_MIB: std::ops::RangeInclusive<u64> = 4..=32;

/// What there is little of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resource {
    /// Time on the processor.
    Processor,
    /// Memory.
    Memory,
}

/// The fault, and whom it struck.
#[derive(Debug)]
pub struct Starve {
    name: &'static str,
    resource: Resource,
    aim: Aim,
    struck: Vec<(usize, Limit)>,
}

impl Starve {
    /// Of this resource, under its name in the table of faults.
    pub fn new(name: &'static str, resource: Resource) -> Starve {
        Starve { name, resource, aim: Aim::new(Extent::Minority), struck: Vec::new() }
    }

    fn indexes(&self) -> Vec<usize> {
        self.struck.iter().map(|(index, _)| *index).collect()
    }
}

impl Fault for Starve {
    fn strike(&mut self, cluster: &mut Cluster, random: &mut ChaCha8Rng) -> Result<Option<Struck>, Error> {
        let limit = match self.resource {
            Resource::Processor => Limit::Processor { percent: random.random_range(PERCENT) },
            Resource::Memory => Limit::Memory { bytes: random.random_range(MORE_MIB) << 20 },
        };
        let chosen = self.aim.choose(&cluster.free(), cluster, usize::MAX, random);
        for index in chosen {
            cluster.claim(index, self.name);
            self.struck.push((index, limit));
            let group = group(cluster, index);
            let node = cluster.node_mut(index);
            if self.resource == Resource::Memory {
                node.excuse(Some(Excuse::NoMemory));
            }
            if let Some(pid) = node.pid() {
                limits::limit(&group, pid, limit)?;
            }
        }
        let what = match limit {
            Limit::Processor { percent } => format!("has {percent} % of a processor"),
            Limit::Memory { bytes } => format!("gets {} MiB of memory more and no more", bytes >> 20),
        };
        Ok(Struck::of(cluster, &self.indexes(), &what))
    }

    fn heal(&mut self, cluster: &mut Cluster) -> Result<String, Error> {
        cluster.release_all(&self.indexes());
        for (index, limit) in std::mem::take(&mut self.struck) {
            limits::lift(&group(cluster, index), limit)?;
            let node = cluster.node_mut(index);
            if self.resource == Resource::Memory {
                node.excuse(None);
            }
            node.start_again()?;
        }
        Ok("has enough again".to_owned())
    }
}

/// The name of a node's group.
fn group(cluster: &Cluster, index: usize) -> String {
    let prefix = cluster.hosts().map_or_else(|| "qj".to_owned(), |hosts| hosts.slot().prefix());
    format!("{prefix}-{}", cluster.nodes()[index].name())
}
