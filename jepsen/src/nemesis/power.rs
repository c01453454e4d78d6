//! The power of machines is cut: what was not synced is gone.
//!
//! The process is stopped where it stands, its file system forgets, and only then is the process killed: it never sees
//! an error that a machine without power would not have shown it. It comes back under another boot id, as after a real
//! start of a machine.
//!
//! With tables that sync before they acknowledge, nothing acknowledged is lost, whichever node was struck. With tables
//! that only hand over to the operating system, the node that was struck has lost something and must step out: then it
//! is a minority at most.

use rand::Rng as _;
use rand_chacha::ChaCha8Rng;

use super::aim::{Effect, Told};
use crate::cluster::Cluster;
use crate::cluster::doubt::{Cause, Expected};

/// The fault, and the number of the last boot.
#[derive(Debug, Default)]
pub struct Power {
    boots: u64,
}

impl Effect for Power {
    fn claims(&self) -> Option<&'static str> {
        Some("power")
    }

    fn limit(&self, cluster: &Cluster) -> usize {
        if cluster.forgets_on_power_cut() { cluster.may_make_doubtful() } else { usize::MAX }
    }

    fn strike(&mut self, cluster: &mut Cluster, nodes: &[usize], random: &mut ChaCha8Rng) -> Told {
        self.boots = random.random();
        for index in nodes {
            cluster.node_mut(*index).pause();
        }
        for disk in nodes.iter().filter_map(|index| cluster.nodes()[*index].disk()) {
            disk.cut_power()?;
        }
        for index in nodes {
            cluster.node_mut(*index).kill();
            if cluster.forgets_on_power_cut() {
                cluster.expect(*index, Expected::Doubt(&[Cause::MachineStopped]));
            }
        }
        Ok("lost its power".to_owned())
    }

    fn heal(&mut self, cluster: &mut Cluster, nodes: &[usize]) -> Told {
        for index in nodes {
            let node = cluster.node_mut(*index);
            if let Some(disk) = node.disk() {
                disk.restore()?;
            }
            self.boots = self.boots.wrapping_add(1);
            node.write_boot_id(self.boots)?;
            node.start_again()?;
        }
        Ok("has power again".to_owned())
    }
}
