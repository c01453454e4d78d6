//! kill -9 of one node, and its return on the same folder.
//!
//! The process gets no chance to say goodbye, but what it handed to the operating system stays: this is a crash of a
//! process, not of a machine.

use rand::seq::IndexedRandom as _;
use rand_chacha::ChaCha8Rng;

use super::Fault;
use crate::cluster::{Cluster, Error};

/// The fault, and whom it struck.
#[derive(Debug, Default)]
pub struct Kill {
    down: Option<usize>,
    /// How often each node was struck: those struck least often come next, so that a short run meets all of them.
    strikes: Vec<u32>,
}

impl Fault for Kill {
    fn strike(&mut self, cluster: &mut Cluster, random: &mut ChaCha8Rng) -> Result<String, Error> {
        self.strikes.resize(cluster.nodes().len(), 0);
        let fewest = self.strikes.iter().min().copied().unwrap_or(0);
        let next: Vec<usize> =
            (0..self.strikes.len()).filter(|index| self.strikes[*index] == fewest).collect();
        let index = *next.choose(random).expect("some node was struck least often");
        self.strikes[index] += 1;
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
