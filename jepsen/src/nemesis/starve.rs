//! A node gets less of the machine than it needs: a control group with little processor or memory.
//!
//! A process that is short of memory may be killed by the kernel. That is a crash like another, and it is started again
//! when there is enough.

use rand::Rng as _;
use rand_chacha::ChaCha8Rng;

use super::aim::{Effect, Told};
use crate::cluster::limits::{self, Limit};
use crate::cluster::{Cluster, Excuse};

/// Hundredths of one processor that are left.
const PERCENT: std::ops::RangeInclusive<u64> = 2..=15;

/// Memory that a node may take beyond what it has, in MiB.
const MORE_MIB: std::ops::RangeInclusive<u64> = 4..=32;

/// What there is little of. The limits hold their latest numbers.
#[derive(Debug)]
pub struct Starve {
    limit: Limit,
}

impl Starve {
    /// Time on the processor.
    pub fn of_processor() -> Starve {
        Starve { limit: Limit::Processor { percent: 100 } }
    }

    /// Memory.
    pub fn of_memory() -> Starve {
        Starve { limit: Limit::Memory { bytes: 0 } }
    }

    /// Whether the kernel may kill a node for it, now or no more.
    fn excuse(&self) -> Option<Excuse> {
        match self.limit {
            Limit::Processor { .. } => None,
            Limit::Memory { .. } => Some(Excuse::NoMemory),
        }
    }
}

impl Effect for Starve {
    fn claims(&self) -> Option<&'static str> {
        Some("starve")
    }

    fn strike(&mut self, cluster: &mut Cluster, nodes: &[usize], random: &mut ChaCha8Rng) -> Told {
        let (limit, what) = match self.limit {
            Limit::Processor { .. } => {
                let percent = random.random_range(PERCENT);
                (Limit::Processor { percent }, format!("has {percent} % of a processor"))
            }
            Limit::Memory { .. } => {
                let mib = random.random_range(MORE_MIB);
                (Limit::Memory { bytes: mib << 20 }, format!("gets {mib} MiB of memory more and no more"))
            }
        };
        self.limit = limit;
        for index in nodes {
            let group = group(cluster, *index);
            let node = cluster.node_mut(*index);
            if let Some(excuse) = self.excuse() {
                node.excuse(Some(excuse));
            }
            if let Some(pid) = node.pid() {
                limits::limit(&group, pid, limit)?;
            }
        }
        Ok(what)
    }

    fn heal(&mut self, cluster: &mut Cluster, nodes: &[usize]) -> Told {
        for index in nodes {
            limits::lift(&group(cluster, *index), self.limit)?;
            let node = cluster.node_mut(*index);
            if self.excuse().is_some() {
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
