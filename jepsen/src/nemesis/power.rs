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

use super::aim::{Aim, Extent};
use super::{Fault, Struck};
use crate::cluster::doubt::{Cause, Expected};
use crate::cluster::{Cluster, Error};

const NAME: &str = "power";

/// The fault, and whom it struck.
#[derive(Debug)]
pub struct Power {
    aim: Aim,
    dark: Vec<usize>,
    boots: u64,
}

impl Power {
    /// Strikes so many machines at once.
    pub fn new(extent: Extent) -> Power {
        Power { aim: Aim::new(extent), dark: Vec::new(), boots: 0 }
    }
}

impl Fault for Power {
    fn strike(&mut self, cluster: &mut Cluster, random: &mut ChaCha8Rng) -> Result<Option<Struck>, Error> {
        let limit = if cluster.forgets_on_power_cut() { cluster.may_make_doubtful() } else { usize::MAX };
        self.dark = self.aim.choose(&cluster.free(), cluster, limit, random);
        self.boots = random.random();
        for index in &self.dark {
            cluster.claim(*index, NAME);
            cluster.node_mut(*index).pause();
        }
        for index in &self.dark {
            if let Some(disk) = cluster.nodes()[*index].disk() {
                disk.cut_power()?;
            }
        }
        for index in &self.dark {
            cluster.node_mut(*index).kill();
        }
        if cluster.forgets_on_power_cut() {
            for index in &self.dark {
                cluster.expect(*index, Expected::Doubt(&[Cause::MachineStopped]));
            }
        }
        Ok(Struck::of(cluster, &self.dark, "lost its power"))
    }

    fn heal(&mut self, cluster: &mut Cluster) -> Result<String, Error> {
        cluster.release_all(&self.dark);
        for index in self.dark.drain(..) {
            let node = cluster.node_mut(index);
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
