//! kill -9, and the return on the same folder.
//!
//! The process gets no chance to say goodbye, but what it handed to the operating system stays: this is a crash of a
//! process, not of a machine.

use rand_chacha::ChaCha8Rng;

use super::aim::{Aim, Extent};
use super::{Fault, Struck};
use crate::cluster::{Cluster, Error};

const NAME: &str = "kill";

/// The fault, and whom it struck.
#[derive(Debug)]
pub struct Kill {
    aim: Aim,
    down: Vec<usize>,
}

impl Kill {
    /// Kills so many at once.
    pub fn new(extent: Extent) -> Kill {
        Kill { aim: Aim::new(extent), down: Vec::new() }
    }
}

impl Fault for Kill {
    fn strike(&mut self, cluster: &mut Cluster, random: &mut ChaCha8Rng) -> Result<Option<Struck>, Error> {
        self.down = self.aim.choose(&cluster.free(), cluster, usize::MAX, random);
        for index in &self.down {
            cluster.claim(*index, NAME);
            cluster.node_mut(*index).kill();
        }
        Ok(Struck::of(cluster, &self.down, "killed").map(|struck| struck.others_serve(cluster)))
    }

    fn heal(&mut self, cluster: &mut Cluster) -> Result<String, Error> {
        cluster.release_all(&self.down);
        for index in self.down.drain(..) {
            cluster.node_mut(index).start_again()?;
        }
        Ok("started again".to_owned())
    }
}
