//! kill -9 of one node, and its return on the same folder.
//!
//! The process gets no chance to say goodbye, but what it handed to the operating system stays: this is a crash of a
//! process, not of a machine.

use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::Fault;
use crate::cluster::{Cluster, Error};

/// The fault, and whom it struck.
#[derive(Debug, Default)]
pub struct Kill {
    down: Option<usize>,
}

impl Fault for Kill {
    fn strike(&mut self, cluster: &mut Cluster, random: &mut ChaCha8Rng) -> Result<String, Error> {
        let index = random.random_range(0..cluster.nodes().len());
        let node = cluster.node_mut(index);
        node.kill();
        self.down = Some(index);
        Ok(format!("killed {}", node.name()))
    }

    fn heal(&mut self, cluster: &mut Cluster) -> Result<String, Error> {
        let Some(index) = self.down.take() else { return Ok("nothing to heal".to_owned()) };
        let node = cluster.node_mut(index);
        node.start_again()?;
        Ok(format!("started {} again", node.name()))
    }
}
